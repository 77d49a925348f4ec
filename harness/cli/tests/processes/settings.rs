//! `--settings`: what Cilium is configured to do, beside manifests, scenarios and revisions.

use rstest::rstest;

use crate::project::{GOOD, Project};
use crate::questions::{CLOSED, WORKLOADS, git};

const ALWAYS: &str = "image: {tag: v1.20.0}\npolicyEnforcementMode: always\n";

fn project() -> Project {
    Project::with(&[
        ("deploy/workloads.yaml", WORKLOADS),
        ("deploy/db.yaml", CLOSED),
        ("cilium/values.yaml", ALWAYS),
        ("default.yaml", "policyEnforcementMode: default\n"),
    ])
}

#[rstest]
#[case::matrix(&["matrix", "deploy"], "1 kube-system/coredns, shop/* . .")]
#[case::who(&["who", "tcp shop/web:8080", "deploy"], "deny egress")]
#[case::reach(&["reach", "shop/web", "deploy"], "deny egress")]
#[case::init(&["init", "deploy", "--output", "-"], "settings: {values: cilium/values.yaml}")]
fn manifests_under_settings(#[case] command: &[&str], #[case] expected: &str) {
    let project = project();
    assert!(!project.verdikt(command).stdout.contains(expected), "the same without settings");
    let ran = project.verdikt(&[command, &["--settings", "cilium/values.yaml"]].concat());
    assert!(ran.code == 0 && ran.stdout.contains(expected), "{ran}");
}

#[test]
fn a_first_scenario_has_the_settings() {
    let project = project();
    let ran = project.verdikt(&["init", "deploy", "--settings", "cilium/values.yaml"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(project.read("scenarios/deploy.yaml").contains("settings: {values: ../cilium/values.yaml}"));
    let ran = project.verdikt(&["run", "--on", "model", "scenarios", "--allow-outside"]);
    assert_eq!(ran.code, 0, "{ran}");
    let ran = project.verdikt(&["init", "deploy", "--settings", "-", "--force"]);
    assert!(ran.code == 2, "{ran}");
}

#[test]
fn two_files_of_settings_compared() {
    let project = project();
    let compared = ["diff", "deploy", "--settings", "default.yaml", "--settings", "cilium/values.yaml"];
    let ran = project.verdikt(&compared);
    assert!(ran.stdout.contains("to deploy with the settings of cilium/values.yaml"), "{ran}");
    assert!(ran.stdout.contains("3 closed, 2 isolation"), "{ran}");
    let ran = project.verdikt(&[&compared[..], &["--settings", "default.yaml"]].concat());
    assert!(ran.code == 2 && ran.stderr.contains("at most twice"), "{ran}");
}

/// Settings that are kept beside the policies are read as each revision has them.
#[test]
fn settings_of_revisions() {
    let project = project();
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "deploy", "cilium"]);
    git(&project, &["commit", "--quiet", "--message", "always"]);
    project.write("cilium/values.yaml", "policyEnforcementMode: default\n");
    let ran = project.verdikt(&["diff", "--git", "HEAD", "deploy", "--settings", "cilium/values.yaml"]);
    assert!(ran.stdout.contains("3 opened, 2 isolation"), "{ran}");
    let ran = project.verdikt(&["diff", "--git", "HEAD", "deploy", "--settings", "default.yaml"]);
    assert!(ran.code == 2 && ran.stderr.contains("there is no `default.yaml` in HEAD"), "{ran}");
}

#[rstest]
#[case::misspelt("hostFirewal: {enabled: true}\n", "1.20", "did you mean `hostFirewall.enabled`?")]
#[case::in_another_case("policyCidrMatchMode: nodes\n", "1.20", "did you mean `policyCIDRMatchMode`?")]
#[case::of_no_kind("l7Proxy: {enabled: true}\nl7proxy: 3\n", "1.20", "did you mean `l7Proxy`?")]
#[case::of_another_value(
    "policyEnforcementMode: sometimes\n",
    "1.20",
    "give it `default`, `always` or `never`"
)]
#[case::too_new("extendedIPProtocols: {enabled: true}\n", "1.18", "a later one: `--cilium 1.19`")]
#[case::two_documents("a: 1\n---\nb: 2\n", "1.20", "has 2 documents")]
fn settings_that_cannot_be(
    #[case] values: &str,
    #[case] version: &str,
    #[case] expected: &str,
    #[values("check", "matrix")] command: &str,
) {
    let project = project();
    project.write("bad.yaml", values);
    let ran = project.verdikt(&[command, "deploy", "--settings", "bad.yaml", "--cilium", version]);
    assert!(ran.code == 2 && ran.stdout.is_empty(), "{ran}");
    assert!(ran.stderr.contains(expected) && ran.stderr.contains("bad.yaml:"), "{ran}");
}

/// What Helm has many of and no policy depends on.
#[test]
fn other_values_are_nobodys_business() {
    let project = project();
    project
        .write("all.yaml", "ipv4: {enabled: true}\nhubble: {relay: {enabled: true}}\nk8sServicePort: 6443\n");
    let ran = project.verdikt(&["check", "deploy", "--settings", "all.yaml"]);
    assert_eq!(ran.code, 0, "{ran}");
}

#[test]
fn scenarios_that_say_something_else() {
    let project = project();
    let own = GOOD.replacen("topology:\n", "topology:\n  settings: {policyEnforcementMode: default}\n", 1);
    project.write("own.yaml", &own);
    let ran = project.verdikt(&["check", "own.yaml", "--settings", "default.yaml"]);
    assert_eq!(ran.code, 0, "{ran}");
    let ran = project.verdikt(&["check", "own.yaml", "--settings", "cilium/values.yaml"]);
    let expected = "`policyEnforcementMode` has another value in `cilium/values.yaml`";
    assert!(ran.code == 2 && ran.stderr.contains(expected), "{ran}");
    assert!(ran.stderr.contains("own.yaml:") && ran.stderr.contains("line 2 has it"), "{ran}");
}

/// A kind of policies that Cilium reads only where it is told to.
#[test]
fn kinds_that_settings_switch_on() {
    let project = project();
    let policy = "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: a}\n\
                  spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}\n";
    project.write("cluster/policy.yaml", policy);
    project.write("on.yaml", "k8sClusterNetworkPolicy: {enabled: true}\n");
    let ran = project.verdikt(&["check", "cluster", "--deny-warnings"]);
    assert!(ran.code == 1 && ran.stderr.contains("needs-setting"), "{ran}");
    let ran = project.verdikt(&["check", "cluster", "--deny-warnings", "--settings", "on.yaml"]);
    assert_eq!(ran.code, 0, "{ran}");
    let ran = project.verdikt(&["check", "cluster", "--settings", "default.yaml"]);
    assert!(ran.code == 2 && ran.stderr.contains("k8sClusterNetworkPolicy.enabled"), "{ran}");
}
