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
    let check = |arguments: &[&str], told: &str, code: i32| {
        let mut command = role(&holder.exec(1, arguments));
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
    // What is not the lab's is not entered, nor what would be the machine's own network.
    let lab = holder.process.id();
    let of = |lab: u32, probe: u32| run(role(&["exec", &lab.to_string(), &probe.to_string(), "true"]));
    let gone =
        |probe: u32| format!("the endpoint is gone: its probe, thread {probe} of the lab, has ended\n");
    assert_eq!(of(lab, 4_194_305), (gone(4_194_305), Some(2)));
    assert_eq!(of(1, site.probe), (gone(site.probe), Some(2)));
    let other = format!("thread {lab} of the lab, process {lab}, is not an endpoint\n");
    assert_eq!(of(lab, lab), (other, Some(2)));
    assert!(machine() == before, "the machine has changed");
}

/// Root inside has what root has in a container.
fn rights_inside() {
    let holder = Holder::start(role(&["hold", "1"]));
    let (told, code) = run(role(&holder.exec(0, &["grep", "^Cap", "/proc/self/status"])));
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
    let (told, code) = run(role(&holder.exec(0, &["unshare", "--net", "true"])));
    assert!(code != Some(0) && told.contains("not permitted"), "{told}");
}

fn ends_with_its_shell() {
    let holder = Holder::start(role(&["hold", "1"]));
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" & echo $!; wait", "sh"]).arg(program).arg(ROLE);
    shell.args(holder.exec(0, &["sleep", "1000"]));
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
    let nobody = |arguments: &[String]| -> Vec<OsString> {
        let role = [copy.clone().into_os_string(), ROLE.into()];
        as_nobody().into_iter().chain(role).chain(arguments.iter().map(OsString::from)).collect()
    };
    let holder = Holder::start(in_own_mounts(&device("666"), &nobody(&["hold", "1"].map(str::to_owned))));
    let site = &holder.sites[0];
    let check = |program: &[&str], told: &str| {
        let arguments = nobody(&holder.exec(0, program));
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
    command.args(&arguments[1..]).arg(copy).arg(ROLE).args(holder.exec(0, &["true"]));
    let told = "the lab belongs to another user; run this as the user who runs the lab\n";
    assert_eq!(run(command), (told.to_owned(), Some(2)));
}
