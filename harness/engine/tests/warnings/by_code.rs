//! Warnings and hints of one code at a time, with their severities: each with an input that causes it, and a near one that
//! does not.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use verdikt_engine::lint::lint;
use verdikt_engine::model::ModelOptions;
use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{
    LocalRedirect, Node, Pod, Port, Protocol, RedirectFrontend, Served, ServedProtocol, Service, ServicePort,
    ServiceType, TargetPort, Topology, WorldHost,
};
use verdikt_scenario::version::CiliumVersion;

use crate::manifest;

fn policy(kind: &str, namespace: &str, spec: &str) -> Manifest {
    let api = if kind == "NetworkPolicy" { "networking.k8s.io/v1" } else { "cilium.io/v2" };
    let namespace = if kind == "CiliumClusterwideNetworkPolicy" {
        String::new()
    } else {
        format!(", namespace: {namespace}")
    };
    manifest(api, kind, &format!("p{namespace}"), spec)
}

fn found(topology: Option<&Topology>, manifest: Manifest, version: CiliumVersion) -> Vec<Diagnostic> {
    let options = ModelOptions { version, ..ModelOptions::default() };
    let findings = lint(topology, &[manifest], &options);
    assert_eq!(findings.refusals, [], "the policy is refused");
    findings.warnings
}

/// What is found with one code, a line each.
fn shown(code: &str, topology: Option<&Topology>, manifest: Manifest) -> String {
    let found = found(topology, manifest, CiliumVersion::default());
    let lines = found.iter().filter(|found| found.code.as_deref() == Some(code)).map(|found| {
        let severity = if found.severity == Severity::Hint { "hint" } else { "warning" };
        let help = found.help.as_deref().unwrap_or("-");
        format!("{severity} at {}: {} => {help}", found.place.column, found.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn cilium(spec: &str) -> Manifest {
    policy("CiliumNetworkPolicy", "shop", spec)
}

fn clusterwide(spec: &str) -> Manifest {
    policy("CiliumClusterwideNetworkPolicy", "", spec)
}

fn kubernetes(spec: &str) -> Manifest {
    policy("NetworkPolicy", "shop", spec)
}

fn number(port: u16) -> Port {
    Port::new(port).unwrap()
}

fn serving(protocol: ServedProtocol, port: u16) -> Vec<Served> {
    vec![Served { protocol, port: number(port), name: None }]
}

fn service(port: u16, target: u16) -> Service {
    let target = TargetPort::Number(number(target));
    Service {
        ports: vec![ServicePort { port: number(port), protocol: Protocol::Tcp, target }],
        ..Service::default()
    }
}

/// A pod that serves HTTP, and what a test puts beside it.
fn topology(add: impl FnOnce(&mut Topology)) -> Topology {
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse().unwrap(), BTreeMap::new());
    let labels = [("app".to_owned(), "web".to_owned())].into();
    let web = Pod { labels, serves: serving(ServedProtocol::Http, 80), ..Pod::default() };
    topology.pods.insert("shop/web".parse().unwrap(), web);
    add(&mut topology);
    topology
}

fn host(address: &str, names: &[&str]) -> WorldHost {
    let names = names.iter().map(|name| name.parse().unwrap()).collect();
    WorldHost {
        address: address.parse().unwrap(),
        names,
        aliases: [].into(),
        serves: Vec::new(),
        api_server: false,
    }
}

fn to_api_server(port: &str) -> Manifest {
    cilium(&format!(
        "{{endpointSelector: {{}}, egress: [{{toEntities: [kube-apiserver], toPorts: [{{ports: [{port}]}}]}}]}}"
    ))
}

#[test]
fn the_port_of_the_api_servers_service() {
    let code = "api-server-port";
    assert_snapshot!(shown(code, None, to_api_server("{port: \"443\", protocol: TCP}")), @"hint at 85: 443 is the port of the API server's service; policies see the port of the API server itself => write the port of its endpoints, mostly 6443: `kubectl get endpointslices -n default`");
    let outside = topology(|topology| {
        topology.world.insert("managed".parse().unwrap(), host("203.0.113.99", &[]));
        let backends = ["managed".parse().unwrap()].into();
        let service = Service { backends, ..service(443, 6443) };
        topology.services.insert("default/kubernetes".parse().unwrap(), service);
    });
    assert_snapshot!(shown(code, Some(&outside), to_api_server("{port: \"443\"}")), @r#"warning at 85: 443 is the port of the API server's service; policies see the port of the API server itself, 6443 => write "6443""#);
    let on_node = topology(|topology| {
        let serves = serving(ServedProtocol::Tcp, 443);
        let node = Node { api_server: true, serves, ..Node::default() };
        topology.nodes.insert("cp".parse().unwrap(), node);
    });
    assert_eq!(shown(code, Some(&on_node), to_api_server("{port: \"443\"}")), "");
    assert_eq!(shown(code, None, to_api_server("{port: \"443\"}, {port: \"6443\"}")), "");
    assert_eq!(shown(code, None, to_api_server("{port: \"6443\"}")), "");
}

#[test]
fn the_dns_server_as_a_peer_without_its_namespace() {
    let code = "dns-peer-namespace";
    let to = |peer: &str| {
        cilium(&format!(
            "{{endpointSelector: {{}}, egress: [{{toEndpoints: [{{matchLabels: {{{peer}}}}}]}}]}}"
        ))
    };
    assert_snapshot!(shown(code, None, to("k8s-app: kube-dns")), @"warning at 50: this peer is of the namespace shop, where the cluster's DNS server is not => add `k8s:io.kubernetes.pod.namespace: kube-system` to its labels");
    let pods = |peer: &str| {
        kubernetes(&format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{{peer}}}]}}]}}"))
    };
    assert_snapshot!(shown(code, None, pods("podSelector: {matchLabels: {k8s-app: kube-dns}}")), @"warning at 59: this peer is of the namespace shop, where the cluster's DNS server is not => add `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}` to the same item");
    assert_eq!(
        shown(code, None, pods("namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}")),
        ""
    );
    assert_eq!(shown(code, None, to("k8s-app: kube-dns, k8s:io.kubernetes.pod.namespace: kube-system")), "");
    assert_eq!(shown(code, None, to("app: web")), "");
    let own = policy(
        "CiliumNetworkPolicy",
        "kube-system",
        "{endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {k8s-app: kube-dns}}]}]}",
    );
    assert_eq!(shown(code, None, own), "");
}

#[test]
fn labels_that_no_identity_has() {
    let code = "filtered-label";
    let both = "{endpointSelector: {matchLabels: {app: web, pod-template-hash: 7d9f}}, ingress: [{fromEndpoints: [{matchLabels: {statefulset.kubernetes.io/pod-name: db-0}}]}]}";
    assert_snapshot!(shown(code, None, cilium(both)), @r"
    warning at 47: Cilium leaves the label pod-template-hash out of identities by default: it selects no pod => select by another label, or add this one to Cilium's setting `labels`
    warning at 116: Cilium leaves the label statefulset.kubernetes.io/pod-name out of identities by default: it selects no pod => select by another label, or add this one to Cilium's setting `labels`
    ");
    let without =
        "{podSelector: {matchExpressions: [{key: controller-revision-hash, operator: DoesNotExist}]}}";
    assert_snapshot!(shown(code, None, kubernetes(without)), @"warning at 43: Cilium leaves the label controller-revision-hash out of identities by default: this holds of every pod => select by another label, or add this one to Cilium's setting `labels`");
    assert_eq!(
        shown(code, None, kubernetes("{podSelector: {matchLabels: {app.kubernetes.io/name: web}}}")),
        ""
    );
}

#[test]
fn http_rules_on_a_port_of_tls() {
    let code = "http-on-tls-port";
    let on = |port: &str, more: &str| {
        cilium(&format!(
            "{{endpointSelector: {{}}, ingress: [{{toPorts: [{{ports: [{{port: {port}, protocol: TCP}}], {more}rules: {{http: [{{method: GET}}]}}}}]}}]}}"
        ))
    };
    assert_snapshot!(shown(code, None, on("\"443\"", "")), @"warning at 56: HTTP rules on port 443, whose clients speak TLS: the proxy cannot read that, and every connection fails => let the proxy terminate the TLS (`terminatingTLS` and `originatingTLS`), or remove the HTTP rules and name the hosts with `toFQDNs` or `serverNames`");
    assert!(shown(code, None, on("web-https", "")).contains("port web-https"));
    assert_eq!(shown(code, None, on("\"80\"", "")), "");
    let opened = "terminatingTLS: {secret: {namespace: shop, name: tls}}, ";
    assert_eq!(shown(code, None, on("\"443\"", opened)), "");
}

#[test]
fn a_clusterwide_policy_that_takes_in_the_gateway() {
    let code = "takes-gateway";
    let of =
        |selector: &str, rest: &str| clusterwide(&format!("{{endpointSelector: {{{selector}}}, {rest}}}"));
    let dns = "egress: [{toEndpoints: [{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}]}]";
    assert_snapshot!(shown(code, None, of("", &format!("ingress: [{{}}], {dns}"))), @"warning at 22: this selects Cilium's own endpoints too: the gateway (`reserved:ingress`), which then answers 403 because it allows no client outside and may reach no pod, and the health checks => select pods alone, `endpointSelector: {matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: Exists}]}`, or allow what the gateway needs in a policy for `reserved:ingress`");
    let but_one =
        "matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: NotIn, values: [kube-system]}]";
    assert_snapshot!(shown(code, None, of(but_one, "ingress: [{}]")), @"warning at 22: this selects Cilium's own endpoints too: the gateway (`reserved:ingress`), which then answers 403 because it allows no client outside, and the health checks => select pods alone, `endpointSelector: {matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: Exists}]}`, or allow what the gateway needs in a policy for `reserved:ingress`");
    assert_eq!(shown(code, None, of("", "ingress: [{fromEntities: [world]}]")), "");
    assert_eq!(shown(code, None, of("", "egress: [{toEntities: [cluster]}]")), "");
    assert_eq!(
        shown(
            code,
            None,
            of("", "enableDefaultDeny: {egress: false}, egress: [{toFQDNs: [{matchName: a.test}]}]")
        ),
        ""
    );
    let pods = "matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: Exists}]";
    assert_eq!(shown(code, None, of(pods, "ingress: [{}]")), "");
    assert_eq!(shown(code, None, of("matchLabels: {\"reserved:ingress\": \"\"}", "ingress: [{}]")), "");
}

/// The DNS server's pods listen on 8053, behind a service that listens on 53.
#[test]
fn a_dns_server_on_another_port() {
    let mut labels = BTreeMap::new();
    labels.insert("k8s-app".to_owned(), "kube-dns".to_owned());
    let topology = topology(|topology| {
        let pod =
            Pod { labels: labels.clone(), serves: serving(ServedProtocol::Dns, 8053), ..Pod::default() };
        topology.pods.insert("kube-system/coredns".parse().unwrap(), pod);
        let ports = [Protocol::Udp, Protocol::Tcp].map(|protocol| ServicePort {
            port: number(53),
            protocol,
            target: TargetPort::Number(number(8053)),
        });
        let service = Service { selects: Some(labels.clone()), ports: ports.into(), ..Service::default() };
        topology.services.insert("kube-system/kube-dns".parse().unwrap(), service);
    });
    let to = |port: &str| {
        cilium(&format!(
            "{{endpointSelector: {{}}, egress: [{{toEndpoints: [{{matchLabels: {{k8s-app: kube-dns, k8s:io.kubernetes.pod.namespace: kube-system}}}}], toPorts: [{{ports: [{{port: \"{port}\"}}]}}]}}, {{toEntities: [world]}}]}}"
        ))
    };
    assert_eq!(shown("egress-cuts-dns", Some(&topology), to("8053")), "");
    assert_eq!(shown("service-port", Some(&topology), to("8053")), "");
    assert_snapshot!(shown("service-port", Some(&topology), to("53")), @r#"warning at 152: port 53 is that of the service kube-system/kube-dns; its pods listen on 8053 => policies see the pod's port: write "8053""#);
    let none = cilium("{endpointSelector: {}, egress: [{toEntities: [world]}]}");
    assert_snapshot!(shown("egress-cuts-dns", Some(&topology), none), @"warning at 35: no rule lets shop/web ask the cluster's DNS server, so no name resolves => allow port 8053, UDP and TCP, to k8s-app: kube-dns in the namespace kube-system, in the same object so that both come into force at once");
}

#[test]
fn help_in_the_words_of_a_networkpolicy() {
    let spec = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}]}]}";
    assert_snapshot!(shown("egress-cuts-dns", None, kubernetes(spec)), @"warning at 53: NetworkPolicy shop/p isolates at egress, and no policy here allows DNS => allow port 53, UDP and TCP, to `podSelector: {matchLabels: {k8s-app: kube-dns}}` with `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}`, in the same object so that both come into force at once");
}

#[test]
fn two_names_on_one_address() {
    let topology = topology(|topology| {
        let shared = host("203.0.113.10", &["api.example.test", "www.example.test"]);
        topology.world.insert("shared".parse().unwrap(), shared);
    });
    let to = |names: &str| cilium(&format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{names}]}}]}}"));
    assert_snapshot!(shown("names-share-address", Some(&topology), to("{matchName: api.example.test}")), @"warning at 46: `api.example.test` has the address 203.0.113.10, which www.example.test has too: this allows both => policies see only addresses: give one name another address, or distinguish the two by proxy rules");
    let both = "{matchName: api.example.test}, {matchName: www.example.test}";
    assert_eq!(shown("names-share-address", Some(&topology), to(both)), "");
    assert_eq!(shown("names-share-address", Some(&topology), to("{matchPattern: \"*.example.test\"}")), "");
}

#[test]
fn http_paths() {
    let check = |path: &str, wanted: &str| {
        let spec = format!(
            "{{endpointSelector: {{}}, ingress: [{{toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}], rules: {{http: [{{path: \"{path}\"}}]}}}}]}}]}}"
        );
        let shown = shown("http-path", None, cilium(&spec));
        assert_eq!(shown.split_once(": ").map_or("", |(_, message)| message), wanted);
    };
    let glob = "`/api/*` is a regular expression, in which `/*` is any number of slashes => write `/api/.*`";
    check("/api/*", glob);
    check("api/.*", "the path `api/.*` matches no request: paths begin with a slash => write `/api/.*`");
    check("/api/.*", "");
    check(".*", "");
    check("(/a|/b)", "");
}

#[test]
fn a_deny_of_probes() {
    let check = |item: &str, wanted: bool| {
        let spec =
            format!("{{endpointSelector: {{}}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{item}]}}");
        let shown = shown("deny-stops-probes", Some(&topology(|_| {})), cilium(&spec));
        assert_eq!(!shown.is_empty(), wanted, "{item}: {shown}");
    };
    check("{fromEntities: [cluster]}", true);
    check("{fromEntities: [all]}", false);
    check("{fromEntities: [all], toPorts: [{ports: [{port: \"80\"}]}]}", true);
    check("{fromEntities: [world, remote-node]}", false);
    check("{fromEntities: [host]}", false);
    check("{fromEndpoints: [{}]}", false);
    check("{toPorts: [{ports: [{port: \"80\"}]}]}", true);
    check("{toPorts: [{ports: [{port: \"22\"}]}]}", false);
}

#[test]
fn the_dns_server_isolated() {
    let of = |spec: &str| policy("NetworkPolicy", "kube-system", spec);
    assert_snapshot!(shown("isolates-dns", None, of("{podSelector: {}, policyTypes: [Ingress]}")), @"warning at 34: this isolates the cluster's DNS server too, and no policy here allows queries to it: no name resolves => exclude the namespace kube-system, or allow port 53, UDP and TCP, to k8s-app: kube-dns from everywhere");
    let open = "{podSelector: {}, ingress: [{ports: [{port: 53, protocol: UDP}]}]}";
    assert_eq!(shown("isolates-dns", None, of(open)), "");
    assert_eq!(shown("isolates-dns", None, kubernetes("{podSelector: {}, policyTypes: [Ingress]}")), "");
    assert!(
        shown("isolates-dns", None, clusterwide("{endpointSelector: {}, ingress: [{}]}")).contains("DNS")
    );
}

#[test]
fn a_node_by_its_address() {
    let to = |cidr: &str, port: u16| {
        kubernetes(&format!(
            "{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: {cidr}}}}}], ports: [{{port: {port}}}]}}]}}"
        ))
    };
    assert_snapshot!(shown("cidr-for-node", None, to("10.0.0.7/32", 6443)), @"hint at 59: 10.0.0.7 may be a node of this cluster, which CIDR rules do not match => no NetworkPolicy can name a node: add a CiliumNetworkPolicy with `toEntities: [kube-apiserver]` or `[host, remote-node]`");
    assert_eq!(shown("cidr-for-node", None, to("10.0.0.7/32", 5432)), "");
    assert_eq!(shown("cidr-for-node", None, to("203.0.113.7/32", 6443)), "");
    let with =
        topology(|topology| drop(topology.world.insert("api".parse().unwrap(), host("10.0.0.7", &[]))));
    assert_eq!(shown("cidr-for-node", Some(&with), to("10.0.0.7/32", 6443)), "");
}

#[test]
fn nodes_beside_a_range_of_clients() {
    let spec = "{endpointSelector: {}, ingress: [{fromEntities: [cluster]}, {fromCIDR: [198.51.100.17/32]}]}";
    assert_snapshot!(shown("nodes-beside-cidr", None, cilium(spec)), @"hint at 52: a client outside may arrive with the address of a node, which this allows: 198.51.100.17/32 then excludes no client => give the service in front `externalTrafficPolicy: Local`, or take the nodes out");
    assert_eq!(shown("nodes-beside-cidr", None, cilium(&spec.replace("[cluster]", "[host]"))), "");
    assert_eq!(shown("nodes-beside-cidr", Some(&topology(|_| {})), cilium(spec)), "");
    let balanced = topology(|topology| {
        let selects = Some([("app".to_owned(), "web".to_owned())].into());
        let service = Service { selects, service_type: ServiceType::LoadBalancer, ..service(80, 80) };
        topology.services.insert("shop/front".parse().unwrap(), service);
    });
    assert!(shown("nodes-beside-cidr", Some(&balanced), cilium(spec)).starts_with("hint"));
}

#[test]
fn pods_of_the_host_network() {
    let code = "host-network-pods";
    let spec = "{podSelector: {matchLabels: {k8s-app: kube-proxy}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {component: kube-apiserver}}}]}]}";
    assert_snapshot!(shown(code, None, kubernetes(spec)), @r"
    warning at 65: pods with k8s-app=kube-proxy are in the network of their node, where no policy selects them => the host firewall decides about nodes: `nodeSelector` in a clusterwide policy
    warning at 73: pods with component=kube-apiserver are in the network of their node: as peers they are nodes, not pods => no NetworkPolicy can name a node: add a CiliumNetworkPolicy with `fromEntities: [host, remote-node]`, or `[kube-apiserver]`
    ");
    assert_eq!(shown(code, None, kubernetes("{podSelector: {matchLabels: {component: database}}}")), "");
}

#[test]
fn peers_told_by_what_they_are_not() {
    let code = "negative-peer";
    let from = |namespaces: &str| {
        kubernetes(&format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{{namespaces}podSelector: {{matchExpressions: [{{key: app, operator: NotIn, values: [web]}}]}}}}]}}]}}"
        ))
    };
    assert_snapshot!(shown(code, None, from("namespaceSelector: {}, ")), @"hint at 39: this peer is any pod of any namespace without these labels, those of kube-system included => name what may connect, or narrow the namespaces");
    assert_eq!(shown(code, None, from("")), "");
    let not_here = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}}]}]}";
    assert_eq!(shown(code, None, kubernetes(not_here)), "");
    let older = found(None, kubernetes(not_here), CiliumVersion::V1_18);
    let older: Vec<_> = older.iter().filter(|found| found.code.as_deref() == Some(code)).collect();
    assert!(older.len() == 1 && older[0].message.contains("nodes and hosts outside"), "{older:?}");
}

#[test]
fn rules_that_others_cover() {
    let code = "covered";
    let of = |items: &str| cilium(&format!("{{endpointSelector: {{}}, ingress: [{items}]}}"));
    let http = "{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {http: [{method: GET}]}}]}";
    let web = "{fromEndpoints: [{matchLabels: {app: web}}]}";
    assert_snapshot!(shown(code, None, of(&format!("{http}, {web}"))), @"warning at 36: these HTTP rules restrict nothing: spec.ingress[1] lets the same traffic pass without them => remove the wider rule, or narrow its peers or ports");
    assert_snapshot!(shown(code, None, of(&format!("{web}, {{fromEntities: [all]}}"))), @"hint at 36: this allows nothing that spec.ingress[1] does not allow => remove it, unless you want to remove the other one");
    assert_snapshot!(shown(code, None, of(&format!("{web}, {web}"))), @"hint at 82: this allows nothing that spec.ingress[0] does not allow => remove it, unless you want to remove the other one");
    let api = web.replace("web", "api");
    assert_eq!(shown(code, None, of(&format!("{http}, {api}"))), "");
    let dns = "{endpointSelector: {}, egress: [{toEntities: [all]}, {toEndpoints: [{matchLabels: {k8s-app: kube-dns, k8s:io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchPattern: \"*\"}]}}]}]}";
    assert_eq!(shown(code, None, cilium(dns)), "");
}

#[test]
fn ranges_of_pods_without_a_topology() {
    let check = |rules: &str, wanted: &str| {
        let shown = shown("cidr-for-pods", None, cilium(&format!("{{endpointSelector: {{}}, {rules}}}")));
        assert_eq!(shown.split(' ').next().unwrap_or_default(), wanted, "{shown}");
    };
    check("ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.42.0.0/16]}]}]", "");
    check(
        "enableDefaultDeny: {egress: false}, egressDeny: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.42.0.0/16, 10.43.0.0/16]}]}]",
        "",
    );
    check("ingress: [{fromCIDR: [10.0.0.0/8]}]", "hint");
}

/// Which namespace they get, nobody knows: those of one folder are taken for neighbours, others are not.
#[test]
fn policies_without_a_namespace_stand_for_their_folder() {
    let of = |file: &str, egress: &str| {
        let text = format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p}}\nspec: {{endpointSelector: {{}}, egress: [{egress}]}}"
        );
        Manifest { file: file.into(), root: verdikt_scenario::document::parse(&text).unwrap().remove(0) }
    };
    let cut = |one: &str, other: &str| {
        let dns = "{toEndpoints: [{matchLabels: {k8s-app: kube-dns, k8s:io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: \"53\"}]}]}";
        let manifests = [of(one, "{toEntities: [world]}"), of(other, dns)];
        let warnings = lint(None, &manifests, &ModelOptions::default()).warnings;
        warnings.iter().any(|warning| warning.code.as_deref() == Some("egress-cuts-dns"))
    };
    assert!(!cut("a/p.yaml", "a/dns.yaml"));
    assert!(cut("a/p.yaml", "b/dns.yaml"));
}

#[test]
fn a_policy_for_a_pod_of_the_host_network() {
    let labels = [("app".to_owned(), "exporter".to_owned())].into();
    let pod = |host_network: Option<&str>| Pod {
        labels: BTreeMap::clone(&labels),
        host_network: host_network.and_then(|node| node.parse().ok()),
        ..Pod::default()
    };
    let shown = |pod: Pod, code: &str| {
        let mut topology = Topology::default();
        topology.add_namespace("shop".parse().unwrap());
        topology.pods.insert("shop/exporter".parse().unwrap(), pod);
        shown(
            code,
            Some(&topology),
            cilium("{endpointSelector: {matchLabels: {app: exporter}}, ingress: [{}]}"),
        )
    };
    assert_snapshot!(shown(pod(Some("host")), "host-network-pods"), @"warning at 64: shop/exporter is in the network of its node, where no policy selects it (hostNetwork) => the host firewall decides about nodes: `nodeSelector` in a clusterwide policy");
    assert_eq!(shown(pod(Some("host")), "selects-nothing"), "");
    assert_eq!(shown(pod(None), "host-network-pods"), "");
}

#[test]
fn labels_of_a_clusterwide_policy_that_are_of_nodes() {
    let topology = topology(|topology| topology.settings.node_selector_labels = true);
    let peers = |field: &str| {
        clusterwide(&format!(
            "{{endpointSelector: {{}}, ingress: [{{{field}: [{{matchLabels: {{pool: work}}}}]}}]}}"
        ))
    };
    assert_ne!(shown("clusterwide-peer", Some(&topology), peers("fromEndpoints")), "");
    assert_eq!(shown("clusterwide-peer", Some(&topology), peers("fromNodes")), "");
}

/// Which nodes run the API server Cilium knows by the endpoints of its service, and so by the topology alone.
#[test]
fn the_api_server_on_a_node_of_which_nothing_says_so() {
    let server = |runs: bool| {
        topology(|topology| {
            let labels = [("component".to_owned(), "kube-apiserver".to_owned())].into();
            let pod = Pod { labels, host_network: "host".parse().ok(), ..Pod::default() };
            topology.pods.insert("kube-system/kube-apiserver-cp".parse().unwrap(), pod);
            if runs {
                topology.nodes.insert("host".parse().unwrap(), Node { api_server: true, ..Node::default() });
            }
        })
    };
    let rule = || cilium("{endpointSelector: {}, egress: [{toEntities: [kube-apiserver]}]}");
    let code = "host-network-pods";
    assert_snapshot!(shown(code, Some(&server(false)), rule()), @"warning at 49: `kube-apiserver` is not the node `host` here, in whose network kube-system/kube-apiserver-cp is: the topology does not say that it runs the API server => say so: `nodes: {host: {apiServer: true}}`");
    assert_eq!(shown(code, Some(&server(true)), rule()), "");
    assert_eq!(
        shown(code, Some(&server(false)), cilium("{endpointSelector: {}, egress: [{toEntities: [host]}]}")),
        ""
    );
}

#[test]
fn an_address_that_pods_are_led_away_from() {
    let with = topology(|topology| {
        let labels = [("app".to_owned(), "agent".to_owned())];
        let redirect = LocalRedirect {
            frontend: RedirectFrontend::Address("169.254.169.254".parse().unwrap()),
            selects: labels.into(),
            ports: vec![ServicePort {
                port: Port::new(80).unwrap(),
                protocol: Protocol::Tcp,
                target: TargetPort::Number(Port::new(8181).unwrap()),
            }],
            spares_backends: false,
        };
        topology.redirects.insert("iam/metadata".parse().unwrap(), redirect);
    });
    let to = |block: &str, more: &str| {
        cilium(&format!("{{endpointSelector: {{}}, egress: [{{toCIDR: [{block}]{more}}}]}}"))
    };
    assert_snapshot!(shown("redirected-address", Some(&with), to("169.254.169.254/32", "")), @"warning at 45: pods of the node are redirected from 169.254.169.254 before policies apply, by the local redirect policy iam/metadata => allow the pods that answer, at their own port: those of iam with `app: agent`");
    let port = |port: u16| format!(", toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}]}}]");
    assert_ne!(shown("redirected-address", Some(&with), to("169.254.169.254/32", &port(80))), "");
    assert_eq!(shown("redirected-address", Some(&with), to("169.254.169.254/32", &port(8080))), "");
    assert_eq!(shown("redirected-address", Some(&with), to("0.0.0.0/0", "")), "");
    assert_eq!(shown("redirected-address", None, to("169.254.169.254/32", "")), "");
}
