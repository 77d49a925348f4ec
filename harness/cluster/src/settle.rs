//! Waits until the datapath enforces the policies that the API server has stored.
//!
//! Four things must be true before any attempt is made:
//!
//! 1. Cilium's operator has validated each object: its condition `Valid`.
//! 2. Each pod has the predicted labels as its identity: its `CiliumEndpoint`, or its agent's list of endpoints.
//! 3. The agent of each node has read every change.
//! 4. Each endpoint has realized that revision of the policy.
//!
//! Whether an attempt really meets the new policy only a first attempt shows, which the caller makes.

mod agents;
mod canary;
mod cause;
mod forgotten;
mod identities;
mod own_pods;
#[cfg(test)]
mod tests;
mod validity;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use verdikt_scenario::name::NamespacedName;

use crate::cluster::Cluster;
use crate::error::{ApiError, added};
use crate::policies::{AppliedPolicies, ClusterRefusal};
use crate::wait::WaitError;

pub(crate) use self::cause::UnhealthyEndpoint;

/// Labels as Cilium writes them: `k8s:app=redis`.
pub type IdentityLabels = BTreeSet<String>;

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub struct SettleGoal<'a> {
    /// The policies as the API server accepted them.
    pub applied: &'a AppliedPolicies,
    /// The labels predicted for each pod.
    pub identities: &'a BTreeMap<NamespacedName, IdentityLabels>,
    /// The timeout of the whole wait.
    pub deadline: Duration,
}

/// The result of settling. Times are relative to its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What Cilium refused, by the index of the manifest.
    pub refused: BTreeMap<usize, ClusterRefusal>,
    /// When every object was validated.
    pub judged: Duration,
    /// When every pod had its labels; zero if they have not changed since the step before.
    pub identified: Duration,
    /// When every endpoint had realized the policy; none if no agent could be asked.
    pub realized: Option<Duration>,
    /// Why an agent could not be asked.
    pub unasked: Option<String>,
}

/// Why a step does not settle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It took too long.
    #[error("{what}: timed out after {:.1} s: {last}{}", after.as_secs_f64(), added(causes))]
    TimedOut {
        /// What was waited for.
        what: String,
        /// What was last seen.
        last: String,
        /// The timeout.
        after: Duration,
        /// Possible causes, as the agents report them.
        causes: Vec<String>,
    },
}

impl SettleError {
    fn deadline(what: &str, last: String, after: Duration) -> Self {
        Self::TimedOut { what: what.to_owned(), last, after, causes: Vec::new() }
    }

    fn late(what: &str, late: WaitError) -> Self {
        match late {
            WaitError::Api(error) => Self::Api(error),
            WaitError::Deadline { last, after } => Self::deadline(what, last, after),
            WaitError::Failed(last) => Self::deadline(what, last, Duration::ZERO),
        }
    }
}

/// How much of a deadline is left.
#[derive(Clone, Copy, Debug)]
struct Countdown {
    begin: Instant,
    deadline: Duration,
}

impl Countdown {
    /// A deadline for one try, within the remaining time of another deadline.
    fn round(of: Self) -> Self {
        Self { begin: Instant::now(), deadline: agents::ROUND.min(of.left()) }
    }

    fn left(self) -> Duration {
        self.deadline.saturating_sub(self.begin.elapsed())
    }
}

impl Cluster {
    /// Waits until the datapath has the topology and the policies of this step.
    pub async fn settle(&mut self, wanted: SettleGoal<'_>) -> Result<Settled, SettleError> {
        let mut settled = self.settle_in_time(wanted).await;
        if let Err(SettleError::TimedOut { causes, .. }) = &mut settled {
            *causes = self.causes().await;
        }
        settled
    }

    async fn settle_in_time(&mut self, wanted: SettleGoal<'_>) -> Result<Settled, SettleError> {
        let clock = Countdown { begin: Instant::now(), deadline: wanted.deadline };
        let touched = &wanted.applied.touched;
        let judged = async |this: &Self| {
            let refused = this.judged(wanted.applied, clock).await?;
            Ok::<_, SettleError>((refused, clock.begin.elapsed()))
        };
        let ((refused, judged), identified, read) = if self.are_identified(wanted.identities) {
            // Only policies may have changed, so all waits run at once.
            let canaries = self.create_canaries(touched).await?;
            let read = async { Ok(self.read(&canaries, Countdown::round(clock)).await) };
            let (judged, read) = tokio::try_join!(judged(self), read)?;
            (judged, Duration::ZERO, read)
        } else {
            let identified = async {
                // The agent knows its identities seconds before it updates the `CiliumEndpoint`, and for pods of one
                // node it is the authority.
                tokio::select! {
                    told = self.identified(wanted.identities, clock) => told?,
                    () = self.identified_by_agent(wanted.identities, clock) => {}
                }
                Ok::<_, SettleError>(clock.begin.elapsed())
            };
            let (judged, identified) = tokio::try_join!(judged(self), identified)?;
            // New identities change the policy of endpoints too, so its revision is waited for afterwards.
            let canaries = self.create_canaries(touched).await?;
            (judged, identified, self.read(&canaries, Countdown::round(clock)).await)
        };
        self.remember(wanted.identities);
        let (realized, unasked) = match self.realized(read, touched, clock).await? {
            Ok(()) => (Some(clock.begin.elapsed()), None),
            Err(reason) => (None, Some(reason)),
        };
        Ok(Settled { refused, judged, identified, realized, unasked })
    }
}
