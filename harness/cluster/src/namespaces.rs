//! The namespaces of a run. They have the names of the scenario; namespaces that verdikt did not create are not touched.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::scenario::FieldValidation;
use verdikt_scenario::topology::Labels;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::mark::{OWNER, OWNER_KEY, RUN_KEY, RunId, SYSTEM_NAMESPACE};
use crate::objects::{self, ApiObject, NAMESPACE, labels_of, mark, metadata};
use crate::wait::{self, WaitError, WaitProgress};

/// Why a namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It exists, and verdikt did not create it.
    #[error(
        "the namespace {name} exists and is not verdikt's: rename it in the scenario, remove it from the cluster, or allow its use with `--borrow`"
    )]
    Foreign {
        /// The namespace.
        name: String,
    },
    /// It belongs to another run.
    #[error(
        "the namespace {name} belongs to run {run}: wait until that run has ended, or remove what it left with `verdikt clean`"
    )]
    OfAnotherRun {
        /// The namespace.
        name: String,
        /// The run.
        run: String,
    },
    /// It is being removed, and is not gone in time.
    #[error("the namespace {name} is still being removed: {last}")]
    Stuck {
        /// The namespace.
        name: String,
        /// What delays the removal.
        last: String,
    },
}

/// The owner of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NamespaceOwner {
    /// It does not exist.
    Nobody,
    /// This run.
    Us,
    /// verdikt, and it is being removed.
    Leaving,
    /// Another run of verdikt.
    Run(String),
    /// Not verdikt.
    Other,
}

fn owner(found: Option<&Value>, run: &RunId) -> NamespaceOwner {
    let Some(found) = found else { return NamespaceOwner::Nobody };
    if mark(found, OWNER_KEY) != Some(OWNER) {
        return NamespaceOwner::Other;
    }
    if metadata(found, "deletionTimestamp").is_some() {
        return NamespaceOwner::Leaving;
    }
    match mark(found, RUN_KEY) {
        // A namespace of another scenario of this run belongs to the run too.
        Some(other) if other != run.as_str() => NamespaceOwner::Run(other.to_owned()),
        _ => NamespaceOwner::Us,
    }
}

fn object(name: &str) -> ApiObject {
    ApiObject::new(NAMESPACE, None, name)
}

/// Creates a namespace of this run if it does not exist, and sets its labels, beside those of Kubernetes. Returns its
/// UID.
pub async fn ensure(
    connection: &ApiConnection,
    name: &NamespaceName,
    labels: &Labels,
    run: &RunId,
    progress: &WaitProgress,
) -> Result<String, NamespaceError> {
    loop {
        let found = objects::get(connection, &object(name.as_str())).await?;
        match owner(found.as_ref(), run) {
            NamespaceOwner::Nobody => match create(connection, name.as_str(), labels, &run.marks()).await {
                // Somebody else created it first: look who owns it.
                Err(error) if error.is_conflict() => {}
                created => return Ok(uid(&created?)),
            },
            NamespaceOwner::Us => {
                let found = found.unwrap_or_default();
                change(connection, &found, name, labels, run).await?;
                return Ok(uid(&found));
            }
            NamespaceOwner::Leaving => {
                gone(connection, name.as_str(), found.as_ref().map(uid), progress).await?;
            }
            NamespaceOwner::Run(run) => {
                return Err(NamespaceError::OfAnotherRun { name: name.to_string(), run });
            }
            NamespaceOwner::Other => return Err(NamespaceError::Foreign { name: name.to_string() }),
        }
    }
}

fn uid(namespace: &Value) -> String {
    metadata(namespace, "uid").unwrap_or_default().to_owned()
}

async fn create(
    connection: &ApiConnection,
    name: &str,
    labels: &Labels,
    marks: &BTreeMap<String, String>,
) -> Result<Value, ApiError> {
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "annotations": marks},
    });
    objects::create(connection, &object(name), &body, FieldValidation::Strict).await
}

/// Sets the labels of a namespace of the run, and the mark of the scenario, where they differ.
async fn change(
    connection: &ApiConnection,
    found: &Value,
    name: &NamespaceName,
    wanted: &Labels,
    run: &RunId,
) -> Result<(), ApiError> {
    let present = labels_of(found);
    // Kubernetes and security tools label namespaces too. Only labels of earlier steps are removed: those whose keys do
    // not belong to Kubernetes.
    let ours = |key: &&String| !key.contains("kubernetes.io/");
    let before: Labels =
        present.iter().filter(|(key, _)| ours(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let is_marked = run.made(|key| mark(found, key));
    if wanted.iter().all(|(key, value)| present.get(key) == Some(value))
        && before.keys().all(|key| wanted.contains_key(key))
        && is_marked
    {
        return Ok(());
    }
    let mut change = crate::pods::label_change(&before, wanted);
    if !is_marked {
        change["metadata"]["annotations"] = json!(run.marks());
    }
    objects::merge(connection, &object(name.as_str()), &change).await.map(drop)
}

/// Creates the system namespace if it does not exist.
pub async fn ensure_system(
    connection: &ApiConnection,
    progress: &WaitProgress,
) -> Result<(), NamespaceError> {
    let owned = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    // Probes that stand for nodes use the network of their node, which no other profile allows.
    let labels = owned("pod-security.kubernetes.io/enforce", "privileged");
    let marks = owned(OWNER_KEY, OWNER);
    loop {
        match objects::get(connection, &object(SYSTEM_NAMESPACE)).await? {
            None => match create(connection, SYSTEM_NAMESPACE, &labels, &marks).await {
                Err(error) if error.is_conflict() => {}
                created => return created.map(drop).map_err(Into::into),
            },
            // An administrator may have created it together with the permissions; it is used as it is.
            Some(found) if mark(&found, OWNER_KEY).is_none() => {
                return Err(NamespaceError::Foreign { name: SYSTEM_NAMESPACE.to_owned() });
            }
            Some(found) if metadata(&found, "deletionTimestamp").is_some() => {
                gone(connection, SYSTEM_NAMESPACE, Some(uid(&found)), progress).await?;
            }
            Some(_) => return Ok(()),
        }
    }
}

/// Waits until a namespace that is being removed is gone. The UID tells it from a new one of the same name.
pub(crate) async fn gone(
    connection: &ApiConnection,
    name: &str,
    uid: Option<String>,
    progress: &WaitProgress,
) -> Result<(), NamespaceError> {
    use k8s_openapi::api::core::v1::Namespace;
    let watched = wait::named(connection, NAMESPACE, None, name);
    let stuck = |seen: &wait::Seen<Namespace>| {
        let conditions =
            seen.values().filter_map(|namespace| namespace.status.as_ref()?.conditions.as_ref()).flatten();
        let holding: BTreeSet<String> =
            conditions.filter(|it| it.status == "True").filter_map(|it| it.message.clone()).collect();
        let said: Vec<String> = holding.into_iter().collect();
        if said.is_empty() { "it is being removed".to_owned() } else { said.join("; ") }
    };
    let looked = |seen: &wait::Seen<Namespace>| {
        let is_there = seen.values().any(|it| uid.is_none() || it.metadata.uid == uid);
        if is_there { wait::WaitState::NotYet(stuck(seen)) } else { wait::WaitState::Done(()) }
    };
    let what = format!("wait until the namespace {name} has gone");
    let wait = wait::Wait { what: &what, deadline: wait::GONE_DEADLINE, progress };
    wait::until(connection, wait, vec![watched], looked).await.map_err(|late| match late {
        WaitError::Api(error) => error.into(),
        WaitError::Deadline { last, .. } | WaitError::Failed(last) => {
            NamespaceError::Stuck { name: name.to_owned(), last }
        }
    })
}
