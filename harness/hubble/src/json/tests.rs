use super::*;
use crate::messages::{LostEventSource, NodeState};

#[test]
fn losses_and_nodes_are_read() {
    let lost = line(
        r#"{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"18446744073709551615"},"node_name":"n"}"#,
    );
    let lost = lost.unwrap().lost_events.unwrap();
    assert_eq!((lost.source, lost.num_events_lost), (LostEventSource::HubbleRing as i32, u64::MAX));
    let node = line(
        r#"{"node_status":{"state_change":"NODE_GONE","node_names":["a","b"]},"time":"2026-11-21T02:44:20Z"}"#,
    );
    let node = node.unwrap();
    assert_eq!(node.time.unwrap().seconds, 1_795_229_060);
    assert_eq!(node.node_status.unwrap().state_change, NodeState::Gone as i32);
}

#[test]
fn names_of_later_versions_are_unknown_not_wrong() {
    let flow =
        line(r#"{"flow":{"verdict":"SHRUGGED","drop_reason_desc":"SOMETHING_NEW","traffic_direction":2}}"#);
    let flow = flow.unwrap().flow.unwrap();
    assert_eq!((flow.verdict, flow.drop_reason_desc, flow.traffic_direction), (0, 0, 2));
}

#[test]
fn mistakes_are_told() {
    let check = |text: &str| {
        let error = line(text).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(" <- {cause}"));
        format!("{error}{}\n", cause.unwrap_or_default())
    };
    let text = [
        check(""),
        check("{}"),
        check("[]"),
        check("null"),
        check(r#"{"verdict":"DROPPED"}"#),
        check(r#"{"flow":{"time":"yesterday"}}"#),
        check(r#"{"lost_events":{"num_events_lost":"-1"}}"#),
        check(r#"{"flow":{"l4":{"TCP":{"source_port":-1}}}}"#),
    ];
    insta::assert_snapshot!(text.concat(), @r"
    not an event of Hubble <- EOF while parsing a value at line 1 column 0
    not an event of Hubble: it has no `flow`, `node_status` or `lost_events`
    not an event of Hubble: it has no `flow`, `node_status` or `lost_events`
    not an event of Hubble <- invalid type: null, expected struct GetFlowsResponse at line 1 column 4
    not an event of Hubble: it has no `flow`, `node_status` or `lost_events`
    not an event of Hubble <- failed to parse RFC-3339 formatted timestamp at line 1 column 28
    not an event of Hubble <- invalid digit found in string at line 1 column 39
    not an event of Hubble <- invalid value: integer `-1`, expected u32 at line 1 column 38
    ");
}
