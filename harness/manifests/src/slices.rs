//! The backends of services without a selector: the addresses in endpoint slices.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors>

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::topology::{
    Port, Protocol, Served, ServedProtocol, Service, TargetPort, Topology, WorldHost,
};

use crate::field::{self, Unusable};
use crate::ports;

/// The label of a slice that names its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A port behind a service, by the name of the service's own port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlicePort {
    name: String,
    protocol: Protocol,
    port: Port,
}

/// Addresses with the same ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndpointSlice {
    addresses: BTreeSet<IpAddr>,
    ports: Vec<SlicePort>,
}

/// A service without a selector, and the name of each of its ports.
#[derive(Clone, Debug)]
pub(crate) struct UnselectiveService {
    pub(crate) service: Service,
    pub(crate) names: Vec<String>,
}

/// The service of an `EndpointSlice`, if it names one, and its addresses. Addresses of pods are left out.
pub(crate) fn endpoint_slice(root: &YamlNode) -> Result<(Option<String>, EndpointSlice), Unusable> {
    let labels = field::labels(root.at(&["metadata", "labels"]))?;
    let mut slice = EndpointSlice { addresses: BTreeSet::new(), ports: slice_ports(root.get("ports"))? };
    for endpoint in root.get("endpoints").map_or(&[][..], YamlNode::elements) {
        if endpoint.at(&["targetRef", "kind"]).and_then(YamlNode::text) != Some("Pod") {
            let addresses = endpoint.get("addresses").map_or(&[][..], YamlNode::elements);
            for address in addresses {
                slice.addresses.extend(address_of(address)?);
            }
        }
    }
    Ok((labels.get(SERVICE_NAME).cloned(), slice))
}

/// The slices of an `Endpoints` object, which has the name of its service.
pub(crate) fn endpoints(root: &YamlNode) -> Result<Vec<EndpointSlice>, Unusable> {
    let mut slices = Vec::new();
    for subset in root.get("subsets").map_or(&[][..], YamlNode::elements) {
        let mut slice =
            EndpointSlice { addresses: BTreeSet::new(), ports: slice_ports(subset.get("ports"))? };
        for address in subset.get("addresses").map_or(&[][..], YamlNode::elements) {
            if address.at(&["targetRef", "kind"]).and_then(YamlNode::text) != Some("Pod")
                && let Some(ip) = address.get("ip")
            {
                slice.addresses.extend(address_of(ip)?);
            }
        }
        slices.push(slice);
    }
    Ok(slices)
}

/// The address of a host; none if it is a name, to which no traffic is routed.
fn address_of(node: &YamlNode) -> Result<Option<IpAddr>, Unusable> {
    Ok(field::text(node, "the address")?.parse().ok())
}

fn slice_ports(node: Option<&YamlNode>) -> Result<Vec<SlicePort>, Unusable> {
    let all =
        node.map_or(&[][..], YamlNode::elements).iter().filter_map(|port| Some((port, port.get("port")?)));
    all.map(|(port, number)| {
        let name = field::optional_text(port, &["name"])?.unwrap_or_default().to_owned();
        Ok(SlicePort { name, protocol: ports::protocol(port)?, port: ports::number(number, "`port`")? })
    })
    .collect()
}

/// Adds services without a selector to the topology, each with the hosts and nodes of its slices as backends. Returns
/// those that have none.
pub(crate) fn join(
    topology: &mut Topology,
    services: BTreeMap<NamespacedName, UnselectiveService>,
    slices: &BTreeMap<NamespacedName, Vec<EndpointSlice>>,
) -> usize {
    let mut without = 0;
    for (name, UnselectiveService { mut service, names }) in services {
        let own = slices.get(&name).map_or(&[][..], Vec::as_slice);
        for slice in own {
            for address in &slice.addresses {
                service.backends.extend(host(topology, &name, *address, &slice.ports));
            }
            for (port, wanted) in service.ports.iter_mut().zip(&names) {
                let is_meant =
                    |behind: &&SlicePort| behind.name == *wanted && behind.protocol == port.protocol;
                if let Some(behind) = slice.ports.iter().find(is_meant) {
                    port.target = TargetPort::Number(behind.port);
                }
            }
        }
        if service.backends.is_empty() {
            without += 1;
        } else {
            topology.services.insert(name, service);
        }
    }
    without
}

/// The node or host outside with an address, which then serves these ports; an unknown address becomes a new host.
fn host(
    topology: &mut Topology,
    service: &NamespacedName,
    address: IpAddr,
    ports: &[SlicePort],
) -> Option<HostName> {
    if let Some((name, node)) = topology.nodes.iter_mut().find(|(_, node)| node.address == Some(address)) {
        serve(&mut node.serves, ports);
        return Some(name.clone());
    }
    if let Some((name, host)) = topology.world.iter_mut().find(|(_, host)| host.address == address) {
        serve(&mut host.serves, ports);
        return Some(name.clone());
    }
    let text = format!("{}-{}-{address}", service.namespace, service.name).replace(['.', ':'], "-");
    let name: HostName = text.trim_matches('-').parse().ok()?;
    let mut host = WorldHost {
        address,
        names: BTreeSet::new(),
        aliases: [].into(),
        serves: Vec::new(),
        api_server: false,
    };
    serve(&mut host.serves, ports);
    topology.world.insert(name.clone(), host);
    Some(name)
}

fn serve(serves: &mut Vec<Served>, behind: &[SlicePort]) {
    for SlicePort { protocol, port, .. } in behind {
        let protocol = match protocol {
            Protocol::Tcp => ServedProtocol::Tcp,
            Protocol::Udp => ServedProtocol::Udp,
            Protocol::Sctp => ServedProtocol::Sctp,
        };
        ports::add(serves, Served { protocol, port: *port, name: None });
    }
}
