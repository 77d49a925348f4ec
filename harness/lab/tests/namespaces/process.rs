//! The tests' own processes.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The argument that makes this program play a role instead of running tests.
pub(crate) const ROLE: &str = "--role";

/// A test as a trial: its name and what it does.
pub(crate) type Test = (&'static str, fn());

/// This program in a role.
pub(crate) fn role(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).args(arguments);
    command
}

/// A copy of this program that every user may start, which lives as long as its directory.
pub(crate) fn copy_for_all() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let copy = directory.path().join("namespaces");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    (directory, copy)
}

/// A shell that does `script` in a mount namespace of its own and then becomes what `arguments` say.
pub(crate) fn in_own_mounts(script: &str, arguments: &[OsString]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"]).args(arguments);
    command
}

/// Another user who has no rights.
pub(crate) fn as_nobody() -> Vec<OsString> {
    ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"].map(OsString::from).to_vec()
}

/// The number of that user.
pub(crate) const NOBODY: &str = "65534";

/// Puts a TUN device with this mode in the place of the machine's.
pub(crate) fn device(mode: &str) -> String {
    format!("mount -t tmpfs none /dev/net && mknod -m {mode} /dev/net/tun c 10 200")
}

/// A process that holds sites; see the role `hold`.
pub(crate) struct Holder {
    pub(crate) process: Child,
    pub(crate) output: BufReader<ChildStdout>,
    pub(crate) sites: Vec<Held>,
}

/// One of them.
pub(crate) struct Held {
    pub(crate) probe: u32,
    pub(crate) network: String,
}

impl Holder {
    /// The arguments of the role that becomes a program inside one of its sites.
    pub(crate) fn exec(&self, site: usize, program: &[&str]) -> Vec<String> {
        let numbers = [self.process.id(), self.sites[site].probe].map(|number| number.to_string());
        let words = program.iter().map(|word| (*word).to_owned());
        std::iter::once("exec".to_owned()).chain(numbers).chain(words).collect()
    }

    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut sites = Vec::new();
        loop {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [probe, network] => {
                    sites.push(Held { probe: probe.parse().unwrap(), network: network.to_owned() });
                }
                ["ready"] => return Self { process, output, sites },
                _ => panic!("the holder says {line:?}"),
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The network namespace of a process, as the kernel names it.
pub(crate) fn network_of(process: &str) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/net")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// Whether there is such a process or thread, and it has not ended.
pub(crate) fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name in parentheses comes the state; a zombie has ended.
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}

/// All processes there are.
pub(crate) fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Waits until something is so, but not forever.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "{what} takes too long");
        std::thread::yield_now();
    }
}
