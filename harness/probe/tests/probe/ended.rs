//! Attempts that are ended before they finish.

use std::net::{TcpListener, UdpSocket};

use verdikt_wire::{Action, Order, Report, Resolver, WireOutcome, WireTarget};

use crate::failures::full;
use crate::process::{LONG, LOOPBACK, Probe, by_name, get, tcp, udp};

/// Ends an attempt as soon as `stages` stages have begun.
fn check(probe: &mut Probe, action: Action, stages: usize, wanted: &str) {
    let attempt = probe.begin(action, LONG);
    let mut reports = Vec::new();
    while reports.iter().filter(|report| matches!(report, Report::Bound(_))).count() < stages {
        reports.push(probe.next_but_arrivals());
    }
    probe.order(&Order::End { attempt });
    let rest = probe.finished_after(attempt, reports);
    let text = rest.text(&std::collections::BTreeMap::new());
    assert_eq!(text.trim_end(), wanted);
    // Nothing is left to end.
    probe.order(&Order::End { attempt });
}

#[test]
fn at_every_stage() {
    let mut probe = Probe::start();
    let (full, _sockets) = full();
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let deaf = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let silent_at = silent.local_addr().unwrap();
    probe.resolve(Resolver { servers: vec![silent_at], ..Resolver::default() });
    check(&mut probe, tcp(full), 1, "connect tcp 127.0.0.1: ended\nended");
    check(&mut probe, udp(silent_at), 1, "connect udp 127.0.0.1: ended\nended");
    check(&mut probe, get(by_name("a.test"), 80, "/"), 1, "look-up udp 127.0.0.1: ended\nended");
    check(
        &mut probe,
        get(WireTarget::Address(LOOPBACK), port, "/"),
        2,
        "connect tcp 127.0.0.1: answered\nrequest tcp 127.0.0.1: ended\nended",
    );
}

#[test]
fn a_number_in_use_is_refused_and_free_again_when_its_attempt_has_finished() {
    let mut probe = Probe::start();
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let action = udp(silent.local_addr().unwrap());
    let attempt = probe.begin(action.clone(), LONG);
    let Report::Bound(_) = probe.next() else { panic!("not bound") };
    let again = Order::Attempt(verdikt_wire::WireAttempt { attempt, action, timeout: LONG });
    probe.order(&again);
    match probe.next() {
        Report::Finished { outcome: WireOutcome::NotAttempted(reason), .. } => {
            assert_eq!(reason, "attempt 1 is still in flight");
        }
        other => panic!("{other:?}"),
    }
    probe.order(&Order::End { attempt });
    let ended = probe.finished_after(attempt, Vec::new());
    assert_eq!(*ended.outcome(), WireOutcome::Ended);
    probe.order(&again);
    let Report::Bound(_) = probe.next() else { panic!("not bound") };
    probe.order(&Order::End { attempt: 77 });
    probe.order(&Order::End { attempt });
    assert_eq!(*probe.finished_after(attempt, Vec::new()).outcome(), WireOutcome::Ended);
}
