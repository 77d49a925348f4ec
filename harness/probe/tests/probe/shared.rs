//! Probes that share a machine, each at an address of its own.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};

use rstest::rstest;
use verdikt_wire::{Order, Report, Serve, Speaks, WireCertificate, WireOutcome, WireTarget, Zone};

use crate::process::{LONG, PROGRAM, Probe, get, tcp, udp};

fn loopback(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

fn at(address: IpAddr) -> Probe {
    Probe::start_through(PROGRAM, ["--address", &address.to_string()])
}

/// Two probes at the addresses that end with `first` and the next number; the one after that is nobody's.
#[rstest]
#[case::tcp(Speaks::Tcp, 71)]
#[case::udp(Speaks::Udp, 81)]
#[case::http(Speaks::Http, 91)]
fn each_has_every_port_for_itself(#[case] speaks: Speaks, #[case] first: u8) {
    let (mut one, mut two) = (at(loopback(first)), at(loopback(first + 1)));
    let (_, port) = one.serve(speaks, Zone::default());
    two.order(&Order::Serve(Serve {
        server: u64::from(port),
        speaks,
        port,
        zone: Zone::default(),
        certificate: WireCertificate::default(),
    }));
    assert_eq!(two.next_but_arrivals(), Report::Serving { server: u64::from(port), port });
    let to = |last| SocketAddr::new(loopback(last), port);
    let action = |socket| match speaks {
        Speaks::Udp => udp(socket),
        Speaks::Http => get(WireTarget::Address(socket.ip()), port, "/"),
        _ => tcp(socket),
    };
    let attempted = one.attempt(action(to(first + 1)), LONG);
    assert_eq!(attempted.bound()[0].local.ip(), loopback(first));
    assert_eq!(two.arrivals(1)[0].peer, attempted.bound()[0].local);
    assert_eq!(*one.attempt(action(to(first + 2)), LONG).outcome(), WireOutcome::Refused);
    let six = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    assert_eq!(*one.attempt(action(six), LONG).outcome(), WireOutcome::Unreachable);
}

#[rstest]
#[case::no_address(&["--address"])]
#[case::not_an_address(&["--address", "nowhere"])]
#[case::not_a_time(&["--patience", "-1"])]
#[case::no_such_option(&["--port", "80"])]
fn arguments_that_mean_nothing_are_refused(#[case] arguments: &[&str]) {
    let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "verdikt-probe: unknown arguments (expected `--address ADDRESS` or `--patience SECONDS`)\n"
    );
}

#[test]
fn patience_is_for_the_first_order_alone() {
    let mut told = Probe::start_through(PROGRAM, ["--patience", "1"]);
    let (_, port) = told.serve(Speaks::Tcp, Zone::default());
    let mut waits = Probe::start_through(PROGRAM, ["--patience", "1"]);
    assert!(waits.ends().success());
    let attempted = told.attempt(tcp(SocketAddr::new(loopback(1), port)), LONG);
    assert_eq!(*attempted.outcome(), WireOutcome::Answered);
}
