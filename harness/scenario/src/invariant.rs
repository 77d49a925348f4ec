//! Invariants: what must hold between ends of traffic at every step, independently of the tables.
//!
//! | written | means |
//! |---|---|
//! | `world` | everything outside the cluster: hosts, and all addresses and names that policies distinguish |
//! | `database/*` | every pod of the namespace, including pods that may be created later |
//! | `*/*` | every pod of every namespace |
//! | `database/app=redis,tier=data` | every pod of the namespace with these labels, including pods that may be
//! created later |
//! | `database/redis`, `database/redis-*` | the pods of these names |
//! | `client`, `host` | a host outside, a node, an endpoint that Cilium runs itself |
//! | `dns` | as a destination: the cluster's DNS server, on the port for queries |

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{NamespaceName, NamespacedName};
use crate::place::Place;
use crate::topology::{Endpoint, Labels, Protocol, Topology};

/// An invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// Whether traffic must pass or must not.
    pub demand: Demand,
    /// The sources.
    pub from: EndPattern,
    /// The destinations.
    pub to: EndPattern,
    /// The ports. None means all traffic for `never`, and the ports that the destinations serve for `always`.
    pub ports: Vec<PortSpan>,
    /// Why it must hold.
    pub because: String,
    /// The steps at which the author knows that it fails.
    pub broken_at: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.demand, self.from, self.to)?;
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        if ports.is_empty() { Ok(()) } else { write!(f, " on {}", ports.join(", ")) }
    }
}

/// Whether traffic must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// None of it may pass.
    Never,
    /// All of it must pass, perhaps through a proxy.
    Always,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Never => "never",
            Self::Always => "always",
        })
    }
}

/// Ports of a protocol, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSpan {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl fmt::Display for PortSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.first)?;
        if self.first == self.last { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

/// Ends of traffic, as an invariant names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndPattern {
    /// Everything outside the cluster.
    World,
    /// The cluster's DNS server.
    Dns,
    /// An endpoint by its name.
    Endpoint(Endpoint),
    /// Pods by namespace and name; stars stand for any characters.
    Named {
        /// The namespace, or a pattern.
        namespace: String,
        /// The name, or a pattern other than a single star.
        name: String,
    },
    /// Every pod of some namespaces, including pods that may be created later.
    All {
        /// The namespace, or a pattern.
        namespace: String,
        /// The labels that they have.
        labels: Labels,
    },
}

impl fmt::Display for EndPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Dns => f.write_str("dns"),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Named { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::All { namespace, labels } if labels.is_empty() => write!(f, "{namespace}/*"),
            Self::All { namespace, labels } => {
                let labels: Vec<String> =
                    labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "{namespace}/{}", labels.join(","))
            }
        }
    }
}

impl EndPattern {
    /// Whether an endpoint of a topology is among them.
    pub fn contain(&self, endpoint: &Endpoint, topology: &Topology) -> bool {
        match (self, endpoint) {
            (Self::World, Endpoint::World(_)) => true,
            (Self::Dns, endpoint) => {
                topology.dns_servers(Protocol::Udp).iter().any(|(server, _)| server == endpoint)
            }
            (Self::Endpoint(named), endpoint) => named == endpoint,
            (Self::Named { namespace, name }, Endpoint::Pod(pod)) => {
                matches(namespace, pod.namespace.as_str()) && matches(name, pod.name.as_str())
            }
            (Self::All { namespace, labels }, Endpoint::Pod(pod)) => {
                matches(namespace, pod.namespace.as_str())
                    && labels.iter().all(|(key, value)| label(pod, key, topology) == Some(value))
            }
            _ => false,
        }
    }

    /// The namespaces in which a pod that is created later belongs to them, with the labels that it needs.
    pub fn futures<'t>(&'t self, topology: &'t Topology) -> Vec<(&'t NamespaceName, &'t Labels)> {
        let Self::All { namespace, labels } = self else { return Vec::new() };
        let known = topology.namespaces.keys().filter(|name| matches(namespace, name.as_str()));
        known.map(|name| (name, labels)).collect()
    }

    /// Whether they can match anything in a topology, including pods that may be created later.
    pub fn are_somebody(&self, topology: &Topology) -> bool {
        match self {
            Self::World | Self::Dns => true,
            Self::All { .. } if !self.futures(topology).is_empty() => true,
            _ => topology.sources().iter().any(|endpoint| self.contain(endpoint, topology)),
        }
    }
}

fn label<'t>(pod: &NamespacedName, key: &str, topology: &'t Topology) -> Option<&'t String> {
    topology.pods.get(pod)?.labels.get(key)
}

/// Whether a text matches a pattern, in which a star stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::matches;

    #[rstest]
    #[case::nothing("*", "", true)]
    #[case::everything("*", "shop", true)]
    #[case::at_the_end("shop-*", "shop-1", true)]
    #[case::not_the_rest("shop-*", "shop", false)]
    #[case::two("*-db-*", "a-db-1", true)]
    #[case::none_is_the_text_itself("shop", "shops", false)]
    fn stars_stand_for_any_characters(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, text), expected);
    }
}
