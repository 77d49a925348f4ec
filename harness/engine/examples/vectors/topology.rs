//! The topology of a case.

use std::collections::BTreeSet;
use std::error::Error;

use verdikt_engine::label::CLUSTER;
use verdikt_engine::model::LearnedNames;
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, Node, Pod, Port, Served, ServedProtocol, Service, Topology, WorldHost,
};

use super::case::Case;

/// The endpoint that a case calls this.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, Box<dyn Error>> {
    Ok(match (text.strip_prefix("ext:"), text.contains('/')) {
        (Some(name), _) => Endpoint::World(name.parse()?),
        (None, true) => Endpoint::Pod(text.parse()?),
        (None, false) => match text {
            "health" => Endpoint::Cilium(CiliumEndpoint::Health),
            "ingress" => Endpoint::Cilium(CiliumEndpoint::Ingress),
            _ => Endpoint::Node(text.strip_prefix("node:").unwrap_or(text).parse()?),
        },
    })
}

/// The topology of a case, and what its DNS proxy has learned.
pub(super) fn topology(case: &Case) -> Result<(Topology, LearnedNames), Box<dyn Error>> {
    let mut topology = Topology::default();
    let mut learned = LearnedNames::default();
    for (name, labels) in &case.namespaces {
        topology.namespaces.insert(name.parse()?, labels.clone());
    }
    for pod in &case.pods {
        let serve = |(name, port): (&String, &Port), protocol| -> Result<Served, Box<dyn Error>> {
            Ok(Served { protocol, port: *port, name: Some(name.parse()?) })
        };
        let tcp = pod.ports.iter().map(|port| serve(port, ServedProtocol::Tcp));
        let udp = pod.udp_ports.iter().map(|port| serve(port, ServedProtocol::Udp));
        let serves = tcp.chain(udp).collect::<Result<_, _>>()?;
        let spec = Pod {
            labels: pod.labels.clone(),
            service_account: pod.service_account.clone(),
            serves,
            ..Pod::default()
        };
        topology.pods.insert(format!("{}/{}", pod.namespace, pod.name).parse()?, spec);
    }
    for external in &case.externals {
        let names = external.names.iter().map(|name| name.parse()).collect::<Result<BTreeSet<_>, _>>()?;
        learned.names.insert(external.name.parse()?, names.clone());
        let host = WorldHost {
            address: external.ip,
            names,
            serves: Vec::new(),
            aliases: [].into(),
            api_server: false,
        };
        topology.world.insert(external.name.parse()?, host);
    }
    for service in &case.services {
        let backends = service.backends.iter().map(|host| host.parse()).collect::<Result<_, _>>()?;
        let (labels, selects) = (service.labels.clone(), service.selector.clone());
        let spec = Service { labels, selects, backends, ..Service::default() };
        topology.services.insert(format!("{}/{}", service.namespace, service.name).parse()?, spec);
    }
    for (name, api_server) in [("host", false), ("remote-node", false), ("kube-apiserver", true)] {
        // A node of which the recorded engine knew no label belonged to no cluster either.
        let none = || [(CLUSTER.to_owned(), String::new())].into();
        let labels = case.nodes.get(name).cloned().unwrap_or_else(none);
        topology.nodes.insert(name.parse()?, Node { api_server, labels, ..Node::default() });
    }
    for (name, labels) in &case.nodes {
        if let Some(name) = name.strip_prefix("node:") {
            let node = Node { labels: labels.clone(), ..Node::default() };
            topology.nodes.insert(name.parse()?, node);
        }
    }
    topology.settings.cluster_network_policy = true;
    topology.settings.node_selector_labels = case.node_selector_labels;
    Ok((topology, learned))
}
