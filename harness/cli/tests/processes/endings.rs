//! Runs in the lab that are ended from outside.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

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
    let mut command = project.command(&[&["run", "--on", "lab"], arguments].concat());
    command.env(MARK, mark).env("TMPDIR", project.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    (process, output)
}

#[test]
fn an_interrupt_ends_a_run_within_a_second() {
    let project = many(400);
    let (mut process, mut output) = start(&project, "interrupt", &["--parallel", "1", "--events", "log"]);
    let mut text = String::new();
    while !text.contains("redis-003/open") {
        assert!(output.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let began = Instant::now();
    let number = process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &number]).status().unwrap().success());
    output.read_to_string(&mut text).unwrap();
    let status = process.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(4), "{text}");
    // What is known so far is told, and nothing after it.
    assert!(text.contains("ok            redis-002/locked down: 2 cells"), "{text}");
    assert!(text.contains("\ninterrupted: ") && !text.contains("redis-399"), "{text}");
    let log = project.read("log");
    let last = log.lines().last().unwrap();
    assert!(last.contains("\"event\":\"run-finished\"") && last.contains("\"interrupted\""), "{last}");
    assert_eq!(project.verdikt(&["replay", "log"]).stdout, text);
    until_gone("interrupt");
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
