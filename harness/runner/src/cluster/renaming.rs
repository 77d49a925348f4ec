//! Renames namespaces, and moves hosts outside to other addresses, so that scenarios that would share them can run at the
//! same time.
//!
//! Predictions, tables and reports have the author's names. Namespaces are only renamed if no verdict of the scenario
//! depends on their names; its policies are sent as they were written except for `metadata.namespace`. Hosts are only
//! moved if their addresses are in [`MOVABLE`] and no policy distinguishes addresses of that range.

mod backend;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::document::{Entry, Value, YamlNode};
use verdikt_scenario::flow::{Flow, FlowEnd};
use verdikt_scenario::name::{DnsName, HostName, NamespaceName, NamespacedName};
use verdikt_scenario::policy::{Manifest, PolicyKind};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::{
    CLUSTER_DOMAIN, DNS_NAMESPACE, Dns, Endpoint, Labels, LocalRedirect, NAMESPACE_NAME_LABEL,
    RedirectFrontend, Topology, WorldHost,
};

use super::resources::name_of;

pub(super) use self::backend::RenamedBackend;

/// The range of default addresses for hosts outside.
const MOVABLE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24);
/// The distance between two addresses of one host.
const APART: usize = 32;

/// The names of a scenario's namespaces on the cluster, and the addresses of its hosts outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Renaming {
    there: BTreeMap<NamespaceName, NamespaceName>,
    back: BTreeMap<NamespaceName, NamespaceName>,
    addresses: BTreeMap<IpAddr, IpAddr>,
}

impl Renaming {
    /// The names and addresses of a set, where the first set has the author's; none if the scenario depends on them, or
    /// there is no such set. `outside` are the ranges for hosts outside.
    pub(super) fn new(scenario: &Scenario, set: usize, outside: &[IpNet]) -> Option<Self> {
        if set == 0 {
            return Some(Self::default());
        }
        let namespaces = namespaces(scenario);
        let mut renaming = Self::default();
        if is_free_of_names(scenario, &namespaces) {
            for name in namespaces {
                let other: NamespaceName = format!("{name}-verdikt-{}", set + 1).parse().ok()?;
                renaming.there.insert(name.clone(), other.clone());
                renaming.back.insert(other, name.clone());
            }
        }
        let is_outside = |address: &IpAddr| outside.iter().any(|range| range.contains(address));
        let moved = movable_addresses(scenario).into_iter().map(|address| {
            let other = moved(address, set).filter(is_outside)?;
            Some((address, other))
        });
        renaming.addresses = moved.collect::<Option<_>>().unwrap_or_default();
        let is_taken = renaming.back.keys().any(|name| renaming.there.contains_key(name));
        (!is_taken && renaming != Self::default()).then_some(renaming)
    }

    /// The scenario with the names and addresses of the cluster.
    pub(super) fn scenario(&self, scenario: &Scenario) -> Scenario {
        let steps = scenario.steps.iter().map(|step| self.step(step)).collect();
        Scenario { steps, ..scenario.clone() }
    }

    /// A step with the names and addresses of the cluster, except for its table.
    fn step(&self, step: &Step) -> Step {
        let policies = step.policies.iter().map(|manifest| self.manifest(manifest)).collect();
        Step { topology: self.topology(&step.topology), policies, ..step.clone() }
    }

    fn topology(&self, topology: &Topology) -> Topology {
        let endpoints =
            |all: &BTreeSet<Endpoint>| all.iter().map(|it| renamed_endpoint(&self.there, it)).collect();
        let namespace = |(name, mut labels): (NamespaceName, Labels)| {
            let name = renamed(&self.there, &name);
            labels.entry(NAMESPACE_NAME_LABEL.to_owned()).and_modify(|label| *label = name.to_string());
            (name, labels)
        };
        let host = |(name, mut host): (HostName, WorldHost)| {
            host.address = *self.addresses.get(&host.address).unwrap_or(&host.address);
            (name, host)
        };
        let redirect = |(name, mut redirect): (NamespacedName, LocalRedirect)| {
            match &mut redirect.frontend {
                RedirectFrontend::Service(service) => *service = inside(&self.there, service),
                RedirectFrontend::Address(address) => {
                    *address = *self.addresses.get(address).unwrap_or(address);
                }
            }
            (inside(&self.there, &name), redirect)
        };
        let topology = topology.clone();
        Topology {
            redirects: topology.redirects.into_iter().map(redirect).collect(),
            world: topology.world.into_iter().map(host).collect(),
            audited: endpoints(&topology.audited),
            silent: endpoints(&topology.silent),
            namespaces: topology.namespaces.into_iter().map(namespace).collect(),
            pods: topology.pods.into_iter().map(|(name, pod)| (inside(&self.there, &name), pod)).collect(),
            services: topology
                .services
                .into_iter()
                .map(|(name, service)| (inside(&self.there, &name), service))
                .collect(),
            ..topology
        }
    }

    fn manifest(&self, manifest: &Manifest) -> Manifest {
        let mut root = manifest.root.clone();
        if let Some(namespace) = entry(&mut root, "metadata").and_then(|it| entry(it, "namespace"))
            && let Value::Text(name) = &mut namespace.value
            && let Some(other) = name.parse().ok().and_then(|name: NamespaceName| self.there.get(&name))
        {
            *name = other.as_str().into();
        }
        Manifest { file: manifest.file.clone(), root }
    }

    fn endpoint(&self, endpoint: &Endpoint) -> Endpoint {
        renamed_endpoint(&self.there, endpoint)
    }

    fn attempt(&self, attempt: &Attempt) -> Attempt {
        let mut attempt = attempt.clone();
        let mut plain = &mut attempt;
        while let Attempt::OfFamily { attempt, .. } | Attempt::Kept { attempt } = plain {
            plain = attempt;
        }
        match plain {
            Attempt::Connect { target, .. }
            | Attempt::Ping { target }
            | Attempt::IcmpMessage { target, .. }
            | Attempt::Http { target, .. } => self.rename_target(target),
            Attempt::Dns { .. } | Attempt::OfFamily { .. } | Attempt::Kept { .. } => {}
        }
        attempt
    }

    fn rename_target(&self, target: &mut Target) {
        let name = |name: &mut NamespacedName| *name = inside(&self.there, name);
        let endpoint = |endpoint: &mut Endpoint| *endpoint = renamed_endpoint(&self.there, endpoint);
        match target {
            Target::Endpoint(pod) | Target::PodOfSharedName(pod) => endpoint(pod),
            Target::Service(service) => name(service),
            Target::Backend { service, backend } => {
                name(service);
                endpoint(backend);
            }
            Target::Over { service, backend, .. } => {
                name(service);
                backend.iter_mut().for_each(endpoint);
            }
            Target::Name(_) => {}
        }
    }

    /// An endpoint by the author's name.
    fn original_endpoint(&self, endpoint: &Endpoint) -> Endpoint {
        renamed_endpoint(&self.back, endpoint)
    }

    /// A flow between endpoints by the author's names.
    fn original_flow(&self, mut flow: Flow) -> Flow {
        let end = |end: &mut FlowEnd| {
            end.endpoint = end.endpoint.as_ref().map(|endpoint| self.original_endpoint(endpoint));
        };
        end(&mut flow.source);
        end(&mut flow.destination);
        flow.policies.iter_mut().for_each(|policy| *policy = self.original_text(policy));
        flow
    }

    /// A text from the cluster with the author's names.
    fn original_text(&self, text: &str) -> String {
        self.back
            .iter()
            .fold(text.to_owned(), |text, (there, name)| text.replace(there.as_str(), name.as_str()))
    }
}

/// All namespaces that the scenario creates.
fn namespaces(scenario: &Scenario) -> BTreeSet<&NamespaceName> {
    let all = scenario.steps.iter().flat_map(|step| step.topology.namespaces.keys());
    all.filter(|name| name.as_str() != DNS_NAMESPACE).collect()
}

/// The addresses of hosts outside that can be moved, because no policy distinguishes them from the rest of their range.
fn movable_addresses(scenario: &Scenario) -> BTreeSet<IpAddr> {
    let mut policies = scenario.steps.iter().flat_map(|step| &step.policies);
    if policies.any(|manifest| mentions(&manifest.root, &splits_range)) {
        return BTreeSet::new();
    }
    let hosts = scenario.steps.iter().flat_map(|step| step.topology.world.values());
    let movable = hosts.filter(|host| !host.api_server && is_movable(&host.address));
    movable.map(|host| host.address).collect()
}

fn is_movable(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if MOVABLE.contains(address))
}

/// The address of a set in place of one of [`MOVABLE`]; none if the range is exhausted.
fn moved(address: IpAddr, set: usize) -> Option<IpAddr> {
    let IpAddr::V4(address) = address else { return None };
    let [a, b, c, last] = address.octets();
    let other = usize::from(last).checked_add(set.checked_mul(APART)?)?;
    let is_one_of_few = usize::from(last) < APART && other < 255;
    let other = u8::try_from(other).ok().filter(|_| is_one_of_few)?;
    Some(IpAddr::V4(Ipv4Addr::new(a, b, c, other)))
}

/// Whether a text is an address or range that contains a part of [`MOVABLE`] but not all of it.
fn splits_range(text: &str) -> bool {
    let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    matches!(range, Ok(IpNet::V4(range)) if MOVABLE.contains(&range) && range != MOVABLE)
}

/// Whether no verdict depends on the name of a namespace.
fn is_free_of_names(scenario: &Scenario, namespaces: &BTreeSet<&NamespaceName>) -> bool {
    // A number may be written in more than one way.
    namespaces.iter().all(|name| name.as_str().bytes().any(|c| c.is_ascii_alphabetic()))
        && scenario.steps.iter().all(|step| {
            is_free_topology(&step.topology)
                && step.policies.iter().all(|manifest| is_free_policy(manifest, namespaces))
                && step
                    .table
                    .iter()
                    .all(|row| name_of(&row.attempt).is_none_or(|name| is_free_look_up(name, namespaces)))
        })
}

fn is_free_topology(topology: &Topology) -> bool {
    topology.routes.is_empty() && topology.cilium.is_empty() && topology.dns == Dns::default()
}

/// Whether a policy is in one of the namespaces, or in none, and does not mention them otherwise.
fn is_free_policy(manifest: &Manifest, namespaces: &BTreeSet<&NamespaceName>) -> bool {
    let object = manifest.object();
    let lies_there = match (object.policy_kind().map(PolicyKind::is_namespaced), object.namespace) {
        (Some(true), Some(own)) => namespaces.iter().any(|name| name.as_str() == own),
        (Some(false), None) => true,
        _ => false,
    };
    let is_named = |text: &str| namespaces.iter().any(|name| text.contains(name.as_str()));
    let is_metadata = |key: &str| matches!(key, "metadata" | "apiVersion" | "kind");
    let mut entries = manifest.root.entries().iter();
    lies_there && entries.all(|entry| is_metadata(&entry.key) || !mentions(&entry.value, &is_named))
}

/// Whether one of the keys and texts is like this. Descriptions are ignored.
fn mentions(node: &YamlNode, is_like_this: &dyn Fn(&str) -> bool) -> bool {
    let mention = |entry: &Entry| {
        let is_said = is_like_this(&entry.key) || mentions(&entry.value, is_like_this);
        entry.key != "description" && is_said
    };
    match &node.value {
        Value::Text(text) => is_like_this(text),
        Value::List(elements) => elements.iter().any(|element| mentions(element, is_like_this)),
        Value::Map(entries) => entries.iter().any(mention),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => false,
    }
}

/// Whether a DNS name does not contain a namespace.
fn is_free_look_up(name: &DnsName, namespaces: &BTreeSet<&NamespaceName>) -> bool {
    let name = name.as_str();
    let mut labels = name.split('.');
    name.contains('.')
        && !name.ends_with(CLUSTER_DOMAIN)
        && labels.all(|label| namespaces.iter().all(|namespace| namespace.as_str() != label))
}

fn renamed(names: &BTreeMap<NamespaceName, NamespaceName>, name: &NamespaceName) -> NamespaceName {
    names.get(name).unwrap_or(name).clone()
}

fn inside(names: &BTreeMap<NamespaceName, NamespaceName>, name: &NamespacedName) -> NamespacedName {
    NamespacedName { namespace: renamed(names, &name.namespace), name: name.name.clone() }
}

fn renamed_endpoint(names: &BTreeMap<NamespaceName, NamespaceName>, endpoint: &Endpoint) -> Endpoint {
    match endpoint {
        Endpoint::Pod(pod) => Endpoint::Pod(inside(names, pod)),
        other => other.clone(),
    }
}

fn entry<'a>(node: &'a mut YamlNode, key: &str) -> Option<&'a mut YamlNode> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}
