use compact_str::CompactString;
use insta::assert_snapshot;
use proptest::prelude::*;
use proptest::sample::select;
use rstest::rstest;
use verdikt_scenario::document::{self, Entry, Value};
use verdikt_scenario::place::Position;

use super::*;
use crate::rule::{Direction, PeerField};

mod corpora;
mod matrix;
mod next_minor;

/// The refusals of a policy whose specification is given, a line each; a strict client's after them if they are
/// others.
fn check_kind(kind: &str, spec: &str, version: &str) -> String {
    let api_version = if kind == "NetworkPolicy" { "networking.k8s.io/v1" } else { "cilium.io/v2" };
    let text = format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: p}}, spec: {spec}}}");
    let object = document::parse(&text).unwrap().remove(0);
    let version = version.parse().unwrap();
    let messages = |validation| {
        let admission = admit(&object, version, validation);
        let messages: Vec<&str> = admission.refusals.iter().map(|refusal| refusal.message.as_str()).collect();
        messages.join("\n")
    };
    let (lenient, strict) = (messages(FieldValidation::Ignore), messages(FieldValidation::Strict));
    if lenient == strict { lenient } else { format!("{lenient}\nstrict: {strict}") }
}

fn check(spec: &str, version: &str) -> String {
    check_kind("CiliumNetworkPolicy", spec, version)
}

#[test]
fn what_changed_between_versions() {
    let accepted = |spec: &str, version: &str| assert_eq!(check(spec, version), "", "{spec} {version}");
    let refused = |spec: &str, version: &str| assert_ne!(check(spec, version), "", "{spec} {version}");
    let port =
        |port: &str| format!("{{endpointSelector: {{}}, ingress: [{{toPorts: [{{ports: [{port}]}}]}}]}}");
    let at_port = |more: &str| {
        format!(
            "{{endpointSelector: {{}}, egress: [{{toPorts: [{{ports: [{{port: \"443\", protocol: TCP}}], {more}}}]}}]}}"
        )
    };
    accepted("{endpointSelector: {}}", "1.16");
    refused("{endpointSelector: {}}", "1.17");
    refused(&port("{protocol: TCP}"), "1.18");
    accepted(&port("{protocol: TCP}"), "1.19");
    refused(&port("{port: \"1\", protocol: VRRP}"), "1.18");
    accepted(&port("{port: \"1\", protocol: VRRP}"), "1.19");
    refused(&port("{port: \"1\", protocol: GRE}"), "1.19");
    accepted(&port("{port: \"1\", protocol: GRE}"), "1.20");
    accepted(&at_port("serverNames: []"), "1.17");
    refused(&at_port("serverNames: []"), "1.18");
    accepted(&at_port("rules: {kafka: [{topic: t}]}"), "1.19");
    refused(&at_port("rules: {kafka: [{topic: t}]}"), "1.20");
    let requires = "{endpointSelector: {}, ingress: [{fromRequires: [{matchLabels: {a: b}}]}]}";
    accepted(requires, "1.18");
    refused(requires, "1.19");
    let name =
        format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{{matchName: {}}}]}}]}}", "a".repeat(256));
    accepted(&name, "1.16");
    refused(&name, "1.17");
    refused("{endpointSelector: {}, ingress: [{}], log: {value: x}}", "1.17");
    accepted("{endpointSelector: {}, ingress: [{}], log: {value: x}}", "1.18");
}

#[rstest]
#[case::ingress(Direction::Ingress, "ingress")]
#[case::egress(Direction::Egress, "egress")]
fn every_field_of_peers_is_in_the_schema(#[case] direction: Direction, #[case] section: &str) {
    let words = PeerField::of_cilium().filter_map(|field| field.word(direction));
    let items: Vec<String> = words.map(|word| format!("{{{word}: []}}")).collect();
    let found = check(&format!("{{endpointSelector: {{}}, {section}: [{}]}}", items.join(", ")), "1.20");
    assert_eq!(found, "", "write these into the schemas of `admission/cilium.rs`");
}

#[test]
fn the_words_are_those_of_the_api_server() {
    let meant = |spec: &str| {
        let text = format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p}}, spec: {spec}}}"
        );
        let object = document::parse(&text).unwrap().remove(0);
        let admission = admit(&object, CiliumVersion::default(), FieldValidation::Strict);
        admission.refusals.iter().filter_map(|refusal| refusal.kind.help()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(meant("{endpointSelector: {}, ingres: [{}]}"), "did you mean `ingress`?");
    assert_eq!(
        meant("{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80', protocol: TCPP}]}]}]}"),
        "did you mean `TCP`?"
    );
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "1.20"), @r#"strict: strict decoding error: unknown field "spec.ingress[0].from""#);
    assert_snapshot!(check("{rules: [{ingress: [{}]}]}", "1.20"), @r#"
    <nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)
    spec.ingress: Required value
    <nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid
    spec.endpointSelector: Required value
    strict: strict decoding error: unknown field "spec.rules"
    "#);
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: 80, protocol: tcp}]}]}]}", "1.18"), @r#"
    spec.ingress[0].toPorts[0].ports[0].port: Invalid value: "integer": spec.ingress[0].toPorts[0].ports[0].port in body must be of type string: "integer"
    spec.ingress[0].toPorts[0].ports[0].protocol: Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP", "ANY"
    "#);
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{fromCIDR: [10.0.0.1]}, {fromCIDRSet: [{except: [x]}]}, {fromEntities: [world-ipv4]}]}", "1.20"), @r#"
    spec.ingress[0].fromCIDR[0]: Invalid value: "10.0.0.1": spec.ingress[0].fromCIDR[0] in body must be of type cidr: "10.0.0.1"
    <nil>: Invalid value: "": "spec.ingress[1].fromCIDRSet[0]" must validate one and only one schema (oneOf). Found none valid
    spec.ingress[1].fromCIDRSet[0].cidr: Required value
    spec.ingress[1].fromCIDRSet[0].except[0]: Invalid value: "x": spec.ingress[1].fromCIDRSet[0].except[0] in body must be of type cidr: "x"
    spec.ingress[2].fromEntities[0]: Unsupported value: "world-ipv4": supported values: "all", "world", "cluster", "host", "init", "ingress", "unmanaged", "remote-node", "health", "none", "kube-apiserver"
    "#);
}

#[test]
fn network_policies_are_checked_by_kubernetes_itself() {
    let check = |spec: &str| check_kind("NetworkPolicy", spec, "1.20");
    assert_eq!(check("{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}"), "");
    assert_snapshot!(check("{podSelector: {}, policyTypes: [Both], ingress: [{from: [{}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8, 1.1.1.1/32]}, podSelector: {}}]}]}"), @r#"
    spec.ingress[0].from[0]: Required value: must specify a peer
    spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`
    spec.ingress[0].from[1].ipBlock.except[1]: Invalid value: "1.1.1.1/32": must be a strict subset of `cidr`
    spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer
    spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"
    "#);
    assert_snapshot!(check("{podSelector: {matchExpressions: [{key: a, operator: In}]}, egress: [{ports: [{port: 0}, {port: http, endPort: 9}, {port: 90, endPort: 80}, {endPort: 1}, {port: 1, protocol: tcp}]}]}"), @r#"
    spec.egress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
    spec.egress[0].ports[1].endPort: Invalid value: 9: may not be specified when `port` is non-numeric
    spec.egress[0].ports[2].endPort: Invalid value: 80: must be greater than or equal to `port`
    spec.egress[0].ports[3].endPort: Invalid value: 1: may not be specified when `port` is not specified
    spec.egress[0].ports[4].protocol: Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP"
    spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
    "#);
}

#[test]
fn pruning_keeps_what_is_known_and_copies_only_what_changes() {
    let parse = |text: &str| document::parse(text).unwrap().remove(0);
    let clean = parse(
        "{kind: CiliumNetworkPolicy, metadata: {labels: {any: thing}}, spec: {endpointSelector: {}, ingress: [{}]}}",
    );
    assert!(matches!(prune(&clean, CiliumVersion::V1_20), Cow::Borrowed(_)));
    let unclean = parse(
        "{kind: CiliumNetworkPolicy, spec: {endpointSelector: {matchLabel: {a: b}}, ingress: [{from: []}, {}], x: 1}}",
    );
    let pruned = prune(&unclean, CiliumVersion::V1_20);
    let keys = |node: &YamlNode| node.entries().iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>();
    assert_eq!(keys(pruned.at(&["spec"]).unwrap()), ["endpointSelector", "ingress"]);
    assert_eq!(keys(pruned.at(&["spec", "endpointSelector"]).unwrap()), [""; 0]);
    assert_eq!(pruned.at(&["spec", "ingress"]).unwrap().elements().len(), 2);
}

#[test]
fn nulls_are_dropped_where_the_kind_has_a_schema_of_its_own() {
    let count = |kind: &str| {
        let selector = "{matchLabels: {a: }, matchExpressions: }";
        let text =
            format!("{{kind: {kind}, spec: {{podSelector: {selector}, endpointSelector: {selector}}}}}");
        let object = document::parse(&text).unwrap().remove(0);
        let stored = prune(&object, CiliumVersion::V1_20).into_owned();
        let selector =
            stored.at(&["spec", "podSelector"]).or(stored.at(&["spec", "endpointSelector"])).unwrap();
        (selector.entries().len(), selector.get("matchLabels").unwrap().entries().len())
    };
    assert_eq!(count("CiliumNetworkPolicy"), (1, 0));
    assert_eq!(count("NetworkPolicy"), (2, 1));
}

proptest! {
    /// Whatever is stored has no unknown field left, and storing it again changes nothing.
    #[test]
    fn pruning_is_thorough(text in "\\{kind: CiliumNetworkPolicy, spec: \\{(ingress|egress|x|endpointSelector): \\[?\\{?[a-zA-Z:, ]{0,20}\\}?\\]?\\}\\}") {
        for object in document::parse(&text).unwrap_or_default() {
            let stored = prune(&object, CiliumVersion::V1_20).into_owned();
            prop_assert_eq!(&*prune(&stored, CiliumVersion::V1_20), &stored);
            let strict = admit(&stored, CiliumVersion::V1_20, FieldValidation::Strict);
            let unknown = strict.refusals.iter().any(|refusal| refusal.message.contains("unknown field"));
            // A mapping where a text is wanted is refused by a strict client, and not pruned.
            prop_assert!(!unknown || text.matches('{').count() > 2, "{text}");
        }
    }
}

/// A word that a schema knows, or not.
fn word() -> impl Strategy<Value = CompactString> {
    let words = [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "spec",
        "specs",
        "endpointSelector",
        "podSelector",
        "ingress",
        "egress",
        "ingressDeny",
        "from",
        "fromCIDRSet",
        "cidr",
        "except",
        "ipBlock",
        "toPorts",
        "ports",
        "port",
        "endPort",
        "rules",
        "http",
        "dns",
        "serverNames",
        "matchLabels",
        "matchExpressions",
        "values",
        "labels",
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(CompactString::from),
        "\\PC{0,4}".prop_map(CompactString::from)
    ]
}

fn tree() -> impl Strategy<Value = YamlNode> {
    let located = |value| YamlNode { value, position: Position { line: 1, column: 1 } };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Float),
        "\\PC{0,12}".prop_map(|text| Value::Text(text.into())),
    ];
    leaf.prop_map(located).prop_recursive(8, 96, 5, move |inner| {
        let entry =
            (word(), inner.clone()).prop_map(|(key, value)| Entry { key, position: value.position, value });
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::List),
            prop::collection::vec(entry, 0..5).prop_map(Value::Map),
        ]
        .prop_map(located)
    })
}

/// How the API server may treat fields that it does not know.
const VALIDATIONS: [FieldValidation; 2] = [FieldValidation::Strict, FieldValidation::Ignore];

proptest! {
    /// Whatever an object holds, it is judged, and what is stored of it is stored again as it is.
    #[test]
    fn any_tree_is_judged(parts in prop::collection::vec((word(), tree()), 0..4), kind in select(PolicyKind::ALL.to_vec())) {
        let position = Position { line: 1, column: 1 };
        let text = |text: &str| YamlNode { value: Value::Text(text.into()), position };
        let head = [("apiVersion".into(), text(&kind.api_versions().last().unwrap())), ("kind".into(), text(kind.name()))];
        let entries = head.into_iter().chain(parts).map(|(key, value)| Entry { key, position, value }).collect();
        let object = YamlNode { value: Value::Map(entries), position };
        for version in CiliumVersion::ALL {
            for validation in VALIDATIONS {
                let stored = admit(&object, version, validation).stored.into_owned();
                prop_assert!(matches!(prune(&stored, version), Cow::Borrowed(_)));
            }
        }
    }
}
