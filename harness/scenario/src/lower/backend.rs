//! Attempts through a service to one of its backends, or through a node: `tcp shop/web:80 over far via shop/web-1`.

use super::answers::endpoint_answers;
use super::mistake::Mistake;
use super::suggest::did_you_mean;
use crate::attempt::{Attempt, Target};
use crate::name::HostName;
use crate::topology::{LOCAL_NODE, REMOTE_NODE, Topology, TrafficPolicy};

/// Splits `tcp shop/web:80 via shop/web-1` into the attempt and the name of the backend.
pub(super) fn split_via(text: &str) -> (&str, Option<&str>) {
    split_word(text, "via")
}

/// Splits `tcp shop/web:80 over far` into the attempt and the name of the node.
pub(super) fn split_over(text: &str) -> (&str, Option<&str>) {
    split_word(text, "over")
}

/// Splits `tcp shop/web:80 kept` into the attempt, and whether it is on a kept connection.
pub(super) fn split_kept(text: &str) -> (&str, bool) {
    let attempt = text.strip_suffix("kept").filter(|attempt| attempt.ends_with(char::is_whitespace));
    attempt.map_or((text, false), |attempt| (attempt.trim_end(), true))
}

fn split_word<'a>(text: &'a str, word: &str) -> (&'a str, Option<&'a str>) {
    let split = || {
        let (before, name) = text.rsplit_once(char::is_whitespace)?;
        let attempt = before.trim_end().strip_suffix(word)?;
        attempt.ends_with(char::is_whitespace).then(|| (attempt.trim_end(), Some(name)))
    };
    split().unwrap_or((text, None))
}

/// Sends an attempt through a service over a node.
pub(super) fn over(attempt: &Attempt, node: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    let Some(service) = attempt.target().and_then(Target::service) else {
        let mistake = Mistake::new("only an attempt through a service can go over a node");
        return Err(
            mistake.help("name a service that is open to hosts outside, or leave out `over`".to_owned())
        );
    };
    let known = topology.services.get(service);
    if !known.is_some_and(crate::topology::Service::is_open_outside) {
        let mistake = Mistake::new(format!(
            "service `{service}` is not open to hosts outside, which enter through nodes"
        ));
        return Err(
            mistake.help("give it `type: NodePort` or `LoadBalancer`, or leave out `over`".to_owned())
        );
    }
    let name = node.parse::<HostName>()?;
    let has_others = topology.nodes.keys().any(|name| name.as_str() != LOCAL_NODE);
    let is_implied = node == LOCAL_NODE || (node == REMOTE_NODE && !has_others);
    if !topology.nodes.contains_key(&name) && !is_implied {
        let others = topology.nodes.keys().map(HostName::as_str).filter(|name| *name != LOCAL_NODE);
        let other = (!has_others).then_some(REMOTE_NODE);
        let nodes: Vec<&str> = [LOCAL_NODE].into_iter().chain(others).chain(other).collect();
        let help = did_you_mean(node, "the nodes are", &nodes);
        return Err(Mistake::new(format!("no node is called `{node}`")).help(help));
    }
    let keeps = known.is_some_and(|known| known.external_traffic_policy == TrafficPolicy::Local);
    if keeps && node != LOCAL_NODE {
        let message =
            format!("`{node}` runs no backend of service `{service}`, whose externalTrafficPolicy is Local");
        let help = format!("write `over {LOCAL_NODE}`, or give the service `externalTrafficPolicy: Cluster`");
        return Err(Mistake::new(message).help(help));
    }
    let service = service.clone();
    Ok(attempt.with_target(Target::Over { service, node: name, backend: None }))
}

/// Restricts an attempt through a service to one of its backends.
pub(super) fn through(attempt: &Attempt, via: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    let (service, protocol, port) = match (attempt.target(), attempt.protocol(), attempt.port()) {
        (Some(Target::Service(service) | Target::Over { service, .. }), Some(protocol), Some(port)) => {
            (service, protocol, port)
        }
        (target, ..) => {
            let what = match target {
                Some(target) => format!("`{target}` is not a service"),
                None => "a query asks the cluster's DNS server".to_owned(),
            };
            let mistake = Mistake::new(format!("{what}, and only a service has several backends"));
            return Err(
                mistake.help("name the service by its namespace and name, or leave out `via`".to_owned())
            );
        }
    };
    let behind = topology.behind(service, protocol, port);
    let found = behind.iter().find(|(backend, _)| backend.to_string() == via);
    let Some((backend, own)) = found else {
        let known: Vec<String> = behind.iter().map(|(backend, _)| backend.to_string()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = did_you_mean(via, "behind it are", &known);
        return Err(Mistake::new(format!("`{via}` is not behind service `{service}`")).help(help));
    };
    let own = own.ok_or_else(|| {
        Mistake::new(format!(
            "`{via}` has no port of the name that port {port} of service `{service}` leads to"
        ))
    })?;
    let scheme = match attempt.plain() {
        Attempt::Http { request, .. } => Some(request.scheme),
        _ => None,
    };
    endpoint_answers(backend, protocol, own, scheme, topology)?;
    Ok(attempt.through(backend.clone()))
}
