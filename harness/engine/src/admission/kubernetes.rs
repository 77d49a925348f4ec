//! The fields of a `NetworkPolicy`, and what Kubernetes checks beyond them.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/>

use ipnet::IpNet;
use verdikt_scenario::document::{Node, Value};
use verdikt_scenario::version::CiliumVersion;

use super::Refusal;
use super::schema::{ALWAYS, Form, Object, TextRule, Type, list, object, optional, required};
use super::text;

const TEXT: Type = Type::Text(&[]);

const fn words(words: &'static [&'static str]) -> TextRule {
    TextRule { versions: ALWAYS, form: Form::OneOf(words) }
}

/// `NetworkPolicy`.
pub(super) const NETWORK_POLICY: Object = object(&[
    optional("apiVersion", TEXT),
    optional("kind", TEXT),
    required("metadata", Type::Anything),
    optional("spec", Type::Object(&SPEC)),
    optional("status", Type::Anything),
]);

const SPEC: Object = object(&[
    optional("egress", list(&Type::Object(&EGRESS))),
    optional("ingress", list(&Type::Object(&INGRESS))),
    optional("podSelector", SELECTOR),
    optional("policyTypes", list(&Type::Text(&[words(&["Ingress", "Egress"])]))),
]);

const INGRESS: Object = object(&[optional("from", PEERS), optional("ports", PORTS)]);
const EGRESS: Object = object(&[optional("ports", PORTS), optional("to", PEERS)]);

const PEERS: Type = list(&Type::Object(&Object {
    fields: &[
        optional("ipBlock", Type::Object(&IP_BLOCK)),
        optional("namespaceSelector", SELECTOR),
        optional("podSelector", SELECTOR),
    ],
    groups: &[],
    extra: Some(check_peer),
}));

const IP_BLOCK: Object = Object {
    fields: &[required("cidr", TEXT), optional("except", list(&TEXT))],
    groups: &[],
    extra: Some(check_block),
};

const PORTS: Type = list(&Type::Object(&Object {
    fields: &[
        optional("endPort", Type::Integer(1, 65_535)),
        optional("port", Type::IntegerOrText(&[])),
        optional("protocol", Type::Text(&[words(&["TCP", "UDP", "SCTP"])])),
    ],
    groups: &[],
    extra: Some(check_port),
}));

const SELECTOR: Type = Type::Object(&object(&[
    optional(
        "matchLabels",
        Type::Texts(&[
            TextRule { versions: ALWAYS, form: Form::AtMost(63) },
            TextRule {
                versions: ALWAYS,
                form: Form::Pattern(text::is_label_value, "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"),
            },
        ]),
    ),
    optional(
        "matchExpressions",
        list(&Type::Object(&Object {
            fields: &[
                required("key", TEXT),
                required("operator", Type::Text(&[words(&["In", "NotIn", "Exists", "DoesNotExist"])])),
                optional("values", list(&TEXT)),
            ],
            groups: &[],
            extra: Some(check_expression),
        })),
    ),
]));

fn refuse(node: &Node, message: String, refusals: &mut Vec<Refusal>) {
    refusals.push(Refusal { message, position: node.position });
}

fn check_expression(node: &Node, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let count = node.get("values").map_or(0, |values| values.elements().len());
    match node.get("operator").and_then(Node::text) {
        Some("In" | "NotIn") if count == 0 => {
            let message = "Required value: must be specified when `operator` is 'In' or 'NotIn'";
            refuse(node, format!("{path}.values: {message}"), refusals);
        }
        Some("Exists" | "DoesNotExist") if count > 0 => {
            let message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            refuse(node, format!("{path}.values: {message}"), refusals);
        }
        _ => {}
    }
}

fn check_peer(node: &Node, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
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

fn check_block(node: &Node, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let prefix = |node: &Node, path: &str, refusals: &mut Vec<Refusal>| {
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
    for (index, excepted) in node.get("except").map_or(&[][..], Node::elements).iter().enumerate() {
        let path = format!("{path}.except[{index}]");
        let Some(inner) = prefix(excepted, &path, refusals) else { continue };
        if !within.contains(&inner.network()) || inner.prefix_len() <= within.prefix_len() {
            let message = format!("{path}: Invalid value: \"{inner}\": must be a strict subset of `cidr`");
            refuse(excepted, message, refusals);
        }
    }
}

fn check_port(node: &Node, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let end_port = node.get("endPort");
    match node.get("port").map(|port| (port, &port.value)) {
        None => {
            if let Some(end) = end_port {
                refuse(
                    end,
                    format!(
                        "{path}.endPort: Invalid value: may not be specified when `port` is not specified"
                    ),
                    refusals,
                );
            }
        }
        Some((port, Value::Integer(number))) => {
            if !(1..=65_535).contains(number) {
                refuse(
                    port,
                    format!("{path}.port: Invalid value: {number}: must be between 1 and 65535, inclusive"),
                    refusals,
                );
            }
            if let Some(Node { value: Value::Integer(end), .. }) = end_port
                && end < number
            {
                refuse(
                    node,
                    format!("{path}.endPort: Invalid value: {end}: must be greater than or equal to `port`"),
                    refusals,
                );
            }
        }
        Some((port, Value::Text(name))) => {
            if !is_port_name(name) {
                let message = "must be a valid port name: at most 15 lower-case letters, digits and single inner hyphens, with at least one letter";
                refuse(port, format!("{path}.port: Invalid value: {name:?}: {message}"), refusals);
            }
            if let Some(end) = end_port {
                refuse(
                    end,
                    format!("{path}.endPort: Invalid value: may not be specified when `port` is non-numeric"),
                    refusals,
                );
            }
        }
        Some(_) => {}
    }
}

fn is_port_name(name: &str) -> bool {
    name.parse::<verdikt_scenario::name::PortName>().is_ok()
}
