//! Local redirect policies: pods that answer clients of their own node in the place of a service. For policies the pod is the
//! destination then. Of services in general a topology has no such word; it has for the DNS server of pods.
//!
//! <https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/>

use verdikt_scenario::document::{Value, YamlNode};
use verdikt_scenario::name::{NamespaceName, NamespacedName};
use verdikt_scenario::topology::{DNS_PORT, DNS_SERVICE, Endpoint, Labels, Topology, has_labels};

use crate::field::{self, Unusable};

/// What a `CiliumLocalRedirectPolicy` leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalRedirect {
    /// The service whose clients it is about; none where it is about those of an address.
    service: Option<NamespacedName>,
    /// Whether it is about the port of DNS.
    takes_dns_port: bool,
    /// The labels of the pods that answer.
    selects: Labels,
}

/// Reads a `CiliumLocalRedirectPolicy`.
pub(crate) fn local_redirect(root: &YamlNode) -> Result<LocalRedirect, Unusable> {
    let frontend = ["spec", "redirectFrontend"];
    let matcher = |kind: &str| root.at(&[frontend[0], frontend[1], kind]);
    let by_service = matcher("serviceMatcher");
    let service = by_service.and_then(|matcher| {
        let text = |key: &str| matcher.get(key).and_then(YamlNode::text);
        format!("{}/{}", text("namespace")?, text("serviceName")?).parse().ok()
    });
    let ports = by_service.or_else(|| matcher("addressMatcher")).and_then(|matcher| matcher.get("toPorts"));
    let is_dns = |port: &YamlNode| match port.get("port").map(|port| &port.value) {
        Some(Value::Text(text)) => text.parse() == Ok(DNS_PORT),
        Some(Value::Integer(number)) => *number == i64::from(DNS_PORT),
        _ => false,
    };
    // A service is redirected at every port, where none is named.
    let takes_dns_port = ports.is_none_or(|ports| ports.elements().iter().any(is_dns));
    let selector = ["spec", "redirectBackend", "localEndpointSelector", "matchLabels"];
    Ok(LocalRedirect { service, takes_dns_port, selects: field::labels(root.at(&selector))? })
}

/// Lets the pod that one of the policies chooses answer the queries of pods. Answers what each of the others is about.
pub(crate) fn join(
    redirects: &[(NamespaceName, LocalRedirect)],
    topology: &mut Topology,
) -> Vec<&'static str> {
    let mut skipped = Vec::new();
    for (namespace, redirect) in redirects {
        let service = redirect.service.as_ref();
        let is_usual = service.is_none_or(|service| service.to_string() == DNS_SERVICE);
        let is_known = service.is_some_and(|service| topology.services.contains_key(service));
        if !redirect.takes_dns_port || !(is_usual || is_known) {
            skipped.push("CiliumLocalRedirectPolicy (of another service than that of DNS)");
            continue;
        }
        let pod = topology
            .pods_of(namespace)
            .find(|(_, pod)| !redirect.selects.is_empty() && has_labels(&pod.labels, &redirect.selects))
            .map(|(name, pod)| (name.clone(), pod.host_network.clone()));
        let Some((name, node)) = pod else {
            skipped.push("CiliumLocalRedirectPolicy (that selects no workload)");
            continue;
        };
        topology.dns.cache = Some(node.map_or(Endpoint::Pod(name), Endpoint::Node));
        topology.dns.service = service.filter(|_| !is_usual).cloned();
    }
    skipped
}
