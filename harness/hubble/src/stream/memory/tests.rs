use super::*;
use crate::messages::Flow;

fn memory(flow_source: FlowSource) -> SourceState {
    SourceState::new("node1", flow_source)
}

fn event(uuid: u64) -> GetFlowsResponse {
    let flow = Flow { uuid: uuid.to_string(), ..Flow::default() };
    GetFlowsResponse { flow: Some(flow), ..GetFlowsResponse::default() }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut memory = memory(FlowSource::Agents);
    for number in 0..100_000_u64 {
        assert!(memory.is_new(&event(number), Duration::from_micros(number), seconds(1)));
    }
    assert_eq!(memory.count, MOST_REMEMBERED);
    assert_eq!(memory.known.values().map(BTreeSet::len).sum::<usize>(), memory.count);
    assert!(!memory.is_new(&event(99_999), Duration::from_micros(99_999), seconds(1)));
    // Old ones are forgotten by and by, so that all of what is asked for again is known.
    assert!(memory.is_new(&event(100_001), seconds(40), seconds(40)));
    assert_eq!(memory.count, 1);
    assert_eq!(memory.since(), seconds(38));
}

#[test]
fn a_broken_clock_does_not_move_what_is_asked_for() {
    let mut memory = memory(FlowSource::Agents);
    assert!(memory.is_new(&event(1), seconds(10), seconds(10)));
    for _ in 0..2 {
        assert!(memory.is_new(&event(2), Duration::MAX, seconds(11)));
    }
    assert_eq!(memory.since(), seconds(8));
    // A node whose clock is a little ahead is followed by its own clock.
    assert!(memory.is_new(&event(3), seconds(100), seconds(12)));
    assert_eq!(memory.since(), seconds(98));
    assert_eq!(memory.newest, Some(seconds(100)));
}

/// What a new connection tells after ten seconds on which nothing was heard, with these counters.
fn after(flow_source: FlowSource, status: &ServerStatusResponse) -> Option<String> {
    let mut memory = memory(flow_source);
    let before = ServerStatusResponse { seen_flows: 1000, ..ServerStatusResponse::default() };
    assert_eq!(memory.connected(&before, seconds(10)), None, "there was nothing before it");
    memory.is_new(&event(1), seconds(15), seconds(15));
    let loss = memory.connected(status, seconds(20))?;
    assert_eq!((loss.from, loss.to), (seconds(13), seconds(20)));
    Some(loss.reason.to_string())
}

#[test]
fn counters_prove_that_nothing_is_lost_or_do_not() {
    let status = |seen_flows: u64, max_flows: u64, uptime: u64| {
        let uptime_ns = uptime.saturating_mul(1_000_000_000);
        ServerStatusResponse { max_flows, seen_flows, uptime_ns, ..ServerStatusResponse::default() }
    };
    assert_eq!(after(FlowSource::Agents, &status(1000, 4095, 60)), None);
    assert_eq!(after(FlowSource::Agents, &status(3047, 4095, 10)), None);
    let check = |status: ServerStatusResponse| after(FlowSource::Agents, &status).unwrap_or_default();
    let text = [
        check(status(3048, 4095, 60)),
        check(status(999, 4095, 60)),
        check(status(2000, 4095, 9)),
        // An agent that says nothing about itself.
        check(ServerStatusResponse::default()),
        check(status(u64::MAX, 0, u64::MAX)),
        after(FlowSource::Relay, &status(1000, 4095, 60)).unwrap_or_default(),
    ];
    insta::assert_snapshot!(text.join("\n"), @r"
    the connection was cut, and 2048 events have passed an agent that keeps 4095
    the agent was started anew
    the agent was started anew
    the agent was started anew
    the connection was cut, and 18446744073709550615 events have passed an agent that keeps 0
    the connection to Relay was cut, and Relay does not know what its agents have overwritten since
    ");
}

#[test]
fn connections_that_read_nothing_prove_nothing() {
    let mut memory = memory(FlowSource::Agents);
    let status = |seen_flows: u64| ServerStatusResponse {
        max_flows: 4095,
        seen_flows,
        uptime_ns: u64::MAX,
        ..ServerStatusResponse::default()
    };
    assert_eq!(memory.connected(&status(0), seconds(1)), None);
    assert_eq!(memory.connected(&status(1500), seconds(2)), None);
    // All of these would have to be in the ring still.
    let loss = memory.connected(&status(3000), seconds(3)).unwrap();
    insta::assert_snapshot!(loss, @"events of node1 may be missing, 0.000 s to 3.000 s: the connection was cut, and 3000 events have passed an agent that keeps 4095");
    memory.heard(&status(3000), seconds(4));
    assert_eq!(memory.connected(&status(4500), seconds(5)), None);
}

#[test]
fn windows_are_wide_enough() {
    let mut memory = memory(FlowSource::Agents);
    let loss = LossWindow {
        reason: LossReason::AgentRing,
        count: Some(1),
        node: String::new(),
        from: seconds(5),
        to: seconds(5),
    };
    let widened = memory.widen(loss.clone(), seconds(9));
    assert_eq!((widened.from, widened.to), (seconds(0), seconds(9)), "nothing was heard before");
    memory.is_new(&event(1), seconds(8), seconds(8));
    let widened = memory.widen(loss.clone(), seconds(9));
    assert_eq!((widened.from, widened.to), (seconds(5), seconds(9)), "it says when it began");
    let late = LossWindow { from: seconds(9), to: Duration::MAX, ..loss };
    let widened = memory.widen(late, seconds(9));
    assert_eq!((widened.from, widened.to), (seconds(6), seconds(9) + FUTURE), "times are not believed");
}

#[test]
fn a_node_is_away_from_its_last_event_to_its_first() {
    let mut memory = memory(FlowSource::Relay);
    let change =
        |state: NodeState| NodeChange { state, nodes: vec!["w1".to_owned()], message: String::new() };
    let mut windows = Vec::new();
    memory.is_new(&event(1), seconds(5), seconds(5));
    for (state, now) in [
        (NodeState::Connected, 6),
        (NodeState::Unavailable, 7),
        (NodeState::Error, 8),
        (NodeState::Unknown, 9),
        (NodeState::Connected, 10),
        (NodeState::Connected, 11),
        (NodeState::Gone, 12),
    ] {
        memory.is_new(&event(now), seconds(now), seconds(now));
        let losses = memory.nodes(&change(state), seconds(now));
        windows.extend(losses.iter().map(|loss| (loss.from.as_secs(), loss.to.as_secs())));
    }
    assert_eq!(windows, [(5, 7), (5, 8), (5, 10), (10, 12)]);
}
