//! The differences between two situations, as text for people and programs.

mod json;
mod markdown;
mod sarif;
mod text;

use std::collections::BTreeSet;

use verdikt_engine::rule::Direction;
use verdikt_scenario::plain::counted;
use verdikt_scenario::topology::Topology;

pub use json::json;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::text;

use crate::describe;
use crate::diff::{AccessChange, Diff, Isolation, TrafficChange};
use crate::end::TrafficEnd;
use crate::reason::{Reason, rule_text};

/// A diff with the context of its texts.
#[derive(Clone, Copy, Debug)]
pub struct DiffView<'a> {
    /// The differences.
    pub diff: &'a Diff,
    /// The names of the two situations: `base/, Cilium 1.20`.
    pub titles: [&'a str; 2],
    /// Their topologies.
    pub topologies: [&'a Topology; 2],
}

/// The largest number of ends in a line.
const MOST_NAMED: usize = 6;

/// The largest number of reasons in a line.
const MOST_REASONS: usize = 3;

impl DiffView<'_> {
    fn ends(&self, ends: &[TrafficEnd]) -> String {
        describe::ends(ends, &self.topologies, MOST_NAMED)
    }

    /// `frontend/* -> database/redis`
    fn pairs(&self, change: &TrafficChange) -> String {
        format!("{} -> {}", self.ends(&change.sources), self.ends(&change.destinations))
    }

    /// A summary in one line.
    fn summary(&self) -> String {
        let diff = self.diff;
        let mut parts = Vec::new();
        for kind in crate::diff::ChangeKind::ALL {
            let number = diff.changes.iter().filter(|change| change.kind == kind).count();
            if number > 0 {
                parts.push(format!("{number} {kind}"));
            }
        }
        for (number, words) in [
            (diff.isolation.len(), "isolation"),
            (diff.refused.len(), "refused now"),
            (diff.taken.len(), "refused no longer"),
            (diff.appeared.len(), "new"),
            (diff.gone.len(), "gone"),
        ] {
            if number > 0 {
                parts.push(format!("{number} {words}"));
            }
        }
        if parts.is_empty() { "nothing differs".to_owned() } else { parts.join(", ") }
    }
}

/// `tcp 80, 443`
fn ports(flip: &AccessChange) -> String {
    describe::ports(&flip.intervals)
}

/// The different reasons on one side of a flip.
fn reasons<'f>(flip: &'f AccessChange, side: fn(&'f (Reason, Reason)) -> &'f Reason) -> Vec<String> {
    let distinct: BTreeSet<&Reason> = flip.reasons.iter().map(side).collect();
    let mut texts: Vec<String> = distinct.iter().take(MOST_REASONS).map(ToString::to_string).collect();
    if let Some(more) = distinct.len().checked_sub(MOST_REASONS).filter(|more| *more > 0) {
        texts.push(format!("and {}", counted(more, "other reason")));
    }
    texts
}

/// `at ingress now, by shop/lockdown spec.ingress[0] policies/lockdown.yaml:4`
fn isolation(isolation: &Isolation) -> String {
    let direction = match isolation.direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    let by: Vec<String> = isolation.by.iter().take(MOST_REASONS).map(|rule| rule_text(rule)).collect();
    let by = by.join(", ");
    match (isolation.isolated, by.is_empty()) {
        (true, true) => format!("isolated at {direction}"),
        (true, false) => format!("isolated at {direction} by {by}"),
        (false, true) => format!("no longer isolated at {direction}"),
        (false, false) => format!("no longer isolated at {direction}, as by {by}"),
    }
}
