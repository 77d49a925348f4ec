//! Hosts outside the cluster, from the names and the address blocks of policies.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use verdikt_scenario::name::{DnsName, HostName};
use verdikt_scenario::topology::{
    CLUSTER_DOMAIN, CiliumEndpoint, LOCAL_NODE, Node, Port, Protocol, Served, ServedProtocol, Topology,
    WorldHost,
};

use super::blocks;
use super::policies::{Block, Clause, Name, PolicyPort};

/// A host outside, and why it is added.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) outside: WorldHost,
    /// The reason, for its reader.
    pub(super) comment: String,
    pub(super) role: HostRole,
}

/// The role of a host outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostRole {
    /// It attempts to reach the cluster, and serves nothing.
    Source,
    /// It is also a target of attempts from the cluster.
    Target,
}

impl HostRole {
    /// The role of a host among the peers of a clause.
    fn of_peer(clause: &Clause) -> Self {
        if clause.is_ingress { Self::Source } else { Self::Target }
    }
}

/// The hosts outside, and the nodes that policies mention.
#[derive(Clone, Debug, Default)]
pub(super) struct OutsideHosts {
    pub(super) hosts: BTreeMap<HostName, Host>,
    pub(super) nodes: BTreeMap<HostName, Node>,
    pub(super) cilium: BTreeSet<CiliumEndpoint>,
    used: BTreeSet<Ipv4Addr>,
}

/// The host that no policy mentions.
pub(super) const ELSEWHERE: &str = "elsewhere";
/// Its name.
pub(super) const ELSEWHERE_NAME: &str = "elsewhere.example.test";
/// The port of servers outside, unless a policy says otherwise.
const HTTPS: u16 = 443;
/// The port of API servers on their nodes.
const API_SERVER: u16 = 6443;

impl OutsideHosts {
    /// The hosts that clauses of policies suggest.
    pub(super) fn of(clauses: &[Clause]) -> Self {
        let mut outside = Self::default();
        for clause in clauses {
            let ports = numbers(clause);
            for name in &clause.names {
                outside.add_name(name, &ports);
            }
            for block in &clause.blocks {
                outside.add_block(block, &ports, HostRole::of_peer(clause));
            }
            for entity in &clause.entities {
                outside.add_entity(entity);
            }
        }
        outside.add_elsewhere(clauses);
        outside
    }

    /// Adds the node of the pods, if ports of it are forwarded to some.
    pub(super) fn add_host_of_ports(&mut self, topology: &Topology) {
        let is_led = topology.pods.values().any(|pod| !pod.host_ports.is_empty());
        if let Some(name) = LOCAL_NODE.parse().ok().filter(|_| is_led) {
            self.nodes.entry(name).or_default();
        }
    }

    /// Adds the hosts and nodes to a topology.
    pub(super) fn add_to(&self, topology: &mut Topology) {
        topology.world.extend(self.hosts.iter().map(|(name, host)| (name.clone(), host.outside.clone())));
        topology.nodes.extend(self.nodes.clone());
        topology.cilium.extend(&self.cilium);
    }

    fn add_name(&mut self, name: &Name, ports: &BTreeSet<Port>) {
        let Some((dns_name, host_name)) = example(name) else { return };
        let comment = if name.is_pattern {
            format!("a name like {}, {}", name.text, name.place.line_of_file())
        } else {
            name.place.line_of_file()
        };
        if let Some(known) = self.hosts.get_mut(&host_name) {
            serve(&mut known.outside, ports);
            return;
        }
        let Some(address) = self.free(&[]) else { return };
        let host = outside_host(address, BTreeSet::from([dns_name]));
        self.add(host_name, host, ports, comment, HostRole::Target);
    }

    /// Adds a host inside a block, and one inside each of its exceptions.
    fn add_block(&mut self, block: &Block, ports: &BTreeSet<Port>, role: HostRole) {
        // IPv6 addresses would make the whole cluster dual-stack.
        let Ok(cidr) = parse(&block.cidr) else { return };
        let except: Vec<Ipv4Net> = block.except.iter().filter_map(|text| parse(text).ok()).collect();
        let at = block.place.line_of_file();
        if cidr.prefix_len() > 0 {
            self.add_in(cidr, &except, "in", &format!("inside {cidr}, {at}"), ports, role);
        }
        for exception in &except {
            let comment = format!("in the exception {exception} of {cidr}, {at}");
            self.add_in(*exception, &[], "except", &comment, ports, role);
        }
    }

    fn add_in(
        &mut self,
        cidr: Ipv4Net,
        except: &[Ipv4Net],
        prefix: &str,
        comment: &str,
        ports: &BTreeSet<Port>,
        role: HostRole,
    ) {
        let text = format!("{prefix}-{cidr}").replace(['.', '/'], "-");
        let Ok(name) = text.parse::<HostName>() else { return };
        if let Some(known) = self.hosts.get_mut(&name) {
            serve(&mut known.outside, ports);
            known.role = known.role.max(role);
            return;
        }
        let Some(address) = blocks::inside(cidr, except, &self.used) else { return };
        self.used.insert(address);
        let host = outside_host(IpAddr::V4(address), BTreeSet::new());
        self.add(name, host, ports, comment.to_owned(), role);
    }

    fn add_entity(&mut self, entity: &str) {
        let node = |api_server: bool| {
            let port = Port::new(API_SERVER).filter(|_| api_server);
            let serves = port.map(|port| Served { protocol: ServedProtocol::Tcp, port, name: None });
            Node { api_server, serves: serves.into_iter().collect(), ..Node::default() }
        };
        let node = match entity {
            "kube-apiserver" => ("api-server", node(true)),
            "remote-node" => ("other-node", node(false)),
            "ingress" | "health" => {
                let endpoint =
                    if entity == "ingress" { CiliumEndpoint::Ingress } else { CiliumEndpoint::Health };
                self.cilium.insert(endpoint);
                return;
            }
            _ => return,
        };
        if let Ok(name) = node.0.parse() {
            self.nodes.insert(name, node.1);
        }
    }

    /// Adds the host that no policy names, outside every block except those that contain every address.
    fn add_elsewhere(&mut self, clauses: &[Clause]) {
        let all = clauses.iter().flat_map(|clause| &clause.blocks);
        let all = all.flat_map(|block| block.except.iter().chain([&block.cidr]));
        let all: Vec<Ipv4Net> = all.filter_map(|text| parse(text).ok()).collect();
        let (Ok(name), Ok(dns_name)) = (ELSEWHERE.parse(), ELSEWHERE_NAME.parse()) else { return };
        let Some(address) = self.free(&all) else { return };
        let mut ports: BTreeSet<Port> = self
            .hosts
            .values()
            .filter(|host| host.role == HostRole::Target)
            .flat_map(|host| &host.outside.serves)
            .map(|served| served.port)
            .collect();
        ports.extend(Port::new(HTTPS));
        let host = outside_host(address, BTreeSet::from([dns_name]));
        self.add(name, host, &ports, "a host that no policy names".to_owned(), HostRole::Target);
    }

    fn add(
        &mut self,
        name: HostName,
        mut host: WorldHost,
        ports: &BTreeSet<Port>,
        comment: String,
        role: HostRole,
    ) {
        if role == HostRole::Target {
            serve(&mut host, ports);
        }
        self.hosts.insert(name, Host { outside: host, comment, role });
    }

    /// An address outside some blocks.
    fn free(&mut self, blocks: &[Ipv4Net]) -> Option<IpAddr> {
        let address = blocks::in_none(blocks, &self.used)?;
        self.used.insert(address);
        Some(IpAddr::V4(address))
    }
}

/// The TCP port numbers of a clause, or that of HTTPS.
fn numbers(clause: &Clause) -> BTreeSet<Port> {
    let numbers = clause.ports.iter().filter_map(|port| match port {
        PolicyPort::Number(Protocol::Tcp, number) => Some(*number),
        _ => None,
    });
    let mut numbers: BTreeSet<Port> = numbers.collect();
    if numbers.is_empty() {
        numbers.extend(Port::new(HTTPS));
    }
    numbers
}

fn serve(host: &mut WorldHost, ports: &BTreeSet<Port>) {
    for port in ports {
        if !host.serves.iter().any(|served| served.port == *port) {
            host.serves.push(Served { protocol: ServedProtocol::Tcp, port: *port, name: None });
        }
    }
    host.serves.sort_by_key(|served| served.port);
}

/// A DNS name that a selector matches, and the name of the host.
pub(super) fn example(name: &Name) -> Option<(DnsName, HostName)> {
    // `**.` matches any number of labels, `*` a part of one.
    let text = name.text.replace("**", "*").replace('*', "a");
    let dns_name: DnsName = text.parse().ok()?;
    if dns_name.as_str().ends_with(CLUSTER_DOMAIN) {
        return None;
    }
    let host: String = text.chars().map(|c| if c == '.' || c == '_' { '-' } else { c }).collect();
    let host: String = host.chars().take(63).collect();
    Some((dns_name, host.trim_matches('-').parse().ok()?))
}

fn parse(text: &str) -> Result<Ipv4Net, ipnet::AddrParseError> {
    let whole = if text.contains('/') { text.parse::<Ipv4Net>() } else { format!("{text}/32").parse() };
    whole.map(|cidr| cidr.trunc())
}

/// A host outside that serves nothing.
fn outside_host(address: IpAddr, names: BTreeSet<DnsName>) -> WorldHost {
    WorldHost { address, names, aliases: [].into(), api_server: false, serves: Vec::new() }
}
