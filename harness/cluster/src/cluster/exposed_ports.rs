//! The addresses and ports at which hosts outside the cluster reach services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use verdikt_probes::addresses::ExposedPorts;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{Endpoint, ServiceType, Topology, is_own_service};

use super::{Cluster, ClusterError};
use crate::objects::{ApiObject, SERVICE};
use crate::services;
use crate::wait::{self, Wait, WaitError, WaitState};

impl Cluster {
    /// Finds out where hosts outside reach services, and waits until load balancers have assigned their addresses.
    pub(super) async fn find_exposed_ports(&mut self, topology: &Topology) -> Result<(), ClusterError> {
        let is_open = |name: &NamespacedName| {
            let service = topology.services.get(name).filter(|_| !is_own_service(name));
            service.is_some_and(|service| service.service_type != ServiceType::ClusterIp)
        };
        let open: BTreeMap<(String, String), &NamespacedName> = topology
            .services
            .keys()
            .filter(|name| is_open(name))
            .map(|name| ((name.namespace.to_string(), name.name.to_string()), name))
            .collect();
        if open.is_empty() {
            self.addresses.exposed_ports.clear();
            return Ok(());
        }
        let nodes: BTreeMap<&NamespacedName, Vec<IpAddr>> =
            open.values().map(|name| (*name, self.nodes_behind(topology, name))).collect();
        let namespaces: BTreeSet<&str> = open.values().map(|name| name.namespace.as_str()).collect();
        let watched = self.all(SERVICE, namespaces);
        let what = "wait until services can be reached from outside";
        let wait = Wait { what, deadline: self.options.pod_deadline, progress: &self.options.progress };
        let looked = |seen: &wait::Seen<Service>| {
            let mut exposed_ports: BTreeMap<NamespacedName, ExposedPorts> = BTreeMap::new();
            for (key, name) in &open {
                let nodes = nodes.get(name).map(Vec::as_slice).unwrap_or_default();
                match seen.get(key).and_then(|service| services::exposed_ports(service, nodes)) {
                    Some(found) => drop(exposed_ports.insert((*name).clone(), found)),
                    None => return WaitState::NotYet(ApiObject::named(SERVICE, name).to_string()),
                }
            }
            WaitState::Done(exposed_ports)
        };
        let exposed_ports = wait::until(&self.connection, wait, watched, looked).await.map_err(|late| match late {
            WaitError::Api(error) => error.into(),
            WaitError::Deadline { last, .. } | WaitError::Failed(last) => ClusterError::Object {
                object: last,
                reason: "it got no address from outside: has the cluster a load balancer that gives addresses \
                         (Cilium's LB IPAM, MetalLB, a cloud's)? A service of type NodePort needs none"
                    .to_owned(),
            },
        })?;
        self.addresses.exposed_ports = exposed_ports;
        Ok(())
    }

    /// The addresses of the nodes that run the pods behind a service. Other nodes do not accept its traffic, or would
    /// replace the client's address with their own.
    /// <https://kubernetes.io/docs/tutorials/services/source-ip/#source-ip-for-services-with-type-nodeport>
    fn nodes_behind(&self, topology: &Topology, service: &NamespacedName) -> Vec<IpAddr> {
        let backends = topology.backends(service);
        let nodes: BTreeSet<&str> = backends
            .iter()
            .filter_map(|endpoint| match endpoint {
                Endpoint::Pod(pod) => self.node_of(pod),
                _ => None,
            })
            .collect();
        let found = nodes.into_iter().filter_map(|node| self.facts.nodes.get(node));
        found.flat_map(|node| node.addresses.iter().copied()).collect()
    }
}
