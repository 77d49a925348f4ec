//! Checks that a rewritten text says what it should, and otherwise the same as before.

use std::collections::BTreeMap;

use super::ChangedMember;
use super::tree::{self, NodeContent, TextNode};
use crate::expect::Expected;
use crate::lower::topology::OTHERS;

/// Compares the rewritten text with the tree of the old one. `changed` has the cells of each changed mapping, by the
/// position of the mapping.
pub(super) fn holds(old: &TextNode, rewritten: &str, changed: &BTreeMap<usize, Vec<ChangedMember>>) -> bool {
    tree::parse(rewritten).is_some_and(|new| agree(old, &new, changed))
}

fn agree(old: &TextNode, new: &TextNode, changed: &BTreeMap<usize, Vec<ChangedMember>>) -> bool {
    match (&old.content, &new.content) {
        (NodeContent::Map(..), NodeContent::Map(..)) if changed.contains_key(&old.span.start) => {
            says(new, &changed[&old.span.start])
        }
        (NodeContent::Scalar(old), NodeContent::Scalar(new)) => old == new,
        (NodeContent::List(_, old), NodeContent::List(_, new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| agree(old, new, changed))
        }
        (NodeContent::Map(_, old), NodeContent::Map(_, new)) => {
            let same = |(old, new): (&(TextNode, TextNode), &(TextNode, TextNode))| {
                agree(&old.0, &new.0, changed) && agree(&old.1, &new.1, changed)
            };
            old.len() == new.len() && old.iter().zip(new).all(same)
        }
        (NodeContent::Alias, NodeContent::Alias) => true,
        _ => false,
    }
}

/// Whether a mapping from verdicts to sources gives every cell its new verdict.
fn says(map: &TextNode, members: &[ChangedMember]) -> bool {
    let mut named: BTreeMap<&str, Expected> = BTreeMap::new();
    let mut patterns = false;
    for (words, sources) in map.entries() {
        let Some(expected) = words.text().and_then(|words| words.parse::<Expected>().ok()) else {
            return false;
        };
        let sources = match &sources.content {
            NodeContent::List(_, elements) => elements.iter().collect(),
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
    let is_wider = wanted.verdict.wider() == Some(found.verdict);
    wanted.by == found.by && (wanted.verdict == found.verdict || is_wider)
}
