//! The interface between the runner and the backends where steps run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use verdikt_engine::model::PolicyModel;
#[cfg(feature = "probes")]
use verdikt_platform::limit::Limit;
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::observation::{Outcome, StageKind};
use verdikt_scenario::scenario::Step;
use verdikt_scenario::topology::{Endpoint, Protocol};
use verdikt_verdict::correlate::DnsServers;
use verdikt_verdict::event::ObjectRefusal;

/// The number of an attempt, unique within a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptNumber(pub u64);

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Numbers the attempts of a backend in the order in which they are made, from 1.
#[derive(Clone, Debug, Default)]
pub struct AttemptNumbers {
    last: std::cell::Cell<u64>,
}

impl AttemptNumbers {
    /// The number of the next attempt.
    pub fn next(&self) -> AttemptNumber {
        self.last.set(self.last.get() + 1);
        AttemptNumber(self.last.get())
    }
}

/// A backend with the topology of one scenario, which changes from step to step.
pub trait Backend {
    /// Puts the step's topology and policies in force, and returns when they are. `model` is the policy model of both.
    fn apply(
        &mut self,
        step: &Step,
        model: &PolicyModel<'_>,
    ) -> impl Future<Output = Result<AppliedStep, BackendError>>;

    /// Keeps the connections of these attempts from now on, for those that use them in the step after.
    fn keep_connections(&mut self, attempts: BTreeSet<Attempt>) {
        // A backend that makes connections says so.
        let _ = attempts;
    }

    /// Begins an attempt, whose events [`Self::next`] returns.
    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt);

    /// Ends an attempt, or what it waits for, before its time.
    fn end(&mut self, number: AttemptNumber, scope: EndScope);

    /// Waits for the next event. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = BackendEvent>;

    /// Asks every server to report everything that has reached it. Returns whether [`BackendEvent::Reported`] will follow; if
    /// not, arrivals may come late.
    fn ask_servers(&mut self) -> bool {
        false
    }

    /// Makes the datapath report the flows that it may still hold back, after all attempts have ended. Returns how long that
    /// may take.
    fn flush(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Whether flows arrive from everywhere now. If some do not but will, [`Self::next`] reports when they do.
    fn flowing(&self) -> FlowState {
        FlowState::Yes
    }

    /// The kind of its datapath.
    fn datapath(&self) -> DatapathKind {
        DatapathKind::Cilium
    }

    /// Where an attempt may arrive, by its true addresses and ports; empty if no server of the backend can report it.
    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations;

    /// The time, on the clock of the flows.
    fn now(&self) -> Duration;

    /// Saves what may explain a step that was not as expected, or could not be put in force.
    fn keep_evidence(
        &mut self,
        scenario: &str,
        step: &str,
    ) -> impl Future<Output = Result<(), BackendError>> {
        // A backend that keeps something names it so.
        let _ = (scenario, step);
        std::future::ready(Ok(()))
    }

    /// Releases what the backend uses.
    fn close(self) -> impl Future<Output = Result<(), BackendError>>
    where
        Self: Sized,
    {
        std::future::ready(Ok(()))
    }
}

/// What of an attempt is to end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndScope {
    /// All of it.
    Attempt,
    /// The stage with this socket, if the attempt is in it; the attempt goes on as if nothing had been heard.
    Stage(SocketAddr),
}

/// The kind of a backend's datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatapathKind {
    /// Cilium's, which knows nothing of the engine, and leads a client to whichever backend of a service it likes.
    Cilium,
    /// The lab's, which applies the engine's rules, and leads a client to the backend of a service that it names.
    Lab,
}

/// The result of a step that was put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedStep {
    /// The objects that were refused, by their index; none if only the engine judges objects.
    pub refused: Option<BTreeMap<usize, ObjectRefusal>>,
    /// How long the datapath took to settle, if there was something to wait for.
    pub settled: Option<Duration>,
}

/// Whether flows arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// From everywhere.
    Yes,
    /// Some do not, for this reason, and may again.
    NotNow(String),
    /// Some do not, for this reason, and will not be waited for.
    NoMore(String),
}

/// Where an attempt may arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Every address and port behind the target.
    pub sockets: Vec<SocketAddr>,
    /// Which backend of the target, if that is a service, has each of them.
    pub backends: BTreeMap<SocketAddr, Endpoint>,
    /// Whether a server there reports what reaches it.
    pub tells: bool,
    /// Whether nothing there answers.
    pub unanswered: bool,
    /// The servers that may answer a look-up.
    pub dns_servers: DnsServers,
    /// Whether the next of them is asked if one does not answer.
    pub asks_on: bool,
    /// The addresses of nodes that may replace the client's address.
    pub relays: Vec<IpAddr>,
}

/// Something that happens while attempts are made: what a probe reports, in the runner's words (`wire_words.rs`), or what
/// the source of the flows reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendEvent {
    /// A stage of an attempt is about to send.
    Bound {
        /// The attempt.
        number: AttemptNumber,
        /// The stage.
        stage: StageKind,
        /// The transport; none is ICMP.
        protocol: Option<Protocol>,
        /// Its own address and port.
        local: SocketAddr,
        /// The address it is sent to.
        remote: SocketAddr,
    },
    /// A stage of an attempt has ended.
    StageEnded {
        /// The attempt.
        number: AttemptNumber,
        /// The outcome.
        outcome: Outcome,
        /// The addresses that a look-up returned.
        addresses: Vec<IpAddr>,
        /// How long it took.
        took: Duration,
    },
    /// An attempt is over.
    Finished {
        /// The attempt.
        number: AttemptNumber,
        /// The outcome.
        outcome: Outcome,
    },
    /// Something reached a server.
    Arrived {
        /// The transport; none is ICMP.
        protocol: Option<Protocol>,
        /// The sender, as the server sees it.
        peer: SocketAddr,
        /// Where the server listens, as far as that is known.
        server: Vec<SocketAddr>,
        /// The number of the attempt that it carries.
        number: Option<AttemptNumber>,
    },
    /// Everything that had reached a server at the last [`Backend::ask_servers`] has been reported.
    Reported,
    /// The datapath reports a flow.
    Flow(Box<Flow>),
    /// Earlier flows may be missing, for this reason, and later ones too while [`Backend::flowing`] says so.
    Lost(String),
    /// Flows arrive again from where they were missing.
    Regained,
    /// An endpoint cannot make attempts any more, for this reason.
    Gone(Endpoint, String),
}

/// Why a backend cannot go on; names the object and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The backend failed.
    #[error("{message}")]
    Broken {
        /// Why.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// An endpoint can attempt nothing any more.
    #[error("the probe of {endpoint} has ended: {reason}")]
    Gone {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
}

impl BackendError {
    /// An error of the backend's own, with the limit of the system that is its reason, if one is.
    #[cfg(feature = "probes")]
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let limit = Limit::of(&error).map(|limit| limit.to_string());
        let causes: Vec<String> = error.source().map(ToString::to_string).into_iter().chain(limit).collect();
        let source = (!causes.is_empty()).then(|| causes.join(": ").into());
        Self::Broken { message: error.to_string(), source }
    }
}

/// An error and its causes in one line.
pub fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
