//! Scenarios on clusters, in the process of the test: what is said where there is none.

#![expect(clippy::unwrap_used, reason = "a test that cannot start its program has failed")]

use std::process::Command;

use rstest::rstest;

/// The scenario of the tests beside, in a process that has their environment.
#[test]
#[ignore = "the other tests start it, each with an environment of its own"]
fn scenario() {
    verdikt_test::check("tests/scenarios/redis.yaml");
}

/// What the test above prints with these variables.
fn printed(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "scenario", "--ignored", "--nocapture"]).env("KUBECONFIG", "no-such-kubeconfig");
    let ended = command.envs(variables.iter().copied()).output().unwrap();
    assert!(!ended.status.success());
    String::from_utf8(ended.stderr).unwrap()
}

#[rstest]
#[case::no_kubeconfig(
    &[("VERDIKT_ON", "cluster")],
    "there is no kubeconfig at no-such-kubeconfig: set KUBECONFIG, or create a cluster with `verdikt cluster up`"
)]
#[case::misspelt_profile(
    &[("VERDIKT_ON", "kind:cilium-1.2O")],
    "there is no profile `cilium-1.2O`; did you mean `cilium-1.20`?"
)]
#[case::no_kind(&[("VERDIKT_ON", "kind"), ("PATH", "/nowhere")], "`docker` is not installed, or not in the PATH; ")]
#[case::addresses_of_no_hosts(
    &[("VERDIKT_ON", "cluster"), ("VERDIKT_WORLD", "ssh gateway verdikt-probe")],
    "cannot use the value of VERDIKT_WORLD_ADDRESSES: it is neither an address nor a range such as 203.0.113.0/24"
)]
fn obstacles(#[case] variables: &[(&str, &str)], #[case] expected: &str) {
    let printed = printed(variables);
    assert!(printed.contains(expected), "{printed}");
}
