//! Where threads, processes, files or memory run out: exit code 4 with the limit's name, and no panic, whatever is done.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::project::{GOOD, Project};

const SIGSEGV: i32 = 11;

/// What is done: it needs threads, processes, files and memory.
const COMMANDS: &[&str] = &["run --on lab --parallel 2 --quiet redis.yaml again.yaml", "lab redis.yaml"];

/// Runs each command with `verdikt` in place of `$@`'s first word, in a shell that sets a limit before; answers how many
/// ended with exit code 4. No command ends by a panic, or a signal, or says something else than the limit.
fn limited(prepare: &str, limits: &[&str]) -> usize {
    let project =
        Project::with(&[("redis.yaml", GOOD.to_owned()), ("again.yaml", GOOD.replacen("redis", "again", 1))]);
    // Another user can neither enter a folder of this one, nor start what lies below it.
    let verdikt = project.path("verdikt");
    fs::copy(env!("CARGO_BIN_EXE_verdikt"), &verdikt).unwrap();
    fs::set_permissions(project.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |words: &str| {
        // A lab that comes up stays: it is interrupted as soon as it waits.
        let script = format!("{prepare}; exec timeout --signal INT 3 \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "bash", "-euc", &script, "bash"]).arg(&verdikt).args(words.split(' '));
        let output = command.current_dir(project.path("")).output().unwrap();
        let told = format!(
            "{words} under {prepare}: {:?}\n{}{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!told.contains("panicked"), "{told}");
        let unbroken = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let says_nothing = output.stdout.is_empty() && output.stderr.is_empty();
        match output.status.code() {
            Some(4) => assert!(limits.iter().any(|limit| unbroken.contains(limit)), "{told}"),
            // Enough for this.
            Some(0 | 124) => {}
            // Too little for the system to start the program.
            Some(127) if told.contains("error while loading shared libraries") => {}
            // Too little for the kernel to map it: it is killed before its first instruction.
            None if output.status.signal() == Some(SIGSEGV) && says_nothing => {}
            _ => panic!("{told}"),
        }
        usize::from(output.status.code() == Some(4))
    };
    COMMANDS.iter().copied().map(run).sum()
}

#[test]
fn open_files() {
    let failed: usize =
        [12, 16, 24, 32, 48].map(|most| limited(&format!("ulimit -n {most}"), &["ulimit -n"])).iter().sum();
    assert!(failed >= 8, "{failed}");
}

#[test]
fn address_space() {
    let failed: usize = [40, 44, 48, 50, 52, 56, 60, 100, 300]
        .map(|mib| limited(&format!("ulimit -v {}", mib * 1000), &["RLIMIT_AS"]))
        .iter()
        .sum();
    assert!(failed >= 1, "{failed}");
}

/// Of a user who is not root: root has no such limit.
#[test]
fn processes_of_a_user() {
    let failed: usize = [3, 4, 5, 6, 8]
        .map(|most| {
            let device = "mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200";
            let user = 50_000 + std::process::id() % 10_000;
            let user = format!("setpriv --reuid {user} --regid {user} --clear-groups");
            let shell = format!(
                "exec {user} bash -c 'ulimit -u {most}; exec timeout --signal INT 3 \"$@\"' bash \"$@\""
            );
            limited(&format!("{device}; {shell}"), &["ulimit -u"])
        })
        .iter()
        .sum();
    assert!(failed >= 6, "{failed}");
}

/// A control group for the test, where this process may make one.
struct Group(PathBuf);

impl Group {
    fn make() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = |controllers: &str| {
            own.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(controllers)?.strip_prefix(":/"))
        };
        let name = format!("verdikt-test-{}", std::process::id());
        let root = PathBuf::from("/sys/fs/cgroup");
        let groups =
            [path("pids").map(|own| root.join("pids").join(own)), path("").map(|own| root.join(own))];
        let group = groups.into_iter().flatten().map(|own| own.join(&name)).find(|group| {
            fs::create_dir(group).is_ok()
                && (group.join("pids.max").exists() || fs::remove_dir(group).is_err())
        });
        group.map(Self)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        while fs::read_to_string(self.0.join("cgroup.procs")).is_ok_and(|left| !left.is_empty()) {
            std::thread::yield_now();
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn processes_of_a_control_group() {
    // A container may have none of its own.
    let Some(group) = Group::make() else { return };
    let group_path = group.0.display();
    let failed: usize = [3, 4, 5, 7, 9, 12]
        .map(|most| {
            limited(
                &format!("echo {most} > {group_path}/pids.max; echo $$ > {group_path}/cgroup.procs"),
                &["pids.max"],
            )
        })
        .iter()
        .sum();
    assert!(failed >= 6, "{failed}");
}
