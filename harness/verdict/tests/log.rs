//! The event log: every event is one line, and reads back as it was.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::sync::Arc;
use std::time::Duration;

use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use verdikt_scenario::attempt::{Attempt, Request, Scheme, Target};
use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::observation::{Arrival, Observation, Outcome, Stage, StageKind};
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::{ObjectRef, Refuser};
use verdikt_scenario::prediction::{Answer, Check, Decision, EnforcementPoint, Miss, Prediction, RuleRef};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Port, Protocol};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict, compare};
use verdikt_verdict::event::{
    CellJudged, CellSkipped, Event, FORMAT, ObjectJudged, ObjectRefusal, RunFinished, RunOrigin, RunStarted,
    ScenarioFailed, ScenarioSkipped, ScenarioStarted, StepFinished, StepStarted,
};
use verdikt_verdict::evidence::{EarlierEvidence, Evidence};
use verdikt_verdict::fuse::{FusedVerdict, fuse};
use verdikt_verdict::run_result::{RunResult, Totals};
use verdikt_verdict::schema::event_schema;
use verdikt_verdict::timestamp::Timestamp;

fn check(event: &Event) -> String {
    let line = event.to_line().unwrap();
    assert!(!line.contains(['\n', '\r']), "more than one line: {line}");
    assert_eq!(&Event::from_line(&line).unwrap(), event, "{line}");
    SCHEMA.with(|schema| schema.check(&line));
    line
}

thread_local! {
    static SCHEMA: EventSchema = EventSchema::compile();
}

/// The schema of the log, as a validator that is not ours applies it.
struct EventSchema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl EventSchema {
    fn compile() -> Self {
        // Nothing is read from there.
        const PLACE: &str = "http://localhost/events.json";
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(PLACE, event_schema()).unwrap();
        let index = compiler.compile(PLACE, &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn check(&self, line: &str) {
        let line = serde_json::from_str(line).unwrap();
        let valid = self.schemas.validate(&line, self.index);
        assert!(valid.is_ok(), "{line}: {:#}", valid.unwrap_err());
    }
}

#[test]
fn the_schema_tells_events_from_others() {
    let refused = |line: &str| {
        SCHEMA.with(|schema| {
            schema.schemas.validate(&serde_json::from_str(line).unwrap(), schema.index).is_err()
        })
    };
    let line = check(&run_started());
    assert!(refused(r#"{"event": "run-started"}"#), "fields are missing");
    assert!(refused(&line.replace("run-started", "run-begun")), "no event is called so");
    assert!(refused(&line.replace("\"1.18\"", "18")), "a version is a text");
}

fn text(words: &str) -> String {
    words.to_owned()
}

fn place() -> Place {
    Place { file: "policies/redis.yaml".into(), line: 12, column: 5 }
}

fn object(namespace: Option<&str>) -> ObjectRef {
    ObjectRef { kind: text("CiliumNetworkPolicy"), namespace: namespace.map(text), name: text("redis") }
}

fn rule() -> Arc<RuleRef> {
    let object = object(Some("database"));
    Arc::new(RuleRef { object, path: text("spec.ingress[0]"), place: place(), precedence: None })
}

fn pod(name: &str) -> Endpoint {
    Endpoint::Pod(name.parse().unwrap())
}

fn run_started() -> Event {
    let (cilium, origin) = (CiliumVersion::V1_18, RunOrigin::default());
    Event::RunStarted(RunStarted {
        format: FORMAT,
        verdikt: text("0.1.0"),
        backend: text("model"),
        instead_of_lab: None,
        cilium,
        origin,
    })
}

fn moment() -> Option<Timestamp> {
    Timestamp::since_1970(Duration::from_millis(1_795_848_300_250))
}

fn cell(attempt: Attempt, source: Endpoint, expected: &str, answer: Answer, decision: Decision) -> Event {
    let check = Check {
        point: EnforcementPoint::Ingress,
        endpoint: pod("database/redis"),
        question: text("from a"),
        decision,
    };
    let prediction = Prediction { answer, checks: vec![check] };
    let (expected, verdict) = (expected.parse().unwrap(), Verdict::of_prediction(&prediction));
    let result = compare(&expected, &verdict, &prediction);
    Event::CellJudged(Arc::new(CellJudged {
        scenario: "three-tier".into(),
        step: "locked down".into(),
        attempt: Arc::new(attempt),
        source,
        via: None,
        expected,
        place: place(),
        because: Some("it was so before".into()),
        prediction,
        evidence: None,
        basis: None,
        verdict,
        result,
    }))
}

/// A cell with all evidence there can be, or with as little as there can be.
fn with_evidence(event: Event, evidence: Evidence) -> Event {
    let Event::CellJudged(cell) = event else { panic!("{event:?}") };
    let FusedVerdict { verdict, basis } = fuse(&evidence);
    let result = compare(&cell.expected, &verdict, &cell.prediction);
    let (evidence, basis) = (Some(Box::new(evidence)), Some(basis));
    let cell = Arc::unwrap_or_clone(cell);
    Event::CellJudged(Arc::new(CellJudged { evidence, basis, verdict, result, ..cell }))
}

fn end(address: &str, port: Option<u16>, endpoint: Option<Endpoint>) -> FlowEnd {
    FlowEnd { address: address.parse().unwrap(), port, identity: 16_777_217, endpoint }
}

fn flows() -> Vec<Flow> {
    let flow = |protocol, verdict, drop_reason, request| Flow {
        at: Duration::new(1, 999_999_999),
        kind: FlowKind::PolicyVerdict,
        verdict,
        direction: FlowDirection::Egress,
        source: end("10.0.0.1", Some(40_000), Some(pod("shop/cart"))),
        client: None,
        destination: end("fd00::2", None, None),
        protocol,
        drop_reason,
        match_type: 2,
        policies: vec![text("database/redis")],
        request,
    };
    let tcp = FlowProtocol::Port(Protocol::Tcp);
    let dns = ProxyRequest::Dns {
        name: text("api.example.test"),
        kind: text("A"),
        code: Some(text("NoError")),
        addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        ttl: Some(u32::MAX),
    };
    let (method, path, host) = (text("GET"), text("/"), text("api"));
    let http = ProxyRequest::Http { method, path, host, status: Some(403) };
    let mut flows = vec![
        flow(FlowProtocol::Icmp { v6: true, kind: 128 }, FlowVerdict::Forwarded, None, None),
        flow(FlowProtocol::Other(47), FlowVerdict::Audit, None, None),
        flow(tcp, FlowVerdict::Redirected, None, Some(dns)),
        flow(tcp, FlowVerdict::Dropped, Some(DropReason::RefusedByProxy), Some(http)),
    ];
    let reasons = [
        DropReason::PolicyDenied,
        DropReason::PolicyDeny,
        DropReason::InvalidSourceAddress,
        DropReason::Malformed(text("too short")),
        DropReason::NoDestination,
        DropReason::NotModelled(text("what Kafka allows")),
        DropReason::Other(text("missed tail call")),
    ];
    flows.extend(reasons.map(|reason| flow(tcp, FlowVerdict::Error, Some(reason), None)));
    flows
}

fn evidence(outcome: &Outcome, flows: Vec<Flow>, lost: Option<&str>) -> Evidence {
    let stage = |kind, protocol| Stage {
        kind,
        protocol,
        local: Some("10.0.0.1:40000".parse().unwrap()),
        remote: Some("[fd00::2]:53".parse().unwrap()),
        outcome: outcome.clone(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        began: Duration::from_micros(1),
        took: Duration::MAX,
    };
    let stages = vec![
        stage(StageKind::LookUp, Some(Protocol::Udp)),
        Stage { local: None, remote: None, addresses: Vec::new(), ..stage(StageKind::Connect, None) },
        stage(StageKind::Request, Some(Protocol::Tcp)),
    ];
    let observation = Observation { outcome: outcome.clone(), stages, arrival: Arrival::NotSeen };
    let again = lost.map(|lost| EarlierEvidence { outcome: outcome.clone(), reason: text(lost) });
    let led_to = lost.map(|_| Endpoint::Pod("shop/web".parse().unwrap()));
    let (lost, audit) = (lost.map(text), lost.is_some());
    Evidence {
        observation,
        flows,
        lost,
        audit,
        led_to,
        looks_up: audit,
        unanswered: false,
        again: again.into_iter().collect(),
    }
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Answered,
        Outcome::Refused,
        Outcome::Reset,
        Outcome::Unreachable,
        Outcome::TimedOut,
        Outcome::Ended,
        Outcome::NameRefused,
        Outcome::NoSuchName,
        Outcome::NameFailed(text("ServFail")),
        Outcome::HttpStatus(403),
        Outcome::Garbled(text("a \"line\"\nand more")),
        Outcome::NotAttempted(text("no address")),
    ]
}

fn attempts() -> Vec<Attempt> {
    let port = |number| Port::new(number).unwrap();
    let target = || Target::Endpoint(pod("database/redis"));
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let mut attempts: Vec<Attempt> = protocols
        .map(|protocol| Attempt::Connect { protocol, target: target(), port: port(65_535) })
        .into_iter()
        .chain(protocols.map(|protocol| Attempt::Dns { name: "api.example.test".parse().unwrap(), protocol }))
        .collect();
    attempts.push(Attempt::Ping { target: target() });
    attempts.push(Attempt::IcmpMessage { target: target(), kind: 13 });
    let request = Request {
        scheme: Scheme::Http,
        method: text("GET"),
        path: text("/a?b=\"c\""),
        headers: vec![(text("X-Token"), text("1 2")), (text("X-Token"), String::new())],
    };
    let service: NamespacedName = "backend/api".parse().unwrap();
    for target in [
        Target::Service(service.clone()),
        Target::Backend { service, backend: pod("backend/one") },
        Target::Name("a.test".parse().unwrap()),
    ] {
        attempts.push(Attempt::Http { target, port: port(1), request: request.clone() });
    }
    attempts
}

fn decisions() -> Vec<(Answer, Decision)> {
    let nearest = Miss { rule: rule(), on: text("peer: its label app is frontend, not backend") };
    vec![
        (Answer::Allow, Decision::NotIsolated),
        (Answer::Allow, Decision::LocalHost),
        (Answer::Allow, Decision::Allowed { by: vec![rule(), rule()] }),
        (Answer::Deny(EnforcementPoint::Egress), Decision::Denied { by: vec![rule()] }),
        (
            Answer::Deny(EnforcementPoint::Dns),
            Decision::NoRuleAllows { isolated_by: [].into(), nearest: None },
        ),
        (
            Answer::Audit(EnforcementPoint::Http),
            Decision::NoRuleAllows { isolated_by: [rule()].into(), nearest: Some(Box::new(nearest)) },
        ),
        (Answer::Abstain, Decision::Unknown { gap: text("what Kafka allows"), rule: Some(rule()) }),
        (Answer::Abstain, Decision::Unknown { gap: text("this field"), rule: None }),
        (Answer::Abstain, Decision::Chance { gap: text("who comes first") }),
    ]
}

#[test]
fn every_event_reads_back() {
    let (scenario, step) = (text("three-tier"), text("locked down"));
    check(&run_started());
    check(&Event::ScenarioStarted(ScenarioStarted {
        scenario: scenario.clone(),
        about: text("why\nit \"exists\""),
        place: place(),
    }));
    let because = text("it holds for Cilium >=1.19");
    check(&Event::ScenarioSkipped(ScenarioSkipped { scenario: scenario.clone(), place: place(), because }));
    let reason = text("the probe of shop/cart has ended: killed");
    check(&Event::ScenarioFailed(ScenarioFailed { scenario: scenario.clone(), place: place(), reason }));
    let started = StepStarted {
        scenario: scenario.clone(),
        step: step.clone(),
        place: place(),
        sources: vec![pod("shop/cart")],
        started: moment(),
        settled: Some(Duration::from_millis(1200)),
    };
    check(&Event::StepStarted(started));
    for by in [Refuser::ApiServer, Refuser::Agent] {
        let refusal = ObjectRefusal { by, message: text("at least one of Ingress") };
        for (expected, refused) in [(None, Some(refusal.clone())), (Some(refusal), None)] {
            check(&Event::ObjectJudged(ObjectJudged {
                scenario: scenario.clone(),
                step: step.clone(),
                object: object(None),
                place: place(),
                expected,
                refused,
                as_expected: false,
                disagreement: Some(text("the engine accepts it")),
            }));
        }
    }
    let took = Some(Duration::from_micros(1_234_567));
    check(&Event::StepFinished(StepFinished { scenario, step, took }));
    for outcome in [
        RunResult::AsExpected,
        RunResult::Differs,
        RunResult::Failed,
        RunResult::Interrupted,
        RunResult::Inconclusive,
        RunResult::NothingToRun,
    ] {
        let totals = Totals { cells: 3, differing: 2, ..Totals::default() };
        check(&Event::RunFinished(RunFinished { totals, outcome, took }));
    }
}

#[test]
fn every_kind_of_cell_reads_back() {
    for attempt in attempts() {
        for (answer, decision) in decisions() {
            check(&cell(attempt.clone(), pod("shop/cart"), "allow by database/redis", answer, decision));
        }
    }
    let sources = [
        Endpoint::World("client".parse().unwrap()),
        Endpoint::Node("host".parse().unwrap()),
        Endpoint::Cilium(CiliumEndpoint::Ingress),
        Endpoint::Cilium(CiliumEndpoint::Health),
    ];
    for source in sources {
        let attempt = Attempt::Ping { target: Target::Endpoint(pod("shop/cart")) };
        check(&cell(attempt, source, "deny", Answer::Allow, Decision::NotIsolated));
    }
}

#[test]
fn every_kind_of_evidence_reads_back() {
    let cell = || cell(attempts().remove(0), pod("shop/cart"), "allow", Answer::Allow, Decision::NotIsolated);
    for outcome in outcomes() {
        check(&with_evidence(cell(), evidence(&outcome, flows(), None)));
        check(&with_evidence(cell(), evidence(&outcome, Vec::new(), Some("the stream was cut"))));
    }
    for flow in flows() {
        check(&with_evidence(cell(), evidence(&Outcome::TimedOut, vec![flow], None)));
    }
}

#[test]
fn a_cell_that_is_left_out_reads_back_and_counts_for_nothing() {
    let skipped = Event::CellSkipped(CellSkipped {
        scenario: text("three-tier"),
        step: text("locked down"),
        attempt: attempts().remove(0),
        source: Endpoint::World("client".parse().unwrap()),
        expected: "deny ingress".parse().unwrap(),
        place: place(),
        because: text("nobody outside reaches it"),
    });
    insta::assert_snapshot!(check(&skipped), @r#"{"event":"cell-skipped","scenario":"three-tier","step":"locked down","attempt":{"connect":{"protocol":"tcp","target":{"endpoint":{"pod":"database/redis"}},"port":65535}},"source":{"world":"client"},"expected":{"verdict":{"deny-at":"ingress"},"by":null},"place":{"file":"policies/redis.yaml","line":12,"column":5},"because":"nobody outside reaches it"}"#);
    let totals = Totals::of([&skipped, &skipped]);
    assert_eq!(totals, Totals { skipped_cells: 2, ..Totals::default() });
    assert_eq!(RunResult::of(&totals), RunResult::NothingToRun);
}

#[test]
fn a_backend_reads_back() {
    let event = cell(attempts().remove(0), pod("shop/cart"), "deny", Answer::Allow, Decision::NotIsolated);
    let Event::CellJudged(cell) = event else { panic!("{event:?}") };
    let line = check(&Event::CellJudged(Arc::new(CellJudged {
        via: Some(Box::new(pod("backend/one"))),
        ..Arc::unwrap_or_clone(cell)
    })));
    assert!(line.contains(r#""via":{"pod":"backend/one"}"#), "{line}");
}

/// A log of before attempts were made again.
#[test]
fn evidence_without_what_was_before_reads() {
    let event = cell(attempts().remove(0), pod("shop/cart"), "deny", Answer::Abstain, Decision::NotIsolated);
    let whole = with_evidence(event, evidence(&Outcome::Ended, flows(), None));
    let line = whole.to_line().unwrap();
    assert!(!line.contains("again") && !line.contains("audit\":"), "{line}");
    assert_eq!(Event::from_line(&line).unwrap(), whole);
}

#[test]
fn a_log_says_which_run_it_is_of() {
    let Event::RunStarted(started) = run_started() else { panic!("the first event of a run") };
    let origin = RunOrigin {
        run: Some(text("20261128T064500Z-7")),
        started: moment(),
        arguments: vec![text("run"), text("--filter"), text("a b")],
        context: Some(text("kind-verdikt")),
    };
    insta::assert_snapshot!(check(&Event::RunStarted(RunStarted { origin, ..started })), @r#"{"event":"run-started","format":5,"verdikt":"0.1.0","backend":"model","cilium":"1.18","run":"20261128T064500Z-7","started":"2026-11-28T06:45:00.250Z","arguments":["run","--filter","a b"],"context":"kind-verdikt"}"#);
}

/// Other programs read these lines: whoever changes them raises [`FORMAT`].
#[test]
fn the_format_stays() {
    insta::assert_snapshot!(check(&run_started()), @r#"{"event":"run-started","format":5,"verdikt":"0.1.0","backend":"model","cilium":"1.18"}"#);
    let attempt = attempts().remove(0);
    let event = cell(
        attempt,
        Endpoint::World("client".parse().unwrap()),
        "deny ingress by database/redis",
        Answer::Deny(EnforcementPoint::Ingress),
        Decision::Denied { by: vec![rule()] },
    );
    insta::assert_snapshot!(check(&event), @r#"{"event":"cell-judged","name":"three-tier/locked down/tcp database/redis:65535/client","scenario":"three-tier","step":"locked down","attempt":{"connect":{"protocol":"tcp","target":{"endpoint":{"pod":"database/redis"}},"port":65535}},"source":{"world":"client"},"expected":{"verdict":{"deny-at":"ingress"},"by":"database/redis"},"place":{"file":"policies/redis.yaml","line":12,"column":5},"because":"it was so before","prediction":{"answer":{"deny":"ingress"},"checks":[{"point":"ingress","endpoint":{"pod":"database/redis"},"question":"from a","decision":{"denied":{"by":[{"object":{"kind":"CiliumNetworkPolicy","namespace":"database","name":"redis"},"path":"spec.ingress[0]","place":{"file":"policies/redis.yaml","line":12,"column":5}}]}}}]},"verdict":{"denied":"ingress"},"result":"as-expected"}"#);
}

#[test]
fn the_format_of_evidence_stays() {
    let attempt = attempts().remove(0);
    let event = cell(attempt, pod("shop/cart"), "deny", Answer::Abstain, Decision::NotIsolated);
    let mut evidence = evidence(&Outcome::Ended, flows().drain(3..4).collect(), Some("the stream was cut"));
    evidence.observation.stages.truncate(1);
    evidence.observation.stages[0].took = Duration::from_micros(250);
    let line = check(&with_evidence(event, evidence));
    insta::assert_snapshot!(line.split_once("\"evidence\":").unwrap().1, @r#"{"observation":{"outcome":"ended","stages":[{"kind":"look-up","protocol":"udp","local":"10.0.0.1:40000","remote":"[fd00::2]:53","outcome":"ended","addresses":["192.0.2.1"],"began":{"secs":0,"nanos":1000},"took":{"secs":0,"nanos":250000}}],"arrival":"not-seen"},"flows":[{"at":{"secs":1,"nanos":999999999},"kind":"policy-verdict","verdict":"dropped","direction":"egress","source":{"address":"10.0.0.1","port":40000,"identity":16777217,"endpoint":{"pod":"shop/cart"}},"destination":{"address":"fd00::2","port":null,"identity":16777217,"endpoint":null},"protocol":{"port":"tcp"},"drop_reason":"refused-by-proxy","match_type":2,"policies":["database/redis"],"request":{"http":{"method":"GET","path":"/","host":"api","status":403}}}],"lost":"the stream was cut","audit":true,"led_to":{"pod":"shop/web"},"looks_up":true,"again":[{"outcome":"ended","reason":"the stream was cut"}]},"basis":{"outcome":true,"flow":true,"arrival":true},"took":{"secs":0,"nanos":250000},"verdict":{"denied":"http"},"result":"as-expected"}"#);
}

#[test]
fn what_is_no_event_is_an_error() {
    let started = run_started().to_line().unwrap();
    let lines =
        ["", "null", "{}", "{\"event\":\"other\"}", "{\"event\":\"step-started\"}", &started[..20], "[1]"];
    for line in lines {
        assert!(Event::from_line(line).is_err(), "{line}");
    }
}

/// A report made afterwards counts what the run counted.
#[test]
fn totals_follow_from_the_events_alone() {
    let events: Vec<Event> = decisions()
        .into_iter()
        .map(|(answer, decision)| cell(attempts().remove(0), pod("shop/cart"), "allow", answer, decision))
        .collect();
    let read: Vec<Event> = events.iter().map(|event| Event::from_line(&check(event)).unwrap()).collect();
    let totals = Totals::of(&read);
    assert_eq!(totals, Totals { cells: 9, differing: 3, inconclusive: 3, ..Totals::default() });
    let judged =
        |event: &Event| matches!(event, Event::CellJudged(cell) if cell.result == CellResult::Inconclusive);
    assert_eq!(read.iter().filter(|event| judged(event)).count(), 3);
}

/// A run may have a million cells.
#[test]
fn a_cell_is_light() {
    let cell = size_of::<CellJudged>() + 2 * size_of::<Check>();
    assert!(cell <= 448, "{cell} bytes without texts");
}

proptest! {
    #[test]
    fn any_text_reads_back(scenario in any::<String>(), because in any::<String>(), file in any::<String>()) {
        let place = Place { file: file.into(), line: 1, column: 1 };
        check(&Event::ScenarioSkipped(ScenarioSkipped { scenario, place, because }));
    }

    #[test]
    fn no_line_panics(line in any::<String>()) {
        let _ = Event::from_line(&line);
    }
}
