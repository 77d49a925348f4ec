//! Queries to the DNS servers of pods, one server after the other.

use verdikt_scenario::name::{DnsName, NamespacedName};
use verdikt_scenario::prediction::{Answer, EnforcementPoint};
use verdikt_scenario::topology::{Endpoint, Port, Protocol};

use super::{AttemptWalk, ProxyQuestion, service};
use crate::decide::Traffic;

impl AttemptWalk<'_> {
    /// Asks the DNS servers of the cluster's pods, and the next one if policies block one or it does not answer.
    /// Returns whether the DNS proxy saw the query that is answered. Only pods ask these servers; others have
    /// resolvers of their own.
    ///
    /// A C library goes on if a server does not answer or refuses:
    /// <https://man7.org/linux/man-pages/man5/resolv.conf.5.html>.
    pub(in crate::predict) fn query(&mut self, name: &DnsName, protocol: Protocol) -> bool {
        let Some(service) = self.model.topology.dns_service() else { return false };
        let mut denied = None;
        let topology = &self.model.topology;
        // Only pods know the servers besides the cluster's.
        let known = if topology.asks_cluster_dns(self.source) { usize::MAX } else { 1 };
        for servers in topology.all_dns_servers(protocol).into_iter().take(known) {
            let Some(servers) = service::with_ports(servers) else {
                let gap =
                    format!("who answers DNS over {protocol}: {service} has no such port, or no backend");
                self.abstain(format!("query {name}"), gap);
                return false;
            };
            let audited = self.trace.audited;
            let through_proxy = self.ask(name, protocol, &servers, &service);
            match self.trace.end {
                Some(Answer::Deny(point)) => {
                    denied =
                        [denied, Some(point)].into_iter().flatten().min_by_key(|point| on_the_way(*point));
                    self.trace.end = None;
                }
                None if self.are_silent(&servers) => {}
                _ => return through_proxy,
            }
            // What was let pass to a server that has not answered counts no more than what was denied.
            self.trace.audited = audited;
        }
        if let Some(point) = denied {
            self.trace.end = Some(Answer::Deny(point));
        } else {
            let gap = "who answers it: every DNS server is silent".to_owned();
            self.abstain(format!("query {name}"), gap);
        }
        false
    }

    /// Asks the endpoints behind one of the servers. Returns whether the DNS proxy saw the query.
    fn ask(
        &mut self,
        name: &DnsName,
        protocol: Protocol,
        servers: &[(Endpoint, Port)],
        service: &NamespacedName,
    ) -> bool {
        let mut through_proxy = false;
        self.each_backend(servers, |branch, (server, port)| {
            if server == branch.source {
                return branch.reach_itself(service);
            }
            let traffic = Traffic::Port(protocol, port.get());
            through_proxy |= branch.cross(server, &[], traffic, ProxyQuestion::Dns(name));
        });
        through_proxy
    }

    fn are_silent(&self, servers: &[(Endpoint, Port)]) -> bool {
        servers.iter().all(|(server, _)| self.model.is_silent(server))
    }
}

/// Of several denials the first on the way counts: a packet's before a query's, and the source's before the server's.
fn on_the_way(point: EnforcementPoint) -> u8 {
    match point {
        EnforcementPoint::Egress => 0,
        EnforcementPoint::Ingress => 2,
        EnforcementPoint::Dns | EnforcementPoint::Http | EnforcementPoint::Tls => 1,
    }
}
