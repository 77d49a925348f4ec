//! Finds addresses inside blocks, and outside of them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Addresses that no host outside has: those of pods in most clusters and the lab, unroutable and reserved ones.
const NOT_OUTSIDE: &[&str] = &[
    "0.0.0.0/8",
    "10.244.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/3",
    "192.0.2.0/24",
    "198.51.100.0/24",
];

/// The ranges in which addresses outside all blocks are searched.
const ANYWHERE: [&str; 3] = ["203.0.113.0/24", "198.18.0.0/15", "100.64.0.0/10"];

/// Whether hosts outside can have an address.
pub(super) fn is_outside(address: Ipv4Addr) -> bool {
    let contains = |block: &&str| block.parse::<Ipv4Net>().is_ok_and(|block| block.contains(&address));
    !NOT_OUTSIDE.iter().any(contains)
}

/// A free address of a block and of none of its exceptions.
pub(super) fn inside(block: Ipv4Net, except: &[Ipv4Net], used: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let starts = std::iter::once(first_host(block));
    // There may be room after each exception, and after the addresses that no host outside has.
    let gaps = NOT_OUTSIDE.iter().filter_map(|block| block.parse::<Ipv4Net>().ok());
    let behind =
        except.iter().copied().chain(gaps).filter_map(|except| u32::from(except.broadcast()).checked_add(1));
    let mut candidates =
        starts.chain(behind).flat_map(|start| (0..64).filter_map(move |step| start.checked_add(step)));
    candidates.find_map(|number| {
        let address = Ipv4Addr::from(number);
        let fits = block.contains(&address)
            && !except.iter().any(|except| except.contains(&address))
            && !used.contains(&address)
            && is_outside(address);
        fits.then_some(address)
    })
}

/// A free address outside some blocks, ignoring blocks that contain every address.
pub(super) fn in_none(blocks: &[Ipv4Net], used: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let narrow: Vec<Ipv4Net> = blocks.iter().copied().filter(|block| block.prefix_len() > 0).collect();
    ANYWHERE.iter().filter_map(|block| block.parse().ok()).find_map(|block| inside(block, &narrow, used))
}

/// The first address for a host; of a block with a single address that one.
fn first_host(block: Ipv4Net) -> u32 {
    let network = u32::from(block.network());
    if block.prefix_len() >= 31 { network } else { network.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_block_alone() {
        let check = |block: &str, except: &[&str], used: &[&str], expected: Option<&str>| {
            let except: Vec<Ipv4Net> = except.iter().map(|text| text.parse().unwrap()).collect();
            let used = used.iter().map(|text| text.parse().unwrap()).collect();
            let found = inside(block.parse().unwrap(), &except, &used).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{block} but {except:?}");
        };
        check("10.0.0.0/8", &[], &[], Some("10.0.0.1"));
        check("10.0.0.0/8", &[], &["10.0.0.1"], Some("10.0.0.2"));
        check("10.0.0.0/8", &["10.0.0.0/9"], &[], Some("10.128.0.0"));
        check("10.0.0.0/8", &["10.0.0.0/8"], &[], None);
        check("10.244.0.0/16", &[], &[], None);
        check("10.244.0.0/15", &[], &[], Some("10.245.0.0"));
        check("203.0.113.7/32", &[], &[], Some("203.0.113.7"));
        check("0.0.0.0/0", &["10.0.0.0/8"], &[], Some("11.0.0.0"));
        check("169.254.169.254/32", &[], &[], None);
        let blocks = ["0.0.0.0/0", "203.0.113.0/24"].map(|text| text.parse().unwrap());
        assert_eq!(in_none(&blocks, &BTreeSet::new()).unwrap().to_string(), "198.18.0.1");
    }
}
