//! The stages of an attempt, each reported when it starts and when it ends.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::reports::{Reporter, microseconds};
use crate::socket::HomeAddress;
use verdikt_wire::{Bound, Report, StageTransport, WireOutcome, WireStage};

/// The state of an attempt between its stages.
pub(crate) struct AttemptProgress {
    attempt: u64,
    home: HomeAddress,
    timeout: Duration,
    reporter: Reporter,
    endings: mpsc::UnboundedReceiver<EarlyEnd>,
    /// Whether the whole attempt has been ended.
    ended: bool,
}

/// What to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyEnd {
    /// The whole attempt.
    Attempt,
    /// The stage with this local socket.
    Stage(SocketAddr),
}

/// The transport of a stage.
#[derive(Clone, Copy)]
pub(crate) struct StageRoute {
    pub(crate) stage: WireStage,
    pub(crate) transport: StageTransport,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// The result of a stage that was answered.
pub(crate) trait StageResult {
    /// The outcome.
    fn outcome(&self) -> WireOutcome {
        WireOutcome::Answered
    }

    /// The addresses that a look-up returned.
    fn addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}

impl StageResult for () {}
impl StageResult for Infallible {}

impl AttemptProgress {
    pub(crate) fn new(
        attempt: u64,
        home: HomeAddress,
        timeout: Duration,
        reporter: Reporter,
        endings: mpsc::UnboundedReceiver<EarlyEnd>,
    ) -> Self {
        Self { attempt, home, timeout, reporter, endings, ended: false }
    }

    /// The attempt's number.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt
    }

    /// The home address of its probe.
    pub(crate) fn home(&self) -> HomeAddress {
        self.home
    }

    /// Whether it has been ended, and not only one of its stages.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Divides the timeout of later stages by a number. Returns the undivided timeout, for [`Self::give_time`].
    pub(crate) fn divide_time(&mut self, stages: usize) -> Duration {
        let whole = self.timeout;
        self.timeout = whole / u32::try_from(stages.max(1)).unwrap_or(u32::MAX);
        whole
    }

    /// Sets the timeout of later stages.
    pub(crate) fn give_time(&mut self, time: Duration) {
        self.timeout = time;
    }

    /// Runs a stage: reports it, and only then runs `work`, until its timeout or until it is ended early.
    ///
    /// Errors: the outcome of a stage that was not answered.
    pub(crate) async fn stage<T: StageResult>(
        &mut self,
        over: StageRoute,
        work: impl Future<Output = Result<T, WireOutcome>>,
    ) -> Result<T, WireOutcome> {
        let StageRoute { stage, transport, local, remote } = over;
        let bound = Bound { attempt: self.attempt, stage, transport, local, remote };
        let (reporter, timeout) = (&self.reporter, self.timeout);
        let mut since = Instant::now();
        let came = tokio::select! {
            came = async {
                reporter.tell_first(Report::Bound(bound)).await;
                since = Instant::now();
                tokio::select! {
                    biased;
                    came = work => came,
                    () = sleep(timeout) => Err(WireOutcome::TimedOut),
                }
            } => came,
            () = told(&mut self.endings, &mut self.ended, local) => Err(WireOutcome::Ended),
        };
        let took = microseconds(since.elapsed());
        let (outcome, addresses) = match &came {
            Ok(brought) => (brought.outcome(), brought.addresses()),
            Err(outcome) => (outcome.clone(), Vec::new()),
        };
        self.reporter.tell(Report::StageEnded { attempt: self.attempt, outcome, addresses, took });
        came
    }
}

/// Waits until the stage with this socket has to end: at once if the attempt has been ended.
async fn told(endings: &mut mpsc::UnboundedReceiver<EarlyEnd>, ended: &mut bool, local: SocketAddr) {
    while !*ended {
        match endings.recv().await {
            // The sender is gone.
            None => return pending().await,
            Some(EarlyEnd::Attempt) => *ended = true,
            Some(EarlyEnd::Stage(at)) if is_same(at, local) => return,
            Some(EarlyEnd::Stage(_)) => {}
        }
    }
}

/// Whether two sockets are the same. One may be an IPv4-mapped IPv6 address.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}
