//! Advice on a selector that selects no endpoint: what its author probably meant.

use verdikt_scenario::topology::NAMESPACE_NAME_LABEL;

use crate::alike::AlikeEndpoints;
use crate::identity::Identity;
use crate::label::{LabelSource, NAMESPACE};
use crate::selector::{Operator, Requirement, Selector};

/// What to do about a selector without endpoints: a reason that is independent of the pods, or the pod that comes
/// nearest with what it lacks. `peer` is the field of a peer, and none for a subject.
pub(crate) fn advice(endpoints: &[AlikeEndpoints<'_>], selector: &Selector, peer: Option<&str>) -> String {
    if let Some(reason) = selector.requirements.iter().find_map(never_held) {
        return reason;
    }
    let pods = endpoints.iter().filter_map(|alike| Some((alike.pod()?, &alike.state.identity)));
    let missed = pods.map(|(endpoint, identity)| {
        let failed = selector.requirements.iter().filter(|requirement| !requirement.holds(identity));
        (endpoint, identity, failed.collect::<Vec<_>>())
    });
    let nearest = missed.min_by_key(|(endpoint, identity, failed)| {
        (failed.len(), far_off(failed.first(), identity), *endpoint)
    });
    let Some((endpoint, identity, failed)) = nearest else { return format!("it selects {selector}") };
    match &failed[..] {
        [only] if only.implied && only.key == NAMESPACE => {
            let namespace = identity.value(NAMESPACE).unwrap_or_default();
            let mend = match peer {
                None => {
                    return format!(
                        "{endpoint} has these labels: put the policy into the namespace {namespace}"
                    );
                }
                Some("from" | "to") => {
                    format!("`namespaceSelector: {{matchLabels: {{{NAMESPACE_NAME_LABEL}: {namespace}}}}}`")
                }
                Some(_) => format!("`k8s:{NAMESPACE}: {namespace}`"),
            };
            format!(
                "{endpoint} has these labels; without a namespace, a peer is of the policy's own: add {mend}"
            )
        }
        [only] => format!("{endpoint} comes nearest: {only} is wanted, {}", only.instead(identity)),
        _ => format!("it selects {selector}"),
    }
}

/// Why no pod can fulfil a requirement.
fn never_held(requirement: &Requirement) -> Option<String> {
    let Requirement { source, key, operator, implied } = requirement;
    if *implied || !matches!(operator, Operator::In(_) | Operator::Exists) {
        return None;
    }
    if *source == Some(LabelSource::Other) {
        return Some(format!(
            "labels of pods have the source k8s: write `{key}` without what precedes its colon"
        ));
    }
    None
}

/// How far a value is from the required one: first another namespace alone, then typing mistakes, other values, and a
/// missing label.
fn far_off(failed: Option<&&Requirement>, identity: &Identity) -> usize {
    let Some(requirement) = failed.filter(|requirement| !requirement.implied) else { return 0 };
    match (&requirement.operator, identity.value(&requirement.key)) {
        (Operator::In(wanted), Some(value)) => {
            wanted.iter().map(|wanted| distance(wanted, value)).min().unwrap_or(usize::MAX)
        }
        _ => usize::MAX,
    }
}

/// The number of characters to insert, delete or replace between two labels' values, which have 63 at most.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, c) in one.bytes().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (position, candidate) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(c != candidate);
            diagonal = row[position + 1];
            row[position + 1] = replaced.min(diagonal + 1).min(row[position] + 1);
        }
    }
    row[other.len()]
}
