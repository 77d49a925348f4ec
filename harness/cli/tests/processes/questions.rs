//! `verdikt matrix`, `who`, `reach` and `diff`: questions without a table, of manifests, scenarios and git revisions.

use std::process::Command;

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project};

pub(crate) const WORKLOADS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{containerPort: 8080, name: http}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: database, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
";

pub(crate) const CLOSED: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
";

const OPEN: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - ports: [{port: 5432}]
";

fn folder() -> Project {
    Project::with(&[("deploy/workloads.yaml", WORKLOADS), ("deploy/db.yaml", CLOSED)])
}

/// `git` in the folder of a project, as somebody whose configuration is not that of this machine.
pub(crate) fn git(project: &Project, arguments: &[&str]) {
    let who = ["-c", "user.name=A", "-c", "user.email=a@example.test", "-c", "init.defaultBranch=main"];
    let ran = Command::new("git").args(who).args(arguments).current_dir(project.path("")).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A repository with a commit, and a change in the work tree.
fn repository() -> Project {
    let project = folder();
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "--message", "closed"]);
    project.write("deploy/db.yaml", OPEN);
    project
}

#[test]
fn a_folder_of_manifests_as_a_table() {
    assert_snapshot!(folder().verdikt(&["matrix", "deploy"]), @"
    exit code 0
    --- stdout
    deploy, Cilium 1.20: 4 ends in 4 groups, 1 policy object
    a row is a source, a column a destination

                          1 2 3 4
    1 kube-system/coredns # . # #
    2 shop/db             # . # #
    3 shop/web            # a # #
    4 every other address # . #

    .  nothing
    #  everything
       no policy can decide
    a  tcp 5432
    ");
}

#[test]
fn who_may_connect() {
    assert_snapshot!(folder().verdikt(&["who", "tcp shop/database:5432", "deploy"]), @"
    exit code 0
    --- stdout
    who may make tcp shop/database:5432 (deploy, Cilium 1.20)

    allow
      shop/db
          egress: a pod that reaches itself meets no policy
      shop/web
          egress: nothing isolates it
          ingress: allowed by shop/db spec.ingress[0].ports[0] deploy/db.yaml:10

    deny ingress
      kube-system/coredns
          egress: nothing isolates it
          ingress: no rule allows it, isolated by shop/db spec.ingress[0] deploy/db.yaml:9

    for a pod that does not exist yet, the ingress rules of shop/db decide:
      allowed: app=web, io.kubernetes.pod.namespace=shop, io.cilium.k8s.policy.cluster=default (tcp 5432) by shop/db spec.ingress[0]
      and egress rules that select it
    ");
}

#[test]
fn what_a_workload_reaches() {
    assert_snapshot!(folder().verdikt(&["reach", "shop/web", "deploy"]), @"
    exit code 0
    --- stdout
    what shop/web (deploy, Cilium 1.20) reaches

    reaches
      shop/db
          tcp 5432: allow; ingress: allowed by shop/db spec.ingress[0].ports[0] deploy/db.yaml:10
          tcp 1-5431, 5433-65535, udp+sctp+icmp: deny ingress; ingress: no rule allows it, isolated by shop/db spec.ingress[0] deploy/db.yaml:9
      kube-system/coredns, every other address
          everything: allow; no policy isolates either end

    by name
      tcp shop/database:5432: allow

    nothing isolates it at egress: for what does not exist yet, ingress rules decide
    ");
}

#[test]
fn a_step_of_a_scenario() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    assert_snapshot!(project.verdikt(&["matrix", "redis.yaml", "--step", "open"]), @"
    exit code 0
    --- stdout
    redis/open, Cilium 1.20: 5 ends in 2 groups, 0 policy objects
    a row is a source, a column a destination

                                                  1 2
    1 database/redis, kube-system/coredns, shop/* # #
    2 every other address                         #

    #  everything
       no policy can decide
    --- stderr
    note: redis/open has no policies: nothing is denied
    ");
    let ran = project.verdikt(&["matrix", "redis.yaml", "--step", "opne"]);
    assert_snapshot!(ran, @"
    exit code 2
    --- stderr
    error: the scenario redis has no step `opne`

    hint: its steps are `open`, `locked down`
    ");
}

#[test]
fn two_steps_of_a_scenario() {
    let project = Project::with(&[("redis.yaml", GOOD)]);
    let ran = project.verdikt(&["diff", "redis.yaml", "--step", "open", "--step", "locked down"]);
    assert_snapshot!(ran, @r"
    exit code 0
    --- stdout
    from redis/open, Cilium 1.20
      to redis/locked down, Cilium 1.20
    1 closed, 1 isolation

    closed
      database/redis, kube-system/coredns, shop/stock, every other address -> database/redis
        everything: allow -> deny ingress
          was no policy isolates either end
          now ingress: no rule allows it, isolated by database/cart-only spec.ingress[0] redis.yaml:26

    isolation
      database/redis: isolated at ingress by database/cart-only spec.ingress[0] redis.yaml:26
    --- stderr
    note: redis/open has no policies: nothing is denied
    ");
}

#[rstest]
#[case::csv("csv", "shop/web,shop/db,tcp,5432,5432,allow,")]
#[case::json("json", "\"service\": \"shop/database\"")]
#[case::mermaid("mermaid", "-->|\"tcp 5432\"|")]
#[case::dot("dot", "[label=\"tcp 5432\"]")]
#[case::html("html", "<td class=\"some\">tcp 5432</td>")]
fn every_format_of_a_matrix_says_the_same(#[case] format: &str, #[case] text: &str) {
    let project = folder();
    let ran = project.verdikt(&["matrix", "deploy", "--format", format]);
    assert!(ran.code == 0 && ran.stdout.contains(text), "{format}: {ran}");
}

/// What is not a part of an answer is counted.
#[rstest]
#[case::matrix(&["matrix"])]
#[case::reach(&["reach", "shop/web"])]
fn objects_that_are_skipped_are_told(#[case] command: &[&str]) {
    let project = folder();
    project
        .write("deploy/secret.yaml", "{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: shop}}");
    let ran = project.verdikt(&[command, &["deploy"]].concat());
    assert!(ran.code == 0 && ran.stderr.contains("note: skipped: 1 Secret"), "{ran}");
}

/// A folder with nothing but a kustomization has a command to pipe.
#[rstest]
fn a_kustomization_alone(#[values("check", "matrix")] command: &str) {
    let overlay = Project::with(&[("overlays/prod/kustomization.yaml", "resources: [../../base]\n")]);
    let ran = overlay.verdikt(&[command, "overlays"]);
    let piped = format!("`kustomize build overlays/prod | verdikt {command} -`");
    assert!(ran.code != 0 && ran.stderr.contains(&piped), "{ran}");
}

/// The work tree against a revision: what is not committed counts, and is told.
#[test]
fn a_change_that_is_not_committed() {
    let ran = repository().verdikt(&["diff", "--git", "HEAD", "deploy", "--fail-on", "opened,refused"]);
    assert_snapshot!(ran, @r"
    exit code 1
    --- stdout
    from deploy in HEAD, Cilium 1.20
      to deploy, Cilium 1.20
    1 opened

    opened
      kube-system/coredns, shop/db, every other address -> shop/db
        tcp 5432: deny ingress -> allow
          was ingress: no rule allows it, isolated by shop/db spec.ingress[0] HEAD:deploy/db.yaml:9
          now ingress: allowed by shop/db spec.ingress[0].ports[0] deploy/db.yaml:9
    --- stderr
    note: the work tree has 1 file that is not committed: compared as they are now
    ");
}

#[test]
fn two_revisions() {
    let project = repository();
    git(&project, &["commit", "--quiet", "--all", "--message", "open"]);
    // What is in the work tree does not matter, and stays.
    project.write("deploy/db.yaml", "broken: [");
    let says_opened = |format: &str| {
        let ran = project.verdikt(&["diff", "--git", "HEAD~..HEAD", "deploy", "--format", format]);
        ran.code == 0 && ran.stdout.to_lowercase().contains("opened")
    };
    assert_eq!(["markdown", "json", "sarif"].map(says_opened), [true; 3]);
    assert_eq!(project.read("deploy/db.yaml"), "broken: [");
    let ran = project.verdikt(&["diff", "--git", "HEAD~..HEAD", "deploy", "--fail-on", "closed"]);
    assert_eq!(ran.code, 0, "{ran}");
}

/// A repository that configures programs for git runs none of them.
#[test]
fn a_repository_runs_nothing() {
    let project = repository();
    let touch = format!("touch {}", project.path("ran").display());
    for name in ["core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.external", "core.pager"] {
        git(&project, &["config", name, &touch]);
    }
    project.write(".gitattributes", "* filter=x diff=x\n");
    project.write("deploy/chart/templates/a.yaml", "{{ run }}");
    let ran = project.verdikt(&["diff", "--git", "HEAD", "deploy/db.yaml"]);
    assert!(!project.path("ran").exists(), "{ran}");
}

#[test]
fn what_cannot_be_compared() {
    let project = repository();
    let check = |arguments: &[&str], expected: &str| {
        let ran = project.verdikt(arguments);
        assert!(
            ran.code == 2 && ran.stderr.contains(expected) && ran.stdout.is_empty(),
            "{arguments:?} {ran}"
        );
    };
    check(&["diff", "--git", "nowhere", "deploy"], "there is no revision `nowhere`");
    check(&["diff", "--git=--upload-pack=x", "deploy"], "there is no revision `--upload-pack=x`");
    check(&["diff", "--git", "HEAD", "elsewhere"], "there is no `elsewhere` in HEAD");
    check(&["diff", "--git", "HEAD..", "deploy"], "lacks a revision");
    check(&["diff", "HEAD", "deploy"], "write `verdikt diff --git HEAD deploy`");
    check(&["diff", "deploy"], "cannot compare: only one of BASE and HEAD is given");
    check(&["diff"], "PATH");
    check(&["matrix"], "PATHS");
    let outside = folder();
    let ran = outside.verdikt(&["diff", "--git", "HEAD", "deploy"]);
    assert!(ran.code == 2 && ran.stderr.contains("in no git repository"), "{ran}");
    let empty = Project::with(&[("empty/readme.txt", "")]);
    let ran = empty.verdikt(&["matrix", "empty"]);
    assert!(ran.code == 5 && ran.stdout.is_empty(), "{ran}");
    let without = Project::with(&[("deploy/workloads.yaml", WORKLOADS)]);
    let ran = without.verdikt(&["matrix", "deploy"]);
    assert!(ran.code == 0 && ran.stderr.contains("has no policies: nothing is denied"), "{ran}");
    // A mistake in a revision is told with the revision in front of the file.
    project.write(
        "deploy/db.yaml",
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicies\nmetadata: {name: x}\n",
    );
    git(&project, &["commit", "--quiet", "--all", "--message", "broken"]);
    let ran = project.verdikt(&["diff", "--git", "HEAD", "deploy"]);
    assert!(ran.code == 2 && ran.stderr.contains("HEAD:deploy/db.yaml"), "{ran}");
}

const DENY: &str = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-metadata}
spec:
  endpointSelector: {}
  egressDeny:
  - toCIDR: [203.0.113.254/32]
";

const INVARIANT: &str = "
scenario: deny
about: A clusterwide deny switches on default deny.
topology:
  namespaces: {shop: {}}
  pods: {shop/web: {labels: {app: web}, serves: [http 80]}}
  world: {metadata: {address: 203.0.113.254, serves: [http 80]}}
invariants:
- always: {from: \"*/*\", to: dns}
  because: Without DNS no program finds anything.
steps:
- step: denied
  policies: [deny.yaml]
  expect:
    tcp metadata:80: {deny egress: others}
";

/// No cell of the table differs; one line says what the deny takes away.
#[test]
fn an_invariant_that_does_not_hold() {
    let project = Project::with(&[("deny/scenario.yaml", INVARIANT), ("deny/deny.yaml", DENY)]);
    let reports = ["--report", "junit=out.xml", "--report", "json=out.json", "--report", "markdown=out.md"];
    let ran = project.verdikt(&[&["run", "deny/scenario.yaml", "--quiet"][..], &reports].concat());
    assert_snapshot!(ran, @r"
    exit code 1
    --- stdout
    DIFFERS       deny: 1 step, 1 cell, 1 differing

    BROKEN        deny/denied: always */* -> dns does not hold: udp 53 from shop/web to
                  kube-system/coredns: deny egress, egress: no rule allows it, isolated by no-metadata
                  spec.egressDeny[0] deny/deny.yaml:8; and 2 more pairs of ends. Why it must: Without
                  DNS no program finds anything. (deny/scenario.yaml:9)

    not as expected:
      BROKEN        deny/denied: always */* -> dns does not hold: udp 53 from shop/web to
                    kube-system/coredns: deny egress, egress: no rule allows it, isolated by no-metadata
                    spec.egressDeny[0] deny/deny.yaml:8; and 2 more pairs of ends. Why it must: Without
                    DNS no program finds anything. (deny/scenario.yaml:9)

    backend model, Cilium 1.20
    DIFFERS: 1 scenario, 1 step, 1 cell, 1 policy object, 1 invariant, 1 invariant broken, 2 warnings
    ");
    assert!(project.read("out.xml").contains("type=\"invariant\""), "{}", project.read("out.xml"));
    assert!(project.read("out.json").contains("\"known_broken\": false"), "{}", project.read("out.json"));
    assert!(project.read("out.md").contains("1 invariant broken"), "{}", project.read("out.md"));
    let ran = project.verdikt(&["run", "deny/scenario.yaml", "--report", "github=-", "--quiet"]);
    assert!(ran.code == 1 || ran.code == 2, "{ran}");
    // It is a result for code scanning, and what `--failed` runs again.
    project.verdikt(&["run", "deny/scenario.yaml", "--report", "sarif=out.sarif", "--quiet"]);
    assert!(project.read("out.sarif").contains("\"ruleId\": \"invariant\""), "{}", project.read("out.sarif"));
    let ran = project.verdikt(&["run", "deny/scenario.yaml", "--failed", "--quiet"]);
    assert!(ran.code == 1 && ran.stdout.contains("1 invariant broken"), "{ran}");
}

#[test]
fn invariants_with_mistakes() {
    let wrong = INVARIANT
        .replace("\"*/*\", to: dns", "shpo/*, to: dsn, ports: [tcp 0]")
        .replace("  because: Without DNS no program finds anything.", "  because: ''\n  brokenAt: [deneid]");
    let project = Project::with(&[("deny/scenario.yaml", wrong.as_str()), ("deny/deny.yaml", DENY)]);
    assert_snapshot!(project.verdikt(&["check", "deny/scenario.yaml"]), @"
    exit code 2
    --- stderr
    error: `shpo/*` matches no endpoint in any step
     --> deny/scenario.yaml:9:18
      |
    9 | - always: {from: shpo/*, to: dsn, ports: [tcp 0]}
      |                  ^^^^^^
      |
      = help: did you mean `shop/*`?

    error: there is no endpoint `dsn`
     --> deny/scenario.yaml:9:30
      |
    9 | - always: {from: shpo/*, to: dsn, ports: [tcp 0]}
      |                              ^^^
      |
      = help: did you mean `dns`?

    error: `tcp 0` is not a port
     --> deny/scenario.yaml:9:43
      |
    9 | - always: {from: shpo/*, to: dsn, ports: [tcp 0]}
      |                                           ^^^^^
      |
      = help: write `tcp 6379`, or `udp 8000-8999` for a range

    error: `because` is empty
      --> deny/scenario.yaml:10:12
       |
    10 |   because: ''
       |            ^^

    error: no step is called `deneid`
      --> deny/scenario.yaml:11:14
       |
    11 |   brokenAt: [deneid]
       |              ^^^^^^
       |
       = help: did you mean `denied`?
    0 scenarios and 0 policy objects checked for Cilium 1.20: 5 mistakes, 0 warnings
    ");
}
