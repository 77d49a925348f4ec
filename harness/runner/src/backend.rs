//! What the runner needs of a place where steps run.

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
use verdikt_verdict::event::RejectedObject;

/// The number of an attempt, unique in a backend's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptNumber(pub u64);

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One topology of one scenario, living through its steps.
pub trait Backend {
    /// Makes the step's topology and policies the ones in force. Returns when they are. `prediction` is the
    /// policy model of both.
    fn apply(
        &mut self,
        step: &Step,
        prediction: &PolicyModel<'_>,
    ) -> impl Future<Output = Result<AppliedStep, BackendError>>;

    /// Keeps the connections of these attempts from now on, for those that use them in the step after.
    fn keep_connections(&mut self, attempts: BTreeSet<Attempt>) {
        // A backend that makes connections says so.
        let _ = attempts;
    }

    /// Begins an attempt. What happens to it is told by [`Self::next`].
    fn begin(&mut self, number: AttemptNumber, source: &Endpoint, attempt: &Attempt);

    /// Ends an attempt, or what it waits for, before its time.
    fn end(&mut self, number: AttemptNumber, scope: EndScope);

    /// The next thing that happens. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = BackendEvent>;

    /// Asks every server to tell of all that has reached it until now. Returns whether [`BackendEvent::Reported`] will follow it;
    /// where it does not, arrivals may come late.
    fn ask_servers(&mut self) -> bool {
        false
    }

    /// All attempts have ended: makes the datapath tell what it may still hold back. Answers how long that may take.
    fn flush(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Whether flows come from everywhere now. Where they do not, and will, [`Self::next`] tells when.
    fn flowing(&self) -> Flowing {
        Flowing::Yes
    }

    /// Whose datapath it is.
    fn datapath(&self) -> DatapathKind {
        DatapathKind::Cilium
    }

    /// Where an attempt may arrive, by its true addresses and ports; empty where no server of the backend can
    /// tell of it.
    fn destinations(&self, source: &Endpoint, attempt: &Attempt) -> Destinations;

    /// The time, counted as that of flows is.
    fn now(&self) -> Duration;

    /// The step was not as expected, or could not be put in force: keeps what may explain it.
    fn keep_evidence(
        &mut self,
        scenario: &str,
        step: &str,
    ) -> impl Future<Output = Result<(), BackendError>> {
        // A backend that keeps something names it so.
        let _ = (scenario, step);
        std::future::ready(Ok(()))
    }

    /// Gives back what it used.
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

/// Whose datapath a backend has.
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
    /// The objects that were refused, by their index; none where nobody but the engine judges objects.
    pub refused: Option<BTreeMap<usize, RejectedObject>>,
    /// How long the datapath took to have the step, where there was something to wait for.
    pub settled: Option<Duration>,
}

/// Whether flows come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flowing {
    /// From everywhere.
    Yes,
    /// Some do not, for this reason, and may again.
    NotNow(String),
    /// Some do not, for this reason, and nobody waits for them any more.
    NoMore(String),
}

/// Where an attempt may arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Every address and port behind the target.
    pub sockets: Vec<SocketAddr>,
    /// Which backend of the target, if that is a service, has each of them.
    pub backends: BTreeMap<SocketAddr, Endpoint>,
    /// Whether a server there tells of what reaches it.
    pub tells: bool,
    /// Whether nobody there answers anything.
    pub unanswered: bool,
    /// Who may answer a look-up.
    pub dns_servers: DnsServers,
    /// Whether another of them is asked where one says nothing.
    pub asks_on: bool,
    /// The addresses of nodes that may stand in the place of the client's.
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
    /// The stage has come to something.
    StageEnded {
        /// The attempt.
        number: AttemptNumber,
        /// What.
        outcome: Outcome,
        /// What a look-up learned.
        addresses: Vec<IpAddr>,
        /// How long it took.
        took: Duration,
    },
    /// An attempt is over.
    Finished {
        /// The attempt.
        number: AttemptNumber,
        /// What it came to.
        outcome: Outcome,
    },
    /// Something reached a server.
    Arrived {
        /// The transport; none is ICMP.
        protocol: Option<Protocol>,
        /// Who sent it, as the server sees it.
        peer: SocketAddr,
        /// Where the server listens, as far as that is known.
        server: Vec<SocketAddr>,
        /// The attempt it says to be part of.
        number: Option<AttemptNumber>,
    },
    /// Whatever had reached a server at the last [`Backend::ask_servers`] has been told.
    Reported,
    /// The datapath reports.
    Flow(Box<Flow>),
    /// Flows of until now may be missing, for this reason; those from now on too, while [`Backend::flowing`] says so.
    Lost(String),
    /// Flows come again from where they did not.
    Regained,
    /// An endpoint can attempt nothing any more, for this reason.
    Gone(Endpoint, String),
}

/// Why a backend cannot go on; names the object and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The backend says why.
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
