//! The log on stderr: off by default, as lines or JSON, and never an escape sequence of somebody else's text.

use crate::project::{GOOD, Project, Ran};

/// Runs a scenario in the lab with these arguments and this value of `VERDIKT_LOG`.
fn run(arguments: &[&str], variable: &str) -> Ran {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let arguments = [arguments, &["run", "redis.yaml", "--on", "model", "--quiet"]].concat();
    let mut command = project.command(&arguments);
    Ran::of(command.env("VERDIKT_LOG", variable))
}

#[test]
fn nothing_is_logged_unless_asked() {
    assert_eq!(run(&[], "").stderr, "");
}

#[test]
fn json_lines_say_scenario_and_step() {
    let ran = run(&["-v", "--log-format", "json"], "");
    let lines: Vec<serde_json::Value> =
        ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), ran.stderr.lines().count(), "{ran}");
    let steps: Vec<&str> = lines.iter().filter_map(|line| line["span"]["name"].as_str()).collect();
    assert!(!steps.is_empty(), "{ran}");
}

/// Whatever is shown: nothing here.
#[test]
fn evidence_has_the_log() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--on", "model", "--quiet", "--evidence", "kept/here"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let log = std::fs::read_to_string(project.path("kept/here/log.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    assert!(lines.iter().any(|line| line["span"]["name"].is_string()), "{log}");
}

#[test]
fn a_wrong_variable_says_what_to_write() {
    let ran = run(&[], "verdikt_runner=loud");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("cannot read VERDIKT_LOG") && ran.stderr.contains("info,verdikt_cluster=debug")
    );
}
