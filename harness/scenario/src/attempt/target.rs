//! The targets of attempts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{DnsName, HostName, NamespacedName};
use crate::topology::{Endpoint, LOCAL_NODE, Topology};

/// The target of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An endpoint, by its address.
    Endpoint(Endpoint),
    /// A pod with the same name as a service, by its address. Shown as `pod:namespace/name`.
    PodOfSharedName(Endpoint),
    /// A service, by its cluster address.
    Service(NamespacedName),
    /// A service, and this one of its backends. Shown as the service alone: an [`Attempt`](super::Attempt) adds the
    /// rest.
    Backend {
        /// The service.
        service: NamespacedName,
        /// The backend.
        backend: Endpoint,
    },
    /// A service that hosts outside reach through this node. Shown as the service alone.
    Over {
        /// The service.
        service: NamespacedName,
        /// The node.
        node: HostName,
        /// The backend, if the attempt names one.
        backend: Option<Endpoint>,
    },
    /// A DNS name: the attempt resolves it first, as an application would.
    Name(DnsName),
}

impl Target {
    /// The endpoint, if the target is one: it is not a source of its own attempt.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Endpoint(endpoint) | Self::PodOfSharedName(endpoint) => Some(endpoint),
            Self::Service(_) | Self::Backend { .. } | Self::Over { .. } | Self::Name(_) => None,
        }
    }

    /// The service, if the target is one by its address.
    pub fn service(&self) -> Option<&NamespacedName> {
        match self {
            Self::Service(service) | Self::Backend { service, .. } | Self::Over { service, .. } => {
                Some(service)
            }
            Self::Endpoint(_) | Self::PodOfSharedName(_) | Self::Name(_) => None,
        }
    }

    /// The backend of the service, if the target names one.
    pub fn backend(&self) -> Option<&Endpoint> {
        match self {
            Self::Backend { backend, .. } => Some(backend),
            Self::Over { backend, .. } => backend.as_ref(),
            Self::Endpoint(_) | Self::PodOfSharedName(_) | Self::Service(_) | Self::Name(_) => None,
        }
    }

    /// The node through which hosts outside reach a service, if the target names one.
    pub fn node(&self) -> Option<&HostName> {
        match self {
            Self::Over { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The node whose address replaces the client's: if a host outside reaches a service through a node that runs
    /// none of its pods, and the service allows other nodes.
    pub fn relay(&self, source: &Endpoint, topology: &Topology) -> Option<HostName> {
        let service = topology.services.get(self.service()?)?;
        let relays = matches!(source, Endpoint::World(_)) && service.hides_clients();
        let node = relays.then(|| self.node().cloned().or_else(|| topology.other_node())).flatten()?;
        (node.as_str() != LOCAL_NODE).then_some(node)
    }

    /// The same service with this backend.
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
