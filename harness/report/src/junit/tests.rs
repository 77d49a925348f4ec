//! The `JUnit` XML document.

use std::sync::Arc;
use std::time::Duration;

use verdikt_scenario::observation::{Observation, Outcome, Stage, StageKind};
use verdikt_verdict::evidence::Evidence;
use verdikt_verdict::timestamp::Timestamp;

use super::*;
use crate::fixture::{cells, objects, run};

#[test]
fn every_status() {
    let [passing, failing, unclear] = [0, 5, 10].map(|index: usize| cells().remove(index));
    let objects = vec![objects().remove(1), objects().remove(2)];
    insta::assert_snapshot!(junit(&run(objects, vec![passing, failing, unclear])).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="verdikt" tests="7" skipped="1" failures="2" errors="1">
        <testsuite name="three-tier" tests="6" skipped="0" errors="1" failures="2">
            <testcase name="three-tier/without policies/tcp database/redis:6379/frontend/web" classname="three-tier"/>
            <testcase name="three-tier/locked down/CiliumNetworkPolicy database/empty" classname="three-tier"/>
            <testcase name="three-tier/locked down/CiliumNetworkPolicy database/typo" classname="three-tier">
                <failure message="refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown field &quot;spec.ingres&quot;; it is not in force, and no refusal is expected" type="object"/>
            </testcase>
            <testcase name="three-tier/locked down/tcp database/redis:6379/backend/api-0" classname="three-tier"/>
            <testcase name="three-tier/locked down/tcp database/redis:6379/client" classname="three-tier">
                <failure message="deny ingress, expected allow" type="differs">expected   allow, at scenarios/three-tier.yaml:42
    predicted  deny ingress
    checks
      1. egress of client/as-pod to database/redis, tcp port 6379
         allowed: no policy isolates client/as-pod at egress
      2. ingress of database/redis from client/as-pod, tcp port 6379
         denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
            policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
         the nearest rule that allows something is
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
            it fails on peer: app=backend is wanted, its label app is frontend
    again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter &apos;three-tier/locked down/tcp database/redis:6379/client&apos;</failure>
            </testcase>
            <testcase name="three-tier/locked down/http GET backend/api:8080/api?page=1/client" classname="three-tier">
                <error message="inconclusive: the engine does not know what an Envoy filter of its own makes of it, expected allow" type="inconclusive">expected   allow, at scenarios/three-tier.yaml:42
    predicted  inconclusive: the engine does not know what an Envoy filter of its own makes of it
    checks
      1. egress of shop/cart to database/redis, tcp port 6379
         allowed: the node&apos;s own traffic to its pods needs no rule
      2. ingress of database/redis from shop/cart, tcp port 6379
         the engine does not know what an Envoy filter of its own makes of it
            policies/envoy.yaml:15  CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
    again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter &apos;three-tier/locked down/http GET backend/api:8080/api?page=1/client&apos;</error>
            </testcase>
        </testsuite>
        <testsuite name="newer" tests="1" skipped="1" errors="0" failures="0">
            <testcase name="every step" classname="newer">
                <skipped message="it holds for Cilium &gt;=1.19, and this run is for 1.18"/>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn what_xml_cannot_hold_is_left_out() {
    let mut events = run(objects(), cells());
    for event in &mut events {
        if let Event::CellJudged(cell) = event {
            Arc::make_mut(cell).step = "<&\"'\u{0}\u{1b}]]>".into();
        }
    }
    let text = junit(&events).unwrap();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(text.contains("&lt;&amp;"));
    assert_eq!(text, junit(&events).unwrap());
}

#[test]
fn times_are_told_where_the_log_has_them() {
    let mut events = run(vec![], vec![cells().remove(0)]);
    assert!(!junit(&events).unwrap().contains("time"), "nothing is made up");
    let moment = |milliseconds| Timestamp::since_1970(Duration::from_millis(milliseconds));
    for event in &mut events {
        match event {
            Event::RunStarted(run) => run.origin.started = moment(1_795_848_300_000),
            Event::StepStarted(step) => step.started = moment(1_795_848_300_250),
            Event::StepFinished(step) => step.took = Some(Duration::from_millis(120)),
            Event::RunFinished(run) => run.took = Some(Duration::from_millis(1_500)),
            Event::CellJudged(cell) => {
                let observation = Observation {
                    stages: vec![stage(Duration::from_millis(3), 4), stage(Duration::from_millis(7), 8)],
                    ..Observation::not_attempted("not shown")
                };
                let cell = Arc::make_mut(cell);
                cell.evidence = Some(Box::new(Evidence::new(observation, Vec::new())));
            }
            _ => {}
        }
    }
    let text = junit(&events).unwrap();
    let heads = text.lines().map(str::trim).filter(|line| line.starts_with("<test"));
    insta::assert_snapshot!(heads.collect::<Vec<_>>().join("\n"), @r#"
    <testsuites name="verdikt" tests="3" skipped="1" failures="0" errors="0" timestamp="2026-11-28T06:45:00.000+00:00" time="1.500">
    <testsuite name="three-tier" tests="2" skipped="0" errors="0" failures="0" timestamp="2026-11-28T06:45:00.250+00:00" time="0.240">
    <testcase name="three-tier/without policies/tcp database/redis:6379/frontend/web" classname="three-tier" time="0.012"/>
    <testcase name="three-tier/locked down/tcp database/redis:6379/backend/api-0" classname="three-tier" time="0.012"/>
    <testsuite name="newer" tests="1" skipped="1" errors="0" failures="0">
    <testcase name="every step" classname="newer">
    "#);
}

/// A stage that began then, and took so many milliseconds.
fn stage(began: Duration, took: u64) -> Stage {
    Stage {
        kind: StageKind::Connect,
        protocol: None,
        local: None,
        remote: None,
        outcome: Outcome::Answered,
        addresses: Vec::new(),
        began,
        took: Duration::from_millis(took),
    }
}
