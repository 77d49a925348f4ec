//! The labels by which Cilium knows the pods: their `CiliumEndpoint`.
//!
//! Labels of a namespace take some seconds to arrive: the agent waits before it changes an identity.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::DynamicObject;
use serde_json::Value;
use verdikt_scenario::name::NamespacedName;

use super::validity::untyped;
use super::{Clock, IdentityLabels, SettleError};
use crate::cluster::Cluster;
use crate::objects::CILIUM_ENDPOINT;
use crate::wait::{self, Look, Seen, Wait};

/// Labels that no prediction knows: the name of the cluster is its own affair.
const OF_THE_CLUSTER: &str = "k8s:io.cilium.k8s.policy.cluster";

/// Which labels a pod has and which it must have.
pub(super) struct Comparison<'a> {
    pub(super) wanted: &'a IdentityLabels,
    /// Those that were ever predicted: what is not wanted any more must have gone. What others put on a namespace is
    /// theirs.
    pub(super) before: Option<&'a IdentityLabels>,
}

impl Comparison<'_> {
    /// What is wrong; none if nothing.
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

/// A label without a value is written with and without its sign.
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
        clock: Clock,
    ) -> Result<(), SettleError> {
        let wanted: BTreeMap<(String, String), Comparison<'_>> = wanted
            .iter()
            .filter(|(pod, _)| self.pods().any(|ours| ours == *pod))
            .map(|(pod, labels)| {
                let comparison = Comparison { wanted: labels, before: self.predicted().get(pod) };
                ((pod.namespace.to_string(), pod.name.to_string()), comparison)
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let namespaces: BTreeSet<&String> = wanted.keys().map(|(namespace, _)| namespace).collect();
        let watched = namespaces.into_iter().map(|namespace| {
            (untyped(self, CILIUM_ENDPOINT, Some(namespace)), kube::runtime::watcher::Config::default())
        });
        let what = "wait until Cilium knows every pod by its labels";
        let wait = Wait { what, deadline: clock.left(), progress: self.progress() };
        wait::until(self.connection(), wait, watched.collect(), |seen| look(seen, &wanted))
            .await
            .map_err(|late| SettleError::late(what, late))
    }
}

fn look(seen: &Seen<DynamicObject>, wanted: &BTreeMap<(String, String), Comparison<'_>>) -> Look<()> {
    for (key, comparison) in wanted {
        let Some(endpoint) = seen.get(key) else {
            return Look::Not(format!("there is no CiliumEndpoint {}/{}", key.0, key.1));
        };
        if let Some(wrong) = comparison.differs(&labels(&endpoint.data)) {
            return Look::Not(format!("{}/{}: {wrong}", key.0, key.1));
        }
    }
    Look::Done(())
}

/// The labels in a `CiliumEndpoint`.
pub(super) fn labels(endpoint: &Value) -> IdentityLabels {
    let labels = endpoint.pointer("/status/identity/labels").and_then(Value::as_array);
    labels.into_iter().flatten().filter_map(|label| Some(label.as_str()?.to_owned())).collect()
}
