//! Assigns sources to verdicts with as few moves as possible.

use std::collections::BTreeMap;

use super::ChangedMember;
use super::tree::{VerdictEntry, VerdictMap};
use crate::document;
use crate::expect::Expected;
use crate::lower::topology::OTHERS;
use crate::place::Position;

/// How a mapping from verdicts to sources is rewritten.
#[derive(Debug)]
pub(super) struct Assignment {
    /// How each existing entry is rewritten.
    pub(super) entries: Vec<EntryChange>,
    /// The entries to add: a verdict and its sources.
    pub(super) new: Vec<(String, Vec<String>)>,
}

/// How an entry is rewritten.
#[derive(Clone, Debug)]
pub(super) struct EntryChange {
    /// New words for its verdict.
    pub(super) rename: Option<String>,
    /// Which of its sources stay.
    pub(super) keep: Vec<bool>,
    /// The sources to add.
    pub(super) added: Vec<String>,
}

impl EntryChange {
    /// Whether nothing of it remains.
    pub(super) fn is_removed(&self) -> bool {
        self.added.is_empty() && !self.keep.contains(&true)
    }
}

/// The destination of a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SourceSlot {
    /// An existing entry.
    Entry(usize),
    /// A verdict without an entry.
    New(Expected),
}

/// A source that moves, as it is written.
struct Move {
    written: String,
    to: SourceSlot,
    /// The entry and the index of the source in it that moves whole; none for a name taken out of several.
    whole: Option<(usize, usize)>,
}

impl Assignment {
    /// Assigns every changed cell of a mapping.
    pub(super) fn new(text: &str, map: &VerdictMap<'_>, members: &[ChangedMember]) -> Self {
        let mut entries: Vec<EntryChange> = map
            .entries
            .iter()
            .map(|entry| EntryChange {
                rename: None,
                keep: vec![true; entry.sources.len()],
                added: Vec::new(),
            })
            .collect();
        let moves = moves(text, map, members);
        for (entry, number) in moves.iter().filter_map(|moved| moved.whole) {
            entries[entry].keep[number] = false;
        }
        let mut moves = without_those_of_others(map, moves);
        rename_emptied(&mut entries, &mut moves);
        let stays = |moved: &Move| matches!((moved.whole, &moved.to), (Some((from, _)), SourceSlot::Entry(to)) if from == *to);
        moves.retain(|moved| !stays(moved));
        let mut new: BTreeMap<Expected, Vec<String>> = BTreeMap::new();
        let mut order: Vec<Expected> = Vec::new();
        for Move { written, to, .. } in moves {
            match to {
                SourceSlot::Entry(entry) => entries[entry].added.push(written),
                SourceSlot::New(expected) => {
                    if !new.contains_key(&expected) {
                        order.push(expected.clone());
                    }
                    new.entry(expected).or_default().push(written);
                }
            }
        }
        let new = order.into_iter().filter_map(|expected| {
            let sources = new.remove(&expected)?;
            Some((expected.to_string(), sources))
        });
        Self { new: new.collect(), entries }
    }
}

/// Every source that moves. A source that stands for several cells moves whole, to where most of them go, if all of
/// them change; otherwise the changed ones are named.
fn moves(text: &str, map: &VerdictMap<'_>, members: &[ChangedMember]) -> Vec<Move> {
    let mut at: BTreeMap<Position, Vec<&ChangedMember>> = BTreeMap::new();
    for member in members {
        at.entry(member.at).or_default().push(member);
    }
    let mut moves = Vec::new();
    for (number, entry) in map.entries.iter().enumerate() {
        for (place, source) in entry.sources.iter().enumerate() {
            let stands_for = at.get(&source.position).map_or(&[][..], Vec::as_slice);
            let changed: Vec<(&ChangedMember, SourceSlot)> = stands_for
                .iter()
                .filter_map(|member| Some((*member, slot(map, member.to.as_ref()?))))
                .collect();
            let whole = (!changed.is_empty() && changed.len() == stands_for.len())
                .then(|| most_frequent(&changed))
                .flatten();
            if let Some(to) = &whole {
                let written = text[source.span.clone()].to_owned();
                moves.push(Move { written, to: to.clone(), whole: Some((number, place)) });
            }
            for (member, to) in changed.into_iter().filter(|(_, to)| whole.as_ref() != Some(to)) {
                moves.push(Move { written: scalar(&member.source), to, whole: None });
            }
        }
    }
    moves
}

/// The entry with the expected verdict, or that it must be added.
fn slot(map: &VerdictMap<'_>, to: &Expected) -> SourceSlot {
    let find =
        |wanted: &Expected| map.entries.iter().position(|entry| entry.expected.as_ref() == Some(wanted));
    // An author who wrote `deny` accepts any enforcement point.
    let wider = || {
        let verdict = to.verdict.wider().filter(|_| to.by.is_none())?;
        find(&Expected { verdict, by: None })
    };
    find(to).or_else(wider).map_or_else(|| SourceSlot::New(to.clone()), SourceSlot::Entry)
}

fn most_frequent(changed: &[(&ChangedMember, SourceSlot)]) -> Option<SourceSlot> {
    let mut counts: BTreeMap<&SourceSlot, usize> = BTreeMap::new();
    for (_, slot) in changed {
        *counts.entry(slot).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    changed.iter().map(|(_, slot)| slot).find(|slot| counts[slot] == most).cloned()
}

/// The moves, except those to the entry with `others`, where the source is not named. It is named if a pattern in the
/// table might match it.
fn without_those_of_others(map: &VerdictMap<'_>, moves: Vec<Move>) -> Vec<Move> {
    let is_others = |entry: &VerdictEntry<'_>, place: usize| entry.sources[place].text() == Some(OTHERS);
    let has_pattern = map.entries.iter().flat_map(|entry| &entry.sources);
    let has_pattern = has_pattern.filter_map(|source| source.text()).any(|text| text.contains('*'));
    if has_pattern {
        return moves;
    }
    let moved = moves
        .iter()
        .find(|moved| moved.whole.is_some_and(|(entry, place)| is_others(&map.entries[entry], place)))
        .map(|moved| moved.to.clone());
    let stays = || {
        let has_others =
            |entry: &VerdictEntry<'_>| (0..entry.sources.len()).any(|place| is_others(entry, place));
        map.entries.iter().position(has_others).map(SourceSlot::Entry)
    };
    let Some(others) = moved.or_else(stays) else { return moves };
    let goes_there = |moved: &Move| {
        let is_others_itself =
            moved.whole.is_some_and(|(entry, place)| is_others(&map.entries[entry], place));
        moved.to == others && !is_others_itself
    };
    moves.into_iter().filter(|moved| !goes_there(moved)).collect()
}

/// Gives entries that lose all sources the verdict to which the first of them moves, unless another entry has it.
fn rename_emptied(entries: &mut [EntryChange], moves: &mut [Move]) {
    for (number, entry) in entries.iter_mut().enumerate() {
        let is_wanted = moves.iter().any(|moved| moved.to == SourceSlot::Entry(number));
        if is_wanted || entry.keep.contains(&true) {
            continue;
        }
        let leaving = moves.iter().find(|moved| moved.whole.is_some_and(|(whole, _)| whole == number));
        let Some(SourceSlot::New(expected)) = leaving.map(|moved| moved.to.clone()) else { continue };
        entry.rename = Some(expected.to_string());
        for moved in moves.iter_mut().filter(|moved| moved.to == SourceSlot::New(expected.clone())) {
            moved.to = SourceSlot::Entry(number);
        }
    }
    // A move from an entry to itself is no move.
    for moved in moves.iter() {
        if let (Some((entry, place)), SourceSlot::Entry(to)) = (moved.whole, &moved.to)
            && entry == *to
        {
            entries[entry].keep[place] = true;
        }
    }
}

/// A name as a YAML scalar, quoted if it would mean something else.
fn scalar(name: &str) -> String {
    let documents = document::parse(name).unwrap_or_default();
    let is_text = documents.first().and_then(document::YamlNode::text) == Some(name);
    if is_text { name.to_owned() } else { format!("\"{name}\"") }
}
