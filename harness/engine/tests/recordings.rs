//! Every verdict that was recorded on a real cluster is predicted.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_scenario::attempt::{Attempt, Request, Target};
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::policy::{Manifest, Refuser};
use verdikt_scenario::prediction::{Answer, EnforcementPoint};
use verdikt_scenario::scenario::{Enforcement, FieldValidation};
use verdikt_scenario::topology::{
    Endpoint, Node, Pod, Port, Protocol, Service, ServicePort, TargetPort, Topology, WorldHost,
};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The topology of the recordings.
fn topology() -> Topology {
    let mut topology = Topology::default();
    for namespace in ["frontend", "backend", "database", "kube-system"] {
        topology.namespaces.insert(namespace.parse().unwrap(), BTreeMap::new());
    }
    topology.namespaces.insert("database".parse().unwrap(), labels(&[("allow-ingress-port-80", "true")]));
    for (name, app) in
        [("frontend/frontend", "frontend"), ("backend/backend", "backend"), ("database/redis", "redis")]
    {
        let pod = Pod { labels: labels(&[("app", app)]), ..Pod::default() };
        topology.pods.insert(name.parse().unwrap(), pod);
    }
    let port = ServicePort {
        port: Port::new(8080).unwrap(),
        protocol: Protocol::Tcp,
        target: TargetPort::Number(Port::new(3000).unwrap()),
    };
    let selects = Some(labels(&[("app", "backend")]));
    let service = Service { selects, ports: vec![port], ..Service::default() };
    topology.services.insert("backend/backend".parse().unwrap(), service);
    for (host, address, name) in [
        ("world", "203.0.113.1", None),
        ("api", "203.0.113.10", Some("api.example.test")),
        ("www", "203.0.113.11", Some("www.example.test")),
        ("evil", "203.0.113.12", Some("evil.test")),
    ] {
        let names = name.iter().map(|name| name.parse().unwrap()).collect();
        let host_spec = WorldHost {
            address: address.parse().unwrap(),
            names,
            serves: Vec::new(),
            aliases: [].into(),
            api_server: false,
        };
        topology.world.insert(host.parse().unwrap(), host_spec);
    }
    topology.nodes.insert("host".parse().unwrap(), Node { api_server: true, ..Node::default() });
    topology
}

fn source(text: &str) -> Endpoint {
    match text {
        "host" => Endpoint::Node(text.parse().unwrap()),
        "world" => Endpoint::World(text.parse().unwrap()),
        _ => Endpoint::Pod(text.parse().unwrap()),
    }
}

/// The target of a recorded address.
fn target(authority: &str) -> (Target, Port) {
    let (address, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let endpoint = |text: &str| Target::Endpoint(Endpoint::Pod(text.parse().unwrap()));
    let world = |text: &str| Target::Endpoint(Endpoint::World(text.parse().unwrap()));
    let port: Port = port.parse().unwrap();
    let target = match (address, port.get()) {
        ("10.96.1.1", _) => Target::Service("backend/backend".parse().unwrap()),
        ("172.30.0.2", _) => Target::Endpoint(Endpoint::Node("host".parse().unwrap())),
        ("203.0.113.10", _) => world("api"),
        ("203.0.113.11", _) => world("www"),
        ("203.0.113.12", _) => world("evil"),
        (_, 6379) => endpoint("database/redis"),
        (_, 3000) => endpoint("backend/backend"),
        (name, _) => Target::Name(name.parse().unwrap_or_else(|_| panic!("{authority} is nobody"))),
    };
    (target, port)
}

/// The attempt behind a recorded command line.
fn attempt(command: &[String]) -> Attempt {
    if command[0] == "dig" {
        let name = command.iter().skip(1).find(|word| !word.starts_with(['+', '@'])).unwrap();
        let protocol = if command.iter().any(|word| word == "+tcp") { Protocol::Tcp } else { Protocol::Udp };
        return Attempt::Dns { name: name.parse().unwrap(), protocol };
    }
    if command[0] == "ping" {
        return Attempt::Ping { target: target(&format!("{}:6379", command.last().unwrap())).0 };
    }
    assert_eq!(command[0], "curl", "{command:?}");
    let url = command.iter().find_map(|word| word.strip_prefix("http://")).unwrap();
    let (authority, path) = url.split_once('/').unwrap();
    let (target, port) = target(authority);
    let request = Request { method: "GET".to_owned(), path: format!("/{path}"), ..Request::default() };
    Attempt::Http { target, port, request }
}

/// What a recorded probe shows, as the answers that fit it: curl and dig exit with 0 or not, and the policy
/// verdict events say why. At most six events were kept of each probe, and then a timeout may have lost its own.
fn recorded(probe: &Value) -> Vec<Answer> {
    let flows = probe["flows"].as_array().unwrap();
    let stdout = probe["stdout"].as_str().unwrap_or_default();
    let exit = probe["exit"].as_i64().unwrap();
    let find = |kind: i64, verdict: &str| {
        flows.iter().find(|flow| flow["event_type"]["type"] == kind && flow["verdict"] == verdict)
    };
    let point = |flow: &Value| match flow["traffic_direction"].as_str() {
        Some("EGRESS") => EnforcementPoint::Egress,
        _ => EnforcementPoint::Ingress,
    };
    if let Some(flow) = find(5, "AUDIT") {
        return vec![Answer::Audit(point(flow))];
    }
    // The resolver answered "could not resolve host", or dig shows the status.
    if exit == 6 || stdout.contains("REFUSED") {
        return vec![Answer::Deny(EnforcementPoint::Dns)];
    }
    if exit == 0 {
        return vec![Answer::Allow];
    }
    match find(5, "DROPPED") {
        Some(flow) => vec![Answer::Deny(point(flow))],
        None if flows.len() == 6 => {
            vec![Answer::Deny(EnforcementPoint::Egress), Answer::Deny(EnforcementPoint::Ingress)]
        }
        None => panic!("a failed probe without a policy verdict: {probe}"),
    }
}

fn manifests(policies: &Value) -> Vec<Manifest> {
    let manifest = |policy: &Value| {
        let Unlocated(root) = serde_json::from_value(policy["object"].clone()).unwrap();
        Manifest { file: Arc::from("recording"), root }
    };
    policies.as_array().unwrap().iter().map(manifest).collect()
}

#[test]
fn every_recorded_verdict_is_predicted() {
    let topology = topology();
    let mut wrong = Vec::new();
    let mut probes = 0;
    for line in include_str!("fixtures/datapath.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap();
        let audit = name.contains("policy-audit-mode=true");
        let options = ModelOptions {
            enforcement: Enforcement { audit, ..Enforcement::default() },
            ..ModelOptions::default()
        };
        let manifests = manifests(&case["policies"]);
        let mut learned = LearnedNames::default();
        for probe in case["probes"].as_array().unwrap() {
            let model = PolicyModel::new(&topology, &manifests, &options, &learned);
            for (policy, acceptance) in case["policies"].as_array().unwrap().iter().zip(model.acceptances()) {
                let condition = &policy["conditions"][0]["status"];
                if condition.is_string() && (condition == "True") != acceptance.refused().is_none() {
                    wrong.push(format!("{name}: {acceptance:?}"));
                }
            }
            let command: Vec<String> = serde_json::from_value(probe["command"].clone()).unwrap();
            let cell = (source(probe["from"].as_str().unwrap()), attempt(&command));
            // One probe after the other was made, each knowing what those before had taught.
            let step = model.in_step([(&cell.0, &cell.1)]);
            learned = step.learned().clone();
            probes += 1;
            let expected = recorded(probe);
            let predicted = step.predict(&cell.0, &cell.1);
            if !expected.contains(&predicted.answer) {
                wrong.push(format!("{name}: {} {}: recorded {expected:?}, {predicted:?}", cell.0, cell.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(probes > 200, "{probes}");
}

#[test]
fn every_doubtful_object_is_judged_as_recorded() {
    let topology = topology();
    let mut wrong = Vec::new();
    for line in include_str!("fixtures/rejected-policies.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap();
        let Unlocated(root) = serde_json::from_value(case["object"].clone()).unwrap();
        let manifests = [Manifest { file: Arc::from("recording"), root }];
        for (field_validation, accepted) in [
            (FieldValidation::Strict, case["kubectl_apply"]["exit"] == 0),
            (FieldValidation::Ignore, case["server"]["accepted"] == true),
        ] {
            let options = ModelOptions { field_validation, ..ModelOptions::default() };
            let model = PolicyModel::new(&topology, &manifests, &options, &LearnedNames::default());
            let refused = model.acceptances()[0].refused();
            let by_api_server = refused.is_some_and(|refused| refused.by == Refuser::ApiServer);
            if by_api_server == accepted {
                wrong.push(format!("{name} {field_validation:?}: API server: {refused:?}"));
                continue;
            }
            let condition = &case["conditions"][0];
            if accepted && condition.is_object() {
                let shown = refused.filter(|refused| !refused.hidden);
                if (condition["status"] == "False") != shown.is_some() {
                    wrong.push(format!("{name}: agent: recorded {condition}, {refused:?}"));
                }
                let said = condition["message"].as_str().unwrap();
                if shown.is_some_and(|shown| !said.starts_with(shown.message.trim_end_matches('.'))) {
                    wrong.push(format!(
                        "{name}: agent says {said:?}, not {:?}",
                        shown.map(|shown| &shown.message)
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
