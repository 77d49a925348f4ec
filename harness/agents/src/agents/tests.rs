use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use verdikt_probe::wire::{Action, Attempt, Outcome, Speaks, Target, Zone};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn client() -> Endpoint {
    Endpoint::World("client".parse().unwrap())
}

/// One agent of this process, over pipes.
fn one() -> Agents {
    let mut agents = Agents::default();
    let (orders, agent_orders) = tokio::io::duplex(1024);
    let (agent_reports, reports) = tokio::io::duplex(1024);
    tokio::spawn(verdikt_probe::agent::run(agent_orders, agent_reports));
    agents.add(client(), reports, orders, std::future::ready(None));
    agents
}

fn serve(port: u16) -> Serve {
    Serve { server: 0, speaks: Speaks::Tcp, port, zone: Zone::default() }
}

/// A port that nobody has just now.
fn free_port() -> u16 {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    std::net::TcpListener::bind(any).unwrap().local_addr().unwrap().port()
}

async fn furnish(agents: &mut Agents, serves: &[Serve]) -> Result<(), String> {
    let furnished = agents.furnish(|_| (serves.to_vec(), Resolver::default()), PATIENCE).await;
    furnished.map_err(|error| error.to_string())
}

async fn attempt(agents: &mut Agents, number: u64, port: u16) -> Outcome {
    let action = Action::Tcp { target: Target::Address([127, 0, 0, 1].into()), port };
    agents.tell(&client(), Order::Attempt(Attempt { attempt: number, action, timeout: 5000 }));
    loop {
        let next = tokio::time::timeout(PATIENCE, agents.next()).await.unwrap();
        if let Signal::Report(_, Report::Finished { outcome, .. }) = next {
            return outcome;
        }
    }
}

#[tokio::test]
async fn what_is_wanted_no_more_stops() {
    let mut agents = one();
    let port = free_port();
    furnish(&mut agents, &[serve(port)]).await.unwrap();
    assert_eq!(attempt(&mut agents, 1, port).await, Outcome::Answered);
    furnish(&mut agents, &[serve(port)]).await.unwrap();
    assert_eq!(attempt(&mut agents, 2, port).await, Outcome::Answered);
    furnish(&mut agents, &[]).await.unwrap();
    assert_eq!(attempt(&mut agents, 3, port).await, Outcome::Refused);
    furnish(&mut agents, &[serve(port)]).await.unwrap();
    agents.stop_serving(&client());
    assert_eq!(attempt(&mut agents, 4, port).await, Outcome::Refused);
    furnish(&mut agents, &[serve(port)]).await.unwrap();
    assert_eq!(attempt(&mut agents, 5, port).await, Outcome::Answered);
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let held = std::net::TcpListener::bind("[::]:0").or_else(|_| std::net::TcpListener::bind("0.0.0.0:0"));
    let port = held.as_ref().unwrap().local_addr().unwrap().port();
    let error = furnish(&mut one(), &[serve(port)]).await.unwrap_err();
    assert!(error.starts_with(&format!("client cannot serve port {port}: ")), "{error}");
}

/// What is said of an agent that writes this and ends.
async fn said(text: &str, epitaph: Option<&str>) -> String {
    let mut agents = Agents::default();
    let (orders, _held) = tokio::io::duplex(64);
    let (mut says, reports) = tokio::io::duplex(64);
    agents.add(client(), reports, orders, std::future::ready(epitaph.map(str::to_owned)));
    says.write_all(text.as_bytes()).await.unwrap();
    drop(says);
    furnish(&mut agents, &[]).await.map_or_else(|error| error, |()| "it is ready".to_owned())
}

#[tokio::test]
async fn an_agent_that_ends_is_gone() {
    let lines = [
        said("", None).await,
        said("", Some("OOMKilled")).await,
        said("exec failed\n", None).await,
        said("{\"report\":\"ready\",\"format\":99}\n", None).await,
        said("{\"report\":\"ready\",\"format\":2}\n", None).await,
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    the agent of client has ended: the stream to it has ended
    the agent of client has ended: the stream to it has ended: OOMKilled
    the agent of client has ended: it says what no agent says: expected value at line 1 column 1
    the agent of client speaks format 99; use an agent of this version of verdikt
    it is ready
    ");
}

#[tokio::test]
async fn what_an_agent_sent_away_says_is_not_heard() {
    let mut agents = one();
    furnish(&mut agents, &[]).await.unwrap();
    let (orders, _held) = tokio::io::duplex(64);
    let (says, reports) = tokio::io::duplex(64);
    agents.add(client(), reports, orders, std::future::ready(None));
    drop(says);
    let next = tokio::time::timeout(PATIENCE, agents.next()).await.unwrap();
    assert_eq!(next, Signal::Gone(client(), "the stream to it has ended".to_owned()));
}

/// The system makes connections before a server hears of them: all that stand are told before a flush is answered.
#[tokio::test]
async fn a_flush_follows_all_that_has_arrived() {
    let mut agents = one();
    let ports = [free_port(), free_port()];
    furnish(&mut agents, &ports.map(serve)).await.unwrap();
    let connect = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).unwrap();
    for _ in 0..2 {
        let connections: Vec<_> =
            ports.iter().flat_map(|port| (0..200).map(move |_| connect(port))).collect();
        agents.flush();
        let mut arrived = 0;
        while let Signal::Report(_, report) = tokio::time::timeout(PATIENCE, agents.next()).await.unwrap() {
            assert!(matches!(report, Report::Arrived(_)), "{report:?}");
            arrived += 1;
        }
        assert_eq!(arrived, connections.len());
    }
}

/// Nobody waits for one that serves nothing, or has ended.
#[tokio::test]
async fn a_flush_asks_nobody_who_cannot_answer() {
    let mut agents = one();
    furnish(&mut agents, &[]).await.unwrap();
    agents.flush();
    assert_eq!(agents.next().await, Signal::Flushed);
    let (orders, _held) = tokio::io::duplex(1024);
    let (mut says, reports) = tokio::io::duplex(1024);
    agents.add(client(), reports, orders, std::future::ready(None));
    says.write_all(
        b"{\"report\":\"ready\",\"format\":2}\n{\"report\":\"serving\",\"server\":3,\"port\":1}\n",
    )
    .await
    .unwrap();
    furnish(&mut agents, &[serve(1)]).await.unwrap();
    agents.flush();
    drop(says);
    let gone = Signal::Gone(client(), "the stream to it has ended".to_owned());
    assert_eq!((agents.next().await, agents.next().await), (gone, Signal::Flushed));
}
