use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::json;
use crate::messages::{CiliumEventType, Dns, Http, Icmp, Ip, Layer7};

/// The second in which the recordings begin.
const RECORDED: u64 = 1_795_229_060;

fn recorded() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(RECORDED)
}

/// What lines of JSON become, a line each.
fn converted(lines: &str) -> String {
    let told = lines.lines().filter_map(|line| observed(json::line(line).unwrap(), recorded()));
    told.map(said).collect::<Vec<_>>().join("\n")
}

fn said(observed: HubbleEvent) -> String {
    match observed {
        HubbleEvent::Flow(reported) => reported.to_string(),
        HubbleEvent::Lost(loss) => loss.to_string(),
        HubbleEvent::Node(change) => format!("{change:?}"),
    }
}

#[test]
fn queries_and_connections_of_a_pod() {
    let text = converted(include_str!("../../tests/fixtures/fqdn-flows.jsonl"));
    insta::assert_snapshot!(text, @r"
    0.001497 node1: frontend/frontend 10.244.0.119:43331 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict REDIRECTED match 2 by frontend/fqdn-egress
    0.005128 node1: frontend/frontend 10.244.0.119:43331 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local A
    0.006517 node1: frontend/frontend 10.244.0.119:43331 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local AAAA
    0.006715 node1: frontend/frontend 10.244.0.119:43331 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local A
    0.007075 node1: frontend/frontend 10.244.0.119:43331 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local AAAA
    0.007213 node1: frontend/frontend 10.244.0.119:41370 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict REDIRECTED match 2 by frontend/fqdn-egress
    0.007350 node1: frontend/frontend 10.244.0.119:41370 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test AAAA
    0.007415 node1: frontend/frontend 10.244.0.119:41370 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test A
    0.008096 node1: frontend/frontend 10.244.0.119:41370 (61649) <- kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test AAAA Refused
    0.008886 node1: frontend/frontend 10.244.0.119:41370 (61649) <- kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test A NoError 203.0.113.10 ttl 0
    0.009334 node1: frontend/frontend 10.244.0.119:58710 (61649) -> api.example.test 203.0.113.10:80 (16777217) tcp egress policy-verdict FORWARDED match 2 by frontend/fqdn-egress
    0.116663 node1: frontend/frontend 10.244.0.119:50801 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local AAAA
    0.116727 node1: frontend/frontend 10.244.0.119:50801 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local A
    0.116748 node1: frontend/frontend 10.244.0.119:50801 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict REDIRECTED match 2 by frontend/fqdn-egress
    0.116978 node1: frontend/frontend 10.244.0.119:50801 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local AAAA
    0.117050 node1: frontend/frontend 10.244.0.119:50801 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns api.example.test.frontend.svc.cluster.local A
    0.117144 node1: frontend/frontend 10.244.0.119:53875 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict REDIRECTED match 2 by frontend/fqdn-egress
    0.117295 node1: frontend/frontend 10.244.0.119:53875 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test AAAA
    0.117475 node1: frontend/frontend 10.244.0.119:53875 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test A
    0.117684 node1: frontend/frontend 10.244.0.119:53875 (61649) <- kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test AAAA Refused
    0.117868 node1: frontend/frontend 10.244.0.119:53875 (61649) <- kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test A NoError 203.0.113.10 ttl 0
    0.118136 node1: frontend/frontend 10.244.0.119:45616 (61649) -> api.example.test 203.0.113.10:443 (16777217) tcp egress policy-verdict DROPPED (no rule allows it)
    0.118136 node1: frontend/frontend 10.244.0.119:45616 (61649) -> api.example.test 203.0.113.10:443 (16777217) tcp egress policy-verdict DROPPED (no rule allows it)
    1.131977 node1: frontend/frontend 10.244.0.119:45616 (61649) -> api.example.test 203.0.113.10:443 (16777217) tcp egress policy-verdict DROPPED (no rule allows it)
    1.131979 node1: frontend/frontend 10.244.0.119:45616 (61649) -> api.example.test 203.0.113.10:443 (16777217) tcp egress policy-verdict DROPPED (no rule allows it)
    2.155969 node1: frontend/frontend 10.244.0.119:45616 (61649) -> api.example.test 203.0.113.10:443 (16777217) tcp egress policy-verdict DROPPED (no rule allows it)
    2.155973 node1: frontend/frontend 10.244.0.119:45616 (61649) -> api.example.test 203.0.113.10:443 (16777217) tcp egress policy-verdict DROPPED (no rule allows it)
    3.256201 node1: frontend/frontend 10.244.0.119:50932 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict REDIRECTED match 2 by frontend/fqdn-egress
    3.256691 node1: frontend/frontend 10.244.0.119:50932 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns evil.test.frontend.svc.cluster.local AAAA
    3.256794 node1: frontend/frontend 10.244.0.119:50932 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns evil.test.frontend.svc.cluster.local A
    3.257294 node1: frontend/frontend 10.244.0.119:50932 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns evil.test.frontend.svc.cluster.local AAAA
    ");
}

#[test]
fn every_kind_of_flow() {
    let text = converted(include_str!("../../tests/fixtures/datapath-flows.jsonl"));
    insta::assert_snapshot!(text, @r"
    105.915083 : frontend/frontend 10.244.0.119:50160 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict DROPPED (no rule allows it)
    105.915085 : frontend/frontend 10.244.0.119:50160 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict DROPPED (no rule allows it)
    110.387199 : host 10.244.0.235:56560 (1) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 1 by allow-localhost-ingress
    111.051256 : 172.30.0.1:46574 (2) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict DROPPED (no rule allows it)
    111.051266 : 172.30.0.1:46574 (2) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict DROPPED (no rule allows it)
    147.048674 : backend/backend 10.244.0.171:40856 (19041) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 1 by database/x
    165.017004 : frontend/frontend 10.244.0.119:33942 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 3 by database/x
    166.463245 : host 10.244.0.235:54214 (1) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 3 by database/x
    167.124433 : 172.30.0.1:45272 (2) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 3 by database/x
    173.655008 : backend/backend 10.244.0.171:40878 (19041) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 2 by database/x
    191.404852 : frontend/frontend 10.244.0.119:41488 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict DROPPED (a rule denies it) match 1 by database/x
    191.404853 : frontend/frontend 10.244.0.119:41488 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict DROPPED (a rule denies it)
    213.797079 : backend/backend 10.244.0.171:60546 (19041) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 4 by allow-any-ingress
    214.454955 : host 10.244.0.235:49838 (1) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 4 by allow-any-ingress
    215.108654 : 172.30.0.1:56106 (2) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 4 by allow-any-ingress
    235.198179 : 172.30.0.1:58298 (2) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict FORWARDED match 1 by database/x
    337.962161 : frontend/frontend 10.244.0.119:50954 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp egress policy-verdict DROPPED (no rule allows it)
    337.962162 : frontend/frontend 10.244.0.119:50954 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp egress policy-verdict DROPPED (no rule allows it)
    346.976943 : frontend/frontend 10.244.0.119:38457 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict DROPPED (no rule allows it)
    354.389760 : frontend/frontend 10.244.0.119:53748 (61649) -> 203.0.113.10:80 (2) tcp egress policy-verdict FORWARDED match 1 by frontend/x
    380.688227 : frontend/frontend 10.244.0.119:39642 (61649) -> 203.0.113.11:80 (16777221) tcp egress policy-verdict DROPPED (a rule denies it) match 1 by frontend/x
    380.688228 : frontend/frontend 10.244.0.119:39642 (61649) -> 203.0.113.11:80 (16777221) tcp egress policy-verdict DROPPED (a rule denies it)
    424.355106 : frontend/frontend 10.244.0.119:56542 (61649) -> backend/backend 10.244.0.171:3000 (19041) tcp egress policy-verdict FORWARDED match 2 by frontend/x
    441.989201 : frontend/frontend 10.244.0.119 (61649) -> database/redis 10.244.0.114 (24281) icmp ingress policy-verdict DROPPED (no rule allows it)
    447.129363 : frontend/frontend 10.244.0.119 (61649) -> database/redis 10.244.0.114 (24281) icmp ingress policy-verdict FORWARDED match 3 by database/x
    662.528843 : 172.30.0.1:52274 (2) -> database/redis 10.244.0.114:6379 (52452) tcp ingress policy-verdict FORWARDED match 2 by allow
    759.702857 : frontend/frontend 10.244.0.119:33337 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict REDIRECTED match 2 by frontend/x
    759.703256 : frontend/frontend 10.244.0.119:33337 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy DROPPED (refused by the proxy) dns backend.backend.svc.cluster.local A
    764.586014 : frontend/frontend 10.244.0.119:53789 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns backend.backend.svc.cluster.local A
    764.586573 : frontend/frontend 10.244.0.119:53789 (61649) <- kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns backend.backend.svc.cluster.local A NoError 10.96.1.1 ttl 0
    909.796569 : frontend/frontend 10.244.0.9:44739 (61649) <- kube-system/coredns-0 10.244.0.44:53 (18550) udp egress proxy FORWARDED dns api.example.test.frontend.svc.cluster.local AAAA Refused
    931.764509 : frontend/frontend 10.244.0.201:38496 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict DROPPED (no rule allows it)
    963.625956 : frontend/frontend 10.244.0.63:40884 (61649) -> kube-system/coredns-0 10.244.0.44:53 (18550) udp egress policy-verdict FORWARDED match 2 by frontend/x
    1102.462543 : frontend/frontend 10.244.0.233:51560 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict AUDIT
    1107.548005 : frontend/frontend 10.244.0.233:51574 (61649) -> database/redis 10.244.0.114:6379 (24281) tcp ingress policy-verdict AUDIT match 1 by database/x
    ");
}

/// A denied connection, complete.
fn denied() -> messages::Flow {
    messages::Flow {
        time: Some(Timestamp { seconds: RECORDED.cast_signed(), nanos: 500_000_000 }),
        verdict: Verdict::Dropped as i32,
        drop_reason_desc: reason::POLICY_DENIED,
        ip: Some(Ip { source: "10.0.0.1".to_owned(), destination: "10.0.0.2".to_owned() }),
        l4: Some(Layer4 {
            tcp: Some(Ports { source_port: 40000, destination_port: 6379 }),
            ..Layer4::default()
        }),
        source: Some(messages::Endpoint { identity: 300, ..messages::Endpoint::default() }),
        destination: Some(messages::Endpoint {
            identity: 400,
            namespace: "database".to_owned(),
            pod_name: "redis".to_owned(),
        }),
        node_name: "node1".to_owned(),
        event_type: Some(CiliumEventType { kind: event_type::POLICY_VERDICT, sub_type: 0 }),
        traffic_direction: TrafficDirection::Ingress as i32,
        ..messages::Flow::default()
    }
}

fn response(flow: messages::Flow) -> GetFlowsResponse {
    GetFlowsResponse { flow: Some(flow), ..GetFlowsResponse::default() }
}

/// Converts a flow after a change.
fn changed(change: impl FnOnce(&mut messages::Flow)) -> String {
    let mut flow = denied();
    change(&mut flow);
    observed(response(flow), recorded()).map_or_else(|| "nothing".to_owned(), said)
}

fn event(kind: i32) -> CiliumEventType {
    CiliumEventType { kind, sub_type: 0 }
}

#[test]
fn what_each_field_changes() {
    let lines = [
        ("complete", changed(|_| ())),
        ("an explicit deny", changed(|flow| flow.drop_reason_desc = reason::POLICY_DENY)),
        ("an old version's reason", changed(|flow| (flow.drop_reason_desc, flow.drop_reason) = (0, 181))),
        ("authentication", changed(|flow| flow.drop_reason_desc = reason::AUTH_REQUIRED)),
        ("a reason of later", changed(|flow| flow.drop_reason_desc = 254)),
        ("a negative reason", changed(|flow| flow.drop_reason_desc = -1)),
        ("a policy drop", changed(|flow| flow.event_type = Some(event(event_type::DROP)))),
        (
            "a policy drop somewhere",
            changed(|flow| (flow.event_type, flow.traffic_direction) = (Some(event(event_type::DROP)), 0)),
        ),
        (
            "another drop",
            changed(|flow| (flow.event_type, flow.drop_reason_desc) = (Some(event(event_type::DROP)), 158)),
        ),
        (
            "a drop without addresses",
            changed(|flow| (flow.event_type, flow.ip) = (Some(event(event_type::DROP)), None)),
        ),
        ("a trace", changed(|flow| flow.event_type = Some(event(event_type::TRACE)))),
        ("no event type", changed(|flow| flow.event_type = None)),
        ("no proxy's report", changed(|flow| flow.event_type = Some(event(event_type::L7)))),
        ("no time", changed(|flow| flow.time = None)),
        ("from before the run", changed(|flow| flow.time = Some(Timestamp::default()))),
        ("no direction", changed(|flow| flow.traffic_direction = 0)),
        ("another verdict", changed(|flow| flow.verdict = 9)),
        ("no addresses", changed(|flow| flow.ip = None)),
        ("a broken address", changed(|flow| flow.ip.as_mut().unwrap().source = "10.0.0.256".to_owned())),
        (
            "a broken port",
            changed(|flow| {
                flow.l4.as_mut().unwrap().tcp = Some(Ports { source_port: 65_536, destination_port: 1 });
            }),
        ),
    ];
    let lines = lines.map(|(what, line)| format!("{what}: {line}"));
    insta::assert_snapshot!(lines.join("\n"), @r"
    complete: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    an explicit deny: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (a rule denies it)
    an old version's reason: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (a rule denies it)
    authentication: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (auth required)
    a reason of later: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (Cilium's drop reason 254)
    a negative reason: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no reason is given)
    a policy drop: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    a policy drop somewhere: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp egress drop DROPPED (no rule allows it)
    another drop: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress drop DROPPED (no endpoint has this address)
    a drop without addresses: 1 event of node1 may be missing, 0.500 s to 0.500 s: Hubble sent a policy verdict without addresses
    a trace: nothing
    no event type: nothing
    no proxy's report: nothing
    no time: 1 event of node1 may be missing, 0.000 s to 0.000 s: Hubble sent a policy verdict without a time
    from before the run: 0.000000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    no direction: 1 event of node1 may be missing, 0.500 s to 0.500 s: Hubble sent a policy verdict without a direction
    another verdict: 1 event of node1 may be missing, 0.500 s to 0.500 s: Hubble sent a policy verdict without a known verdict
    no addresses: 1 event of node1 may be missing, 0.500 s to 0.500 s: Hubble sent a policy verdict without addresses
    a broken address: 1 event of node1 may be missing, 0.500 s to 0.500 s: Hubble sent a policy verdict without readable addresses
    a broken port: 1 event of node1 may be missing, 0.500 s to 0.500 s: Hubble sent a policy verdict without a readable port
    ");
}

#[test]
fn what_each_field_changes_in_a_flow() {
    let lines = [
        ("no transport", changed(|flow| flow.l4 = None)),
        (
            "ICMPv6",
            changed(|flow| {
                let icmpv6 = Some(Icmp { kind: 128, code: 0 });
                flow.l4 = Some(Layer4 { icmpv6, ..Layer4::default() });
                flow.ip = Some(Ip { source: "fd00::1".to_owned(), destination: "fd00::2".to_owned() });
            }),
        ),
        (
            "the node",
            changed(|flow| flow.source = Some(messages::Endpoint { identity: 1, ..Default::default() })),
        ),
        (
            "the ingress",
            changed(|flow| flow.source = Some(messages::Endpoint { identity: 8, ..Default::default() })),
        ),
        ("nobody", changed(|flow| flow.source = None)),
        (
            "who denied it",
            changed(|flow| {
                let policy = |name: &str| Policy { name: name.to_owned(), ..Policy::default() };
                flow.ingress_denied_by = vec![policy("clusterwide"), Policy::default()];
                flow.ingress_allowed_by = vec![policy("not-this")];
                flow.egress_denied_by = vec![policy("nor-this")];
            }),
        ),
        (
            "an HTTP request",
            changed(|flow| {
                flow.event_type = Some(event(event_type::L7));
                let url = "http://api.test:8080/v1?x=1".to_owned();
                let http = Some(Http { code: 0, method: "GET".to_owned(), url });
                flow.l7 = Some(Layer7 { kind: 1, http, dns: None });
            }),
        ),
        (
            "an HTTP response",
            changed(|flow| {
                flow.event_type = Some(event(event_type::L7));
                flow.verdict = Verdict::Forwarded as i32;
                let http = Some(Http { code: 200, method: "GET".to_owned(), url: "api.test".to_owned() });
                flow.l7 = Some(Layer7 { kind: 2, http, dns: None });
            }),
        ),
        (
            "a proxy's error",
            changed(|flow| {
                flow.event_type = Some(event(event_type::L7));
                flow.verdict = Verdict::Error as i32;
                let dns =
                    Some(Dns { query: "a.test.".to_owned(), qtypes: vec!["A".to_owned()], ..Dns::default() });
                flow.l7 = Some(Layer7 { kind: 1, dns, http: None });
            }),
        ),
        ("control characters", changed(|flow| flow.source_names = vec!["\u{1b}[31mred\n".to_owned()])),
    ];
    let lines = lines.map(|(what, line)| format!("{what}: {line}"));
    insta::assert_snapshot!(lines.join("\n"), @r"
    no transport: 0.500000 node1: 10.0.0.1 (300) -> database/redis 10.0.0.2 (400) protocol 0 ingress policy-verdict DROPPED (no rule allows it)
    ICMPv6: 0.500000 node1: fd00::1 (300) -> database/redis fd00::2 (400) icmpv6 ingress policy-verdict DROPPED (no rule allows it)
    the node: 0.500000 node1: host 10.0.0.1:40000 (1) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    the ingress: 0.500000 node1: ingress 10.0.0.1:40000 (8) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    nobody: 0.500000 node1: 10.0.0.1:40000 (0) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    who denied it: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it) by clusterwide
    an HTTP request: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress proxy DROPPED (refused by the proxy) http GET api.test:8080/v1?x=1
    an HTTP response: 0.500000 node1: database/redis 10.0.0.2:6379 (400) <- 10.0.0.1:40000 (300) tcp ingress proxy FORWARDED http GET api.test/ 200
    a proxy's error: 0.500000 node1: 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress proxy ERROR (the proxy failed) dns a.test A
    control characters: 0.500000 node1: \u{1b}[31mred 10.0.0.1:40000 (300) -> database/redis 10.0.0.2:6379 (400) tcp ingress policy-verdict DROPPED (no rule allows it)
    ");
}

#[test]
fn losses_and_nodes() {
    let time = |nanos: i32| Some(Timestamp { seconds: RECORDED.cast_signed() + 3, nanos });
    let lost = |source: i32, first: Option<Timestamp>| {
        let event = LostEvent { source, num_events_lost: 12, first, last: time(0) };
        let response = GetFlowsResponse {
            lost_events: Some(event),
            node_name: "node1".to_owned(),
            time: time(500_000_000),
            ..GetFlowsResponse::default()
        };
        match observed(response, recorded()) {
            Some(HubbleEvent::Lost(loss)) => loss.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let before = Some(Timestamp { seconds: RECORDED.cast_signed() + 1, nanos: 0 });
    let text = [lost(1, before), lost(2, None), lost(3, time(999_999_999)), lost(17, None)].join("\n");
    insta::assert_snapshot!(text, @r"
    12 events of node1 may be missing, 1.000 s to 3.000 s: the kernel wrote events faster than the agent read them
    12 events of node1 may be missing, 3.000 s to 3.000 s: the agent could not keep up with its events
    12 events of node1 may be missing, 3.000 s to 3.000 s: the agent's ring was overwritten before it was read
    12 events of node1 may be missing, 3.000 s to 3.000 s: Hubble does not say how
    ");
    let status =
        NodeStatusEvent { state_change: 2, node_names: vec!["w2".to_owned()], message: "gone".to_owned() };
    let node =
        observed(GetFlowsResponse { node_status: Some(status), ..GetFlowsResponse::default() }, recorded());
    insta::assert_snapshot!(format!("{node:?}"), @r#"Some(Node(NodeChange { state: Unavailable, nodes: ["w2"], message: "gone" }))"#);
    assert_eq!(observed(GetFlowsResponse::default(), recorded()), None);
}

#[test]
fn fields_of_later_versions_are_skipped() {
    let mut bytes = response(denied()).encode_to_vec();
    // Field 30000: the text "later".
    bytes.extend([0x82, 0xd3, 0x0e, 5]);
    bytes.extend(b"later");
    assert_eq!(GetFlowsResponse::decode(bytes.as_slice()).unwrap(), response(denied()));
}

prop_compose! {
    fn any_flow()(
        (seconds, nanos, has_time) in (any::<i64>(), any::<i32>(), any::<bool>()),
        (verdict, drop_reason, drop_reason_desc) in (-1..9_i32, any::<u32>(), prop_oneof![130..210_i32, any::<i32>()]),
        addresses in proptest::option::of(("[0-9a-f.:]{0,12}|10\\.0\\.0\\.[0-9]", "fd00::[0-9]|.{0,9}")),
        ports in proptest::option::of((0..70_000_u32, any::<u32>(), 0..5_usize)),
        (identity, namespace, pod_name) in (0..20_u32, ".{0,5}|[a-z]{1,5}", ".{0,5}|[a-z]{1,5}"),
        (kind, sub_type, direction, match_type) in (prop_oneof![Just(1), Just(4), Just(5), Just(129), any::<i32>()], any::<i32>(), -1..4_i32, any::<u32>()),
        l7 in proptest::option::of((any::<i32>(), any::<bool>(), ".{0,20}", proptest::collection::vec(".{0,9}|10\\.0\\.0\\.1", 0..3), any::<u32>())),
        policies in proptest::collection::vec((".{0,5}", ".{0,5}", proptest::collection::vec(".{0,9}|k8s:io.cilium.k8s.policy.name=.{0,3}", 0..3)), 0..3),
        is_reply in any::<Option<bool>>(),
    ) -> messages::Flow {
        let endpoint = Some(messages::Endpoint { identity, namespace, pod_name });
        let policies: Vec<Policy> = policies
            .into_iter()
            .map(|(name, namespace, labels)| Policy { name, namespace, labels })
            .collect();
        messages::Flow {
            time: has_time.then_some(Timestamp { seconds, nanos }),
            verdict,
            drop_reason,
            drop_reason_desc,
            ip: addresses.map(|(source, destination)| Ip { source, destination }),
            l4: ports.map(|(source_port, destination_port, which)| {
                let ports = |index: usize| (which == index).then_some(Ports { source_port, destination_port });
                let icmp = |index: usize| (which == index).then_some(Icmp { kind: source_port, code: destination_port });
                Layer4 { tcp: ports(0), udp: ports(1), icmp: icmp(2), icmpv6: icmp(3), sctp: ports(4) }
            }),
            source: endpoint.clone(),
            destination: endpoint,
            l7: l7.map(|(kind, is_dns, text, ips, code)| Layer7 {
                kind,
                dns: is_dns.then(|| Dns { query: text.clone(), ips, ttl: code, rcode: code, qtypes: vec![text.clone()] }),
                http: (!is_dns).then(|| Http { code, method: text.clone(), url: text.clone() }),
            }),
            event_type: Some(CiliumEventType { kind, sub_type }),
            traffic_direction: direction,
            policy_match_type: match_type,
            is_reply,
            egress_allowed_by: policies.clone(),
            ingress_allowed_by: policies.clone(),
            egress_denied_by: policies.clone(),
            ingress_denied_by: policies,
            ..messages::Flow::default()
        }
    }
}

proptest! {
    #[test]
    fn any_flow_has_an_answer_and_survives_the_wire(flow in any_flow()) {
        let response = response(flow);
        let bytes = response.encode_to_vec();
        let again = GetFlowsResponse::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(&again, &response);
        let first = observed(response, recorded());
        if let Some(HubbleEvent::Flow(reported)) = &first {
            prop_assert!(!reported.to_string().chars().any(char::is_control));
        }
        prop_assert_eq!(observed(again, recorded()), first);
    }

    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..200_usize) {
        if let Ok(response) = GetFlowsResponse::decode(bytes.as_slice()) {
            observed(response, recorded());
        }
        let mut broken = response(denied()).encode_to_vec();
        let at = at % broken.len();
        broken.truncate(at);
        broken.extend(bytes);
        if let Ok(response) = GetFlowsResponse::decode(broken.as_slice()) {
            observed(response, recorded());
        }
    }
}
