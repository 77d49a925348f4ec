//! Checks whether a cluster can run a scenario.

mod described;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use verdikt_cluster::borrow::Borrowed;
use verdikt_cluster::inspect::{CiliumFacts, Facts, LoadBalancing};
use verdikt_cluster::world::World;
use verdikt_scenario::attempt::{Attempt, Target};
use verdikt_scenario::document::{Entry, YamlNode};
use verdikt_scenario::name::HostName;
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::{EnforcementMode, Row, Scenario, Step};
use verdikt_scenario::settings::Routing;
use verdikt_scenario::topology::{
    API_SERVER_SERVICE, DNS_POD, Dns, Endpoint, LOCAL_NODE, Protocol, RedirectFrontend, ServicePort,
    ServiceType, TargetPort, Topology, is_own_service,
};

use super::{Clusterwide, borrowing, clusterwide};

/// Namespaces that every cluster has, and that cannot be borrowed.
pub const OF_THE_CLUSTER: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// The entity of the API server.
/// <https://docs.cilium.io/en/stable/security/policy/language/#entities-based>
const API_SERVER: &str = "kube-apiserver";

/// The label of a namespace that says which profile of Pod Security holds there.
const ENFORCED_PROFILE: &str = "pod-security.kubernetes.io/enforce";

/// Why a cluster cannot run a scenario, as text; none if it can.
pub fn unfit(
    facts: &Facts,
    world: Option<&World>,
    borrowed: &Borrowed,
    allowed: Clusterwide,
    scenario: &Scenario,
) -> Option<String> {
    let step = || scenario.steps.iter().find_map(|step| unfit_step(facts, world, borrowed, step));
    step()
        .or_else(|| names_over_time(scenario))
        .or_else(|| clusterwide::unfit(allowed, scenario))
        .or_else(|| borrowing::unfit(borrowed, facts.cilium.audit(), scenario))
}

fn unfit_step(facts: &Facts, world: Option<&World>, borrowed: &Borrowed, step: &Step) -> Option<String> {
    let cilium = &facts.cilium;
    let topology = &step.topology;
    unfit_mode(cilium.enforcement(), step.enforcement.mode)
        .or_else(|| settings::otherwise(cilium, step))
        .or_else(|| unfit_world(world, topology))
        .or_else(|| described::otherwise(facts, borrowed, step))
        .or_else(|| unfit_targets(step))
        .or_else(|| settings::unlike(cilium, &topology.settings))
        .or_else(|| unfit_pods(topology))
        .or_else(|| forbidden_pods(borrowed, topology))
        .or_else(|| unfit_host_ports(cilium, topology))
        .or_else(|| unfit_redirects(cilium, topology))
        .or_else(|| unbalanced(facts.load_balancing, borrowed, topology))
        .or_else(|| unfit_api_server(facts, step))
        .or_else(|| unfit_endpoints(step))
        .or_else(|| own_namespace(step))
        .or_else(|| too_few_nodes(facts, topology))
        .or_else(|| no_proxy(facts, step))
}

fn unfit_mode(here: &str, wanted: EnforcementMode) -> Option<String> {
    let wanted = match wanted {
        EnforcementMode::Default => "default",
        EnforcementMode::Always => "always",
        EnforcementMode::Never => "never",
    };
    let reason = || format!("it needs Cilium's enable-policy to be {wanted}, and here it is {here}");
    (wanted != here).then(reason)
}

/// Targets that belong to the cluster, or whose route no client can choose.
fn unfit_targets(step: &Step) -> Option<String> {
    if let Some((host, target)) = step.table.iter().find_map(|row| hidden_client(&step.topology, row)) {
        return Some(format!(
            "its host {host} attempts {target}, whose externalTrafficPolicy is Cluster, and no client can choose a node \
             that puts its own address in the place of the client's"
        ));
    }
    if let Some((host, target)) = step.table.iter().find_map(|row| unrouted_client(&step.topology, row)) {
        return Some(format!(
            "its host {host} attempts {target} by its externalIPs, and verdikt cannot route them to a node; give the \
             service `type: NodePort` too"
        ));
    }
    let attempt = step.table.iter().map(|row| &row.attempt).find(|attempt| goes_to_api_server(attempt))?;
    Some(format!(
        "it attempts `{attempt}`, which reaches the API server of the cluster and no pod of the scenario"
    ))
}

/// Host ports of pods, if not Cilium implements them but another program, whose address translation changes what policies
/// see.
fn unfit_host_ports(cilium: &CiliumFacts, topology: &Topology) -> Option<String> {
    let led = topology.pods.iter().find(|(_, pod)| !pod.host_ports.is_empty());
    let (name, _) = led.filter(|_| !cilium.leads_host_ports())?;
    Some(format!(
        "its pod {name} has ports of the node, and here Cilium does not lead them (kube-proxy-replacement)"
    ))
}

/// Local redirect policies, if agents do not obey them, or if Cilium would pair their ports by names.
fn unfit_redirects(cilium: &CiliumFacts, topology: &Topology) -> Option<String> {
    let (name, _) = topology.redirects.iter().next()?;
    if cilium.redirects() {
        let mut services = BTreeSet::new();
        let of_service = topology.redirects.values().filter_map(|redirect| match &redirect.frontend {
            RedirectFrontend::Service(service) => Some((service, &redirect.ports)),
            RedirectFrontend::Address(_) => None,
        });
        let mut ports = of_service.flat_map(|(service, ports)| ports.iter().map(move |_| service));
        let service = ports.find(|service| !services.insert(*service))?;
        return Some(format!(
            "its local redirect policies are for several ports of the service {service}, which Cilium tells apart by the \
             names of ports, and verdikt does not name the ports of pods for that"
        ));
    }
    Some(format!(
        "it has the local redirect policy {name}, and here Cilium has none (enable-local-redirect-policy in its \
         ConfigMap, and the kind CiliumLocalRedirectPolicy)"
    ))
}

/// Services of type `LoadBalancer`, if nothing assigns addresses.
fn unbalanced(balancing: LoadBalancing, borrowed: &Borrowed, topology: &Topology) -> Option<String> {
    let made = topology.services.iter().filter(|(name, _)| !borrowed.services.contains_key(name));
    let mut balanced = made.filter(|(_, service)| service.service_type == ServiceType::LoadBalancer);
    let (name, _) = balanced.next().filter(|_| balancing == LoadBalancing::Absent)?;
    Some(format!(
        "its service {name} is of type LoadBalancer, and here nothing gives such services an address (Cilium's LB IPAM, \
         MetalLB, a cloud)"
    ))
}

/// Pods in other clusters, and pods with another DNS server.
fn unfit_pods(topology: &Topology) -> Option<String> {
    if topology.dns != Dns::default() {
        return Some(
            "its pods ask another DNS server than kube-system/kube-dns, which is configured for the whole cluster"
                .to_owned(),
        );
    }
    let dns = topology.dns_service().and_then(|name| topology.services.get(&name));
    let leads_elsewhere = |port: &ServicePort| port.target != TargetPort::Number(port.port);
    if dns.is_some_and(|dns| dns.ports.iter().any(leads_elsewhere)) {
        return Some(
            "the pods of its DNS server listen on another port than their service, and verdikt does not look on which \
             port those of the cluster do"
                .to_owned(),
        );
    }
    let (name, _) = topology.pods.iter().find(|(_, pod)| pod.cluster.is_some())?;
    Some(format!("its pod {name} is in another cluster, where verdikt cannot create pods"))
}

/// Pods to be created in the network of a node, if the Pod Security profile of their namespace forbids it. A borrowed namespace
/// has the labels that it has on the cluster.
/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline>
fn forbidden_pods(borrowed: &Borrowed, topology: &Topology) -> Option<String> {
    let made = topology.pods.iter().filter(|(name, _)| !borrowed.pods.contains_key(*name));
    let on_nodes = made.filter(|(_, pod)| pod.host_network.is_some());
    let mut forbidden = on_nodes.filter_map(|(name, _)| {
        let labels = borrowed.namespaces.get(&name.namespace);
        let labels = labels.or_else(|| topology.namespaces.get(&name.namespace))?;
        let profile = labels.get(ENFORCED_PROFILE)?;
        ["baseline", "restricted"].contains(&profile.as_str()).then_some((name, profile))
    });
    let (name, profile) = forbidden.next()?;
    Some(format!(
        "its pod {name} is in the network of a node, which its namespace forbids ({ENFORCED_PROFILE}: {profile})"
    ))
}

fn unfit_api_server(facts: &Facts, step: &Step) -> Option<String> {
    let routing = if facts.cilium.tunnels() { Routing::Tunnel } else { Routing::Native };
    let node = hidden_api_server(routing, step)?;
    Some(format!(
        "it has a policy for the entity {API_SERVER}, and its node {node} reaches pods through Cilium's tunnel, by \
         an address without the label of the API server"
    ))
}

/// Endpoints that have to do what no pod on a cluster can.
fn unfit_endpoints(step: &Step) -> Option<String> {
    let topology = &step.topology;
    if step.table.iter().any(|row| is_sctp(&row.attempt)) {
        return Some("it attempts SCTP, which needs capabilities that its pods do not have".to_owned());
    }
    if step.table.iter().any(|row| is_icmp_message(&row.attempt)) {
        let reason = "it sends ICMP messages other than echo requests, which needs capabilities that its pods do not have";
        return Some(reason.to_owned());
    }
    if let Some(policy) = step.policies.iter().find(|policy| names_secret(&policy.root)) {
        return Some(format!(
            "its {} ends or begins TLS with a secret, and verdikt creates no secrets on a cluster",
            policy.object()
        ));
    }
    if let Some(host) = topology.second_addresses.keys().next() {
        return Some(format!("its host {host} has two addresses, and hosts outside have one here"));
    }
    if let Some(endpoint) = topology.silent.first() {
        return Some(format!("its {endpoint} answers nothing, and on a cluster every pod and host answers"));
    }
    let own = "it attempts from Cilium's own endpoints, where verdikt cannot run a probe";
    (!topology.cilium.is_empty()).then(|| own.to_owned())
}

/// Whether a policy refers to a secret for TLS.
fn names_secret(node: &YamlNode) -> bool {
    let for_tls = ["terminatingTLS", "originatingTLS"];
    let is_named = |entry: &Entry| for_tls.contains(&&*entry.key) || names_secret(&entry.value);
    node.entries().iter().any(is_named) || node.elements().iter().any(names_secret)
}

/// What the step would create in a namespace of the cluster itself.
fn own_namespace(step: &Step) -> Option<String> {
    let topology = &step.topology;
    let pods = topology.pods.keys().filter(|pod| pod.to_string() != DNS_POD);
    let services = topology.services.keys().filter(|service| !is_own_service(service));
    if let Some(name) = pods.chain(services).find(|name| OF_THE_CLUSTER.contains(&name.namespace.as_str())) {
        return Some(format!("it puts {name} into a namespace that belongs to the cluster itself"));
    }
    let mut in_policies = step.policies.iter().filter_map(|manifest| manifest.object().namespace);
    let namespace = in_policies.find(|name| OF_THE_CLUSTER.contains(&name.as_str()))?;
    Some(format!("it has a policy in the namespace {namespace}, which belongs to the cluster itself"))
}

fn too_few_nodes(facts: &Facts, topology: &Topology) -> Option<String> {
    let remote = topology.nodes.keys().filter(|name| name.as_str() != LOCAL_NODE).count();
    let usable = facts.nodes.values().filter(|node| node.ready && node.agent.is_some()).count();
    let too_few = || format!("it needs {} nodes, and the cluster has {usable}", remote + 1);
    (remote >= usable.max(1)).then(too_few)
}

/// HTTP rules without an HTTP proxy. A step may say that there is none: agents then refuse such rules.
fn no_proxy(facts: &Facts, step: &Step) -> Option<String> {
    let needs_proxy = step.topology.settings.l7_proxy && !facts.cilium.http_proxy();
    let needs_proxy = needs_proxy && step.policies.iter().any(|manifest| has_http_rules(&manifest.root));
    let reason = "it has HTTP rules, and the cluster has no HTTP proxy (DaemonSet cilium-envoy)";
    needs_proxy.then(|| reason.to_owned())
}

/// DNS names that change while a scenario runs, which the DNS server for hosts outside cannot serve.
fn names_over_time(scenario: &Scenario) -> Option<String> {
    if let Some(name) = scenario.steps.iter().find_map(|step| step.expired.first()) {
        return Some(format!("the answers for {name} expire in it, which would take too long on a cluster"));
    }
    let names = |step: &Step| {
        let hosts = step.topology.world.values();
        hosts.map(|host| (host.names.clone(), host.aliases.clone())).collect::<Vec<_>>()
    };
    let changes = scenario.steps.windows(2).any(|steps| names(&steps[0]) != names(&steps[1]));
    changes.then(|| {
        "its names get other addresses at one of its steps, which the DNS server of a cluster cannot do"
            .to_owned()
    })
}

fn unfit_world(world: Option<&World>, topology: &Topology) -> Option<String> {
    match (world, topology.world.keys().next()) {
        (Some(world), _) => world.unfit(topology),
        (None, Some(host)) => Some(format!(
            "it has hosts outside the cluster, such as {host}, and their addresses are not known: see `--world`"
        )),
        (None, None) => None,
    }
}

/// A host outside that attempts a service over a node that would replace the host's address with its own.
fn hidden_client<'a>(topology: &Topology, row: &'a Row) -> Option<(&'a Endpoint, &'a Target)> {
    let target = row.attempt.target()?;
    let mut sources = row.cells.iter().map(|(source, _)| source);
    sources.find(|source| target.relay(source, topology).is_some()).map(|source| (source, target))
}

/// A host outside that attempts a service which it can reach by external IPs only.
fn unrouted_client<'a>(topology: &Topology, row: &'a Row) -> Option<(&'a Endpoint, &'a Target)> {
    let target = row.attempt.target()?;
    let service = topology.services.get(target.service()?)?;
    let unrouted = service.service_type == ServiceType::ClusterIp && service.is_open_outside();
    let mut sources = row.cells.iter().map(|(source, _)| source);
    let outside = sources.find(|source| unrouted && matches!(source, Endpoint::World(_)))?;
    Some((outside, target))
}

fn goes_to_api_server(attempt: &Attempt) -> bool {
    attempt
        .target()
        .and_then(Target::service)
        .is_some_and(|service| service.to_string() == API_SERVER_SERVICE)
}

/// A remote node with the API server as source, in a step with a policy about the API server: only the address at which
/// the API server is reached has its label.
fn hidden_api_server(routing: Routing, step: &Step) -> Option<&HostName> {
    if routing == Routing::Native || !speaks_of_api_server(step) {
        return None;
    }
    let mut sources = step.table.iter().flat_map(|row| &row.cells);
    sources.find_map(|(source, _)| match source {
        Endpoint::Node(name) if name.as_str() != LOCAL_NODE => {
            step.topology.nodes.get(name).filter(|node| node.api_server).map(|_| name)
        }
        _ => None,
    })
}

/// Whether a policy is about the API server: by its entity, or by its label as a key.
fn speaks_of_api_server(step: &Step) -> bool {
    let is_it = |text: &str| text.strip_prefix("reserved:").unwrap_or(text) == API_SERVER;
    let speaks = |node: &YamlNode| {
        node.text().is_some_and(is_it) || node.entries().iter().any(|entry| is_it(&entry.key))
    };
    step.policies.iter().any(|manifest: &Manifest| has(&manifest.root, &speaks))
}

fn is_sctp(attempt: &Attempt) -> bool {
    matches!(attempt.plain(), Attempt::Connect { protocol: Protocol::Sctp, .. })
}

fn is_icmp_message(attempt: &Attempt) -> bool {
    matches!(attempt.plain(), Attempt::IcmpMessage { .. })
}

/// Whether a document has a list called `http` or `serverNames` anywhere.
fn has_http_rules(root: &YamlNode) -> bool {
    has(root, &|node| has_key(node, "http") || has_key(node, "serverNames"))
}

fn has_key(node: &YamlNode, key: &str) -> bool {
    node.entries().iter().any(|entry| entry.key == key)
}

/// Whether a node of a document is like that, at any depth.
fn has(node: &YamlNode, is_such: &impl Fn(&YamlNode) -> bool) -> bool {
    is_such(node)
        || node.elements().iter().any(|node| has(node, is_such))
        || node.entries().iter().any(|entry| has(&entry.value, is_such))
}
