//! Polls of agents, each shared by all scenarios that wait for an answer at the same moment.
//!
//! A poll starts programs in the agent's pod, which is what it costs. So an agent runs one at a time, and everybody who asks
//! meanwhile gets the answer of the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::connect::ApiConnection;
use crate::exec::{self, ExecError, PodContainer};

/// How long an agent may take for one answer.
const ANSWER: Duration = Duration::from_secs(15);

/// What an agent is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentQuestion {
    /// Its endpoints.
    Endpoints,
    /// Its policy.
    Policy,
    /// Its policy, and then its endpoints.
    PolicyAndEndpoints,
}

impl AgentQuestion {
    /// What answers both questions.
    fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::PolicyAndEndpoints }
    }
}

/// The answer of an agent, in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentState {
    /// Its policy; empty if nobody asked for it.
    pub(crate) policy: String,
    /// Its endpoints, read after its policy; empty if nobody asked for them.
    pub(crate) endpoints: String,
}

impl AgentState {
    async fn ask(
        connection: &ApiConnection,
        agent: &PodContainer,
        question: AgentQuestion,
    ) -> Result<Self, ExecError> {
        let ask = async |what: &str, verb: &str| {
            exec::output(connection, agent, &["cilium-dbg", what, verb, "-o", "json"], ANSWER).await
        };
        let policy = match question {
            AgentQuestion::Endpoints => String::new(),
            AgentQuestion::Policy | AgentQuestion::PolicyAndEndpoints => ask("policy", "get").await?,
        };
        let endpoints = match question {
            AgentQuestion::Policy => String::new(),
            AgentQuestion::Endpoints | AgentQuestion::PolicyAndEndpoints => ask("endpoint", "list").await?,
        };
        Ok(Self { policy, endpoints })
    }
}

/// An answer that several scenarios wait for.
type SharedAnswer = Shared<BoxFuture<'static, Result<Arc<AgentState>, ExecError>>>;

/// The polls of a run.
#[derive(Clone, Debug, Default)]
pub struct AgentPolls(Arc<Mutex<BTreeMap<PodContainer, AgentPoll>>>);

/// The polls of one agent.
#[derive(Debug, Default)]
struct AgentPoll {
    /// The last one that began.
    asked: Option<SharedAnswer>,
    /// The one after it, which has not begun.
    next: Option<(SharedAnswer, AgentQuestion)>,
}

impl AgentPolls {
    /// Asks an agent. The programs that answer start after this was called.
    pub(crate) async fn ask(
        &self,
        connection: &ApiConnection,
        agent: &PodContainer,
        question: AgentQuestion,
    ) -> Result<Arc<AgentState>, ExecError> {
        let answer = {
            let mut polls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let poll = polls.entry(agent.clone()).or_default();
            let before = poll.asked.clone();
            let next = poll.next.get_or_insert_with(|| {
                let next = ask_next(before, connection.clone(), agent.clone(), Arc::downgrade(&self.0));
                (next.boxed().shared(), question)
            });
            next.1 = next.1.and(question);
            next.0.clone()
        };
        answer.await
    }
}

/// Waits for the poll before, then asks for everything that was wanted until then.
async fn ask_next(
    before: Option<SharedAnswer>,
    connection: ApiConnection,
    agent: PodContainer,
    polls: Weak<Mutex<BTreeMap<PodContainer, AgentPoll>>>,
) -> Result<Arc<AgentState>, ExecError> {
    if let Some(before) = before {
        // Those who waited for it handle its error.
        let _ = before.await;
    }
    let question = polls.upgrade().and_then(|polls| {
        let mut polls = polls.lock().unwrap_or_else(PoisonError::into_inner);
        let poll = polls.get_mut(&agent)?;
        let (answer, question) = poll.next.take()?;
        poll.asked = Some(answer);
        Some(question)
    });
    let question = question.unwrap_or(AgentQuestion::PolicyAndEndpoints);
    AgentState::ask(&connection, &agent, question).await.map(Arc::new)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::fixture::{absent, server};

    #[rstest]
    #[case::the_same(AgentQuestion::Policy, AgentQuestion::Policy, AgentQuestion::Policy)]
    #[case::another(AgentQuestion::Policy, AgentQuestion::Endpoints, AgentQuestion::PolicyAndEndpoints)]
    #[case::a_part(
        AgentQuestion::Endpoints,
        AgentQuestion::PolicyAndEndpoints,
        AgentQuestion::PolicyAndEndpoints
    )]
    fn both_questions_are_answered(
        #[case] one: AgentQuestion,
        #[case] other: AgentQuestion,
        #[case] expected: AgentQuestion,
    ) {
        assert_eq!((one.and(other), other.and(one)), (expected, expected));
    }

    #[tokio::test]
    async fn those_who_ask_meanwhile_share_the_next_answer() {
        let (connection, log) = server(|_| absent());
        let agent = PodContainer {
            namespace: "kube-system".to_owned(),
            pod: "cilium-1".to_owned(),
            container: "cilium-agent".to_owned(),
        };
        let polls = AgentPolls::default();
        let ask = |question| polls.ask(&connection, &agent, question);
        let (endpoints, policy) = (AgentQuestion::Endpoints, AgentQuestion::Policy);
        let (first, second, third, fourth) =
            tokio::join!(ask(endpoints), ask(endpoints), ask(policy), ask(endpoints));
        assert!([&first, &second, &third, &fourth].iter().all(|answer| answer.is_err()));
        // An answer is not kept for those who ask later.
        ask(endpoints).await.unwrap_err();
        ask(policy).await.unwrap_err();
        let text = log.text().replace("&command=", " ");
        let asked: Vec<&str> =
            text.lines().filter_map(|line| line.split_once("cilium-dbg ")).map(|it| it.1).collect();
        let (endpoints, policy) = ("endpoint list -o json", "policy get -o json");
        assert_eq!(asked, [endpoints, policy, endpoints, policy]);
    }
}
