//! The names that the DNS proxy has learned.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_scenario::name::{DnsName, HostName};

/// The names that the DNS proxy of the node has learned. They belong to the agent, not to a policy, and stay known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnedNames {
    /// For each host outside, the names whose answers contained its address; the first address if it has two.
    pub names: BTreeMap<HostName, BTreeSet<DnsName>>,
    /// The same for second addresses, which are in the answers for the other family.
    pub second_names: BTreeMap<HostName, BTreeSet<DnsName>>,
}

impl LearnedNames {
    /// The same without some names.
    #[must_use]
    pub fn without(&self, expired: &BTreeSet<DnsName>) -> Self {
        let mut left = self.clone();
        for table in [&mut left.names, &mut left.second_names] {
            for names in table.values_mut() {
                names.retain(|name| !expired.contains(name));
            }
            table.retain(|_, names| !names.is_empty());
        }
        left
    }

    /// The names of the second address of a host.
    pub(crate) fn of_second(&self, host: &HostName) -> Vec<String> {
        let names = self.second_names.get(host).into_iter().flatten();
        names.map(|name| name.as_str().to_owned()).collect()
    }
}
