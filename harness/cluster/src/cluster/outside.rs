//! The hosts outside the cluster, and their names.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use verdikt_probes::names::world_zone;
use verdikt_probes::probes::Probes;
use verdikt_scenario::topology::{DNS_PORT, Endpoint, Topology};
use verdikt_wire::{Resolver, Serve, Speaks};

use super::configure::PROBE_DEADLINE;
use super::{Cluster, ClusterError};
use crate::exec;
use crate::world::World;

/// How messages call the server of the names.
const SERVER: &str = "world-dns";
/// How many agents are asked at once.
const AT_ONCE: usize = 4;
/// How long an agent of Cilium may take to forget a name.
const ANSWER: Duration = Duration::from_secs(15);

impl Cluster {
    /// Starts the probes of the hosts outside, and lets go of those that are no more.
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

    /// Answers for the names of the hosts, and makes Cilium forget what it has learned of them before: that outlives
    /// the pods that asked.
    async fn answer_for_names(&mut self, world: &World, topology: &Topology) -> Result<(), ClusterError> {
        let Some(address) = world.dns else { return Ok(()) };
        let Ok(server) = SERVER.parse().map(Endpoint::World) else { return Ok(()) };
        if !self.names.is_there(&server) {
            start(world, address, &mut self.names, server)?;
        }
        let zone = world_zone(topology);
        let fresh: BTreeSet<String> =
            zone.names.keys().filter(|name| !self.known_names.contains(*name)).cloned().collect();
        let serve = Serve { server: 0, speaks: Speaks::Dns, port: DNS_PORT, zone };
        self.names.configure(|_| (vec![serve.clone()], Resolver::default()), PROBE_DEADLINE).await?;
        self.forget(&fresh).await;
        self.known_names.extend(fresh);
        Ok(())
    }

    /// Ends the hosts outside and the server of their names, before anything else of a scenario goes: the next one may have
    /// the same addresses, and what still listens there would be in its way.
    pub fn leave_outside(&mut self) {
        let is_outside = |endpoint: &&Endpoint| matches!(endpoint, Endpoint::World(_));
        let hosts: Vec<Endpoint> = self.probes.endpoints().filter(is_outside).cloned().collect();
        for host in &hosts {
            self.probes.remove(host);
        }
        self.names = Probes::default();
    }

    /// Makes Cilium forget every name that it was told: before 1.20 its agents keep the names of pods that are gone until
    /// their time is over, since then for up to a minute, and the next scenario may have other names at the same addresses.
    /// <https://github.com/cilium/cilium/blob/v1.18.3/pkg/fqdn/namemanager/gc.go> (`doGC`)
    pub async fn forget_names(&self) {
        self.forget(&self.known_names).await;
    }

    async fn forget(&self, names: &BTreeSet<String>) {
        let agents = self.facts.nodes.values().filter_map(|node| node.agent.as_ref());
        let each = agents.flat_map(|agent| names.iter().map(move |name| (agent, name)));
        let each = stream::iter(each).for_each_concurrent(AT_ONCE, async |(agent, name)| {
            // Without its final dot it would match nothing.
            let whole = format!("{name}.");
            let command = ["cilium-dbg", "fqdn", "cache", "clean", "--force", "--matchpattern", &whole];
            // An agent that cannot be asked may know nothing.
            if let Err(error) = exec::output(&self.connection, &agent.container, &command, ANSWER).await {
                self.options.progress.tell(format!("{name} may stay known: {error}"));
            }
        });
        each.await;
    }
}

fn start(
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
