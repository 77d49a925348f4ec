//! The rows of sides with rules of several tiers: entry by entry in their order, for all peers at once.

use verdikt_scenario::precedence::Tier;

use super::{Evaluation, IdentitySet, PeerRow};
use crate::decide::Traffic;
use crate::identity::Identity;
use crate::model::SubjectState;
use crate::rule::{Direction, Effect};

impl Evaluation<'_> {
    /// What a side whose entries are in their order makes of every peer, for some traffic.
    pub(super) fn row_in_order(&self, of: &SubjectState, direction: Direction, traffic: Traffic) -> PeerRow {
        let size = self.identities.len();
        let side = of.side(direction);
        let (mut allowed, mut unknown) = (IdentitySet::none(size), IdentitySet::none(size));
        // The peers that no entry has decided, and those for which the rest of a tier is skipped.
        let mut undecided = IdentitySet::all(size);
        let mut skipped: (Option<Tier>, IdentitySet) = (None, IdentitySet::none(size));
        for &index in &side.entries {
            let entry = self.model.entry(index);
            if skipped.0 != Some(entry.precedence.tier) {
                skipped = (Some(entry.precedence.tier), IdentitySet::none(size));
            }
            let Some(mut matching) = self.matching(of, direction, index, traffic) else { continue };
            matching.keep(&undecided);
            matching.remove(&skipped.1);
            match (entry.gap, entry.effect) {
                (None, Effect::Pass) => {
                    skipped.1.add(&matching);
                    continue;
                }
                (Some(_), _) => unknown.add(&matching),
                (None, Effect::Allow) => allowed.add(&matching),
                (None, Effect::Deny) => {}
            }
            undecided.remove(&matching);
        }
        if !side.isolated {
            allowed.add(&undecided);
        } else if direction == Direction::Ingress && self.model.passes_local_host(side) {
            let mut hosts = self.find(Identity::is_local_host);
            hosts.keep(&undecided);
            allowed.add(&hosts);
        }
        PeerRow { allowed, unknown }
    }
}
