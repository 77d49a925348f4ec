//! Whatever a table says, in whatever layout: after `run --update` the model agrees with it, and nothing else of its file has
//! changed.

use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::project::Project;

const SOURCES: [&str; 4] = ["shop/cart", "shop/stock", "office/desk", "client"];
const VERDICTS: &[&str] = &["allow", "deny ingress", "deny egress", "deny"];

const HEAD: &str = "# A file of which only cells may change.
scenario: any
about: >-
  Whatever it says.
topology:
  namespaces: {database: {}, shop: {}, office: {}}
  pods:
    database/redis: {labels: {app: redis}, serves: [tcp 1, tcp 2, tcp 3]}
    shop/cart: {labels: {app: cart}}
    shop/stock: {labels: {app: stock}}
    office/desk: {}
  world: {client: {}}
steps:
- step: closed   # the only one
  policies: [cart-only, desk]
  expect:
";

const TAIL: &str = "---
# Behind the tables too.
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cart-only, namespace: database}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints: [{matchLabels: {app: cart, io.kubernetes.pod.namespace: shop}}]
    toPorts: [{ports: [{port: '1'}, {port: '2'}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: desk, namespace: office}
spec: {endpointSelector: {}, egress: [{toPorts: [{ports: [{port: '1'}]}]}]}
";

/// How the verdicts of an attempt are written.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Flow,
    Block,
    Lists,
}

/// The row of one attempt: the verdict of each source, whether the last verdict has `others`, and a comment.
#[derive(Clone, Debug)]
struct Row {
    verdicts: [usize; 4],
    layout: Layout,
    others: bool,
    comment: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let layout = prop_oneof![Just(Layout::Flow), Just(Layout::Block), Just(Layout::Lists)];
    let verdicts = proptest::array::uniform4(0..VERDICTS.len());
    (verdicts, layout, any::<bool>(), any::<bool>()).prop_map(|(verdicts, layout, others, comment)| Row {
        verdicts,
        layout,
        others,
        comment,
    })
}

fn written(port: usize, row: &Row) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (source, verdict) in SOURCES.iter().zip(row.verdicts) {
        let word = VERDICTS[verdict];
        match groups.iter_mut().find(|(known, _)| *known == word) {
            Some((_, sources)) => sources.push(source),
            None => groups.push((word, vec![source])),
        }
    }
    if let (true, Some((_, last))) = (row.others, groups.last_mut()) {
        *last = vec!["others"];
    }
    let list = |sources: &[&str]| match sources {
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(", ")),
    };
    let comment = if row.comment { format!("    # why {port}\n") } else { String::new() };
    let attempt = format!("{comment}    tcp database/redis:{port}:");
    match row.layout {
        Layout::Flow => {
            let all: Vec<String> =
                groups.iter().map(|(verdict, sources)| format!("{verdict}: {}", list(sources))).collect();
            format!("{attempt} {{{}}}\n", all.join(", "))
        }
        Layout::Block => {
            let lines =
                groups.iter().map(|(verdict, sources)| format!("      {verdict}: {}\n", list(sources)));
            format!("{attempt}\n{}", lines.collect::<String>())
        }
        Layout::Lists => {
            let lines = groups.iter().map(|(verdict, sources)| {
                format!("      {verdict}:\n      - {}\n", sources.join("\n      - "))
            });
            format!("{attempt}\n{}", lines.collect::<String>())
        }
    }
}

/// What a row has to be: who is allowed on a port, and whom the model denies where.
fn is_right(port: usize, row: &Row) -> bool {
    let right = |source: &str, verdict: &str| match (source, port) {
        ("shop/cart", 1 | 2) => verdict == "allow",
        ("office/desk", 2 | 3) => verdict == "deny egress" || verdict == "deny",
        _ => verdict == "deny ingress" || verdict == "deny",
    };
    SOURCES.iter().zip(row.verdicts).all(|(source, verdict)| right(source, VERDICTS[verdict]))
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]
    #[test]
    fn the_model_agrees_and_nothing_else_changes(rows in proptest::array::uniform3(row())) {
        let texts: Vec<String> = (1..).zip(&rows).map(|(port, row)| written(port, row)).collect();
        let project = Project::with(&[("any.yaml", format!("{HEAD}{}{TAIL}", texts.concat()))]);
        let updated = project.verdikt(&["run", "any.yaml", "--update", "--quiet"]);
        prop_assert_eq!(updated.code, 0, "{}", updated);
        let ran = project.verdikt(&["run", "any.yaml"]);
        prop_assert_eq!(ran.code, 0, "{}", ran);
        let after = project.read("any.yaml");
        let tables = after.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(TAIL));
        prop_assert!(tables.is_some(), "{after}");
        for (port, (row, text)) in (1..).zip(rows.iter().zip(&texts)) {
            if is_right(port, row) {
                prop_assert!(after.contains(text.as_str()), "{text}\n{after}");
            }
            if row.comment {
                let lines: Vec<&str> = text.lines().take(2).map(|line| line.split(" {").next().unwrap()).collect();
                prop_assert!(after.contains(&lines.join("\n")), "{after}");
            }
        }
    }
}
