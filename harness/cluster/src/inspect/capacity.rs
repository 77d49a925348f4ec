//! How many scenarios a node can run at once.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Facts, NodeFacts};

/// How many scenarios keep a core busy. They mostly wait for Cilium.
const OF_A_CORE: u64 = 4;
/// How many pods a scenario has at most, with few exceptions.
const PODS: u64 = 12;
/// The most scenarios on one node; more would overload its agent.
const MOST: u64 = 32;
/// The number for a node that does not report its capacity.
const UNKNOWN: usize = 4;

impl Facts {
    /// How many scenarios may run at once: as many as fit on the smallest node, since all of them may be scheduled there.
    pub fn scenarios_at_once(&self) -> usize {
        let usable = |node: &&NodeFacts| {
            node.ready && node.schedulable && node.agent.as_ref().is_some_and(|it| it.ready)
        };
        let carried = self.nodes.values().filter(usable).map(|node| node.scenarios.unwrap_or(UNKNOWN));
        carried.min().unwrap_or(UNKNOWN)
    }
}

/// How many scenarios fit on a node by its allocatable resources; none if it does not report them.
pub(super) fn scenarios(allocatable: &BTreeMap<String, Quantity>) -> Option<usize> {
    let (cores, pods) = (thousandths(allocatable.get("cpu")?)?, thousandths(allocatable.get("pods")?)?);
    let carried = (cores * OF_A_CORE / 1000).min(pods / 1000 / PODS);
    usize::try_from(carried.clamp(1, MOST)).ok()
}

/// Reads a quantity as thousandths: `2` is 2000, `500m` is 500.
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
