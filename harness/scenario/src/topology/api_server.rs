//! The service in front of the API server, which every cluster has.

use std::collections::BTreeSet;

use super::{DNS_SERVICE, Endpoint, Port, Protocol, Service, ServicePort, TargetPort, Topology};
use crate::name::{HostName, NamespacedName};

/// The service in front of the API server.
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api>
pub const API_SERVER_SERVICE: &str = "default/kubernetes";
/// The port of that service.
pub const API_SERVER_PORT: u16 = 443;
/// The default port of API servers.
const SECURE_PORT: u16 = 6443;

impl Topology {
    /// The nodes and hosts outside that run the API server: those that are declared to, and the backends of its
    /// service.
    pub fn api_servers(&self) -> BTreeSet<Endpoint> {
        let nodes = self.nodes.iter().filter(|(_, node)| node.api_server);
        let hosts = self.world.iter().filter(|(_, host)| host.api_server);
        let declared = nodes
            .map(|(name, _)| Endpoint::Node(name.clone()))
            .chain(hosts.map(|(name, _)| Endpoint::World(name.clone())));
        let service = self.services.iter().find(|(name, _)| is_api_server(name));
        let behind = service.map(|(name, _)| self.backends(name)).unwrap_or_default();
        declared.chain(behind.into_iter().filter(|endpoint| !matches!(endpoint, Endpoint::Pod(_)))).collect()
    }

    /// Adds the service in front of the API servers that serve something, unless the topology has one. Its backends
    /// listen on port 6443, or on the first port that they serve.
    pub fn add_api_server_service(&mut self) {
        let Ok(name) = API_SERVER_SERVICE.parse::<NamespacedName>() else { return };
        if self.services.contains_key(&name) {
            return;
        }
        let serving: Vec<(HostName, Vec<Port>)> = self
            .api_servers()
            .into_iter()
            .filter_map(|endpoint| {
                let served = self.serves(&endpoint).iter();
                let tcp = served.filter(|served| served.protocol.answers(Protocol::Tcp));
                let ports: Vec<Port> = tcp.map(|served| served.port).collect();
                match endpoint {
                    Endpoint::Node(host) | Endpoint::World(host) if !ports.is_empty() => Some((host, ports)),
                    _ => None,
                }
            })
            .collect();
        let secure =
            Port::new(SECURE_PORT).filter(|port| serving.iter().any(|(_, ports)| ports.contains(port)));
        let target = secure.or_else(|| Some(*serving.first()?.1.first()?));
        let (Some(target), Some(port)) = (target, Port::new(API_SERVER_PORT)) else { return };
        let serving = serving.into_iter().filter(|(_, ports)| ports.contains(&target));
        let ports = vec![ServicePort { port, protocol: Protocol::Tcp, target: TargetPort::Number(target) }];
        let labels = [("component", "apiserver"), ("provider", "kubernetes")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let backends = serving.map(|(host, _)| host).collect();
        self.services.insert(name, Service { labels, backends, ports, ..Service::default() });
    }
}

/// Whether a service exists in every cluster: that of its DNS server, or of its API server.
pub fn is_own_service(name: &NamespacedName) -> bool {
    is_api_server(name) || name.to_string() == DNS_SERVICE
}

/// Whether a service is the one in front of the API server.
fn is_api_server(name: &NamespacedName) -> bool {
    (name.namespace.as_str(), name.name.as_str()) == ("default", "kubernetes")
}
