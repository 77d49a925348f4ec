//! What the probes of a topology serve, and how they resolve names.

use std::collections::BTreeSet;
use std::time::Duration;

use verdikt_probes::names::{resolver, zone};
use verdikt_probes::servers::servers;
use verdikt_scenario::topology::{Endpoint, Topology};
use verdikt_wire::Speaks;

use super::{Cluster, ClusterError};

/// The port of the API server.
const API_SERVER: u16 = 6443;
/// The port of the kubelet.
const KUBELET: u16 = 10250;
/// The timeout for a probe to start or to listen, once its pod is ready.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(20);

/// Whether nodes serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnNodes {
    /// They serve what the topology says.
    Serving,
    /// They serve nothing.
    Silent,
}

impl Cluster {
    /// Starts the servers of nodes, now that the policies are in force. Everybody who reaches a node reaches its servers,
    /// so they only listen while attempts are made. Returns when they listen.
    pub async fn serve_on_nodes(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        self.configure(topology, OnNodes::Serving).await
    }

    /// Stops the servers of nodes until the next step.
    pub fn stop_serving_on_nodes(&mut self) {
        let is_on_node = |endpoint: &&Endpoint| self.is_on_node(endpoint);
        let nodes: Vec<Endpoint> = self.probes.endpoints().filter(is_on_node).cloned().collect();
        for node in nodes {
            self.probes.stop_serving(&node);
        }
    }

    /// Updates what the endpoints serve and how they resolve names, and waits until all probes have done so.
    pub(super) async fn configure(
        &mut self,
        topology: &Topology,
        on_nodes: OnNodes,
    ) -> Result<(), ClusterError> {
        let (addresses, zone) = (&self.addresses, zone(topology, &self.addresses));
        let borrowed: BTreeSet<Endpoint> = self.borrowed.pods.keys().cloned().map(Endpoint::Pod).collect();
        let wanted = |endpoint: &Endpoint| {
            let mut servers = servers(topology, endpoint, &zone);
            let is_silent = on_nodes == OnNodes::Silent && topology.node_of(endpoint).is_some();
            if is_silent || borrowed.contains(endpoint) {
                // In a borrowed pod its own program serves.
                servers.clear();
            }
            // SCTP needs a raw socket, which no probe in a pod has.
            servers
                .retain(|server| server.speaks != Speaks::Sctp && !is_served_by_node(endpoint, server.port));
            (servers, resolver(topology, endpoint, &zone, addresses))
        };
        Ok(self.probes.configure(wanted, PROBE_DEADLINE).await?)
    }
}

/// Whether an endpoint is a node whose kubelet or API server already listens on this port.
/// <https://kubernetes.io/docs/reference/networking/ports-and-protocols/>
pub fn is_served_by_node(endpoint: &Endpoint, port: u16) -> bool {
    matches!(endpoint, Endpoint::Node(_)) && [API_SERVER, KUBELET].contains(&port)
}
