//! One attempt in flight, with what has been observed so far.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::flow::{Flow, FlowDirection, FlowKind, FlowProtocol, FlowVerdict};
use verdikt_scenario::observation::{Arrival, Observation, Outcome, Stage, StageKind};
use verdikt_scenario::topology::{Endpoint, Protocol};
use verdikt_verdict::correlate::{PacketOrigin, is_of_stage, may_have_sent};
use verdikt_verdict::evidence::{Evidence, is_denial};

use crate::backend::{Destinations, EndScope};

/// One attempt in flight.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about an attempt")]
pub(super) struct RunningAttempt<'a> {
    pub(super) source: &'a Endpoint,
    attempt: &'a Attempt,
    destinations: Destinations,
    /// When it started; earlier flows are not of its packets.
    began: Duration,
    stages: Vec<Stage>,
    /// Whether the last stage has not ended.
    open: bool,
    flows: Vec<Flow>,
    arrived: bool,
    /// The sockets of the server that reported its arrival.
    arrived_at: Vec<SocketAddr>,
    finished: Option<Outcome>,
    /// Whether it was ended early.
    ended: bool,
    /// When the first report about it arrived.
    heard: Option<Duration>,
    /// Whether it has left the window.
    left: bool,
}

impl<'a> RunningAttempt<'a> {
    pub(super) fn new(
        source: &'a Endpoint,
        attempt: &'a Attempt,
        destinations: Destinations,
        began: Duration,
    ) -> Self {
        Self {
            source,
            attempt,
            destinations,
            began,
            stages: Vec::new(),
            open: false,
            flows: Vec::new(),
            arrived: false,
            arrived_at: Vec::new(),
            finished: None,
            ended: false,
            heard: None,
            left: false,
        }
    }

    /// Marks that it has left the window. Returns false if it had left before.
    pub(super) fn leave(&mut self) -> bool {
        !std::mem::replace(&mut self.left, true)
    }

    /// How long it took until the first report.
    pub(super) fn answered_after(&self) -> Option<Duration> {
        self.heard.map(|heard| heard.saturating_sub(self.began))
    }

    /// How long the machine took to answer, if the attempt has finished now. For attempts that end early or without an
    /// answer, the time to the first report counts.
    pub(super) fn answered_within(&self, now: Duration) -> Duration {
        let unanswered = matches!(self.finished, Some(Outcome::TimedOut | Outcome::Ended));
        let heard = self.answered_after().filter(|_| unanswered);
        heard.unwrap_or_else(|| now.saturating_sub(self.began))
    }

    /// The outcome of an attempt whose end was never reported.
    pub(super) fn unanswered() -> Outcome {
        Outcome::NotAttempted("its probe has not reported how it ended".to_owned())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// Whether all evidence for a verdict has arrived.
    pub(super) fn is_explained(&self) -> bool {
        match &self.finished {
            None => false,
            Some(Outcome::NotAttempted(_)) => true,
            Some(Outcome::Answered | Outcome::HttpStatus(_)) => {
                self.arrived || !self.destinations.tells || self.flows.iter().any(is_denial)
            }
            Some(_) => {
                let tells = |flow: &Flow| is_denial(flow) || flow.verdict == FlowVerdict::Error;
                self.is_delivered() || self.flows.iter().any(tells)
            }
        }
    }

    /// Records the socket of a stage. Returns the origin of its packets; none if it is known already.
    pub(super) fn bind(
        &mut self,
        kind: StageKind,
        protocol: Option<Protocol>,
        (local, remote): (SocketAddr, SocketAddr),
        now: Duration,
    ) -> Vec<PacketOrigin> {
        self.heard.get_or_insert(now);
        let again = |stage: &Stage| stage.kind == kind && stage.local == Some(local);
        if self.is_finished() || self.open && self.stages.last().is_some_and(again) {
            return Vec::new();
        }
        let stage = Stage {
            kind,
            protocol,
            local: Some(local),
            remote: Some(remote),
            outcome: Outcome::TimedOut,
            addresses: Vec::new(),
            began: now,
            took: Duration::ZERO,
        };
        let own = PacketOrigin::of_stage(&stage);
        let relayed = own.iter().flat_map(|own| {
            let relays = self.destinations.relays.iter();
            relays.map(|relay| PacketOrigin { client: SocketAddr::new(*relay, own.client.port()), ..*own })
        });
        let origins = own.into_iter().chain(relayed).collect();
        self.stages.push(stage);
        self.open = true;
        origins
    }

    /// Records the outcome of the open stage.
    pub(super) fn end_stage(&mut self, outcome: Outcome, addresses: Vec<IpAddr>, took: Duration) {
        if let Some(stage) = self.stages.last_mut().filter(|_| self.open) {
            (stage.outcome, stage.addresses, stage.took) = (outcome, addresses, took);
            self.open = false;
        }
    }

    /// Records that it is over; a second report changes nothing.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.finished.get_or_insert(outcome);
    }

    /// Records that its request or datagram, which carries its number, has reached a server.
    pub(super) fn arrive(&mut self, server: Vec<SocketAddr>) {
        self.arrived = true;
        self.arrived_at = server;
    }

    /// Whether it may arrive at a server with this socket; true if its destination is not known.
    pub(super) fn goes_to(&self, server: &[SocketAddr]) -> bool {
        let sockets = &self.destinations.sockets;
        server.is_empty() || sockets.is_empty() || server.iter().any(|socket| sockets.contains(socket))
    }

    /// Records that a packet of this origin has reached a server. Returns whether it belongs to this attempt and is its first.
    pub(super) fn arrive_from(&mut self, origin: PacketOrigin, server: &[SocketAddr]) -> bool {
        let relays = &self.destinations.relays;
        let of_origin = self.stages.iter().rev().find(|stage| origin.is_of(stage, relays));
        let Some(stage) = of_origin else { return false };
        let counts = match self.attempt.plain() {
            Attempt::Dns { .. } => true,
            // A request carries the number of its attempt; its connection may end at a proxy.
            Attempt::Http { .. } => false,
            // The query before a connection is not an arrival of the attempt.
            Attempt::Connect { .. }
            | Attempt::Ping { .. }
            | Attempt::IcmpMessage { .. }
            | Attempt::OfFamily { .. }
            | Attempt::Kept { .. } => stage.kind != StageKind::LookUp,
        };
        let news = counts && !self.arrived;
        if news {
            self.arrive(server.to_vec());
        }
        news
    }

    /// Whether a flow can be of this attempt's packets.
    pub(super) fn owns(&self, flow: &Flow) -> bool {
        let is_own = |stage: &Stage| {
            let Destinations { sockets, dns_servers, relays, .. } = &self.destinations;
            is_of_stage(flow, stage, sockets, dns_servers, relays)
        };
        flow.at >= self.began && self.stages.iter().any(is_own)
    }

    /// Whether it may still have used the flow's port at the time of the flow.
    pub(super) fn had_port(&self, flow: &Flow) -> bool {
        let Some(origin) = PacketOrigin::of_flow(flow) else { return false };
        let last = self.stages.iter().rposition(|stage| origin.is_of(stage, &self.destinations.relays));
        let open = |index: usize| self.open && index + 1 == self.stages.len();
        last.is_some_and(|index| open(index) || may_have_sent(&self.stages[index], flow.at))
    }

    /// Keeps a flow. Returns what to end early now, each once.
    pub(super) fn keep(&mut self, flow: Flow) -> Option<EndScope> {
        if self.flows.contains(&flow) {
            return None;
        }
        let unanswered = self.unanswered_query(&flow);
        self.flows.push(flow);
        if self.ended || self.is_finished() {
            return None;
        }
        self.ended = self.is_lost() || self.is_delivered();
        if self.ended { Some(EndScope::Attempt) } else { unanswered.map(EndScope::Stage) }
    }

    /// The socket of a query that gets no answer, if another DNS server is asked next.
    fn unanswered_query(&self, flow: &Flow) -> Option<SocketAddr> {
        let asking = self.stages.last().filter(|stage| self.open && stage.kind == StageKind::LookUp)?;
        let origin = PacketOrigin::of_stage(asking);
        let lost = |flow: &Flow| is_drop(flow) && PacketOrigin::of_flow(flow) == origin;
        let is_news = lost(flow) && !self.flows.iter().any(lost);
        (self.destinations.asks_on && is_news).then_some(asking.local)?
    }

    /// Whether it can only time out, because one of its packets was dropped. What a proxy refuses gets an answer; and while
    /// a proxy has the client's request, its own decision may come before the server's.
    fn is_lost(&self) -> bool {
        let dropped = |flow: &Flow| is_drop(flow) && !(self.destinations.asks_on && self.is_of_query(flow));
        let tcp = || self.flows.iter().filter(|flow| flow.protocol == FlowProtocol::Port(Protocol::Tcp));
        let at_proxy = tcp()
            .any(|flow| flow.verdict == FlowVerdict::Redirected && flow.direction == FlowDirection::Egress);
        let judged = tcp().any(|flow| flow.kind == FlowKind::Proxy);
        let asks = matches!(self.attempt.plain(), Attempt::Http { .. });
        self.flows.iter().any(dropped) && (!asks || !at_proxy || judged)
    }

    /// Whether it can only time out although it is allowed, because its packet has reached an endpoint that answers nothing.
    /// A proxy on its way would answer in place of that endpoint.
    fn is_delivered(&self) -> bool {
        let delivered = |flow: &Flow| {
            flow.kind == FlowKind::Trace
                && flow.direction == FlowDirection::Ingress
                && !self.is_of_query(flow)
        };
        let redirected = |flow: &Flow| flow.verdict == FlowVerdict::Redirected;
        self.destinations.unanswered && self.flows.iter().any(delivered) && !self.flows.iter().any(redirected)
    }

    /// Whether a flow is of a query before the attempt's own packets, or of a DNS attempt.
    fn is_of_query(&self, flow: &Flow) -> bool {
        let origin = PacketOrigin::of_flow(flow);
        let mut queries = self.stages.iter().filter(|stage| stage.kind == StageKind::LookUp);
        queries.any(|stage| PacketOrigin::of_stage(stage) == origin)
    }

    /// The backend of a service that it reached: as the server reports, or else by the destination of its packets.
    fn led_to(&self) -> Option<Endpoint> {
        let of_flows = self.flows.iter().map(|flow| flow.destination.socket());
        let mut sockets = self.arrived_at.iter().copied().chain(of_flows);
        sockets.find_map(|socket| self.destinations.backends.get(&socket).cloned())
    }

    /// Its evidence; `lost` says why flows may be missing.
    pub(super) fn into_evidence(self, lost: Option<&String>) -> Evidence {
        let arrival = match (self.arrived, self.destinations.tells) {
            (true, _) => Arrival::Arrived,
            (false, true) => Arrival::NotSeen,
            (false, false) => Arrival::Unknown,
        };
        let (led_to, unanswered) = (self.led_to(), self.destinations.unanswered);
        let outcome = self.finished.unwrap_or_else(Self::unanswered);
        let mut stages = self.stages;
        if let Some(stage) = stages.last_mut().filter(|_| self.open) {
            stage.outcome = outcome.clone();
        }
        let observation = Observation { outcome, stages, arrival };
        Evidence { lost: lost.cloned(), led_to, unanswered, ..Evidence::new(observation, self.flows) }
    }
}

/// Whether a policy dropped the packet.
fn is_drop(flow: &Flow) -> bool {
    flow.kind == FlowKind::PolicyVerdict && matches!(flow.verdict, FlowVerdict::Dropped | FlowVerdict::Error)
}
