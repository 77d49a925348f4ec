//! How many scenarios a node carries at once.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Facts, NodeFacts};

/// How many scenarios keep a core busy: most of their time is Cilium's own.
const OF_A_CORE: u64 = 4;
/// How many pods a scenario has at most, but for few.
const PODS: u64 = 12;
/// More ask too much of one agent.
const MOST: u64 = 32;
/// Of a node that does not say what it has.
const UNKNOWN: usize = 4;

impl Facts {
    /// How many scenarios may run at once: as many as the smallest node that may run their pods carries, since all
    /// may be on that one.
    pub fn scenarios_at_once(&self) -> usize {
        let usable = |node: &&NodeFacts| {
            node.ready && node.schedulable && node.agent.as_ref().is_some_and(|it| it.ready)
        };
        let carried = self.nodes.values().filter(usable).map(|node| node.scenarios.unwrap_or(UNKNOWN));
        carried.min().unwrap_or(UNKNOWN)
    }
}

/// How many scenarios a node carries by what it has for pods; none if it does not say.
pub(super) fn scenarios(allocatable: &BTreeMap<String, Quantity>) -> Option<usize> {
    let (cores, pods) = (thousandths(allocatable.get("cpu")?)?, thousandths(allocatable.get("pods")?)?);
    let carried = (cores * OF_A_CORE / 1000).min(pods / 1000 / PODS);
    usize::try_from(carried.clamp(1, MOST)).ok()
}

/// A whole number of something, or of thousandths of it.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
fn thousandths(quantity: &Quantity) -> Option<u64> {
    match quantity.0.strip_suffix('m') {
        Some(thousandths) => thousandths.parse().ok(),
        None => quantity.0.parse::<u64>().ok()?.checked_mul(1000),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::two_cores("2", "110", Some(8))]
    #[case::a_part_of_a_core("940m", "110", Some(3))]
    #[case::few_pods("16", "30", Some(2))]
    #[case::next_to_nothing("100m", "4", Some(1))]
    #[case::many_of_both("96", "1000", Some(32))]
    #[case::it_does_not_say("two", "110", None)]
    fn a_node_carries(#[case] cpu: &str, #[case] pods: &str, #[case] expected: Option<usize>) {
        let quantity = |name: &str, text: &str| (name.to_owned(), Quantity(text.to_owned()));
        let allocatable = BTreeMap::from([quantity("cpu", cpu), quantity("pods", pods)]);
        assert_eq!(scenarios(&allocatable), expected);
        assert_eq!(scenarios(&BTreeMap::new()), None);
    }
}
