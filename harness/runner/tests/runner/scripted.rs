//! A backend that plays written signals, with a clock that stands still until nothing else is to be done.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use verdikt_engine::model::PolicyModel;
use verdikt_runner::backend::{
    AppliedStep, AttemptNumber, Backend, BackendError, BackendEvent, Destinations, EndScope, FlowState,
};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::observation::{Outcome, StageKind};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{Endpoint, Protocol};

/// Where every attempt goes.
const SERVER: &str = "10.0.0.9:6379";

/// What the backend plays, and what it was told.
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// What an attempt plays, by its number (`#3`), by `step/source`, or by source. Words are apart by semicolons:
    ///
    /// | words | plays |
    /// |---|---|
    /// | `bound` | the connection has its port, 40000 plus the attempt's number |
    /// | `bound to 7` | the connection has port 7 |
    /// | `look-up` | a query has its port, 50000 plus the attempt's number |
    /// | `egress dropped` | the policy's verdict at egress, or `ingress`; `http dropped`, `dns dropped` a proxy's |
    /// | `other dropped` | the policy's verdict at egress for a port of nobody |
    /// | `arrived`, `request` | the server tells of the port; of the number |
    /// | `arrived elsewhere` | another server tells of the port |
    /// | `answered`, `timed out`, `HTTP 403` … | the stage ends so, and with it the attempt |
    /// | `stage answered` | only the stage ends so |
    /// | `lost`, `gone` | flows may be missing; the source is gone |
    /// | `cut`, `given up`, `regained` | no flows come, for now or for ever; they come again |
    /// | `after 300` | what follows happens so many milliseconds later |
    /// | `late 300` | what follows is told so many milliseconds after it happens |
    pub(crate) plays: BTreeMap<&'static str, &'static str>,
    /// The step that cannot be applied.
    pub(crate) breaks: Option<&'static str>,
    /// The step that is never applied.
    pub(crate) hangs: Option<&'static str>,
    /// Whether servers tell of what arrives.
    pub(crate) silent_servers: bool,
    /// Whether clients ask another DNS server where one says nothing.
    pub(crate) asks_on: bool,
    /// After how long servers that are asked have told everything; none if they cannot be asked.
    pub(crate) reported_after: Option<Duration>,
    /// What the backend was told, in order.
    pub(crate) told: Rc<RefCell<Vec<String>>>,
    /// How many attempts were in flight at once at most.
    pub(crate) most: Rc<Cell<usize>>,
}

impl Script {
    pub(crate) fn new(plays: &[(&'static str, &'static str)]) -> Self {
        Self { plays: plays.iter().copied().collect(), ..Self::default() }
    }

    /// The same, one a line.
    pub(crate) fn told(&self) -> String {
        self.told.borrow().join("\n")
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most.get()
    }

    pub(crate) fn open(&self) -> Scripted {
        let (script, begin) = (self.clone(), Instant::now());
        Scripted {
            script,
            begin,
            step: String::new(),
            queue: VecDeque::new(),
            sources: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            flowing: FlowState::Yes,
        }
    }
}

pub(crate) struct Scripted {
    script: Script,
    begin: Instant,
    step: String,
    queue: VecDeque<(Instant, BackendEvent)>,
    sources: BTreeMap<AttemptNumber, Endpoint>,
    in_flight: BTreeSet<AttemptNumber>,
    flowing: FlowState,
}

/// Why no flows come.
const CUT: &str = "node n1 is not heard";
const GIVEN_UP: &str = "node n1 was given up";

impl Scripted {
    fn tell(&self, what: String) {
        self.script.told.borrow_mut().push(what);
    }

    /// Keeps the order of those that come at the same time.
    fn play(&mut self, at: Instant, signal: BackendEvent) {
        let behind = self.queue.iter().rposition(|(other, _)| *other <= at).map_or(0, |index| index + 1);
        self.queue.insert(behind, (at, signal));
    }

    fn over(number: AttemptNumber, outcome: Outcome) -> [BackendEvent; 2] {
        let (addresses, took) = (Vec::new(), Duration::from_millis(3));
        [
            BackendEvent::StageEnded { number, outcome: outcome.clone(), addresses, took },
            BackendEvent::Finished { number, outcome },
        ]
    }
}

impl Backend for Scripted {
    async fn apply(&mut self, step: &Step, _: &PolicyModel<'_>) -> Result<AppliedStep, BackendError> {
        self.tell(format!("apply {}", step.name));
        self.step.clone_from(&step.name);
        if self.script.hangs == Some(&step.name) {
            std::future::pending::<()>().await;
        }
        if self.script.breaks == Some(&step.name) {
            return Err(BackendError::new(std::io::Error::other("no more namespaces")));
        }
        Ok(AppliedStep::default())
    }

    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt) {
        self.tell(format!("begin {number}: {source} {attempt}"));
        self.sources.insert(number, source.clone());
        self.in_flight.insert(number);
        self.script.most.set(self.script.most.get().max(self.in_flight.len()));
        let plays = &self.script.plays;
        let keys = [format!("#{number}"), format!("{}/{source}", self.step), source.to_string()];
        let words = keys.iter().find_map(|key| plays.get(key.as_str())).copied().unwrap_or_default();
        let port = 40_000 + u16::try_from(number.0).unwrap();
        let (at, late, protocol) = (self.now(), Duration::ZERO, Protocol::Tcp);
        let mut player = Player { number, source, port, protocol, at, late };
        for word in words.split("; ").filter(|word| !word.is_empty()) {
            for signal in player.signals(word) {
                self.play(self.begin + player.at + player.late, signal);
            }
        }
    }

    fn end(&mut self, number: AttemptNumber, scope: EndScope) {
        if let EndScope::Stage(local) = scope {
            self.tell(format!("end the stage of {number} at {local}"));
            return;
        }
        self.tell(format!("end {number}"));
        for signal in Self::over(number, Outcome::Ended) {
            self.play(Instant::now(), signal);
        }
    }

    fn ask_servers(&mut self) -> bool {
        if let Some(after) = self.script.reported_after {
            self.play(Instant::now() + after, BackendEvent::Reported);
        }
        self.script.reported_after.is_some()
    }

    async fn next(&mut self) -> BackendEvent {
        let Some((at, _)) = self.queue.front() else { return std::future::pending().await };
        if *at > Instant::now() {
            tokio::time::sleep_until(*at).await;
        }
        let (_, signal) = self.queue.pop_front().unwrap();
        match &signal {
            BackendEvent::Finished { number, .. } => {
                self.in_flight.remove(number);
            }
            BackendEvent::Lost(reason) if reason == CUT => self.flowing = FlowState::NotNow(reason.clone()),
            BackendEvent::Lost(reason) if reason == GIVEN_UP => {
                self.flowing = FlowState::NoMore(reason.clone());
            }
            BackendEvent::Regained => self.flowing = FlowState::Yes,
            _ => {}
        }
        signal
    }

    fn flowing(&self) -> FlowState {
        self.flowing.clone()
    }

    fn destinations(&self, _: &Endpoint, _: &Attempt) -> Destinations {
        let sockets = vec![SERVER.parse().unwrap()];
        let Script { silent_servers, asks_on, .. } = self.script;
        Destinations { sockets, tells: !silent_servers, asks_on, ..Destinations::default() }
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }
}

/// One attempt being played.
struct Player<'a> {
    number: AttemptNumber,
    source: &'a Endpoint,
    port: u16,
    protocol: Protocol,
    at: Duration,
    late: Duration,
}

impl Player<'_> {
    fn signals(&mut self, word: &str) -> Vec<BackendEvent> {
        let number = self.number;
        let words: Vec<&str> = word.split(' ').collect();
        match words.as_slice() {
            ["bound"] => vec![self.bound(StageKind::Connect)],
            ["request"] => {
                let protocol = Some(self.protocol);
                let (peer, server) = (self.local(), Vec::new());
                vec![BackendEvent::Arrived { protocol, peer, server, number: Some(number) }]
            }
            ["bound", "to", port] => {
                self.port = port.parse().unwrap();
                vec![self.bound(StageKind::Connect)]
            }
            ["look-up"] => {
                self.protocol = Protocol::Udp;
                self.port = 50_000 + u16::try_from(number.0).unwrap();
                vec![self.bound(StageKind::LookUp)]
            }
            ["connect"] => {
                self.protocol = Protocol::Tcp;
                self.port = 40_000 + u16::try_from(number.0).unwrap();
                vec![self.bound(StageKind::Connect)]
            }
            ["arrived"] => vec![self.arrived(SERVER)],
            ["arrived", "elsewhere"] => vec![self.arrived("10.0.0.8:6379")],
            ["lost"] => vec![BackendEvent::Lost("the stream was cut".to_owned())],
            ["cut"] => vec![BackendEvent::Lost(CUT.to_owned())],
            ["given", "up"] => vec![BackendEvent::Lost(GIVEN_UP.to_owned())],
            ["regained"] => vec![BackendEvent::Regained],
            ["gone"] => vec![BackendEvent::Gone(self.source.clone(), "killed".to_owned())],
            ["after", milliseconds] => {
                self.at += Duration::from_millis(milliseconds.parse().unwrap());
                Vec::new()
            }
            ["late", milliseconds] => {
                self.late = Duration::from_millis(milliseconds.parse().unwrap());
                Vec::new()
            }
            [place @ ("egress" | "ingress" | "other" | "http" | "dns" | "vanished"), verdict] => {
                vec![BackendEvent::Flow(Box::new(self.flow(place, verdict)))]
            }
            ["stage", rest @ ..] => {
                let [stage, _] = Scripted::over(number, outcome(&rest.join(" ")));
                vec![stage]
            }
            _ => Scripted::over(number, outcome(word)).to_vec(),
        }
    }

    fn arrived(&self, server: &str) -> BackendEvent {
        let (protocol, peer) = (Some(self.protocol), self.local());
        BackendEvent::Arrived { protocol, peer, server: vec![server.parse().unwrap()], number: None }
    }

    fn local(&self) -> SocketAddr {
        let last = if self.source.to_string() == "shop/cart" { 1 } else { 2 };
        SocketAddr::from(([10, 0, 0, last], self.port))
    }

    fn bound(&self, stage: StageKind) -> BackendEvent {
        let remote = SERVER.parse().unwrap();
        let protocol = Some(self.protocol);
        BackendEvent::Bound { number: self.number, stage, protocol, local: self.local(), remote }
    }

    fn flow(&self, place: &str, verdict: &str) -> Flow {
        let end = |socket: SocketAddr| FlowEnd {
            address: socket.ip(),
            port: Some(socket.port()),
            identity: 1,
            endpoint: None,
        };
        let mut source = self.local();
        if place == "other" {
            source.set_port(9);
        }
        let text = str::to_owned;
        let request = match place {
            "http" => Some(ProxyRequest::Http {
                method: text("GET"),
                path: text("/"),
                host: text("a"),
                status: None,
            }),
            "dns" => Some(ProxyRequest::Dns {
                name: text("a.test"),
                kind: text("A"),
                code: None,
                addresses: Vec::new(),
                ttl: None,
            }),
            _ => None,
        };
        let kind = match (place, &request) {
            ("vanished", _) => FlowKind::Drop,
            (_, Some(_)) => FlowKind::Proxy,
            (_, None) => FlowKind::PolicyVerdict,
        };
        let (verdict, drop_reason) = match verdict {
            "forwarded" => (FlowVerdict::Forwarded, None),
            "redirected" => (FlowVerdict::Redirected, None),
            "audited" => (FlowVerdict::Audit, None),
            "unknown" => (FlowVerdict::Error, Some(DropReason::NotModelled(text("what Kafka allows")))),
            _ if kind == FlowKind::Drop => (FlowVerdict::Dropped, Some(DropReason::NoDestination)),
            _ => (FlowVerdict::Dropped, Some(DropReason::PolicyDenied)),
        };
        Flow {
            at: self.at,
            kind,
            verdict,
            direction: if place == "ingress" { FlowDirection::Ingress } else { FlowDirection::Egress },
            source: end(source),
            client: None,
            destination: end(SERVER.parse().unwrap()),
            protocol: FlowProtocol::Port(self.protocol),
            drop_reason,
            match_type: 0,
            policies: Vec::new(),
            request,
        }
    }
}

fn outcome(words: &str) -> Outcome {
    match words {
        "answered" => Outcome::Answered,
        "refused" => Outcome::Refused,
        "reset" => Outcome::Reset,
        "timed out" => Outcome::TimedOut,
        "name refused" => Outcome::NameRefused,
        other => Outcome::HttpStatus(other.strip_prefix("HTTP ").unwrap().parse().unwrap()),
    }
}
