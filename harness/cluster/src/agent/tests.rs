use std::time::Duration;

use verdikt_probe::wire::{Action, Attempt, Outcome, Serve, Speaks, Target, Zone};

use super::*;

/// A conversation with an agent of this process, over pipes.
fn talk() -> (Agent, mpsc::UnboundedReceiver<(Speaker, Heard)>) {
    let (orders, agent_orders) = tokio::io::duplex(1024);
    let (agent_reports, reports) = tokio::io::duplex(1024);
    tokio::spawn(verdikt_probe::agent::run(agent_orders, agent_reports));
    let (hears, heard) = mpsc::unbounded_channel();
    (Agent::over(reports, orders, (Endpoint::World("client".parse().unwrap()), 1), hears), heard)
}

async fn next(heard: &mut mpsc::UnboundedReceiver<(Speaker, Heard)>) -> Heard {
    let waited = tokio::time::timeout(Duration::from_secs(10), heard.recv());
    waited.await.unwrap().unwrap().1
}

#[tokio::test]
async fn one_stream_carries_orders_and_reports() {
    let (agent, mut heard) = talk();
    assert!(matches!(next(&mut heard).await, Heard::Report(Report::Ready { .. })));
    agent.tell(Order::Serve(Serve { server: 1, speaks: Speaks::Tcp, port: 0, zone: Zone::default() }));
    let Heard::Report(Report::Serving { port, .. }) = next(&mut heard).await else {
        panic!("it does not serve")
    };
    let action = Action::Tcp { target: Target::Address("127.0.0.1".parse().unwrap()), port };
    agent.tell(Order::Attempt(Attempt { attempt: 7, action, timeout: 5000 }));
    loop {
        if let Heard::Report(Report::Finished { attempt, outcome, .. }) = next(&mut heard).await {
            assert_eq!((attempt, outcome), (7, Outcome::Answered));
            return;
        }
    }
}

#[tokio::test]
async fn an_agent_that_says_nonsense_is_gone() {
    let (orders, _held) = tokio::io::duplex(64);
    let (mut says, reports) = tokio::io::duplex(64);
    let (hears, mut heard) = mpsc::unbounded_channel();
    let _agent = Agent::over(reports, orders, (Endpoint::World("client".parse().unwrap()), 1), hears);
    says.write_all(b"exec failed\n").await.unwrap();
    let Heard::Gone(reason) = next(&mut heard).await else { panic!("it is still there") };
    insta::assert_snapshot!(reason, @"it says what no agent says: expected value at line 1 column 1");
}

#[tokio::test]
async fn a_stream_that_ends_is_an_agent_that_is_gone() {
    let (orders, _held) = tokio::io::duplex(64);
    let (says, reports) = tokio::io::duplex(64);
    let (hears, mut heard) = mpsc::unbounded_channel();
    let _agent = Agent::over(reports, orders, (Endpoint::World("client".parse().unwrap()), 1), hears);
    drop(says);
    assert_eq!(next(&mut heard).await, Heard::Gone("the stream to it has ended".to_owned()));
}
