//! The address of every endpoint and service of a topology.
//!
//! | who | IPv4 | IPv6, where the topology has a host with an IPv6 address |
//! |---|---|---|
//! | pods, and Cilium's own endpoints | 10.244.0.0/16 | `fd00:10:244::/64` |
//! | services | 245.96.0.0/16; cluster DNS is 245.96.0.10 | `fd76:6572:6469:96::/64` |
//! | one backend of a service, if there are several | 245.97.0.0/16 | `fd76:6572:6469:97::/64` |
//! | a service through a node that hides its clients | 245.98.0.0/16 | `fd76:6572:6469:98::/64` |
//! | nodes | as the scenario says, else of 245.172.30.0/24 | `fd76:6572:6469:172::/64` |
//! | world hosts | as the scenario says, else of 198.51.100.0/24 | as the scenario says, else of `fd00:198:51::/64` |
//!
//! If Cilium replaces kube-proxy, it rewrites the addresses of its services, and the ports of its nodes, in the
//! sockets of every process of the machine, in any network namespace. So the lab's services and nodes have addresses
//! that no cluster has: in IPv4 from the block that is reserved for future use, which Linux routes like any other
//! ([RFC 1112, section 4](https://www.rfc-editor.org/rfc/rfc1112#section-4)), outside 240.0.0.0/8, which clouds and
//! meshes use; in IPv6 from a [unique local prefix](https://www.rfc-editor.org/rfc/rfc4193). Policies never see
//! these: a service's address is translated before policies apply, and nodes are known by their identity. Pods keep
//! the range that most clusters use, for readers and for rules that name it; sockets to addresses of pods are not
//! rewritten.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use verdikt_probes::addresses::{Addresses, NodeRelay};
use verdikt_scenario::attempt::IpFamily;
use verdikt_scenario::topology::{DNS_POD, Endpoint, LOCAL_NODE, Topology};

const DNS_SERVICE_V4: Ipv4Addr = Ipv4Addr::new(245, 96, 0, 10);
const DNS_SERVICE_V6: Ipv6Addr = Ipv6Addr::new(0xfd76, 0x6572, 0x6469, 0x96, 0, 0, 0, 10);

/// The addresses of a topology that follows the one of `before`. What keeps its name keeps its addresses.
pub fn next(before: &Addresses, topology: &Topology) -> Addresses {
    let dual_stack = topology.is_dual_stack();
    let of_nodes = topology.nodes.values().filter_map(|node| node.address);
    let second = topology.second_addresses.values().copied();
    let first = topology.world.values().map(|host| host.address);
    let given: BTreeSet<IpAddr> = first.chain(second).chain(of_nodes).collect();
    let held = before.endpoints.values().chain(before.services.values()).chain(before.backends.values());
    let held = held.chain(before.relays.values()).flatten();
    let mut free = FreeAddresses { dual_stack, used: held.copied().chain(given).collect() };
    let mut next = Addresses::default();
    for endpoint in all_endpoints(topology) {
        let addresses = of_endpoint(&endpoint, before, topology, &mut free);
        next.endpoints.insert(endpoint, addresses);
    }
    for service in topology.services.keys() {
        let backends = topology.backends(service);
        for backend in backends.iter().filter(|_| backends.len() > 1) {
            let key = (service.clone(), backend.clone());
            let addresses = free.pick(Pool::Backends, before.backends.get(&key));
            next.backends.insert(key, addresses);
        }
    }
    for relay in relays(topology) {
        let addresses = free.pick(Pool::Relays, before.relays.get(&relay));
        next.relays.insert(relay, addresses);
    }
    let dns = topology.dns_service();
    for service in topology.services.keys().filter(|service| Some(*service) != dns.as_ref()) {
        let addresses = free.pick(Pool::Services, before.services.get(service));
        next.services.insert(service.clone(), addresses);
    }
    if let Some(dns) = dns {
        let v6 = dual_stack.then_some(IpAddr::V6(DNS_SERVICE_V6));
        next.services.insert(dns, [IpAddr::V4(DNS_SERVICE_V4)].into_iter().chain(v6).collect());
    }
    next
}

/// The free addresses.
struct FreeAddresses {
    /// Whether everything has one of each family.
    dual_stack: bool,
    used: BTreeSet<IpAddr>,
}

impl FreeAddresses {
    /// The addresses that something had before, or free ones, of each family that the topology has.
    fn pick(&mut self, pool: Pool, before: Option<&Vec<IpAddr>>) -> Vec<IpAddr> {
        let mut addresses = before.cloned().unwrap_or_default();
        if addresses.is_empty() {
            addresses.extend(pool.first_free(IpFamily::V4, &self.used));
        }
        if let ([only], true) = (addresses.as_slice(), self.dual_stack) {
            let other = if only.is_ipv4() { IpFamily::V6 } else { IpFamily::V4 };
            addresses.extend(pool.first_free(other, &self.used));
        }
        self.used.extend(&addresses);
        addresses
    }
}

fn of_endpoint(
    endpoint: &Endpoint,
    before: &Addresses,
    topology: &Topology,
    free: &mut FreeAddresses,
) -> Vec<IpAddr> {
    let kept = before.endpoints.get(endpoint);
    match endpoint {
        Endpoint::World(name) => {
            let given = topology.world.get(name).map(|host| host.address);
            let mut addresses = kept_or_given(before, endpoint, given);
            let second = topology.second_addresses.get(name);
            if let (Some(first), Some(second)) = (addresses.as_mut().filter(|it| it.len() == 1), second) {
                first.push(*second);
            }
            free.pick(Pool::World, addresses.as_ref())
        }
        Endpoint::Node(name) => {
            let given = topology.nodes.get(name).and_then(|node| node.address);
            free.pick(Pool::Nodes, kept_or_given(before, endpoint, given).as_ref())
        }
        Endpoint::Pod(name) if topology.pods.get(name).is_some_and(|pod| pod.host_network.is_some()) => {
            free.pick(Pool::Nodes, kept)
        }
        Endpoint::Pod(_) | Endpoint::Cilium(_) => free.pick(Pool::Pods, kept),
    }
}

/// An endpoint keeps its address unless the scenario gives it another one.
fn kept_or_given(before: &Addresses, endpoint: &Endpoint, given: Option<IpAddr>) -> Option<Vec<IpAddr>> {
    let before = before.endpoints.get(endpoint);
    match given {
        Some(given) => Some(
            before.filter(|before| before.first() == Some(&given)).cloned().unwrap_or_else(|| vec![given]),
        ),
        None => before.cloned(),
    }
}

/// Every way from outside to a service through a node that hides its clients.
fn relays(topology: &Topology) -> Vec<NodeRelay> {
    let mut relays = Vec::new();
    for (service, _) in topology.services.iter().filter(|(_, service)| service.hides_clients()) {
        let backends = topology.backends(service);
        let several = backends.iter().filter(|_| backends.len() > 1).cloned().map(Some);
        let backends: Vec<Option<Endpoint>> = several.chain([None]).collect();
        let nodes = topology.nodes.keys().cloned().chain(topology.implied_nodes());
        let nodes = nodes.filter(|node| node.as_str() != LOCAL_NODE).map(Some).chain([None]);
        for node in nodes {
            let to = |backend: &Option<Endpoint>| NodeRelay {
                service: service.clone(),
                node: node.clone(),
                backend: backend.clone(),
            };
            relays.extend(backends.iter().map(to));
        }
    }
    relays
}

/// Every endpoint that the lab runs: those of the topology, the nodes that always exist, and the cluster's DNS
/// server.
pub fn all_endpoints(topology: &Topology) -> BTreeSet<Endpoint> {
    let mut endpoints: BTreeSet<Endpoint> = topology.sources().into_iter().collect();
    endpoints.extend(DNS_POD.parse().map(Endpoint::Pod));
    endpoints.extend(topology.implied_nodes().into_iter().map(Endpoint::Node));
    endpoints
}

#[derive(Clone, Copy)]
enum Pool {
    Pods,
    Services,
    Backends,
    Relays,
    Nodes,
    World,
}

impl Pool {
    fn first_free(self, family: IpFamily, used: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        let numbers = match self {
            // The first addresses are the node's, and those of the first services are the cluster's own.
            Self::Pods => 10..=u16::MAX - 1,
            Self::Services | Self::Backends | Self::Relays => 256..=u16::MAX - 1,
            Self::Nodes | Self::World => 2..=254,
        };
        numbers.map(|number| self.address(family, number)).find(|address| !used.contains(address))
    }

    fn address(self, family: IpFamily, number: u16) -> IpAddr {
        let [high, low] = number.to_be_bytes();
        let (v4, prefix) = match self {
            Self::Pods => (Ipv4Addr::new(10, 244, high, low), [0xfd00, 0x10, 0x244, 0]),
            Self::Services => (Ipv4Addr::new(245, 96, high, low), [0xfd76, 0x6572, 0x6469, 0x96]),
            Self::Backends => (Ipv4Addr::new(245, 97, high, low), [0xfd76, 0x6572, 0x6469, 0x97]),
            Self::Relays => (Ipv4Addr::new(245, 98, high, low), [0xfd76, 0x6572, 0x6469, 0x98]),
            Self::Nodes => (Ipv4Addr::new(245, 172, 30, low), [0xfd76, 0x6572, 0x6469, 0x172]),
            Self::World => (Ipv4Addr::new(198, 51, 100, low), [0xfd00, 0x198, 0x51, 0]),
        };
        let [one, two, three, four] = prefix;
        match family {
            IpFamily::V4 => v4.into(),
            IpFamily::V6 => Ipv6Addr::new(one, two, three, four, 0, 0, 0, number).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use verdikt_scenario::topology::{Pod, Service, WorldHost};

    use super::*;

    #[test]
    fn what_stays_keeps_its_address() {
        let mut topology = Topology::default();
        topology.pods.insert("a/one".parse().unwrap(), Pod::default());
        topology.pods.insert("a/two".parse().unwrap(), Pod::default());
        let service = Service { selects: Some(BTreeMap::new()), ..Service::default() };
        topology.services.insert("a/front".parse().unwrap(), service);
        let first = next(&Addresses::default(), &topology);
        topology.pods.remove(&"a/one".parse().unwrap());
        topology.pods.insert("a/aaa".parse().unwrap(), Pod::default());
        let host = |address: &str| WorldHost {
            address: address.parse().unwrap(),
            names: BTreeSet::new(),
            serves: Vec::new(),
            aliases: [].into(),
            api_server: false,
        };
        topology.world.insert("six".parse().unwrap(), host("2001:db8::1"));
        let second = next(&first, &topology);
        let show = |addresses: &Addresses| {
            let lines = addresses.endpoints.iter().map(|(endpoint, list)| format!("{endpoint} {list:?}"));
            let services = addresses.services.iter().map(|(service, list)| format!("{service} {list:?}"));
            let backends = addresses
                .backends
                .iter()
                .map(|((service, backend), list)| format!("{service} via {backend} {list:?}"));
            lines.chain(services).chain(backends).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(show(&first), @"
        a/one [10.244.0.10]
        a/two [10.244.0.11]
        kube-system/coredns [10.244.0.12]
        host [245.172.30.2]
        a/front [245.96.1.0]
        kube-system/kube-dns [245.96.0.10]
        a/front via a/one [245.97.1.0]
        a/front via a/two [245.97.1.1]
        ");
        insta::assert_snapshot!(show(&second), @"
        a/aaa [10.244.0.13, fd00:10:244::a]
        a/two [10.244.0.11, fd00:10:244::b]
        kube-system/coredns [10.244.0.12, fd00:10:244::c]
        six [2001:db8::1, 198.51.100.2]
        host [245.172.30.2, fd76:6572:6469:172::2]
        a/front [245.96.1.0, fd76:6572:6469:96::100]
        kube-system/kube-dns [245.96.0.10, fd76:6572:6469:96::a]
        a/front via a/aaa [245.97.1.2, fd76:6572:6469:97::100]
        a/front via a/two [245.97.1.1, fd76:6572:6469:97::101]
        ");
        let six = Endpoint::World("six".parse().unwrap());
        let two = Endpoint::Pod("a/two".parse().unwrap());
        assert!(second.reachable(&six, &second.endpoints[&two]).unwrap().is_ipv6());
    }
}
