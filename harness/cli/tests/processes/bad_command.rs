//! Commands that are wrong: exit code 2, nothing on stdout, and what to do.

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project};

#[rstest]
#[case::no_paths(
    &["run"],
    r"error: no path is given, and there is no folder `scenarios` here

hint: name scenario files or folders, or go to a folder that has `scenarios`"
)]
#[case::no_paths_to_check(
    &["check"],
    r"error: no path is given, and there is no folder `scenarios` here

hint: name scenario files or folders, or go to a folder that has `scenarios`"
)]
#[case::no_such_path(
    &["run", "nowhere.yaml"],
    r"error: there is no file or folder `nowhere.yaml`
--> nowhere.yaml"
)]
#[case::lab_with_a_profile(
    &["run", "redis.yaml", "--on", "lab:default"],
    r"error: invalid value 'lab:default' for '--on <BACKEND>': unknown backend (expected `lab`, `model`, `kind[:PROFILE]` or `cluster[:CONTEXT]`)

For more information, try '--help'."
)]
#[case::cluster_without_a_context(
    &["run", "redis.yaml", "--on", "cluster:"],
    r"error: invalid value 'cluster:' for '--on <BACKEND>': unknown backend (expected `lab`, `model`, `kind[:PROFILE]` or `cluster[:CONTEXT]`)

For more information, try '--help'."
)]
#[case::no_such_profile(
    &["run", "redis.yaml", "--on", "kind:default"],
    r"error: invalid value 'kind:default' for '--on <BACKEND>': there is no profile `default`

For more information, try '--help'."
)]
#[case::no_such_backend(
    &["run", "redis.yaml", "--on", "elsewhere"],
    r"error: invalid value 'elsewhere' for '--on <BACKEND>': unknown backend (expected `lab`, `model`, `kind[:PROFILE]` or `cluster[:CONTEXT]`)

For more information, try '--help'."
)]
#[case::borrow_of_the_clusters_own(
    &["run", "redis.yaml", "--borrow", "kube-system"],
    r"error: invalid value 'kube-system' for '--borrow <NAMESPACE>': it belongs to the cluster itself: name a namespace of your own

For more information, try '--help'."
)]
#[case::borrow_of_ours(
    &["run", "redis.yaml", "--borrow", "verdikt-system"],
    r"error: invalid value 'verdikt-system' for '--borrow <NAMESPACE>': it is verdikt's own namespace: name another one

For more information, try '--help'."
)]
#[case::nothing_in_parallel(
    &["run", "redis.yaml", "--parallel", "0"],
    r"error: invalid value '0' for '--parallel <NUMBER>': expected a number from 1 to 255

For more information, try '--help'."
)]
#[case::timeout_without_a_unit(
    &["run", "redis.yaml", "--timeout", "3000"],
    r"error: invalid value '3000' for '--timeout <DURATION>': the unit is missing: a duration is written as `500ms`, `3s` or `2m`

For more information, try '--help'."
)]
#[case::no_such_version(
    &["run", "redis.yaml", "--cilium", "1.2"],
    r"error: invalid value '1.2' for '--cilium <VERSION>': `1.2` is not a Cilium version verdikt knows; it knows 1.16, 1.17, 1.18, 1.19 and 1.20

For more information, try '--help'."
)]
#[case::no_such_report(
    &["run", "redis.yaml", "--report", "html=a.html"],
    r"error: invalid value 'html=a.html' for '--report <KIND=FILE>': unknown report `html` (expected junit, json, markdown, sarif or github, as in `junit=FILE`)

For more information, try '--help'."
)]
#[case::report_without_a_file(
    &["run", "redis.yaml", "--report", "html"],
    r"error: invalid value 'html' for '--report <KIND=FILE>': unknown report `html` (expected junit, json, markdown, sarif or github, as in `junit=FILE`)

For more information, try '--help'."
)]
#[case::report_with_an_empty_file(
    &["run", "redis.yaml", "--report", "junit="],
    r"error: invalid value 'junit=' for '--report <KIND=FILE>': the file name is missing: write it after `=`, as in `junit=junit.xml`

For more information, try '--help'."
)]
#[case::report_in_no_folder(
    &["run", "redis.yaml", "--report", "junit=nowhere/a.xml"],
    r"error: cannot write the report `nowhere/a.xml`
  caused by: No such file or directory (os error 2)"
)]
#[case::report_in_place_of_a_folder(
    &["run", "redis.yaml", "--report", "json=."],
    r"error: cannot write the report `.`
  caused by: is a directory"
)]
#[case::events_in_no_folder(
    &["run", "redis.yaml", "--events", "nowhere/a.log"],
    r"error: cannot write the event log `nowhere/a.log`
  caused by: No such file or directory (os error 2)"
)]
#[case::no_such_step(
    &["explain", "redis.yaml", "--step", "locked"],
    r"error: the scenario redis has no step `locked`

hint: its steps are `open`, `locked down`"
)]
#[case::no_such_source(
    &["explain", "redis.yaml", "--from", "shop/card"],
    r"error: no pod is called `shop/card`

hint: did you mean `shop/cart`?"
)]
#[case::attempt_without_a_port(
    &["explain", "redis.yaml", "--attempt", "tcp database/redis"],
    r"error: the tcp attempt has no port

hint: write `tcp database/redis:PORT`"
)]
#[case::no_such_target(
    &["explain", "redis.yaml", "--attempt", "tcp database/reddis:6379", "--from", "shop/cart"],
    r"error: no pod or service is called `database/reddis`

hint: did you mean `database/redis`?"
)]
#[case::no_such_policies(
    &["explain", "redis.yaml", "--policies", "nowhere.yaml"],
    r"error: there is no file or folder `nowhere.yaml`
--> nowhere.yaml"
)]
#[case::no_such_log(
    &["replay", "nowhere.log"],
    r"error: cannot read the event log `nowhere.log`
  caused by: No such file or directory (os error 2)"
)]
#[case::no_such_command(
    &["walk"],
    r"error: unrecognized subcommand 'walk'

Usage: verdikt [OPTIONS] <COMMAND>

For more information, try '--help'."
)]
fn a_wrong_command(#[case] arguments: &[&str], #[case] expected: &str) {
    let ran = Project::with(&[("redis.yaml", GOOD)]).verdikt(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    assert_eq!(ran.stderr.trim_end(), expected, "{ran}");
}

#[test]
fn a_report_that_cannot_be_written_ends_the_run_before_it_begins() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--events", "a.log", "--report", "json=nowhere/a.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    assert!(!project.path("a.log").exists());
}

#[test]
fn help_names_every_command_and_exit_code() {
    let project = Project::with::<&str>(&[]);
    let ran = project.verdikt(&["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let mut words = ["run", "check", "explain", "replay", "schema", "Exit codes"].into_iter();
    assert_eq!(words.find(|word| !ran.stdout.contains(word)), None, "{ran}");
    assert_eq!(project.verdikt(&["-V"]).stdout, format!("verdikt {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn two_outputs_in_one_file() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--report", "junit=out", "--events", "out"]);
    assert_snapshot!(ran, @r"
    exit code 2
    --- stderr
    error: `out` would be written twice

    hint: give every report and the event log a file of its own
    ");
    assert!(!project.path("out").exists());
}
