//! Endpoints that mean no good, and others that are served all the same.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use verdikt_scenario::flow::FlowVerdict;

use crate::support::{Bench, DEADLINE, SILENCE, Trials, rules, say};
use crate::traffic::{echo, lives};

pub(crate) const TRIALS: Trials = &[
    ("hostile::a_scan_and_a_flood_leave_others_alone", a_scan_and_a_flood_leave_others_alone),
    ("hostile::silent_clients_leave_the_proxy_to_others", silent_clients_leave_the_proxy_to_others),
    ("hostile::nobody_sends_from_an_address_of_others", nobody_sends_from_an_address_of_others),
];

fn a_scan_and_a_flood_leave_others_alone() {
    let policy = rules("api", "api", "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]");
    let mut bench = Bench::new("web api scanner noise", &[policy]);
    echo(bench.listener("api:80"));
    let api = bench.address("api");
    let over = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&over);
    let flood = bench.inside("noise", move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let mut sent = 0_u32;
        while !end.load(Ordering::Relaxed) {
            let port = u16::try_from(sent % 65_535).unwrap() + 1;
            // The device may be full.
            let _ = socket.send_to(&[0; 1200], (api, port));
            sent += 1;
        }
        sent
    });
    let scan = bench.inside("scanner", move || {
        let found = (1..=1024).filter(|port| {
            TcpStream::connect_timeout(&(api, *port).into(), Duration::from_millis(2)).is_ok()
        });
        found.collect::<Vec<u16>>()
    });
    let began = Instant::now();
    for _ in 0..50 {
        let mut stream = bench.connect("web", "api:80").unwrap();
        assert!(lives(&mut stream, DEADLINE));
    }
    let took = began.elapsed();
    let found = scan.join().unwrap();
    over.store(true, Ordering::Relaxed);
    assert!(flood.join().unwrap() > 10_000);
    // The one open port may have been too slow for the scanner.
    assert!(found.iter().all(|port| *port == 80), "{found:?}");
    assert!(took < DEADLINE, "{took:?}");
    let flow = bench.flow(|flow| flow.verdict == FlowVerdict::Dropped && flow.source.endpoint.is_some());
    assert_eq!(flow.destination.address, api);
}

fn silent_clients_leave_the_proxy_to_others() {
    let rest =
        "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: '/open'}]}}]}]";
    let bench = Bench::new("web api noise", &[rules("api", "api", rest)]);
    let listener = bench.listener("api:80");
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // Said before it is asked: the proxy must not take it for anything.
            let answering = stream.try_clone().unwrap();
            held.push(answering);
            thread::spawn(move || {
                let mut head = [0; 5];
                if std::io::Read::read_exact(&mut stream, &mut head).is_ok() {
                    stream.write_all(answer).unwrap();
                }
            });
        }
    });
    let silent: Vec<TcpStream> = (0..1500)
        .map(|number| {
            let mut stream = bench.connect("noise", "api:80").unwrap();
            // Some begin to speak, in every way. They may have been sent away already.
            let _ = stream.write_all(&b"GET /open HTTP/1.1\r\nX: y\r\n"[..number % 26]);
            stream
        })
        .collect();
    for _ in 0..50 {
        let mut client = bench.connect("web", "api:80").unwrap();
        let answer = say(&mut client, b"GET /open HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(silent);
}

fn nobody_sends_from_an_address_of_others() {
    let policy = rules("api", "api", "ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]");
    let mut bench = Bench::new("web api noise", &[policy]);
    let server = bench.datagrams("api:53");
    let (web, api) = (bench.address("web"), bench.socket("api:53"));
    // The address becomes one of the pod's own, as root of the pod can make it.
    bench.at("noise", move || {
        let done = std::process::Command::new("ip")
            .args(["addr", "add", &format!("{web}/32"), "dev", "eth0"])
            .status()
            .unwrap();
        assert!(done.success());
        let socket = UdpSocket::bind((web, 5000)).unwrap();
        socket.send_to(b"spoofed", api).unwrap();
    });
    let flow = bench.flow(|flow| flow.verdict == FlowVerdict::Dropped);
    insta::assert_snapshot!(format!("{:?} {:?}", flow.kind, flow.drop_reason), @"Drop Some(InvalidSourceAddress)");
    server.set_read_timeout(Some(SILENCE)).unwrap();
    assert!(server.recv_from(&mut [0; 100]).is_err());
}
