//! How often things are told: a flood of one endpoint must not drown what is told of the others.

use std::collections::HashMap;
use std::time::Duration;

use verdikt_scenario::flow::DropReason;

use super::LinkId;
use crate::packet::Ends;

/// Retransmissions of one denied packet are told again only after this time.
const SAME: Duration = Duration::from_millis(900);
/// How many denied connections of one link are told in that time.
const DENIALS: usize = 4_096;
/// How many packets of one link that no policy dropped are told in that time.
const DROPS: usize = 64;

/// What has been told lately.
#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<LinkId, Told>);

#[derive(Debug, Default)]
struct Told {
    denials: HashMap<(u8, Ends), Duration>,
    drops: usize,
    drops_since: Duration,
}

impl Limits {
    /// Whether to tell that a packet of a link was denied.
    pub(super) fn tell_denial(&mut self, link: LinkId, protocol: u8, ends: Ends, at: Duration) -> bool {
        let denials = &mut self.0.entry(link).or_default().denials;
        if denials.len() >= DENIALS {
            denials.retain(|_, told| is_recent(*told, at));
        }
        if denials.len() >= DENIALS || denials.get(&(protocol, ends)).is_some_and(|told| is_recent(*told, at))
        {
            return false;
        }
        denials.insert((protocol, ends), at);
        true
    }

    /// Whether to tell of a packet of a link that no policy dropped.
    pub(super) fn tell_drop(&mut self, link: LinkId, at: Duration) -> bool {
        let told = self.0.entry(link).or_default();
        if !is_recent(told.drops_since, at) {
            (told.drops, told.drops_since) = (0, at);
        }
        told.drops += 1;
        told.drops <= DROPS
    }

    pub(super) fn expire(&mut self, at: Duration) {
        for told in self.0.values_mut() {
            told.denials.retain(|_, told| is_recent(*told, at));
        }
    }

    /// The reason when a table is full.
    pub(super) fn full() -> DropReason {
        DropReason::Malformed("too many connections of one endpoint".to_owned())
    }
}

fn is_recent(told: Duration, at: Duration) -> bool {
    at.saturating_sub(told) < SAME
}
