//! Canaries: policies that select nothing and are created after all others, so that an agent that has read a canary has
//! read them.
//!
//! An agent reports which objects it has and the revision of its policy, but not the version of an object. It reads the
//! changes of one kind in order, so one canary of each changed kind shows that it has read all changes of the step.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use verdikt_scenario::scenario::FieldValidation;

use super::SettleError;
use crate::cluster::Cluster;
use crate::mark::{RunId, SYSTEM_NAMESPACE};
use crate::objects::{self, ApiObject, POLICIES, metadata};

/// A label that no pod and no node has.
const CANARY: &str = "verdikt.dev/canary";

/// The kind of the canary that is always created.
const ALWAYS: &str = "CiliumNetworkPolicy";

/// The kind of the canary for changes of a kind. CIDR groups are read together with the policies that name them.
fn canary_kind(kind: &str) -> &str {
    if kind == "CiliumCIDRGroup" { ALWAYS } else { kind }
}

fn manifest(object: &ApiObject, run: &RunId) -> Value {
    let nothing = json!({"matchLabels": {CANARY: "selects-nothing"}});
    let spec = match object.kind.group {
        "cilium.io" => json!({"endpointSelector": nothing, "ingress": [{}]}),
        "policy.networking.k8s.io" => json!({
            "tier": "Baseline",
            "priority": 1000,
            "subject": {"pods": {"podSelector": nothing}},
            "ingress": [{"action": "Pass", "from": [{"namespaces": {}}]}],
        }),
        _ => json!({"podSelector": nothing, "policyTypes": ["Ingress"]}),
    };
    let mut metadata = json!({"name": object.name, "labels": run.marks()});
    if let Some(namespace) = &object.namespace {
        metadata["namespace"] = json!(namespace);
    }
    let version = format!("{}/{}", object.kind.group, object.kind.version);
    json!({"apiVersion": version, "kind": object.kind.kind, "metadata": metadata, "spec": spec})
}

impl Cluster {
    /// Creates a canary for each changed kind, and at least one, in place of the earlier ones. Returns their UIDs.
    pub(super) async fn create_canaries(
        &mut self,
        touched: &BTreeSet<ApiObject>,
    ) -> Result<Vec<String>, SettleError> {
        let touched = touched.iter().map(|object| canary_kind(object.kind.kind));
        let kinds: BTreeSet<&str> = touched.chain([ALWAYS]).collect();
        let (connection, run) = (self.connection().clone(), self.run().clone());
        let old = self.take_canaries();
        let removed = old.iter().map(|(old, uid)| objects::delete(&connection, old, uid));
        let number = self.next_canary();
        let made = POLICIES.iter().filter(|kind| kinds.contains(kind.kind)).map(|kind| {
            let object =
                ApiObject::new(*kind, Some(SYSTEM_NAMESPACE), &format!("verdikt-canary-{run}-{number}"));
            let (connection, body) = (&connection, manifest(&object, &run));
            async move {
                let made = objects::create(connection, &object, &body, FieldValidation::Strict).await?;
                Ok((object, metadata(&made, "uid").unwrap_or_default().to_owned()))
            }
        });
        let (_, made) = tokio::try_join!(try_join_all(removed), try_join_all(made))?;
        let uids = made.iter().map(|(_, uid)| uid.clone()).collect();
        for (object, uid) in made {
            self.keep_canary(object, uid);
        }
        Ok(uids)
    }
}
