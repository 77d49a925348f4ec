//! Policies compiled for a topology: every endpoint with its identity and the entries that select it.

mod compile;
mod conflict;
mod endpoints;
mod index;
mod learned_names;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::policy::{Manifest, ObjectRef, PolicyKind};
use verdikt_scenario::precedence::Tier;
use verdikt_scenario::prediction::RuleRef;
use verdikt_scenario::scenario::{Enforcement, EnforcementMode, FieldValidation};
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_scenario::version::CiliumVersion;

use crate::acceptance::Acceptance;
use crate::admission;
use crate::behaviour::Behaviour;
use crate::identity::Identity;
use crate::in_force::InForce;
use crate::label::{CLUSTER, CLUSTER_NAME};
use crate::resolve::CidrGroups;
use crate::rule::{Direction, Rule, RuleEntry, Subject};
use index::RuleIndex;
pub use learned_names::LearnedNames;

/// The Cilium for which a model is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelOptions {
    /// The version.
    pub version: CiliumVersion,
    /// What is enforced.
    pub enforcement: Enforcement,
    /// What the API server does with fields it does not know.
    pub field_validation: FieldValidation,
    /// Assumes that nothing is known of the named ports of peers, as in a policy engine that runs without any
    /// endpoints; egress rules by port name then match nothing.
    pub peer_port_names_unknown: bool,
    /// Models a policy engine that runs without agents and their datapath. Identities consist only of labels: pods of
    /// one identity may declare different port names, which are part of identities in agents since Cilium 1.20; and
    /// ranges that start at port 0 end where they say. <https://github.com/cilium/cilium/commit/31d9b6bd17>
    pub engine_alone: bool,
    /// Which families of addresses the cluster has.
    pub families: AddressFamilies,
}

/// Which families of addresses a cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressFamilies {
    /// IPv6 besides IPv4 if a host outside has such an address.
    #[default]
    OfTopology,
    /// Only IPv4.
    Ipv4,
    /// Both.
    Both,
}

impl AddressFamilies {
    /// Whether the cluster of a topology has both.
    fn are_both(self, topology: &Topology) -> bool {
        match self {
            Self::OfTopology => topology.is_dual_stack(),
            Self::Ipv4 => false,
            Self::Both => true,
        }
    }
}

/// The policies in force over one topology, compiled: every endpoint with its identity and the entries that select it.
///
/// ```
/// use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
/// use verdikt_scenario::attempt::{Attempt, Target};
/// use verdikt_scenario::document;
/// use verdikt_scenario::policy::Manifest;
/// use verdikt_scenario::prediction::{Answer, EnforcementPoint};
/// use verdikt_scenario::topology::{Endpoint, Pod, Port, Protocol, Topology};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut topology = Topology::default();
/// for name in ["shop/cart", "shop/web"] {
///     topology.pods.insert(name.parse()?, Pod::default());
/// }
/// let text = "
/// apiVersion: cilium.io/v2
/// kind: CiliumNetworkPolicy
/// metadata: {name: isolate, namespace: shop}
/// spec: {endpointSelector: {}, ingress: [{}]}
/// ";
/// let root = document::parse(text)?.remove(0);
/// let manifests = [Manifest { file: "isolate.yaml".into(), root }];
/// let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
///
/// let (cart, web) = (Endpoint::Pod("shop/cart".parse()?), Endpoint::Pod("shop/web".parse()?));
/// let port = Port::new(80).ok_or("0 is not a port")?;
/// let attempt = Attempt::Connect { protocol: Protocol::Tcp, target: Target::Endpoint(web), port };
/// let prediction = model.predict(&cart, &attempt);
/// assert_eq!(prediction.answer, Answer::Deny(EnforcementPoint::Ingress));
/// assert_eq!(prediction.checks.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PolicyModel<'a> {
    pub(crate) topology: Cow<'a, Topology>,
    pub(crate) options: ModelOptions,
    pub(crate) behaviour: Behaviour,
    pub(crate) dual_stack: bool,
    pub(crate) groups: CidrGroups,
    /// The addresses of API servers that are not nodes.
    pub(crate) api_servers: BTreeSet<IpAddr>,
    pub(crate) objects: Arc<[ManifestSummary]>,
    pub(crate) rules: Arc<[Rule]>,
    /// An index of the rules that may select an identity.
    index: Arc<RuleIndex>,
    pub(crate) learned: LearnedNames,
    /// The endpoints. Those with the same identity share their policy.
    pub(crate) subjects: BTreeMap<Endpoint, Arc<EndpointState>>,
    acceptances: Arc<[Acceptance]>,
}

/// What refusals and warnings need to know of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct ManifestSummary {
    pub(crate) reference: ObjectRef,
    pub(crate) file: Arc<str>,
}

impl ManifestSummary {
    fn of(manifest: &Manifest) -> Self {
        Self { reference: manifest.object(), file: Arc::clone(&manifest.file) }
    }

    pub(crate) fn kind(&self) -> Option<PolicyKind> {
        self.reference.policy_kind()
    }
}

/// An endpoint: its identity, and the policy of each direction.
#[derive(Clone, Debug)]
pub(crate) struct EndpointState {
    pub(crate) identity: Identity,
    /// The node whose network it uses, unless it has its own.
    pub(crate) node: Option<HostName>,
    /// Whether Cilium enforces policies for it.
    pub(crate) is_managed: bool,
    pub(crate) ingress: PolicySide,
    pub(crate) egress: PolicySide,
}

impl EndpointState {
    /// An endpoint for which nothing is enforced.
    pub(crate) fn unmanaged(identity: Identity) -> Self {
        let (ingress, egress) = (PolicySide::default(), PolicySide::default());
        Self { identity, node: None, is_managed: false, ingress, egress }
    }
}

/// An endpoint's policy in one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicySide {
    /// Whether anything is enforced; if not, everything passes.
    pub(crate) enforced: bool,
    /// Whether traffic that no rule allows is denied.
    pub(crate) isolated: bool,
    /// The entries that select the endpoint, as (rule, entry) indices.
    pub(crate) entries: Vec<(usize, usize)>,
    /// Whether any of the entries has requirements on the peers of all entries.
    pub(crate) requires: bool,
    /// Whether the entries have an order.
    pub(crate) tiers: Tiers,
    /// The rules that isolate it, one for each object.
    pub(crate) isolated_by: Arc<[Arc<RuleRef>]>,
    /// Why the policy cannot be computed, if so.
    pub(crate) conflict: Option<Conflict>,
}

/// The tiers of the entries of a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tiers {
    /// Only the tier `Normal`, whose entries have no order.
    #[default]
    Normal,
    /// Other tiers too; the entries are sorted in the order in which they decide.
    Several,
}

/// Two entries that cannot be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) entries: [(usize, usize); 2],
    /// What they disagree about.
    pub(crate) what: &'static str,
}

impl EndpointState {
    pub(crate) fn side(&self, direction: Direction) -> &PolicySide {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl<'a> PolicyModel<'a> {
    /// Reads every manifest, and compiles those that are accepted.
    pub fn new(
        topology: &'a Topology,
        manifests: &[Manifest],
        options: &ModelOptions,
        learned: &LearnedNames,
    ) -> Self {
        Self::after(&InForce::default(), topology, manifests, options, learned)
    }

    /// As [`Self::new`], with objects that existed before: if the new version of an object is refused, the version
    /// before stays in force. [`Self::acceptances`] are those of the new versions.
    pub fn after(
        before: &InForce,
        topology: &'a Topology,
        manifests: &[Manifest],
        options: &ModelOptions,
        learned: &LearnedNames,
    ) -> Self {
        let channel = topology.network_policy_api;
        let stored = manifests.iter().map(|manifest| compile::admit(manifest, *options, channel));
        let stored: Vec<_> = stored.collect();
        Self::compile(topology, manifests, &stored, before, *options, learned)
    }

    /// As [`Self::new`], without the API server: for objects that never passed through one.
    pub fn without_api_server(
        topology: &'a Topology,
        manifests: &[Manifest],
        options: &ModelOptions,
        learned: &LearnedNames,
    ) -> Self {
        let (version, channel) = (options.version, topology.network_policy_api);
        let stored =
            manifests.iter().map(|manifest| Ok(admission::prune_by(channel, &manifest.root, version)));
        let stored: Vec<_> = stored.collect();
        Self::compile(topology, manifests, &stored, &InForce::default(), *options, learned)
    }

    /// The same model, which owns its topology.
    pub fn into_owned(self) -> PolicyModel<'static> {
        PolicyModel {
            topology: Cow::Owned(self.topology.into_owned()),
            options: self.options,
            behaviour: self.behaviour,
            dual_stack: self.dual_stack,
            groups: self.groups,
            api_servers: self.api_servers,
            objects: self.objects,
            rules: self.rules,
            index: self.index,
            learned: self.learned,
            subjects: self.subjects,
            acceptances: self.acceptances,
        }
    }

    /// The identity of each pod, in Cilium's notation: `k8s:app=redis`.
    pub fn pod_labels(&self) -> BTreeMap<NamespacedName, BTreeSet<String>> {
        let pods = self.subjects.iter().filter_map(|(endpoint, subject)| match endpoint {
            Endpoint::Pod(name) => Some((name.clone(), subject)),
            _ => None,
        });
        let labels = |subject: &Arc<EndpointState>| {
            subject.identity.labels.iter().map(|label| format!("k8s:{label}")).collect()
        };
        pods.map(|(name, subject)| (name, labels(subject))).collect()
    }

    /// Whether each manifest is accepted, in their order.
    pub fn acceptances(&self) -> &[Acceptance] {
        &self.acceptances
    }

    /// The policy of an endpoint in the network of `node`: the entries that select it, by direction.
    fn select_entries(
        &self,
        endpoint: &Endpoint,
        identity: Identity,
        node: Option<HostName>,
    ) -> EndpointState {
        let is_managed = if node.is_some() {
            self.topology.settings.host_firewall
        } else {
            is_managed_outside_nodes(endpoint, &identity)
        };
        let state = if is_managed {
            let host = node.as_ref().map(|node| self.host_identity(node));
            self.select_managed_as(identity, host.as_ref())
        } else {
            EndpointState::unmanaged(identity)
        };
        EndpointState { node, ..state }
    }

    /// The policy of an identity for which policies are enforced.
    pub(crate) fn select_managed(&self, identity: Identity) -> EndpointState {
        self.select_managed_as(identity, None)
    }

    /// The same for a node, with `host` as its identity as a subject.
    fn select_managed_as(&self, identity: Identity, host: Option<&Identity>) -> EndpointState {
        let mut sides = [PolicySide::default(), PolicySide::default()];
        // Cilium takes an endpoint with a label `host` for the node.
        let is_subject = host.is_some() || !identity.has_key("host");
        let enforces = is_subject && self.options.enforcement.mode != EnforcementMode::Never;
        let forced = self.options.enforcement.mode == EnforcementMode::Always || identity.has_key("init");
        if enforces {
            for rule_index in self.index.candidates(&identity) {
                let rule = &self.rules[rule_index];
                let is_selected = match (&rule.subject, host) {
                    (Subject::Endpoints(selector), None) => selector.selects(&identity),
                    (Subject::Nodes(selector), Some(host)) => selector.selects(host),
                    (Subject::Endpoints(_), Some(_)) | (Subject::Nodes(_), None) => false,
                };
                if !is_selected {
                    continue;
                }
                for (index, entry) in rule.entries.iter().enumerate() {
                    let side = &mut sides[usize::from(entry.direction == Direction::Egress)];
                    side.isolated |= entry.isolates;
                    if entry.precedence.tier != Tier::Normal {
                        side.tiers = Tiers::Several;
                    }
                    side.requires |= !entry.requires.is_empty();
                    side.entries.push((rule_index, index));
                }
            }
            for side in &mut sides {
                side.enforced = forced || !side.entries.is_empty();
                side.isolated |= forced;
                if side.tiers == Tiers::Several {
                    side.entries.sort_by_key(|index| self.entry(*index).order());
                }
                side.isolated_by = self.isolated_by(side);
                side.conflict = self.find_conflict(side);
            }
        }
        let [ingress, egress] = sides;
        EndpointState { identity, node: None, is_managed: true, ingress, egress }
    }

    pub(crate) fn entry(&self, (rule, entry): (usize, usize)) -> &RuleEntry {
        &self.rules[rule].entries[entry]
    }
}

/// Whether Cilium enforces the policies of this cluster for an endpoint that is in no node's network: for pods and
/// its own endpoints, not for pods of other clusters and not outside the cluster.
fn is_managed_outside_nodes(endpoint: &Endpoint, identity: &Identity) -> bool {
    match endpoint {
        Endpoint::Pod(_) => identity.value(CLUSTER) == Some(CLUSTER_NAME),
        Endpoint::Cilium(_) => true,
        Endpoint::Node(_) | Endpoint::World(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use verdikt_scenario::topology::Pod;

    use super::*;

    #[test]
    fn pods_of_one_identity_share_their_policy() {
        let mut topology = Topology::default();
        for (name, app) in [("shop/a", "web"), ("shop/b", "web"), ("shop/c", "api")] {
            let pod = Pod { labels: [("app".to_owned(), app.to_owned())].into(), ..Pod::default() };
            topology.pods.insert(name.parse().unwrap(), pod);
        }
        let model = PolicyModel::new(&topology, &[], &ModelOptions::default(), &LearnedNames::default());
        let [a, b, c] =
            ["shop/a", "shop/b", "shop/c"].map(|name| &model.subjects[&Endpoint::Pod(name.parse().unwrap())]);
        assert!(Arc::ptr_eq(a, b) && !Arc::ptr_eq(a, c));
    }
}
