//! How services are reached: traffic policies, addresses, aliases, and accepted source ranges.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{TopologyDraft, WinningKey, address};
use crate::file::{Located, ServiceFile, ServiceTypeWord, TrafficPolicyWord};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::suggest::did_you_mean;
use crate::name::DnsName;
use crate::place::Position;
use crate::topology::{Service, TrafficPolicy};

/// The keys of a service that say how it is reached.
pub(super) fn lower(
    name: &str,
    winner: &WinningKey<'_, ServiceFile>,
    draft: &TopologyDraft,
    mistakes: &mut Mistakes,
) -> Service {
    let WinningKey { file, value, .. } = winner;
    if let Some((position, mistake)) = contradiction(name, value) {
        mistakes.add(file, position, mistake);
    }
    let external_name = value.external_name.as_ref();
    let external_name =
        external_name.and_then(|alias| mistakes.keep(file, alias.position, alias_of(&alias.value, draft)));
    let external_ips = value.external_ips.iter();
    let external_ips: BTreeSet<IpAddr> = external_ips
        .filter_map(|it| mistakes.keep(file, it.position, external_ip(&it.value, draft)))
        .collect();
    let source_ranges = value.load_balancer_source_ranges.iter();
    let source_ranges: BTreeSet<IpNet> =
        source_ranges.filter_map(|it| mistakes.keep(file, it.position, range(&it.value))).collect();
    let policy = |word: &Option<Located<TrafficPolicyWord>>| {
        word.as_ref().map_or(TrafficPolicy::Cluster, |word| word.value.into())
    };
    Service {
        external_traffic_policy: policy(&value.external_traffic_policy),
        internal_traffic_policy: policy(&value.internal_traffic_policy),
        headless: value.headless.as_ref().is_some_and(|it| it.value),
        external_name,
        external_ips,
        source_ranges,
        ..Service::default()
    }
}

/// Two keys of a service that the API server does not accept together, or of which one has no effect beside the
/// other.
fn contradiction(name: &str, value: &ServiceFile) -> Option<(Position, Mistake)> {
    let ServiceFile { external_traffic_policy, internal_traffic_policy, .. } = value;
    let is_headless = value.headless.as_ref().is_some_and(|it| it.value);
    let is_inside = matches!(value.service_type, ServiceTypeWord::ClusterIp);
    let external = external_traffic_policy.as_ref().map(|it| (it.position, "externalTrafficPolicy"));
    let internal = internal_traffic_policy.as_ref().map(|it| (it.position, "internalTrafficPolicy"));
    let policy = external.or(internal);
    let ips = value.external_ips.first().map(|it| (it.position, "externalIPs"));
    let ranges =
        value.load_balancer_source_ranges.first().map(|it| (it.position, "loadBalancerSourceRanges"));
    let told = |(position, word): (Position, &str), why: &str, help: &str| {
        let message = format!("`{word}` means nothing for service `{name}`: {why}");
        Some((position, Mistake::new(message).help(help.to_owned())))
    };
    if let Some(alias) = &value.external_name {
        let headless = value.headless.as_ref().map(|it| (it.position, "headless"));
        let why = "with `externalName` it is a DNS name, and has neither address nor endpoints";
        if let Some(word) = policy.or(ips).or(ranges).or(headless) {
            return told(word, why, "leave it out");
        }
        if value.selects.is_some() || !value.backends.is_empty() || !is_inside {
            return told(
                (alias.position, "externalName"),
                "it has endpoints or a type of its own",
                "keep one of them",
            );
        }
    }
    if is_headless {
        let why = "it is headless, and clients use the addresses of its backends";
        if let Some(word) = policy.or(ranges) {
            return told(word, why, "leave it out, or leave `headless` out");
        }
        if !is_inside {
            let position = value.headless.as_ref().map(|it| it.position)?;
            let why = "a service of this `type` has an address";
            return told((position, "headless"), why, "leave `type` or `headless` out");
        }
    }
    if let Some(word) = external.filter(|_| is_inside && ips.is_none()) {
        let help = "give the service `type: NodePort` or `LoadBalancer`, or leave the policy out";
        return told(word, "no host outside reaches a service of type ClusterIP", help);
    }
    if let Some(word) = ranges.filter(|_| !matches!(value.service_type, ServiceTypeWord::LoadBalancer)) {
        return told(word, "it has no load balancer", "give the service `type: LoadBalancer`");
    }
    None
}

/// A name of a host outside the cluster.
fn alias_of(text: &str, draft: &TopologyDraft) -> Result<DnsName, Mistake> {
    let name = text.parse::<DnsName>()?;
    let hosts = || draft.topology.world.values();
    let names = || hosts().flat_map(|host| host.names.iter().chain(host.aliases.keys()));
    if names().any(|known| *known == name) {
        return Ok(name);
    }
    let known: Vec<&str> = names().map(DnsName::as_str).collect();
    let help = did_you_mean(text, "the names of hosts outside are", &known);
    Err(Mistake::new(format!("`{name}` is not the name of a host outside the cluster")).help(help))
}

/// An address that no host outside and no node has.
fn external_ip(text: &str, draft: &TopologyDraft) -> Result<IpAddr, Mistake> {
    let address = address(text)?;
    match draft.topology.owner_of(address) {
        Some(owner) if !owner.contains('/') => {
            let mistake = Mistake::new(format!("`{owner}` has the address {address} already"));
            Err(mistake.help("give the service an address that nobody has".to_owned()))
        }
        _ => Ok(address),
    }
}

fn range(text: &str) -> Result<IpNet, Mistake> {
    text.parse::<IpNet>().map_err(|_| {
        let one = text.parse::<IpAddr>().ok().map(IpNet::from);
        let help = one.map_or_else(|| "write `203.0.113.0/24`".to_owned(), |one| format!("write `{one}`"));
        Mistake::new(format!("`{text}` is not a range of addresses")).help(help)
    })
}
