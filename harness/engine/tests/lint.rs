//! Each warning: a policy that causes it, and a near one that does not.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use insta::assert_snapshot;
use verdikt_engine::cluster::Options;
use verdikt_engine::lint::lint;
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::{
    Pod, Port, Protocol, Served, ServedProtocol, Service, ServicePort, TargetPort, Topology, WorldHost,
};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A web pod that calls an API through a service (8080 to 3000), and a host outside.
fn topology() -> Topology {
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse().unwrap(), BTreeMap::new());
    let number = |port: u16| Port::new(port).unwrap();
    for (name, app, port) in [("shop/web", "web", 80), ("shop/api", "api", 3000)] {
        let serves = vec![Served { protocol: ServedProtocol::Http, port: number(port), name: None }];
        topology
            .pods
            .insert(name.parse().unwrap(), Pod { labels: labels(&[("app", app)]), serves, ..Pod::default() });
    }
    let port =
        ServicePort { port: number(8080), protocol: Protocol::Tcp, target: TargetPort::Number(number(3000)) };
    let selects = Some(labels(&[("app", "api")]));
    let service = Service { labels: BTreeMap::new(), selects, backends: [].into(), ports: vec![port] };
    topology.services.insert("shop/front".parse().unwrap(), service);
    let host = WorldHost { address: "203.0.113.10".parse().unwrap(), names: [].into(), serves: Vec::new() };
    topology.world.insert("pay".parse().unwrap(), host);
    topology
}

/// The warnings about a policy of the namespace `shop`, a line each with its column in the specification's line.
fn check(spec: &str) -> String {
    warnings("CiliumNetworkPolicy", "p, namespace: shop", spec, Some(&topology()))
}

/// The same for a clusterwide policy.
fn check_clusterwide(spec: &str) -> String {
    warnings("CiliumClusterwideNetworkPolicy", "p", spec, Some(&topology()))
}

/// The same without a topology, as for a folder of policies.
fn check_alone(spec: &str) -> String {
    warnings("CiliumNetworkPolicy", "p, namespace: shop", spec, None)
}

fn warnings(kind: &str, metadata: &str, spec: &str, topology: Option<&Topology>) -> String {
    let text =
        format!("apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: {metadata}}}\nspec:\n  {spec}\n");
    let root = document::parse(&text).unwrap().remove(0);
    let manifests = [Manifest { file: Arc::from("p.yaml"), root }];
    let options = Options { field_validation: FieldValidation::Ignore, ..Options::default() };
    let shown: Vec<String> = lint(topology, &manifests, &options)
        .iter()
        .map(|warning| {
            let (code, help) = (warning.code.as_deref().unwrap(), warning.help.as_deref().unwrap_or("-"));
            format!("{}:{} {code}: {} => {help}", warning.place.line, warning.place.column, warning.message)
        })
        .collect();
    shown.join("\n")
}

const DNS: &str = "{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}], \
                   toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}}]}";

#[test]
fn sound_policies_cause_none() {
    let to_name =
        format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{{matchName: a.test}}]}}, {DNS}]}}");
    for spec in [
        "{endpointSelector: {}, ingress: [{}], egress: [{}]}",
        "{endpointSelector: {matchLabels: {app: api}}, ingress: [{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: \"3000\"}]}]}]}",
        "{endpointSelector: {}, ingress: [{fromCIDR: [203.0.113.0/24]}]}",
        "{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]}",
        &to_name,
    ] {
        assert_eq!(check(spec), "", "{spec}");
        assert_eq!(check_alone(spec), "", "{spec}");
    }
}

#[test]
fn refused_and_ignored() {
    assert_snapshot!(check("{endpointSelector: {}, ingress: []}"), @"5:3 refused: CiliumNetworkPolicy shop/p is refused by the agent, and nothing of it is enforced: rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny => an empty list is no default deny: write `ingress: [{}]` and `egress: [{}]` to isolate and allow nothing");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [], egress: [{}]}"), @"5:35 ignored: `ingress: []` has no effect: it does not isolate => write `ingress: [{}]` to isolate, or leave it out");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{from: []}]}"), @r#"5:37 ignored: the API server drops the field "spec.ingress[0].from", which it does not know => correct its name; what remains may allow or deny more than you mean"#);
    assert_snapshot!(check_clusterwide("{nodeSelector: {}, ingress: [{}]}"), @"5:18 ignored: a policy for nodes is enforced by the host firewall alone, which is off by default => switch the host firewall on, or select pods with `endpointSelector`");
    assert_snapshot!(check("{endpointSelector: {}, enableDefaultDeny: {ingress: true}, egress: [{}]}"), @"5:55 ignored: `enableDefaultDeny.ingress: true` has no effect without an item of `ingress` => add `ingress: [{}]` to isolate");
}

#[test]
fn selectors_that_select_nothing() {
    assert_snapshot!(check("{endpointSelector: {matchLabels: {app: webb}}, ingress: [{}]}"), @"5:22 selects-nothing: CiliumNetworkPolicy shop/p selects no endpoint of the topology => shop/api comes nearest: app=webb is wanted, its app is api");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {app: cart}}]}]}"), @"5:53 peer-selects-nothing: this peer of CiliumNetworkPolicy shop/p is no endpoint of the topology => shop/api comes nearest: app=cart is wanted, its app is api");
    assert_eq!(check_alone("{endpointSelector: {matchLabels: {app: webb}}, ingress: [{}]}"), "");
}

#[test]
fn a_services_port() {
    let at = |port: &str| {
        check(&format!(
            "{{endpointSelector: {{matchLabels: {{app: api}}}}, ingress: [{{toPorts: [{{ports: [{port}]}}]}}]}}"
        ))
    };
    assert_snapshot!(at("{port: \"8080\"}"), @r#"5:79 service-port: port 8080 is that of the service shop/front; its pods listen on 3000 => policies see the pod's port: write "3000""#);
    assert_eq!(at("{port: \"3000\"}"), "");
    assert_eq!(at("{port: \"8080\"}, {port: \"3000\"}"), "");
    assert_eq!(at("{port: \"9090\"}"), "");
}

#[test]
fn names_that_are_never_learned() {
    let plain = DNS.replace(", rules: {dns: [{matchPattern: \"*\"}]}", "");
    let with = |dns: &str| {
        check(&format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{{matchName: a.test}}]}}, {dns}]}}"))
    };
    assert_snapshot!(with(&plain), @r#"5:46 fqdn-without-dns: `a.test` is never learned: no DNS rule sends a query for it through the proxy => add a rule for the DNS server: toEndpoints with k8s:io.kubernetes.pod.namespace: kube-system and k8s-app: kube-dns, toPorts with port "53" and protocol ANY, and `rules: {dns: [{matchPattern: "*"}]}`"#);
    assert!(with(&DNS.replace('*', "*.other.test")).contains("fqdn-without-dns"));
    assert_eq!(with(&DNS.replace('*', "*.test")), "");
}

#[test]
fn one_label_where_two_are_needed() {
    let with = |pattern: &str| {
        check(&format!("{{endpointSelector: {{}}, egress: [{}]}}", DNS.replace('*', pattern)))
    };
    assert_snapshot!(with("*.svc.cluster.local"), @"5:211 dns-one-label: `*.svc.cluster.local` matches no service: a star stands for one label, and their names have more => write `**.svc.cluster.local`");
    assert_eq!(with("**.svc.cluster.local"), "");
    assert_eq!(with("*.shop.svc.cluster.local"), "");
}

#[test]
fn a_range_that_was_meant_for_pods() {
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{fromCIDR: [10.244.0.0/16]}]}"), @"5:48 cidr-for-pods: 10.244.0.0/16 is where pods and services usually live, and CIDR rules match neither => choose pods by their labels (`fromEndpoints`), or all with `fromEntities: [cluster]`");
}

#[test]
fn a_clusterwide_peer_without_namespace() {
    let from = |labels: &str| {
        check_clusterwide(&format!(
            "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {{{labels}}}}}]}}]}}"
        ))
    };
    assert_snapshot!(from("app: web"), @"5:53 clusterwide-peer: this peer is any pod with these labels, in every namespace => add `k8s:io.kubernetes.pod.namespace: NAMESPACE` if one namespace is meant");
    assert_eq!(from("app: web, k8s:io.kubernetes.pod.namespace: shop"), "");
    assert_eq!(from(""), "");
}

#[test]
fn egress_without_dns() {
    let to_api =
        "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{matchLabels: {app: api}}]}]}";
    assert_snapshot!(check(to_api), @"5:58 egress-cuts-dns: no rule lets shop/web ask the cluster's DNS server, so no name resolves => allow port 53 (protocol ANY) to k8s-app: kube-dns in the namespace kube-system, in the same object so that both come into force at once");
    assert_snapshot!(check_alone(to_api), @"5:58 egress-cuts-dns: CiliumNetworkPolicy shop/p isolates at egress, and no policy here allows DNS => allow port 53 (protocol ANY) to k8s-app: kube-dns in the namespace kube-system, in the same object so that both come into force at once");
    assert_eq!(check(&to_api.replace("egress: [", &format!("egress: [{DNS}, "))), "");
}

#[test]
fn a_deny_that_isolates() {
    let deny = "{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}";
    assert_snapshot!(check(deny), @"5:40 deny-isolates: this deny isolates: nothing else may reach shop/api, shop/web either, for no rule allows it => add `enableDefaultDeny: {ingress: false}` if only this is to be denied, or rules that allow the rest");
    assert!(check_alone(deny).contains("deny-isolates"));
    assert_eq!(check(&deny.replace("ingressDeny", "ingress: [{fromEntities: [cluster]}], ingressDeny")), "");
}
