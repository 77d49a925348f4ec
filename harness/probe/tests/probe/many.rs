//! Many attempts at once, and too many.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;

use verdikt_wire::{Order, Report, Speaks, WireOutcome, WireTarget, Zone};

use crate::process::{LONG, LOOPBACK, PROGRAM, Probe, get, get_over_tls, tcp, udp};

const MANY: usize = 500;

/// Reads until every attempt has finished; each may do so once.
fn outcomes(probe: &mut Probe, attempts: usize) -> BTreeMap<u64, WireOutcome> {
    let mut outcomes = BTreeMap::new();
    while outcomes.len() < attempts {
        if let Report::Finished { attempt, outcome, .. } = probe.next() {
            assert_eq!(outcomes.insert(attempt, outcome), None, "attempt {attempt} has finished twice");
        }
    }
    outcomes
}

#[test]
fn many_attempts_in_flight_end_when_they_are_told_to() {
    let mut probe = Probe::start();
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let action = udp(silent.local_addr().unwrap());
    let begun: Vec<u64> = (0..MANY).map(|_| probe.begin(action.clone(), 600_000)).collect();
    let mut locals = BTreeMap::new();
    while locals.len() < MANY {
        let Report::Bound(bound) = probe.next() else { panic!("not bound") };
        assert_eq!(locals.insert(bound.local, bound.attempt), None, "two have {}", bound.local);
    }
    for attempt in &begun {
        probe.order(&Order::End { attempt: *attempt });
    }
    let outcomes = outcomes(&mut probe, MANY);
    assert!(outcomes.values().all(|outcome| *outcome == WireOutcome::Ended), "{outcomes:?}");
    assert!(outcomes.keys().eq(&begun));
}

#[test]
fn many_attempts_of_every_kind_are_answered() {
    let mut probe = Probe::start();
    let (_, echo) = probe.serve(Speaks::Tcp, Zone::default());
    let (_, datagrams) = probe.serve(Speaks::Udp, Zone::default());
    let (_, web) = probe.serve(Speaks::Http, Zone::default());
    let (_, web_over_tls) = probe.serve(Speaks::Https, Zone::default());
    for number in 0..MANY {
        let action = match number % 4 {
            0 => tcp((LOOPBACK, echo).into()),
            1 => udp((LOOPBACK, datagrams).into()),
            2 => get(WireTarget::Address(LOOPBACK), web, "/"),
            _ => get_over_tls(WireTarget::Address(LOOPBACK), web_over_tls, "/"),
        };
        probe.begin(action, LONG);
    }
    let answered =
        |outcome: &WireOutcome| matches!(outcome, WireOutcome::Answered | WireOutcome::HttpStatus(200));
    let outcomes = outcomes(&mut probe, MANY);
    assert!(outcomes.values().all(answered), "{outcomes:?}");
}

#[test]
fn many_attempts_over_tls_are_answered() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Https, Zone::default());
    for _ in 0..MANY {
        probe.begin(get_over_tls(WireTarget::Address(LOOPBACK), port, "/"), LONG);
    }
    let outcomes = outcomes(&mut probe, MANY);
    assert!(outcomes.values().all(|outcome| *outcome == WireOutcome::HttpStatus(200)), "{outcomes:?}");
}

#[test]
fn a_slow_reader_loses_nothing_and_holds_nobody_up_who_orders() {
    // Many times what a pipe holds.
    const LINES: usize = 10_000;
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Tcp, Zone::default());
    let reading = Arc::clone(&probe.reading);
    let slow = reading.lock().unwrap();
    for line in 0..LINES {
        probe.write(format!("line {line}\n").as_bytes());
    }
    for _ in 0..MANY {
        probe.begin(tcp((LOOPBACK, port).into()), LONG);
    }
    drop(slow);
    for line in 0..LINES {
        let Report::Misunderstood { reason } = probe.next() else { panic!("not complained of: line {line}") };
        assert!(reason.ends_with(&format!(": line {line}")), "{reason}");
    }
    let outcomes = outcomes(&mut probe, MANY);
    assert!(outcomes.values().all(|outcome| *outcome == WireOutcome::Answered), "{outcomes:?}");
}

#[test]
fn a_server_keeps_all_datagrams_that_come_at_once() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Udp, Zone::default());
    for _ in 0..2 * MANY {
        probe.begin(udp((LOOPBACK, port).into()), LONG);
    }
    let outcomes = outcomes(&mut probe, 2 * MANY);
    assert!(outcomes.values().all(|outcome| *outcome == WireOutcome::Answered), "{outcomes:?}");
}

#[test]
fn without_sockets_nothing_is_attempted_and_nothing_breaks() {
    let mut probe = Probe::start_through("sh", ["-c", "ulimit -n 32; exec \"$0\"", PROGRAM]);
    let limit = "a process may have 32 open files (RLIMIT_NOFILE); raise it with `ulimit -n`";
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let action = udp(silent.local_addr().unwrap());
    let begun: Vec<u64> = (0..64).map(|_| probe.begin(action.clone(), 600_000)).collect();
    let (mut bound, mut refused) = (0, 0);
    while bound + refused < begun.len() {
        match probe.next() {
            Report::Bound(_) => bound += 1,
            Report::Finished { outcome, .. } => {
                assert_eq!(outcome, WireOutcome::NotAttempted(limit.to_owned()));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(bound > 8 && refused > 32, "{bound} bound, {refused} refused");
    probe.order(&Order::Serve(verdikt_wire::Serve {
        server: 1,
        speaks: Speaks::Tcp,
        port: 0,
        zone: Zone::default(),
        certificate: verdikt_wire::WireCertificate::default(),
    }));
    let Report::NotServing { reason, .. } = probe.next() else { panic!("served") };
    assert_eq!(reason, format!("cannot listen on port 0: {limit}"));
    for attempt in begun {
        probe.order(&Order::End { attempt });
    }
    outcomes(&mut probe, bound);
    let (_, port) = probe.serve(Speaks::Tcp, Zone::default());
    probe.check(tcp((LOOPBACK, port).into()), LONG, "connect tcp 127.0.0.1: answered\nanswered");
}
