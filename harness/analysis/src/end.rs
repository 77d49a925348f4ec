//! The ends of traffic in answers: endpoints, addresses and names outside, and pods that do not exist yet.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use verdikt_engine::label::LabelSource;
use verdikt_engine::model::PolicyModel;
use verdikt_engine::model_endpoint::ModelEndpoint;
use verdikt_engine::rule::{PeerMatcher, Peers};
use verdikt_engine::selector::Selector;
use verdikt_scenario::topology::Endpoint;

use crate::future::FuturePod;

/// One end of traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrafficEnd {
    /// An endpoint of the topology, or one that every cluster has.
    Endpoint(Endpoint),
    /// Addresses outside the cluster that policies name: a block without the smaller blocks in it.
    Block(IpNet),
    /// The addresses of a DNS name or pattern that policies name.
    Name(String),
    /// A pod that does not exist yet.
    Future(Box<FuturePod>),
}

impl fmt::Display for TrafficEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Block(block) if block.prefix_len() == 0 => f.write_str("every other address"),
            Self::Block(block) if block.prefix_len() == block.max_prefix_len() => block.addr().fmt(f),
            Self::Block(block) => block.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Future(pod) => pod.fmt(f),
        }
    }
}

/// The ends outside the cluster that the policies of some models distinguish.
pub fn outside(models: &[&PolicyModel<'_>]) -> Vec<TrafficEnd> {
    let mut blocks: BTreeSet<IpNet> = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for model in models {
        for entry in model.rules().iter().flat_map(|rule| &rule.entries) {
            let Peers::OneOf(peers) = &entry.peers else { continue };
            for peer in peers {
                match &peer.matcher {
                    PeerMatcher::Cidr { within, except } => blocks.extend(within.iter().chain(except)),
                    PeerMatcher::CidrGroups { except, .. } => blocks.extend(except),
                    PeerMatcher::Name(pattern) => drop(names.insert(pattern.to_string())),
                    PeerMatcher::Selector(selector) => blocks.extend(blocks_of(selector)),
                    PeerMatcher::Entity(_) => {}
                }
            }
        }
        blocks.extend(model.group_blocks());
    }
    blocks.insert(everywhere(IpAddr::from([0_u8; 4])));
    if models.iter().any(|model| model.is_dual_stack()) || blocks.iter().any(|block| block.addr().is_ipv6()) {
        blocks.insert(everywhere(IpAddr::from([0_u8; 16])));
    }
    let blocks = Blocks::new(blocks);
    let known = blocks.0.iter().filter(|block| blocks.free_address(**block).is_some());
    known.map(|block| TrafficEnd::Block(*block)).chain(names.into_iter().map(TrafficEnd::Name)).collect()
}

/// The blocks that a selector names as labels: `cidr:10.0.0.0/8`.
fn blocks_of(selector: &Selector) -> impl Iterator<Item = IpNet> {
    let of_addresses = selector.requirements.iter().filter(|it| it.source == Some(LabelSource::Cidr));
    of_addresses.filter_map(|requirement| requirement.key.parse().ok())
}

/// All addresses of a family.
fn everywhere(of: IpAddr) -> IpNet {
    IpNet::new_assert(of, 0)
}

/// Blocks of addresses, each before the blocks inside it.
#[derive(Clone, Debug)]
pub(crate) struct Blocks(Vec<IpNet>);

impl Blocks {
    fn new(blocks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut blocks: Vec<IpNet> = blocks.into_iter().map(|block| block.trunc()).collect();
        blocks.sort_by_key(|block| (block.network(), block.prefix_len()));
        blocks.dedup();
        Self(blocks)
    }

    /// The blocks among some ends.
    pub(crate) fn among<'e>(ends: impl IntoIterator<Item = &'e TrafficEnd>) -> Self {
        let blocks = ends.into_iter().filter_map(|end| match end {
            TrafficEnd::Block(block) => Some(*block),
            _ => None,
        });
        Self::new(blocks)
    }

    /// The first address of a block that is in none of the smaller ones.
    fn free_address(&self, block: IpNet) -> Option<IpAddr> {
        let key = (block.network(), block.prefix_len());
        let start = self.0.partition_point(|other| (other.network(), other.prefix_len()) <= key);
        let mut address = block.network();
        for other in self.0[start..].iter().take_while(|other| block.contains(*other)) {
            if other.contains(&address) {
                address = next(other.broadcast())?;
            } else if other.network() > address {
                break;
            }
        }
        block.contains(&address).then_some(address)
    }
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

/// The end as a model knows it; none if the model does not have it. `blocks` are those of all ends in question.
pub(crate) fn model_endpoint_of(
    model: &PolicyModel<'_>,
    end: &TrafficEnd,
    blocks: &Blocks,
) -> Option<ModelEndpoint> {
    match end {
        TrafficEnd::Endpoint(endpoint) => model.model_endpoint(endpoint),
        TrafficEnd::Block(block) => Some(model.outside(blocks.free_address(*block)?, Vec::new())),
        TrafficEnd::Name(pattern) => {
            let address = blocks.free_address(everywhere(IpAddr::from([0_u8; 4])))?;
            Some(model.outside(address, vec![an_example(pattern)]))
        }
        TrafficEnd::Future(future) => Some(model.future_pod(&future.namespace, &future.pod())),
    }
}

/// A name that matches a pattern: every star becomes a letter.
fn an_example(pattern: &str) -> String {
    let lowered = pattern.trim().trim_end_matches('.').to_lowercase();
    if lowered.bytes().all(|c| c == b'*') {
        "x.x".to_owned()
    } else {
        lowered.replace("**", "x").replace('*', "x")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_an_address_that_no_smaller_one_has() {
        let check = |blocks: &[&str], expected: Option<&str>| {
            let all: Vec<IpNet> = blocks.iter().map(|block| block.parse().unwrap()).collect();
            let found = Blocks::new(all.clone()).free_address(all[0]).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{blocks:?}");
        };
        check(&["10.0.0.0/8"], Some("10.0.0.0"));
        check(&["10.0.0.0/8", "10.0.0.0/9"], Some("10.128.0.0"));
        check(&["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9"], None);
        check(&["10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/24", "10.128.0.0/16"], Some("10.129.0.0"));
        check(&["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"], None);
        check(&["10.0.0.0/8", "192.0.2.0/24", "10.1.0.0/16"], Some("10.0.0.0"));
    }
}
