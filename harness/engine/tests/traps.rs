//! Every trap that was run against Cilium's own engine is answered as recorded there for 1.20.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::sync::Arc;

use serde::Deserialize;
use verdikt_engine::decide::{DecisionKind, Traffic};
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::document;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, Node, Pod, Port, Protocol, Served, ServedProtocol, Topology, WorldHost,
};

#[derive(Deserialize)]
struct Trap {
    id: String,
    title: String,
    policies: Vec<TrapPolicy>,
    flows: Vec<TrapFlow>,
    accepted: bool,
}

#[derive(Deserialize)]
struct TrapPolicy {
    kind: String,
    namespace: Option<String>,
    spec: String,
}

#[derive(Deserialize)]
struct TrapFlow {
    src: String,
    dst: String,
    proto: String,
    port: u16,
    expect_1_20: String,
}

/// The surroundings in which the traps were run.
fn topology() -> Topology {
    let mut topology = Topology::default();
    for (namespace, team) in [("default", "a"), ("other", "b")] {
        let labels = [("team".to_owned(), team.to_owned())].into();
        topology.namespaces.insert(namespace.parse().unwrap(), labels);
    }
    let pods: [(&str, &[(&str, &str)]); 8] = [
        ("default/a", &[("app", "a")]),
        ("default/b", &[("app", "b")]),
        ("default/c", &[("app", "c")]),
        ("default/h", &[("app", "h"), ("host", "x")]),
        ("default/i", &[("app", "i"), ("init", "x")]),
        ("default/x", &[("app", "x"), ("world", "w"), ("pod-template-hash", "abc")]),
        ("other/a2", &[("app", "a")]),
        ("other/c2", &[("app", "c")]),
    ];
    for (name, labels) in pods {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let http = Served {
            protocol: ServedProtocol::Tcp,
            port: Port::new(8080).unwrap(),
            name: Some("http".parse().unwrap()),
        };
        let serves = if name == "default/b" { vec![http] } else { Vec::new() };
        topology.pods.insert(name.parse().unwrap(), Pod { labels, serves, ..Pod::default() });
    }
    let externals = [
        ("e1", "8.8.8.8", "dns.google"),
        ("e2", "10.1.2.3", "www.example.com"),
        ("e3", "10.200.0.1", "a.b.example.com"),
        ("e4", "10.1.9.3", ""),
        ("v6", "2001:db8::1", ""),
    ];
    for (name, address, dns) in externals {
        let names = dns.parse().into_iter().collect();
        let host = WorldHost {
            address: address.parse().unwrap(),
            names,
            serves: Vec::new(),
            aliases: [].into(),
            api_server: false,
        };
        topology.world.insert(name.parse().unwrap(), host);
    }
    for (name, api_server) in [("host", false), ("remote-node", false), ("kube-apiserver", true)] {
        topology.nodes.insert(name.parse().unwrap(), Node { api_server, ..Node::default() });
    }
    topology
}

fn endpoint(text: &str) -> Endpoint {
    match text {
        "health" => Endpoint::Cilium(CiliumEndpoint::Health),
        _ if text.contains('/') => Endpoint::Pod(text.parse().unwrap()),
        _ => match text.strip_prefix("ext:") {
            Some(name) => Endpoint::World(name.parse().unwrap()),
            None => Endpoint::Node(text.parse().unwrap()),
        },
    }
}

fn manifest(policy: &TrapPolicy, index: usize) -> Manifest {
    let (kind, api_version, field) = match policy.kind.as_str() {
        "CNP" => ("CiliumNetworkPolicy", "cilium.io/v2", "spec"),
        "CNPS" => ("CiliumNetworkPolicy", "cilium.io/v2", "specs"),
        "CCNP" => ("CiliumClusterwideNetworkPolicy", "cilium.io/v2", "spec"),
        _ => ("NetworkPolicy", "networking.k8s.io/v1", "spec"),
    };
    let namespace = match (kind, &policy.namespace) {
        ("CiliumClusterwideNetworkPolicy", _) | (_, None) => String::new(),
        (_, Some(namespace)) => format!(", namespace: {namespace}"),
    };
    let text = format!(
        "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: p{index}{namespace}}}\n{field}: {}\n",
        policy.spec
    );
    let root = document::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0);
    Manifest { file: Arc::from("trap.yaml"), root }
}

fn word(model: &PolicyModel<'_>, flow: &TrapFlow) -> &'static str {
    let traffic = match flow.proto.as_str() {
        "TCP" => Traffic::Port(Protocol::Tcp, flow.port),
        "UDP" => Traffic::Port(Protocol::Udp, flow.port),
        "SCTP" => Traffic::Port(Protocol::Sctp, flow.port),
        protocol => Traffic::Icmp { v6: protocol == "ICMPv6", kind: u8::try_from(flow.port).unwrap() },
    };
    let (egress, ingress) = model.sides(&endpoint(&flow.src), &endpoint(&flow.dst), traffic);
    let sides = [egress, ingress];
    let any = |test: fn(DecisionKind) -> bool| sides.iter().flatten().any(|side| test(*side));
    if any(|side| side == DecisionKind::Conflict) {
        "ERR"
    } else if any(|side| side == DecisionKind::Unknown) {
        "ABSTAINS"
    } else if any(DecisionKind::denies) {
        "DENY"
    } else if any(|side| side == DecisionKind::Allow { redirected: true }) {
        "L7"
    } else {
        "ALLOW"
    }
}

#[test]
fn every_trap_is_answered_as_recorded() {
    let traps: Vec<Trap> = serde_json::from_str(include_str!("fixtures/traps.json")).unwrap();
    let topology = topology();
    let names = topology.world.iter().map(|(name, host)| (name.clone(), host.names.clone())).collect();
    let learned = LearnedNames { names, ..LearnedNames::default() };
    let mut wrong = Vec::new();
    for trap in &traps {
        let manifests: Vec<Manifest> =
            trap.policies.iter().enumerate().map(|(index, policy)| manifest(policy, index)).collect();
        let model =
            PolicyModel::without_api_server(&topology, &manifests, &ModelOptions::default(), &learned);
        let refused = model.acceptances().iter().any(|acceptance| acceptance.refused().is_some());
        if refused == trap.accepted {
            wrong.push(format!("{} {}: {:?}", trap.id, trap.title, model.acceptances()));
        }
        for flow in &trap.flows {
            let answer = word(&model, flow);
            if answer != flow.expect_1_20 {
                wrong.push(format!(
                    "{} {}: {} to {} {} {}: expected {}, got {answer}",
                    trap.id, trap.title, flow.src, flow.dst, flow.proto, flow.port, flow.expect_1_20
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(traps.len(), 115);
}
