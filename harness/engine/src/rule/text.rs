//! Formats what rules require.

use std::fmt;

use super::{PeerMatcher, PortMatcher};

impl fmt::Display for PortMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |protocol: &Option<_>| match protocol {
            Some(protocol) => format!("{protocol} "),
            None => "any ".to_owned(),
        };
        match self {
            Self::Range { protocol, first: 0, .. } => write!(f, "{}port", word(protocol)),
            Self::Range { protocol, first, last } if first == last => write!(f, "{}{first}", word(protocol)),
            Self::Range { protocol, first, last } => write!(f, "{}{first}-{last}", word(protocol)),
            Self::Name { protocol, name, .. } => write!(f, "{}{name}", word(protocol)),
            Self::Icmp { v6, kind } => {
                f.write_str(if *v6 { "icmpv6" } else { "icmp" })?;
                kind.map_or(Ok(()), |kind| write!(f, " type {kind}"))
            }
        }
    }
}

impl fmt::Display for PeerMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = |blocks: &[ipnet::IpNet]| {
            blocks.iter().map(ToString::to_string).collect::<Vec<String>>().join(" or ")
        };
        match self {
            Self::Selector(selector) => selector.fmt(f),
            Self::Entity(entity) => write!(f, "the entity {}", entity.word()),
            Self::Cidr { within, except } if except.is_empty() => {
                write!(f, "an address in {}", blocks(within))
            }
            Self::Cidr { within, except } => {
                write!(f, "an address in {}, none in {}", blocks(within), blocks(except))
            }
            Self::CidrGroups { selector, except } if except.is_empty() => {
                write!(f, "an address in CIDR groups with {selector}")
            }
            Self::CidrGroups { selector, except } => {
                write!(f, "an address in CIDR groups with {selector}, none in {}", blocks(except))
            }
            Self::Name(pattern) => write!(f, "the name {pattern}"),
        }
    }
}
