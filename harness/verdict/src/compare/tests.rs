use verdikt_scenario::place::Place;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::prediction::{Check, RuleRef};
use verdikt_scenario::topology::Endpoint;

use super::*;

const GATES: [EnforcementPoint; 4] =
    [EnforcementPoint::Egress, EnforcementPoint::Ingress, EnforcementPoint::Dns, EnforcementPoint::Http];

fn prediction(answer: Answer, decision: Decision) -> Prediction {
    let endpoint = Endpoint::Pod("database/redis".parse().unwrap());
    let check = Check { point: EnforcementPoint::Ingress, endpoint, question: "from a".to_owned(), decision };
    Prediction { answer, checks: vec![check] }
}

fn rule(name: &str) -> Arc<RuleRef> {
    let object = ObjectRef {
        kind: "CiliumNetworkPolicy".to_owned(),
        namespace: Some("database".to_owned()),
        name: name.to_owned(),
    };
    Arc::new(RuleRef {
        object,
        path: "spec.ingress[0]".to_owned(),
        place: Place::start_of("p.yaml"),
        precedence: None,
    })
}

fn shown(result: CellResult) -> &'static str {
    match result {
        CellResult::AsExpected => "=",
        CellResult::Differs => "x",
        CellResult::DecidedByAnother => "b",
        CellResult::Contradicted => "c",
        CellResult::Inconclusive => "?",
    }
}

/// Every expectation against every verdict: nothing passes but what is meant.
#[test]
fn every_expectation_against_every_verdict() {
    let words =
        ["allow", "deny", "deny egress", "deny ingress", "deny dns", "deny http", "audit", "redirect"];
    let mut verdicts = vec![Verdict::Allowed, Verdict::Inconclusive("no evidence".to_owned())];
    verdicts.extend(GATES.map(Verdict::Denied));
    verdicts.extend(GATES.map(Verdict::Audited));
    verdicts.push(Verdict::Redirected);
    let mut table = String::new();
    for word in words {
        let expected: Expected = word.parse().unwrap();
        for verdict in &verdicts {
            let result = compare(&expected, verdict, &prediction(Answer::Abstain, Decision::NotIsolated));
            table.push_str(shown(result));
        }
        table.push('\n');
    }
    // Columns: allowed, inconclusive, denied at egress, ingress, dns, http, audited at the same four, redirected.
    let expected = "=?xxxxxxxxx\nx?====xxxxx\nx?=xxxxxxxx\nx?x=xxxxxxx\nx?xx=xxxxxx\nx?xxx=xxxxx\nx?xxxx====x\n\
                    x?xxxxxxxx=\n";
    assert_eq!(table, expected);
}

/// Every prediction against every verdict that is as the author expects: what the engine denies must be denied there.
#[test]
fn a_prediction_that_says_otherwise_contradicts() {
    let mut answers = vec![Answer::Allow, Answer::Abstain, Answer::Redirect];
    answers.extend(GATES.map(Answer::Deny));
    answers.extend(GATES.map(Answer::Audit));
    let mut verdicts = vec![Verdict::Allowed, Verdict::Inconclusive("no evidence".to_owned())];
    verdicts.extend(GATES.map(Verdict::Denied));
    verdicts.extend(GATES.map(Verdict::Audited));
    verdicts.push(Verdict::Redirected);
    let mut table = String::new();
    for answer in answers {
        for verdict in &verdicts {
            let word = match verdict {
                Verdict::Allowed | Verdict::Inconclusive(_) => "allow",
                Verdict::Denied(_) => "deny",
                Verdict::Audited(_) => "audit",
                Verdict::Redirected => "redirect",
            };
            let prediction = prediction(answer, Decision::NotIsolated);
            table.push_str(shown(compare(&word.parse().unwrap(), verdict, &prediction)));
        }
        table.push('\n');
    }
    // Columns as above; rows are the predictions allow, abstains, redirect, deny and audit at each of the four.
    let expected = "=?ccccccccc\n=?=========\nc?cccccccc=\nc?=cccccccc\nc?c=ccccccc\nc?cc=cccccc\nc?ccc=ccccc\n\
                    c?cccc====c\nc?cccc====c\nc?cccc====c\nc?cccc====c\n";
    assert_eq!(table, expected);
    // What differs from the expectation differs, whatever is predicted.
    let predicted = prediction(Answer::Deny(EnforcementPoint::Ingress), Decision::NotIsolated);
    assert_eq!(compare(&"deny".parse().unwrap(), &Verdict::Allowed, &predicted), CellResult::Differs);
}

#[test]
fn a_named_policy_must_be_one_that_decides() {
    let check = |words: &str, decision: Decision, answer: Answer, expected: CellResult| {
        let prediction = prediction(answer, decision);
        let verdict = Verdict::of_prediction(&prediction);
        let expectation: Expected = words.parse().unwrap();
        assert_eq!(compare(&expectation, &verdict, &prediction), expected, "{words}");
    };
    let denied = || Decision::Denied { by: vec![rule("lockdown")] };
    let isolated =
        || Decision::NoRuleAllows { isolated_by: [rule("one"), rule("two")].into(), nearest: None };
    let at_ingress = Answer::Deny(EnforcementPoint::Ingress);
    check("deny ingress by database/lockdown", denied(), at_ingress, CellResult::AsExpected);
    check("deny ingress by database/other", denied(), at_ingress, CellResult::DecidedByAnother);
    check("deny by database/two", isolated(), at_ingress, CellResult::AsExpected);
    check("deny egress by database/two", isolated(), at_ingress, CellResult::Differs);
    let allowed = Decision::Allowed { by: vec![rule("open")] };
    check("allow by database/open", allowed, Answer::Allow, CellResult::AsExpected);
    check("allow by database/open", Decision::NotIsolated, Answer::Allow, CellResult::DecidedByAnother);
}

#[test]
fn an_abstention_is_inconclusive_and_says_why() {
    let decision = Decision::Unknown { gap: "what Kafka allows".to_owned(), rule: None };
    let verdict = Verdict::of_prediction(&prediction(Answer::Abstain, decision));
    assert_eq!(verdict, Verdict::Inconclusive("the engine does not know what Kafka allows".to_owned()));
}
