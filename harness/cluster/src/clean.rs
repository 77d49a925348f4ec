//! Removes what runs left behind, which is found by its [mark](crate::mark). Policies go first, so that no policy cuts
//! off a pod that is still there.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::lease::{self, LeaseError};
use crate::mark::{RunId, SYSTEM_NAMESPACE};
use crate::namespaces::{self, NamespaceError};
use crate::objects::{
    self, ApiObject, ENDPOINT_SLICE, LEASE, LOCAL_REDIRECT_POLICY, NAMESPACE, POD, POLICIES, ResourceKind,
    SERVICE, SERVICE_ACCOUNT, metadata,
};
use crate::wait::WaitProgress;

/// How many namespaces are removed at once.
const AT_ONCE: usize = 8;

/// Whose objects are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanScope {
    /// Those of one finished run, or of one finished scenario (all but its namespaces). What belongs to no run stays.
    Run(RunId),
    /// Those of every run; fails if one is under way.
    AllRuns,
    /// Those of every run, even of one that is under way.
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

/// Why not everything could be removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A run is under way.
    #[error(transparent)]
    Held(#[from] LeaseError),
    /// A namespace stays in deletion.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

impl CleanError {
    /// Whether trying again may succeed.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Api(error)
            | Self::Held(LeaseError::Api(error))
            | Self::Namespace(NamespaceError::Api(error)) => error.may_pass(),
            Self::Held(_) | Self::Namespace(_) => false,
        }
    }
}

/// Removes what runs left behind, and waits until it is gone. Returns the removed objects; none is not an error.
///
/// At the end of a run nothing waits for namespaces that are empty: Kubernetes takes at least 5 s to remove one, in which
/// it affects nobody, and whoever wants its name waits for it.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/namespace/namespace_controller.go>
/// (`namespaceDeletionGracePeriod`)
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
    for kind in POLICIES.iter().copied().chain([LOCAL_REDIRECT_POLICY]) {
        for found in objects::marked(connection, kind, run).await? {
            remove(connection, kind, &found, &mut removed).await?;
        }
    }
    // Removing a namespace removes its contents, but takes many seconds. So those of a scenario are only emptied, and
    // stay until the run is over for the scenarios after it.
    let spaces = if run.is_some_and(|run| *run != run.whole()) {
        Vec::new()
    } else {
        objects::marked(connection, NAMESPACE, run).await?
    };
    let going: BTreeSet<&str> = spaces.iter().filter_map(|space| metadata(space, "name")).collect();
    let mut awaited: BTreeSet<String> = match scope {
        CleanScope::Run(_) => BTreeSet::new(),
        CleanScope::AllRuns | CleanScope::AllRunsForced => going.iter().map(ToString::to_string).collect(),
    };
    for kind in [POD, SERVICE, ENDPOINT_SLICE, SERVICE_ACCOUNT] {
        for found in objects::marked(connection, kind, run).await? {
            let space = metadata(&found, "namespace").unwrap_or_default();
            if going.contains(space) {
                awaited.insert(space.to_owned());
            // Kubernetes removes the slices that it made for a service, which carry the labels of that service.
            } else if kind != ENDPOINT_SLICE || found.pointer("/metadata/ownerReferences").is_none() {
                remove(connection, kind, &found, &mut removed).await?;
            }
        }
    }
    let removals = stream::iter(&spaces).map(|space| async move {
        let mut removed = BTreeSet::new();
        remove(connection, NAMESPACE, space, &mut removed).await.map(|()| removed)
    });
    let removals: Vec<BTreeSet<ApiObject>> = removals.buffered(AT_ONCE).try_collect().await?;
    removed.extend(removals.into_iter().flatten());
    release(connection, scope, &mut removed).await?;
    for space in &spaces {
        let name = metadata(space, "name").unwrap_or_default();
        if !awaited.contains(name) {
            continue;
        }
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
    // A kind that is served in two versions lists its objects twice.
    let uid = metadata(found, "uid").unwrap_or_default();
    if objects::delete(connection, &object, uid).await? {
        removed.insert(object);
    }
    Ok(())
}

/// Removes the lease of a killed run, which would keep others waiting until it expires. A scenario leaves the lease of
/// its run alone.
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
