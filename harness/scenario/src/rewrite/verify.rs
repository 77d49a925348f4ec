//! Whether a rewritten text says what it should, and nothing else than before where nothing was to change.

use std::collections::BTreeMap;

use super::Member;
use super::tree::{self, Content, Node};
use crate::expect::{Expected, ExpectedVerdict};
use crate::lower::topology::OTHERS;

/// Holds the rewritten text against the tree of the old one. `changed` has the cells of each mapping that changed, by
/// where that begins.
pub(super) fn holds(old: &Node, rewritten: &str, changed: &BTreeMap<usize, Vec<Member>>) -> bool {
    tree::parse(rewritten).is_some_and(|new| agree(old, &new, changed))
}

fn agree(old: &Node, new: &Node, changed: &BTreeMap<usize, Vec<Member>>) -> bool {
    match (&old.content, &new.content) {
        (Content::Map(..), Content::Map(..)) if changed.contains_key(&old.span.start) => {
            says(new, &changed[&old.span.start])
        }
        (Content::Scalar(old), Content::Scalar(new)) => old == new,
        (Content::List(_, old), Content::List(_, new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| agree(old, new, changed))
        }
        (Content::Map(_, old), Content::Map(_, new)) => {
            let same = |(old, new): (&(Node, Node), &(Node, Node))| {
                agree(&old.0, &new.0, changed) && agree(&old.1, &new.1, changed)
            };
            old.len() == new.len() && old.iter().zip(new).all(same)
        }
        (Content::Alias, Content::Alias) => true,
        _ => false,
    }
}

/// Whether a mapping from verdicts to sources says of every cell what it should.
fn says(map: &Node, members: &[Member]) -> bool {
    let mut named: BTreeMap<&str, Expected> = BTreeMap::new();
    let mut patterns = false;
    for (words, sources) in map.entries() {
        let Some(expected) = words.text().and_then(|words| words.parse::<Expected>().ok()) else {
            return false;
        };
        let sources = match &sources.content {
            Content::List(_, elements) => elements.iter().collect(),
            _ => vec![sources],
        };
        for source in sources {
            let Some(source) = source.text() else { return false };
            patterns |= source.contains('*');
            if named.insert(source, expected.clone()).is_some() {
                return false;
            }
        }
    }
    members.iter().all(|member| {
        let found = named.get(member.source.as_str()).or_else(|| named.get(OTHERS));
        let wanted = member.to.as_ref().unwrap_or(&member.expected);
        patterns && member.to.is_none() || found.is_some_and(|found| is_met(wanted, found))
    })
}

fn is_met(wanted: &Expected, found: &Expected) -> bool {
    let anywhere =
        found.verdict == ExpectedVerdict::Deny && matches!(wanted.verdict, ExpectedVerdict::DenyAt(_));
    wanted.by == found.by && (wanted.verdict == found.verdict || anywhere)
}
