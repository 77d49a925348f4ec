//! `verdikt check` and `verdikt schema`.

use insta::assert_snapshot;

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
    error: `alow` is no verdict
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

/// A policy that the agent refuses is worth a warning, which may be made to fail.
#[test]
fn warnings_fail_where_they_are_denied() {
    let policy = "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: lockdown, namespace: database}
spec:
  endpointSelector: {}
  ingress: []
  egress: []
";
    let project = Project::with(&[("policies/lockdown.yaml", policy)]);
    let ran = project.verdikt(&["check", "policies"]);
    assert_snapshot!(ran, @r"
    exit code 0
    --- stderr
    warning[refused]: CiliumNetworkPolicy database/lockdown is refused by the agent, and nothing of it is enforced: rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny
     --> policies/lockdown.yaml:5:3
      |
    5 |   endpointSelector: {}
      |   ^^^^^^^^^^^^^^^^^
      |
      = help: an empty list is no default deny: write `ingress: [{}]` and `egress: [{}]` to isolate and allow nothing
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 1 warning
    ");
    let denied = project.verdikt(&["check", "policies", "--deny-warnings"]);
    assert_eq!((denied.code, &denied.stdout, &denied.stderr), (1, &ran.stdout, &ran.stderr));
}

/// The schema is JSON, and an editor finds the keys of a scenario in it.
#[test]
fn the_schema_is_printed() {
    let project = Project::with::<&str>(&[]);
    let ran = project.verdikt(&["schema"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    for key in ["scenario", "about", "topology", "steps"] {
        assert!(schema["properties"].get(key).is_some(), "{key}: {ran}");
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/schema.json");
    assert!(ran.stdout == std::fs::read_to_string(file).unwrap(), "scenarios/schema.json is not current");
}
