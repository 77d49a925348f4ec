//! Reads label selectors, with their implied requirements.

use compact_str::{CompactString, format_compact};
use verdikt_scenario::document::{Value, YamlNode};

use super::{cannot_decode, element_text, list, refusal, text};
use crate::behaviour::Behaviour;
use crate::label::{CLUSTER, CLUSTER_NAME, LabelSource, NAMESPACE, NAMESPACE_LABELS};
use crate::refusal::Refusal;
use crate::selector::{Operator, Requirement, Selector};

/// Reads a selector. Keys may have a source before their first colon, except in Kubernetes' own selectors.
pub(super) fn selector(node: &YamlNode, keys: Keys, behaviour: &Behaviour) -> Result<Selector, Refusal> {
    let mut requirements = Vec::new();
    if let Some(labels) = node.get("matchLabels") {
        if !matches!(labels.value, Value::Map(_)) {
            return Err(cannot_decode(labels, "matchLabels", "a mapping"));
        }
        for entry in labels.entries() {
            let value = match &entry.value.value {
                Value::Null => "",
                Value::Text(value) => value,
                _ => return Err(cannot_decode(&entry.value, "matchLabels", "a text")),
            };
            check_key(&entry.key, "matchLabels", &entry.value, behaviour)?;
            check_value(value, "matchLabels", &entry.value)?;
            requirements.push(keys.requirement(&entry.key, Operator::equals(value)));
        }
    }
    for (index, expression) in list(node, "matchExpressions")?.unwrap_or_default().iter().enumerate() {
        requirements.push(self::expression(expression, index, keys, behaviour)?);
    }
    Ok(Selector { requirements })
}

/// How the keys of a selector are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// As in Cilium's policies: `k8s:app`, `any:app`, `app`.
    WithSource,
    /// As in a `podSelector`: Kubernetes is the source.
    OfPods,
    /// As in a `cidrGroupSelector`: labels of the groups that an address belongs to.
    OfCidrGroups,
    /// As in a `namespaceSelector`: labels of the namespace, as its pods inherit them.
    OfNamespaces,
    /// As in a selector of nodes.
    OfNodes,
}

impl Keys {
    pub(super) fn requirement(self, key: &str, operator: Operator) -> Requirement {
        let (source, key) = match self {
            Self::WithSource => {
                let (source, key) = Requirement::split_key(key);
                (source, key.into())
            }
            Self::OfPods => (Some(LabelSource::Kubernetes), key.into()),
            Self::OfNodes => (Some(LabelSource::Node), key.into()),
            Self::OfCidrGroups => (Some(LabelSource::CidrGroup), key.into()),
            Self::OfNamespaces => (Some(LabelSource::Kubernetes), format_compact!("{NAMESPACE_LABELS}{key}")),
        };
        Requirement { source, key, operator, implied: false }
    }
}

fn expression(
    node: &YamlNode,
    index: usize,
    keys: Keys,
    behaviour: &Behaviour,
) -> Result<Requirement, Refusal> {
    let path = format!("matchExpressions[{index}]");
    let key = text(node, "key")?.unwrap_or_default();
    check_key(key, &format!("{path}.key"), node, behaviour)?;
    let listed = list(node, "values")?.unwrap_or_default();
    let values = || -> Result<Vec<CompactString>, Refusal> {
        if listed.is_empty() {
            let message = "Required value: must be specified when `operator` is 'In' or 'NotIn'";
            return Err(refusal(node, format!("invalid label selector: {path}.values: {message}")));
        }
        let read = |value: &YamlNode| {
            let text = element_text(value, "values")?;
            check_value(text, &format!("{path}.values"), value)?;
            Ok(text.into())
        };
        listed.iter().map(read).collect()
    };
    let nothing = || {
        let message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
        let message = format!("invalid label selector: {path}.values: {message}");
        if listed.is_empty() { Ok(()) } else { Err(refusal(node, message)) }
    };
    let operator = match text(node, "operator")? {
        Some("In") => Operator::In(values()?),
        Some("NotIn") => Operator::NotIn(values()?),
        Some("Exists") => nothing().map(|()| Operator::Exists)?,
        Some("DoesNotExist") => nothing().map(|()| Operator::DoesNotExist)?,
        other => {
            let other = other.unwrap_or_default();
            let message = format!("{path}.operator: Invalid value: {other:?}: not a valid selector operator");
            return Err(refusal(node, format!("invalid label selector: {message}")));
        }
    };
    Ok(keys.requirement(key, operator))
}

/// The refusal of a key whose name is not a qualified name.
const UNQUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
                                with an alphanumeric character";

/// A key is an optional source and a qualified name.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
fn check_key(key: &str, path: &str, node: &YamlNode, behaviour: &Behaviour) -> Result<(), Refusal> {
    let (source, name) = key.split_once(':').map_or((None, key), |(source, name)| (Some(source), name));
    let (prefix, name) = name.split_once('/').map_or((None, name), |(prefix, name)| (Some(prefix), name));
    let invalid = |why: &str| {
        Err(refusal(node, format!("invalid label selector: {path}: Invalid value: {key:?}: {why}")))
    };
    if let Some(source) = source {
        let is_alphanumeric = !source.is_empty() && source.bytes().all(|c| c.is_ascii_alphanumeric());
        if behaviour.label_sources_are_alphanumeric && !is_alphanumeric {
            return invalid("label source should be a non empty string with only alphanumeric characters");
        }
        // If sources are not checked, they are part of the name.
        if behaviour.label_sources_have_no_blank && source.contains(' ') {
            return invalid(UNQUALIFIED_NAME);
        }
    }
    if name.is_empty() {
        return invalid("name part must be non-empty");
    }
    if name.len() > 63 {
        return invalid("name part must be no more than 63 characters");
    }
    if !is_qualified(name) {
        return invalid(UNQUALIFIED_NAME);
    }
    let is_prefix = |prefix: &str| verdikt_scenario::name::is_dns_subdomain(prefix);
    if prefix.is_some_and(|prefix| !is_prefix(prefix)) {
        return invalid("prefix part must be a lower-case DNS subdomain");
    }
    Ok(())
}

/// A value is empty, or at most 63 characters of the same kind as a key's.
fn check_value(value: &str, path: &str, node: &YamlNode) -> Result<(), Refusal> {
    let invalid = |why: &str| {
        Err(refusal(node, format!("invalid label selector: {path}: Invalid value: {value:?}: {why}")))
    };
    if value.len() > 63 {
        return invalid("must be no more than 63 characters");
    }
    if !value.is_empty() && !is_qualified(value) {
        return invalid(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        );
    }
    Ok(())
}

fn is_qualified(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// The namespace that a peer selector implies if it names none.
#[derive(Clone, Copy)]
pub(super) enum ImpliedNamespace<'n> {
    /// The namespace of the policy.
    OfPolicy(&'n str),
    /// Any namespace, but one.
    Any,
    /// No requirement, not even that there is a namespace.
    None,
}

/// Adds the implied requirements of a peer selector: the policy's namespace (or any namespace at all), and the local
/// cluster.
pub(super) fn imply_peer(selector: &mut Selector, namespace: ImpliedNamespace<'_>, behaviour: &Behaviour) {
    if selector.has_key(|requirement| requirement.source == Some(LabelSource::Reserved)) {
        return;
    }
    let from_kubernetes =
        |requirement: &Requirement| matches!(requirement.source, None | Some(LabelSource::Kubernetes));
    if !selector.has_key(|requirement| from_kubernetes(requirement) && requirement.key == NAMESPACE) {
        match namespace {
            ImpliedNamespace::OfPolicy(namespace) => {
                let spans_namespaces = selector.has_key(|requirement| {
                    from_kubernetes(requirement) && requirement.key.starts_with(NAMESPACE_LABELS)
                });
                if !spans_namespaces {
                    let operator = Operator::equals(namespace);
                    selector.requirements.push(Requirement::implied(NAMESPACE, operator));
                }
            }
            ImpliedNamespace::Any => {
                selector.requirements.push(Requirement::implied(NAMESPACE, Operator::Exists));
            }
            ImpliedNamespace::None => {}
        }
    }
    imply_cluster(selector, behaviour);
}

/// Adds the implied requirements of a selector of `fromNodes` and `toNodes`: a node other than the subject, and the
/// local cluster. <https://github.com/cilium/cilium/blob/v1.18.3/pkg/k8s/apis/cilium.io/utils/utils.go>
/// (`parseToCiliumIngressCommonRule`)
pub(super) fn imply_node(selector: &mut Selector, behaviour: &Behaviour) {
    let remote = Requirement::implied("remote-node", Operator::Exists);
    selector.requirements.push(Requirement { source: Some(LabelSource::Reserved), ..remote });
    imply_cluster(selector, behaviour);
}

/// Adds the local cluster to a peer selector that names no cluster.
pub(super) fn imply_cluster(selector: &mut Selector, behaviour: &Behaviour) {
    let names_cluster = selector.has_key(|requirement| {
        matches!(requirement.source, None | Some(LabelSource::Kubernetes)) && requirement.key == CLUSTER
    });
    if behaviour.peers_are_of_the_local_cluster && !names_cluster {
        let operator = Operator::equals(CLUSTER_NAME);
        selector.requirements.push(Requirement::implied(CLUSTER, operator));
    }
}

/// Restricts the subject of a namespaced policy to its namespace. A label of the written selector with exactly the
/// key of the namespace is replaced. One written without a source, or as an expression, stays, so that both must
/// hold.
pub(super) fn confine_subject(selector: &mut Selector, written: &YamlNode, namespace: &str) {
    let labels = written.get("matchLabels").map_or(&[][..], YamlNode::entries);
    let replaced = labels.iter().position(|entry| entry.key.strip_prefix("k8s:") == Some(NAMESPACE));
    if let Some(index) = replaced {
        selector.requirements.remove(index);
    }
    let operator = Operator::equals(namespace);
    selector.requirements.push(Requirement::implied(NAMESPACE, operator));
}
