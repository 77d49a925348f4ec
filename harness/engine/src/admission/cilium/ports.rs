//! The fields of `toPorts` and `icmps`: ports, ICMP types, and rules for proxies.

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::version::CiliumVersion;

use super::super::check::refuse;
use super::super::schema::{
    Field, GroupRule, KeyGroup, ObjectSchema, SizeLimit, TextForm, TextRule, Type, in_versions, list, object,
    optional, required,
};
use super::super::text;
use super::{NAMES, TEXT, form, form_in};
use crate::behaviour::{self, LONGEST_NAME, MOST_PORTS};
use crate::refusal::Refusal;
use crate::versions::ALWAYS;

const FORTY: SizeLimit = SizeLimit { most: MOST_PORTS, fewest: 0, versions: ALWAYS };

pub(super) const ICMPS: Type = list(&Type::Object(&object(&[optional(
    "fields",
    Type::List {
        element: &Type::Object(&object(&[
            optional("family", Type::Text(&[form(TextForm::OneOf(&["IPv4", "IPv6"]))])),
            required(
                "type",
                Type::IntegerOrText(&[form(TextForm::Pattern(text::is_icmp_type, text::ICMP_TYPE))]),
            ),
        ])),
        most: FORTY,
    },
)])));

const PORT: Type = Type::Object(&object(&[
    optional("endPort", Type::Integer(0, 65_535)),
    Field {
        name: "port",
        kind: Type::Text(&[form(TextForm::Pattern(text::is_port, text::PORT))]),
        required: behaviour::schema::PORT_IS_REQUIRED,
        exists: ALWAYS,
    },
    optional("protocol", Type::Text(&[protocols(0), protocols(1), protocols(2)])),
]));

const fn protocols(index: usize) -> TextRule {
    let (versions, words) = behaviour::schema::PROTOCOLS[index];
    form_in(versions, TextForm::OneOf(words))
}

pub(super) const PORT_DENY_RULE: ObjectSchema = object(&[optional("ports", list(&PORT))]);

pub(super) const PORT_RULE: ObjectSchema = ObjectSchema {
    fields: &[
        optional("listener", Type::Object(&LISTENER)),
        optional("originatingTLS", TLS),
        optional("ports", Type::List { element: &PORT, most: FORTY }),
        optional("rules", Type::Object(&L7_RULES)),
        optional(
            "serverNames",
            Type::List {
                element: &SERVER_NAME,
                most: SizeLimit {
                    most: usize::MAX,
                    fewest: 1,
                    versions: behaviour::schema::SERVER_NAME_LIMITS,
                },
            },
        ),
        optional("terminatingTLS", TLS),
    ],
    groups: &[],
    extra: Some(distinct_server_names),
};

const SERVER_NAME: Type = Type::Text(&[
    form_in(behaviour::schema::SERVER_NAME_LIMITS, TextForm::AtMost(LONGEST_NAME)),
    form_in(
        behaviour::schema::SERVER_NAMES_WITH_LEADING_STAR,
        TextForm::Pattern(text::is_server_name_with_leading_star, text::SERVER_NAME),
    ),
    form_in(
        behaviour::schema::SERVER_NAMES_WITH_STARS,
        TextForm::Pattern(text::is_match_pattern, text::MATCH_PATTERN),
    ),
]);

/// Checks that the server names are a set, if they have to be.
fn distinct_server_names(node: &YamlNode, path: &str, version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    if !behaviour::schema::SERVER_NAME_LIMITS.contain(version) {
        return;
    }
    let names = node.get("serverNames").map_or(&[][..], YamlNode::elements);
    for (index, name) in names.iter().enumerate() {
        if let Some(text) = name.text()
            && names[..index].iter().any(|before| before.text() == Some(text))
        {
            refuse(name, format!("{path}.serverNames[{index}]: Duplicate value: {text:?}"), refusals);
        }
    }
}

const NOT_EMPTY: Type = Type::Text(&[form(TextForm::NotEmpty)]);

const LISTENER: ObjectSchema = object(&[
    required(
        "envoyConfig",
        Type::Object(&object(&[
            optional(
                "kind",
                Type::Text(&[form(TextForm::OneOf(&["CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"]))]),
            ),
            required("name", NOT_EMPTY),
        ])),
    ),
    required("name", NOT_EMPTY),
    optional("priority", Type::Integer(1, 100)),
]);

const SECRET: Type = Type::Object(&object(&[required("name", TEXT), optional("namespace", TEXT)]));

const TLS: Type = Type::Object(&object(&[
    optional("certificate", TEXT),
    optional("privateKey", TEXT),
    required("secret", SECRET),
    optional("trustedCA", TEXT),
]));

const L7_RULES: ObjectSchema = ObjectSchema {
    fields: &[
        optional("dns", NAMES),
        optional("http", list(&Type::Object(&HTTP))),
        in_versions("kafka", list(&Type::Object(&KAFKA)), behaviour::schema::OTHER_L7_RULES),
        in_versions("l7", list(&Type::Texts(&[])), behaviour::schema::OTHER_L7_RULES),
        in_versions("l7proto", TEXT, behaviour::schema::OTHER_L7_RULES),
    ],
    groups: &[
        KeyGroup {
            rule: GroupRule::OneOf,
            keys: &["http", "kafka", "dns", "l7proto"],
            versions: behaviour::schema::OTHER_L7_RULES,
        },
        KeyGroup {
            rule: GroupRule::OneOf,
            keys: &["http", "dns"],
            versions: behaviour::schema::ONLY_HTTP_AND_DNS,
        },
    ],
    extra: None,
};

const KAFKA: ObjectSchema = object(&[
    optional("apiKey", TEXT),
    optional("apiVersion", TEXT),
    optional("clientID", TEXT),
    optional("role", Type::Text(&[form(TextForm::OneOf(&["produce", "consume"]))])),
    optional("topic", Type::Text(&[form(TextForm::AtMost(255))])),
]);

const HTTP: ObjectSchema = object(&[
    optional(
        "headerMatches",
        list(&Type::Object(&object(&[
            optional("mismatch", Type::Text(&[form(TextForm::OneOf(&["LOG", "ADD", "DELETE", "REPLACE"]))])),
            required("name", NOT_EMPTY),
            optional("secret", SECRET),
            optional("value", TEXT),
        ]))),
    ),
    optional("headers", list(&TEXT)),
    // The API server does not check its format, `idn-hostname`.
    optional("host", TEXT),
    optional("method", TEXT),
    optional("path", TEXT),
]);
