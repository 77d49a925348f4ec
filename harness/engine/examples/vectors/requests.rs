//! Requests with the answers of a real proxy.

use std::collections::BTreeMap;
use std::error::Error;

use verdikt_engine::datapath::{RequestHead, RequestTarget, read_request};
use verdikt_engine::decide::Traffic;
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_engine::rule::Direction;
use verdikt_scenario::attempt::Scheme;
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::Decision;
use verdikt_scenario::topology::{Endpoint, Pod, Protocol, Topology};
use verdikt_scenario::version::CiliumVersion;

use super::Counts;
use super::case::{CaseRequest, HttpCase};

/// Compares every request of a case.
pub(super) fn run(
    case: &HttpCase,
    version: CiliumVersion,
    counts: &mut Counts,
) -> Result<(), Box<dyn Error>> {
    let mut topology = Topology::default();
    topology.namespaces.insert("a".parse()?, BTreeMap::new());
    for name in ["a/client", "a/server"] {
        topology.pods.insert(name.parse()?, Pod::default());
    }
    let port =
        serde_json::json!({"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": case.rules}});
    let policy = serde_json::json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "http", "namespace": "a"},
        "spec": {"endpointSelector": {}, "ingress": [{"toPorts": [port]}]},
    });
    let Unlocated(root) = serde_json::from_value(policy)?;
    let manifests = [Manifest { file: case.id.as_str().into(), root }];
    let options = ModelOptions { version, ..ModelOptions::default() };
    let model = PolicyModel::without_api_server(&topology, &manifests, &options, &LearnedNames::default());
    counts.objects += 1;
    counts.requests = true;
    if model.acceptances()[0].refused().is_some() != case.refused.is_some() {
        counts.validity += 1;
        counts.shown.push(format!("{}: {:?}, but {:?}", case.id, model.acceptances()[0], case.refused));
        return Ok(());
    }
    let (client, server) = (Endpoint::Pod("a/client".parse()?), Endpoint::Pod("a/server".parse()?));
    let client = model.identity(&client).ok_or("the client has no identity")?;
    for CaseRequest { method, target, host, headers, answer } in &case.requests {
        let head = RequestHead { method, path: target, authority: Some(host), headers };
        let traffic = Traffic::Port(Protocol::Tcp, 80);
        let found = match read_request(&head) {
            RequestTarget::Rejected => "bad request",
            RequestTarget::Redirected(_) => "redirect",
            RequestTarget::Unknown(_) => "unknown",
            RequestTarget::Judged(_) => {
                let direction = Direction::Ingress;
                match model.decide_request(&server, direction, client, traffic, &head, Scheme::Http) {
                    Decision::Allowed { .. } => "allow",
                    Decision::NoRuleAllows { .. } => "deny",
                    _ => "unknown",
                }
            }
        };
        counts.flows += 1;
        if found == "unknown" {
            counts.abstained += 1;
        } else if found != answer {
            counts.disagreements += 1;
            counts
                .shown
                .push(format!("{} {method} {target} of {host}: expected {answer}, got {found}", case.id));
        }
    }
    Ok(())
}
