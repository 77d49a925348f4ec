//! Removing what runs left: found by its [mark](crate::mark), policies first, so that nothing that stays is cut off by what goes.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::lease::{self, LeaseError};
use crate::mark::{RunId, SYSTEM_NAMESPACE};
use crate::namespaces::{self, NamespaceError};
use crate::objects::{
    self, ApiObject, ENDPOINT_SLICE, LEASE, NAMESPACE, POD, POLICIES, ResourceKind, SERVICE, SERVICE_ACCOUNT,
    metadata,
};
use crate::wait::WaitProgress;

/// Whose things are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanScope {
    /// Those of one run, which is over, or of one scenario, which is over: all but its namespaces. What belongs to no run
    /// stays.
    Run(RunId),
    /// Those of every run, if none is under way.
    AllRuns,
    /// Those of every run, also of one that is under way.
    AllRunsForced,
}

impl CleanScope {
    /// The run; none for all.
    fn run(&self) -> Option<&RunId> {
        match self {
            Self::Run(run) => Some(run),
            Self::AllRuns | Self::AllRunsForced => None,
        }
    }
}

/// Why not everything is removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A run is under way.
    #[error(transparent)]
    Held(#[from] LeaseError),
    /// A namespace does not go away.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

impl CleanError {
    /// Whether the API server may do it if it is asked again.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Api(error)
            | Self::Held(LeaseError::Api(error))
            | Self::Namespace(NamespaceError::Api(error)) => error.may_pass(),
            Self::Held(_) | Self::Namespace(_) => false,
        }
    }
}

/// Removes what runs left; returns when it has gone, with what it was. Nothing to remove is not an error.
pub async fn clean(
    connection: &ApiConnection,
    scope: &CleanScope,
    progress: &WaitProgress,
) -> Result<Vec<ApiObject>, CleanError> {
    let run = scope.run();
    if *scope == CleanScope::AllRuns {
        lease::free(connection).await?;
    }
    let mut removed = BTreeSet::new();
    for kind in POLICIES {
        for found in objects::marked(connection, kind, run).await? {
            remove(connection, kind, &found, &mut removed).await?;
        }
    }
    // With a namespace goes all that is in it. That takes many seconds, so those of a scenario are emptied, and stay for
    // the scenarios after it until the run is over.
    let spaces = if run.is_some_and(|run| *run != run.whole()) {
        Vec::new()
    } else {
        objects::marked(connection, NAMESPACE, run).await?
    };
    let going: BTreeSet<&str> = spaces.iter().filter_map(|space| metadata(space, "name")).collect();
    let stays = |found: &Value| metadata(found, "namespace").is_some_and(|space| !going.contains(space));
    for kind in [POD, SERVICE, ENDPOINT_SLICE, SERVICE_ACCOUNT] {
        for found in objects::marked(connection, kind, run).await?.iter().filter(|it| stays(it)) {
            // Kubernetes removes the slices of a service with it, and they carry the service's labels.
            if kind != ENDPOINT_SLICE || found.pointer("/metadata/ownerReferences").is_none() {
                remove(connection, kind, found, &mut removed).await?;
            }
        }
    }
    for space in &spaces {
        remove(connection, NAMESPACE, space, &mut removed).await?;
    }
    release(connection, scope, &mut removed).await?;
    for space in &spaces {
        let name = metadata(space, "name").unwrap_or_default();
        progress.tell(format!("wait until the namespace {name} has gone"));
        namespaces::gone(connection, name, metadata(space, "uid").map(str::to_owned), progress).await?;
    }
    Ok(removed.into_iter().collect())
}

async fn remove(
    connection: &ApiConnection,
    kind: ResourceKind,
    found: &Value,
    removed: &mut BTreeSet<ApiObject>,
) -> Result<(), ApiError> {
    let object =
        ApiObject::new(kind, metadata(found, "namespace"), metadata(found, "name").unwrap_or_default());
    // Two versions of one kind list the same objects.
    let uid = metadata(found, "uid").unwrap_or_default();
    if objects::delete(connection, &object, uid).await? {
        removed.insert(object);
    }
    Ok(())
}

/// The lease of a run that was killed: it would keep others off until it ends. That of a scenario's run stays.
async fn release(
    connection: &ApiConnection,
    scope: &CleanScope,
    removed: &mut BTreeSet<ApiObject>,
) -> Result<(), ApiError> {
    let object = ApiObject::new(LEASE, Some(SYSTEM_NAMESPACE), lease::NAME);
    let held = objects::get(connection, &object).await?;
    let holder = held.as_ref().and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str());
    let concerned = match scope {
        CleanScope::Run(run) => *run == run.whole() && holder == Some(run.as_str()),
        CleanScope::AllRuns | CleanScope::AllRunsForced => held.is_some(),
    };
    let uid = held.as_ref().and_then(|lease| metadata(lease, "uid")).unwrap_or_default();
    if concerned && objects::delete(connection, &object, uid).await? {
        removed.insert(object);
    }
    Ok(())
}
