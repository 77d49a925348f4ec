//! Parses attempts and sources, and resolves them in a topology.

mod family;
mod guesses;
mod http;
mod icmp;
mod kept;
mod names;
mod nodes;

use std::collections::BTreeSet;

use ipnet::IpNet;

use self::family::{of_family, split_family};
use self::guesses::other_kind;
use self::http::http;
use self::icmp::icmp;
pub use self::names::as_source_means_it;
pub(crate) use self::names::{OwnAttempt, by_namespace};
use self::names::{in_own_namespace, relative};
use super::answers::{of_address, reachable};
use super::backend::{over, split_kept, split_over, split_via, through};
use super::mistake::Mistake;
use super::served;
use super::suggest::{did_you_mean, listed, of_api_server};
use crate::attempt::{Attempt, IpFamily, Scheme, Target};
use crate::name::{DnsName, HostName, NamespacedName};
use crate::topology::{
    CLUSTER_DOMAIN, CiliumEndpoint, DNS_POD, DNS_SERVICE, Endpoint, LOCAL_NODE, Port, Protocol, REMOTE_NODE,
    Service, Topology, WorldHost,
};

/// The schemes of URLs.
const URLS: [(&str, Scheme); 2] = [("http://", Scheme::Http), ("https://", Scheme::Https)];

const KINDS: &[&str] = &["tcp", "udp", "sctp", "icmp", "http", "https", "dns", "dns+tcp"];

/// Parses an attempt as an author writes it, `tcp database/redis:6379`, and checks that it can be made: the target
/// exists and serves the port.
pub fn parse_attempt(text: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    let (text, is_kept) = split_kept(text.trim());
    let (text, via) = split_via(text);
    let (text, node) = split_over(text);
    let (family, text) = split_family(text);
    let attempt = parse_plain(&text, family, topology)?;
    let attempt = match node {
        Some(node) => over(&attempt, node, topology)?,
        None => attempt,
    };
    let attempt = match via {
        Some(via) => through(&attempt, via, topology)?,
        None => attempt,
    };
    // The types of ICMP messages are numbered by address family.
    let family = family.or_else(|| matches!(attempt, Attempt::IcmpMessage { .. }).then_some(IpFamily::V4));
    let attempt = match family {
        Some(family) => of_family(attempt, family, topology)?,
        None => attempt,
    };
    nodes::have_addresses(&attempt, topology)?;
    if is_kept { kept::on_connection(attempt, topology) } else { Ok(attempt) }
}

fn parse_plain(text: &str, family: Option<IpFamily>, topology: &Topology) -> Result<Attempt, Mistake> {
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match kind {
        "tcp" => connect(Protocol::Tcp, rest, topology),
        "udp" => connect(Protocol::Udp, rest, topology),
        "sctp" => connect(Protocol::Sctp, rest, topology),
        "icmp" => icmp(rest, family.unwrap_or(IpFamily::V4), topology),
        "http" => http(Scheme::Http, rest, topology),
        "https" => http(Scheme::Https, rest, topology),
        "dns" => Ok(Attempt::Dns { name: dns_name(rest)?, protocol: Protocol::Udp }),
        "dns+tcp" => Ok(Attempt::Dns { name: dns_name(rest)?, protocol: Protocol::Tcp }),
        _ if served::IN_TLS.contains(&kind) => Err(served::in_tls(kind)),
        _ => Err(other_kind(kind, rest, topology)),
    }
}

/// Whether the target of an attempt may exist, without comparing it with all names.
pub(crate) fn may_lead_somewhere(text: &str, topology: &Topology) -> bool {
    let target = target_text(text);
    let is_service =
        || target.parse().is_ok_and(|name: NamespacedName| topology.services.contains_key(&name));
    let is_name = !target.contains('/') && (target.contains('.') || !target.contains(char::is_alphabetic));
    is_name
        || find_source(target, topology).is_some()
        || is_service()
        || [DNS_SERVICE, DNS_POD].contains(&target)
}

/// Parses a source as an author writes it: a pod, a host outside the cluster, a node, or an endpoint that Cilium runs
/// itself.
pub fn parse_source(text: &str, topology: &Topology) -> Result<Endpoint, Mistake> {
    if let Some(endpoint) = find_source(text, topology) {
        return Ok(endpoint);
    }
    let known: Vec<String> = topology.sources().iter().map(Endpoint::to_string).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let (prefix, name) = split_prefix(text);
    let of_service = name.parse().ok().filter(|name| topology.services.contains_key(name));
    if prefix != Some(Prefix::Pod) && (of_service.is_some() || name == DNS_SERVICE) {
        let help = "name the pods that make the attempt".to_owned();
        return Err(Mistake::new(format!("`{name}` is a service, and services make no attempts")).help(help));
    }
    let what = if text.contains('/') { "pod" } else { "source" };
    let help = of_cilium(text).or_else(|| of_node(text)).or_else(|| of_other_name(text, topology));
    let help = help.unwrap_or_else(|| did_you_mean(text, "the sources are", &known));
    Err(Mistake::new(format!("no {what} is called `{text}`")).help(help))
}

/// The name of the target in the text of an attempt, as far as it can be found.
pub(crate) fn target_text(text: &str) -> &str {
    let mut words = text.split_whitespace();
    let kind = words.next().unwrap_or_default().trim_end_matches(['4', '6']);
    let target = match kind {
        "http" | "https" => words.nth(1),
        "icmp" | "icmpv" => icmp::target_of_words(words),
        _ => words.next(),
    };
    let target = target.unwrap_or_default();
    let of_url = URLS.iter().find_map(|(begin, _)| target.strip_prefix(begin));
    let (_, target) = split_prefix(of_url.unwrap_or(target));
    let target = target.split_once(':').map_or(target, |(name, _)| name);
    let slashes = target.match_indices('/').nth(1);
    slashes.map_or(target, |(second, _)| &target[..second])
}

/// The source of a name, if the topology has it.
pub(crate) fn find_source(text: &str, topology: &Topology) -> Option<Endpoint> {
    if text.contains('/') {
        let name = text.parse::<NamespacedName>().ok()?;
        return topology.pods.contains_key(&name).then_some(Endpoint::Pod(name));
    }
    let own = match text {
        "ingress" => Some(CiliumEndpoint::Ingress),
        "health" => Some(CiliumEndpoint::Health),
        _ => None,
    };
    if let Some(own) = own.filter(|own| topology.cilium.contains(own)) {
        return Some(Endpoint::Cilium(own));
    }
    let name = text.parse::<HostName>().ok()?;
    if topology.world.contains_key(&name) {
        return Some(Endpoint::World(name));
    }
    topology.nodes.contains_key(&name).then_some(Endpoint::Node(name))
}

fn dns_name(text: &str) -> Result<DnsName, Mistake> {
    if text.split_whitespace().nth(1).is_some() {
        let name = text.split_whitespace().find(|word| word.contains('.')).unwrap_or("api.example.test");
        return Err(Mistake::new("a DNS attempt has one name").help(format!("write `dns {name}`")));
    }
    let name = text.parse::<DnsName>().map_err(Mistake::from);
    let whole = "write the whole name: `api.example.test`, or of a service `web.shop.svc.cluster.local`";
    name.map_err(|mistake| if text.contains('.') { mistake } else { mistake.help(whole.to_owned()) })
}

/// The advice for a name that a pod and a service share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Pod,
    Service,
}

/// The prefix of a target (`pod:`, `service:`), and the target.
fn split_prefix(text: &str) -> (Option<Prefix>, &str) {
    match text.split_once(':') {
        Some(("pod", rest)) => (Some(Prefix::Pod), rest),
        Some(("service", rest)) => (Some(Prefix::Service), rest),
        _ => (None, text),
    }
}

/// The target that a text means. Of a pod and a service that share a name it is the service, unless a prefix decides.
fn target(prefix: Option<Prefix>, text: &str, topology: &Topology) -> Result<Target, Mistake> {
    let name = text.parse::<NamespacedName>().ok();
    let is_pod = name.as_ref().is_some_and(|name| topology.pods.contains_key(name));
    let is_service = name.as_ref().is_some_and(|name| topology.services.contains_key(name));
    match (prefix, name) {
        (None | Some(Prefix::Service), Some(name)) if is_pod && is_service => target_service(name, topology),
        (Some(Prefix::Pod), Some(name)) if is_pod && is_service => {
            Ok(Target::PodOfSharedName(Endpoint::Pod(name)))
        }
        (Some(Prefix::Pod), _) if !is_pod && text != DNS_POD => Err(no_target(
            text,
            "pod",
            topology,
            topology.pods.keys().map(ToString::to_string),
            "the pods are",
        )),
        (Some(Prefix::Service), _) if !is_service && text != DNS_SERVICE => {
            let known = topology.services.keys().map(ToString::to_string);
            Err(no_target(text, "service", topology, known, "the services are"))
        }
        _ => target_of_any_kind(text, topology),
    }
}

fn no_target(
    text: &str,
    what: &str,
    topology: &Topology,
    known: impl Iterator<Item = String>,
    they_are: &str,
) -> Mistake {
    let known: Vec<String> = known.collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let help = of_cilium(text).or_else(|| of_api_server(text)).or_else(|| of_node(text));
    let help = help.or_else(|| of_address(text, topology));
    let help = help.or_else(|| known.is_empty().then(|| first_of(what, text)));
    let help = help.unwrap_or_else(|| did_you_mean(text, they_are, &known));
    Mistake::new(format!("no {what} is called `{text}`")).help(help)
}

/// What to do about a name of which the topology has no kind at all.
fn first_of(what: &str, text: &str) -> String {
    let (key, value) = match what {
        "service" => ("services", "{selects: {app: web}, ports: {80: 8080}}"),
        "host or node" => ("world", "{serves: [tcp 443]}"),
        _ => ("pods", "{labels: {app: web}, serves: [tcp 8080]}"),
    };
    format!("the topology has none: add it, `{key}: {{{text}: {value}}}`")
}

/// What to do about an endpoint of Cilium that the topology does not declare.
fn of_cilium(text: &str) -> Option<String> {
    let own = match text {
        "gateway" => "ingress",
        text => text,
    };
    let help = || format!("add it to the topology: `cilium: [{own}]`");
    match text {
        "gateway" => Some(format!("the gateway is called `ingress`; {}", help())),
        "ingress" | "health" => Some(help()),
        _ => None,
    }
}

/// What to do about a node that the topology leaves out.
fn of_node(text: &str) -> Option<String> {
    let node = match text {
        LOCAL_NODE | "node" | "localhost" => LOCAL_NODE,
        REMOTE_NODE => REMOTE_NODE,
        "kube-apiserver" => {
            let own = "`nodes: {control: {apiServer: true, serves: [tcp 6443]}}`";
            return Some(format!("say where the API server is, and name that: {own}"));
        }
        _ => return None,
    };
    Some(format!(
        "add the node to the topology, with what it serves: `nodes: {{{node}: {{serves: [tcp 10250]}}}}`"
    ))
}

/// What to do about another name than the one that a source has in the topology.
fn of_other_name(text: &str, topology: &Topology) -> Option<String> {
    if let Some(owner) = text.parse().ok().and_then(|address| topology.owner_of(address)) {
        return Some(format!("it is the address of `{owner}`: write `{owner}`"));
    }
    let has_name = |host: &WorldHost| host.names.iter().any(|name| name.as_str() == text);
    let host = topology.world.iter().find(|(_, host)| has_name(host)).map(|(name, _)| name);
    match (text, host) {
        (_, Some(host)) => Some(format!("it leads to `{host}`: write `{host}`")),
        ("world", None) => {
            Some("name a host outside: `world: {client: {}}` in the topology, and `client` here".to_owned())
        }
        (text, None) if text.contains(['*', '=']) => {
            Some("name one source; `verdikt matrix` shows all of them".to_owned())
        }
        _ => None,
    }
}

fn target_of_any_kind(text: &str, topology: &Topology) -> Result<Target, Mistake> {
    if text.parse::<IpNet>().is_ok() {
        let mistake = Mistake::new(format!("`{text}` is a range, and an attempt goes to one address"));
        let help =
            "name a host outside that is in it: `world: {far: {address: 203.0.113.7, serves: [tcp 443]}}`";
        return Err(mistake.help(help.to_owned()));
    }
    if !text.contains('/') && text.contains('.') {
        return Ok(Target::Name(relative(text, topology).map_or_else(|| text.parse(), Ok)?));
    }
    if let Some(endpoint) = find_source(text, topology) {
        return Ok(Target::Endpoint(endpoint));
    }
    if text.contains('/') {
        let name = text.parse::<NamespacedName>()?;
        if topology.services.contains_key(&name) || text == DNS_SERVICE {
            return target_service(name, topology);
        }
        if text == DNS_POD {
            return Ok(Target::Endpoint(Endpoint::Pod(name)));
        }
    }
    if !text.contains('/')
        && let Some(name) = in_own_namespace(text, topology)?
    {
        return Ok(Target::Name(name));
    }
    let what = if text.contains('/') { "pod or service" } else { "host or node" };
    Err(no_target(text, what, topology, targets(topology).into_iter(), "the targets are"))
}

fn target_service(name: NamespacedName, topology: &Topology) -> Result<Target, Mistake> {
    topology.services.get(&name).map_or(Ok(()), |service| addressed(&name, service))?;
    Ok(Target::Service(name))
}

/// Whether a service has a cluster address.
fn addressed(name: &NamespacedName, service: &Service) -> Result<(), Mistake> {
    let Some(alias) = &service.external_name else { return Ok(()) };
    let own = format!("{}.{}.svc.{CLUSTER_DOMAIN}", name.name, name.namespace);
    let mistake =
        Mistake::new(format!("service `{name}` is an alias of {alias}, and has no address of its own"));
    Err(mistake.help(format!("attempt its name, `{own}`, or what is behind it")))
}

fn targets(topology: &Topology) -> Vec<String> {
    let pods = topology.pods.keys().chain(topology.services.keys()).map(ToString::to_string);
    let hosts = topology.world.keys().chain(topology.nodes.keys()).map(ToString::to_string);
    let hosts = hosts.chain(topology.cilium.iter().map(|own| Endpoint::Cilium(*own).to_string()));
    let names = topology.world.values().flat_map(|host| host.names.iter().map(ToString::to_string));
    // A host and a name that resolves to it may have the same name.
    let targets: BTreeSet<String> = pods.chain(hosts).chain(names).collect();
    targets.into_iter().collect()
}

fn connect(protocol: Protocol, text: &str, topology: &Topology) -> Result<Attempt, Mistake> {
    let (prefix, text) = split_prefix(text);
    if let Some((family @ ("-4" | "-6" | "ipv4" | "ipv6"), rest)) = text.split_once(char::is_whitespace) {
        let digit = family.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let mistake = Mistake::new(format!("`{family}` is not a target"));
        return Err(
            mistake.help(format!("the family belongs to the protocol: `{protocol}{digit} {}`", rest.trim()))
        );
    }
    let Some((name, port)) = text.rsplit_once(':') else {
        let (port, name) = match text.split_once(char::is_whitespace) {
            Some((port, name)) if port.parse::<u16>().is_ok() => (port, name.trim()),
            _ => ("PORT", if text.is_empty() { "TARGET" } else { text }),
        };
        let help = format!("write `{protocol} {name}:{port}`");
        return Err(Mistake::new(format!("the {protocol} attempt has no port")).help(help));
    };
    let target = not_the_gateway(target(prefix, name, topology)?)?;
    if let Some((port, more)) = port.split_once(char::is_whitespace) {
        let mistake = Mistake::new(format!("`{more}` means nothing after a port"));
        let begun = format!("{protocol} {name}:{port}");
        return Err(mistake.help(if more.starts_with("keep") {
            format!("data on the connection of the step before is `{begun} kept`")
        } else {
            format!("after it you can write the backend of a service, a node and `kept`: `{begun} via namespace/pod`, `{begun} over host`")
        }));
    }
    let port = port_of(&target, port, topology)?;
    reachable(&target, protocol, port, None, topology)?;
    Ok(Attempt::Connect { protocol, target, port })
}

/// The port of an attempt. What is none may be the name of one, and else the target says which there are.
fn port_of(target: &Target, text: &str, topology: &Topology) -> Result<Port, Mistake> {
    served::port(text).map_err(|mistake| {
        let served = target.endpoint().map(|endpoint| topology.serves(endpoint)).unwrap_or_default();
        let named =
            served.iter().find(|served| served.name.as_ref().is_some_and(|name| name.as_str() == text));
        let all: Vec<String> = served.iter().map(ToString::to_string).collect();
        match named {
            Some(served) => mistake.help(format!("write its number: `{}`", served.port)),
            None if all.is_empty() || text.contains(['-', ',', ':']) => mistake,
            None => mistake.help(format!("`{target}` serves {}", listed(all.iter().map(String::as_str)))),
        }
    })
}

/// A target that accepts more than requests.
fn not_the_gateway(target: Target) -> Result<Target, Mistake> {
    if target.endpoint() != Some(&Endpoint::Cilium(CiliumEndpoint::Ingress)) {
        return Ok(target);
    }
    let mistake = Mistake::new("the gateway accepts every connection, and decides about requests");
    Err(mistake.help("write `http GET ingress:80/`".to_owned()))
}
