//! Connections and datagrams whose policy changes under them, of both families, large and many.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use tokio::io::{DuplexStream, split};
use tokio::sync::Notify;
use verdikt_lab::lab::LabEvent;
use verdikt_scenario::flow::{FlowKind, FlowVerdict};
use verdikt_scenario::topology::Endpoint;
use verdikt_wire::{Action, Order, WireAttempt, WireTarget};

use crate::support::{Bench, DEADLINE, SILENCE, Trials, rest, rules};

pub(crate) const TRIALS: Trials = &[
    ("traffic::a_connection_lives_as_long_as_it_is_allowed", || {
        a_connection_lives_as_long_as_it_is_allowed("api");
    }),
    ("traffic::a_connection_of_ipv6_lives_as_long_as_it_is_allowed", || {
        a_connection_lives_as_long_as_it_is_allowed("api6");
    }),
    ("traffic::a_connection_changes_no_proxy", a_connection_changes_no_proxy),
    ("traffic::audit_mode_reports_and_lets_pass", audit_mode_reports_and_lets_pass),
    ("traffic::one_half_of_a_connection_may_close", one_half_of_a_connection_may_close),
    ("traffic::datagrams_of_every_size", || datagrams_of_every_size("")),
    ("traffic::datagrams_of_ipv6_of_every_size", || datagrams_of_every_size("6")),
    ("traffic::ten_thousand_connections", ten_thousand_connections),
    ("traffic::a_pod_that_dies_takes_nobody_along", a_pod_that_dies_takes_nobody_along),
];

/// The pod `api` lets in what these elements of `ingress` say.
fn ingress(elements: &str) -> String {
    rules("api", "api", &format!("ingress: [{elements}]"))
}

fn port(number: u16) -> String {
    format!("{{toPorts: [{{ports: [{{port: '{number}', protocol: TCP}}]}}]}}")
}

/// Sends everything back, until the client has said all.
pub(crate) fn echo(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut input = stream.try_clone().unwrap();
                // A client may end it as it likes.
                let _ = std::io::copy(&mut input, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
}

/// Whether something comes back.
pub(crate) fn lives(stream: &mut TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

/// `to` is the server by its IPv4 or IPv6 name.
fn a_connection_lives_as_long_as_it_is_allowed(to: &'static str) {
    let policies = [ingress(&[port(80), port(81)].join(", "))];
    let mut bench = Bench::new("web api six=2001:db8::10", &policies);
    let listen = |bench: &Bench, number: u16| {
        let address = SocketAddr::new(bench.address(to), number);
        echo(bench.at("api", move || TcpListener::bind(address).unwrap()));
    };
    listen(&bench, 80);
    listen(&bench, 81);
    let mut cut = bench.connect("web", &format!("{to}:80")).unwrap();
    let mut kept = bench.connect("web", &format!("{to}:81")).unwrap();
    assert!(lives(&mut cut, DEADLINE) && lives(&mut kept, DEADLINE));
    bench.apply(&[ingress(&port(81))], false);
    assert!(!lives(&mut cut, SILENCE) && lives(&mut kept, DEADLINE));
    let flow = bench.flow(|flow| flow.verdict == FlowVerdict::Dropped);
    assert_eq!((flow.kind, flow.destination.port), (FlowKind::PolicyVerdict, Some(80)));
    // A denial ends it as the missing of a rule does.
    bench.apply(
        &[ingress(&port(81)), rules("deny", "api", "ingressDeny: [{fromEntities: [cluster]}]")],
        false,
    );
    assert!(!lives(&mut kept, SILENCE));
    // What was cut goes on where it is allowed again.
    bench.apply(&policies, false);
    kept.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(kept.read_exact(&mut [0]).is_ok());
}

fn a_connection_changes_no_proxy() {
    let judged = "{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}";
    let mut bench = Bench::new("web api", &[ingress(&port(80))]);
    echo(bench.listener("api:80"));
    let mut direct = bench.connect("web", "api:80").unwrap();
    assert!(lives(&mut direct, DEADLINE));
    bench.apply(&[ingress(judged)], false);
    assert!(!lives(&mut direct, SILENCE));
}

fn audit_mode_reports_and_lets_pass() {
    let mut bench = Bench::new("web api", &[ingress(&port(81))]);
    echo(bench.listener("api:80"));
    assert!(bench.connect_within("web", "api:80", SILENCE).is_err());
    bench.flow(|flow| flow.verdict == FlowVerdict::Dropped);
    bench.apply(&[ingress(&port(81))], true);
    let mut stream = bench.connect("web", "api:80").unwrap();
    assert!(lives(&mut stream, DEADLINE));
    let flow = bench.flow(|flow| flow.verdict == FlowVerdict::Audit);
    assert_eq!(flow.destination.socket(), bench.socket("api:80"));
    bench.apply(&[ingress(&port(81))], false);
    assert!(!lives(&mut stream, SILENCE));
}

fn one_half_of_a_connection_may_close() {
    let bench = Bench::new("web api", &[ingress(&port(80))]);
    let listener = bench.listener("api:80");
    let mut client = bench.connect("web", "api:80").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"all").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), "all");
    server.write_all(b"more").unwrap();
    drop(server);
    assert_eq!(rest(&mut client), "more");
}

/// Around the sizes from which on datagrams are sent in fragments, and up to the largest.
const DATAGRAM_LENGTHS: [usize; 9] = [0, 1, 1452, 1453, 1472, 1473, 4000, 20_001, 65_507];

/// `family` is what the names of IPv4 or IPv6 addresses end with.
fn datagrams_of_every_size(family: &str) {
    let policy = ingress("{toPorts: [{ports: [{port: '53', protocol: UDP}]}]}");
    let bench = Bench::new("web api six=2001:db8::10", &[policy]);
    let server = bench.datagrams(&format!("api{family}:53"));
    thread::spawn(move || {
        server.set_read_timeout(None).unwrap();
        let mut buffer = vec![0; 65_535];
        while let Ok((length, peer)) = server.recv_from(&mut buffer) {
            server.send_to(&buffer[..length], peer).unwrap();
        }
    });
    let client: UdpSocket = bench.datagrams(&format!("web{family}:5000"));
    for length in DATAGRAM_LENGTHS {
        let sent: Vec<u8> = (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect();
        client.send_to(&sent, bench.socket(&format!("api{family}:53"))).unwrap();
        let mut buffer = vec![0; 65_535];
        let (heard, from) = client.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert!(buffer[..heard] == sent, "{length} bytes");
        assert_eq!(from, bench.socket(&format!("api{family}:53")));
    }
}

fn ten_thousand_connections() {
    const CLIENTS: usize = 4;
    let bench = Bench::new("web api", &[ingress(&port(80))]);
    let listener = bench.listener("api:80");
    let serving = thread::spawn(move || {
        for _ in 0..10_000 {
            listener.accept().unwrap().0.write_all(b"x").unwrap();
        }
    });
    let server = bench.socket("api:80");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            bench.inside("web", move || {
                let mut all = Vec::new();
                for _ in 0..10_000 / CLIENTS {
                    let mut stream = TcpStream::connect_timeout(&server, DEADLINE).unwrap();
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    stream.read_exact(&mut [0]).unwrap();
                    all.push(stream);
                }
                all
            })
        })
        .collect();
    let all: Vec<TcpStream> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(all.len(), 10_000);
    serving.join().unwrap();
}

/// Ends the probe of `other`.
static DEATH: Notify = Notify::const_new();

/// A probe that may die, if it is that of `other`.
fn mortal(stream: DuplexStream) -> std::io::Result<()> {
    let (input, output) = split(stream);
    let is_mortal = thread::current().name() == Some("shop/other");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        tokio::select! {
            ended = verdikt_probe::probe::run(input, output) => ended,
            () = DEATH.notified(), if is_mortal => Err(std::io::Error::other("its time has come")),
        }
    })
}

fn a_pod_that_dies_takes_nobody_along() {
    let policies = [ingress(&port(80))];
    let mut bench = Bench::with_probes(mortal, "web api other", &policies);
    echo(bench.listener("api:80"));
    let mut kept = bench.connect("web", "api:80").unwrap();
    // Nobody answers there, so that it is in the middle of its attempt.
    let action = Action::Tcp { target: WireTarget::Address(bench.address("api")), port: 99 };
    bench.tell("other", Order::Attempt(WireAttempt { attempt: 1, action, timeout: 60_000 }));
    bench.flow(|flow| flow.destination.port == Some(99));
    DEATH.notify_one();
    let gone = bench.signal(|signal| match signal {
        LabEvent::Gone(endpoint, reason) => Some((endpoint, reason)),
        _ => None,
    });
    let why = "the stream to it has ended: its time has come".to_owned();
    assert_eq!(gone, (Endpoint::Pod("shop/other".parse().unwrap()), why));
    assert!(lives(&mut kept, DEADLINE));
    bench.apply(&policies, false);
    assert!(lives(&mut kept, DEADLINE));
    assert!(bench.connect("web", "api:80").is_ok());
}
