//! Every server, reached by every attempt over every family.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use verdikt_wire::{
    Action, Arrived, Order, Report, Serve, Speaks, StageTransport, WireCertificate, WireOutcome, WireStage,
    WireTarget, Zone,
};

use crate::process::{LONG, LOOPBACK, Probe, get, get_over_tls, sctp, tcp, udp};

/// Loopback addresses. The second is not the one that the system sends from by itself.
fn addresses() -> [IpAddr; 3] {
    [LOOPBACK, IpAddr::from([127, 0, 0, 9]), IpAddr::V6(Ipv6Addr::LOCALHOST)]
}

/// Attempts it at every address, and wants it reported by the server as well.
fn check(
    speaks: Speaks,
    transport: StageTransport,
    what: impl Fn(SocketAddr) -> Action,
    wanted: &str,
    knows_attempt: bool,
) {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(speaks, Zone::default());
    for address in addresses() {
        let wanted = wanted.replace("ADDRESS", &address.to_string());
        let attempted = probe.check(what(SocketAddr::new(address, port)), LONG, &wanted);
        let peer = attempted.bound()[0].local;
        let mut wanted = Vec::new();
        // A connection has come before its request has.
        if !(knows_attempt && transport == StageTransport::Udp) {
            wanted.push(Arrived { server, transport, peer, attempt: None });
        }
        if knows_attempt {
            wanted.push(Arrived { server, transport, peer, attempt: Some(attempted.attempt) });
        }
        assert_eq!(probe.arrivals(wanted.len()), wanted);
        for stage in attempted.bound() {
            assert_eq!(stage.remote, SocketAddr::new(address, port));
            assert_eq!(stage.local, peer, "every stage of a connection has its addresses");
        }
    }
}

#[test]
fn tcp_connects() {
    check(Speaks::Tcp, StageTransport::Tcp, tcp, "connect tcp ADDRESS: answered\nanswered", false);
}

#[test]
fn udp_comes_back_from_the_address_it_was_sent_to() {
    check(Speaks::Udp, StageTransport::Udp, udp, "connect udp ADDRESS: answered\nanswered", true);
}

#[test]
fn http_has_a_connection_and_a_request() {
    let what = |address: SocketAddr| get(WireTarget::Address(address.ip()), address.port(), "/a?b=c");
    let wanted =
        "connect tcp ADDRESS: answered\nrequest tcp ADDRESS: {\"http-status\":200}\n{\"http-status\":200}";
    check(Speaks::Http, StageTransport::Tcp, what, wanted, true);
}

#[test]
fn https_has_a_connection_and_a_request() {
    let what =
        |address: SocketAddr| get_over_tls(WireTarget::Address(address.ip()), address.port(), "/a?b=c");
    let wanted =
        "connect tcp ADDRESS: answered\nrequest tcp ADDRESS: {\"http-status\":200}\n{\"http-status\":200}";
    check(Speaks::Https, StageTransport::Tcp, what, wanted, true);
}

#[test]
fn tcp_reaches_an_http_server_and_asks_nothing() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Http, Zone::default());
    probe.check(tcp((LOOPBACK, port).into()), LONG, "connect tcp 127.0.0.1: answered\nanswered");
}

/// Where neither ping sockets nor raw ones are allowed, the probe must say so.
#[test]
fn pings_are_answered() {
    let mut probe = Probe::start();
    for address in addresses() {
        let attempted = probe.attempt(Action::Ping { target: WireTarget::Address(address) }, LONG);
        if let WireOutcome::NotAttempted(reason) = attempted.outcome() {
            return assert!(reason.contains("CAP_NET_RAW"), "{reason}");
        }
        assert_eq!(*attempted.outcome(), WireOutcome::Answered, "{address}");
        let [bound] = attempted.bound()[..] else { panic!("{:?}", attempted.reports) };
        assert_eq!((bound.stage, bound.remote), (WireStage::Connect, SocketAddr::new(address, 0)));
    }
}

/// Needs raw sockets; where they are not allowed, the probe must say so.
#[test]
fn sctp_is_acknowledged() {
    let mut probe = Probe::start();
    probe.order(&Order::Serve(Serve {
        server: 1,
        speaks: Speaks::Sctp,
        port: 0,
        zone: Zone::default(),
        certificate: WireCertificate::default(),
    }));
    let port = match probe.next() {
        Report::Serving { port, .. } => port,
        Report::NotServing { reason, .. } => return assert!(reason.contains("CAP_NET_RAW"), "{reason}"),
        other => panic!("{other:?}"),
    };
    for address in addresses() {
        // The server hears whatever reaches the machine, and answers from where the system likes.
        if address != IpAddr::from([127, 0, 0, 9]) {
            let wanted = format!("connect sctp {address}: answered\nanswered");
            let attempted = probe.check(sctp((address, port).into()), LONG, &wanted);
            let peer = attempted.bound()[0].local;
            let arrived = Arrived { server: 1, transport: StageTransport::Sctp, peer, attempt: None };
            assert_eq!(probe.arrivals(1), [arrived]);
        }
    }
    let other = port.checked_add(1).unwrap_or(1);
    probe.check(sctp((LOOPBACK, other).into()), 100, "connect sctp 127.0.0.1: timed-out\ntimed-out");
}
