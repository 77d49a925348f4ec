//! Whom to ask: every agent itself, or Relay for all of them.
//!
//! Agents are asked where all of them answer, since Relay holds every event back for about a second. Half of the
//! agents is no evidence, so that one that does not answer makes it Relay.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::{Client, ClientError, Source};
use crate::messages::ServerStatusResponse;

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Every agent itself.
    Agents,
    /// Relay.
    Relay,
}

/// Who is asked, and why.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The way.
    pub way: Way,
    /// The servers to follow.
    pub sources: Vec<Source>,
    /// Why not the other way, in words.
    pub reason: String,
    /// What each server says its version is, by the name of its source.
    pub versions: BTreeMap<Arc<str>, String>,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// There is neither an agent nor Relay.
    #[error("neither an agent nor Relay is known: enable Hubble (`hubble.enabled=true`)")]
    Nobody,
    /// Not all agents answer, nor does Relay.
    #[error("Hubble cannot be asked: {}", .problems.join("; "))]
    Silent {
        /// What each of them says.
        problems: Vec<String>,
    },
}

/// Asks all agents at once, and Relay where one of them does not answer in time.
pub async fn choose(
    agents: Vec<Source>,
    relay: Option<Source>,
    within: Duration,
) -> Result<Choice, WayError> {
    if agents.is_empty() && relay.is_none() {
        return Err(WayError::Nobody);
    }
    let mut asked = JoinSet::new();
    for (index, agent) in agents.iter().cloned().enumerate() {
        asked.spawn(async move { (index, status(&agent, within).await) });
    }
    let mut answers: Vec<_> = asked.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    let mut versions = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, answer) in answers {
        match answer {
            Ok(status) => drop(versions.insert(Arc::clone(&agents[index].name), status.version)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() && !agents.is_empty() {
        let reason = match agents.len() {
            1 => "the only agent answers".to_owned(),
            count => format!("all {count} agents answer"),
        };
        return Ok(Choice { way: Way::Agents, sources: agents, reason, versions });
    }
    let Some(relay) = relay else { return Err(WayError::Silent { problems }) };
    match status(&relay, within).await {
        Ok(status) => {
            let why = problems.first().cloned();
            let why = why.unwrap_or_else(|| "no agent can be reached from here".to_owned());
            let reason = format!("{why}; {}", nodes(&status));
            let versions = BTreeMap::from([(Arc::clone(&relay.name), status.version)]);
            Ok(Choice { way: Way::Relay, sources: vec![relay], reason, versions })
        }
        Err(error) => {
            problems.push(error.to_string());
            Err(WayError::Silent { problems })
        }
    }
}

async fn status(source: &Source, within: Duration) -> Result<ServerStatusResponse, ClientError> {
    Client::connect(source, within).await?.server_status().await
}

/// Which nodes Relay hears.
fn nodes(status: &ServerStatusResponse) -> String {
    let connected = status.num_connected_nodes.unwrap_or(0);
    match status.num_unavailable_nodes.unwrap_or(0) {
        0 => format!("Relay hears {connected} nodes"),
        away => {
            format!("Relay hears {connected} nodes, and not {away}: {}", status.unavailable_nodes.join(", "))
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Agents => "agents",
            Self::Relay => "Relay",
        })
    }
}
