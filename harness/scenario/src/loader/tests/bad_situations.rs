//! Situations that cannot be: each is a mistake with its place, its reason and what to do.

use rstest::rstest;

use super::{GOOD, lines};

/// What is said of a topology with these further keys, of which the table has this attempt.
fn said(topology: &str, attempt: &str, values: &str) -> String {
    let text = GOOD
        .replacen("about:", "cilium: '>=1.18'\nabout:", 1)
        .replacen("  nodes: {host: {}}\n", topology, 1)
        .replacen("tcp data/redis:6379: {allow: others}", &format!("{attempt}: {{allow: others}}"), 1)
        .replacen("allow: [shop/api, host]", "allow: [shop/api]", 1);
    lines(&[("s.yaml", &text), ("values.yaml", values)])
}

const REDIS: &str = "tcp data/redis:6379";

#[rstest]
#[case::that_does_not_exist(
    "  settings: {policyAuditMod: true}\n",
    "",
    "s.yaml:15:14: no setting of Cilium that matters to policies is called `policyAuditMod` => did you mean \
     `policyAuditMode`?"
)]
#[case::that_the_version_does_not_know(
    "  settings: {k8sClusterNetworkPolicy: {enabled: true}}\n",
    "",
    "s.yaml:15:40: Cilium 1.18 does not know the setting `k8sClusterNetworkPolicy.enabled` => say that the scenario \
     holds for later ones: `cilium: '>=1.20'`"
)]
#[case::of_values_that_the_version_does_not_know(
    "  settings: {values: values.yaml}\n",
    "policyDenyResponse: icmp\n",
    "values.yaml:1:1: Cilium 1.18 does not know the setting `policyDenyResponse` => say that the scenario holds for \
     later ones: `cilium: '>=1.19'`"
)]
#[case::that_values_contradict(
    "  settings: {values: values.yaml, hostFirewall.enabled: true}\n",
    "hostFirewall: {enabled: false}\n",
    "s.yaml:15:35: `hostFirewall.enabled` has another value in `values.yaml` => line 1 has it: leave one of them out"
)]
#[case::that_values_contradict_by_its_other_name(
    "  settings: {values: values.yaml, enablePolicy: never}\n",
    "policyEnforcementMode: always\n",
    "s.yaml:15:35: `enablePolicy` has another value in `values.yaml` => line 1 has it: leave one of them out"
)]
#[case::that_contradicts_itself(
    "  settings: {hostFirewall.enabled: true, hostFirewall: {enabled: false}}\n",
    "",
    "s.yaml:15:57: `hostFirewall.enabled` has another value in `s.yaml` => line 15 has it: leave one of them out"
)]
#[case::said_twice_alike("  settings: {hostFirewall.enabled: true, hostFirewall: {enabled: true}}\n", "", "")]
fn a_setting(#[case] topology: &str, #[case] values: &str, #[case] expected: &str) {
    assert_eq!(said(topology, REDIS, values).trim_end(), expected);
}

#[rstest]
#[case::that_the_topology_leaves_out(
    "",
    "http GET ingress:80/",
    "s.yaml:18:5: no host or node is called `ingress` => add it to the topology: `cilium: [ingress]`"
)]
#[case::without_a_route_for_the_path(
    "  cilium: [ingress]\n  routes: {/api: shop/front:8080}\n",
    "http GET ingress:80/v1",
    "s.yaml:20:5: no route of the gateway matches `/v1` => its routes are for `/api`"
)]
#[case::whose_route_leads_nowhere(
    "  cilium: [ingress]\n  routes: {/: shop/back:8080}\n",
    "http GET ingress:80/",
    "s.yaml:16:15: no service is called `shop/back` => the services are: `shop/front`"
)]
#[case::that_routes_need(
    "  routes: {/: shop/front:8080}\n",
    REDIS,
    "s.yaml:15:12: `/` is a route, but the topology has no gateway => add `cilium: [ingress]`"
)]
fn a_gateway(#[case] topology: &str, #[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(said(topology, attempt, "").trim_end(), expected);
}

#[rstest]
#[case::by_its_name("icmp Timestamp shop/web", "")]
#[case::by_its_number("icmp4 13 shop/web", "")]
#[case::of_neither(
    "icmp Timestamps shop/web",
    "s.yaml:19:5: `Timestamps` is not a type of an ICMP message of IPv4 => write a number, or a name as in policies: `icmp \
     Timestamp shop/web`"
)]
#[case::an_echo_request("icmp 8 shop/web", "s.yaml:19:5: type 8 is an echo request => leave the type out")]
#[case::an_echo_reply(
    "icmp EchoReply shop/web",
    "s.yaml:19:5: type 0 answers an echo request, and passes with it => attempt the request: leave the type out"
)]
#[case::for_neighbours(
    "icmpv6 NeighborSolicitation shop/web",
    "s.yaml:19:5: type 135 is for neighbours on one link, and no policy applies to it"
)]
#[case::of_the_other_family(
    "icmp6 Timestamp shop/web",
    "s.yaml:19:5: `Timestamp` is not a type of an ICMP message of IPv6 => write a number, or a name as in policies: `icmp \
     Timestamp shop/web`"
)]
#[case::to_a_service(
    "icmp 13 shop/front",
    "s.yaml:19:5: `shop/front` is a service, and its address answers no ping => ping a pod behind it"
)]
fn an_icmp_message(#[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(said("  settings: {ipv6.enabled: true}\n", attempt, "").trim_end(), expected);
}

#[rstest]
#[case::of_the_step_before("tcp data/redis:6379 kept: {allow: [shop/web, shop/api, client, pay]}", "")]
#[case::of_somebody_else(
    "tcp data/redis:6379 kept: {allow: [shop/web, host]}",
    "s.yaml:23:50: no source is called `host` => add the node to the topology, with what it serves: `nodes: {host: {serves: [tcp \
     10250]}}`"
)]
#[case::to_a_server_that_says_nothing_back(
    "tcp shop/web:80 kept: {allow: others}",
    "s.yaml:23:5: `shop/web` does not serve plain TCP on port 80, and sends nothing back => let it serve `tcp 80`"
)]
#[case::that_the_step_before_does_not_make(
    "tcp data/other:7000 kept: {allow: others}",
    "s.yaml:23:5: the step before opens no such connection, so none is kept => attempt `tcp data/other:7000` in the step \
     before"
)]
#[case::to_a_service(
    "tcp shop/front:8080 kept: {allow: others}",
    "s.yaml:23:5: only TCP connections to an endpoint are kept => write `tcp` and the pod, host or node: `tcp shop/web-0:80 \
     kept`; of a pod and a service of one name the pod is `pod:shop/web`"
)]
#[case::of_another_protocol(
    "icmp data/redis kept: {allow: others}",
    "s.yaml:23:5: only TCP connections to an endpoint are kept => write `tcp` and the pod, host or node: `tcp shop/web-0:80 \
     kept`; of a pod and a service of one name the pod is `pod:shop/web`"
)]
fn a_kept_connection(#[case] cell: &str, #[case] expected: &str) {
    let text = GOOD
        .replacen("  nodes: {host: {}}\n", "  nodes: {}\n", 1)
        .replacen("  services:", "    data/other: {labels: {app: other}, serves: [tcp 7000], only: target}\n  services:", 1)
        .replacen("    tcp data/redis:6379:\n      allow: [shop/api, host]\n      deny ingress by data/lockdown: others\n", &format!("    {cell}\n"), 1);
    assert_eq!(lines(&[("s.yaml", &text)]).trim_end(), expected);
}

#[rstest]
#[case::to_its_host(
    "tcp pay:443 kept",
    "s.yaml:23:13: `pay.example.test` does not expire while a connection to `pay` is kept: Cilium keeps the names of open \
     connections => leave `expired` out, or connect again: `tcp pay:443`"
)]
#[case::to_another_host("tcp other:443 kept", "")]
#[case::of_an_attempt_anew("tcp pay:443", "")]
fn a_name_that_is_too_old_beside_a_kept_connection(#[case] attempt: &str, #[case] expected: &str) {
    let (head, policies) = GOOD.split_once("  nodes: ").unwrap();
    let head = head.replacen("serves: [http 443]", "serves: [tcp 443]", 1);
    let (_, policies) = policies.split_once("---\n").unwrap();
    let text = format!(
        "{head}    other: {{serves: [tcp 443]}}\nsteps:\n- step: one\n  policies: [lockdown]\n  expect:\n    tcp pay:443: {{allow: \
         others}}\n    tcp other:443: {{allow: others}}\n- step: two\n  policies: [lockdown]\n  expired: [pay.example.test]\n  \
         expect:\n    {attempt}: {{allow: others}}\n---\n{policies}"
    );
    assert_eq!(lines(&[("s.yaml", &text)]).trim_end(), expected);
}

#[rstest]
#[case::a_service("data/dns", "")]
#[case::a_host_outside("resolver", "")]
#[case::a_service_without_the_port(
    "shop/front",
    "s.yaml:18:23: service `shop/front` does not offer port 53, which pods use for queries => give it `ports: {53/udp: 53, \
     53: 53}`"
)]
#[case::a_host_that_serves_something_else(
    "pay",
    "s.yaml:18:23: `pay` serves no DNS on port 53, which pods use for queries => let it serve `dns 53`"
)]
#[case::of_no_such_name(
    "resolvre",
    "s.yaml:18:23: `resolvre` is neither a host outside nor a node => did you mean `resolver`?"
)]
fn a_further_dns_server(#[case] server: &str, #[case] expected: &str) {
    let text = GOOD
        .replacen(
            "    data/redis:",
            "    data/dns: {labels: {app: dns}, serves: [dns 53]}\n    data/redis:",
            1,
        )
        .replacen(
            "  services:\n",
            "  services:\n    data/dns: {selects: {app: dns}, ports: {53/udp: 53, 53: 53}}\n",
            1,
        )
        .replacen("  world:\n", "  world:\n    resolver: {serves: [dns 53]}\n", 1)
        .replacen(
            "  nodes: {host: {}}\n",
            &format!("  nodes: {{host: {{}}}}\n  dns: {{nameservers: [{server}]}}\n"),
            1,
        );
    assert_eq!(lines(&[("s.yaml", &text)]).trim_end(), expected);
}

#[test]
fn a_connection_that_was_never_made() {
    let text = GOOD
        .replacen("---\napiVersion", "- step: later\n  policies: [lockdown]\n  expect:\n    tcp data/redis:6379 kept: {allow: [host, shop/api], deny: shop/web}\n---\napiVersion", 1);
    assert_eq!(
        lines(&[("s.yaml", &text)]).trim_end(),
        "s.yaml:28:63: `shop/web` has no connection to keep: the step before does not allow it => leave it out"
    );
    let first =
        GOOD.replacen("tcp data/redis:6379: {allow: others}", "tcp data/redis:6379 kept: {allow: others}", 1);
    assert_eq!(
        lines(&[("s.yaml", &first)]).trim_end(),
        "s.yaml:18:5: no step comes before this one, and no connection is kept => attempt `tcp data/redis:6379` in the step \
         before"
    );
}

const RANGES: &str = "  settings: {policyCIDRMatchMode: nodes, ipv6.enabled: true}\n";

#[rstest]
#[case::of_the_topology(
    "  nodes: {far: {}}\n",
    REDIS,
    "s.yaml:14:11: node `far` has no address, and ranges match nodes here (policyCIDRMatchMode) => give it one: \
     `nodes: {far: {address: 192.0.2.10}}`"
)]
#[case::of_a_family("  nodes: {far: {address: 192.0.2.10, serves: [tcp 80]}}\n", "tcp4 far:80", "")]
#[case::of_the_other_family(
    "  nodes: {far: {address: 192.0.2.10, serves: [tcp 80]}}\n",
    "tcp6 far:80",
    "s.yaml:19:5: node `far` has no IPv6 address, and ranges match nodes here (policyCIDRMatchMode) => attempt it over \
     the family of its address, or leave the family out"
)]
#[case::of_a_pod_in_its_network(
    "  include: [agent.yaml]\n",
    REDIS,
    "agent.yaml:3:3: node `host` has no address, and ranges match nodes here (policyCIDRMatchMode) => give it one: \
     `nodes: {host: {address: 192.0.2.10}}`"
)]
#[case::over_which_hosts_outside_come(
    "  include: [open.yaml]\n",
    "tcp shop/open:8080",
    "s.yaml:19:5: node `remote-node` has no address, and ranges match nodes here (policyCIDRMatchMode) => give it one: \
     `nodes: {remote-node: {address: 192.0.2.10}}`"
)]
fn a_node_without_the_address(#[case] nodes: &str, #[case] attempt: &str, #[case] expected: &str) {
    let text = GOOD
        .replacen("  nodes: {host: {}}\n", &format!("{nodes}{RANGES}"), 1)
        .replacen("tcp data/redis:6379: {allow: others}", &format!("{attempt}: {{allow: others}}"), 1)
        .replacen("allow: [shop/api, host]", "allow: [shop/api]", 1);
    let agent = "namespaces: {shop: {}}\npods:\n  shop/agent: {hostNetwork: true, serves: [tcp 9100]}\n";
    let open = "namespaces: {shop: {}}\npods: {shop/api: {labels: {app: api}}}\n\
                services: {shop/open: {type: NodePort, selects: {app: api}, ports: {8080: 3000}}}\n";
    let said = lines(&[("s.yaml", &text), ("agent.yaml", agent), ("open.yaml", open)]);
    assert_eq!(said.trim_end(), expected);
}

#[rstest]
#[case::of_a_host("data/r: {from: pay, selects: {app: redis}, ports: {443: 6379}}", "")]
#[case::of_a_service("data/r: {from: shop/front, selects: {app: redis}, ports: {8080: 6379}}", "")]
#[case::of_nobody(
    "data/r: {from: pya, selects: {app: redis}, ports: {443: 6379}}",
    "s.yaml:15:20: no host outside is called `pya` => did you mean `pay`?"
)]
#[case::to_pods_of_another_namespace(
    "shop/r: {from: pay, selects: {app: redis}, ports: {443: 6379}}",
    "s.yaml:15:5: local redirect policy `shop/r` matches no pod of `shop` on the node `host` => only pods of its own namespace \
     answer, on the node of their clients"
)]
#[case::to_a_port_that_nobody_serves(
    "data/r: {from: pay, selects: {app: redis}, ports: {443: 80}}",
    "s.yaml:15:5: `data/redis` answers for a local redirect policy, but serves no tcp port 80 => let it serve `tcp 80`"
)]
#[case::without_pods(
    "data/r: {from: pay, selects: {}, ports: {443: 6379}}",
    "s.yaml:15:5: local redirect policy `data/r` selects no pods => name the labels of the pods that answer: `selects: {app: \
     agent}`"
)]
#[case::without_ports(
    "data/r: {from: pay, selects: {app: redis}, ports: {}}",
    "s.yaml:15:20: this local redirect policy is for no port => give it `ports: {80: 8080}`"
)]
#[case::beside_another_one(
    "data/r: {from: pay, selects: {app: redis}, ports: {443: 6379}}\n    data/s: {from: pay, selects: {app: redis}, ports: {443: 6379}}",
    "s.yaml:16:5: local redirect policies `data/r` and `data/s` are both for tcp port 443 of `pay`: which of them applies depends on \
     which Cilium reads first => remove the port from one of them, or let `data/r` select all that answer"
)]
fn a_local_redirect_policy(#[case] redirect: &str, #[case] expected: &str) {
    let redirects = format!("  redirects:\n    {redirect}\n  nodes:");
    let text = GOOD.replacen("  nodes:", &redirects, 1);
    assert_eq!(lines(&[("s.yaml", &text)]).trim_end(), expected);
}

/// What a new user guesses, and is told.
#[rstest]
#[case::the_flag_of_a_setting(
    "  settings: {policy-cidr-match-mode: nodes}\n",
    "tcp shop/web:80",
    "s.yaml:15:14: no setting of Cilium that matters to policies is called `policy-cidr-match-mode` => did you mean \
     `policyCIDRMatchMode`?"
)]
#[case::the_gateway(
    "",
    "http GET gateway:80/",
    "s.yaml:18:5: no host or node is called `gateway` => the gateway is called `ingress`; add it to the topology: `cilium: [ingress]`"
)]
#[case::a_ping(
    "",
    "ping shop/web",
    "s.yaml:18:5: `ping` is not a kind of attempt => write `icmp namespace/pod`"
)]
#[case::the_service_of_the_api_server(
    "",
    "tcp kubernetes.default:443",
    "s.yaml:18:5: `kubernetes.default` does not resolve in this topology => say where the API server is to get its service: `nodes: \
     {control: {apiServer: true, serves: [tcp 6443]}}`"
)]
#[case::the_address_of_a_dns_server(
    "  dns: {nameservers: [8.8.8.8]}\n",
    "tcp shop/web:80",
    "s.yaml:15:23: `8.8.8.8` is an address, but DNS servers are named => make it a host outside: `world: {resolver: {address: \
     8.8.8.8, serves: [dns 53]}}`"
)]
#[case::a_route_to_a_pod(
    "  cilium: [ingress]\n  routes: {/: shop/web:80}\n",
    "tcp shop/web:80",
    "s.yaml:16:15: `shop/web` is a pod, but routes need a service => put a service in front of it: `services: {namespace/name: \
     {selects: {…}, ports: {80: 80}}}`"
)]
#[case::to_keep_a_connection(
    "",
    "tcp shop/web:80 keep",
    "s.yaml:18:5: `keep` means nothing after a port => data on the connection of the step before is `tcp shop/web:80 \
     kept`"
)]
#[case::a_port_before_its_target(
    "",
    "tcp 80 shop/web",
    "s.yaml:18:5: the tcp attempt has no port => write `tcp shop/web:80`"
)]
#[case::an_address(
    "",
    "tcp 198.51.100.7:443",
    "s.yaml:18:5: `198.51.100.7` does not resolve in this topology => attempts use names: make it a host outside, \
     `world: {far: {address: 198.51.100.7, serves: [tcp 443]}}`, or name the pod, service or node that has it"
)]
#[case::an_echo(
    "",
    "icmp echo shop/web",
    "s.yaml:18:5: `echo` is not a type of an ICMP message of IPv4 => an echo request needs no type: write `icmp shop/web`"
)]
#[case::a_switch_without_its_end(
    "  settings: {hostFirewall: true}\n",
    "tcp shop/web:80",
    "s.yaml:15:14: no setting of Cilium that matters to policies is called `hostFirewall` => did you mean `hostFirewall.enabled`?"
)]
#[case::a_list_of_routes(
    "  routes: [shop/front:8080]\n",
    "tcp shop/web:80",
    "s.yaml:15:11: `routes` must be a mapping, and this is a list => write each path with a service and its port: `{/: shop/web:80}`"
)]
#[case::secrets_with_what_is_in_them(
    "  secrets: {shop/certificate: {}}\n",
    "tcp shop/web:80",
    "s.yaml:15:12: `secrets` must be a list, and this is a mapping => name them: `[shop/certificate]`; their content comes from manifests"
)]
#[case::the_server_of_names(
    "  dns: {server: shop/front}\n",
    "tcp shop/web:80",
    "s.yaml:15:9: unknown key `server` => name the server's service, `service: kube-system/kube-dns`, or further servers, \
     `nameservers: […]`"
)]
fn a_guess(#[case] topology: &str, #[case] attempt: &str, #[case] expected: &str) {
    assert_eq!(said(topology, attempt, "").trim_end(), expected);
}

/// What newcomers know from manifests, at the place of a service or of a pod.
#[rstest]
#[case::an_alias_by_its_type(
    "shop/front: {",
    "shop/front: {type: ExternalName, ",
    "`ExternalName` is not a word for `type` => leave it out, and write what it is an alias of: `externalName: api.example.test`"
)]
#[case::no_address_of_its_own(
    "shop/front: {",
    "shop/front: {clusterIP: None, ",
    "unknown key `clusterIP` => a service without an address of its own is `headless: true`; leave it out of others"
)]
#[case::a_list_of_host_ports(
    "shop/web: {",
    "shop/web: {hostPorts: [80], ",
    "`hostPorts` must be a mapping, and this is a list => write each port of the node with the pod's own: `{80: 8080}`"
)]
#[case::ports_of_a_pod(
    "shop/web: {",
    "shop/web: {ports: [80], ",
    "unknown key `ports` => what it listens on is `serves: [tcp 8080]`"
)]
fn a_word_of_manifests(#[case] place: &str, #[case] written: &str, #[case] expected: &str) {
    assert!(GOOD.contains(place), "{GOOD}");
    let said = lines(&[("s.yaml", &GOOD.replacen(place, written, 1))]);
    assert_eq!(said.trim_end().split_once(": ").unwrap().1, expected);
}

/// Certificates that nobody has, and clients that trust what there is not.
#[rstest]
#[case::a_certificate_of_no_secret(
    "serves: [http 443]}",
    "serves: [https 443], certificate: shop/own}",
    "no secret is called `shop/own` => add it to the topology: `secrets: [shop/own]`, or its manifest"
)]
#[case::a_certificate_without_https(
    "world:\n    client: {",
    "secrets: [shop/own]\n  world:\n    client: {certificate: shop/own",
    "`client` serves no https, so it presents no certificate => let it serve `https 443`"
)]
#[case::trust_in_no_secret(
    "shop/web: {",
    "shop/web: {trusts: [own], ",
    "`own` is not of the form `namespace/name` => write `NAMESPACE/own`"
)]
#[case::trust_without_brackets(
    "shop/web: {",
    "shop/web: {trusts: shop/own, ",
    "`trusts` must be a list, and this is text => name the secrets, `[shop/certificate]`, or write `[]` for none; a client without \
     `trusts` accepts any certificate"
)]
fn a_certificate(#[case] place: &str, #[case] written: &str, #[case] expected: &str) {
    assert!(GOOD.contains(place), "{GOOD}");
    let said = lines(&[("s.yaml", &GOOD.replacen(place, written, 1))]);
    assert_eq!(said.trim_end().split_once(": ").unwrap().1, expected);
}
