//! Attempts that meet no policy, whatever the policies are: the datapath drops them for another reason.

use std::fmt;

use crate::attempt::{Attempt, Target};
use crate::name::NamespacedName;
use crate::topology::{Endpoint, Resolved, Service, Topology};

/// Why an attempt never gets as far as a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// A host outside uses the address that a service has in the cluster. It is routed nowhere else, and what comes to a
    /// node all the same Cilium drops there: `Is a ClusterIP`.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#external-access-to-clusterip-services>
    ClusterAddress {
        /// The service.
        service: NamespacedName,
        /// Whether the service is open to hosts outside, and only its name leads to the wrong address.
        by_name: bool,
    },
}

impl Unreachable {
    /// Why this attempt of `source` never gets as far as a policy; none if it does.
    pub fn of(topology: &Topology, source: &Endpoint, attempt: &Attempt) -> Option<Self> {
        let Endpoint::World(_) = source else { return None };
        let is_open = |service: &NamespacedName| {
            let service = topology.services.get(service);
            service.is_some_and(Service::is_open_outside)
        };
        match attempt.target()? {
            Target::Service(service) | Target::Backend { service, .. } | Target::Over { service, .. } => {
                let service = service.clone();
                (!is_open(&service)).then_some(Self::ClusterAddress { service, by_name: false })
            }
            Target::Name(name) => match topology.resolve(name)? {
                // Its name leads to what is behind it.
                Resolved::Service(service) if topology.is_headless(&service) => None,
                Resolved::Service(service) => {
                    Some(Self::ClusterAddress { by_name: is_open(&service), service })
                }
                Resolved::World(_) => None,
            },
            Target::Endpoint(_) | Target::PodOfSharedName(_) => None,
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::ClusterAddress { service, by_name } = self;
        write!(
            f,
            "no host outside reaches the address that service {service} has in the cluster (Cilium drops such packets: \
             \"Is a ClusterIP\"); "
        )?;
        if *by_name {
            f.write_str("attempt it by its namespace and name, which means its node port or load balancer")
        } else {
            f.write_str("make it a service of type NodePort or LoadBalancer")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::topology::{Port, Protocol, ServiceType, WorldHost};

    #[test]
    fn addresses_of_the_cluster_are_for_the_cluster() {
        let pod = Endpoint::Pod("shop/cart".parse().unwrap());
        let office = Endpoint::World("office".parse().unwrap());
        let mut topology = Topology::default();
        let (names, serves) = (BTreeSet::new(), Vec::new());
        let host = WorldHost {
            address: Ipv4Addr::new(203, 0, 113, 1).into(),
            names,
            aliases: [].into(),
            serves,
            api_server: false,
        };
        topology.world.insert("office".parse().unwrap(), host);
        for (name, service_type) in
            [("shop/inner", ServiceType::ClusterIp), ("shop/open", ServiceType::NodePort)]
        {
            let service = Service { service_type, ..Service::default() };
            topology.services.insert(name.parse().unwrap(), service);
        }
        let check = |source: &Endpoint, target: Target, expected: Option<bool>| {
            let port = Port::new(80).unwrap();
            let attempt = Attempt::Connect { protocol: Protocol::Tcp, target, port };
            let found = Unreachable::of(&topology, source, &attempt);
            let by_name = found.map(|Unreachable::ClusterAddress { by_name, .. }| by_name);
            assert_eq!(by_name, expected, "{attempt}");
        };
        let service = |name: &str| Target::Service(name.parse().unwrap());
        let backend = |name: &str| Target::Backend { service: name.parse().unwrap(), backend: pod.clone() };
        let named = |name: &str| Target::Name(format!("{name}.shop.svc.cluster.local").parse().unwrap());
        check(&office, service("shop/inner"), Some(false));
        check(&office, backend("shop/inner"), Some(false));
        check(&office, named("inner"), Some(false));
        check(&office, service("shop/open"), None);
        check(&office, named("open"), Some(true));
        check(&office, named("none"), None);
        check(&office, Target::Endpoint(pod.clone()), None);
        check(&pod, service("shop/inner"), None);
        check(&pod, named("open"), None);
    }
}
