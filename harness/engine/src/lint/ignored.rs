//! Parts of policies that are accepted and have no effect.

use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::policy::{Manifest, PolicyKind};
use verdikt_scenario::scenario::FieldValidation;

use super::{LintContext, specs};
use crate::admission;
use crate::refusal::RefusalKind;
use crate::rule::{Direction, EmptyPeers, PeerField};

const CODE: &str = "ignored";

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    context.accepted().flat_map(|manifest| of_object(manifest, context)).collect()
}

fn of_object(manifest: &Manifest, context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    let channel = context.model.topology.network_policy_api;
    let version = context.options.version;
    let strict = admission::admit_by(channel, &manifest.root, version, FieldValidation::Strict);
    for refusal in &strict.refusals {
        let RefusalKind::UnknownField { path, meant } = &refusal.kind else { continue };
        let message = format!("the API server drops the field {path:?}, which it does not know");
        let warning = Diagnostic::warning(manifest.place(refusal.position), CODE, message);
        let help = "correct its name; what remains may allow or deny more than you mean".to_owned();
        let help = meant.map_or(help.clone(), |meant| format!("did you mean `{meant}`? {help}"));
        warnings.push(warning.help(help));
    }
    if !manifest.object().policy_kind().is_some_and(PolicyKind::is_of_cilium) {
        return warnings;
    }
    for spec in specs(&manifest.root) {
        of_spec(spec, manifest, context, &mut warnings);
    }
    warnings
}

fn of_spec(spec: &YamlNode, manifest: &Manifest, context: &LintContext<'_>, warnings: &mut Vec<Diagnostic>) {
    let mut warn = |node: &YamlNode, message: String, help: &str| {
        warnings.push(Diagnostic::warning(manifest.place(node.position), CODE, message).help(help));
    };
    let host_firewall = context.model.topology.settings.host_firewall;
    if let Some(selector) = spec.get("nodeSelector").filter(|_| !host_firewall) {
        let message =
            "only the host firewall enforces a policy for nodes, and it is off by default".to_owned();
        warn(selector, message, "switch the host firewall on, or select pods with `endpointSelector`");
    }
    let empty = |node: Option<&YamlNode>| node.is_some_and(|node| node.value == Value::List(Vec::new()));
    let sections =
        [(Direction::Ingress, "ingress", "ingressDeny"), (Direction::Egress, "egress", "egressDeny")];
    for (direction, section, deny) in sections {
        let items = |key: &str| spec.get(key).map_or(0, |list| list.elements().len());
        if let (Some(list), true, 0) = (spec.get(section), empty(spec.get(section)), items(deny)) {
            let message = format!("`{section}: []` has no effect: it does not isolate");
            warn(list, message, &format!("write `{section}: [{{}}]` to isolate, or leave it out"));
        }
        let wanted =
            spec.at(&["enableDefaultDeny", section]).filter(|node| node.value == Value::Boolean(true));
        if let (Some(node), 0) = (wanted, items(section) + items(deny)) {
            let message =
                format!("`enableDefaultDeny.{section}: true` has no effect without an item of `{section}`");
            warn(node, message, &format!("add `{section}: [{{}}]` to isolate"));
        }
        let isolates =
            spec.at(&["enableDefaultDeny", section]).is_none_or(|node| node.value != Value::Boolean(false));
        let allow = if isolates { ItemEffect::AllowAndIsolate } else { ItemEffect::Allow };
        for (list, effect) in [(section, allow), (deny, ItemEffect::Deny)] {
            for item in spec.get(list).map_or(&[][..], YamlNode::elements) {
                of_item(item, direction, effect, &mut warn);
            }
        }
    }
}

/// The purpose of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ItemEffect {
    Allow,
    /// Its presence isolates as well.
    AllowAndIsolate,
    Deny,
}

/// Lists of an item that are empty, or have no effect in a deny rule.
fn of_item(
    item: &YamlNode,
    direction: Direction,
    effect: ItemEffect,
    warn: &mut impl FnMut(&YamlNode, String, &str),
) {
    let denies = effect == ItemEffect::Deny;
    let ports = item.get("toPorts").map_or(&[][..], YamlNode::elements);
    // On its own in an allow rule it is another way to isolate, and may be meant as such.
    let is_alone = ports.is_empty() && item.get("icmps").is_none_or(|icmps| icmps.elements().is_empty());
    let help = "name the peers, or leave the list out if everyone is meant";
    for (field, key) in PeerField::of_cilium().filter_map(|field| Some((field, field.word(direction)?))) {
        let list = item.get(key).filter(|node| matches!(node.value, Value::List(_)));
        let Some(list) = list else { continue };
        if !list.elements().is_empty() {
            if denies && field.leads_through_services() {
                let message = "services are resolved for allow rules only: this denies its ports to everyone";
                warn(list, message.to_owned(), "deny the pods behind the service with `toEndpoints`");
            }
            continue;
        }
        match (field.when_empty(), effect) {
            (EmptyPeers::Absent, _) => {
                let effect = if denies { "denies" } else { "allows" };
                warn(
                    list,
                    format!("`{key}: []` counts as absent: with ports, the rule {effect} everyone"),
                    help,
                );
            }
            (EmptyPeers::Nobody, ItemEffect::AllowAndIsolate) if is_alone => {
                let help = "name the peers, or write the item as `{}` if it should only isolate";
                let message =
                    format!("`{key}: []` matches nothing, so the rule allows nothing and only isolates");
                warn(list, message, help);
            }
            (EmptyPeers::Nobody, _) => {
                let effect = if denies { "denies" } else { "allows" };
                warn(list, format!("`{key}: []` matches nothing, so the rule {effect} nothing"), help);
            }
        }
    }
    for rules in ports.iter().filter_map(|ports| ports.get("rules")) {
        for (key, effect) in
            [("http", "every request passes"), ("dns", "no query is inspected and no name is learned")]
        {
            let Some(list) = rules.get(key).filter(|node| node.value == Value::List(Vec::new())) else {
                continue;
            };
            warn(
                list,
                format!("`{key}: []` is not a rule: {effect}"),
                "write the rules, or leave the list out",
            );
        }
    }
}
