//! A cluster ready to be asked: every endpoint's identity, and the entries that select it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::document::Node as Document;
use verdikt_scenario::name::{DnsName, NamespacedName};
use verdikt_scenario::policy::{Manifest, ObjectRef, PolicyKind, Refuser};
use verdikt_scenario::prediction::RuleRef;
use verdikt_scenario::scenario::{Enforcement, EnforcementMode, FieldValidation};
use verdikt_scenario::topology::{
    CiliumEndpoint, DNS_LABELS, DNS_POD, Endpoint, LOCAL_NODE, Node, Pod, Port, Protocol, Served,
    ServedProtocol, Topology,
};
use verdikt_scenario::version::CiliumVersion;

use crate::admission;
use crate::agent::{self, Context, Parsed};
use crate::behaviour::Behaviour;
use crate::identity::{Identity, NamedPort};
use crate::in_force::InForce;
use crate::judgement::{Judgement, Refused};
use crate::label::Label;
use crate::refusal::Refusal;
use crate::resolve::{CidrGroups, Surroundings};
use crate::rule::{
    Direction, Effect, Entity, Entry, PeerMatcher, Peers, PortRule, Ports, Proxy, Rule, Subject,
};

/// For which Cilium, and under which settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The version.
    pub version: CiliumVersion,
    /// What is enforced.
    pub enforcement: Enforcement,
    /// What the API server does with fields it does not know.
    pub field_validation: FieldValidation,
    /// Nothing is known of the ports that peers declare by name, as in a policy engine that runs without any
    /// endpoints; egress rules by port name then match nothing.
    pub peer_port_names_unknown: bool,
    /// Which families of addresses the cluster has.
    pub families: AddressFamilies,
}

/// Which families of addresses a cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressFamilies {
    /// IPv6 beside IPv4 if a host outside has such an address.
    #[default]
    OfTopology,
    /// IPv4 alone.
    Ipv4,
    /// Both.
    Both,
}

impl AddressFamilies {
    /// Whether the cluster of a topology has both.
    fn are_both(self, topology: &Topology) -> bool {
        match self {
            Self::OfTopology => topology.world.values().any(|host| host.address.is_ipv6()),
            Self::Ipv4 => false,
            Self::Both => true,
        }
    }
}

/// The names the DNS proxy of the node has learned. They belong to the agent, not to a policy, and stay known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The names asked for, whose answers hold the addresses the topology gives them.
    pub names: std::collections::BTreeSet<DnsName>,
}

/// The policies in force over one topology.
#[derive(Clone, Debug)]
pub struct Cluster<'a> {
    pub(crate) topology: Cow<'a, Topology>,
    pub(crate) options: Options,
    pub(crate) behaviour: Behaviour,
    pub(crate) dual_stack: bool,
    pub(crate) groups: CidrGroups,
    /// The addresses of API servers that are no nodes.
    pub(crate) api_servers: BTreeSet<IpAddr>,
    pub(crate) objects: Arc<[Object]>,
    pub(crate) rules: Arc<[Rule]>,
    pub(crate) learned: Learned,
    /// Endpoints of one identity share their policy.
    pub(crate) subjects: BTreeMap<Endpoint, Arc<SubjectState>>,
    judgements: Arc<[Judgement]>,
}

/// What reasons need to know of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) reference: ObjectRef,
    pub(crate) file: Arc<str>,
}

impl Object {
    pub(crate) fn kind(&self) -> Option<PolicyKind> {
        self.reference.policy_kind()
    }
}

/// An endpoint: its identity, and the policy of each direction.
#[derive(Clone, Debug)]
pub(crate) struct SubjectState {
    pub(crate) identity: Identity,
    pub(crate) ingress: Side,
    pub(crate) egress: Side,
}

/// An endpoint's policy in one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// Whether anything is enforced; without, everything passes.
    pub(crate) enforced: bool,
    /// Whether what nothing allows is denied.
    pub(crate) isolated: bool,
    /// The entries that select the endpoint, as (rule, entry) indices.
    pub(crate) entries: Vec<(usize, usize)>,
    /// Whether any of the entries has requirements on the peers of all.
    pub(crate) requires: bool,
    /// The rules that isolate it, one for each object.
    pub(crate) isolated_by: Arc<[Arc<RuleRef>]>,
    /// Why the policy cannot be computed, if so.
    pub(crate) conflict: Option<Conflict>,
}

/// Two entries that cannot stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) entries: [(usize, usize); 2],
    /// In what they differ.
    pub(crate) what: &'static str,
}

impl SubjectState {
    pub(crate) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl<'a> Cluster<'a> {
    /// Judges every manifest and compiles those that are taken.
    pub fn new(topology: &'a Topology, manifests: &[Manifest], options: &Options, learned: &Learned) -> Self {
        Self::after(&InForce::default(), topology, manifests, options, learned)
    }

    /// As [`Self::new`], where objects were there before: of one whose new version is refused, the version before
    /// stays in force. Judgements are those of the new versions.
    pub fn after(
        before: &InForce,
        topology: &'a Topology,
        manifests: &[Manifest],
        options: &Options,
        learned: &Learned,
    ) -> Self {
        let admit = |manifest| admitted(manifest, *options);
        let stored: Vec<_> = manifests.iter().map(admit).collect();
        Self::compile(topology, manifests, &stored, before, *options, learned)
    }

    /// As [`Self::new`], without asking the API server: for objects that never met one.
    pub fn without_api_server(
        topology: &'a Topology,
        manifests: &[Manifest],
        options: &Options,
        learned: &Learned,
    ) -> Self {
        let stored: Vec<_> =
            manifests.iter().map(|manifest| Ok(admission::prune(&manifest.root, options.version))).collect();
        Self::compile(topology, manifests, &stored, &InForce::default(), *options, learned)
    }

    fn compile(
        topology: &'a Topology,
        manifests: &[Manifest],
        stored: &[Result<Cow<'_, Document>, Refusal>],
        before: &InForce,
        options: Options,
        learned: &Learned,
    ) -> Self {
        let behaviour = Behaviour::of(options.version);
        let object =
            |manifest: &Manifest| Object { reference: manifest.object(), file: Arc::clone(&manifest.file) };
        let mut objects: Vec<Object> = manifests.iter().map(object).collect();
        let groups = objects.iter().zip(stored).filter_map(|(object, stored)| {
            let of_groups = object.kind() == Some(PolicyKind::CiliumCidrGroup);
            let current = stored.as_deref().ok().or_else(|| Some(&before.version(&object.reference)?.root));
            current.filter(|_| of_groups)
        });
        let groups = CidrGroups::read(groups);
        let surroundings = Surroundings::new(topology, groups.clone());
        let dual_stack = options.families.are_both(topology);
        let parse = |index, reference: &ObjectRef, stored: &Document| {
            let kind = reference.policy_kind();
            let namespaced = kind != Some(PolicyKind::CiliumClusterwideNetworkPolicy);
            let namespace = namespaced.then(|| reference.namespace.as_deref().unwrap_or("default"));
            let (behaviour, surroundings) = (&behaviour, &surroundings);
            let context = Context { object: index, namespace, behaviour, dual_stack, surroundings };
            match kind {
                Some(PolicyKind::NetworkPolicy) => agent::network_policy(stored, &context),
                Some(PolicyKind::CiliumCidrGroup) => Ok(Parsed::default()),
                _ => agent::cilium_policy(stored, &context),
            }
        };
        let mut rules = Vec::new();
        let mut judgements = Vec::new();
        for (index, (object, stored)) in objects.iter().zip(stored).enumerate() {
            let (by, parsed) = match stored {
                Err(refusal) => (Refuser::ApiServer, Err(refusal.clone())),
                Ok(stored) => (Refuser::Agent, parse(index, &object.reference, stored)),
            };
            let refused = |refusal: Refusal, hidden| {
                Judgement::Refused(Refused {
                    by,
                    kind: refusal.kind,
                    message: refusal.message,
                    position: refusal.position,
                    hidden,
                })
            };
            judgements.push(match parsed {
                Ok(Parsed { hidden: Some(refusal), .. }) => refused(refusal, true),
                Ok(parsed) => {
                    rules.extend(parsed.rules);
                    Judgement::Accepted
                }
                Err(refusal) => refused(refusal, false),
            });
        }
        for (manifest, judgement) in manifests.iter().zip(&judgements) {
            let reference = manifest.object();
            let kept = before.version(&reference).filter(|_| *judgement != Judgement::Accepted);
            let Some(kept) = kept else { continue };
            // It was taken once; only the services and groups around it may have changed.
            let parsed = parse(objects.len(), &reference, &admission::prune(&kept.root, options.version));
            if let Ok(Parsed { rules: kept_rules, hidden: None }) = parsed {
                rules.extend(kept_rules);
                objects.push(object(kept));
            }
        }
        let mut cluster = Self {
            topology: Cow::Borrowed(topology),
            options,
            behaviour,
            dual_stack,
            groups,
            api_servers: external_api_servers(topology),
            objects: objects.into(),
            rules: rules.into(),
            learned: learned.clone(),
            subjects: BTreeMap::new(),
            judgements: judgements.into(),
        };
        let mut endpoints = cluster.endpoints();
        let mut entries = cluster.rules.iter().flat_map(|rule| &rule.entries);
        if behaviour.egress_port_names_per_destination && entries.any(|entry| entry.ports.name_ports()) {
            share_port_names(&mut endpoints);
        }
        let mut by_identity: BTreeMap<Identity, Arc<SubjectState>> = BTreeMap::new();
        let mut subject = |identity: Identity| {
            let known = by_identity.entry(identity);
            let computed = known.or_insert_with_key(|identity| Arc::new(cluster.subject(identity.clone())));
            Arc::clone(computed)
        };
        let endpoints = endpoints.into_iter();
        let subjects = endpoints.map(|(endpoint, identity)| (endpoint, subject(identity))).collect();
        cluster.subjects = subjects;
        cluster
    }

    /// The same cluster, with a topology of its own.
    pub fn into_owned(self) -> Cluster<'static> {
        Cluster {
            topology: Cow::Owned(self.topology.into_owned()),
            options: self.options,
            behaviour: self.behaviour,
            dual_stack: self.dual_stack,
            groups: self.groups,
            api_servers: self.api_servers,
            objects: self.objects,
            rules: self.rules,
            learned: self.learned,
            subjects: self.subjects,
            judgements: self.judgements,
        }
    }

    /// The identity of each pod, as Cilium writes its labels: `k8s:app=redis`.
    pub fn pod_labels(&self) -> BTreeMap<NamespacedName, BTreeSet<String>> {
        let pods = self.subjects.iter().filter_map(|(endpoint, subject)| match endpoint {
            Endpoint::Pod(name) => Some((name.clone(), subject)),
            _ => None,
        });
        let labels = |subject: &Arc<SubjectState>| {
            subject.identity.labels.iter().map(|label| format!("k8s:{label}")).collect()
        };
        pods.map(|(name, subject)| (name, labels(subject))).collect()
    }

    /// What became of each manifest, in their order.
    pub fn judgements(&self) -> &[Judgement] {
        &self.judgements
    }

    fn endpoints(&self) -> Vec<(Endpoint, Identity)> {
        let topology = &*self.topology;
        let mut endpoints = Vec::new();
        for (name, pod) in &topology.pods {
            endpoints.push((Endpoint::Pod(name.clone()), self.pod_identity(name, pod)));
        }
        if let Some((name, pod)) = implicit_dns(topology) {
            let identity = self.pod_identity(&name, &pod);
            endpoints.push((Endpoint::Pod(name), identity));
        }
        for (name, host) in &topology.world {
            let names = host.names.iter().filter(|name| self.learned.names.contains(name));
            let names = names.map(|name| name.as_str().to_owned()).collect();
            endpoints.push((Endpoint::World(name.clone()), self.world_identity(host.address, names)));
        }
        for (name, node) in &topology.nodes {
            endpoints.push((Endpoint::Node(name.clone()), Identity::node(name.as_str(), node)));
        }
        // The node is there whether or not a table names it.
        if let Ok(name) = LOCAL_NODE.parse() {
            let host = Endpoint::Node(name);
            if !endpoints.iter().any(|(endpoint, _)| *endpoint == host) {
                endpoints.push((host, Identity::node(LOCAL_NODE, &Node::default())));
            }
        }
        for endpoint in [CiliumEndpoint::Ingress, CiliumEndpoint::Health] {
            endpoints.push((Endpoint::Cilium(endpoint), Identity::cilium(endpoint)));
        }
        endpoints
    }

    fn pod_identity(&self, name: &NamespacedName, pod: &Pod) -> Identity {
        let none = BTreeMap::new();
        let labels = self.topology.namespaces.get(&name.namespace).unwrap_or(&none);
        Identity::pod(&name.namespace, labels, pod, &self.behaviour)
    }

    fn subject(&self, identity: Identity) -> SubjectState {
        let mut sides = [Side::default(), Side::default()];
        // World hosts and nodes have no policy; a label of a pod called `host` makes Cilium take it for the node.
        let managed =
            identity.address.is_none() && !identity.is_reserved("remote-node") && !identity.has_key("host");
        let enforces = managed && self.options.enforcement.mode != EnforcementMode::Never;
        let forced = self.options.enforcement.mode == EnforcementMode::Always || identity.has_key("init");
        if enforces {
            for (rule_index, rule) in self.rules.iter().enumerate() {
                let Subject::Endpoints(selector) = &rule.subject else { continue };
                if !selector.selects(&identity) {
                    continue;
                }
                for (index, entry) in rule.entries.iter().enumerate() {
                    let side = &mut sides[usize::from(entry.direction == Direction::Egress)];
                    side.isolated |= entry.isolates;
                    side.requires |= !entry.requires.is_empty();
                    side.entries.push((rule_index, index));
                }
            }
            for side in &mut sides {
                side.enforced = forced || !side.entries.is_empty();
                side.isolated |= forced;
                side.isolated_by = self.isolated_by(side);
                side.conflict = self.conflict(side);
            }
        }
        let [ingress, egress] = sides;
        SubjectState { identity, ingress, egress }
    }

    pub(crate) fn entry(&self, (rule, entry): (usize, usize)) -> &Entry {
        &self.rules[rule].entries[entry]
    }

    /// Rules about the same port and peer that contradict each other cannot be merged: the agent then fails to
    /// compute the endpoint's policy, and the old one stays.
    fn conflict(&self, side: &Side) -> Option<Conflict> {
        let mut seen: Vec<Filter<'_>> = Vec::new();
        for &index in &side.entries {
            let entry = self.entry(index);
            if entry.effect == Effect::Deny {
                continue;
            }
            let ports: Vec<Option<&PortRule>> = match &entry.ports {
                Ports::All => vec![None],
                Ports::OneOf(rules) => rules.iter().map(Some).collect(),
            };
            for port in ports {
                let filter = Filter { index, entry, port };
                if filter.proxy().is_none() && entry.authentication.is_none() {
                    continue;
                }
                let conflict = seen.iter().find_map(|other| {
                    let what = self.contradiction(other, &filter)?;
                    Some(Conflict { entries: [other.index, index], what })
                });
                if conflict.is_some() {
                    return conflict;
                }
                seen.push(filter);
            }
        }
        None
    }

    fn contradiction(&self, one: &Filter<'_>, other: &Filter<'_>) -> Option<&'static str> {
        let same_ports = match (one.port, other.port) {
            (None, None) => true,
            (Some(one), Some(other)) => one.matcher.same_ports(&other.matcher),
            _ => false,
        };
        if !same_ports {
            return None;
        }
        let same_peer = share_peer(&one.entry.peers, &other.entry.peers);
        let proxies = one.proxy().zip(other.proxy());
        // The rules of one list of ports are one.
        let in_order = one.index.0 == other.index.0;
        let merge = proxies.is_none_or(|(first, second)| {
            Arc::ptr_eq(first, second) || first.merges_with(second) || in_order && first.takes_in(second)
        });
        if !merge && (same_peer || self.behaviour.l7_kinds_conflict_per_port) {
            return Some("two kinds of L7 rules");
        }
        let modes = one.entry.authentication.zip(other.entry.authentication);
        let agree = modes.is_none_or(|(one, other)| one == other);
        (!agree && same_peer).then_some("two modes of authentication")
    }
}

/// The addresses behind the service of the API server that are outside the cluster. Cilium knows them by that label
/// as well as by the world's.
/// <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>
fn external_api_servers(topology: &Topology) -> BTreeSet<IpAddr> {
    let service = topology
        .services
        .iter()
        .find(|(name, _)| (name.namespace.as_str(), name.name.as_str()) == ("default", "kubernetes"));
    let hosts = service.iter().flat_map(|(_, service)| &service.backends);
    hosts.filter_map(|host| Some(topology.world.get(host)?.address)).collect()
}

/// Gives every identity that several pods have the port names of all of them.
fn share_port_names(endpoints: &mut [(Endpoint, Identity)]) {
    let mut sharing: BTreeMap<Vec<Label>, Vec<usize>> = BTreeMap::new();
    for (index, (endpoint, identity)) in endpoints.iter().enumerate() {
        if matches!(endpoint, Endpoint::Pod(_)) {
            sharing.entry(identity.labels.clone()).or_default().push(index);
        }
    }
    for pods in sharing.values().filter(|pods| pods.len() > 1) {
        let mut names: BTreeMap<(&str, Protocol), BTreeSet<u16>> = BTreeMap::new();
        for named in pods.iter().flat_map(|pod| &endpoints[*pod].1.port_names) {
            names.entry((&named.name, named.protocol)).or_default().insert(named.port);
        }
        let agreed = names.into_iter().filter(|(_, ports)| ports.len() == 1);
        let agreed = agreed.flat_map(|((name, protocol), ports)| {
            ports.into_iter().map(move |port| NamedPort { name: name.to_owned(), protocol, port })
        });
        let agreed: Vec<NamedPort> = agreed.collect();
        for pod in pods {
            endpoints[*pod].1.shared_port_names = Some(agreed.clone());
        }
    }
}

/// What an entry that allows says of one port, or of all traffic.
struct Filter<'a> {
    index: (usize, usize),
    entry: &'a Entry,
    port: Option<&'a PortRule>,
}

impl<'a> Filter<'a> {
    fn proxy(&self) -> Option<&'a Arc<Proxy>> {
        self.port.and_then(|port| port.proxy.as_ref())
    }
}

/// What the API server stores of a manifest, or all its reasons not to.
fn admitted(manifest: &Manifest, options: Options) -> Result<Cow<'_, Document>, Refusal> {
    let admission = admission::admit(&manifest.root, options.version, options.field_validation);
    let messages: Vec<&str> = admission.refusals.iter().map(|refusal| refusal.message.as_str()).collect();
    let message = messages.join("; ");
    match admission.refusals.into_iter().next() {
        None => Ok(admission.stored),
        Some(first) => Err(Refusal { message, ..first }),
    }
}

fn share_peer(one: &Peers, other: &Peers) -> bool {
    let everyone = |peers: &Peers| match peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers.iter().any(|peer| peer.matcher == PeerMatcher::Entity(Entity::All)),
    };
    match (one, other) {
        _ if everyone(one) && everyone(other) => true,
        (Peers::OneOf(one), Peers::OneOf(other)) => {
            one.iter().any(|peer| other.iter().any(|candidate| candidate.matcher == peer.matcher))
        }
        _ => false,
    }
}

/// The ports the DNS server declares.
/// <https://github.com/kubernetes/kubernetes/blob/master/cluster/addons/dns/coredns/coredns.yaml.base>
const DNS_PORTS: [(ServedProtocol, u16, &str); 3] = [
    (ServedProtocol::Udp, 53, "dns"),
    (ServedProtocol::Tcp, 53, "dns-tcp"),
    (ServedProtocol::Tcp, 9153, "metrics"),
];

/// The cluster's DNS server, where the topology does not say more about it.
pub(crate) fn implicit_dns(topology: &Topology) -> Option<(NamespacedName, Pod)> {
    let name: NamespacedName = DNS_POD.parse().ok()?;
    if topology.pods.contains_key(&name) {
        return None;
    }
    let labels = DNS_LABELS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let named = |(protocol, port, name): &(ServedProtocol, u16, &str)| {
        Some(Served { protocol: *protocol, port: Port::new(*port)?, name: name.parse().ok() })
    };
    let serves = DNS_PORTS.iter().filter_map(named).collect();
    Some((name, Pod { labels, service_account: Some("coredns".to_owned()), serves }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_identity_share_their_policy() {
        let mut topology = Topology::default();
        for (name, app) in [("shop/a", "web"), ("shop/b", "web"), ("shop/c", "api")] {
            let pod = Pod { labels: [("app".to_owned(), app.to_owned())].into(), ..Pod::default() };
            topology.pods.insert(name.parse().unwrap(), pod);
        }
        let cluster = Cluster::new(&topology, &[], &Options::default(), &Learned::default());
        let [a, b, c] = ["shop/a", "shop/b", "shop/c"]
            .map(|name| &cluster.subjects[&Endpoint::Pod(name.parse().unwrap())]);
        assert!(Arc::ptr_eq(a, b) && !Arc::ptr_eq(a, c));
    }
}
