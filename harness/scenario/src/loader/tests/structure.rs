//! Keys, types, words: what the schema says.

use std::fmt::Write as _;

use super::{GOOD, check, each, lines};

#[test]
fn all_misfits_are_reported_at_once() {
    let text = "\
scenario: shop
abuot: Everything is a little wrong.
topology:
  namespaces: [shop]
  pods:
    shop/web: {label: {app: 80}, serves: http 80}
steps:
- step: 1
  polices: []
  mode: audti
  expect: {tcp a/b:80: {allow: 7}}
- expect:
";
    insta::assert_snapshot!(lines(&[("s.yaml", text)]), @"
    s.yaml:1:1: `about` is missing in the scenario
    s.yaml:2:1: unknown key `abuot` => did you mean `about`?
    s.yaml:4:15: `namespaces` must be a mapping, and this is a list => write it in braces, each name with what it is: `{name: …}`
    s.yaml:6:16: unknown key `label` => did you mean `labels`?
    s.yaml:6:42: `serves` must be a list, and this is text => write it in brackets: `[…]`
    s.yaml:8:9: `step` must be text, and this is a whole number => write it in quotes
    s.yaml:9:3: unknown key `polices` => did you mean `policies`?
    s.yaml:10:9: `audti` is not a word for `mode` => did you mean `audit`?
    s.yaml:11:32: `allow` must be text or a list, and this is a whole number => write it in quotes
    s.yaml:12:3: `step` is missing in an entry of `steps`
    s.yaml:12:9: `expect` must be a mapping, and this is nothing => name at least one attempt below it: `tcp database/redis:6379: {allow: others}`
    ");
    insta::assert_snapshot!(check(&[("s.yaml", &GOOD.replace("about:", "abuot:"))]), @"
    error: `about` is missing in the scenario
     --> s.yaml:1:1
      |
    1 | scenario: shop
      | ^^^^^^^^^

    error: unknown key `abuot`
     --> s.yaml:2:1
      |
    2 | abuot: Only the API reaches the database.
      | ^^^^^^
      |
      = help: did you mean `about`?
    ");
}

#[test]
fn yaml_that_does_not_parse_has_its_place() {
    insta::assert_snapshot!(each(&[
        ("about: Only", "\tabout: Only"),
        ("  pods:\n", "  pods:\n\tshop/x: {}\n"),
        ("    client: {}\n", "   client: {}\n"),
        ("about: Only", "about: twice\nabout: Only"),
        ("about: Only the API", "about: \"Only the API"),
        ("tcp data/redis:6379: {allow: others}", "tcp data/redis:6379: {allow: others}\n    tcp data/redis:6379: {allow: others}"),
        ("about: Only the API reaches the database.", "about: *nowhere"),
    ]), @r#"
    about: Only
      s.yaml:2:1: while scanning a plain scalar, found a tab => indent with spaces: YAML takes no tabs there
    pods:\n\tshop/x: {}
      s.yaml:6:1: tabs disallowed within this context (block indentation) => indent with spaces: YAML takes no tabs there
    client: {}
      s.yaml:13:5: while parsing a block mapping, did not find expected key
    about: twice\nabout: Only
      s.yaml:3:1: duplicate mapping key: about => line 2 has it already: keep one of them
    about: "Only the API
      s.yaml:3:1: invalid indentation in multiline quoted scalar
    tcp data/redis:6379: {allow: others}\n    tcp data/redis:6379: {allow: others}
      s.yaml:19:5: duplicate mapping key: tcp data/redis:6379 => line 18 has it already: keep one of them
    about: *nowhere
      s.yaml:2:8: alias references unknown anchor
    "#);
}

#[test]
fn a_nest_of_anchors_is_refused() {
    let mut text = String::from("scenario: bomb\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{uses}]").unwrap();
    }
    let said = lines(&[("s.yaml", &text)]);
    assert_eq!(said.lines().count(), 1, "{said}");
    insta::assert_snapshot!(said, @"s.yaml:7:45: the file has more than 50000 anchors or aliases, or more than 1000000 values behind them, and verdikt reads no more => write the values out, or split the file into several");
    let deep = format!("scenario: deep\nabout: {}\n", "[".repeat(100_000));
    let said = lines(&[("s.yaml", &deep)]);
    assert_eq!(said.lines().count(), 1, "{said}");
    insta::assert_snapshot!(said, @"s.yaml:2:72: the values are nested more than 64 levels deep, and verdikt reads no deeper => no policy or scenario needs that depth: look for a bracket that is not closed");
}

#[test]
fn texts_that_say_nothing() {
    insta::assert_snapshot!(each(&[
        ("scenario: shop", "scenario: ''"),
        ("scenario: shop", "scenario: \"two\\nlines\""),
        ("about: Only the API reaches the database.", "about: ' '"),
        ("about:", "cilium: '>=2.0'\nabout:"),
        ("about:", "cilium: '>1.20'\nabout:"),
        ("about:", "cilium: 1.19\nabout:"),
        ("- step: open", "- step: locked"),
        ("- step: open", "- step: ''"),
        ("    tcp data/redis:6379: {allow: others}", "    {}"),
        ("{labels: {app: web}, serves: [http 80 as web]}", ""),
    ]), @r#"
    scenario: ''
      s.yaml:1:11: the scenario's name is empty
    scenario: "two\nlines"
      s.yaml:1:11: the scenario's name is more than one line of text
    about: ' '
      s.yaml:2:8: `about` is empty
    cilium: '>=2.0'\nabout:
      s.yaml:2:9: `2.0` is not a Cilium version verdikt knows; it knows 1.16, 1.17, 1.18, 1.19 and 1.20
    cilium: '>1.20'\nabout:
      s.yaml:2:9: verdikt knows no Cilium version in `>1.20`
    cilium: 1.19\nabout:
      s.yaml:2:9: `cilium` must be text, and this is a number => write it in quotes: without them YAML takes 1.20 for the number 1.2
    - step: locked
      s.yaml:19:9: two steps are called `locked`
    - step: ''
      s.yaml:16:9: the step's name is empty
    {}
      s.yaml:18:5: step `open` expects nothing

      s.yaml:6:13: `shop/web` must be a mapping, and this is nothing => write `{}` for nothing
    "#);
    let head = GOOD.split_once("steps:").unwrap().0;
    insta::assert_snapshot!(lines(&[("s.yaml", &format!("{head}steps: []\n"))]), @"s.yaml:15:8: a scenario has at least one step");
}

#[test]
fn unknown_keys_hide_no_other_mistake() {
    let text = GOOD.replace("steps:\n", "colour: red\nsteps:\n").replace("shop/", "shopp/");
    let found = lines(&[("s.yaml", &text)]);
    assert!(found.contains("unknown key `colour`"), "{found}");
    assert!(found.contains("shopp"), "{found}");
}

/// A key that stands twice hides nothing else.
#[test]
fn duplicate_keys() {
    insta::assert_snapshot!(each(&[
        ("    shop/api: {", "    shop/web: {}\n    shop/web: {}\n    shop/api: {"),
        ("allow: [shop/api, host]\n", "allow: [shop/api, hots]\n      allow: [host]\n"),
    ]), @r"
    shop/web: {}\n    shop/web: {}\n    shop/api: {
      s.yaml:7:5: duplicate mapping key: shop/web => line 6 has it already: keep one of them
      s.yaml:8:5: duplicate mapping key: shop/web => line 6 has it already: keep one of them
    allow: [shop/api, hots]\n      allow: [host]
      s.yaml:23:25: no source is called `hots` => did you mean `host`?
      s.yaml:24:7: duplicate mapping key: allow => line 23 has it already: keep one of them
    ");
}

/// The help is something that works.
#[test]
fn help_that_works() {
    insta::assert_snapshot!(each(&[
        ("about: Only", "cilium: 1.20\nabout: Only"),
        ("about: Only", "cilium: 2\nabout: Only"),
        ("  expect:\n    tcp data/redis:6379: {allow: others}", "  expect:"),
        ("about: Only", "about: Once\nabout: Only"),
        ("topology:\n  namespaces", "topology:\n\tnamespaces"),
    ]), @r"
    cilium: 1.20\nabout: Only
      s.yaml:2:9: `cilium` must be text, and this is a number => write it in quotes: without them YAML takes 1.20 for the number 1.2
    cilium: 2\nabout: Only
      s.yaml:2:9: `cilium` must be text, and this is a whole number => write it in quotes
    expect:
      s.yaml:17:9: `expect` must be a mapping, and this is nothing => name at least one attempt below it: `tcp database/redis:6379: {allow: others}`
    about: Once\nabout: Only
      s.yaml:3:1: duplicate mapping key: about => line 2 has it already: keep one of them
    topology:\n\tnamespaces
      s.yaml:4:1: tabs disallowed within this context (block indentation) => indent with spaces: YAML takes no tabs there
    ");
}
