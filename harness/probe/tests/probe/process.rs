//! The probe as a process, and what it says as text.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use verdikt_wire::{
    Action, Arrived, Bound, FORMAT, Order, Report, Resolver, Serve, Speaks, WireAttempt, WireCertificate,
    WireOutcome, WireTarget, Zone,
};

/// How long anything may take that ought to happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a stage may take that ought to be answered, in milliseconds.
pub(crate) const LONG: u32 = 10_000;

/// How long a stage may take that ought not, in milliseconds.
pub(crate) const SHORT: u32 = 100;

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The probe's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_verdikt-probe");

pub(crate) struct Probe {
    child: Child,
    orders: Option<ChildStdin>,
    reports: Receiver<Report>,
    /// Reports are read while this is not locked.
    pub(crate) reading: Arc<Mutex<()>>,
    /// What the servers have reported while something else was waited for.
    arrivals: Vec<Arrived>,
    last: u64,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Probe {
    pub(crate) fn start() -> Self {
        Self::start_through(PROGRAM, [""; 0])
    }

    /// Started by another program that becomes it.
    pub(crate) fn start_through<A: AsRef<OsStr>>(
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let (orders, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, reports) = mpsc::channel();
        let reading = Arc::new(Mutex::new(()));
        let allowed = Arc::clone(&reading);
        thread::spawn(move || {
            for line in output.lines() {
                let line = line.unwrap();
                drop(allowed.lock().unwrap());
                let report = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(report).is_err() {
                    return;
                }
            }
        });
        let mut probe = Self { child, orders, reports, reading, arrivals: Vec::new(), last: 0 };
        assert_eq!(probe.next(), Report::Ready { format: FORMAT });
        probe
    }

    /// Reads no more of its reports.
    pub(crate) fn deafen(&mut self) {
        let (_, reports) = mpsc::channel();
        self.reports = reports;
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        assert!(self.try_write(bytes), "the probe takes no orders");
    }

    /// The same; tells whether they have been taken.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.orders.as_mut().unwrap().write_all(bytes).is_ok()
    }

    pub(crate) fn order(&mut self, order: &Order) {
        let mut line = serde_json::to_vec(order).unwrap();
        line.push(b'\n');
        self.write(&line);
    }

    /// The next report.
    pub(crate) fn next(&mut self) -> Report {
        self.reports.recv_timeout(PATIENCE).expect("the probe reports nothing more")
    }

    /// The next report of something other than an arrival.
    pub(crate) fn next_but_arrivals(&mut self) -> Report {
        loop {
            match self.next() {
                Report::Arrived(arrived) => self.arrivals.push(arrived),
                report => return report,
            }
        }
    }

    /// What has arrived since this was asked; waits for as many as are wanted.
    pub(crate) fn arrivals(&mut self, wanted: usize) -> Vec<Arrived> {
        while self.arrivals.len() < wanted {
            match self.next() {
                Report::Arrived(arrived) => self.arrivals.push(arrived),
                report => panic!("not an arrival: {report:?}"),
            }
        }
        std::mem::take(&mut self.arrivals)
    }

    /// Serves on a port that is free; tells the server's number and its port.
    pub(crate) fn serve(&mut self, speaks: Speaks, zone: Zone) -> (u64, u16) {
        self.last += 1;
        let server = self.last;
        self.order(&Order::Serve(Serve {
            server,
            speaks,
            port: 0,
            zone,
            certificate: WireCertificate::default(),
        }));
        match self.next_but_arrivals() {
            Report::Serving { server: said, port } if said == server => (server, port),
            report => panic!("{speaks:?} is not served: {report:?}"),
        }
    }

    pub(crate) fn resolve(&mut self, resolver: Resolver) {
        self.order(&Order::Resolve(resolver));
    }

    /// Begins an attempt, and tells its number.
    pub(crate) fn begin(&mut self, action: Action, timeout: u32) -> u64 {
        self.last += 1;
        self.order(&Order::Attempt(WireAttempt { attempt: self.last, action, timeout }));
        self.last
    }

    /// Makes an attempt, and tells all that is reported of it.
    pub(crate) fn attempt(&mut self, action: Action, timeout: u32) -> Attempted {
        let attempt = self.begin(action, timeout);
        self.finished(attempt)
    }

    /// Waits for an attempt that is the only one.
    pub(crate) fn finished(&mut self, attempt: u64) -> Attempted {
        let attempted = self.finished_after(attempt, Vec::new());
        attempted.hold();
        attempted
    }

    /// Waits for an attempt of which this has been reported.
    pub(crate) fn finished_after(&mut self, attempt: u64, reports: Vec<Report>) -> Attempted {
        let mut attempted = Attempted { attempt, reports };
        loop {
            let report = self.next_but_arrivals();
            let last = matches!(report, Report::Finished { .. });
            attempted.reports.push(report);
            if last {
                return attempted;
            }
        }
    }

    /// Makes an attempt, and compares what is reported of it with a text.
    pub(crate) fn check(&mut self, action: Action, timeout: u32, wanted: &str) -> Attempted {
        let what = format!("{action:?}");
        let attempted = self.attempt(action, timeout);
        let text = attempted.text(&BTreeMap::new());
        assert_eq!(text.trim_end(), wanted.trim(), "{what}: all it reports is {:#?}", attempted.reports);
        attempted
    }

    /// Ends its orders, and tells how it ends.
    pub(crate) fn close(mut self) -> ExitStatus {
        self.orders = None;
        self.ends()
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "the probe does not end");
            thread::yield_now();
        }
    }
}

/// What a probe has reported of an attempt.
pub(crate) struct Attempted {
    pub(crate) attempt: u64,
    pub(crate) reports: Vec<Report>,
}

impl Attempted {
    /// The stages, in their order.
    pub(crate) fn bound(&self) -> Vec<&Bound> {
        let mut stages = Vec::new();
        for report in &self.reports {
            if let Report::Bound(bound) = report {
                stages.push(bound);
            }
        }
        stages
    }

    /// What it came to.
    pub(crate) fn outcome(&self) -> &WireOutcome {
        match self.reports.last() {
            Some(Report::Finished { outcome, .. }) => outcome,
            other => panic!("not finished: {other:?}"),
        }
    }

    /// Holds what every attempt keeps to: stages are bound before they end, and it finishes with them.
    fn hold(&self) {
        let (last, stages) = self.reports.split_last().unwrap();
        let mut all = 0;
        for stage in stages.chunks(2) {
            match stage {
                [Report::Bound(bound), Report::StageEnded { attempt, took, .. }] => {
                    assert_eq!((bound.attempt, *attempt), (self.attempt, self.attempt));
                    assert!(!bound.local.ip().is_unspecified() && bound.local.port() != 0, "{bound:?}");
                    all += took;
                }
                other => panic!("no stage: {other:?}"),
            }
        }
        match last {
            Report::Finished { attempt, took, .. } => {
                assert_eq!(*attempt, self.attempt);
                assert!(*took >= all, "{took} is shorter than the stages' {all}");
            }
            other => panic!("no end: {other:?}"),
        }
    }

    /// A line for each stage and the end. Ports are told by name.
    pub(crate) fn text(&self, ports: &BTreeMap<u16, &str>) -> String {
        let mut text = String::new();
        for report in &self.reports {
            match report {
                Report::Bound(Bound { stage, transport, remote, .. }) => {
                    write!(text, "{} {} {}", word(stage), word(transport), remote.ip()).unwrap();
                    match ports.get(&remote.port()) {
                        Some(name) => write!(text, " {name}: ").unwrap(),
                        None => write!(text, ": ").unwrap(),
                    }
                }
                Report::StageEnded { outcome, addresses, .. } => {
                    write!(text, "{}", word(outcome)).unwrap();
                    for address in addresses {
                        write!(text, " {address}").unwrap();
                    }
                    text.push('\n');
                }
                Report::Finished { outcome, .. } => writeln!(text, "{}", word(outcome)).unwrap(),
                other => panic!("not of an attempt: {other:?}"),
            }
        }
        text
    }
}

/// A word as it stands in reports.
fn word(word: &impl serde::Serialize) -> String {
    serde_json::to_string(word).unwrap().trim_matches('"').to_owned()
}

pub(crate) fn tcp(address: SocketAddr) -> Action {
    Action::Tcp { target: WireTarget::Address(address.ip()), port: address.port() }
}

pub(crate) fn udp(address: SocketAddr) -> Action {
    Action::Udp { target: WireTarget::Address(address.ip()), port: address.port() }
}

pub(crate) fn sctp(address: SocketAddr) -> Action {
    Action::Sctp { target: WireTarget::Address(address.ip()), port: address.port() }
}

pub(crate) fn get(target: WireTarget, port: u16, path: &str) -> Action {
    request(target, port, path, false)
}

/// The same over TLS.
pub(crate) fn get_over_tls(target: WireTarget, port: u16, path: &str) -> Action {
    request(target, port, path, true)
}

fn request(target: WireTarget, port: u16, path: &str, tls: bool) -> Action {
    let (method, path) = ("GET".to_owned(), path.to_owned());
    Action::Http { target, port, method, path, headers: Vec::new(), tls, trusts: None }
}

pub(crate) fn dns(name: &str) -> Action {
    Action::Dns { name: name.to_owned(), tcp: false }
}

/// A name as a target.
pub(crate) fn by_name(name: &str) -> WireTarget {
    WireTarget::Name(name.to_owned())
}
