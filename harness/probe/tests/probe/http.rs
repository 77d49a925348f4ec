//! HTTP attempts against servers of all manners.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rstest::rstest;
use socket2::SockRef;
use verdikt_wire::{Action, WireOutcome, WireTarget};

use crate::process::{LONG, LOOPBACK, Probe, SHORT, by_name, get};

/// Serves one connection: reads a request's head, and then does `then`. The result is the head.
fn serve(then: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        let mut reader = BufReader::new(&stream);
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|length| length > 0) {}
        then(stream);
        head
    });
    (port, served)
}

/// Asks a server that answers with these pieces and closes.
fn check(pieces: &'static [&'static str], wanted: &str) {
    let (port, served) = serve(move |mut stream| {
        for piece in pieces {
            // The client may have had enough.
            let _ = stream.write_all(piece.as_bytes());
        }
    });
    let attempted = Probe::start().attempt(get(WireTarget::Address(LOOPBACK), port, "/"), LONG);
    let outcome = match attempted.outcome() {
        WireOutcome::Garbled(_) => "garbled".to_owned(),
        other => serde_json::to_string(other).unwrap(),
    };
    assert_eq!(outcome, wanted, "{pieces:?}: {:?}", attempted.outcome());
    assert_eq!(attempted.bound().len(), 2);
    served.join().unwrap();
}

#[test]
fn whole_answers_have_a_status() {
    let status = |code: u16| format!("{{\"http-status\":{code}}}");
    check(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"], &status(200));
    check(&["HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"], &status(403));
    check(&["HTTP/1.0 599 Odd\r\n\r\nuntil the end"], &status(599));
    check(&["HTTP/1.1 204 No Content\r\n\r\n"], &status(204));
    check(
        &["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"],
        &status(201),
    );
    check(&["HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"], &status(101));
    check(
        &[
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "2\r\nhi\r\n",
            "3;x=y\r\nyou\r\n",
            "0\r\n\r\n",
        ],
        &status(200),
    );
}

#[rstest]
#[case::nothing(&[])]
#[case::three_letters(&["HTT"])]
#[case::no_status_line(&["hello\r\n\r\n"])]
#[case::a_status_of_four_digits(&["HTTP/1.1 2000 OK\r\n\r\n"])]
#[case::half_a_header(&["HTTP/1.1 200 OK\r\ncontent-length"])]
#[case::half_a_body(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])]
#[case::two_lengths(&["HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"])]
#[case::half_a_chunk(&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "9\r\nhalf"])]
#[case::no_size_of_a_chunk(&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "zz\r\nhi\r\n0\r\n\r\n"])]
fn what_is_no_whole_answer_is_garbled(#[case] pieces: &'static [&'static str]) {
    check(pieces, "garbled");
}

#[test]
fn a_reset_is_a_reset_at_every_moment() {
    for before in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let (port, served) = serve(|mut stream| {
            stream.write_all(before.as_bytes()).unwrap();
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        });
        Probe::start().check(
            get(WireTarget::Address(LOOPBACK), port, "/"),
            LONG,
            "connect tcp 127.0.0.1: answered\nrequest tcp 127.0.0.1: reset\nreset",
        );
        served.join().unwrap();
    }
}

#[test]
fn an_answer_that_does_not_end_times_out() {
    for before in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let (port, served) = serve(|mut stream| {
            stream.write_all(before.as_bytes()).unwrap();
            let mut rest = Vec::new();
            // Until the client goes.
            let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        });
        Probe::start().check(
            get(WireTarget::Address(LOOPBACK), port, "/"),
            SHORT,
            "connect tcp 127.0.0.1: answered\nrequest tcp 127.0.0.1: timed-out\ntimed-out",
        );
        served.join().unwrap();
    }
}

#[test]
fn a_request_says_what_it_is_told_to() {
    let answer = |mut stream: TcpStream| stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    let head = |target: WireTarget, headers: &[(&str, &str)]| {
        let (port, served) = serve(answer);
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut probe = Probe::start();
        probe.resolve(verdikt_wire::Resolver {
            hosts: [("api.test".to_owned(), vec![LOOPBACK])].into(),
            ..Default::default()
        });
        let action = Action::Http {
            target,
            port,
            method: "PATCH".to_owned(),
            path: "/a%20b?c=d".to_owned(),
            headers,
            tls: false,
            trusts: None,
        };
        assert_eq!(*probe.attempt(action, LONG).outcome(), WireOutcome::HttpStatus(204));
        served.join().unwrap().replace(&port.to_string(), "PORT").replace("\r\n", "\n")
    };
    let own = "x-verdikt-attempt: 1\n\n";
    assert_eq!(
        head(WireTarget::Address(LOOPBACK), &[]),
        format!("PATCH /a%20b?c=d HTTP/1.1\nhost: 127.0.0.1:PORT\n{own}")
    );
    assert_eq!(
        head(by_name("api.test."), &[("X-Token", "a"), ("x-token", "b")]),
        format!("PATCH /a%20b?c=d HTTP/1.1\nx-token: a\nx-token: b\nhost: api.test:PORT\n{own}")
    );
    assert_eq!(
        head(by_name("api.test"), &[("HOST", "other.test")]),
        format!("PATCH /a%20b?c=d HTTP/1.1\nhost: other.test\n{own}")
    );
}

#[test]
fn what_cannot_stand_in_a_request_is_not_attempted() {
    let mut probe = Probe::start();
    let mut check = |method: &str, path: &str, header: (&str, &str), wanted: &str| {
        let action = Action::Http {
            target: WireTarget::Address(LOOPBACK),
            port: 80,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![(header.0.to_owned(), header.1.to_owned())],
            tls: false,
            trusts: None,
        };
        let attempted = probe.attempt(action, LONG);
        assert_eq!(*attempted.outcome(), WireOutcome::NotAttempted(wanted.to_owned()));
        assert_eq!(attempted.reports.len(), 1, "{:?}", attempted.reports);
    };
    check("GE T", "/", ("a", "b"), "\"GE T\" cannot be the method of a request");
    check("GET", "a", ("a", "b"), "\"a\" cannot be the path of a request");
    check("GET", "/a b", ("a", "b"), "\"/a b\" cannot be the path of a request");
    check("GET", "/", ("a:", "b"), "\"a:\" cannot be the name of a header of a request");
    check("GET", "/", ("a", "b\r\nc: d"), "\"b\\r\\nc: d\" cannot be the value of a header of a request");
}
