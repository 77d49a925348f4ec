//! Programs of the machine inside a site.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::process::{
    Holder, ROLE, Test, as_nobody, copy_for_all, device, in_own_mounts, lives, network_of, role, until,
};
use crate::roles::{HOSTNAME, HOSTS, RESOLV_CONF};

pub(crate) const TESTS: [Test; 3] = [
    ("a program inside a site", inside),
    ("the rights of a program inside", rights_inside),
    ("a program inside ends with its shell", ends_with_its_shell),
];

pub(crate) const TESTS_AS_ROOT: [Test; 2] =
    [("a program inside a lab without root", inside_without_root), ("another user's lab", foreign)];

/// What the program tells, and its exit code.
fn run(mut command: Command) -> (String, Option<i32>) {
    let output = command.output().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (told, output.status.code())
}

/// The files that are replaced, as the machine has them, and what is mounted.
fn machine() -> Vec<Option<Vec<u8>>> {
    let files = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/proc/sys/kernel/hostname"];
    let mounts = ["/proc/self/mounts"];
    files.into_iter().chain(mounts).map(|path| std::fs::read(path).ok()).collect()
}

fn inside() {
    let before = machine();
    let holder = Holder::start(role(&["hold", "2"]));
    let site = &holder.sites[1];
    let probe = site.probe.to_string();
    let check = |arguments: &[&str], told: &str, code: i32| {
        let mut command = role(&[&["exec", probe.as_str()], arguments].concat());
        command.current_dir("/usr").env("GIVEN", "to it");
        assert_eq!(run(command), (told.to_owned(), Some(code)), "{arguments:?}");
    };
    check(&["cat", "/etc/hosts"], HOSTS, 0);
    if std::path::Path::new("/etc/resolv.conf").exists() {
        check(&["cat", "/etc/resolv.conf"], RESOLV_CONF, 0);
    }
    if std::path::Path::new("/etc/nsswitch.conf").exists() {
        check(&["grep", "-w", "^hosts", "/etc/nsswitch.conf"], "hosts: files dns\n", 0);
    }
    check(&["cat", "/proc/sys/kernel/hostname"], &format!("{HOSTNAME}\n"), 0);
    check(&["readlink", "/proc/self/ns/net"], &format!("{}\n", site.network), 0);
    check(&["sh", "-c", "pwd; echo $GIVEN; exit 7"], "/usr\nto it\n", 7);
    check(&["no-such-program"], "there is no program `no-such-program` on this machine\n", 2);
    check(&["./no/such/program"], "there is no program `./no/such/program` on this machine\n", 2);
    let denied = "Permission denied (os error 13)";
    check(&["/etc/passwd"], &format!("the program `/etc/passwd` cannot be started: {denied}\n"), 2);
    let gone = "the endpoint is gone: its probe, process 4194305, has ended\n";
    assert_eq!(run(role(&["exec", "4194305", "true"])), (gone.to_owned(), Some(2)));
    // What is not the lab's is not entered, nor what would be the machine's own network.
    let other = |probe: u32| format!("process {probe} is no endpoint of the lab, process");
    let outside = std::process::id();
    let (told, code) = run(role(&["exec", &outside.to_string(), "true"]));
    assert!(told.starts_with(&other(outside)) && code == Some(2), "{told}");
    let (told, code) = run(role(&["exec-of", "1", &probe, "true"]));
    assert!(told.starts_with(&other(site.probe)) && code == Some(2), "{told}");
    assert!(machine() == before, "the machine has changed");
}

/// Root inside has what root has in a container.
fn rights_inside() {
    let holder = Holder::start(role(&["hold", "1"]));
    let probe = holder.sites[0].probe.to_string();
    let (told, code) = run(role(&["exec", probe.as_str(), "grep", "^Cap", "/proc/self/status"]));
    assert_eq!(code, Some(0), "{told}");
    let sets: Vec<(&str, u64)> = told
        .lines()
        .map(|line| {
            let (name, mask) = line.split_once(':').unwrap();
            (name, u64::from_str_radix(mask.trim(), 16).unwrap())
        })
        .collect();
    // The numbers of /usr/include/linux/capability.h: neither network, mounts, tracing, modules nor devices.
    let kept = [0, 1, 3, 4, 5, 6, 7, 10, 13, 18, 29].iter().fold(0, |mask, number| mask | 1_u64 << number);
    for (name, mask) in sets {
        let allowed = if matches!(name, "CapInh" | "CapAmb") { 0 } else { kept };
        assert_eq!(mask & !allowed, 0, "{name}: {told}");
        assert!(allowed == 0 || mask & 1 << 13 != 0, "{name}, to ping: {told}");
    }
    let (told, code) = run(role(&["exec", probe.as_str(), "unshare", "--net", "true"]));
    assert!(code != Some(0) && told.contains("not permitted"), "{told}");
}

fn ends_with_its_shell() {
    let holder = Holder::start(role(&["hold", "1"]));
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" & echo $!; wait", "sh"]).arg(program).args([ROLE, "exec"]);
    shell.arg(holder.sites[0].probe.to_string()).args(["sleep", "1000"]);
    let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let sleeper: u32 = line.trim().parse().unwrap();
    let name = || std::fs::read_to_string(format!("/proc/{sleeper}/comm")).unwrap_or_default();
    until("the program", || name().trim() == "sleep");
    assert_eq!(network_of(&sleeper.to_string()).as_ref(), Some(&holder.sites[0].network));
    shell.kill().unwrap();
    shell.wait().unwrap();
    until("the end of the program", || !lives(sleeper));
}

fn inside_without_root() {
    let (_directory, copy) = copy_for_all();
    let nobody = |arguments: &[&str]| -> Vec<OsString> {
        let role = [copy.clone().into_os_string(), ROLE.into()];
        as_nobody().into_iter().chain(role).chain(arguments.iter().map(OsString::from)).collect()
    };
    let holder = Holder::start(in_own_mounts(&device("666"), &nobody(&["hold", "1"])));
    let site = &holder.sites[0];
    let probe = site.probe.to_string();
    let check = |program: &[&str], told: &str| {
        let arguments = nobody(&[&["exec", probe.as_str()], program].concat());
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]);
        assert_eq!(run(command), (told.to_owned(), Some(0)), "{program:?}");
    };
    check(&["cat", "/etc/hosts"], HOSTS);
    check(&["cat", "/proc/sys/kernel/hostname"], &format!("{HOSTNAME}\n"));
    check(&["readlink", "/proc/self/ns/net"], &format!("{}\n", site.network));
}

fn foreign() {
    let (_directory, copy) = copy_for_all();
    let holder = Holder::start(role(&["hold", "1"]));
    let arguments = as_nobody();
    let mut command = Command::new(&arguments[0]);
    command.args(&arguments[1..]).arg(copy).args([ROLE, "exec"]);
    command.arg(holder.sites[0].probe.to_string()).arg("true");
    let told = "the lab belongs to another user; run this as the user who runs the lab\n";
    assert_eq!(run(command), (told.to_owned(), Some(2)));
}
