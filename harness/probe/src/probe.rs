//! The probe's main loop: follows orders until its input ends.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

use crate::attempt::{self, AttemptProgress, EarlyEnd, KeptConnections};
use crate::reports::{self, Reporter, microseconds};
use crate::serve::{self, Server};
use crate::socket::HomeAddress;
use verdikt_wire::{FORMAT, Order, Report, Resolver, Serve, WireAttempt, WireOutcome, Zone};

pub(crate) mod orders;
mod process;
mod thread;

pub use process::main;
pub use thread::over;

use orders::{InputLines, Line};

/// The timeout for the remaining reports at the end.
const LAST_REPORTS: Duration = Duration::from_millis(100);

/// Follows the orders in `input` and reports to `output`, until `input` ends. Needs a tokio runtime with I/O and time.
///
/// When it returns, all servers and attempts have ended.
///
/// Errors: those of `input` and `output`.
pub async fn run(input: impl AsyncRead + Unpin, output: impl AsyncWrite + Unpin) -> io::Result<()> {
    run_at(HomeAddress::default(), None, input, output).await
}

/// The same for a probe that uses one address only, and that waits at most this long for its first order.
async fn run_at(
    home: HomeAddress,
    patience: Option<Duration>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (reporter, reports) = reports::channel();
    reporter.tell(Report::Ready { format: FORMAT });
    let mut writing = pin!(reports::write(reports, output));
    {
        let mut obeying = pin!(Probe::new(home, reporter).obey(InputLines::of(input), patience));
        tokio::select! {
            written = &mut writing => return written,
            obeyed = &mut obeying => obeyed?,
        }
    }
    timeout(LAST_REPORTS, writing).await.unwrap_or(Ok(()))
}

/// An attempt in flight.
struct AttemptInFlight {
    task: Id,
    endings: mpsc::UnboundedSender<EarlyEnd>,
    since: Instant,
}

struct Probe {
    home: HomeAddress,
    reporter: Reporter,
    resolver: Arc<Resolver>,
    kept: KeptConnections,
    servers: BTreeMap<u64, Server>,
    in_flight: BTreeMap<u64, AttemptInFlight>,
    attempts: JoinSet<(u64, WireOutcome)>,
}

impl Probe {
    fn new(home: HomeAddress, reporter: Reporter) -> Self {
        Self {
            home,
            reporter,
            resolver: Arc::default(),
            kept: KeptConnections::default(),
            servers: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            attempts: JoinSet::new(),
        }
    }

    async fn obey(
        mut self,
        mut lines: InputLines<impl AsyncRead + Unpin>,
        patience: Option<Duration>,
    ) -> io::Result<()> {
        // Before the first order there are no attempts to wait for.
        let mut line = match patience {
            Some(patience) => timeout(patience, lines.next()).await.unwrap_or(Ok(None))?,
            None => lines.next().await?,
        };
        loop {
            match line {
                None => return Ok(()),
                Some(Line::Order(order)) => self.follow(*order).await,
                Some(Line::Misunderstood(reason)) => self.misunderstood(reason),
            }
            line = loop {
                tokio::select! {
                    line = lines.next() => break line?,
                    Some(done) = self.attempts.join_next() => {
                        match done {
                            Ok((number, outcome)) => self.finish(number, outcome),
                            Err(panic) => self.finish_broken(&panic),
                        }
                    }
                }
            };
        }
    }

    async fn follow(&mut self, order: Order) {
        match order {
            Order::Serve(wanted) => self.serve(&wanted),
            Order::StopServing { server } => match self.servers.remove(&server) {
                Some(running) => running.stop().await,
                None => self.misunderstood(format!("server {server} does not serve")),
            },
            Order::AnswerFor { server, zone } => self.answer_for(server, &zone),
            Order::Resolve(resolver) => self.resolver = Arc::new(resolver),
            Order::Attempt(wanted) => self.attempt(wanted),
            Order::End { attempt } => self.end(attempt, EarlyEnd::Attempt),
            Order::EndStage { attempt, local } => self.end(attempt, EarlyEnd::Stage(local)),
            Order::Flush { flush } => {
                for server in self.servers.values() {
                    server.accept_waiting().await;
                }
                self.reporter.tell(Report::Flushed { flush });
            }
        }
    }

    fn serve(&mut self, wanted: &Serve) {
        let server = wanted.server;
        let started = if self.servers.contains_key(&server) {
            Err(format!("server {server} already serves"))
        } else {
            serve::start(self.home, wanted, &self.reporter)
        };
        self.reporter.tell(match started {
            Ok(running) => {
                let port = running.port();
                self.servers.insert(server, running);
                Report::Serving { server, port }
            }
            Err(reason) => Report::NotServing { server, reason },
        });
    }

    fn answer_for(&self, server: u64, zone: &Zone) {
        let changed = match self.servers.get(&server) {
            Some(running) => running.answer_for(zone).map(|()| running.port()),
            None => Err(format!("server {server} does not serve")),
        };
        self.reporter.tell(match changed {
            Ok(port) => Report::Serving { server, port },
            Err(reason) => Report::NotServing { server, reason },
        });
    }

    fn attempt(&mut self, wanted: WireAttempt) {
        let number = wanted.attempt;
        if self.in_flight.contains_key(&number) {
            let outcome = WireOutcome::NotAttempted(format!("attempt {number} is still in flight"));
            self.reporter.tell(Report::Finished { attempt: number, outcome, took: 0 });
            return;
        }
        let (endings, told) = mpsc::unbounded_channel();
        let progress = AttemptProgress::new(
            number,
            self.home,
            Duration::from_millis(wanted.timeout.into()),
            self.reporter.clone(),
            told,
        );
        let since = Instant::now();
        let made = attempt::make(wanted.action, Arc::clone(&self.resolver), self.kept.clone(), progress);
        let task = self.attempts.spawn(async move { (number, made.await) }).id();
        self.in_flight.insert(number, AttemptInFlight { task, endings, since });
    }

    /// Ends an attempt or a stage of it. An attempt that is not in flight has finished: its report crossed the order.
    fn end(&self, number: u64, ending: EarlyEnd) {
        if let Some(known) = self.in_flight.get(&number) {
            let _ = known.endings.send(ending);
        }
    }

    /// Reports the end of an attempt, after which its number can be used again.
    fn finish(&mut self, number: u64, outcome: WireOutcome) {
        if let Some(known) = self.in_flight.remove(&number) {
            let took = microseconds(known.since.elapsed());
            self.reporter.tell(Report::Finished { attempt: number, outcome, took });
        }
    }

    /// The same for an attempt whose task has panicked.
    fn finish_broken(&mut self, panic: &JoinError) {
        let found = self.in_flight.iter().find(|(_, known)| known.task == panic.id());
        if let Some(number) = found.map(|(number, _)| *number) {
            self.finish(number, WireOutcome::NotAttempted(format!("the probe is broken: {panic}")));
        }
    }

    fn misunderstood(&self, reason: String) {
        self.reporter.tell(Report::Misunderstood { reason });
    }
}
