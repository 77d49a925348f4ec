//! Cells that were left out, in every report.

use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::Totals;

use super::*;
use crate::fixture::{cells, pod, run, tcp};
use crate::json::json;
use crate::junit::junit;
use crate::markdown::markdown;
use crate::terminal::{Detail, Terminal, TerminalOptions};

/// A run with one cell, and three that were left out of the same step.
fn events() -> Vec<Event> {
    let judged = cells().remove(0);
    let skipped = |target: &str, source: &str, because: &str| CellSkipped {
        scenario: judged.scenario.to_string(),
        step: judged.step.to_string(),
        attempt: tcp(target, 80),
        source: pod(source),
        expected: judged.expected.clone(),
        place: judged.place.clone(),
        because: because.to_owned(),
    };
    let skipped = [
        skipped("shop/front", "far/one", "nobody <outside> reaches it"),
        skipped("shop/front", "far/two", "nobody <outside> reaches it"),
        skipped("shop/back", "far/two", "it is closed"),
    ];
    let mut events = run(Vec::new(), vec![judged]);
    let at = events.iter().rposition(|event| matches!(event, Event::CellJudged(_))).unwrap();
    events.splice(at..at, skipped.map(Event::CellSkipped));
    let totals = Totals::of(&events);
    if let Some(Event::RunFinished(run)) = events.last_mut() {
        run.totals = totals;
    }
    events
}

fn lines_with(text: &str, words: &[&str]) -> String {
    let lines = text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
    lines.map(|line| line.trim_start().to_owned() + "\n").collect()
}

#[test]
fn the_terminal_tells_and_counts_them() {
    let shown = |detail| {
        let options =
            TerminalOptions { width: 100, colour: false, detail, command: "verdikt run".to_owned() };
        let mut terminal = Terminal::new(options);
        events().iter().map(|event| terminal.push(event)).collect::<String>()
    };
    insta::assert_snapshot!(lines_with(&shown(Detail::Tables), &["far/", "skipped", "outside"]), @"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18
    ok            three-tier/locked down: 1 cell, 3 skipped
    skipped: tcp shop/front:80 from far/one, far/two: nobody <outside> reaches it
    skipped: tcp shop/back:80 from far/two: it is closed
    as expected: 1 scenario, 2 steps, 2 cells, 0 policy objects, 3 cells skipped, 1 scenario skipped
    ");
    insta::assert_snapshot!(shown(Detail::Differences), @"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18

    backend model, Cilium 1.18
    as expected: 1 scenario, 2 steps, 2 cells, 0 policy objects, 3 cells skipped, 1 scenario skipped
    ");
}

#[test]
fn junit_has_a_skipped_case_for_each() {
    let document = junit(&events()).unwrap();
    insta::assert_snapshot!(lines_with(&document, &["far/", "<skipped", "<testsuite"]), @r#"
    <testsuites name="verdikt" tests="6" skipped="4" failures="0" errors="0">
    <testsuite name="three-tier" tests="5" skipped="3" errors="0" failures="0">
    <testcase name="three-tier/locked down/tcp shop/front:80/far/one" classname="three-tier">
    <skipped message="nobody &lt;outside&gt; reaches it"/>
    <testcase name="three-tier/locked down/tcp shop/front:80/far/two" classname="three-tier">
    <skipped message="nobody &lt;outside&gt; reaches it"/>
    <testcase name="three-tier/locked down/tcp shop/back:80/far/two" classname="three-tier">
    <skipped message="it is closed"/>
    <testsuite name="newer" tests="1" skipped="1" errors="0" failures="0">
    <skipped message="it holds for Cilium &gt;=1.19, and this run is for 1.18"/>
    "#);
}

#[test]
fn json_has_them_beside_the_cells() {
    let document: serde_json::Value = serde_json::from_str(&json(&events()).unwrap()).unwrap();
    assert_eq!(document["totals"]["skipped_cells"], 3);
    assert_eq!(document["totals"]["cells"], 2);
    insta::assert_snapshot!(document["scenarios"][0]["steps"][1]["skipped"][2], @r#"{"name":"three-tier/locked down/tcp shop/back:80/far/two","attempt":"tcp shop/back:80","source":"far/two","expected":"allow","place":{"file":"scenarios/three-tier.yaml","line":42,"column":3},"because":"it is closed"}"#);
}

#[test]
fn markdown_lists_them_below_the_table() {
    insta::assert_snapshot!(markdown(&events()), @"
    ## verdikt: 2 cells as expected

    Cilium 1.18, backend model: 1 scenario, 2 steps, 2 cells, 3 cells skipped.

    newer is skipped: it holds for Cilium &gt;=1.19, and this run is for 1.18

    <details><summary>three-tier/without policies: 1 cell as expected</summary>

    | from | `tcp database/redis:6379` |
    | --- | --- |
    | `frontend/web` | allow |

    </details>

    <details><summary>three-tier/locked down: 1 cell as expected</summary>

    | from | `tcp database/redis:6379` |
    | --- | --- |
    | `backend/api-0` | allow |

    - skipped: tcp shop/front:80 from far/one, far/two: nobody &lt;outside&gt; reaches it
    - skipped: tcp shop/back:80 from far/two: it is closed

    </details>
    ");
}
