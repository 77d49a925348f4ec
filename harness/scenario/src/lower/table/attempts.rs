//! The attempts that the keys of a table mean, and their sources.

use super::{TableContext, is_outside};
use crate::attempt::{Attempt, Target};
use crate::file::{Located, PartWord};
use crate::lower::attempt::{OwnAttempt, by_namespace, may_lead_somewhere, parse_attempt, target_text};
use crate::lower::backend::{split_kept, split_over, split_via};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::name::NamespaceName;
use crate::scenario::Row;
use crate::topology::{Endpoint, Resolved};

/// An attempt and its sources: a service name without a namespace means another service in each namespace.
pub(super) struct ReadAttempt {
    pub(super) attempt: Attempt,
    pub(super) only_of: Option<NamespaceName>,
}

impl ReadAttempt {
    /// Whether a source makes this attempt of the key.
    pub(super) fn is_made_by(&self, source: &Endpoint) -> bool {
        self.only_of.as_ref().is_none_or(|own| matches!(source, Endpoint::Pod(pod) if pod.namespace == *own))
    }
}

/// The attempt that a key means, or those in several namespaces; none if it cannot be understood.
pub(super) fn attempts(
    context: &TableContext<'_>,
    key: &Located<String>,
    mistakes: &mut Mistakes,
) -> Vec<ReadAttempt> {
    let own = by_namespace(&key.value, &context.draft.topology);
    if own.is_empty() {
        let attempt = attempt(context, key, mistakes);
        return attempt.into_iter().map(|attempt| ReadAttempt { attempt, only_of: None }).collect();
    }
    let read = own.into_iter().filter_map(|OwnAttempt { namespace, text }| {
        let whole = Located { value: text, position: key.position };
        Some(ReadAttempt { attempt: attempt(context, &whole, mistakes)?, only_of: Some(namespace) })
    });
    read.collect()
}

fn attempt(context: &TableContext<'_>, key: &Located<String>, mistakes: &mut Mistakes) -> Option<Attempt> {
    if mistakes.are_many() && !may_lead_somewhere(&key.value, &context.draft.topology) {
        if !context.draft.broken.contains(target_text(&key.value)) {
            let message = format!("the attempt `{}` has no target", key.value);
            mistakes.add(context.file, key.position, Mistake::new(message));
        }
        return None;
    }
    match parse_attempt(&key.value, &context.draft.topology) {
        Ok(attempt) => {
            if let Some(target) = attempt.target().and_then(Target::endpoint)
                && context.draft.only.get(&target.to_string()) == Some(&PartWord::Source)
            {
                let mistake = Mistake::new(format!("`{target}` is only a source, and not a target"));
                let help = "remove `only: source` from it".to_owned();
                mistakes.add(context.file, key.position, mistake.help(help));
                return None;
            }
            mistakes.keep(context.file, key.position, is_made_before(context, &attempt))?;
            Some(attempt)
        }
        Err(_) if is_broken(context, &key.value) => None,
        Err(mistake) => {
            mistakes.add(context.file, key.position, mistake);
            None
        }
    }
}

/// Whether an attempt refers to something that was not understood, for which a mistake is recorded.
fn is_broken(context: &TableContext<'_>, text: &str) -> bool {
    let (text, _) = split_kept(text.trim());
    let (text, via) = split_via(text);
    let (text, node) = split_over(text);
    let broken = &context.draft.broken;
    let names = [via, node].into_iter().flatten();
    broken.contains(target_text(text)) || names.into_iter().any(|name| broken.contains(name))
}

/// Every source of an attempt: all of the topology, except the target and sources about which no policy decides.
pub(super) fn sources(context: &TableContext<'_>, attempts: &[ReadAttempt]) -> Vec<Endpoint> {
    let is_decided = |source: &&Endpoint| {
        attempts.iter().any(|read| {
            let target = read.attempt.target().and_then(Target::endpoint);
            let leaves = leaves_cluster(context, &read.attempt);
            read.is_made_by(source)
                && Some(*source) != target
                && !(leaves && is_outside(source))
                && is_connected(context, &read.attempt, source)
        })
    };
    context.sources.iter().filter(is_decided).cloned().collect()
}

/// Whether an attempt goes to a host outside the cluster: no policy decides if it comes from another one.
pub(super) fn leaves_cluster(context: &TableContext<'_>, attempt: &Attempt) -> bool {
    match attempt.target() {
        Some(Target::Endpoint(target)) => is_outside(target),
        Some(Target::Name(name)) => {
            matches!(context.draft.topology.resolve(name), Some(Resolved::World(_)))
        }
        _ => false,
    }
}

/// The row of the step before that opened the connections which an attempt uses.
fn row_before<'a>(context: &TableContext<'a>, made: &Attempt) -> Option<&'a Row> {
    let rows = context.before?;
    let kept = rows.iter().find(|row| row.attempt.kept() == Some(made));
    kept.or_else(|| rows.iter().find(|row| row.attempt == *made))
}

/// Whether the step before opens the connections that an attempt uses.
fn is_made_before(context: &TableContext<'_>, attempt: &Attempt) -> Result<(), Mistake> {
    let Some(made) = attempt.kept().filter(|made| row_before(context, made).is_none()) else { return Ok(()) };
    let message = match context.before {
        None => "no step comes before this one, and no connection is kept".to_owned(),
        Some(_) => "the step before opens no such connection, so none is kept".to_owned(),
    };
    Err(Mistake::new(message).help(format!("attempt `{made}` in the step before")))
}

/// Whether a source has a connection to keep, if the attempt uses one: the step before allowed it.
pub(super) fn is_connected(context: &TableContext<'_>, attempt: &Attempt, source: &Endpoint) -> bool {
    let Some(made) = attempt.kept() else { return true };
    let cells = row_before(context, made).map_or(&[][..], |row| &row.cells);
    cells
        .iter()
        .any(|(other, expectation)| other == source && expectation.expected.verdict.leaves_connection())
}
