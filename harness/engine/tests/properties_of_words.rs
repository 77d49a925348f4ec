//! What holds for any policies of what scenarios say beside them: redirects, kept connections, ICMP messages, secrets, the
//! gateway and settings.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::attempt::Attempt;
use verdikt_scenario::document;
use verdikt_scenario::loader::{parse_attempt, parse_source};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::{Answer, EnforcementPoint};
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, GatewayRoute, LocalRedirect, Node, Pod, Port, Protocol, RedirectFrontend,
    Served, ServedProtocol, Service, ServicePort, TargetPort, TlsSecret, Topology, WorldHost,
};

const OWN: &str = "shop/own";
const OTHER: &str = "shop/other";

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn served(protocol: ServedProtocol, number: u16) -> Served {
    Served { protocol, port: port(number), name: None }
}

fn led(from: u16, to: u16) -> ServicePort {
    ServicePort { port: port(from), protocol: Protocol::Tcp, target: TargetPort::Number(port(to)) }
}

fn pod(app: &str, serves: Vec<Served>) -> Pod {
    Pod { labels: [("app".to_owned(), app.to_owned())].into(), serves, ..Pod::default() }
}

/// A host outside from which a local redirect policy leads to an agent, a gateway before a site, and two secrets.
fn topology() -> Topology {
    let mut topology = Topology::default();
    topology.namespaces.insert("shop".parse().unwrap(), [].into());
    let exporter = Pod { host_network: Some("host".parse().unwrap()), ..pod("exporter", Vec::new()) };
    for (name, pod) in [
        ("shop/cart", pod("cart", Vec::new())),
        ("shop/web", pod("web", vec![served(ServedProtocol::Http, 8080)])),
        ("shop/agent", pod("agent", vec![served(ServedProtocol::Tcp, 8181)])),
        ("shop/exporter", exporter),
    ] {
        topology.pods.insert(name.parse().unwrap(), pod);
    }
    let selects = Some([("app".to_owned(), "web".to_owned())].into());
    let site = Service { selects, ports: vec![led(80, 8080)], ..Service::default() };
    topology.services.insert("shop/site".parse().unwrap(), site);
    let far = WorldHost {
        address: "203.0.113.60".parse().unwrap(),
        names: [].into(),
        serves: vec![served(ServedProtocol::Tcp, 80), served(ServedProtocol::Https, 443)],
        aliases: [].into(),
        api_server: false,
    };
    let redirect = LocalRedirect {
        frontend: RedirectFrontend::Address(far.address),
        selects: [("app".to_owned(), "agent".to_owned())].into(),
        ports: vec![led(80, 8181)],
        spares_backends: false,
    };
    topology.redirects.insert("shop/far".parse().unwrap(), redirect);
    topology.world.insert("far".parse().unwrap(), far);
    topology.nodes.insert("host".parse().unwrap(), Node::default());
    topology.cilium.insert(CiliumEndpoint::Ingress);
    topology.secrets.extend([OWN, OTHER].map(|name| (name.parse().unwrap(), TlsSecret::default())));
    topology
}

fn with_gateway() -> Topology {
    let route = GatewayRoute {
        host: None,
        prefix: "/".to_owned(),
        service: "shop/site".parse().unwrap(),
        port: port(80),
    };
    Topology { routes: vec![route], ..topology() }
}

fn with_trust(trusted: &[&str]) -> Topology {
    let trusted: BTreeSet<NamespacedName> = trusted.iter().map(|name| name.parse().unwrap()).collect();
    let cart = Endpoint::Pod("shop/cart".parse().unwrap());
    Topology { trusts: [(cart, trusted)].into(), ..topology() }
}

fn answer(topology: &Topology, policies: &[String], source: &str, attempt: &Attempt) -> Answer {
    let read = |text: &String| Manifest {
        file: Arc::from("generated.yaml"),
        root: document::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0),
    };
    let manifests: Vec<Manifest> = policies.iter().map(read).collect();
    let model = PolicyModel::new(topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    model.predict(&parse_source(source, topology).unwrap(), attempt).answer
}

fn answer_to(topology: &Topology, policies: &[String], source: &str, attempt: &str) -> Answer {
    answer(topology, policies, source, &parse_attempt(attempt, topology).unwrap())
}

fn peers(word: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "(cart|web|agent)".prop_map(move |app| format!("{word}Endpoints: [{{matchLabels: {{app: {app}}}}}]")),
        "(all|world|cluster|host|ingress)".prop_map(move |entity| format!("{word}Entities: [{entity}]")),
        Just(format!("{word}CIDR: [203.0.113.0/24]")),
    ]
}

/// Ports, with what a proxy is asked for.
fn ports() -> impl Strategy<Value = String> {
    let in_tls = "toPorts: [{ports: [{port: \"443\", protocol: TCP}], terminatingTLS: {secret: {namespace: shop, name: own}}, \
                  originatingTLS: {secret: {namespace: shop, name: other}}, rules: {http: [{method: GET}]}}]";
    prop_oneof![
        Just(String::new()),
        "(80|443|8080|8181)"
            .prop_map(|port| format!("toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}]}}]")),
        "(8080|8181)".prop_map(|port| format!(
            "toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}], rules: {{http: [{{method: GET}}]}}}}]"
        )),
        Just(in_tls.to_owned()),
    ]
}

fn policy() -> impl Strategy<Value = String> {
    let list = |word: &'static str| {
        (peers(word), ports()).prop_map(|(peers, ports)| {
            let parts: Vec<String> = [peers, ports].into_iter().filter(|part| !part.is_empty()).collect();
            format!("{{{}}}", parts.join(", "))
        })
    };
    let section = prop_oneof![
        list("to").prop_map(|item| format!("egress: [{item}]")),
        list("from").prop_map(|item| format!("ingress: [{item}]")),
        peers("to").prop_map(|item| format!("egressDeny: [{{{item}}}]")),
        peers("from").prop_map(|item| format!("ingressDeny: [{{{item}}}]")),
    ];
    ("(cart|web|agent|)", section).prop_map(|(app, section)| {
        let subject = if app.is_empty() { String::new() } else { format!("matchLabels: {{app: {app}}}") };
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: shop}}, spec: \
             {{endpointSelector: {{{subject}}}, {section}}}}}"
        )
    })
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(policy(), 0..4)
}

proptest! {
    /// Who is led away meets what whoever asks the agent itself meets.
    #[test]
    fn a_redirect_is_an_attempt_at_those_that_answer(
        policies in policies(),
        source in "(shop/cart|shop/web|shop/exporter|host)",
    ) {
        let topology = topology();
        let direct = answer_to(&topology, &policies, &source, "tcp shop/agent:8181");
        prop_assert_eq!(answer_to(&topology, &policies, &source, "tcp far:80"), direct);
    }

    /// Nothing is judged of a connection that stands but what it carries: it passes where a new one does, or is left open.
    #[test]
    fn a_connection_that_stands_is_judged_as_a_new_one_or_left_open(
        policies in policies(),
        source in "(shop/cart|shop/web|host)",
    ) {
        let topology = topology();
        let kept = answer_to(&topology, &policies, &source, "tcp shop/agent:8181 kept");
        let new = answer_to(&topology, &policies, &source, "tcp shop/agent:8181");
        prop_assert!(kept == Answer::Abstain || kept == new, "{kept} {new}");
    }

    /// Policies that speak of no type treat every ICMP message alike.
    #[test]
    fn messages_are_judged_like_echo_requests(policies in policies(), source in "(shop/cart|shop/web|host|far)") {
        let topology = topology();
        let message = answer_to(&topology, &policies, &source, "icmp Timestamp shop/agent");
        prop_assert_eq!(message, answer_to(&topology, &policies, &source, "icmp shop/agent"));
    }

    /// A type that a rule speaks of opens that type and no other.
    #[test]
    fn a_rule_for_a_message_opens_no_other(mut policies in policies()) {
        let topology = topology();
        let before = answer_to(&topology, &policies, "shop/cart", "icmp shop/agent");
        policies.push(
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: icmp, namespace: shop}, spec: \
             {endpointSelector: {}, enableDefaultDeny: {ingress: false, egress: false}, egress: [{icmps: [{fields: [{type: \
             Timestamp}]}]}], ingress: [{icmps: [{fields: [{type: Timestamp}]}]}]}}".to_owned(),
        );
        prop_assert_eq!(answer_to(&topology, &policies, "shop/cart", "icmp shop/agent"), before);
        let message = answer_to(&topology, &policies, "shop/cart", "icmp Timestamp shop/agent");
        let is_denied_on_purpose = policies.iter().any(|policy| policy.contains("Deny: "));
        prop_assert!(message == Answer::Allow || is_denied_on_purpose, "{message}");
    }

    /// Trust changes nothing but whether TLS fails; who trusts the secret that is shown meets what one meets that takes any.
    #[test]
    fn trust_decides_about_certificates_alone(policies in policies()) {
        let attempt = "https GET far:443/";
        let any = answer_to(&topology(), &policies, "shop/cart", attempt);
        prop_assert_eq!(answer_to(&with_trust(&[OWN]), &policies, "shop/cart", attempt), any);
        let none = answer_to(&with_trust(&[]), &policies, "shop/cart", attempt);
        prop_assert!(none == any || none == Answer::Deny(EnforcementPoint::Tls), "{none} {any}");
        let ends_tls = policies.iter().any(|policy| policy.contains("egress: [") && policy.contains("terminatingTLS"));
        prop_assert!(ends_tls || none == any, "{none} {any}");
        prop_assert_eq!(answer_to(&with_trust(&[OTHER]), &policies, "shop/cart", attempt), none);
    }

    /// What passes the gateway passes from it to the backend.
    #[test]
    fn a_request_through_the_gateway_reaches_its_backend(policies in policies()) {
        let topology = with_gateway();
        if answer_to(&topology, &policies, "far", "http GET ingress:80/") == Answer::Allow {
            let hop = answer_to(&topology, &policies, "ingress", "http GET shop/web:8080/");
            prop_assert_eq!(hop, Answer::Allow);
        }
    }

    /// Without a host firewall, no policy isolates the node; and what ranges match of nodes changes nothing between pods.
    #[test]
    fn settings_change_what_they_are_for(policies in policies(), cidr_matches_nodes: bool, host_firewall: bool) {
        let usual = topology();
        let mut changed = usual.clone();
        changed.settings.cidr_matches_nodes = cidr_matches_nodes;
        changed.settings.host_firewall = host_firewall;
        let answers = |topology: &Topology| {
            ["tcp shop/agent:8181", "http GET shop/web:8080/", "https GET far:443/"]
                .map(|attempt| answer_to(topology, &policies, "shop/cart", attempt))
        };
        prop_assert_eq!(answers(&changed), answers(&usual));
        let to_node = answer_to(&usual, &policies, "shop/cart", "icmp host");
        prop_assert!(to_node != Answer::Deny(EnforcementPoint::Ingress));
    }

    /// The order of objects never matters to what is predicted.
    #[test]
    fn the_order_of_objects_never_matters(policies in policies()) {
        let mut other = policies.clone();
        other.reverse();
        let topology = with_gateway();
        let answers = |policies: &[String]| {
            [
                ("shop/cart", "tcp far:80"),
                ("shop/cart", "https GET far:443/"),
                ("host", "icmp Timestamp shop/web"),
                ("far", "http GET ingress:80/"),
                ("shop/web", "tcp shop/agent:8181 kept"),
            ]
            .map(|(source, attempt)| answer_to(&topology, policies, source, attempt))
        };
        prop_assert_eq!(answers(&other), answers(&policies));
    }
}
