//! Tables rewritten in place: what changes, and that nothing else does.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::expect::VERDICT_WORDS;
use crate::loader::{load, parse_attempt, parse_source};

const HEAD: &str = "\
# yaml-language-server: $schema=schema.json
scenario: s   # a name
about: Why.
topology:
  namespaces: {a: {}}
  pods:
    a/one: {serves: [tcp 80, tcp 81]}
    a/two: {}
    a/three: {}
    a/four: {}
  world: {\"null\": {}}
steps:
- step: first
  policies: [x]
  expect:
";

const TAIL: &str = "---
apiVersion: networking.k8s.io/v1   # behind the scenario
kind: NetworkPolicy
metadata: {name: x, namespace: a}
spec: {podSelector: {}}
";

const ATTEMPT: &str = "tcp a/one:80";

/// The scenario of a file with this text.
fn scenario(text: &str) -> Scenario {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.yaml");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&[file]);
    let [scenario] = loaded.scenarios.as_slice() else { panic!("{:?}\n{text}", loaded.diagnostics) };
    scenario.clone()
}

/// The changes of cells of the first attempt of the first step, by source.
fn rewritten(text: &str, to: &[(&str, &str)]) -> Result<String, RewriteError> {
    let scenario = scenario(text);
    let step = &scenario.steps[0];
    let attempt = parse_attempt(ATTEMPT, &step.topology).unwrap();
    let row = step.table.iter().find(|row| row.attempt == attempt).unwrap();
    let sources: Vec<Endpoint> =
        to.iter().map(|(source, _)| parse_source(source, &step.topology).unwrap()).collect();
    let place = |wanted: &Endpoint| &row.cells.iter().find(|(source, _)| source == wanted).unwrap().1.place;
    let changes: Vec<CellChange<'_>> = sources
        .iter()
        .zip(to)
        .map(|(source, (_, words))| CellChange {
            step: &step.name,
            attempt: &attempt,
            source,
            place: place(source),
            to: words.parse().unwrap(),
        })
        .collect();
    rewrite(text, &scenario, &changes)
}

/// The table after a rewrite, which is all that may change.
fn table(table: &str, to: &[(&str, &str)]) -> String {
    let text = rewritten(&format!("{HEAD}{table}{TAIL}"), to).unwrap();
    let table = text.strip_prefix(HEAD).and_then(|text| text.strip_suffix(TAIL));
    let table = table.unwrap_or_else(|| panic!("more than the table changed: {text}"));
    scenario(&text);
    table.to_owned()
}

/// A name that means another service in each namespace is one key of the file and several rows.
#[test]
fn rows_that_share_a_key() {
    let text = "scenario: s\nabout: Why.\ntopology:\n  namespaces: {a: {}, b: {}}\n  pods:\n    \
                a/one: {labels: {app: api}, serves: [tcp 80]}\n    a/two: {}\n    b/one: {labels: {app: api}, serves: [tcp 80]}\n  \
                services: {a/api: {selects: {app: api}, ports: {80: 80}}, b/api: {selects: {app: api}, ports: {80: 80}}}\n\
                steps:\n- step: first\n  expect:\n    tcp api:80: {allow: others}\n";
    let scenario = scenario(text);
    let step = &scenario.steps[0];
    let (source, cell) = &step.table[0].cells[1];
    let to = "deny egress".parse().unwrap();
    let change =
        CellChange { step: "first", attempt: &step.table[0].attempt, source, place: &cell.place, to };
    let after = rewrite(text, &scenario, &[change]).unwrap();
    assert_eq!(after, text.replace("{allow: others}", "{allow: others, deny egress: a/two}"));
}

#[test]
fn in_brackets() {
    let check = |before: &str, to: &[(&str, &str)], after: &str| {
        let line = |verdicts: &str| format!("    {ATTEMPT}: {verdicts}   # why\n");
        assert_eq!(table(&line(before), to), line(after), "{before}");
    };
    let everyone = |words| [("a/two", words), ("a/three", words), ("a/four", words), ("null", words)];
    check("{allow: others}", &everyone("deny ingress"), "{deny ingress: others}");
    check("{allow: others}", &[("a/two", "deny egress")], "{allow: others, deny egress: a/two}");
    check("{allow: others}", &[("null", "deny egress")], "{allow: others, deny egress: \"null\"}");
    check("{allow: [a/two], deny: others}", &[("a/two", "deny ingress")], "{deny: others}");
    check(
        "{ allow: [ 'a/two' , a/three ], deny: others }",
        &[("a/two", "audit")],
        "{ allow: [ a/three ], deny: others, audit: 'a/two' }",
    );
    check(
        "{ allow: [ 'a/two' , a/three ], deny: others }",
        &[("a/three", "audit")],
        "{ allow: [ 'a/two' ], deny: others, audit: a/three }",
    );
    check(
        "{allow: [a/two, a/three], deny: others}",
        &[("a/two", "deny egress"), ("a/three", "deny egress")],
        "{deny: others}",
    );
    check("{deny: others, allow: a/two}", &[("a/three", "allow")], "{deny: others, allow: [a/two, a/three]}");
    check(
        "{allow: a/two, deny ingress: others}",
        &[("a/two", "deny egress")],
        "{deny egress: a/two, deny ingress: others}",
    );
    check(
        "{allow: [a/two, a/three], deny ingress: [a/four, 'null']}",
        &[("a/two", "deny ingress"), ("a/four", "allow")],
        "{allow: [a/three, a/four], deny ingress: ['null', a/two]}",
    );
    check(
        "{allow: others}",
        &[
            ("a/two", "deny egress"),
            ("a/three", "deny egress"),
            ("a/four", "deny ingress"),
            ("null", "deny egress"),
        ],
        "{deny egress: others, deny ingress: a/four}",
    );
    check("{allow: others, deny: []}", &[("a/two", "deny egress")], "{allow: others, deny: [a/two]}");
}

#[test]
fn by_lines() {
    let before = "    tcp a/one:80:   # the port
      # who may
      allow: [a/two, a/three]   # two of them
      deny ingress:
      # the fourth
      - a/four   # since May
      - 'null'
    tcp a/one:81: {allow: others}
";
    insta::assert_snapshot!(table(before, &[("a/two", "deny ingress"), ("a/three", "deny ingress")]), @"
    tcp a/one:80:   # the port
      # who may
      # two of them
      deny ingress:
      # the fourth
      - a/four   # since May
      - 'null'
      - a/two
      - a/three
    tcp a/one:81: {allow: others}
    ");
    insta::assert_snapshot!(table(before, &[("a/four", "deny egress"), ("a/two", "audit")]), @"
    tcp a/one:80:   # the port
      # who may
      allow: [a/three]   # two of them
      deny ingress:
      # the fourth
      # since May
      - 'null'
      audit: a/two
      deny egress: a/four
    tcp a/one:81: {allow: others}
    ");
    insta::assert_snapshot!(table(before, &[("a/four", "allow"), ("null", "allow")]), @"
    tcp a/one:80:   # the port
      # who may
      allow: [a/two, a/three, a/four, 'null']   # two of them
      # the fourth
      # since May
    tcp a/one:81: {allow: others}
    ");
    insta::assert_snapshot!(table(before, &[("a/four", "deny egress"), ("null", "deny egress")]), @"
    tcp a/one:80:   # the port
      # who may
      allow: [a/two, a/three]   # two of them
      deny egress:
      # the fourth
      - a/four   # since May
      - 'null'
    tcp a/one:81: {allow: others}
    ");
}

#[test]
fn brackets_over_several_lines_keep_their_comments() {
    let before = "    tcp a/one:80: {
      allow: [a/two,   # first
        a/three,  # second
        a/four],
      deny: others   # the rest
    }
";
    insta::assert_snapshot!(table(before, &[("a/two", "audit")]), @"
    tcp a/one:80: {
      allow: [   # first
        a/three,  # second
        a/four],
      deny: others, audit: a/two   # the rest
    }
    ");
    insta::assert_snapshot!(table(before, &[("a/four", "deny"), ("a/three", "deny")]), @"
    tcp a/one:80: {
      allow: [a/two,   # first
          # second
        ],
      deny: others   # the rest
    }
    ");
}

#[test]
fn line_ends_and_other_documents_stay() {
    let text = format!("{HEAD}    tcp a/one:80:\n      allow: others\n{TAIL}").replace('\n', "\r\n");
    let after = rewritten(&text, &[("a/two", "deny egress")]).unwrap();
    assert_eq!(after.replace("      deny egress: a/two\r\n", ""), text);
    assert_ne!(after, text);
    let text = format!("{HEAD}    tcp a/one:80:\n      allow: others").replace("  policies: [x]\n", "");
    let after = rewritten(&text, &[("a/two", "deny egress")]).unwrap();
    assert_eq!(after, format!("{text}\n      deny egress: a/two"));
}

#[test]
fn what_is_shared_is_not_rewritten() {
    let shared = format!("{HEAD}    tcp a/one:80: &all {{allow: others}}\n    tcp a/one:81: *all\n{TAIL}");
    assert_eq!(rewritten(&shared, &[("a/two", "deny")]), Err(RewriteError::Shared(16)));
    let alias = format!("{HEAD}    tcp a/one:81: &all {{allow: others}}\n    tcp a/one:80: *all\n{TAIL}");
    assert!(matches!(rewritten(&alias, &[("a/two", "deny")]), Err(RewriteError::Shared(_))));
    let text = format!("{HEAD}    tcp a/one:80: {{allow: others}}\n{TAIL}");
    let scenario = scenario(&text);
    let (attempt, place) =
        (scenario.steps[0].table[0].attempt.clone(), scenario.steps[0].table[0].place.clone());
    let source = parse_source("a/two", &scenario.steps[0].topology).unwrap();
    let to = "deny".parse().unwrap();
    let change = CellChange { step: "first", attempt: &attempt, source: &source, place: &place, to };
    // Where no cell is written none can be rewritten.
    assert_eq!(rewrite(&text, &scenario, &[change]), Ok(text.clone()));
    assert_eq!(rewrite(&text, &scenario, &[]), Ok(text));
}

/// A difference is a table of its own.
#[test]
fn the_table_of_one_version() {
    let text = format!(
        "{HEAD}    tcp a/one:80: {{allow: others}}
  differs:
  - cilium: <1.19
    because: it was so
    expect:
      tcp a/one:80: {{deny egress: [a/two, a/three]}}
{TAIL}"
    );
    let scenario = scenario(&text);
    let (attempt, source, cell) = &scenario.steps[0].differences[0].cells[0];
    let to = "deny ingress".parse().unwrap();
    let change = CellChange { step: "first", attempt, source, place: &cell.place, to };
    let after = rewrite(&text, &scenario, &[change]).unwrap();
    let (named, other) =
        if source.to_string() == "a/two" { ("a/two", "a/three") } else { ("a/three", "a/two") };
    let wanted = format!("{{deny egress: [{other}], deny ingress: {named}}}");
    assert_eq!(after, text.replace("{deny egress: [a/two, a/three]}", &wanted));
}

const SOURCES: [&str; 4] = ["a/two", "a/three", "a/four", "null"];

/// A table in one of the layouts there are: for each source the number of its verdict, and whether it is named.
fn written(verdicts: &[usize], named: &[bool], layout: usize) -> String {
    let others = (0..SOURCES.len()).find(|source| !named[*source]).map(|source| verdicts[source]);
    let mut table = format!("    {ATTEMPT}:   # one\n");
    let mut entries = Vec::new();
    for (number, words) in VERDICT_WORDS.iter().enumerate() {
        let is_named = |source: &usize| verdicts[*source] == number && Some(number) != others;
        let mut sources: Vec<&str> = (0..SOURCES.len())
            .filter(is_named)
            .map(|source| if source == 3 { "'null'" } else { SOURCES[source] })
            .collect();
        if Some(number) == others {
            sources.push("others");
        }
        match (sources.as_slice(), layout) {
            ([], _) => {}
            ([one], 0) => writeln!(table, "      {words}: {one} # {number}").unwrap(),
            (_, 0 | 1) => writeln!(table, "      {words}: [{}] # {number}", sources.join(" , ")).unwrap(),
            (_, 2) => {
                writeln!(table, "      {words}: # {number}").unwrap();
                for source in &sources {
                    writeln!(table, "      - {source} # {source}").unwrap();
                }
            }
            _ => entries.push(format!("{words}: [{}]", sources.join(", "))),
        }
    }
    if layout == 3 { format!("    {ATTEMPT}: {{{}}} # one\n", entries.join(", ")) } else { table }
}

proptest! {
    #[test]
    fn every_table_can_be_rewritten(
        before in prop::array::uniform4(0..VERDICT_WORDS.len()),
        after in prop::array::uniform4(0..VERDICT_WORDS.len()),
        named in prop::array::uniform4(any::<bool>()),
        layout in 0..4_usize,
        change in select(vec!["\n", "\r\n"]),
        changed in any::<Index>(),
    ) {
        let text = format!("{HEAD}{}    tcp a/one:81: {{allow: others}}\n{TAIL}", written(&before, &named, layout));
        let text = text.replace('\n', change);
        let cells = |scenario: &Scenario| -> Vec<(String, String)> {
            let cells = scenario.steps[0].table[0].cells.iter();
            cells.map(|(source, cell)| (source.to_string(), cell.expected.to_string())).collect()
        };
        // As many as the index says change, whatever the rest would be.
        let now: Vec<(String, String)> = cells(&scenario(&text));
        let said = |source: &str| now.iter().find(|(name, _)| name == source).map(|(_, words)| words.clone()).unwrap();
        let to: Vec<(&str, &str)> = SOURCES.iter().zip(after).take(changed.index(SOURCES.len()) + 1)
            .map(|(source, words)| (*source, VERDICT_WORDS[words])).filter(|(source, words)| said(source) != *words && (said(source) != "deny" || !words.starts_with("deny"))).collect();
        let rewritten = rewritten(&text, &to).unwrap();
        prop_assert_eq!(text == rewritten, to.is_empty());
        let comments = |text: &str| {
            let mut comments: Vec<String> = text.lines().filter_map(|line| Some(line.split_once("# ")?.1.to_owned())).collect();
            comments.sort();
            comments
        };
        prop_assert_eq!(comments(&text), comments(&rewritten), "{}\n{}", text, rewritten);
        for (source, words) in cells(&scenario(&rewritten)) {
            let wanted = to.iter().find(|(name, _)| *name == source).map_or_else(|| said(&source), |(_, words)| (*words).to_owned());
            let is_met = words == wanted || words == "deny" && wanted.starts_with("deny ");
            prop_assert!(is_met, "{source}: {words}, not {wanted}\n{text}\n{rewritten}");
        }
    }
}
