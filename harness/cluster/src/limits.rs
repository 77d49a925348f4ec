//! Warns when a cluster is near the limits of Cilium that runs reach: identities, and the entries of policy maps.
//!
//! Beyond a limit nothing is refused. Endpoints keep their old policy and are "not ready", new pods wait for an identity,
//! and only the agent's log names the reason; so users are warned before a run.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::exec::{self, PodContainer};
use crate::inspect::{CiliumFacts, Facts};
use crate::objects::{self, CILIUM_IDENTITY};
use tracing::debug;

/// The share of a limit from which on users are warned.
const NEAR: f64 = 0.8;
/// The first identity that is not reserved.
/// <https://docs.cilium.io/en/stable/security/network/identity/>
const FIRST_IDENTITY: usize = 256;
/// The number of identities by the setting `max-connected-clusters`. Cluster ID and identity share 24 bits.
/// <https://docs.cilium.io/en/stable/network/clustermesh/clustermesh/>
const IDENTITIES: &[(&str, usize)] = &[("255", 1 << 16), ("511", 1 << 15)];
/// The default number of entries of an endpoint's policy map.
/// <https://docs.cilium.io/en/stable/network/ebpf/maps/>
const POLICY_MAP: usize = 16384;
/// How many agents are asked at once, and the timeout of each.
const AT_ONCE: usize = 8;
const ANSWER: Duration = Duration::from_secs(5);

impl CiliumFacts {
    /// How many entries the policy map of an endpoint has.
    pub fn policy_map_entries(&self) -> usize {
        let told = self.config.get("bpf-policy-map-max").and_then(|entries| entries.parse().ok());
        told.unwrap_or(POLICY_MAP)
    }

    /// How many identities the cluster can have beside the reserved ones; none if unknown.
    fn most_identities(&self) -> Option<usize> {
        let clusters = self.config.get("max-connected-clusters").map_or("255", String::as_str);
        let found = IDENTITIES.iter().find(|(known, _)| *known == clusters)?;
        Some(found.1 - FIRST_IDENTITY)
    }
}

/// The limits that the cluster is near, one sentence each. Leaves out what cannot be found out.
pub async fn near(connection: &ApiConnection, facts: &Facts) -> Vec<String> {
    let cilium = &facts.cilium;
    let identities = identities(connection).await;
    let identities = identities.inspect_err(|error| debug!(%error, "cannot count the identities"));
    let identities = identities.unwrap_or_default();
    let agents = facts.nodes.iter().filter_map(|(name, node)| {
        let agent = node.agent.as_ref().filter(|agent| agent.ready)?;
        Some((name, &agent.container))
    });
    let pressures = stream::iter(agents).map(|(node, agent)| async move {
        let pressure = pressure(connection, agent).await?;
        overflow(node, pressure, cilium)
    });
    let pressures: Vec<Option<String>> = pressures.buffered(AT_ONCE).collect().await;
    identities
        .and_then(|count| too_many(count, cilium))
        .into_iter()
        .chain(pressures.into_iter().flatten())
        .collect()
}

/// How many identities the cluster has; none if Cilium does not store them as objects.
async fn identities(connection: &ApiConnection) -> Result<Option<usize>, ApiError> {
    objects::count(connection, CILIUM_IDENTITY).await
}

/// The warning about a number of identities; none while they are few.
fn too_many(count: usize, cilium: &CiliumFacts) -> Option<String> {
    let entries = cilium.policy_map_entries();
    if let Some(most) = cilium.most_identities().filter(|most| is_near(count, *most)) {
        return Some(format!(
            "the cluster has {count} identities of at most {most}: beyond, new pods get none and never start; labels that \
             change often can be kept out of identities (the Helm value `labels`)"
        ));
    }
    is_near(count, entries).then(|| {
        format!(
            "the cluster has {count} identities, and the policy map of an endpoint {entries} entries \
             (bpf-policy-map-max): a rule for many peers takes one for each, and beyond them its endpoint keeps its old \
             policy"
        )
    })
}

/// The warning about a policy map that is filled to this share; none while it is small.
pub(crate) fn overflow(node: &str, pressure: f64, cilium: &CiliumFacts) -> Option<String> {
    let entries = cilium.policy_map_entries();
    let percent = (pressure * 100.0).round();
    if pressure > 1.0 {
        return Some(format!(
            "the policy map of an endpoint on node {node} is full: its policy needs {percent} % of the {entries} entries \
             (bpf-policy-map-max), so raise that, or admit fewer peers and ports"
        ));
    }
    (pressure >= NEAR).then(|| {
        format!(
            "the policy map of an endpoint on node {node} is {percent} % full, of {entries} entries \
             (bpf-policy-map-max)"
        )
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of identities are far below 2^52")]
fn is_near(count: usize, limit: usize) -> bool {
    count as f64 >= limit as f64 * NEAR
}

/// How full the fullest policy map of an agent's endpoints is, where 1.0 is full. None if the agent does not report it.
pub(crate) async fn pressure(connection: &ApiConnection, agent: &PodContainer) -> Option<f64> {
    let command = ["cilium-dbg", "metrics", "list", "-p", "bpf_map_pressure", "-o", "json"];
    let said = exec::output(connection, agent, &command, ANSWER).await;
    let said = said.inspect_err(|error| debug!(%error, "cannot ask an agent for its metrics")).ok()?;
    policy_map_pressure(&said)
}

fn policy_map_pressure(said: &str) -> Option<f64> {
    let metrics = serde_json::from_str::<Vec<Value>>(said);
    let metrics = metrics.inspect_err(|error| debug!(%error, "cannot read the agent's metrics")).ok()?;
    let of_policy = metrics.iter().filter(|metric| {
        let map = metric.pointer("/labels/map_name").and_then(Value::as_str).unwrap_or_default();
        map.strip_prefix("cilium_").unwrap_or(map).starts_with("policy_")
    });
    of_policy.filter_map(|metric| metric["value"].as_f64()).reduce(f64::max)
}
