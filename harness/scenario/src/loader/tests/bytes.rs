//! Arbitrary and spoilt files: whatever they hold, there is an answer, and it can be drawn.

use proptest::prelude::*;

use super::super::{FileReach, Loader};
use super::{Folder, GOOD};
use crate::diagnostic::render;

fn survives(bytes: &[u8]) {
    let folder = Folder::new(&[]);
    folder.write("s.yaml", bytes);
    let loaded = folder.load(&["s.yaml", ""]);
    assert!(!loaded.scenarios.is_empty() || !loaded.diagnostics.is_empty());
    render(&loaded.diagnostics, &loaded.sources);
    let paths = [folder.path("")];
    let policies =
        Loader::new(&paths, FileReach::Inside).policies(&paths, &std::collections::BTreeSet::new());
    render(&policies.diagnostics, &policies.sources);
}

/// Texts that mean something to YAML or to a scenario.
const PIECES: [&str; 22] = [
    "\t",
    "\n",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "&a",
    "*a",
    "<<: ",
    "---\n",
    "null",
    "'",
    "\"",
    "|\n",
    "others",
    "shop/web",
    "\u{feff}",
    "é",
    "\r\n",
    "!!binary ",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn arbitrary_text_after_a_good_beginning(text in "\\PC{0,200}") {
        survives(format!("scenario: {text}").as_bytes());
    }

    #[test]
    fn spoilt_scenarios(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..24usize, 0..PIECES.len()), 1..6),
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, removed, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, PIECES[piece].chars());
        }
        survives(text.into_iter().collect::<String>().as_bytes());
    }
}
