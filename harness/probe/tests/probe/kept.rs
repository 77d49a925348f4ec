//! Connections that are kept for later attempts.

use std::net::{SocketAddr, TcpListener};

use verdikt_wire::{Action, Order, Report, Speaks, WireTarget, Zone};

use crate::process::{LONG, LOOPBACK, Probe, SHORT};

fn keep(port: u16) -> Action {
    Action::Keep { target: WireTarget::Address(LOOPBACK), port, name: "redis".to_owned() }
}

fn kept() -> Action {
    Action::Kept { name: "redis".to_owned() }
}

#[test]
fn a_connection_is_used_as_long_as_its_server_lives() {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(Speaks::Tcp, Zone::default());
    let made = probe.check(keep(port), LONG, "connect tcp 127.0.0.1: answered\nanswered");
    for _ in 0..2 {
        let used = probe.check(kept(), LONG, "connect tcp 127.0.0.1: answered\nanswered");
        assert_eq!(used.bound()[0].local, made.bound()[0].local, "it is the same connection");
    }
    assert_eq!(probe.arrivals(1).len(), 1, "nothing is accepted for what is kept");
    probe.order(&Order::StopServing { server });
    probe.check(kept(), LONG, "connect tcp 127.0.0.1: reset\nreset");
    let text = "{\"not-attempted\":\"no connection is kept of `redis`\"}";
    probe.check(kept(), LONG, text);
}

#[test]
fn what_is_not_answered_in_time_is_kept() {
    let silent = TcpListener::bind(SocketAddr::new(LOOPBACK, 0)).unwrap();
    let mut probe = Probe::start();
    probe.check(keep(silent.local_addr().unwrap().port()), LONG, "connect tcp 127.0.0.1: answered\nanswered");
    for _ in 0..2 {
        probe.check(kept(), SHORT, "connect tcp 127.0.0.1: timed-out\ntimed-out");
    }
    let attempt = probe.begin(kept(), LONG);
    assert!(matches!(probe.next_but_arrivals(), Report::Bound(_)));
    probe.order(&Order::End { attempt });
    assert!(matches!(probe.next_but_arrivals(), Report::StageEnded { .. }));
}
