//! Names, texts, files and logs of strangers: nothing of them steers a terminal or a CI runner, wherever it is printed.

use std::fs;

use crate::project::{GOOD, Project, Ran};

const COMMANDS: &str = include_str!("../fixtures/workflow-commands.yaml");
const LOG: &str = include_str!("../fixtures/replay-escapes.jsonl");

/// What no output may have: characters that steer, and lines that a runner takes for commands. Readers have more line
/// ends than one.
fn is_harmless(text: &str) -> bool {
    let steers =
        |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2028}\u{2066}\u{feff}\u{200b}".contains(c);
    let command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    !text.contains(steers) && !text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).any(command)
}

fn check(ran: &Ran, shown: &[&str]) {
    assert!(is_harmless(&ran.stdout) && is_harmless(&ran.stderr), "{ran}\n{:?}", ran.stdout);
    for text in shown {
        assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "{text:?}: {ran}");
    }
}

/// The words are there to be read, with what breaks the command in front.
#[test]
fn a_scenario() {
    let project = Project::with(&[("s.yaml", COMMANDS)]);
    let about = r"  \::error file=README.md::not from verdikt";
    check(&project.verdikt(&["run", "--tables", "s.yaml"]), &[about, "::stop-commands::zz"]);
    check(&project.verdikt(&["run", "--quiet", "s.yaml"]), &["::stop-commands::zz"]);
    check(&project.verdikt(&["run", "--list", "s.yaml"]), &["::stop-commands::zz"]);
    check(&project.verdikt(&["explain", "s.yaml"]), &["::stop-commands::zz"]);
    check(&project.verdikt(&["explain", "s.yaml", "--step", "\r::error::x"]), &["::error::x"]);

    let hostile = COMMANDS
        .replace("::stop-commands::zz", "\\u202E ##[error]y\\u2028::warning::z")
        .replace("::error file", "\\e[2J\\r\\n::error file");
    let project = Project::with(&[("s.yaml", hostile)]);
    let shown = [r"\u{202e} #\#[error]y\u{2028}::warning::z"];
    check(&project.verdikt(&["run", "--tables", "s.yaml"]), &[r"\u{1b}[2J ::error file=README.md"]);
    for arguments in [
        &["run", "s.yaml"][..],
        &["run", "-q", "s.yaml"],
        &["run", "--list", "s.yaml"],
        &["explain", "s.yaml"],
    ] {
        check(&project.verdikt(arguments), &shown);
    }
    // With colours there are those of verdikt, and no others.
    let ran = project.verdikt(&["run", "--colour", "always", "s.yaml"]);
    let (mut plain, mut rest) = (String::new(), ran.stdout.as_str());
    while let Some((before, styled)) = rest.split_once("\u{1b}[") {
        let (numbers, after) = styled.split_once('m').unwrap();
        assert!(numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{numbers}: {ran}");
        plain.push_str(before);
        rest = after;
    }
    assert!(is_harmless(&(plain + rest)), "{ran}");
}

#[test]
fn a_log() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    project.verdikt(&["run", "redis.yaml", "--events", "log"]);
    let log = project.read("log");
    let lines: Vec<serde_json::Value> = LOG.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [about, step] = [lines[1]["about"].to_string(), lines[2]["step"].to_string()];
    let hostile = log
        .replace("\"Redis takes connections from the cart alone.\"", &about)
        .replace("\"locked down\"", &step);
    fs::write(project.path("hostile"), hostile).unwrap();
    let shown = [r"\u{1b}[2J\u{1b}]0;owned\u{7} %0A::error file=x::pwn", r"\u{202e}abc\u{2028}"];
    check(&project.verdikt(&["replay", "hostile", "--tables"]), &shown);
    check(&project.verdikt(&["replay", "hostile", "--tables"]), &[r"st\u{202e}ep"]);
    // What is not an event is in the cause.
    let first = log.lines().next().unwrap();
    fs::write(project.path("garbled"), format!("{first}\n{}\n{first}\n", lines[2])).unwrap();
    let ran = project.verdikt(&["replay", "garbled"]);
    assert_eq!(ran.code, 2, "{ran}");
    check(&ran, &["caused by", r"\u{1b}]0;pwn\u{7}\u{1b}[2J"]);
}

/// The lines of a file are shown beside its mistakes.
#[test]
fn files_with_mistakes() {
    let line = "- step: [\u{202e}\u{1b}[2J ##[error]x]";
    let project = Project::with(&[("s.yaml", GOOD.replace("- step: open", line))]);
    let (ran, checked) = (project.verdikt(&["run", "s.yaml"]), project.verdikt(&["check", "s.yaml"]));
    assert_eq!((ran.code, checked.code), (2, 2), "{ran}\n{checked}");
    check(&ran, &["#\\#[error]x"]);
    check(&checked, &["#\\#[error]x"]);
    let mistake = GOOD.replace("app: cart}}", "app: cart}, \"\\e[2J\\n::error::\\u202Ex\": 1}");
    let project = Project::with(&[("s.yaml", mistake)]);
    check(&project.verdikt(&["run", "--tables", "s.yaml"]), &[r"\u{1b}[2J ::error::\u{202e}x"]);
}

#[test]
fn names_of_files_and_arguments() {
    let name = "a\n::error::x\u{1b}[2J\u{202e}";
    let project = Project::with(&[(name, GOOD)]);
    check(&project.verdikt(&["run", "--tables", name]), &[r"::error::x\u{1b}[2J\u{202e}"]);
    check(&project.verdikt(&["check", name, "nowhere\n::error::y"]), &["::error::y"]);
    check(&project.verdikt(&["replay", "nowhere\n::error::y"]), &["::error::y"]);
    check(&project.verdikt(&["run", name, "--report", "json=nowhere/\n::error::y"]), &["::error::y"]);
    check(&project.verdikt(&["run", name, "--on", "\n::error::y\u{1b}[2J"]), &["::error::y"]);
    check(&project.verdikt(&["\n::error::y##[error]z"]), &["::error::y"]);
}

/// JSON stays JSON, with the same values.
#[test]
fn json() {
    let project = Project::with::<&str>(&[]);
    let ran = project.verdikt(&["schema"]);
    serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap();
    check(&ran, &[]);
}
