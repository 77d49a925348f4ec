//! The local redirect policies of a topology: objects beside its services, and what agents make of them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use verdikt_scenario::topology::{Endpoint, Topology};

use super::{Cluster, ClusterError};
use crate::exec::{self, ExecError};
use crate::objects::{ApiObject, LOCAL_REDIRECT_POLICY};
use crate::redirects::{self, RedirectedSockets};

/// How long an agent may take for one answer.
const ANSWER: Duration = Duration::from_secs(15);
/// The timeout for an agent to have what it is asked for.
const DEADLINE: Duration = Duration::from_secs(20);
/// The pause between two questions. The agent itself looks every 100 ms at most.
const PAUSE: Duration = Duration::from_millis(200);

impl Cluster {
    /// The objects of the local redirect policies of a topology, as they are sent.
    pub(super) fn redirect_objects(&self, topology: &Topology) -> impl Iterator<Item = (ApiObject, Value)> {
        topology.redirects.iter().flat_map(|(name, redirect)| {
            let manifests = redirects::manifests(name, redirect, topology, &self.options.run).into_iter();
            let namespace = Some(name.namespace.as_str());
            manifests.map(move |(own, body)| (ApiObject::new(LOCAL_REDIRECT_POLICY, namespace, &own), body))
        })
    }

    /// Waits until the agent of the pods redirects what the topology says, and nothing else that the topology has. Asks
    /// nobody for a scenario that never had a local redirect policy.
    pub(super) async fn await_redirects(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        if topology.redirects.is_empty() && !self.has_redirects {
            return Ok(());
        }
        self.has_redirects = true;
        self.await_sockets(&redirects::sockets(topology, &self.addresses)).await
    }

    /// Waits until the agent of the pods redirects nothing any more that the scenario had: the next one may have a host at that
    /// address.
    pub(super) async fn await_no_redirects(&self) -> Result<(), ClusterError> {
        if self.has_redirects { self.await_sockets(&RedirectedSockets::new()).await } else { Ok(()) }
    }

    async fn await_sockets(&self, wanted: &RedirectedSockets) -> Result<(), ClusterError> {
        let mut nodes = self.nodes_in_use();
        let Some(agent) = self.pods_on().and_then(|node| nodes.remove(node)?) else { return Ok(()) };
        let hosts = self.addresses.endpoints.iter().filter(|(it, _)| matches!(it, Endpoint::World(_)));
        let own = hosts.map(|(_, list)| list).chain(self.addresses.services.values());
        let own: BTreeSet<IpAddr> = own.flatten().copied().collect();
        let began = Instant::now();
        loop {
            let command = ["cilium-dbg", "service", "list", "-o", "json"];
            let last = match exec::output(&self.connection, &agent, &command, ANSWER).await {
                Ok(said) => match redirects::missing(&said, wanted, &own) {
                    None => return Ok(()),
                    Some(last) => last,
                },
                Err(ExecError::Api(error)) if !error.may_pass() => return Err(error.into()),
                // The agent may be restarting.
                Err(error) => error.to_string(),
            };
            if began.elapsed() > DEADLINE {
                return Err(ClusterError::Redirects { last });
            }
            self.options.progress.tell(format!("wait until local redirect policies hold: {last}"));
            tokio::time::sleep(PAUSE).await;
        }
    }
}
