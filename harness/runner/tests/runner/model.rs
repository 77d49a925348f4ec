//! The engine alone: which events a run gives, in which order, and what it comes to.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rstest::rstest;
use verdikt_runner::mistakes;
use verdikt_runner::model::run;
use verdikt_runner::plan::{RunOptions, cell_names};
use verdikt_scenario::loader::load;
use verdikt_scenario::prediction::Decision;
use verdikt_scenario::scenario::Scenario;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::{CellJudged, Event};
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::support::{CART_ONLY, REFUSED, TABLE, options, scenario, scenarios, summary, two_steps};

fn events(scenarios: &[Scenario], options: &RunOptions) -> (Vec<Event>, RunResult) {
    let mut events = Vec::new();
    let outcome = run(scenarios, options, &mut |event| {
        events.push(event);
        Ok(())
    });
    (events, outcome.unwrap())
}

#[test]
fn events_come_in_the_order_of_the_files() {
    let scenarios = scenarios("order", &[two_steps("first"), two_steps("second")]);
    let options = options(CiliumVersion::V1_20, &[]);
    let (seen, outcome) = events(&scenarios, &options);
    insta::assert_snapshot!(summary(&seen), @r"
    run model 1.20
    scenario first
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    scenario second
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    run AsExpected
    ");
    assert_eq!(outcome, RunResult::AsExpected);
    assert_eq!(events(&scenarios, &options).0, seen, "the same input gives the same events");
    let Some(Event::RunFinished(finished)) = seen.last() else { panic!("{seen:?}") };
    assert_eq!(finished.totals, Totals::of(&seen));
    let listed: Vec<String> = cell_names(&scenarios, &options).collect();
    assert_eq!(listed.len(), finished.totals.cells);
    assert_eq!(listed[0], "first/open/tcp database/redis:6379/shop/cart");
}

#[test]
fn a_filter_leaves_only_what_it_names() {
    let scenarios = scenarios("filter", &[two_steps("first"), two_steps("second")]);
    let check = |filters: &[&str], expected: usize, outcome: RunResult| {
        let options = options(CiliumVersion::V1_20, filters);
        let (seen, came_to) = events(&scenarios, &options);
        let totals = Totals::of(&seen);
        assert_eq!((totals.cells, came_to), (expected, outcome), "{filters:?}");
        assert_eq!(cell_names(&scenarios, &options).count(), expected, "{filters:?}");
    };
    check(&[], 8, RunResult::AsExpected);
    check(&["locked"], 4, RunResult::AsExpected);
    check(&["second/locked/tcp database/redis:6379/shop/stock"], 1, RunResult::AsExpected);
    check(&["first/*/shop/cart", "second/open"], 4, RunResult::AsExpected);
    check(&["nowhere"], 0, RunResult::NothingToRun);
    let (seen, _) = events(&scenarios, &options(CiliumVersion::V1_20, &["second/locked"]));
    assert_eq!((Totals::of(&seen).scenarios, Totals::of(&seen).steps), (1, 1));
}

#[test]
fn a_scenario_for_other_versions_is_skipped_and_seen() {
    let old =
        scenario("old", "<=1.17", &format!("- step: locked\n  policies: [cart-only]{TABLE}"), CART_ONLY);
    let scenarios = scenarios("skipped", &[old]);
    let (seen, outcome) = events(&scenarios, &options(CiliumVersion::V1_20, &[]));
    insta::assert_snapshot!(summary(&seen), @r"
    run model 1.20
    skipped old: it holds for Cilium <=1.17, and this run is for 1.20
    run NothingToRun
    ");
    assert_eq!(outcome, RunResult::NothingToRun);
    assert_eq!(events(&scenarios, &options(CiliumVersion::V1_17, &[])).1, RunResult::AsExpected);
}

#[test]
fn what_differs_in_a_version_replaces_the_cell_and_says_why() {
    let differs = "  differs:
  - cilium: \"<1.18\"
    because: it was open before
    expect: {\"tcp database/redis:6379\": {allow: [shop/stock]}}
";
    let steps = format!("- step: locked\n  policies: [cart-only]{TABLE}{differs}");
    let scenarios = scenarios("differs", &[scenario("versions", ">=1.16", &steps, CART_ONLY)]);
    assert_eq!(events(&scenarios, &options(CiliumVersion::V1_18, &[])).1, RunResult::AsExpected);
    let (seen, outcome) = events(&scenarios, &options(CiliumVersion::V1_17, &[]));
    insta::assert_snapshot!(summary(&seen), @r"
    run model 1.17
    scenario versions
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, deny ingress, Differs, because it was open before
      end locked
    run Differs
    ");
    assert_eq!(outcome, RunResult::Differs);
}

/// A refusal is compared in who refuses, and in what it says.
#[test]
fn a_refusal_is_compared() {
    let check = |test: &str, rejected: &str, expected: RunResult| {
        let steps = format!("- step: locked\n  policies: [cart-only, nothing]\n{rejected}{TABLE}");
        let text = scenario("refused", ">=1.16", &steps, &format!("{CART_ONLY}{REFUSED}"));
        let scenarios = scenarios(test, &[text]);
        assert!(mistakes(&scenarios, CiliumVersion::V1_20).is_empty(), "{test}");
        let (seen, outcome) = events(&scenarios, &options(CiliumVersion::V1_20, &[]));
        assert_eq!(outcome, expected, "{test}\n{}", summary(&seen));
    };
    let rejected = |by: &str, saying: &str| {
        format!("  rejected: {{database/nothing: {{by: {by}, saying: \"{saying}\"}}}}\n")
    };
    check("refused-unexpectedly", "", RunResult::Differs);
    check("refused-as-expected", &rejected("agent", "AT LEAST one of ingress"), RunResult::AsExpected);
    check("refused-by-another", &rejected("api-server", "at least one of Ingress"), RunResult::Differs);
    check("refused-for-another-reason", &rejected("agent", "too many ports"), RunResult::Differs);
}

/// Whoever expects a refusal that does not come has made a mistake, in the versions where it does not come.
#[test]
fn an_expected_refusal_that_does_not_come_is_a_mistake() {
    let rejected = "  rejected: {database/cart-only: {by: agent, saying: \"no rule\"}}\n";
    let steps = format!("- step: locked\n  policies: [cart-only]\n{rejected}{TABLE}");
    let scenarios = scenarios("accepted", &[scenario("accepted", ">=1.18", &steps, CART_ONLY)]);
    let found = mistakes(&scenarios, CiliumVersion::V1_20);
    let [mistake] = found.as_slice() else { panic!("{found:?}") };
    insta::assert_snapshot!(mistake.message, @"CiliumNetworkPolicy database/cart-only is accepted by Cilium 1.20, and must be refused here by the agent");
    assert!(mistake.place.file.ends_with("accepted/0.yaml") && mistake.place.line > 1, "{}", mistake.place);
    assert!(
        mistakes(&scenarios, CiliumVersion::V1_17).is_empty(),
        "the scenario does not hold for this version"
    );
}

/// What no policy ever sees is left out, cell by cell, in every backend; a filter leaves out what it does not want.
#[test]
fn cells_that_nobody_can_attempt_are_skipped() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped-cells.yaml");
    let text = "scenario: outside\nabout: Why.\ntopology:\n  namespaces: {shop: {}}\n  pods:\n    shop/web: {labels: \
                {app: web}, serves: [tcp 80]}\n    shop/cart: {}\n  services: {shop/front: {selects: {app: web}, ports: \
                {80: 80}}}\n  world: {office: {}}\nsteps:\n- step: one\n  expect:\n    tcp shop/front:80: {deny: \
                office, allow: others}\n    tcp front.shop.svc.cluster.local:80: {allow: others}\n- step: two\n  \
                expect:\n    tcp shop/web:80: {allow: others}\n";
    fs::write(&file, text).unwrap();
    let loaded = load(&[file]);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let told = |filters: &[&str]| {
        let (events, outcome) = events(&loaded.scenarios, &options(CiliumVersion::V1_20, filters));
        (summary(&events), outcome)
    };
    let (all, outcome) = told(&[]);
    insta::assert_snapshot!(all, @r#"
    run model 1.20
    scenario outside
      step one
        office tcp shop/front:80: skipped, no host outside reaches the address that service shop/front has in the cluster (Cilium drops such packets: "Is a ClusterIP"); make it a service of type NodePort or LoadBalancer
        office tcp front.shop.svc.cluster.local:80: skipped, no host outside reaches the address that service shop/front has in the cluster (Cilium drops such packets: "Is a ClusterIP"); make it a service of type NodePort or LoadBalancer
        shop/web tcp shop/front:80: expected allow, allow, AsExpected
        shop/cart tcp shop/front:80: expected allow, allow, AsExpected
        shop/web tcp front.shop.svc.cluster.local:80: expected allow, allow, AsExpected
        shop/cart tcp front.shop.svc.cluster.local:80: expected allow, allow, AsExpected
      end one
      step two
        shop/cart tcp shop/web:80: expected allow, allow, AsExpected
        office tcp shop/web:80: expected allow, allow, AsExpected
      end two
    run AsExpected
    "#);
    assert_eq!(outcome, RunResult::AsExpected);
    let (skipped_alone, outcome) = told(&["one/tcp shop/front:80/office"]);
    insta::assert_snapshot!(skipped_alone, @r#"
    run model 1.20
    scenario outside
      step one
        office tcp shop/front:80: skipped, no host outside reaches the address that service shop/front has in the cluster (Cilium drops such packets: "Is a ClusterIP"); make it a service of type NodePort or LoadBalancer
      end one
    run NothingToRun
    "#);
    assert_eq!(outcome, RunResult::NothingToRun);
    let (one, _) = told(&["/shop/cart"]);
    assert!(!one.contains("skipped"), "{one}");
}

/// What one step's attempts look up lets a later step in by address, also where a filter leaves the first one out.
#[rstest]
#[case::all_steps("learned", &[])]
#[case::the_last_step("learned-after", &["/after/"])]
fn names_learned_in_one_step_are_known_in_the_next(#[case] test: &str, #[case] filters: &[&str]) {
    let topology = "
topology:
  namespaces: {shop: {}}
  pods: {shop/cart: {labels: {app: cart}}}
  world: {api: {names: [api.example.test], serves: [http 80]}}
";
    let step = |name: &str, attempt: &str, verdict: &str| {
        let table = format!("expect: {{\"{attempt}\": {{{verdict}: others}}}}");
        format!("- step: {name}\n  policies: [names]\n  {table}\n")
    };
    let by_address = "http GET api:80/";
    let steps = [
        step("before", by_address, "deny egress"),
        step("by name", "http GET api.example.test/", "allow"),
        step("after", by_address, "allow"),
    ]
    .concat();
    let policy = "
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: names, namespace: shop}
spec:
  endpointSelector: {}
  egress:
  - toEndpoints: [{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}]
    toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchPattern: \"*\"}]}}]
  - toFQDNs: [{matchName: api.example.test}]
";
    let text = format!("scenario: names\nabout: Why.{topology}steps:\n{steps}{policy}");
    let (seen, outcome) = events(&scenarios(test, &[text]), &options(CiliumVersion::V1_20, filters));
    assert_eq!(outcome, RunResult::AsExpected, "{}", summary(&seen));
}

#[test]
fn an_error_of_the_sink_ends_the_run() {
    let scenarios = scenarios("sink", &[two_steps("first")]);
    let mut taken = 0;
    let result = run(&scenarios, &options(CiliumVersion::V1_20, &[]), &mut |_| {
        taken += 1;
        if taken == 3 { Err(io::Error::other("the disk is full")) } else { Ok(()) }
    });
    assert_eq!(result.unwrap_err().to_string(), "the disk is full");
    assert_eq!(taken, 3);
}

/// A run may have a million cells: what is the same for many of them is there once.
#[test]
fn cells_share_what_they_have_in_common() {
    let scenarios = scenarios("shared", &[two_steps("first")]);
    let (seen, _) = events(&scenarios, &options(CiliumVersion::V1_20, &["locked"]));
    let cells: Vec<&Arc<CellJudged>> = seen
        .iter()
        .filter_map(|event| match event {
            Event::CellJudged(cell) => Some(cell),
            _ => None,
        })
        .collect();
    let [allowed, denied] = cells.as_slice() else { panic!("{cells:?}") };
    assert!(Arc::ptr_eq(&allowed.attempt, &denied.attempt), "cells of a row share its attempt");
    assert!(Arc::ptr_eq(&allowed.scenario, &denied.scenario) && Arc::ptr_eq(&allowed.step, &denied.step));
    let decision = |cell: &CellJudged| cell.prediction.checks[1].decision.clone();
    let Decision::Allowed { by } = decision(allowed) else { panic!("{allowed:?}") };
    let Decision::NoRuleAllows { nearest: Some(miss), isolated_by } = decision(denied) else {
        panic!("{denied:?}")
    };
    assert!(Arc::ptr_eq(&by[0], &miss.rule) && Arc::ptr_eq(&by[0], &isolated_by[0]), "a rule has one name");
}
