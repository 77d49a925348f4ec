//! Audit mode of the pods of a run: denials are reported, and the traffic passes.
//!
//! It is set per endpoint, so that no other pod of the cluster is opened.
//! <https://docs.cilium.io/en/stable/security/policy-creation/#policy-audit-mode>

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tracing::warn;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::Endpoint;

use crate::cluster::Cluster;
use crate::exec::{self, ExecError};

/// The timeout for an agent to list its endpoints.
const ANSWER: Duration = Duration::from_secs(15);
/// The timeout for an agent to change an endpoint. The agent blocks while the endpoint gets a new identity, and delays
/// that by up to 30 s.
/// <https://github.com/cilium/cilium/blob/main/pkg/endpoint/endpoint.go> (`Update`)
const CHANGE: Duration = Duration::from_mins(1);
/// The pause before a change that the agent did not take is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many endpoints are changed at once.
const AT_ONCE: usize = 8;

/// Whether denials are enforced at a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditMode {
    /// Denied traffic passes, and the denial is reported.
    Audited,
    /// Denied traffic is dropped.
    Enforced,
}

impl AuditMode {
    /// The endpoint option that `cilium-dbg` takes for it.
    fn option(self) -> &'static str {
        match self {
            Self::Audited => "PolicyAuditMode=Enabled",
            Self::Enforced => "PolicyAuditMode=Disabled",
        }
    }
}

impl Cluster {
    /// Sets the modes of pods that the run has created. Settling waits until the agents have applied them.
    pub async fn audit(&self, modes: &BTreeMap<NamespacedName, AuditMode>) -> Result<(), ExecError> {
        let Some((_, Some(agent))) =
            self.nodes_in_use().into_iter().find(|(node, _)| self.pods_on() == Some(node.as_str()))
        else {
            return Ok(());
        };
        let ours = modes.iter().filter(|(pod, _)| !self.is_borrowed(&Endpoint::Pod((*pod).clone())));
        let ours: BTreeMap<String, AuditMode> = ours.map(|(pod, mode)| (pod.to_string(), *mode)).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let list = ["cilium-dbg", "endpoint", "list", "-o", "json"];
        let said = exec::output(self.connection(), &agent, &list, ANSWER).await?;
        let (connection, agent) = (self.connection(), &agent);
        // The agent takes a second or more for each.
        let changed = stream::iter(endpoints(&said, &ours)).map(|(id, mode)| async move {
            let set = ["cilium-dbg", "endpoint", "config", &id, mode.option()];
            let deadline = Instant::now() + CHANGE;
            loop {
                match exec::output(connection, agent, &set, CHANGE).await {
                    Err(ExecError::Failed { reason, .. }) if is_gone(&reason) => return Ok(()),
                    Err(ExecError::Failed { reason, .. })
                        if is_busy(&reason) && Instant::now() < deadline =>
                    {
                        tokio::time::sleep(PAUSE).await;
                    }
                    other => return other.map(drop),
                }
            }
        });
        changed.buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// The endpoint IDs of these pods, each with the mode to set.
fn endpoints(said: &str, pods: &BTreeMap<String, AuditMode>) -> Vec<(String, AuditMode)> {
    let Ok(Value::Array(endpoints)) = serde_json::from_str::<Value>(said) else {
        warn!("cannot read the agent's list of endpoints: their audit mode stays as it is");
        return Vec::new();
    };
    let ours = endpoints.iter().filter_map(|endpoint| {
        let name = endpoint.pointer("/status/external-identifiers/pod-name").and_then(Value::as_str);
        Some((endpoint["id"].as_u64()?.to_string(), *pods.get(name?)?))
    });
    ours.collect()
}

/// Whether the agent has removed the endpoint, or is about to: it belonged to an earlier pod of the same name.
fn is_gone(reason: &str) -> bool {
    reason.contains("[404]") || reason.contains("endpoint is in the process of being removed")
}

/// Whether the agent takes no further change for now: the busier it is, the fewer it takes at once.
/// <https://docs.cilium.io/en/stable/configuration/api-rate-limiting/>
fn is_busy(reason: &str) -> bool {
    reason.contains("[429]")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::not_there("[PATCH /endpoint/{id}/config][404] patchEndpointIdConfigNotFound", true, false)]
    #[case::in_removal(
        "[PATCH /endpoint/{id}/config][500] patchEndpointIdConfigFailed \"lock failed: endpoint is in the process of being \
         removed\"",
        true,
        false
    )]
    #[case::too_many("[PATCH /endpoint/{id}/config][429] patchEndpointIdConfigTooManyRequests", false, true)]
    #[case::refused("[PATCH /endpoint/{id}/config][400] patchEndpointIdConfigInvalid", false, false)]
    fn what_an_agent_says(#[case] reason: &str, #[case] gone: bool, #[case] busy: bool) {
        assert_eq!((is_gone(reason), is_busy(reason)), (gone, busy));
    }
}
