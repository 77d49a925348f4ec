//! The source of flows: every agent itself, or Relay for all of them.
//!
//! Agents are asked where all of them answer, since Relay holds every event back for about a second. Half of the
//! agents is not evidence, so that one that does not answer makes it Relay.

use std::fmt;
use std::time::Duration;

use crate::client::{ClientError, FlowServer, HubbleClient};
use crate::messages::ServerStatusResponse;

/// The source of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowSource {
    /// Every agent itself.
    Agents,
    /// Relay.
    Relay,
}

/// Who is asked, and why.
#[derive(Clone, Debug)]
pub enum FlowSourceChoice {
    /// Every agent itself.
    Agents {
        /// How many there are.
        count: usize,
    },
    /// Relay.
    Relay {
        /// Where it is.
        source: FlowServer,
        /// Why not the agents, and whom it hears, as text.
        because: String,
    },
}

/// Why nobody can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the flows of the cluster: {}", .problems.join("; "))]
pub struct FlowSourceError {
    /// What each of those asked says.
    pub problems: Vec<String>,
}

/// Decides for the agents if each of them answers, else for Relay if that answers in time. `agents` says of each how its
/// flows cannot be read, if so, and `relay` where Relay is; it is not asked for where the agents do.
pub async fn choose(
    agents: Vec<Result<(), String>>,
    relay: impl Future<Output = Result<FlowServer, String>>,
    within: Duration,
) -> Result<FlowSourceChoice, FlowSourceError> {
    let count = agents.len();
    let mut problems: Vec<String> = agents.into_iter().filter_map(Result::err).collect();
    if problems.is_empty() && count > 0 {
        return Ok(FlowSourceChoice::Agents { count });
    }
    let because = match problems.as_slice() {
        [] => "no agent is known".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    };
    let asked = async {
        let source = relay.await?;
        let status = status(&source, within).await.map_err(|error| error.to_string())?;
        let heard = heard(&status)?;
        Ok((source, heard))
    };
    match asked.await {
        Ok((source, heard)) => Ok(FlowSourceChoice::Relay { source, because: format!("{because}; {heard}") }),
        Err(problem) => {
            problems.push(problem);
            Err(FlowSourceError { problems })
        }
    }
}

/// What a server says about itself.
pub async fn status(source: &FlowServer, within: Duration) -> Result<ServerStatusResponse, ClientError> {
    HubbleClient::connect(source, within).await?.server_status().await
}

/// Which nodes Relay hears; an error if none.
fn heard(status: &ServerStatusResponse) -> Result<String, String> {
    let connected = match status.num_connected_nodes.unwrap_or(0) {
        0 => return Err("Relay hears no node: look at its log".to_owned()),
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    };
    Ok(match status.num_unavailable_nodes.unwrap_or(0) {
        0 => format!("Relay hears {connected}"),
        away => format!("Relay hears {connected}, and not {away}: {}", status.unavailable_nodes.join(", ")),
    })
}

/// `3 agents`, or `Relay, because …`.
impl fmt::Display for FlowSourceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents { count: 1 } => f.pad("1 agent"),
            Self::Agents { count } => f.pad(&format!("{count} agents")),
            Self::Relay { because, .. } => f.pad(&format!("Relay, because {because}")),
        }
    }
}
