//! Where reports and event logs go: whole or not at all, through links, into pipes and devices; and what is said of those
//! that cannot be written.

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project};
use crate::stand_ins::StandIns;

fn project() -> Project {
    Project::with(&[("redis.yaml", GOOD)])
}

fn is_report(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|report| report["outcome"] == "as-expected")
}

/// A file keeps its mode, and a link leads on to the same file.
#[test]
fn a_report_takes_the_place_of_an_older_one() {
    let project = project();
    fs::create_dir(project.path("reports")).unwrap();
    fs::write(project.path("reports/a.json"), "older and much longer than the new one".repeat(1000)).unwrap();
    fs::set_permissions(project.path("reports/a.json"), Permissions::from_mode(0o640)).unwrap();
    symlink("reports/a.json", project.path("link")).unwrap();
    symlink("reports/b.json", project.path("dangling")).unwrap();
    let mut reader = fs::File::open(project.path("reports/a.json")).unwrap();
    let ran = project.verdikt(&["run", "redis.yaml", "--report", "json=link", "--report", "json=dangling"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(fs::symlink_metadata(project.path("link")).unwrap().is_symlink());
    assert!(is_report(&project.read("reports/a.json")) && is_report(&project.read("reports/b.json")));
    let mode = fs::metadata(project.path("reports/a.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // Whoever has the older one open reads that to its end.
    let mut older = String::new();
    reader.read_to_string(&mut older).unwrap();
    assert!(older.starts_with("older and") && older.ends_with("new one"));
}

/// What can be read only once is not opened beforehand, and nothing takes its place.
#[test]
fn pipes_and_open_files() {
    let project = project();
    assert!(Command::new("mkfifo").arg(project.path("pipe")).status().unwrap().success());
    let path = project.path("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(path).unwrap());
    let ran = project.verdikt(&["run", "redis.yaml", "--report", "json=pipe"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(is_report(&reader.join().unwrap()));
    let ran = project.verdikt(&["run", "--quiet", "redis.yaml", "--report", "json=/dev/stdout"]);
    let (_, report) = ran.stdout.split_once("{\n").unwrap();
    assert!(is_report(&format!("{{\n{report}")), "{ran}");
    let log = project.verdikt(&["run", "redis.yaml", "--events", "/dev/null"]);
    let report = project.verdikt(&["run", "redis.yaml", "--report", "json=/dev/null"]);
    assert_eq!(
        (log.code, report.code),
        (0, 0),
        "{log}
{report}"
    );
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

/// A file that is mounted, and one in a folder of somebody else's, are written where they are.
#[test]
fn a_file_that_nothing_can_take_the_place_of() {
    let project = project();
    fs::create_dir(project.path("folder")).unwrap();
    for file in ["folder/a.json", "source"] {
        fs::write(project.path(file), "older and much longer".repeat(1000)).unwrap();
        fs::set_permissions(project.path(file), Permissions::from_mode(0o666)).unwrap();
    }
    fs::set_permissions(project.path(""), Permissions::from_mode(0o755)).unwrap();
    let program = project.path("verdikt");
    fs::copy(env!("CARGO_BIN_EXE_verdikt"), &program).unwrap();
    let script =
        "mount --bind source folder/b.json; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
    fs::write(project.path("folder/b.json"), "").unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", script, "sh"]).arg(program);
    command.args([
        "run",
        "redis.yaml",
        "--on",
        "model",
        "--report",
        "json=folder/a.json",
        "--report",
        "json=folder/b.json",
    ]);
    let output = command.current_dir(project.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(is_report(&project.read("folder/a.json")) && is_report(&project.read("source")));
    assert_eq!(fs::read_dir(project.path("folder")).unwrap().count(), 2);
}

/// Before anything runs, or when the disk is full: the file, the reason, and the exit code of a wrong command.
#[test]
fn what_cannot_be_written_is_named() {
    let commands = [
        &["--events", "nowhere/log"][..],
        &["--events", "."],
        &["--events", "/dev/full"],
        &["--report", "junit=nowhere/a.xml"],
        &["--report", "junit=redis.yaml/a.xml"],
        &["--report", "markdown=/dev/full"],
        &["--report", "json=a.json", "--events", "a.json"],
        &["--report", "json=log.part", "--events", "log"],
    ];
    let told = commands.map(|arguments| {
        let project = project();
        let ran = project.verdikt(&[&["run", "redis.yaml"], arguments].concat());
        assert_eq!(ran.code, 2, "{ran}");
        let left = fs::read_dir(project.path("")).unwrap().count();
        assert_eq!(left, 1, "nothing is left behind");
        format!("# {}\n{}\n", arguments.join(" "), ran.stderr)
    });
    assert_snapshot!(told.concat(), @r"
    # --events nowhere/log
    error: cannot write the event log `nowhere/log`
      caused by: No such file or directory (os error 2)

    # --events .
    error: cannot write the event log `.`
      caused by: is a directory

    # --events /dev/full
    error: cannot write the event log `/dev/full`
      caused by: No space left on device (os error 28)

    # --report junit=nowhere/a.xml
    error: cannot write the report `nowhere/a.xml`
      caused by: No such file or directory (os error 2)

    # --report junit=redis.yaml/a.xml
    error: cannot write the report `redis.yaml/a.xml`
      caused by: Not a directory (os error 20)

    # --report markdown=/dev/full
    error: cannot write the report `/dev/full`
      caused by: No space left on device (os error 28)

    # --report json=a.json --events a.json
    error: `a.json` would be written twice

    hint: give every report and the event log a file of its own

    # --report json=log.part --events log
    error: `log.part` would be written twice

    hint: give every report and the event log a file of its own
    ");
}

/// A cluster is long in coming: what is wrong with the command is said before.
#[rstest]
#[case::event_log(["--events", "nowhere/log"])]
#[case::report(["--report", "json=nowhere/a.json"])]
fn nothing_runs_for_an_output_that_cannot_be_written(#[case] output: [&str; 2]) {
    let stand_ins = StandIns::well();
    fs::write(stand_ins.0.path("redis.yaml"), GOOD).unwrap();
    let ran = stand_ins.verdikt(&[&["run", "redis.yaml", "--on", "kind"], &output[..]].concat());
    assert_eq!(ran.code, 2, "{ran}");
    assert!(ran.stderr.contains("nowhere/"), "{ran}");
    assert_eq!(stand_ins.calls(), "", "{ran}");
}

/// The log is written as things happen, so that a reader sees them.
#[test]
fn a_log_can_be_followed() {
    let project = project();
    let mut command = project.command(&["run", "redis.yaml", "--quiet", "--events", "/dev/stderr"]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.starts_with("{\"event\":\"run-started\"") && log.contains("run-finished"), "{log}");
}
