//! `verdikt lab exec` and `flows` beside labs of other users, and processes that only say they are labs.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;

use crate::project::{GOOD, Project, Ran};

const NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

fn listen(name: &[u8]) -> UnixListener {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

/// Both commands that talk to a lab.
fn ask(project: &Project, lab: &str) -> [Ran; 2] {
    let exec = ["lab", "exec", "--lab", lab, "shop/cart", "--", "true"];
    [project.verdikt(&exec), project.verdikt(&["lab", "flows", "--lab", lab])]
}

/// A process that answers with another one, whose network would be the machine's own: it is never even asked.
#[test]
fn a_process_under_the_name_of_a_lab() {
    const NAME: &[u8] = b"verdikt-lab/1/impostor";
    let listener = listen(NAME);
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    // Tests beside this one look at all that listens, and come by too.
    let server = std::thread::spawn(move || {
        let mut heard = Vec::new();
        loop {
            let mut stream = listener.accept().unwrap().0;
            if is_over.load(Ordering::SeqCst) {
                return heard;
            }
            stream.read_to_end(&mut heard).unwrap();
        }
    });
    let project = Project::with::<&str>(&[]);
    for ran in ask(&project, "impostor") {
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
        let hint = "another process than 1 listens in place of the lab `impostor`, and is ignored";
        assert!(ran.stderr.contains("you have no running lab") && ran.stderr.contains(hint), "{ran}");
    }
    over.store(true, Ordering::SeqCst);
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(NAME).unwrap()).unwrap();
    assert_eq!(server.join().unwrap(), b"", "nothing was asked");
}

#[test]
fn a_name_that_is_no_text() {
    let pid = std::process::id();
    let _listener = listen(&[format!("verdikt-lab/{pid}/").as_bytes(), b"\xff\xfe"].concat());
    let project = Project::with::<&str>(&[]);
    for ran in ask(&project, "nothing of the kind") {
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stderr.contains("you have no running lab"), "{ran}");
    }
}

/// A lab that somebody runs, with a program that every user may start.
struct Lab {
    project: Project,
    program: PathBuf,
    process: Child,
}

impl Lab {
    fn of(user: &[&str], name: &str) -> Self {
        let scenario = GOOD.replace("scenario: redis", &format!("scenario: {name}"));
        let project = Project::with(&[("redis.yaml", scenario)]);
        fs::set_permissions(project.path(""), Permissions::from_mode(0o755)).unwrap();
        let program = project.path("verdikt");
        fs::copy(env!("CARGO_BIN_EXE_verdikt"), &program).unwrap();
        let script = "mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", script, "sh"]).args(user).arg(&program);
        command.args(["lab", "redis.yaml"]).current_dir(project.path("")).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let up = output.lines().any(|line| line.unwrap().contains("Ctrl-C ends the lab"));
        assert!(up, "the lab does not come up");
        Self { project, program, process }
    }

    fn ask_as(&self, user: &[&str], arguments: &[&str]) -> Ran {
        let mut words = user.iter().map(ToString::to_string).chain([self.program.display().to_string()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).current_dir(self.project.path(""));
        let output = command.output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Ran { code: output.status.code().unwrap(), stdout, stderr }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Root is not an exception, in either role: another user's lab could lead it anywhere.
#[rstest]
#[case::of_nobody_for_root(&NOBODY, "65534", &[])]
#[case::of_root_for_nobody(&[], "0", &NOBODY)]
fn a_lab_of_another_user(#[case] owner: &[&str], #[case] number: &str, #[case] asker: &[&str]) {
    let name = format!("lab of {number}");
    let lab = Lab::of(owner, &name);
    let exec = ["lab", "exec", "--lab", &name, "shop/cart", "--", "hostname"];
    let ran = lab.ask_as(owner, &exec);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "cart\n"), "{ran}");
    let is_refused = |arguments: &[&str]| {
        let ran = lab.ask_as(asker, arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
        let hint = format!("hint: the lab `{name}` belongs to user {number}: run this as that user");
        assert!(ran.stderr.contains(&hint), "{ran}");
    };
    is_refused(&exec);
    is_refused(&["lab", "flows", "--lab", &name]);
}
