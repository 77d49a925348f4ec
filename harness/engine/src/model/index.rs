//! An index of rules by the namespace of the pods that they can select, so that an identity is compared with few of
//! them.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::identity::Identity;
use crate::label::{LabelSource, NAMESPACE};
use crate::rule::{Rule, Subject};
use crate::selector::Operator;

/// The indices of rules, by the namespaces that their subjects name.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleIndex {
    by_namespace: BTreeMap<CompactString, Vec<usize>>,
    /// The rules whose subjects name no namespace.
    anywhere: Vec<usize>,
}

impl RuleIndex {
    /// Sorts rules by namespace.
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            match namespaces(rule) {
                None => index.anywhere.push(number),
                Some(namespaces) => {
                    for namespace in namespaces {
                        index.by_namespace.entry(namespace.clone()).or_default().push(number);
                    }
                }
            }
        }
        index
    }

    /// The rules that may select an identity, in their order.
    pub(super) fn candidates(&self, identity: &Identity) -> Vec<usize> {
        let own = identity.value(NAMESPACE).and_then(|namespace| self.by_namespace.get(namespace));
        let mut candidates = self.anywhere.clone();
        candidates.extend(own.into_iter().flatten());
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

/// The only namespaces whose pods a rule can select; none if its subject may be in any.
fn namespaces(rule: &Rule) -> Option<&[CompactString]> {
    let Subject::Endpoints(selector) = &rule.subject else { return None };
    selector.requirements.iter().find_map(|requirement| {
        let is_namespace =
            requirement.source == Some(LabelSource::Kubernetes) && requirement.key == NAMESPACE;
        match &requirement.operator {
            Operator::In(values) if is_namespace => Some(values.as_slice()),
            _ => None,
        }
    })
}
