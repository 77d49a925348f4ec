//! The hosts outside the cluster, and their DNS names.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use verdikt_probes::names::world_zone;
use verdikt_probes::probes::Probes;
use verdikt_scenario::topology::{Endpoint, Topology};

use super::{Cluster, ClusterError};
use crate::exec;
use crate::world::World;

/// How many agents are asked at once.
const AT_ONCE: usize = 4;
/// The timeout for an agent to drop a name from its DNS cache.
const ANSWER: Duration = Duration::from_secs(15);

impl Cluster {
    /// Starts the probes of the hosts outside, and stops those that the topology does not have.
    pub(super) async fn ensure_world(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let leaving: Vec<Endpoint> = self
            .probes
            .endpoints()
            .filter(|endpoint| match endpoint {
                Endpoint::World(name) => {
                    let address = topology.world.get(name).map(|host| host.address);
                    self.addresses.endpoints.get(*endpoint).and_then(|list| list.first()) != address.as_ref()
                }
                _ => false,
            })
            .cloned()
            .collect();
        for endpoint in leaving {
            self.probes.remove(&endpoint);
            self.addresses.endpoints.remove(&endpoint);
        }
        let Some(world) = self.options.world.clone() else { return Ok(()) };
        for (name, host) in &topology.world {
            let endpoint = Endpoint::World(name.clone());
            if !self.probes.is_there(&endpoint) {
                start(&world, host.address, &mut self.probes, endpoint.clone())?;
                self.addresses.endpoints.insert(endpoint, vec![host.address]);
            }
        }
        self.answer_for_names(&world, topology).await
    }

    /// Serves the DNS names of the hosts, and clears them from Cilium's DNS cache, which outlives the pods that asked.
    async fn answer_for_names(&mut self, world: &World, topology: &Topology) -> Result<(), ClusterError> {
        if world.dns.is_none() {
            return Ok(());
        }
        let zone = world_zone(topology);
        let fresh: BTreeSet<String> =
            zone.names.keys().filter(|name| !self.known_names.contains(*name)).cloned().collect();
        self.options.names.answer_for(zone, &self.options.run, world).await?;
        self.forget(&fresh).await;
        self.known_names.extend(fresh);
        Ok(())
    }

    /// Stops the hosts outside and gives up their names, before anything else of the scenario is removed. The next scenario may
    /// use the same addresses and ports.
    pub async fn leave_outside(&mut self) {
        let is_outside = |endpoint: &&Endpoint| matches!(endpoint, Endpoint::World(_));
        let hosts: Vec<Endpoint> = self.probes.endpoints().filter(is_outside).cloned().collect();
        for host in &hosts {
            self.probes.remove(host);
        }
        self.options.names.leave(&self.options.run).await;
    }

    /// Clears every name of this scenario from Cilium's DNS cache, because the next scenario may use the addresses for other
    /// names. Agents before 1.20 keep the names that a deleted pod looked up until their TTL is over, later ones for up to a
    /// minute.
    /// <https://github.com/cilium/cilium/blob/v1.18.3/pkg/fqdn/namemanager/gc.go> (`doGC`)
    pub async fn forget_names(&self) {
        self.forget(&self.known_names).await;
    }

    async fn forget(&self, names: &BTreeSet<String>) {
        let agents = self.facts.nodes.values().filter_map(|node| node.agent.as_ref());
        let each = agents.flat_map(|agent| names.iter().map(move |name| (agent, name)));
        let each = stream::iter(each).for_each_concurrent(AT_ONCE, async |(agent, name)| {
            // The pattern matches only with its final dot.
            let whole = format!("{name}.");
            let command = ["cilium-dbg", "fqdn", "cache", "clean", "--force", "--matchpattern", &whole];
            // An agent that does not answer may have nothing cached.
            if let Err(error) = exec::output(&self.connection, &agent.container, &command, ANSWER).await {
                self.options.progress.tell(format!("{name} may stay known: {error}"));
            }
        });
        each.await;
    }
}

/// Starts the probe of an endpoint outside, which lives at an address.
pub(super) fn start(
    world: &World,
    address: IpAddr,
    probes: &mut Probes,
    endpoint: Endpoint,
) -> Result<(), ClusterError> {
    let running = world.start(address).map_err(|error| ClusterError::Outside {
        command: world.command.clone(),
        reason: error.to_string(),
    })?;
    running.join(probes, endpoint);
    Ok(())
}
