//! Entries in the order of tiers and priorities: the first that matches decides, and a pass skips the rest of its tier.
//!
//! <https://network-policy-api.sigs.k8s.io/reference/spec/>

use verdikt_scenario::precedence::{Precedence, Tier};

use super::{Match, Matches, Traffic};
use crate::identity::Identity;
use crate::model::{PolicyModel, PolicySide};
use crate::rule::{Direction, Effect, Gap, RuleEntry};

/// An entry that matches, with its index.
type Indexed<'m> = ((usize, usize), &'m RuleEntry);

impl RuleEntry {
    /// Its place in the order of decisions: of entries with the same precedence a deny is first, then an unknown one,
    /// an allow, and a pass.
    pub(crate) fn order(&self) -> (Precedence, u8) {
        let rank = match (self.effect, self.gap) {
            (Effect::Deny, None) => 0,
            (_, Some(_)) => 1,
            (Effect::Allow, None) => 2,
            (Effect::Pass, None) => 3,
        };
        (self.precedence, rank)
    }

    /// What is not known of it, if its effect is unknown.
    fn gap_text(&self) -> Option<&'static str> {
        self.gap.map(|gap| match gap {
            Gap::Peers(gap) | Gap::WhenMatched(gap) => gap,
        })
    }
}

impl PolicyModel<'_> {
    /// Finds the deciding entries of a side whose entries are sorted.
    pub(super) fn match_in_order<'m>(
        &'m self,
        side: &PolicySide,
        direction: Direction,
        (peer, destination): (&Identity, &Identity),
        traffic: Traffic,
        matches: &mut Matches<'m>,
    ) {
        let ports = |entry: &'m RuleEntry| entry.ports.matching(traffic, destination, self, direction);
        let is_about =
            |entry: &RuleEntry| matches!(entry.gap, Some(Gap::Peers(_))) || self.is_about(side, entry, peer);
        let entries = side.entries.iter().map(|&index| (index, self.entry(index)));
        let matching = entries.filter(|(_, entry)| ports(entry).next().is_some() && is_about(entry));
        let mut matching = matching.peekable();
        let mut skipped = None;
        while let Some((index, entry)) = matching.next() {
            if skipped == Some(entry.precedence.tier) {
                continue;
            }
            if let Some(gap) = entry.gap_text() {
                matches.gap = Some((gap, index));
                return;
            }
            let found = matches.with_effect(entry.effect);
            found.extend(ports(entry).map(|port| Match { entry, port }));
            if entry.effect == Effect::Pass {
                skipped = Some(entry.precedence.tier);
                continue;
            }
            while let Some((_, other)) = matching.next_if(|(_, other)| other.order() == entry.order()) {
                found.extend(ports(other).map(|port| Match { entry: other, port }));
            }
            if entry.effect == Effect::Allow && self.is_redirected(&matches.allowed) {
                matches.allowed_later = is_allowed_later(matching, entry.precedence, skipped);
            }
            return;
        }
    }
}

/// Whether the entries after those of a precedence would allow the traffic, or may do so.
fn is_allowed_later<'m>(
    later: impl Iterator<Item = Indexed<'m>>,
    decided: Precedence,
    mut skipped: Option<Tier>,
) -> bool {
    for (_, entry) in later {
        let Precedence { tier, .. } = entry.precedence;
        match entry.effect {
            _ if entry.precedence == decided || skipped == Some(tier) => {}
            Effect::Pass => skipped = Some(tier),
            effect => return effect == Effect::Allow || entry.gap.is_some(),
        }
    }
    false
}
