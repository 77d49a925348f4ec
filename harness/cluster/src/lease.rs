//! The lease that keeps two runs from using one cluster at the same time.
//!
//! The run that holds and renews the Lease `verdikt-system/verdikt` may use the cluster.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connect::ApiConnection;
use crate::error::ApiError;
use crate::mark::{FIELD_MANAGER, RunId, SYSTEM_NAMESPACE};

/// The name of the lease.
pub const NAME: &str = "verdikt";
/// How long a lease is valid without renewal: longer than an API server takes to restart.
pub const DURATION: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// Why a run may not use the cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Another run uses the cluster.
    #[error("the cluster is in use by run {holder}, which last renewed its lease {seconds} s ago: wait until it has ended; should it have died, the lease ends {} s after its last renewal", DURATION.as_secs())]
    Held {
        /// The other run.
        holder: String,
        /// The seconds since its last renewal.
        seconds: u64,
    },
}

/// A lease that is held, and renewed until it is dropped.
#[derive(Debug)]
pub struct Lease {
    connection: ApiConnection,
    run: RunId,
    lost: watch::Receiver<Option<String>>,
    renewing: JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

fn api(connection: &ApiConnection) -> Api<Object> {
    Api::namespaced(connection.client().clone(), SYSTEM_NAMESPACE)
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn held_by(run: &RunId, now: Timestamp, before: Option<&Object>) -> Object {
    let before_spec = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let ours = before_spec.holder_identity.as_deref() == Some(run.as_str());
    let transitions = before_spec.lease_transitions.unwrap_or_default();
    Object {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(SYSTEM_NAMESPACE.to_owned()),
            labels: Some(run.whole().marks()),
            resource_version: before.and_then(|lease| lease.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(run.as_str().to_owned()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before_spec.acquire_time.filter(|_| ours).or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: before.map(|_| if ours { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }),
    }
}

/// The holder of a lease and the seconds since its last renewal; none if the lease is free or expired.
fn holder(lease: &Object, now: Timestamp) -> Option<(String, u64)> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let renewed = spec.renew_time.as_ref()?.0;
    let age = u64::try_from(now.duration_since(renewed).as_secs()).unwrap_or(0);
    let lasts = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    (age <= lasts).then_some((holder, age))
}

impl Lease {
    /// Acquires the lease if it is free, expired, or held by the same run. The namespace must exist.
    pub async fn take(connection: &ApiConnection, run: &RunId) -> Result<Self, LeaseError> {
        loop {
            match put(connection, run).await {
                // Another run was faster: read the lease again.
                Err(LeaseError::Api(error)) if error.is_conflict() => {}
                other => break other?,
            }
        }
        let (tell, lost) = watch::channel(None);
        let renewing = tokio::spawn(renew(connection.clone(), run.clone(), tell));
        Ok(Self { connection: connection.clone(), run: run.clone(), lost, renewing })
    }

    /// Waits until the lease is lost, and returns the reason: another run may use the cluster from then on. Cancel-safe.
    pub async fn lost(&self) -> String {
        let mut lost = self.lost.clone();
        let reason = lost.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // The renewal ends without a reason only when the lease is released.
            None => std::future::pending().await,
        }
    }

    /// Releases the lease.
    pub async fn release(self) -> Result<(), ApiError> {
        self.renewing.abort();
        let leases = api(&self.connection);
        let what = format!("release the lease {SYSTEM_NAMESPACE}/{NAME}");
        let Some(lease) = self.connection.ask(&what, leases.get_opt(NAME)).await? else { return Ok(()) };
        if lease.spec.and_then(|spec| spec.holder_identity).as_deref() != Some(self.run.as_str()) {
            return Ok(());
        }
        let preconditions =
            Preconditions { uid: lease.metadata.uid, resource_version: lease.metadata.resource_version };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.connection.ask(&what, leases.delete(NAME, &parameters)).await {
            Err(error) if !error.is_absent() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Fails if a run holds the lease.
pub(crate) async fn free(connection: &ApiConnection) -> Result<(), LeaseError> {
    let leases = api(connection);
    let found = connection.ask("read the lease of the cluster", leases.get_opt(NAME)).await?;
    match found.and_then(|lease| holder(&lease, Timestamp::now())) {
        Some((holder, seconds)) => Err(LeaseError::Held { holder, seconds }),
        None => Ok(()),
    }
}

async fn put(connection: &ApiConnection, run: &RunId) -> Result<(), LeaseError> {
    let leases = api(connection);
    let what = format!("take the lease {SYSTEM_NAMESPACE}/{NAME}");
    let found = connection.ask(&what, leases.get_opt(NAME)).await?;
    let now = Timestamp::now();
    let Some(found) = found else {
        let parameters = parameters();
        let lease = held_by(run, now, None);
        return connection.ask(&what, leases.create(&parameters, &lease)).await.map(drop).map_err(Into::into);
    };
    match holder(&found, now) {
        Some((holder, seconds)) if holder != run.as_str() => Err(LeaseError::Held { holder, seconds }),
        _ => {
            let (parameters, lease) = (parameters(), held_by(run, now, Some(&found)));
            connection
                .ask(&what, leases.replace(NAME, &parameters, &lease))
                .await
                .map(drop)
                .map_err(Into::into)
        }
    }
}

async fn renew(connection: ApiConnection, run: RunId, lost: watch::Sender<Option<String>>) {
    let mut renewed = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(RENEWAL);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match put(&connection, &run).await {
            Ok(()) => renewed = tokio::time::Instant::now(),
            // Nobody else can have acquired it before it expires.
            Err(LeaseError::Api(_)) if renewed.elapsed() < DURATION => {}
            Err(error) => {
                // The receiver is gone once the run ends.
                let _ = lost.send(Some(error.to_string()));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{FixtureAnswer, absent, server};

    #[test]
    fn a_lease_is_held_while_it_is_renewed() {
        let run = |name: &str| name.parse::<RunId>().unwrap();
        let time = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let lease = held_by(&run("one"), time(0), None);
        let check = |after: i64, expected: Option<u64>| {
            let held = holder(&lease, time(after));
            assert_eq!(held, expected.map(|age| ("one".to_owned(), age)), "{after} s later");
        };
        check(0, Some(0));
        check(30, Some(30));
        check(31, None);
        // A clock that is behind.
        check(-5, Some(0));

        let renewed = held_by(&run("one"), time(9), Some(&lease)).spec.unwrap();
        assert_eq!((renewed.acquire_time, renewed.lease_transitions), (Some(MicroTime(time(0))), Some(0)));
        let taken = held_by(&run("two"), time(40), Some(&lease)).spec.unwrap();
        assert_eq!((taken.acquire_time, taken.lease_transitions), (Some(MicroTime(time(40))), Some(1)));
        assert_eq!(held_by(&run("one").scenario(7), time(0), None), lease, "a scenario has that of its run");
    }

    /// Renewed once, then taken by another run, as after a pause that was longer than the lease.
    #[tokio::test(start_paused = true)]
    async fn a_lease_that_another_run_has_is_lost() {
        let mut stored: Option<Value> = None;
        let mut changes = 0;
        let (connection, log) = server(move |asked| {
            if asked.method != "GET" {
                changes += 1;
                stored = Some(asked.body.clone());
            }
            if changes == 2
                && let Some(lease) = &mut stored
            {
                lease["spec"]["holderIdentity"] = json!("run-2");
            }
            stored.clone().map_or_else(absent, |lease| FixtureAnswer::Json(200, lease))
        });
        let lease = Lease::take(&connection, &"run-1".parse().unwrap()).await.unwrap();
        let begin = tokio::time::Instant::now();
        let reason = lease.lost().await;
        assert!(reason.starts_with("the cluster is in use by run run-2"), "{reason}");
        assert_eq!(begin.elapsed(), RENEWAL * 2);
        lease.release().await.unwrap();
        assert!(!log.text().contains("DELETE"), "it is that of the other run");
    }
}
