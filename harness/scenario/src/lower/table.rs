//! Expands tables: from verdicts and their sources to one cell for every source of every attempt.

mod attempts;
mod replaced;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attempt::{find_source, parse_source};
use super::mistake::{Mistake, Mistakes};
use super::policies::StepPolicies;
use super::suggest::{did_you_mean, listed, of_policies};
use super::topology::{OTHERS, TopologyDraft};
use crate::attempt::{Attempt, Target};
use crate::diagnostic::Diagnostic;
use crate::expect::{Expectation, Expected, VERDICT_WORDS};
use crate::file::{ExpectFile, Located, LocatedMap, PartWord, SourceNames};
use crate::scenario::Row;
use crate::topology::Endpoint;

use self::attempts::{ReadAttempt, attempts, is_connected, leaves_cluster, sources};
pub(crate) use self::replaced::replaced_cells;

/// What a table is read with.
pub(crate) struct TableContext<'a> {
    /// The scenario file.
    pub(crate) file: &'a Arc<str>,
    /// The topology of the step.
    pub(crate) draft: &'a TopologyDraft,
    /// The sources of the step, in their order.
    pub(crate) sources: &'a [Endpoint],
    /// The policies of the step.
    pub(crate) in_force: &'a StepPolicies,
    /// The table of the step before.
    pub(crate) before: Option<&'a [Row]>,
}

/// The cells of one attempt, as far as they are understood.
struct AttemptCells {
    named: BTreeMap<Endpoint, Expectation>,
    /// The sources that patterns such as `shop/*` match; a source that is named wins.
    patterned: BTreeMap<Endpoint, Expectation>,
    others: Option<Expectation>,
    /// Whether every entry was understood, so that a missing source is really missing.
    complete: bool,
}

/// The total table of a step.
pub(crate) fn rows(context: &TableContext<'_>, table: &ExpectFile, mistakes: &mut Mistakes) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: BTreeMap<Attempt, u32> = BTreeMap::new();
    for (key, verdicts) in table {
        let attempts = attempts(context, key, mistakes);
        let cells = cells(context, &attempts, verdicts, mistakes);
        let lines: Vec<u32> = attempts.iter().filter_map(|read| seen.get(&read.attempt)).copied().collect();
        if let Some(line) = lines.first() {
            let message = format!("the attempt `{}` is in the table already", key.value);
            let help = format!("line {line} has it: merge the cells there");
            mistakes.add(context.file, key.position, Mistake::new(message).help(help));
            continue;
        }
        seen.extend(attempts.iter().map(|read| (read.attempt.clone(), key.position.line)));
        let cells = total(context, key, &attempts, cells, mistakes);
        rows.extend(attempts.into_iter().map(|read| {
            let own = cells.iter().filter(|(source, _)| read.is_made_by(source)).cloned().collect();
            Row { attempt: read.attempt, place: key.position.in_file(context.file), cells: own }
        }));
    }
    rows
}

fn is_outside(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::World(_))
}

/// The target of an attempt, as far as its sources depend on it.
struct RowTarget<'a> {
    attempts: &'a [ReadAttempt],
    endpoint: Option<&'a Endpoint>,
    /// Whether it is a host outside the cluster.
    leaves_cluster: bool,
}

fn cells(
    context: &TableContext<'_>,
    attempts: &[ReadAttempt],
    verdicts: &LocatedMap<SourceNames>,
    mistakes: &mut Mistakes,
) -> AttemptCells {
    let first = attempts.first().map(|read| &read.attempt);
    let target = RowTarget {
        attempts,
        endpoint: first.and_then(Attempt::target).and_then(Target::endpoint),
        leaves_cluster: first.is_some_and(|attempt| leaves_cluster(context, attempt)),
    };
    let mut cells =
        AttemptCells { named: BTreeMap::new(), patterned: BTreeMap::new(), others: None, complete: true };
    for (words, sources) in verdicts {
        let expected = expected(context, words, mistakes);
        for source in &sources.0 {
            let place = source.position.in_file(context.file);
            let expectation = expected.clone().map(|expected| Expectation { expected, place });
            cells.complete &= expectation.is_some();
            if source.value == OTHERS {
                if cells.others.is_some() {
                    let mistake = Mistake::new("`others` occurs twice for the same attempt");
                    mistakes.add(context.file, source.position, mistake);
                }
                cells.others = expectation.or(cells.others);
                continue;
            }
            if source.value.contains('*') {
                add_pattern(context, source, target.endpoint, expectation.as_ref(), (&mut cells, mistakes));
                continue;
            }
            let Some(endpoint) = known_source(context, source, mistakes) else {
                cells.complete = false;
                continue;
            };
            if !is_source_of(context, source, &endpoint, &target, mistakes) {
                continue;
            }
            if let Some(first) = cells.named.get(&endpoint) {
                let message = format!("`{endpoint}` has a verdict for this attempt already");
                let help = format!("line {} says `{}`", first.place.line, first.expected);
                mistakes.add(context.file, source.position, Mistake::new(message).help(help));
                continue;
            }
            if let Some(expectation) = expectation {
                cells.named.insert(endpoint, expectation);
            }
        }
    }
    cells
}

/// The endpoint with this name; none if there is a mistake, which is recorded.
fn known_source(
    context: &TableContext<'_>,
    source: &Located<String>,
    mistakes: &mut Mistakes,
) -> Option<Endpoint> {
    let found = if mistakes.are_many() {
        let unknown = || Mistake::new(format!("no source is called `{}`", source.value));
        find_source(&source.value, &context.draft.topology).ok_or_else(unknown)
    } else {
        parse_source(&source.value, &context.draft.topology)
    };
    found
        .map_err(|mistake| {
            if !context.draft.broken.contains(&source.value) {
                let help = if strsim::osa_distance(&source.value, OTHERS) <= 1 {
                    Some(format!("did you mean `{OTHERS}`?"))
                } else {
                    mistake.help.clone()
                };
                mistakes.add(context.file, source.position, mistake.help(help));
            }
        })
        .ok()
}

/// Whether an endpoint may be a source of an attempt with this target; records why not.
fn is_source_of(
    context: &TableContext<'_>,
    source: &Located<String>,
    endpoint: &Endpoint,
    target: &RowTarget<'_>,
    mistakes: &mut Mistakes,
) -> bool {
    if Some(endpoint) == target.endpoint {
        let message = format!("`{endpoint}` is the target, and not a source of this attempt");
        mistakes.add(context.file, source.position, Mistake::new(message));
    } else if context.draft.only.get(&source.value) == Some(&PartWord::Target) {
        let mistake = Mistake::new(format!("`{endpoint}` is only a target, and makes no attempts"));
        let help = "remove `only: target` from it".to_owned();
        mistakes.add(context.file, source.position, mistake.help(help));
    } else if !target.attempts.is_empty() && !target.attempts.iter().any(|read| read.is_made_by(endpoint)) {
        let mistake =
            Mistake::new(format!("`{endpoint}` looks the name up in a namespace without such a service"));
        let help = "name the namespace of the service too, or leave the source out".to_owned();
        mistakes.add(context.file, source.position, mistake.help(help));
    } else if !target.attempts.iter().all(|read| is_connected(context, &read.attempt, endpoint)) {
        let message = format!("`{endpoint}` has no connection to keep: the step before does not allow it");
        mistakes.add(context.file, source.position, Mistake::new(message).help("leave it out".to_owned()));
    } else if target.leaves_cluster && is_outside(endpoint) {
        let message = format!("`{endpoint}` is outside the cluster, as the target is: no policy decides");
        let place = source.position.in_file(context.file);
        let warning = Diagnostic::warning(place, "no-policy-decides", message);
        mistakes.0.push(warning.help("leave it out: there is no such cell"));
    } else {
        return true;
    }
    false
}

/// Adds the sources that a pattern matches: in `shop/*` and `*/web` a star stands for any text.
fn add_pattern(
    context: &TableContext<'_>,
    pattern: &Located<String>,
    target: Option<&Endpoint>,
    expectation: Option<&Expectation>,
    (cells, mistakes): (&mut AttemptCells, &mut Mistakes),
) {
    let matching = context.sources.iter().filter(|source| Some(*source) != target);
    let matching = matching.filter(|source| matches_pattern(&pattern.value, &source.to_string()));
    let matching: Vec<Endpoint> = matching.cloned().collect();
    if matching.is_empty() {
        cells.complete = false;
        let mistake = Mistake::new(format!("no source matches `{}`", pattern.value));
        let help = "write `namespace/*` for all pods of a namespace".to_owned();
        return mistakes.add(context.file, pattern.position, mistake.help(help));
    }
    let Some(expectation) = expectation else { return };
    for source in matching {
        match cells.patterned.get(&source) {
            Some(other) if other.expected != expectation.expected => {
                let message = format!("`{source}` matches two patterns with different verdicts");
                let help =
                    format!("line {} says `{}`: name the source itself", other.place.line, other.expected);
                mistakes.add(context.file, pattern.position, Mistake::new(message).help(help));
            }
            Some(_) => {}
            None => drop(cells.patterned.insert(source, expectation.clone())),
        }
    }
}

/// Whether a name matches a pattern, in which each star stands for any text.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The verdict words, and the policy they name.
fn expected(
    context: &TableContext<'_>,
    words: &Located<String>,
    mistakes: &mut Mistakes,
) -> Option<Expected> {
    let expected = words.value.parse::<Expected>().map_err(|words| {
        let help = did_you_mean(&words, "the verdicts are", &VERDICT_WORDS);
        Mistake::new(format!("`{words}` is not a verdict")).help(help)
    });
    let expected = mistakes.keep(context.file, words.position, expected)?;
    if let Some(by) = &expected.by {
        let known = &context.in_force.names;
        if context.in_force.complete && !known.contains(&*by.0) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let message = format!("no policy of this step is called `{by}`");
            let help = of_policies(&by.0, &known);
            mistakes.add(context.file, words.position, Mistake::new(message).help(help));
        }
    }
    Some(expected)
}

/// One cell for every source, or the mistake that some are missing.
fn total(
    context: &TableContext<'_>,
    key: &Located<String>,
    attempts: &[ReadAttempt],
    cells: AttemptCells,
    mistakes: &mut Mistakes,
) -> Vec<(Endpoint, Expectation)> {
    let AttemptCells { mut named, patterned, others, complete } = cells;
    for (source, expectation) in patterned {
        named.entry(source).or_insert(expectation);
    }
    let Some(ReadAttempt { attempt, only_of }) = attempts.first() else { return Vec::new() };
    let sources = sources(context, attempts);
    // A table of hosts outside, or of a service name in one namespace, does not have all sources.
    let leaves = only_of.is_some()
        || attempt.kept().is_some()
        || leaves_cluster(context, attempt) && context.sources.iter().any(is_outside);
    let unnamed: Vec<&Endpoint> = sources.iter().filter(|source| !named.contains_key(*source)).collect();
    match &others {
        Some(others) if unnamed.is_empty() && complete && !leaves => {
            let position = crate::place::Position { line: others.place.line, column: others.place.column };
            let (why, help) = if sources.is_empty() {
                (
                    "nobody else is there to make the attempt",
                    "add a pod or a host outside to the topology: `pods: {shop/client: {}}`",
                )
            } else {
                ("every source is named", "leave it out")
            };
            let mistake = Mistake::new(format!("`others` stands for no source: {why}"));
            mistakes.add(context.file, position, mistake.help(help.to_owned()));
        }
        None if !unnamed.is_empty() && complete => {
            let names: Vec<String> = unnamed.iter().map(ToString::to_string).collect();
            // To complete the table, an author needs every name, so none is left out here.
            let quoted = names.chunks(12).map(|chunk| listed(chunk.iter().map(String::as_str)));
            let quoted: Vec<String> = quoted.collect();
            let verb = if names.len() == 1 { "has" } else { "have" };
            let message = format!("{} {verb} no verdict for `{}`", quoted.join(", "), key.value);
            let help = "name every source, or write `others`".to_owned();
            mistakes.add(context.file, key.position, Mistake::new(message).help(help));
        }
        _ => {}
    }
    let cell = |source: &Endpoint| named.get(source).or(others.as_ref()).cloned();
    sources.iter().filter_map(|source| Some((source.clone(), cell(source)?))).collect()
}
