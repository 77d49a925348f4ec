//! CIDR prefixes and sets.

use std::net::IpAddr;

use ipnet::IpNet;
use verdikt_scenario::document::Node;

use super::selectors::{Keys, selector};
use super::{Context, element_text, list, refusal, text};
use crate::admission::Refusal;
use crate::rule::PeerMatcher;

/// An element of `fromCIDR` or `toCIDR`: a prefix, whose host bits do not matter, or one address.
pub(super) fn prefix(node: &Node, field: &str) -> Result<PeerMatcher, Refusal> {
    let text = element_text(node, field)?;
    let bare = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let prefix = text.parse::<IpNet>().ok().or_else(bare);
    let prefix = prefix.ok_or_else(|| refusal(node, format!("unable to parse CIDR {text:?}")))?;
    Ok(PeerMatcher::Cidr { within: vec![prefix.trunc()], except: Vec::new() })
}

/// An element of `fromCIDRSet` or `toCIDRSet`: a prefix or a group, without some prefixes.
pub(super) fn set(node: &Node, context: &Context<'_>) -> Result<PeerMatcher, Refusal> {
    let by_prefix = text(node, "cidr")?.filter(|text| !text.is_empty());
    let by_name = text(node, "cidrGroupRef")?.filter(|text| !text.is_empty());
    let by_labels = node.get("cidrGroupSelector");
    let within = match (by_prefix, by_name, by_labels) {
        (Some(text), None, None) => vec![strict(text, node)?],
        (None, Some(name), None) => context.surroundings.cidr_group(name),
        (None, None, Some(labels)) if context.behaviour.cidr_group_selector => {
            let selector = selector(labels, Keys::OfPods)?;
            context.surroundings.cidr_groups(&selector)
        }
        (None, None, _) => {
            return Err(refusal(node, "one of cidr, cidrGroupRef, or cidrGroupSelector is required"));
        }
        _ => {
            return Err(refusal(
                node,
                "more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set",
            ));
        }
    };
    let mut except = Vec::new();
    for excepted in list(node, "except")?.unwrap_or_default() {
        let prefix = strict(element_text(excepted, "except")?, excepted)?;
        if let Some(allowed) = within.first().filter(|_| by_prefix.is_some()) {
            let inside = allowed.contains(&prefix.network());
            let longer =
                !context.behaviour.except_must_be_longer || prefix.prefix_len() >= allowed.prefix_len();
            if !inside || !longer {
                let message =
                    format!("allow CIDR prefix {allowed} does not contain exclude CIDR prefix {prefix}");
                return Err(refusal(excepted, message));
            }
        }
        except.push(prefix);
    }
    Ok(PeerMatcher::Cidr { within, except })
}

/// A prefix that must have its length written.
fn strict(text: &str, node: &Node) -> Result<IpNet, Refusal> {
    text.parse::<IpNet>()
        .map(|prefix| prefix.trunc())
        .map_err(|_| refusal(node, format!("unable to parse CIDR {text:?}")))
}

/// The `ipBlock` of a `NetworkPolicy` peer.
pub(super) fn ip_block(node: &Node) -> Result<PeerMatcher, Refusal> {
    let within = vec![strict(text(node, "cidr")?.unwrap_or_default(), node)?];
    let excepted = list(node, "except")?.unwrap_or_default();
    let except = excepted.iter().map(|prefix| strict(element_text(prefix, "except")?, prefix));
    Ok(PeerMatcher::Cidr { within, except: except.collect::<Result<_, _>>()? })
}
