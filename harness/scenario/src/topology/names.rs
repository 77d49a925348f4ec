//! Resolves DNS names in a topology.

use std::collections::BTreeSet;

use super::{CLUSTER_DOMAIN, DNS_SERVICE, Topology};
use crate::name::{DnsName, HostName, NamespacedName};

/// What a DNS name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A service of the cluster.
    Service(NamespacedName),
    /// A host outside.
    World(HostName),
}

impl Topology {
    /// The service of the cluster or host outside that a DNS name resolves to.
    pub fn resolve(&self, name: &DnsName) -> Option<Resolved> {
        if let Some(service) = service_of_name(name) {
            let known = self.services.contains_key(&service) || service.to_string() == DNS_SERVICE;
            let alias = self.services.get(&service).and_then(|service| service.external_name.as_ref());
            return match alias {
                Some(alias) => self.host_of_name(alias).map(Resolved::World),
                None => known.then_some(Resolved::Service(service)),
            };
        }
        self.host_of_name(name).map(Resolved::World)
    }

    /// The host outside that a DNS name resolves to.
    fn host_of_name(&self, name: &DnsName) -> Option<HostName> {
        let last = self.behind_aliases(name)?;
        let hosts = self.world.iter().find(|(_, host)| host.names.contains(last));
        hosts.map(|(host, _)| host.clone())
    }

    /// The name at the end of a chain of aliases; none if the chain is circular.
    fn behind_aliases<'a>(&'a self, name: &'a DnsName) -> Option<&'a DnsName> {
        let mut seen = BTreeSet::new();
        let mut last = name;
        while let Some(next) = self.world.values().find_map(|host| host.aliases.get(last)) {
            if !seen.insert(last) {
                return None;
            }
            last = next;
        }
        Some(last)
    }
}

/// `api.backend.svc.cluster.local` names the service `backend/api`.
/// <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>
fn service_of_name(name: &DnsName) -> Option<NamespacedName> {
    let rest = name.as_str().strip_suffix(CLUSTER_DOMAIN)?.strip_suffix(".svc.")?;
    let (service, namespace) = rest.split_once('.')?;
    Some(NamespacedName { namespace: namespace.parse().ok()?, name: service.parse().ok()? })
}
