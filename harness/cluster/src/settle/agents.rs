//! Asks the agents which policies they have read, and which revision each endpoint has realized.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::own_pods::OwnPods;
use super::{Countdown, SettleError};
use crate::agent_polls::{AgentQuestion, AgentState};
use crate::cluster::Cluster;
use crate::exec::{ExecError, PodContainer};
use crate::objects::ApiObject;

/// The first and longest pause between two polls: agents cannot be watched.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// After how long another canary is created.
pub(super) const ROUND: Duration = Duration::from_secs(3);

/// The answer of an agent.
pub(super) enum AgentAnswer {
    /// Yes, in this revision.
    Yes(u64),
    /// Not yet, because of this.
    No(String),
}

/// Each agent with the revision that contains all canaries; the error says why an agent cannot be asked.
pub(super) type NodeRevisions = Result<Vec<NodeRevision>, String>;

/// An agent, and the revision that contains the policies.
pub(super) struct NodeRevision {
    node: String,
    agent: PodContainer,
    revision: u64,
    /// What it said then.
    said: Arc<AgentState>,
}

impl Cluster {
    /// Waits until each endpoint has realized the revision in which the agents of all nodes with pods of the topology had
    /// read the policies. The inner error says why an agent cannot be asked.
    ///
    /// A new endpoint may report an old revision although its policy is up to date: the one in which the policy of its
    /// identity was computed. The next change of any policy updates it, so there is always a canary, and after a while
    /// another one.
    pub(super) async fn realized(
        &mut self,
        read: Result<NodeRevisions, SettleError>,
        touched: &BTreeSet<ApiObject>,
        clock: Countdown,
    ) -> Result<Result<(), String>, SettleError> {
        let mut read = read;
        loop {
            let round = Countdown::round(clock);
            let realized = match read {
                Ok(Ok(revisions)) => self.realized_at(&revisions, round).await.map(Ok),
                Ok(Err(reason)) => Ok(Err(reason)),
                Err(error) => Err(error),
            };
            match realized {
                Err(SettleError::TimedOut { what, last, .. }) if clock.left().is_zero() => {
                    return Err(SettleError::deadline(&what, last, clock.deadline));
                }
                // A restarted agent may be in a new pod.
                Err(SettleError::TimedOut { .. }) => self.find_agents().await?,
                other => return other.map(|realized| realized.and_then(|realized| realized)),
            }
            let canaries = self.create_canaries(touched).await?;
            read = self.read(&canaries, Countdown::round(clock)).await;
        }
    }

    /// Waits until the agents of all nodes with pods of the topology have read the canaries, and with them all earlier
    /// changes.
    pub(super) async fn read(
        &self,
        canaries: &[String],
        clock: Countdown,
    ) -> Result<NodeRevisions, SettleError> {
        let asked = self.nodes_in_use().into_iter().map(|(node, agent)| async move {
            let Some(agent) = agent else { return Ok(Err(format!("node {node} has no Cilium agent"))) };
            let what = format!("wait until the agent of node {node} has read the policies");
            let read = |said: &AgentState| has_read(&said.policy, canaries);
            let question = AgentQuestion::PolicyAndEndpoints;
            let revision = self.ask_until(&what, &agent, question, clock, read).await?;
            Ok::<_, SettleError>(revision.map(|(revision, said)| NodeRevision {
                node,
                agent,
                revision,
                said,
            }))
        });
        let revisions = futures_util::future::try_join_all(asked).await?;
        Ok(revisions.into_iter().collect())
    }

    async fn realized_at(
        &self,
        revisions: &[NodeRevision],
        clock: Countdown,
    ) -> Result<Result<(), String>, SettleError> {
        let host = self.endpoints_with_probes().any(|endpoint| self.is_on_node(endpoint));
        let asked = revisions.iter().map(|NodeRevision { node, agent, revision, said }| async move {
            let pods = self.own_pods(Some(node));
            let what = format!("wait until every pod of node {node} has the policy (revision {revision})");
            let realized = |said: &AgentState| have_realized(&said.endpoints, *revision, &pods, host);
            // What it said with its policy may be enough.
            if matches!(realized(said), AgentAnswer::Yes(_)) {
                return Ok(Ok(()));
            }
            let realized = self.ask_until(&what, agent, AgentQuestion::Endpoints, clock, realized).await;
            realized.map(|realized| realized.map(drop))
        });
        let answers: Vec<Result<(), String>> = futures_util::future::try_join_all(asked).await?;
        Ok(answers.into_iter().collect())
    }

    /// Polls an agent until it answers yes, and returns its revision with all that it said. The inner error says why it cannot
    /// be asked.
    pub(super) async fn ask_until(
        &self,
        what: &str,
        agent: &PodContainer,
        question: AgentQuestion,
        clock: Countdown,
        judge: impl Fn(&AgentState) -> AgentAnswer,
    ) -> Result<Result<(u64, Arc<AgentState>), String>, SettleError> {
        let mut pause = FIRST_PAUSE;
        let mut told = String::new();
        loop {
            let last = match self.agent_polls().ask(self.connection(), agent, question).await {
                Ok(said) => match judge(&said) {
                    AgentAnswer::Yes(revision) => return Ok(Ok((revision, said))),
                    AgentAnswer::No(last) => last,
                },
                // The agent, or its pod, may be restarting.
                Err(error @ (ExecError::TimedOut { .. } | ExecError::Failed { .. })) => error.to_string(),
                Err(ExecError::Api(error)) if error.may_pass() || error.is_absent() => error.to_string(),
                Err(ExecError::Api(error)) => return Ok(Err(error.to_string())),
            };
            if clock.left().is_zero() {
                return Err(SettleError::deadline(what, last, clock.deadline));
            }
            if last != told {
                self.progress().tell(format!("{what}: {last}"));
                told = last;
            }
            tokio::time::sleep(pause.min(clock.left())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether an agent's policy contains these objects.
pub(super) fn has_read(said: &str, canaries: &[String]) -> AgentAnswer {
    let Ok(said) = serde_json::from_str::<Value>(said) else {
        return AgentAnswer::No("cannot read the agent's policy".to_owned());
    };
    let policy = said["policy"].as_str().unwrap_or_default();
    let missing = canaries.iter().filter(|uid| !policy.contains(uid.as_str())).count();
    match (missing, said["revision"].as_u64()) {
        (0, Some(revision)) => AgentAnswer::Yes(revision),
        (0, None) => AgentAnswer::No("the agent's policy has no revision".to_owned()),
        (missing, _) => {
            AgentAnswer::No(format!("the agent has not read the last changes of {missing} kinds of policies"))
        }
    }
}

/// Whether each of these pods, and the node itself, has realized a revision.
pub(super) fn have_realized(said: &str, revision: u64, pods: &OwnPods, host: bool) -> AgentAnswer {
    let Ok(Value::Array(endpoints)) = serde_json::from_str::<Value>(said) else {
        return AgentAnswer::No("cannot read the agent's endpoints".to_owned());
    };
    let found: BTreeSet<String> = endpoints.iter().filter_map(|endpoint| pods.name_of(endpoint)).collect();
    if let Some(pod) = pods.0.keys().find(|pod| !found.contains(*pod)) {
        return AgentAnswer::No(format!("the agent has no endpoint of {pod}"));
    }
    for endpoint in &endpoints {
        let node = || (host && is_host(endpoint)).then(|| "the node".to_owned());
        let Some(name) = pods.name_of(endpoint).or_else(node) else { continue };
        let state = endpoint.pointer("/status/state").and_then(Value::as_str).unwrap_or("unknown");
        let realized = endpoint.pointer("/status/policy/realized/policy-revision").and_then(Value::as_u64);
        match realized {
            Some(realized) if realized >= revision && state == "ready" => {}
            realized => {
                let realized = realized.map_or("none".to_owned(), |realized| realized.to_string());
                return AgentAnswer::No(format!(
                    "{name} has realized revision {realized} and is in state {state}"
                ));
            }
        }
    }
    AgentAnswer::Yes(revision)
}

fn is_host(endpoint: &Value) -> bool {
    let labels = endpoint.pointer("/status/identity/labels").and_then(Value::as_array);
    labels.into_iter().flatten().any(|label| label == "reserved:host")
}
