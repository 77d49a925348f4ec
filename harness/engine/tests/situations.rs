//! Situations that clusters have: what policies see of a client on its way.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use verdikt_engine::decide::Traffic;
use verdikt_engine::lint::lint;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_engine::refusal::RefusalKind;
use verdikt_scenario::document;
use verdikt_scenario::loader::parse_attempt;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::{Answer, EnforcementPoint};
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, Nameserver, Node, Pod, Port, Protocol, Served, ServedProtocol, Service,
    ServicePort, ServiceType, TargetPort, TlsSecret, Topology, TrafficPolicy, WorldHost,
};

/// A pod behind a node port, a client outside, and two other nodes, of which one runs the API server.
fn topology() -> Topology {
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse().unwrap(), [].into());
    let port = Port::new(8080).unwrap();
    let serves = vec![Served { protocol: ServedProtocol::Tcp, port, name: None }];
    let labels = [("app".to_owned(), "web".to_owned())].into();
    topology.pods.insert("shop/web".parse().unwrap(), Pod { labels, serves, ..Pod::default() });
    let offered = ServicePort { port, protocol: Protocol::Tcp, target: TargetPort::Number(port) };
    let selects = Some([("app".to_owned(), "web".to_owned())].into());
    let service =
        Service { service_type: ServiceType::NodePort, selects, ports: vec![offered], ..Service::default() };
    topology.services.insert("shop/front".parse().unwrap(), service);
    let address = "203.0.113.10".parse().unwrap();
    let client =
        WorldHost { address, names: [].into(), serves: Vec::new(), aliases: [].into(), api_server: false };
    topology.world.insert("client".parse().unwrap(), client);
    topology.nodes.insert("far".parse().unwrap(), Node::default());
    topology.nodes.insert("control".parse().unwrap(), Node { api_server: true, ..Node::default() });
    topology
}

fn manifest(list: &str) -> Manifest {
    let text = format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\n\
         spec: {{endpointSelector: {{}}, {list}}}\n"
    );
    Manifest { file: Arc::from("p.yaml"), root: document::parse(&text).unwrap().remove(0) }
}

fn item() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        "(all|world|cluster|host|remote-node|kube-apiserver)"
            .prop_map(|entity| format!("{{fromEntities: [{entity}]}}")),
        "(203\\.0\\.113\\.0/24|10\\.0\\.0\\.0/8|0\\.0\\.0\\.0/0)"
            .prop_map(|cidr| format!("{{fromCIDR: [{cidr}]}}")),
    ]
}

fn rules() -> impl Strategy<Value = String> {
    let items = |word: &'static str| {
        proptest::collection::vec(item(), 1..3)
            .prop_map(move |items| format!("{word}: [{}]", items.join(", ")))
    };
    prop_oneof![
        items("ingress"),
        (items("ingress"), items("ingressDeny")).prop_map(|(allow, deny)| format!("{allow}, {deny}")),
    ]
}

proptest! {
    /// Over another node policies see that node; over the pod's own, or where the service keeps to it, the client.
    #[test]
    fn policies_see_the_node_that_a_client_comes_over(rules in rules()) {
        let manifests = [manifest(&rules)];
        let mut topology = topology();
        let web = Endpoint::Pod("shop/web".parse().unwrap());
        let client = Endpoint::World("client".parse().unwrap());
        let node = |name: &str| Endpoint::Node(name.parse().unwrap());
        let seen = [
            ("tcp shop/front:8080", node("far")),
            ("tcp shop/front:8080 over far", node("far")),
            ("tcp shop/front:8080 over control", node("control")),
            ("tcp shop/front:8080 over host", client.clone()),
        ];
        for (attempt, peer) in &seen {
            let attempt = parse_attempt(attempt, &topology).unwrap();
            let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
            let (_, ingress) = model.sides(peer, &web, Traffic::Port(Protocol::Tcp, 8080));
            let denied = matches!(model.predict(&client, &attempt).answer, Answer::Deny(_));
            prop_assert_eq!(denied, ingress.unwrap().denies(), "{} as {}", attempt, peer);
        }
        let service = topology.services.values_mut().next().unwrap();
        service.external_traffic_policy = TrafficPolicy::Local;
        let attempt = parse_attempt("tcp shop/front:8080", &topology).unwrap();
        let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
        let (_, ingress) = model.sides(&client, &web, Traffic::Port(Protocol::Tcp, 8080));
        let denied = matches!(model.predict(&client, &attempt).answer, Answer::Deny(_));
        prop_assert_eq!(denied, ingress.unwrap().denies());
    }
}

proptest! {
    /// To policies a pod in the network of a node is that node; and none of this cluster selects a pod of another.
    #[test]
    fn pods_elsewhere_are_no_pods_of_the_cluster(rules in rules()) {
        let mut topology = topology();
        let here = Pod { host_network: "host".parse().ok(), ..Pod::default() };
        let there = Pod { host_network: "far".parse().ok(), ..Pod::default() };
        let west = Pod { cluster: Some("west".to_owned()), ..Pod::default() };
        for (name, pod) in [("shop/here", here), ("shop/there", there), ("shop/west", west)] {
            topology.pods.insert(name.parse().unwrap(), pod);
        }
        let manifests = [manifest(&rules)];
        let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
        let pod = |name: &str| Endpoint::Pod(name.parse().unwrap());
        let node = |name: &str| Endpoint::Node(name.parse().unwrap());
        let traffic = Traffic::Port(Protocol::Tcp, 8080);
        let web = pod("shop/web");
        prop_assert_eq!(model.sides(&pod("shop/here"), &web, traffic), model.sides(&node("host"), &web, traffic));
        prop_assert_eq!(model.sides(&pod("shop/there"), &web, traffic), model.sides(&node("far"), &web, traffic));
        let elsewhere = ["shop/here", "shop/there", "shop/west"].map(pod);
        let as_targets = elsewhere.each_ref().map(|pod| model.sides(&web, pod, traffic).1);
        let as_sources = elsewhere.each_ref().map(|pod| model.sides(pod, &web, traffic).0);
        prop_assert_eq!((as_targets, as_sources), ([None; 3], [None; 3]));
    }
}

#[test]
fn a_rule_for_addresses_behind_a_service_that_hides_them_is_warned_of() {
    let warnings = |list: &str, topology: &Topology| {
        let found = lint(Some(topology), &[manifest(list)], &ModelOptions::default()).warnings;
        let found = found.into_iter().filter(|it| it.code.as_deref() == Some("hidden-client"));
        found
            .map(|it| format!("{} {} => {}", it.place.line, it.message, it.help.unwrap()))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut topology = topology();
    insta::assert_snapshot!(warnings("ingress: [{fromCIDR: [203.0.113.0/24]}]", &topology), @"4 client is allowed at shop/web as itself, and denied where it reaches shop/front over far, whose address hides it (externalTrafficPolicy Cluster) => give shop/front `externalTrafficPolicy: Local`, or expect both ways: `tcp shop/front:8080 over host`");
    insta::assert_snapshot!(warnings("ingress: [{fromEntities: [remote-node]}]", &topology), @"4 client is denied at shop/web as itself, and allowed where it reaches shop/front over far, whose address hides it (externalTrafficPolicy Cluster) => give shop/front `externalTrafficPolicy: Local`, or expect both ways: `tcp shop/front:8080 over host`");
    assert_eq!(warnings("ingress: [{fromEntities: [remote-node, world]}]", &topology), "");
    topology.services.values_mut().next().unwrap().external_traffic_policy = TrafficPolicy::Local;
    assert_eq!(warnings("ingress: [{fromCIDR: [203.0.113.0/24]}]", &topology), "");
}

/// Nodes as peers are for clusters that know the labels of nodes.
#[rstest]
#[case::from_nodes("ingress: [{fromNodes: [{matchLabels: {pool: work}}]}]")]
#[case::deny_to_nodes(
    "egressDeny: [{toNodes: [{matchExpressions: [{key: 'node:pool', operator: Exists}]}]}]"
)]
fn nodes_by_their_labels_need_the_setting(#[case] list: &str) {
    let refused = |on: bool| {
        let mut topology = topology();
        topology.settings.node_selector_labels = on;
        let options = ModelOptions::default();
        let manifests = [manifest(list)];
        let model = PolicyModel::new(&topology, &manifests, &options, &LearnedNames::default());
        let refused = model.acceptances().first().and_then(|acceptance| acceptance.refused());
        refused.map(|refused| refused.kind.clone())
    };
    assert_eq!(refused(false), Some(RefusalKind::NodeLabelsOff));
    assert_eq!(refused(true), None);
}

const AT_A_PROXY: &str = "ingress: [{fromEntities: [world], toPorts: [{ports: [{port: \"8080\", protocol: TCP}], \
                          rules: {http: [{}]}}]}]";

/// Policies judge what a client says on a connection that stands as they judge a new one. Audit mode reports nothing of it,
/// and what becomes of it where a proxy comes in between, or goes, is not known.
#[rstest]
#[case::still_allowed("ingress: [{fromEntities: [world]}]", false, "allow")]
#[case::no_longer_allowed("ingress: [{fromEntities: [cluster]}]", false, "deny ingress")]
#[case::denied("ingress: [{}], ingressDeny: [{fromEntities: [world]}]", false, "deny ingress")]
#[case::audited("ingress: [{fromEntities: [cluster]}]", true, "allow")]
#[case::to_a_proxy(AT_A_PROXY, false, "abstains")]
fn a_connection_that_stands(#[case] list: &str, #[case] audit: bool, #[case] expected: &str) {
    let (topology, manifests) = (topology(), [manifest(list)]);
    let enforcement = Enforcement { audit, ..Enforcement::default() };
    let options = ModelOptions { enforcement, ..ModelOptions::default() };
    let model = PolicyModel::new(&topology, &manifests, &options, &LearnedNames::default());
    let attempt = parse_attempt("tcp shop/web:8080 kept", &topology).unwrap();
    assert_eq!(attempt.to_string(), "tcp shop/web:8080 kept");
    let client = Endpoint::World("client".parse().unwrap());
    assert_eq!(model.predict(&client, &attempt).answer.to_string(), expected);
}

#[test]
fn a_connection_that_a_proxy_has_taken() {
    let (topology, client) = (topology(), Endpoint::World("client".parse().unwrap()));
    let kept = parse_attempt("tcp shop/web:8080 kept", &topology).unwrap();
    let made = kept.kept().unwrap();
    let step = |list: &str| {
        let model = PolicyModel::new(
            &topology,
            &[manifest(list)],
            &ModelOptions::default(),
            &LearnedNames::default(),
        );
        model.in_step([])
    };
    let (proxied, plain) = (step(AT_A_PROXY), step("ingress: [{fromEntities: [world]}]"));
    assert!(proxied.is_proxied(&client, made) && !plain.is_proxied(&client, made));
    assert_eq!(plain.predict(&client, &kept).answer, Answer::Allow);
    let after = plain.after_proxies([(client.clone(), made.clone())].into());
    assert_eq!(after.predict(&client, &kept).answer, Answer::Abstain);
}

/// Rules for requests inside TLS that the proxy ends, where its secrets are there; what else is not known.
#[rstest]
#[case::a_path_of_the_rule("https GET partner:443/v1/a", "terminating originating", &["tls/own", "tls/public"], "allow")]
#[case::another_path("https GET partner:443/v2", "terminating originating", &["tls/own", "tls/public"], "deny http")]
#[case::another_method("https POST partner:443/v1/a", "terminating originating", &["tls/own", "tls/public"], "deny http")]
#[case::without_a_secret("https GET partner:443/v2", "terminating originating", &["tls/own"], "abstains")]
#[case::in_plain_to_the_server("https GET partner:443/v1/a", "terminating", &["tls/own"], "abstains")]
#[case::denied_before_the_server("https GET partner:443/v2", "terminating", &["tls/own"], "deny http")]
#[case::without_an_end("https GET partner:443/v2", "originating", &["tls/public"], "abstains")]
#[case::no_tls("https GET partner:443/v1/a", "", &[], "deny tls")]
#[case::plain_http("http GET partner:80/v1/a", "terminating originating", &["tls/own", "tls/public"], "abstains")]
fn http_rules_inside_tls(
    #[case] attempt: &str,
    #[case] tls: &str,
    #[case] secrets: &[&str],
    #[case] expected: &str,
) {
    let mut topology = topology();
    topology.secrets = secrets.iter().map(|secret| (secret.parse().unwrap(), TlsSecret::default())).collect();
    let served = |protocol, port| Served { protocol, port: Port::new(port).unwrap(), name: None };
    let partner = WorldHost {
        address: "203.0.113.60".parse().unwrap(),
        names: [].into(),
        serves: vec![served(ServedProtocol::Https, 443), served(ServedProtocol::Http, 80)],
        aliases: [].into(),
        api_server: false,
    };
    topology.world.insert("partner".parse().unwrap(), partner);
    let words = [("terminating", "own"), ("originating", "public")];
    let words = words.into_iter().filter(|(word, _)| tls.contains(word));
    let words =
        words.map(|(word, name)| format!("{word}TLS: {{secret: {{namespace: tls, name: {name}}}}}, "));
    let list = format!(
        "egress: [{{toCIDR: [203.0.113.60/32], toPorts: [{{ports: [{{port: \"443\", protocol: TCP}}, {{port: \"80\", \
         protocol: TCP}}], {}rules: {{http: [{{method: GET, path: \"/v1/.*\"}}]}}}}]}}]",
        words.collect::<String>()
    );
    let manifests = [manifest(&list)];
    let model = PolicyModel::new(&topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    let web = Endpoint::Pod("shop/web".parse().unwrap());
    let attempt = parse_attempt(attempt, &topology).unwrap();
    assert_eq!(model.predict(&web, &attempt).answer.to_string(), expected);
}

/// An attempt's answer under one policy for all endpoints of a namespace.
fn answer(topology: &Topology, source: &str, attempt: &str, policy: &str) -> Answer {
    let manifest = Manifest { file: Arc::from("p.yaml"), root: document::parse(policy).unwrap().remove(0) };
    let manifests = [manifest];
    let attempt = parse_attempt(attempt, topology).unwrap();
    let model = PolicyModel::new(topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    let sources = topology.sources();
    let source = sources.iter().find(|endpoint| endpoint.to_string() == source).unwrap();
    model.predict(source, &attempt).answer
}

#[rstest]
#[case::a_pod("shop/web", true)]
#[case::a_node("far", false)]
#[case::a_host_outside("client", false)]
#[case::a_pod_of_the_host_network("shop/here", false)]
fn pods_alone_ask_further_dns_servers(#[case] source: &str, #[case] is_answered: bool) {
    let mut topology = topology();
    let here = Pod { host_network: "far".parse().ok(), ..Pod::default() };
    topology.pods.insert("shop/here".parse().unwrap(), here);
    let resolver = Endpoint::World("client".parse().unwrap());
    topology.dns.nameservers = vec![Nameserver::Endpoint(resolver)];
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: kube-system}\n\
                  spec: {endpointSelector: {}, ingress: [{fromEntities: [none]}]}\n";
    let answer = answer(&topology, source, "dns www.example.test", policy);
    assert_eq!(answer == Answer::Allow, is_answered, "{source}: {answer:?}");
}

#[test]
fn connections_that_the_gateway_keeps_are_left_open() {
    let mut topology = topology();
    topology.cilium.insert(CiliumEndpoint::Ingress);
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\n\
                  spec: {endpointSelector: {}, egress: [{}]}\n";
    let of_gateway = |attempt: &str| answer(&topology, "ingress", attempt, policy);
    assert_eq!(of_gateway("tcp shop/web:8080"), Answer::Deny(EnforcementPoint::Http));
    assert_eq!(of_gateway("tcp shop/web:8080 kept"), Answer::Abstain);
}

/// Cilium's listener is not configured for tunnels, whatever the rules say: the server never sees one.
#[test]
fn a_tunnel_through_http_rules_is_not_allowed() {
    let mut topology = topology();
    let web = topology.pods.values_mut().next().unwrap();
    web.serves[0].protocol = ServedProtocol::Http;
    let policy = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\n\
                  spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: \"8080\", protocol: TCP}], rules: {http: \
                  [{}]}}]}]}\n";
    let of_client = |attempt: &str| answer(&topology, "client", attempt, policy);
    assert_eq!(of_client("http GET shop/web:8080/"), Answer::Allow);
    assert_eq!(of_client("http CONNECT shop/web:8080/"), Answer::Abstain);
}

/// Of a secret whose items are known, the proxy needs a certificate with its key for clients, and authorities for servers.
#[rstest]
#[case::all_of_them(["tls.crt", "tls.key"], ["ca.crt", ""], "allow")]
#[case::unknown(["", ""], ["", ""], "allow")]
#[case::no_key(["tls.crt", ""], ["ca.crt", ""], "abstains")]
#[case::no_certificate(["ca.crt", ""], ["ca.crt", ""], "abstains")]
#[case::no_authorities(["tls.crt", "tls.key"], ["tls.crt", "tls.key"], "abstains")]
fn a_secret_that_lacks_an_item(#[case] own: [&str; 2], #[case] public: [&str; 2], #[case] expected: &str) {
    let mut topology = topology();
    let item = |items: [&str; 2], name: &str| items.contains(&name).then(|| Arc::from("-----BEGIN "));
    let secret = |items| TlsSecret {
        certificate: item(items, "tls.crt"),
        key: item(items, "tls.key"),
        authorities: item(items, "ca.crt"),
    };
    topology.secrets.insert("tls/own".parse().unwrap(), secret(own));
    topology.secrets.insert("tls/public".parse().unwrap(), secret(public));
    let served = Served { protocol: ServedProtocol::Https, port: Port::new(443).unwrap(), name: None };
    topology.world.values_mut().next().unwrap().serves.push(served);
    let policy = "
        apiVersion: cilium.io/v2
        kind: CiliumNetworkPolicy
        metadata: {name: p, namespace: shop}
        spec:
          endpointSelector: {}
          egress:
          - toCIDR: [203.0.113.0/24]
            toPorts:
            - ports: [{port: '443', protocol: TCP}]
              terminatingTLS: {secret: {namespace: tls, name: own}}
              originatingTLS: {secret: {namespace: tls, name: public}}
              rules: {http: [{method: GET}]}";
    let answer = answer(&topology, "shop/web", "https GET client:443/", policy);
    assert_eq!(answer.to_string(), expected);
}

/// A pod in the network of a node is that node to policies, also as the API server, however it is known that it runs there.
#[rstest]
#[case::said_of_the_node(true, false, "allow")]
#[case::behind_its_service(false, true, "allow")]
#[case::neither(false, false, "deny ingress")]
fn a_pod_beside_the_api_server(#[case] said: bool, #[case] behind: bool, #[case] expected: &str) {
    let mut topology = topology();
    let secure = Served { protocol: ServedProtocol::Tcp, port: Port::new(6443).unwrap(), name: None };
    let node = Node { api_server: said, serves: vec![secure], ..Node::default() };
    topology.nodes = [("far".parse().unwrap(), node)].into();
    if behind {
        let port = ServicePort {
            port: Port::new(443).unwrap(),
            protocol: Protocol::Tcp,
            target: TargetPort::Number(Port::new(6443).unwrap()),
        };
        let backends = ["far".parse().unwrap()].into();
        let service = Service { backends, ports: vec![port], ..Service::default() };
        topology.services.insert("default/kubernetes".parse().unwrap(), service);
    }
    let agent = Pod { host_network: "far".parse().ok(), ..Pod::default() };
    topology.pods.insert("shop/agent".parse().unwrap(), agent);
    let policy = "
        apiVersion: cilium.io/v2
        kind: CiliumNetworkPolicy
        metadata: {name: p, namespace: shop}
        spec: {endpointSelector: {}, ingress: [{fromEntities: [kube-apiserver]}]}";
    let answers = ["shop/agent", "far"]
        .map(|source| answer(&topology, source, "tcp shop/web:8080", policy).to_string());
    assert_eq!(answers, [expected, expected]);
}

#[test]
fn a_network_policy_where_cilium_reads_none() {
    let mut topology = topology();
    topology.settings.network_policy = false;
    let text = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {podSelector: {}}}";
    let manifests = [Manifest { file: Arc::from("p.yaml"), root: document::parse(text).unwrap().remove(0) }];
    let refused = lint(Some(&topology), &manifests, &ModelOptions::default()).refusals.remove(0);
    assert_eq!(refused.kind, RefusalKind::NetworkPolicyOff);
    insta::assert_snapshot!(format!("{} => {}", refused.mistake.message, refused.mistake.help.unwrap()), @"NetworkPolicy shop/p is refused by the agent, which shows nowhere, and nothing of it is enforced: Cilium reads no NetworkPolicy: `k8sNetworkPolicy.enabled` is false => leave `k8sNetworkPolicy.enabled` out of the values of Cilium, or write it as a CiliumNetworkPolicy");
}
