//! What can keep a lab from running.

use std::io;

use verdikt_agents::agents::AgentError;

use crate::namespace::NamespaceError;

/// Why a lab cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A namespace cannot be made or removed.
    #[error(transparent)]
    Namespace(NamespaceError),
    /// The datapath or an agent cannot be talked to.
    #[error("the lab's datapath cannot go on")]
    Datapath(#[source] io::Error),
    /// An agent is not as it has to be.
    #[error(transparent)]
    Agent(#[from] AgentError),
}
