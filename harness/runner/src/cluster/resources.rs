//! The resources that a scenario needs on a cluster, which decide which scenarios cannot run at the same time.
//!
//! | both have | why they conflict |
//! |---|---|
//! | a namespace, of the topology or of a policy | both would create it, and their policies would add up |
//! | a clusterwide policy object | both would create it |
//! | a pod of one that a clusterwide policy of the other may select | that policy would decide there too |
//! | nodes, on which one of them serves | everybody who reaches a node reaches its servers |
//! | an address outside at which one of them serves | there is only one server, and Cilium's DNS cache outlives a pod |
//! | an address that one of them redirects | a local redirect policy concerns all pods of the node |
//! | a DNS name of a host outside | one server answers for all scenarios, and knows one answer for each name |
//!
//! The cluster's own DNS server counts as a pod of every scenario that looks up names. Audit mode is set per pod and the
//! enforcement mode is never changed, so neither causes conflicts. Scenarios that do not conflict still see more load, and
//! identities, revisions and flows of other pods.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use verdikt_engine::identity::Identity;
use verdikt_engine::model::{LearnedNames, PolicyModel};
use verdikt_engine::selected::ClusterwideSubjects;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::name::DnsName;
use verdikt_scenario::policy::{ObjectRef, PolicyKind};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::topology::{CLUSTER_DOMAIN, DNS_NAMESPACE, DNS_POD, RedirectFrontend};
use verdikt_scenario::version::CiliumVersion;

use crate::refusals::options;

/// The namespace of a policy that names none.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/>
const DEFAULT_NAMESPACE: &str = "default";

/// The resources that a scenario needs in any of its steps, as far as they can be shared with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resources {
    namespaces: BTreeSet<String>,
    /// Its clusterwide policies.
    clusterwide: BTreeSet<ObjectRef>,
    /// What those select.
    subjects: ClusterwideSubjects,
    /// The identities of its pods, and of existing pods that it uses.
    identities: BTreeSet<Identity>,
    nodes: bool,
    serves_on_nodes: NodeServers,
    /// The addresses of hosts outside, and external addresses of services.
    addresses: BTreeSet<IpAddr>,
    /// The addresses at which something serves, to which a DNS name resolves, or that a policy redirects.
    serving: BTreeSet<IpAddr>,
    /// Those outside that it has, or looks up.
    names: BTreeSet<DnsName>,
}

/// Servers in the networks of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum NodeServers {
    /// None.
    #[default]
    None,
    /// Servers that listen only while attempts are made.
    WhileAttempted,
    /// Servers whose ports are taken as soon as their pods exist.
    WithTheirPods,
}

impl NodeServers {
    fn are_any(self) -> bool {
        self != Self::None
    }
}

/// A resource that only one scenario can have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim<'a> {
    /// A namespace.
    Namespace(&'a str),
    /// An address outside at which it serves.
    Address(IpAddr),
    /// The DNS name of a host outside.
    Name(&'a DnsName),
    /// The networks of nodes, in which it serves.
    Nodes,
}

impl Resources {
    /// The resources that it needs for itself, except policies.
    pub(super) fn claims(&self) -> impl Iterator<Item = Claim<'_>> {
        let namespaces = self.namespaces.iter().map(|name| Claim::Namespace(name));
        let addresses = self.serving.iter().copied().map(Claim::Address);
        let names = self.names.iter().map(Claim::Name);
        namespaces.chain(addresses).chain(names).chain(self.serves_on_nodes.are_any().then_some(Claim::Nodes))
    }

    /// The resources of a scenario, for this version of Cilium. Skipped scenarios have the default, which conflicts with
    /// nothing.
    pub(super) fn of(scenario: &Scenario, version: CiliumVersion) -> Self {
        let mut resources = Self { names: names_outside(scenario).cloned().collect(), ..Self::default() };
        scenario.steps.iter().for_each(|step| resources.add(step, version));
        resources
    }

    fn add(&mut self, step: &Step, version: CiliumVersion) {
        let topology = &step.topology;
        // The namespace of the cluster's DNS server is in every topology, and no scenario changes it.
        let made = topology.namespaces.keys().map(ToString::to_string).filter(|name| name != DNS_NAMESPACE);
        self.namespaces.extend(made);
        for manifest in &step.policies {
            let object = manifest.object();
            if object.policy_kind().is_some_and(PolicyKind::is_namespaced) {
                self.namespaces.insert(object.namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()));
            } else {
                // The API server ignores the namespace of a clusterwide object.
                self.clusterwide.insert(ObjectRef { namespace: None, ..object });
            }
        }
        let model =
            PolicyModel::new(topology, &step.policies, &options(step, version), &LearnedNames::default());
        self.subjects.extend(model.clusterwide_subjects());
        let looks_up = step.table.iter().any(|row| name_of(&row.attempt).is_some());
        let used = model.pod_identities().filter(|(name, _)| looks_up || name.to_string() != DNS_POD);
        self.identities.extend(used.map(|(_, identity)| identity.clone()));
        self.nodes |= !topology.nodes.is_empty();
        let on_nodes = || topology.pods.values().filter(|pod| pod.host_network.is_some());
        let takes_ports = topology.pods.values().any(|pod| !pod.host_ports.is_empty())
            || on_nodes().any(|pod| !pod.serves.is_empty());
        self.nodes |= takes_ports || on_nodes().next().is_some();
        let nodes_serve = topology.nodes.values().any(|node| !node.serves.is_empty());
        self.serves_on_nodes = self.serves_on_nodes.max(match (takes_ports, nodes_serve) {
            (true, _) => NodeServers::WithTheirPods,
            (false, true) => NodeServers::WhileAttempted,
            (false, false) => NodeServers::None,
        });
        self.addresses.extend(topology.world.values().map(|host| host.address));
        let serving =
            topology.world.values().filter(|host| !host.serves.is_empty() || !host.names.is_empty());
        self.serving.extend(serving.map(|host| host.address));
        let taken = topology.services.values().flat_map(|service| &service.external_ips);
        self.addresses.extend(taken.clone());
        self.serving.extend(taken);
        let redirected = topology.redirects.values().filter_map(|redirect| match redirect.frontend {
            RedirectFrontend::Address(address) => Some(address),
            RedirectFrontend::Service(_) => None,
        });
        self.addresses.extend(redirected.clone());
        self.serving.extend(redirected);
    }

    /// Whether two scenarios share an address at which one of them serves.
    fn shares_an_address_with(&self, other: &Self) -> bool {
        let mut shared = self.addresses.intersection(&other.addresses);
        shared.any(|address| self.serving.contains(address) || other.serving.contains(address))
    }

    /// Whether its pods can exist while the other scenario runs. Its policies do not matter yet: they are created later.
    pub(super) fn can_wait_beside(&self, other: &Self) -> bool {
        self.serves_on_nodes != NodeServers::WithTheirPods && self.namespaces.is_disjoint(&other.namespaces)
    }

    /// Whether two scenarios need the same thing for themselves.
    pub(super) fn shares_a_claim_with(&self, other: &Self) -> bool {
        (self.serves_on_nodes.are_any() && other.nodes)
            || (self.nodes && other.serves_on_nodes.are_any())
            || !self.names.is_disjoint(&other.names)
            || self.shares_an_address_with(other)
    }

    /// Whether two scenarios cannot run at the same time.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let is_there = |one: &Self| *one != Self::default();
        let rules_over =
            |one: &Self, other: &Self| is_there(other) && one.subjects.select_any(&other.identities);
        rules_over(self, other)
            || rules_over(other, self)
            || self.shares_a_claim_with(other)
            || !self.clusterwide.is_disjoint(&other.clusterwide)
            || !self.namespaces.is_disjoint(&other.namespaces)
    }
}

/// Whether a scenario needs the DNS server for hosts outside: to find a host, or to get the answer that there is none.
pub fn asks_for_names(scenario: &Scenario) -> bool {
    names_outside(scenario).next().is_some()
}

/// The names of hosts outside, and those that are looked up and are not the cluster's.
fn names_outside(scenario: &Scenario) -> impl Iterator<Item = &DnsName> {
    scenario.steps.iter().flat_map(|step| {
        let hosts = step.topology.world.values();
        let of_hosts = hosts.flat_map(|host| host.names.iter().chain(host.aliases.keys()));
        let asked = step.table.iter().filter_map(|row| name_of(&row.attempt));
        let asked = asked.filter(|name| !is_of_the_cluster(name.as_str()));
        of_hosts.chain(asked)
    })
}

/// The name that an attempt looks up.
pub(super) fn name_of(attempt: &Attempt) -> Option<&DnsName> {
    match attempt.plain() {
        Attempt::Dns { name, .. } => Some(name),
        other => match other.target() {
            Some(Target::Name(name)) => Some(name),
            _ => None,
        },
    }
}

fn is_of_the_cluster(name: &str) -> bool {
    name.strip_suffix(CLUSTER_DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
