use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use verdikt_hubble::convert::{LossReason, LossWindow, NodeChange, NodeState, ReportedFlow};
use verdikt_hubble::stream::SourceEvent;
use verdikt_scenario::flow::{FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict};

use super::relay::RelayReport;
use super::*;

fn flow() -> Box<Flow> {
    let end = || FlowEnd { address: "10.0.0.1".parse().unwrap(), port: None, identity: 0, endpoint: None };
    Box::new(Flow {
        at: Duration::ZERO,
        kind: FlowKind::PolicyVerdict,
        verdict: FlowVerdict::Forwarded,
        direction: FlowDirection::Egress,
        source: end(),
        client: None,
        destination: end(),
        protocol: FlowProtocol::Other(0),
        drop_reason: None,
        match_type: 0,
        policies: Vec::new(),
        request: None,
    })
}

/// News of Relay: `flow NODE`, `lost NODE`, `missed NODE`, `connected NODE…`, `unavailable …`, `gone …`, `error …`,
/// `following`, `cut`, `given up`.
fn news(words: &str) -> SourceEvent {
    let (what, about) = words.split_once(' ').unwrap_or((words, ""));
    let lost = |reason: LossReason| {
        let (count, from, to) = (Some(12), Duration::from_secs(1), Duration::from_secs(2));
        SourceEvent::Lost(LossWindow { reason, count, node: about.to_owned(), from, to })
    };
    let change = |state: NodeState, message: &str| {
        let nodes = about.split(' ').map(str::to_owned).collect();
        SourceEvent::Node(NodeChange { state, nodes, message: message.to_owned() })
    };
    let source: Arc<str> = "Relay".into();
    match what {
        "flow" => {
            let (source_names, destination_names) = (Vec::new(), Vec::new());
            let node = about.to_owned();
            let reported =
                ReportedFlow { flow: *flow(), is_reply: false, node, source_names, destination_names };
            SourceEvent::Flow { reported: Box::new(reported), received: Duration::ZERO }
        }
        "lost" => lost(LossReason::KernelRing),
        "missed" => lost(LossReason::NodeAway("Relay is not connected to it".to_owned())),
        "connected" => change(NodeState::Connected, ""),
        "unavailable" => change(NodeState::Unavailable, ""),
        "gone" => change(NodeState::Gone, ""),
        "error" => change(NodeState::Error, "refused"),
        "following" => SourceEvent::Following { source },
        "cut" => SourceEvent::Cut { source, reason: "Relay was cut".to_owned() },
        _ => SourceEvent::GivenUp { source, reason: "Relay was given up".to_owned() },
    }
}

fn flows() -> NodeFlows {
    let (_, told) = mpsc::unbounded_channel();
    NodeFlows { told, away: BTreeMap::new(), past: None, readers: JoinSet::new() }
}

/// What news of Relay mean to a run, one after the other, and whether flows come then.
#[test]
fn what_relay_says_becomes_events() {
    let nodes: BTreeSet<String> = ["w1".to_owned(), "w2".to_owned()].into();
    let mut text = String::new();
    let mut check = |all: &[&str]| {
        let (mut heard, mut flows) = (RelayReport { nodes: nodes.clone(), away: BTreeSet::new() }, flows());
        for words in all {
            let told = heard.told(news(words));
            let events =
                told.into_iter().filter_map(|told| flows.backend_event(told)).map(|event| match event {
                    BackendEvent::Flow(_) => "flow".to_owned(),
                    BackendEvent::Lost(reason) => format!("lost ({reason})"),
                    BackendEvent::Regained => "regained".to_owned(),
                    other => panic!("{other:?}"),
                });
            let events: Vec<String> = events.collect();
            let flowing = match flows.flowing() {
                FlowState::Yes => "flowing".to_owned(),
                FlowState::NotNow(reason) => format!("not now ({reason})"),
                FlowState::NoMore(reason) => format!("no more ({reason})"),
            };
            writeln!(text, "{words}: {} -> {flowing}", events.join(", ")).unwrap();
        }
        text.push('\n');
    };
    check(&["connected w1 w2", "flow w1", "lost w1", "lost other", "lost Relay", "connected w1"]);
    // Of its nodes, with or without the name of the cluster in front.
    check(&["unavailable other", "unavailable w2", "missed w2", "error kind/w2", "connected kind/w2"]);
    check(&["gone w1 w2", "connected w1", "flow w1", "connected w2"]);
    // After an error only a flow tells that the node is heard again.
    check(&["error w1", "flow kind/w2", "flow kind/w1", "error w1"]);
    check(&["cut", "following", "cut", "given up", "unavailable w1", "connected w1"]);
    insta::assert_snapshot!(text, @r"
    connected w1 w2:  -> flowing
    flow w1: flow -> flowing
    lost w1: lost (12 events of w1 may be missing, 1.000 s to 2.000 s: the kernel wrote events faster than the agent read them) -> flowing
    lost other:  -> flowing
    lost Relay: lost (12 events of Relay may be missing, 1.000 s to 2.000 s: the kernel wrote events faster than the agent read them) -> flowing
    connected w1:  -> flowing

    unavailable other:  -> flowing
    unavailable w2: lost (node w2: Relay is not connected to it) -> not now (node w2: Relay is not connected to it)
    missed w2:  -> not now (node w2: Relay is not connected to it)
    error kind/w2:  -> not now (node w2: Relay is not connected to it)
    connected kind/w2: regained -> flowing

    gone w1 w2: lost (node w1: Relay is not connected to it), lost (node w2: Relay is not connected to it) -> not now (node w1: Relay is not connected to it)
    connected w1: regained -> not now (node w2: Relay is not connected to it)
    flow w1: flow -> not now (node w2: Relay is not connected to it)
    connected w2: regained -> flowing

    error w1: lost (node w1: Relay is not connected to it: refused) -> not now (node w1: Relay is not connected to it: refused)
    flow kind/w2: flow -> not now (node w1: Relay is not connected to it: refused)
    flow kind/w1: regained, flow -> flowing
    error w1: lost (node w1: Relay is not connected to it: refused) -> not now (node w1: Relay is not connected to it: refused)

    cut: lost (Relay was cut) -> not now (Relay was cut)
    following: regained -> flowing
    cut: lost (Relay was cut) -> not now (Relay was cut)
    given up: lost (Relay was given up) -> no more (Relay was given up)
    unavailable w1: lost (node w1: Relay is not connected to it) -> no more (Relay was given up)
    connected w1: regained -> no more (Relay was given up)
    ");
}

/// Nobody waits for ever.
#[test]
fn what_stays_away_is_not_waited_for() {
    let mut flows = flows();
    let away = |from: &str| SourceReport::Away { from: from.to_owned(), reason: format!("{from} is away") };
    flows.backend_event(away("w1"));
    flows.backend_event(away("w2"));
    assert_eq!(flows.flowing(), FlowState::NotNow("w1 is away".to_owned()));
    flows.away.get_mut("w2").unwrap().until = Instant::now();
    assert_eq!(flows.flowing(), FlowState::NoMore("w2 is away".to_owned()));
    // Away is away, however often that is told.
    flows.backend_event(away("w2"));
    assert_eq!(flows.flowing(), FlowState::NoMore("w2 is away".to_owned()));
    assert_eq!(
        flows.backend_event(SourceReport::Back { from: "w2".to_owned() }),
        Some(BackendEvent::Regained)
    );
    assert_eq!(flows.backend_event(SourceReport::Back { from: "w2".to_owned() }), None);
    assert_eq!(flows.flowing(), FlowState::NotNow("w1 is away".to_owned()));
}
