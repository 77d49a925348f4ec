use std::fmt::Write as _;
use std::time::Duration;

use verdikt_scenario::flow::{FlowEnd, FlowProtocol};
use verdikt_scenario::observation::{Observation, Stage, StageKind};
use verdikt_scenario::topology::Protocol;

use super::*;

fn flow(kind: FlowKind, verdict: FlowVerdict, direction: FlowDirection) -> Flow {
    let end = |address: &str, port| FlowEnd {
        address: address.parse().unwrap(),
        port: Some(port),
        identity: 0,
        endpoint: None,
    };
    Flow {
        at: Duration::from_millis(1),
        kind,
        verdict,
        direction,
        source: end("10.0.0.1", 40_000),
        client: None,
        destination: end("10.0.0.2", 80),
        protocol: FlowProtocol::Port(Protocol::Tcp),
        drop_reason: None,
        match_type: 0,
        policies: Vec::new(),
        request: None,
    }
}

fn judged(verdict: FlowVerdict, direction: FlowDirection) -> Flow {
    flow(FlowKind::PolicyVerdict, verdict, direction)
}

fn by_proxy(verdict: FlowVerdict, request: ProxyRequest) -> Flow {
    Flow { request: Some(request), ..flow(FlowKind::Proxy, verdict, FlowDirection::Egress) }
}

fn look_up(mut flow: Flow) -> Flow {
    flow.protocol = FlowProtocol::Port(Protocol::Udp);
    (flow.source.port, flow.destination.port) = (Some(40_001), Some(53));
    flow
}

fn query() -> ProxyRequest {
    let (name, kind) = ("api.example.test".to_owned(), "A".to_owned());
    ProxyRequest::Dns { name, kind, code: None, addresses: Vec::new(), ttl: None }
}

fn request() -> ProxyRequest {
    let (method, path, host) = ("GET".to_owned(), "/".to_owned(), "api".to_owned());
    ProxyRequest::Http { method, path, host, status: None }
}

fn with_reason(reason: DropReason, flow: Flow) -> Flow {
    Flow { drop_reason: Some(reason), ..flow }
}

/// Every class of flows, by its name.
fn flows() -> Vec<(&'static str, Vec<Flow>)> {
    use FlowDirection::{Egress, Ingress};
    use FlowVerdict::{Audit, Dropped, Error, Forwarded, Redirected};
    let gap = || DropReason::NotModelled("what Kafka allows".to_owned());
    vec![
        ("none", vec![]),
        ("forwarded", vec![judged(Forwarded, Egress), judged(Forwarded, Ingress)]),
        ("redirected", vec![judged(Redirected, Egress), by_proxy(Forwarded, request())]),
        (
            "dropped for no policy",
            vec![with_reason(DropReason::NoDestination, flow(FlowKind::Drop, Dropped, Egress))],
        ),
        ("denied egress", vec![judged(Dropped, Egress)]),
        ("denied ingress", vec![judged(Forwarded, Egress), judged(Dropped, Ingress)]),
        ("denied ingress behind a proxy", vec![judged(Redirected, Egress), judged(Dropped, Ingress)]),
        (
            "denied ingress after a look-up",
            vec![look_up(judged(Redirected, Egress)), judged(Dropped, Ingress)],
        ),
        ("denied dns", vec![judged(Redirected, Egress), by_proxy(Dropped, query())]),
        ("denied http", vec![judged(Redirected, Ingress), by_proxy(Dropped, request())]),
        ("audited egress", vec![judged(Audit, Egress)]),
        ("audited ingress", vec![judged(Forwarded, Egress), judged(Audit, Ingress)]),
        ("audited http", vec![judged(Redirected, Ingress), by_proxy(Audit, request())]),
        ("audited egress, denied ingress", vec![judged(Audit, Egress), judged(Dropped, Ingress)]),
        (
            "denied twice",
            vec![judged(Dropped, Ingress), by_proxy(Dropped, request()), judged(Dropped, Egress)],
        ),
        ("not modelled", vec![judged(Dropped, Egress), with_reason(gap(), judged(Error, Ingress))]),
    ]
}

/// Every class of outcomes.
fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Answered,
        Outcome::HttpStatus(200),
        Outcome::HttpStatus(403),
        Outcome::HttpStatus(500),
        Outcome::HttpStatus(502),
        Outcome::HttpStatus(503),
        Outcome::HttpStatus(504),
        Outcome::Refused,
        Outcome::Reset,
        Outcome::Unreachable,
        Outcome::TimedOut,
        Outcome::Ended,
        Outcome::NameRefused,
        Outcome::NoSuchName,
        Outcome::NameFailed("ServFail".to_owned()),
        Outcome::Garbled("no status line".to_owned()),
        Outcome::NotAttempted("no address".to_owned()),
    ]
}

const ARRIVALS: [Arrival; 3] = [Arrival::Arrived, Arrival::NotSeen, Arrival::Unknown];

fn evidence(outcome: &Outcome, flows: &[Flow], arrival: Arrival, lost: Option<&str>) -> Evidence {
    let observation = Observation { outcome: outcome.clone(), stages: Vec::new(), arrival };
    Evidence { lost: lost.map(str::to_owned), ..Evidence::new(observation, flows.to_vec()) }
}

/// Verdict and basis in one column.
fn shown(fused: &FusedVerdict) -> String {
    let letters = [(fused.basis.outcome, 'o'), (fused.basis.flow, 'f'), (fused.basis.arrival, 'a')];
    let basis: String = letters.iter().filter(|(rests, _)| *rests).map(|(_, letter)| letter).collect();
    match &fused.verdict {
        Verdict::Inconclusive(reason) => {
            assert!(basis.is_empty() && !reason.is_empty(), "{fused:?}");
            "?".to_owned()
        }
        Verdict::Audited(point) => format!("audit {point} {basis}"),
        verdict => format!("{verdict} {basis}"),
    }
}

fn table_of(outcome: &Outcome) -> String {
    let mut table = String::new();
    for (name, flows) in flows() {
        let cells = ARRIVALS.map(|arrival| shown(&fuse(&evidence(outcome, &flows, arrival, None))));
        let [arrived, not_seen, unknown] = cells;
        let line = format!("  {name:32}{arrived:20}{not_seen:20}{unknown}");
        writeln!(table, "{}", line.trim_end()).unwrap();
    }
    table
}

/// The whole table: for each outcome, or several that are treated alike, every class of flows; columns are arrived,
/// not seen, unknown. Letters say what a verdict rests on: outcome, flow, arrival.
#[test]
fn every_combination_has_its_verdict() {
    let mut tables: Vec<(Vec<String>, String)> = Vec::new();
    for outcome in outcomes() {
        let (name, table) = (outcome.to_string(), table_of(&outcome));
        match tables.iter_mut().find(|(_, other)| *other == table) {
            Some((names, _)) => names.push(name),
            None => tables.push((vec![name], table)),
        }
    }
    let text: Vec<String> =
        tables.iter().map(|(names, table)| format!("{}\n{table}", names.join(", "))).collect();
    let text = text.concat();
    insta::assert_snapshot!(text);
}

/// What a proxy answers in the server's place, on a connection that it took.
#[test]
fn what_ends_in_a_proxy() {
    let check = |kind: StageKind, outcome: Outcome, flows: &[Flow], arrival: Arrival, expected: &str| {
        let mut evidence = evidence(&outcome, flows, arrival, None);
        evidence.observation.stages = vec![Stage {
            kind,
            protocol: Some(Protocol::Tcp),
            local: Some("10.0.0.1:40000".parse().unwrap()),
            remote: None,
            outcome: outcome.clone(),
            addresses: Vec::new(),
            began: Duration::ZERO,
            took: Duration::ZERO,
        }];
        assert_eq!(shown(&fuse(&evidence)), expected, "{kind:?} {outcome} {arrival:?}");
    };
    let taken = [judged(FlowVerdict::Redirected, FlowDirection::Ingress)];
    let passed = [judged(FlowVerdict::Forwarded, FlowDirection::Ingress)];
    let (connect, request) = (StageKind::Connect, StageKind::Request);
    check(connect, Outcome::Answered, &taken, Arrival::NotSeen, "allow of");
    check(connect, Outcome::Answered, &taken, Arrival::Arrived, "allow ofa");
    check(connect, Outcome::Answered, &passed, Arrival::NotSeen, "?");
    check(StageKind::LookUp, Outcome::Answered, &taken, Arrival::NotSeen, "?");
    check(request, Outcome::HttpStatus(307), &taken, Arrival::NotSeen, "redirect ofa");
    check(request, Outcome::HttpStatus(307), &taken, Arrival::Arrived, "allow ofa");
    check(request, Outcome::HttpStatus(307), &passed, Arrival::NotSeen, "?");
    check(request, Outcome::HttpStatus(400), &taken, Arrival::NotSeen, "?");
    check(request, Outcome::HttpStatus(200), &taken, Arrival::NotSeen, "?");
    check(request, Outcome::Reset, &taken, Arrival::NotSeen, "deny tls ofa");
    // The same after a query that only audit mode has let pass.
    let audited = [judged(FlowVerdict::Audit, FlowDirection::Egress), taken[0].clone()];
    check(connect, Outcome::Answered, &audited, Arrival::NotSeen, "audit egress of");
    check(request, Outcome::HttpStatus(307), &audited, Arrival::NotSeen, "redirect ofa");
    check(request, Outcome::Reset, &audited, Arrival::NotSeen, "deny tls ofa");
    let refused = [taken[0].clone(), by_proxy(FlowVerdict::Dropped, self::request())];
    check(connect, Outcome::Answered, &refused, Arrival::NotSeen, "deny http fa");
    check(connect, Outcome::Answered, &refused, Arrival::Unknown, "?");
    // A server that answers nothing does not tell what reached it: it was the proxy that answered.
    let mut silent = evidence(&Outcome::Answered, &refused, Arrival::Unknown, None);
    silent.unanswered = true;
    assert_eq!(shown(&fuse(&silent)), "deny http f");
    // A node that hides its clients hands their connections to the proxy under its own address.
    let over_a_node = Flow {
        source: FlowEnd { address: "10.0.0.9".parse().unwrap(), ..taken[0].source.clone() },
        ..taken[0].clone()
    };
    check(connect, Outcome::Answered, &[over_a_node], Arrival::NotSeen, "allow of");
}

/// A look-up that is answered "no such name" was let pass; an attempt by such a name was not made.
#[test]
fn no_such_name_is_an_answer_to_a_look_up() {
    let flows = [judged(FlowVerdict::Redirected, FlowDirection::Egress)];
    let mut evidence = evidence(&Outcome::NoSuchName, &flows, Arrival::Arrived, None);
    assert_eq!(shown(&fuse(&evidence)), "?");
    evidence.looks_up = true;
    assert_eq!(shown(&fuse(&evidence)), "allow ofa");
}

/// A query that policies deny counts for nothing where another server has answered the next one.
#[test]
fn another_dns_server_has_answered() {
    let stage = |port: u16, outcome: Outcome| Stage {
        kind: StageKind::LookUp,
        protocol: Some(Protocol::Udp),
        local: Some(([10, 0, 0, 1], port).into()),
        remote: None,
        outcome,
        addresses: Vec::new(),
        began: Duration::ZERO,
        took: Duration::ZERO,
    };
    let denied = look_up(judged(FlowVerdict::Dropped, FlowDirection::Egress));
    let refused = look_up(by_proxy(FlowVerdict::Dropped, query()));
    let check = |outcome: &Outcome, flow: &Flow, stages: Vec<Stage>, expected: &str| {
        let mut evidence = evidence(outcome, std::slice::from_ref(flow), Arrival::Unknown, None);
        evidence.observation.stages = stages;
        assert_eq!(shown(&fuse(&evidence)), expected, "{:?}", evidence.observation);
    };
    let answered = Outcome::Answered;
    let then = |first: Outcome| vec![stage(40_001, first), stage(40_002, Outcome::Answered)];
    check(&answered, &denied, then(Outcome::TimedOut), "allow o");
    check(&answered, &refused, then(Outcome::NameRefused), "allow o");
    check(&Outcome::TimedOut, &denied, vec![stage(40_001, Outcome::TimedOut)], "deny egress of");
    let before = vec![stage(40_002, Outcome::Answered), stage(40_001, Outcome::TimedOut)];
    check(&Outcome::TimedOut, &denied, before, "deny egress of");
    let mut no_such_name = evidence(&Outcome::NoSuchName, &[denied], Arrival::Unknown, None);
    no_such_name.observation.stages =
        vec![stage(40_001, Outcome::TimedOut), stage(40_002, Outcome::NoSuchName)];
    no_such_name.looks_up = true;
    assert_eq!(shown(&fuse(&no_such_name)), "allow o");
}

/// Where nobody answers anything, a flow alone tells what was allowed; without one nothing is.
#[test]
fn an_attempt_that_nobody_can_answer_is_allowed_by_its_flow() {
    let check = |flows: &[Flow], expected: &str| {
        let mut evidence = evidence(&Outcome::TimedOut, flows, Arrival::Unknown, None);
        evidence.unanswered = true;
        assert_eq!(shown(&fuse(&evidence)), expected, "{flows:?}");
    };
    let egress = |verdict| judged(verdict, FlowDirection::Egress);
    check(&[egress(FlowVerdict::Forwarded)], "allow f");
    check(&[egress(FlowVerdict::Audit)], "audit egress f");
    check(&[egress(FlowVerdict::Dropped)], "deny egress of");
    check(&[], "?");
}

/// Nothing denies but a drop of the attempt's own, nothing allows but a success.
#[test]
fn no_verdict_without_its_proof() {
    for outcome in outcomes() {
        for (name, flows) in flows() {
            for arrival in ARRIVALS {
                let fused = fuse(&evidence(&outcome, &flows, arrival, None));
                let success = matches!(outcome, Outcome::Answered | Outcome::HttpStatus(_));
                let context = format!("{outcome}, {name}, {arrival:?}: {fused:?}");
                match fused.verdict {
                    Verdict::Denied(_) => {
                        assert!(fused.basis.flow && flows.iter().any(is_denial), "{context}");
                        assert_ne!(arrival, Arrival::Arrived, "{context}");
                    }
                    Verdict::Allowed | Verdict::Audited(_) => {
                        assert!(fused.basis.outcome && success, "{context}");
                        assert!(!flows.iter().any(is_denial), "{context}");
                    }
                    // A redirect needs to know which connection the proxy took.
                    Verdict::Redirected => panic!("{context}"),
                    Verdict::Inconclusive(_) => {}
                }
            }
        }
    }
}

/// Whether audit mode is on.
const AUDIT_MODES: [bool; 2] = [false, true];

/// What may be missing changes no verdict, but that one is inconclusive where a flow would decide; and then the
/// reason says so.
#[test]
fn lost_flows_make_inconclusive_or_nothing() {
    let mut text = String::new();
    for audit in AUDIT_MODES {
        for outcome in outcomes() {
            for (name, flows) in flows() {
                for arrival in ARRIVALS {
                    let context = format!("{outcome}, {name}, {arrival:?}, audit: {audit}");
                    let whole = Evidence { audit, ..evidence(&outcome, &flows, arrival, None) };
                    let lossy = Evidence { lost: Some("the stream was cut".to_owned()), ..whole.clone() };
                    assert!(!needs_lost_flow(&whole), "{context}");
                    let (whole, fused) = (fuse(&whole), fuse(&lossy));
                    match &fused.verdict {
                        Verdict::Inconclusive(reason) if needs_lost_flow(&lossy) => {
                            let said = "and flows may be missing: the stream was cut";
                            assert!(reason.ends_with(said), "{context}: {reason}");
                            if !matches!(whole.verdict, Verdict::Inconclusive(_)) {
                                writeln!(text, "{context}: {} without loss", shown(&whole)).unwrap();
                            }
                        }
                        _ => assert_eq!(whole, fused, "{context}"),
                    }
                }
            }
        }
    }
    let (without_audit, with_audit): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.contains("audit: false"));
    insta::assert_snapshot!(without_audit.join("\n"), @r"
    HTTP 403, none, Unknown, audit: false: allow o without loss
    HTTP 403, forwarded, Unknown, audit: false: allow of without loss
    HTTP 403, redirected, Unknown, audit: false: allow of without loss
    HTTP 403, dropped for no policy, Unknown, audit: false: allow o without loss
    HTTP 403, audited egress, Unknown, audit: false: audit egress of without loss
    HTTP 403, audited ingress, Unknown, audit: false: audit ingress of without loss
    HTTP 403, audited http, Unknown, audit: false: audit http of without loss
    HTTP 502, none, Unknown, audit: false: allow o without loss
    HTTP 502, forwarded, Unknown, audit: false: allow of without loss
    HTTP 502, redirected, Unknown, audit: false: allow of without loss
    HTTP 502, dropped for no policy, Unknown, audit: false: allow o without loss
    HTTP 502, audited egress, Unknown, audit: false: audit egress of without loss
    HTTP 502, audited ingress, Unknown, audit: false: audit ingress of without loss
    HTTP 502, audited http, Unknown, audit: false: audit http of without loss
    HTTP 503, none, Unknown, audit: false: allow o without loss
    HTTP 503, forwarded, Unknown, audit: false: allow of without loss
    HTTP 503, redirected, Unknown, audit: false: allow of without loss
    HTTP 503, dropped for no policy, Unknown, audit: false: allow o without loss
    HTTP 503, audited egress, Unknown, audit: false: audit egress of without loss
    HTTP 503, audited ingress, Unknown, audit: false: audit ingress of without loss
    HTTP 503, audited http, Unknown, audit: false: audit http of without loss
    HTTP 504, none, Unknown, audit: false: allow o without loss
    HTTP 504, forwarded, Unknown, audit: false: allow of without loss
    HTTP 504, redirected, Unknown, audit: false: allow of without loss
    HTTP 504, dropped for no policy, Unknown, audit: false: allow o without loss
    HTTP 504, audited egress, Unknown, audit: false: audit egress of without loss
    HTTP 504, audited ingress, Unknown, audit: false: audit ingress of without loss
    HTTP 504, audited http, Unknown, audit: false: audit http of without loss
    ");
    let passed = |line: &&&str| line.contains("none, Arrived");
    let with_audit: Vec<&str> = with_audit.iter().filter(passed).copied().collect();
    insta::assert_snapshot!(with_audit.join("\n"), @r"
    answered, none, Arrived, audit: true: allow oa without loss
    HTTP 200, none, Arrived, audit: true: allow oa without loss
    HTTP 403, none, Arrived, audit: true: allow oa without loss
    HTTP 500, none, Arrived, audit: true: allow oa without loss
    HTTP 502, none, Arrived, audit: true: allow oa without loss
    HTTP 503, none, Arrived, audit: true: allow oa without loss
    HTTP 504, none, Arrived, audit: true: allow oa without loss
    ");
}

/// Which failures and contradictions a flow would decide.
#[test]
fn what_needs_a_lost_flow() {
    let mut text = String::new();
    for outcome in [Outcome::TimedOut, Outcome::Answered, Outcome::HttpStatus(200), Outcome::HttpStatus(403)]
    {
        writeln!(text, "{outcome}").unwrap();
        for (name, flows) in flows() {
            let needs = |arrival| needs_lost_flow(&evidence(&outcome, &flows, arrival, Some("cut")));
            let [arrived, not_seen, unknown] =
                ARRIVALS.map(|arrival| if needs(arrival) { "yes" } else { "-" });
            writeln!(text, "  {name:32}{arrived:8}{not_seen:8}{unknown}").unwrap();
        }
    }
    insta::assert_snapshot!(text, @r"
    timed out
      none                            -       yes     yes
      forwarded                       -       yes     yes
      redirected                      -       yes     yes
      dropped for no policy           -       yes     yes
      denied egress                   -       -       -
      denied ingress                  -       -       -
      denied ingress behind a proxy   -       -       -
      denied ingress after a look-up  -       -       -
      denied dns                      -       -       -
      denied http                     -       -       -
      audited egress                  -       yes     yes
      audited ingress                 -       yes     yes
      audited http                    -       yes     yes
      audited egress, denied ingress  -       -       -
      denied twice                    -       -       -
      not modelled                    -       -       -
    answered
      none                            -       yes     -
      forwarded                       -       yes     -
      redirected                      -       yes     -
      dropped for no policy           -       yes     -
      denied egress                   -       -       -
      denied ingress                  -       yes     -
      denied ingress behind a proxy   -       -       -
      denied ingress after a look-up  -       yes     -
      denied dns                      -       -       -
      denied http                     -       -       -
      audited egress                  -       yes     -
      audited ingress                 -       yes     -
      audited http                    -       yes     -
      audited egress, denied ingress  -       yes     -
      denied twice                    -       -       -
      not modelled                    -       -       -
    HTTP 200
      none                            -       -       -
      forwarded                       -       -       -
      redirected                      -       -       -
      dropped for no policy           -       -       -
      denied egress                   -       -       -
      denied ingress                  -       -       -
      denied ingress behind a proxy   -       -       -
      denied ingress after a look-up  -       -       -
      denied dns                      -       -       -
      denied http                     -       -       -
      audited egress                  -       -       -
      audited ingress                 -       -       -
      audited http                    -       -       -
      audited egress, denied ingress  -       -       -
      denied twice                    -       -       -
      not modelled                    -       -       -
    HTTP 403
      none                            -       yes     yes
      forwarded                       -       yes     yes
      redirected                      -       yes     yes
      dropped for no policy           -       yes     yes
      denied egress                   -       -       -
      denied ingress                  -       -       -
      denied ingress behind a proxy   -       -       -
      denied ingress after a look-up  -       -       -
      denied dns                      -       -       -
      denied http                     -       -       -
      audited egress                  -       yes     yes
      audited ingress                 -       yes     yes
      audited http                    -       yes     yes
      audited egress, denied ingress  -       -       -
      denied twice                    -       -       -
      not modelled                    -       -       -
    ");
}

#[test]
fn reasons_say_what_was_seen() {
    let mut text = String::new();
    let mut check = |outcome: Outcome, flows_named: &str, arrival: Arrival, lost: Option<&str>| {
        let (_, flows) = flows().into_iter().find(|(name, _)| *name == flows_named).unwrap();
        let fused = fuse(&evidence(&outcome, &flows, arrival, lost));
        let Verdict::Inconclusive(reason) = fused.verdict else { panic!("{fused:?}") };
        writeln!(text, "{reason}").unwrap();
    };
    check(Outcome::TimedOut, "none", Arrival::NotSeen, None);
    check(Outcome::TimedOut, "none", Arrival::NotSeen, Some("the stream was cut"));
    check(Outcome::TimedOut, "forwarded", Arrival::Arrived, None);
    check(Outcome::TimedOut, "dropped for no policy", Arrival::Unknown, None);
    check(Outcome::Refused, "forwarded", Arrival::NotSeen, None);
    check(Outcome::NameRefused, "none", Arrival::Unknown, None);
    check(Outcome::NameFailed("ServFail".to_owned()), "redirected", Arrival::Unknown, None);
    check(Outcome::TimedOut, "audited egress", Arrival::NotSeen, None);
    check(Outcome::Ended, "denied egress", Arrival::Arrived, None);
    check(Outcome::HttpStatus(403), "denied http", Arrival::Arrived, None);
    check(Outcome::Answered, "denied egress", Arrival::Arrived, None);
    check(Outcome::Answered, "forwarded", Arrival::NotSeen, None);
    check(Outcome::Answered, "not modelled", Arrival::Unknown, None);
    check(Outcome::NotAttempted("no address".to_owned()), "denied egress", Arrival::Unknown, None);
    insta::assert_snapshot!(text, @r"
    the client saw: timed out, and no flow says that a policy denied it
    the client saw: timed out, and flows may be missing: the stream was cut
    the client saw: timed out, and it reached its server, and the answer was lost
    the client saw: timed out, and its packet was dropped: no endpoint has this address
    the client saw: refused, and no flow says that a policy denied it
    the client saw: name refused, and no flow says that a policy denied it
    the client saw: name failed: ServFail, and no flow says that a policy denied it
    the client saw: timed out, and no flow says that a policy denied it
    the client saw: ended when its flow was seen, and it reached its server although its packets were denied at egress
    the client saw: HTTP 403, and it reached its server although its packets were denied at http
    the client saw: answered, although its packets were denied at egress
    the client saw: answered, and no server saw it
    the datapath does not know what Kafka allows
    not attempted: no address
    ");
}

#[test]
fn a_denial_beside_an_answer_says_when() {
    let check = |began: u64, took: u64, expected: &str| {
        let stage = Stage {
            kind: StageKind::Connect,
            protocol: Some(Protocol::Tcp),
            local: Some("10.0.0.1:40000".parse().unwrap()),
            remote: Some("10.0.0.2:80".parse().unwrap()),
            outcome: Outcome::Answered,
            addresses: Vec::new(),
            began: Duration::from_micros(began),
            took: Duration::from_micros(took),
        };
        let observation =
            Observation { outcome: Outcome::Answered, stages: vec![stage], arrival: Arrival::NotSeen };
        let denial = judged(FlowVerdict::Dropped, FlowDirection::Ingress);
        let Verdict::Inconclusive(reason) = fuse(&Evidence::new(observation, vec![denial])).verdict else {
            panic!("a denial and an answer contradict each other");
        };
        let denied = "the client saw: answered, although its packets were denied at ingress";
        assert_eq!(reason, format!("{denied}, the first of them {expected} that"));
    };
    check(200, 300, "0.5 ms after");
    check(900, 300, "0.2 ms before");
}

/// What told no verdict may tell one the next time, unless the datapath does not model it; a verdict is never asked for
/// again, whatever it is.
#[test]
fn what_may_tell_more() {
    for outcome in outcomes() {
        for (name, flows) in flows() {
            for (arrival, lost) in ARRIVALS.into_iter().flat_map(|it| [(it, None), (it, Some("cut"))]) {
                let evidence = evidence(&outcome, &flows, arrival, lost);
                let told = match fuse(&evidence).verdict {
                    Verdict::Inconclusive(reason) if name != "not modelled" => Some(reason),
                    _ => None,
                };
                assert_eq!(may_tell_more(&evidence), told, "{outcome}, {name}, {arrival:?}");
            }
        }
    }
}
