//! Every doubtful input, in every version: who refuses it at the API server.

use super::*;

/// The versions whose API server refuses a specification, and what the newest of them says.
fn refused_by(kind: &str, specification: &str) -> String {
    let (mut versions, mut words) = (Vec::new(), String::new());
    for version in CiliumVersion::ALL {
        let api_version = if kind == "NetworkPolicy" { "networking.k8s.io/v1" } else { "cilium.io/v2" };
        let text =
            format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: p}}, {specification}}}");
        let object = document::parse(&text).unwrap().remove(0);
        let admission = admit(&object, version, FieldValidation::Ignore);
        if let Some(first) = admission.refusals.into_iter().next() {
            versions.push(version.to_string());
            words = first.message;
        }
    }
    if versions.is_empty() { "nobody".to_owned() } else { format!("{}: {words}", versions.join(" ")) }
}

fn check(rows: &[(&str, String)]) -> String {
    let lines = rows.iter().map(|(name, specification)| {
        format!("{name} => {}", refused_by("CiliumNetworkPolicy", specification))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The rows of a table of rules for one subject.
fn rules(rows: &[(&'static str, &str)]) -> String {
    let row =
        |&(name, rule): &(&'static str, &str)| (name, format!("spec: {{endpointSelector: {{}}, {rule}}}"));
    check(&rows.iter().map(row).collect::<Vec<_>>())
}

/// The rows of a table of ingress items.
fn items(rows: &[(&'static str, &str)]) -> String {
    let row = |&(name, item): &(&'static str, &str)| {
        (name, format!("spec: {{endpointSelector: {{}}, ingress: [{{{item}}}]}}"))
    };
    check(&rows.iter().map(row).collect::<Vec<_>>())
}

/// The rows of a table of egress `toPorts` items.
fn at_ports(rows: &[(&'static str, &str)]) -> String {
    let row = |&(name, item): &(&'static str, &str)| {
        (name, format!("spec: {{endpointSelector: {{}}, egress: [{{toPorts: [{{{item}}}]}}]}}"))
    };
    check(&rows.iter().map(row).collect::<Vec<_>>())
}

#[test]
fn specifications() {
    let row = |name: &'static str, text: &str| (name, text.to_owned());
    assert_snapshot!(check(&[
        row("neither spec nor specs", "status: {}"),
        row("specs: []", "specs: []"),
        row("both", "spec: {endpointSelector: {}, ingress: [{}]}, specs: [{endpointSelector: {}, egress: [{}]}]"),
        row("no selector", "spec: {ingress: [{}]}"),
        row("null selector", "spec: {endpointSelector: , ingress: [{}]}"),
        row("both selectors", "spec: {endpointSelector: {}, nodeSelector: {}, ingress: [{}]}"),
        row("node selector", "spec: {nodeSelector: {}, ingress: [{}]}"),
        row("spec is a list", "spec: []"),
    ]), @r#"
    neither spec nor specs => 1.20: <nil>: Invalid value: spec or specs must be provided
    specs: [] => nobody
    both => nobody
    no selector => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid
    null selector => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid
    both selectors => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives
    node selector => nobody
    spec is a list => 1.16 1.17 1.18 1.19 1.20: spec: Invalid value: "array": spec in body must be of type object: "array"
    "#);
    assert_snapshot!(rules(&[
        ("no section", ""),
        ("empty list", "ingress: []"),
        ("null", "ingress: "),
        ("null item", "ingress: [null]"),
        ("log", "ingress: [{}], log: {value: a-line-of-more-than-32-characters}"),
        ("log that cannot be printed", "ingress: [{}], log: {value: \"a\\tb\"}"),
        ("rule label without a key", "ingress: [{}], labels: [{value: a}]"),
        ("default deny as text", "ingress: [{}], enableDefaultDeny: {ingress: \"yes\"}"),
    ]), @r#"
    no section => 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)
    empty list => nobody
    null => 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)
    null item => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0]: Invalid value: "null": spec.ingress[0] in body must be of type object: "null"
    log => 1.18 1.19 1.20: spec.log.value: Too long: may not be more than 32 bytes
    log that cannot be printed => 1.18 1.19 1.20: spec.log.value: Invalid value: "a\tb": spec.log.value in body should match '^\PC*$'
    rule label without a key => 1.16 1.17 1.18 1.19 1.20: spec.labels[0].key: Required value
    default deny as text => 1.16 1.17 1.18 1.19 1.20: spec.enableDefaultDeny.ingress: Invalid value: "string": spec.enableDefaultDeny.ingress in body must be of type boolean: "string"
    "#);
}

#[test]
fn peers() {
    assert_snapshot!(items(&[
        ("empty lists", "fromEndpoints: [], fromCIDR: [], fromCIDRSet: [], fromNodes: []"),
        ("two kinds", "fromEndpoints: [{}], fromEntities: [world]"),
        ("requirements", "fromRequires: [{matchLabels: {a: b}}]"),
        ("no requirements", "fromRequires: []"),
        ("entity of one family", "fromEntities: [world-ipv4]"),
        ("address without a length", "fromCIDR: [10.0.0.1]"),
        ("host bits", "fromCIDR: [10.1.2.3/8]"),
        ("address without a length in a set", "fromCIDRSet: [{cidr: 10.0.0.1}]"),
        ("exception outside", "fromCIDRSet: [{cidr: 10.0.0.0/8, except: [192.0.2.0/24]}]"),
        ("two of three", "fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: g}]"),
        ("selected groups", "fromCIDRSet: [{cidrGroupSelector: {}}]"),
        ("group with a strange name", "fromCIDRSet: [{cidrGroupRef: A_b}]"),
        ("operator", "fromEndpoints: [{matchExpressions: [{key: a, operator: Gt, values: [\"1\"]}]}]"),
        ("in nothing", "fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]"),
        ("label value", "fromEndpoints: [{matchLabels: {a: b c}}]"),
        ("label value as number", "fromEndpoints: [{matchLabels: {a: 1}}]"),
        ("label value null", "fromEndpoints: [{matchLabels: {a: }}]"),
        ("authentication without a mode", "authentication: {}"),
        ("icmp number as text", "icmps: [{fields: [{type: \"256\"}]}]"),
        ("icmp number", "icmps: [{fields: [{type: 256}]}]"),
        ("icmp name of the other family", "icmps: [{fields: [{family: IPv4, type: PacketTooBig}]}]"),
        ("misspelt icmp name", "icmps: [{fields: [{type: ExtendedEcho Reply}]}]"),
    ]), @r#"
    empty lists => nobody
    two kinds => nobody
    requirements => 1.19 1.20: spec.ingress[0].fromRequires[0]: Invalid value: "object": spec.ingress[0].fromRequires[0] in body must be of type string: "object"
    no requirements => nobody
    entity of one family => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromEntities[0]: Unsupported value: "world-ipv4": supported values: "all", "world", "cluster", "host", "init", "ingress", "unmanaged", "remote-node", "health", "none", "kube-apiserver"
    address without a length => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromCIDR[0]: Invalid value: "10.0.0.1": spec.ingress[0].fromCIDR[0] in body must be of type cidr: "10.0.0.1"
    host bits => nobody
    address without a length in a set => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromCIDRSet[0].cidr: Invalid value: "10.0.0.1": spec.ingress[0].fromCIDRSet[0].cidr in body must be of type cidr: "10.0.0.1"
    exception outside => nobody
    two of three => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec.ingress[0].fromCIDRSet[0]" must validate one and only one schema (oneOf). Found 2 valid alternatives
    selected groups => 1.16: <nil>: Invalid value: "": "spec.ingress[0].fromCIDRSet[0]" must validate one and only one schema (oneOf). Found none valid
    group with a strange name => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromCIDRSet[0].cidrGroupRef: Invalid value: "A_b": spec.ingress[0].fromCIDRSet[0].cidrGroupRef in body should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'
    operator => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromEndpoints[0].matchExpressions[0].operator: Unsupported value: "Gt": supported values: "In", "NotIn", "Exists", "DoesNotExist"
    in nothing => nobody
    label value => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromEndpoints[0].matchLabels.a: Invalid value: "b c": spec.ingress[0].fromEndpoints[0].matchLabels.a in body should match '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$'
    label value as number => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].fromEndpoints[0].matchLabels.a: Invalid value: "integer": spec.ingress[0].fromEndpoints[0].matchLabels.a in body must be of type string: "integer"
    label value null => nobody
    authentication without a mode => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].authentication.mode: Required value
    icmp number as text => 1.16 1.17 1.18 1.19 1.20: spec.ingress[0].icmps[0].fields[0].type: Invalid value: "256": spec.ingress[0].icmps[0].fields[0].type in body should match '^([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]|EchoReply|DestinationUnreachable|Redirect|Echo|RouterAdvertisement|RouterSelection|TimeExceeded|ParameterProblem|Timestamp|TimestampReply|Photuris|ExtendedEchoRequest|ExtendedEcho Reply|PacketTooBig|ParameterProblem|EchoRequest|MulticastListenerQuery|MulticastListenerReport|MulticastListenerDone|RouterSolicitation|RouterAdvertisement|NeighborSolicitation|NeighborAdvertisement|RedirectMessage|RouterRenumbering|ICMPNodeInformationQuery|ICMPNodeInformationResponse|InverseNeighborDiscoverySolicitation|InverseNeighborDiscoveryAdvertisement|HomeAgentAddressDiscoveryRequest|HomeAgentAddressDiscoveryReply|MobilePrefixSolicitation|MobilePrefixAdvertisement|DuplicateAddressRequestCodeSuffix|DuplicateAddressConfirmationCodeSuffix)$'
    icmp number => nobody
    icmp name of the other family => nobody
    misspelt icmp name => nobody
    "#);
}

#[test]
fn ports() {
    let names = "rules: {dns: [{matchName: a.test}]}";
    let forty_one = format!("ports: [{}]", vec!["{port: \"1\"}"; 41].join(", "));
    assert_snapshot!(at_ports(&[
        ("none", "ports: []"),
        ("41", &forty_one),
        ("port missing", "ports: [{protocol: TCP}]"),
        ("port as number", "ports: [{port: 80}]"),
        ("large", "ports: [{port: \"70000\"}]"),
        ("range", "ports: [{port: 80-90}]"),
        ("underscore", "ports: [{port: http_x}]"),
        ("negative", "ports: [{port: \"-1\"}]"),
        ("end below begin", "ports: [{port: \"90\", endPort: 80}]"),
        ("end too large", "ports: [{port: \"90\", endPort: 65536}]"),
        ("lower case", "ports: [{port: \"1\", protocol: tcp}]"),
        ("icmp", "ports: [{port: \"1\", protocol: ICMP}]"),
        ("vrrp", "ports: [{port: \"1\", protocol: VRRP}]"),
        ("gre", "ports: [{port: \"1\", protocol: GRE}]"),
        ("no rules", "rules: {}"),
        ("two kinds of rules", "rules: {http: [], dns: []}"),
        ("empty rules", "rules: {http: []}"),
        ("kafka", "rules: {kafka: [{topic: t}]}"),
        ("kafka role", "rules: {kafka: [{role: r}]}"),
        ("generic", "rules: {l7proto: p, l7: [{a: b}]}"),
        ("names", names),
        ("neither name nor pattern", "rules: {dns: [{}]}"),
        ("name and pattern", "rules: {dns: [{matchName: a, matchPattern: a}]}"),
        ("star in a name", "rules: {dns: [{matchName: \"*.test\"}]}"),
        ("pattern", "rules: {dns: [{matchPattern: \"a b\"}]}"),
        ("mismatch", "rules: {http: [{headerMatches: [{name: a, mismatch: DROP}]}]}"),
        ("header without a name", "rules: {http: [{headerMatches: [{name: \"\"}]}]}"),
        ("host", "rules: {http: [{host: \"a b\"}]}"),
        ("no server name", "serverNames: []"),
        ("empty server name", "serverNames: [\"\"]"),
        ("star in front", "serverNames: [\"**.a.test\"]"),
        ("star inside", "serverNames: [\"a.*.test\"]"),
        ("same server name", "serverNames: [a.test, a.test]"),
        ("listener", "listener: {name: l, envoyConfig: {name: \"\", kind: Envoy}, priority: 0}"),
        ("tls without a secret", "originatingTLS: {}"),
    ]), @r#"
    none => nobody
    41 => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].ports: Too many: 41: must have at most 40 items
    port missing => 1.16 1.17 1.18: spec.egress[0].toPorts[0].ports[0].port: Required value
    port as number => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].ports[0].port: Invalid value: "integer": spec.egress[0].toPorts[0].ports[0].port in body must be of type string: "integer"
    large => nobody
    range => nobody
    underscore => nobody
    negative => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].ports[0].port: Invalid value: "-1": spec.egress[0].toPorts[0].ports[0].port in body should match '^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$'
    end below begin => nobody
    end too large => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].ports[0].endPort: Invalid value: 65536: spec.egress[0].toPorts[0].ports[0].endPort in body should be less than or equal to 65535
    lower case => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].ports[0].protocol: Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY"
    icmp => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP", "VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH", "ANY"
    vrrp => 1.16 1.17 1.18: spec.egress[0].toPorts[0].ports[0].protocol: Unsupported value: "VRRP": supported values: "TCP", "UDP", "SCTP", "ANY"
    gre => 1.16 1.17 1.18 1.19: spec.egress[0].toPorts[0].ports[0].protocol: Unsupported value: "GRE": supported values: "TCP", "UDP", "SCTP", "VRRP", "IGMP", "ANY"
    no rules => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules" must validate one and only one schema (oneOf). Found none valid
    two kinds of rules => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules" must validate one and only one schema (oneOf). Found 2 valid alternatives
    empty rules => nobody
    kafka => 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules" must validate one and only one schema (oneOf). Found none valid
    kafka role => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules" must validate one and only one schema (oneOf). Found none valid
    generic => 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules" must validate one and only one schema (oneOf). Found none valid
    names => nobody
    neither name nor pattern => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules.dns[0]" must validate one and only one schema (oneOf). Found none valid
    name and pattern => 1.16 1.17 1.18 1.19 1.20: <nil>: Invalid value: "": "spec.egress[0].toPorts[0].rules.dns[0]" must validate one and only one schema (oneOf). Found 2 valid alternatives
    star in a name => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].rules.dns[0].matchName: Invalid value: "*.test": spec.egress[0].toPorts[0].rules.dns[0].matchName in body should match '^([-a-zA-Z0-9_]+[.]?)+$'
    pattern => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].rules.dns[0].matchPattern: Invalid value: "a b": spec.egress[0].toPorts[0].rules.dns[0].matchPattern in body should match '^([-a-zA-Z0-9_*]+[.]?)+$'
    mismatch => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].rules.http[0].headerMatches[0].mismatch: Unsupported value: "DROP": supported values: "LOG", "ADD", "DELETE", "REPLACE"
    header without a name => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].rules.http[0].headerMatches[0].name: Invalid value: "": spec.egress[0].toPorts[0].rules.http[0].headerMatches[0].name in body should be at least 1 chars long
    host => nobody
    no server name => 1.18 1.19 1.20: spec.egress[0].toPorts[0].serverNames: Invalid value: 0: spec.egress[0].toPorts[0].serverNames in body should have at least 1 items
    empty server name => 1.18 1.19 1.20: spec.egress[0].toPorts[0].serverNames[0]: Invalid value: "": spec.egress[0].toPorts[0].serverNames[0] in body should match '^([-a-zA-Z0-9_*]+[.]?)+$'
    star in front => nobody
    star inside => 1.18 1.19: spec.egress[0].toPorts[0].serverNames[0]: Invalid value: "a.*.test": spec.egress[0].toPorts[0].serverNames[0] in body should match '^(\*?\*\.)?([-a-zA-Z0-9_]+\.?)+$'
    same server name => 1.18 1.19 1.20: spec.egress[0].toPorts[0].serverNames[1]: Duplicate value: "a.test"
    listener => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].listener.envoyConfig.kind: Unsupported value: "Envoy": supported values: "CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"
    tls without a secret => 1.16 1.17 1.18 1.19 1.20: spec.egress[0].toPorts[0].originatingTLS.secret: Required value
    "#);
}

#[test]
fn kinds_and_names() {
    let check = |text: &str, version: CiliumVersion| {
        let object = document::parse(text).unwrap().remove(0);
        let admission = admit(&object, version, FieldValidation::Strict);
        admission.refusals.into_iter().map(|refusal| refusal.message).collect::<Vec<_>>().join("\n")
    };
    let group = "kind: CiliumCIDRGroup, metadata: {name: g}, spec: {externalCIDRs: []}";
    let of = |api: &str| format!("{{apiVersion: {api}, {group}}}");
    for version in CiliumVersion::ALL {
        assert_eq!(check(&of("cilium.io/v2alpha1"), version), "");
        let newer = check(&of("cilium.io/v2"), version);
        assert_eq!(newer.is_empty(), version >= CiliumVersion::V1_18, "{version}: {newer}");
    }
    let named = |metadata: &str| {
        let rest = "spec: {podSelector: {}}";
        let text = format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {metadata}, {rest}}}"
        );
        check(&text, CiliumVersion::V1_20)
    };
    let rows = [
        check("{kind: NetworkPolicy}", CiliumVersion::V1_20),
        check("{apiVersion: v1}", CiliumVersion::V1_20),
        check("[]", CiliumVersion::V1_20),
        check("{apiVersion: extensions/v1beta1, kind: NetworkPolicy}", CiliumVersion::V1_20),
        check(&of("cilium.io/v2"), CiliumVersion::V1_17),
        check("{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g}}", CiliumVersion::V1_20),
        named("{}"),
        named("{generateName: p-}"),
        named(&format!("{{name: {}}}", "n".repeat(253))),
        named("{name: My_Policy, namespace: a.b}"),
        named(&format!("{{name: p, namespace: {}}}", "n".repeat(64))),
        named("{name: p, lables: {a: b}}"),
        named("{name: p, labels: {a b: c, x/y/z: d, /e: f, a: a-}}"),
        named("{name: p, labels: {a: 1}}"),
    ];
    assert_snapshot!(rows.join("\n"), @r#"
    apiVersion not set
    kind not set
    apiVersion not set
    no matches for kind "NetworkPolicy" in version "extensions/v1beta1"
    no matches for kind "CiliumCIDRGroup" in version "cilium.io/v2"
    spec: Required value
    metadata.name: Required value: name or generateName is required


    metadata.name: Invalid value: "My_Policy": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character
    metadata.namespace: Invalid value: "a.b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character
    metadata.namespace: Invalid value: "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn": must be no more than 63 bytes
    strict decoding error: unknown field "metadata.lables"
    metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character
    metadata.labels: Invalid value: "x/y/z": a qualified name has at most one prefix, before its only '/'
    metadata.labels: Invalid value: "/e": prefix part must be non-empty
    metadata.labels: Invalid value: "a-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character
    metadata.labels.a: Invalid value: "integer": metadata.labels.a in body must be of type string: "integer"
    "#);
}

#[test]
fn ports_and_selectors_of_network_policies() {
    let check = |specification: &str| refused_by("NetworkPolicy", &format!("spec: {{{specification}}}"));
    let port = |port: &str| check(&format!("ingress: [{{ports: [{port}]}}]"));
    let selector = |selector: &str| check(&format!("podSelector: {selector}"));
    let rows = [
        check(""),
        check("podSelector: "),
        check("policyTypes: [Ingress, Egress, Ingress]"),
        port("{}"),
        port("{port: \"80\"}"),
        port("{port: a--b}"),
        port("{port: -a}"),
        port("{port: HTTP}"),
        port("{port: a-name-that-is-too-long}"),
        port("{port: 1, endPort: 65536}"),
        port("{port: true}"),
        selector("[]"),
        selector("{matchExpressions: [{key: a, operator: Gt}]}"),
        selector("{matchExpressions: [{operator: Exists}]}"),
        selector("{matchExpressions: [{key: a, operator: Exists, values: [b]}]}"),
        selector("{matchExpressions: [{key: a, operator: In, values: [b c]}]}"),
        selector("{matchExpressions: [{key: A.b/c, operator: Exists}]}"),
        selector("{matchLabels: {a: }}"),
    ];
    assert_snapshot!(rows.join("\n"), @r#"
    nobody
    nobody
    1.16 1.17 1.18 1.19 1.20: spec.policyTypes: Invalid value: may not specify more than two policyTypes
    nobody
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].port: Invalid value: "80": must contain at least one letter (a-z)
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].port: Invalid value: "a--b": must not contain consecutive hyphens
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].port: Invalid value: "-a": must not begin or end with a hyphen
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].port: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].port: Invalid value: "a-name-that-is-too-long": must be no more than 15 characters long
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].endPort: Invalid value: 65536: must be between 1 and 65535, inclusive
    1.16 1.17 1.18 1.19 1.20: spec.ingress[0].ports[0].port: Invalid value: "boolean": spec.ingress[0].ports[0].port in body must be of type integer,string: "boolean"
    1.16 1.17 1.18 1.19 1.20: spec.podSelector: Invalid value: "array": spec.podSelector in body must be of type object: "array"
    1.16 1.17 1.18 1.19 1.20: spec.podSelector.matchExpressions[0].operator: Invalid value: "Gt": not a valid selector operator
    1.16 1.17 1.18 1.19 1.20: spec.podSelector.matchExpressions[0].key: Invalid value: "": name part must be non-empty
    1.16 1.17 1.18 1.19 1.20: spec.podSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'
    1.16 1.17 1.18 1.19 1.20: spec.podSelector.matchExpressions[0].values[0]: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character
    1.16 1.17 1.18 1.19 1.20: spec.podSelector.matchExpressions[0].key: Invalid value: "A.b/c": prefix part must be a lowercase RFC 1123 subdomain
    nobody
    "#);
}
