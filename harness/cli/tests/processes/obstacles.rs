//! `verdikt run` of others than root, and where the lab cannot run: it says why in one line, and asks the engine.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::project::{GOOD, Project};

/// A shell that prepares something in mounts of its own and then runs the scenario; the `$@` of the script is
/// `verdikt run` without a word where.
fn check(script: &str, code: i32, stdout: &str, stderr: &str) {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    // Another user can neither enter a folder of this one, nor start what lies below it.
    let verdikt = project.path("verdikt");
    fs::copy(env!("CARGO_BIN_EXE_verdikt"), &verdikt).unwrap();
    fs::set_permissions(project.path(""), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", script, "sh"]).arg(verdikt).args(["run", "redis.yaml", "--quiet"]);
    let output = command.current_dir(project.path("")).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    assert!(out.contains(stdout) && (stdout.is_empty() == out.is_empty()), "{script}: {out}");
    assert_eq!(err, stderr, "{script}");
}

/// Puts a device for tunnels with this mode in the place of the machine's.
fn device(mode: &str) -> String {
    format!("mount -t tmpfs none /dev/net; mknod -m {mode} /dev/net/tun c 10 200")
}

const AS_NOBODY: &str = "exec setpriv --reuid 65534 --regid 65534 --clear-groups";

#[test]
fn a_user_without_rights() {
    let evidence = "\nevidence: ";
    check(&format!("{}; {AS_NOBODY} \"$@\"", device("666")), 0, evidence, "");
    let told = "note: model instead of lab: /dev/net/tun is not open to this user; run as root, or `chmod 0666 \
                /dev/net/tun` once\n";
    let totals = "as expected: 1 scenario, 2 steps, 4 cells, 1 policy object\n";
    check(&format!("{}; {AS_NOBODY} \"$@\"", device("600")), 0, totals, told);
}

#[test]
fn a_machine_without_tunnels() {
    let told = "note: model instead of lab: this machine has no /dev/net/tun; load the module `tun`, or give a \
                container `--device /dev/net/tun`\n";
    check("mount -t tmpfs none /dev/net; exec \"$@\"", 0, "as expected: ", told);
    let told = "error: the lab cannot run here\n  caused by: this machine has no /dev/net/tun; load the module \
                `tun`, or give a container `--device /dev/net/tun`\n\nhint: `--on model` evaluates with the engine \
                alone\n";
    check("mount -t tmpfs none /dev/net; exec \"$@\" --on lab", 4, "", told);
}
