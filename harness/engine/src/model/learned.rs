//! The names that the DNS proxy knows.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::name::{DnsName, HostName};

/// The names the DNS proxy of the node has learned. They belong to the agent, not to a policy, and stay known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Of each host outside, the names asked for whose answers held its address.
    pub names: BTreeMap<HostName, BTreeSet<DnsName>>,
}

impl Learned {
    /// The same without some names.
    #[must_use]
    pub fn without(&self, expired: &BTreeSet<DnsName>) -> Self {
        let mut left = self.clone();
        for names in left.names.values_mut() {
            names.retain(|name| !expired.contains(name));
        }
        left.names.retain(|_, names| !names.is_empty());
        left
    }
}
