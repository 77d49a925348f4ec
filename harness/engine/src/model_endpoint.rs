//! Ends of traffic as an analysis asks about them, whether the topology has them or not.
//!
//! [`PolicyModel::predict`] answers for one attempt between two endpoints. This module asks the same policies for the
//! entries behind an answer, for the ports at which it can change, and for pods and addresses that do not exist yet.
//!
//! [`PolicyModel::predict`]: crate::model::PolicyModel::predict

use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::prediction::{Decision, RuleRef};
use verdikt_scenario::topology::{Endpoint, Pod, Protocol, Topology};

use crate::decide::{DecisionKind, OnMiss, Traffic};
use crate::identity::Identity;
use crate::model::{EndpointState, ModelOptions, PolicyModel, PolicySide};
use crate::rule::{Direction, PortMatcher, Proxy, Rule, RuleEntry};

/// One end of traffic: its identity, and the entries that select it.
#[derive(Clone, Debug)]
pub struct ModelEndpoint {
    state: Arc<EndpointState>,
}

/// The position of an entry in a model: the index of its rule, and its index there.
pub type EntryIndex = (usize, usize);

/// A kind of traffic that policies distinguish by number: ports of a protocol, or types of ICMP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrafficKind {
    /// A protocol with ports.
    Ports(Protocol),
    /// ICMP over IPv4.
    Icmp,
    /// `ICMPv6`.
    IcmpV6,
}

impl TrafficKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Ports(Protocol::Tcp),
        Self::Ports(Protocol::Udp),
        Self::Ports(Protocol::Sctp),
        Self::Icmp,
        Self::IcmpV6,
    ];

    /// The smallest and the largest number of it.
    pub fn bounds(self) -> (u16, u16) {
        match self {
            Self::Ports(_) => (1, u16::MAX),
            Self::Icmp | Self::IcmpV6 => (0, u16::from(u8::MAX)),
        }
    }

    /// The traffic with a number; larger numbers mean the largest.
    pub fn traffic(self, number: u16) -> Traffic {
        let kind = u8::try_from(number).unwrap_or(u8::MAX);
        match self {
            Self::Ports(protocol) => Traffic::Port(protocol, number),
            Self::Icmp => Traffic::Icmp { v6: false, kind },
            Self::IcmpV6 => Traffic::Icmp { v6: true, kind },
        }
    }
}

/// What one side decides, with the rules of the proxies that decide further.
#[derive(Clone, Debug)]
pub struct SideDecision<'m> {
    /// What is decided.
    pub kind: DecisionKind,
    /// What the proxies decide further, where the traffic is sent to one.
    pub proxies: Vec<&'m Proxy>,
    /// Whether an entry lets all of it pass, whatever the proxies say.
    pub open: bool,
}

impl ModelEndpoint {
    /// Its identity.
    pub fn identity(&self) -> &Identity {
        &self.state.identity
    }

    /// Whether policies are enforced for it at all.
    pub fn is_managed(&self) -> bool {
        self.state.is_managed
    }

    /// The entries that select it in a direction.
    pub fn entries(&self, direction: Direction) -> &[EntryIndex] {
        &self.side(direction).entries
    }

    /// Whether traffic that no rule allows is denied in a direction.
    pub fn is_isolated(&self, direction: Direction) -> bool {
        let side = self.side(direction);
        self.is_managed() && side.enforced && side.isolated
    }

    /// Whether anything is enforced in a direction.
    pub fn is_enforced(&self, direction: Direction) -> bool {
        self.is_managed() && self.side(direction).enforced
    }

    /// The rules that isolate it in a direction, one for each object.
    pub fn isolated_by(&self, direction: Direction) -> &[Arc<RuleRef>] {
        &self.side(direction).isolated_by
    }

    /// Whether entries of a direction have requirements on the peers of all entries (`fromRequires`, `toRequires`).
    pub fn has_requirements(&self, direction: Direction) -> bool {
        self.side(direction).requires
    }

    /// Whether rules that select it contradict each other, so that its policy is unknown.
    pub fn has_conflict(&self) -> bool {
        self.state.ingress.conflict.is_some() || self.state.egress.conflict.is_some()
    }

    /// Whether two endpoints are the same to this model.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// A key that is equal for endpoints that are the same to this model, within one run of the program.
    pub fn key(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    pub(crate) fn side(&self, direction: Direction) -> &PolicySide {
        self.state.side(direction)
    }
}

impl PolicyModel<'_> {
    /// Every endpoint of the model, including those that every cluster has.
    pub fn model_endpoints(&self) -> impl Iterator<Item = (&Endpoint, ModelEndpoint)> {
        self.subjects.iter().map(|(endpoint, state)| (endpoint, ModelEndpoint { state: Arc::clone(state) }))
    }

    /// An endpoint of the model.
    pub fn model_endpoint(&self, endpoint: &Endpoint) -> Option<ModelEndpoint> {
        let state = Arc::clone(self.subjects.get(endpoint)?);
        Some(ModelEndpoint { state })
    }

    /// A pod that does not exist yet, in a namespace with its labels.
    pub fn future_pod(&self, namespace: &NamespaceName, pod: &Pod) -> ModelEndpoint {
        let none = std::collections::BTreeMap::new();
        let labels = self.topology.namespaces.get(namespace).unwrap_or(&none);
        let identity = Identity::pod(namespace, labels, pod, &self.behaviour, &self.topology.settings.labels);
        ModelEndpoint { state: Arc::new(self.select_managed(identity)) }
    }

    /// An address outside the cluster, with the names that the DNS proxy has learned for it.
    pub fn outside(&self, address: IpAddr, names: Vec<String>) -> ModelEndpoint {
        let identity = self.world_identity(address, names);
        ModelEndpoint { state: Arc::new(EndpointState::unmanaged(identity)) }
    }

    /// The rules of all objects in force.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The address blocks of the CIDR groups in force.
    pub fn group_blocks(&self) -> impl Iterator<Item = ipnet::IpNet> {
        self.groups.prefixes()
    }

    /// An entry by its index.
    pub fn entry_at(&self, index: EntryIndex) -> &RuleEntry {
        self.entry(index)
    }

    /// The object that an entry belongs to.
    pub fn object_of(&self, entry: &RuleEntry) -> &ObjectRef {
        &self.objects[entry.origin.object].reference
    }

    /// The topology.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The Cilium version and settings for which it is compiled.
    pub fn options(&self) -> &ModelOptions {
        &self.options
    }

    /// Whether the cluster has addresses of both families.
    pub fn is_dual_stack(&self) -> bool {
        self.dual_stack
    }

    /// Whether port names of egress rules are resolved per destination.
    pub fn resolves_names_per_destination(&self) -> bool {
        self.behaviour.egress_port_names_per_destination
    }

    /// Whether an entry that selects an endpoint matches a peer.
    pub fn concerns(
        &self,
        subject: &ModelEndpoint,
        direction: Direction,
        entry: &RuleEntry,
        peer: &Identity,
    ) -> bool {
        self.is_about(subject.side(direction), entry, peer)
    }

    /// The numbers that a matcher means at a destination; none if it matches nothing of this transport there.
    pub fn interval(
        &self,
        matcher: &PortMatcher,
        transport: TrafficKind,
        destination: &Identity,
        direction: Direction,
    ) -> Option<(u16, u16)> {
        let (least, most) = transport.bounds();
        let (first, last) = match (matcher, transport) {
            (PortMatcher::Range { protocol, first, last }, TrafficKind::Ports(actual)) => {
                (protocol.is_none_or(|protocol| protocol == actual)).then_some((*first, *last))
            }
            (PortMatcher::Name { protocol, name, end_port }, TrafficKind::Ports(actual)) => {
                let is_of_it = protocol.is_none_or(|protocol| protocol == actual);
                let first =
                    is_of_it.then(|| self.resolve_port_name(name, actual, destination, direction))??;
                let end = end_port.filter(|_| self.named_ports_have_ends(direction)).unwrap_or(first);
                Some((first, end.max(first)))
            }
            (PortMatcher::Icmp { v6, kind }, TrafficKind::Icmp | TrafficKind::IcmpV6) => {
                let is_of_it = *v6 == (transport == TrafficKind::IcmpV6);
                let all = (least, most);
                is_of_it.then(|| kind.map_or(all, |kind| (u16::from(kind), u16::from(kind))))
            }
            _ => None,
        }?;
        (first <= last && last >= least).then_some((first.max(least), last.min(most)))
    }

    /// Decides about traffic from or to a peer by the policy of an endpoint.
    pub fn decide_side(
        &self,
        subject: &ModelEndpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> SideDecision<'_> {
        if !subject.is_managed() {
            return SideDecision { kind: DecisionKind::NotEnforced, proxies: Vec::new(), open: true };
        }
        let matches = self.decide(&subject.state, direction, peer, traffic);
        let redirected = matches.kind == DecisionKind::Allow { redirected: true };
        let proxies = matches.allowed.iter().filter_map(crate::decide::Match::proxy);
        SideDecision {
            kind: matches.kind,
            proxies: if redirected { proxies.collect() } else { Vec::new() },
            open: matches.on_miss != OnMiss::Deny
                || matches.allowed.iter().any(|matched| matched.proxy().is_none()),
        }
    }

    /// The same with the rules behind the decision.
    pub fn explain_side(
        &self,
        subject: &ModelEndpoint,
        direction: Direction,
        peer: &Identity,
        traffic: Traffic,
    ) -> Decision {
        if !subject.is_managed() {
            return Decision::NotIsolated;
        }
        let matches = self.decide(&subject.state, direction, peer, traffic);
        self.decision(&subject.state, direction, peer, traffic, &matches)
    }
}
