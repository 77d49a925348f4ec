//! The policies of both sides: the source's at egress, then the destination's at ingress.

use std::net::IpAddr;
use std::time::Duration;

use verdikt_engine::decide::SideVerdict;
use verdikt_engine::rule::Direction;
use verdikt_engine::ruling::{MatchKind, ProxyKind, Ruling};
use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Protocol};

use super::Datapath;
use super::connection::Leg;

/// What the datapath does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It goes on to its destination.
    Pass,
    /// A proxy judges further, for the policy of this direction.
    Proxy(ProxyKind, Direction),
    /// It vanishes.
    Vanish,
}

/// A route, and what there is to report: one flow for each side that has a policy, up to the one that stops it.
#[derive(Debug)]
pub(super) struct JudgedRoute {
    pub(super) route: Route,
    pub(super) flows: Vec<Flow>,
}

/// What one side makes of a ruling.
struct SideJudgement {
    verdict: FlowVerdict,
    drop_reason: Option<DropReason>,
    route: Route,
}

impl Datapath {
    /// Judges a connection by every policy that is still to come.
    pub(super) fn judge(&self, leg: &Leg, at: Duration) -> JudgedRoute {
        let mut judged = JudgedRoute { route: Route::Pass, flows: Vec::new() };
        let Some(traffic) = leg.traffic() else { return judged };
        let destination = self.addresses.get(&leg.truth.destination);
        let passed = leg.via.as_ref().map(|redirect| redirect.direction);
        let egress = (leg.client, Direction::Egress, leg.truth.destination);
        let sides = match passed {
            None => [Some(egress), destination.map(|link| (*link, Direction::Ingress, leg.truth.source))],
            Some(Direction::Egress) => {
                [None, destination.map(|link| (*link, Direction::Ingress, leg.truth.source))]
            }
            Some(Direction::Ingress) => [None, None],
        };
        for (link, direction, peer) in sides.into_iter().flatten() {
            let Some(subject) = self.links.get(&link).and_then(|link| link.endpoint()) else { continue };
            let ruling = self.policy.packet(subject, direction, peer, traffic);
            if refuses_in_proxy(subject, &ruling, leg.protocol()) {
                judged.flows.extend(self.refusal_of_gateway(leg, direction, &ruling, at));
                judged.route = Route::Proxy(ProxyKind::Http, direction);
                break;
            }
            // Whatever the gateway's policy lets in is for its proxy.
            if leg.transport() == Some(Protocol::Tcp)
                && direction == Direction::Ingress
                && self.policy.is_gateway(subject)
            {
                let route = Route::Proxy(ProxyKind::Http, direction);
                let side = SideJudgement { verdict: FlowVerdict::Redirected, drop_reason: None, route };
                judged.flows.push(self.verdict_flow(leg, direction, &ruling, &side, at));
                judged.route = route;
                break;
            }
            let Some(side) = self.side(subject, &ruling, direction, leg.protocol()) else { continue };
            judged.flows.push(self.verdict_flow(leg, direction, &ruling, &side, at));
            judged.route = side.route;
            if side.route != Route::Pass {
                break;
            }
        }
        judged
    }

    /// None where nothing is enforced.
    fn side(
        &self,
        subject: &Endpoint,
        ruling: &Ruling,
        direction: Direction,
        protocol: FlowProtocol,
    ) -> Option<SideJudgement> {
        let pass = SideJudgement { verdict: FlowVerdict::Forwarded, drop_reason: None, route: Route::Pass };
        let denied = |reason| {
            if self.policy.audits(subject) {
                SideJudgement { verdict: FlowVerdict::Audit, drop_reason: None, route: Route::Pass }
            } else {
                SideJudgement {
                    verdict: FlowVerdict::Dropped,
                    drop_reason: Some(reason),
                    route: Route::Vanish,
                }
            }
        };
        let unknown = |gap: &str| SideJudgement {
            verdict: FlowVerdict::Error,
            drop_reason: Some(DropReason::NotModelled(gap.to_owned())),
            route: Route::Vanish,
        };
        Some(match ruling.verdict {
            SideVerdict::NotEnforced => return None,
            SideVerdict::LocalHost | SideVerdict::Allow { redirected: false } => pass,
            SideVerdict::Allow { redirected: true } => match (ruling.proxy, protocol) {
                (Some(ProxyKind::Tls), FlowProtocol::Port(Protocol::Udp | Protocol::Sctp)) => {
                    unknown("what a proxy for TLS makes of datagrams")
                }
                (Some(kind), FlowProtocol::Port(_)) => SideJudgement {
                    verdict: FlowVerdict::Redirected,
                    drop_reason: None,
                    route: Route::Proxy(kind, direction),
                },
                _ => unknown("what this proxy does"),
            },
            SideVerdict::Denied => denied(DropReason::PolicyDeny),
            SideVerdict::NoRuleAllows => denied(DropReason::PolicyDenied),
            SideVerdict::Unknown => unknown(ruling.gap.as_deref().unwrap_or("what a rule does")),
            SideVerdict::Conflict => {
                unknown("what is in force where the agent cannot compute the endpoint's policy")
            }
        })
    }

    /// The flows of a connection that the gateway's proxy refuses: whatever is asked on it is answered with 403.
    fn refusal_of_gateway(
        &self,
        leg: &Leg,
        direction: Direction,
        ruling: &Ruling,
        at: Duration,
    ) -> [Flow; 2] {
        let route = Route::Proxy(ProxyKind::Http, direction);
        let side = SideJudgement { verdict: FlowVerdict::Redirected, drop_reason: None, route };
        let taken = self.verdict_flow(leg, direction, ruling, &side, at);
        let request = ProxyRequest::Http {
            method: "any".to_owned(),
            path: "/".to_owned(),
            host: leg.truth.destination.to_string(),
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

    /// The flow that tells of a packet's delivery, where nothing is answered to it and so nobody else tells of it.
    pub(super) fn delivery(&self, leg: &Leg, at: Duration) -> Option<Flow> {
        let link = self.owner(leg.truth.destination)?;
        let endpoint = self.links.get(&link)?.endpoint()?;
        let side = SideJudgement { verdict: FlowVerdict::Forwarded, drop_reason: None, route: Route::Pass };
        (self.policy.is_silent(endpoint) || leg.needs_no_answer()).then(|| Flow {
            kind: FlowKind::Trace,
            ..self.verdict_flow(leg, Direction::Ingress, &Ruling::not_enforced(), &side, at)
        })
    }

    fn verdict_flow(
        &self,
        leg: &Leg,
        direction: Direction,
        ruling: &Ruling,
        side: &SideJudgement,
        at: Duration,
    ) -> Flow {
        let protocol = leg.protocol();
        let [source, destination] = self.ends(&leg.truth, protocol);
        let mut policies: Vec<String> = Vec::new();
        for rule in &ruling.rules {
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
            destination,
            protocol,
            drop_reason: side.drop_reason.clone(),
            match_type: match_kind(ruling).number(),
            policies,
            request: None,
        }
    }

    /// The endpoint whose policy judges in a direction.
    pub(super) fn subject(&self, leg: &Leg, direction: Direction) -> Option<&Endpoint> {
        let link = match direction {
            Direction::Egress => Some(leg.client),
            Direction::Ingress => self.owner(leg.truth.destination),
        };
        self.links.get(&link?)?.endpoint()
    }

    /// The link that has an address.
    pub(super) fn owner(&self, address: IpAddr) -> Option<super::LinkId> {
        self.addresses.get(&address).copied()
    }
}

/// Whether it is the gateway's own proxy that keeps to a denial, at the gateway's listener or egress, and not the datapath.
/// <https://docs.cilium.io/en/stable/network/servicemesh/ingress-and-network-policy/>
fn refuses_in_proxy(subject: &Endpoint, ruling: &Ruling, protocol: FlowProtocol) -> bool {
    let is_gateway = *subject == Endpoint::Cilium(CiliumEndpoint::Ingress);
    let is_tcp = protocol == FlowProtocol::Port(Protocol::Tcp);
    is_gateway && is_tcp && ruling.verdict.denies()
}

/// Where no rule of the author decides, one that Cilium adds does: all traffic where nothing isolates the
/// endpoint, and the local host.
fn match_kind(ruling: &Ruling) -> MatchKind {
    match ruling.verdict {
        SideVerdict::Allow { .. } if ruling.rules.is_empty() => MatchKind::All,
        SideVerdict::LocalHost => MatchKind::PeerOnly,
        _ => ruling.match_kind,
    }
}
