//! Queries to the DNS proxy, and what the API server says of objects.

use std::error::Error;

use verdikt_engine::admission;
use verdikt_engine::decide::{DecisionKind, Traffic};
use verdikt_engine::model::PolicyModel;
use verdikt_engine::rule::Direction;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::prediction::Decision;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::Protocol;
use verdikt_scenario::version::CiliumVersion;

use super::Counts;
use super::case::Case;
use super::topology::endpoint;

/// A pod, a server, a protocol, a port, a name, and the answer.
pub(super) type Query = (String, String, QueryProtocol, u16, String, Answer);

/// A protocol of queries.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum QueryProtocol {
    Tcp,
    Udp,
}

/// What the DNS proxy does with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    /// The packet passes, and no proxy sees it.
    Plain,
    /// The packet is denied.
    Dropped,
    /// The proxy lets it pass.
    Proxied,
    /// The proxy refuses it.
    Refused,
}

/// Asks every query of a case.
pub(super) fn run(case: &Case, model: &PolicyModel<'_>, counts: &mut Counts) -> Result<(), Box<dyn Error>> {
    for (pod, server, protocol, port, name, expected) in &case.queries {
        let (subject, server_end) = (endpoint(pod)?, endpoint(server)?);
        let protocol = match protocol {
            QueryProtocol::Tcp => Protocol::Tcp,
            QueryProtocol::Udp => Protocol::Udp,
        };
        let traffic = Traffic::Port(protocol, *port);
        let peer = model.identity(&server_end).ok_or("the server has no identity")?;
        let answer = match model.sides(&subject, &server_end, traffic).0 {
            Some(verdict) if verdict.denies() => Some(Answer::Dropped),
            Some(DecisionKind::Allow { redirected: true }) => {
                match model.decide_query(&subject, Direction::Egress, peer, traffic, name) {
                    Decision::NoRuleAllows { .. } | Decision::Denied { .. } => Some(Answer::Refused),
                    Decision::Unknown { .. } | Decision::Chance { .. } => None,
                    _ => Some(Answer::Proxied),
                }
            }
            Some(DecisionKind::Unknown | DecisionKind::Conflict) => None,
            _ => Some(Answer::Plain),
        };
        counts.flows += 1;
        let shown =
            || format!("{} {pod} -> {server} {protocol}/{port} {name}: expected {expected:?}", case.id);
        match answer {
            None => {
                counts.abstained += 1;
                counts.shown.push(format!("{}, abstains", shown()));
            }
            Some(answer) if answer != *expected => {
                counts.disagreements += 1;
                counts.shown.push(format!("{}, got {answer:?}", shown()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Compares what the API server says of a `ClusterNetworkPolicy`, for which files say it.
pub(super) fn check_admission(
    case: &str,
    manifest: &Manifest,
    expected: Option<&str>,
    version: CiliumVersion,
    counts: &mut Counts,
) {
    let object = manifest.object();
    if object.kind != "ClusterNetworkPolicy" {
        return;
    }
    let refusals = admission::admit(&manifest.root, version, FieldValidation::Ignore).refusals;
    if refusals.is_empty() != expected.is_none() {
        counts.validity += 1;
        counts.shown.push(format!("{case} {object}: the API server says {expected:?}, not {refusals:?}"));
    }
}
