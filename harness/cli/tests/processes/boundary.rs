//! Which files the program reads: never one outside, never a device for a file's sake, and what the user pipes to it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project, Ran};

/// A text that must never be shown.
const SECRET: &str = "root:secret\n";

/// A scenario of a stranger whose topology or policies lead to a file.
fn leading_to(include: &str, policies: &str) -> String {
    GOOD.replace("topology:\n", &format!("topology:\n  include: [{include}]\n"))
        .replace("policies: [cart-only]", &format!("policies: [cart-only{policies}]"))
}

fn stranger(include: &str, policies: &str) -> Project {
    let scenario = leading_to(include, policies);
    let project = Project::with(&[
        ("outside/shadow", SECRET),
        ("outside/more.yaml", "world: {bank: {address: 203.0.113.20}}\n"),
        ("given/s.yaml", scenario.as_str()),
    ]);
    symlink("../outside/shadow", project.path("given/file.yaml")).unwrap();
    symlink("../outside", project.path("given/folder")).unwrap();
    symlink("loop.yaml", project.path("given/loop.yaml")).unwrap();
    project
}

/// What a command says of the scenario, without the picture of its line.
fn said(ran: &Ran) -> String {
    assert!(!ran.stderr.contains("secret") && !ran.stdout.contains("secret"), "{ran}");
    let lines = ran.stderr.lines().filter(|line| line.starts_with("error") || line.contains("= help"));
    format!("{} {}", ran.code, lines.map(str::trim).collect::<Vec<_>>().join(" "))
}

#[test]
fn no_command_reads_or_shows_a_file_outside() {
    let cases = [
        ("a file", "../outside/shadow", ""),
        ("a link to a file", "file.yaml", ""),
        ("a link to a folder", "folder/shadow", ""),
        ("up from a link", "folder/../outside/shadow", ""),
        ("a link to itself", "loop.yaml", ""),
        ("the whole machine", "", ", /"),
        ("a linked folder", "", ", folder/"),
    ];
    let commands: [&[&str]; 4] = [&["run"], &["check"], &["explain"], &["lab"]];
    let mut told = String::new();
    for (name, include, policies) in cases {
        let project = stranger(include, policies);
        let of_commands = commands.map(|command| said(&project.wide(&[command, &["given/s.yaml"]].concat())));
        let [run, others @ ..] = &of_commands;
        assert!(others.iter().all(|other| other == run), "{of_commands:#?}");
        writeln!(told, "{name}: {run}").unwrap();
    }
    assert_snapshot!(told, @"
    a file: 2 error: cannot read `given/../outside/shadow`: it is outside the repository or folder that the command names = help: move it inside, or allow it with `--allow-outside` if you trust these files
    a link to a file: 2 error: cannot read `given/file.yaml`: it is outside the repository or folder that the command names = help: move it inside, or allow it with `--allow-outside` if you trust these files
    a link to a folder: 2 error: cannot read `given/folder/shadow`: it is outside the repository or folder that the command names = help: move it inside, or allow it with `--allow-outside` if you trust these files
    up from a link: 2 error: cannot read `given/folder/../outside/shadow`: it is outside the repository or folder that the command names = help: move it inside, or allow it with `--allow-outside` if you trust these files
    a link to itself: 2 error: `given/loop.yaml` cannot be read: Too many levels of symbolic links (os error 40)
    the whole machine: 2 error: cannot read `/`: it is outside the repository or folder that the command names = help: move it inside, or allow it with `--allow-outside` if you trust these files
    a linked folder: 2 error: cannot read `given/folder`: it is outside the repository or folder that the command names = help: move it inside, or allow it with `--allow-outside` if you trust these files
    ");
}

/// It reads, and so shows lines of, whatever the user may read.
#[rstest]
fn the_user_may_allow_files_outside(#[values("run", "check", "explain")] command: &str) {
    let project = stranger("../outside/more.yaml", "");
    assert_eq!(project.wide(&[command, "given/s.yaml"]).code, 2);
    let ran = project.wide(&[command, "given/s.yaml", "--allow-outside"]);
    // The bank is a source that the table lacks, so the file was read.
    assert!(ran.stderr.contains("`bank` has no verdict"), "{ran}");
}

/// The kernel's log would be waited for, and taken from whoever reads it; the others never end.
#[rstest]
#[case::log_of_the_kernel("/proc/kmsg")]
#[case::endless("/dev/zero")]
#[case::standard_input("/dev/stdin")]
#[case::environment("/proc/self/environ")]
fn devices_are_not_opened_even_where_files_outside_are_allowed(#[case] device: &str) {
    let project = stranger(device, "");
    let output = project.command(&["check", "given/s.yaml", "--allow-outside"]).stdin(Stdio::piped()).spawn();
    let code = output.unwrap().wait().unwrap().code();
    let ran = project.wide(&["check", "given/s.yaml", "--allow-outside"]);
    assert_eq!(code, Some(ran.code));
    assert_eq!(said(&ran), format!("2 error: `{device}` is not a regular file"));
}

#[test]
fn a_folder_is_walked_to_a_limit() {
    let project = Project::with(&[("given/s.yaml", GOOD)]);
    let deep = "deep/".repeat(65);
    fs::create_dir_all(project.path("given").join(deep)).unwrap();
    let ran = project.wide(&["check", "given"]);
    assert_eq!(ran.code, 2, "{ran}");
    assert_snapshot!(said(&ran).replace("deep/deep", "d"), @"2 error: `given/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d` is more than 64 folders deep = help: name this folder itself");
}

fn piped(project: &Project, arguments: &[&str], text: &str) -> Ran {
    fs::write(project.path("piped"), text).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let feeder = Command::new("cat").arg(project.path("piped")).stdout(writer).spawn();
    let output = project.command(arguments).env("COLUMNS", "1000").stdin(reader).output().unwrap();
    feeder.unwrap().wait().unwrap();
    ran_of(output)
}

fn ran_of(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[rstest]
#[case::dash("-", "<stdin>")]
#[case::dev_stdin("/dev/stdin", "/dev/stdin")]
#[case::dev_fd("/dev/fd/0", "/dev/fd/0")]
#[case::proc("/proc/self/fd/0", "/proc/self/fd/0")]
fn what_the_user_pipes_is_read(#[case] path: &str, #[case] shown: &str) {
    let policy = GOOD.split_once("---\n").unwrap().1;
    let project = Project::with(&[("more.yaml", "world: {bank: {address: 203.0.113.20}}\n")]);
    let ran = piped(&project, &["check", path], policy);
    assert_eq!(
        ran.stderr.lines().next().unwrap(),
        "0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 0 warnings",
        "{ran}"
    );
    assert_eq!(piped(&project, &["run", path], GOOD).code, 0);
    assert_eq!(piped(&project, &["explain", path], GOOD).code, 0);
    // It names files from where the user is.
    let ran = piped(&project, &["check", path], &leading_to("more.yaml", ""));
    assert!(ran.stderr.contains("`bank` has no verdict"), "{ran}");
    let wrong = piped(&project, &["check", path], &policy.replace("ingress", "ingres"));
    let place = wrong.stderr.lines().nth(1).unwrap_or_default();
    assert_eq!((wrong.code, place.trim()), (2, format!("--> {shown}:6:3").as_str()));
}

#[test]
fn standard_input_from_a_file_and_a_pipe_of_the_shell_are_read() {
    let policy = GOOD.split_once("---\n").unwrap().1;
    let project = Project::with(&[("piped", policy.replace("ingress", "ingres"))]);
    let mut from_file = project.command(&["check", "/dev/stdin"]);
    from_file.stdin(File::open(project.path("piped")).unwrap());
    assert_eq!(ran_of(from_file.output().unwrap()).code, 2);
    fs::write(project.path("p.yaml"), policy).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", "\"$0\" check <(cat p.yaml)", env!("CARGO_BIN_EXE_verdikt")]);
    let ran = ran_of(shell.current_dir(project.path("")).output().unwrap());
    assert_eq!(ran.code, 0, "{ran}");
}
