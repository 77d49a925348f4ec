//! Runs in the lab that are ended from outside.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rstest::rstest;

use crate::project::{GOOD, Project};

/// How long may be waited for what is to come at once.
const DEADLINE: Duration = Duration::from_secs(10);
/// A variable of the environment by which a run's processes are known.
const MARK: &str = "VERDIKT_TEST_MARK";

/// A folder with many scenarios: their run takes its time.
fn many(scenarios: usize) -> Project {
    let files: Vec<(String, String)> = (0..scenarios)
        .map(|number| {
            let name = format!("redis-{number:03}");
            (
                format!("scenarios/{name}.yaml"),
                GOOD.replacen("scenario: redis", &format!("scenario: {name}"), 1),
            )
        })
        .collect();
    Project::with(&files.iter().map(|(path, text)| (path.as_str(), text)).collect::<Vec<_>>())
}

fn start(project: &Project, mark: &str, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = project.command(&[&["run", "--tables", "--on", "lab"], arguments].concat());
    command.env(MARK, mark).env("TMPDIR", project.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    (process, output)
}

/// Sends a signal to a process.
fn send(signal: &str, process: &Child) {
    let number = process.id().to_string();
    assert!(Command::new("kill").args([signal, &number]).status().unwrap().success());
}

/// Reads on until it has said this.
fn until_said(output: &mut BufReader<ChildStdout>, said: &str) -> String {
    let mut text = String::new();
    while !text.contains(said) {
        assert!(output.read_line(&mut text).unwrap() > 0, "{text}");
    }
    text
}

const REPORTS: [&str; 6] = ["--events", "log", "--report", "json=a.json", "--report", "junit=a.xml"];

#[rstest]
#[case::interrupt("-INT")]
#[case::termination("-TERM")]
#[case::hang_up("-HUP")]
fn a_signal_ends_a_run_within_a_second(#[case] signal: &str) {
    let project = many(400);
    let (mut process, mut output) = start(&project, signal, &[&["--parallel", "1"], &REPORTS[..]].concat());
    let mut text = until_said(&mut output, "redis-003/open");
    let began = Instant::now();
    send(signal, &process);
    output.read_to_string(&mut text).unwrap();
    let status = process.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{signal}: {:?}", began.elapsed());
    assert_eq!(status.code(), Some(4), "{signal}: {text}");
    // What is known so far is told, and nothing after it.
    assert!(text.contains("ok            redis-002/locked down: 2 cells"), "{text}");
    assert!(text.contains("\ninterrupted: ") && !text.contains("redis-399"), "{text}");
    assert!(!text.contains("FAILED"), "{text}");
    let log = project.read("log");
    let last = log.lines().last().unwrap();
    assert!(last.contains("\"event\":\"run-finished\"") && last.contains("\"interrupted\""), "{last}");
    is_interrupted(&project);
    assert_eq!(project.verdikt(&["replay", "log", "--tables"]).stdout, text);
    until_gone(signal);
}

/// The reports are whole, and say that the run was interrupted.
fn is_interrupted(project: &Project) {
    let report: serde_json::Value = serde_json::from_str(&project.read("a.json")).unwrap();
    assert_eq!(report["outcome"], "interrupted");
    assert!(project.read("a.xml").trim_end().ends_with("</testsuites>"));
}

/// The engine alone, caught while it waits for its reader.
#[rstest]
#[case::interrupt("-INT")]
#[case::termination("-TERM")]
#[case::hang_up("-HUP")]
fn a_signal_ends_a_run_of_the_model(#[case] signal: &str) {
    let project = many(400);
    let mut command = project.command(&[&["run", "--tables"], &REPORTS[..]].concat());
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut text = until_said(&mut output, "redis-003/open");
    send(signal, &process);
    output.read_to_string(&mut text).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(4), "{signal}: {text}");
    assert!(text.contains("\ninterrupted: ") && !text.contains("redis-399"), "{signal}: {text}");
    is_interrupted(&project);
    assert_eq!(project.verdikt(&["replay", "log", "--tables"]).stdout, text);
}

/// A command that has nothing to clean up ends at once, and says by its exit code that it was interrupted.
#[rstest]
#[case::interrupt("-INT")]
#[case::termination("-TERM")]
#[case::hang_up("-HUP")]
fn a_signal_ends_what_only_reads(#[case] signal: &str) {
    let project = Project::with::<&str>(&[]);
    assert!(Command::new("mkfifo").arg(project.path("pipe")).status().unwrap().success());
    let mut process = project.command(&["replay", "pipe"]).stderr(Stdio::piped()).spawn().unwrap();
    // It has opened the log, which nobody ever writes.
    let writer = fs::OpenOptions::new().write(true).open(project.path("pipe")).unwrap();
    send(signal, &process);
    assert_eq!(process.wait().unwrap().code(), Some(4));
    drop(writer);
}

/// As `nohup` has it.
#[test]
fn a_run_may_outlive_its_terminal() {
    let project = many(400);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" run --tables --on model", env!("CARGO_BIN_EXE_verdikt")]);
    let mut process = command.current_dir(project.path("")).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut text = until_said(&mut output, "redis-003/open");
    send("-HUP", &process);
    output.read_to_string(&mut text).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0), "{text}");
    assert!(text.contains("redis-399/locked down"), "{text}");
}

/// A terminal that is closed takes its output with it, and neither the reports nor the log.
#[test]
fn a_run_whose_terminal_is_closed_tells_what_is_known() {
    let project = many(400);
    let run = format!(
        "exec '{}' run --tables --on lab --parallel 1 {}",
        env!("CARGO_BIN_EXE_verdikt"),
        REPORTS.join(" ")
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--command", &run, "typescript"]).env(MARK, "terminal");
    terminal.current_dir(project.path("")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    let mut output = BufReader::new(terminal.stdout.take().unwrap());
    until_said(&mut output, "redis-003/open");
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until_gone("terminal");
    is_interrupted(&project);
    let log = project.read("log");
    assert!(log.lines().last().unwrap().contains("\"outcome\":\"interrupted\""), "{log}");
}

/// An older report, and an older log, are there until a run has ended.
#[test]
fn a_killed_run_destroys_no_older_output() {
    let project = many(400);
    let run = |older: &str| {
        let (mut process, mut output) =
            start(&project, "older", &[&["--parallel", "1"], &REPORTS[..]].concat());
        until_said(&mut output, "redis-003/open");
        let text = |report: &str| fs::read_to_string(project.path(report)).unwrap_or_default();
        assert_eq!((text("a.json"), text("a.xml")), (older.to_owned(), older.to_owned()));
        process.kill().unwrap();
        process.wait().unwrap();
        until_gone("older");
    };
    run("");
    assert!(!project.path("a.json").exists() && !project.path("a.xml").exists());
    let log = project.read("log");
    assert!(log.contains("\"redis-002\"") && !log.contains("run-finished"), "it is told as it happens");
    for file in ["a.json", "a.xml", "log"] {
        fs::write(project.path(file), "older").unwrap();
    }
    run("older");
    assert_eq!(["a.json", "a.xml", "log"].map(|file| project.read(file)), ["older"; 3]);
    assert!(project.read("log.part").contains("\"redis-002\""));
    assert_eq!(files(&project), "a.json a.xml log log.part scenarios");
    // A run that ends takes their places.
    fs::remove_dir_all(project.path("scenarios")).unwrap();
    fs::write(project.path("redis.yaml"), GOOD).unwrap();
    let ran = project.verdikt(&[&["run", "redis.yaml"], &REPORTS[..]].concat());
    assert_eq!(ran.code, 0, "{ran}");
    assert!(project.read("log").contains("run-finished") && project.read("a.json").contains("as-expected"));
    assert_eq!(files(&project), "a.json a.xml log redis.yaml");
}

/// Wherever the kill finds it: nothing has to be cleaned up for a lab to be gone.
#[test]
fn a_killed_run_leaves_nothing() {
    let project = many(8);
    let before = (devices(), mounts(), files(&project));
    let mut ended = 0;
    for kill in 0..50 {
        let mark = format!("kill-{kill}");
        let (mut process, output) = start(&project, &mark, &[]);
        let moment = Instant::now() + Duration::from_millis(5 * kill);
        // Its lines are read, so that it does not wait for its reader.
        let reader = std::thread::spawn(move || output.lines().count());
        while Instant::now() < moment {
            std::thread::yield_now();
        }
        ended += usize::from(process.try_wait().unwrap().is_some());
        process.kill().unwrap();
        process.wait().unwrap();
        reader.join().unwrap();
        until_gone(&mark);
    }
    assert!(ended < 40, "{ended} of 50 runs had ended before they were killed");
    assert_eq!((devices(), mounts(), files(&project)), before);
}

fn devices() -> String {
    names("/sys/class/net")
}

/// What a lab mounts has its name in it; others may mount what they want meanwhile.
fn mounts() -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains("verdikt")).collect()
}

fn files(project: &Project) -> String {
    names(project.path("").to_str().unwrap())
}

fn names(folder: &str) -> String {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.join(" ")
}

/// Waits until no process bears the mark.
fn until_gone(mark: &str) {
    let began = Instant::now();
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "still there: {left}");
        std::thread::yield_now();
    }
}

fn marked(mark: &str) -> String {
    let setting = format!("{MARK}={mark}");
    let mut left = String::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Processes come and go while they are looked at.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|one| one == setting.as_bytes()) {
            let name = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            write!(left, "{}: {} ", entry.path().display(), name.replace('\0', " ")).unwrap();
        }
    }
    left
}
