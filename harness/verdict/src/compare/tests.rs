use verdikt_scenario::place::Place;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::prediction::{Check, RuleRef};
use verdikt_scenario::topology::Endpoint;

use super::*;

const GATES: [Gate; 4] = [Gate::Egress, Gate::Ingress, Gate::Dns, Gate::Http];

fn prediction(answer: Answer, finding: Finding) -> Prediction {
    let endpoint = Endpoint::Pod("database/redis".parse().unwrap());
    let check = Check { gate: Gate::Ingress, endpoint, question: "from a".to_owned(), finding };
    Prediction { answer, checks: vec![check] }
}

fn rule(name: &str) -> RuleRef {
    let object = ObjectRef {
        kind: "CiliumNetworkPolicy".to_owned(),
        namespace: Some("database".to_owned()),
        name: name.to_owned(),
    };
    RuleRef { object, path: "spec.ingress[0]".to_owned(), place: Place::start_of("p.yaml") }
}

/// Every expectation against every verdict: nothing passes but what is meant.
#[test]
fn every_expectation_against_every_verdict() {
    let words = ["allow", "deny", "deny egress", "deny ingress", "deny dns", "deny http", "audit"];
    let mut verdicts = vec![Verdict::Allowed, Verdict::Inconclusive("no evidence".to_owned())];
    verdicts.extend(GATES.map(Verdict::Denied));
    verdicts.extend(GATES.map(Verdict::Audited));
    let mut table = String::new();
    for word in words {
        let expected: Expected = word.parse().unwrap();
        for verdict in &verdicts {
            let result = compare(&expected, verdict, &prediction(Answer::Abstain, Finding::NotIsolated));
            let shown = match (verdict, result) {
                (_, CellResult::AsExpected) => "=",
                (_, CellResult::Differs) => "x",
                (_, CellResult::DecidedByAnother) => "b",
                (_, CellResult::Contradicted) => "c",
                (_, CellResult::Inconclusive) => "?",
            };
            table.push_str(shown);
        }
        table.push('\n');
    }
    // Columns: allowed, inconclusive, denied at egress, ingress, dns, http, audited at the same four.
    let expected = "=?xxxxxxxx\nx?====xxxx\nx?=xxxxxxx\nx?x=xxxxxx\nx?xx=xxxxx\nx?xxx=xxxx\nx?xxxx====\n";
    assert_eq!(table, expected);
}

/// A verdict that is expected and that the engine does not predict is no success.
#[test]
fn every_prediction_against_every_verdict_that_is_expected() {
    let mut answers = vec![Answer::Allow, Answer::Abstain];
    answers.extend(GATES.map(Answer::Deny));
    answers.extend(GATES.map(Answer::Audit));
    let verdicts = [
        ("allow", Verdict::Allowed),
        ("deny", Verdict::Denied(Gate::Egress)),
        ("audit", Verdict::Audited(Gate::Dns)),
    ];
    let mut table = String::new();
    for (word, verdict) in verdicts {
        for answer in &answers {
            let prediction = prediction(*answer, Finding::NotIsolated);
            let result = compare(&word.parse().unwrap(), &verdict, &prediction);
            assert!(matches!(result, CellResult::AsExpected | CellResult::Contradicted));
            table.push(if result == CellResult::AsExpected { '=' } else { 'c' });
        }
        table.push('\n');
    }
    // Columns: allow, abstains, denied at egress, ingress, dns, http, audited at the same four.
    assert_eq!(table, "==cccccccc\nc==ccccccc\nc=cccc====\n");
}

#[test]
fn a_named_policy_must_be_one_that_decides() {
    let check = |words: &str, finding: Finding, answer: Answer, expected: CellResult| {
        let prediction = prediction(answer, finding);
        let verdict = Verdict::of_prediction(&prediction);
        let expectation: Expected = words.parse().unwrap();
        assert_eq!(compare(&expectation, &verdict, &prediction), expected, "{words}");
    };
    let denied = || Finding::Denied { by: vec![rule("lockdown")] };
    let isolated = || Finding::NoRuleAllows { isolated_by: vec![rule("one"), rule("two")], nearest: None };
    let at_ingress = Answer::Deny(Gate::Ingress);
    check("deny ingress by database/lockdown", denied(), at_ingress, CellResult::AsExpected);
    check("deny ingress by database/other", denied(), at_ingress, CellResult::DecidedByAnother);
    check("deny by database/two", isolated(), at_ingress, CellResult::AsExpected);
    check("deny egress by database/two", isolated(), at_ingress, CellResult::Differs);
    let allowed = Finding::Allowed { by: vec![rule("open")] };
    check("allow by database/open", allowed, Answer::Allow, CellResult::AsExpected);
    check("allow by database/open", Finding::NotIsolated, Answer::Allow, CellResult::DecidedByAnother);
}

#[test]
fn an_abstention_is_inconclusive_and_says_why() {
    let finding = Finding::Unknown { gap: "what Kafka allows".to_owned(), rule: None };
    let verdict = Verdict::of_prediction(&prediction(Answer::Abstain, finding));
    assert_eq!(verdict, Verdict::Inconclusive("the engine does not know what Kafka allows".to_owned()));
}
