//! What is not an order, and how the probe ends.

use std::net::UdpSocket;
use std::os::unix::process::ExitStatusExt;
use std::thread;

use verdikt_wire::{Report, Speaks, Zone};

use crate::process::{LONG, LOOPBACK, Probe, tcp, udp};

/// Writes bytes, and wants one complaint that begins and ends so.
fn check(probe: &mut Probe, bytes: &[u8], begins: &str, ends: &str) {
    probe.write(bytes);
    match probe.next() {
        Report::Misunderstood { reason } => {
            assert!(reason.starts_with(begins) && reason.ends_with(ends), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_that_are_no_orders_are_complained_of_and_nothing_else() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Tcp, Zone::default());
    let check = |probe: &mut Probe, bytes: &[u8], begins: &str, ends: &str| {
        check(probe, bytes, begins, ends);
        probe.check(tcp((LOOPBACK, port).into()), LONG, "connect tcp 127.0.0.1: answered\nanswered");
    };
    check(&mut probe, b"hello\n", "expected value", ": hello");
    check(&mut probe, b"\n \r\n{}\n", "missing field `order`", ": {}");
    check(&mut probe, b"[1]\n", "invalid type: integer", ": [1]");
    check(&mut probe, b"\xff\xfe\0\n", "expected value", ": \u{fffd}\u{fffd}\0");
    check(&mut probe, b"{\"order\":\"fly\"}\n", "unknown variant `fly`", ": {\"order\":\"fly\"}");
    check(&mut probe, b"{\"order\":\"end\"}\n", "missing field `attempt`", ": {\"order\":\"end\"}");
    check(&mut probe, b"{\"order\":\"end\",\"attempt\":-1}\n", "invalid value: integer `-1`", "-1}");
    check(&mut probe, b"{\"order\":\"end\",\"attempt\":1} x\n", "trailing characters", "} x");
    check(
        &mut probe,
        &[&b"{\"order\":\"end\",\"x\":"[..], &vec![b'['; 100_000], b"\n"].concat(),
        "recursion limit exceeded",
        "[[[…",
    );
    check(
        &mut probe,
        b"{\"order\":\"stop-serving\",\"server\":77}\n",
        "server 77 does not serve",
        "server 77 does not serve",
    );
    let many = 1 << 20;
    check(
        &mut probe,
        &[&vec![b'a'; many + 1][..], b"\n"].concat(),
        "a line is longer than 1048576 bytes",
        "a…",
    );
    check(
        &mut probe,
        &[&vec![b'b'; 5 * many][..], b"\n"].concat(),
        "a line is longer than 1048576 bytes",
        "b…",
    );
    // A line may just be long.
    let spaces = vec![b' '; many - 40];
    probe.write(&[&spaces[..], b"{\"order\":\"end\",\"attempt\":1}\n"].concat());
    probe.check(tcp((LOOPBACK, port).into()), LONG, "connect tcp 127.0.0.1: answered\nanswered");
}

#[test]
fn it_ends_with_its_orders_whatever_it_is_doing() {
    let idle = Probe::start();
    assert_eq!(idle.close().code(), Some(0));

    let mut busy = Probe::start();
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let (_, port) = busy.serve(Speaks::Http, Zone::default());
    for _ in 0..50 {
        busy.begin(udp(silent.local_addr().unwrap()), LONG);
        busy.begin(tcp((LOOPBACK, port).into()), LONG);
    }
    busy.write(b"{\"order\":\"end\",\"att");
    assert_eq!(busy.close().code(), Some(0));
}

#[test]
fn it_ends_with_the_thread_that_started_it() {
    let mut probe = thread::spawn(Probe::start).join().unwrap();
    assert_eq!(probe.ends().signal(), Some(9));
}

#[test]
fn it_ends_when_nobody_reads() {
    let mut probe = Probe::start();
    probe.deafen();
    // Each is complained of, until that fails.
    while probe.try_write(b"hello\n") {}
    assert_eq!(probe.ends().code(), Some(0));
}
