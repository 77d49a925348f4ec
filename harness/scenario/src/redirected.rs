//! Attempts that a local redirect policy redirects.

use crate::attempt::Target;
use crate::topology::{Endpoint, Port, Protocol, RedirectFrontend, Topology};

impl Topology {
    /// The pods to which a local redirect policy sends what a source sends to a port of a target, each with its port.
    /// None if there is no such policy for the port, no such pod on the node, or the source is not on it.
    pub fn redirected(
        &self,
        source: &Endpoint,
        target: &Target,
        protocol: Protocol,
        port: Port,
    ) -> Option<Vec<(Endpoint, Port)>> {
        self.redirects.iter().find_map(|(name, redirect)| {
            let led = redirect.ports.iter().find(|led| (led.protocol, led.port) == (protocol, port))?;
            if !self.is_frontend(&redirect.frontend, target) {
                return None;
            }
            let backends = self.redirect_backends(name, redirect, led);
            self.is_led(source, redirect, &backends).then_some(backends)
        })
    }

    fn is_frontend(&self, frontend: &RedirectFrontend, target: &Target) -> bool {
        match (frontend, target) {
            (RedirectFrontend::Service(own), Target::Service(service) | Target::Backend { service, .. }) => {
                own == service
            }
            (RedirectFrontend::Address(own), Target::Endpoint(Endpoint::World(host))) => {
                self.world.get(host).is_some_and(|host| host.address == *own)
            }
            _ => false,
        }
    }
}
