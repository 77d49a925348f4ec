//! What happens to traffic between two ends, per interval of ports.

use std::collections::BTreeSet;
use std::fmt;

use verdikt_engine::model_endpoint::TrafficKind;
use verdikt_engine::rule::Direction;

/// The rules of a proxy for the traffic that is sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyRules {
    /// What it allows, a line for each rule: `http GET /api`, `dns *.example.com`.
    pub lines: BTreeSet<String>,
    /// Whether another rule allows all of it, so that the proxy refuses nothing.
    pub open: bool,
}

impl fmt::Display for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.open {
            return f.write_str("all of it, seen by a proxy");
        }
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        f.write_str(&lines.join(", "))
    }
}

/// What the policy of one side decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SideAccess {
    Pass,
    Proxy(ProxyRules),
    Deny,
    Unknown,
    /// The peer does not exist.
    Absent,
}

/// What happens to traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It passes.
    Allow,
    /// It passes to proxies, which decide further.
    Proxy {
        /// The proxy of the source, if there is one.
        egress: Option<ProxyRules>,
        /// The proxy of the destination, if there is one.
        ingress: Option<ProxyRules>,
    },
    /// The policy of one side denies it; if both do, that of the source.
    Deny(Direction),
    /// The engine does not know.
    Unknown,
}

impl Access {
    /// Combines the decisions of two sides. A denial wins, whatever the other side decides.
    pub(crate) fn of(egress: &SideAccess, ingress: &SideAccess) -> Self {
        let rules = |side: &SideAccess| match side {
            SideAccess::Proxy(rules) => Some(rules.clone()),
            _ => None,
        };
        match (egress, ingress) {
            (SideAccess::Deny, _) => Self::Deny(Direction::Egress),
            (_, SideAccess::Deny) => Self::Deny(Direction::Ingress),
            (SideAccess::Unknown | SideAccess::Absent, _) | (_, SideAccess::Unknown | SideAccess::Absent) => {
                Self::Unknown
            }
            (SideAccess::Pass, SideAccess::Pass) => Self::Allow,
            _ => Self::Proxy { egress: rules(egress), ingress: rules(ingress) },
        }
    }

    /// Whether some of it passes, as far as is known.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Allow | Self::Proxy { .. })
    }

    /// The rules of its proxies, as text.
    pub fn proxy_text(&self) -> Option<String> {
        let Self::Proxy { egress, ingress } = self else { return None };
        let texts: Vec<String> = egress.iter().chain(ingress).map(ToString::to_string).collect();
        Some(texts.join(" and "))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Proxy { .. } => write!(f, "proxy ({})", self.proxy_text().unwrap_or_default()),
            Self::Deny(Direction::Egress) => f.write_str("deny egress"),
            Self::Deny(Direction::Ingress) => f.write_str("deny ingress"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// An interval of ports, or of ICMP types, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// The protocol, or ICMP.
    pub transport: TrafficKind,
    /// The first number.
    pub first: u16,
    /// The last number.
    pub last: u16,
}

impl Interval {
    /// Whether it contains every number of the transport.
    fn is_whole(self) -> bool {
        (self.first, self.last) == self.transport.bounds()
    }
}

/// The name of a transport.
pub fn transport_word(transport: TrafficKind) -> String {
    match transport {
        TrafficKind::Ports(protocol) => protocol.to_string(),
        TrafficKind::Icmp => "icmp".to_owned(),
        TrafficKind::IcmpV6 => "icmpv6".to_owned(),
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&transport_word(self.transport))?;
        match (self.first, self.last) {
            _ if self.is_whole() => Ok(()),
            (first, last) if first == last => write!(f, " {first}"),
            (first, last) => write!(f, " {first}-{last}"),
        }
    }
}

/// Values by interval: every interval, transport by transport and in order. Neighbouring values differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessProfile<T>(pub(crate) Vec<(Interval, T)>);

impl<T: Clone + PartialEq> AccessProfile<T> {
    pub(crate) fn empty() -> Self {
        Self(Vec::new())
    }

    /// Adds the interval after the last one.
    pub(crate) fn push(&mut self, interval: Interval, value: T) {
        match self.0.last_mut() {
            Some((last, before)) if last.transport == interval.transport && *before == value => {
                last.last = interval.last;
            }
            _ => self.0.push((interval, value)),
        }
    }

    /// The same value everywhere.
    pub(crate) fn uniform(value: &T) -> Self {
        let whole = |transport: TrafficKind| {
            let (first, last) = transport.bounds();
            (Interval { transport, first, last }, value.clone())
        };
        Self(TrafficKind::ALL.into_iter().map(whole).collect())
    }

    /// The intervals with their values.
    pub fn iter(&self) -> impl Iterator<Item = &(Interval, T)> {
        self.0.iter()
    }

    /// The value at a number.
    pub fn at(&self, transport: TrafficKind, number: u16) -> Option<&T> {
        let holds = |interval: &Interval| {
            interval.transport == transport && (interval.first..=interval.last).contains(&number)
        };
        self.0.iter().find(|(interval, _)| holds(interval)).map(|(_, value)| value)
    }

    /// Combines two profiles.
    pub(crate) fn zip<U, V: Clone + PartialEq>(
        &self,
        other: &AccessProfile<U>,
        mut join: impl FnMut(&T, &U) -> V,
    ) -> AccessProfile<V> {
        let mut joined = AccessProfile(Vec::new());
        let (mut own, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some((one, value)), Some((two, other))) = (own.peek(), others.peek()) {
            let (first, last) = (one.first.max(two.first), one.last.min(two.last));
            joined.push(Interval { transport: one.transport, first, last }, join(value, other));
            let (ends, other_ends) = (one.last == last, two.last == last);
            if ends {
                own.next();
            }
            if other_ends {
                others.next();
            }
        }
        joined
    }
}

/// The longest intervals of a transport in which none of some spans starts or ends.
pub(crate) fn pieces(
    transport: TrafficKind,
    spans: impl IntoIterator<Item = (u16, u16)>,
) -> impl Iterator<Item = Interval> {
    let (least, most) = transport.bounds();
    let mut starts = BTreeSet::from([least]);
    for (first, last) in spans {
        starts.insert(first);
        starts.extend(last.checked_add(1).filter(|next| *next <= most));
    }
    let ends: Vec<u16> = starts.iter().skip(1).map(|next| next - 1).chain([most]).collect();
    starts.into_iter().zip(ends).map(move |(first, last)| Interval { transport, first, last })
}

impl AccessProfile<SideAccess> {
    /// What happens to traffic whose two sides decide this.
    pub(crate) fn meet(&self, ingress: &Self) -> AccessProfile<Access> {
        self.zip(ingress, Access::of)
    }
}

#[cfg(test)]
mod tests {
    use verdikt_scenario::topology::Protocol;

    use super::*;

    fn profile(cuts: &[(u16, char)]) -> AccessProfile<char> {
        let mut profile = AccessProfile::empty();
        for transport in TrafficKind::ALL {
            let (least, most) = transport.bounds();
            let inside: Vec<(u16, char)> =
                cuts.iter().map(|(first, value)| ((*first).clamp(least, most), *value)).collect();
            for (index, (first, value)) in inside.iter().enumerate() {
                let last = inside.get(index + 1).map_or(most, |(next, _)| next.saturating_sub(1));
                if *first <= last {
                    profile.push(Interval { transport, first: *first, last }, *value);
                }
            }
        }
        profile
    }

    #[test]
    fn spans_cut_a_transport_where_they_begin_and_after_they_end() {
        let spans = [(443, 443), (80, 90), (85, 443), (65535, 65535)];
        let cut: Vec<String> =
            pieces(TrafficKind::Ports(Protocol::Tcp), spans).map(|piece| piece.to_string()).collect();
        let expected = ["1-79", "80-84", "85-90", "91-442", "443", "444-65534", "65535"];
        assert_eq!(cut, expected.map(|ports| format!("tcp {ports}")));
    }

    #[test]
    fn profiles_meet_interval_by_interval() {
        let joined = profile(&[(0, 'a'), (80, 'b')])
            .zip(&profile(&[(0, 'x'), (100, 'y')]), |one, two| format!("{one}{two}"));
        let tcp = TrafficKind::Ports(Protocol::Tcp);
        for (port, expected) in [(1, "ax"), (79, "ax"), (80, "bx"), (99, "bx"), (100, "by"), (65535, "by")] {
            assert_eq!(joined.at(tcp, port).map(String::as_str), Some(expected), "{port}");
        }
        assert_eq!(joined.at(TrafficKind::Icmp, 255).map(String::as_str), Some("by"));
    }
}
