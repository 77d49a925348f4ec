//! Files that are wrong, of every kind: exit code 2, the place of each mistake, no panic, and no verdict.

use std::fmt::Write as _;
use std::fs::File;

use insta::assert_snapshot;

use crate::project::{GOOD, Project, Ran};

/// The messages and their places, one a line.
fn mistakes(ran: &Ran) -> String {
    let mut lines = Vec::new();
    for line in ran.stderr.lines() {
        if let Some(place) = line.trim_start().strip_prefix("--> ") {
            lines.push(format!("  {place}"));
        } else if line.starts_with("error") {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

/// Neither `run` nor `check` takes the file.
fn refused(project: &Project, path: &str) -> String {
    let ran = project.verdikt(&["run", path]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    let checked = project.verdikt(&["check", path]);
    assert_eq!((checked.code, checked.stdout.as_str()), (2, ""), "{checked}");
    let found = mistakes(&ran);
    assert!(!found.is_empty(), "{ran}");
    assert_eq!(found, mistakes(&checked), "`run` and `check` say the same");
    found
}

fn check(contents: impl AsRef<[u8]>) -> String {
    refused(&Project::with(&[("s.yaml", contents)]), "s.yaml")
}

/// The good scenario with something replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

#[test]
fn files_and_folders() {
    let project = Project::with(&[("empty/.keep", ""), ("policies/notes.txt", "")]);
    assert_snapshot!(refused(&project, "nowhere.yaml"), @r"
    error: there is no file or folder `nowhere.yaml`
      nowhere.yaml
    ");
    assert_snapshot!(refused(&project, "nowhere"), @r"
    error: there is no file or folder `nowhere`
      nowhere
    ");
    assert_snapshot!(refused(&project, "/dev/null"), @r"
    error: `/dev/null` is not a regular file
      /dev/null
    ");
}

#[test]
fn yaml_that_does_not_parse() {
    assert_snapshot!(check(with("\n    shop/cart", "\n\tshop/cart")), @"
    error: tabs disallowed within this context (block indentation)
      s.yaml:7:1
    ");
    assert_snapshot!(check(with("\n    shop/cart", "\n   shop/cart")), @r"
    error: while parsing a block mapping, did not find expected key
      s.yaml:7:4
    ");
    assert_snapshot!(check(with("    shop/cart:", "    shop/stock: {}\n    shop/cart:")), @r"
    error: duplicate mapping key: shop/stock
      s.yaml:9:5
    ");
    assert_snapshot!(check(with("[shop/cart]", "[shop/cart")), @r"
    error: illegal placement of ':' indicator
      s.yaml:18:41
    ");
}

/// A folder that holds nothing is nothing to do; a file that was named is wrong. `check` takes policies too.
#[test]
fn neither_scenarios_nor_policies() {
    let project = Project::with(&[
        ("empty/notes.txt", ""),
        ("nothing.yaml", ""),
        ("list.yaml", "- a\n- b\n"),
        ("apps/web.yaml", "apiVersion: apps/v1\nkind: Deployment\n"),
    ]);
    let told = ["empty", "nothing.yaml", "list.yaml", "apps"].map(|path| {
        let told = ["run", "check"].map(|command| {
            let ran = project.verdikt(&[command, path]);
            assert_eq!(ran.stdout, "", "{ran}");
            format!("{command} {path}: {}\n{}\n", ran.code, mistakes(&ran))
        });
        told.concat()
    });
    assert_snapshot!(told.concat(), @r"
    run empty: 5
    error: this folder has no scenario
      empty
    check empty: 5
    error: there is neither a scenario nor a policy here
      empty
    run nothing.yaml: 2
    error: this file is not a scenario
      nothing.yaml:1:1
    check nothing.yaml: 2
    error: there is neither a scenario nor a policy here
      nothing.yaml:1:1
    run list.yaml: 2
    error: this file is not a scenario
      list.yaml:1:1
    check list.yaml: 2
    error: there is neither a scenario nor a policy here
      list.yaml:1:1
    run apps: 5
    error: this folder has no scenario
      apps
    check apps: 5
    error: there is neither a scenario nor a policy here
      apps
    ");
}

#[test]
fn bytes_that_are_no_text() {
    assert_snapshot!(check([0x7f, b'E', b'L', b'F', 0, 1, 2, 3]), @r"
    error: `s.yaml` is a binary file
      s.yaml
    ");
    assert_snapshot!(check(b"scenario: caf\xe9\n"), @r"
    error: the scenario is not UTF-8
      s.yaml:1:14
    ");
}

#[test]
fn bombs() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{before}]").unwrap();
    }
    assert_snapshot!(check(bomb), @"
    error: the file has more than 50000 anchors or aliases, or more than 1000000 values behind them,
      s.yaml:7:10
    ");
    assert_snapshot!(check("[".repeat(100_000)), @"
    error: the values are nested more than 64 levels deep, and verdikt reads no deeper
      s.yaml:1:65
    ");
    let project = Project::with(&[("s.yaml", "")]);
    File::create(project.path("s.yaml")).unwrap().set_len(100 << 20).unwrap();
    assert_snapshot!(refused(&project, "s.yaml"), @r"
    error: `s.yaml` is too large: 100 MiB, and 16 MiB are the most verdikt reads
      s.yaml
    ");
}

#[test]
fn words_that_mean_nothing() {
    assert_snapshot!(check(with("about:", "abuot:")), @r"
    error: `about` is missing in the scenario
      s.yaml:1:1
    error: unknown key `abuot`
      s.yaml:2:1
    ");
    assert_snapshot!(check(with("[shop/stock]", "[shop/stok]")), @r"
    error: no pod is called `shop/stok`
      s.yaml:18:44
    ");
    assert_snapshot!(check(with("redis:6379: {", "redis:6380: {")), @r"
    error: `database/redis` does not serve tcp 6380
      s.yaml:12:5
    ");
    assert_snapshot!(check(with("      deny ingress by database/cart-only: [shop/stock]\n", "")), @r"
    error: `shop/stock` has no verdict for `tcp database/redis:6379`
      s.yaml:16:5
    ");
    assert_snapshot!(check(with("allow: [shop/cart]", "allow: [shop/cart, shop/stock]")), @r"
    error: `shop/stock` has a verdict for this attempt already
      s.yaml:18:44
    ");
    assert_snapshot!(check(with("- step: locked down", "- step: open")), @r"
    error: two steps are called `open`
      s.yaml:13:9
    ");
    assert_snapshot!(check(with("policies: [cart-only]", "policies: [cart-onyl]")), @r"
    error: no manifest called `cart-onyl` follows in this file
      s.yaml:14:14
    ");
    assert_snapshot!(check(with("policies: [cart-only]", "policies: [nowhere.yaml]")), @r"
    error: there is no file or folder `nowhere.yaml`
      s.yaml:14:14
    ");
    assert_snapshot!(check(with("deny ingress by", "deny inwards by")), @r"
    error: `deny inwards` is not a verdict
      s.yaml:18:7
    ");
    assert_snapshot!(check(with("about:", "cilium: \">=1.30\"\nabout:")), @r"
    error: `1.30` is not a Cilium version verdikt knows; it knows 1.16, 1.17, 1.18, 1.19 and 1.20
      s.yaml:2:9
    ");
}

#[test]
fn policies_that_are_none() {
    assert_snapshot!(check(with("kind: CiliumNetworkPolicy", "kind: CiliumNetworkPolicies")), @r"
    error: `CiliumNetworkPolicies` is not a kind of policy verdikt knows
      s.yaml:21:7
    ");
    assert_snapshot!(check(with("apiVersion: cilium.io/v2", "apiVersion: cilium.io/v3")), @r"
    error: there is no CiliumNetworkPolicy in `cilium.io/v3`
      s.yaml:20:13
    ");
    assert_snapshot!(check(with("namespace: database}", "namespace: nowhere}")), @r"
    error: no policy of this step is called `database/cart-only`
      s.yaml:18:7
    error: namespace `nowhere` is not in the topology
      s.yaml:22:40
    ");
}

#[test]
fn names_that_kubernetes_refuses() {
    assert_snapshot!(check(with("shop/stock: {", "shop/Stock: {")), @"
    error: `Stock` is not an object name (lower-case letters, digits, inner hyphens and dots, at
      s.yaml:8:5
    ");
    assert_snapshot!(check(with("shop: {}", "Shop_1: {}")), @"
    error: `Shop_1` is not a namespace name (lower-case letters, digits and inner hyphens, at most
      s.yaml:4:30
    error: namespace `shop` is not in the topology
      s.yaml:7:5
    error: namespace `shop` is not in the topology
      s.yaml:8:5
    ");
}

/// A policy is refused like the rest, in a scenario and on its own.
#[test]
fn policies_with_names_that_kubernetes_refuses() {
    assert_snapshot!(check(GOOD.replace("cart-only", "Cart_Only")), @"
    error: `Cart_Only` is not an object name (lower-case letters, digits, inner hyphens and dots, at
      s.yaml:22:18
    ");
    let policy = GOOD.split_once("---\n").unwrap().1.replace("cart-only", "Cart_Only");
    let project = Project::with(&[("policies/p.yaml", policy)]);
    let ran = project.verdikt(&["check", "policies"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    assert_snapshot!(mistakes(&ran), @"
    error: `Cart_Only` is not an object name (lower-case letters, digits, inner hyphens and dots, at
      policies/p.yaml:3:18
    ");
}

#[test]
fn an_expected_refusal_that_does_not_come() {
    let rejected =
        "  policies: [cart-only]\n  rejected: {database/cart-only: {by: agent, saying: \"no rule\"}}\n";
    assert_snapshot!(check(with("  policies: [cart-only]\n", rejected)), @"
    error: CiliumNetworkPolicy database/cart-only is accepted by Cilium 1.20, and must be refused
      s.yaml:15:14
    ");
}

#[test]
fn includes_that_lead_nowhere() {
    let including = with("topology:\n", "topology:\n  include: [a.yaml]\n");
    let project = Project::with(&[
        ("s.yaml", including.as_str()),
        ("a.yaml", "include: [b.yaml]\n"),
        ("b.yaml", "include: [a.yaml]\n"),
    ]);
    assert_snapshot!(refused(&project, "s.yaml"), @r"
    error: `a.yaml` includes itself
      b.yaml:1:11
    ");
    assert_snapshot!(check(including), @r"
    error: there is no file or folder `a.yaml`
      s.yaml:4:13
    ");
}

#[test]
fn names_are_unique_in_a_run() {
    let project = Project::with(&[("s/a.yaml", GOOD), ("s/b.yaml", GOOD)]);
    assert_snapshot!(refused(&project, "s"), @r"
    error: another scenario is called `redis`
      s/b.yaml:1:11
    ");
}

/// One wrong file, and nothing is evaluated.
#[test]
fn one_wrong_file_stops_all() {
    let project = Project::with(&[("s/a.yaml", GOOD), ("s/b.yaml", &with("about:", "abuot:"))]);
    let ran = project.verdikt(&["run", "s", "--events", "log", "--report", "json=a.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran}");
    assert!(!project.path("log").exists());
    // What is wrong is in the reports.
    assert!(project.read("a.json").contains("unknown key `abuot`"));
}
