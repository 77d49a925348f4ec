use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use verdikt_wire::{Action, Records, Speaks, WireAttempt, WireCertificate, WireOutcome, WireTarget, Zone};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn client() -> Endpoint {
    Endpoint::World("client".parse().unwrap())
}

/// One probe of this process, over pipes.
fn one() -> Probes {
    let mut probes = Probes::default();
    let (orders, probe_orders) = tokio::io::duplex(1024);
    let (probe_reports, reports) = tokio::io::duplex(1024);
    tokio::spawn(verdikt_probe::probe::run(probe_orders, probe_reports));
    probes.add(client(), reports, orders, std::future::ready(None));
    probes
}

fn serve(port: u16) -> Serve {
    Serve {
        server: 0,
        speaks: Speaks::Tcp,
        port,
        zone: Zone::default(),
        certificate: WireCertificate::default(),
    }
}

/// A port that nobody has just now.
fn free_port() -> u16 {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    std::net::TcpListener::bind(any).unwrap().local_addr().unwrap().port()
}

async fn configure(probes: &mut Probes, serves: &[Serve]) -> Result<(), String> {
    let configured = probes.configure(|_| (serves.to_vec(), Resolver::default()), PATIENCE).await;
    configured.map_err(|error| error.to_string())
}

async fn attempt(probes: &mut Probes, number: u64, port: u16) -> WireOutcome {
    let action = Action::Tcp { target: WireTarget::Address([127, 0, 0, 1].into()), port };
    probes.tell(&client(), Order::Attempt(WireAttempt { attempt: number, action, timeout: 5000 }));
    loop {
        let next = tokio::time::timeout(PATIENCE, probes.next()).await.unwrap();
        if let ProbeEvent::Report(_, Report::Finished { outcome, .. }) = next {
            return outcome;
        }
    }
}

#[tokio::test]
async fn what_is_wanted_no_more_stops() {
    let mut probes = one();
    let port = free_port();
    configure(&mut probes, &[serve(port)]).await.unwrap();
    assert_eq!(attempt(&mut probes, 1, port).await, WireOutcome::Answered);
    configure(&mut probes, &[serve(port)]).await.unwrap();
    assert_eq!(attempt(&mut probes, 2, port).await, WireOutcome::Answered);
    configure(&mut probes, &[]).await.unwrap();
    assert_eq!(attempt(&mut probes, 3, port).await, WireOutcome::Refused);
    configure(&mut probes, &[serve(port)]).await.unwrap();
    probes.stop_serving(&client());
    assert_eq!(attempt(&mut probes, 4, port).await, WireOutcome::Refused);
    configure(&mut probes, &[serve(port)]).await.unwrap();
    assert_eq!(attempt(&mut probes, 5, port).await, WireOutcome::Answered);
}

#[tokio::test]
async fn a_dns_server_goes_on_while_its_names_change() {
    let mut probes = one();
    let port = free_port();
    let names = |all: &[&str]| {
        let names = all.iter().map(|name| ((*name).to_owned(), Records::default())).collect();
        Serve { speaks: Speaks::Dns, zone: Zone { names }, ..serve(port) }
    };
    let numbers = |probes: &Probes| probes.members[&client()].servers.keys().copied().collect::<Vec<_>>();
    configure(&mut probes, &[names(&["a.test"])]).await.unwrap();
    let before = numbers(&probes);
    configure(&mut probes, &[names(&["a.test", "b.test"])]).await.unwrap();
    assert_eq!(numbers(&probes), before);
    let names_now = &probes.members[&client()].servers[&before[0]].zone.names;
    assert_eq!(names_now.keys().collect::<Vec<_>>(), ["a.test", "b.test"]);
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let held = std::net::TcpListener::bind("[::]:0").or_else(|_| std::net::TcpListener::bind("0.0.0.0:0"));
    let port = held.as_ref().unwrap().local_addr().unwrap().port();
    let error = configure(&mut one(), &[serve(port)]).await.unwrap_err();
    assert!(error.starts_with(&format!("client cannot serve port {port}: ")), "{error}");
}

/// How a probe begins.
fn ready() -> String {
    format!("{{\"report\":\"ready\",\"format\":{FORMAT}}}\n")
}

/// What is said of a probe that writes this and ends.
async fn said(text: &str, exit_reason: Option<&str>) -> String {
    let mut probes = Probes::default();
    let (orders, _held) = tokio::io::duplex(64);
    let (mut says, reports) = tokio::io::duplex(64);
    probes.add(client(), reports, orders, std::future::ready(exit_reason.map(str::to_owned)));
    says.write_all(text.as_bytes()).await.unwrap();
    drop(says);
    configure(&mut probes, &[]).await.map_or_else(|error| error, |()| "it is ready".to_owned())
}

#[tokio::test]
async fn a_probe_that_ends_is_gone() {
    let lines = [
        said("", None).await,
        said("", Some("OOMKilled")).await,
        said("exec failed\n", None).await,
        said("{\"report\":\"ready\",\"format\":99}\n", None).await,
        said(&ready(), None).await,
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    the probe of client has ended: the stream to it has ended
    the probe of client has ended: the stream to it has ended: OOMKilled
    the probe of client has ended: its output is not a report: expected value at line 1 column 1
    the probe of client speaks format 99; use a probe of this version of verdikt
    it is ready
    ");
}

#[tokio::test]
async fn what_a_probe_sent_away_says_is_not_heard() {
    let mut probes = one();
    configure(&mut probes, &[]).await.unwrap();
    let (orders, _held) = tokio::io::duplex(64);
    let (says, reports) = tokio::io::duplex(64);
    probes.add(client(), reports, orders, std::future::ready(None));
    drop(says);
    let next = tokio::time::timeout(PATIENCE, probes.next()).await.unwrap();
    assert_eq!(next, ProbeEvent::Gone(client(), "the stream to it has ended".to_owned()));
}

/// The system makes connections before a server hears of them: all that stand are told before a flush is answered.
#[tokio::test]
async fn a_flush_follows_all_that_has_arrived() {
    let mut probes = one();
    let ports = [free_port(), free_port()];
    configure(&mut probes, &ports.map(serve)).await.unwrap();
    let connect = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).unwrap();
    for _ in 0..2 {
        let connections: Vec<_> =
            ports.iter().flat_map(|port| (0..200).map(move |_| connect(port))).collect();
        probes.flush();
        let mut arrived = 0;
        while let ProbeEvent::Report(_, report) = tokio::time::timeout(PATIENCE, probes.next()).await.unwrap()
        {
            assert!(matches!(report, Report::Arrived(_)), "{report:?}");
            arrived += 1;
        }
        assert_eq!(arrived, connections.len());
    }
}

/// Nobody waits for one that serves nothing, or has ended.
#[tokio::test]
async fn a_flush_asks_nobody_who_cannot_answer() {
    let mut probes = one();
    configure(&mut probes, &[]).await.unwrap();
    probes.flush();
    assert_eq!(probes.next().await, ProbeEvent::Flushed);
    let (orders, _held) = tokio::io::duplex(1024);
    let (mut says, reports) = tokio::io::duplex(1024);
    probes.add(client(), reports, orders, std::future::ready(None));
    let serving = ready() + "{\"report\":\"serving\",\"server\":3,\"port\":1}\n";
    says.write_all(serving.as_bytes()).await.unwrap();
    configure(&mut probes, &[serve(1)]).await.unwrap();
    probes.flush();
    drop(says);
    let gone = ProbeEvent::Gone(client(), "the stream to it has ended".to_owned());
    assert_eq!((probes.next().await, probes.next().await), (gone, ProbeEvent::Flushed));
}
