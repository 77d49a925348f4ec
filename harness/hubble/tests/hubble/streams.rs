//! Streams over cuts: nothing twice, nothing missing in silence.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use rstest::rstest;
use verdikt_hubble::client::{FlowServer, HubbleClient};
use verdikt_hubble::flow_source::FlowSource;
use verdikt_hubble::messages::{GetFlowsResponse, LostEvent, NodeStatusEvent};
use verdikt_hubble::stream::{FlowStream, SourceEvent, StreamTimeouts};

use crate::server::{Agent, LONG, Served, until, verdict};

/// Quick to try again, slow to give up.
const PATIENCE: StreamTimeouts = StreamTimeouts {
    answer: Duration::from_secs(5),
    heartbeat: Duration::from_mins(1),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(10),
    give_up: Duration::from_mins(1),
};

fn follow(
    served: &Served,
    flow_source: FlowSource,
    begin: SystemTime,
    patience: StreamTimeouts,
) -> FlowStream {
    FlowStream::follow(&[FlowServer::tcp("node1", &served.address.to_string())], flow_source, begin, patience)
}

/// The next news, in words without times and ports.
async fn next(flows: &mut FlowStream) -> String {
    let news = tokio::time::timeout(LONG, flows.next()).await.expect("there is no more news");
    match news {
        None => "the end".to_owned(),
        Some(SourceEvent::Flow { reported, .. }) => format!("flow {}", reported.flow.source.port.unwrap()),
        Some(SourceEvent::Lost(loss)) => {
            assert!(loss.from <= loss.to, "{loss}");
            let count = loss.count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            format!("lost {count} of {}: {}", loss.node, loss.reason)
        }
        Some(SourceEvent::Node(change)) => format!("nodes {:?} {:?}", change.nodes, change.state),
        Some(SourceEvent::Following { source }) => format!("following {source}"),
        Some(SourceEvent::Cut { source, .. }) => format!("cut {source}"),
        Some(SourceEvent::GivenUp { source, .. }) => format!("given up {source}"),
    }
}

async fn take(flows: &mut FlowStream, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(flows).await);
    }
    taken
}

/// Whether the events have names, which older versions do not give.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EventNames {
    Given,
    Missing,
}

#[rstest]
#[case::with_names(EventNames::Given)]
#[case::without_names(EventNames::Missing)]
#[tokio::test]
async fn a_cut_neither_repeats_nor_loses(#[case] names: EventNames) {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    let write = |milliseconds: u64, port: u32| {
        let mut response = verdict(begin, milliseconds, port);
        if names == EventNames::Missing {
            response.flow.as_mut().unwrap().uuid.clear();
        }
        agent.write(&response);
    };
    let mut flows = follow(&served, FlowSource::Agents, begin, PATIENCE);
    write(10, 1);
    write(5000, 2);
    write(5001, 3);
    assert_eq!(take(&mut flows, 4).await, ["following node1", "flow 1", "flow 2", "flow 3"]);
    agent.cut();
    write(5002, 4);
    assert_eq!(take(&mut flows, 3).await, ["cut node1", "following node1", "flow 4"]);
    agent.cut();
    assert_eq!(take(&mut flows, 2).await, ["cut node1", "following node1"]);
    write(5003, 5);
    assert_eq!(next(&mut flows).await, "flow 5");
    // Asked again from the last event on, but for what processors are apart.
    until(&agent, "asked three times", |agent| agent.asked().len() == 3).await;
    let since: Vec<u128> = agent
        .asked()
        .into_iter()
        .map(|asked| SystemTime::try_from(asked.since.unwrap()).unwrap())
        .map(|since| since.duration_since(begin).unwrap().as_millis())
        .collect();
    assert_eq!(since, [0, 3001, 3002]);
}

#[tokio::test]
async fn an_agent_that_forgot_is_a_loss() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    let mut flows = follow(&served, FlowSource::Agents, begin, PATIENCE);
    assert_eq!(next(&mut flows).await, "following node1");
    agent.write(&verdict(begin, 1, 1));
    assert_eq!(next(&mut flows).await, "flow 1");
    agent.overwrite(5000);
    agent.cut();
    let overwritten =
        "lost ? of node1: the connection was cut, and 5001 events have passed an agent that keeps 4095";
    assert_eq!(take(&mut flows, 3).await, ["cut node1", overwritten, "following node1"]);
    until(&agent, "asked again", |agent| agent.asked().len() == 2).await;
    agent.start_anew();
    agent.cut();
    let anew = "lost ? of node1: the agent was started anew";
    assert_eq!(take(&mut flows, 3).await, ["cut node1", anew, "following node1"]);
    agent.write(&verdict(begin, 2, 2));
    assert_eq!(next(&mut flows).await, "flow 2");
}

#[tokio::test]
async fn what_the_agent_lost_and_what_cannot_be_read() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    let mut flows = follow(&served, FlowSource::Agents, begin, PATIENCE);
    agent.write(&verdict(begin, 6000, 1));
    assert_eq!(take(&mut flows, 2).await, ["following node1", "flow 1"]);
    let time = Some(Timestamp::from(begin + Duration::from_secs(7)));
    let event = LostEvent { source: 3, num_events_lost: 12, ..LostEvent::default() };
    agent.write(&GetFlowsResponse { lost_events: Some(event), time, ..GetFlowsResponse::default() });
    let Some(SourceEvent::Lost(loss)) = tokio::time::timeout(LONG, flows.next()).await.unwrap() else {
        panic!("no loss")
    };
    // From the last event before it, but for what processors are apart; the node is the source's.
    assert_eq!((loss.node.as_str(), loss.count, loss.from.as_millis()), ("node1", Some(12), 5000));
    assert!(loss.to >= Duration::from_secs(7), "{loss}");
    agent.write_raw(begin + Duration::from_secs(7), vec![0x0a, 0xff, 0x01]);
    let mut broken = verdict(begin, 7000, 2);
    broken.flow.as_mut().unwrap().traffic_direction = 0;
    agent.write(&broken);
    agent.write(&verdict(begin, 7001, 3));
    let expected = [
        "lost 1 of node1: Hubble sent a message that is not one of its own",
        "lost 1 of node1: Hubble sent a policy verdict without a direction",
        "flow 3",
    ];
    assert_eq!(take(&mut flows, 3).await, expected);
}

#[tokio::test]
async fn the_newest_event_waits_for_the_next() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    agent.lags_by_one();
    let served = agent.serve(None).await;
    let mut flows = follow(&served, FlowSource::Agents, begin, PATIENCE);
    agent.write(&verdict(begin, 1, 1));
    agent.write(&verdict(begin, 2, 2));
    assert_eq!(take(&mut flows, 2).await, ["following node1", "flow 1"]);
    agent.write(&verdict(begin, 3, 3));
    assert_eq!(next(&mut flows).await, "flow 2");
}

#[tokio::test]
async fn a_server_that_is_gone_is_given_up() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    let patience = StreamTimeouts { give_up: Duration::from_millis(200), ..PATIENCE };
    let mut flows = follow(&served, FlowSource::Agents, begin, patience);
    agent.write(&verdict(begin, 1, 1));
    assert_eq!(take(&mut flows, 2).await, ["following node1", "flow 1"]);
    drop(served);
    agent.cut();
    assert_eq!(next(&mut flows).await, "cut node1");
    let lost = next(&mut flows).await;
    assert!(lost.starts_with("lost ? of node1: cannot connect to Hubble of node1 at 127.0.0.1:"), "{lost}");
    assert!(lost.ends_with("; its last event was 0.001 s after the start of the run"), "{lost}");
    assert_eq!(take(&mut flows, 2).await, ["given up node1", "the end"]);
}

#[tokio::test]
async fn a_server_that_ends_every_stream_is_given_up_too() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    let patience = StreamTimeouts { give_up: Duration::from_millis(200), ..PATIENCE };
    let mut flows = follow(&served, FlowSource::Agents, begin, patience);
    assert_eq!(next(&mut flows).await, "following node1");
    let cutting = tokio::spawn({
        let agent = agent.clone();
        async move {
            let mut asked = 0;
            loop {
                asked += 1;
                until(&agent, "asked again", |agent| agent.asked().len() >= asked).await;
                agent.cut();
            }
        }
    });
    let mut last = String::new();
    while last != "given up node1" {
        last = next(&mut flows).await;
        assert!(last.contains("node1"), "{last}");
    }
    assert_eq!(next(&mut flows).await, "the end");
    cutting.abort();
}

#[tokio::test]
async fn a_server_that_falls_silent_is_cut() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    let patience = StreamTimeouts {
        heartbeat: Duration::from_millis(5),
        answer: Duration::from_millis(300),
        give_up: Duration::from_millis(400),
        ..PATIENCE
    };
    let mut flows = follow(&served, FlowSource::Agents, begin, patience);
    assert_eq!(next(&mut flows).await, "following node1");
    agent.fall_silent();
    let expected = format!(
        "lost ? of node1: Hubble of node1 at {} has not answered within 0.3 s; it has sent no event",
        served.address
    );
    assert_eq!(take(&mut flows, 3).await, ["cut node1", &expected, "given up node1"]);
}

#[tokio::test]
async fn what_relay_says_of_its_nodes() {
    let begin = SystemTime::now();
    let relay = Agent::new();
    let served = relay.serve(None).await;
    let mut flows = follow(&served, FlowSource::Relay, begin, PATIENCE);
    let say = |milliseconds: u64, state_change: i32, message: &str| {
        let status = NodeStatusEvent {
            state_change,
            node_names: vec!["w1".to_owned(), "w2".to_owned()],
            message: message.to_owned(),
        };
        let time = Some(Timestamp::from(begin + Duration::from_millis(milliseconds)));
        relay.write(&GetFlowsResponse { node_status: Some(status), time, ..GetFlowsResponse::default() });
    };
    say(1, 1, "");
    say(2, 2, "");
    say(3, 1, "");
    say(4, 4, "refused");
    let expected = [
        "following node1",
        r#"nodes ["w1", "w2"] Connected"#,
        r#"nodes ["w1", "w2"] Unavailable"#,
        "lost ? of w1: Relay is not connected to it",
        "lost ? of w2: Relay is not connected to it",
        r#"nodes ["w1", "w2"] Connected"#,
        "lost ? of w1: Relay is not connected to it",
        "lost ? of w2: Relay is not connected to it",
        r#"nodes ["w1", "w2"] Error"#,
        "lost ? of w1: Relay is not connected to it: refused",
        "lost ? of w2: Relay is not connected to it: refused",
    ];
    assert_eq!(take(&mut flows, expected.len()).await, expected);
    relay.cut();
    let cut = "lost ? of node1: the connection to Relay was cut, and Relay does not know what its agents have \
               overwritten since";
    assert_eq!(take(&mut flows, 3).await, ["cut node1", cut, "following node1"]);
}

#[tokio::test]
async fn several_agents_are_one_stream() {
    let begin = SystemTime::now();
    let agents = [Agent::new(), Agent::new()];
    let served = [agents[0].serve(None).await, agents[1].serve(None).await];
    let sources = ["w1", "w2"].map(|name| {
        let served = if name == "w1" { &served[0] } else { &served[1] };
        FlowServer::tcp(name, &served.address.to_string())
    });
    let mut flows = FlowStream::follow(&sources, FlowSource::Agents, begin, PATIENCE);
    // Both ends of one connection are two flows.
    agents[0].write(&verdict(begin, 1, 1));
    agents[1].write(&verdict(begin, 1, 1));
    let mut taken = take(&mut flows, 4).await;
    taken.sort();
    assert_eq!(taken, ["flow 1", "flow 1", "following w1", "following w2"]);
    // One that is cut does not hold up the other.
    agents[0].cut();
    assert_eq!(take(&mut flows, 2).await, ["cut w1", "following w1"]);
    agents[1].write(&verdict(begin, 2, 2));
    assert_eq!(next(&mut flows).await, "flow 2");
}

/// What has been is told whole, and the end of it too.
#[tokio::test]
async fn the_past_ends() {
    let (begin, agent) = (SystemTime::now(), Agent::new());
    let served = agent.serve(None).await;
    for (at, port) in [(10, 1), (5000, 2), (6000, 3)] {
        agent.write(&verdict(begin, at, port));
    }
    let source = FlowServer::tcp("Relay", &served.address.to_string());
    let client = HubbleClient::connect(&source, LONG).await.unwrap();
    let mut past = client.past(begin + Duration::from_secs(1));
    let mut ports = Vec::new();
    while let Some(response) = past.next().await.unwrap() {
        ports.push(response.unwrap().flow.unwrap().l4.unwrap().tcp.unwrap().source_port);
    }
    assert_eq!(ports, [2, 3]);
    let asked = agent.asked().remove(0);
    assert!(!asked.follow && asked.whitelist.len() == 1, "{asked:?}");
}
