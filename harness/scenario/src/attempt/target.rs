//! The targets of attempts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{DnsName, HostName, NamespacedName};
use crate::topology::{Endpoint, LOCAL_NODE, Topology};

/// Who is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An endpoint, by its address.
    Endpoint(Endpoint),
    /// A pod whose name a service has too, by its address. Shown as `pod:namespace/name`.
    PodOfSharedName(Endpoint),
    /// A service, by its cluster address.
    Service(NamespacedName),
    /// A service, and this one of the endpoints behind it. Shown as the service alone: an [`Attempt`](super::Attempt) adds the rest.
    Backend {
        /// The service.
        service: NamespacedName,
        /// The endpoint that is to answer.
        backend: Endpoint,
    },
    /// A service, which hosts outside reach over this node. Shown as the service alone, as a backend is.
    Over {
        /// The service.
        service: NamespacedName,
        /// The node.
        node: HostName,
        /// The endpoint that is to answer, where the attempt names one.
        backend: Option<Endpoint>,
    },
    /// A DNS name: the attempt resolves it first, as an application would.
    Name(DnsName),
}

impl Target {
    /// The endpoint itself, where the target is one: it is no source of its own attempt.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Endpoint(endpoint) | Self::PodOfSharedName(endpoint) => Some(endpoint),
            Self::Service(_) | Self::Backend { .. } | Self::Over { .. } | Self::Name(_) => None,
        }
    }

    /// The service, where the target is one by its address.
    pub fn service(&self) -> Option<&NamespacedName> {
        match self {
            Self::Service(service) | Self::Backend { service, .. } | Self::Over { service, .. } => {
                Some(service)
            }
            Self::Endpoint(_) | Self::PodOfSharedName(_) | Self::Name(_) => None,
        }
    }

    /// The endpoint behind a service that is to answer, where the target names one.
    pub fn backend(&self) -> Option<&Endpoint> {
        match self {
            Self::Backend { backend, .. } => Some(backend),
            Self::Over { backend, .. } => backend.as_ref(),
            Self::Endpoint(_) | Self::PodOfSharedName(_) | Self::Service(_) | Self::Name(_) => None,
        }
    }

    /// The node by which hosts outside reach a service, where the target names one.
    pub fn node(&self) -> Option<&HostName> {
        match self {
            Self::Over { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The node whose address stands in the place of the client's: where a host outside reaches a service over a node
    /// that runs none of its pods, and the service does not keep to the node.
    pub fn relay(&self, source: &Endpoint, topology: &Topology) -> Option<HostName> {
        let service = topology.services.get(self.service()?)?;
        let relays = matches!(source, Endpoint::World(_)) && service.hides_clients();
        let node = relays.then(|| self.node().cloned().or_else(|| topology.other_node())).flatten()?;
        (node.as_str() != LOCAL_NODE).then_some(node)
    }

    /// The same service, this one of the endpoints behind it.
    pub(super) fn with_backend(&self, backend: Option<Endpoint>) -> Self {
        match (self, backend) {
            (Self::Service(service) | Self::Backend { service, .. }, Some(backend)) => {
                Self::Backend { service: service.clone(), backend }
            }
            (Self::Service(service) | Self::Backend { service, .. }, None) => Self::Service(service.clone()),
            (Self::Over { service, node, .. }, backend) => {
                Self::Over { service: service.clone(), node: node.clone(), backend }
            }
            (Self::Endpoint(_) | Self::PodOfSharedName(_) | Self::Name(_), _) => self.clone(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::PodOfSharedName(endpoint) => write!(f, "pod:{endpoint}"),
            Self::Service(name) | Self::Backend { service: name, .. } | Self::Over { service: name, .. } => {
                name.fmt(f)
            }
            Self::Name(name) => name.fmt(f),
        }
    }
}
