//! Audit mode of the pods of a run: denials are reported, and the traffic passes.
//!
//! It is set for each endpoint by itself, so that nothing else in the cluster is opened.
//! <https://docs.cilium.io/en/stable/security/policy-creation/#policy-audit-mode>

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tracing::warn;
use verdikt_scenario::topology::Endpoint;

use crate::cluster::Cluster;
use crate::exec::{self, ExecError};

/// How long an agent may take to list its endpoints.
const ANSWER: Duration = Duration::from_secs(15);
/// How long it may take to change one: it waits while that gets another identity, which it delays by up to 30 s of its own
/// will.
/// <https://github.com/cilium/cilium/blob/main/pkg/endpoint/endpoint.go> (`Update`)
const CHANGE: Duration = Duration::from_mins(1);
/// How many endpoints are changed at once.
const AT_ONCE: usize = 8;

impl Cluster {
    /// Turns audit mode of every pod that the run has made on or off. Settling waits until it is so.
    pub async fn audit(&self, on: bool) -> Result<(), ExecError> {
        let Some((_, Some(agent))) =
            self.nodes_in_use().into_iter().find(|(node, _)| self.pods_on() == Some(node.as_str()))
        else {
            return Ok(());
        };
        let list = ["cilium-dbg", "endpoint", "list", "-o", "json"];
        let said = exec::output(self.connection(), &agent, &list, ANSWER).await?;
        let value = if on { "PolicyAuditMode=Enabled" } else { "PolicyAuditMode=Disabled" };
        let ours: Vec<String> = self
            .pods()
            .filter(|pod| !self.is_borrowed(&Endpoint::Pod((*pod).clone())))
            .map(ToString::to_string)
            .collect();
        let (connection, agent) = (self.connection(), &agent);
        // Each takes a second or more, in which the agent waits.
        let changed = stream::iter(endpoints(&said, &ours)).map(|id| async move {
            let set = ["cilium-dbg", "endpoint", "config", &id, value];
            match exec::output(connection, agent, &set, CHANGE).await {
                // That of a pod that had the name before, and has gone since.
                Err(ExecError::Failed { reason, .. }) if reason.contains("[404]") => Ok(()),
                other => other.map(drop),
            }
        });
        changed.buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// The numbers of the endpoints of these pods.
fn endpoints(said: &str, pods: &[String]) -> Vec<String> {
    let Ok(Value::Array(endpoints)) = serde_json::from_str::<Value>(said) else {
        warn!("the agent's list of endpoints cannot be read: their audit mode stays as it is");
        return Vec::new();
    };
    let ours = endpoints.iter().filter(|endpoint| {
        let name = endpoint.pointer("/status/external-identifiers/pod-name").and_then(Value::as_str);
        name.is_some_and(|name| pods.iter().any(|pod| pod == name))
    });
    ours.filter_map(|endpoint| endpoint["id"].as_u64()).map(|id| id.to_string()).collect()
}
