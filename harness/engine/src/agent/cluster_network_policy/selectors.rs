//! The selectors of a `ClusterNetworkPolicy`, which are not validated: an invalid requirement is dropped.

use compact_str::CompactString;
use verdikt_scenario::document::{Value, YamlNode};

use super::super::selectors::{Keys, imply_cluster};
use super::super::{list, refusal_of, text};
use crate::behaviour::Behaviour;
use crate::label::{CLUSTER, CLUSTER_NAME, LabelSource, NAMESPACE};
use crate::refusal::{Refusal, RefusalKind};
use crate::rule::{RuleEntry, Subject};
use crate::selector::{Operator, Requirement, Selector};

/// Reads a selector of labels.
pub(super) fn lenient(node: &YamlNode, keys: Keys) -> Result<Selector, Refusal> {
    let mut requirements = Vec::new();
    for entry in node.get("matchLabels").map_or(&[][..], YamlNode::entries) {
        let value = match &entry.value.value {
            Value::Null => "",
            Value::Text(value) => value,
            _ => return Err(super::super::cannot_decode(&entry.value, "matchLabels", "a text")),
        };
        requirements.push(keys.requirement(&entry.key, Operator::equals(value)));
    }
    for expression in list(node, "matchExpressions")?.unwrap_or_default() {
        let values = list(expression, "values")?.unwrap_or_default().iter();
        let values = || -> Vec<CompactString> { values.filter_map(YamlNode::text).map(Into::into).collect() };
        let operator = match text(expression, "operator")? {
            Some("In") => Operator::In(values()),
            Some("NotIn") => Operator::NotIn(values()),
            Some("Exists") => Operator::Exists,
            Some("DoesNotExist") => Operator::DoesNotExist,
            _ => continue,
        };
        requirements.push(keys.requirement(text(expression, "key")?.unwrap_or_default(), operator));
    }
    Ok(Selector { requirements })
}

/// Whether a selector is empty.
fn is_empty(node: &YamlNode) -> bool {
    let is_empty =
        |key: &str| node.get(key).is_none_or(|node| node.entries().is_empty() && node.elements().is_empty());
    is_empty("matchLabels") && is_empty("matchExpressions")
}

/// Pods by the labels of their namespaces. An empty selector selects every pod; one without a valid requirement,
/// everything.
pub(super) fn of_namespaces(node: &YamlNode) -> Result<Selector, Refusal> {
    let mut selector = lenient(node, Keys::OfNamespaces)?;
    if is_empty(node) {
        selector.requirements.push(Requirement::implied(NAMESPACE, Operator::Exists));
    }
    Ok(selector)
}

/// Pods by their own labels and those of their namespaces.
pub(super) fn of_pods(node: &YamlNode) -> Result<Selector, Refusal> {
    let mut selector = match node.get("podSelector") {
        Some(pods) => lenient(pods, Keys::OfPods)?,
        None => Selector::default(),
    };
    let of_namespaces = match node.get("namespaceSelector") {
        Some(namespaces) => self::of_namespaces(namespaces)?.requirements,
        None => vec![Requirement::implied(NAMESPACE, Operator::Exists)],
    };
    selector.requirements.extend(of_namespaces);
    Ok(selector)
}

/// A peer that consists of pods of the local cluster, unless it names a cluster itself.
pub(super) fn peer_of_pods(node: &YamlNode, behaviour: &Behaviour) -> Result<Selector, Refusal> {
    let mut selector = of_pods(node)?;
    imply_cluster(&mut selector, behaviour);
    Ok(selector)
}

/// Nodes by their labels, of the local cluster unless they name one.
pub(super) fn of_nodes(node: &YamlNode) -> Result<Selector, Refusal> {
    let mut selector = lenient(node, Keys::OfNodes)?;
    if !selector.has_key(|requirement| requirement.key == CLUSTER) {
        selector.requirements.push(Requirement {
            source: Some(LabelSource::Node),
            ..Requirement::implied(CLUSTER, Operator::equals(CLUSTER_NAME))
        });
    }
    Ok(selector)
}

/// The pods of DNS servers, by the only label that Cilium checks.
pub(super) fn dns_servers() -> Selector {
    let operator = Operator::equals("kube-dns");
    Selector {
        requirements: vec![Requirement { source: None, key: "k8s-app".into(), operator, implied: true }],
    }
}

/// Reads the subject of rules. Without one the agent crashes if there is any rule.
pub(super) fn subject(spec: &YamlNode, rules: &[RuleEntry]) -> Result<Subject, Refusal> {
    let node = spec.get("subject");
    let by = |key: &str| node.and_then(|node| node.get(key));
    let selector = match (by("namespaces"), by("pods")) {
        (Some(namespaces), _) => of_namespaces(namespaces)?,
        (None, Some(pods)) => of_pods(pods)?,
        (None, None) if !rules.is_empty() => {
            return Err(refusal_of(RefusalKind::Crash, node.unwrap_or(spec), "panic: no subject"));
        }
        (None, None) => {
            let nobody = Requirement::implied(NAMESPACE, Operator::In(Vec::new()));
            Selector { requirements: vec![nobody] }
        }
    };
    Ok(Subject::Endpoints(selector))
}
