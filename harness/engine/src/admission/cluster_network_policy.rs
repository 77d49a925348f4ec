//! The fields of a `ClusterNetworkPolicy`, as the two channels of its project define them.
//!
//! <https://network-policy-api.sigs.k8s.io/reference/spec/>

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::version::CiliumVersion;

use super::check::refuse;
use super::metadata::METADATA;
use super::schema::{
    Field, MappingCheck, ObjectSchema, SizeLimit, TextForm, TextRule, Type, list, object, optional, required,
};
use super::text;
use crate::refusal::Refusal;
use crate::versions::ALWAYS;

const TEXT: Type = Type::Text(&[]);

const fn form(form: TextForm) -> TextRule {
    TextRule { versions: ALWAYS, form }
}

/// A list of 1 to 25 elements.
const fn some(element: &'static Type) -> Type {
    Type::List { element, most: SizeLimit { most: 25, fewest: 1, versions: ALWAYS } }
}

/// A mapping that must have exactly one key.
const fn one_of(fields: &'static [Field]) -> ObjectSchema {
    ObjectSchema { fields, groups: &[], extra: Some(one_property) }
}

/// A mapping with a check that its fields cannot express.
const fn checked(fields: &'static [Field], extra: MappingCheck) -> ObjectSchema {
    ObjectSchema { fields, groups: &[], extra: Some(extra) }
}

/// `ClusterNetworkPolicy` of the experimental channel.
pub(super) const POLICY: ObjectSchema = object(&[
    optional("apiVersion", TEXT),
    optional("kind", TEXT),
    required("metadata", METADATA),
    required("spec", Type::Object(&SPEC)),
    optional("status", Type::Anything),
]);

/// `ClusterNetworkPolicy` of the standard channel, whose egress peers are neither nodes nor domain names.
pub(super) const STANDARD_POLICY: ObjectSchema = object(&[
    optional("apiVersion", TEXT),
    optional("kind", TEXT),
    required("metadata", METADATA),
    required("spec", Type::Object(&STANDARD_SPEC)),
    optional("status", Type::Anything),
]);

const RULES_LIMIT: SizeLimit = SizeLimit { most: 25, fewest: 0, versions: ALWAYS };

const INGRESS_RULES: Field =
    optional("ingress", Type::List { element: &Type::Object(&INGRESS), most: RULES_LIMIT });
const PRIORITY: Field = required("priority", Type::Integer(0, 1000));
const SUBJECT: Field =
    required("subject", Type::Object(&one_of(&[optional("namespaces", SELECTOR), optional("pods", PODS)])));
const TIER: Field = required("tier", Type::Text(&[form(TextForm::OneOf(&["Admin", "Baseline"]))]));

const SPEC: ObjectSchema = object(&[
    optional("egress", Type::List { element: &Type::Object(&EGRESS), most: RULES_LIMIT }),
    INGRESS_RULES,
    PRIORITY,
    SUBJECT,
    TIER,
]);

const STANDARD_SPEC: ObjectSchema = object(&[
    optional("egress", Type::List { element: &Type::Object(&STANDARD_EGRESS), most: RULES_LIMIT }),
    INGRESS_RULES,
    PRIORITY,
    SUBJECT,
    TIER,
]);

const ACTION: Type = Type::Text(&[form(TextForm::OneOf(&["Accept", "Deny", "Pass"]))]);
const NAME: Type = Type::Text(&[form(TextForm::AtMost(100))]);

const INGRESS: ObjectSchema = object(&[
    required("action", ACTION),
    required(
        "from",
        some(&Type::Object(&one_of(&[optional("namespaces", SELECTOR), optional("pods", PODS)]))),
    ),
    optional("name", NAME),
    optional("protocols", PROTOCOLS),
]);

const EGRESS: ObjectSchema = checked(
    &[
        required("action", ACTION),
        optional("name", NAME),
        optional("protocols", PROTOCOLS),
        required("to", some(&Type::Object(&EGRESS_PEER))),
    ],
    port_names_beside_addresses,
);

const EGRESS_PEER: ObjectSchema = checked(
    &[
        optional("domainNames", some(&Type::Text(&[form(TextForm::Pattern(text::is_domain, text::DOMAIN))]))),
        optional("namespaces", SELECTOR),
        optional("networks", some(&Type::Text(&[form(TextForm::AtMost(43))]))),
        optional("nodes", SELECTOR),
        optional("pods", PODS),
    ],
    egress_peer,
);

/// It does not check port names beside networks.
const STANDARD_EGRESS: ObjectSchema = object(&[
    required("action", ACTION),
    optional("name", NAME),
    optional("protocols", PROTOCOLS),
    required("to", some(&Type::Object(&STANDARD_EGRESS_PEER))),
]);

const STANDARD_EGRESS_PEER: ObjectSchema = checked(
    &[
        optional("namespaces", SELECTOR),
        optional("networks", some(&Type::Text(&[form(TextForm::AtMost(43))]))),
        optional("pods", PODS),
    ],
    egress_peer,
);

const PODS: Type =
    Type::Object(&object(&[optional("namespaceSelector", SELECTOR), required("podSelector", SELECTOR)]));

/// A selector of which only the shape is checked: any operator is accepted.
const SELECTOR: Type = Type::Object(&object(&[
    optional(
        "matchExpressions",
        list(&Type::Object(&object(&[
            required("key", TEXT),
            required("operator", TEXT),
            optional("values", list(&TEXT)),
        ]))),
    ),
    optional("matchLabels", Type::Texts(&[])),
]));

const PROTOCOLS: Type = some(&Type::Object(&one_of(&[
    optional("destinationNamedPort", TEXT),
    optional("sctp", PROTOCOL),
    optional("tcp", PROTOCOL),
    optional("udp", PROTOCOL),
])));

const PROTOCOL: Type = Type::Object(&one_of(&[optional("destinationPort", Type::Object(&PORT))]));

const PORT: ObjectSchema =
    one_of(&[optional("number", Type::Integer(1, 65_535)), optional("range", Type::Object(&RANGE))]);

const RANGE: ObjectSchema = checked(
    &[required("end", Type::Integer(1, 65_535)), required("start", Type::Integer(1, 65_535))],
    start_before_end,
);

fn one_property(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    match node.entries().len() {
        0 => {
            let message =
                format!("{path}: Invalid value: 0: {path} in body should have at least 1 properties");
            refuse(node, message, refusals);
        }
        1 => {}
        more => refuse(node, format!("{path}: Too many: {more}: must have at most 1 item"), refusals),
    }
}

fn egress_peer(node: &YamlNode, path: &str, version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    one_property(node, path, version, refusals);
    for key in ["domainNames", "networks"] {
        let elements = node.get(key).map_or(&[][..], YamlNode::elements);
        for (index, element) in elements.iter().enumerate() {
            let Some(text) = element.text() else { continue };
            if elements[..index].iter().any(|before| before.text() == Some(text)) {
                refuse(element, format!("{path}.{key}[{index}]: Duplicate value: {text:?}"), refusals);
            }
            if key == "networks" && !text::is_canonical_cidr(text) {
                let message =
                    format!("{path}.{key}[{index}]: Invalid value: {text:?}: Invalid CIDR format provided");
                refuse(element, message, refusals);
            }
        }
    }
}

fn port_names_beside_addresses(
    node: &YamlNode,
    path: &str,
    _version: CiliumVersion,
    refusals: &mut Vec<Refusal>,
) {
    let any = |list: &str, keys: &[&str]| {
        let elements = node.get(list).map_or(&[][..], YamlNode::elements);
        elements.iter().any(|element| keys.iter().any(|key| element.get(key).is_some()))
    };
    if any("to", &["networks", "nodes", "domainNames"]) && any("protocols", &["destinationNamedPort"]) {
        let message = "networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts \
                       for networks/nodes/domainNames";
        refuse(node, format!("{path}: Invalid value: {message}"), refusals);
    }
}

fn start_before_end(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let number = |key: &str| match node.get(key)?.value {
        Value::Integer(number) => Some(number),
        _ => None,
    };
    if let (Some(start), Some(end)) = (number("start"), number("end"))
        && start >= end
    {
        let message = format!("{path}: Invalid value: Start port must be less than End port");
        refuse(node, message, refusals);
    }
}
