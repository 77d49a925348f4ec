//! What a run on a cluster costs: as many requests and sessions for many attempts as for few, and little memory. And
//! what it does when the cluster does not go on.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::api_server::ApiServer;
use crate::project::{Project, Ran};
use crate::stand_ins::static_program;

/// The memory that a run with hundreds of attempts may take, in kB.
const MEMORY: u64 = 150_000;

/// What a run over two pods and so many attempts came to.
fn run(server: &ApiServer, attempts: usize) -> Ran {
    run_scenario(server, shop(attempts))
}

fn shop(attempts: usize) -> String {
    let mut scenario =
        "scenario: shop\nabout: Many attempts.\ntopology:\n  namespaces: {shop: {}}\n  pods:\n    \
                        shop/cart: {labels: {app: cart}}\n    \
                        shop/stock: {labels: {app: stock}, serves: [http 80]}\n\
                        steps:\n- step: open\n  expect:\n"
            .to_owned();
    for number in 0..attempts {
        writeln!(scenario, "    http GET shop/stock:80/{number}: {{allow: others}}").unwrap();
    }
    scenario
}

fn run_scenario(server: &ApiServer, scenario: String) -> Ran {
    let project = Project::with(&[("shop.yaml", scenario), ("kubeconfig", server.kubeconfig())]);
    let program = project.program_beside(&static_program());
    let mut command =
        project.command_of(&program, &["run", "shop.yaml", "--on", "cluster", "--yes", "--quiet"]);
    command.env("KUBECONFIG", project.path("kubeconfig"));
    for (name, file) in [("out", 1), ("err", 2)] {
        let stream = Stdio::from(fs::File::create(project.path(name)).unwrap());
        if file == 1 {
            command.stdout(stream)
        } else {
            command.stderr(stream)
        };
    }
    let mut running = command.spawn().unwrap();
    server.watch_memory(running.id());
    let code = running.wait().unwrap().code().unwrap();
    // First the cluster is named, whose port is another each time.
    let told = project.read("err");
    let told = told.lines().filter(|line| !line.starts_with("using context stand-in: "));
    let stderr = told.flat_map(|line| [line, "\n"]).collect();
    Ran { code, stdout: project.read("out"), stderr }
}

/// What a run asks however long it takes, in the order of the alphabet. Settling asks a probe and watches endpoints at
/// the same time, and goes on with whichever answers first.
fn asked(server: &ApiServer) -> String {
    let mut lines = server.asked();
    lines.retain(|line| !line.contains(" watch") && !line.contains("ciliumendpoints"));
    for line in &mut lines {
        // The name of a run is the time and its process.
        if let Some((before, _)) = line.split_once("verdikt-canary-") {
            *line = format!("{before}verdikt-canary");
        }
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn requests_and_sessions_do_not_grow_with_the_number_of_attempts() {
    let few = ApiServer::start();
    let many = ApiServer::start();
    let succeeds = |server: &ApiServer, attempts: usize| {
        let ran = run(server, attempts);
        assert_eq!(ran.code, 0, "{ran}\n{}", asked(server));
        assert!(ran.stdout.contains(&format!("{attempts} cells")), "{ran}");
    };
    succeeds(&few, 10);
    succeeds(&many, 300);
    assert_eq!(asked(&few), asked(&many));
    let sessions = |server: &ApiServer| {
        asked(server).lines().filter(|line| line.contains("/exec ")).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(sessions(&many), @r"
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec cilium-dbg endpoint list -o json
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec cilium-dbg endpoint list -o json
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec cilium-dbg metrics list -p bpf_map_pressure -o json
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec cilium-dbg policy get -o json
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec hubble observe --follow --output jsonpb --type policy-verdict --type drop --type%3Dl7
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec hubble observe --help
    GET /api/v1/namespaces/kube-system/pods/cilium-1/exec hubble status
    GET /api/v1/namespaces/shop/pods/cart/exec %2Fverdikt
    GET /api/v1/namespaces/shop/pods/stock/exec %2Fverdikt
    ");
    let memory = many.most_memory();
    assert!(memory < MEMORY, "{memory} kB");
}

#[test]
fn an_api_server_that_breaks_off_ends_the_scenario() {
    let server = ApiServer::start();
    server.break_at(1);
    let ran = run(&server, 10);
    let failed: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert_snapshot!(format!("exit code {}\n{}{}", ran.code, failed.join("\n"), ran.stderr), @r"
    exit code 4
    FAILED        shop: the probe of shop/cart has ended: the stream to it has ended
    FAILED: 1 scenario, 1 step, 10 cells, 0 policy objects, 10 inconclusive cells, 1 scenario failed
    ");
    assert!(asked(&server).contains("DELETE /api/v1/namespaces/shop"), "what was made is removed");
}

#[test]
fn what_cannot_be_removed_keeps_nobody_off() {
    let server = ApiServer::start();
    server.refuse("DELETE /api/v1/namespaces/shop");
    assert_snapshot!(run(&server, 2), @r#"
    exit code 4
    --- stdout

    evidence: 2 cells by outcome and arrival
    backend cluster stand-in (Kubernetes v1.36.1, Cilium 1.20.2, flows of 1 agent), Cilium 1.20
    as expected: 1 scenario, 1 step, 2 cells, 0 policy objects
    --- stderr
    something is left in the cluster: `verdikt clean` removes it; cannot remove Namespace shop: the API server says: admission webhook "maker" denied the request
    "#);
    let lease = "DELETE /apis/coordination.k8s.io/v1/namespaces/verdikt-system/leases/verdikt";
    assert!(server.asked().iter().any(|asked| asked == lease), "others may come");
}

/// Whoever reaches a node reaches what its probe serves.
#[test]
fn nodes_serve_only_while_a_step_runs() {
    let server = ApiServer::start();
    let first = shop(1).replace("steps:", "  nodes: {host: {serves: [tcp 7000]}}\nsteps:");
    let second = first.split_once("steps:\n").unwrap().1.replace("step: open", "step: again");
    let ran = run_scenario(&server, format!("{first}{second}"));
    assert_eq!(ran.code, 0, "{ran}");
    let steps = server.asked().into_iter().filter_map(|line| {
        if line.contains("cilium-dbg policy get") {
            return Some("the policies are in force".to_owned());
        }
        let order = line.split_once("/pods/node-host-").map(|(order, _)| order.to_owned())?;
        (order.starts_with("SERVE") || order.starts_with("STOP")).then_some(order)
    });
    assert_snapshot!(steps.collect::<Vec<_>>().join("\n"), @r"
    the policies are in force
    SERVE /api/v1/namespaces/verdikt-system
    STOP /api/v1/namespaces/verdikt-system
    the policies are in force
    SERVE /api/v1/namespaces/verdikt-system
    ");
}

/// A namespace's labels, and a pod's, are part of the identities that Cilium makes: a run must leave none.
#[test]
fn no_mark_of_a_run_enters_an_identity() {
    let server = ApiServer::start();
    let ran = run(&server, 1);
    assert_eq!(ran.code, 0, "{ran}");
    let made = server.made();
    for object in made.iter().filter(|object| object["kind"] == "Namespace" || object["kind"] == "Pod") {
        let metadata = &object["metadata"];
        assert_eq!(metadata["annotations"]["verdikt.dev/owner"], "verdikt", "{metadata}");
        assert!(!metadata["labels"].to_string().contains("verdikt.dev/"), "{metadata}");
    }
    let of_the_run = made.iter().filter(|it| it.pointer("/metadata/annotations/verdikt.dev~1run").is_some());
    assert_eq!(of_the_run.count(), 3, "a namespace and two pods");
}
