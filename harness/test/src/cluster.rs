//! Runs scenarios on a cluster, in this process; without the feature `cluster` it returns an error.

#[cfg(feature = "cluster")]
mod environment;
#[cfg(feature = "cluster")]
mod error;
#[cfg(feature = "cluster")]
mod interrupt;
#[cfg(feature = "cluster")]
mod session;
#[cfg(feature = "cluster")]
mod variables;

use verdikt_scenario::diagnostic::SourceTexts;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

/// A run on a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClusterRun<'a> {
    /// `kind[:PROFILE]` or `cluster[:CONTEXT]`.
    pub(crate) on: &'a str,
    /// The chosen Cilium version; none means that of the cluster.
    pub(crate) version: Option<CiliumVersion>,
    pub(crate) scenarios: &'a [Scenario],
    /// The texts of their files, for mistakes.
    pub(crate) sources: &'a SourceTexts,
}

/// The events of a run, or why there is no run.
#[cfg(feature = "cluster")]
pub(crate) fn events(run: ClusterRun<'_>) -> Result<Vec<Event>, String> {
    session::events(run).map_err(|error| error.with_advice())
}

/// Returns the error that there are no events.
#[cfg(not(feature = "cluster"))]
pub(crate) fn events(
    ClusterRun { on, version, scenarios, sources }: ClusterRun<'_>,
) -> Result<Vec<Event>, String> {
    // The needs of a run are not checked.
    let _ = (version, scenarios, sources);
    Err(format!(
        "cannot run on {on}: verdikt-test is built without its feature `cluster`; add it to its features"
    ))
}
