//! What new users guess in place of the format's words, and what they are told to write.

use rstest::rstest;

use super::{GOOD, lines};

/// What to do about the only mistake of a topology with these further keys, of which the table has this attempt.
fn help(topology: &str, attempt: &str) -> String {
    let text = GOOD
        .replacen("about:", "cilium: '>=1.20'\nabout:", 1)
        .replacen("  nodes: {host: {}}\n", topology, 1)
        .replacen("tcp data/redis:6379: {allow: others}", &format!("{attempt}: {{allow: others}}"), 1)
        .replacen("allow: [shop/api, host]", "allow: [shop/api]", 1);
    let said = lines(&[("s.yaml", &text)]);
    said.trim_end().split_once(" => ").map_or_else(|| said.clone(), |(_, help)| help.to_owned())
}

const REDIS: &str = "tcp data/redis:6379";
const SHOW: &str = "tcp, udp, sctp, icmp, http, https, dns, dns+tcp";

#[rstest]
#[case::grpc(
    "grpc shop/web:80",
    "a call of gRPC is a request to policies: write `http POST namespace/pod:80/package.Service/Method`, or `tcp \
     namespace/pod:80` where no rule is for HTTP"
)]
#[case::http2(
    "http2 GET shop/web:80/",
    "HTTP rules are the same for every version of HTTP: write `http GET namespace/pod:80/path`"
)]
#[case::quic("quic pay:443", "it is datagrams to policies: write `udp namespace/pod:443`")]
#[case::every_protocol(
    "any shop/web:80",
    "an attempt is of one protocol: write one for each; `verdikt matrix` shows all ports at once"
)]
#[case::a_ping_of_one_family("ping6 shop/web", "write `icmp6 namespace/pod`")]
#[case::a_program_for_names("dig pay.example.test", "write `dns api.example.test`")]
#[case::a_query_over_udp("dns+udp pay.example.test", "write `dns api.example.test`")]
#[case::a_program_for_requests("curl shop/web:80/", "write `http GET namespace/pod:80/path`")]
#[case::a_url("https://pay.example.test/", "say what is asked: `https GET https://pay.example.test/`")]
#[case::a_program_for_connections("nc shop/web 80", "write `tcp namespace/pod:80`")]
#[case::a_family_behind_a_hyphen("tcp-ipv6 shop/web:80", "write `tcp6`")]
#[case::a_family_behind_a_letter("udpv4 shop/web:80", "write `udp4`")]
#[case::a_family_as_an_option("tcp -6 shop/web:80", "the family belongs to the protocol: `tcp6 shop/web:80`")]
#[case::kept_in_another_form(
    "tcp data/redis:6379 keep",
    "data on the connection of the step before is `tcp data/redis:6379 kept`"
)]
#[case::kept_first("kept tcp data/redis:6379", "write `tcp namespace/pod:80 kept`")]
fn a_word_for_an_attempt(#[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(help("", attempt), expected);
}

#[rstest]
#[case::of_a_pod("shop/web", "shop/web:PORT")]
#[case::of_a_pod_with_its_port("shop/web:80", "shop/web:80")]
#[case::of_a_host_outside("pay", "pay:PORT")]
#[case::of_an_address("203.0.113.60:443", "203.0.113.60:443")]
fn a_target_without_a_word(#[case] attempt: &str, #[case] target: &str) {
    assert_eq!(help("", attempt), format!("say what is tried: `tcp {target}`, or another of: {SHOW}"));
}

#[rstest]
#[case::of_a_node(
    "  nodes: {far: {address: 10.9.0.7, serves: [tcp 22]}}\n",
    "tcp 10.9.0.7:22",
    "it is the address of `far`: write `far` in its place"
)]
#[case::of_a_host_by_its_second(
    "  settings: {ipv6.enabled: true}\n",
    "tcp [2001:db8::7]:443",
    "attempts use names: make it a host outside, `world: {far: {address: 2001:db8::7, serves: [tcp 443]}}`, or name \
     the pod, service or node that has it"
)]
#[case::of_a_range(
    "",
    "tcp 203.0.113.0/24:443",
    "name a host outside that is in it: `world: {far: {address: 203.0.113.7, serves: [tcp 443]}}`"
)]
fn an_address(#[case] topology: &str, #[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(help(topology, attempt), expected);
}

#[rstest]
#[case::of_the_pods(
    "tcp host:22",
    "add the node to the topology, with what it serves: `nodes: {host: {serves: [tcp 10250]}}`"
)]
#[case::another(
    "tcp remote-node:22",
    "add the node to the topology, with what it serves: `nodes: {remote-node: {serves: [tcp 10250]}}`"
)]
#[case::of_the_api_server(
    "tcp kube-apiserver:6443",
    "say where the API server is, and name that: `nodes: {control: {apiServer: true, serves: [tcp 6443]}}`"
)]
fn a_node_that_nobody_declares(#[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(help("", attempt), expected);
}

#[rstest]
#[case::with_capitals("dns Pay.example.test", "write `pay.example.test`")]
#[case::with_a_last_dot("dns pay.example.test.", "write `pay.example.test`")]
#[case::by_its_type("dns AAAA pay.example.test", "write `dns pay.example.test`")]
#[case::of_one_label(
    "dns pay",
    "write the whole name: `api.example.test`, or of a service `web.shop.svc.cluster.local`"
)]
fn a_name(#[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(help("", attempt), expected);
}

#[rstest]
#[case::a_range("tcp shop/web:80-90", "write one port: `80`")]
#[case::two("tcp shop/web:80,81", "write one port: `80`")]
#[case::that_is_none("tcp data/redis:99999", "`data/redis` serves `tcp 6379`")]
#[case::of_a_request_that_is_none("http GET shop/api:99999/", "`shop/api` serves `http 3000`")]
#[case::of_a_service_that_is_none(
    "tcp shop/front:99999",
    "write the number of the port on which the server listens"
)]
fn ports_of_an_attempt(#[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(help("", attempt), expected);
}

#[rstest]
#[case::a_flag("{enable-host-firewall: true}", "did you mean `hostFirewall.enabled`?")]
#[case::an_older_name("{tunnel: vxlan}", "did you mean `routingMode`?")]
#[case::the_last_part(
    "{policyDefaultLocalCluster: true}",
    "did you mean `clustermesh.policyDefaultLocalCluster`?"
)]
#[case::of_the_topology("{networkPolicyApi: standard}", "it stands beside `settings` in the topology")]
fn a_setting(#[case] written: &str, #[case] expected: &str) {
    assert_eq!(help(&format!("  settings: {written}\n"), REDIS), expected);
}

#[rstest]
#[case::the_gateway(
    "  gateway: {/: shop/front:8080}\n",
    "the gateway is `cilium: [ingress]`, and where it leads is `routes: {/: shop/web:80}`"
)]
#[case::a_search_list(
    "  dns: {searches: [corp.example]}\n",
    "attempts are made by whole names; those of services may leave out what every pod searches: `tcp web.shop:80`"
)]
#[case::a_route_by_a_host_in_capitals(
    "  cilium: [ingress]\n  routes: {API.example.test/: shop/front:8080}\n",
    "write `api.example.test`"
)]
#[case::a_route_without_a_slash(
    "  cilium: [ingress]\n  routes: {api: shop/front:8080}\n",
    "write `/api`; with a host in front it is `api.example.test/api`"
)]
#[case::a_route_of_a_whole_host(
    "  cilium: [ingress]\n  routes: {api.example.test: shop/front:8080}\n",
    "write `api.example.test/`"
)]
#[case::endpoints_of_cilium_in_braces("  cilium: {ingress: {}}\n", "name them: `[ingress, health]`")]
#[case::clusters_beside_this_one(
    "  clusters: {west: {}}\n",
    "a pod of another cluster says so itself: `pods: {shop/web: {cluster: west}}`"
)]
#[case::the_second_family("  ipv6: true\n", "switch it on: `settings: {ipv6.enabled: true}`")]
#[case::both_families(
    "  families: [ipv4, ipv6]\n",
    "switch IPv6 on, `settings: {ipv6.enabled: true}`; an attempt names one: `tcp6 shop/web:80`"
)]
#[case::nodes_in_brackets(
    "  nodes: [host, far]\n",
    "write each node with what it is: `{far: {address: 192.0.2.10}}`"
)]
#[case::a_node_by_its_address("  nodes: {far: 10.0.0.1}\n", "write `{address: 10.0.0.1}`")]
#[case::a_node_by_a_word(
    "  nodes: {far: worker}\n",
    "write what it is in braces, `{key: value}`, or `{}` for nothing"
)]
#[case::a_role_of_a_node("  nodes: {far: {controlPlane: true}}\n", "write `roles: [control-plane]`")]
#[case::a_redirect_from_a_port_that_the_service_does_not_have(
    "  redirects: {shop/x: {from: shop/front, selects: {app: web}, ports: {443: 80}}}\n",
    "it offers `8080/tcp`"
)]
#[case::a_secret_without_a_namespace("  secrets: [certificate]\n", "write `NAMESPACE/certificate`")]
fn a_key(#[case] topology: &str, #[case] expected: &str) {
    assert_eq!(help(topology, REDIS), expected);
}

#[rstest]
#[case::a_traffic_policy(
    "shop/front: {",
    "shop/front: {trafficPolicy: Local, ",
    "it is `externalTrafficPolicy` for clients outside, and `internalTrafficPolicy` for those inside"
)]
#[case::an_address_of_a_host_outside(
    "shop/front: {",
    "shop/front: {externalIPs: [192.0.2.1], ",
    "give the service an address that nobody has"
)]
#[case::a_name_for_an_address(
    "shop/front: {",
    "shop/front: {externalIPs: [pay], ",
    "write an address: `203.0.113.7`"
)]
#[case::a_range_of_one_address(
    "shop/front: {",
    "shop/front: {type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.60], ",
    "write `203.0.113.60/32`"
)]
#[case::a_range_by_a_colon("serves: [tcp 6379]", "serves: [tcp 6379, tcp 8000:8010]", "write `8000-8010`")]
#[case::a_range_without_an_end(
    "serves: [tcp 6379]",
    "serves: [tcp 6379, tcp 8000-]",
    "write both ports: `8000-8010`"
)]
#[case::a_port_alone("serves: [tcp 6379]", "serves: [tcp 6379, 8000]", "say what listens there: `tcp 8080`")]
#[case::a_node_that_is_none(
    "shop/web: {",
    "shop/web: {hostNetwork: true, node: far, ",
    "add it to the topology: `nodes: {far: {}}`"
)]
#[case::yes_for_true("shop/web: {", "shop/web: {hostNetwork: \"yes\", ", "write `true`, without quotes")]
#[case::true_in_quotes("shop/front: {", "shop/front: {headless: \"true\", ", "write `true`, without quotes")]
#[case::no_for_false(
    "shop/web: {",
    "shop/web: {silent: \"no\", ",
    "write `false`, without quotes, or leave it out"
)]
#[case::another_word_for_true(
    "shop/web: {",
    "shop/web: {hostNetwork: host, ",
    "write `true`, or leave it out"
)]
#[case::one_for_true("shop/web: {", "shop/web: {hostNetwork: 1, ", "write `true`, or leave it out")]
#[case::a_port_that_is_none(
    "serves: [tcp 6379]",
    "serves: [tcp 99999]",
    "write the number of the port on which the server listens"
)]
#[case::the_type_of_an_alias(
    "shop/front: {",
    "shop/front: {type: ExternalName, ",
    "leave it out, and write what it is an alias of: `externalName: api.example.test`"
)]
#[case::ports_of_the_node_in_brackets(
    "shop/web: {",
    "shop/web: {hostPorts: [80], ",
    "write each port of the node with the pod's own: `{80: 8080}`"
)]
#[case::several_clusters("shop/web: {", "shop/web: {cluster: [west], ", "write one, without brackets")]
#[case::trust_by_a_word(
    "shop/web: {",
    "shop/web: {trusts: none, ",
    "name the secrets, `[shop/certificate]`, or write `[]` for none; a client without `trusts` accepts any certificate"
)]
#[case::a_certificate_as_a_switch(
    "shop/web: {",
    "shop/web: {certificate: true, ",
    "name the secret that contains it: `shop/certificate`"
)]
#[case::tls_as_a_switch(
    "shop/web: {",
    "shop/web: {tls: true, ",
    "let it serve `https 443`; the secret that it presents is `certificate: shop/web-tls`"
)]
#[case::the_node_of_a_pod(
    "shop/web: {",
    "shop/web: {nodeName: far, ",
    "pods run on the node `host`; one with `hostNetwork: true` may name another, `node: far`"
)]
#[case::families_of_a_service(
    "shop/front: {",
    "shop/front: {ipFamilies: [IPv6], ",
    "an attempt names the family: `tcp6 shop/web:80`"
)]
#[case::an_address_of_the_other_family(
    "pay: {",
    "pay: {ipv6: 203.0.113.61, ",
    "an IPv4 address is the host's `address: 203.0.113.61`"
)]
#[case::audit_as_a_switch(
    "- step: ",
    "- audit: true\n  step: ",
    "it names pods, `[shop/web]`; all endpoints are audited by `mode: audit`"
)]
#[case::an_alias("pay: {", "pay: {cname: www.example.test, ", "did you mean `aliases`?")]
fn a_word_of_an_endpoint(#[case] place: &str, #[case] written: &str, #[case] expected: &str) {
    assert!(GOOD.contains(place), "{GOOD}");
    let text = GOOD.replacen(place, written, 1).replacen("  nodes: {host: {}}\n", "", 1);
    let text = text.replacen("allow: [shop/api, host]", "allow: [shop/api]", 1);
    let said = lines(&[("s.yaml", &text)]);
    assert_eq!(said.trim_end().split_once(" => ").unwrap().1, expected);
}

/// An alias of a name outside is found by its short name as any other service is.
#[test]
fn the_short_name_of_an_alias() {
    let text = GOOD
        .replacen("  services:\n", "  services:\n    shop/old: {externalName: pay.example.test}\n", 1)
        .replacen("tcp data/redis:6379: {allow: others}", "tcp old.shop:443: {allow: others}", 1);
    assert_eq!(lines(&[("s.yaml", &text)]), "");
}

/// A topology without a target, or without a source, says what to add.
#[rstest]
#[case::a_pod(
    "",
    "tcp shop/web:80",
    "the topology has none: add it, `pods: {shop/web: {labels: {app: web}, serves: [tcp 8080]}}`"
)]
#[case::a_host("", "icmp web", "the topology has none: add it, `world: {web: {serves: [tcp 443]}}`")]
#[case::a_service(
    "",
    "tcp service:shop/web:80",
    "the topology has none: add it, `services: {shop/web: {selects: {app: web}, ports: {80: 8080}}}`"
)]
#[case::a_source(
    "  pods: {shop/web: {serves: [tcp 80]}}\n",
    "tcp shop/web:80",
    "add a pod or a host outside to the topology: `pods: {shop/client: {}}`"
)]
fn nothing_is_there(#[case] topology: &str, #[case] attempt: &str, #[case] expected: &str) {
    let text = format!(
        "scenario: empty\nabout: nothing\ntopology:\n  namespaces: {{shop: {{}}}}\n{topology}steps:\n- step: one\n  expect:\n    \
         {attempt}: {{allow: others}}\n"
    );
    let said = lines(&[("s.yaml", &text)]);
    assert_eq!(said.trim_end().split_once(" => ").unwrap().1, expected);
}
