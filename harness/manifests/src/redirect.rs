//! Local redirect policies: pods that answer clients on their own node instead of a service or an address outside.
//! For policies the pod is then the destination. The policy of a DNS cache becomes the `cache` of the topology.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>

use std::collections::BTreeMap;
use std::net::IpAddr;

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{
    DNS_PORT, DNS_SERVICE, Endpoint, Labels, LocalRedirect, Port, Protocol, RedirectFrontend, Service,
    ServicePort, TargetPort, Topology, has_labels,
};

use crate::field::{self, Unusable};
use crate::ports;

/// A `CiliumLocalRedirectPolicy` as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundRedirect {
    /// The frontend; none if it cannot be determined.
    frontend: Option<RedirectFrontend>,
    /// Its ports; none if it is about all ports of a service.
    of_clients: Option<Vec<RedirectPort>>,
    /// The ports of the pods that answer.
    of_pods: Vec<RedirectPort>,
    /// The labels of the pods that answer.
    selects: Labels,
    /// Whether the pods that answer are not redirected.
    spares_backends: bool,
}

/// A port, with the name by which a policy pairs it with another port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RedirectPort {
    port: Port,
    protocol: Protocol,
    name: String,
}

/// Reads a `CiliumLocalRedirectPolicy`.
pub(crate) fn local_redirect(root: &YamlNode) -> Result<FoundRedirect, Unusable> {
    let matcher = |kind: &str| root.at(&["spec", "redirectFrontend", kind]);
    let (by_service, by_address) = (matcher("serviceMatcher"), matcher("addressMatcher"));
    let service = by_service.and_then(|matcher| {
        let text = |key: &str| matcher.get(key).and_then(YamlNode::text);
        format!("{}/{}", text("namespace")?, text("serviceName")?).parse().ok()
    });
    let address = by_address.and_then(|it| it.get("ip")).and_then(YamlNode::text);
    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
    let frontend = service.map(RedirectFrontend::Service).or_else(|| address.map(RedirectFrontend::Address));
    let of_clients = by_service.or(by_address).and_then(|matcher| matcher.get("toPorts"));
    let backend = |key: &str| root.at(&["spec", "redirectBackend", key]);
    let selector = backend("localEndpointSelector").and_then(|selector| selector.get("matchLabels"));
    let spares = root.at(&["spec", "skipRedirectFromBackend"]).map(|it| &it.value);
    Ok(FoundRedirect {
        frontend,
        of_clients: of_clients.map(named_ports).transpose()?,
        of_pods: backend("toPorts").map(named_ports).transpose()?.unwrap_or_default(),
        selects: field::labels(selector)?,
        spares_backends: spares == Some(&Value::Boolean(true)),
    })
}

fn named_ports(list: &YamlNode) -> Result<Vec<RedirectPort>, Unusable> {
    let one = |node: &YamlNode| {
        let name = field::optional_text(node, &["name"])?.unwrap_or_default().to_owned();
        let port = node.get("port");
        let text = port.and_then(YamlNode::text).and_then(|text| text.parse().ok());
        let port = match (text, port) {
            (Some(port), _) => port,
            (None, Some(port)) => ports::number(port, "`port`")?,
            (None, None) => return Err(Unusable::Wrong(node.position, "the port has no `port`".to_owned())),
        };
        Ok(RedirectPort { port, protocol: ports::protocol(node)?, name })
    };
    list.elements().iter().map(one).collect()
}

impl FoundRedirect {
    /// Whether it redirects the queries of pods.
    fn takes_queries(&self, topology: &Topology) -> bool {
        let is_dns = |port: &RedirectPort| port.port.get() == DNS_PORT;
        let has_port = self.of_clients.as_ref().is_none_or(|ports| ports.iter().any(is_dns));
        let of_dns = match &self.frontend {
            Some(RedirectFrontend::Service(service)) => {
                let offers = |service: &Service| service.ports.iter().any(|port| port.port.get() == DNS_PORT);
                service.to_string() == DNS_SERVICE || topology.services.get(service).is_some_and(offers)
            }
            Some(RedirectFrontend::Address(_)) => true,
            None => false,
        };
        has_port && of_dns
    }

    /// The ports of the frontend, each with the port of the pods: the only one, or the one with the same name.
    fn pairs(&self, offered: &[RedirectPort]) -> Vec<ServicePort> {
        let of_clients = self.of_clients.as_deref().unwrap_or(offered);
        let own = |port: &RedirectPort| match (of_clients, self.of_pods.as_slice()) {
            ([_], [only]) => Some(only),
            (_, of_pods) => of_pods.iter().find(|own| !own.name.is_empty() && own.name == port.name),
        };
        let paired = of_clients.iter().filter_map(|port| {
            let target = own(port).filter(|own| own.protocol == port.protocol)?.port;
            let target = TargetPort::Number(target);
            Some(ServicePort { port: port.port, protocol: port.protocol, target })
        });
        paired.collect()
    }
}

/// Adds the policies to the topology. `port_names` are the port names of services, in their order. Returns why each
/// remaining policy was not added.
pub(crate) fn join(
    redirects: &[(NamespacedName, FoundRedirect)],
    port_names: &BTreeMap<NamespacedName, Vec<String>>,
    topology: &mut Topology,
) -> Vec<&'static str> {
    let mut skipped = Vec::new();
    for (name, redirect) in redirects {
        let pod = topology
            .pods_of(&name.namespace)
            .find(|(_, pod)| !redirect.selects.is_empty() && has_labels(&pod.labels, &redirect.selects))
            .map(|(name, pod)| (name.clone(), pod.host_network.clone()));
        let (Some((pod, node)), Some(frontend)) = (pod, &redirect.frontend) else {
            skipped.push("CiliumLocalRedirectPolicy (that selects no workload)");
            continue;
        };
        let service = match frontend {
            RedirectFrontend::Service(service) => Some(service),
            RedirectFrontend::Address(_) => None,
        };
        if redirect.takes_queries(topology) {
            topology.dns.cache = Some(node.map_or(Endpoint::Pod(pod), Endpoint::Node));
            topology.dns.service = service.filter(|service| service.to_string() != DNS_SERVICE).cloned();
            continue;
        }
        let ports = redirect.pairs(&offered(service, port_names, topology));
        if ports.is_empty() {
            skipped.push("CiliumLocalRedirectPolicy (without ports that belong together)");
            continue;
        }
        if is_led_already(frontend, &ports, topology) {
            skipped.push(
                "CiliumLocalRedirectPolicy (for a port of another one: which of them applies is undefined)",
            );
            continue;
        }
        let led = LocalRedirect {
            frontend: frontend.clone(),
            selects: redirect.selects.clone(),
            ports,
            spares_backends: redirect.spares_backends,
        };
        topology.redirects.insert(name.clone(), led);
    }
    skipped
}

/// Whether another policy is about one of these ports already.
fn is_led_already(frontend: &RedirectFrontend, ports: &[ServicePort], topology: &Topology) -> bool {
    let all = topology.redirects.values().filter(|other| other.frontend == *frontend);
    let mut led = all.flat_map(|other| &other.ports);
    led.any(|other| ports.iter().any(|port| (port.port, port.protocol) == (other.port, other.protocol)))
}

/// The ports of a service, with their names.
fn offered(
    service: Option<&NamespacedName>,
    port_names: &BTreeMap<NamespacedName, Vec<String>>,
    topology: &Topology,
) -> Vec<RedirectPort> {
    let known = service.and_then(|name| Some((topology.services.get(name)?, port_names.get(name)?)));
    let Some((service, names)) = known else { return Vec::new() };
    let named = service.ports.iter().zip(names);
    named
        .map(|(it, name)| RedirectPort { port: it.port, protocol: it.protocol, name: name.clone() })
        .collect()
}
