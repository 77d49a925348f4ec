//! `verdikt check` and `verdikt schema`.

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project, differing};

#[test]
fn sound_scenarios_and_policies() {
    let policy = GOOD.split_once("---\n").unwrap().1;
    let project = Project::with(&[("scenarios/redis.yaml", GOOD), ("policies/redis.yaml", policy)]);
    assert_snapshot!(project.verdikt(&["check", "scenarios", "policies"]), @r"
    exit code 0
    --- stderr
    1 scenario and 2 policy objects checked for Cilium 1.20: 0 mistakes, 0 warnings
    ");
    assert_eq!(project.verdikt(&["check", "--deny-warnings"]).code, 0);
}

/// What is expected does not matter to `check`: that is the business of `run`.
#[test]
fn tables_are_not_evaluated() {
    let project = Project::with(&[("redis.yaml", differing())]);
    assert_eq!(project.verdikt(&["check", "redis.yaml"]).code, 0);
}

#[test]
fn mistakes_are_all_told_at_once() {
    let scenario = GOOD.replace("[shop/stock]", "[shop/stok]").replace("allow: others", "alow: others");
    let project = Project::with(&[("redis.yaml", scenario)]);
    let ran = project.verdikt(&["check", "redis.yaml"]);
    assert_snapshot!(ran, @r"
    exit code 2
    --- stderr
    error: `alow` is not a verdict
      --> redis.yaml:12:31
       |
    12 |     tcp database/redis:6379: {alow: others}
       |                               ^^^^^
       |
       = help: did you mean `allow`?

    error: no pod is called `shop/stok`
      --> redis.yaml:18:44
       |
    18 |       deny ingress by database/cart-only: [shop/stok]
       |                                            ^^^^^^^^^
       |
       = help: did you mean `shop/stock`?
    0 scenarios and 0 policy objects checked for Cilium 1.20: 2 mistakes, 0 warnings
    ");
    let run = project.verdikt(&["run", "redis.yaml"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with(&run.stderr), "{run}");
}

const LOCKDOWN: &str = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: lockdown, namespace: database}
spec:
  endpointSelector: {}
  ingress: []
  egress: []
";

/// Nothing of a policy that the API server or the agent refuses is in force.
#[test]
fn refused_policies_are_mistakes() {
    let several = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: Several, namespace: database}
spec:
  endpointSelector: {}
  ingress:
  - fromEntities: [wrld]
  - fromCIDR: [10.0.0.0/33]
";
    let files = [("policies/lockdown.yaml", LOCKDOWN), ("policies/several.yaml", several)];
    assert_snapshot!(Project::with(&files).verdikt(&["check", "policies"]), @r#"
    exit code 2
    --- stderr
    error: CiliumNetworkPolicy database/lockdown is refused by the agent, and nothing of it is
           enforced: rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny
     --> policies/lockdown.yaml:6:3
      |
    6 |   ingress: []
      |   ^^^^^^^^
      |
      = help: an empty list is not a default deny: write `ingress: [{}]` and `egress: [{}]` to isolate
              and allow nothing

    error: `Several` is not an object name (lower-case letters, digits, inner hyphens and dots, at
           most 253 characters)
     --> policies/several.yaml:3:18
      |
    3 | metadata: {name: Several, namespace: database}
      |                  ^^^^^^^
      |
      = help: write `several`

    error: CiliumNetworkPolicy database/Several is refused by the API server, and nothing of it is
           enforced: spec.ingress[0].fromEntities[0]: Unsupported value: "wrld": supported values:
           "all", "world", "cluster", "host", "init", "ingress", "unmanaged", "remote-node",
           "health", "none", "kube-apiserver"
     --> policies/several.yaml:7:20
      |
    7 |   - fromEntities: [wrld]
      |                    ^^^^
      |
      = help: did you mean `world`?

    error: CiliumNetworkPolicy database/Several is refused by the API server, and nothing of it is
           enforced: spec.ingress[1].fromCIDR[0]: Invalid value: "10.0.0.0/33":
           spec.ingress[1].fromCIDR[0] in body must be of type cidr: "10.0.0.0/33"
     --> policies/several.yaml:8:16
      |
    8 |   - fromCIDR: [10.0.0.0/33]
      |                ^^^^^^^^^^^
    0 scenarios and 2 policy objects checked for Cilium 1.20: 4 mistakes, 0 warnings
    "#);
}

/// What a folder holds beside policies is counted, and what was meant to be one is a mistake.
#[test]
fn nothing_is_passed_over_in_silence() {
    let misspelt = LOCKDOWN.replace("NetworkPolicy", "Networkpolicy").replace("[]", "[{}]");
    let older = LOCKDOWN.replace("cilium.io/v2", "cilium.io/v1").replace("[]", "[{}]").replace("lock", "b");
    let mut files = vec![
        ("p/a.yaml", misspelt.as_str()),
        ("p/b.yaml", &older),
        ("p/empty.yaml", ""),
        ("p/web.yaml", "apiVersion: apps/v1\nkind: Deployment\n"),
    ];
    let ran = Project::with(&files).verdikt(&["check", "p"]);
    assert_snapshot!(ran, @r"
    exit code 2
    --- stderr
    error: `CiliumNetworkpolicy` is not a kind of policy verdikt knows
     --> p/a.yaml:2:7
      |
    2 | kind: CiliumNetworkpolicy
      |       ^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `CiliumNetworkPolicy`?

    error: there is no CiliumNetworkPolicy in `cilium.io/v1`
     --> p/b.yaml:1:13
      |
    1 | apiVersion: cilium.io/v1
      |             ^^^^^^^^^^^^
      |
      = help: write `cilium.io/v2`
    0 scenarios and 1 policy object checked for Cilium 1.20: 2 mistakes, 0 warnings
    skipped 1 document that is not a policy and 1 empty file
    ");
    // A scenario in the same folder changes nothing about that.
    files.push(("p/redis.yaml", GOOD));
    let beside = Project::with(&files).verdikt(&["check", "p"]);
    assert_eq!((beside.code, beside.stderr.matches("error:").count()), (2, 2), "{beside}");
}

#[test]
fn warnings_fail_where_they_are_denied() {
    let policy = LOCKDOWN.replace("ingress: []", "ingress: [{}]");
    let project = Project::with(&[("policies/lockdown.yaml", policy)]);
    let ran = project.verdikt(&["check", "policies"]);
    assert_snapshot!(ran, @r"
    exit code 0
    --- stderr
    warning[ignored]: `egress: []` has no effect: it does not isolate
     --> policies/lockdown.yaml:7:11
      |
    7 |   egress: []
      |           ^
      |
      = help: write `egress: [{}]` to isolate, or leave it out
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 1 warning
    ");
    let denied = project.verdikt(&["check", "policies", "--deny-warnings"]);
    assert_eq!((denied.code, &denied.stdout, &denied.stderr), (1, &ran.stdout, &ran.stderr));
}

const TO_THE_BANK: &str = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: to-bank, namespace: shop}
spec: {endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {app: bank}}]}]}
";

/// Policies of files are deployed; those beside a scenario are warned of for what it is about.
#[rstest]
#[case::of_a_scenario_that_looks_up_none("tcp shop/web:80", "to-bank", TO_THE_BANK, 0)]
#[case::of_one_that_does("dns api.example.test", "to-bank", TO_THE_BANK, 1)]
#[case::of_one_that_does_by_a_target("tcp api.example.test:80", "to-bank", TO_THE_BANK, 1)]
#[case::of_a_file_of_its_own("tcp shop/web:80", "to-bank.yaml", "", 1)]
fn names_that_no_policy_lets_resolve(
    #[case] attempt: &str,
    #[case] policy: &str,
    #[case] beside: &str,
    #[case] warnings: usize,
) {
    let scenario = format!(
        "scenario: names\nabout: Egress of its own.\ntopology:\n  namespaces: {{shop: {{}}}}\n  pods:\n    shop/web: {{serves: \
         [tcp 80]}}\n    shop/cart: {{}}\n  world: {{api: {{names: [api.example.test], serves: [tcp 80]}}}}\nsteps:\n- step: \
         one\n  policies: [{policy}]\n  expect: {{{attempt}: {{deny: others}}}}\n---{beside}"
    );
    let project = Project::with(&[("s.yaml", scenario.as_str()), ("to-bank.yaml", TO_THE_BANK)]);
    let said = |arguments: &[&str]| project.verdikt(arguments).to_string();
    assert_eq!(said(&["check", "s.yaml"]).matches("egress-cuts-dns").count(), warnings);
    assert_eq!(said(&["run", "--on", "model", "s.yaml"]).matches("egress-cuts-dns").count(), warnings);
}

/// A log of a run is as the schema says, to a validator that is not ours.
#[test]
fn the_schema_of_events_fits_a_log() {
    const PLACE: &str = "http://localhost/events.json";
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["run", "redis.yaml", "--on", "model", "--events", "log.jsonl"]);
    assert_eq!(ran.code, 0, "{ran}");
    let schema = project.verdikt(&["schema", "--events"]);
    assert_eq!((schema.code, schema.stderr.as_str()), (0, ""));
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource(PLACE, serde_json::from_str(&schema.stdout).unwrap()).unwrap();
    let index = compiler.compile(PLACE, &mut schemas).unwrap();
    let log = std::fs::read_to_string(project.path("log.jsonl")).unwrap();
    assert!(log.lines().count() > 4, "{log}");
    for line in log.lines() {
        let event = serde_json::from_str(line).unwrap();
        assert!(schemas.validate(&event, index).is_ok(), "{line}");
    }
}

/// The schema is JSON, and an editor finds the keys of a scenario in it.
#[test]
fn the_schema_is_printed() {
    let project = Project::with::<&str>(&[]);
    let ran = project.verdikt(&["schema"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut keys = ["scenario", "about", "topology", "steps"].into_iter();
    let is_missing = |key: &&str| schema["$defs"]["Scenario"]["properties"].get(key).is_none();
    assert_eq!(keys.find(is_missing), None, "{ran}");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/schema.json");
    assert!(ran.stdout == std::fs::read_to_string(file).unwrap(), "scenarios/schema.json is not current");
}
