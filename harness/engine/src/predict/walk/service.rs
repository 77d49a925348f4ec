//! The way through a service: to each of its backends, and through which node.

use std::net::Ipv4Addr;

use verdikt_scenario::attempt::Target;
use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint};
use verdikt_scenario::settings::Routing;
use verdikt_scenario::topology::{Endpoint, LOCAL_NODE, Port, Protocol, TrafficPolicy};

use super::{AttemptWalk, ProtocolPort, ProxyQuestion, Trace, question_text};
use crate::decide::Traffic;
use crate::identity::Identity;
use crate::model::{EndpointState, PolicyModel};

/// The address of a client that a tunnel hides: from a block that is reserved for future use.
const RELAYED: Ipv4Addr = Ipv4Addr::new(245, 98, 0, 1);

/// A way through a service: to all backends or one of them, and through which node.
#[derive(Clone, Copy, Default)]
pub(super) struct ServiceRoute<'a> {
    pub(super) only: Option<&'a Endpoint>,
    pub(super) relay: Option<&'a HostName>,
}

impl AttemptWalk<'_> {
    /// Goes to a port of a service.
    pub(super) fn through_service(
        &mut self,
        name: &NamespacedName,
        way: ServiceRoute<'_>,
        port: ProtocolPort,
        question: ProxyQuestion<'_>,
    ) {
        let ServiceRoute { only, relay } = way;
        if let Some(gap) = self.service_gap(name) {
            return self.abstain(question_text(port, &Target::Service(name.clone())), gap);
        }
        let chosen = port.and_then(|(protocol, port)| {
            let mut backends = self.model.behind(name, protocol, port)?;
            backends.retain(|(backend, _)| only.is_none_or(|only| only == backend));
            (!backends.is_empty()).then_some((protocol, backends))
        });
        let Some((protocol, backends)) = chosen else {
            let gap = format!("what a service without this port or without backends answers: {name}");
            return self.abstain(question_text(port, &Target::Service(name.clone())), gap);
        };
        let relay = relay.map(|node| Endpoint::Node(node.clone()));
        self.each_backend(&backends, |branch, (backend, target)| {
            if backend == branch.source {
                return branch.reach_itself(name);
            }
            branch.relay = relay.clone().filter(|relay| relay != backend);
            branch.cross(backend, &[], Traffic::Port(protocol, target.get()), question);
        });
    }

    pub(super) fn is_headless(&self, service: &NamespacedName) -> bool {
        self.model.topology.is_headless(service)
    }

    /// The gap in how a service treats the source, if any.
    fn service_gap(&self, name: &NamespacedName) -> Option<String> {
        let service = self.model.topology.services.get(name)?;
        match self.source {
            Endpoint::Node(node)
                if node.as_str() != LOCAL_NODE
                    && service.internal_traffic_policy == TrafficPolicy::Local
                    && service.selects.is_some() =>
            {
                Some(format!(
                    "what {node} answers, which runs no backend of {name} (internalTrafficPolicy Local)"
                ))
            }
            Endpoint::World(host) if !service.source_ranges.is_empty() => {
                let address = self.model.topology.world.get(host)?.address;
                let is_let_in = service.source_ranges.iter().any(|range| range.contains(&address));
                let gap = || {
                    format!(
                        "what the load balancer of {name} does with {host}: its loadBalancerSourceRanges do not contain {address}"
                    )
                };
                (!is_let_in).then(gap)
            }
            _ => None,
        }
    }

    /// A pod that reaches itself through a service is subject to no policy.
    pub(super) fn reach_itself(&mut self, service: &NamespacedName) {
        let question = format!("to itself through the service {service}");
        let decision = Decision::Itself { through: Some(service.clone()) };
        self.note(EnforcementPoint::Egress, self.source.clone(), question, decision);
    }

    /// Follows the attempt to every endpoint that may answer it. The client cannot choose, so the engine only knows
    /// the answer if it is the same for all.
    pub(super) fn each_backend<B: BackendName>(
        &mut self,
        backends: &[B],
        mut follow: impl FnMut(&mut Self, &B),
    ) {
        let mut answers = Vec::new();
        let mut first: Option<Trace> = None;
        for backend in backends {
            let mut branch = Self::new(self.model, self.source).over(self.family).sending(self.icmp_type);
            follow(&mut branch, backend);
            answers.push(branch.trace.end.or(branch.trace.audited.map(Answer::Audit)));
            first.get_or_insert(branch.trace);
        }
        let Some(mut branch) = first else { return };
        self.trace.checks.append(&mut branch.checks);
        self.trace.audited = self.trace.audited.or(branch.audited);
        self.trace.end = branch.end;
        if answers.windows(2).any(|pair| pair[0] != pair[1]) {
            let names: Vec<String> = backends.iter().map(|backend| backend.endpoint().to_string()).collect();
            let gap = format!("which of {} answers, and policies treat them differently", names.join(", "));
            self.leave_to_chance("through a service".to_owned(), gap);
        }
    }
}

impl PolicyModel<'_> {
    /// What policies see of a node that replaces a client: the node, or with tunnel routing the world, with an
    /// address that no rule means.
    pub(crate) fn seen_of(&self, node: &EndpointState) -> Identity {
        match self.topology.settings.routing {
            Routing::Native => node.identity.clone(),
            Routing::Tunnel => self.world_identity(RELAYED.into(), Vec::new()),
        }
    }

    /// The backends of a port of a service, each with its own port; none if the service has no such port or no
    /// backend, or a backend does not name the target port.
    pub(super) fn behind(
        &self,
        name: &NamespacedName,
        protocol: Protocol,
        port: Port,
    ) -> Option<Vec<(Endpoint, Port)>> {
        with_ports(self.topology.behind(name, protocol, port))
    }
}

/// The backends, each with its port; none if there is none, or one has no such port.
pub(super) fn with_ports(ends: Vec<(Endpoint, Option<Port>)>) -> Option<Vec<(Endpoint, Port)>> {
    let ends = ends.into_iter().map(|(end, port)| Some((end, port?))).collect::<Option<Vec<_>>>()?;
    (!ends.is_empty()).then_some(ends)
}

/// One backend of a service.
pub(super) trait BackendName {
    fn endpoint(&self) -> &Endpoint;
}

impl BackendName for Endpoint {
    fn endpoint(&self) -> &Endpoint {
        self
    }
}

impl BackendName for (Endpoint, Port) {
    fn endpoint(&self) -> &Endpoint {
        &self.0
    }
}
