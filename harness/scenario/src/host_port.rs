//! Attempts to ports of a node that are forwarded to pods.

use crate::attempt::Attempt;
use crate::topology::{Endpoint, Port, Topology};

impl Topology {
    /// The pod that an attempt to a node is forwarded to, with its own port.
    pub fn led_by_host_port(&self, attempt: &Attempt) -> Option<(Endpoint, Port)> {
        let node = attempt.target()?.endpoint()?;
        self.behind_host_port(node, attempt.protocol()?, attempt.port()?)
    }
}
