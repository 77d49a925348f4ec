//! What can keep a lab from running.

use std::io;
use std::time::Duration;

use verdikt_scenario::topology::Endpoint;

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
    /// Agents that do not start or listen.
    #[error("{} did not start to serve within {} seconds", list(endpoints), after.as_secs())]
    Late {
        /// Whose.
        endpoints: Vec<Endpoint>,
        /// How long they had.
        after: Duration,
    },
    /// An agent of another version.
    #[error("the agent of {endpoint} speaks format {format}; use an agent of this version of verdikt")]
    Format {
        /// Whose.
        endpoint: Endpoint,
        /// What it speaks.
        format: u32,
    },
    /// A server that cannot listen.
    #[error("{endpoint} cannot serve port {port}: {reason}")]
    NotServing {
        /// Who.
        endpoint: Endpoint,
        /// The port.
        port: u16,
        /// Why.
        reason: String,
    },
}

fn list(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
