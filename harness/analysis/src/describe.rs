//! Ends, ports and profiles as text for people.

use std::collections::{BTreeMap, BTreeSet};

use verdikt_engine::model_endpoint::TrafficKind;
use verdikt_scenario::topology::{Endpoint, Topology};

use crate::access::{Access, AccessProfile, Interval, transport_word};
use crate::end::TrafficEnd;

/// What passes of a profile, as text: `tcp 80, 443; udp 53 (dns *.example.com)`. None if nothing passes.
pub fn passing(profile: &AccessProfile<Access>) -> Option<String> {
    let mut by_access: Vec<(Option<String>, Vec<Interval>)> = Vec::new();
    for (interval, access) in profile.iter() {
        let note = match access {
            Access::Deny(_) => continue,
            Access::Allow => None,
            Access::Proxy { .. } => access.proxy_text(),
            Access::Unknown => Some("not known".to_owned()),
        };
        match by_access.iter_mut().find(|(known, _)| *known == note) {
            Some((_, intervals)) => intervals.push(*interval),
            None => by_access.push((note, vec![*interval])),
        }
    }
    let parts: Vec<String> = by_access
        .into_iter()
        .map(|(note, intervals)| match note {
            None => ports(&intervals),
            Some(note) => format!("{} ({note})", ports(&intervals)),
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Intervals as text. ICMP has no family if both families are the same.
pub fn ports(intervals: &[Interval]) -> String {
    let mut by_transport: BTreeMap<TrafficKind, Vec<(u16, u16)>> = BTreeMap::new();
    for interval in intervals {
        by_transport.entry(interval.transport).or_default().push((interval.first, interval.last));
    }
    let is_whole = |transport: &TrafficKind, numbers: &[(u16, u16)]| *numbers == [transport.bounds()];
    if by_transport.len() == TrafficKind::ALL.len()
        && by_transport.iter().all(|(transport, numbers)| is_whole(transport, numbers))
    {
        return "everything".to_owned();
    }
    if by_transport.get(&TrafficKind::Icmp) == by_transport.get(&TrafficKind::IcmpV6) {
        by_transport.remove(&TrafficKind::IcmpV6);
    }
    let mut by_numbers: Vec<(String, Vec<String>)> = Vec::new();
    for (transport, numbers) in &by_transport {
        let text =
            if is_whole(transport, numbers) {
                String::new()
            } else {
                let numbers = numbers.iter().map(|(first, last)| {
                    if first == last { first.to_string() } else { format!("{first}-{last}") }
                });
                format!(" {}", numbers.collect::<Vec<_>>().join(", "))
            };
        let word = transport_word(*transport);
        match by_numbers.iter_mut().find(|(known, _)| *known == text) {
            Some((_, words)) => words.push(word),
            None => by_numbers.push((text, vec![word])),
        }
    }
    let parts: Vec<String> =
        by_numbers.into_iter().map(|(numbers, words)| format!("{}{numbers}", words.join("+"))).collect();
    parts.join(", ")
}

/// Names some ends: those of a namespace together, with a star for all of its pods.
pub fn ends(ends: &[TrafficEnd], topologies: &[&Topology], most: usize) -> String {
    let mut pods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut others = Vec::new();
    for end in ends {
        match end {
            TrafficEnd::Endpoint(Endpoint::Pod(name)) => {
                pods.entry(name.namespace.as_str()).or_default().insert(name.name.as_str());
            }
            end => others.push(end.to_string()),
        }
    }
    let mut named = Vec::new();
    for (namespace, names) in pods {
        let of_namespace = topologies.iter().flat_map(|topology| {
            topology
                .pods
                .keys()
                .filter(|name| name.namespace.as_str() == namespace)
                .map(|name| name.name.as_str())
        });
        let of_namespace: BTreeSet<&str> = of_namespace.collect();
        if names.len() > 1 && of_namespace.is_subset(&names) {
            named.push(format!("{namespace}/*"));
        } else {
            named.extend(names.iter().map(|name| format!("{namespace}/{name}")));
        }
    }
    named.extend(others);
    match named.len().saturating_sub(most.max(1)) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named[..most.max(1)].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use verdikt_scenario::topology::Protocol;

    use super::*;

    #[test]
    fn intervals_are_short_in_words() {
        let tcp = TrafficKind::Ports(Protocol::Tcp);
        let interval = |transport, first, last| Interval { transport, first, last };
        let whole = |transport: TrafficKind| interval(transport, transport.bounds().0, transport.bounds().1);
        assert_eq!(ports(&TrafficKind::ALL.map(whole)), "everything");
        assert_eq!(ports(&[interval(tcp, 80, 80), interval(tcp, 90, 99)]), "tcp 80, 90-99");
        let udp = TrafficKind::Ports(Protocol::Udp);
        assert_eq!(ports(&[interval(tcp, 53, 53), interval(udp, 53, 53)]), "tcp+udp 53");
        assert_eq!(ports(&[whole(tcp), interval(TrafficKind::Icmp, 8, 8)]), "tcp, icmp 8");
    }
}
