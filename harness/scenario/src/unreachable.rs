//! Attempts that never reach a policy: the datapath drops them for another reason.

use std::fmt;
use std::net::IpAddr;

use crate::attempt::{Attempt, IpFamily, Target};
use crate::name::{HostName, NamespacedName};
use crate::topology::{Endpoint, LOCAL_NODE, Resolved, Service, ServiceType, Topology, TrafficPolicy};

/// Why an attempt never reaches a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// A host outside uses the cluster address of a service. It is not routed, and Cilium drops such packets that
    /// arrive at a node: `Is a ClusterIP`.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#external-access-to-clusterip-services>
    ClusterAddress {
        /// The service.
        service: NamespacedName,
        /// Whether the service is open to hosts outside, and only its name resolves to the wrong address.
        by_name: bool,
    },
    /// A host outside is in none of the ranges that the service's load balancer accepts, so Cilium drops its packets.
    /// <https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/#loadbalancer-source-ranges-checks>
    OutOfRanges {
        /// The service.
        service: NamespacedName,
        /// The address of the host.
        address: IpAddr,
    },
    /// A host outside has no address of the attempt's address family.
    NoAddress {
        /// The host.
        host: HostName,
        /// The family.
        family: IpFamily,
    },
    /// A node runs no backend of a service that keeps traffic on the client's node.
    /// <https://kubernetes.io/docs/concepts/services-networking/service-traffic-policy/>
    NobodyOnNode {
        /// The service.
        service: NamespacedName,
        /// The node.
        node: HostName,
    },
}

impl Unreachable {
    /// Why this attempt of `source` never reaches a policy; none if it does.
    pub fn of(topology: &Topology, source: &Endpoint, attempt: &Attempt) -> Option<Self> {
        if let (Endpoint::World(host), Some(family)) = (source, attempt.family())
            && topology.world_address(host, family).is_none()
        {
            return Some(Self::NoAddress { host: host.clone(), family });
        }
        match source {
            Endpoint::World(host) => Self::from_outside(topology, host, attempt),
            Endpoint::Node(node) if node.as_str() != LOCAL_NODE => Self::from_node(topology, node, attempt),
            Endpoint::Pod(_) | Endpoint::Node(_) | Endpoint::Cilium(_) => None,
        }
    }

    /// The service that an attempt goes to, by its address or name.
    fn service_of(topology: &Topology, attempt: &Attempt) -> Option<NamespacedName> {
        let target = attempt.target()?;
        target.service().cloned().or_else(|| match target {
            Target::Name(name) => match topology.resolve(name)? {
                Resolved::Service(service) => Some(service),
                Resolved::World(_) => None,
            },
            _ => None,
        })
    }

    fn from_node(topology: &Topology, node: &HostName, attempt: &Attempt) -> Option<Self> {
        let service = Self::service_of(topology, attempt)?;
        let known = topology.services.get(&service)?;
        let keeps = known.internal_traffic_policy == TrafficPolicy::Local && !known.headless;
        // The pods of a topology are on the one local node; nodes and hosts outside may be backends too.
        let is_there = |backend: &Endpoint| topology.node_of(backend) == Some(node);
        let nobody = keeps && !topology.backends(&service).iter().any(is_there);
        nobody.then(|| Self::NobodyOnNode { service, node: node.clone() })
    }

    fn from_outside(topology: &Topology, host: &HostName, attempt: &Attempt) -> Option<Self> {
        let is_open = |service: &NamespacedName| {
            let service = topology.services.get(service);
            service.is_some_and(Service::is_open_outside)
        };
        match attempt.target()? {
            Target::Service(service) | Target::Backend { service, .. } | Target::Over { service, .. } => {
                let service = service.clone();
                if !is_open(&service) {
                    return Some(Self::ClusterAddress { service, by_name: false });
                }
                let address = topology.world.get(host)?.address;
                let known = topology.services.get(&service)?;
                let is_let_in = known.source_ranges.is_empty()
                    || known.service_type != ServiceType::LoadBalancer
                    || known.source_ranges.iter().any(|range| range.contains(&address));
                (!is_let_in).then_some(Self::OutOfRanges { service, address })
            }
            Target::Name(name) => match topology.resolve(name)? {
                // Its name resolves to its backends.
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
        let (service, by_name) = match self {
            Self::ClusterAddress { service, by_name } => (service, by_name),
            Self::OutOfRanges { service, address } => {
                return write!(
                    f,
                    "the load balancer of service {service} accepts none of {address}'s packets \
                     (loadBalancerSourceRanges), whatever policies say"
                );
            }
            Self::NoAddress { host, family } => return write!(f, "{host} has no {family} address"),
            Self::NobodyOnNode { service, node } => {
                return write!(
                    f,
                    "{node} runs no backend of service {service}, which sends no client to another node \
                     (internalTrafficPolicy: Local)"
                );
            }
        };
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
            let by_name = found.map(|found| match found {
                Unreachable::ClusterAddress { by_name, .. } => by_name,
                other => panic!("{other}"),
            });
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

    /// What a load balancer or node does not lead on never meets a policy.
    #[test]
    fn services_keep_clients_out_by_themselves() {
        let mut topology = Topology::default();
        for (name, address) in [("office", "203.0.113.1"), ("stranger", "198.51.100.1")] {
            let host = WorldHost {
                address: address.parse().unwrap(),
                names: BTreeSet::new(),
                aliases: [].into(),
                serves: Vec::new(),
                api_server: false,
            };
            topology.world.insert(name.parse().unwrap(), host);
        }
        let source_ranges = ["203.0.113.0/24".parse().unwrap()].into();
        let balanced =
            Service { service_type: ServiceType::LoadBalancer, source_ranges, ..Service::default() };
        topology.services.insert("shop/front".parse().unwrap(), balanced);
        let internal_traffic_policy = TrafficPolicy::Local;
        let backends = ["near".parse().unwrap()].into();
        let local = Service { internal_traffic_policy, backends, ..Service::default() };
        topology.services.insert("shop/agent".parse().unwrap(), local);
        for node in ["host", "near", "far"] {
            topology.nodes.insert(node.parse().unwrap(), crate::topology::Node::default());
        }
        let found = |source: Endpoint, service: &str| {
            let target = Target::Service(service.parse().unwrap());
            let attempt = Attempt::Connect { protocol: Protocol::Tcp, target, port: Port::new(80).unwrap() };
            Unreachable::of(&topology, &source, &attempt)
        };
        let [office, stranger] = ["office", "stranger"].map(|name| Endpoint::World(name.parse().unwrap()));
        let [host, near, far] = ["host", "near", "far"].map(|name| Endpoint::Node(name.parse().unwrap()));
        assert_eq!(found(office, "shop/front"), None);
        assert!(matches!(found(stranger, "shop/front"), Some(Unreachable::OutOfRanges { .. })));
        assert_eq!(found(far.clone(), "shop/front"), None);
        assert_eq!(found(host, "shop/agent"), None);
        assert_eq!(found(near, "shop/agent"), None);
        assert!(matches!(found(far, "shop/agent"), Some(Unreachable::NobodyOnNode { .. })));
    }
}
