//! Who has an address.

use std::net::IpAddr;

use super::Topology;
use crate::name::HostName;

impl Topology {
    /// The host outside, node or service that has an address, by its name in the topology.
    pub fn owner_of(&self, address: IpAddr) -> Option<String> {
        let is_second = |host: &HostName| self.second_addresses.get(host) == Some(&address);
        let mut hosts = self.world.iter().filter(|(name, host)| host.address == address || is_second(name));
        let mut nodes = self.nodes.iter().filter(|(_, node)| node.address == Some(address));
        let mut services =
            self.services.iter().filter(|(_, service)| service.external_ips.contains(&address));
        let host = hosts.next().map(|(name, _)| name.to_string());
        let host = host.or_else(|| nodes.next().map(|(name, _)| name.to_string()));
        host.or_else(|| services.next().map(|(name, _)| name.to_string()))
    }
}
