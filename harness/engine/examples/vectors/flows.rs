//! Flows with the verdicts of a policy engine.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use verdikt_engine::decide::{DecisionKind, Traffic};
use verdikt_engine::model::{AddressFamilies, ModelOptions, PolicyModel};
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::{Enforcement, EnforcementMode};
use verdikt_scenario::topology::{Endpoint, Protocol};
use verdikt_scenario::version::CiliumVersion;

use super::case::{Case, CaseEnforcement, CasePolicy};
use super::topology::{endpoint, topology};
use super::{Counts, queries};

/// Compares every flow and query of a case.
pub(super) fn run(mut case: Case, version: CiliumVersion, counts: &mut Counts) -> Result<(), Box<dyn Error>> {
    let (topology, learned) = topology(&case)?;
    let file = Arc::from(case.id.as_str());
    let (manifests, valid): (Vec<_>, Vec<_>) = case
        .policies
        .drain(..)
        .map(|CasePolicy { object: Unlocated(root), valid, schema }| {
            (Manifest { file: Arc::clone(&file), root }, (valid, schema))
        })
        .unzip();
    let mode = match case.enforcement {
        CaseEnforcement::Default => EnforcementMode::Default,
        CaseEnforcement::Always => EnforcementMode::Always,
        CaseEnforcement::Never => EnforcementMode::Never,
    };
    let options = ModelOptions {
        version,
        enforcement: Enforcement { mode, ..Enforcement::default() },
        // Where no endpoints were around the recorded engine, it knew none of their ports.
        peer_port_names_unknown: !case.named_ports,
        engine_alone: true,
        families: if case.single_stack { AddressFamilies::Ipv4 } else { AddressFamilies::Both },
        ..ModelOptions::default()
    };
    let model = PolicyModel::without_api_server(&topology, &manifests, &options, &learned);
    counts.objects += manifests.len();
    for (((valid, schema), manifest), acceptance) in
        valid.into_iter().zip(&manifests).zip(model.acceptances())
    {
        if acceptance.refused().is_some() == valid {
            counts.validity += 1;
            counts.shown.push(format!("{} {}: {acceptance:?}", case.id, manifest.object()));
        }
        queries::check_admission(&case.id, manifest, schema.as_deref(), version, counts);
    }
    queries::run(&case, &model, counts)?;
    let mut ends: BTreeMap<&str, Endpoint> = BTreeMap::new();
    for (from, to, protocol, port, egress, ingress) in &case.flows {
        let traffic = match protocol.as_str() {
            "TCP" => Traffic::Port(Protocol::Tcp, *port),
            "UDP" => Traffic::Port(Protocol::Udp, *port),
            "SCTP" => Traffic::Port(Protocol::Sctp, *port),
            "ICMP" => Traffic::Icmp { v6: false, kind: u8::try_from(*port)? },
            "ICMPv6" => Traffic::Icmp { v6: true, kind: u8::try_from(*port)? },
            other => return Err(format!("{}: unknown protocol {other}", case.id).into()),
        };
        for name in [from, to] {
            if !ends.contains_key(name.as_str()) {
                ends.insert(name, endpoint(name)?);
            }
        }
        let sides = model.sides(&ends[from.as_str()], &ends[to.as_str()], traffic);
        let unknown = [sides.0, sides.1].contains(&Some(DecisionKind::Unknown));
        let answer = (word(sides.0), word(sides.1));
        let (egress, ingress) = (expected(egress), expected(ingress));
        counts.flows += 1;
        if unknown {
            counts.abstained += 1;
            counts.shown.push(format!("{} {from} -> {to} {protocol}/{port}: abstains", case.id));
        } else if answer != (egress, ingress) {
            counts.disagreements += 1;
            counts.shown.push(format!(
                "{} {from} -> {to} {protocol}/{port}: expected {egress}/{ingress}, got {}/{}",
                case.id, answer.0, answer.1
            ));
        }
    }
    Ok(())
}

/// The word for an endpoint whose policy cannot be computed.
const CONFLICT: &str = "error";

/// A recorded verdict; of one that could not be computed the reason does not matter.
fn expected(verdict: &str) -> &str {
    if verdict.starts_with("error:") { CONFLICT } else { verdict }
}

fn word(side: Option<DecisionKind>) -> &'static str {
    match side {
        None => "none",
        Some(DecisionKind::Allow { redirected: true }) => "redirect",
        Some(DecisionKind::Denied | DecisionKind::NoRuleAllows) => "deny",
        Some(DecisionKind::Conflict) => CONFLICT,
        Some(_) => "allow",
    }
}
