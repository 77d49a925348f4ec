//! `verdikt lab` over manifests and topology files, which have no table; programs in the place of servers; shells.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rstest::rstest;

use crate::playground::Lab;
use crate::project::{Project, Ran};

const WORKLOADS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: cart, image: cart}]}
";

const TOPOLOGY: &str = "
namespaces: {shop: {}}
pods:
  shop/web: {labels: {app: web}, serves: [tcp 8080]}
  shop/cart: {labels: {app: cart}}
";

const POLICY: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: nobody, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{}]
";

fn inside(project: &Project, lab: &str, options: &[&str], endpoint: &str, script: &str) -> Ran {
    let program = ["--", "bash", "-c", script];
    project.verdikt(&[&["lab", "exec", "--lab", lab], options, &[endpoint], &program].concat())
}

#[rstest]
#[case::manifests("of-manifests", "objects.yaml", WORKLOADS, &["of-manifests"])]
#[case::topology("of-topology", "topology.yaml", TOPOLOGY, &["of-topology/topology.yaml", "of-topology/policies.yaml"])]
fn a_lab_without_a_table(
    #[case] folder: &str,
    #[case] file: &str,
    #[case] content: &str,
    #[case] paths: &[&str],
) {
    let policies = format!("{folder}/policies.yaml");
    let project = Project::with(&[(format!("{folder}/{file}").as_str(), content), (&policies, POLICY)]);
    let mut lab = Lab::start(&project, paths);
    lab.until("Ctrl-C ends the lab");
    let name = Path::new(paths[0]).file_stem().unwrap().to_str().unwrap();
    let connect = format!("exec 3<>/dev/tcp/{}/8080", lab.address("shop/web"));
    // An empty rule allows nobody.
    let denied = inside(&project, name, &[], "shop/cart", &format!("timeout 0.2 bash -c '{connect}'"));
    assert_eq!(denied.code, 124, "{denied}");
    assert!(denied.stderr.contains(&format!("{policies}:7  CiliumNetworkPolicy shop/nobody")), "{denied}");

    project.write(&policies, &POLICY.replace("[{}]", "[{fromEntities: [all]}]"));
    lab.until("policies.yaml saved, and in force\n");
    let allowed = inside(&project, name, &[], "shop/cart", &connect);
    assert_eq!((allowed.code, allowed.stderr.as_str()), (0, ""), "{allowed}");

    // What is refused leaves the version before in force, and is shown with its place.
    project.write(&policies, &POLICY.replace("ingress: [{}]", "ingress: []"));
    lab.until("the old version stays in force\n");
    let refused = format!("{policies}:7:3: CiliumNetworkPolicy shop/nobody is refused by the agent: ");
    assert!(lab.told.contains(&refused), "{}", lab.told);
    assert_eq!(inside(&project, name, &[], "shop/cart", &connect).code, 0);
}

/// What is read from a pipe is in force until the end.
#[test]
fn a_lab_of_the_standard_input() {
    let project = Project::with::<&str>(&[]);
    let mut command = project.command(&["lab", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(WORKLOADS.as_bytes()).unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "changed files are not applied; Ctrl-C ends the lab"));
    assert_eq!(inside(&project, "stdin", &[], "shop/web", "hostname").stdout, "web\n");
    process.kill().unwrap();
    process.wait().unwrap();
}

/// So are the answers to questions.
#[test]
fn a_question_about_the_standard_input() {
    let project = Project::with::<&str>(&[]);
    let mut command = project.command(&["reach", "shop/cart", "-"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(WORKLOADS.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("shop/web"), "{told}");
}

#[rstest]
#[case::policies_alone("policies.yaml", POLICY, "there are no pods to start")]
#[case::nothing("values.yaml", "replicas: 3", "neither workloads nor policies")]
#[case::mistake("topology.yaml", "pods: {shop/web: {}}", "namespace `shop` is not in the topology")]
#[case::two("topology.yaml", TOPOLOGY, "are two topologies")]
fn what_is_no_lab(#[case] file: &str, #[case] content: &str, #[case] told: &str) {
    let project = Project::with(&[(file, content), ("other.yaml", TOPOLOGY)]);
    let two = told.contains("two").then_some("other.yaml");
    let paths: Vec<&str> = [file].into_iter().chain(two).collect();
    let ran = project.wide(&[&["lab"], &paths[..]].concat());
    assert!([2, 5].contains(&ran.code) && ran.stderr.contains(told), "{ran}");
}

/// A program that a lab runs, as long as its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_serves_in_the_place_of_the_lab() {
    let project = Project::with(&[("serving.yaml", TOPOLOGY)]);
    let mut lab = Lab::start(&project, &["serving.yaml"]);
    lab.until("Ctrl-C ends the lab");
    let server = ["python3", "-um", "http.server", "8080", "--bind", "0.0.0.0"];
    let exec = ["lab", "exec", "--lab", "serving", "--take-port", "8080", "shop/web", "--"];
    let mut command = project.command(&[&exec[..], &server].concat());
    let mut program = Program(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut up = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut up).unwrap();
    assert!(up.starts_with("Serving HTTP on"), "{up}");
    let ask = format!(
        "exec 3<>/dev/tcp/{}/8080; printf 'HEAD / HTTP/1.0\\r\\n\\r\\n' >&3; read -t 5 line <&3; echo $line",
        lab.address("shop/web")
    );
    let answered = inside(&project, "serving", &[], "shop/cart", &ask);
    assert!(answered.stdout.starts_with("HTTP/1.0 200"), "{answered}");
    let again = inside(&project, "serving", &["--take-port", "8080"], "shop/web", "true");
    assert_eq!(again.code, 2, "{again}");
    assert!(again.stderr.contains("another program already serves port 8080 of shop/web"), "{again}");
    // The lab serves again as soon as the program has ended.
    drop(program);
    let free = inside(&project, "serving", &["--take-port", "8080"], "shop/web", "true");
    assert!(free.code == 0 || free.stderr.contains("already serves"), "{free}");
    let answered = inside(&project, "serving", &[], "shop/cart", &ask);
    assert!(!answered.stdout.starts_with("HTTP"), "{answered}");
}

#[test]
fn a_shell_and_signals() {
    let project = Project::with(&[("shells.yaml", TOPOLOGY)]);
    let mut lab = Lab::start(&project, &["shells.yaml"]);
    lab.until("Ctrl-C ends the lab");
    let exec = ["lab", "exec", "--lab", "shells", "shop/cart"];
    let mut command = project.command(&exec);
    command.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    let script =
        b"echo $VERDIKT_ENDPOINT $(hostname) \"$PS1\"; cat /proc/sys/net/ipv4/tcp_syn_retries; exit 5\n";
    shell.stdin.take().unwrap().write_all(script).unwrap();
    let output = shell.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("shop/cart cart (shop/cart) $"), "{told}");
    assert_eq!((output.status.code(), told.lines().last()), (Some(5), Some("2")));

    let ended_by = |signal: &str| {
        let mut command =
            project.command(&[&exec[..], &["--", "sh", "-c", "echo $$; exec sleep 100"]].concat());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut pid = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut pid).unwrap();
        assert!(Path::new("/proc").join(pid.trim()).exists());
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let code = process.wait().unwrap().code();
        // The program holds the output until it has ended.
        assert_eq!(output.read_line(&mut pid).unwrap(), 0);
        code
    };
    assert_eq!(ended_by("-TERM"), Some(143));
    assert_eq!(ended_by("-KILL"), None);
}

/// A datagram is on its way when its program has ended already.
#[test]
fn a_denial_is_told_however_soon_the_program_ends() {
    let project = Project::with(&[("quick.yaml", TOPOLOGY), ("policies.yaml", POLICY)]);
    let mut lab = Lab::start(&project, &["quick.yaml", "policies.yaml"]);
    lab.until("Ctrl-C ends the lab");
    let script = format!("echo > /dev/udp/{}/53", lab.address("shop/web"));
    for _ in 0..5 {
        let ran = inside(&project, "quick", &[], "shop/cart", &script);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(
            ran.stderr.starts_with("ingress of shop/web from shop/cart, udp port 53\n   denied"),
            "{ran}"
        );
    }
}

#[test]
fn flows_by_filters() {
    let project = Project::with(&[("filters.yaml", TOPOLOGY), ("policies.yaml", POLICY)]);
    let mut lab = Lab::start(&project, &["filters.yaml", "policies.yaml"]);
    lab.until("Ctrl-C ends the lab");
    let flows = ["lab", "flows", "--lab", "filters"];
    let unknown = [("--endpoint", "shop/carts"), ("--namespace", "shops")];
    for (filter, name) in unknown {
        let ran = project.verdikt(&[&flows[..], &[filter, name]].concat());
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stderr.contains(&format!("`{name}`; it has ")), "{ran}");
    }
    let filters = ["--endpoint", "shop/web", "--namespace", "shop", "--verdict", "dropped"];
    let mut command = project.command(&[&flows[..], &filters].concat());
    let mut process = Program(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut told = String::new();
    BufReader::new(process.0.stderr.take().unwrap()).read_line(&mut told).unwrap();
    // Of these the first passes, and the second has no end at the one that is asked for.
    for (source, target) in [("shop/web", "shop/cart"), ("shop/cart", "shop/web")] {
        inside(&project, "filters", &[], source, &format!("echo > /dev/udp/{}/53", lab.address(target)));
    }
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (time, flow) = line.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
    assert!(flow.starts_with("shop/cart:") && flow.contains("udp ingress DROPPED"), "{line}");
    assert!(flow.ends_with("isolated by shop/nobody policies.yaml:7\n"), "{line}");
}
