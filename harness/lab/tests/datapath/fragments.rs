//! Fragments: they follow their first, and trick nobody.

use std::fmt::Write as _;

use etherparse::{IpFragOffset, Ipv4Header, Ipv6FragmentHeader, Ipv6Header};
use insta::assert_snapshot;

use crate::support::{Lab, build, rules};

/// The payload from `offset`, `length` bytes long, of a packet built by its notation.
fn part(text: &str, id: u16, offset: usize, length: usize, more: bool) -> Vec<u8> {
    let mut whole = build(text);
    whole.resize(whole.len() + 64, 0);
    let place = IpFragOffset::try_new(u16::try_from(offset / 8).unwrap()).unwrap();
    let mut packet = Vec::new();
    if whole[0] >> 4 == 4 {
        let (mut header, payload) = Ipv4Header::from_slice(&whole).unwrap();
        (header.identification, header.fragment_offset, header.more_fragments) = (id, place, more);
        let payload = &payload[offset..offset + length];
        header.set_payload_len(payload.len()).unwrap();
        header.write(&mut packet).unwrap();
        packet.extend(payload);
    } else {
        let (mut header, payload) = Ipv6Header::from_slice(&whole).unwrap();
        let extension = Ipv6FragmentHeader::new(header.next_header, place, more, u32::from(id));
        header.next_header = etherparse::IpNumber::IPV6_FRAGMENTATION_HEADER;
        let payload = &payload[offset..offset + length];
        header.payload_length = u16::try_from(8 + payload.len()).unwrap();
        header.write(&mut packet).unwrap();
        extension.write(&mut packet).unwrap();
        packet.extend(payload);
    }
    packet
}

/// Each is (notation, id, offset, length, whether more follow).
fn check(lab: &mut Lab, parts: &[(&str, u16, usize, usize, bool)]) -> String {
    let mut told = String::new();
    for &(text, id, offset, length, more) in parts {
        lab.send("web", part(text, id, offset, length, more));
        writeln!(told, "{text} #{id} {offset}+{length} => {}", lab.told()).unwrap();
    }
    told
}

#[test]
fn fragments_follow_their_first_through_a_service() {
    let told = check(
        &mut Lab::new(&[]),
        &[
            ("udp web:5000 service:80", 1, 0, 16, true),
            ("udp web:5000 service:80", 1, 16, 16, true),
            ("udp web:5000 service:80", 1, 32, 7, false),
            ("udp web6:5000 service6:80", 1, 0, 16, true),
            ("udp web6:5000 service6:80", 1, 16, 16, false),
            ("ping web db 7", 2, 0, 8, true),
            ("ping web db 7", 2, 8, 7, false),
        ],
    );
    assert_snapshot!(told, @"
    udp web:5000 service:80 #1 0+16 => db: part web db
    udp web:5000 service:80 #1 16+16 => db: part web db
    udp web:5000 service:80 #1 32+7 => db: part web db
    udp web6:5000 service6:80 #1 0+16 => db: part web6 db6
    udp web6:5000 service6:80 #1 16+16 => db: part web6 db6
    ping web db 7 #2 0+8 => db: part web db
    ping web db 7 #2 8+7 => db: part web db
    ");
}

#[test]
fn fragments_that_trick_nobody() {
    let told = check(
        &mut Lab::new(&[]),
        &[
            ("udp web:5000 db:80", 1, 16, 16, false),
            ("tcp web:5000 db:80 syn", 2, 0, 8, true),
            ("tcp web:5000 db:80 syn", 2, 8, 16, false),
            ("tcp web:5000 db:80 syn", 3, 0, 24, true),
            ("tcp web:5000 db:80 syn", 3, 16, 16, false),
            ("tcp web:5000 db:80 syn", 3, 8, 16, false),
            ("tcp web:5000 db:80 syn", 3, 24, 16, false),
            ("tcp web:5000 db:80 syn", 4, 0, 23, true),
            ("tcp web:5000 db:80 syn", 5, 24, 0, true),
            ("udp job:5000 db:80", 6, 8, 8, false),
        ],
    );
    assert_snapshot!(told, @"
    udp web:5000 db:80 #1 16+16 => dropped (a fragment without its first fragment)
    tcp web:5000 db:80 syn #2 0+8 => dropped (a first fragment without the whole transport header)
    tcp web:5000 db:80 syn #2 8+16 => dropped (a fragment without its first fragment)
    tcp web:5000 db:80 syn #3 0+24 => db: part web db
    tcp web:5000 db:80 syn #3 16+16 => dropped (a fragment that overwrites the transport header)
    tcp web:5000 db:80 syn #3 8+16 => dropped (a fragment that overwrites the transport header)
    tcp web:5000 db:80 syn #3 24+16 => db: part web db
    tcp web:5000 db:80 syn #4 0+23 => dropped (a fragment that fits into no packet)
    tcp web:5000 db:80 syn #5 24+0 => dropped (a fragment that fits into no packet)
    udp job:5000 db:80 #6 8+8 => dropped (InvalidSourceAddress)
    ");
}

#[test]
fn fragments_of_what_is_denied_vanish() {
    let mut lab = Lab::new(&[&rules("lockdown", "db", "ingress: [{}]")]);
    let told =
        check(&mut lab, &[("udp web:5000 db:80", 1, 0, 16, true), ("udp web:5000 db:80", 1, 16, 16, false)]);
    assert_snapshot!(told, @"
    udp web:5000 db:80 #1 0+16 => Ingress Dropped udp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    udp web:5000 db:80 #1 16+16 => nothing
    ");
}

#[test]
fn a_flood_of_first_fragments_costs_only_its_own_sender() {
    let mut lab = Lab::new(&[]);
    lab.send("job", part("udp job:5000 db:80", 1, 0, 16, true));
    for id in 1..5000 {
        lab.send("web", part("udp web:5000 db:80", id, 0, 16, true));
    }
    lab.send("job", part("udp job:5000 db:80", 1, 16, 8, false));
    assert_eq!(lab.effects.packets.len(), 1);
    lab.send("web", part("udp web:5000 db:80", 1, 16, 8, false));
    assert_eq!(lab.effects.packets.len(), 0);
}
