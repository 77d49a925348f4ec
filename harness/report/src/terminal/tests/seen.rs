//! What people see of attempts that were made: what verdicts rest on, and what was seen where they surprise.

use std::net::SocketAddr;
use std::time::Duration;

use verdikt_scenario::flow::{
    DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict, ProxyRequest,
};
use verdikt_scenario::observation::{Arrival, Observation, Outcome, Stage, StageKind};
use verdikt_scenario::topology::Protocol;
use verdikt_verdict::compare::compare;
use verdikt_verdict::event::{RunFinished, ScenarioFailed};
use verdikt_verdict::evidence::{EarlierEvidence, Evidence};
use verdikt_verdict::fuse::fuse;
use verdikt_verdict::run_result::{RunResult, Totals};

use super::*;
use crate::fixture::{FILE, place};
use crate::json::json;
use crate::junit::junit;
use crate::markdown::markdown;

const CLIENT: &str = "10.0.0.1:40001";
const SERVER: &str = "10.0.0.2:6379";

fn stage(kind: StageKind, protocol: Option<Protocol>, outcome: &Outcome) -> Stage {
    let looks_up = kind == StageKind::LookUp;
    Stage {
        kind,
        protocol,
        local: CLIENT.parse().ok(),
        remote: if looks_up { "10.96.0.10:53".parse().ok() } else { SERVER.parse().ok() },
        outcome: if looks_up { Outcome::Answered } else { outcome.clone() },
        addresses: if looks_up { vec!["10.0.0.2".parse().unwrap()] } else { Vec::new() },
        began: Duration::from_millis(7),
        took: Duration::from_micros(1_250),
    }
}

fn flow(direction: FlowDirection, verdict: FlowVerdict, drop_reason: Option<DropReason>) -> Flow {
    let end = |socket: &str, endpoint: Option<&str>| {
        let socket: SocketAddr = socket.parse().unwrap();
        let (address, port) = (socket.ip(), Some(socket.port()));
        FlowEnd { address, port, identity: 50_000, endpoint: endpoint.map(pod) }
    };
    Flow {
        at: Duration::from_millis(8),
        kind: FlowKind::PolicyVerdict,
        verdict,
        direction,
        source: end(CLIENT, None),
        client: None,
        destination: end(SERVER, Some("database/redis")),
        protocol: FlowProtocol::Port(Protocol::Tcp),
        drop_reason,
        match_type: 0,
        policies: if verdict == FlowVerdict::Dropped { vec!["database/lockdown".to_owned()] } else { vec![] },
        request: None,
    }
}

fn evidence(outcome: Outcome, arrival: Arrival, flows: Vec<Flow>) -> Evidence {
    let stages = vec![stage(StageKind::Connect, Some(Protocol::Tcp), &outcome)];
    Evidence::new(Observation { outcome, stages, arrival }, flows)
}

/// A cell from `source` with its verdict by evidence.
fn seen(source: &str, expected: &str, predicted: Answer, evidence: Evidence) -> CellJudged {
    let decision = match predicted {
        Answer::Deny(_) => no_rule_allows(),
        _ => Decision::NotIsolated,
    };
    let prediction = at_redis(source, predicted, Decision::NotIsolated, Some(decision));
    let mut cell = cell(tcp("database/redis", 6379), pod(source), expected, prediction);
    let fused = fuse(&evidence);
    cell.result = compare(&cell.expected, &fused.verdict, &cell.prediction);
    (cell.verdict, cell.basis, cell.evidence) = (fused.verdict, Some(fused.basis), Some(Box::new(evidence)));
    cell
}

fn passed() -> Evidence {
    let flows = vec![flow(FlowDirection::Ingress, FlowVerdict::Forwarded, None)];
    evidence(Outcome::Answered, Arrival::Arrived, flows)
}

fn denied() -> Evidence {
    let reason = Some(DropReason::PolicyDenied);
    let flows = vec![flow(FlowDirection::Ingress, FlowVerdict::Dropped, reason)];
    evidence(Outcome::Ended, Arrival::NotSeen, flows)
}

/// As expected twice, and everything that is not.
fn cells_seen() -> Vec<CellJudged> {
    let at_ingress = Answer::Deny(EnforcementPoint::Ingress);
    let silent = || evidence(Outcome::Answered, Arrival::Unknown, Vec::new());
    let request = ProxyRequest::Http {
        method: "GET".to_owned(),
        path: "/a\u{1b}b".to_owned(),
        host: "api".to_owned(),
        status: Some(403),
    };
    let mut unclear = evidence(Outcome::TimedOut, Arrival::NotSeen, Vec::new());
    unclear.observation.stages.insert(0, stage(StageKind::LookUp, Some(Protocol::Udp), &Outcome::Answered));
    unclear.flows = vec![
        flow(FlowDirection::Egress, FlowVerdict::Redirected, None),
        Flow { request: Some(request), ..flow(FlowDirection::Egress, FlowVerdict::Forwarded, None) },
    ];
    unclear.lost = Some("the stream was cut".to_owned());
    let unmade = Observation::not_attempted("database/redis has no address");
    let unmade = Evidence::new(unmade, Vec::new());
    vec![
        seen("shop/a", "allow", Answer::Allow, passed()),
        seen("shop/b", "allow", Answer::Allow, passed()),
        seen("shop/c", "allow", Answer::Allow, silent()),
        seen("shop/d", "deny ingress by database/redis", at_ingress, denied()),
        // The author is right, and the engine is not.
        seen("shop/e", "allow", at_ingress, passed()),
        // Both are wrong, and then the author alone.
        seen("shop/f", "deny ingress by database/redis", at_ingress, passed()),
        seen("shop/g", "allow", at_ingress, denied()),
        seen("shop/h", "allow", Answer::Allow, unclear),
        seen("shop/i", "allow", Answer::Allow, unmade),
    ]
}

#[test]
fn evidence_is_counted_and_shown_where_it_matters() {
    let text = shown(&run(Vec::new(), cells_seen()), 110, Detail::Tables, false);
    insta::assert_snapshot!(text);
}

#[test]
fn other_reports_have_the_evidence_of_every_cell() {
    let events = run(Vec::new(), cells_seen());
    let value: serde_json::Value = serde_json::from_str(&json(&events).unwrap()).unwrap();
    let cells = value["scenarios"][0]["steps"][1]["cells"].as_array().unwrap();
    let bases: Vec<&str> = cells.iter().map(|cell| cell["basis"].as_str().unwrap()).collect();
    insta::assert_snapshot!(bases.join("\n"), @r"
    outcome+flow+arrival
    outcome+flow+arrival
    outcome
    outcome+flow+arrival
    outcome+flow+arrival
    outcome+flow+arrival
    outcome+flow+arrival
    nothing
    nothing
    ");
    assert_eq!(cells[3]["evidence"]["flows"][0]["verdict"], "dropped");
    assert_eq!(cells[4]["result"], "contradicted");
    let xml = junit(&events).unwrap();
    let properties = xml.lines().filter(|line| line.contains("<property "));
    insta::assert_snapshot!(properties.collect::<Vec<_>>().join("\n"), @r#"
    <property name="evidence" value="outcome+flow+arrival"/>
    <property name="evidence" value="outcome+flow+arrival"/>
    <property name="evidence" value="outcome"/>
    <property name="evidence" value="outcome+flow+arrival"/>
    <property name="evidence" value="outcome+flow+arrival"/>
    <property name="evidence" value="outcome+flow+arrival"/>
    <property name="evidence" value="outcome+flow+arrival"/>
    <property name="evidence" value="nothing"/>
    <property name="evidence" value="nothing"/>
    "#);
}

/// What was attempted again, also where it is as expected, with why and what was seen before.
#[test]
fn what_was_attempted_again_is_in_every_report() {
    let before = |outcome: Outcome, lost: &str| EarlierEvidence {
        reason: format!("the client saw: {outcome}, and flows may be missing: {lost}"),
        outcome,
    };
    let lost = || before(Outcome::TimedOut, "node n1: 12 flows were lost");
    let denied = || Evidence { again: vec![lost()], ..denied() };
    let more = vec![lost(), before(Outcome::HttpStatus(403), "node n|2: *cut*")];
    let unclear = Evidence {
        lost: Some("node n1: cut".to_owned()),
        again: more,
        ..evidence(Outcome::TimedOut, Arrival::NotSeen, Vec::new())
    };
    let at_ingress = Answer::Deny(EnforcementPoint::Ingress);
    let events = run(
        Vec::new(),
        vec![
            seen("shop/a", "deny ingress", at_ingress, denied()),
            seen("shop/b", "deny ingress", at_ingress, denied()),
            seen("shop/c", "allow", Answer::Allow, unclear),
        ],
    );
    let quiet = shown(&events, 110, Detail::Differences, false);
    let text = shown(&events, 110, Detail::Tables, false);
    let is_about = |line: &&str| line.contains("again:") || line.contains("attempted again");
    insta::assert_snapshot!(quiet.lines().filter(is_about).collect::<Vec<_>>().join("\n"), @"
    inconclusive  three-tier: 2 steps, 4 cells, 1 inconclusive, 3 attempted again
    inconclusive  three-tier/locked down: 3 cells, 1 inconclusive, 3 attempted again
                   attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were
      inconclusive  three-tier/locked down: 3 cells, 1 inconclusive, 3 attempted again
    inconclusive: 1 scenario, 2 steps, 4 cells, 0 policy objects, 1 inconclusive cell, 3 cells attempted again, 1
    ");
    let table = text.split("three-tier.yaml:30").nth(1).unwrap().split("\n\n").take(3);
    insta::assert_snapshot!(table.collect::<Vec<_>>().join("\n\n").trim_start(), @r"
    tcp database/redis:6379
      shop/a     deny ingress [1,2]
      shop/b     deny ingress [1,2]
      shop/c   ? inconclusive [3] (expected allow)

      [1] default deny  policies/redis.yaml:12        CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
      [2] attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost
      [3] attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost; the
          client saw: HTTP 403, and flows may be missing: node n|2: *cut*
      ·   no number: no policy isolates the source at egress or the target at ingress
    ");
    let xml = junit(&events).unwrap();
    let properties = xml.lines().filter(|line| line.contains("<property name=\"again\""));
    insta::assert_snapshot!(properties.collect::<Vec<_>>().join("\n"), @r#"
    <property name="again" value="attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost"/>
    <property name="again" value="attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost"/>
    <property name="again" value="attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost; the client saw: HTTP 403, and flows may be missing: node n|2: *cut*"/>
    "#);
    let page = markdown(&events);
    insta::assert_snapshot!(page.lines().filter(is_about).collect::<Vec<_>>().join("\n"), @r"
    - `three-tier/locked down/tcp database/redis:6379/shop/a`: attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost
    - `three-tier/locked down/tcp database/redis:6379/shop/b`: attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost
    - `three-tier/locked down/tcp database/redis:6379/shop/c`: attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost; the client saw: HTTP 403, and flows may be missing: node n\|2: \*cut\*
               attempted again: the client saw: timed out, and flows may be missing: node n1: 12 flows were lost; the client saw: HTTP 403, and flows may be missing: node n|2: *cut*
    ");
    let value: serde_json::Value = serde_json::from_str(&json(&events).unwrap()).unwrap();
    let again = &value["scenarios"][0]["steps"][1]["cells"][0]["evidence"]["again"];
    insta::assert_snapshot!(again.to_string(), @r#"[{"outcome":"timed-out","reason":"the client saw: timed out, and flows may be missing: node n1: 12 flows were lost"}]"#);
}

/// Scenarios that cannot go on are in every report, with what was known of them until then.
#[test]
fn failures_are_shown() {
    let mut events = run(Vec::new(), vec![cells_seen().remove(0)]);
    events.pop();
    let reason = "the probe of shop/a has ended: killed".to_owned();
    events.push(Event::ScenarioFailed(ScenarioFailed {
        scenario: "three-tier".to_owned(),
        place: place(FILE, 1),
        reason,
    }));
    let totals = Totals::of(&events);
    events.push(Event::RunFinished(RunFinished { totals, outcome: RunResult::of(&totals), took: None }));
    insta::assert_snapshot!(shown(&events, 100, Detail::Differences, false), @"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18
    FAILED        three-tier: the probe of shop/a has ended: killed

    not as expected:
      FAILED        three-tier: the probe of shop/a has ended: killed

    evidence: 1 cell by outcome, flow and arrival
    backend model, Cilium 1.18
    FAILED: 1 scenario, 2 steps, 2 cells, 0 policy objects, 1 scenario failed, 1 scenario skipped
    ");
    let value: serde_json::Value = serde_json::from_str(&json(&events).unwrap()).unwrap();
    assert_eq!((&value["outcome"], &value["totals"]["failed"]), (&"failed".into(), &1.into()));
    assert_eq!(value["failed"][0]["name"], "three-tier");
    let xml = junit(&events).unwrap();
    let failed = xml.lines().filter(|line| line.contains("<error")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(failed, @r#"            <error message="the probe of shop/a has ended: killed" type="failed"/>"#);
}

#[test]
fn an_interrupted_run_says_so() {
    let mut events = run(Vec::new(), cells_seen());
    // In the midst of the second step.
    events.truncate(9);
    let totals = Totals::of(&events);
    let outcome = RunResult::Interrupted;
    events.push(Event::RunFinished(RunFinished { totals, outcome, took: None }));
    insta::assert_snapshot!(shown(&events, 100, Detail::Differences, false), @"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18

    evidence: 2 cells by outcome, flow and arrival
    backend model, Cilium 1.18
    interrupted: 1 scenario, 2 steps, 3 cells, 0 policy objects, 1 scenario skipped
    ");
    let value: serde_json::Value = serde_json::from_str(&json(&events).unwrap()).unwrap();
    assert_eq!(value["outcome"], "interrupted");
}
