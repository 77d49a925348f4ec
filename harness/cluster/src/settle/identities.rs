//! Waits until pods have the predicted identity labels, as their `CiliumEndpoint` or their agent reports them.
//!
//! Labels of a namespace arrive after some seconds: the agent delays changes of an identity.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::DynamicObject;
use serde_json::Value;
use verdikt_scenario::name::NamespacedName;

use super::agents::AgentAnswer;
use super::own_pods::OwnPods;
use super::{Countdown, IdentityLabels, SettleError};
use crate::agent_polls::{AgentQuestion, AgentState};
use crate::cluster::Cluster;
use crate::objects::CILIUM_ENDPOINT;
use crate::wait::{self, Seen, Wait, WaitState};

/// The label with the name of the cluster, which predictions do not have.
const OF_THE_CLUSTER: &str = "k8s:io.cilium.k8s.policy.cluster";

/// The labels that a pod must have and must not have.
pub(super) struct Comparison<'a> {
    pub(super) wanted: &'a IdentityLabels,
    /// All labels that were ever predicted for it. Those that are not wanted now must be gone; labels that others put on
    /// the namespace are ignored.
    pub(super) before: Option<&'a IdentityLabels>,
}

impl Comparison<'_> {
    /// How the actual labels differ; none if they are as wanted.
    pub(super) fn differs(&self, actual: &IdentityLabels) -> Option<String> {
        let wanted: BTreeSet<&str> =
            self.wanted.iter().map(|label| plain(label)).filter(|it| counts(it)).collect();
        let actual: BTreeSet<&str> = actual.iter().map(|label| plain(label)).collect();
        let missing: Vec<&str> = wanted.difference(&actual).copied().collect();
        let before = self.before.into_iter().flatten().map(|label| plain(label));
        let stale: Vec<&str> = before
            .filter(|label| actual.contains(label) && !wanted.contains(label) && counts(label))
            .collect();
        let mut wrong = Vec::new();
        if !missing.is_empty() {
            wrong.push(format!("its identity lacks {}", missing.join(", ")));
        }
        if !stale.is_empty() {
            wrong.push(format!("its identity still has {}", stale.join(", ")));
        }
        (!wrong.is_empty()).then(|| wrong.join(", and "))
    }
}

/// Normalizes a label without a value, which is written with or without `=`.
fn plain(label: &str) -> &str {
    label.strip_suffix('=').unwrap_or(label)
}

fn counts(label: &str) -> bool {
    label.split('=').next() != Some(OF_THE_CLUSTER)
}

impl Cluster {
    /// Waits until each pod has the predicted labels.
    pub(super) async fn identified(
        &self,
        wanted: &BTreeMap<NamespacedName, IdentityLabels>,
        clock: Countdown,
    ) -> Result<(), SettleError> {
        let wanted = self.compared(wanted);
        if wanted.is_empty() {
            return Ok(());
        }
        let namespaces: BTreeSet<&String> = wanted.keys().map(|(namespace, _)| namespace).collect();
        let watched = namespaces
            .into_iter()
            .map(|namespace| wait::all(self.connection(), CILIUM_ENDPOINT, Some(namespace)));
        let pods = self.own_pods(None);
        let what = "wait until Cilium knows every pod by its labels";
        let wait = Wait { what, deadline: clock.left(), progress: self.progress() };
        wait::until(self.connection(), wait, watched.collect(), |seen| look(seen, &wanted, &pods))
            .await
            .map_err(|late| SettleError::late(what, late))
    }
}

impl Cluster {
    /// The same by asking the agent of the pods' node. Never returns if the agent cannot be asked or the time is over.
    pub(super) async fn identified_by_agent(
        &self,
        wanted: &BTreeMap<NamespacedName, IdentityLabels>,
        clock: Countdown,
    ) {
        let agent = self.pods_on().and_then(|node| self.nodes_in_use().remove(node)).flatten();
        let together = self.pods().all(|pod| self.node_of(pod) == self.pods_on());
        if let Some(agent) = agent.filter(|_| together) {
            let (wanted, pods) = (self.compared(wanted), self.own_pods(None));
            let what = "wait until the agent knows every pod by its labels";
            let are_known = |said: &AgentState| are_known(&said.endpoints, &wanted, &pods);
            let told = self.ask_until(what, &agent, AgentQuestion::Endpoints, clock, are_known).await;
            if matches!(told, Ok(Ok(_))) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    fn compared<'a>(
        &'a self,
        wanted: &'a BTreeMap<NamespacedName, IdentityLabels>,
    ) -> BTreeMap<(String, String), Comparison<'a>> {
        let ours = wanted.iter().filter(|(pod, _)| self.pods().any(|ours| ours == *pod));
        ours.map(|(pod, labels)| {
            let comparison = Comparison { wanted: labels, before: self.predicted().get(pod) };
            ((pod.namespace.to_string(), pod.name.to_string()), comparison)
        })
        .collect()
    }
}

/// Whether an agent reports the wanted labels for all pods.
pub(super) fn are_known(
    said: &str,
    wanted: &BTreeMap<(String, String), Comparison<'_>>,
    pods: &OwnPods,
) -> AgentAnswer {
    let endpoints = serde_json::from_str::<Vec<Value>>(said).unwrap_or_default();
    let known: BTreeMap<String, IdentityLabels> =
        endpoints.iter().filter_map(|endpoint| Some((pods.name_of(endpoint)?, labels(endpoint)))).collect();
    for ((namespace, pod), comparison) in wanted {
        let name = format!("{namespace}/{pod}");
        let Some(actual) = known.get(&name) else {
            return AgentAnswer::No(format!("the agent has no endpoint of {name}"));
        };
        if let Some(wrong) = comparison.differs(actual) {
            return AgentAnswer::No(format!("{name}: {wrong}"));
        }
    }
    AgentAnswer::Yes(0)
}

fn look(
    seen: &Seen<DynamicObject>,
    wanted: &BTreeMap<(String, String), Comparison<'_>>,
    pods: &OwnPods,
) -> WaitState<()> {
    for (key, comparison) in wanted {
        let name = format!("{}/{}", key.0, key.1);
        let Some(endpoint) = seen.get(key).filter(|endpoint| pods.has(&name, &endpoint.data)) else {
            return WaitState::NotYet(format!("there is no CiliumEndpoint {}/{}", key.0, key.1));
        };
        if let Some(wrong) = comparison.differs(&labels(&endpoint.data)) {
            return WaitState::NotYet(format!("{}/{}: {wrong}", key.0, key.1));
        }
    }
    WaitState::Done(())
}

/// The identity labels of an endpoint, in a `CiliumEndpoint` or in an agent's list.
pub(super) fn labels(endpoint: &Value) -> IdentityLabels {
    let labels = endpoint.pointer("/status/identity/labels").and_then(Value::as_array);
    labels.into_iter().flatten().filter_map(|label| Some(label.as_str()?.to_owned())).collect()
}
