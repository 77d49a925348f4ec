//! Packets made to harm: whatever comes, nothing panics, nobody speaks as another, and no denial is got around.

use std::fmt::Write as _;
use std::net::IpAddr;

use insta::assert_snapshot;
use proptest::prelude::*;
use verdikt_lab::datapath::LinkId;

use crate::support::{ENDPOINTS, Lab, PROXY, address, build, checksums_are_right, link, rules};

/// What is wrong, the packet as it would be right, changes to it as (offset, bytes), and where it is cut off.
type Case = (&'static str, &'static str, &'static [(usize, &'static [u8])], usize);

#[test]
fn malformed_packets_are_told_apart() {
    let cases: [Case; 16] = [
        ("no packet", "ping web db 1", &[], 0),
        ("version 5", "ping web db 1", &[(0, &[0x55])], 99),
        ("short", "ping web db 1", &[], 19),
        ("header of 16 bytes", "ping web db 1", &[(0, &[0x44])], 99),
        ("header longer than the packet", "ping web db 1", &[(0, &[0x4f]), (2, &[0, 40])], 99),
        ("longer than it is", "ping web db 1", &[(2, &[0, 200])], 99),
        ("without its transport header", "ping web db 1", &[(2, &[0, 24])], 24),
        ("a protocol of its own", "ping web db 1", &[(9, &[253])], 99),
        ("ICMPv6 in IPv4", "ping web db 1", &[(9, &[58])], 99),
        ("a TCP header of 16 bytes", "tcp web:1 db:1 syn", &[(32, &[0x40])], 99),
        ("TCP options cut off", "tcp web:1 db:1 syn", &[(32, &[0xf0])], 99),
        ("a datagram longer than its packet", "udp web:1 db:1", &[(24, &[1, 0])], 99),
        ("a routing header", "udp web6:1 db6:1", &[(6, &[43]), (40, &[17, 0, 0, 1])], 99),
        ("hop-by-hop options twice", "tcp web6:1 db6:1 syn", &[(6, &[0]), (40, &[0, 0])], 99),
        ("an extension header cut off", "udp web6:1 db6:1", &[(6, &[60]), (40, &[17, 9])], 99),
        ("nothing after its header", "udp web6:1 db6:1", &[(6, &[59])], 99),
    ];
    let mut lab = Lab::new(&[]);
    let mut told = String::new();
    for (what, text, changes, length) in cases {
        let mut packet = build(text);
        for (at, bytes) in changes {
            packet[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        packet.truncate(length);
        lab.send("web", packet);
        writeln!(told, "{what} => {}", lab.told()).unwrap();
    }
    assert_snapshot!(told, @"
    no packet => dropped (neither IPv4 nor IPv6)
    version 5 => dropped (neither IPv4 nor IPv6)
    short => dropped (cut off in its IP header)
    header of 16 bytes => dropped (its IP header gives a wrong length)
    header longer than the packet => dropped (its IP header gives a wrong length)
    longer than it is => dropped (its IP header gives a wrong length)
    without its transport header => dropped (cut off in its transport header)
    a protocol of its own => dropped (its protocol is not carried: neither TCP nor UDP nor SCTP nor ICMP)
    ICMPv6 in IPv4 => dropped (its protocol is not carried: neither TCP nor UDP nor SCTP nor ICMP)
    a TCP header of 16 bytes => dropped (its transport header gives a wrong length)
    TCP options cut off => dropped (cut off in its transport header)
    a datagram longer than its packet => dropped (its transport header gives a wrong length)
    a routing header => dropped (it has a source route)
    hop-by-hop options twice => dropped (a misplaced extension header)
    an extension header cut off => dropped (cut off in its IP header)
    nothing after its header => dropped (its protocol is not carried: neither TCP nor UDP nor SCTP nor ICMP)
    ");
}

#[test]
fn what_follows_a_packet_is_cut_off() {
    let mut lab = Lab::new(&[]);
    let mut packet = build("udp web:5000 db:53");
    let length = packet.len();
    packet.extend([1; 40]);
    lab.send("web", packet);
    assert_eq!(lab.effects.packets[0].1.len(), length);
}

#[test]
fn an_unknown_link_is_not_listened_to() {
    let mut lab = Lab::new(&[]);
    lab.datapath.detach(link("web"));
    lab.send("web", build("udp web:5000 db:53"));
    assert_eq!(lab.told(), "nothing");
}

/// A cluster in which `vault` is isolated both ways, and some traffic of `web` and to `db` goes through proxies.
fn lab() -> Lab {
    let dns = "egress: [{toPorts: [{ports: [{port: \"53\", protocol: ANY}], \
               rules: {dns: [{matchPattern: \"*\"}]}}]}, {toEntities: [cluster, world]}]";
    let http = "ingress: [{toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {http: [{}]}}]}, \
                {fromEntities: [cluster]}]";
    let vault = rules("lockdown", "vault", "ingress: [{}], egress: [{}]");
    let mut lab = Lab::new(&[&rules("names", "web", dns), &rules("api", "db", http), &vault]);
    lab.play(
        "web> tcp web:1 db:80 syn
         web> udp web:1 db:53
         job> tcp job:1 service:80 syn
         db> tcp db:8080 job:1 syn+ack
         db> udp db:1 service:80
         proxy> tcp [198.19.1.0]:1 db:80 syn",
    );
    lab
}

/// A packet, and the link it comes from; none for that of its source address.
fn sent() -> impl Strategy<Value = (Option<usize>, Vec<u8>)> {
    let names = ["web", "db", "job", "vault", "client"];
    let sockets =
        ["web:1", "db:80", "db:8080", "db:53", "job:1", "vault:80", "service:80", "client:1", "itself:1"];
    let tokens = ["proxy:15001", "proxy:15053", "[198.18.1.0]:1", "[198.19.1.0]:1", "[198.19.1.1]:1"];
    let socket = prop::sample::select([&sockets[..], &tokens[..]].concat());
    let name = prop::sample::select(names.to_vec());
    let flags = prop::sample::select(&["syn", "ack", "syn+ack", "fin+ack", "rst"][..]);
    let tcp = (socket.clone(), socket.clone(), flags)
        .prop_map(|(from, to, flags)| format!("tcp {from} {to} {flags}"));
    let udp = (socket.clone(), socket.clone()).prop_map(|(from, to)| format!("udp {from} {to}"));
    let ping =
        (name.clone(), name.clone(), 0..3_u16).prop_map(|(from, to, id)| format!("ping {from} {to} {id}"));
    let pong =
        (name.clone(), name.clone(), 0..3_u16).prop_map(|(from, to, id)| format!("pong {from} {to} {id}"));
    let error = (name.clone(), name, socket.clone(), socket)
        .prop_map(|(from, to, one, other)| format!("unreachable {from} {to} about udp {one} {other}"));
    let valid = prop_oneof![tcp, udp, ping, pong, error].prop_map(|text| build(&text)).boxed();
    let mutated = (valid.clone(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6))
        .prop_map(|(mut packet, changes)| {
            for (at, byte) in changes {
                let at = at.index(packet.len());
                packet[at] = byte;
            }
            packet
        });
    let cut = (valid.clone(), any::<prop::sample::Index>()).prop_map(|(mut packet, at)| {
        packet.truncate(at.index(packet.len()));
        packet
    });
    let fragment =
        (valid.clone(), 0..3_u8, 0..5_u8, any::<bool>()).prop_map(|(mut packet, id, offset, more)| {
            if packet[0] >> 4 == 4 {
                packet.truncate(20 + (packet.len() - 20) / 8 * 8);
                let length = u16::try_from(packet.len()).unwrap();
                packet[2..4].copy_from_slice(&length.to_be_bytes());
                packet[4..8].copy_from_slice(&[0, id, if more { 0x20 } else { 0 }, offset]);
            }
            packet
        });
    let noise = prop::collection::vec(any::<u8>(), 0..120);
    let version_6 = prop::collection::vec(any::<u8>(), 40..200).prop_map(|mut bytes| {
        // Well formed at the front, so that what follows is looked at.
        let length = u16::try_from(bytes.len() - 40).unwrap();
        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        bytes[6] = [0, 43, 44, 51, 60, 6, 17, 58][usize::from(bytes[6] & 7)];
        bytes[8..40].copy_from_slice(&build("udp web6:1 db6:1")[8..40]);
        bytes
    });
    (
        prop::option::weighted(0.2, 0..ENDPOINTS.len()),
        prop_oneof![6 => valid, 4 => mutated, 3 => fragment, 1 => cut, 1 => noise, 2 => version_6],
    )
}

fn addresses(link: LinkId) -> Vec<IpAddr> {
    let (_, v4, v6) = ENDPOINTS[link.0];
    vec![v4.parse().unwrap(), v6.parse().unwrap()]
}

/// The link of the source address; the proxies' if no endpoint has it.
fn link_of(packet: &[u8]) -> LinkId {
    let links = (0..ENDPOINTS.len()).map(LinkId);
    let source = (packet.len() >= 40).then(|| ends(packet).0);
    links
        .into_iter()
        .find(|link| source.is_some_and(|source| addresses(*link).contains(&source)))
        .unwrap_or(PROXY)
}

fn ends(packet: &[u8]) -> (IpAddr, IpAddr) {
    if packet[0] >> 4 == 4 {
        let at = |at: usize| <[u8; 4]>::try_from(&packet[at..at + 4]).unwrap().into();
        (at(12), at(16))
    } else {
        let at = |at: usize| <[u8; 16]>::try_from(&packet[at..at + 16]).unwrap().into();
        (at(8), at(24))
    }
}

/// Whether a packet from one link may arrive at another with these addresses.
fn is_honest(from: LinkId, to: LinkId, source: IpAddr, destination: IpAddr) -> bool {
    let services = [address("service"), address("service6")];
    let own_client = [address("itself"), address("itself6")];
    let token = |address: IpAddr, range: u8| match address {
        IpAddr::V4(address) => address.octets()[..2] == [198, range],
        IpAddr::V6(address) => address.segments()[..2] == [0xfd98, if range == 18 { 0x12 } else { 0x13 }],
    };
    let source_is_honest = match (from, to) {
        // A proxy answers for the server, and speaks for the client.
        (PROXY, PROXY) => token(source, 18) || !token(source, 19),
        (PROXY, _) => !token(source, 18) && !token(source, 19),
        (_, PROXY) => token(source, 18) || addresses(from).contains(&source),
        _ => {
            addresses(from).contains(&source)
                || (from == link("db") && services.contains(&source))
                || (from == to && own_client.contains(&source))
        }
    };
    let arrives = if to == PROXY {
        token(destination, 18) || token(destination, 19)
    } else {
        addresses(to).contains(&destination) || (from == to && own_client.contains(&destination))
    };
    source_is_honest && arrives
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn nothing_gets_around_the_datapath(packets in prop::collection::vec(sent(), 1..80)) {
        let mut lab = lab();
        for (from, mut packet) in packets {
            let from = from.map_or_else(|| link_of(&packet), LinkId);
            let right = packet.len() >= 48 && checksums_are_right(&packet);
            lab.effects.clear();
            lab.at += std::time::Duration::from_millis(300);
            let before = packet.clone();
            lab.datapath.packet(from, &mut packet, lab.at, &mut lab.effects);
            prop_assert!(lab.effects.packets.len() <= 1);
            for (to, delivered) in &lab.effects.packets {
                let (source, destination) = ends(delivered);
                prop_assert!(
                    is_honest(from, *to, source, destination),
                    "{from:?} {:?} => {to:?} {source} {destination}", ends(&before)
                );
                // The node reaches every pod; nobody else reaches this one, and it reaches nobody.
                let vault = link("vault");
                prop_assert!(*to != vault || from == link("host"));
                prop_assert!(from != vault || *to == link("host"));
                prop_assert!(!right || checksums_are_right(delivered));
            }
        }
    }
}
