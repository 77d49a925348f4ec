//! The fields of Cilium's custom resources.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/policy/#ciliumnetworkpolicy>

use verdikt_scenario::document::Node;
use verdikt_scenario::version::CiliumVersion::{self, V1_16, V1_17, V1_18, V1_19, V1_20};

use super::Refusal;
use super::schema::{
    ALWAYS, Field, Form, Group, GroupRule, Limit, Object, TextRule, Type, Versions, in_versions, list,
    object, optional, required,
};
use super::text;

const TEXT: Type = Type::Text(&[]);
const SINCE_1_17: Versions = Versions(V1_17, V1_20);
const SINCE_1_18: Versions = Versions(V1_18, V1_20);
const SINCE_1_19: Versions = Versions(V1_19, V1_20);
const BEFORE_1_19: Versions = Versions(V1_16, V1_18);
const BEFORE_1_20: Versions = Versions(V1_16, V1_19);

const fn form(form: Form) -> TextRule {
    TextRule { versions: ALWAYS, form }
}

const fn form_in(versions: Versions, form: Form) -> TextRule {
    TextRule { versions, form }
}

/// `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.
pub(super) const POLICY: Object = Object {
    fields: &[
        optional("apiVersion", TEXT),
        optional("kind", TEXT),
        required("metadata", Type::Anything),
        optional("spec", Type::Object(&RULE)),
        optional("specs", list(&Type::Object(&RULE))),
        optional("status", Type::Anything),
    ],
    groups: &[],
    extra: Some(spec_or_specs),
};

/// Since 1.20 the API server itself wants a specification.
fn spec_or_specs(node: &Node, _path: &str, version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    if version >= V1_20 && node.get("spec").is_none() && node.get("specs").is_none() {
        let message = "<nil>: Invalid value: spec or specs must be provided".to_owned();
        refusals.push(Refusal { message, position: node.position });
    }
}

/// `CiliumCIDRGroup`.
pub(super) const CIDR_GROUP: Object = object(&[
    optional("apiVersion", TEXT),
    optional("kind", TEXT),
    required("metadata", Type::Anything),
    required("spec", Type::Object(&object(&[required("externalCIDRs", list(&CIDR))]))),
    optional("status", Type::Anything),
]);

const RULE: Object = Object {
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
        in_versions("log", Type::Object(&object(&[optional("value", TEXT)])), SINCE_1_18),
    ],
    groups: &[
        Group {
            rule: GroupRule::AnyOf,
            keys: &["ingress", "ingressDeny", "egress", "egressDeny"],
            versions: SINCE_1_17,
        },
        Group { rule: GroupRule::OneOf, keys: &["endpointSelector", "nodeSelector"], versions: ALWAYS },
    ],
    extra: None,
};

const DEFAULT_DENY: Object = object(&[optional("egress", Type::Boolean), optional("ingress", Type::Boolean)]);

const RULE_LABEL: Object = object(&[
    optional("cidr", Type::Anything),
    required("key", TEXT),
    optional("source", TEXT),
    optional("value", TEXT),
]);

const SELECTOR: Type = Type::Object(&object(&[
    optional(
        "matchLabels",
        Type::Texts(&[
            form(Form::AtMost(63)),
            form(Form::Pattern(text::is_label_value, "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")),
        ]),
    ),
    optional(
        "matchExpressions",
        list(&Type::Object(&object(&[
            required("key", TEXT),
            required(
                "operator",
                Type::Text(&[form(Form::OneOf(&["In", "NotIn", "Exists", "DoesNotExist"]))]),
            ),
            optional("values", list(&TEXT)),
        ]))),
    ),
]));

const SELECTORS: Type = list(&SELECTOR);
const CIDR: Type = Type::Text(&[form(Form::Format(text::is_cidr, "cidr"))]);
const CIDRS: Type = list(&CIDR);

const CIDR_SETS: Type = list(&Type::Object(&Object {
    fields: &[
        optional("cidr", CIDR),
        optional("cidrGroupRef", Type::Text(&[form(Form::AtMost(253))])),
        in_versions("cidrGroupSelector", SELECTOR, SINCE_1_17),
        optional("except", CIDRS),
    ],
    groups: &[Group {
        rule: GroupRule::OneOf,
        keys: &["cidr", "cidrGroupRef", "cidrGroupSelector"],
        versions: ALWAYS,
    }],
    extra: None,
}));

const ENTITIES: Type = list(&Type::Text(&[form(Form::OneOf(&[
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
    Type::Text(&[form(Form::OneOf(&["disabled", "required", "test-always-fail"]))]),
)]));

/// Since 1.19 the field is there for old objects to be rejected by, and takes no element.
const NO_MORE: Type = Type::List { element: &TEXT, most: Limit { most: 0, fewest: 0, versions: ALWAYS } };

const INGRESS: Object = object(&[
    optional("authentication", AUTHENTICATION),
    optional("fromCIDR", CIDRS),
    optional("fromCIDRSet", CIDR_SETS),
    optional("fromEndpoints", SELECTORS),
    optional("fromEntities", ENTITIES),
    optional("fromGroups", GROUPS),
    optional("fromNodes", SELECTORS),
    in_versions("fromRequires", SELECTORS, BEFORE_1_19),
    in_versions("fromRequires", NO_MORE, SINCE_1_19),
    optional("icmps", ICMPS),
    optional("toPorts", list(&Type::Object(&PORT_RULE))),
]);

const INGRESS_DENY: Object = object(&[
    optional("fromCIDR", CIDRS),
    optional("fromCIDRSet", CIDR_SETS),
    optional("fromEndpoints", SELECTORS),
    optional("fromEntities", ENTITIES),
    optional("fromGroups", GROUPS),
    optional("fromNodes", SELECTORS),
    in_versions("fromRequires", SELECTORS, BEFORE_1_19),
    in_versions("fromRequires", NO_MORE, SINCE_1_19),
    optional("icmps", ICMPS),
    optional("toPorts", list(&Type::Object(&PORT_DENY_RULE))),
]);

const EGRESS: Object = object(&[
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
    in_versions("toRequires", SELECTORS, BEFORE_1_19),
    in_versions("toRequires", NO_MORE, SINCE_1_19),
    optional("toServices", SERVICES),
]);

const EGRESS_DENY: Object = object(&[
    optional("icmps", ICMPS),
    optional("toCIDR", CIDRS),
    optional("toCIDRSet", CIDR_SETS),
    optional("toEndpoints", SELECTORS),
    optional("toEntities", ENTITIES),
    optional("toGroups", GROUPS),
    optional("toNodes", SELECTORS),
    optional("toPorts", list(&Type::Object(&PORT_DENY_RULE))),
    in_versions("toRequires", SELECTORS, BEFORE_1_19),
    in_versions("toRequires", NO_MORE, SINCE_1_19),
    optional("toServices", SERVICES),
]);

/// Entries of `toFQDNs` and of DNS rules.
const NAMES: Type = list(&Type::Object(&Object {
    fields: &[
        optional(
            "matchName",
            Type::Text(&[
                form_in(SINCE_1_17, Form::AtMost(255)),
                form(Form::Pattern(text::is_match_name, "^([-a-zA-Z0-9_]+[.]?)+$")),
            ]),
        ),
        optional(
            "matchPattern",
            Type::Text(&[
                form_in(SINCE_1_17, Form::AtMost(255)),
                form(Form::Pattern(text::is_match_pattern, "^([-a-zA-Z0-9_*]+[.]?)+$")),
            ]),
        ),
    ],
    groups: &[Group { rule: GroupRule::OneOf, keys: &["matchName", "matchPattern"], versions: ALWAYS }],
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

const FORTY: Limit = Limit { most: 40, fewest: 0, versions: ALWAYS };

const ICMPS: Type = list(&Type::Object(&object(&[optional(
    "fields",
    Type::List {
        element: &Type::Object(&object(&[
            optional("family", Type::Text(&[form(Form::OneOf(&["IPv4", "IPv6"]))])),
            required("type", Type::IntegerOrText(&[form(Form::Pattern(text::is_icmp_type, ICMP_PATTERN))])),
        ])),
        most: FORTY,
    },
)])));

/// The beginning of the pattern, which lists every number and name.
const ICMP_PATTERN: &str =
    "^([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]|EchoReply|DestinationUnreachable|…)$";

const PORT_PATTERN: &str = "^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$";

const PORT: Type = Type::Object(&object(&[
    optional("endPort", Type::Integer(0, 65_535)),
    Field {
        name: "port",
        kind: Type::Text(&[form(Form::Pattern(text::is_port, PORT_PATTERN))]),
        required: BEFORE_1_19,
        exists: ALWAYS,
    },
    optional(
        "protocol",
        Type::Text(&[
            form_in(BEFORE_1_19, Form::OneOf(&["TCP", "UDP", "SCTP", "ANY"])),
            form_in(Versions(V1_19, V1_19), Form::OneOf(&["TCP", "UDP", "SCTP", "VRRP", "IGMP", "ANY"])),
            form_in(
                Versions(V1_20, V1_20),
                Form::OneOf(&[
                    "TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY",
                ]),
            ),
        ]),
    ),
]));

const PORT_DENY_RULE: Object = object(&[optional("ports", list(&PORT))]);

const PORT_RULE: Object = object(&[
    optional("listener", Type::Object(&LISTENER)),
    optional("originatingTLS", TLS),
    optional("ports", Type::List { element: &PORT, most: FORTY }),
    optional("rules", Type::Object(&L7_RULES)),
    optional(
        "serverNames",
        Type::List {
            element: &Type::Text(&[form_in(
                SINCE_1_18,
                Form::Pattern(text::is_server_name, "^[-a-zA-Z0-9_*.]+$"),
            )]),
            most: Limit { most: usize::MAX, fewest: 1, versions: SINCE_1_18 },
        },
    ),
    optional("terminatingTLS", TLS),
]);

const LISTENER: Object = object(&[
    required(
        "envoyConfig",
        Type::Object(&object(&[
            optional(
                "kind",
                Type::Text(&[form(Form::OneOf(&["CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"]))]),
            ),
            required("name", TEXT),
        ])),
    ),
    required("name", TEXT),
    optional("priority", Type::Integer(1, 100)),
]);

const SECRET: Type = Type::Object(&object(&[required("name", TEXT), optional("namespace", TEXT)]));

const TLS: Type = Type::Object(&object(&[
    optional("certificate", TEXT),
    optional("privateKey", TEXT),
    required("secret", SECRET),
    optional("trustedCA", TEXT),
]));

const L7_RULES: Object = Object {
    fields: &[
        optional("dns", NAMES),
        optional("http", list(&Type::Object(&HTTP))),
        in_versions("kafka", list(&Type::Anything), BEFORE_1_20),
        in_versions("l7", list(&Type::Anything), BEFORE_1_20),
        in_versions("l7proto", TEXT, BEFORE_1_20),
    ],
    groups: &[
        Group { rule: GroupRule::OneOf, keys: &["http", "kafka", "dns", "l7proto"], versions: BEFORE_1_20 },
        Group { rule: GroupRule::OneOf, keys: &["http", "dns"], versions: Versions(V1_20, V1_20) },
    ],
    extra: None,
};

const HTTP: Object = object(&[
    optional(
        "headerMatches",
        list(&Type::Object(&object(&[
            optional("mismatch", Type::Text(&[form(Form::OneOf(&["LOG", "ADD", "DELETE", "REPLACE"]))])),
            required("name", TEXT),
            optional("secret", SECRET),
            optional("value", TEXT),
        ]))),
    ),
    optional("headers", list(&TEXT)),
    optional("host", TEXT),
    optional("method", TEXT),
    optional("path", TEXT),
]);
