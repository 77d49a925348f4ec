//! Reads what a cluster runs as manifests: workloads, services, namespaces and policies. Never writes.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;
use tracing::warn;
use verdikt_scenario::document::Unlocated;
use verdikt_scenario::policy::Manifest;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::inspect::kinds_of;
use crate::mark::{OWNER, OWNER_KEY};
use crate::objects::{self, NAMESPACE, POD, POLICIES, ResourceKind, SERVICE, mark, namespaced};

/// The kinds that are read besides policies: those that make up a topology.
const KINDS: &[ResourceKind] = &[
    NAMESPACE,
    SERVICE,
    namespaced("Deployment", "apps", "v1", "deployments"),
    namespaced("StatefulSet", "apps", "v1", "statefulsets"),
    namespaced("DaemonSet", "apps", "v1", "daemonsets"),
    namespaced("ReplicaSet", "apps", "v1", "replicasets"),
    namespaced("ReplicationController", "", "v1", "replicationcontrollers"),
    namespaced("Job", "batch", "v1", "jobs"),
    namespaced("CronJob", "batch", "v1", "cronjobs"),
    POD,
];

/// The objects of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// The objects, kind by kind.
    pub manifests: Vec<Manifest>,
    /// The missing rights, one for each kind that could not be listed.
    pub missing: BTreeSet<String>,
}

/// Reads the objects of a cluster. It only needs the verb `list`.
pub async fn inventory(connection: &ApiConnection) -> Result<Inventory, ApiError> {
    let mut inventory = Inventory::default();
    let file = format!("context {}", connection.context()).into();
    for kind in KINDS.iter().chain(POLICIES).copied() {
        let listed = match objects::select(connection, kind, None, None, is_kept).await {
            Err(ApiError::Forbidden { .. }) => {
                if is_served(connection, kind).await? {
                    let group =
                        if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
                    inventory.missing.insert(format!("list {}{group}", kind.plural));
                }
                continue;
            }
            listed => listed?,
        };
        let is_second_version = kind.plural == "ciliumcidrgroups" && kind.version != "v2";
        for mut object in listed {
            tidy(&mut object, kind);
            let Unlocated(root) = match serde_json::from_value(object) {
                Ok(root) => root,
                Err(error) => {
                    warn!(%error, kind = kind.kind, "cannot read an object of the cluster");
                    continue;
                }
            };
            let manifest = Manifest { file: std::sync::Arc::clone(&file), root };
            // A kind that is served in two versions has the same objects in both.
            if !is_second_version
                || inventory.manifests.iter().all(|other| other.object() != manifest.object())
            {
                inventory.manifests.push(manifest);
            }
        }
    }
    Ok(inventory)
}

/// Whether the API server serves a kind. It answers 403 for unknown kinds too.
async fn is_served(connection: &ApiConnection, kind: ResourceKind) -> Result<bool, ApiError> {
    if kind.group.is_empty() {
        return Ok(true);
    }
    let known = kinds_of(connection, &format!("{}/{}", kind.group, kind.version)).await?;
    Ok(known.contains(kind.plural))
}

/// Whether an object is kept: not what a controller created, which its controller describes, and not what verdikt
/// created.
fn is_kept(object: &Value) -> bool {
    if mark(object, OWNER_KEY) == Some(OWNER) {
        return false;
    }
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let mut controllers =
        owners.into_iter().flatten().filter(|owner| owner["controller"] == Value::Bool(true));
    // Static pods have their node as owner.
    controllers.all(|owner| owner["kind"] == "Node")
}

/// Adds kind and version, which lists leave out, and removes what the API server added.
fn tidy(object: &mut Value, kind: ResourceKind) {
    let Value::Object(fields) = object else { return };
    fields.remove("status");
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        for field in [
            "creationTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "uid",
            "annotations",
        ] {
            metadata.remove(field);
        }
    }
    let version = if kind.group.is_empty() {
        kind.version.to_owned()
    } else {
        format!("{}/{}", kind.group, kind.version)
    };
    // `apiVersion`, `kind` and `metadata` come first, as in any manifest.
    let written = std::mem::take(fields);
    fields.insert("apiVersion".to_owned(), version.into());
    fields.insert("kind".to_owned(), kind.kind.into());
    fields.extend(written.into_iter().filter(|(key, _)| key != "apiVersion" && key != "kind"));
}
