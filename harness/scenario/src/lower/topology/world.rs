//! Hosts outside the cluster: their names and addresses.

mod aliases;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::secrets::{self, Certificates};
use super::silent::{self, SilenceKeys};
use super::{TopologyDraft, TopologyPart, WinningKey, address, all_served, host_name, winners};
use crate::file::Located;
use crate::lower::mistake::{Mistake, Mistakes};
use crate::name::DnsName;
use crate::topology::{CLUSTER_DOMAIN, Endpoint, LOCAL_NODE, WorldHost};

/// Adds the hosts outside; those without an address get the next free one of 192.0.2.0/24.
pub(super) fn world(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    let hosts = winners(parts, |part| &part.world);
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    let mut addresses: BTreeMap<&str, IpAddr> = BTreeMap::new();
    for (name, WinningKey { file, value, .. }) in &hosts {
        let Some(written) = &value.address else { continue };
        let Some(address) = mistakes.keep(file, written.position, address(&written.value)) else { continue };
        let node = draft.topology.nodes.iter().find(|(_, node)| node.address == Some(address));
        let owner = owners.get(&address).copied().or(node.map(|(node, _)| node.as_str()));
        if let Some(owner) = owner {
            let message = format!("`{owner}` has the address {address} already");
            mistakes.add(file, written.position, Mistake::new(message));
        }
        owners.entry(address).or_insert(name);
        addresses.insert(name, address);
    }
    let mut free = (1..=254).map(|last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
    let mut names: BTreeMap<DnsName, &str> = BTreeMap::new();
    for (name, WinningKey { file, position, value }) in &hosts {
        let (serves, understood) = all_served(&value.serves, file, mistakes);
        if !understood {
            draft.broken.insert((*name).to_owned());
        }
        let own_names = dns_names(name, &value.names, file, &mut names, mistakes);
        let aliases = aliases::of_host(name, value, file, &mut names, mistakes);
        let address = addresses.get(name).copied().or_else(|| free.find(|next| !owners.contains_key(next)));
        let Some(address) = address else {
            mistakes.add(file, *position, Mistake::new("192.0.2.0/24 has no address left for this host"));
            continue;
        };
        if *name == LOCAL_NODE {
            let mistake =
                Mistake::new("`host` is the node that runs the pods, not a host outside the cluster");
            mistakes.add(file, *position, mistake.help("give the host another name".to_owned()));
        }
        if let Some(name) = host_name(name, file, *position, draft, mistakes) {
            let api_server = value.api_server;
            if let Some(written) = &value.ipv6 {
                let second = second_address(&written.value, address);
                let second = second.and_then(|second| match owners.insert(second, &written.value) {
                    None => Ok(second),
                    Some(_) => Err(Mistake::new(format!("another host has the address {second} already"))),
                });
                let second = mistakes.keep(file, written.position, second);
                draft.topology.second_addresses.extend(second.map(|second| (name.clone(), second)));
            }
            let silence = SilenceKeys { written: value.silent.as_ref(), only: value.only, file };
            let endpoint = Endpoint::World(name.clone());
            silent::declare(endpoint.clone(), &silence, draft, mistakes);
            let certificates =
                Certificates { certificate: value.certificate.as_ref(), trusts: value.trusts.as_ref(), file };
            secrets::declare(&endpoint, &serves, &certificates, draft, mistakes);
            draft
                .topology
                .world
                .insert(name, WorldHost { address, names: own_names, aliases, serves, api_server });
        }
    }
}

/// The IPv6 address of a host that has an IPv4 address.
fn second_address(text: &str, first: IpAddr) -> Result<IpAddr, Mistake> {
    let second = address(text)?;
    match (first, second) {
        (IpAddr::V4(_), IpAddr::V6(_)) => Ok(second),
        (IpAddr::V6(_), _) => {
            Err(Mistake::new(format!("the host's address, {first}, is an IPv6 address already")))
        }
        (_, IpAddr::V4(_)) => {
            let mistake = Mistake::new(format!("`{text}` is not an IPv6 address"));
            Err(mistake.help(format!("an IPv4 address is the host's `address: {text}`")))
        }
    }
}

fn dns_names<'a>(
    host: &'a str,
    written: &[Located<String>],
    file: &Arc<str>,
    owners: &mut BTreeMap<DnsName, &'a str>,
    mistakes: &mut Mistakes,
) -> BTreeSet<DnsName> {
    let mut names = BTreeSet::new();
    for Located { value: text, position } in written {
        let Some(name) = mistakes.keep(file, *position, outside_name(text)) else { continue };
        if let Some(owner) = owners.insert(name.clone(), host) {
            mistakes.add(file, *position, leads_already(&name, owner));
        }
        names.insert(name);
    }
    names
}

/// A name that the cluster does not resolve itself.
fn outside_name(text: &str) -> Result<DnsName, Mistake> {
    let name = text.parse::<DnsName>()?;
    if name.as_str().ends_with(&format!(".{CLUSTER_DOMAIN}")) {
        let message = format!("`{name}` is a name of the cluster, and is not the name of a host outside it");
        return Err(Mistake::new(message));
    }
    Ok(name)
}

fn leads_already(name: &DnsName, owner: &str) -> Mistake {
    Mistake::new(format!("`{name}` belongs to `{owner}` already"))
}
