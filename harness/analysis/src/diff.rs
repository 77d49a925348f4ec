//! The differences between two situations: traffic, isolation, and refused objects.

mod other;
mod rectangles;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::rule::Direction;
use verdikt_scenario::place::Place;
use verdikt_scenario::policy::{Manifest, ObjectRef, Refuser};
use verdikt_scenario::prediction::RuleRef;

use crate::access::{Access, AccessProfile, Interval};
use crate::end::TrafficEnd;
use crate::matrix::is_shown;
use crate::reason::{Reason, reasons};
use crate::universe::{EndGroup, Universe};
use other::{isolation, refused};
use rectangles::rectangles;

/// A situation, and the policies that it is meant to have.
#[derive(Clone, Copy, Debug)]
pub struct ComparedSituation<'a> {
    /// The policies, compiled.
    pub model: &'a PolicyModel<'a>,
    /// The policies as written.
    pub manifests: &'a [Manifest],
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Denied before, and allowed after.
    Opened,
    /// Allowed before, and denied after.
    Closed,
    /// Allowed before, and through a proxy after.
    Proxied,
    /// Through a proxy before, and allowed after.
    Unproxied,
    /// Through a proxy with other rules.
    ProxyRules,
    /// The engine abstains before or after.
    Unknown,
}

impl ChangeKind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Opened, Self::Closed, Self::Unproxied, Self::Proxied, Self::ProxyRules, Self::Unknown];

    /// The kind of change of a pair's traffic; none if it stays as it is, or is denied before and after.
    fn of(old: &Access, new: &Access) -> Option<Self> {
        match (old, new) {
            _ if old == new => None,
            (Access::Deny(_), Access::Deny(_)) => None,
            (Access::Unknown, _) | (_, Access::Unknown) => Some(Self::Unknown),
            (Access::Deny(_), _) => Some(Self::Opened),
            (_, Access::Deny(_)) => Some(Self::Closed),
            (Access::Allow, _) => Some(Self::Proxied),
            (_, Access::Allow) => Some(Self::Unproxied),
            (Access::Proxy { .. }, Access::Proxy { .. }) => Some(Self::ProxyRules),
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Proxied => "proxied",
            Self::Unproxied => "unproxied",
            Self::ProxyRules => "proxy-rules",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Proxied => "through a proxy",
            Self::Unproxied => "past the proxy",
            Self::ProxyRules => "other rules of a proxy",
            Self::Unknown => "not known",
        })
    }
}

/// What happens to the traffic in some intervals, before and after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessChange {
    /// The intervals.
    pub intervals: Vec<Interval>,
    /// The kind of change.
    pub old: Access,
    /// What happens to it before and after.
    pub new: Access,
    /// The reasons before and after, each pair once.
    pub reasons: Vec<(Reason, Reason)>,
}

/// Traffic that changes in the same way: that of each source to each destination.
#[derive(Clone, Debug)]
pub struct TrafficChange {
    /// How it changes.
    pub kind: ChangeKind,
    /// The sources.
    pub sources: Vec<TrafficEnd>,
    /// The destinations. An end that is also a source does not stand for its traffic to itself.
    pub destinations: Vec<TrafficEnd>,
    /// What changes.
    pub flips: Vec<AccessChange>,
    /// Whether the reasons of all pairs of ends were determined, and not only of some.
    pub all_reasons: bool,
}

/// Ends that become isolated, or stop being isolated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The ends.
    pub ends: Vec<TrafficEnd>,
    /// In which direction.
    pub direction: Direction,
    /// Whether they are isolated after the change.
    pub isolated: bool,
    /// The rules that isolate them, before or after.
    pub by: Vec<Arc<RuleRef>>,
}

/// An object that is refused in only one of the situations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalChange {
    /// The object.
    pub object: ObjectRef,
    /// Where the mistake is.
    pub place: Place,
    /// Who refuses it.
    pub by: Refuser,
    /// Why.
    pub message: String,
}

/// The differences between two situations.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// Traffic that flips, by kind.
    pub changes: Vec<TrafficChange>,
    /// Ends whose isolation changes.
    pub isolation: Vec<Isolation>,
    /// Objects that are refused after the change.
    pub refused: Vec<RefusalChange>,
    /// Objects that were refused before, and are accepted after.
    pub taken: Vec<RefusalChange>,
    /// Ends that did not exist before.
    pub appeared: Vec<TrafficEnd>,
    /// Ends that no longer exist.
    pub gone: Vec<TrafficEnd>,
}

/// The largest number of pairs of groups whose reasons are determined.
const MOST_EXPLAINED: usize = 20_000;

impl Diff {
    /// Compares two situations.
    pub fn new(base: ComparedSituation<'_>, head: ComparedSituation<'_>) -> Self {
        let universe = Universe::new(&[base.model, head.model], []);
        let mut diff = Self {
            changes: changes(&universe, &base, &head),
            isolation: isolation(&universe),
            refused: refused(&base, &head),
            taken: refused(&head, &base),
            ..Self::default()
        };
        for group in universe.groups() {
            let ends = group.ends.iter().filter(|end| matches!(end, TrafficEnd::Endpoint(_))).cloned();
            match group.model_endpoints.as_slice() {
                [None, Some(_)] => diff.appeared.extend(ends),
                [Some(_), None] => diff.gone.extend(ends),
                _ => {}
            }
        }
        diff.appeared.sort();
        diff.gone.sort();
        diff
    }

    /// Whether there is no reported difference.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.isolation.is_empty()
            && self.refused.is_empty()
            && self.taken.is_empty()
            && self.appeared.is_empty()
            && self.gone.is_empty()
    }
}

/// The changes in some intervals, without reasons.
type Signature = Vec<(Interval, Access, Access)>;

fn signatures(old: &AccessProfile<Access>, new: &AccessProfile<Access>) -> BTreeMap<ChangeKind, Signature> {
    let joined = old.zip(new, |old, new| (ChangeKind::of(old, new), old.clone(), new.clone()));
    let mut by_kind: BTreeMap<ChangeKind, Signature> = BTreeMap::new();
    for (interval, (kind, old, new)) in joined.iter() {
        if let Some(kind) = kind {
            by_kind.entry(*kind).or_default().push((*interval, old.clone(), new.clone()));
        }
    }
    by_kind
}

fn changes(
    universe: &Universe<'_, '_>,
    base: &ComparedSituation<'_>,
    head: &ComparedSituation<'_>,
) -> Vec<TrafficChange> {
    let groups = universe.groups();
    // The number of ends of each group that are reported, if both situations have it.
    let count = |group: &EndGroup| {
        let in_both = group.model_endpoints.iter().all(Option::is_some);
        if in_both { shown(group.ends.iter(), base, head).count() } else { 0 }
    };
    let counts: Vec<usize> = groups.iter().map(count).collect();
    let mut numbers: BTreeMap<(ChangeKind, Signature), usize> = BTreeMap::new();
    // The differences between two profiles, as numbers of signatures.
    let mut differing: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    let mut pairs: Vec<Vec<(usize, usize)>> = Vec::new();
    universe.cells().each_row(|cells, source, rows| {
        if counts[source] == 0 {
            return;
        }
        for (destination, (old, new)) in rows[0].iter().zip(&rows[1]).enumerate() {
            if old == new || counts[destination] == 0 {
                continue;
            }
            let found = differing.entry((*old, *new)).or_insert_with(|| {
                let found = signatures(cells.profile(*old), cells.profile(*new));
                let number = |signature| {
                    let next = numbers.len();
                    *numbers.entry(signature).or_insert(next)
                };
                found.into_iter().map(number).collect()
            });
            for number in found {
                if *number >= pairs.len() {
                    pairs.resize_with(*number + 1, Vec::new);
                }
                pairs[*number].push((source, destination));
            }
        }
    });
    let explain = ChangeReasons { universe, base, head };
    let mut budget = MOST_EXPLAINED;
    let mut changes = Vec::new();
    for ((kind, signature), number) in &numbers {
        for (sources, destinations) in rectangles(&pairs[*number]) {
            // Changes of an end's traffic to itself only complete the changes of others.
            if sources == destinations && matches!(sources[..], [only] if counts[only] < 2) {
                continue;
            }
            changes.push(explain.change(*kind, signature, &sources, &destinations, &mut budget));
        }
    }
    let order = |change: &TrafficChange| ChangeKind::ALL.iter().position(|kind| *kind == change.kind);
    changes.sort_by(|a, b| {
        (order(a), &a.sources, &a.destinations).cmp(&(order(b), &b.sources, &b.destinations))
    });
    changes
}

fn shown<'e>(
    ends: impl Iterator<Item = &'e TrafficEnd>,
    base: &ComparedSituation<'_>,
    head: &ComparedSituation<'_>,
) -> impl Iterator<Item = &'e TrafficEnd> {
    let (base, head) = (base.model.topology(), head.model.topology());
    ends.filter(move |end| is_shown(end, base) || is_shown(end, head))
}

/// Two situations, to find out why traffic changes.
struct ChangeReasons<'x> {
    universe: &'x Universe<'x, 'x>,
    base: &'x ComparedSituation<'x>,
    head: &'x ComparedSituation<'x>,
}

impl ChangeReasons<'_> {
    fn change(
        &self,
        kind: ChangeKind,
        signature: &Signature,
        sources: &[usize],
        destinations: &[usize],
        budget: &mut usize,
    ) -> TrafficChange {
        let mut flips: Vec<AccessChange> = Vec::new();
        for (interval, old, new) in signature {
            match flips.iter_mut().find(|flip| flip.old == *old && flip.new == *new) {
                Some(flip) => flip.intervals.push(*interval),
                None => flips.push(AccessChange {
                    intervals: vec![*interval],
                    old: old.clone(),
                    new: new.clone(),
                    reasons: Vec::new(),
                }),
            }
        }
        let mut found: Vec<BTreeSet<(Reason, Reason)>> = vec![BTreeSet::new(); flips.len()];
        let mut all_reasons = true;
        let pairs = sources.iter().flat_map(|from| destinations.iter().map(move |to| (*from, *to)));
        let pairs = pairs.filter(|(from, to)| from != to || self.universe.groups()[*from].ends.len() > 1);
        for (index, (from, to)) in pairs.enumerate() {
            if index > 0 && *budget == 0 {
                all_reasons = false;
                break;
            }
            *budget = budget.saturating_sub(1);
            self.add_reasons((from, to), &flips, &mut found);
        }
        for (flip, reasons) in flips.iter_mut().zip(found) {
            flip.reasons = reasons.into_iter().collect();
        }
        let ends = |groups: &[usize]| {
            let ends = groups.iter().flat_map(|group| &self.universe.groups()[*group].ends);
            let mut ends: Vec<TrafficEnd> = shown(ends, self.base, self.head).cloned().collect();
            ends.sort();
            ends
        };
        TrafficChange { kind, sources: ends(sources), destinations: ends(destinations), flips, all_reasons }
    }

    fn add_reasons(
        &self,
        (from, to): (usize, usize),
        flips: &[AccessChange],
        found: &mut [BTreeSet<(Reason, Reason)>],
    ) {
        let reasons_in = |situation: usize, model: &PolicyModel<'_>| {
            let model_endpoint =
                |group: usize| self.universe.groups()[group].model_endpoints[situation].as_ref();
            Some(reasons(model, model_endpoint(from)?, model_endpoint(to)?))
        };
        let (Some(old), Some(new)) = (reasons_in(0, self.base.model), reasons_in(1, self.head.model)) else {
            return;
        };
        let joined = old.zip(&new, |old, new| (old.clone(), new.clone()));
        for (interval, (old, new)) in joined.iter() {
            let within = |flip: &AccessChange| {
                flip.intervals.iter().any(|own| {
                    own.transport == interval.transport
                        && own.first <= interval.first
                        && interval.last <= own.last
                })
            };
            for (flip, found) in flips.iter().zip(&mut *found).filter(|(flip, _)| within(flip)) {
                if flip.old == old.access && flip.new == new.access {
                    found.insert((old.clone(), new.clone()));
                }
            }
        }
    }
}
