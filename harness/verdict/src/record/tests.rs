use std::sync::Arc;

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::observation::{Arrival, Observation, Outcome};
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::prediction::{Answer, Check, Decision, EnforcementPoint, Prediction, RuleRef};

use super::*;
use crate::compare::compare;
use crate::evidence::Evidence;

fn cell(expected: &str, answer: Answer, verdict: Verdict) -> CellJudged {
    let endpoint = Endpoint::Pod("database/redis".parse().unwrap());
    let object = ObjectRef {
        kind: "CiliumNetworkPolicy".to_owned(),
        namespace: Some("database".to_owned()),
        name: "lockdown".to_owned(),
    };
    let place = Place::start_of("p.yaml");
    let rule = RuleRef { object, path: "spec.ingress[0]".to_owned(), place: place.clone(), precedence: None };
    let decision = Decision::Denied { by: vec![Arc::new(rule)] };
    let (point, question) = (EnforcementPoint::Ingress, "from a".to_owned());
    let check = Check { point, endpoint: endpoint.clone(), question, decision };
    let prediction = Prediction { answer, checks: vec![check] };
    let expected = expected.parse().unwrap();
    let result = compare(&expected, &verdict, &prediction);
    CellJudged {
        scenario: "s".into(),
        step: "t".into(),
        attempt: Arc::new(Attempt::Ping { target: Target::Endpoint(endpoint.clone()) }),
        source: endpoint,
        via: None,
        expected,
        place,
        because: None,
        prediction,
        evidence: None,
        basis: None,
        verdict,
        result,
    }
}

fn denied() -> CellJudged {
    let ingress = EnforcementPoint::Ingress;
    cell("allow", Answer::Deny(ingress), Verdict::Denied(ingress))
}

fn recorded(cell: &CellJudged) -> String {
    expectation(cell).map_or_else(|why| format!("not: {why}"), |expected| expected.to_string())
}

#[test]
fn what_a_table_should_say() {
    let (egress, ingress) = (EnforcementPoint::Egress, EnforcementPoint::Ingress);
    assert_eq!(recorded(&denied()), "deny ingress");
    assert_eq!(recorded(&cell("deny", Answer::Allow, Verdict::Allowed)), "allow");
    assert_eq!(recorded(&cell("deny", Answer::Audit(egress), Verdict::Audited(egress))), "audit");
    // Who names the policy goes on doing so, and who does not care where it is denied does not begin to.
    let (answer, verdict) = (Answer::Deny(ingress), Verdict::Denied(ingress));
    assert_eq!(
        recorded(&cell("deny egress by a", answer, verdict.clone())),
        "deny ingress by database/lockdown"
    );
    assert_eq!(recorded(&cell("deny by a", answer, verdict)), "deny by database/lockdown");
}

#[test]
fn what_is_not_recorded() {
    let (egress, ingress) = (EnforcementPoint::Egress, EnforcementPoint::Ingress);
    let check = |cell: CellJudged, why: &str| assert_eq!(recorded(&cell), format!("not: {why}"));
    check(
        cell("allow", Answer::Abstain, Verdict::Inconclusive("no flow".to_owned())),
        "it has no verdict: no flow",
    );
    let otherwise = "the engine predicts `deny egress`: find out why before you change the table";
    check(cell("allow", Answer::Deny(egress), Verdict::Denied(ingress)), otherwise);
    check(cell("allow", Answer::Deny(egress), Verdict::Allowed), otherwise);
    let one = Endpoint::Pod("shop/web-1".parse().unwrap());
    let backend = CellJudged { via: Some(Box::new(one)), ..denied() };
    check(backend, "the backends of the service differ: give `via shop/web-1` a row of its own");
    let observation =
        Observation { outcome: Outcome::TimedOut, stages: Vec::new(), arrival: Arrival::NotSeen };
    let mut evidence = Evidence::new(observation, Vec::new());
    evidence.lost = Some("the ring of node a overflowed".to_owned());
    let lost = CellJudged { evidence: Some(Box::new(evidence)), ..denied() };
    check(lost, "flows may be missing: the ring of node a overflowed");
}
