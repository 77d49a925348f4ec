//! The event log: every event is one line, and reads back as it was.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use proptest::prelude::*;
use verdikt_scenario::attempt::{Attempt, Request, Target};
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::{ObjectRef, Refuser};
use verdikt_scenario::prediction::{Answer, Check, Finding, Gate, Miss, Prediction, RuleRef};
use verdikt_scenario::topology::{CiliumEndpoint, Endpoint, Port, Protocol};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{CellResult, Verdict, compare};
use verdikt_verdict::event::{
    CellJudged, Event, FORMAT, ObjectJudged, Refusal, RunFinished, RunStarted, ScenarioSkipped,
    ScenarioStarted, StepFinished, StepStarted,
};
use verdikt_verdict::outcome::{Outcome, Totals};

fn check(event: &Event) -> String {
    let line = event.to_line().unwrap();
    assert!(!line.contains(['\n', '\r']), "more than one line: {line}");
    assert_eq!(&Event::from_line(&line).unwrap(), event, "{line}");
    line
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

fn rule() -> RuleRef {
    RuleRef { object: object(Some("database")), path: text("spec.ingress[0]"), place: place() }
}

fn pod(name: &str) -> Endpoint {
    Endpoint::Pod(name.parse().unwrap())
}

fn run_started() -> Event {
    let cilium = CiliumVersion::V1_18;
    Event::RunStarted(RunStarted { format: FORMAT, verdikt: text("0.1.0"), backend: text("model"), cilium })
}

fn cell(attempt: Attempt, source: Endpoint, expected: &str, answer: Answer, finding: Finding) -> Event {
    let check =
        Check { gate: Gate::Ingress, endpoint: pod("database/redis"), question: text("from a"), finding };
    let prediction = Prediction { answer, checks: vec![check] };
    let (expected, verdict) = (expected.parse().unwrap(), Verdict::of_prediction(&prediction));
    let result = compare(&expected, &verdict, &prediction);
    Event::CellJudged(Box::new(CellJudged {
        scenario: text("three-tier"),
        step: text("locked down"),
        attempt,
        source,
        expected,
        place: place(),
        because: Some(text("it was so before")),
        prediction,
        evidence: None,
        basis: None,
        verdict,
        result,
    }))
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
    let request = Request {
        method: text("GET"),
        path: text("/a?b=\"c\""),
        headers: vec![(text("X-Token"), text("1 2")), (text("X-Token"), String::new())],
    };
    for target in [Target::Service("backend/api".parse().unwrap()), Target::Name("a.test".parse().unwrap())] {
        attempts.push(Attempt::Http { target, port: port(1), request: request.clone() });
    }
    attempts
}

fn findings() -> Vec<(Answer, Finding)> {
    let nearest = Miss { rule: rule(), on: text("peer: its label app is frontend, not backend") };
    vec![
        (Answer::Allow, Finding::NotIsolated),
        (Answer::Allow, Finding::LocalHost),
        (Answer::Allow, Finding::Allowed { by: vec![rule(), rule()] }),
        (Answer::Deny(Gate::Egress), Finding::Denied { by: vec![rule()] }),
        (Answer::Deny(Gate::Dns), Finding::NoRuleAllows { isolated_by: vec![], nearest: None }),
        (
            Answer::Audit(Gate::Http),
            Finding::NoRuleAllows { isolated_by: vec![rule()], nearest: Some(nearest) },
        ),
        (Answer::Abstain, Finding::Unknown { gap: text("what Kafka allows"), rule: Some(rule()) }),
        (Answer::Abstain, Finding::Unknown { gap: text("this field"), rule: None }),
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
    let started = StepStarted { scenario: scenario.clone(), step: step.clone(), place: place() };
    check(&Event::StepStarted(started));
    for by in [Refuser::ApiServer, Refuser::Agent] {
        let refusal = Refusal { by, message: text("at least one of Ingress") };
        for (expected, refused) in [(None, Some(refusal.clone())), (Some(refusal), None)] {
            check(&Event::ObjectJudged(ObjectJudged {
                scenario: scenario.clone(),
                step: step.clone(),
                object: object(None),
                place: place(),
                expected,
                refused,
                as_expected: false,
            }));
        }
    }
    check(&Event::StepFinished(StepFinished { scenario, step }));
    for outcome in [Outcome::AsExpected, Outcome::Differs, Outcome::Inconclusive, Outcome::NothingToRun] {
        let totals = Totals { cells: 3, differing: 2, ..Totals::default() };
        check(&Event::RunFinished(RunFinished { totals, outcome }));
    }
}

#[test]
fn every_kind_of_cell_reads_back() {
    for attempt in attempts() {
        for (answer, finding) in findings() {
            check(&cell(attempt.clone(), pod("shop/cart"), "allow by database/redis", answer, finding));
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
        check(&cell(attempt, source, "deny", Answer::Allow, Finding::NotIsolated));
    }
}

/// Other programs read these lines: whoever changes them raises [`FORMAT`].
#[test]
fn the_format_stays() {
    insta::assert_snapshot!(check(&run_started()), @r#"{"event":"run-started","format":2,"verdikt":"0.1.0","backend":"model","cilium":"1.18"}"#);
    let attempt = attempts().remove(0);
    let event = cell(
        attempt,
        Endpoint::World("client".parse().unwrap()),
        "deny ingress by database/redis",
        Answer::Deny(Gate::Ingress),
        Finding::Denied { by: vec![rule()] },
    );
    insta::assert_snapshot!(check(&event), @r#"{"event":"cell-judged","scenario":"three-tier","step":"locked down","attempt":{"connect":{"protocol":"tcp","target":{"endpoint":{"pod":"database/redis"}},"port":65535}},"source":{"world":"client"},"expected":{"verdict":{"deny-at":"ingress"},"by":"database/redis"},"place":{"file":"policies/redis.yaml","line":12,"column":5},"because":"it was so before","prediction":{"answer":{"deny":"ingress"},"checks":[{"gate":"ingress","endpoint":{"pod":"database/redis"},"question":"from a","finding":{"denied":{"by":[{"object":{"kind":"CiliumNetworkPolicy","namespace":"database","name":"redis"},"path":"spec.ingress[0]","place":{"file":"policies/redis.yaml","line":12,"column":5}}]}}}]},"verdict":{"denied":"ingress"},"result":"as-expected"}"#);
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
    let events: Vec<Event> = findings()
        .into_iter()
        .map(|(answer, finding)| cell(attempts().remove(0), pod("shop/cart"), "allow", answer, finding))
        .collect();
    let read: Vec<Event> = events.iter().map(|event| Event::from_line(&check(event)).unwrap()).collect();
    let totals = Totals::of(&read);
    assert_eq!(totals, Totals { cells: 8, differing: 3, inconclusive: 2, ..Totals::default() });
    let judged =
        |event: &Event| matches!(event, Event::CellJudged(cell) if cell.result == CellResult::Inconclusive);
    assert_eq!(read.iter().filter(|event| judged(event)).count(), 2);
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
