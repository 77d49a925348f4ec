//! The way of one attempt: DNS, the service's address, egress, ingress, proxies.

mod certificates;
mod enforce;
mod gateway;
mod host_port;
mod local_redirect;
mod query;
mod service;

use std::borrow::Cow;
use std::net::IpAddr;

use verdikt_scenario::attempt::{IpFamily, Request, Target};
use verdikt_scenario::icmp::echo_request;
use verdikt_scenario::name::DnsName;
use verdikt_scenario::prediction::{Answer, Check, Decision, EnforcementPoint, Prediction};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Port, Protocol, Resolved};

use self::certificates::PendingTls;
use self::service::ServiceRoute;
use crate::decide::Traffic;
use crate::identity::Identity;
use crate::model::{EndpointState, PolicyModel};
use crate::rule::Direction;

/// What an attempt asks of the proxies on its way.
#[derive(Clone, Copy)]
pub(super) enum ProxyQuestion<'a> {
    /// Only to reach the port.
    Reach,
    /// An HTTP request, with its authority if that is known.
    Http(&'a Request, Option<&'a str>),
    /// The same inside TLS, whose handshake has the host of the authority.
    Https(&'a Request, Option<&'a str>),
    /// A DNS query.
    Dns(&'a DnsName),
}

/// The checks on the way so far, and how they end, if they have.
struct Trace {
    /// Most attempts have two checks.
    checks: Vec<Check>,
    audited: Option<EnforcementPoint>,
    /// Whether the traffic goes through a proxy.
    is_proxied: bool,
    end: Option<Answer>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { checks: Vec::with_capacity(2), audited: None, is_proxied: false, end: None }
    }
}

/// An attempt on its way through the policies of a model.
pub(super) struct AttemptWalk<'m> {
    model: &'m PolicyModel<'m>,
    source: &'m Endpoint,
    /// The only address family that it uses.
    family: Option<IpFamily>,
    /// The type of the ICMP message that it sends, if not an echo request.
    icmp_type: Option<u8>,
    /// Whether it uses a connection that is open already.
    is_kept: bool,
    /// The node whose address replaces the source's.
    relay: Option<Endpoint>,
    /// Whether a local redirect policy led to the destination.
    is_redirected: bool,
    /// The proxy that originates TLS again, until it has seen the certificate of the server.
    pending_tls: Option<PendingTls>,
    trace: Trace,
}

/// A port of an attempt; none for a ping.
type ProtocolPort = Option<(Protocol, Port)>;

/// One side of a walk: the endpoint that decides, and the traffic.
struct WalkSide<'a> {
    direction: Direction,
    endpoint: &'a Endpoint,
    subject: &'a EndpointState,
    peer: &'a Identity,
    traffic: Traffic,
}

impl<'m> AttemptWalk<'m> {
    /// Starts at a source.
    pub(super) fn new(model: &'m PolicyModel<'m>, source: &'m Endpoint) -> Self {
        let (family, icmp_type, relay) = (None, None, None);
        let (is_kept, is_redirected, trace) = (false, false, Trace::default());
        let pending_tls = None;
        Self { model, source, family, icmp_type, is_kept, relay, is_redirected, pending_tls, trace }
    }

    /// The same over one address family.
    pub(super) fn over(self, family: Option<IpFamily>) -> Self {
        Self { family, ..self }
    }

    /// The same with an ICMP message of this type, if it sends any.
    pub(super) fn sending(self, icmp_type: Option<u8>) -> Self {
        Self { icmp_type, ..self }
    }

    /// The same on a connection that is open already.
    pub(super) fn on_connection(self) -> Self {
        Self { is_kept: true, ..self }
    }

    /// The identity of an end by the address that is used; a host outside has one for each address.
    fn identity_of(&self, endpoint: &Endpoint, subject: &'m EndpointState) -> Cow<'m, Identity> {
        let identity = &subject.identity;
        let (Some(family), Endpoint::World(host)) = (self.family, endpoint) else {
            return Cow::Borrowed(identity);
        };
        let address = self.model.topology.world_address(host, family);
        match address.filter(|address| identity.address != Some(*address)) {
            Some(second) => Cow::Owned(self.model.world_identity(second, self.model.learned.of_second(host))),
            None => Cow::Borrowed(identity),
        }
    }

    /// Continues after the checks of another walk.
    pub(super) fn after(model: &'m PolicyModel<'m>, source: &'m Endpoint, checks: Vec<Check>) -> Self {
        Self { trace: Trace { checks, ..Trace::default() }, ..Self::new(model, source) }
    }

    /// Whether the traffic goes through a proxy.
    pub(super) fn is_proxied(&self) -> bool {
        self.trace.is_proxied
    }

    /// Whether the walk has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.trace.end.is_some()
    }

    /// The prediction for the attempt.
    pub(super) fn into_prediction(mut self) -> Prediction {
        self.trace.checks.shrink_to_fit();
        // On an open connection, audit mode reports nothing.
        let audited = self.trace.audited.filter(|_| !self.is_kept);
        let passed = audited.map_or(Answer::Allow, Answer::Audit);
        Prediction { answer: self.trace.end.unwrap_or(passed), checks: self.trace.checks }
    }

    /// Ends the walk because the engine does not know.
    pub(super) fn abstain(&mut self, question: String, gap: String) {
        self.end_with(question, Decision::Unknown { gap, rule: None });
    }

    /// Ends the walk because the result is random.
    pub(super) fn leave_to_chance(&mut self, question: String, gap: String) {
        self.end_with(question, Decision::Chance { gap });
    }

    fn end_with(&mut self, question: String, decision: Decision) {
        self.note(EnforcementPoint::Egress, self.source.clone(), question, decision);
        self.trace.end = Some(Answer::Abstain);
    }

    fn note(&mut self, point: EnforcementPoint, endpoint: Endpoint, question: String, decision: Decision) {
        self.trace.checks.push(Check { point, endpoint, question, decision });
    }

    /// Goes to a target, through DNS if it is a name.
    pub(super) fn reach(&mut self, target: &Target, port: ProtocolPort, question: ProxyQuestion<'_>) {
        if self.through_redirect(target, port, question) {
            return;
        }
        match target {
            Target::Endpoint(endpoint) | Target::PodOfSharedName(endpoint) => {
                if self.through_host_port(endpoint, port, question) {
                    return;
                }
                let traffic = self.traffic(endpoint, port);
                self.cross(endpoint, &[], traffic, question);
                if *endpoint == Endpoint::Cilium(CiliumEndpoint::Ingress) {
                    self.through_gateway(question);
                }
            }
            Target::Service(service) | Target::Backend { service, .. } | Target::Over { service, .. } => {
                let relay = target.relay(self.source, &self.model.topology);
                let way = ServiceRoute { only: target.backend(), relay: relay.as_ref() };
                self.through_service(service, way, port, question);
            }
            Target::Name(name) => self.by_name(name, port, question),
        }
    }

    fn by_name(&mut self, name: &DnsName, port: ProtocolPort, question: ProxyQuestion<'_>) {
        let mut taught = false;
        if self.model.topology.asks_cluster_dns(self.source) {
            taught = self.query(name, Protocol::Udp);
            if self.has_ended() {
                return;
            }
        }
        match self.model.topology.resolve(name) {
            Some(Resolved::Service(service)) if self.is_headless(&service) => {
                let backends = self.model.topology.backends(&service);
                self.each_backend(&backends, |branch, backend| {
                    let traffic = branch.traffic(backend, port);
                    branch.cross(backend, &[], traffic, question);
                });
            }
            Some(Resolved::Service(service)) => {
                let target = Target::Service(service.clone());
                if !self.through_redirect(&target, port, question) {
                    self.through_service(&service, ServiceRoute::default(), port, question);
                }
            }
            Some(Resolved::World(host)) => {
                let endpoint = Endpoint::World(host);
                if self.through_redirect(&Target::Endpoint(endpoint.clone()), port, question) {
                    return;
                }
                let names = if taught { std::slice::from_ref(name) } else { &[] };
                let traffic = self.traffic(&endpoint, port);
                self.cross(&endpoint, names, traffic, question);
            }
            None => {
                let text = question_text(port, &Target::Name(name.clone()));
                self.abstain(text, "where the name leads".to_owned());
            }
        }
    }

    fn traffic(&self, target: &Endpoint, port: ProtocolPort) -> Traffic {
        if let Some((protocol, port)) = port {
            return Traffic::Port(protocol, port.get());
        }
        // Endpoints of the cluster have addresses of both families, so the other end decides.
        let address = |endpoint: &Endpoint| {
            self.model.subjects.get(endpoint).and_then(|subject| subject.identity.address)
        };
        let by_address = || matches!(address(target).or_else(|| address(self.source)), Some(IpAddr::V6(_)));
        let v6 = self.family.map_or_else(by_address, |family| family == IpFamily::V6);
        let family = if v6 { IpFamily::V6 } else { IpFamily::V4 };
        Traffic::Icmp { v6, kind: self.icmp_type.unwrap_or_else(|| echo_request(family)) }
    }

    /// Applies the egress policy of the source, then the ingress policy of the destination, with the proxies of each.
    /// `names` are those that the attempt has learned for the destination. Returns whether the DNS proxy decided.
    fn cross(
        &mut self,
        destination: &Endpoint,
        names: &[DnsName],
        traffic: Traffic,
        question: ProxyQuestion<'_>,
    ) -> bool {
        let (model, source) = (self.model, self.source);
        let (Some(from), Some(to)) = (model.subjects.get(source), model.subjects.get(destination)) else {
            self.abstain(format!("to {destination}"), "an end of this attempt".to_owned());
            return false;
        };
        let decision = match (from.is_managed, to.is_managed) {
            (false, false) => Some(Decision::OutsideCluster),
            // What a node sends to itself never leaves it.
            _ if from.node.is_some() && from.node == to.node => Some(Decision::OutsideCluster),
            _ if source == destination => Some(Decision::Itself { through: None }),
            _ => None,
        };
        if let Some(decision) = decision {
            let text = format!("to {destination}, {}", traffic_text(traffic));
            self.note(EnforcementPoint::Egress, source.clone(), text, decision);
            return false;
        }
        if *destination == Endpoint::Cilium(CiliumEndpoint::Ingress)
            && from.is_managed
            && from.egress.enforced
        {
            let gap = "what a pod's egress policy says of the gateway, whose address is a load balancer's"
                .to_owned();
            self.abstain(format!("to {destination}, {}", traffic_text(traffic)), gap);
            return false;
        }
        let mut peer = self.identity_of(destination, to);
        if !names.is_empty() {
            peer.to_mut().names.extend(names.iter().map(|name| name.as_str().to_owned()));
        }
        let mut through_dns_proxy = false;
        if from.is_managed {
            let led = if self.is_redirected { ", redirected by a local redirect policy" } else { "" };
            let text = format!("to {destination}, {}{led}", traffic_text(traffic));
            let direction = Direction::Egress;
            let side = WalkSide { direction, endpoint: source, subject: from, peer: &peer, traffic };
            through_dns_proxy = self.enforce(&side, text, question);
        }
        if !self.has_ended() && to.is_managed {
            self.enter((destination, to), from, traffic, question);
        }
        self.meet_server(destination);
        through_dns_proxy
    }

    /// Applies the ingress policy of a destination, with its proxies.
    fn enter(
        &mut self,
        (destination, to): (&Endpoint, &'m EndpointState),
        from: &'m EndpointState,
        traffic: Traffic,
        question: ProxyQuestion<'_>,
    ) {
        let (model, source) = (self.model, self.source);
        let relay = self.relay.as_ref().and_then(|relay| model.subjects.get_key_value(relay));
        let what = traffic_text(traffic);
        let (text, client) = match relay {
            Some((relay, subject)) => {
                (format!("from {relay}, for {source}, {what}"), Cow::Owned(model.seen_of(subject)))
            }
            None => (format!("from {source}, {what}"), self.identity_of(source, from)),
        };
        let direction = Direction::Ingress;
        let side = WalkSide { direction, endpoint: destination, subject: to, peer: &client, traffic };
        self.enforce(&side, text, question);
    }
}

fn traffic_text(traffic: Traffic) -> String {
    match traffic {
        Traffic::Port(protocol, port) => format!("{protocol} port {port}"),
        Traffic::Icmp { v6: false, kind } => format!("icmp type {kind}"),
        Traffic::Icmp { v6: true, kind } => format!("icmpv6 type {kind}"),
    }
}

fn question_text(port: Option<(Protocol, Port)>, target: &Target) -> String {
    match port {
        Some((protocol, port)) => format!("to {target}, {protocol} port {port}"),
        None => format!("to {target}, icmp"),
    }
}
