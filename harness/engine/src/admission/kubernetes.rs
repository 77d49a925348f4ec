//! The fields of a `NetworkPolicy`, and what Kubernetes checks beyond them.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/>

use ipnet::IpNet;
use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::version::CiliumVersion;

use super::check::refuse;
use super::label::SELECTOR;
use super::metadata::METADATA;
use super::schema::{ObjectSchema, TextForm, TextRule, Type, list, object, optional, required};
use crate::refusal::Refusal;
use crate::versions::ALWAYS;

const TEXT: Type = Type::Text(&[]);

const fn words(words: &'static [&'static str]) -> TextRule {
    TextRule { versions: ALWAYS, form: TextForm::OneOf(words) }
}

/// `NetworkPolicy`.
pub(super) const NETWORK_POLICY: ObjectSchema = object(&[
    optional("apiVersion", TEXT),
    optional("kind", TEXT),
    required("metadata", METADATA),
    optional("spec", Type::Object(&SPEC)),
    optional("status", Type::Anything),
]);

const SPEC: ObjectSchema = ObjectSchema {
    fields: &[
        optional("egress", list(&Type::Object(&EGRESS))),
        optional("ingress", list(&Type::Object(&INGRESS))),
        optional("podSelector", SELECTOR),
        optional("policyTypes", list(&Type::Text(&[words(&["Ingress", "Egress"])]))),
    ],
    groups: &[],
    extra: Some(check_policy_types),
};

fn check_policy_types(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    if let Some(types) = node.get("policyTypes").filter(|types| types.elements().len() > 2) {
        let message = format!("{path}.policyTypes: Invalid value: may not specify more than two policyTypes");
        refuse(types, message, refusals);
    }
}

const INGRESS: ObjectSchema = object(&[optional("from", PEERS), optional("ports", PORTS)]);
const EGRESS: ObjectSchema = object(&[optional("ports", PORTS), optional("to", PEERS)]);

const PEERS: Type = list(&Type::Object(&ObjectSchema {
    fields: &[
        optional("ipBlock", Type::Object(&IP_BLOCK)),
        optional("namespaceSelector", SELECTOR),
        optional("podSelector", SELECTOR),
    ],
    groups: &[],
    extra: Some(check_peer),
}));

const IP_BLOCK: ObjectSchema = ObjectSchema {
    fields: &[required("cidr", TEXT), optional("except", list(&TEXT))],
    groups: &[],
    extra: Some(check_block),
};

const PORTS: Type = list(&Type::Object(&ObjectSchema {
    fields: &[
        optional("endPort", Type::Integer(i64::MIN, i64::MAX)),
        optional("port", Type::IntegerOrText(&[])),
        optional("protocol", Type::Text(&[words(&["TCP", "UDP", "SCTP"])])),
    ],
    groups: &[],
    extra: Some(check_port),
}));

fn check_peer(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let selectors = ["podSelector", "namespaceSelector"].iter().any(|key| node.get(key).is_some());
    match (node.get("ipBlock").is_some(), selectors) {
        (false, false) => refuse(node, format!("{path}: Required value: must specify a peer"), refusals),
        (true, true) => {
            let message = "Forbidden: may not specify both ipBlock and another peer";
            refuse(node, format!("{path}: {message}"), refusals);
        }
        _ => {}
    }
}

fn check_block(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let prefix = |node: &YamlNode, path: &str, refusals: &mut Vec<Refusal>| {
        let text = node.text()?;
        let parsed: Option<IpNet> = text.parse().ok();
        if parsed.is_none() {
            let message = format!(
                "{path}: Invalid value: {text:?}: must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            );
            refuse(node, message, refusals);
        }
        parsed
    };
    let Some(within) = node.get("cidr").and_then(|cidr| prefix(cidr, &format!("{path}.cidr"), refusals))
    else {
        return;
    };
    for (index, excepted) in node.get("except").map_or(&[][..], YamlNode::elements).iter().enumerate() {
        let path = format!("{path}.except[{index}]");
        let Some(inner) = prefix(excepted, &path, refusals) else { continue };
        if !within.contains(&inner.network()) || inner.prefix_len() <= within.prefix_len() {
            let text = excepted.text().unwrap_or_default();
            let message = format!("{path}: Invalid value: {text:?}: must be a strict subset of `cidr`");
            refuse(excepted, message, refusals);
        }
    }
}

fn check_port(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let end = node.get("endPort").and_then(|node| match node.value {
        Value::Integer(number) => Some((node, number)),
        _ => None,
    });
    let wrong_end = |fault: &str, refusals: &mut Vec<Refusal>| {
        if let Some((node, number)) = end {
            refuse(node, format!("{path}.endPort: Invalid value: {number}: {fault}"), refusals);
        }
    };
    match node.get("port").map(|port| (port, &port.value)) {
        None => wrong_end("may not be specified when `port` is not specified", refusals),
        Some((port, Value::Integer(number))) => {
            if !is_port_number(*number) {
                refuse(port, format!("{path}.port: Invalid value: {number}: {PORT_NUMBER}"), refusals);
            }
            if end.is_some_and(|(_, end)| end < *number) {
                wrong_end("must be greater than or equal to `port`", refusals);
            }
            if end.is_some_and(|(_, end)| !is_port_number(end)) {
                wrong_end(PORT_NUMBER, refusals);
            }
        }
        Some((port, Value::Text(name))) => {
            wrong_end("may not be specified when `port` is non-numeric", refusals);
            for fault in faults_of_port_name(name) {
                refuse(port, format!("{path}.port: Invalid value: {name:?}: {fault}"), refusals);
            }
        }
        Some(_) => {}
    }
}

const PORT_NUMBER: &str = "must be between 1 and 65535, inclusive";

fn is_port_number(number: i64) -> bool {
    (1..=65_535).contains(&number)
}

/// What keeps a text from being a service name: <https://www.rfc-editor.org/rfc/rfc6335#section-5.1>
fn faults_of_port_name(name: &str) -> impl Iterator<Item = &'static str> {
    let letter = |c: char| c.is_ascii_lowercase();
    let faults = [
        (name.len() > 15, "must be no more than 15 characters long"),
        (
            name.is_empty() || !name.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '-'),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (!name.chars().any(letter), "must contain at least one letter (a-z)"),
        (name.contains("--"), "must not contain consecutive hyphens"),
        (name.starts_with('-') || name.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    faults.into_iter().filter_map(|(found, fault)| found.then_some(fault))
}
