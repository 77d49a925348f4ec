//! Runs to report on, for tests.

use std::sync::Arc;

use verdikt_scenario::attempt::{Attempt, Request, Target};
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::{ObjectRef, Refuser};
use verdikt_scenario::prediction::{Answer, Check, Decision, EnforcementPoint, Miss, Prediction, RuleRef};
use verdikt_scenario::topology::Endpoint;
use verdikt_scenario::topology::Protocol;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::{Verdict, compare};
use verdikt_verdict::event::{
    CellJudged, Event, FORMAT, ObjectJudged, ObjectRefusal, RunFinished, RunOrigin, RunStarted,
    ScenarioSkipped, ScenarioStarted, StepFinished, StepStarted,
};
use verdikt_verdict::run_result::{RunResult, Totals};

pub(crate) const FILE: &str = "scenarios/three-tier.yaml";

pub(crate) fn place(file: &str, line: u32) -> Place {
    Place { file: Arc::from(file), line, column: 3 }
}

pub(crate) fn pod(name: &str) -> Endpoint {
    Endpoint::Pod(name.parse().unwrap())
}

pub(crate) fn world(name: &str) -> Endpoint {
    Endpoint::World(name.parse().unwrap())
}

pub(crate) fn tcp(target: &str, port: u16) -> Attempt {
    let target = Target::Endpoint(pod(target));
    Attempt::Connect { protocol: Protocol::Tcp, target, port: port.try_into().unwrap() }
}

pub(crate) fn get(target: &str, port: u16, path: &str) -> Attempt {
    let request = Request { method: "GET".to_owned(), path: path.to_owned(), ..Request::default() };
    let target = Target::Service(target.parse().unwrap());
    Attempt::Http { target, port: port.try_into().unwrap(), request }
}

pub(crate) fn dns(name: &str) -> Attempt {
    Attempt::Dns { name: name.parse().unwrap(), protocol: Protocol::Udp }
}

pub(crate) fn rule(policy: &str, path: &str, line: u32) -> Arc<RuleRef> {
    let (namespace, name) = policy.split_once('/').unwrap();
    let object = ObjectRef {
        kind: "CiliumNetworkPolicy".to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    let place = place(&format!("policies/{name}.yaml"), line);
    Arc::new(RuleRef { object, path: path.to_owned(), place, precedence: None })
}

pub(crate) fn check(point: EnforcementPoint, endpoint: &str, question: &str, decision: Decision) -> Check {
    Check { point, endpoint: pod(endpoint), question: question.to_owned(), decision }
}

pub(crate) fn redis_rule() -> Arc<RuleRef> {
    rule("database/redis", "spec.ingress[0].toPorts[0].ports[0]", 12)
}

pub(crate) fn no_rule_allows() -> Decision {
    Decision::NoRuleAllows {
        isolated_by: [
            rule("database/redis", "spec.ingress[0]", 12),
            rule("database/default-deny", "spec.ingress[0]", 7),
        ]
        .into(),
        nearest: Some(Box::new(Miss {
            rule: redis_rule(),
            on: "peer: app=backend is wanted, its label app is frontend".to_owned(),
        })),
    }
}

pub(crate) fn egress_rule() -> Decision {
    Decision::Allowed { by: vec![rule("backend/egress", "spec.egress[0]", 9)] }
}

/// A prediction that meets these decisions at egress and ingress.
pub(crate) fn at_redis(
    source: &str,
    answer: Answer,
    egress: Decision,
    ingress: Option<Decision>,
) -> Prediction {
    let mut checks =
        vec![check(EnforcementPoint::Egress, source, "to database/redis, tcp port 6379", egress)];
    let question = format!("from {source}, tcp port 6379");
    checks.extend(
        ingress.map(|decision| check(EnforcementPoint::Ingress, "database/redis", &question, decision)),
    );
    Prediction { answer, checks }
}

/// The cell `expected` of an attempt.
pub(crate) fn cell(attempt: Attempt, source: Endpoint, expected: &str, prediction: Prediction) -> CellJudged {
    let expected = expected.parse().unwrap();
    let verdict = Verdict::of_prediction(&prediction);
    let result = compare(&expected, &verdict, &prediction);
    CellJudged {
        scenario: "three-tier".into(),
        step: "locked down".into(),
        attempt: Arc::new(attempt),
        source,
        via: None,
        expected,
        place: place(FILE, 42),
        because: None,
        prediction,
        evidence: None,
        basis: None,
        verdict,
        result,
    }
}

/// Cells of every kind: as expected by a rule, without one, by default deny and by deny rule, audited, decided by
/// another policy, differing, differing in this version, and without a verdict.
pub(crate) fn cells() -> Vec<CellJudged> {
    let redis = || tcp("database/redis", 6379);
    let api = || get("backend/api", 8080, "/api?page=1");
    let allowed =
        || Decision::Allowed { by: vec![redis_rule(), rule("database/admin", "spec.ingress[2]", 31)] };
    let free =
        |answer, source: &str| at_redis(source, answer, Decision::NotIsolated, Some(Decision::NotIsolated));
    let http = |source: &str| Prediction {
        answer: Answer::Deny(EnforcementPoint::Http),
        checks: vec![
            check(EnforcementPoint::Egress, source, "to backend/api-0, tcp port 3000", Decision::NotIsolated),
            check(
                EnforcementPoint::Ingress,
                "backend/api-0",
                &format!("from {source}, tcp port 3000"),
                Decision::Allowed {
                    by: vec![rule("backend/api", "spec.ingress[0].toPorts[0].ports[0]", 11)],
                },
            ),
            check(
                EnforcementPoint::Http,
                "backend/api-0",
                "GET /api?page=1",
                Decision::NoRuleAllows {
                    isolated_by: [rule("backend/api", "spec.ingress[0].toPorts[0].ports[0]", 11)].into(),
                    nearest: None,
                },
            ),
        ],
    };
    let denied = Decision::Denied { by: vec![rule("frontend/no-database", "spec.egressDeny[0]", 20)] };
    let unknown = Decision::Unknown {
        gap: "what an Envoy filter of its own makes of it".to_owned(),
        rule: Some(rule("backend/envoy", "spec.ingress[0].toPorts[0].listener", 15)),
    };
    let deny_ingress = Answer::Deny(EnforcementPoint::Ingress);
    let mut cells = vec![
        cell(
            redis(),
            pod("backend/api-0"),
            "allow",
            at_redis("backend/api-0", Answer::Allow, egress_rule(), Some(allowed())),
        ),
        cell(
            redis(),
            pod("frontend/web"),
            "deny ingress",
            at_redis("frontend/web", deny_ingress, Decision::NotIsolated, Some(no_rule_allows())),
        ),
        cell(
            redis(),
            pod("frontend/worker"),
            "deny egress",
            at_redis("frontend/worker", Answer::Deny(EnforcementPoint::Egress), denied, None),
        ),
        cell(
            redis(),
            pod("monitor/monitor"),
            "audit",
            at_redis(
                "monitor/monitor",
                Answer::Audit(EnforcementPoint::Ingress),
                Decision::NotIsolated,
                Some(no_rule_allows()),
            ),
        ),
        cell(
            redis(),
            pod("shop/cart"),
            "deny ingress by database/lockdown",
            at_redis("shop/cart", deny_ingress, Decision::NotIsolated, Some(no_rule_allows())),
        ),
        cell(
            redis(),
            world("client"),
            "allow",
            at_redis("client/as-pod", deny_ingress, Decision::NotIsolated, Some(no_rule_allows())),
        ),
        cell(api(), pod("frontend/web"), "deny http", http("frontend/web")),
        cell(api(), pod("frontend/worker"), "allow", http("frontend/worker")),
        cell(api(), pod("monitor/monitor"), "allow", free(Answer::Allow, "monitor/monitor")),
        cell(api(), pod("shop/cart"), "deny ingress by backend/api", free(Answer::Allow, "shop/cart")),
        cell(
            api(),
            world("client"),
            "allow",
            at_redis("shop/cart", Answer::Abstain, Decision::LocalHost, Some(unknown)),
        ),
    ];
    cells[7].because = Some("queries were not part of the path".into());
    cells[8].because = Some("nothing isolated it yet".into());
    cells
}

pub(crate) fn object(
    name: &str,
    expected: Option<(Refuser, &str)>,
    refused: Option<(Refuser, &str)>,
) -> ObjectJudged {
    let refusal = |(by, message): (Refuser, &str)| ObjectRefusal { by, message: message.to_owned() };
    let as_expected = match (&expected, &refused) {
        (None, None) => true,
        (Some(expected), Some(refused)) => refused.1.contains(expected.1) && expected.0 == refused.0,
        _ => false,
    };
    ObjectJudged {
        scenario: "three-tier".to_owned(),
        step: "locked down".to_owned(),
        object: rule(name, "", 1).object.clone(),
        place: place("policies/refused.yaml", 6),
        expected: expected.map(refusal),
        refused: refused.map(refusal),
        as_expected,
        disagreement: None,
    }
}

/// Objects of every kind.
pub(crate) fn objects() -> Vec<ObjectJudged> {
    let agent = |message| Some((Refuser::Agent, message));
    vec![
        object("database/redis", None, None),
        object(
            "database/empty",
            agent("at least one of"),
            agent("rule must have at least one of Ingress, Egress"),
        ),
        object("database/typo", None, Some((Refuser::ApiServer, "unknown field \"spec.ingres\""))),
        object("database/ports", agent("too many ports"), agent("invalid port range")),
    ]
}

/// A run of one scenario with these objects and cells in its second step, and another scenario that is skipped.
pub(crate) fn run(objects: Vec<ObjectJudged>, cells: Vec<CellJudged>) -> Vec<Event> {
    let scenario = || "three-tier".to_owned();
    let step = |step: &str, line| {
        Event::StepStarted(StepStarted {
            scenario: scenario(),
            step: step.to_owned(),
            place: place(FILE, line),
            sources: Vec::new(),
            started: None,
            settled: None,
        })
    };
    let finished = |step: &str| {
        Event::StepFinished(StepFinished { scenario: scenario(), step: step.to_owned(), took: None })
    };
    let first = cell(
        tcp("database/redis", 6379),
        pod("frontend/web"),
        "allow",
        at_redis("frontend/web", Answer::Allow, Decision::NotIsolated, Some(Decision::NotIsolated)),
    );
    let mut events = vec![
        Event::RunStarted(RunStarted {
            format: FORMAT,
            verdikt: "0.1.0".to_owned(),
            backend: "model".to_owned(),
            instead_of_lab: None,
            cilium: CiliumVersion::V1_18,
            origin: RunOrigin::default(),
        }),
        Event::ScenarioSkipped(ScenarioSkipped {
            scenario: "newer".to_owned(),
            place: place("scenarios/newer.yaml", 1),
            because: "it holds for Cilium >=1.19, and this run is for 1.18".to_owned(),
        }),
        Event::ScenarioStarted(ScenarioStarted {
            scenario: scenario(),
            about:
                "Redis takes connections only from the backend; every tier takes them only from the tier in \
                    front of it."
                    .to_owned(),
            place: place(FILE, 1),
        }),
        step("without policies", 20),
        Event::CellJudged(Arc::new(CellJudged { step: "without policies".into(), ..first })),
        finished("without policies"),
        step("locked down", 30),
    ];
    events.extend(objects.into_iter().map(Event::ObjectJudged));
    events.extend(cells.into_iter().map(|cell| Event::CellJudged(Arc::new(cell))));
    events.push(finished("locked down"));
    let totals = Totals::of(&events);
    events.push(Event::RunFinished(RunFinished { totals, outcome: RunResult::of(&totals), took: None }));
    events
}
