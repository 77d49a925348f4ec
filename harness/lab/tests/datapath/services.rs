//! Services: backends, answers, and pods that reach themselves.

use insta::assert_snapshot;

use crate::support::{Lab, build, rules};

#[test]
fn a_service_leads_to_its_backend_and_answers_come_from_the_service() {
    let mut lab = Lab::new(&[]);
    let told = lab.play(
        "web> tcp web:5000 service:80 syn
         db> tcp db:8080 web:5000 syn+ack
         web> tcp web:5000 service:80 ack
         web> udp web:5000 service:80
         db> udp db:8080 web:5000
         web> tcp web6:5000 service6:80 syn
         db> tcp db6:8080 web6:5000 syn+ack
         web> udp web6:5000 service6:80
         db> udp db6:8080 web6:5000",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 service:80 syn => db: tcp web:5000 db:8080 syn
    db> tcp db:8080 web:5000 syn+ack => web: tcp service:80 web:5000 syn+ack
    web> tcp web:5000 service:80 ack => db: tcp web:5000 db:8080 ack
    web> udp web:5000 service:80 => db: udp web:5000 db:8080
    db> udp db:8080 web:5000 => web: udp service:80 web:5000
    web> tcp web6:5000 service6:80 syn => db: tcp web6:5000 db6:8080 syn
    db> tcp db6:8080 web6:5000 syn+ack => web: tcp service6:80 web6:5000 syn+ack
    web> udp web6:5000 service6:80 => db: udp web6:5000 db6:8080
    db> udp db6:8080 web6:5000 => web: udp service6:80 web6:5000
    ");
}

#[test]
fn policies_see_the_backend_and_its_port() {
    let rule =
        "ingress: [{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: \"8080\"}]}]}]";
    let mut lab = Lab::new(&[&rules("guard", "db", rule)]);
    let told = lab.play(
        "web> tcp web:5000 service:80 syn
         job> tcp job:5000 service:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 service:80 syn => db: tcp web:5000 db:8080 syn; Ingress Forwarded tcp web:5000#1000 db:8080#1001 match 2 by shop/guard
    job> tcp job:5000 service:80 syn => Ingress Dropped tcp job:5000#1002 db:8080#1001 match 0 (PolicyDenied)
    ");
}

#[test]
fn what_a_service_does_not_offer_goes_nowhere() {
    let told = Lab::new(&[]).play(
        "web> tcp web:5000 service:81 syn
         web> tcp web:5000 empty:80 syn
         web> ping web service 1
         web> ping web6 service6 1",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 service:81 syn => dropped (NoDestination)
    web> tcp web:5000 empty:80 syn => dropped (NoDestination)
    web> ping web service 1 => dropped (NoDestination)
    web> ping web6 service6 1 => dropped (NoDestination)
    ");
}

/// As Cilium drops it, with its reason, which is not a denial.
#[test]
fn a_host_outside_reaches_only_services_that_are_open_to_it() {
    let mut lab = Lab::new(&[]);
    let plays = "client> tcp client:5000 service:80 syn
         client> udp client:5000 service:80
         client> tcp client:5001 db:8080 syn";
    assert_snapshot!(lab.play(plays), @r#"
    client> tcp client:5000 service:80 syn => dropped (Other("Is a ClusterIP"))
    client> udp client:5000 service:80 => dropped (Other("Is a ClusterIP"))
    client> tcp client:5001 db:8080 syn => db: tcp client:5001 db:8080 syn
    "#);
    lab.serve_everybody("service:80 db:8080");
    assert_snapshot!(lab.play("client> tcp client:5002 service:80 syn"), @"client> tcp client:5002 service:80 syn => db: tcp client:5002 db:8080 syn");
}

/// Two clients whose ports are the same are told apart, in flows and where they arrive.
#[test]
fn a_node_tells_for_which_client_it_connects() {
    let mut lab = Lab::new(&[&rules("lockdown", "db", "ingress: [{}]")]);
    lab.lead_over_node("service");
    let told = lab.play(
        "web> tcp web:5000 service:80 syn
         db> tcp db:8080 host:5000 syn+ack
         job> tcp job:5000 service:80 syn
         web> tcp web:5000 service:80 rst
         vault> tcp vault:5000 service:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 service:80 syn => db: tcp host:5000 db:8080 syn; Ingress Forwarded tcp host:5000#1 for web:5000 db:8080#1001 match 1
    db> tcp db:8080 host:5000 syn+ack => web: tcp service:80 web:5000 syn+ack
    job> tcp job:5000 service:80 syn => db: tcp host:5001 db:8080 syn; Ingress Forwarded tcp host:5001#1 for job:5000 db:8080#1001 match 1
    web> tcp web:5000 service:80 rst => db: tcp host:5000 db:8080 rst
    vault> tcp vault:5000 service:80 syn => db: tcp host:5002 db:8080 syn; Ingress Forwarded tcp host:5002#1 for vault:5000 db:8080#1001 match 1
    ");
    let clients = ["host:5000 db:8080", "host:5001 db:8080", "web:5000 db:8080"];
    let shown = format!("{:?}", clients.map(|connection| lab.client_of(connection)));
    assert_snapshot!(shown, @r#"[Some("web:5000"), Some("job:5000"), None]"#);
    lab.play("+ 61\nweb> tcp web:5009 db:80 syn");
    lab.datapath.expire(lab.at);
    assert_eq!(clients.map(|connection| lab.client_of(connection)), [None, None, None]);
}

#[test]
fn a_pod_reaches_itself_through_its_service_whatever_the_policy() {
    let mut lab = Lab::new(&[&rules("lockdown", "db", "ingress: [{}], egress: [{}]")]);
    let told = lab.play(
        "db> tcp db:5000 service:80 syn
         db> tcp db:8080 itself:5000 syn+ack
         db> tcp db:5000 service:80 ack
         db> udp db6:5000 service6:80
         db> udp db6:8080 itself6:5000
         web> tcp web:5000 service:80 syn",
    );
    assert_snapshot!(told, @"
    db> tcp db:5000 service:80 syn => db: tcp itself:5000 db:8080 syn
    db> tcp db:8080 itself:5000 syn+ack => db: tcp service:80 db:5000 syn+ack
    db> tcp db:5000 service:80 ack => db: tcp itself:5000 db:8080 ack
    db> udp db6:5000 service6:80 => db: udp itself6:5000 db6:8080
    db> udp db6:8080 itself6:5000 => db: udp service6:80 db6:5000
    web> tcp web:5000 service:80 syn => Ingress Dropped tcp web:5000#1000 db:8080#1001 match 0 (PolicyDenied)
    ");
}

#[test]
fn connections_are_spread_over_the_backends_and_each_stays_with_its_own() {
    let mut lab = Lab::new(&[]);
    lab.serve("service:80 db:8080 job:8080 vault:8080");
    let mut shares = std::collections::BTreeMap::new();
    for port in 10_000..13_000 {
        let mut backends = std::collections::BTreeSet::new();
        for flags in ["syn", "ack"] {
            lab.send("web", build(&format!("tcp web:{port} service:80 {flags}")));
            backends.insert(lab.effects.packets[0].0);
        }
        assert_eq!(backends.len(), 1);
        *shares.entry(backends.pop_first().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(shares.len(), 3);
    assert!(shares.values().all(|share| (850..1150).contains(share)), "{shares:?}");
}

#[test]
fn a_connection_leaves_a_backend_that_has_left_the_service() {
    let mut lab = Lab::new(&[]);
    lab.play(
        "web> tcp web:5000 service:80 syn
         db> tcp db:8080 web:5000 syn+ack",
    );
    lab.serve("service:80 job:8080");
    let told = lab.play(
        "db> tcp db:8080 web:5000 ack
         web> tcp web:5000 service:80 ack
         job> tcp job:8080 web:5000 rst",
    );
    assert_snapshot!(told, @"
    db> tcp db:8080 web:5000 ack => web: tcp db:8080 web:5000 ack
    web> tcp web:5000 service:80 ack => job: tcp web:5000 job:8080 ack
    job> tcp job:8080 web:5000 rst => web: tcp service:80 web:5000 rst
    ");
}

#[test]
fn errors_about_packets_come_back_in_the_words_of_their_sender() {
    let told = Lab::new(&[
        &rules("lockdown", "web", "ingress: [{}]"),
        &rules("lockdown-too", "job", "ingress: [{}]"),
    ])
    .play(
        "web> udp web:5000 service:80
         db> unreachable db web about udp web:5000 db:8080
         web> udp web6:5000 service6:80
         db> unreachable db6 web6 about udp web6:5000 db6:8080
         web> udp web:5001 service:80
         db> udp db:8080 web:5001
         web> unreachable web service about udp service:80 web:5001
         db> unreachable db web about udp web:5009 db:8080
         db> unreachable db web about udp job:5000 db:8080
         db> unreachable db job about udp web:5000 db:8080",
    );
    assert_snapshot!(told, @"
    web> udp web:5000 service:80 => db: udp web:5000 db:8080
    db> unreachable db web about udp web:5000 db:8080 => web: unreachable service web about udp web:5000 service:80
    web> udp web6:5000 service6:80 => db: udp web6:5000 db6:8080
    db> unreachable db6 web6 about udp web6:5000 db6:8080 => web: unreachable service6 web6 about udp web6:5000 service6:80
    web> udp web:5001 service:80 => db: udp web:5001 db:8080
    db> udp db:8080 web:5001 => web: udp service:80 web:5001
    web> unreachable web service about udp service:80 web:5001 => db: unreachable web db about udp db:8080 web:5001
    db> unreachable db web about udp web:5009 db:8080 => Ingress Dropped icmp db#1001 web#1000 match 0 (PolicyDenied)
    db> unreachable db web about udp job:5000 db:8080 => nothing
    db> unreachable db job about udp web:5000 db:8080 => Ingress Dropped icmp db#1001 job#1002 match 0 (PolicyDenied)
    ");
}

#[test]
fn a_datagram_without_a_checksum_keeps_none() {
    let mut lab = Lab::new(&[]);
    let mut packet = build("udp web:5000 service:80");
    packet[26..28].fill(0);
    lab.send("web", packet);
    assert_eq!(lab.effects.packets[0].1[26..28], [0, 0]);
}
