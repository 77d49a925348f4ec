//! What the agents of a topology serve, and how they resolve names.

use std::time::Duration;

use verdikt_agents::names::{resolver, zone};
use verdikt_agents::servers::servers;
use verdikt_probe::wire::Speaks;
use verdikt_scenario::topology::{Endpoint, Topology};

use super::{Cluster, ClusterError};

/// How long an agent may take to start or to listen, once its pod is ready.
const AGENT_DEADLINE: Duration = Duration::from_secs(20);

impl Cluster {
    /// Brings what the endpoints serve, and how they resolve names, up to date; waits until all of it is so.
    pub(super) async fn furnish(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let (addresses, zone) = (&self.addresses, zone(topology, &self.addresses));
        let wanted = |endpoint: &Endpoint| {
            let mut servers = servers(topology, endpoint, &zone);
            // It needs a raw socket, which no agent of a pod has.
            servers.retain(|server| server.speaks != Speaks::Sctp);
            (servers, resolver(endpoint, &zone, addresses))
        };
        Ok(self.agents.furnish(wanted, AGENT_DEADLINE).await?)
    }
}
