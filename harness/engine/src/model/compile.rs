//! Compiles manifests to rules, and keeps the version before of refused ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::HostName;
use verdikt_scenario::policy::{Manifest, ObjectRef, PolicyKind, Refuser};
use verdikt_scenario::settings::Settings;
use verdikt_scenario::topology::{ApiChannel, Endpoint, Topology};
use verdikt_scenario::version::CiliumVersion;

use super::endpoints::{external_api_servers, share_port_names};
use super::index::RuleIndex;
use super::{EndpointState, LearnedNames, ManifestSummary, ModelOptions, PolicyModel};
use crate::acceptance::{Acceptance, Refused};
use crate::admission;
use crate::agent::{self, ParseContext, ParsedObject};
use crate::behaviour::Behaviour;
use crate::identity::Identity;
use crate::in_force::InForce;
use crate::refusal::{Refusal, RefusalKind, RefusedPart};
use crate::resolve::{CidrGroups, ResolutionContext};
use crate::rule::Rule;

/// What the API server stores of a manifest, or why it refuses it.
type StoredManifest<'n> = Result<Cow<'n, YamlNode>, Refusal>;

/// The agent, as far as it reads policies.
struct Agent<'a> {
    behaviour: &'a Behaviour,
    dual_stack: bool,
    settings: &'a Settings,
    channel: ApiChannel,
    surroundings: &'a ResolutionContext<'a>,
}

impl Agent<'_> {
    /// Reads an object that the API server has stored. `index` is its index among all objects.
    fn read(&self, index: usize, reference: &ObjectRef, stored: &YamlNode) -> Result<ParsedObject, Refusal> {
        let kind = reference.policy_kind();
        let is_clusterwide = matches!(
            kind,
            Some(PolicyKind::CiliumClusterwideNetworkPolicy | PolicyKind::ClusterNetworkPolicy)
        );
        let Self { behaviour, dual_stack, settings, surroundings, .. } = *self;
        let namespace = (!is_clusterwide).then(|| reference.namespace.as_deref().unwrap_or("default"));
        let context =
            ParseContext { object: index, namespace, behaviour, dual_stack, settings, surroundings };
        match kind {
            Some(PolicyKind::NetworkPolicy) if !settings.network_policy => {
                let message = "Cilium reads no NetworkPolicy: `k8sNetworkPolicy.enabled` is false".to_owned();
                let (kind, part) = (RefusalKind::NetworkPolicyOff, RefusedPart::Specification);
                let refusal = Refusal { kind, part, message, position: stored.position };
                Ok(ParsedObject { hidden: Some(refusal), ..ParsedObject::default() })
            }
            Some(PolicyKind::NetworkPolicy) => agent::network_policy(stored, &context),
            Some(PolicyKind::CiliumCidrGroup) => Ok(ParsedObject::default()),
            Some(PolicyKind::ClusterNetworkPolicy) => match self.unread(stored) {
                Some(refusal) => Ok(ParsedObject { hidden: Some(refusal), ..ParsedObject::default() }),
                None => agent::cluster_network_policy(stored, &context),
            },
            Some(PolicyKind::CiliumNetworkPolicy | PolicyKind::CiliumClusterwideNetworkPolicy) | None => {
                agent::cilium_policy(stored, &context)
            }
        }
    }

    /// Why the cluster's Cilium does not read a `ClusterNetworkPolicy`, if so. The cluster does not report it.
    fn unread(&self, object: &YamlNode) -> Option<Refusal> {
        let message = match (self.behaviour.cluster_network_policies, self.settings.cluster_network_policy) {
            (true, true) => return None,
            (true, false) => {
                "Cilium reads no ClusterNetworkPolicy unless `k8sClusterNetworkPolicy.enabled` is set"
            }
            (false, _) => "this version of Cilium reads no ClusterNetworkPolicy",
        };
        let (kind, part) = (RefusalKind::NotEnforced, RefusedPart::Specification);
        Some(Refusal { kind, part, message: message.to_owned(), position: object.position })
    }

    /// Adds the rules of a version that is in force because the next one is refused. It was accepted before; only the
    /// services and groups around it may have changed.
    fn keep(
        &self,
        kept: &Manifest,
        version: CiliumVersion,
        objects: &mut Vec<ManifestSummary>,
        rules: &mut Vec<Rule>,
    ) {
        let object = ManifestSummary::of(kept);
        let stored = admission::prune_by(self.channel, &kept.root, version);
        if let Ok(ParsedObject { rules: kept, hidden: None }) =
            self.read(objects.len(), &object.reference, &stored)
        {
            rules.extend(kept);
            objects.push(object);
        }
    }

    /// Accepts or refuses an object, and adds its rules if it is accepted.
    fn judge(
        &self,
        index: usize,
        object: &ManifestSummary,
        stored: &StoredManifest<'_>,
        rules: &mut Vec<Rule>,
    ) -> Acceptance {
        let (by, parsed) = match stored {
            Err(refusal) => (Refuser::ApiServer, Err(refusal.clone())),
            Ok(stored) => (Refuser::Agent, self.read(index, &object.reference, stored)),
        };
        let is_unmarked = object.kind() == Some(PolicyKind::ClusterNetworkPolicy);
        let refused = |refusal: Refusal, hidden| {
            let Refusal { kind, message, position, .. } = refusal;
            Acceptance::Refused(Refused { by, kind, message, position, hidden })
        };
        match parsed {
            Ok(ParsedObject { hidden: Some(refusal), .. }) => refused(refusal, true),
            // No controller writes a condition to an object of this kind.
            Err(refusal) => refused(refusal, is_unmarked && by == Refuser::Agent),
            Ok(parsed) => {
                rules.extend(parsed.rules);
                Acceptance::Accepted
            }
        }
    }
}

impl<'a> PolicyModel<'a> {
    /// Compiles what the API server has stored of each manifest.
    pub(super) fn compile(
        topology: &'a Topology,
        manifests: &[Manifest],
        stored: &[StoredManifest<'_>],
        before: &InForce,
        options: ModelOptions,
        learned: &LearnedNames,
    ) -> Self {
        let mut behaviour = Behaviour::of(options.version);
        if let Some(local) = topology.settings.local_cluster_peers {
            behaviour.peers_are_of_the_local_cluster = local;
        }
        behaviour.port_zero_begins_a_range &= options.engine_alone;
        let dual_stack = options.families.are_both(topology);
        let mut objects: Vec<ManifestSummary> = manifests.iter().map(ManifestSummary::of).collect();
        let groups = CidrGroups::read(groups_in_force(&objects, stored, before));
        let surroundings = ResolutionContext::new(topology, groups.clone());
        let settings = &topology.settings;
        let agent = Agent {
            behaviour: &behaviour,
            dual_stack,
            settings,
            channel: topology.network_policy_api,
            surroundings: &surroundings,
        };
        let mut rules = Vec::new();
        let judged = objects.iter().zip(stored).enumerate();
        let acceptances: Vec<Acceptance> =
            judged.map(|(index, (object, stored))| agent.judge(index, object, stored, &mut rules)).collect();
        let refused = manifests.iter().zip(&acceptances).filter(|(_, it)| **it != Acceptance::Accepted);
        for kept in refused.filter_map(|(manifest, _)| before.version(&manifest.object())) {
            agent.keep(kept, options.version, &mut objects, &mut rules);
        }
        let mut model = Self {
            topology: Cow::Borrowed(topology),
            options,
            behaviour,
            dual_stack,
            groups,
            api_servers: external_api_servers(topology),
            objects: objects.into(),
            index: Arc::new(RuleIndex::new(&rules)),
            rules: rules.into(),
            learned: learned.clone(),
            subjects: BTreeMap::new(),
            acceptances: acceptances.into(),
        };
        let mut endpoints = model.endpoints();
        let mut entries = model.rules.iter().flat_map(|rule| &rule.entries);
        if behaviour.egress_port_names_per_destination
            && options.engine_alone
            && entries.any(|entry| entry.ports.name_ports())
        {
            share_port_names(&mut endpoints);
        }
        model.subjects = model.select(endpoints);
        model
    }

    /// The policy of each endpoint. Endpoints with the same identity share it, except nodes, which may have other
    /// labels.
    fn select(&self, endpoints: Vec<(Endpoint, Identity)>) -> BTreeMap<Endpoint, Arc<EndpointState>> {
        let mut by_identity: BTreeMap<(Identity, Option<HostName>), Arc<EndpointState>> = BTreeMap::new();
        let subjects = endpoints.into_iter().map(|(endpoint, identity)| {
            let node = self.topology.node_of(&endpoint).cloned();
            let known = by_identity.entry((identity, node));
            let state = known.or_insert_with_key(|(identity, node)| {
                Arc::new(self.select_entries(&endpoint, identity.clone(), node.clone()))
            });
            let state = Arc::clone(state);
            (endpoint, state)
        });
        subjects.collect()
    }
}

/// The CIDR groups among the objects; if the API server refuses one, its version before.
fn groups_in_force<'n>(
    objects: &'n [ManifestSummary],
    stored: &'n [StoredManifest<'_>],
    before: &'n InForce,
) -> impl Iterator<Item = &'n YamlNode> {
    let groups =
        objects.iter().zip(stored).filter(|(object, _)| object.kind() == Some(PolicyKind::CiliumCidrGroup));
    groups.filter_map(|(object, stored)| match stored {
        Ok(stored) => Some(&**stored),
        Err(_) => before.version(&object.reference).map(|version| &version.root),
    })
}

/// Has the API server admit a manifest; a refusal has all of its reasons.
pub(super) fn admit(manifest: &Manifest, options: ModelOptions, channel: ApiChannel) -> StoredManifest<'_> {
    let ModelOptions { version, field_validation, .. } = options;
    let admission = admission::admit_by(channel, &manifest.root, version, field_validation);
    let messages: Vec<&str> = admission.refusals.iter().map(|refusal| refusal.message.as_str()).collect();
    let message = messages.join("; ");
    match admission.refusals.into_iter().next() {
        None => Ok(admission.stored),
        Some(first) => Err(Refusal { message, ..first }),
    }
}
