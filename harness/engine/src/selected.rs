//! What policies select: whom they concern at all, whatever they allow.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::topology::{Endpoint, Labels};

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

impl PolicyModel<'_> {
    /// Finds the pods of the topology and, of nodes with these labels, those that each policy selects which is not
    /// refused.
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
        self.subjects.iter().filter_map(|(endpoint, subject)| match endpoint {
            Endpoint::Pod(name) if selector.selects(&subject.identity) => Some(name.clone()),
            _ => None,
        })
    }
}

fn selected_nodes(selector: &Selector, nodes: &BTreeMap<String, Labels>) -> impl Iterator<Item = String> {
    let is_selected = |labels: &Labels| {
        let labels = labels.iter().map(|(key, value)| Label::kubernetes(key.as_str(), value.as_str()));
        selector.selects(&Identity { labels: labels.collect(), ..Identity::default() })
    };
    nodes.iter().filter(move |(_, labels)| is_selected(labels)).map(|(name, _)| name.clone())
}
