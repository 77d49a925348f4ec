//! Everything that is found about a policy, refusals too, without severities: a policy that causes each finding, and a near
//! one that does not.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use rstest::rstest;
use verdikt_engine::lint::{Findings, lint};
use verdikt_engine::model::ModelOptions;
use verdikt_scenario::diagnostic::Severity;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::{
    Pod, Port, Protocol, Served, ServedProtocol, Service, ServicePort, TargetPort, Topology, WorldHost,
};
use verdikt_scenario::version::CiliumVersion;

use crate::manifest;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A web pod that calls an API through a service (8080 to 3000), a pod of another namespace, and a host outside.
fn topology() -> Topology {
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse().unwrap(), BTreeMap::new());
    topology.namespaces.insert("bank".parse().unwrap(), BTreeMap::new());
    let ledger = Pod { labels: labels(&[("app", "ledger")]), ..Pod::default() };
    topology.pods.insert("bank/ledger".parse().unwrap(), ledger);
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
    let service = Service { selects, ports: vec![port], ..Service::default() };
    topology.services.insert("shop/front".parse().unwrap(), service);
    let host = WorldHost {
        address: "203.0.113.10".parse().unwrap(),
        names: [].into(),
        serves: Vec::new(),
        aliases: [].into(),
        api_server: false,
    };
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
    shown(topology, &[manifest("cilium.io/v2", kind, metadata, spec)], CiliumVersion::default())
}

/// The same for a policy of Kubernetes.
fn check_kubernetes(spec: &str, version: CiliumVersion) -> String {
    let manifest = manifest("networking.k8s.io/v1", "NetworkPolicy", "p, namespace: shop", spec);
    shown(Some(&topology()), &[manifest], version)
}

/// The same for two policies of a folder, the second named `q`.
fn check_folder(one: &str, other: &str) -> String {
    let policy = |metadata, spec| manifest("cilium.io/v2", "CiliumNetworkPolicy", metadata, spec);
    let manifests = [policy("p, namespace: shop", one), policy("q, namespace: shop", other)];
    shown(None, &manifests, CiliumVersion::default())
}

fn shown(topology: Option<&Topology>, manifests: &[Manifest], version: CiliumVersion) -> String {
    let options =
        ModelOptions { version, field_validation: FieldValidation::Ignore, ..ModelOptions::default() };
    let Findings { refusals, warnings } = lint(topology, manifests, &options);
    let found = refusals.iter().map(|refusal| &refusal.mistake).chain(&warnings);
    let shown: Vec<String> = found
        .map(|found| {
            // A mistake has no code.
            let (code, help) =
                (found.code.as_deref().unwrap_or("refused"), found.help.as_deref().unwrap_or("-"));
            assert_eq!(found.severity == Severity::Error, found.code.is_none(), "{found:?}");
            format!("{}:{} {code}: {} => {help}", found.place.line, found.place.column, found.message)
        })
        .collect();
    shown.join("\n")
}

const DNS: &str = "{toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}], \
                   toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}}]}";

#[rstest]
#[case::everyone("{endpointSelector: {}, ingress: [{}], egress: [{}]}")]
#[case::port_of_a_pod(
    "{endpointSelector: {matchLabels: {app: api}}, ingress: [{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: \"3000\"}]}]}]}"
)]
#[case::block_of_a_host("{endpointSelector: {}, ingress: [{fromCIDR: [203.0.113.0/24]}]}")]
#[case::deny_that_does_not_isolate(
    "{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]}"
)]
#[case::name_beside_dns(&format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{{matchName: a.test}}]}}, {DNS}]}}"))]
fn sound_policies_cause_none(#[case] spec: &str) {
    assert_eq!(check(spec), "");
    assert_eq!(check_alone(spec), "");
}

#[test]
fn refused_and_ignored() {
    assert_snapshot!(check("{endpointSelector: {}, ingress: []}"), @"5:26 refused: CiliumNetworkPolicy shop/p is refused by the agent, and nothing of it is enforced: rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny => an empty list is not a default deny: write `ingress: [{}]` and `egress: [{}]` to isolate and allow nothing");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [], egress: [{}]}"), @"5:35 ignored: `ingress: []` has no effect: it does not isolate => write `ingress: [{}]` to isolate, or leave it out");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{from: []}]}"), @r#"5:37 ignored: the API server drops the field "spec.ingress[0].from", which it does not know => correct its name; what remains may allow or deny more than you mean"#);
    assert_snapshot!(check_clusterwide("{nodeSelector: {}, ingress: [{}]}"), @"5:18 ignored: only the host firewall enforces a policy for nodes, and it is off by default => switch the host firewall on, or select pods with `endpointSelector`");
    assert_snapshot!(check("{endpointSelector: {}, enableDefaultDeny: {ingress: true}, egress: [{}]}"), @"5:55 ignored: `enableDefaultDeny.ingress: true` has no effect without an item of `ingress` => add `ingress: [{}]` to isolate");
}

#[test]
fn selectors_that_select_nothing() {
    assert_snapshot!(check("{endpointSelector: {matchLabels: {app: webb}}, ingress: [{}]}"), @"5:22 selects-nothing: CiliumNetworkPolicy shop/p selects no endpoint of the topology => shop/web comes nearest: app=webb is wanted, its app is web");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {app: cart}}]}]}"), @"5:53 peer-selects-nothing: this peer of CiliumNetworkPolicy shop/p is not an endpoint of the topology => shop/api comes nearest: app=cart is wanted, its app is api");
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
    assert_snapshot!(with("*.svc.cluster.local"), @"5:211 dns-one-label: `*.svc.cluster.local` matches no service: a star matches one label, and their names have more => write `**.svc.cluster.local`");
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
            "{{endpointSelector: {{matchLabels: {{app: api}}}}, ingress: [{{fromEndpoints: [{{matchLabels: {{{labels}}}}}]}}]}}"
        ))
    };
    assert_snapshot!(from("app: web"), @"5:76 clusterwide-peer: this peer is any pod with these labels, in every namespace => add `k8s:io.kubernetes.pod.namespace: NAMESPACE` if one namespace is meant");
    assert_eq!(from("app: web, k8s:io.kubernetes.pod.namespace: shop"), "");
    assert_eq!(from(""), "");
}

#[test]
fn egress_without_dns() {
    let to_api =
        "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEndpoints: [{matchLabels: {app: api}}]}]}";
    assert_snapshot!(check(to_api), @"5:58 egress-cuts-dns: no rule lets shop/web ask the cluster's DNS server, so no name resolves => allow port 53, UDP and TCP, to k8s-app: kube-dns in the namespace kube-system, in the same object so that both come into force at once");
    assert_snapshot!(check_alone(to_api), @"5:58 egress-cuts-dns: CiliumNetworkPolicy shop/p isolates at egress, and no policy here allows DNS => allow port 53, UDP and TCP, to k8s-app: kube-dns in the namespace kube-system, in the same object so that both come into force at once");
    assert_eq!(check(&to_api.replace("egress: [", &format!("egress: [{DNS}, "))), "");
}

#[test]
fn a_deny_that_isolates() {
    let deny = "{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}]}";
    assert_snapshot!(check(deny), @"5:40 deny-isolates: this deny isolates: nothing else may reach shop/api, shop/web either, for no rule allows it => add `enableDefaultDeny: {ingress: false}` to deny only this, or rules that allow the rest");
    assert!(check_alone(deny).contains("deny-isolates"));
    assert_eq!(check(&deny.replace("ingressDeny", "ingress: [{fromEntities: [cluster]}], ingressDeny")), "");
}

#[test]
fn advice_on_selectors() {
    let from = |labels: &str| {
        check(&format!(
            "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {{{labels}}}}}]}}]}}"
        ))
    };
    assert_snapshot!(from("app: ledger"), @"5:53 peer-selects-nothing: this peer of CiliumNetworkPolicy shop/p is not an endpoint of the topology => bank/ledger has these labels; without a namespace, a peer is of the policy's own: add `k8s:io.kubernetes.pod.namespace: bank`");
    assert_eq!(from("app: ledger, k8s:io.kubernetes.pod.namespace: bank"), "");
    let pods = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: ledger}}}]}]}";
    assert!(
        check_kubernetes(pods, CiliumVersion::V1_20)
            .contains("namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}")
    );
    assert!(from("pod-template-hash: abc").starts_with("5:68 filtered-label:"));
    assert_snapshot!(from("\"team:app\": web"), @"5:53 peer-selects-nothing: this peer of CiliumNetworkPolicy shop/p is not an endpoint of the topology => labels of pods have the source k8s: write `app` without what precedes its colon");
    assert_eq!(from("\"reserved:remote-node\": \"\""), "");
    let of =
        |selector: &str| format!("{{endpointSelector: {{matchLabels: {{{selector}}}}}, ingress: [{{}}]}}");
    assert_snapshot!(check(&of("\"reserved:init\": \"\"")), @"5:22 selects-nothing: CiliumNetworkPolicy shop/p selects no endpoint of the topology => endpoints with reserved labels have no namespace: make it a CiliumClusterwideNetworkPolicy");
    assert_eq!(check_clusterwide(&of("\"reserved:init\": \"\"")), "");
    assert_eq!(check_clusterwide(&of("io.cilium.k8s.namespace.labels.closed: \"yes\"")), "");
}

#[test]
fn peers_that_do_not_exist() {
    let to = |service: &str| {
        check(&format!(
            "{{endpointSelector: {{}}, egress: [{DNS}, {{toServices: [{{k8sService: {{serviceName: {service}, namespace: shop}}}}], toPorts: [{{ports: [{{port: \"3000\"}}]}}]}}]}}"
        ))
    };
    assert_snapshot!(to("frnt"), @"5:236 peer-selects-nothing: the topology has no service shop/frnt => until it exists the rule names no peer: its ports, if it has any, are open to everyone");
    assert_eq!(to("front"), "");
    assert_snapshot!(check("{endpointSelector: {}, ingress: [{fromCIDRSet: [{cidrGroupRef: partners}]}]}"), @"5:51 peer-selects-nothing: no CiliumCIDRGroup partners is among the policies, so this peer matches nothing => add the group, or correct its name");
}

#[test]
fn a_subject_of_another_namespace() {
    let of = |key: &str, namespace: &str| {
        check(&format!("{{endpointSelector: {{matchLabels: {{{key}: {namespace}}}}}, ingress: [{{}}]}}"))
    };
    assert_snapshot!(of("k8s:io.kubernetes.pod.namespace", "bank"), @"5:70 foreign-namespace: the namespace bank is replaced by the policy's own, shop, whose pods this selects => put the policy into the namespace bank, or make it a CiliumClusterwideNetworkPolicy");
    assert_snapshot!(of("io.kubernetes.pod.namespace", "bank"), @"5:66 foreign-namespace: this selects nothing: pods of bank, which a policy of shop cannot select => put the policy into the namespace bank, or make it a CiliumClusterwideNetworkPolicy");
    assert_eq!(of("k8s:io.kubernetes.pod.namespace", "shop"), "");
    let clusterwide =
        "{endpointSelector: {matchLabels: {k8s:io.kubernetes.pod.namespace: bank}}, ingress: [{}]}";
    assert_eq!(check_clusterwide(clusterwide), "");
}

#[test]
fn lists_that_say_nothing() {
    let ingress = |item: &str| check(&format!("{{endpointSelector: {{}}, ingress: [{item}]}}"));
    assert_snapshot!(ingress("{fromEndpoints: [], toPorts: [{ports: [{port: \"80\"}]}]}"), @"5:52 ignored: `fromEndpoints: []` matches nothing, so the rule allows nothing => name the peers, or leave the list out if everyone is meant");
    assert_snapshot!(ingress("{fromEndpoints: []}"), @"5:52 ignored: `fromEndpoints: []` matches nothing, so the rule allows nothing and only isolates => name the peers, or write the item as `{}` if it should only isolate");
    assert_snapshot!(ingress("{fromNodes: []}"), @"5:48 ignored: `fromNodes: []` matches nothing, so the rule allows nothing and only isolates => name the peers, or write the item as `{}` if it should only isolate");
    assert_snapshot!(ingress("{fromEndpoints: [], icmps: [{fields: [{type: 8}]}]}"), @"5:52 ignored: `fromEndpoints: []` matches nothing, so the rule allows nothing => name the peers, or leave the list out if everyone is meant");
    assert_eq!(ingress("{fromEndpoints: [{}]}"), "");
    assert_eq!(ingress("{}"), "");
    assert_snapshot!(ingress("{toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {http: []}}]}"), @"5:100 ignored: `http: []` is not a rule: every request passes => write the rules, or leave the list out");
    let deny = "{endpointSelector: {}, enableDefaultDeny: {egress: false}, egressDeny: [{toServices: [{k8sService: {serviceName: front, namespace: shop}}], toPorts: [{ports: [{port: \"3000\"}]}]}]}";
    assert_snapshot!(check(deny), @"5:88 ignored: services are resolved for allow rules only: this denies its ports to everyone => deny the pods behind the service with `toEndpoints`");
    assert_eq!(check(&deny.replace("egressDeny", "egress")), "");
}

#[test]
fn names_of_pods() {
    let to = |name: &str| {
        check(&format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{{matchName: {name}}}]}}, {DNS}]}}"))
    };
    assert_snapshot!(to("front.shop.svc.cluster.local"), @"5:46 fqdn-of-pods: `front.shop.svc.cluster.local` names a service of the cluster, and names never match pods => choose the pods with `toEndpoints`, or the service with `toServices`");
    assert_eq!(to("cluster.local.example.test"), "");
    assert_eq!(to("notcluster.local"), "");
}

#[test]
fn one_label_beside_a_wider_pattern() {
    let wide = DNS.replace(
        "[{matchPattern: \"*\"}]",
        "[{matchPattern: \"*.svc.cluster.local\"}, {matchPattern: \"*\"}]",
    );
    assert_eq!(check(&format!("{{endpointSelector: {{}}, egress: [{wide}]}}")), "");
}

#[test]
fn private_ranges() {
    let from = |cidr: &str| format!("{{endpointSelector: {{}}, ingress: [{{fromCIDR: [{cidr}]}}]}}");
    assert_snapshot!(check(&from("192.168.7.0/24")), @"5:48 cidr-for-pods: no host of the topology is in 192.168.7.0/24, and CIDR rules match neither pods nor services => choose pods by their labels (`fromEndpoints`), or all with `fromEntities: [cluster]`");
    assert_eq!(check_alone(&from("192.168.7.0/24")), "");
    assert!(check_alone(&from("10.0.0.0/8")).contains("cidr-for-pods"));
    assert_eq!(check(&from("198.51.100.0/24")), "");
    let deny = "{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromCIDR: [192.168.7.0/24]}]}";
    assert_eq!(check(deny), "");
}

#[test]
fn every_address() {
    let ingress = |items: &str| check(&format!("{{endpointSelector: {{}}, ingress: [{items}]}}"));
    assert_snapshot!(ingress("{fromCIDR: [0.0.0.0/0]}"), @"5:48 cidr-for-pods: 0.0.0.0/0 is every address outside the cluster: no pod gets in by it => choose pods by their labels (`fromEndpoints`), or all with `fromEntities: [cluster]`");
    assert_eq!(ingress("{fromCIDR: [0.0.0.0/0]}, {fromEntities: [cluster]}"), "");
    let block =
        "{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}";
    assert_snapshot!(check_kubernetes(block, CiliumVersion::V1_20), @"5:63 cidr-for-pods: 0.0.0.0/0 is every address outside the cluster: no pod gets in by it => choose pods with `podSelector` and `namespaceSelector`");
    // This version lets the policy's own namespace in.
    assert_eq!(check_kubernetes(block, CiliumVersion::V1_19), "");
}

#[test]
fn sections_that_policy_types_do_not_list() {
    let of = |types: &str| {
        let spec = format!(
            "{{podSelector: {{}}, policyTypes: [{types}], ingress: [{{from: [{{podSelector: {{}}}}]}}]}}"
        );
        check_kubernetes(&spec, CiliumVersion::V1_20)
    };
    assert_snapshot!(of("Egress"), @"5:53 policy-types: `policyTypes` does not list Ingress: Kubernetes ignores this section, and Cilium enforces it => add Ingress to `policyTypes`, or leave the section out");
    assert_eq!(of("Ingress"), "");
}

#[test]
fn a_method_in_lower_case() {
    let of = |method: &str| {
        check(&format!(
            "{{endpointSelector: {{}}, ingress: [{{toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}], rules: {{http: [{{method: \"{method}\"}}]}}}}]}}]}}"
        ))
    };
    assert_snapshot!(of("get|post"), @"5:110 http-method: the method `get|post` matches no request: clients send methods in capitals => write `GET|POST`");
    assert_eq!(of("GET|POST"), "");
    assert_eq!(of("(?i)get"), "");
}

#[test]
fn a_services_port_that_may_be_meant_for_someone_else() {
    let to = |peers: &str| {
        check(&format!(
            "{{endpointSelector: {{}}, egress: [{DNS}, {{{peers}toPorts: [{{ports: [{{port: \"8080\"}}]}}]}}]}}"
        ))
    };
    assert!(to("toEndpoints: [{matchLabels: {app: api}}], ").contains("service-port"));
    assert_eq!(to("toEntities: [world], "), "");
    assert_eq!(to(""), "");
    let apart = "{endpointSelector: {matchLabels: {app: api}}, ingress: [{toPorts: [{ports: [{port: \"8080\"}]}]}, {toPorts: [{ports: [{port: \"3000\"}]}]}]}";
    assert_eq!(check(apart), "");
}

#[test]
fn egress_that_needs_no_names() {
    let to = |peers: &str| check(&format!("{{endpointSelector: {{}}, egress: [{peers}]}}"));
    assert!(to("{toEntities: [world]}").contains("egress-cuts-dns"));
    assert_eq!(to("{toCIDR: [203.0.113.10/32]}"), "");
    assert_eq!(to("{toEntities: [kube-apiserver]}"), "");
    assert_eq!(
        to("{toEntities: [world]}, {toCIDR: [203.0.113.10/32], toPorts: [{ports: [{port: \"53\"}]}]}"),
        ""
    );
    let names = to("{toFQDNs: [{matchName: a.test}]}");
    assert!(names.contains("fqdn-without-dns") && !names.contains("egress-cuts-dns"), "{names}");
}

#[test]
fn a_deny_of_everyone_or_of_someone_else() {
    assert_eq!(check("{endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}"), "");
    let deny = "{endpointSelector: {matchLabels: {app: web}}, ingressDeny: [{fromEntities: [world]}]}";
    let allow = |app: &str| {
        format!(
            "{{endpointSelector: {{matchLabels: {{app: {app}}}}}, ingress: [{{fromEntities: [cluster]}}]}}"
        )
    };
    assert_eq!(check_folder(deny, &allow("web")), "");
    assert!(check_folder(deny, &allow("api")).contains("deny-isolates"));
    let by_another_label = allow("web").replace("app: web", "tier: front");
    assert_eq!(check_folder(deny, &by_another_label), "");
}

#[test]
fn dns_allowed_by_another_policy() {
    let egress = "{endpointSelector: {matchLabels: {app: web}}, egress: [{toEntities: [world]}]}";
    let dns = |app: &str| format!("{{endpointSelector: {{matchLabels: {{app: {app}}}}}, egress: [{DNS}]}}");
    assert_eq!(check_folder(egress, &dns("web")), "");
    assert!(check_folder(egress, &dns("api")).contains("egress-cuts-dns"));
}

#[test]
fn names_learned_by_a_policy_of_a_namespace() {
    let names = "{endpointSelector: {matchLabels: {app: web}}, egress: [{toFQDNs: [{matchName: a.test}]}]}";
    let dns = format!("{{endpointSelector: {{}}, egress: [{DNS}]}}");
    let of = |kind, metadata, spec: &str| manifest("cilium.io/v2", kind, metadata, spec);
    let clusterwide = of("CiliumClusterwideNetworkPolicy", "p", names);
    let namespaced = of("CiliumNetworkPolicy", "q, namespace: shop", &dns);
    assert_eq!(shown(None, &[clusterwide, namespaced], CiliumVersion::default()), "");
}
