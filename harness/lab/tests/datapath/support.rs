//! A small cluster on a datapath, and a notation for packets: `web> tcp web:5000 db:80 syn`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use etherparse::{NetHeaders, PacketBuilder, PacketHeaders, TransportHeader};
use verdikt_engine::model::{LearnedNames, ModelOptions, PolicyModel};
use verdikt_lab::datapath::identity::reserved;
use verdikt_lab::datapath::{Datapath, Effects, LinkId, LinkOwner, ServiceTable};
use verdikt_lab::hidden_clients::HiddenClients;
use verdikt_lab::policy::{AddressOwner, PolicyVersion};
use verdikt_lab::redirect::Redirects;
use verdikt_scenario::document;
use verdikt_scenario::flow::{DropReason, Flow, FlowKind};
use verdikt_scenario::policy::Manifest;
use verdikt_scenario::scenario::Enforcement;
use verdikt_scenario::topology::{
    CiliumEndpoint, Endpoint, GatewayRoute, Node, Pod, Port, Protocol, Topology, WorldHost,
};

/// Name, addresses. Pods have a label `app` with their name.
pub(crate) const ENDPOINTS: [(&str, &str, &str); 7] = [
    ("web", "10.0.0.1", "fd00::1"),
    ("db", "10.0.0.2", "fd00::2"),
    ("job", "10.0.0.3", "fd00::3"),
    ("vault", "10.0.0.4", "fd00::4"),
    ("client", "203.0.113.10", "2001:db8::10"),
    ("host", "10.0.0.254", "fd00::254"),
    ("gateway", "10.0.0.253", "fd00::253"),
];

/// Other addresses that have a name in the notation.
const NAMED: [(&str, &str); 8] = [
    ("service", "10.96.0.1"),
    ("service6", "fd00:96::1"),
    ("empty", "10.96.0.2"),
    ("proxy", "198.18.0.1"),
    ("proxy6", "fd98:12::1"),
    ("itself", "169.254.42.1"),
    ("itself6", "fd98:14::1"),
    ("nobody", "203.0.113.99"),
];

pub(crate) const PROXY: LinkId = LinkId(99);

pub(crate) struct Lab {
    pub(crate) datapath: Datapath,
    hidden: Arc<HiddenClients>,
    pub(crate) at: Duration,
    pub(crate) effects: Effects,
    topology: Topology,
    revision: u64,
}

pub(crate) fn address(name: &str) -> IpAddr {
    let name = name.trim_matches(['[', ']']);
    for (known, v4, v6) in ENDPOINTS {
        if name == known {
            return v4.parse().unwrap();
        }
        if name.strip_suffix('6') == Some(known) {
            return v6.parse().unwrap();
        }
    }
    let named = NAMED.iter().find(|(known, _)| *known == name);
    named.map_or(name, |(_, address)| address).parse().unwrap_or_else(|_| panic!("no address: {name}"))
}

fn name(address: IpAddr) -> String {
    for (known, v4, v6) in ENDPOINTS {
        if address.to_string() == v4 {
            return known.to_owned();
        }
        if address.to_string() == v6 {
            return format!("{known}6");
        }
    }
    let text = address.to_string();
    NAMED.iter().find(|(_, known)| *known == text).map_or(text, |(known, _)| (*known).to_owned())
}

/// `web:80`; an address without a name in brackets: `[198.18.1.0]:80`.
pub(crate) fn socket(text: &str) -> SocketAddr {
    let (host, port) = text.rsplit_once(':').unwrap_or_else(|| panic!("no port: {text}"));
    SocketAddr::new(address(host.trim_matches(['[', ']'])), port.parse().unwrap())
}

fn socket_name(address: IpAddr, port: u16) -> String {
    let name = name(address);
    if name.contains(['.', ':']) { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
}

pub(crate) fn link(name: &str) -> LinkId {
    if name == "proxy" {
        return PROXY;
    }
    LinkId(
        ENDPOINTS.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| panic!("no link: {name}")),
    )
}

fn link_name(link: LinkId) -> &'static str {
    ENDPOINTS.get(link.0).map_or("proxy", |(name, ..)| name)
}

pub(crate) fn endpoint(name: &str) -> Endpoint {
    match name {
        "client" => Endpoint::World(name.parse().unwrap()),
        "host" => Endpoint::Node(name.parse().unwrap()),
        "gateway" => Endpoint::Cilium(CiliumEndpoint::Ingress),
        pod => Endpoint::Pod(format!("shop/{pod}").parse().unwrap()),
    }
}

impl Lab {
    /// With these policies in force, written as YAML documents.
    pub(crate) fn new(policies: &[&str]) -> Self {
        let mut topology = Topology::default();
        topology.namespaces.insert("shop".parse().unwrap(), BTreeMap::new());
        for (name, v4, _) in ENDPOINTS {
            match endpoint(name) {
                Endpoint::Pod(pod) => {
                    let labels = [("app".to_owned(), name.to_owned())].into();
                    topology.pods.insert(pod, Pod { labels, ..Pod::default() });
                }
                Endpoint::World(host) => {
                    let address = v4.parse().unwrap();
                    topology.world.insert(
                        host,
                        WorldHost {
                            address,
                            names: [].into(),
                            serves: Vec::new(),
                            aliases: [].into(),
                            api_server: false,
                        },
                    );
                }
                Endpoint::Node(node) => drop(topology.nodes.insert(node, Node::default())),
                Endpoint::Cilium(own) => drop(topology.cilium.insert(own)),
            }
        }
        let route = GatewayRoute {
            host: None,
            prefix: "/".to_owned(),
            service: "shop/db".parse().unwrap(),
            port: Port::new(80).unwrap(),
        };
        topology.routes.push(route);
        let (redirects, hidden) = (Arc::new(Redirects::default()), Arc::new(HiddenClients::default()));
        let policy = policy(&topology, policies, 1, false);
        let mut datapath = Datapath::new(redirects, Arc::clone(&hidden), Arc::clone(&policy));
        for (index, (name, v4, v6)) in ENDPOINTS.into_iter().enumerate() {
            let addresses: Vec<IpAddr> = vec![v4.parse().unwrap(), v6.parse().unwrap()];
            let identity = reserved(&policy.identity(addresses[0]));
            let identity = identity.unwrap_or(1000 + u32::try_from(index).unwrap());
            let owner = LinkOwner::Endpoint { endpoint: endpoint(name), addresses, identity };
            datapath.attach(LinkId(index), owner);
        }
        datapath.attach(PROXY, LinkOwner::Proxy);
        let (at, effects) = (Duration::ZERO, Effects::default());
        let mut lab = Self { datapath, hidden, at, effects, topology, revision: 1 };
        lab.serve("service:80 db:8080, service6:80 db6:8080, empty:80");
        lab
    }

    /// Sets services: `service:80 web:8080 db:8080, service:81 db:9090`, each for TCP and UDP.
    pub(crate) fn serve(&mut self, services: &str) {
        self.datapath.set_services(table(services));
    }

    /// Leads everybody to a service over the node, which puts its address in the place of the client's.
    pub(crate) fn lead_over_node(&mut self, service: &str) {
        self.datapath.set_relays([(address(service), address("host"))].into());
    }

    /// Sets services that hosts outside may use too.
    pub(crate) fn serve_everybody(&mut self, services: &str) {
        let mut table = table(services);
        table.open = table.backends.keys().map(|(address, ..)| *address).collect();
        self.datapath.set_services(table);
    }

    /// The client for which a node or the gateway has a connection: `host:5000 db:8080` of `web:5000`.
    pub(crate) fn client_of(&self, connection: &str) -> Option<String> {
        let (peer, server) = connection.split_once(' ').unwrap();
        let client = self.hidden.of(Protocol::Tcp, socket(peer), socket(server))?;
        Some(socket_name(client.ip(), client.port()))
    }

    /// Puts other policies in force.
    pub(crate) fn apply(&mut self, policies: &[&str]) {
        self.revision += 1;
        self.datapath.set_policy(policy(&self.topology, policies, self.revision, false));
    }

    /// Puts the policies in force in audit mode.
    pub(crate) fn audit(&mut self, policies: &[&str]) {
        self.revision += 1;
        self.datapath.set_policy(policy(&self.topology, policies, self.revision, true));
    }

    /// Sends every packet of a script, and writes down what becomes of each. A line `+ 5` lets five seconds pass.
    pub(crate) fn play(&mut self, script: &str) -> String {
        let mut told = String::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(seconds) = line.strip_prefix("+ ") {
                self.at += Duration::from_secs_f64(seconds.parse().unwrap());
                continue;
            }
            let (from, packet) = line.split_once("> ").unwrap();
            self.send(from, build(packet));
            let what = self.told();
            writeln!(told, "{line} => {what}").unwrap();
        }
        told
    }

    /// Sends one packet, and checks what is delivered.
    pub(crate) fn send(&mut self, from: &str, mut packet: Vec<u8>) {
        self.effects.clear();
        self.datapath.packet(link(from), &mut packet, self.at, &mut self.effects);
        for (_, delivered) in &self.effects.packets {
            verify(delivered);
        }
    }

    /// What became of the last packet.
    pub(crate) fn told(&self) -> String {
        let packets =
            self.effects.packets.iter().map(|(to, packet)| format!("{}: {}", link_name(*to), read(packet)));
        let flows = self.effects.flows.iter().map(flow);
        let all: Vec<String> = packets.chain(flows).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
    }
}

fn policy(topology: &Topology, policies: &[&str], revision: u64, audit: bool) -> Arc<PolicyVersion> {
    let manifests: Vec<Manifest> = policies
        .iter()
        .map(|text| Manifest {
            file: Arc::from("policy.yaml"),
            root: document::parse(text).unwrap().remove(0),
        })
        .collect();
    let model = PolicyModel::new(topology, &manifests, &ModelOptions::default(), &LearnedNames::default());
    for acceptance in model.acceptances() {
        assert!(format!("{acceptance:?}").starts_with("Accepted"), "{acceptance:?}");
    }
    let addresses = ENDPOINTS.into_iter().flat_map(|(name, v4, v6)| {
        let owner = AddressOwner { endpoint: endpoint(name), identity: 0 };
        [(v4.parse().unwrap(), owner.clone()), (v6.parse().unwrap(), owner)]
    });
    let (model, owners) = (Arc::new(model.into_owned()), Arc::new(addresses.collect()));
    Arc::new(PolicyVersion::new(
        model,
        owners,
        BTreeMap::new(),
        revision,
        Enforcement { audit, ..Enforcement::default() },
    ))
}

/// A policy of the namespace, by its name, the pod it is for, and the rest of its spec in flow style.
pub(crate) fn rules(name: &str, subject: &str, rest: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: {name}, namespace: shop}}, \
         spec: {{endpointSelector: {{matchLabels: {{app: {subject}}}}}, {rest}}}}}"
    )
}

/// `tcp web:5000 db:80 syn`, `udp web:5000 db:53`, `ping web db 7`, `pong db web 7`,
/// `unreachable db web about udp web:5000 db:53`.
pub(crate) fn build(text: &str) -> Vec<u8> {
    let words: Vec<&str> = text.split(' ').collect();
    let ends = |from: IpAddr, to: IpAddr| match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
        _ => panic!("two families: {text}"),
    };
    let payload = b"payload";
    let mut packet = Vec::new();
    match words[0] {
        "tcp" => {
            let (from, to) = (socket(words[1]), socket(words[2]));
            let mut builder = ends(from.ip(), to.ip()).tcp(from.port(), to.port(), 1000, 4096);
            let flags = words[3];
            for flag in flags.split('+') {
                builder = match flag {
                    "syn" => builder.syn(),
                    "ack" => builder.ack(2000),
                    "fin" => builder.fin(),
                    "rst" => builder.rst(),
                    _ => panic!("no flag: {flag}"),
                };
            }
            let payload: &[u8] = if flags == "ack" { payload } else { &[] };
            builder.write(&mut packet, payload).unwrap();
        }
        "udp" => {
            let (from, to) = (socket(words[1]), socket(words[2]));
            ends(from.ip(), to.ip()).udp(from.port(), to.port()).write(&mut packet, payload).unwrap();
        }
        "ping" | "pong" => {
            let (from, to, id) = (address(words[1]), address(words[2]), words[3].parse().unwrap());
            let builder = ends(from, to);
            match (from, words[0]) {
                (IpAddr::V4(_), "ping") => {
                    builder.icmpv4_echo_request(id, 1).write(&mut packet, payload).unwrap();
                }
                (IpAddr::V4(_), _) => builder.icmpv4_echo_reply(id, 1).write(&mut packet, payload).unwrap(),
                (_, "ping") => builder.icmpv6_echo_request(id, 1).write(&mut packet, payload).unwrap(),
                _ => builder.icmpv6_echo_reply(id, 1).write(&mut packet, payload).unwrap(),
            }
        }
        "timestamp" => {
            let request = etherparse::Icmpv4Type::Unknown { type_u8: 13, code_u8: 0, bytes5to8: [0; 4] };
            let builder = ends(address(words[1]), address(words[2]));
            builder.icmpv4(request).write(&mut packet, &[0; 12]).unwrap();
        }
        "unreachable" => {
            let (from, to) = (address(words[1]), address(words[2]));
            let quoted = build(&words[4..].join(" "));
            let builder = ends(from, to);
            match from {
                IpAddr::V4(_) => {
                    let kind = etherparse::Icmpv4Type::DestinationUnreachable(
                        etherparse::icmpv4::DestUnreachableHeader::Port,
                    );
                    builder.icmpv4(kind).write(&mut packet, &quoted[..28]).unwrap();
                }
                IpAddr::V6(_) => {
                    let kind = etherparse::Icmpv6Type::DestinationUnreachable(
                        etherparse::icmpv6::DestUnreachableCode::Port,
                    );
                    builder.icmpv6(kind).write(&mut packet, &quoted).unwrap();
                }
            }
        }
        other => panic!("no packet: {other}"),
    }
    packet
}

/// The reverse of [`build`].
pub(crate) fn read(packet: &[u8]) -> String {
    let headers = PacketHeaders::from_ip_slice(packet).unwrap();
    let (from, to) = ends(&headers);
    match headers.transport {
        Some(TransportHeader::Tcp(tcp)) => {
            let flags = [(tcp.syn, "syn"), (tcp.fin, "fin"), (tcp.rst, "rst"), (tcp.ack, "ack")];
            let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            let (from, to) = (socket_name(from, tcp.source_port), socket_name(to, tcp.destination_port));
            format!("tcp {from} {to} {}", flags.join("+"))
        }
        Some(TransportHeader::Udp(udp)) => {
            format!("udp {} {}", socket_name(from, udp.source_port), socket_name(to, udp.destination_port))
        }
        Some(TransportHeader::Icmpv4(icmp)) => {
            let quoted = headers.payload.slice();
            icmp_text(&icmp.to_bytes(), from, to, quoted)
        }
        Some(TransportHeader::Icmpv6(icmp)) => icmp_text(&icmp.to_bytes(), from, to, headers.payload.slice()),
        _ => format!("part {} {}", name(from), name(to)),
    }
}

fn icmp_text(header: &[u8], from: IpAddr, to: IpAddr, quoted: &[u8]) -> String {
    let (from, to) = (name(from), name(to));
    let id = u16::from_be_bytes([header[4], header[5]]);
    match header[0] {
        8 | 128 => format!("ping {from} {to} {id}"),
        0 | 129 => format!("pong {from} {to} {id}"),
        1 | 3 => format!("unreachable {from} {to} about {}", quoted_text(quoted)),
        other => format!("icmp type {other} {from} {to}"),
    }
}

fn quoted_text(quoted: &[u8]) -> String {
    let (at, protocol) = if quoted[0] >> 4 == 4 { (20, quoted[9]) } else { (40, quoted[6]) };
    if at == 20 {
        assert_eq!(sum(0, &quoted[..20]), 0, "the quoted header's checksum");
    }
    let address = |range: std::ops::Range<usize>| -> IpAddr {
        if at == 20 {
            <[u8; 4]>::try_from(&quoted[range]).unwrap().into()
        } else {
            <[u8; 16]>::try_from(&quoted[range]).unwrap().into()
        }
    };
    let (from, to) =
        if at == 20 { (address(12..16), address(16..20)) } else { (address(8..24), address(24..40)) };
    let port = |at: usize| u16::from_be_bytes([quoted[at], quoted[at + 1]]);
    let word = if protocol == 17 { "udp" } else { "tcp" };
    format!("{word} {} {}", socket_name(from, port(at)), socket_name(to, port(at + 2)))
}

fn ends(headers: &PacketHeaders<'_>) -> (IpAddr, IpAddr) {
    match headers.net.as_ref().unwrap() {
        NetHeaders::Ipv4(header, _) => (header.source.into(), header.destination.into()),
        NetHeaders::Ipv6(header, _) => (header.source.into(), header.destination.into()),
        NetHeaders::Arp(_) => panic!("no addresses"),
    }
}

fn sum(start: u32, bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let mut sum = start + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// Every checksum of a packet, computed anew.
pub(crate) fn verify(packet: &[u8]) {
    assert!(checksums_are_right(packet), "the checksums of {}", read(packet));
}

/// Whether the checksums of a packet are right, as far as it is not a fragment and has no extension headers.
pub(crate) fn checksums_are_right(packet: &[u8]) -> bool {
    let (protocol, transport, addresses) = if packet[0] >> 4 == 4 {
        let transport = usize::from(packet[0] & 15) * 4;
        if packet.get(..transport).is_none_or(|header| sum(0, header) != 0) {
            return false;
        }
        if u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0 {
            return true;
        }
        (packet[9], transport, &packet[12..20])
    } else {
        (packet[6], 40, &packet[8..40])
    };
    let message = &packet[transport..];
    let pseudo = u32::from(!sum(0, addresses)) + u32::from(protocol) + u32::try_from(message.len()).unwrap();
    match protocol {
        1 => sum(0, message) == 0,
        17 if message.get(6..8) == Some(&[0, 0]) => true,
        6 | 17 | 58 => sum(pseudo, message) == 0,
        _ => true,
    }
}

fn flow(flow: &Flow) -> String {
    let reason = match &flow.drop_reason {
        Some(DropReason::Malformed(words)) => format!(" ({words})"),
        Some(DropReason::NotModelled(words)) => format!(" (not modelled: {words})"),
        Some(other) => format!(" ({other:?})"),
        None => String::new(),
    };
    if flow.kind == FlowKind::Drop {
        return format!("dropped{reason}");
    }
    let end = |end: &verdikt_scenario::flow::FlowEnd| {
        let port = end.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{}{port}#{}", name(end.address), end.identity)
    };
    let by =
        if flow.policies.is_empty() { String::new() } else { format!(" by {}", flow.policies.join(" ")) };
    let client = |client: SocketAddr| format!(" for {}", socket_name(client.ip(), client.port()));
    format!(
        "{:?} {:?} {} {}{} {} match {}{by}{reason}",
        flow.direction,
        flow.verdict,
        flow.protocol,
        end(&flow.source),
        flow.client.map_or(String::new(), client),
        end(&flow.destination),
        flow.match_type
    )
}

/// Services: `service:80 web:8080 db:8080, service:81 db:9090`, each for TCP and UDP.
fn table(services: &str) -> ServiceTable {
    let mut table = ServiceTable::default();
    for service in services.split(", ") {
        let mut words = service.split(' ').map(socket);
        let front = words.next().unwrap();
        let backends: Vec<SocketAddr> = words.collect();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            table.backends.insert((front.ip(), protocol, front.port()), backends.clone());
        }
    }
    table
}
