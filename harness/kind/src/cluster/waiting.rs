//! What a cluster that does not become ready waits for: its pods that are not ready, and why.

use serde::Deserialize;

use super::kubectl;
use crate::profile::Profile;

/// How many pods are named.
const PODS: usize = 6;

/// Describes each pod that is not ready, with the last line of a container that keeps ending. Leaves out what cannot be
/// read: this only explains another failure.
pub(super) fn tell(profile: &Profile, progress: &mut dyn FnMut(&str)) {
    let call = |arguments: &[&str]| {
        kubectl(profile, format!("ask for the pods of `{}`", profile.cluster())).arguments(arguments).run()
    };
    let Ok(pods) = call(&["get", "pods", "--all-namespaces", "--output", "json"]) else { return };
    for waiting in read(&pods).into_iter().take(PODS) {
        let WaitingPod { namespace, pod, why, ended } = waiting;
        progress(&format!("{namespace}/{pod} is not ready: {why}"));
        let Some(container) = ended else { continue };
        let logs = ["logs", "--namespace", &namespace, &pod, "--container", &container, "--tail=1"];
        if let Some(line) = call(&logs).ok().as_deref().and_then(|said| said.lines().next_back()) {
            progress(&format!("{namespace}/{pod} says: {line}"));
        }
    }
}

/// A pod that is not ready.
#[derive(Debug, PartialEq, Eq)]
struct WaitingPod {
    namespace: String,
    pod: String,
    why: String,
    /// The container that ended, if one did.
    ended: Option<String>,
}

#[derive(Deserialize)]
struct PodList {
    items: Vec<ReportedPod>,
}

#[derive(Deserialize)]
struct ReportedPod {
    metadata: PodMetadata,
    status: PodStatus,
}

#[derive(Deserialize)]
struct PodMetadata {
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    phase: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<WaitingContainer>,
    container_statuses: Vec<WaitingContainer>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WaitingContainer {
    name: String,
    ready: bool,
    #[serde(default)]
    state: WaitingState,
    #[serde(default)]
    last_state: WaitingState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WaitingState {
    waiting: Option<WaitingReason>,
    terminated: Option<Ended>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WaitingReason {
    reason: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    exit_code: i32,
}

/// The pods of a `PodList` that are not ready.
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions>
fn read(json: &str) -> Vec<WaitingPod> {
    let pods = serde_json::from_str::<PodList>(json).map(|list| list.items).unwrap_or_default();
    pods.into_iter().filter_map(waiting).collect()
}

fn waiting(ReportedPod { metadata, status }: ReportedPod) -> Option<WaitingPod> {
    let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
    if status.phase == "Succeeded" || condition("Ready").is_some_and(|ready| ready.status == "True") {
        return None;
    }
    let mut containers = status.init_container_statuses.iter().chain(&status.container_statuses);
    let (why, ended) = match containers.find_map(of_container) {
        Some(found) => found,
        None => match condition("PodScheduled").filter(|scheduled| scheduled.status != "True") {
            Some(scheduled) => (format!("no node takes it: {}", scheduled.message), None),
            None => (format!("it is {}, and not one container says why", status.phase), None),
        },
    };
    Some(WaitingPod { namespace: metadata.namespace, pod: metadata.name, why, ended })
}

/// Why a container keeps its pod from being ready, if it does, and its name if it has ended.
fn of_container(container: &WaitingContainer) -> Option<(String, Option<String>)> {
    let WaitingContainer { name, ready, state, last_state } = container;
    // An init container is ready once it has ended well.
    if *ready {
        return None;
    }
    if let Some(Ended { exit_code }) = state.terminated.as_ref().or(last_state.terminated.as_ref()) {
        return Some((format!("its container {name} ends with {exit_code}"), Some(name.clone())));
    }
    match &state.waiting {
        // What a container waits for while another one is not done says nothing.
        Some(waiting) if waiting.reason == "PodInitializing" => None,
        Some(WaitingReason { reason, message }) if message.is_empty() => {
            Some((format!("its container {name} waits: {reason}"), None))
        }
        Some(WaitingReason { reason, message }) => {
            Some((format!("its container {name} waits: {reason}: {message}"), None))
        }
        None => Some((format!("its container {name} runs, and does not say that it is ready"), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_pods_are_not_ready() {
        let check = |status: &str, expected: &str| {
            let pod = format!(
                r#"{{"items": [{{"metadata": {{"namespace": "a", "name": "b"}}, "status": {status}}}]}}"#
            );
            let told = read(&pod).into_iter().map(|WaitingPod { why, ended, .. }| match ended {
                Some(ended) => format!("{why} ({ended})"),
                None => why,
            });
            assert_eq!(told.collect::<Vec<_>>().join("\n"), expected, "{status}");
        };
        check(r#"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}"#, "");
        check(r#"{"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False"}]}"#, "");
        check(
            r#"{"phase": "Running", "containerStatuses": [
                {"name": "relay", "ready": false,
                 "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
                 "lastState": {"terminated": {"exitCode": 1}}}]}"#,
            "its container relay ends with 1 (relay)",
        );
        check(
            r#"{"phase": "Pending", "initContainerStatuses": [
                {"name": "config", "ready": true, "state": {"terminated": {"exitCode": 0}}},
                {"name": "mount", "ready": false, "state": {"terminated": {"exitCode": 2}}}],
                "containerStatuses": [
                {"name": "agent", "ready": false, "state": {"waiting": {"reason": "PodInitializing"}}}]}"#,
            "its container mount ends with 2 (mount)",
        );
        check(
            r#"{"phase": "Pending", "containerStatuses": [{"name": "agent", "ready": false,
                "state": {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}}]}"#,
            "its container agent waits: ErrImagePull: no such host",
        );
        check(
            r#"{"phase": "Pending", "containerStatuses": [{"name": "agent", "ready": false,
                "state": {"waiting": {"reason": "ContainerCreating"}}}]}"#,
            "its container agent waits: ContainerCreating",
        );
        check(
            r#"{"phase": "Running", "containerStatuses": [{"name": "coredns", "ready": false, "state": {"running": {}}}]}"#,
            "its container coredns runs, and does not say that it is ready",
        );
        check(
            r#"{"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}"#,
            "no node takes it: 0/1 nodes are available",
        );
        check(r#"{"phase": "Pending"}"#, "it is Pending, and not one container says why");
        assert_eq!(read("nonsense"), []);
    }
}
