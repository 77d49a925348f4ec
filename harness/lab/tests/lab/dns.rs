//! Queries through the DNS proxy.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use verdikt_scenario::flow::{DropReason, FlowKind};

use crate::support::{Bench, SILENCE, Trials, rest, rules};

pub(crate) const TRIALS: Trials = &[
    ("dns::addresses_are_learned_before_the_answer_comes", addresses_are_learned_before_the_answer_comes),
    ("dns::names_without_a_rule_are_refused", names_without_a_rule_are_refused),
    ("dns::a_connection_carries_many_queries", a_connection_carries_many_queries),
    ("dns::for_a_client_that_has_gone_nothing_is_learned", for_a_client_that_has_gone_nothing_is_learned),
    ("dns::what_is_no_query_is_not_forwarded", what_is_no_query_is_not_forwarded),
    ("dns::six_is_learned_as_four", six_is_learned_as_four),
    ("dns::a_flood_leaves_room_for_others", a_flood_leaves_room_for_others),
];

/// The host that each name leads to has a number; its address ends so.
const HOSTS: [&str; 13] = [
    "plain",
    "chain",
    "many",
    "zero",
    "huge",
    "half",
    "truncated",
    "circle",
    "unrelated",
    "failed",
    "forged",
    "silent",
    "case",
];

fn address(host: &str) -> IpAddr {
    let number = HOSTS.iter().position(|known| *known == host).unwrap();
    Ipv4Addr::new(203, 0, 113, 10 + u8::try_from(number).unwrap()).into()
}

/// What every client may.
const RULES: &str = "egress: [{toEndpoints: [{matchLabels: {app: names}}], toPorts: [{ports: [{port: '53', protocol: \
                     ANY}], rules: {dns: [{matchPattern: '*.example.test'}]}}]}, {toFQDNs: [{matchPattern: \
                     '*.example.test'}]}]";

fn bench(pods: &str) -> Bench {
    let mut endpoints = format!("names {pods}");
    for host in HOSTS {
        write!(endpoints, " {host}={}", address(host)).unwrap();
    }
    let policies: Vec<String> = pods.split(' ').map(|pod| rules(pod, pod, RULES)).collect();
    let bench = Bench::new(&endpoints, &policies);
    serve(bench.datagrams("names:53"), bench.listener("names:53"), bench.datagrams("names:54"));
    bench
}

/// Everything a server sends for a query; `elsewhere` sends from another port.
fn answers(query: &Message, tcp: bool, elsewhere: impl Fn(&Message)) -> Vec<Message> {
    let asked = query.queries[0].name().clone();
    let host = asked.to_ascii().split('.').next().unwrap().to_ascii_lowercase();
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let a = |owner: &Name, ttl, address| Record::from_rdata(owner.clone(), ttl, RData::from(address));
    let alias = |owner: &str, to: &str| Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(to))));
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.add_queries(query.queries.clone());
    let Some(known) = HOSTS.iter().find(|known| **known == host) else {
        answer.metadata.response_code = ResponseCode::NXDomain;
        return vec![answer];
    };
    let address = self::address(known);
    let records = match *known {
        "silent" => return Vec::new(),
        "chain" => vec![
            a(&name("c.elsewhere.test."), 300, address),
            alias("B.elsewhere.test.", "c.ELSEWHERE.test."),
            alias(&asked.to_ascii(), "b.elsewhere.test."),
        ],
        "many" => {
            let others = (1..=200).map(|number| IpAddr::from([192, 0, 2, number]));
            others.chain([address]).map(|address| a(&asked, 300, address)).collect()
        }
        "zero" => vec![a(&asked, 0, address)],
        "huge" => vec![a(&asked, u32::MAX, address)],
        "half" => vec![a(&asked, 1 << 31, address)],
        "truncated" if !tcp => {
            answer.metadata.truncation = true;
            Vec::new()
        }
        "circle" => {
            vec![alias(&asked.to_ascii(), "b.elsewhere.test."), alias("b.elsewhere.test.", &asked.to_ascii())]
        }
        "unrelated" => vec![a(&name("b.elsewhere.test."), 300, address)],
        "failed" => {
            answer.metadata.response_code = ResponseCode::ServFail;
            vec![a(&asked, 300, address)]
        }
        "forged" => {
            let mut right = answer.clone();
            right.metadata.response_code = ResponseCode::NXDomain;
            answer.add_answer(a(&asked, 300, address));
            let mut other_number = answer.clone();
            other_number.metadata.id = answer.metadata.id.wrapping_add(1);
            let mut other_question = answer.clone();
            other_question.queries = vec![Query::query(name("plain.example.test."), RecordType::A)];
            let mut no_question = answer.clone();
            no_question.queries.clear();
            let mut no_answer = answer.clone();
            no_answer.metadata.message_type = MessageType::Query;
            elsewhere(&answer);
            return vec![other_number, other_question, no_question, no_answer, right];
        }
        _ => vec![a(&asked, 300, address)],
    };
    answer.add_answers(records);
    vec![answer]
}

fn serve(datagrams: UdpSocket, listener: TcpListener, elsewhere: UdpSocket) {
    let elsewhere = Arc::new(elsewhere);
    thread::spawn(move || {
        datagrams.set_read_timeout(None).unwrap();
        let mut buffer = vec![0; 65_535];
        while let Ok((length, peer)) = datagrams.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let spoof = |message: &Message| drop(elsewhere.send_to(&message.to_vec().unwrap(), peer));
            for answer in answers(&query, false, spoof) {
                datagrams.send_to(&answer.to_vec().unwrap(), peer).unwrap();
            }
        }
    });
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                while let Some(query) = read_message(&mut stream) {
                    for answer in answers(&Message::from_vec(&query).unwrap(), true, |_| {}) {
                        write_message(&mut stream, &answer.to_vec().unwrap());
                    }
                }
            });
        }
    });
}

fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat()).unwrap();
}

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut query = Message::query();
    query.metadata.id = id;
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    query.to_vec().unwrap()
}

/// A client's socket for datagrams.
fn client(bench: &Bench, from: &str) -> UdpSocket {
    let own = SocketAddr::new(bench.address(from), 0);
    let server = bench.socket(if own.is_ipv4() { "names:53" } else { "names6:53" });
    let socket = bench.at(from.trim_end_matches('6'), move || {
        let socket = UdpSocket::bind(own).unwrap();
        socket.connect(server).unwrap();
        socket
    });
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn hear(socket: &UdpSocket) -> Option<Message> {
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).ok()?;
    Some(Message::from_vec(&buffer[..length]).unwrap())
}

fn words(answer: Option<&Message>) -> String {
    let Some(answer) = answer else { return "nothing".to_owned() };
    let more = if answer.metadata.truncation { ", truncated" } else { "" };
    format!("{:?}, {} records{more}", answer.metadata.response_code, answer.answers.len())
}

fn addresses_are_learned_before_the_answer_comes() {
    let bench = bench("web");
    let servers: Vec<TcpListener> = HOSTS.iter().map(|host| bench.listener(&format!("{host}:80"))).collect();
    // So short that no packet is sent a second time.
    let open =
        |host: &str| match bench.connect_within("web", &format!("{host}:80"), Duration::from_millis(500)) {
            Ok(_) => "open",
            Err(_) => "closed",
        };
    let mut told = String::new();
    for host in HOSTS {
        let name =
            if host == "case" { "CaSe.ExAmPlE.TeSt.".to_owned() } else { format!("{host}.example.test.") };
        let before = open(host);
        let socket = client(&bench, "web");
        if host == "silent" {
            socket.set_read_timeout(Some(SILENCE)).unwrap();
        }
        socket.send(&query(7, &name)).unwrap();
        let mut answer = hear(&socket);
        let after = open(host);
        write!(told, "{host}: {before}, {}, {after}", words(answer.as_ref())).unwrap();
        if answer.is_some_and(|answer| answer.metadata.truncation) {
            let mut stream = bench.connect("web", "names:53").unwrap();
            write_message(&mut stream, &query(8, &name));
            answer = read_message(&mut stream).map(|bytes| Message::from_vec(&bytes).unwrap());
            let after = open(host);
            write!(told, "; over TCP {}, {after}", words(answer.as_ref())).unwrap();
        }
        told.push('\n');
    }
    drop(servers);
    insta::assert_snapshot!(told, @"
    plain: closed, NoError, 1 records, open
    chain: closed, NoError, 3 records, open
    many: closed, NoError, 201 records, open
    zero: closed, NoError, 1 records, open
    huge: closed, NoError, 1 records, open
    half: closed, NoError, 1 records, open
    truncated: closed, NoError, 0 records, truncated, closed; over TCP NoError, 1 records, open
    circle: closed, NoError, 2 records, closed
    unrelated: closed, NoError, 1 records, closed
    failed: closed, ServFail, 1 records, closed
    forged: closed, NXDomain, 0 records, closed
    silent: closed, nothing, closed
    case: closed, NoError, 1 records, open
    ");
}

fn names_without_a_rule_are_refused() {
    let mut bench = bench("web");
    let socket = client(&bench, "web");
    let names = [
        "plain.example.test.",
        "example.test.",
        "a.b.example.test.",
        "example.test.other.",
        "plain\\.example.test.",
        ".",
        "PLAIN.EXAMPLE.TEST.",
    ];
    let told = names.map(|name| {
        socket.send(&query(9, name)).unwrap();
        let by_udp = words(hear(&socket).as_ref());
        let mut stream = bench.connect("web", "names:53").unwrap();
        write_message(&mut stream, &query(10, name));
        let answer = Message::from_vec(&read_message(&mut stream).unwrap()).unwrap();
        let (asked, id) = (answer.queries[0].name().to_ascii(), answer.metadata.id);
        format!("{name}: {by_udp}; over TCP {}, to {asked} of {id}\n", words(Some(&answer)))
    });
    insta::assert_snapshot!(told.concat(), @r"
    plain.example.test.: NoError, 1 records; over TCP NoError, 1 records, to plain.example.test. of 10
    example.test.: Refused, 0 records; over TCP Refused, 0 records, to example.test. of 10
    a.b.example.test.: Refused, 0 records; over TCP Refused, 0 records, to a.b.example.test. of 10
    example.test.other.: Refused, 0 records; over TCP Refused, 0 records, to example.test.other. of 10
    plain\.example.test.: Refused, 0 records; over TCP Refused, 0 records, to plain\.example.test. of 10
    .: Refused, 0 records; over TCP Refused, 0 records, to . of 10
    PLAIN.EXAMPLE.TEST.: NoError, 1 records; over TCP NoError, 1 records, to PLAIN.EXAMPLE.TEST. of 10
    ");
    let flow = bench.flow(|flow| flow.kind == FlowKind::Proxy && flow.drop_reason.is_some());
    assert_eq!(flow.drop_reason, Some(DropReason::RefusedByProxy));
    assert_eq!(
        (flow.source.address, flow.destination.socket()),
        (bench.address("web"), bench.socket("names:53"))
    );
}

fn a_connection_carries_many_queries() {
    let bench = bench("web");
    let mut stream = bench.connect("web", "names:53").unwrap();
    let names = [
        "plain.example.test.",
        "refused.test.",
        "forged.example.test.",
        "case.example.test.",
        "nobody.example.test.",
    ];
    for (id, name) in (1..).zip(names) {
        write_message(&mut stream, &query(id, name));
    }
    let mut told = String::new();
    for _ in names {
        let answer = Message::from_vec(&read_message(&mut stream).unwrap()).unwrap();
        writeln!(told, "{} {}", answer.metadata.id, words(Some(&answer))).unwrap();
    }
    insta::assert_snapshot!(told, @"
    1 NoError, 1 records
    2 Refused, 0 records
    3 NXDomain, 0 records
    4 NoError, 1 records
    5 NXDomain, 0 records
    ");
}

/// What a server answers later would be learned of another step.
fn for_a_client_that_has_gone_nothing_is_learned() {
    let bench = Bench::new("names web", &[rules("web", "web", RULES)]);
    let listener = bench.listener("names:53");
    let mut stream = bench.connect("web", "names:53").unwrap();
    write_message(&mut stream, &query(1, "plain.example.test."));
    let (mut asked, _) = listener.accept().unwrap();
    let asked_for = read_message(&mut asked).unwrap();
    assert_eq!(Message::from_vec(&asked_for).unwrap().metadata.id, 1);
    drop(stream);
    // Sooner than it gives up to wait for an answer.
    asked.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(asked.read(&mut [0]).unwrap(), 0);
}

fn what_is_no_query_is_not_forwarded() {
    let bench = bench("web");
    let with = |change: &dyn Fn(&mut Message)| {
        let mut message = Message::from_vec(&query(11, "plain.example.test.")).unwrap();
        change(&mut message);
        message.to_vec().unwrap()
    };
    let another = Query::query(Name::from_ascii("refused.test.").unwrap(), RecordType::A);
    let cases: [(&str, Vec<u8>); 7] = [
        ("nothing", Vec::new()),
        ("one byte", vec![0]),
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("half a query", query(11, "plain.example.test.")[..20].to_vec()),
        ("an answer", with(&|message| message.metadata.message_type = MessageType::Response)),
        ("no question", with(&|message| message.queries.clear())),
        (
            "two questions",
            with(&|message| {
                message.add_query(another.clone());
            }),
        ),
    ];
    let mut told = String::new();
    for (name, bytes) in cases {
        let socket = client(&bench, "web");
        socket.send(&bytes).unwrap();
        socket.send(&query(12, "plain.example.test.")).unwrap();
        let mut heard = Vec::new();
        while heard.last() != Some(&12) {
            heard.push(hear(&socket).map_or(0, |answer| answer.metadata.id));
        }
        let mut stream = bench.connect("web", "names:53").unwrap();
        write_message(&mut stream, &bytes);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let over_tcp = read_message(&mut stream).map(|bytes| Message::from_vec(&bytes).unwrap());
        let end = rest(&mut stream);
        writeln!(told, "{name}: {heard:?}, over TCP {}{end}", words(over_tcp.as_ref())).unwrap();
    }
    insta::assert_snapshot!(told, @"
    nothing: [12], over TCP nothing
    one byte: [12], over TCP nothing
    garbage: [12], over TCP nothing
    half a query: [12], over TCP nothing
    an answer: [12], over TCP nothing
    no question: [11, 12], over TCP FormErr, 0 records
    two questions: [11, 12], over TCP FormErr, 0 records
    ");
}

fn six_is_learned_as_four() {
    let policy = rules("web", "web", RULES);
    let bench = Bench::new("web names six=2001:db8::10", &[policy]);
    let six = bench.address("six6");
    let datagrams = bench.datagrams("names6:53");
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = datagrams.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let mut answer = Message::response(query.metadata.id, OpCode::Query);
            let name = query.queries[0].name().clone();
            answer.add_queries(query.queries).add_answer(Record::from_rdata(name, 1, RData::from(six)));
            datagrams.send_to(&answer.to_vec().unwrap(), peer).unwrap();
        }
    });
    let _server = bench.listener("six6:80");
    let open = || bench.connect_within("web", "six6:80", Duration::from_millis(500)).is_ok();
    assert!(!open());
    let socket = client(&bench, "web6");
    let answers = ["refused.test.", "six.example.test."].map(|name| {
        socket.send(&query(3, name)).unwrap();
        words(hear(&socket).as_ref())
    });
    assert_eq!(answers, ["Refused, 0 records", "NoError, 1 records"]);
    assert!(open());
}

fn a_flood_leaves_room_for_others() {
    let bench = bench("web noise");
    let waiting: Vec<UdpSocket> = (0..1000)
        .map(|_| {
            let socket = client(&bench, "noise");
            for id in 0..20 {
                socket.send(&query(id, "silent.example.test.")).unwrap();
            }
            socket
        })
        .collect();
    let open: Vec<TcpStream> = (0..1100).map(|_| bench.connect("noise", "names:53").unwrap()).collect();
    for id in 0..300 {
        let socket = client(&bench, "web");
        socket.send(&query(id, "plain.example.test.")).unwrap();
        assert_eq!(hear(&socket).map(|answer| answer.metadata.id), Some(id));
    }
    let mut stream = bench.connect("web", "names:53").unwrap();
    write_message(&mut stream, &query(1, "plain.example.test."));
    assert!(read_message(&mut stream).is_some());
    drop((waiting, open));
}
