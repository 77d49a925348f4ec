//! Delivery without policies: who may send what, and who gets it.

use insta::assert_snapshot;

use crate::support::{Lab, build};

#[test]
fn packets_go_to_the_owner_of_their_destination() {
    let told = Lab::new(&[]).play(
        "web> tcp web:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         web> tcp web:5000 db:80 ack
         web> udp web:5000 client:53
         client> udp client:53 web:5000
         web> udp web6:5000 client6:53",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn
    db> tcp db:80 web:5000 syn+ack => web: tcp db:80 web:5000 syn+ack
    web> tcp web:5000 db:80 ack => db: tcp web:5000 db:80 ack
    web> udp web:5000 client:53 => client: udp web:5000 client:53
    client> udp client:53 web:5000 => web: udp client:53 web:5000
    web> udp web6:5000 client6:53 => client: udp web6:5000 client6:53
    ");
}

#[test]
fn pings_and_their_answers() {
    let told = Lab::new(&[]).play(
        "web> ping web db 7
         db> pong db web 7
         web> ping web6 db6 7
         db> pong db6 web6 7
         web> timestamp web db",
    );
    assert_snapshot!(told, @"
    web> ping web db 7 => db: ping web db 7
    db> pong db web 7 => web: pong db web 7
    web> ping web6 db6 7 => db: ping web6 db6 7
    db> pong db6 web6 7 => web: pong db6 web6 7
    web> timestamp web db => db: icmp type 13 web db; Ingress Forwarded icmp web#1000 db#1001 match 0
    ");
}

#[test]
fn nobody_sends_from_anothers_address() {
    let told = Lab::new(&[]).play(
        "web> tcp db:5000 job:80 syn
         web> udp web6:5000 db6:53
         web> udp job6:5000 db6:53
         web> udp proxy:15053 db:53
         web> udp [198.19.1.0]:5000 db:53
         proxy> udp web:5000 db:53
         proxy> udp [198.18.1.0]:5000 db:53
         proxy> udp [198.19.1.0]:5000 db:53
         proxy> udp proxy:5000 db:53",
    );
    assert_snapshot!(told, @"
    web> tcp db:5000 job:80 syn => dropped (InvalidSourceAddress)
    web> udp web6:5000 db6:53 => db: udp web6:5000 db6:53
    web> udp job6:5000 db6:53 => dropped (InvalidSourceAddress)
    web> udp proxy:15053 db:53 => dropped (InvalidSourceAddress)
    web> udp [198.19.1.0]:5000 db:53 => dropped (InvalidSourceAddress)
    proxy> udp web:5000 db:53 => dropped (InvalidSourceAddress)
    proxy> udp [198.18.1.0]:5000 db:53 => dropped (InvalidSourceAddress)
    proxy> udp [198.19.1.0]:5000 db:53 => dropped (InvalidSourceAddress)
    proxy> udp proxy:5000 db:53 => dropped (NoDestination)
    ");
}

#[test]
fn what_nobody_has_goes_nowhere() {
    let told = Lab::new(&[]).play(
        "web> tcp web:5000 nobody:80 syn
         web> tcp web:5000 proxy:15001 syn
         web> tcp web:5000 [198.18.1.0]:80 syn
         web> tcp web:5000 [127.0.0.1]:80 syn
         web> udp web:5000 [224.0.0.1]:80
         web> udp web:5000 [255.255.255.255]:67
         web> udp web6:5000 [ff02::1]:80
         web> udp [fe80::1]:546 [ff02::1:2]:547",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 nobody:80 syn => dropped (NoDestination)
    web> tcp web:5000 proxy:15001 syn => dropped (NoDestination)
    web> tcp web:5000 [198.18.1.0]:80 syn => dropped (NoDestination)
    web> tcp web:5000 [127.0.0.1]:80 syn => dropped (NoDestination)
    web> udp web:5000 [224.0.0.1]:80 => nothing
    web> udp web:5000 [255.255.255.255]:67 => nothing
    web> udp web6:5000 [ff02::1]:80 => nothing
    web> udp [fe80::1]:546 [ff02::1:2]:547 => nothing
    ");
}

#[test]
fn a_packet_without_hops_left_ends() {
    let mut lab = Lab::new(&[]);
    let mut packet = build("udp web:5000 db:53");
    packet[8] = 1;
    lab.send("web", packet);
    assert_snapshot!(lab.told(), @"dropped (its time to live has run out)");
}

#[test]
fn drops_are_reported_a_few_times_a_second() {
    let mut lab = Lab::new(&[]);
    let mut reported = 0;
    for port in 1000..2000 {
        lab.send("web", build(&format!("udp job:{port} db:53")));
        reported += lab.effects.flows.len();
    }
    assert_eq!(reported, 20);
    lab.at += std::time::Duration::from_secs(1);
    lab.send("web", build("udp job:1 db:53"));
    assert_eq!(lab.effects.flows.len(), 1);
}
