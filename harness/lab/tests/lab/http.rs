//! Requests through the HTTP proxy.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::support::{Bench, DEADLINE, Trials, rest, rules, say};

pub(crate) const TRIALS: Trials = &[
    ("http::each_request_is_judged", each_request_is_judged),
    ("http::bodies_go_both_ways", bodies_go_both_ways),
    ("http::the_host_judged_is_the_host_sent", the_host_judged_is_the_host_sent),
    ("http::nothing_is_smuggled", nothing_is_smuggled),
    ("http::what_is_no_request_is_not_passed_on", what_is_no_request_is_not_passed_on),
    ("http::tunnels_are_for_websockets", tunnels_are_for_websockets),
    ("http::each_request_meets_the_policy_of_its_time", each_request_meets_the_policy_of_its_time),
    ("http::six_is_judged_as_four", six_is_judged_as_four),
    ("http::a_slow_head_keeps_nobody_waiting", a_slow_head_keeps_nobody_waiting),
    ("http::a_client_that_dies_takes_its_connection_along", a_client_that_dies_takes_its_connection_along),
    ("http::a_server_that_fails", a_server_that_fails),
];

/// Only some paths are open.
fn policy() -> String {
    policy_for("{method: 'GET|POST|HEAD|PUT', path: '/open.*', host: 'api.*'}")
}

fn policy_for(rule: &str) -> String {
    rules(
        "api",
        "api",
        &format!(
            "ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: [{rule}]}}}}]}}]"
        ),
    )
}

/// A request as a server has it.
fn read_request(from: &mut impl BufRead) -> Option<String> {
    let mut parts = Vec::new();
    let mut line = String::new();
    let (mut length, mut chunked) = (0, false);
    while from.read_line(&mut line).ok()? > 0 && line != "\r\n" {
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "transfer-encoding" => chunked = true,
            _ => {}
        }
        parts.push(line.trim_end().to_owned());
        line.clear();
    }
    if line != "\r\n" {
        return None;
    }
    let mut body = vec![0; length];
    if chunked {
        body.clear();
        loop {
            line.clear();
            from.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk).ok()?;
            body.extend(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        from.read_exact(&mut body).ok()?;
    }
    if !body.is_empty() {
        parts.push(String::from_utf8_lossy(&body).into_owned());
    }
    Some(parts.join(" | "))
}

/// A server that answers every request with 200 and its number, and tells what it gets.
fn serve(listener: TcpListener) -> Receiver<String> {
    let (tells, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let tells = tells.clone();
            thread::spawn(move || {
                let mut input = BufReader::new(stream.try_clone().unwrap());
                let mut number = 0;
                while let Some(request) = read_request(&mut input) {
                    number += 1;
                    let close = request.to_ascii_lowercase().contains("connection: close");
                    let head = request.starts_with("HEAD ");
                    if tells.send(request).is_err() {
                        return;
                    }
                    let body = format!("answer {number}\n");
                    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
                    answer += if close { "Connection: close\r\n\r\n" } else { "\r\n" };
                    if !head {
                        answer += &body;
                    }
                    if stream.write_all(answer.as_bytes()).is_err() || close {
                        return;
                    }
                }
            });
        }
    });
    told
}

/// What a client and the server see of some bytes and of a last request after them.
fn check(bench: &Bench, served: &Receiver<String>, bytes: &str) -> String {
    let mut client = bench.connect("web", "api:80").unwrap();
    let last = "GET /open/last HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n";
    let answers = say(&mut client, format!("{bytes}{last}").as_bytes());
    let mut told = String::new();
    for line in answers.lines().filter(|line| line.starts_with("HTTP/") || line.starts_with('<')) {
        writeln!(told, "client: {line}").unwrap();
    }
    for request in served.try_iter() {
        assert!(!request.split(" | ").next().unwrap().contains("secret"), "not judged: {request}");
        writeln!(told, "server: {request}").unwrap();
    }
    told
}

/// A request without a body.
fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: api\r\n\r\n")
}

/// Some lines as they are sent.
fn wire(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// What [`check`] says of each case, under its name.
fn check_all(cases: &[(&str, String)]) -> String {
    let bench = Bench::new("web api", &[policy()]);
    let served = serve(bench.listener("api:80"));
    let mut told = String::new();
    for (name, bytes) in cases {
        write!(told, "-- {name}\n{}", check(&bench, &served, bytes)).unwrap();
    }
    told
}

fn each_request_is_judged() {
    let told = check_all(&[
        ("allowed, refused, allowed", [get("/open/1"), get("/secret"), get("/open/2")].concat()),
        ("the query is part of the path", [get("/?/open"), get("/open?x=/no")].concat()),
        (
            "paths are judged in their plain form",
            [get("/open/../no"), get("//open"), get("/%6fpen"), get("/open/./a/../1")].concat(),
        ),
        ("methods", wire("DELETE /open HTTP/1.1\nHost: api\n\nget /open HTTP/1.1\nHost: api\n\n")),
        ("hosts", wire("GET /open HTTP/1.1\nHost: other\n\nGET /open HTTP/1.1\nHost: api:80\n\n")),
        ("an old client", wire("GET /open HTTP/1.0\nHost: api\nConnection: keep-alive\n\n")),
    ]);
    insta::assert_snapshot!(told, @r"
    -- allowed, refused, allowed
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open/1 HTTP/1.1 | Host: api
    server: GET /open/2 HTTP/1.1 | Host: api
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- the query is part of the path
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open?x=/no HTTP/1.1 | Host: api
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- paths are judged in their plain form
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open HTTP/1.1 | Host: api
    server: GET /open HTTP/1.1 | Host: api
    server: GET /open/1 HTTP/1.1 | Host: api
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- methods
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 400 Bad Request
    -- hosts
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open HTTP/1.1 | Host: api:80
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- an old client
    client: HTTP/1.0 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open HTTP/1.0 | Host: api | Connection: keep-alive
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    ");
}

fn bodies_go_both_ways() {
    let told = check_all(&[
        ("with a length", wire("POST /open/1 HTTP/1.1\nHost: api\nContent-Length: 4\n\nbody")),
        (
            "in chunks",
            wire("PUT /open/2 HTTP/1.1\nHost: api\nTransfer-Encoding: chunked\n\n3\none\n3;x=y\ntwo\n0\n\n"),
        ),
        ("HEAD has none", wire("HEAD /open/3 HTTP/1.1\nHost: api\n\n")),
        (
            "one that is announced",
            wire("POST /open/4 HTTP/1.1\nHost: api\nExpect: 100-continue\nContent-Length: 4\n\nbody"),
        ),
        (
            "one that is announced and refused",
            wire("POST /no HTTP/1.1\nHost: api\nExpect: 100-continue\nContent-Length: 4\n\nbody"),
        ),
        ("a refused one", wire("POST /no HTTP/1.1\nHost: api\nContent-Length: 4\n\nbody")),
        (
            "two of the same length",
            wire("POST /open/5 HTTP/1.1\nHost: api\nContent-Length: 4\nContent-Length: 4\n\nbody"),
        ),
    ]);
    insta::assert_snapshot!(told, @"
    -- with a length
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: POST /open/1 HTTP/1.1 | Host: api | Content-Length: 4 | body
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- in chunks
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: PUT /open/2 HTTP/1.1 | Host: api | Transfer-Encoding: chunked | onetwo
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- HEAD has none
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: HEAD /open/3 HTTP/1.1 | Host: api
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- one that is announced
    client: HTTP/1.1 100 Continue
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: POST /open/4 HTTP/1.1 | Host: api | Expect: 100-continue | Content-Length: 4 | body
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- one that is announced and refused
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- a refused one
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- two of the same length
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: POST /open/5 HTTP/1.1 | Host: api | Content-Length: 4 | body
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    ");
    long_bodies();
}

/// A body that no buffer holds, back as it came, in chunks.
fn long_bodies() {
    const LENGTH: usize = 8 << 20;
    let bench = Bench::new("web api", &[policy()]);
    let listener = bench.listener("api:80");
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let request = read_request(&mut input).unwrap();
        let body = request.rsplit(" | ").next().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            .unwrap();
        for part in body.as_bytes().chunks(100_000) {
            stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).unwrap();
            stream.write_all(part).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let client = bench.connect("web", "api:80").unwrap();
    let mut sender = client.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let head = format!("POST /open HTTP/1.1\r\nHost: api\r\nContent-Length: {LENGTH}\r\n\r\n");
        sender.write_all(head.as_bytes()).unwrap();
        sender.write_all(&b"0123456789abcdef".repeat(LENGTH / 16)).unwrap();
    });
    let mut input = BufReader::new(client);
    let mut line = String::new();
    while input.read_line(&mut line).unwrap() > 0 && line != "\r\n" {
        line.clear();
    }
    let mut body: Vec<u8> = Vec::new();
    loop {
        line.clear();
        input.read_line(&mut line).unwrap();
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        input.read_exact(&mut chunk).unwrap();
        body.extend(&chunk[..size]);
        if size == 0 {
            break;
        }
    }
    assert!(body == b"0123456789abcdef".repeat(LENGTH / 16));
    sending.join().unwrap();
    serving.join().unwrap();
}

fn the_host_judged_is_the_host_sent() {
    let told = check_all(&[
        ("the target outweighs the header", wire("GET http://api/open/1?x HTTP/1.1\nHost: other\n\n")),
        ("also if it is the one refused", wire("GET http://other/open HTTP/1.1\nHost: api\n\n")),
        ("a target without a path", wire("GET http://api HTTP/1.1\nHost: api\n\n")),
        ("a target with a user", wire("GET http://api@other/open HTTP/1.1\nHost: api\n\n")),
        ("two hosts", wire("GET /open HTTP/1.1\nHost: api\nHost: other\n\n")),
        ("no host", wire("GET /open HTTP/1.1\n\n")),
        ("the server as a whole", wire("OPTIONS * HTTP/1.1\nHost: api\n\n")),
    ]);
    insta::assert_snapshot!(told, @r"
    -- the target outweighs the header
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open/1?x HTTP/1.1 | Host: api
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- also if it is the one refused
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- a target without a path
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- a target with a user
    client: HTTP/1.1 400 Bad Request
    -- two hosts
    client: HTTP/1.1 400 Bad Request
    -- no host
    client: HTTP/1.1 400 Bad Request
    -- the server as a whole
    client: HTTP/1.1 400 Bad Request
    ");
}

fn nothing_is_smuggled() {
    let hidden = "GET /secret HTTP/1.1\nHost: api\n\n";
    let post =
        |headers: &str, body: &str| wire(&format!("POST /open HTTP/1.1\nHost: api\n{headers}\n\n{body}"));
    let in_body = format!("0\n\n{hidden}");
    let told = check_all(&[
        ("a length and chunks", post("Content-Length: 40\nTransfer-Encoding: chunked", &in_body)),
        ("chunks and a length", post("Transfer-Encoding: chunked\nContent-Length: 40", &in_body)),
        ("two lengths", post("Content-Length: 0\nContent-Length: 33", hidden)),
        ("a list of lengths", post("Content-Length: 0, 33", hidden)),
        ("a length with a sign", post("Content-Length: +33", hidden)),
        ("a length that is none", post("Content-Length: 0x21", hidden)),
        ("a folded header", post("X: y\n Content-Length: 33", hidden)),
        ("a folded coding", post("Transfer-Encoding:\n chunked", &in_body)),
        ("space before the colon", post("Content-Length : 33", hidden)),
        (
            "space before the header",
            wire("POST /open HTTP/1.1\n Content-Length: 33\nHost: api\n\n") + &wire(hidden),
        ),
        ("bare line feeds", format!("POST /open HTTP/1.1\nHost: api\nContent-Length: 0\n\n{hidden}")),
        ("a bare carriage return", post("X: y\rContent-Length: 33", hidden)),
        ("a zero byte", post("X: y\0", hidden)),
        ("an unknown coding", post("Transfer-Encoding: xchunked", &in_body)),
        ("a coding before chunks", post("Transfer-Encoding: gzip, chunked", &in_body)),
        ("a coding after chunks", post("Transfer-Encoding: chunked, identity", &in_body)),
        ("two codings", post("Transfer-Encoding: identity\nTransfer-Encoding: chunked", &in_body)),
        ("a coding in a strange case", post("tRANSFER-eNCODING: CHUNKED", &in_body)),
        ("chunks that lie", post("Transfer-Encoding: chunked", &format!("2\nxxGET\n{in_body}"))),
        ("a chunk too long to count", post("Transfer-Encoding: chunked", "fffffffffffffffff\nx")),
        (
            "chunks of an old client",
            wire(&format!("POST /open HTTP/1.0\nHost: api\nTransfer-Encoding: chunked\n\n{in_body}")),
        ),
    ]);
    insta::assert_snapshot!(told, @"
    -- a length and chunks
    client: HTTP/1.1 200 OK
    server: POST /open HTTP/1.1 | Host: api | Transfer-Encoding: chunked
    -- chunks and a length
    client: HTTP/1.1 200 OK
    server: POST /open HTTP/1.1 | Host: api | Transfer-Encoding: chunked
    -- two lengths
    client: HTTP/1.1 400 Bad Request
    -- a list of lengths
    client: HTTP/1.1 400 Bad Request
    -- a length with a sign
    client: HTTP/1.1 400 Bad Request
    -- a length that is none
    client: HTTP/1.1 400 Bad Request
    -- a folded header
    client: HTTP/1.1 400 Bad Request
    -- a folded coding
    client: HTTP/1.1 400 Bad Request
    -- space before the colon
    client: HTTP/1.1 400 Bad Request
    -- space before the header
    client: HTTP/1.1 400 Bad Request
    -- bare line feeds
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    server: POST /open HTTP/1.1 | Host: api | Content-Length: 0
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- a bare carriage return
    client: HTTP/1.1 400 Bad Request
    -- a zero byte
    client: HTTP/1.1 400 Bad Request
    -- an unknown coding
    client: HTTP/1.1 400 Bad Request
    -- a coding before chunks
    client: HTTP/1.1 400 Bad Request
    -- a coding after chunks
    client: HTTP/1.1 400 Bad Request
    -- two codings
    client: HTTP/1.1 400 Bad Request
    -- a coding in a strange case
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 403 Forbidden
    client: HTTP/1.1 200 OK
    server: POST /open HTTP/1.1 | Host: api | tRANSFER-eNCODING: CHUNKED
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- chunks that lie
    client: HTTP/1.1 503 Service Unavailable
    -- a chunk too long to count
    client: HTTP/1.1 503 Service Unavailable
    -- chunks of an old client
    client: HTTP/1.1 400 Bad Request
    ");
}

/// Heads that are none, other protocols, and more than a proxy keeps.
fn what_is_no_request_is_not_passed_on() {
    let told = check_all(&[
        ("a request in the target", wire("GET /open HTTP/1.1\u{b}GET /secret HTTP/1.1\nHost: api\n\n")),
        ("HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned()),
        (
            "an offer of HTTP/2",
            wire(
                "GET /open HTTP/1.1\nHost: api\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n\n",
            ),
        ),
        ("no HTTP", "SSH-2.0-x\r\n".to_owned()),
        ("no text", "\u{16}\u{3}\u{1}\0\u{5}hello".to_owned()),
        ("a head too long", wire(&format!("GET /open HTTP/1.1\nHost: api\nX: {}\n\n", "x".repeat(1 << 20)))),
        ("too many headers", wire(&format!("GET /open HTTP/1.1\nHost: api\n{}\n", "X: y\n".repeat(500)))),
    ]);
    insta::assert_snapshot!(told, @"
    -- a request in the target
    client: HTTP/1.1 400 Bad Request
    -- HTTP/2 with prior knowledge
    -- an offer of HTTP/2
    client: HTTP/1.1 200 OK
    client: HTTP/1.1 200 OK
    server: GET /open HTTP/1.1 | Host: api
    server: GET /open/last HTTP/1.1 | Host: api | Connection: close
    -- no HTTP
    client: HTTP/1.1 400 Bad Request
    -- no text
    client: HTTP/1.1 400 Bad Request
    -- a head too long
    client: HTTP/1.1 431 Request Header Fields Too Large
    -- too many headers
    client: HTTP/1.1 431 Request Header Fields Too Large
    ");
}

fn tunnels_are_for_websockets() {
    let mut bench = Bench::new("web api", &[policy_for("{path: '/open.*'}, {method: CONNECT}")]);
    let listener = bench.listener("api:80");
    // A server that changes the protocol whatever it is asked, and then says everything twice.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut input = BufReader::new(stream.try_clone().unwrap());
            if read_request(&mut input).is_none() {
                continue;
            }
            stream
                .write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                )
                .unwrap();
            let mut line = String::new();
            while input.read_line(&mut line).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(line.repeat(2).as_bytes());
                line.clear();
            }
        }
    });
    let ask = |bench: &Bench, request: &str| {
        let mut client = bench.connect("web", "api:80").unwrap();
        client.write_all(wire(request).as_bytes()).unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).unwrap();
        (client, String::from_utf8_lossy(&answer).into_owned())
    };
    let (mut client, status) = ask(
        &bench,
        "GET /open HTTP/1.1\nHost: api\nConnection: upgrade\nUpgrade: WebSocket\n\nGET /secret\n",
    );
    assert_eq!(status, "HTTP/1.1 101");
    client.shutdown(Shutdown::Write).unwrap();
    let text = rest(&mut client);
    assert!(text.ends_with("GET /secret\r\nGET /secret\r\n"), "{text}");
    let requests = [
        ("denied", "GET /no HTTP/1.1\nHost: api\nConnection: upgrade\nUpgrade: websocket\n\n"),
        ("another protocol", "GET /open HTTP/1.1\nHost: api\nConnection: upgrade\nUpgrade: other\n\n"),
        ("without Connection", "GET /open HTTP/1.1\nHost: api\nUpgrade: websocket\n\n"),
        ("HTTP/2", "GET /open HTTP/1.1\nHost: api\nConnection: upgrade\nUpgrade: h2c\n\n"),
        ("CONNECT", "CONNECT other:80 HTTP/1.1\nHost: other:80\n\n"),
    ];
    let told = requests.map(|(name, request)| format!("{name}: {}\n", ask(&bench, request).1));
    insta::assert_snapshot!(told.concat(), @"
    denied: HTTP/1.1 403
    another protocol: HTTP/1.1 501
    without Connection: HTTP/1.1 503
    HTTP/2: HTTP/1.1 503
    CONNECT: HTTP/1.1 404
    ");
    bench.apply(&[policy()], false);
    assert_eq!(ask(&bench, "CONNECT api:80 HTTP/1.1\nHost: api:80\n\n").1, "HTTP/1.1 403");
}

/// The status of the next answer of a connection.
fn next_status(input: &mut impl BufRead) -> String {
    let mut status = String::new();
    input.read_line(&mut status).unwrap();
    let (mut line, mut length) = (String::new(), 0);
    while input.read_line(&mut line).unwrap() > 0 && line != "\r\n" {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    input.read_exact(&mut vec![0; length]).unwrap();
    status.trim_end().to_owned()
}

fn each_request_meets_the_policy_of_its_time() {
    let mut bench = Bench::new("web api", &[policy()]);
    let _served = serve(bench.listener("api:80"));
    let mut client = bench.connect("web", "api:80").unwrap();
    let mut input = BufReader::new(client.try_clone().unwrap());
    let mut ask = |target: &str| {
        client.write_all(get(target).as_bytes()).unwrap();
        next_status(&mut input)
    };
    let (ok, forbidden) = ("HTTP/1.1 200 OK", "HTTP/1.1 403 Forbidden");
    assert_eq!([ask("/open"), ask("/other")], [ok, forbidden]);
    bench.apply(&[policy_for("{path: '/other'}")], false);
    assert_eq!([ask("/open"), ask("/other")], [forbidden, ok]);
    // What the proxy refuses it refuses in audit mode too.
    bench.apply(&[policy_for("{path: '/other'}")], true);
    assert_eq!([ask("/open"), ask("/other")], [forbidden, ok]);
}

fn six_is_judged_as_four() {
    let bench = Bench::new("web api six=2001:db8::10", &[policy()]);
    let served = serve(bench.listener("api6:80"));
    let mut client = bench.connect("web", "api6:80").unwrap();
    let mut input = BufReader::new(client.try_clone().unwrap());
    let answers = ["/open", "/secret"].map(|target| {
        client.write_all(get(target).as_bytes()).unwrap();
        next_status(&mut input)
    });
    assert_eq!(answers, ["HTTP/1.1 200 OK", "HTTP/1.1 403 Forbidden"]);
    assert_eq!(served.try_iter().collect::<Vec<_>>(), ["GET /open HTTP/1.1 | Host: api"]);
}

fn a_slow_head_keeps_nobody_waiting() {
    let bench = Bench::new("web api", &[policy()]);
    let _served = serve(bench.listener("api:80"));
    let mut slow = bench.connect("web", "api:80").unwrap();
    slow.write_all(b"GET /open HTTP/1.1\r\nHos").unwrap();
    let mut client = bench.connect("web", "api:80").unwrap();
    client.write_all(get("/open").as_bytes()).unwrap();
    assert_eq!(next_status(&mut BufReader::new(client)), "HTTP/1.1 200 OK");
    slow.write_all(b"t: api\r\n\r\n").unwrap();
    assert_eq!(next_status(&mut BufReader::new(slow)), "HTTP/1.1 200 OK");
}

fn a_client_that_dies_takes_its_connection_along() {
    let bench = Bench::new("web api", &[policy()]);
    let listener = bench.listener("api:80");
    let die_after = |request: &str| {
        let mut client = bench.connect("web", "api:80").unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        if request.contains("/open") {
            assert!(server.read(&mut [0; 1]).unwrap() == 1);
        }
        drop(client);
        let text = rest(&mut server);
        assert!(!text.contains("<WouldBlock>") && !text.contains("timed out"), "{request}: {text}");
    };
    // In the middle of the head, of the body, and of waiting.
    die_after("GET /op");
    die_after(&wire("POST /open HTTP/1.1\nHost: api\nContent-Length: 100\n\nbody"));
    die_after(&get("/open"));
}

fn a_server_that_fails() {
    let bench = Bench::new("web api", &[policy()]);
    let ask = |what: &str| {
        let mut client = bench.connect("web", "api:80").unwrap();
        let answer = say(&mut client, [get("/open"), get("/open")].concat().as_bytes());
        assert!(!answer.contains("<would block>"), "{what}: {answer}");
        answer.lines().filter(|line| line.starts_with("HTTP/")).collect::<Vec<_>>().join(", ")
    };
    let mut told = format!("nobody listens: {}\n", ask("nobody listens"));
    let listener = bench.listener("api:80");
    let behaviours: [(&str, &[u8]); 6] = [
        ("closes at once", b""),
        ("says no HTTP", b"hello\r\n\r\n"),
        ("dies in the head", b"HTTP/1.1 200 OK\r\nContent-"),
        ("dies in the body", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
        ("dies in a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
        ("dies after one answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ];
    for (what, answer) in behaviours {
        let listener = listener.try_clone().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if !answer.is_empty() {
                read_request(&mut BufReader::new(&stream)).unwrap();
                stream.write_all(answer).unwrap();
            }
        });
        writeln!(told, "{what}: {}", ask(what)).unwrap();
        serving.join().unwrap();
    }
    insta::assert_snapshot!(told, @"
    nobody listens: HTTP/1.1 503 Service Unavailable
    closes at once: HTTP/1.1 503 Service Unavailable
    says no HTTP: HTTP/1.1 503 Service Unavailable
    dies in the head: HTTP/1.1 503 Service Unavailable
    dies in the body: HTTP/1.1 200 OK
    dies in a chunk: HTTP/1.1 200 OK
    dies after one answer: HTTP/1.1 200 OK
    ");
}
