//! Why pods do not become ready: the events about them say more than their status.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cluster, ClusterError};
use crate::error::ApiError;
use crate::objects::{self, EVENT, POD};
use crate::wait::WaitError;

/// How many events a message lists.
const MOST: usize = 3;

impl ClusterError {
    /// The error for pods that were not ready in time.
    pub(super) fn unready(late: WaitError) -> Self {
        match late {
            WaitError::Api(error) => error.into(),
            WaitError::Failed(reason) => Self::Pod { reason, events: Vec::new() },
            WaitError::Deadline { last, after } => Self::Unready { last, after, events: Vec::new() },
        }
    }
}

impl Cluster {
    /// The error for pods that were not ready in time, with the events about them.
    pub(super) async fn unready(&self, late: WaitError) -> ClusterError {
        let error = ClusterError::unready(late);
        if !matches!(error, ClusterError::Unready { .. } | ClusterError::Pod { .. }) {
            return error;
        }
        // Events are optional: without the right to read them the message has none.
        let told = told(&self.events().await.unwrap_or_default());
        match error {
            ClusterError::Unready { last, after, .. } => ClusterError::Unready { last, after, events: told },
            ClusterError::Pod { reason, .. } => ClusterError::Pod { reason, events: told },
            other => other,
        }
    }

    /// The events about the created pods.
    pub(crate) async fn events(&self) -> Result<Vec<Value>, ApiError> {
        let pods = self.uids.iter().filter(|(object, _)| object.kind == POD);
        let (namespaces, uids): (BTreeSet<&str>, BTreeSet<&str>) =
            pods.map(|(object, uid)| (object.namespace.as_deref().unwrap_or_default(), uid.as_str())).unzip();
        let mut found = Vec::new();
        for namespace in namespaces {
            let is_ours = |event: &Value| {
                event
                    .pointer("/involvedObject/uid")
                    .and_then(Value::as_str)
                    .is_some_and(|uid| uids.contains(uid))
            };
            found.extend(objects::select(&self.connection, EVENT, Some(namespace), None, is_ours).await?);
        }
        Ok(found)
    }
}

/// The newest warnings, one sentence each; a warning about several pods is listed once.
fn told(events: &[Value]) -> Vec<String> {
    let text =
        |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut newest: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "Warning") {
        let at = text(event, "/lastTimestamp").or_else(|| text(event, "/eventTime")).unwrap_or_default();
        let said = [text(event, "/reason"), text(event, "/message")].map(Option::unwrap_or_default);
        let pod = text(event, "/involvedObject/name").unwrap_or_default();
        let seen = newest.entry(said.into()).or_default();
        *seen = seen.clone().max((at, pod));
    }
    let mut warnings: Vec<((String, String), (String, String))> =
        newest.into_iter().map(|(said, seen)| (seen, said)).collect();
    warnings.sort();
    let warnings = warnings.into_iter().rev().take(MOST);
    warnings
        .map(|((_, pod), (reason, message))| format!("{reason} of pod {pod}: {}", message.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_warnings_are_told() {
        let event = |type_: &str, pod: &str, at: &str, reason: &str, message: &str| json!({"type": type_, "involvedObject": {"name": pod}, "lastTimestamp": at, "reason": reason, "message": message});
        let (early, late) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:09Z");
        let busy = "unable to create endpoint: [PUT /endpoint/{id}][429] putEndpointIdTooManyRequests";
        let events = [
            event("Normal", "cart", late, "Scheduled", "assigned"),
            event("Warning", "cart", early, "FailedCreatePodSandBox", busy),
            event("Warning", "orders", late, "FailedCreatePodSandBox", busy),
            event("Warning", "orders", early, "FailedMount", "no such volume"),
            json!({"type": "Warning", "involvedObject": {"name": "search"}, "eventTime": "2026-01-01T00:00:05Z",
                "reason": "FailedScheduling", "message": "0/1 nodes are available"}),
            event("Warning", "cart", "", "Oldest", "is left out"),
        ];
        insta::assert_snapshot!(told(&events).join("\n"), @"
        FailedCreatePodSandBox of pod orders: unable to create endpoint: [PUT /endpoint/{id}][429] putEndpointIdTooManyRequests
        FailedScheduling of pod search: 0/1 nodes are available
        FailedMount of pod orders: no such volume
        ");
    }
}
