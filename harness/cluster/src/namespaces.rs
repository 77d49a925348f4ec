//! The namespaces of a run: they carry the scenario's own names, and nobody else's are touched.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::topology::Labels;

use crate::connect::Connection;
use crate::error::ApiError;
use crate::mark::{OWNER, OWNER_LABEL, PREFIX, RUN_LABEL, RunId, SYSTEM_NAMESPACE};
use crate::objects::{self, FieldValidation, NAMESPACE, Object, label, labels_of, metadata};
use crate::wait::{self, Late, Progress};

/// Why a namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It is somebody else's.
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
    /// It is being removed and does not go away.
    #[error("the namespace {name} is still being removed: {last}")]
    Stuck {
        /// The namespace.
        name: String,
        /// What holds it.
        last: String,
    },
}

/// Whose a namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// Nobody's: it does not exist.
    Nobody,
    /// This run's, with the labels it has.
    Us(BTreeMap<String, String>),
    /// It is ours and being removed.
    Leaving,
    /// That of another run of verdikt.
    Run(String),
    /// Somebody else's.
    Other,
}

fn owner(found: Option<&Value>, run: &RunId) -> Owner {
    let Some(found) = found else { return Owner::Nobody };
    if label(found, OWNER_LABEL) != Some(OWNER) {
        return Owner::Other;
    }
    if metadata(found, "deletionTimestamp").is_some() {
        return Owner::Leaving;
    }
    match label(found, RUN_LABEL) {
        // What another scenario of the run has left is the run's too.
        Some(other) if other != run.as_str() => Owner::Run(other.to_owned()),
        _ => Owner::Us(labels_of(found)),
    }
}

fn object(name: &str) -> Object {
    Object::new(NAMESPACE, None, name)
}

/// Makes sure that a namespace of this run exists and has these labels, beside verdikt's own and those of Kubernetes.
pub async fn ensure(
    connection: &Connection,
    name: &NamespaceName,
    labels: &Labels,
    run: &RunId,
    progress: &Progress,
) -> Result<(), NamespaceError> {
    let mut wanted = labels.clone();
    wanted.extend(run.labels());
    loop {
        let found = objects::get(connection, &object(name.as_str())).await?;
        match owner(found.as_ref(), run) {
            Owner::Nobody => match create(connection, name.as_str(), &wanted).await {
                // Somebody was faster: look whose it is.
                Err(error) if error.is_conflict() => {}
                created => return created.map_err(Into::into),
            },
            Owner::Us(present) => {
                return relabel(connection, name, &present, &wanted).await.map_err(Into::into);
            }
            Owner::Leaving => gone(connection, name.as_str(), progress).await?,
            Owner::Run(run) => return Err(NamespaceError::OfAnotherRun { name: name.to_string(), run }),
            Owner::Other => return Err(NamespaceError::Foreign { name: name.to_string() }),
        }
    }
}

async fn create(connection: &Connection, name: &str, labels: &Labels) -> Result<(), ApiError> {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    objects::create(connection, &object(name), &body, FieldValidation::Strict).await.map(drop)
}

async fn relabel(
    connection: &Connection,
    name: &NamespaceName,
    present: &Labels,
    wanted: &Labels,
) -> Result<(), ApiError> {
    // Kubernetes and security tools label namespaces too: only what a step before wanted is taken away, and that is
    // what stands beside the labels with a name of Kubernetes'.
    let ours = |key: &&String| !key.contains("kubernetes.io/") && !key.starts_with(PREFIX);
    let before: Labels =
        present.iter().filter(|(key, _)| ours(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if wanted.iter().all(|(key, value)| present.get(key) == Some(value))
        && before.keys().all(|key| wanted.contains_key(key))
    {
        return Ok(());
    }
    let change = crate::pods::label_change(&before, wanted);
    objects::merge(connection, &object(name.as_str()), &change).await.map(drop)
}

/// Makes sure that the namespace of what belongs to no scenario exists.
pub async fn ensure_system(connection: &Connection, progress: &Progress) -> Result<(), NamespaceError> {
    let labels = BTreeMap::from(
        [
            (OWNER_LABEL, OWNER),
            // Agents of nodes live in the network of their node, which no other profile allows.
            ("pod-security.kubernetes.io/enforce", "privileged"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    loop {
        match objects::get(connection, &object(SYSTEM_NAMESPACE)).await? {
            None => match create(connection, SYSTEM_NAMESPACE, &labels).await {
                Err(error) if error.is_conflict() => {}
                created => return created.map_err(Into::into),
            },
            // An administrator may have made it, with the permissions, and then it stays.
            Some(found) if label(&found, OWNER_LABEL).is_none() => {
                return Err(NamespaceError::Foreign { name: SYSTEM_NAMESPACE.to_owned() });
            }
            Some(found) if metadata(&found, "deletionTimestamp").is_some() => {
                gone(connection, SYSTEM_NAMESPACE, progress).await?;
            }
            Some(_) => return Ok(()),
        }
    }
}

/// Waits until a namespace that is being removed has gone.
pub(crate) async fn gone(
    connection: &Connection,
    name: &str,
    progress: &Progress,
) -> Result<(), NamespaceError> {
    use k8s_openapi::api::core::v1::Namespace;
    let all: kube::Api<Namespace> = kube::Api::all(connection.client().clone());
    let watched = wait::named(all, name);
    let stuck = |seen: &wait::Seen<Namespace>| {
        let conditions =
            seen.values().filter_map(|namespace| namespace.status.as_ref()?.conditions.as_ref()).flatten();
        let holding: BTreeSet<String> =
            conditions.filter(|it| it.status == "True").filter_map(|it| it.message.clone()).collect();
        let said: Vec<String> = holding.into_iter().collect();
        if said.is_empty() { "it is being removed".to_owned() } else { said.join("; ") }
    };
    let looked = |seen: &wait::Seen<Namespace>| {
        if seen.is_empty() { wait::Look::Done(()) } else { wait::Look::Not(stuck(seen)) }
    };
    let what = format!("wait until the namespace {name} has gone");
    let wait = wait::Wait { what: &what, deadline: wait::GONE_DEADLINE, progress };
    wait::until(connection, wait, vec![watched], looked).await.map_err(|late| match late {
        Late::Api(error) => error.into(),
        Late::Deadline { last, .. } | Late::Failed(last) => {
            NamespaceError::Stuck { name: name.to_owned(), last }
        }
    })
}
