//! HTTPS attempts, against the probe's own servers and against ones that do not finish the handshake.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;
use verdikt_wire::{Action, Arrived, Resolver, Speaks, StageTransport, WireOutcome, WireTarget, Zone};

use crate::process::{LONG, LOOPBACK, Probe, SHORT, by_name, get, get_over_tls};

/// What an attempt reports when its connection is accepted and its request comes to `outcome`.
fn after_connecting(outcome: &str) -> String {
    format!("connect tcp 127.0.0.1: answered\nrequest tcp 127.0.0.1: {outcome}\n{outcome}")
}

/// Takes one connection, and gives `then` what comes first on it.
fn serve<T: Send + 'static>(
    then: impl FnOnce(TcpStream, &[u8]) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 4096];
        let length = stream.read(&mut first).unwrap();
        then(stream, &first[..length])
    });
    (port, served)
}

/// Attempts it at a server that passes so many bytes of a real handshake on, then does `then`, and closes.
fn check(passed: usize, timeout: u32, then: fn(&mut TcpStream), wanted: &str) {
    let mut probe = Probe::start();
    let (_, real) = probe.serve(Speaks::Https, Zone::default());
    let (port, served) = serve(move |mut stream, hello| {
        let mut server = TcpStream::connect((LOOPBACK, real)).unwrap();
        server.write_all(hello).unwrap();
        let mut answer = vec![0; passed];
        server.read_exact(&mut answer).unwrap();
        stream.write_all(&answer).unwrap();
        then(&mut stream);
    });
    probe.check(get_over_tls(WireTarget::Address(LOOPBACK), port, "/"), timeout, &after_connecting(wanted));
    served.join().unwrap();
}

fn close(_: &mut TcpStream) {}

fn reset(stream: &mut TcpStream) {
    SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap();
}

fn wait(stream: &mut TcpStream) {
    // Until the client goes.
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn a_handshake_that_is_cut_off() {
    for passed in [0, 60] {
        check(passed, LONG, reset, "reset");
        check(passed, LONG, close, r#"{"garbled":"the connection was closed in the TLS handshake"}"#);
        check(passed, SHORT, wait, "timed-out");
    }
}

#[test]
fn a_server_that_does_not_speak_tls() {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(Speaks::Http, Zone::default());
    let attempted =
        probe.check(get_over_tls(WireTarget::Address(LOOPBACK), port, "/"), LONG, &after_connecting(r#"{"garbled":"the server does not speak TLS: received corrupt message of type InvalidContentType"}"#));
    let peer = attempted.bound()[0].local;
    let connected = Arrived { server, transport: StageTransport::Tcp, peer, attempt: None };
    assert_eq!(probe.arrivals(1), [connected], "no request has come");
}

#[test]
fn a_server_that_speaks_tls_to_a_client_that_does_not() {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(Speaks::Https, Zone::default());
    let attempted = probe.check(
        get(WireTarget::Address(LOOPBACK), port, "/"),
        LONG,
        &after_connecting(r#"{"garbled":"invalid HTTP version parsed"}"#),
    );
    let peer = attempted.bound()[0].local;
    let connected = Arrived { server, transport: StageTransport::Tcp, peer, attempt: None };
    assert_eq!(probe.arrivals(1), [connected], "no request has come");
}

#[test]
fn an_alert_says_why() {
    // The alert that the peer agrees on nothing. https://www.rfc-editor.org/rfc/rfc8446#section-6
    let (port, served) = serve(|mut stream, _| stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).unwrap());
    Probe::start().check(
        get_over_tls(WireTarget::Address(LOOPBACK), port, "/"),
        LONG,
        &after_connecting(r#"{"garbled":"TLS has failed: received fatal alert: HandshakeFailure"}"#),
    );
    served.join().unwrap();
}

#[test]
fn refused() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(LOOPBACK, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let action = get_over_tls(WireTarget::Address(LOOPBACK), port, "/");
    Probe::start().check(action, LONG, "connect tcp 127.0.0.1: refused\nrefused");
}

fn knowing(name: &str) -> Probe {
    let mut probe = Probe::start();
    probe.resolve(Resolver { hosts: [(name.to_owned(), vec![LOOPBACK])].into(), ..Resolver::default() });
    probe
}

#[test]
fn a_server_is_reached_by_any_name() {
    let mut probe = knowing("api.test");
    let (_, port) = probe.serve(Speaks::Https, Zone::default());
    for name in ["api.test", "api.test."] {
        let wanted = after_connecting(r#"{"http-status":200}"#);
        probe.check(get_over_tls(by_name(name), port, "/"), LONG, &wanted);
    }
}

#[test]
fn the_server_is_told_the_name_and_no_address() {
    let hello = |target: WireTarget| {
        let (port, served) = serve(|_, hello| hello.to_owned());
        knowing("api.test").attempt(get_over_tls(target, port, "/"), LONG);
        served.join().unwrap()
    };
    let says = |hello: &[u8], what: &[u8]| hello.windows(what.len()).any(|part| part == what);
    // A name and its length. https://www.rfc-editor.org/rfc/rfc6066#section-3
    let name = b"\0\0\x08api.test";
    assert!(says(&hello(by_name("api.test")), name));
    assert!(says(&hello(by_name("api.test.")), name));
    let hello = hello(WireTarget::Address(LOOPBACK));
    assert_eq!(hello.first(), Some(&22), "a handshake");
    assert!(!says(&hello, b"127.0.0.1"));
}

#[test]
fn what_is_no_name_is_not_attempted() {
    let attempted = knowing("a b").attempt(get_over_tls(by_name("a b"), 443, "/"), LONG);
    let wanted = "\"a b\" cannot be the server name of TLS".to_owned();
    assert_eq!(*attempted.outcome(), WireOutcome::NotAttempted(wanted));
    assert_eq!(attempted.reports.len(), 1, "{:?}", attempted.reports);
}

#[test]
fn an_action_that_does_not_speak_of_tls_is_without() {
    let line =
        r#"{"http":{"target":{"address":"127.0.0.1"},"port":80,"method":"GET","path":"/","headers":[]}}"#;
    let action: Action = serde_json::from_str(line).unwrap();
    assert_eq!(action, get(WireTarget::Address(LOOPBACK), 80, "/"));
}
