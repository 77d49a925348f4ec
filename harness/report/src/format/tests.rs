//! What every format tells of a run, and of what `check` found.

use rstest::rstest;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::policy::Refuser;
use verdikt_verdict::event::{CellSkipped, ScenarioFailed};
use verdikt_verdict::invariant::{BrokenInvariant, InvariantJudged, InvariantProof};

use super::*;
use crate::diagnostics::Checked;
use crate::fixture::{FILE, cells, object, place, run};

/// A run in which a scenario fails, an object is refused, an invariant is broken, and a cell is skipped.
fn events() -> Vec<Event> {
    let judged = cells().remove(0);
    let invariant = InvariantJudged {
        scenario: judged.scenario.to_string(),
        step: judged.step.to_string(),
        invariant: "never world -> database/*".to_owned(),
        because: "it holds the orders".to_owned(),
        place: place(FILE, 50),
        known_broken: false,
        found: InvariantProof::Broken(Box::new(BrokenInvariant {
            from: "world".to_owned(),
            to: "database/redis".to_owned(),
            traffic: "tcp 6379".to_owned(),
            verdict: "allow".to_owned(),
            why: "nothing isolates it".to_owned(),
            rules: Vec::new(),
            more: 0,
        })),
    };
    let skipped = CellSkipped {
        scenario: judged.scenario.to_string(),
        step: judged.step.to_string(),
        attempt: (*judged.attempt).clone(),
        source: judged.source.clone(),
        expected: judged.expected.clone(),
        place: judged.place.clone(),
        because: "no host outside reaches it".to_owned(),
    };
    let failed = ScenarioFailed {
        scenario: "broken-lab".to_owned(),
        place: place("scenarios/broken-lab.yaml", 1),
        reason: "cannot make a namespace".to_owned(),
    };
    let refused = object("database/typo", None, Some((Refuser::ApiServer, "unknown field")));
    let mut events = run(vec![refused], vec![judged]);
    let at = events.iter().rposition(|event| matches!(event, Event::CellJudged(_))).unwrap();
    events.splice(at..at, [Event::InvariantJudged(Box::new(invariant)), Event::CellSkipped(skipped)]);
    events.insert(events.len() - 1, Event::ScenarioFailed(failed));
    events
}

/// The formats that do not tell of something: annotations are about lines that somebody has to change, and nothing is
/// wrong with a cell that is skipped.
const SILENT: &[(&str, &str)] = &[("sarif", "no host outside"), ("github", "no host outside")];

#[rstest]
#[case::failed_scenario("cannot make a namespace")]
#[case::refused_object("unknown field")]
#[case::broken_invariant("nothing isolates it")]
#[case::skipped_cell("no host outside")]
fn every_format_tells_of_a(#[case] words: &str) {
    for format in REPORT_FORMATS {
        let text = format.of_run(&events()).unwrap();
        let told = text.contains(words);
        assert_eq!(told, !SILENT.contains(&(format.word, words)), "{}: {words}:\n{text}", format.word);
    }
}

#[rstest]
#[case::mistake("no pod is called")]
#[case::help_of_a_mistake("did you mean")]
#[case::warning("no pod is selected")]
fn every_format_tells_what_check_found(#[case] words: &str) {
    let diagnostics = [
        Diagnostic::error(place(FILE, 3), "no pod is called `shop/kart`").help("did you mean `shop/cart`?"),
        Diagnostic::warning(place(FILE, 4), "selects-nothing", "no pod is selected"),
    ];
    let report =
        CheckReport { checked: Checked::default(), diagnostics: &diagnostics, warnings_denied: false };
    for format in REPORT_FORMATS {
        let text = format.of_check(&report).unwrap();
        assert!(text.contains(words), "{}: {words}:\n{text}", format.word);
    }
}
