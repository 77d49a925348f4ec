//! Connections: how long they are known, how many there may be, and whose flood costs whom.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rstest::rstest;

use crate::support::{Lab, build, link, rules};

#[test]
fn a_closed_connection_is_forgotten_soon_and_its_ports_can_be_used_again() {
    let guard = rules("guard", "db", "ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]");
    let mut lab = Lab::new(&[&guard]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         web> tcp web:5000 db:80 fin+ack
         db> tcp db:80 web:5000 fin+ack
         web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn; Ingress Forwarded tcp web:5000#1000 db:80#1001 match 1 by shop/guard
    db> tcp db:80 web:5000 syn+ack => web: tcp db:80 web:5000 syn+ack
    web> tcp web:5000 db:80 fin+ack => db: tcp web:5000 db:80 fin+ack
    db> tcp db:80 web:5000 fin+ack => web: tcp db:80 web:5000 fin+ack
    web> tcp web:5000 db:80 ack => db: tcp web:5000 db:80 ack
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn; Ingress Forwarded tcp web:5000#1000 db:80#1001 match 1 by shop/guard
    ");
    lab.play("web> tcp web:5000 db:80 rst");
    assert_eq!(lab.datapath.connections(), 1);
    lab.at += Duration::from_secs(10);
    lab.datapath.expire(lab.at);
    assert_eq!(lab.datapath.connections(), 0);
}

#[test]
fn idle_connections_are_forgotten() {
    let mut lab = Lab::new(&[&rules("lockdown", "web", "ingress: [{}]")]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         web> udp web:5000 db:53
         web> tcp web:5001 db:80 syn
         db> tcp db:80 web:5001 syn+ack
         + 60
         db> tcp db:80 web:5000 syn+ack
         db> udp db:53 web:5000
         db> tcp db:80 web:5001 ack",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn
    web> udp web:5000 db:53 => db: udp web:5000 db:53
    web> tcp web:5001 db:80 syn => db: tcp web:5001 db:80 syn
    db> tcp db:80 web:5001 syn+ack => web: tcp db:80 web:5001 syn+ack
    db> tcp db:80 web:5000 syn+ack => Ingress Dropped tcp db:80#1001 web:5000#1000 match 0 (PolicyDenied)
    db> udp db:53 web:5000 => Ingress Dropped udp db:53#1001 web:5000#1000 match 0 (PolicyDenied)
    db> tcp db:80 web:5001 ack => web: tcp db:80 web:5001 ack
    ");
}

#[test]
fn a_segment_without_a_beginning_is_judged_as_one() {
    let mut lab = Lab::new(&[&rules("lockdown", "db", "ingress: [{}]")]);
    let told = lab.play(
        "web> tcp web:5000 job:80 ack
         web> tcp web:5000 db:80 ack",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 job:80 ack => job: tcp web:5000 job:80 ack
    web> tcp web:5000 db:80 ack => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    ");
}

#[rstest]
fn a_connection_ends_with_the_link_of_either_side(#[values("web", "db")] gone: &str) {
    let mut lab = Lab::new(&[]);
    lab.play("web> tcp web:5000 service:80 syn");
    assert_eq!(lab.datapath.connections(), 1);
    lab.datapath.detach(link(gone));
    assert_eq!(lab.datapath.connections(), 0);
}

#[test]
fn the_same_backend_by_two_names() {
    let told = Lab::new(&[]).play(
        "web> udp web:5000 service:80
         db> udp db:8080 web:5000
         web> udp web:5000 db:8080
         db> udp db:8080 web:5000
         web> udp web:5000 service:80
         db> udp db:8080 web:5000",
    );
    assert_snapshot!(told, @"
    web> udp web:5000 service:80 => db: udp web:5000 db:8080
    db> udp db:8080 web:5000 => web: udp service:80 web:5000
    web> udp web:5000 db:8080 => db: udp web:5000 db:8080
    db> udp db:8080 web:5000 => web: udp db:8080 web:5000
    web> udp web:5000 service:80 => db: udp web:5000 db:8080
    db> udp db:8080 web:5000 => web: udp service:80 web:5000
    ");
}

#[test]
fn ten_thousand_connections_at_once() {
    let mut lab = Lab::new(&[]);
    for port in 10_000..20_000 {
        lab.send("web", build(&format!("tcp web:{port} service:80 syn")));
        lab.send("db", build(&format!("tcp db:8080 web:{port} syn+ack")));
    }
    assert_eq!(lab.datapath.connections(), 10_000);
    for port in 10_000..20_000 {
        lab.send("web", build(&format!("tcp web:{port} service:80 ack")));
        lab.send("db", build(&format!("tcp db:8080 web:{port} ack")));
        assert_eq!(lab.effects.packets.len(), 1);
    }
    for port in 10_000..20_000 {
        lab.send("web", build(&format!("tcp web:{port} service:80 rst")));
    }
    lab.at += Duration::from_secs(10);
    lab.datapath.expire(lab.at);
    assert_eq!(lab.datapath.connections(), 0);
}

/// Sends a packet from every port of `job`; each of them passes.
fn flood(lab: &mut Lab, packet: impl Fn(u16) -> String) {
    for port in 1..=u16::MAX {
        lab.send("job", build(&packet(port)));
        assert_eq!(lab.effects.packets.len(), 1);
    }
}

#[test]
fn a_flood_takes_from_its_own_connections_only() {
    let mut lab = Lab::new(&[]);
    lab.play(
        "web> tcp web:5000 db:80 syn
         web> tcp web:5001 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         job> tcp job:1 db:1 syn
         db> tcp db:1 job:1 syn+ack",
    );
    flood(&mut lab, |port| format!("tcp job:{port} db:80 syn"));
    flood(&mut lab, |port| format!("tcp job:{port} web:80 syn"));
    flood(&mut lab, |port| format!("tcp job:{port} client:80 syn"));
    assert!(lab.datapath.connections() < 17_000, "{}", lab.datapath.connections());
    let told = lab.play(
        "web> tcp web:5000 db:80 ack
         db> tcp db:80 web:5000 ack
         db> tcp db:80 web:5001 syn+ack
         db> tcp db:1 job:1 ack",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 ack => db: tcp web:5000 db:80 ack
    db> tcp db:80 web:5000 ack => web: tcp db:80 web:5000 ack
    db> tcp db:80 web:5001 syn+ack => web: tcp db:80 web:5001 syn+ack
    db> tcp db:1 job:1 ack => job: tcp db:1 job:1 ack
    ");
}

#[test]
fn a_flood_through_a_proxy_leaves_the_proxies_to_others() {
    let rule = "egress: [{toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchPattern: \"*\"}]}}]}]";
    let mut lab = Lab::new(&[&rules("names", "job", rule), &rules("names-too", "web", rule)]);
    flood(&mut lab, |port| format!("udp job:{port} db:53"));
    flood(&mut lab, |port| format!("udp job:{port} web:53"));
    assert!(lab.datapath.connections() < 9000, "{}", lab.datapath.connections());
    lab.send("web", build("udp web:5000 db:53"));
    assert_eq!(lab.effects.packets.len(), 1);
}

#[test]
fn denials_of_a_port_scan_are_all_reported() {
    let mut lab = Lab::new(&[&rules("lockdown", "db", "ingress: [{}]")]);
    let begun = Instant::now();
    let mut reported = 0;
    for port in 1..=u16::MAX {
        lab.send("job", build(&format!("tcp job:5000 db:{port} syn")));
        reported += lab.effects.flows.len();
        assert_eq!(lab.effects.packets.len(), 0);
    }
    assert_eq!(reported, usize::from(u16::MAX));
    assert!(begun.elapsed() < Duration::from_secs(20));
}
