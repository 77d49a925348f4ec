//! The servers, for clients that are not probes.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use rstest::rstest;
use verdikt_wire::{Arrived, Order, Records, Report, Serve, Speaks, StageTransport, WireCertificate, Zone};

use crate::process::{LOOPBACK, Probe};

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((LOOPBACK, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends bytes and nothing more, and reads to the end.
fn conversation(stream: &mut TcpStream, text: &[u8]) -> String {
    stream.write_all(text).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Asks an HTTP server over one connection; wants these statuses, and these attempts to have arrived.
fn check_http(requests: &str, statuses: &[&str], attempts: &[Option<u64>]) {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(Speaks::Http, Zone::default());
    let mut stream = connect(port);
    let answer = conversation(&mut stream, requests.as_bytes());
    let seen: Vec<&str> =
        answer.split("HTTP/1.1 ").skip(1).map(|answer| answer.split_once(' ').unwrap().0).collect();
    assert_eq!(seen, statuses, "{requests:?}: {answer}");
    let peer = stream.local_addr().unwrap();
    let wanted: Vec<Arrived> = [&None]
        .into_iter()
        .chain(attempts)
        .map(|attempt| Arrived { server, transport: StageTransport::Tcp, peer, attempt: *attempt })
        .collect();
    assert_eq!(probe.arrivals(wanted.len()), wanted, "{requests:?}");
}

#[test]
fn http_requests_of_a_connection_are_answered_one_by_one() {
    let get = "GET /a HTTP/1.1\r\nhost: a\r\n";
    check_http(&format!("{get}\r\n"), &["200"], &[None]);
    check_http(
        &format!(
            "{get}x-verdikt-attempt: 7\r\n\r\n{get}x-verdikt-attempt: 8\r\n\r\n{get}x-verdikt-attempt: x\r\n\r\n"
        ),
        &["200", "200", "200"],
        &[Some(7), Some(8), None],
    );
    let posted = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    check_http(&format!("{posted}{get}\r\n"), &["200", "200"], &[None, None]);
    check_http(
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        &["200"],
        &[None],
    );
    check_http(&format!("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n{get}\r\n"), &["200", "200"], &[None, None]);
    // What is not a request is refused, and reaches nobody.
    check_http("hello\r\n\r\n", &["400"], &[]);
    check_http(&format!("{get}content-length: 1\r\ncontent-length: 2\r\n\r\nab"), &["400"], &[]);
    check_http("", &[], &[]);
}

#[test]
fn http_tells_who_asks_for_what() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Http, Zone::default());
    let mut stream = connect(port);
    let answer = conversation(&mut stream, b"DELETE /a?b=c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, format!("peer: {}\nmethod: DELETE\npath: /a?b=c\n", stream.local_addr().unwrap()));
}

#[test]
fn tcp_sends_everything_back() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Tcp, Zone::default());
    let text = "0123456789".repeat(100_000);
    let mut stream = connect(port);
    let mut writer = stream.try_clone().unwrap();
    let sent = text.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(sent.as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = String::new();
    stream.read_to_string(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == text, "{} bytes came back of {}", back.len(), text.len());
}

#[rstest]
#[case::nothing(b"", None)]
#[case::the_text_of_an_attempt(b"verdikt attempt 12", Some(12))]
#[case::a_negative_number(b"verdikt attempt -1", None)]
#[case::a_number_that_is_too_large(b"verdikt attempt 99999999999999999999", None)]
#[case::bytes_that_are_no_text(&[0xff; 1400], None)]
fn udp_sends_everything_back(#[case] text: &[u8], #[case] attempt: Option<u64>) {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(Speaks::Udp, Zone::default());
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    socket.connect((IpAddr::from([127, 0, 0, 5]), port)).unwrap();
    socket.send(text).unwrap();
    let mut answer = [0; 2000];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], text);
    let peer = socket.local_addr().unwrap();
    assert_eq!(probe.arrivals(1), [Arrived { server, transport: StageTransport::Udp, peer, attempt }]);
}

/// Asks over UDP, and tells the answer's flags, response code, and number of answers.
fn ask(port: u16, query: &[u8]) -> (bool, u8, u16, usize) {
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.connect((LOOPBACK, port)).unwrap();
    socket.send(query).unwrap();
    let mut answer = [0; 9000];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(answer[..2], query[..2]);
    (answer[2] & 2 != 0, answer[3] & 15, u16::from_be_bytes([answer[6], answer[7]]), length)
}

/// A query for `many.test`, with these flags and this type, and room for so many bytes in the answer.
fn query(flags: u8, kind: u8, room: Option<u16>) -> Vec<u8> {
    let mut query = vec![7, 7, flags, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(room.is_some())];
    query.extend(b"\x04many\x04test\0");
    query.extend([0, kind, 0, 1]);
    if let Some(room) = room {
        query.extend([0, 0, 41]);
        query.extend(room.to_be_bytes());
        query.extend([0; 6]);
    }
    query
}

#[test]
fn dns_answers_fit_what_the_asker_can_take() {
    let addresses = (1..=100).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    let records = Records { addresses, alias: None, ttl: 1 };
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Dns, Zone { names: [("many.test".to_owned(), records)].into() });
    let (truncated, code, answers, length) = ask(port, &query(1, 1, None));
    assert!(truncated && code == 0 && answers < 100 && length <= 512, "{answers} in {length}");
    let (truncated, _, answers, length) = ask(port, &query(1, 1, Some(1232)));
    assert!(truncated && answers < 100 && (512..=1232).contains(&length), "{answers} in {length}");
    let (truncated, _, answers, _) = ask(port, &query(1, 1, Some(4096)));
    assert_eq!((truncated, answers), (false, 100));
    // Other types: the name is there.
    assert_eq!((ask(port, &query(1, 28, None)).1, ask(port, &query(1, 16, None)).1), (0, 0));
    // A status request is not implemented.
    assert_eq!(ask(port, &query(0x10, 1, None)).1, 4);
    // What is not a query is not answered, and does no harm.
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    for text in [&b""[..], b"x", &[0xff; 600], &query(0x80, 1, None)] {
        socket.send_to(text, (LOOPBACK, port)).unwrap();
    }
    assert_eq!(ask(port, &query(1, 1, Some(4096))).2, 100);
}

#[test]
fn dns_answers_many_queries_of_a_connection() {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Dns, Zone::default());
    let one = query(1, 1, None);
    let framed = [&u16::try_from(one.len()).unwrap().to_be_bytes()[..], &one].concat();
    let mut stream = connect(port);
    stream.write_all(&framed.repeat(3)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    assert_eq!(answers.len(), 3 * framed.len());
    assert!(answers.chunks(framed.len()).all(|answer| answer[5] & 15 == 3), "{answers:?}");
}

#[test]
fn dns_answers_for_other_names_without_closing() {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(Speaks::Dns, Zone::default());
    let one = query(1, 1, None);
    let framed = [&u16::try_from(one.len()).unwrap().to_be_bytes()[..], &one].concat();
    let mut stream = connect(port);
    let mut ask = || {
        stream.write_all(&framed).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).unwrap();
        answer[3] & 15
    };
    assert_eq!(ask(), 3, "there is no such name");
    let records = Records { addresses: vec![LOOPBACK], alias: None, ttl: 1 };
    let zone = Zone { names: [("many.test".to_owned(), records)].into() };
    let mut change = |server: u64, zone: Zone| {
        probe.order(&Order::AnswerFor { server, zone });
        probe.next_but_arrivals()
    };
    assert_eq!(change(server, zone.clone()), Report::Serving { server, port });
    assert_eq!(ask(), 0);
    let broken = Zone { names: [("a..b".to_owned(), Records::default())].into() };
    assert!(matches!(change(server, broken), Report::NotServing { .. }));
    assert!(matches!(change(99, zone.clone()), Report::NotServing { .. }));
    assert_eq!(ask(), 0, "what is refused changes nothing");
    let (other, _) = probe.serve(Speaks::Udp, Zone::default());
    probe.order(&Order::AnswerFor { server: other, zone });
    let reason = "it answers no queries".to_owned();
    assert_eq!(probe.next_but_arrivals(), Report::NotServing { server: other, reason });
}

fn start_on(probe: &mut Probe, server: u64, speaks: Speaks, port: u16, zone: Zone) -> Report {
    probe.order(&Order::Serve(Serve { server, speaks, port, zone, certificate: WireCertificate::default() }));
    probe.next_but_arrivals()
}

#[rstest]
#[case::http(Speaks::Http)]
#[case::https(Speaks::Https)]
#[case::tcp(Speaks::Tcp)]
#[case::udp(Speaks::Udp)]
#[case::dns(Speaks::Dns)]
fn a_stopped_server_closes_its_connections_and_frees_its_port(#[case] speaks: Speaks) {
    let mut probe = Probe::start();
    let (server, port) = probe.serve(speaks, Zone::default());
    let stream = (speaks != Speaks::Udp).then(|| connect(port));
    if matches!(speaks, Speaks::Tcp | Speaks::Http | Speaks::Https) {
        probe.arrivals(1);
    }
    probe.order(&Order::StopServing { server });
    let again = start_on(&mut probe, server, speaks, port, Zone::default());
    assert_eq!(again, Report::Serving { server, port });
    if let Some(mut stream) = stream {
        let mut rest = Vec::new();
        // Closed or reset, but not kept.
        let _ = stream.read_to_end(&mut rest).map_err(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        });
    }
}

#[test]
fn what_cannot_serve_says_why() {
    let mut probe = Probe::start();
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (server, _) = probe.serve(Speaks::Tcp, Zone::default());
    let mut check = |number: u64, speaks: Speaks, port: u16, zone: Zone, wanted: &str| {
        let reason = wanted.to_owned();
        let report = start_on(&mut probe, number, speaks, port, zone);
        assert_eq!(report, Report::NotServing { server: number, reason });
    };
    let in_use = format!("cannot listen on port {port}: address already in use");
    check(server, Speaks::Udp, 0, Zone::default(), &format!("server {server} already serves"));
    check(9, Speaks::Tcp, port, Zone::default(), &in_use);
    check(9, Speaks::Http, port, Zone::default(), &in_use);
    check(9, Speaks::Dns, port, Zone::default(), &in_use);
    let broken = Zone { names: [("a..b".to_owned(), Records::default())].into() };
    let reason = match start_on(&mut probe, 9, Speaks::Dns, 0, broken) {
        Report::NotServing { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason.starts_with("cannot listen on port 0: \"a..b\" is not a name"), "{reason}");
}
