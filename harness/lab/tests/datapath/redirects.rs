//! Connections that a proxy judges: both proxies, both directions, and the proxy's own connections.

use insta::assert_snapshot;

use crate::support::{Lab, rules};

fn dns() -> String {
    let port = "ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}";
    rules(
        "names",
        "web",
        &format!("egress: [{{toEndpoints: [{{matchLabels: {{app: db}}}}], toPorts: [{{{port}}}]}}]"),
    )
}

fn http(name: &str, pod: &str, section: &str) -> String {
    let port = "ports: [{port: \"80\", protocol: TCP}], rules: {http: [{path: /api}]}";
    rules(name, pod, &format!("{section}: [{{toPorts: [{{{port}}}]}}]"))
}

#[test]
fn egress_dns_over_udp_and_tcp() {
    let mut lab = Lab::new(&[&dns()]);
    let told = lab.play(
        "web> udp web:5000 db:53
         proxy> udp [198.19.1.0]:5000 db:53
         db> udp db:53 web:5000
         proxy> udp proxy:15053 [198.18.1.0]:5000
         web> udp web:5000 db:53
         web> tcp web:5000 db:53 syn
         proxy> tcp proxy:15053 [198.18.1.1]:5000 syn+ack
         web> udp web6:5000 db6:53
         proxy> udp [fd98:13::1:102]:5000 db6:53
         db> udp db6:53 web6:5000
         proxy> udp proxy6:15053 [fd98:12::1:102]:5000
         web> udp web:5000 job:53",
    );
    assert_snapshot!(told, @"
    web> udp web:5000 db:53 => proxy: udp [198.18.1.0]:5000 proxy:15053; Egress Redirected udp web:5000#1000 db:53#1001 match 2 by shop/names
    proxy> udp [198.19.1.0]:5000 db:53 => db: udp web:5000 db:53
    db> udp db:53 web:5000 => proxy: udp db:53 [198.19.1.0]:5000
    proxy> udp proxy:15053 [198.18.1.0]:5000 => web: udp db:53 web:5000
    web> udp web:5000 db:53 => proxy: udp [198.18.1.0]:5000 proxy:15053
    web> tcp web:5000 db:53 syn => proxy: tcp [198.18.1.1]:5000 proxy:15053 syn; Egress Redirected tcp web:5000#1000 db:53#1001 match 2 by shop/names
    proxy> tcp proxy:15053 [198.18.1.1]:5000 syn+ack => web: tcp db:53 web:5000 syn+ack
    web> udp web6:5000 db6:53 => proxy: udp [fd98:12::1:102]:5000 proxy6:15053; Egress Redirected udp web6:5000#1000 db6:53#1001 match 2 by shop/names
    proxy> udp [fd98:13::1:102]:5000 db6:53 => db: udp web6:5000 db6:53
    db> udp db6:53 web6:5000 => proxy: udp db6:53 [fd98:13::1:102]:5000
    proxy> udp proxy6:15053 [fd98:12::1:102]:5000 => web: udp db6:53 web6:5000
    web> udp web:5000 job:53 => Egress Dropped udp web:5000#1000 job:53#1002 match 0 (PolicyDenied)
    ");
}

#[test]
fn ingress_http_and_the_policy_of_the_client_before() {
    let out = rules("out", "web", "egress: [{toEndpoints: [{matchLabels: {app: db}}]}]");
    let mut lab = Lab::new(&[&out, &http("api", "db", "ingress")]);
    let told = lab.play(
        "web> tcp web:5000 service:80 syn
         web> tcp web:5000 db:80 syn
         proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack
         web> tcp web:5000 db:80 ack
         proxy> tcp [198.19.1.0]:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         proxy> tcp [198.19.1.0]:5000 db:80 ack
         client> tcp client:5000 db:80 syn
         proxy> tcp [198.19.1.1]:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 service:80 syn => Egress Forwarded tcp web:5000#1000 db:8080#1001 match 1 by shop/out; Ingress Dropped tcp web:5000#1000 db:8080#1001 match 0 (PolicyDenied)
    web> tcp web:5000 db:80 syn => proxy: tcp [198.18.1.0]:5000 proxy:15001 syn; Egress Forwarded tcp web:5000#1000 db:80#1001 match 1 by shop/out; Ingress Redirected tcp web:5000#1000 db:80#1001 match 3 by shop/api
    proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack => web: tcp db:80 web:5000 syn+ack
    web> tcp web:5000 db:80 ack => proxy: tcp [198.18.1.0]:5000 proxy:15001 ack
    proxy> tcp [198.19.1.0]:5000 db:80 syn => db: tcp web:5000 db:80 syn
    db> tcp db:80 web:5000 syn+ack => proxy: tcp db:80 [198.19.1.0]:5000 syn+ack
    proxy> tcp [198.19.1.0]:5000 db:80 ack => db: tcp web:5000 db:80 ack
    client> tcp client:5000 db:80 syn => proxy: tcp [198.18.1.1]:5000 proxy:15001 syn; Ingress Redirected tcp client:5000#2 db:80#1001 match 3 by shop/api
    proxy> tcp [198.19.1.1]:5000 db:80 syn => db: tcp client:5000 db:80 syn
    ");
}

#[test]
fn a_proxy_on_each_side() {
    let mut lab = Lab::new(&[&http("out", "web", "egress"), &http("in", "db", "ingress")]);
    lab.serve("service:80 db:80");
    let told = lab.play(
        "web> tcp web:5000 service:80 syn
         proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack
         proxy> tcp [198.19.1.0]:5000 db:80 syn
         proxy> tcp proxy:15001 [198.18.1.1]:5000 syn+ack
         proxy> tcp [198.19.1.0]:5000 db:80 ack
         proxy> tcp [198.19.1.1]:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         proxy> tcp [198.19.1.1]:5000 db:80 ack
         db> tcp db:80 web:5000 rst",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 service:80 syn => proxy: tcp [198.18.1.0]:5000 proxy:15001 syn; Egress Redirected tcp web:5000#1000 db:80#1001 match 3 by shop/out
    proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack => web: tcp service:80 web:5000 syn+ack
    proxy> tcp [198.19.1.0]:5000 db:80 syn => proxy: tcp [198.18.1.1]:5000 proxy:15001 syn; Ingress Redirected tcp web:5000#1000 db:80#1001 match 3 by shop/in
    proxy> tcp proxy:15001 [198.18.1.1]:5000 syn+ack => proxy: tcp db:80 [198.19.1.0]:5000 syn+ack
    proxy> tcp [198.19.1.0]:5000 db:80 ack => proxy: tcp [198.18.1.1]:5000 proxy:15001 ack
    proxy> tcp [198.19.1.1]:5000 db:80 syn => db: tcp web:5000 db:80 syn
    db> tcp db:80 web:5000 syn+ack => proxy: tcp db:80 [198.19.1.1]:5000 syn+ack
    proxy> tcp [198.19.1.1]:5000 db:80 ack => db: tcp web:5000 db:80 ack
    db> tcp db:80 web:5000 rst => proxy: tcp db:80 [198.19.1.1]:5000 rst
    ");
}

#[test]
fn the_proxys_own_connection_meets_the_servers_policy() {
    let mut lab = Lab::new(&[&http("out", "web", "egress"), &rules("lockdown", "db", "ingress: [{}]")]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         proxy> tcp [198.19.1.0]:5000 db:80 syn
         web> tcp web:5000 nobody:80 syn
         proxy> tcp [198.19.1.1]:5000 nobody:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => proxy: tcp [198.18.1.0]:5000 proxy:15001 syn; Egress Redirected tcp web:5000#1000 db:80#1001 match 3 by shop/out
    proxy> tcp [198.19.1.0]:5000 db:80 syn => Ingress Dropped tcp web:5000#1000 db:80#1001 match 0 (PolicyDenied)
    web> tcp web:5000 nobody:80 syn => proxy: tcp [198.18.1.1]:5000 proxy:15001 syn; Egress Redirected tcp web:5000#1000 nobody:80#2 match 3 by shop/out
    proxy> tcp [198.19.1.1]:5000 nobody:80 syn => dropped (NoDestination)
    ");
}

#[test]
fn a_proxy_reaches_only_the_server_and_only_as_the_client() {
    let mut lab = Lab::new(&[&http("out", "web", "egress")]);
    let told = lab.play(
        "web> tcp web:5000 db:80 syn
         proxy> tcp [198.19.1.0]:5000 db:81 syn
         proxy> tcp [198.19.1.0]:5000 job:80 syn
         proxy> tcp [198.19.1.0]:5001 db:80 syn
         proxy> udp [198.19.1.0]:5000 db:80
         proxy> tcp [198.19.1.1]:5000 db:80 syn
         proxy> tcp [198.18.1.0]:5000 db:80 syn
         proxy> tcp proxy:15001 db:80 syn
         proxy> ping [198.19.1.0] db 1
         proxy> tcp [198.19.1.0]:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 syn => proxy: tcp [198.18.1.0]:5000 proxy:15001 syn; Egress Redirected tcp web:5000#1000 db:80#1001 match 3 by shop/out
    proxy> tcp [198.19.1.0]:5000 db:81 syn => dropped (InvalidSourceAddress)
    proxy> tcp [198.19.1.0]:5000 job:80 syn => dropped (InvalidSourceAddress)
    proxy> tcp [198.19.1.0]:5001 db:80 syn => dropped (InvalidSourceAddress)
    proxy> udp [198.19.1.0]:5000 db:80 => dropped (InvalidSourceAddress)
    proxy> tcp [198.19.1.1]:5000 db:80 syn => dropped (InvalidSourceAddress)
    proxy> tcp [198.18.1.0]:5000 db:80 syn => dropped (InvalidSourceAddress)
    proxy> tcp proxy:15001 db:80 syn => dropped (NoDestination)
    proxy> ping [198.19.1.0] db 1 => dropped (InvalidSourceAddress)
    proxy> tcp [198.19.1.0]:5000 db:80 syn => db: tcp web:5000 db:80 syn
    ");
}

#[test]
fn errors_of_the_proxy_and_to_it() {
    let mut lab = Lab::new(&[&dns()]);
    let told = lab.play(
        "web> udp web:5000 db:53
         proxy> unreachable proxy [198.18.1.0] about udp [198.18.1.0]:5000 proxy:15053
         proxy> udp [198.19.1.0]:5000 db:53
         db> unreachable db web about udp web:5000 db:53
         db> udp db:53 web:5000
         proxy> unreachable [198.19.1.0] db about udp db:53 [198.19.1.0]:5000
         proxy> unreachable [198.19.1.0] [198.18.1.0] about udp [198.18.1.0]:5000 proxy:15053",
    );
    assert_snapshot!(told, @"
    web> udp web:5000 db:53 => proxy: udp [198.18.1.0]:5000 proxy:15053; Egress Redirected udp web:5000#1000 db:53#1001 match 2 by shop/names
    proxy> unreachable proxy [198.18.1.0] about udp [198.18.1.0]:5000 proxy:15053 => web: unreachable db web about udp web:5000 db:53
    proxy> udp [198.19.1.0]:5000 db:53 => db: udp web:5000 db:53
    db> unreachable db web about udp web:5000 db:53 => proxy: unreachable db 198.19.1.0 about udp [198.19.1.0]:5000 db:53
    db> udp db:53 web:5000 => proxy: udp db:53 [198.19.1.0]:5000
    proxy> unreachable [198.19.1.0] db about udp db:53 [198.19.1.0]:5000 => db: unreachable web db about udp db:53 web:5000
    proxy> unreachable [198.19.1.0] [198.18.1.0] about udp [198.18.1.0]:5000 proxy:15053 => nothing
    ");
}

#[test]
fn a_tcp_connection_cannot_change_to_a_proxy_or_from_it() {
    let mut lab = Lab::new(&[]);
    lab.play(
        "web> tcp web:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack",
    );
    lab.apply(&[&http("in", "db", "ingress")]);
    let told = lab.play(
        "web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:80 ack
         + 1
         web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:80 syn
         proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 ack => dropped (its connection was opened before the policy sent it to, or past, a proxy)
    web> tcp web:5000 db:80 ack => nothing
    web> tcp web:5000 db:80 ack => dropped (its connection was opened before the policy sent it to, or past, a proxy)
    web> tcp web:5000 db:80 syn => proxy: tcp [198.18.1.0]:5000 proxy:15001 syn; Ingress Redirected tcp web:5000#1000 db:80#1001 match 3 by shop/in
    proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack => web: tcp db:80 web:5000 syn+ack
    ");
    lab.apply(&[]);
    let told = lab.play(
        "web> tcp web:5000 db:80 ack
         web> tcp web:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 db:80 ack => dropped (its connection was opened before the policy sent it to, or past, a proxy)
    web> tcp web:5000 db:80 syn => db: tcp web:5000 db:80 syn
    ");
}

#[test]
fn datagrams_change_to_a_proxy_and_from_it() {
    let mut lab = Lab::new(&[]);
    lab.play("web> udp web:5000 db:53");
    lab.apply(&[&dns()]);
    let told = lab.play("web> udp web:5000 db:53");
    assert_snapshot!(told, @"web> udp web:5000 db:53 => proxy: udp [198.18.1.0]:5000 proxy:15053; Egress Redirected udp web:5000#1000 db:53#1001 match 2 by shop/names");
    lab.apply(&[]);
    let told = lab.play(
        "web> udp web:5000 db:53
         proxy> udp [198.19.1.0]:5000 db:53",
    );
    assert_snapshot!(told, @"
    web> udp web:5000 db:53 => db: udp web:5000 db:53
    proxy> udp [198.19.1.0]:5000 db:53 => dropped (InvalidSourceAddress)
    ");
}

#[test]
fn a_redirect_ends_with_its_connection() {
    let mut lab = Lab::new(&[&dns()]);
    lab.play(
        "web> udp web:5000 db:53
         proxy> udp [198.19.1.0]:5000 db:53",
    );
    assert_eq!(lab.datapath.connections(), 2);
    lab.at += std::time::Duration::from_mins(1);
    lab.datapath.expire(lab.at);
    assert_eq!(lab.datapath.connections(), 0);
    let told = lab.play(
        "proxy> udp [198.19.1.0]:5000 db:53
         proxy> udp proxy:15053 [198.18.1.0]:5000",
    );
    assert_snapshot!(told, @"
    proxy> udp [198.19.1.0]:5000 db:53 => dropped (InvalidSourceAddress)
    proxy> udp proxy:15053 [198.18.1.0]:5000 => dropped (NoDestination)
    ");
}

#[test]
fn the_proxys_connection_ends_with_its_clients() {
    let mut lab = Lab::new(&[&http("out", "web", "egress")]);
    lab.play(
        "web> tcp web:5000 db:80 syn
         proxy> tcp proxy:15001 [198.18.1.0]:5000 syn+ack
         proxy> tcp [198.19.1.0]:5000 db:80 syn
         db> tcp db:80 web:5000 syn+ack
         web> tcp web:5000 db:80 rst",
    );
    assert_eq!(lab.datapath.connections(), 2);
    lab.at += std::time::Duration::from_secs(10);
    lab.datapath.expire(lab.at);
    assert_eq!(lab.datapath.connections(), 0);
}

/// Of two clients with the same port the gateway gives one another port. Every flow tells whose it is, also behind the proxy
/// of the backend.
#[test]
fn the_gateway_tells_for_which_client_it_connects() {
    let mut lab = Lab::new(&[&http("api", "db", "ingress")]);
    let told = lab.play(
        "web> tcp web:5000 gateway:80 syn
         job> tcp job:5000 gateway:80 syn
         proxy> tcp [198.19.1.0]:5000 db:80 syn
         proxy> tcp [198.19.1.1]:5000 db:80 syn
         proxy> tcp [198.19.1.2]:5000 db:80 syn
         proxy> tcp [198.19.1.3]:5000 db:80 syn",
    );
    assert_snapshot!(told, @"
    web> tcp web:5000 gateway:80 syn => proxy: tcp [198.18.1.0]:5000 proxy:15001 syn; Ingress Redirected tcp web:5000#1000 gateway:80#8 match 0
    job> tcp job:5000 gateway:80 syn => proxy: tcp [198.18.1.1]:5000 proxy:15001 syn; Ingress Redirected tcp job:5000#1002 gateway:80#8 match 0
    proxy> tcp [198.19.1.0]:5000 db:80 syn => proxy: tcp [198.18.1.2]:5000 proxy:15001 syn; Ingress Redirected tcp gateway:5000#8 for web:5000 db:80#1001 match 3 by shop/api
    proxy> tcp [198.19.1.1]:5000 db:80 syn => proxy: tcp [198.18.1.3]:5000 proxy:15001 syn; Ingress Redirected tcp gateway:5000#8 for job:5000 db:80#1001 match 3 by shop/api
    proxy> tcp [198.19.1.2]:5000 db:80 syn => db: tcp gateway:5000 db:80 syn
    proxy> tcp [198.19.1.3]:5000 db:80 syn => db: tcp gateway:5001 db:80 syn
    ");
    let clients = ["gateway:5000 db:80", "gateway:5001 db:80"].map(|connection| lab.client_of(connection));
    assert_snapshot!(format!("{clients:?}"), @r#"[Some("web:5000"), Some("job:5000")]"#);
}
