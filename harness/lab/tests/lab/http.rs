//! Requests through the HTTP proxy.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use crate::support::{Bench, DEADLINE, SILENCE, Trials, rest, rules, say};

pub(crate) const TRIALS: Trials = &[
    ("http::each_request_is_judged", each_request_is_judged),
];

/// Only some paths are open.
fn policy() -> String {
    policy_for("{method: 'GET|POST|HEAD|PUT', path: '/open.*', host: 'api.*'}")
}

fn policy_for(rule: &str) -> String {
    rules(
        "api",
        "api",
        &format!("ingress: [{{toPorts: [{{ports: [{{port: '80', protocol: TCP}}], rules: {{http: [{rule}]}}}}]}}]"),
    )
}

/// A request as a server has it.
fn read_request(from: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
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
        write!(head, "{} | ", line.trim_end()).unwrap();
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
    Some(head + &String::from_utf8_lossy(&body))
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

fn each_request_is_judged() {
    let bench = Bench::new("web api", &[policy()]);
    let served = serve(bench.listener("api:80"));
    let told = check(
        &bench,
        &served,
        "GET /open/1 HTTP/1.1\r\nHost: api\r\n\r\nGET /secret HTTP/1.1\r\nHost: api\r\n\r\nGET /open/2 HTTP/1.1\r\nHost: api\r\n\r\n",
    );
    insta::assert_snapshot!(told, @"");
}
