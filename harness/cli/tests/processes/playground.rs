//! `verdikt lab`: a topology that stays up, other programs inside it, its flows, and policies saved meanwhile.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rstest::rstest;

use crate::project::{GOOD, Project};

pub(crate) struct Lab {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) told: String,
}

impl Lab {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        let mut command = project.command(&[&["lab"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output, told: String::new() }
    }

    /// Reads on until it has said this.
    pub(crate) fn until(&mut self, text: &str) {
        while !self.told.contains(text) {
            assert!(self.output.read_line(&mut self.told).unwrap() > 0, "{text}: {}", self.told);
        }
    }
}

impl Lab {
    /// The address of an endpoint, as the lab shows it.
    pub(crate) fn address(&self, endpoint: &str) -> String {
        let line = self.told.lines().find_map(|line| line.trim().strip_prefix(endpoint)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn send(signal: &str, process: &Child) {
    assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
}

#[test]
fn programs_policies_and_flows() {
    let scenario = GOOD.replace("scenario: redis", "scenario: playground");
    let project = Project::with(&[("redis.yaml", &scenario)]);
    let mut lab = Lab::start(&project, &["redis.yaml", "--step", "locked down"]);
    lab.until("Ctrl-C ends the lab");
    let inside = |source: &str, script: &str| {
        project.verdikt(&["lab", "exec", "--lab", "playground", source, "--", "bash", "-c", script])
    };

    // A program of this machine with the name, the addresses and the resolver of the pod.
    let ran = inside("shop/cart", "hostname; cat /etc/resolv.conf; exit 7");
    assert_eq!((ran.code, ran.stderr.as_str()), (7, ""), "{ran}");
    assert!(ran.stdout.starts_with("cart\n") && ran.stdout.contains("nameserver 245.96.0.10"), "{ran}");

    let connect = format!("exec 3<>/dev/tcp/{}/6379 && echo connected", lab.address("database/redis"));
    let mut flows = project.command(&["lab", "flows", "--lab", "playground", "--json"]);
    let mut flows = flows.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(flows.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert_eq!(told, "following the flows of `playground`; Ctrl-C stops\n");
    let mut lines = BufReader::new(flows.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The flows of these attempts are told as they happen: those of the pod that may, and of the one that may not.
    let mut seen = |source: &str, port: &str, verdict: &str| {
        lines.any(|line| {
            let flow: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(flow["of_table"], false, "{line}");
            let text = |pointer: &str| flow.pointer(pointer).map(ToString::to_string).unwrap_or_default();
            line.contains(source) && line.contains(port) && text("/verdict").contains(verdict)
        })
    };
    assert_eq!(inside("shop/cart", &connect).stdout, "connected\n");
    assert!(seen("cart", "6379", "forwarded"));
    let denied = inside("shop/stock", &format!("timeout 0.2 bash -c '{connect}'"));
    assert_eq!((denied.code, denied.stdout.as_str()), (124, ""), "{denied}");
    let told = "ingress of database/redis from shop/stock, tcp port 6379\n   denied: no rule allows it";
    assert!(denied.stderr.starts_with(told), "{denied}");
    assert!(denied.stderr.contains("redis.yaml:26  CiliumNetworkPolicy database/cart-only"), "{denied}");
    assert!(seen("stock", "6379", "dropped"));

    // What is saved is put in force at once; what is wrong is not.
    let path = project.path("redis.yaml");
    std::fs::write(&path, scenario.replace("app: cart, io", "app: stock, io")).unwrap();
    lab.until("tcp database/redis:6379 from shop/stock: deny ingress -> allow\n");
    assert!(
        lab.told.contains("tcp database/redis:6379 from shop/cart: allow -> deny ingress\n"),
        "{}",
        lab.told
    );
    assert_eq!(inside("shop/stock", &connect).stdout, "connected\n");
    // The table was attempted meanwhile, and its flows are not told.
    assert!(seen("stock", "6379", "forwarded"));
    send("-TERM", &flows);
    assert_eq!(flows.wait().unwrap().code(), Some(4));
}

/// To be ended is how a lab ends.
#[rstest]
#[case::interrupt("ended-by-interrupt", "-INT")]
#[case::terminate("ended-by-terminate", "-TERM")]
#[case::hang_up("ended-by-hang-up", "-HUP")]
fn a_signal_ends_the_lab(#[case] name: &str, #[case] signal: &str) {
    let project =
        Project::with(&[("redis.yaml", GOOD.replace("scenario: redis", &format!("scenario: {name}")))]);
    let mut lab = Lab::start(&project, &["redis.yaml"]);
    lab.until("Ctrl-C ends the lab");
    send(signal, &lab.process);
    let began = Instant::now();
    let status = lab.process.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1) && status.success(), "{status} {:?}", began.elapsed());
    let ran = project.verdikt(&["lab", "exec", "--lab", name, "shop/cart", "--", "true"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
}
