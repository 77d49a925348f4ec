//! Scenarios as the tests of another repository, on a cluster: in the process of the test, without this program.

use std::process::{Command, Output};

use crate::api_server::ApiServer;
use crate::project::Project;
use crate::stand_ins::static_program;

/// The file of the scenario that the inner test runs.
const FILE: &str = "VERDIKT_FILE_OF_INNER_TEST";

/// A scenario whose one expectation a cluster that answers every request keeps, or does not.
fn shop(expected: &str) -> String {
    format!(
        "scenario: shop\nabout: One request.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    \
         shop/cart: {{labels: {{app: cart}}}}\n    shop/stock: {{labels: {{app: stock}}, serves: [http 80]}}\n\
         steps:\n- step: open\n  expect: {{http GET shop/stock:80/: {{{expected}: others}}}}\n"
    )
}

/// The test of another repository.
#[test]
#[ignore = "the tests beside start it, each with an environment of its own"]
fn inner() {
    verdikt_test::check(std::env::var_os(FILE).expect("another test names the file"));
}

/// Runs the inner test over a scenario on the cluster of this server.
fn run(server: &ApiServer, scenario: String, variables: &[(&str, &str)]) -> Output {
    let project = Project::with(&[("shop.yaml", scenario), ("kubeconfig", server.kubeconfig())]);
    std::fs::write(project.path("probe"), static_program()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "scenarios_as_tests::inner", "--ignored", "--nocapture"]);
    command.env("VERDIKT_ON", "cluster").env(FILE, project.path("shop.yaml"));
    command.env("KUBECONFIG", project.path("kubeconfig")).env("VERDIKT_PROBE", project.path("probe"));
    // No program can be started.
    command.env("PATH", project.path("no-programs"));
    command.envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const YES: &[(&str, &str)] = &[("VERDIKT_YES", "1")];

#[test]
fn a_cluster_runs_them() {
    let server = ApiServer::start();
    let ended = run(&server, shop("allow"), YES);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("using context stand-in: http://"), "{}", text(&ended.stderr));
    let asked = server.asked();
    let has = |end: &str| asked.iter().any(|line| line.ends_with(end));
    assert!(has("POST /api/v1/namespaces"), "{asked:#?}");
    assert!(
        has("DELETE /apis/coordination.k8s.io/v1/namespaces/verdikt-system/leases/verdikt"),
        "{asked:#?}"
    );
}

#[test]
fn a_cell_that_differs_fails_the_test() {
    let ended = run(&ApiServer::start(), shop("deny ingress"), YES);
    assert!(!ended.status.success());
    let said = text(&ended.stderr);
    assert!(said.contains("DIFFERS       shop/open"), "{said}{}", text(&ended.stdout));
    assert!(said.contains("verdikt run --on cluster "), "how to repeat it: {said}");
}

#[test]
fn a_cluster_that_is_not_kind_is_not_used_unasked() {
    let server = ApiServer::start();
    let ended = run(&server, shop("allow"), &[("VERDIKT_YES", "no")]);
    assert!(!ended.status.success());
    assert!(
        text(&ended.stderr).contains("without confirmation: set VERDIKT_YES=1 if "),
        "{}",
        text(&ended.stderr)
    );
    assert!(!server.asked().iter().any(|line| line == "POST /api/v1/namespaces"), "{:#?}", server.asked());
}

#[test]
fn another_version_than_the_clusters_is_refused() {
    let ended = run(&ApiServer::start(), shop("allow"), &[("VERDIKT_YES", "1"), ("VERDIKT_CILIUM", "1.18")]);
    assert!(!ended.status.success());
    assert!(
        text(&ended.stderr).contains("the cluster runs Cilium 1.20, and not 1.18: "),
        "{}",
        text(&ended.stderr)
    );
}
