//! The fields of Cilium's custom resources.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/policy/#ciliumnetworkpolicy>

mod ports;

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::version::CiliumVersion;

use super::check::refuse;
use super::metadata::METADATA;
use super::schema::{
    GroupRule, KeyGroup, ObjectSchema, SizeLimit, TextForm, TextRule, Type, in_versions, list, object,
    optional, required,
};
use super::text;
use crate::behaviour::{self, LONGEST_NAME};
use crate::refusal::Refusal;
use crate::versions::{ALWAYS, VersionSpan};
use ports::{ICMPS, PORT_DENY_RULE, PORT_RULE};

const TEXT: Type = Type::Text(&[]);

const fn form(form: TextForm) -> TextRule {
    TextRule { versions: ALWAYS, form }
}

const fn form_in(versions: VersionSpan, form: TextForm) -> TextRule {
    TextRule { versions, form }
}

/// `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.
pub(super) const POLICY: ObjectSchema = ObjectSchema {
    fields: &[
        optional("apiVersion", TEXT),
        optional("kind", TEXT),
        required("metadata", METADATA),
        optional("spec", Type::Object(&RULE)),
        optional("specs", list(&Type::Object(&RULE))),
        optional("status", Type::Anything),
    ],
    groups: &[],
    extra: Some(spec_or_specs),
};

/// Whether the API server itself requires a specification.
fn spec_or_specs(node: &YamlNode, _path: &str, version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let is_required = behaviour::schema::SPEC_IS_REQUIRED.contain(version);
    if is_required && node.get("spec").is_none() && node.get("specs").is_none() {
        refuse(node, "<nil>: Invalid value: spec or specs must be provided".to_owned(), refusals);
    }
}

/// `CiliumCIDRGroup`.
pub(super) const CIDR_GROUP: ObjectSchema = object(&[
    optional("apiVersion", TEXT),
    optional("kind", TEXT),
    required("metadata", METADATA),
    required("spec", Type::Object(&object(&[required("externalCIDRs", list(&CIDR))]))),
]);

const RULE: ObjectSchema = ObjectSchema {
    fields: &[
        optional("description", TEXT),
        optional("enableDefaultDeny", Type::Object(&DEFAULT_DENY)),
        optional("endpointSelector", SELECTOR),
        optional("nodeSelector", SELECTOR),
        optional("ingress", list(&Type::Object(&INGRESS))),
        optional("ingressDeny", list(&Type::Object(&INGRESS_DENY))),
        optional("egress", list(&Type::Object(&EGRESS))),
        optional("egressDeny", list(&Type::Object(&EGRESS_DENY))),
        optional("labels", list(&Type::Object(&RULE_LABEL))),
        in_versions("log", Type::Object(&object(&[optional("value", LOG_VALUE)])), behaviour::schema::LOG),
    ],
    groups: &[
        KeyGroup {
            rule: GroupRule::AnyOf,
            keys: &["ingress", "ingressDeny", "egress", "egressDeny"],
            versions: behaviour::schema::DIRECTION_IS_REQUIRED,
        },
        KeyGroup { rule: GroupRule::OneOf, keys: &["endpointSelector", "nodeSelector"], versions: ALWAYS },
    ],
    extra: None,
};

const LOG_VALUE: Type =
    Type::Text(&[form(TextForm::AtMost(32)), form(TextForm::Pattern(text::is_printable, text::PRINTABLE))]);

const DEFAULT_DENY: ObjectSchema =
    object(&[optional("egress", Type::Boolean), optional("ingress", Type::Boolean)]);

const RULE_LABEL: ObjectSchema =
    object(&[required("key", TEXT), optional("source", TEXT), optional("value", TEXT)]);

const SELECTOR: Type = Type::Object(&object(&[
    optional(
        "matchLabels",
        Type::Texts(&[
            form(TextForm::AtMost(63)),
            form(TextForm::Pattern(text::is_label_value, text::LABEL_VALUE)),
        ]),
    ),
    optional(
        "matchExpressions",
        list(&Type::Object(&object(&[
            required("key", TEXT),
            required(
                "operator",
                Type::Text(&[form(TextForm::OneOf(&["In", "NotIn", "Exists", "DoesNotExist"]))]),
            ),
            optional("values", list(&TEXT)),
        ]))),
    ),
]));

const SELECTORS: Type = list(&SELECTOR);
const CIDR: Type = Type::Text(&[form(TextForm::Format(text::is_cidr, "cidr"))]);
const CIDRS: Type = list(&CIDR);

const CIDR_SETS: Type = list(&Type::Object(&ObjectSchema {
    fields: &[
        optional("cidr", CIDR),
        optional(
            "cidrGroupRef",
            Type::Text(&[
                form(TextForm::AtMost(253)),
                form(TextForm::Pattern(text::is_lower_case_name, text::LOWER_CASE_NAME)),
            ]),
        ),
        in_versions("cidrGroupSelector", SELECTOR, behaviour::schema::CIDR_GROUP_SELECTOR),
        optional("except", CIDRS),
    ],
    groups: &[KeyGroup {
        rule: GroupRule::OneOf,
        keys: &["cidr", "cidrGroupRef", "cidrGroupSelector"],
        versions: ALWAYS,
    }],
    extra: None,
}));

const ENTITIES: Type = list(&Type::Text(&[form(TextForm::OneOf(&[
    "all",
    "world",
    "cluster",
    "host",
    "init",
    "ingress",
    "unmanaged",
    "remote-node",
    "health",
    "none",
    "kube-apiserver",
]))]));

const GROUPS: Type = list(&Type::Object(&object(&[optional(
    "aws",
    Type::Object(&object(&[
        optional("labels", Type::Texts(&[])),
        optional("region", TEXT),
        optional("securityGroupsIds", list(&TEXT)),
        optional("securityGroupsNames", list(&TEXT)),
    ])),
)])));

const AUTHENTICATION: Type = Type::Object(&object(&[required(
    "mode",
    Type::Text(&[form(TextForm::OneOf(&["disabled", "required", "test-always-fail"]))]),
)]));

/// A field of older versions, which accepts no elements.
const NO_MORE: Type = Type::List { element: &TEXT, most: SizeLimit { most: 0, fewest: 0, versions: ALWAYS } };

const INGRESS: ObjectSchema = object(&[
    optional("authentication", AUTHENTICATION),
    optional("fromCIDR", CIDRS),
    optional("fromCIDRSet", CIDR_SETS),
    optional("fromEndpoints", SELECTORS),
    optional("fromEntities", ENTITIES),
    optional("fromGroups", GROUPS),
    optional("fromNodes", SELECTORS),
    in_versions("fromRequires", SELECTORS, behaviour::schema::REQUIRES),
    in_versions("fromRequires", NO_MORE, behaviour::schema::EMPTY_REQUIRES),
    optional("icmps", ICMPS),
    optional("toPorts", list(&Type::Object(&PORT_RULE))),
]);

const INGRESS_DENY: ObjectSchema = object(&[
    optional("fromCIDR", CIDRS),
    optional("fromCIDRSet", CIDR_SETS),
    optional("fromEndpoints", SELECTORS),
    optional("fromEntities", ENTITIES),
    optional("fromGroups", GROUPS),
    optional("fromNodes", SELECTORS),
    in_versions("fromRequires", SELECTORS, behaviour::schema::REQUIRES),
    in_versions("fromRequires", NO_MORE, behaviour::schema::EMPTY_REQUIRES),
    optional("icmps", ICMPS),
    optional("toPorts", list(&Type::Object(&PORT_DENY_RULE))),
]);

const EGRESS: ObjectSchema = object(&[
    optional("authentication", AUTHENTICATION),
    optional("icmps", ICMPS),
    optional("toCIDR", CIDRS),
    optional("toCIDRSet", CIDR_SETS),
    optional("toEndpoints", SELECTORS),
    optional("toEntities", ENTITIES),
    optional("toFQDNs", NAMES),
    optional("toGroups", GROUPS),
    optional("toNodes", SELECTORS),
    optional("toPorts", list(&Type::Object(&PORT_RULE))),
    in_versions("toRequires", SELECTORS, behaviour::schema::REQUIRES),
    in_versions("toRequires", NO_MORE, behaviour::schema::EMPTY_REQUIRES),
    optional("toServices", SERVICES),
]);

const EGRESS_DENY: ObjectSchema = object(&[
    optional("icmps", ICMPS),
    optional("toCIDR", CIDRS),
    optional("toCIDRSet", CIDR_SETS),
    optional("toEndpoints", SELECTORS),
    optional("toEntities", ENTITIES),
    optional("toGroups", GROUPS),
    optional("toNodes", SELECTORS),
    optional("toPorts", list(&Type::Object(&PORT_DENY_RULE))),
    in_versions("toRequires", SELECTORS, behaviour::schema::REQUIRES),
    in_versions("toRequires", NO_MORE, behaviour::schema::EMPTY_REQUIRES),
    optional("toServices", SERVICES),
]);

/// Entries of `toFQDNs` and of DNS rules.
const NAMES: Type = list(&Type::Object(&ObjectSchema {
    fields: &[
        optional(
            "matchName",
            Type::Text(&[
                form_in(behaviour::schema::NAME_LIMIT, TextForm::AtMost(LONGEST_NAME)),
                form(TextForm::Pattern(text::is_match_name, text::MATCH_NAME)),
            ]),
        ),
        optional(
            "matchPattern",
            Type::Text(&[
                form_in(behaviour::schema::NAME_LIMIT, TextForm::AtMost(LONGEST_NAME)),
                form(TextForm::Pattern(text::is_match_pattern, text::MATCH_PATTERN)),
            ]),
        ),
    ],
    groups: &[KeyGroup { rule: GroupRule::OneOf, keys: &["matchName", "matchPattern"], versions: ALWAYS }],
    extra: None,
}));

const SERVICES: Type = list(&Type::Object(&object(&[
    optional(
        "k8sService",
        Type::Object(&object(&[optional("namespace", TEXT), optional("serviceName", TEXT)])),
    ),
    optional(
        "k8sServiceSelector",
        Type::Object(&object(&[optional("namespace", TEXT), required("selector", SELECTOR)])),
    ),
])));
