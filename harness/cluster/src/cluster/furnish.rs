//! What the agents of a topology serve, and how they resolve names.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use verdikt_probe::wire::{Order, Report, Serve};
use verdikt_scenario::topology::{Endpoint, Topology};

use super::{Cluster, ClusterError, unfit};
use crate::addresses::{resolver, servers};
use crate::agent::Heard;

/// How long an agent may take to start or to listen, once its pod is ready.
const AGENT_DEADLINE: Duration = Duration::from_secs(20);

impl Cluster {
    /// Brings what the endpoints serve, and how they resolve names, up to date; waits until all of it is so.
    pub(super) async fn furnish(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let mut listening = BTreeSet::new();
        for (endpoint, site) in &mut self.sites {
            let wanted = servers(topology, endpoint);
            let stale: Vec<u64> =
                site.servers.iter().filter(|(_, serve)| !wanted.contains(serve)).map(|(id, _)| *id).collect();
            for server in stale {
                site.servers.remove(&server);
                site.agent.tell(Order::StopServing { server });
            }
            for serve in wanted {
                if site.servers.values().any(|served| *served == serve) {
                    continue;
                }
                self.last_server += 1;
                site.servers.insert(self.last_server, serve.clone());
                listening.insert((endpoint.clone(), self.last_server));
                site.agent.tell(Order::Serve(Serve { server: self.last_server, ..serve }));
            }
            let resolver = resolver(endpoint, topology, &self.addresses, &self.facts.dns_service);
            if resolver != site.resolver {
                site.resolver = resolver.clone();
                site.agent.tell(Order::Resolve(resolver));
            }
        }
        self.wait_listening(listening).await
    }

    /// Waits until the servers listen; an agent that has none is ready once it has said so, before its first order.
    async fn wait_listening(&mut self, mut listening: BTreeSet<(Endpoint, u64)>) -> Result<(), ClusterError> {
        let mut starting: BTreeSet<Endpoint> =
            self.sites.iter().filter(|(_, site)| !site.ready).map(|(endpoint, _)| endpoint.clone()).collect();
        let deadline = Instant::now() + AGENT_DEADLINE;
        while !starting.is_empty() || !listening.is_empty() {
            let Ok(heard) = tokio::time::timeout_at(deadline.into(), self.heard.recv()).await else {
                let late: BTreeSet<Endpoint> =
                    starting.into_iter().chain(listening.into_iter().map(|(endpoint, _)| endpoint)).collect();
                return Err(ClusterError::Late {
                    endpoints: late.into_iter().collect(),
                    after: AGENT_DEADLINE,
                });
            };
            let Some((speaker, heard)) = heard else { continue };
            let Some(site) = self.sites.get_mut(&speaker.0).filter(|site| site.speaker == speaker.1) else {
                continue;
            };
            let endpoint = speaker.0.clone();
            match heard {
                Heard::Report(report @ Report::Ready { .. }) => {
                    if let Some(error) = unfit(&endpoint, &report) {
                        return Err(error);
                    }
                    site.ready = true;
                    starting.remove(&endpoint);
                }
                Heard::Report(Report::Serving { server, .. }) => {
                    listening.remove(&(endpoint, server));
                }
                Heard::Report(Report::NotServing { server, reason }) => {
                    let port = site.servers.get(&server).map_or(0, |serve| serve.port);
                    return Err(ClusterError::NotServing { endpoint, port, reason });
                }
                Heard::Gone(reason) => {
                    site.gone = true;
                    return Err(ClusterError::Gone { endpoint, reason });
                }
                other @ Heard::Report(_) => {
                    let signal = self.signal(speaker, other);
                    self.waiting.extend(signal);
                }
            }
        }
        Ok(())
    }
}
