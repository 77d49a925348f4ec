//! `verdikt replay`: what a log shows is what its run showed.

use insta::assert_snapshot;

use crate::project::{GOOD, Project, differing};

#[test]
fn a_log_shows_what_the_run_showed() {
    for (scenario, code) in [(GOOD.to_owned(), 0), (differing(), 1)] {
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
}

#[test]
fn a_bad_log_is_refused_with_its_line() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let first = log.lines().next().unwrap();
    let mut text = String::new();
    for (name, contents) in [
        ("empty", String::new()),
        ("other", "scenario: redis\n".to_owned()),
        ("cut", log[..log.len() - 20].to_owned()),
        ("newer", log.replacen("\"format\":1", "\"format\":2", 1)),
        ("headless", log[first.len() + 1..].to_owned()),
        ("spoilt", format!("{first}\n{{\"event\":\"unheard-of\"}}\n")),
    ] {
        std::fs::write(project.path(name), contents).unwrap();
        let ran = project.verdikt(&["replay", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {ran}");
        text.push_str(&ran.stderr);
    }
    assert_snapshot!(text, @r"
    error: empty: the log is empty
    error: other:1: no event of a run
      caused by: expected value at line 1 column 1
    error: cut:12: no event of a run
      caused by: EOF while parsing a string at line 1 column 151
    error: newer:1: the log has format 2, and this verdikt reads 1
    error: headless:1: the log does not begin with the start of a run
    error: spoilt:2: no event of a run
      caused by: unknown variant `unheard-of`, expected one of `run-started`, `scenario-started`, `scenario-skipped`, `step-started`, `object-judged`, `cell-judged`, `step-finished`, `run-finished` at line 1 column 21
    ");
}

#[test]
fn a_run_that_did_not_end_is_shown_as_far_as_it_came() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let lines: Vec<&str> = log.lines().collect();
    std::fs::write(project.path("log"), lines[..lines.len() - 1].join("\n")).unwrap();
    let ran = project.verdikt(&["replay", "log", "--quiet"]);
    assert_snapshot!(ran.stdout, @r"
    ok            redis / open: 2 cells
    ok            redis / locked down: 2 cells
    ");
    assert_eq!(ran.stderr, "the run of this log did not come to its end\n");
}

/// What was not evaluated is neither as expected nor different.
#[test]
fn a_log_that_breaks_off_is_inconclusive() {
    for (scenario, code) in [(GOOD.to_owned(), 3), (differing(), 1)] {
        let project = Project::with(&[("redis.yaml", scenario)]);
        project.verdikt(&["run", "redis.yaml", "--events", "log"]);
        let log = project.read("log");
        let (without_last, _) = log.trim_end().rsplit_once('\n').unwrap();
        std::fs::write(project.path("short"), without_last).unwrap();
        let ran = project.verdikt(&["replay", "short"]);
        assert_eq!(ran.code, code, "{ran}");
    }
}
