use std::net::IpAddr;

use verdikt_scenario::flow::{FlowDirection, FlowEnd, FlowKind, FlowVerdict};
use verdikt_scenario::observation::Outcome;

use super::*;

/// `tcp 10.0.0.1:40000 -> 10.0.0.2:80`; `icmp8` and `icmp6-128` name the type, and have no ports.
fn flow(text: &str) -> Flow {
    let (protocol, ends) = text.split_once(' ').unwrap();
    let (source, destination) = ends.split_once(" -> ").unwrap();
    let protocol = match protocol {
        "tcp" => FlowProtocol::Port(Protocol::Tcp),
        "udp" => FlowProtocol::Port(Protocol::Udp),
        "sctp" => FlowProtocol::Port(Protocol::Sctp),
        "other" => FlowProtocol::Other(47),
        icmp => match icmp.strip_prefix("icmp6-") {
            Some(kind) => FlowProtocol::Icmp { v6: true, kind: kind.parse().unwrap() },
            None => FlowProtocol::Icmp { v6: false, kind: icmp["icmp".len()..].parse().unwrap() },
        },
    };
    let end = |text: &str| {
        let socket = text.parse::<SocketAddr>();
        let address = socket.clone().map_or_else(|_| text.parse::<IpAddr>().unwrap(), |socket| socket.ip());
        FlowEnd { address, port: socket.ok().map(|socket| socket.port()), identity: 0, endpoint: None }
    };
    Flow {
        at: Duration::ZERO,
        kind: FlowKind::PolicyVerdict,
        verdict: FlowVerdict::Forwarded,
        direction: FlowDirection::Egress,
        source: end(source),
        client: None,
        destination: end(destination),
        protocol,
        drop_reason: None,
        match_type: 0,
        policies: Vec::new(),
        request: None,
    }
}

/// `connect tcp 10.0.0.1:40000 -> 10.0.0.2:80`; for ICMP the ports are the identifier and 0.
fn stage(text: &str) -> Stage {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, protocol, local, "->", remote] = words.as_slice() else { panic!("{text}") };
    Stage {
        kind: match *kind {
            "look-up" => StageKind::LookUp,
            "connect" => StageKind::Connect,
            _ => StageKind::Request,
        },
        protocol: match *protocol {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            "sctp" => Some(Protocol::Sctp),
            _ => None,
        },
        local: local.parse().ok(),
        remote: remote.parse().ok(),
        outcome: Outcome::Answered,
        addresses: Vec::new(),
        began: Duration::from_millis(10),
        took: Duration::from_millis(5),
    }
}

#[test]
fn a_flow_is_of_the_stage_whose_packets_it_tells_of() {
    let check = |stage_text: &str, behind: &[&str], flow_text: &str, expected: bool| {
        let behind: Vec<SocketAddr> = behind.iter().map(|socket| socket.parse().unwrap()).collect();
        let is = is_of_stage(&flow(flow_text), &stage(stage_text), &behind, &DnsServers::Anybody, &[]);
        assert_eq!(is, expected, "{flow_text} of {stage_text} with {behind:?}");
    };
    let direct = "connect tcp 10.0.0.1:40000 -> 10.0.0.2:80";
    check(direct, &[], "tcp 10.0.0.1:40000 -> 10.0.0.2:80", true);
    check(direct, &[], "tcp 10.0.0.1:40001 -> 10.0.0.2:80", false);
    check(direct, &[], "tcp 10.0.0.3:40000 -> 10.0.0.2:80", false);
    check(direct, &[], "tcp 10.0.0.1:40000 -> 10.0.0.2:81", false);
    check(direct, &[], "tcp 10.0.0.1:40000 -> 10.0.0.3:80", false);
    check(direct, &[], "udp 10.0.0.1:40000 -> 10.0.0.2:80", false);
    // An answer is nobody's attempt.
    check(direct, &[], "tcp 10.0.0.2:80 -> 10.0.0.1:40000", false);
    check("request tcp 10.0.0.1:40000 -> 10.0.0.2:80", &[], "tcp 10.0.0.1:40000 -> 10.0.0.2:80", true);
    check("connect sctp [fd00::1]:40000 -> [fd00::2]:9", &[], "sctp [fd00::1]:40000 -> [fd00::2]:9", true);

    // Behind a service.
    let service = "connect tcp 10.0.0.1:40000 -> 10.96.0.7:80";
    let behind = ["10.0.0.5:8080", "10.0.0.6:8080"];
    check(service, &behind, "tcp 10.0.0.1:40000 -> 10.0.0.6:8080", true);
    check(service, &behind, "tcp 10.0.0.1:40000 -> 10.0.0.6:80", false);
    check(service, &[], "tcp 10.0.0.1:40000 -> 10.0.0.6:8080", false);

    // A look-up goes to whichever server, where nobody knows which there are.
    let look_up = "look-up udp 10.0.0.1:40000 -> 10.96.0.10:53";
    check(look_up, &[], "udp 10.0.0.1:40000 -> 10.0.0.9:5353", true);
    check(look_up, &[], "udp 10.0.0.1:40001 -> 10.0.0.9:5353", false);
    check(look_up, &[], "tcp 10.0.0.1:40000 -> 10.0.0.9:5353", false);

    // An echo has no port in a flow.
    let ping = "connect icmp 10.0.0.1:777 -> 10.0.0.2:0";
    check(ping, &[], "icmp8 10.0.0.1 -> 10.0.0.2", true);
    check(ping, &[], "icmp8 10.0.0.1 -> 10.0.0.3", false);
    check(ping, &[], "icmp0 10.0.0.1 -> 10.0.0.2", false);
    check(ping, &[], "icmp3 10.0.0.1 -> 10.0.0.2", false);
    check(ping, &[], "icmp128 10.0.0.1 -> 10.0.0.2", false);
    check(ping, &[], "other 10.0.0.1 -> 10.0.0.2", false);
    let ping = "connect icmp [fd00::1]:777 -> [fd00::2]:0";
    check(ping, &[], "icmp6-128 fd00::1 -> fd00::2", true);
    check(ping, &[], "icmp6-8 fd00::1 -> fd00::2", false);
    check(ping, &[], "icmp6-135 fd00::1 -> fd00::2", false);
    // Another message has its type in place of a port.
    let timestamp = "connect icmp 10.0.0.1:1 -> 10.0.0.2:13";
    check(timestamp, &[], "icmp13 10.0.0.1 -> 10.0.0.2", true);
    check(timestamp, &[], "icmp13 10.0.0.1 -> 10.0.0.3", false);
    check(timestamp, &[], "icmp14 10.0.0.1 -> 10.0.0.2", false);
    check(timestamp, &[], "icmp8 10.0.0.1 -> 10.0.0.2", false);
}

#[test]
fn a_look_up_that_was_led_to_nobody_known_tells_nothing() {
    let servers = DnsServers::Known(vec!["10.0.0.9:5353".parse().unwrap()]);
    let check = |flow_text: &str, expected: bool| {
        let look_up = stage("look-up udp 10.0.0.1:40000 -> 10.96.0.10:53");
        assert_eq!(is_of_stage(&flow(flow_text), &look_up, &[], &servers, &[]), expected, "{flow_text}");
    };
    check("udp 10.0.0.1:40000 -> 10.0.0.9:5353", true);
    check("udp 10.0.0.1:40000 -> 10.96.0.10:53", true);
    check("udp 10.0.0.1:40000 -> 10.0.0.9:53", false);
    check("udp 10.0.0.1:40000 -> 10.244.0.5:53", false);
    // Only look-ups are for DNS servers.
    let connect = stage("connect udp 10.0.0.1:40000 -> 10.0.0.2:53");
    assert!(!is_of_stage(&flow("udp 10.0.0.1:40000 -> 10.0.0.9:5353"), &connect, &[], &servers, &[]));
}

#[test]
fn a_node_may_stand_in_the_place_of_the_client() {
    let behind = ["10.244.0.5:80".parse().unwrap()];
    let stage = stage("connect tcp 203.0.113.1:40000 -> 10.0.0.9:80");
    let check = |flow_text: &str, expected: bool| {
        let relays = ["192.0.2.7".parse().unwrap()];
        let is = is_of_stage(&flow(flow_text), &stage, &behind, &DnsServers::Anybody, &relays);
        assert_eq!(is, expected, "{flow_text}");
    };
    check("tcp 192.0.2.7:40000 -> 10.244.0.5:80", true);
    check("tcp 203.0.113.1:40000 -> 10.244.0.5:80", true);
    check("tcp 192.0.2.7:40001 -> 10.244.0.5:80", false);
    check("tcp 192.0.2.8:40000 -> 10.244.0.5:80", false);
    check("udp 192.0.2.7:40000 -> 10.244.0.5:80", false);
    check("tcp 192.0.2.7:40000 -> 10.244.0.6:80", false);
}

/// What the datapath knows outweighs a port that happens to be the same.
#[test]
fn a_flow_is_of_the_client_that_it_names() {
    let behind = ["10.244.0.5:80".parse().unwrap()];
    let stage = stage("connect tcp 203.0.113.1:40000 -> 10.0.0.9:80");
    let check = |client: &str, flow_text: &str, expected: bool| {
        let told = Flow { client: Some(client.parse().unwrap()), ..flow(flow_text) };
        let relays = ["192.0.2.7".parse().unwrap()];
        let is = is_of_stage(&told, &stage, &behind, &DnsServers::Anybody, &relays);
        assert_eq!(is, expected, "{flow_text} for {client}");
    };
    check("203.0.113.1:40000", "tcp 192.0.2.7:40001 -> 10.244.0.5:80", true);
    check("203.0.113.2:40000", "tcp 192.0.2.7:40000 -> 10.244.0.5:80", false);
}

#[test]
fn nothing_is_of_a_stage_without_a_socket() {
    let mut unbound = stage("connect icmp 10.0.0.1:777 -> 10.0.0.2:0");
    unbound.local = None;
    // Both have no origin, which makes them no pair.
    assert!(!is_of_stage(&flow("other 10.0.0.1 -> 10.0.0.2"), &unbound, &[], &DnsServers::Anybody, &[]));
}

#[test]
fn what_is_over_sends_nothing_more() {
    let check = |at: u64, expected: bool| {
        let stage = stage("connect tcp 10.0.0.1:40000 -> 10.0.0.2:80");
        assert_eq!(may_have_sent(&stage, Duration::from_millis(at)), expected, "{at}");
    };
    // It was heard to begin at 10 and took 5; its packet may be older than what was heard.
    check(9, true);
    check(15, true);
    check(16, false);
}
