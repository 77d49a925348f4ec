//! The topology of a scenario, up to its steps.

use proptest::prelude::*;
use proptest::sample::select;

use super::settings::DrawnSettings;

/// What is drawn of a topology.
#[derive(Clone, Debug)]
struct Ways {
    service_type: &'static str,
    from_outside: &'static str,
    from_inside: &'static str,
    /// Keys of the service `a/front` and of the redirect `a/metadata`.
    exceptions: Exceptions,
    dns: &'static str,
    api_server: &'static str,
}

/// Whether a load balancer and a redirect except some clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exceptions {
    Some,
    None,
}

/// The DNS servers of pods.
const DNS: &[&str] = &[
    "",
    "",
    "",
    "  dns: {nameservers: [b/names]}\n",
    "  dns: {nameservers: [resolver, b/names]}\n",
    "  dns: {cache: host}\n",
];

/// Where the API server runs.
const API_SERVERS: &[&str] = &[
    "    control: {apiServer: true, address: 192.0.2.22, roles: [control-plane], serves: [tcp 6443]}\n",
    "",
];

/// The topology, up to the steps.
pub(super) fn topology(settings: &DrawnSettings) -> impl Strategy<Value = String> + use<> {
    let second = if settings.both_families() { ", ipv6: '2001:db8::11'" } else { "" };
    let settings = settings.written();
    let ways = (
        select(vec!["type: NodePort, ", "type: LoadBalancer, ", "externalIPs: [192.0.2.81], "]),
        select(vec!["Cluster", "Local"]),
        select(vec!["Cluster", "Local"]),
        select(vec![Exceptions::Some, Exceptions::None]),
        select(DNS.to_vec()),
        select(API_SERVERS.to_vec()),
    );
    ways.prop_map(|(service_type, from_outside, from_inside, exceptions, dns, api_server)| Ways {
        service_type,
        from_outside,
        from_inside,
        exceptions,
        dns,
        api_server,
    })
    .prop_map(move |ways| {
        let services = services(&ways);
        let others = others(&ways, second);
        format!("topology:\n{settings}{PODS}{services}{others}steps:\n")
    })
}

const PODS: &str = "\
\x20 namespaces: {a: {labels: {team: a}}, b: {labels: {team: b}}}
  pods:
    a/web: {labels: {app: web, tier: front}, serves: [http 8080 as web, udp 80], hostPorts: {8088: web, 88/udp: 80}}
    a/db: {labels: {app: db, tier: data}, serves: [tcp 5432, tcp 9000-9002, sctp 9], serviceAccount: data, trusts: []}
    b/web: {labels: {app: web, tier: front}, serves: [http 8080 as web, https 443]}
    b/job: {labels: {app: job}, trusts: [a/tls], only: source}
    b/names: {labels: {app: names}, serves: [dns 53], only: target}
    b/hung: {labels: {app: hung}, serves: [tcp 8080], silent: true}
    b/west: {labels: {app: web}, cluster: west, only: source}
    b/here: {labels: {app: agent}, hostNetwork: true, serves: [tcp 9100]}
    b/there: {labels: {app: agent}, hostNetwork: true, node: far, serves: [tcp 9100]}
";

fn services(ways: &Ways) -> String {
    let Ways { service_type, from_outside, from_inside, exceptions, .. } = ways;
    let ranges = if *exceptions == Exceptions::Some && service_type.contains("LoadBalancer") {
        "loadBalancerSourceRanges: [198.51.100.0/29], "
    } else {
        ""
    };
    format!(
        "  services:
    a/front: {{{service_type}externalTrafficPolicy: {from_outside}, {ranges}selects: {{app: web}}, ports: {{8000: web}}}}
    a/open: {{type: NodePort, selects: {{app: web}}, ports: {{8000: web}}}}
    a/back: {{internalTrafficPolicy: {from_inside}, selects: {{app: db}}, ports: {{5432: 5432}}}}
    b/site: {{selects: {{app: web}}, ports: {{80: web, 81: web}}}}
    b/peers: {{headless: true, selects: {{app: web}}}}
    b/nodes: {{backends: [host, far], ports: {{9101: 9101}}}}
    b/names: {{selects: {{app: names}}, ports: {{53/udp: 53, 53: 53}}}}
    b/alias: {{externalName: api.random.test}}
  routes: {{/: b/site:80, shop.random.test/v1: a/front:8000}}
"
    )
}

fn others(ways: &Ways, second: &str) -> String {
    let Ways { exceptions, dns, api_server, .. } = ways;
    let spared = if *exceptions == Exceptions::Some { ", skipRedirectFromBackend: true" } else { "" };
    let managed = if api_server.is_empty() {
        "    managed: {address: 203.0.113.64, apiServer: true, serves: [tcp 6443], only: target}\n"
    } else {
        ""
    };
    format!(
        "  cilium: [ingress, health]
  world:
    client: {{address: 198.51.100.2, only: source}}
    far-client: {{address: 198.51.100.99, only: source}}
    server: {{address: 203.0.113.11{second}, names: [api.random.test], aliases: [www.random.test], serves: [https 443, udp 443]}}
    other: {{address: 203.0.113.40, serves: [https 443, udp 443], certificate: a/other}}
    gone: {{address: 203.0.113.12, silent: true}}
    store: {{address: 203.0.113.63, names: [store.random.test], serves: [tcp 6379], only: target}}
    resolver: {{address: 203.0.113.53, serves: [dns 53], only: target}}
    metadata: {{address: 169.254.169.254, serves: [http 80], only: target}}
{managed}  redirects:
    a/metadata: {{from: metadata, selects: {{app: web}}, ports: {{80: web}}{spared}}}
    a/site: {{from: b/site, selects: {{app: db}}, ports: {{81: 9000}}}}
{dns}  secrets: [a/tls, a/other]
  nodes:
    host: {{address: 192.0.2.20, labels: {{pool: work}}, serves: [tcp 9101]}}
    far: {{address: 192.0.2.21, labels: {{pool: rest}}, serves: [tcp 9101]}}
{api_server}"
    )
}
