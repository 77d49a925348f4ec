use verdikt_scenario::place::Place;

use super::*;
use crate::{json, junit, markdown};

fn found() -> Vec<Diagnostic> {
    let place = |file: &str, line| Place { file: file.into(), line, column: 5 };
    vec![
        Diagnostic::error(place("s.yaml", 3), "no pod is called `shop/kart`")
            .help("did you mean `shop/cart`?"),
        Diagnostic::warning(place("x.yaml", 2), "selects-nothing", "no pod is selected\u{1b}"),
    ]
}

fn report(diagnostics: &[Diagnostic]) -> CheckReport<'_> {
    CheckReport { checked: Checked { scenarios: 1, policies: 2 }, diagnostics, warnings_denied: false }
}

#[test]
fn as_json() {
    insta::assert_snapshot!(json::diagnostics(&report(&found())).unwrap(), @r#"
    {
      "format": 1,
      "verdikt": "0.1.0",
      "scenarios": 1,
      "policies": 2,
      "mistakes": 1,
      "warnings": 1,
      "hints": 0,
      "diagnostics": [
        {
          "place": {
            "file": "s.yaml",
            "line": 3,
            "column": 5
          },
          "severity": "error",
          "code": null,
          "message": "no pod is called `shop/kart`",
          "help": "did you mean `shop/cart`?"
        },
        {
          "place": {
            "file": "x.yaml",
            "line": 2,
            "column": 5
          },
          "severity": "warning",
          "code": "selects-nothing",
          "message": "no pod is selected\u001b",
          "help": null
        }
      ]
    }
    "#);
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(markdown::diagnostics(&report(&found())), @r"
    ## verdikt: 1 mistake, 1 warning

    1 scenario and 2 policy objects checked.

    ### Mistakes

    - `s.yaml:3`: no pod is called \`shop/kart\`
      did you mean \`shop/cart\`?

    ### Warnings

    - `x.yaml:2`: no pod is selected\\u{1b} (selects-nothing)
    ");
}

#[test]
fn as_junit() {
    insta::assert_snapshot!(junit::diagnostics(&report(&found())).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="verdikt check" tests="2" skipped="0" failures="1" errors="0">
        <testsuite name="s.yaml" tests="1" skipped="0" errors="0" failures="1">
            <testcase name="s.yaml:3: mistake">
                <failure message="no pod is called `shop/kart`"/>
                <system-out>no pod is called `shop/kart`
    did you mean `shop/cart`?</system-out>
            </testcase>
        </testsuite>
        <testsuite name="x.yaml" tests="1" skipped="0" errors="0" failures="0">
            <testcase name="x.yaml:2: selects-nothing">
                <system-out>no pod is selected\u{1b}</system-out>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
    let found = found();
    let denied = CheckReport { warnings_denied: true, ..report(&found) };
    let denied = junit::diagnostics(&denied).unwrap();
    assert!(denied.contains(r#"failures="2""#), "{denied}");
    insta::assert_snapshot!(junit::diagnostics(&report(&[])).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="verdikt check" tests="1" skipped="0" failures="0" errors="0">
        <testsuite name="nothing found" tests="1" skipped="0" errors="0" failures="0">
            <testcase name="1 scenario and 2 policy objects"/>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn as_annotations() {
    insta::assert_snapshot!(crate::github::diagnostics(&found()), @r"
    ::error file=s.yaml,line=3,title=verdikt%3A mistake::no pod is called `shop/kart`; did you mean `shop/cart`?
    ::warning file=x.yaml,line=2,title=verdikt%3A warning::no pod is selected\u{1b}
    ");
}
