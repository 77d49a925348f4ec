//! Applies the policies of both sides: the source's at egress, then the destination's at ingress.

use std::net::IpAddr;
use std::time::Duration;

use verdikt_engine::datapath::{MatchKind, PacketDecision, ProxyKind};
use verdikt_engine::decide::DecisionKind;
use verdikt_engine::rule::Direction;
use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Protocol};

use super::Datapath;
use super::connection::ConnectionEnds;

/// What the datapath does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It goes on to its destination.
    Pass,
    /// It goes to a proxy, by the policy of this direction.
    Proxy(ProxyKind, Direction),
    /// It is dropped without an answer.
    Vanish,
}

/// A route with its flows: one for each side that has a policy, up to the one that stops the connection.
#[derive(Debug)]
pub(super) struct DecidedRoute {
    pub(super) route: Route,
    pub(super) flows: Vec<Flow>,
}

/// What one side does with a connection, and how a flow reports it.
struct SideRoute {
    verdict: FlowVerdict,
    drop_reason: Option<DropReason>,
    route: Route,
}

impl Datapath {
    /// Applies every policy that the connection has not passed yet.
    pub(super) fn decide(&self, ends: &ConnectionEnds, at: Duration) -> DecidedRoute {
        let mut decided = DecidedRoute { route: Route::Pass, flows: Vec::new() };
        let Some(traffic) = ends.traffic() else { return decided };
        let destination = self.addresses.get(&ends.truth.destination);
        let passed = ends.via.as_ref().map(|redirect| redirect.direction);
        let egress = (ends.client, Direction::Egress, ends.truth.destination);
        let sides = match passed {
            None => [Some(egress), destination.map(|link| (*link, Direction::Ingress, ends.truth.source))],
            Some(Direction::Egress) => {
                [None, destination.map(|link| (*link, Direction::Ingress, ends.truth.source))]
            }
            Some(Direction::Ingress) => [None, None],
        };
        for (link, direction, peer) in sides.into_iter().flatten() {
            let Some(subject) = self.links.get(&link).and_then(|link| link.endpoint()) else { continue };
            let decision = self.policy.packet(subject, direction, peer, traffic);
            if refuses_in_proxy(subject, &decision, ends.protocol()) {
                decided.flows.extend(self.refusal_of_gateway(ends, direction, &decision, at));
                decided.route = Route::Proxy(ProxyKind::Http, direction);
                break;
            }
            // What the gateway's policy allows goes to its proxy.
            if ends.transport() == Some(Protocol::Tcp)
                && direction == Direction::Ingress
                && self.policy.is_gateway(subject)
            {
                let route = Route::Proxy(ProxyKind::Http, direction);
                let side = SideRoute { verdict: FlowVerdict::Redirected, drop_reason: None, route };
                decided.flows.push(self.verdict_flow(ends, direction, &decision, &side, at));
                decided.route = route;
                break;
            }
            let Some(side) = self.side(subject, &decision, direction, ends.protocol()) else { continue };
            decided.flows.push(self.verdict_flow(ends, direction, &decision, &side, at));
            decided.route = side.route;
            if side.route != Route::Pass {
                break;
            }
        }
        decided
    }

    /// What one side does; none if nothing is enforced.
    fn side(
        &self,
        subject: &Endpoint,
        decision: &PacketDecision,
        direction: Direction,
        protocol: FlowProtocol,
    ) -> Option<SideRoute> {
        let pass = SideRoute { verdict: FlowVerdict::Forwarded, drop_reason: None, route: Route::Pass };
        let denied = |reason| {
            if self.policy.audits(subject) {
                SideRoute { verdict: FlowVerdict::Audit, drop_reason: None, route: Route::Pass }
            } else {
                SideRoute { verdict: FlowVerdict::Dropped, drop_reason: Some(reason), route: Route::Vanish }
            }
        };
        let unknown = |gap: &str| SideRoute {
            verdict: FlowVerdict::Error,
            drop_reason: Some(DropReason::NotModelled(gap.to_owned())),
            route: Route::Vanish,
        };
        Some(match decision.kind {
            DecisionKind::NotEnforced => return None,
            DecisionKind::LocalHost | DecisionKind::Allow { redirected: false } => pass,
            DecisionKind::Allow { redirected: true } => match (decision.proxy, protocol) {
                (Some(ProxyKind::Tls), FlowProtocol::Port(Protocol::Udp | Protocol::Sctp)) => {
                    unknown("what a proxy for TLS does with datagrams")
                }
                (Some(kind), FlowProtocol::Port(_)) => SideRoute {
                    verdict: FlowVerdict::Redirected,
                    drop_reason: None,
                    route: Route::Proxy(kind, direction),
                },
                _ => unknown("what this proxy does"),
            },
            DecisionKind::Denied => denied(DropReason::PolicyDeny),
            DecisionKind::NoRuleAllows => denied(DropReason::PolicyDenied),
            DecisionKind::Unknown => unknown(decision.gap.as_deref().unwrap_or("what a rule does")),
            DecisionKind::Conflict => {
                unknown("what is in force where the agent cannot compute the endpoint's policy")
            }
        })
    }

    /// The flows of a connection that the gateway's proxy refuses: every request on it is answered with 403.
    fn refusal_of_gateway(
        &self,
        ends: &ConnectionEnds,
        direction: Direction,
        decision: &PacketDecision,
        at: Duration,
    ) -> [Flow; 2] {
        let route = Route::Proxy(ProxyKind::Http, direction);
        let side = SideRoute { verdict: FlowVerdict::Redirected, drop_reason: None, route };
        let taken = self.verdict_flow(ends, direction, decision, &side, at);
        let request = ProxyRequest::Http {
            method: "any".to_owned(),
            path: "/".to_owned(),
            host: ends.truth.destination.to_string(),
            status: None,
        };
        let refused = Flow {
            kind: FlowKind::Proxy,
            verdict: FlowVerdict::Dropped,
            drop_reason: Some(DropReason::RefusedByProxy),
            request: Some(request),
            ..taken.clone()
        };
        [taken, refused]
    }

    /// The flow of a delivered packet that gets no answer, so that nothing else reports it.
    pub(super) fn delivery(&self, ends: &ConnectionEnds, at: Duration) -> Option<Flow> {
        let link = self.owner(ends.truth.destination)?;
        let endpoint = self.links.get(&link)?.endpoint()?;
        let side = SideRoute { verdict: FlowVerdict::Forwarded, drop_reason: None, route: Route::Pass };
        (self.policy.is_silent(endpoint) || ends.needs_no_answer()).then(|| Flow {
            kind: FlowKind::Trace,
            ..self.verdict_flow(ends, Direction::Ingress, &PacketDecision::not_enforced(), &side, at)
        })
    }

    fn verdict_flow(
        &self,
        ends: &ConnectionEnds,
        direction: Direction,
        decision: &PacketDecision,
        side: &SideRoute,
        at: Duration,
    ) -> Flow {
        let protocol = ends.protocol();
        let [source, destination] = self.ends(&ends.truth, protocol);
        let mut policies: Vec<String> = Vec::new();
        for rule in &decision.rules {
            let name = rule.object.short();
            if !policies.contains(&name) {
                policies.push(name);
            }
        }
        Flow {
            at,
            kind: FlowKind::PolicyVerdict,
            verdict: side.verdict,
            direction: match direction {
                Direction::Ingress => FlowDirection::Ingress,
                Direction::Egress => FlowDirection::Egress,
            },
            source,
            client: ends.made_for,
            destination,
            protocol,
            drop_reason: side.drop_reason.clone(),
            match_type: match_kind(decision).number(),
            policies,
            request: None,
        }
    }

    /// The endpoint whose policy decides in a direction.
    pub(super) fn subject(&self, ends: &ConnectionEnds, direction: Direction) -> Option<&Endpoint> {
        let link = match direction {
            Direction::Egress => Some(ends.client),
            Direction::Ingress => self.owner(ends.truth.destination),
        };
        self.links.get(&link?)?.endpoint()
    }

    /// The link with an address.
    pub(super) fn owner(&self, address: IpAddr) -> Option<super::LinkId> {
        self.addresses.get(&address).copied()
    }
}

/// Whether the gateway's own proxy enforces a denial, at its listener or at egress, and not the datapath.
/// <https://docs.cilium.io/en/stable/network/servicemesh/ingress-and-network-policy/>
fn refuses_in_proxy(subject: &Endpoint, decision: &PacketDecision, protocol: FlowProtocol) -> bool {
    let is_gateway = *subject == Endpoint::Cilium(CiliumEndpoint::Ingress);
    let is_tcp = protocol == FlowProtocol::Port(Protocol::Tcp);
    is_gateway && is_tcp && decision.kind.denies()
}

/// The match kind of a decision. If no rule of the author decides, one that Cilium adds does: all traffic if the
/// endpoint is not isolated, or the local host.
fn match_kind(decision: &PacketDecision) -> MatchKind {
    match decision.kind {
        DecisionKind::Allow { .. } if decision.rules.is_empty() => MatchKind::All,
        DecisionKind::LocalHost => MatchKind::PeerOnly,
        _ => decision.match_kind,
    }
}
