//! All probes of a topology: their connections, what each serves, and their events.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{FORMAT, Order, Report, Resolver, Serve, Speaks};

use crate::addresses::Addresses;
use crate::conversation::{Conversation, ConversationEvent, Speaker};

/// Why probes cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Probes do not start or listen in time.
    #[error("{} did not start to serve within {} s", list(endpoints), after.as_secs())]
    TimedOut {
        /// Their endpoints.
        endpoints: Vec<Endpoint>,
        /// The timeout.
        after: Duration,
    },
    /// A probe has another version.
    #[error("the probe of {endpoint} speaks format {format}; use a probe of this version of verdikt")]
    Format {
        /// Whose.
        endpoint: Endpoint,
        /// Its format.
        format: u32,
    },
    /// A server cannot listen.
    #[error("{endpoint} cannot serve port {port}: {reason}")]
    NotServing {
        /// Its endpoint.
        endpoint: Endpoint,
        /// The port.
        port: u16,
        /// Why.
        reason: String,
    },
    /// A probe ended while it was configured.
    #[error("the probe of {endpoint} has ended: {reason}")]
    Gone {
        /// Whose.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
}

fn list(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// An event of probes while attempts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeEvent {
    /// A probe reports.
    Report(Endpoint, Report),
    /// A probe has ended, for this reason.
    Gone(Endpoint, String),
    /// Everything that had reached servers at the last [`Probes::flush`] has been reported.
    Flushed,
}

/// The probes of a topology.
#[derive(Debug)]
pub struct Probes {
    members: BTreeMap<Endpoint, RunningMember>,
    /// The last number of a connection or a server.
    last: u64,
    heard: mpsc::UnboundedReceiver<(Speaker, ConversationEvent)>,
    hears: mpsc::UnboundedSender<(Speaker, ConversationEvent)>,
    waiting: VecDeque<ProbeEvent>,
    /// The number of the last flush.
    flush: u64,
    /// The probes that have not answered it.
    flushing: BTreeSet<Endpoint>,
}

/// One probe.
#[derive(Debug)]
struct RunningMember {
    number: u64,
    conversation: Conversation,
    /// Whether it has reported that it is ready.
    ready: bool,
    /// Whether it has ended.
    gone: bool,
    servers: BTreeMap<u64, Serve>,
    resolver: Resolver,
}

impl RunningMember {
    /// Makes the probe serve and resolve like this. Returns the servers that are new to it, or serve other names. `last` is the
    /// last number of a server.
    fn configure(&mut self, wanted: Vec<Serve>, resolver: Resolver, last: &mut u64) -> Vec<u64> {
        let stays = |served: &Serve| {
            wanted.iter().any(|serve| serve == served || differ_in_their_names_alone(serve, served))
        };
        let stale: Vec<u64> =
            self.servers.iter().filter(|(_, served)| !stays(served)).map(|(id, _)| *id).collect();
        for server in stale {
            self.servers.remove(&server);
            self.conversation.tell(Order::StopServing { server });
        }
        let mut fresh = Vec::new();
        for serve in wanted {
            if self.servers.values().any(|served| *served == serve) {
                continue;
            }
            let mut known = self.servers.iter_mut();
            if let Some((server, served)) = known.find(|(_, it)| differ_in_their_names_alone(it, &serve)) {
                self.conversation.tell(Order::AnswerFor { server: *server, zone: serve.zone.clone() });
                *served = serve;
                fresh.push(*server);
                continue;
            }
            *last += 1;
            let server = *last;
            self.servers.insert(server, serve.clone());
            fresh.push(server);
            self.conversation.tell(Order::Serve(Serve { server, ..serve }));
        }
        if resolver != self.resolver {
            self.resolver = resolver.clone();
            self.conversation.tell(Order::Resolve(resolver));
        }
        fresh
    }
}

/// Whether two are one DNS server that answers for other names. It goes on listening while they change.
fn differ_in_their_names_alone(one: &Serve, other: &Serve) -> bool {
    let are_dns = one.speaks == Speaks::Dns && other.speaks == Speaks::Dns;
    are_dns && one.port == other.port && one.zone != other.zone
}

impl Default for Probes {
    fn default() -> Self {
        let (hears, heard) = mpsc::unbounded_channel();
        let (waiting, flushing) = (VecDeque::new(), BTreeSet::new());
        Self { members: BTreeMap::new(), last: 0, heard, hears, waiting, flush: 0, flushing }
    }
}

impl Probes {
    /// Connects to the probe of an endpoint, in place of any earlier one. `output` is what the probe writes; when it has
    /// ended, `exit_reason` may say why.
    pub fn add(
        &mut self,
        endpoint: Endpoint,
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
        exit_reason: impl Future<Output = Option<String>> + Send + 'static,
    ) {
        self.last += 1;
        let number = self.last;
        let speaker = (endpoint.clone(), number);
        let conversation = Conversation::begin(output, input, exit_reason, speaker, self.hears.clone());
        let (servers, resolver) = (BTreeMap::new(), Resolver::default());
        let member = RunningMember { number, conversation, ready: false, gone: false, servers, resolver };
        self.members.insert(endpoint, member);
    }

    /// Closes the connection to the probe of an endpoint.
    pub fn remove(&mut self, endpoint: &Endpoint) {
        self.members.remove(endpoint);
        self.flushing.remove(endpoint);
    }

    /// Stops all servers of an endpoint until it is configured again.
    pub fn stop_serving(&mut self, endpoint: &Endpoint) {
        if let Some(member) = self.members.get_mut(endpoint) {
            let resolver = member.resolver.clone();
            member.configure(Vec::new(), resolver, &mut self.last);
        }
    }

    /// Whether an endpoint has a probe that has not ended.
    pub fn is_there(&self, endpoint: &Endpoint) -> bool {
        self.members.get(endpoint).is_some_and(|member| !member.gone)
    }

    /// The endpoints that have a probe.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.members.keys()
    }

    /// The sockets on which a server of an endpoint listens, by its number; none if it was stopped.
    pub fn server(&self, endpoint: &Endpoint, server: u64, addresses: &Addresses) -> Vec<SocketAddr> {
        let member = self.members.get(endpoint);
        let port = member.and_then(|member| Some(member.servers.get(&server)?.port));
        let addresses = addresses.endpoints.get(endpoint).into_iter().flatten();
        addresses.filter_map(|address| Some(SocketAddr::new(*address, port?))).collect()
    }

    /// Sends an order to the probe of an endpoint. Returns false if there is no such endpoint.
    pub fn tell(&self, endpoint: &Endpoint, order: Order) -> bool {
        let member = self.members.get(endpoint);
        if let Some(member) = member {
            member.conversation.tell(order);
        }
        member.is_some()
    }

    /// Asks every serving probe to report all that has reached it so far. Then [`Self::next`] returns
    /// [`ProbeEvent::Flushed`], once for the last of several calls.
    pub fn flush(&mut self) {
        self.flush += 1;
        let serving = self.members.iter().filter(|(_, member)| !member.gone && !member.servers.is_empty());
        self.flushing = serving.map(|(endpoint, _)| endpoint.clone()).collect();
        for endpoint in &self.flushing {
            self.tell(endpoint, Order::Flush { flush: self.flush });
        }
        if self.flushing.is_empty() {
            self.waiting.push_back(ProbeEvent::Flushed);
        }
    }

    /// Waits until the probe of an endpoint has carried out all orders so far, for `patience` at most. Must not be called
    /// during a flush.
    pub async fn wait_for(&mut self, endpoint: &Endpoint, patience: Duration) -> Result<(), ProbeError> {
        if !self.is_there(endpoint) {
            return Ok(());
        }
        self.flush += 1;
        self.flushing = BTreeSet::from([endpoint.clone()]);
        self.tell(endpoint, Order::Flush { flush: self.flush });
        let deadline = Instant::now() + patience;
        while !self.flushing.is_empty() {
            let Ok(heard) = tokio::time::timeout_at(deadline.into(), self.heard.recv()).await else {
                return Err(ProbeError::TimedOut { endpoints: vec![endpoint.clone()], after: patience });
            };
            if let Some((speaker, heard)) = heard {
                self.hear(speaker, heard);
            }
        }
        self.waiting.retain(|event| *event != ProbeEvent::Flushed);
        Ok(())
    }

    /// Waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> ProbeEvent {
        loop {
            if let Some(signal) = self.waiting.pop_front() {
                return signal;
            }
            match self.heard.recv().await {
                Some((speaker, heard)) => self.hear(speaker, heard),
                // `self` holds a sender, so the channel stays open.
                None => std::future::pending().await,
            }
        }
    }

    /// Queues the event of a probe, unless the probe was removed.
    fn hear(&mut self, (endpoint, number): Speaker, heard: ConversationEvent) {
        let member = self.members.get_mut(&endpoint).filter(|member| member.number == number);
        let Some(member) = member else { return };
        let answered = match heard {
            ConversationEvent::Report(Report::Flushed { flush }) => {
                flush == self.flush && self.flushing.remove(&endpoint)
            }
            ConversationEvent::Report(report) => {
                self.waiting.push_back(ProbeEvent::Report(endpoint, report));
                false
            }
            ConversationEvent::Gone(reason) => {
                member.gone = true;
                let answered = self.flushing.remove(&endpoint);
                self.waiting.push_back(ProbeEvent::Gone(endpoint, reason));
                answered
            }
        };
        if answered && self.flushing.is_empty() {
            self.waiting.push_back(ProbeEvent::Flushed);
        }
    }

    /// Makes every probe serve and resolve as `wanted` says, and waits until all have done so, for `patience` at most. A
    /// probe without servers is ready when it has reported so.
    pub async fn configure(
        &mut self,
        wanted: impl Fn(&Endpoint) -> (Vec<Serve>, Resolver),
        patience: Duration,
    ) -> Result<(), ProbeError> {
        let mut awaited = BTreeSet::new();
        for (endpoint, member) in &mut self.members {
            let (servers, resolver) = wanted(endpoint);
            let fresh = member.configure(servers, resolver, &mut self.last).into_iter().map(Some);
            let starts = (!member.ready).then_some(None);
            awaited.extend(fresh.chain(starts).map(|server| (endpoint.clone(), server)));
        }
        let deadline = Instant::now() + patience;
        while !awaited.is_empty() {
            let Ok(heard) = tokio::time::timeout_at(deadline.into(), self.heard.recv()).await else {
                let late: BTreeSet<Endpoint> = awaited.into_iter().map(|(endpoint, _)| endpoint).collect();
                return Err(ProbeError::TimedOut { endpoints: late.into_iter().collect(), after: patience });
            };
            let Some((speaker, heard)) = heard else { continue };
            if let Some(done) = self.hear_of_beginning(speaker, heard)? {
                awaited.remove(&done);
            }
        }
        Ok(())
    }

    /// Waits for a server, or a probe without servers, to become ready. Other events are queued.
    fn hear_of_beginning(
        &mut self,
        (endpoint, number): Speaker,
        heard: ConversationEvent,
    ) -> Result<Option<(Endpoint, Option<u64>)>, ProbeError> {
        let Some(member) = self.members.get_mut(&endpoint).filter(|member| member.number == number) else {
            return Ok(None);
        };
        match heard {
            ConversationEvent::Report(Report::Ready { format: FORMAT }) => {
                member.ready = true;
                Ok(Some((endpoint, None)))
            }
            ConversationEvent::Report(Report::Ready { format }) => {
                Err(ProbeError::Format { endpoint, format })
            }
            ConversationEvent::Report(Report::Serving { server, .. }) => Ok(Some((endpoint, Some(server)))),
            ConversationEvent::Report(Report::NotServing { server, reason }) => {
                let port = member.servers.get(&server).map_or(0, |serve| serve.port);
                Err(ProbeError::NotServing { endpoint, port, reason })
            }
            ConversationEvent::Gone(reason) => {
                member.gone = true;
                Err(ProbeError::Gone { endpoint, reason })
            }
            ConversationEvent::Report(report) => {
                self.hear((endpoint, number), ConversationEvent::Report(report));
                Ok(None)
            }
        }
    }
}
