//! Local redirect policies.

use std::net::IpAddr;
use std::sync::Arc;

use super::{TopologyDraft, TopologyPart, WinningKey, known_namespace, winners};
use crate::file::{Located, RedirectFile};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::served::{labels, service_port, target_port};
use crate::lower::suggest::{did_you_mean, listed};
use crate::lower::topology::dns::service_called;
use crate::lower::topology::services::target_served;
use crate::name::{HostName, NamespacedName};
use crate::topology::{LocalRedirect, RedirectFrontend, ServicePort, ServiceType, Topology};

/// Reads the local redirect policies of every file; the later file wins.
pub(super) fn lower(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    for (key, WinningKey { file, position, value }) in winners(parts, |part| &part.redirects) {
        let name = key.parse::<NamespacedName>().map_err(Mistake::from);
        let name = name.and_then(|name| known_namespace(&name.namespace, draft).map(|()| name));
        let name = mistakes.keep(file, position, name);
        let from = &value.from;
        let frontend = if draft.broken.contains(&from.value) {
            None
        } else {
            mistakes.keep(file, from.position, frontend(&from.value, &draft.topology))
        };
        let selects = labels(&value.selects, file, mistakes);
        let ports = ports(value, file, mistakes);
        let (Some(name), Some(frontend)) = (name, frontend) else { continue };
        for led in &ports {
            mistakes.keep(file, led.position, offered(&frontend, &led.value, &draft.topology));
        }
        let ports = ports.into_iter().map(|led| led.value).collect();
        let redirect =
            LocalRedirect { frontend, selects, ports, spares_backends: value.skip_redirect_from_backend };
        let mistake = answer_mistake(&name, &redirect, draft);
        let mistake = mistake.or_else(|| rival_mistake(&name, &redirect, from, &draft.topology));
        if let Some(mistake) = mistake {
            mistakes.add(file, position, mistake);
        }
        draft.topology.redirects.insert(name, redirect);
    }
}

/// A service that is only reachable in the cluster, or the address of a host outside.
fn frontend(text: &str, topology: &Topology) -> Result<RedirectFrontend, Mistake> {
    if text.parse::<IpAddr>().is_ok() {
        let mistake = Mistake::new(format!("`{text}` is an address, but a frontend needs a name"));
        let help =
            format!("make it a host outside, and name that: `world: {{metadata: {{address: {text}}}}}`");
        return Err(mistake.help(help));
    }
    if !text.contains('/') {
        let name = text.parse::<HostName>()?;
        let known: Vec<&str> = topology.world.keys().map(HostName::as_str).collect();
        let help = || did_you_mean(text, "the hosts outside are", &known);
        let host = topology.world.get(&name);
        let host =
            host.ok_or_else(|| Mistake::new(format!("no host outside is called `{name}`")).help(help()))?;
        return Ok(RedirectFrontend::Address(host.address));
    }
    let (name, service) = service_called(text, topology)?;
    if service.service_type == ServiceType::ClusterIp && !service.headless && service.external_name.is_none()
    {
        return Ok(RedirectFrontend::Service(name));
    }
    let mistake = Mistake::new(format!(
        "service `{name}` cannot be redirected: it is not of type ClusterIP, or has no address"
    ));
    Err(mistake.help("name a service of type `ClusterIP`, or a host outside".to_owned()))
}

/// A mistake if the frontend is a service without the port: nothing would be redirected.
fn offered(frontend: &RedirectFrontend, led: &ServicePort, topology: &Topology) -> Result<(), Mistake> {
    let RedirectFrontend::Service(name) = frontend else { return Ok(()) };
    let Some(service) = topology.services.get(name) else { return Ok(()) };
    if service.ports.iter().any(|own| (own.port, own.protocol) == (led.port, led.protocol)) {
        return Ok(());
    }
    let offers = service.ports.iter().map(|own| format!("{}/{}", own.port, own.protocol));
    let offers: Vec<String> = offers.collect();
    let help = format!("it offers {}", listed(offers.iter().map(String::as_str)));
    Err(Mistake::new(format!("service `{name}` does not offer {} {}", led.protocol, led.port)).help(help))
}

fn ports(value: &RedirectFile, file: &Arc<str>, mistakes: &mut Mistakes) -> Vec<Located<ServicePort>> {
    if value.ports.0.is_empty() {
        let mistake = Mistake::new("this local redirect policy is for no port");
        mistakes.add(file, value.from.position, mistake.help("give it `ports: {80: 8080}`".to_owned()));
    }
    let read = value.ports.0.iter().filter_map(|(key, target)| {
        let offered = mistakes.keep(file, key.position, service_port(&key.value));
        let target = mistakes.keep(file, target.position, target_port(&target.value));
        let ((port, protocol), target) = offered.zip(target)?;
        Some(Located { value: ServicePort { port, protocol, target }, position: key.position })
    });
    read.collect()
}

/// Mistakes about the pods that are to answer.
fn answer_mistake(name: &NamespacedName, redirect: &LocalRedirect, draft: &TopologyDraft) -> Option<Mistake> {
    let topology = &draft.topology;
    let siblings = format!("{}/", name.namespace);
    if draft.broken.iter().any(|other| other.starts_with(&siblings)) {
        return None;
    }
    if redirect.selects.is_empty() {
        let mistake = Mistake::new(format!("local redirect policy `{name}` selects no pods"));
        return Some(
            mistake.help("name the labels of the pods that answer: `selects: {app: agent}`".to_owned()),
        );
    }
    for led in &redirect.ports {
        let backends = topology.redirect_backends(name, redirect, led);
        if backends.is_empty() {
            let message = format!(
                "local redirect policy `{name}` matches no pod of `{}` on the node `host`",
                name.namespace
            );
            let help = "only pods of its own namespace answer, on the node of their clients";
            return Some(Mistake::new(message).help(help.to_owned()));
        }
        let serves = |pod| target_served(topology, pod, led.protocol, &led.target).is_some();
        if let Some((pod, port)) = backends.iter().find(|(pod, _)| !serves(pod)) {
            let message = format!(
                "`{pod}` answers for a local redirect policy, but serves no {} port {port}",
                led.protocol
            );
            return Some(Mistake::new(message).help(format!("let it serve `{} {port}`", led.protocol)));
        }
    }
    None
}

/// The mistake that two policies redirect the same clients. Of two for a service the agent keeps the one that it read
/// last, of two for an address the first; up to 1.17 it refuses the second.
/// <https://github.com/cilium/cilium/blob/v1.19.0/pkg/loadbalancer/redirectpolicy/controller.go>
fn rival_mistake(
    name: &NamespacedName,
    redirect: &LocalRedirect,
    from: &Located<String>,
    topology: &Topology,
) -> Option<Mistake> {
    let is_for = |other: &LocalRedirect, led: &ServicePort| {
        other.frontend == redirect.frontend
            && other.ports.iter().any(|own| (own.port, own.protocol) == (led.port, led.protocol))
    };
    let others = || topology.redirects.iter().filter(|(other, _)| *other != name);
    let mut clashes = redirect.ports.iter().filter_map(|led| {
        let (other, _) = others().find(|(_, other)| is_for(other, led))?;
        Some((other, led))
    });
    let (other, led) = clashes.next()?;
    let message = format!(
        "local redirect policies `{other}` and `{name}` are both for {} port {} of `{}`: which of them applies depends on which Cilium \
         reads first",
        led.protocol, led.port, from.value
    );
    Some(
        Mistake::new(message)
            .help(format!("remove the port from one of them, or let `{other}` select all that answer")),
    )
}
