//! Waiting until the datapath has what the API server has.
//!
//! Four things must be true before anything is attempted, and each is asked of the one who knows: Cilium's operator has
//! judged each object (its condition `Valid`), each pod has the predicted labels as its identity (its
//! `CiliumEndpoint`, or its agent's word), the agent of each node has read every change, and each endpoint has realized
//! that revision of the policy. Whether an attempt would now meet it is shown by a first attempt, which is
//! the caller's.

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
use crate::wait::Late;

pub(crate) use self::cause::UnhealthyEndpoint;

/// Labels as Cilium writes them: `k8s:app=redis`.
pub type IdentityLabels = BTreeSet<String>;

/// What must be true.
#[derive(Clone, Copy, Debug)]
pub struct SettleGoal<'a> {
    /// The policies, as the API server took them.
    pub applied: &'a AppliedPolicies,
    /// The labels predicted for each pod.
    pub identities: &'a BTreeMap<NamespacedName, IdentityLabels>,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// How settling went. Times are counted from its begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What Cilium refused, by the index of the manifest.
    pub refused: BTreeMap<usize, ClusterRefusal>,
    /// When every object was judged.
    pub judged: Duration,
    /// When every pod had its labels; zero where they are those of the step before.
    pub identified: Duration,
    /// When every endpoint had realized the policy; none where no agent could be asked.
    pub realized: Option<Duration>,
    /// Why agents could not be asked.
    pub unasked: Option<String>,
}

/// Why a step does not settle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The API server does not do what it is asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It took too long.
    #[error("{what}: not so after {:.1} s: {last}{}", after.as_secs_f64(), added(causes))]
    Late {
        /// What was waited for.
        what: String,
        /// What was last seen.
        last: String,
        /// How long it was waited for.
        after: Duration,
        /// What those say who may know why.
        causes: Vec<String>,
    },
}

impl SettleError {
    fn deadline(what: &str, last: String, after: Duration) -> Self {
        Self::Late { what: what.to_owned(), last, after, causes: Vec::new() }
    }

    fn late(what: &str, late: Late) -> Self {
        match late {
            Late::Api(error) => Self::Api(error),
            Late::Deadline { last, after } => Self::deadline(what, last, after),
            Late::Failed(last) => Self::deadline(what, last, Duration::ZERO),
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
    /// A part of the time that another one leaves, after which something else is tried.
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
        if let Err(SettleError::Late { causes, .. }) = &mut settled {
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
            // Nothing but policies may have changed, so all is asked at once.
            let canaries = self.create_canaries(touched).await?;
            let read = async { Ok(self.read(&canaries, Countdown::round(clock)).await) };
            let (judged, read) = tokio::try_join!(judged(self), read)?;
            (judged, Duration::ZERO, read)
        } else {
            let identified = async {
                // The agent knows seconds before it tells the API server, and for pods of one node its word is the
                // datapath's.
                tokio::select! {
                    told = self.identified(wanted.identities, clock) => told?,
                    () = self.identified_by_agent(wanted.identities, clock) => {}
                }
                Ok::<_, SettleError>(clock.begin.elapsed())
            };
            let (judged, identified) = tokio::try_join!(judged(self), identified)?;
            // Endpoints learn of new identities as well, so what they must have comes after.
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
