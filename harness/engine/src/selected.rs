//! The endpoints that policies select, whatever they allow.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::policy::{ObjectRef, PolicyKind};
use verdikt_scenario::topology::{Endpoint, Labels};

use crate::acceptance::Acceptance;
use crate::identity::Identity;
use crate::label::Label;
use crate::model::PolicyModel;
use crate::rule::Subject;
use crate::selector::Selector;

/// The pods and nodes that a policy selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// The pods of the topology.
    pub pods: BTreeSet<NamespacedName>,
    /// The nodes, by name.
    pub nodes: BTreeSet<String>,
}

/// The endpoints that policies without a namespace select, in any topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterwideSubjects {
    selectors: BTreeSet<Selector>,
    /// Whether they may be any endpoint: the subject of a refused policy is unknown, and selecting a node affects
    /// every endpoint.
    everybody: bool,
}

impl ClusterwideSubjects {
    /// Adds the endpoints that other policies select.
    pub fn extend(&mut self, other: Self) {
        self.selectors.extend(other.selectors);
        self.everybody |= other.everybody;
    }

    /// Whether any of these identities is selected, or may be; never if there is no policy.
    pub fn select_any<'a>(&self, identities: impl IntoIterator<Item = &'a Identity>) -> bool {
        let selects = |identity| self.selectors.iter().any(|selector| selector.selects(identity));
        self.everybody || identities.into_iter().any(selects)
    }
}

impl PolicyModel<'_> {
    /// Finds the endpoints that the policies without a namespace select.
    pub fn clusterwide_subjects(&self) -> ClusterwideSubjects {
        let is_clusterwide = |object: &ObjectRef| match object.policy_kind() {
            Some(PolicyKind::CiliumCidrGroup) => false,
            Some(kind) => !kind.is_namespaced(),
            None => true,
        };
        let mut subjects = ClusterwideSubjects::default();
        for (object, acceptance) in self.objects.iter().zip(self.acceptances()) {
            subjects.everybody |= is_clusterwide(&object.reference) && *acceptance != Acceptance::Accepted;
        }
        for rule in &*self.rules {
            let object = rule.entries.first().map(|entry| &self.objects[entry.origin.object].reference);
            if !object.is_none_or(is_clusterwide) {
                continue;
            }
            match &rule.subject {
                Subject::Endpoints(selector) => drop(subjects.selectors.insert(selector.clone())),
                Subject::Nodes(_) => subjects.everybody = true,
            }
        }
        subjects
    }

    /// The identities of the pods of the topology.
    pub fn pod_identities(&self) -> impl Iterator<Item = (&NamespacedName, &Identity)> {
        self.subjects.iter().filter_map(|(endpoint, subject)| match endpoint {
            Endpoint::Pod(name) => Some((name, &subject.identity)),
            _ => None,
        })
    }

    /// Finds the endpoints that each accepted policy selects: pods of the topology, and nodes among those with these
    /// labels.
    pub fn selected(&self, nodes: &BTreeMap<String, Labels>) -> BTreeMap<ObjectRef, Selected> {
        let mut found: BTreeMap<ObjectRef, Selected> = BTreeMap::new();
        for rule in &*self.rules {
            let Some(entry) = rule.entries.first() else { continue };
            let object = self.objects[entry.origin.object].reference.clone();
            let selected = found.entry(object).or_default();
            match &rule.subject {
                Subject::Endpoints(selector) => selected.pods.extend(self.selected_pods(selector)),
                Subject::Nodes(selector) => selected.nodes.extend(selected_nodes(selector, nodes)),
            }
        }
        found
    }

    fn selected_pods(&self, selector: &Selector) -> impl Iterator<Item = NamespacedName> {
        let selected = self.pod_identities().filter(|(_, identity)| selector.selects(identity));
        selected.map(|(name, _)| name.clone())
    }
}

fn selected_nodes(selector: &Selector, nodes: &BTreeMap<String, Labels>) -> impl Iterator<Item = String> {
    let is_selected = |labels: &Labels| {
        let labels = labels.iter().map(|(key, value)| Label::kubernetes(key.as_str(), value.as_str()));
        selector.selects(&Identity { labels: labels.collect(), ..Identity::default() })
    };
    nodes.iter().filter(move |(_, labels)| is_selected(labels)).map(|(name, _)| name.clone())
}
