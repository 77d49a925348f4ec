//! CIDR prefixes, sets and groups.

use std::net::IpAddr;

use ipnet::IpNet;
use verdikt_scenario::document::YamlNode;

use super::selectors::{Keys, selector};
use super::{ParseContext, element_text, list, refusal, text};
use crate::refusal::Refusal;
use crate::rule::PeerMatcher;

/// An element of `fromCIDR` or `toCIDR`: a prefix, whose host bits do not matter, or one address.
pub(super) fn prefix(node: &YamlNode, field: &str) -> Result<PeerMatcher, Refusal> {
    let text = element_text(node, field)?;
    let bare = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let prefix = text.parse::<IpNet>().ok().or_else(bare);
    let prefix = prefix.ok_or_else(|| refusal(node, format!("unable to parse CIDR {text:?}")))?;
    Ok(PeerMatcher::Cidr { within: vec![prefix.trunc()], except: Vec::new() })
}

/// An element of `fromCIDRSet` or `toCIDRSet`: a prefix or a group, with exceptions.
pub(super) fn set(node: &YamlNode, context: &ParseContext<'_>) -> Result<PeerMatcher, Refusal> {
    let by_prefix = text(node, "cidr")?.filter(|text| !text.is_empty());
    let by_name = text(node, "cidrGroupRef")?.filter(|text| !text.is_empty());
    let by_labels = node.get("cidrGroupSelector");
    match (by_prefix, by_name, by_labels) {
        (Some(text), None, None) => {
            let within = vec![strict(text, node)?];
            let except = exceptions(node, &within, context)?;
            Ok(PeerMatcher::Cidr { within: with_world(within, context), except })
        }
        (None, Some(name), None) => {
            let within = context.surroundings.cidr_group(name);
            let checked = if context.behaviour.cidr_groups_are_expanded { &within[..] } else { &[] };
            let except = exceptions(node, checked, context)?;
            Ok(PeerMatcher::Cidr { within, except })
        }
        (None, None, Some(labels)) if context.behaviour.cidr_group_selector => {
            let selector = selector(labels, Keys::OfCidrGroups, context.behaviour)?;
            Ok(PeerMatcher::CidrGroups { selector, except: exceptions(node, &[], context)? })
        }
        (None, None, _) => Err(refusal(node, "one of cidr, cidrGroupRef, or cidrGroupSelector is required")),
        _ => Err(refusal(node, "more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set")),
    }
}

/// The exceptions of a set. Each of the checked prefixes must contain all of them.
fn exceptions(node: &YamlNode, within: &[IpNet], context: &ParseContext<'_>) -> Result<Vec<IpNet>, Refusal> {
    let mut except = Vec::new();
    for excepted in list(node, "except")?.unwrap_or_default() {
        let prefix = strict(element_text(excepted, "except")?, excepted)?;
        let contains = |allowed: &&IpNet| {
            let longer =
                !context.behaviour.except_must_be_longer || prefix.prefix_len() >= allowed.prefix_len();
            allowed.contains(&prefix.network()) && longer
        };
        if let Some(allowed) = within.iter().find(|allowed| !contains(allowed)) {
            let message =
                format!("allow CIDR prefix {allowed} does not contain exclude CIDR prefix {prefix}");
            return Err(refusal(excepted, message));
        }
        except.push(prefix);
    }
    Ok(except)
}

/// The prefixes of a set. `::/0` means the world; in a cluster without IPv6 some versions take it for the IPv4
/// addresses outside.
fn with_world(mut within: Vec<IpNet>, context: &ParseContext<'_>) -> Vec<IpNet> {
    let is_zero = |prefix: &IpNet| matches!(prefix, IpNet::V6(_)) && prefix.prefix_len() == 0;
    if context.behaviour.ipv6_zero_is_the_world && !context.dual_stack && within.iter().any(is_zero) {
        within.push(IpNet::V4(ipnet::Ipv4Net::default()));
    }
    within
}

/// Whether the exceptions leave nothing of the prefixes.
pub(super) fn is_empty(matcher: &PeerMatcher) -> bool {
    let PeerMatcher::Cidr { within, except } = matcher else { return false };
    let excepted = IpNet::aggregate(except);
    within.iter().all(|prefix| excepted.iter().any(|excepted| excepted.contains(prefix)))
}

/// A prefix whose length must be written.
fn strict(text: &str, node: &YamlNode) -> Result<IpNet, Refusal> {
    text.parse::<IpNet>()
        .map(|prefix| prefix.trunc())
        .map_err(|_| refusal(node, format!("unable to parse CIDR {text:?}")))
}

/// The `ipBlock` of a `NetworkPolicy` peer.
pub(super) fn ip_block(node: &YamlNode, context: &ParseContext<'_>) -> Result<PeerMatcher, Refusal> {
    let within = vec![strict(text(node, "cidr")?.unwrap_or_default(), node)?];
    let excepted = list(node, "except")?.unwrap_or_default();
    let except = excepted.iter().map(|prefix| strict(element_text(prefix, "except")?, prefix));
    let except = except.collect::<Result<_, _>>()?;
    Ok(PeerMatcher::Cidr { within: with_world(within, context), except })
}
