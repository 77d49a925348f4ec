//! What policies say, what is reported of it, and what a change of policy does to connections.

use std::net::IpAddr;

use insta::assert_snapshot;
use rstest::rstest;
use verdikt_engine::identity::Identity;
use verdikt_lab::datapath::identity::reserved;
use verdikt_scenario::topology::{CiliumEndpoint, Node};

use crate::support::{Lab, rules};

fn allow_web_to_db() -> String {
    rules(
        "guard",
        "db",
        "ingress: [{fromEndpoints: [{matchLabels: {app: web}}], \
         toPorts: [{ports: [{port: \"80\"}]}]}]",
    )
}

fn isolate(pod: &str) -> String {
    rules("lockdown", pod, "ingress: [{}], egress: [{}]")
}

#[test]
fn ingress_allowed_and_denied() {
    let mut lab = Lab::new(&[&allow_web_to_db()]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:81 syn
         job> tcp job:5000 db:80 syn
         web> udp web:5000 db:80
         web> tcp web6:5000 db6:80 syn
         job> tcp job6:5000 db6:80 syn
         client> tcp client:5000 db:80 syn
         host> tcp host:5000 db:80 syn
         web> ping web db 1",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn; Ingress Forwarded tcp web:5000#1000 db:80#1001 match 2 by shop/guard
    db> tcp db:80 web:5000 syn+ack => web: tcp db:80 web:5000 syn+ack
    web> tcp web:5000 db:80 ack => db: tcp web:5000 db:80 ack
    web> tcp web:5000 db:81 syn => Ingress Dropped tcp web:5000#1000 db:81#1001 match 0 (PolicyDenied)
    job> tcp job:5000 db:80 syn => Ingress Dropped tcp job:5000#1002 db:80#1001 match 0 (PolicyDenied)
    web> udp web:5000 db:80 => db: udp web:5000 db:80; Ingress Forwarded udp web:5000#1000 db:80#1001 match 2 by shop/guard
    web> tcp web6:5000 db6:80 syn => db: tcp web6:5000 db6:80 syn; Ingress Forwarded tcp web6:5000#1000 db6:80#1001 match 2 by shop/guard
    job> tcp job6:5000 db6:80 syn => Ingress Dropped tcp job6:5000#1002 db6:80#1001 match 0 (PolicyDenied)
    client> tcp client:5000 db:80 syn => Ingress Dropped tcp client:5000#2 db:80#1001 match 0 (PolicyDenied)
    host> tcp host:5000 db:80 syn => db: tcp host:5000 db:80 syn; Ingress Forwarded tcp host:5000#1 db:80#1001 match 1
    web> ping web db 1 => Ingress Dropped icmp web#1000 db#1001 match 0 (PolicyDenied)
    ");
}

#[test]
fn egress_is_judged_before_ingress_and_before_the_destination_is_looked_for() {
    let egress = rules("out", "web", "egress: [{toEndpoints: [{matchLabels: {app: db}}]}]");
    let mut lab = Lab::new(&[&egress, &isolate("vault")]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         web> tcp web:5000 job:80 syn
         web> tcp web:5000 nobody:80 syn
         job> tcp job:5000 vault:80 syn
         web> tcp web:5000 vault:80 syn
         vault> tcp vault:5000 db:80 syn
         db> tcp db:5000 web:80 syn
         web> tcp web:80 db:5000 syn+ack",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn; Egress Forwarded tcp web:5000#1000 db:80#1001 match 1 by shop/out
    web> tcp web:5000 job:80 syn => Egress Dropped tcp web:5000#1000 job:80#1002 match 0 (PolicyDenied)
    web> tcp web:5000 nobody:80 syn => Egress Dropped tcp web:5000#1000 nobody:80#2 match 0 (PolicyDenied)
    job> tcp job:5000 vault:80 syn => Ingress Dropped tcp job:5000#1002 vault:80#1003 match 0 (PolicyDenied)
    web> tcp web:5000 vault:80 syn => Egress Dropped tcp web:5000#1000 vault:80#1003 match 0 (PolicyDenied)
    vault> tcp vault:5000 db:80 syn => Egress Dropped tcp vault:5000#1003 db:80#1001 match 0 (PolicyDenied)
    db> tcp db:5000 web:80 syn => web: tcp db:5000 web:80 syn
    web> tcp web:80 db:5000 syn+ack => db: tcp web:80 db:5000 syn+ack
    ");
}

#[test]
fn an_explicit_deny_names_its_policy() {
    let deny = rules("never", "db", "ingressDeny: [{fromEndpoints: [{matchLabels: {app: job}}]}]");
    let mut lab = Lab::new(&[&deny]);
    let told = lab.play(
        "job> tcp job:5000 db:80 syn
         web> tcp web:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    job> tcp job:5000 db:80 syn => Ingress Dropped tcp job:5000#1002 db:80#1001 match 1 by shop/never (PolicyDeny)
    web> tcp web:5000 db:80 syn => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    ");
}

#[test]
fn icmp_rules() {
    let pings = rules("pings", "db", "ingress: [{icmps: [{fields: [{type: 8, family: IPv4}]}]}]");
    let mut lab = Lab::new(&[&pings]);
    let told = lab.play(
        "web> ping web db 1
         db> pong db web 1
         web> ping web6 db6 1
         web> timestamp web db
         web> pong web db 2
         web> unreachable web db about udp db:5000 web:53",
    );
    assert_snapshot!(told, @"
    web> ping web db 1 => db: ping web db 1; Ingress Forwarded icmp web#1000 db#1001 match 3 by shop/pings
    db> pong db web 1 => web: pong db web 1
    web> ping web6 db6 1 => Ingress Dropped icmpv6 web6#1000 db6#1001 match 0 (PolicyDenied)
    web> timestamp web db => Ingress Dropped icmp web#1000 db#1001 match 0 (PolicyDenied)
    web> pong web db 2 => Ingress Dropped icmp web#1000 db#1001 match 0 (PolicyDenied)
    web> unreachable web db about udp db:5000 web:53 => Ingress Dropped icmp web#1000 db#1001 match 0 (PolicyDenied)
    ");
}

#[test]
fn a_denial_is_reported_once_a_second() {
    let mut lab = Lab::new(&[&isolate("db")]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         + 0.5
         web> tcp web:5000 db:80 syn
         web> tcp web:5001 db:80 syn
         + 0.5
         web> tcp web:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    web> tcp web:5000 db:80 syn => nothing
    web> tcp web:5001 db:80 syn => Ingress Dropped tcp web:5001#1000 db:80#1001 match 0 (PolicyDenied)
    web> tcp web:5000 db:80 syn => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    ");
}

#[test]
fn a_new_denial_cuts_an_established_connection_on_its_clients_next_packet() {
    let mut lab = Lab::new(&[]);
    lab.play(
        "web> tcp web:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         web> udp web:5000 db:53",
    );
    lab.apply(&[&isolate("db")]);
    let told = lab.play(
        "db> tcp db:80 web:5000 ack
         web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:80 ack
         db> tcp db:80 web:5000 fin+ack
         web> udp web:5000 db:53
         + 1
         web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    db> tcp db:80 web:5000 ack => web: tcp db:80 web:5000 ack
    web> tcp web:5000 db:80 ack => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    web> tcp web:5000 db:80 ack => nothing
    db> tcp db:80 web:5000 fin+ack => web: tcp db:80 web:5000 fin+ack
    web> udp web:5000 db:53 => Ingress Dropped udp web:5000#1000 db:53#1001 match 0 (PolicyDenied)
    web> tcp web:5000 db:80 ack => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    web> tcp web:5000 db:80 syn => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    ");
    lab.apply(&[]);
    let told = lab.play(
        "web> udp web:5000 db:53
         web> tcp web:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> udp web:5000 db:53 => db: udp web:5000 db:53
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn
    ");
}

#[test]
fn a_connection_denied_for_a_while_goes_on() {
    let mut lab = Lab::new(&[&allow_web_to_db()]);
    lab.play(
        "web> tcp web:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack",
    );
    lab.apply(&[&isolate("db")]);
    let cut = lab.play("web> tcp web:5000 db:80 ack");
    assert_snapshot!(cut, @"web> tcp web:5000 db:80 ack => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)");
    lab.apply(&[&allow_web_to_db()]);
    let on = lab.play("web> tcp web:5000 db:80 ack");
    assert_snapshot!(on, @"web> tcp web:5000 db:80 ack => db: tcp web:5000 db:80 ack");
}

/// Attempts of two steps may use one port: each is reported.
#[test]
fn a_datagram_is_audited_under_every_policy() {
    let lockdown = rules("lockdown", "db", "ingress: [{}]");
    let mut lab = Lab::new(&[]);
    lab.audit(&[&lockdown]);
    let first = lab.play("web> udp web:5000 db:53\ndb> udp db:53 web:5000");
    lab.audit(&[&lockdown]);
    let second = lab.play("web> udp web:5000 db:53\nweb> udp web:5000 db:53");
    assert_snapshot!(first + &second, @"
    web> udp web:5000 db:53 => db: udp web:5000 db:53; Ingress Audit udp web:5000#1000 db:53#1001 match 0
    db> udp db:53 web:5000 => web: udp db:53 web:5000
    web> udp web:5000 db:53 => db: udp web:5000 db:53; Ingress Audit udp web:5000#1000 db:53#1001 match 0
    web> udp web:5000 db:53 => db: udp web:5000 db:53
    ");
}

#[test]
fn audit_mode_reports_and_lets_pass() {
    let mut lab = Lab::new(&[]);
    let never = rules("never", "db", "ingressDeny: [{fromEndpoints: [{matchLabels: {app: job}}]}]");
    lab.audit(&[&isolate("vault"), &never]);
    let told = lab.play(
        "web> tcp web:5000 vault:80 syn
         web> tcp web:5000 vault:80 ack
         vault> tcp vault:5000 db:80 syn
         job> tcp job:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 vault:80 syn => vault: tcp web:5000 vault:80 syn; Ingress Audit tcp web:5000#1000 vault:80#1003 match 0
    web> tcp web:5000 vault:80 ack => vault: tcp web:5000 vault:80 ack
    vault> tcp vault:5000 db:80 syn => db: tcp vault:5000 db:80 syn; Egress Audit tcp vault:5000#1003 db:80#1001 match 0; Ingress Audit tcp vault:5000#1003 db:80#1001 match 0
    job> tcp job:5000 db:80 syn => db: tcp job:5000 db:80 syn; Ingress Audit tcp job:5000#1002 db:80#1001 match 1 by shop/never
    ");
    lab.apply(&[&isolate("vault"), &never]);
    let told = lab.play(
        "web> tcp web:5000 vault:80 ack
         job> tcp job:5000 db:80 ack",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 vault:80 ack => Ingress Dropped tcp web:5000#1000 vault:80#1003 match 0 (PolicyDenied)
    job> tcp job:5000 db:80 ack => Ingress Dropped tcp job:5000#1002 db:80#1001 match 1 by shop/never (PolicyDeny)
    ");
}

#[test]
fn what_is_not_modelled_is_an_error_and_passes_nowhere() {
    let auth = rules(
        "auth",
        "db",
        "ingress: [{fromEndpoints: [{matchLabels: {app: web}}], authentication: {mode: required}}]",
    );
    let mut lab = Lab::new(&[]);
    lab.audit(&[&auth]);
    let told = lab.play("web> tcp web:5000 db:80 syn");
    assert_snapshot!(told, @"web> tcp web:5000 db:80 syn => Ingress Error tcp web:5000#1000 db:80#1001 match 1 (not modelled: whether mutual authentication succeeds)");
}

fn node(name: &str) -> Identity {
    Identity::node(name, &Node::default())
}

fn api_server(name: &str) -> Identity {
    Identity::node(name, &Node { api_server: true, ..Node::default() })
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[rstest]
#[case::own_node(node("host"), Some(1))]
#[case::own_node_with_the_api_server(api_server("host"), Some(1))]
#[case::other_node(node("other"), Some(6))]
#[case::other_node_with_the_api_server(api_server("other"), Some(7))]
#[case::health(Identity::cilium(CiliumEndpoint::Health), Some(4))]
#[case::ingress(Identity::cilium(CiliumEndpoint::Ingress), Some(8))]
#[case::world(Identity::world(address("192.0.2.1"), Vec::new()), Some(2))]
#[case::world_ipv4(Identity::world_of_family(address("192.0.2.1"), Vec::new()), Some(9))]
#[case::world_ipv6(Identity::world_of_family(address("2001:db8::1"), Vec::new()), Some(10))]
#[case::pod(Identity::default(), None)]
fn reserved_identities_have_ciliums_numbers(#[case] identity: Identity, #[case] number: Option<u32>) {
    assert_eq!(reserved(&identity), number);
}
