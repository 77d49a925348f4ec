//! The probe's image, and hosts outside a cluster, with a real docker engine. It needs
//! - an engine that answers `docker version`, with `docker` in the PATH; `DOCKER_HOST` says which is meant;
//! - a probe that needs no libraries: `VERDIKT_TEST_PROBE=FILE`;
//! - a `busybox` that needs no libraries, in the PATH: Debian has it as `busybox-static`.
//!
//! `VERDIKT_TEST_PROBE=FILE cargo test -p verdikt --test processes -- --ignored engine::`
//!
//! Nothing is pulled, and no container that it did not make is touched. A container that is not a cluster takes the place of
//! the node of the profile `audit`, whose cluster must not be there: its `kubectl` answers from files.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use verdikt_kind::cluster::world::{HostProgram, world};
use verdikt_kind::profile::profile;
use verdikt_wire::{
    Action, Order, Report, Serve, Speaks, WireAttempt, WireCertificate, WireOutcome, WireTarget, Zone,
};

use crate::project::Project;

/// How the node answers to verdikt.
const KUBECTL: &str = r#"#!/bin/sh
for last; do :; done
case "$*" in
    *" get nodes --output json") cat /nodes.json ;;
    *"jsonpath={.data.Corefile}") cat /Corefile ;;
    *" patch configmap/coredns "*) printf %s "$last" > /patch.json ;;
esac
"#;
const NODE: &str = "verdikt-audit-control-plane";
const WORLD: &str = "verdikt-world-audit";
const PORT: u16 = 8080;

/// What docker says, if it succeeds.
fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn docker(arguments: &[&str]) -> String {
    try_docker(arguments).unwrap_or_else(|said| panic!("docker {}: {said}", arguments.join(" ")))
}

/// What is removed when a test ends, however it ends: the arguments of docker that do so.
struct Leftover(Vec<String>);

impl Drop for Leftover {
    fn drop(&mut self) {
        let _ = try_docker(&self.0.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn finally(arguments: &[&str]) -> Leftover {
    Leftover(arguments.iter().map(|argument| (*argument).to_owned()).collect())
}

/// The probe to test with.
fn probe() -> PathBuf {
    let path = std::env::var_os("VERDIKT_TEST_PROBE").expect("VERDIKT_TEST_PROBE names a probe");
    fs::canonicalize(path).expect("VERDIKT_TEST_PROBE names a probe")
}

/// A probe that was started, and that tells line by line.
struct Talk {
    child: Child,
    orders: Option<ChildStdin>,
    reports: BufReader<ChildStdout>,
}

impl Talk {
    /// With the probe that a command starts.
    fn with(command: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, reports) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut talk = Self { child, orders, reports };
        assert!(matches!(talk.hear(), Report::Ready { .. }), "{command}");
        talk
    }

    fn tell(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap();
        writeln!(self.orders.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> Report {
        let mut line = String::new();
        self.reports.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn serve(&mut self) {
        let zone = Zone::default();
        self.tell(&Order::Serve(Serve {
            server: 1,
            speaks: Speaks::Tcp,
            port: PORT,
            zone,
            certificate: WireCertificate::default(),
        }));
        assert_eq!(self.hear(), Report::Serving { server: 1, port: PORT });
    }

    /// What a connection comes to.
    fn connect(&mut self, address: &str) -> WireOutcome {
        let action = Action::Tcp { target: WireTarget::Address(address.parse().unwrap()), port: PORT };
        self.tell(&Order::Attempt(WireAttempt { attempt: 1, action, timeout: 3000 }));
        loop {
            if let Report::Finished { outcome, .. } = self.hear() {
                return outcome;
            }
        }
    }

    /// No more orders: it ends by itself, and well.
    fn end(mut self) {
        drop(self.orders.take());
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
#[ignore = "needs a docker engine: see the first lines of engine.rs"]
fn an_engine_runs_the_image_of_the_probe() {
    let project = Project::with::<&str>(&[]);
    let program = project.program_beside(&fs::read(probe()).unwrap());
    let output = project.command_of(&program, &["images", "--probe", "probe.tar"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let loaded = docker(&["load", "--input", project.path("probe.tar").to_str().unwrap()]);
    let _image = finally(&["image", "rm", &name]);
    assert_eq!(loaded, format!("Loaded image: {name}"));
    let size: u64 = docker(&["image", "inspect", "--format", "{{.Size}}", &name]).parse().unwrap();
    assert!(size < 10_000_000, "{size} bytes");
    // As pods run it: another user, nothing allowed, nothing to write to.
    let mut talk = Talk::with(&format!(
        "docker run --interactive --rm --pull never --cap-drop ALL --security-opt no-new-privileges --read-only {name}"
    ));
    talk.serve();
    assert_eq!(talk.connect("127.0.0.1"), WireOutcome::Answered);
    talk.end();
}

/// Makes an image that has what hosts outside need, and a `kubectl`.
fn import(project: &Project, name: &str) {
    let busybox = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("busybox"))
        .find(|path| path.exists())
        .expect("busybox is in the PATH");
    let root = project.path("root");
    for folder in ["bin", "tmp", "dev", "proc", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy(busybox, root.join("bin/busybox")).unwrap();
    for applet in ["sh", "sleep", "ip", "cat", "chmod", "mv", "test"] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    write_program(&root.join("bin/kubectl"), KUBECTL);
    let archive = project.path("root.tar").display().to_string();
    let packed = Command::new("tar").arg("-C").arg(&root).args(["-cf", &archive, "."]).status().unwrap();
    assert!(packed.success());
    docker(&["import", &archive, name]);
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Writes a file in the node.
fn write_in_node(project: &Project, path: &str, text: &str) {
    let here = project.path("file");
    fs::write(&here, text).unwrap();
    docker(&["cp", here.to_str().unwrap(), &format!("{NODE}:{path}")]);
}

#[test]
#[ignore = "needs a docker engine: see the first lines of engine.rs"]
fn hosts_outside_live_in_a_container() {
    let project = Project::with::<&str>(&[]);
    let name = format!("verdikt-test-{}", std::process::id());
    import(&project, &name);
    let _image = finally(&["image", "rm", &name]);
    docker(&["network", "create", &name]);
    let _network = finally(&["network", "rm", &name]);
    docker(&[
        "run",
        "--detach",
        "--name",
        NODE,
        "--network",
        &name,
        "--cap-add",
        "NET_ADMIN",
        "--entrypoint",
        "sleep",
        &name,
        "infinity",
    ]);
    let _node = finally(&["container", "rm", "--force", NODE]);
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = docker(&["container", "inspect", "--format", format, NODE]);
    let nodes = serde_json::json!({"items": [{
        "metadata": {"name": NODE},
        "spec": {"podCIDRs": ["10.244.9.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }]});
    write_in_node(&project, "/nodes.json", &nodes.to_string());
    write_in_node(&project, "/Corefile", ".:53 {\n}\n");
    // Its pods are all at home in the node itself.
    docker(&["exec", NODE, "ip", "route", "replace", "local", "10.244.9.0/24", "dev", "lo"]);
    let probe = probe();
    docker(&["cp", probe.to_str().unwrap(), &format!("{NODE}:/probe")]);

    let make_room = || {
        let probe = HostProgram { id: "test", program: &probe, arguments: &[] };
        world(&profile("audit").unwrap(), &probe, &mut |_| ()).unwrap()
    };
    let _world = finally(&["container", "rm", "--force", "--volumes", WORLD]);
    let command = make_room();
    let patch: serde_json::Value =
        serde_json::from_str(&docker(&["exec", NODE, "cat", "/patch.json"])).unwrap();
    let corefile = patch["data"]["Corefile"].as_str().unwrap();
    assert!(corefile.contains("test:53"), "{corefile}");

    // Each lives at its own address: they share a port. Whoever is not there refuses.
    let mut hosts =
        ["203.0.113.10", "198.51.100.7"].map(|address| Talk::with(&format!("{command} --address {address}")));
    let mut pod = Talk::with(&format!("docker exec --interactive {NODE} /probe"));
    for talk in hosts.iter_mut().chain([&mut pod]) {
        talk.serve();
    }
    let outcomes = ["203.0.113.10", "198.51.100.7", "192.0.2.1"].map(|address| pod.connect(address));
    assert_eq!(outcomes, [WireOutcome::Answered, WireOutcome::Answered, WireOutcome::Refused]);
    assert_eq!(hosts[0].connect("10.244.9.7"), WireOutcome::Answered, "the way to pods");

    // Again: nothing is new, and what runs goes on.
    write_in_node(&project, "/Corefile", corefile);
    docker(&["exec", NODE, "mv", "/patch.json", "/patch-of-before.json"]);
    let identity = || docker(&["container", "inspect", "--format", "{{.Id}}", WORLD]);
    let before = identity();
    assert_eq!(make_room(), command);
    assert_eq!(identity(), before);
    assert!(try_docker(&["exec", NODE, "cat", "/patch.json"]).is_err(), "the DNS is configured already");
    assert_eq!(pod.connect("203.0.113.10"), WireOutcome::Answered);

    // A host goes with the one who started it, even if that is killed.
    let [mut killed, ended] = hosts;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    ended.end();
    let deadline = Instant::now() + Duration::from_secs(20);
    while docker(&["top", WORLD]).contains("--address") {
        assert!(Instant::now() < deadline, "{}", docker(&["top", WORLD]));
    }
    pod.end();

    // It goes with its cluster. There is none, so that there need not be a kind.
    fs::create_dir(project.path("bin")).unwrap();
    write_program(&project.path("bin/kind"), "#!/bin/sh\n");
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let output = project.command(&["cluster", "down", "audit"]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(try_docker(&["container", "inspect", WORLD]).is_err());
}
