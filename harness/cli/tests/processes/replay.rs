//! `verdikt replay`: what a log shows is what its run showed.

use std::collections::BTreeSet;
use std::fs;

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project, differing};

#[rstest]
#[case::as_expected(GOOD.to_owned(), 0)]
#[case::differing(differing(), 1)]
fn a_log_shows_what_the_run_showed(#[case] scenario: String, #[case] code: i32) {
    let project = Project::with(&[("redis.yaml", scenario)]);
    let reports = |name: &str| [format!("junit={name}.xml"), format!("json={name}.json")];
    let [junit, json] = reports("a");
    let ran =
        project.verdikt(&["run", "redis.yaml", "--events", "log", "--report", &junit, "--report", &json]);
    let [junit, json] = reports("b");
    let replayed = project.verdikt(&["replay", "log", "--report", &junit, "--report", &json]);
    assert_eq!(ran.code, code);
    assert!(ran == replayed, "{ran}\n{replayed}");
    assert_eq!(project.read("a.xml"), project.read("b.xml"));
    assert_eq!(project.read("a.json"), project.read("b.json"));
}

#[test]
fn a_bad_log_is_refused_with_its_line() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let first = log.lines().next().unwrap();
    let logs = [
        ("empty", String::new()),
        ("other", "scenario: redis\n".to_owned()),
        ("cut", first[..20].to_owned()),
        ("older", log.replacen("\"format\":5", "\"format\":4", 1)),
        ("newer", log.replacen("\"format\":5", "\"format\":6", 1)),
        ("headless", log[first.len() + 1..].to_owned()),
        ("spoilt", format!("{first}\n{{\"event\":\"unheard-of\"}}\n")),
    ];
    let told = logs.map(|(name, contents)| {
        fs::write(project.path(name), contents).unwrap();
        let ran = project.verdikt(&["replay", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {ran}");
        ran.stderr
    });
    assert_snapshot!(told.concat(), @r"
    error: empty: the log is empty
    error: other:1: this is not an event of a run: name a log that `run --events` wrote
      caused by: expected value at line 1 column 1
    error: cut:1: this is not an event of a run: name a log that `run --events` wrote
      caused by: EOF while parsing a string at line 1 column 20
    error: older:1: the log has format 4, and this verdikt reads 5

    hint: run the scenarios again, or replay the log with the verdikt that wrote it
    error: newer:1: the log has format 6, and this verdikt reads 5

    hint: run the scenarios again, or replay the log with the verdikt that wrote it
    error: headless:1: the log does not begin with the start of a run
    error: spoilt:2: this is not an event of a run: name a log that `run --events` wrote
      caused by: unknown variant `unheard-of`, expected one of `run-started`, `warned`, `scenario-started`, `scenario-skipped`, `scenario-failed`, `step-started`, `object-judged`, `cell-skipped`, `invariant-judged`, `cell-judged`, `step-finished`, `run-finished` at line 1 column 21
    ");
}

#[test]
fn a_run_that_did_not_end_is_shown_as_far_as_it_came() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let lines: Vec<&str> = log.lines().collect();
    fs::write(project.path("log"), lines[..lines.len() - 1].join("\n")).unwrap();
    let ran = project.verdikt(&["replay", "log", "--quiet"]);
    assert_snapshot!(ran.stdout, @"");
    assert_eq!(ran.stderr, "the run of this log did not come to its end\n");
}

/// What a run was writing when it was killed is left out, wherever that was.
#[test]
fn a_log_may_be_cut_anywhere() {
    let project = Project::with(&[("redis.yaml", differing().replace("about: Redis", "about: 表 Redis"))]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = fs::read(project.path("log")).unwrap();
    let first = log.iter().position(|byte| *byte == b'\n').unwrap();
    let last = log[..log.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    let mut codes = BTreeSet::new();
    for length in (first..=log.len()).step_by(97).chain([last + 1, log.len() - 20, log.len() - 1, log.len()])
    {
        fs::write(project.path("cut"), &log[..length]).unwrap();
        let ran = project.verdikt(&["replay", "cut", "--report", "junit=a.xml", "--report", "json=a.json"]);
        let ended = length + 1 >= log.len();
        let expected = if ended { "" } else { "the run of this log did not come to its end\n" };
        assert_eq!(ran.stderr, expected, "cut at {length}: {ran}");
        codes.insert(ran.code);
    }
    assert_eq!(codes, BTreeSet::from([1, 3]), "different once that is known, until then inconclusive");
}

/// A run that failed or was interrupted is shown as such.
#[test]
fn an_outcome_is_that_of_the_run() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let check = |name: &str, log: &str, expected: i32, words: &str| {
        fs::write(project.path(name), log).unwrap();
        let ran = project.verdikt(&["replay", name]);
        assert_eq!(ran.code, expected, "{ran}");
        assert!(ran.stdout.contains(words), "{ran}");
    };
    let interrupted = log.replace(r#""outcome":"as-expected""#, r#""outcome":"interrupted""#);
    check("interrupted", &interrupted, 4, "interrupted: ");
    let (whole, _) = log.trim_end().rsplit_once('\n').unwrap();
    let failed = r#"{"event":"scenario-failed","scenario":"redis","place":{"file":"redis.yaml","line":1,"column":1},"reason":"no more namespaces"}"#;
    check("failed", &format!("{whole}\n{failed}\n"), 4, "no more namespaces");
    // What differs beside it may have the same cause: it is told, and does not hide the failure.
    fs::write(project.path("redis.yaml"), differing()).unwrap();
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let (whole, _) = log.trim_end().rsplit_once('\n').unwrap();
    check("failed and differing", &format!("{whole}\n{failed}\n"), 4, "DIFFERS       redis/locked down");
}

/// What was not evaluated is neither as expected nor different.
#[rstest]
#[case::as_expected(GOOD.to_owned(), 3)]
#[case::differing(differing(), 1)]
fn a_log_that_breaks_off_is_inconclusive(#[case] scenario: String, #[case] code: i32) {
    let project = Project::with(&[("redis.yaml", scenario)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let (without_last, _) = log.trim_end().rsplit_once('\n').unwrap();
    fs::write(project.path("short"), without_last).unwrap();
    let ran = project.verdikt(&["replay", "short"]);
    assert_eq!(ran.code, code, "{ran}");
}
