//! Looking up names: over the probe's own server, and over ones that answer oddly.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;

use rstest::rstest;
use verdikt_wire::{
    Action, Arrived, Bound, Order, Records, Report, Resolver, Speaks, StageTransport, WireOutcome, Zone,
};

use crate::process::{LONG, LOOPBACK, Probe, SHORT, by_name, dns, get};

/// Addresses that are looked up and never reached.
fn documented(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn records(addresses: impl IntoIterator<Item = IpAddr>, alias: Option<&str>) -> Records {
    Records { addresses: addresses.into_iter().collect(), alias: alias.map(str::to_owned), ttl: 5 }
}

fn zone() -> Zone {
    let mut names = BTreeMap::new();
    let mut add = |name: &str, records: Records| names.insert(name.to_owned(), records);
    add("api.example.test", records([documented(1), documented(2)], None));
    add("six.example.test", records([IpAddr::V6(Ipv6Addr::LOCALHOST)], None));
    add("both.example.test", records([IpAddr::V6(Ipv6Addr::LOCALHOST), documented(3)], None));
    add("here.ns.svc.cluster.test", records([LOOPBACK], None));
    add("first.example.test", records([], Some("second.example.test")));
    add("second.example.test", records([], Some("api.example.test")));
    add("dangling.example.test", records([], Some("nowhere.example.test")));
    add("circle.example.test", records([], Some("back.example.test")));
    add("back.example.test", records([], Some("circle.example.test")));
    add("many.example.test", records((1..=200).map(documented), None));
    add("deep.below.example.test", records([documented(4)], None));
    Zone { names }
}

/// A probe that serves the zone and asks itself.
fn asking_itself(resolver: Resolver) -> Probe {
    let mut probe = Probe::start();
    let (_, port) = probe.serve(Speaks::Dns, zone());
    probe.resolve(Resolver { servers: vec![SocketAddr::new(LOOPBACK, port)], ..resolver });
    probe
}

/// The text of a look-up over UDP, from the outcomes of its stages and its own.
fn text(outcomes: &[&str]) -> String {
    let mut lines: Vec<String> =
        outcomes.iter().map(|outcome| format!("look-up udp 127.0.0.1: {outcome}")).collect();
    lines.pop();
    lines.extend(outcomes.last().map(|last| (*last).to_owned()));
    lines.join("\n")
}

/// A look-up over UDP with the stages' outcomes.
fn check(probe: &mut Probe, name: &str, wanted: &[&str]) {
    probe.check(dns(name), LONG, &text(wanted));
}

#[test]
fn names_of_a_zone() {
    let mut probe = asking_itself(Resolver::default());
    let probe = &mut probe;
    check(probe, "api.example.test.", &["answered 192.0.2.1 192.0.2.2", "answered"]);
    check(probe, "API.Example.TEST", &["answered 192.0.2.1 192.0.2.2", "answered"]);
    check(probe, "both.example.test", &["answered 192.0.2.3", "answered"]);
    check(probe, "six.example.test", &["no-such-name", "answered ::1", "answered"]);
    check(probe, "first.example.test", &["answered 192.0.2.1 192.0.2.2", "answered"]);
    check(probe, "nowhere.example.test", &["no-such-name", "no-such-name"]);
    check(probe, "dangling.example.test", &["no-such-name", "no-such-name"]);
    check(probe, "circle.example.test", &["no-such-name", "no-such-name", "no-such-name"]);
    // It exists, because another one ends with it.
    check(probe, "below.example.test", &["no-such-name", "no-such-name", "no-such-name"]);
}

#[rstest]
#[case::an_empty_label("a..b")]
#[case::a_long_label(&"a".repeat(64))]
#[case::a_long_name(&"a.".repeat(200))]
fn names_that_cannot_be_asked_for_are_not_attempted(#[case] name: &str) {
    let attempted = asking_itself(Resolver::default()).attempt(dns(name), LONG);
    assert!(matches!(attempted.outcome(), WireOutcome::NotAttempted(_)), "{:?}", attempted.outcome());
}

#[test]
fn without_a_server_nothing_is_asked() {
    let mut probe = asking_itself(Resolver::default());
    probe.resolve(Resolver::default());
    probe.check(dns("a.test"), LONG, "{\"not-attempted\":\"there is no DNS server to ask\"}");
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_again_over_tcp() {
    let mut probe = asking_itself(Resolver::default());
    let attempted = probe.attempt(dns("many.example.test"), LONG);
    let all: Vec<IpAddr> = (1..=200).map(documented).collect();
    let told: Vec<(StageTransport, Vec<IpAddr>)> = attempted
        .reports
        .chunks_exact(2)
        .map(|stage| match stage {
            [Report::Bound(bound), Report::StageEnded { addresses, outcome: WireOutcome::Answered, .. }] => {
                (bound.transport, addresses.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let [(StageTransport::Udp, some), (StageTransport::Tcp, rest)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(some.len() < 32 && all.starts_with(some), "{some:?}");
    assert_eq!(*rest, all);
    // A connection arrives, and then its query.
    let arrivals = probe.arrivals(3);
    let seen: Vec<_> = arrivals.iter().map(|arrived| (arrived.transport, arrived.peer)).collect();
    let mut made: Vec<_> = attempted.bound().iter().map(|bound| (bound.transport, bound.local)).collect();
    made.extend(made.last().copied());
    assert_eq!(seen, made);

    let name = "many.example.test.".to_owned();
    let over_tcp = probe.attempt(Action::Dns { name, tcp: true }, LONG);
    assert_eq!(over_tcp.bound().len(), 1);
    let tcp = |arrived: &Arrived| arrived.transport == StageTransport::Tcp && arrived.attempt.is_none();
    let arrivals = probe.arrivals(2);
    assert!(arrivals.len() == 2 && arrivals.iter().all(tcp), "{arrivals:?}");
}

#[test]
fn domains_are_searched_by_the_number_of_dots() {
    let search = ["ns.svc.cluster.test", "svc.cluster.test", "cluster.test"].map(str::to_owned).to_vec();
    let mut probe = asking_itself(Resolver { search, ndots: 5, ..Resolver::default() });
    let probe = &mut probe;
    check(probe, "here", &["answered 127.0.0.1", "answered"]);
    check(probe, "here.ns", &["no-such-name", "answered 127.0.0.1", "answered"]);
    check(probe, "here.ns.svc.cluster.test.", &["answered 127.0.0.1", "answered"]);
    let none = "no-such-name";
    check(probe, "api.example.test", &[none, none, none, "answered 192.0.2.1 192.0.2.2", "answered"]);
    check(probe, "api.example.test.", &["answered 192.0.2.1 192.0.2.2", "answered"]);
    check(probe, "gone", &[none; 5]);
    // With enough dots, the name itself is tried first.
    let mut probe =
        asking_itself(Resolver { search: vec!["cluster.test".to_owned()], ndots: 2, ..Resolver::default() });
    check(&mut probe, "api.example.test", &["answered 192.0.2.1 192.0.2.2", "answered"]);
    check(&mut probe, "here.ns.svc", &[none, "answered 127.0.0.1", "answered"]);
}

#[test]
fn a_target_by_name_is_looked_up_and_reached() {
    let hosts = BTreeMap::from([("known.test".to_owned(), vec![LOOPBACK])]);
    let mut probe = asking_itself(Resolver {
        hosts,
        search: vec!["ns.svc.cluster.test".to_owned()],
        ndots: 1,
        ..Resolver::default()
    });
    let (_, port) = probe.serve(Speaks::Http, Zone::default());
    let connected = "connect tcp 127.0.0.1: answered\n";
    let status = "request tcp 127.0.0.1: {\"http-status\":200}\n{\"http-status\":200}";
    let looked_up = "look-up udp 127.0.0.1: answered 127.0.0.1\n";
    probe.check(get(by_name("here"), port, "/"), LONG, &format!("{looked_up}{connected}{status}"));
    probe.check(get(by_name("Known.test"), port, "/"), LONG, &format!("{connected}{status}"));
    probe.check(get(by_name("known.test."), port, "/"), LONG, &format!("{connected}{status}"));
    let gone = "look-up udp 127.0.0.1: no-such-name\nno-such-name";
    probe.check(get(by_name("gone.test."), port, "/"), LONG, gone);
    probe.check(
        Action::Tcp { target: by_name("here"), port },
        LONG,
        &format!("{looked_up}{connected}answered"),
    );
    probe.check(
        Action::Tcp { target: by_name("six.example.test"), port },
        LONG,
        "look-up udp 127.0.0.1: no-such-name\nlook-up udp 127.0.0.1: answered ::1\nconnect tcp ::1: answered\nanswered",
    );
}

/// What a server does with a query: the answers it sends, from the query's bytes.
type Manners = fn(&[u8]) -> Vec<Vec<u8>>;

/// A server over UDP of odd manners.
fn odd(manners: Manners) -> SocketAddr {
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            for answer in manners(&query[..length]) {
                let _ = socket.send_to(&answer, peer);
            }
        }
    });
    address
}

/// An answer with a response code and no records.
fn coded(query: &[u8], code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer[3] = code;
    answer
}

/// An answer with one address. The question is the only thing before it.
fn addressed(query: &[u8]) -> Vec<u8> {
    let mut answer = coded(query, 0);
    answer[7] = 1;
    // A pointer to the question's name, A, IN, a second, four bytes.
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 9]);
    answer
}

fn refuses(query: &[u8]) -> Vec<Vec<u8>> {
    vec![coded(query, 5)]
}

fn fails(query: &[u8]) -> Vec<Vec<u8>> {
    vec![coded(query, 2)]
}

fn answers(query: &[u8]) -> Vec<Vec<u8>> {
    vec![addressed(query)]
}

/// Asks servers of these manners.
fn check_odd(manners: &[Manners], resolver: Resolver, name: &str, timeout: u32, wanted: &[&str]) {
    let servers: Vec<SocketAddr> = manners.iter().map(|manners| odd(*manners)).collect();
    let mut probe = Probe::start();
    probe.resolve(Resolver { servers, ..resolver });
    probe.check(dns(name), timeout, &text(wanted));
}

#[test]
fn refusals_and_failures() {
    let searching = |refused_ends| Resolver {
        search: vec!["a.test".to_owned(), "b.test".to_owned()],
        ndots: 1,
        refused_ends,
        ..Resolver::default()
    };
    let refused = "name-refused";
    let failed = "{\"name-failed\":\"ServFail\"}";
    check_odd(&[refuses], Resolver::default(), "a.test.", LONG, &[refused, refused]);
    check_odd(&[refuses], searching(false), "x", LONG, &[refused; 4]);
    check_odd(&[refuses], searching(true), "x", LONG, &[refused, refused]);
    check_odd(&[fails], Resolver::default(), "a.test.", LONG, &[failed, failed]);
    check_odd(&[fails], searching(true), "x", LONG, &[failed; 4]);
    let only_a_test: Manners =
        |query| vec![coded(query, if query[14] == 1 && query[15] == b'a' { 5 } else { 3 })];
    check_odd(
        &[only_a_test],
        searching(false),
        "x",
        LONG,
        &[refused, "no-such-name", "no-such-name", refused],
    );
    let only_b_test: Manners = |query| vec![coded(query, if query[15] == b'b' { 2 } else { 3 })];
    check_odd(&[only_b_test], searching(true), "x", LONG, &["no-such-name", failed, "no-such-name", failed]);
}

#[test]
fn answers_to_other_questions_are_not_heard() {
    let answered = ["answered 192.0.2.9", "answered"];
    check_odd(&[answers], Resolver::default(), "a.test.", LONG, &answered);
    let other_number: Manners = |query| {
        let mut other = addressed(query);
        other[0] ^= 1;
        vec![other, addressed(query)]
    };
    check_odd(&[other_number], Resolver::default(), "a.test.", LONG, &answered);
    let other_name: Manners = |query| {
        let mut other = addressed(query);
        other[13] ^= 1;
        vec![other, addressed(query)]
    };
    check_odd(&[other_name], Resolver::default(), "a.test.", LONG, &answered);
    let question: Manners = |query| vec![query.to_vec(), addressed(query)];
    check_odd(&[question], Resolver::default(), "a.test.", LONG, &answered);
    let only_other: Manners = |query| {
        let mut other = addressed(query);
        other[1] ^= 1;
        vec![other]
    };
    check_odd(&[only_other], Resolver::default(), "a.test.", SHORT, &["timed-out", "timed-out"]);
}

#[test]
fn half_answers_are_garbled() {
    let halves: [Manners; 4] = [
        |_| vec![Vec::new()],
        |_| vec![vec![0xff; 40]],
        |query| vec![addressed(query)[..query.len() + 9].to_vec()],
        |query| vec![coded(query, 0)[..14].to_vec()],
    ];
    for half in halves {
        let mut probe = Probe::start();
        probe.resolve(Resolver { servers: vec![odd(half)], ..Resolver::default() });
        let attempted = probe.attempt(dns("a.test."), LONG);
        assert!(matches!(attempted.outcome(), WireOutcome::Garbled(_)), "{:?}", attempted.outcome());
    }
}

#[rstest]
#[case::nothing(&[], "closed")]
#[case::half_a_length(&[0], "closed")]
#[case::less_than_the_length(&[0, 9, 1, 2], "closed")]
#[case::no_message(&[0, 2, 1, 2], "not a DNS message")]
#[case::an_empty_message(&[0, 0], "not a DNS message")]
fn over_tcp_half_answers_are_garbled(#[case] answer: &'static [u8], #[case] because: &str) {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let server = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut query = [0; 2 + 24];
        stream.read_exact(&mut query).unwrap();
        stream.write_all(answer).unwrap();
    });
    let mut probe = Probe::start();
    probe.resolve(Resolver { servers: vec![server], ..Resolver::default() });
    let attempted = probe.attempt(Action::Dns { name: "a.test.".to_owned(), tcp: true }, LONG);
    match attempted.outcome() {
        WireOutcome::Garbled(reason) => assert!(reason.contains(because), "{reason}"),
        other => panic!("{other:?}"),
    }
    served.join().unwrap();
}

#[test]
fn the_next_server_is_asked_for_a_target_as_for_a_query() {
    let servers = vec![odd(fails), odd(refuses), odd(answers)];
    let mut probe = Probe::start();
    probe.resolve(Resolver { servers, ..Resolver::default() });
    let failed = "look-up udp 127.0.0.1: {\"name-failed\":\"ServFail\"}\n";
    let refused = "look-up udp 127.0.0.1: name-refused\n";
    let answered = "look-up udp 127.0.0.1: answered 192.0.2.9\nanswered";
    probe.check(dns("a.test."), LONG, &format!("{failed}{refused}{answered}"));
    let hosts = BTreeMap::new();
    let deaf = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    deaf.connect((LOOPBACK, 9)).unwrap();
    probe.resolve(Resolver {
        hosts,
        servers: vec![deaf.local_addr().unwrap(), odd(refuses)],
        ..Resolver::default()
    });
    probe.check(
        Action::Tcp { target: by_name("a.test"), port: 1 },
        LONG,
        "look-up udp 127.0.0.1: refused\nlook-up udp 127.0.0.1: name-refused\nname-refused",
    );
}

/// What names a socket that the attempt has left comes too late.
#[test]
fn the_next_server_is_asked_when_a_query_is_ended() {
    let mut probe = Probe::start();
    let silent = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    probe.resolve(Resolver {
        servers: vec![silent.local_addr().unwrap(), odd(answers)],
        ..Resolver::default()
    });
    let attempt = probe.begin(dns("a.test."), LONG);
    let report = probe.next();
    let Report::Bound(Bound { local, .. }) = &report else { panic!("{report:?}") };
    for _ in 0..2 {
        probe.order(&Order::EndStage { attempt, local: *local });
    }
    let text = probe.finished_after(attempt, vec![report]).text(&BTreeMap::new());
    assert_eq!(text, "look-up udp 127.0.0.1: ended\nlook-up udp 127.0.0.1: answered 192.0.2.9\nanswered\n");
}
