//! Values of a `ClusterNetworkPolicy` that the API server accepts, and that Cilium interprets differently.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::policy::{Manifest, PolicyKind};

use super::{LintContext, values_under};
use crate::agent::cluster_network_policy::{PortNameReading, read_port_name};

const CODE: &str = "misread-value";

/// The operators of selectors.
const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let ours = context
        .manifests
        .iter()
        .filter(|manifest| manifest.object().policy_kind() == Some(PolicyKind::ClusterNetworkPolicy));
    let mut warnings = Vec::new();
    for manifest in ours {
        let Some(spec) = manifest.root.get("spec") else { continue };
        operators(spec, manifest, &mut warnings);
        port_names(spec, manifest, &mut warnings);
        for (section, field) in [("ingress", "from"), ("egress", "to")] {
            for rule in spec.get(section).map_or(&[][..], YamlNode::elements) {
                peers(rule, field, manifest, &mut warnings);
            }
        }
    }
    warnings
}

fn warn(manifest: &Manifest, node: &YamlNode, message: String, help: &str, warnings: &mut Vec<Diagnostic>) {
    warnings.push(Diagnostic::warning(manifest.place(node.position), CODE, message).help(help));
}

/// Operators that do not exist: they are not validated, and the agent drops the requirement.
fn operators(spec: &YamlNode, manifest: &Manifest, warnings: &mut Vec<Diagnostic>) {
    let mut lists = Vec::new();
    values_under(spec, "matchExpressions", &mut lists);
    for expression in lists.iter().flat_map(|list| list.elements()) {
        let Some(operator) = expression.get("operator") else { continue };
        let Some(text) = operator.text().filter(|text| !OPERATORS.contains(text)) else { continue };
        let message = format!(
            "`{text}` is not an operator, so Cilium drops this requirement: what remains selects more, and with none \
             left in `namespaces` everyone, nodes and hosts outside included"
        );
        warn(manifest, operator, message, "write In, NotIn, Exists or DoesNotExist", warnings);
    }
}

fn port_names(spec: &YamlNode, manifest: &Manifest, warnings: &mut Vec<Diagnostic>) {
    let mut names = Vec::new();
    values_under(spec, "destinationNamedPort", &mut names);
    for (node, name) in names.iter().filter_map(|node| Some((node, node.text()?))) {
        let (message, help) = match read_port_name(name) {
            PortNameReading::EveryPort => (
                format!("`{name}` cannot be the name of a port, and means every port of TCP, UDP and SCTP"),
                "a name has at most 15 letters, digits and single inner hyphens, one letter at least",
            ),
            PortNameReading::Number(port) => (
                format!("`{name}` is read as the number {port}, for TCP, UDP and SCTP"),
                "write `tcp: {destinationPort: {number: …}}`",
            ),
            PortNameReading::Name if name.bytes().any(|c| c.is_ascii_uppercase()) => (
                format!("no pod has a port called `{name}`: names of ports are lower-case"),
                "write it in lower case",
            ),
            PortNameReading::Name => continue,
        };
        warn(manifest, node, message, help, warnings);
    }
}

fn peers(rule: &YamlNode, field: &str, manifest: &Manifest, warnings: &mut Vec<Diagnostic>) {
    let kinds = ["pods", "namespaces", "nodes", "networks", "domainNames"];
    let action = rule.get("action").and_then(YamlNode::text);
    for peer in rule.get(field).map_or(&[][..], YamlNode::elements) {
        if let Some(namespaces) = peer.get("namespaces").filter(|_| peer.get("pods").is_none()) {
            negative(namespaces, action, manifest, warnings);
        }
        let is_unknown = !kinds.iter().any(|kind| peer.get(kind).is_some());
        if let (true, Some(action @ ("Deny" | "Pass"))) = (is_unknown, action) {
            let message = format!(
                "this peer is of no kind that Cilium knows: where the API server takes it, the {action} denies everyone"
            );
            warn(manifest, peer, message, "name pods, namespaces, nodes or networks", warnings);
        }
    }
}

/// Selectors of namespaces that only exclude: whatever has no namespace lacks the label too.
fn negative(
    namespaces: &YamlNode,
    action: Option<&str>,
    manifest: &Manifest,
    warnings: &mut Vec<Diagnostic>,
) {
    let expressions = namespaces.get("matchExpressions").map_or(&[][..], YamlNode::elements);
    let excludes = |node: &YamlNode| {
        matches!(node.get("operator").and_then(YamlNode::text), Some("NotIn" | "DoesNotExist"))
    };
    let labels = namespaces.get("matchLabels").map_or(&[][..], YamlNode::entries);
    // What an Accept allows this way is reported as for other policies.
    let Some(action) = action.filter(|action| *action != "Accept") else { return };
    if expressions.is_empty() || !labels.is_empty() || !expressions.iter().all(excludes) {
        return;
    }
    let message = format!(
        "`namespaces` that only exclude labels match everything without labels: this {action} applies to nodes and hosts outside too"
    );
    let help = "write it as `pods: {namespaceSelector: …, podSelector: {}}`, which is pods alone";
    warn(manifest, namespaces, message, help, warnings);
}
