//! Small situations with what Cilium's own policy engine says of them, and the versions for which the model says the same.

use std::path::Path;

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::Project;

/// Runs a scenario of `fixtures/engine` in the model: whether all is as it expects, and the lines that say what is not.
fn run(name: &str, version: &str) -> (bool, Vec<String>) {
    let project = Project::with::<&str>(&[]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine");
    let arguments = ["run", "--on", "model", "--cilium", version, &format!("{name}.yaml")];
    let output = project.command(&arguments).current_dir(&folder).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let lines = shown.lines().filter(|line| line.starts_with("    tcp ") || line.starts_with("! refused: "));
    (output.status.success(), lines.map(|line| line.trim().to_owned()).collect())
}

/// The versions for which all is as expected.
fn agreeing(name: &str) -> String {
    let versions = ["1.16", "1.17", "1.18", "1.19", "1.20"];
    versions.into_iter().filter(|version| run(name, version).0).collect::<Vec<_>>().join(" ")
}

/// A group of `cilium.io/v2` is no kind of 1.17.
#[rstest]
#[case::names_learned_beside_a_plain_rule("dns", "1.16 1.17 1.18 1.19 1.20")]
#[case::a_group_by_labels_it_lacks("group", "1.18 1.19 1.20")]
#[case::the_same_of_an_older_api("group-v2alpha1", "1.17 1.18 1.19 1.20")]
#[case::groups_that_overlap("groups", "1.18 1.19 1.20")]
#[case::a_requirement_and_a_network_policy("req", "1.16 1.17 1.18")]
#[case::every_ipv6_address_without_ipv6("v6zero", "1.17 1.18")]
#[case::every_ipv6_address_in_sets("v6zero-sets", "1.17 1.18")]
#[case::every_ipv6_address_beside_ipv6("v6zero-dual", "1.16 1.17 1.18 1.19 1.20")]
fn the_model_agrees(#[case] name: &str, #[case] versions: &str) {
    assert_eq!(agreeing(name), versions);
}

#[test]
fn an_exception_outside_of_its_group_is_refused_by_one_version() {
    assert_snapshot!(run("old", "1.16").1.join("\n"), @"! refused: CiliumNetworkPolicy a/q at old-group.yaml:14 by the agent: allow CIDR prefix");
    assert!(run("old", "1.17").1.iter().all(|line| !line.starts_with("! refused")));
}

/// Clusters answer otherwise than the policy engine alone: the datapath takes port 0 for every port, and agents make the names
/// of ports a part of identities, so that each pod speaks for itself.
#[rstest]
#[case::port_zero_with_an_end(
    "zero",
    "1.19",
    "tcp a/p1:8080 from a/p0: expected allow, deny egress by a/q zero-policy.yaml:9"
)]
#[case::port_names_of_replicas(
    "replicas",
    "1.20",
    "tcp a/p1:80 from a/p0: expected deny egress, allow by a/q replicas-policy.yaml:8\n\
     tcp a/p2:8080 from a/p0: expected deny egress, allow by a/q replicas-policy.yaml:8\n\
     tcp a/p4:6379 from a/p0: expected allow, deny egress by a/q replicas-policy2.yaml:7"
)]
fn a_cluster_outweighs_the_engine(#[case] name: &str, #[case] version: &str, #[case] unlike: &str) {
    assert_eq!(run(name, version).1.join("\n"), unlike);
}
