//! Attempts at ports of the node that lead to pods.

use crate::attempt::Attempt;
use crate::topology::{Endpoint, Port, Topology};

impl Topology {
    /// The pod that an attempt at a node is led to, and the port of its own.
    pub fn led_by_host_port(&self, attempt: &Attempt) -> Option<(Endpoint, Port)> {
        let node = attempt.target()?.endpoint()?;
        self.behind_host_port(node, attempt.protocol()?, attempt.port()?)
    }
}
