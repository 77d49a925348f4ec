use std::time::Duration;

use rstest::rstest;
use verdikt_scenario::attempt::Target;
use verdikt_scenario::flow::{DropReason, Flow, FlowDirection, FlowEnd, FlowKind, FlowProtocol, FlowVerdict};
use verdikt_scenario::observation::{Arrival, Observation, Outcome};
use verdikt_scenario::prediction::{Check, Decision, EnforcementPoint};
use verdikt_scenario::topology::Protocol;

use super::*;

fn pod(name: &str) -> Endpoint {
    Endpoint::Pod(format!("shop/{name}").parse().unwrap())
}

/// An attempt through a service to this backend, of which the engine says this.
fn attempt(backend: &str, answer: Answer) -> PredictedAttempt {
    let target = Target::Backend { service: "shop/web".parse().unwrap(), backend: pod(backend) };
    let attempt = Attempt::Connect { protocol: Protocol::Tcp, target, port: 80.try_into().unwrap() };
    let decision = if answer == Answer::Abstain {
        Decision::Unknown { gap: "this rule".to_owned(), rule: None }
    } else {
        Decision::NotIsolated
    };
    let check = Check {
        point: EnforcementPoint::Ingress,
        endpoint: pod(backend),
        question: "from shop/cart".to_owned(),
        decision,
    };
    PredictedAttempt { attempt, prediction: Prediction { answer, checks: vec![check] } }
}

fn answered() -> Evidence {
    let observation =
        Observation { outcome: Outcome::Answered, stages: Vec::new(), arrival: Arrival::Arrived };
    Evidence::new(observation, Vec::new())
}

fn timed_out() -> Evidence {
    let observation =
        Observation { outcome: Outcome::TimedOut, stages: Vec::new(), arrival: Arrival::NotSeen };
    Evidence::new(observation, Vec::new())
}

fn denied() -> Evidence {
    let end = |address: [u8; 4], port: u16| FlowEnd {
        address: address.into(),
        port: Some(port),
        identity: 1,
        endpoint: None,
    };
    let flow = Flow {
        at: Duration::ZERO,
        kind: FlowKind::PolicyVerdict,
        verdict: FlowVerdict::Dropped,
        direction: FlowDirection::Ingress,
        source: end([10, 0, 0, 1], 40_000),
        client: None,
        destination: end([10, 0, 0, 2], 80),
        protocol: FlowProtocol::Port(Protocol::Tcp),
        drop_reason: Some(DropReason::PolicyDenied),
        match_type: 0,
        policies: Vec::new(),
        request: None,
    };
    Evidence { flows: vec![flow], ..timed_out() }
}

fn judged(expected: &str, attempts: &[PredictedAttempt], observed: &ObservedStep) -> String {
    let judged = judge_cell(&expected.parse().unwrap(), attempts.to_vec(), observed, 0).unwrap();
    let via = judged.via.map_or_else(String::new, |backend| format!(" via {backend}"));
    let why = match &judged.verdict {
        Verdict::Inconclusive(why) => format!(": {why}"),
        _ => String::new(),
    };
    format!("{}{via}, {:?}{why}", judged.verdict, judged.result)
}

const INGRESS: Answer = Answer::Deny(EnforcementPoint::Ingress);

#[test]
fn every_backend_has_to_be_as_expected() {
    let check = |expected: &str, answers: [Answer; 2], said: &str| {
        let attempts = [attempt("a", answers[0]), attempt("b", answers[1])];
        assert_eq!(judged(expected, &attempts, &ObservedStep::Nothing), said, "{expected} {answers:?}");
    };
    check("allow", [Answer::Allow, Answer::Allow], "allow, AsExpected");
    check("allow", [Answer::Allow, INGRESS], "deny ingress via shop/b, Differs");
    check("deny", [Answer::Allow, INGRESS], "allow via shop/a, Differs");
    check("deny", [Answer::Deny(EnforcementPoint::Egress), INGRESS], "deny egress, AsExpected");
    check(
        "deny ingress",
        [Answer::Deny(EnforcementPoint::Egress), INGRESS],
        "deny egress via shop/a, Differs",
    );
    check(
        "allow",
        [Answer::Allow, Answer::Abstain],
        "inconclusive via shop/b, Inconclusive: the engine does not know this rule",
    );
    check("allow", [Answer::Abstain, INGRESS], "deny ingress via shop/b, Differs");
}

#[test]
fn evidence_is_compared_backend_by_backend() {
    let attempts = [attempt("a", Answer::Allow), attempt("b", Answer::Allow)];
    let of_each = CellEvidence(vec![(0, answered()), (1, timed_out())]);
    let observed = ObservedStep::Evidence(DatapathKind::Lab, vec![of_each]);
    insta::assert_snapshot!(judged("allow", &attempts, &observed), @"inconclusive via shop/b, Inconclusive: the client saw: timed out, and no flow says that a policy denied it");
}

/// What was seen several times of one backend has to be as expected each time.
#[test]
fn all_that_was_seen_of_a_backend_counts() {
    let unlike = [attempt("a", Answer::Allow), attempt("b", INGRESS)];
    let check = |expected: &str, seen: Vec<(usize, Evidence)>, said: &str| {
        let observed = ObservedStep::Evidence(DatapathKind::Cilium, vec![CellEvidence(seen)]);
        assert_eq!(judged(expected, &unlike, &observed), said, "{expected}");
    };
    check("allow", vec![(0, answered()), (1, denied())], "deny ingress via shop/b, Differs");
    check("deny ingress", vec![(0, answered()), (1, denied())], "allow via shop/a, Differs");
    check("allow", vec![(0, answered()), (1, answered())], "allow via shop/b, Contradicted");
    check("allow", vec![(0, answered()), (0, denied()), (1, answered())], "deny ingress via shop/a, Differs");
    check(
        "allow",
        vec![(0, answered()), (1, timed_out())],
        "inconclusive via shop/b, Inconclusive: the client saw: timed out, and no flow says that a policy denied it",
    );
}

fn answered_on(datapath: DatapathKind) -> ObservedStep {
    ObservedStep::Evidence(datapath, vec![CellEvidence(vec![(0, answered())])])
}

/// The lab applies what the engine knows; a cluster shows what the engine does not.
#[rstest]
#[case::lab("allow", DatapathKind::Lab, "inconclusive, Inconclusive: the engine does not know this rule")]
#[case::lab_and_deny(
    "deny",
    DatapathKind::Lab,
    "inconclusive, Inconclusive: the engine does not know this rule"
)]
#[case::cluster("allow", DatapathKind::Cilium, "allow, AsExpected")]
fn an_abstention_is_neither_agreement_nor_difference(
    #[case] expected: &str,
    #[case] datapath: DatapathKind,
    #[case] said: &str,
) {
    assert_eq!(judged(expected, &[attempt("a", Answer::Abstain)], &answered_on(datapath)), said);
}

#[rstest]
fn chance_is_neither_agreement_nor_difference(
    #[values("allow", "deny")] expected: &str,
    #[values(DatapathKind::Lab, DatapathKind::Cilium)] datapath: DatapathKind,
) {
    let mut chance = [attempt("a", Answer::Abstain)];
    chance[0].prediction.checks[0].decision = Decision::Chance { gap: "who comes first".to_owned() };
    let said = judged(expected, &chance, &answered_on(datapath));
    assert_eq!(said, "inconclusive, Inconclusive: the engine does not know who comes first");
}
