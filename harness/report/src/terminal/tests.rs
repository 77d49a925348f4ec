//! What people see of runs, at several widths.

use proptest::prelude::*;
use rstest::rstest;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint};

use verdikt_verdict::run_result::Totals;

use super::*;
use crate::fixture::{at_redis, cell, cells, get, no_rule_allows, objects, pod, run, tcp};

mod layout;
mod seen;

fn shown(events: &[Event], width: usize, detail: Detail, colour: bool) -> String {
    let options = TerminalOptions { width, colour, detail, command: "verdikt run".to_owned() };
    let mut terminal = Terminal::new(options);
    events.iter().map(|event| terminal.push(event)).collect()
}

#[test]
fn every_kind_of_cell() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 100, Detail::Tables, false));
}

#[test]
fn every_kind_of_cell_in_sixty_columns() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 60, Detail::Tables, false));
}

#[test]
fn differences_alone() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 100, Detail::Differences, false));
}

/// A scenario has one line, and a step that differs its table and its differences; the end names every cell.
#[test]
fn short() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 100, Detail::Short, false));
}

/// What a run warns of, and why it is not in the lab, stand at its end.
#[test]
fn the_end_says_where_and_what_to_look_at() {
    let mut events = run(Vec::new(), Vec::new());
    if let Event::RunStarted(run) = &mut events[0] {
        run.instead_of_lab = Some("user namespaces are forbidden".to_owned());
    }
    let place = Place { file: "policies/a.yaml".into(), line: 3, column: 1 };
    let warning = Diagnostic::warning(place, "selects-nothing", "no pod is selected").help("not shown");
    events.insert(1, Event::Warned(warning));
    let totals = Totals::of(&events);
    if let Some(Event::RunFinished(run)) = events.last_mut() {
        run.totals = totals;
    }
    insta::assert_snapshot!(shown(&events, 100, Detail::Short, false), @"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18
    ok            three-tier: 2 steps, 1 cell

    warnings:
      policies/a.yaml:3: no pod is selected [selects-nothing]

    backend model instead of lab (user namespaces are forbidden), Cilium 1.18
    as expected: 1 scenario, 2 steps, 1 cell, 0 policy objects, 1 scenario skipped, 1 warning
    ");
}

/// Attempts of which a table says the same have one column, even where one's target is another's source.
#[test]
fn equal_columns_are_one() {
    let free = |source: &str| at_redis(source, Answer::Allow, Decision::NotIsolated, None);
    let denied =
        |source: &str| at_redis(source, Answer::Deny(EnforcementPoint::Egress), no_rule_allows(), None);
    let [redis, api] = ["database/redis", "backend/api-0"];
    let mut cells = Vec::new();
    for (attempt, target) in [(tcp(redis, 6379), redis), (tcp(redis, 6380), redis), (tcp(api, 80), api)] {
        let sources = ["frontend/web", redis, api].into_iter().filter(|source| *source != target);
        cells.extend(sources.map(|source| cell(attempt.clone(), pod(source), "allow", free(source))));
    }
    let other = get("backend/api", 8080, "/");
    cells.push(cell(other.clone(), pod("frontend/web"), "deny egress", denied("frontend/web")));
    cells.push(cell(other, pod(redis), "allow", free(redis)));
    let text = shown(&run(Vec::new(), cells), 100, Detail::Tables, false);
    let start = text.find("scenarios/three-tier.yaml:30").unwrap();
    insta::assert_snapshot!(text[start..].split("\n      [1]").next().unwrap(), @"
    scenarios/three-tier.yaml:30

                       tcp database/redis:6379
                       tcp database/redis:6380
                       tcp backend/api-0:80      http GET backend/api:8080/
      backend/api-0    allow                     -
      database/redis   allow                     allow
      frontend/web     allow                     deny egress [1]

      [1] default deny  policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      ·   no number: no policy isolates the source at egress or the target at ingress

    backend model, Cilium 1.18
    as expected: 1 scenario, 2 steps, 9 cells, 0 policy objects, 1 scenario skipped
    ");
}

#[test]
fn colours_repeat_the_words() {
    let events = run(objects(), cells());
    let coloured = shown(&events, 100, Detail::Tables, true);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_ne!(coloured, plain);
    assert_eq!(plain, shown(&events, 100, Detail::Tables, false));
}

#[rstest]
#[case::tables(Detail::Tables, [2, 2])]
#[case::short(Detail::Short, [2, 2])]
#[case::differences(Detail::Differences, [1, 2])]
fn nothing_is_kept_of_what_is_not_shown(#[case] detail: Detail, #[case] kept: [usize; 2]) {
    let [passing, failing] = [0, 5].map(|index: usize| Arc::new(cells().remove(index)));
    let options = TerminalOptions { width: 100, colour: false, detail, command: "verdikt run".to_owned() };
    let mut terminal = Terminal::new(options);
    for event in run(vec![], vec![]).iter().take(7) {
        terminal.push(event);
    }
    for cell in [&passing, &failing] {
        terminal.push(&Event::CellJudged(Arc::clone(cell)));
    }
    assert_eq!([&passing, &failing].map(Arc::strong_count), kept);
}

#[test]
fn texts_of_files_do_not_control_the_terminal() {
    let mut events = run(objects(), cells());
    for event in &mut events {
        match event {
            Event::ScenarioStarted(scenario) => scenario.about = "two\nlines \u{1b}[2J".to_owned(),
            Event::StepStarted(step) => step.step = "\u{1b}[1A\u{7}".to_owned(),
            Event::CellJudged(cell) => {
                let cell = Arc::make_mut(cell);
                cell.step = "\u{1b}[1A".into();
                cell.because = Some("\r\u{9b}31m".into());
            }
            Event::ObjectJudged(object) => object.object.name = "\u{1b}]0;title\u{7}".to_owned(),
            _ => {}
        }
    }
    let text = shown(&events, 100, Detail::Tables, false);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn a_log_that_was_cut_off_is_shown_as_far_as_it_goes() {
    let events = run(objects(), cells());
    for start in 0..events.len() {
        shown(&events[start..], usize::MAX, Detail::Tables, false);
        shown(&events[..start], usize::MAX, Detail::Differences, false);
    }
}

proptest! {
    /// No width is too small, and tables keep to what they can.
    #[test]
    fn every_width_is_shown(width in 0_usize..200, paths in prop::collection::vec("[/a-z表 ]{0,60}", 0..8)) {
        let redis = tcp("database/redis", 6379);
        let attempts = paths.iter().map(|path| get("shop/storefront", 80, path)).chain([redis]);
        let mut all = cells();
        for attempt in attempts {
            let prediction = at_redis("shop/cart", Answer::Allow, Decision::NotIsolated, None);
            all.push(cell(attempt, pod("shop/cart"), "deny egress", prediction));
        }
        let text = shown(&run(objects(), all), width, Detail::Tables, false);
        prop_assert!(!text.is_empty());
    }
}

/// More than three cells of one reason are explained once.
#[test]
fn one_reason_is_explained_once() {
    let denied = |source: &str| {
        let prediction = at_redis(
            source,
            Answer::Deny(EnforcementPoint::Ingress),
            Decision::NotIsolated,
            Some(no_rule_allows()),
        );
        cell(tcp("database/redis", 6379), pod(source), "allow", prediction)
    };
    let blocks = |count: usize| {
        let cells = (0..count).map(|number| denied(&format!("frontend/web-{number}"))).collect();
        shown(&run(Vec::new(), cells), 100, Detail::Differences, false)
    };
    assert_eq!(blocks(3).matches("checks").count(), 3);
    let shown = blocks(5);
    assert_eq!(shown.matches("checks").count(), 1, "{shown}");
    let rest = "tcp database/redis:6379 from frontend/web-1, frontend/web-2, frontend/web-3, frontend/web-4";
    assert!(shown.contains("and 4 cells more for the same reason:") && shown.contains(rest), "{shown}");
}
