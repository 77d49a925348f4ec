//! The table of a first scenario: suggested attempts with predicted verdicts, merged where they are equal.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::expect::VerdictWord;
use verdikt_scenario::name::NamespaceName;
use verdikt_scenario::topology::{CLUSTER_DOMAIN, Endpoint, Topology};

use super::attempts::Suggested;
use super::{Predict, RefusedPolicy};

/// The verdicts of one attempt.
#[derive(Clone, Debug)]
pub(super) struct DraftRow {
    pub(super) attempt: String,
    pub(super) comment: String,
    /// The verdicts with their sources, as in a table; `others` is last.
    pub(super) verdicts: Vec<(VerdictWord, Vec<String>)>,
    pub(super) cells: usize,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct DraftTable {
    pub(super) rows: Vec<DraftRow>,
    /// Suggestions that did not fit.
    pub(super) left_out: usize,
    /// Attempts about which the policy model abstains.
    pub(super) unknown: Vec<String>,
}

/// Predicts the suggested attempts, as many as fit.
pub(super) fn predict(
    topology: &Topology,
    suggested: Vec<Suggested>,
    most_cells: usize,
    predict: Predict<'_>,
) -> (DraftTable, Vec<RefusedPolicy>) {
    let sources = topology.sources();
    let most = (most_cells / sources.len().max(1)).max(1);
    let all = suggested.len();
    let chosen = choose(suggested, most);
    let left_out = all - chosen.len();
    let variants: Vec<Vec<Attempt>> =
        chosen.iter().map(|suggested| suggested.attempt.to_each_backend(topology)).collect();
    let mut cells: Vec<(Endpoint, Attempt)> = Vec::new();
    for attempt in variants.iter().flatten() {
        cells.extend(sources_of(&sources, attempt).map(|source| (source.clone(), attempt.clone())));
    }
    let predicted = predict(topology, &cells);
    let mut verdicts = predicted.verdicts.into_iter();
    let mut table = DraftTable { left_out, ..DraftTable::default() };
    for (suggested, variants) in chosen.into_iter().zip(variants) {
        let by_variant: Vec<Vec<(&Endpoint, Option<VerdictWord>)>> = variants
            .iter()
            .map(|attempt| {
                let sources: Vec<&Endpoint> = sources_of(&sources, attempt).collect();
                sources.into_iter().map(|source| (source, verdicts.next().flatten())).collect()
            })
            .collect();
        let is_known = by_variant.iter().flatten().all(|(_, verdict)| verdict.is_some());
        if !is_known {
            table.unknown.push(suggested.attempt.to_string());
            continue;
        }
        // The expectation for a service holds for each of its backends.
        let alike = by_variant.windows(2).all(|pair| pair[0] == pair[1]);
        let attempts = if alike { vec![suggested.attempt.clone()] } else { variants };
        for (attempt, cells) in attempts.iter().zip(&by_variant) {
            let known = cells.iter().filter_map(|(source, verdict)| Some((*source, (*verdict)?)));
            table.rows.push(row(attempt, &suggested.comment, &known.collect::<Vec<_>>()));
        }
    }
    table.rows.retain(|row| row.cells > 0);
    (table, predicted.refused)
}

fn sources_of<'a>(sources: &'a [Endpoint], attempt: &Attempt) -> impl Iterator<Item = &'a Endpoint> {
    let target = attempt.target().and_then(Target::endpoint).cloned();
    // No policy decides about traffic between hosts outside.
    let leaves = match attempt.target() {
        Some(Target::Name(name)) => !name.as_str().ends_with(&format!(".{CLUSTER_DOMAIN}")),
        _ => matches!(target, Some(Endpoint::World(_))),
    };
    sources.iter().filter(move |source| {
        Some(*source) != target.as_ref() && !(leaves && matches!(source, Endpoint::World(_)))
    })
}

/// If there are too many attempts, takes some of every namespace.
fn choose(suggested: Vec<Suggested>, most: usize) -> Vec<Suggested> {
    if suggested.len() <= most {
        return suggested;
    }
    let mut of_namespace: BTreeMap<Option<&NamespaceName>, Vec<usize>> = BTreeMap::new();
    for (index, suggested) in suggested.iter().enumerate() {
        of_namespace.entry(suggested.namespace.as_ref()).or_default().push(index);
    }
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    let longest = of_namespace.values().map(Vec::len).max().unwrap_or_default();
    for turn in 0..longest {
        let of_turn = of_namespace.values().filter_map(|indices| indices.get(turn));
        chosen.extend(of_turn.take(most - chosen.len()));
        if chosen.len() == most {
            break;
        }
    }
    suggested
        .into_iter()
        .enumerate()
        .filter(|(index, _)| chosen.contains(index))
        .map(|(_, one)| one)
        .collect()
}

fn row(attempt: &Attempt, comment: &str, cells: &[(&Endpoint, VerdictWord)]) -> DraftRow {
    let mut by_verdict: BTreeMap<VerdictWord, Vec<&Endpoint>> = BTreeMap::new();
    let mut of_namespace: BTreeMap<&NamespaceName, BTreeSet<VerdictWord>> = BTreeMap::new();
    for (source, verdict) in cells {
        by_verdict.entry(*verdict).or_default().push(source);
        if let Endpoint::Pod(name) = source {
            of_namespace.entry(&name.namespace).or_default().insert(*verdict);
        }
    }
    // The most frequent verdict goes to `others`; of equally frequent ones a denial.
    let others = by_verdict
        .iter()
        .max_by_key(|(verdict, sources)| (sources.len(), **verdict))
        .map(|(verdict, _)| *verdict);
    let mut verdicts: Vec<(VerdictWord, Vec<String>)> = by_verdict
        .into_iter()
        .filter(|(verdict, _)| Some(*verdict) != others)
        .map(|(verdict, sources)| (verdict, brought_together(&sources, &of_namespace)))
        .collect();
    verdicts.extend(others.map(|verdict| (verdict, vec!["others".to_owned()])));
    DraftRow { attempt: attempt.to_string(), comment: comment.to_owned(), verdicts, cells: cells.len() }
}

/// Sources by their names; `namespace/*` if all pods of a namespace have the same verdict.
fn brought_together(
    sources: &[&Endpoint],
    of_namespace: &BTreeMap<&NamespaceName, BTreeSet<VerdictWord>>,
) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let in_namespace = |namespace: &NamespaceName| {
        sources
            .iter()
            .filter(|source| matches!(source, Endpoint::Pod(name) if name.namespace == *namespace))
            .count()
    };
    let mut whole: BTreeSet<&NamespaceName> = BTreeSet::new();
    for source in sources {
        match source {
            Endpoint::Pod(name) if whole.contains(&name.namespace) => {}
            Endpoint::Pod(name)
                if of_namespace.get(&name.namespace).is_some_and(|verdicts| verdicts.len() == 1)
                    && in_namespace(&name.namespace) > 1 =>
            {
                whole.insert(&name.namespace);
                words.push(format!("{}/*", name.namespace));
            }
            source => words.push(source.to_string()),
        }
    }
    words
}
