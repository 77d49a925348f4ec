//! Local redirect policies in first scenarios.

use std::net::IpAddr;

use verdikt_scenario::name::{HostName, NamespacedName};
use verdikt_scenario::topology::{
    Endpoint, LocalRedirect, Port, RedirectFrontend, Served, ServicePort, Topology,
};

use super::outside::OutsideHosts;
use super::words::{labels, led_ports};

/// A line for each local redirect policy that the format can express: its frontend has a name, and the pods that
/// answer serve the port.
pub(super) fn redirects(topology: &Topology, outside: &OutsideHosts) -> Vec<String> {
    let lines = topology.redirects.iter().filter_map(|(name, redirect)| {
        let from = frontend(&redirect.frontend, topology, outside)?;
        let ports: Vec<&ServicePort> =
            redirect.ports.iter().filter(|led| is_answered(topology, name, redirect, led)).collect();
        if ports.is_empty() {
            return None;
        }
        let spared = if redirect.spares_backends { ", skipRedirectFromBackend: true" } else { "" };
        let (selects, ports) = (labels(&redirect.selects), led_ports(ports.into_iter()));
        Some(format!("{name}: {{from: {from}, selects: {selects}, ports: {{{ports}}}{spared}}}"))
    });
    lines.collect()
}

/// The service, or the host outside with the address.
fn frontend(frontend: &RedirectFrontend, topology: &Topology, outside: &OutsideHosts) -> Option<String> {
    let address = match frontend {
        RedirectFrontend::Service(service) => return Some(service.to_string()),
        RedirectFrontend::Address(address) => *address,
    };
    let made = outside.hosts.iter().map(|(name, host)| (name, host.outside.address));
    let known = topology.world.iter().map(|(name, host)| (name, host.address));
    let has_it = |(_, own): &(&HostName, IpAddr)| *own == address;
    made.chain(known).find(has_it).map(|(name, _)| name.to_string())
}

/// Whether every pod that should answer does.
fn is_answered(
    topology: &Topology,
    name: &NamespacedName,
    redirect: &LocalRedirect,
    led: &ServicePort,
) -> bool {
    let backends = topology.redirect_backends(name, redirect, led);
    let serves = |(pod, port): &(Endpoint, Port)| {
        let is_meant = |served: &Served| served.port == *port && served.protocol.answers(led.protocol);
        topology.serves(pod).iter().any(is_meant)
    };
    !backends.is_empty() && backends.iter().all(serves)
}
