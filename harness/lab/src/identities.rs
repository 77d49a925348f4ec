//! Numeric identities: the same labels, the same number.
//!
//! <https://docs.cilium.io/en/stable/gettingstarted/terminology/#special-identities>

use std::collections::{BTreeMap, BTreeSet};

use verdikt_engine::identity::Identity;
use verdikt_engine::model::PolicyModel;
use verdikt_scenario::topology::Endpoint;

use crate::datapath::identity::reserved;

/// The first number of identities that are not reserved.
const FIRST: u32 = 1_000;

/// Numbers for every identity that a lab has seen.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    numbers: BTreeMap<Identity, u32>,
    endpoints: BTreeMap<Endpoint, u32>,
}

impl Identities {
    /// Assigns numbers to the endpoints of a topology; known identities keep theirs.
    pub fn extend(&mut self, endpoints: &BTreeSet<Endpoint>, model: &PolicyModel<'_>) {
        self.endpoints.clear();
        for endpoint in endpoints {
            let Some(identity) = model.identity(endpoint) else { continue };
            let number = reserved(identity).unwrap_or_else(|| {
                let next = FIRST + u32::try_from(self.numbers.len()).unwrap_or(u32::MAX - FIRST);
                *self.numbers.entry(identity.clone()).or_insert(next)
            });
            self.endpoints.insert(endpoint.clone(), number);
        }
    }

    /// The number of an endpoint; 0 means unknown.
    pub fn number(&self, endpoint: &Endpoint) -> u32 {
        self.endpoints.get(endpoint).copied().unwrap_or(0)
    }
}
