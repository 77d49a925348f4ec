//! One server, reached in every way, and every way in which it can fail.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use verdikt_hubble::client::{ClientError, FlowRequest, FlowServer, HubbleClient, Stream};
use verdikt_hubble::messages::GetFlowsResponse;

use crate::server::{Agent, LONG, verdict};

const SHORT: Duration = Duration::from_millis(300);

fn tcp(address: SocketAddr) -> FlowServer {
    FlowServer::tcp("node1", &address.to_string())
}

/// The next event, which can be read.
async fn next(responses: &mut verdikt_hubble::client::Responses) -> GetFlowsResponse {
    tokio::time::timeout(LONG, responses.next()).await.unwrap().unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn every_transport_carries_it() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let (old, new) = (verdict(begin, 1, 1), verdict(begin, 2, 2));
    agent.write(&old);
    let served = agent.serve(None).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hubble.sock");
    let unix = agent.serve_unix(&path);
    let address = served.address;
    let opened = FlowServer::opened("node1", "a program", move || {
        Box::pin(async move {
            // What a port-forward does: bytes through something in between.
            let mut out = TcpStream::connect(address).await?;
            let (ours, mut theirs) = tokio::io::duplex(64);
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut theirs, &mut out).await });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    });
    let sources = [tcp(address), FlowServer::unix("node1", path), opened];
    for source in &sources {
        let client = HubbleClient::connect(source, LONG).await.unwrap();
        let status = client.server_status().await.unwrap();
        assert_eq!((status.version.as_str(), status.max_flows), ("v1.20.0-test", 4095), "{source}");
        let ask = FlowRequest { since: Some(begin), ..FlowRequest::default() };
        assert_eq!(next(&mut client.follow(&ask)).await, old, "{source}");
    }
    // It is followed: what happens later comes too.
    let client = HubbleClient::connect(&sources[0], LONG).await.unwrap();
    let mut responses = client.follow(&FlowRequest { since: Some(begin), only_what_is_read: true });
    assert_eq!(next(&mut responses).await, old);
    agent.write(&new);
    assert_eq!(next(&mut responses).await, new);
    let asked = agent.asked().pop().unwrap();
    assert!(asked.follow && asked.number == 0);
    let types: Vec<i32> = asked.whitelist[0].event_type.iter().map(|filter| filter.kind).collect();
    assert_eq!(types, [5, 1, 129]);
    assert!(asked.field_mask.unwrap().paths.contains(&"IP".to_owned()));
    assert_eq!(agent.asked()[0].field_mask, None);
    unix.abort();
}

/// What a server is that is not good, as the client says it.
async fn problem(source: &FlowServer) -> String {
    let asked = async {
        let client = HubbleClient::connect(source, SHORT).await?;
        client.server_status().await
    };
    let error: ClientError = tokio::time::timeout(LONG, asked).await.unwrap().unwrap_err();
    let text = error.to_string();
    // The port is another in every run.
    let port =
        text.split("127.0.0.1:").nth(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap());
    port.map_or(text.clone(), |port| text.replace(&format!(":{port}"), ":PORT"))
}

#[tokio::test]
async fn nobody_is_there() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    insta::assert_snapshot!(problem(&tcp(address)).await, @"cannot connect to Hubble of node1 at 127.0.0.1:PORT: Connection refused (os error 111)");
    insta::assert_snapshot!(problem(&FlowServer::unix("node1", "/nowhere/hubble.sock")).await, @"cannot connect to Hubble of node1 at /nowhere/hubble.sock: No such file or directory (os error 2)");
    let opened = FlowServer::opened("node1", "kubectl", || {
        Box::pin(async { Err(std::io::Error::other("the pod is not running")) })
    });
    insta::assert_snapshot!(problem(&opened).await, @"cannot connect to Hubble of node1 through kubectl: the pod is not running");
    insta::assert_snapshot!(problem(&FlowServer::tcp("node1", "not an address")).await, @"cannot connect to Hubble of node1 at not an address: invalid socket address");
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    insta::assert_snapshot!(problem(&tcp(silent.local_addr().unwrap())).await, @"Hubble of node1 at 127.0.0.1:PORT has not answered within 0.3 s");
    let agent = Agent::new();
    agent.fall_silent();
    let served = agent.serve(None).await;
    insta::assert_snapshot!(problem(&tcp(served.address)).await, @"Hubble of node1 at 127.0.0.1:PORT has not answered within 0.3 s");
}

#[tokio::test]
async fn servers_of_another_kind() {
    let mut text = String::new();
    for greeting in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
        b"\x00\x00\x08\x06\x00\x00\x00\x00\x00 a ping before its settings",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(greeting).await.unwrap();
                kept.push(stream);
            }
        });
        text.push_str(&problem(&tcp(address)).await);
        text.push('\n');
        task.abort();
    }
    insta::assert_snapshot!(text, @r"
    Hubble of node1 at 127.0.0.1:PORT answers with an error: connection error detected: frame with invalid size; the port may be another program's, or want TLS
    Hubble of node1 at 127.0.0.1:PORT answers with an error: connection error detected: frame with invalid size; the port may be another program's, or want TLS
    ");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_does_not_end_the_stream() {
    let begin = SystemTime::now();
    let agent = Agent::new();
    let served = agent.serve(None).await;
    agent.write_raw(begin, vec![0x0a, 0xff, 0x01]);
    agent.write(&verdict(begin, 1, 1));
    let client = HubbleClient::connect(&tcp(served.address), LONG).await.unwrap();
    let mut responses = client.follow(&FlowRequest::default());
    let first = tokio::time::timeout(LONG, responses.next()).await.unwrap();
    assert!(first.unwrap().unwrap().is_err());
    assert_eq!(next(&mut responses).await, verdict(begin, 1, 1));
    agent.cut();
    let end = tokio::time::timeout(LONG, responses.next()).await.unwrap();
    assert!(matches!(end, Err(ClientError::Failed { .. })), "{end:?}");
    // Whoever goes on asking gets an answer too.
    assert_eq!(responses.next().await.unwrap(), None);
}
