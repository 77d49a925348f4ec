//! Waits for the condition `Valid`, which Cilium's operator sets on policies.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use serde_json::Value;
use verdikt_scenario::policy::Refuser;

use super::{Countdown, SettleError};
use crate::cluster::Cluster;
use crate::objects::{ApiObject, ResourceKind};
use crate::policies::{AppliedPolicies, ClusterRefusal};
use crate::wait::{self, Seen, Wait, WaitState};

/// The kinds that have the condition.
const JUDGED: &[&str] = &["CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"];

impl Cluster {
    /// Waits until each object is validated. Returns the refused ones.
    pub(super) async fn judged(
        &self,
        applied: &AppliedPolicies,
        clock: Countdown,
    ) -> Result<BTreeMap<usize, ClusterRefusal>, SettleError> {
        let judged = applied.stored.iter().filter(|(_, object)| JUDGED.contains(&object.kind.kind));
        let judged: BTreeMap<usize, &ApiObject> = judged.map(|(index, object)| (*index, object)).collect();
        if judged.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut kinds: Vec<ResourceKind> = judged.values().map(|object| object.kind).collect();
        kinds.sort();
        kinds.dedup();
        let ours = self.run().selector();
        let watched = kinds.into_iter().map(|kind| {
            let (api, config) = wait::all(self.connection(), kind, None);
            (api, config.labels(&ours))
        });
        let what = "wait until Cilium has validated every policy";
        let wait = Wait { what, deadline: clock.left(), progress: self.progress() };
        wait::until(self.connection(), wait, watched.collect(), |seen| look(seen, &judged))
            .await
            .map_err(|late| SettleError::late(what, late))
    }
}

fn look(
    seen: &Seen<DynamicObject>,
    judged: &BTreeMap<usize, &ApiObject>,
) -> WaitState<BTreeMap<usize, ClusterRefusal>> {
    let mut refused = BTreeMap::new();
    for (index, object) in judged {
        let key = (object.namespace.clone().unwrap_or_default(), object.name.clone());
        match seen.get(&key).map(|found| verdict(&found.data)) {
            Some(Some(Ok(()))) => {}
            Some(Some(Err(message))) => {
                refused.insert(*index, ClusterRefusal { by: Refuser::Agent, message });
            }
            Some(None) => {
                return WaitState::NotYet(format!(
                    "{object} has no condition `Valid` yet; does cilium-operator run?"
                ));
            }
            None => return WaitState::NotYet(format!("{object} does not exist any more")),
        }
    }
    WaitState::Done(refused)
}

/// The condition `Valid`; none if it is not set yet.
pub(super) fn verdict(object: &Value) -> Option<Result<(), String>> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let valid = conditions.iter().find(|condition| condition["type"] == "Valid")?;
    let message = || valid["message"].as_str().unwrap_or("no reason is given").to_owned();
    Some(if valid["status"] == "True" { Ok(()) } else { Err(message()) })
}
