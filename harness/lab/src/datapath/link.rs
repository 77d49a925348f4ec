//! One link: its owner and its own memory, so that a flood on one link does not affect others.

use std::net::IpAddr;
use std::time::Duration;

use rustc_hash::FxHashMap;
use verdikt_scenario::topology::Endpoint;

use super::LinkOwner;
use super::fragments::Fragments;
use crate::packet::Tuple;
use crate::redirect::{PROXY_V4, PROXY_V6};

/// How often the same denial is reported, and any denial of one connection.
pub(super) const DENIAL_REPORTED_EVERY: Duration = Duration::from_secs(1);

/// How many denials are remembered.
const MOST_DENIALS: usize = 4096;

/// The largest number of drops that are reported within a second.
const DROPS_PER_SECOND: u32 = 20;

/// A link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) owner: LinkOwner,
    pub(super) denials: Denials,
    pub(super) fragments: Fragments,
    drops: RateWindow,
}

impl Link {
    pub(super) fn new(owner: LinkOwner) -> Self {
        Self {
            owner,
            denials: Denials::default(),
            fragments: Fragments::default(),
            drops: RateWindow::default(),
        }
    }

    /// The endpoint; none for the proxies.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.owner {
            LinkOwner::Endpoint { endpoint, .. } => Some(endpoint),
            LinkOwner::Proxy => None,
        }
    }

    /// Whether it may send from an address. The tokens of proxies are checked later, with their connection.
    pub(super) fn owns(&self, source: IpAddr) -> bool {
        match &self.owner {
            LinkOwner::Endpoint { addresses, .. } => addresses.contains(&source),
            LinkOwner::Proxy => match source {
                IpAddr::V4(address) => address == PROXY_V4 || address.octets()[..2] == [198, 19],
                IpAddr::V6(address) => address == PROXY_V6 || address.segments()[..4] == [0xfd98, 0x13, 0, 0],
            },
        }
    }

    /// Whether a drop may be reported now.
    pub(super) fn may_report_drop(&mut self, at: Duration) -> bool {
        self.drops.take(at)
    }

    pub(super) fn expire(&mut self, at: Duration) {
        self.denials.expire(at);
        self.fragments.expire(at);
    }
}

/// Recently denied connections: their next packets are neither decided again nor reported.
#[derive(Debug, Default)]
pub(super) struct Denials(FxHashMap<Tuple, Denial>);

#[derive(Clone, Copy, Debug)]
struct Denial {
    at: Duration,
    revision: u64,
    icmp_kind: Option<u8>,
}

impl Denials {
    /// Whether the same policy has just denied a packet like this.
    pub(super) fn has(&self, tuple: &Tuple, icmp_kind: Option<u8>, revision: u64, at: Duration) -> bool {
        self.0.get(tuple).is_some_and(|denial| {
            denial.revision == revision
                && denial.icmp_kind == icmp_kind
                && at < denial.at + DENIAL_REPORTED_EVERY
        })
    }

    pub(super) fn add(&mut self, tuple: Tuple, icmp_kind: Option<u8>, revision: u64, at: Duration) {
        if self.0.len() >= MOST_DENIALS {
            self.0.clear();
        }
        self.0.insert(tuple, Denial { at, revision, icmp_kind });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn expire(&mut self, at: Duration) {
        self.0.retain(|_, denial| at < denial.at + DENIAL_REPORTED_EVERY);
    }
}

/// Counts events within a second.
#[derive(Debug, Default)]
struct RateWindow {
    second: u64,
    taken: u32,
}

impl RateWindow {
    fn take(&mut self, at: Duration) -> bool {
        if self.second != at.as_secs() {
            *self = Self { second: at.as_secs(), taken: 0 };
        }
        self.taken += 1;
        self.taken <= DROPS_PER_SECOND
    }
}
