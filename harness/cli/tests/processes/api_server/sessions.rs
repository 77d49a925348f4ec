//! Sessions in containers: an agent that says what its attempts come to, and what a Cilium agent's pod says.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};
use verdikt_wire::{
    Action, Arrived, Bound, FORMAT, Order, Report, StageTransport, WireAttempt, WireOutcome, WireStage,
    WireTarget,
};

use super::{ApiServer, Head, Probe, State};

/// The protocol, and its channels. <https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/#TranslateStreamCloseWebsocketRequests>
const PROTOCOL: &str = "v4.channel.k8s.io";
const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const STATUS: u8 = 3;

/// Serves a session until it ends.
pub(super) fn serve(server: &ApiServer, head: &Head, mut stream: TcpStream) -> io::Result<()> {
    let key = derive_accept_key(head.headers["sec-websocket-key"].as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    )?;
    server.state().sessions.push(stream.try_clone()?);
    let reading = WebSocket::from_raw_socket(stream.try_clone()?, Role::Server, None);
    let mut writing = WebSocket::from_raw_socket(stream, Role::Server, None);
    let text = head.text();
    let said = match text.split_once("/exec ").map_or("", |(_, command)| command) {
        "hubble status" => "Healthcheck: Ok".to_owned(),
        "hubble observe --help" => "Usage: hubble observe [--follow]".to_owned(),
        command if command.starts_with("hubble observe") => {
            wait(reading);
            return Ok(());
        }
        command if command.starts_with("cilium-dbg policy get") => policy(&server.state()),
        command if command.starts_with("cilium-dbg endpoint list") => endpoints(&server.state()),
        command if command.starts_with("cilium-dbg metrics list") => "[]".to_owned(),
        _ => return probe(server, &head.path, reading, writing),
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    say(&mut writing, OUTPUT, &said)?;
    say(&mut writing, STATUS, &status.to_string())?;
    writing.close(None).map_err(io::Error::other)?;
    wait(reading);
    Ok(())
}

fn say(writing: &mut WebSocket<TcpStream>, channel: u8, text: &str) -> io::Result<()> {
    let bytes: Vec<u8> = std::iter::once(channel).chain(text.bytes()).collect();
    writing.send(Message::binary(bytes)).map_err(io::Error::other)
}

fn wait(mut reading: WebSocket<TcpStream>) {
    while reading.read().is_ok() {}
}

/// Every object there is, in one revision.
fn policy(state: &State) -> String {
    let uids: Vec<&Value> = state.objects.values().filter_map(|it| it.pointer("/metadata/uid")).collect();
    json!({"revision": 1, "policy": json!(uids).to_string()}).to_string()
}

/// Every pod by its labels, with everything realized.
fn endpoints(state: &State) -> String {
    let each = state.pods().map(|(address, pod)| {
        let metadata = &pod["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap();
        let space = &state.objects[&format!("/api/v1/namespaces/{namespace}")]["metadata"]["labels"];
        let label = |prefix: &str, labels: &Value| -> Vec<String> {
            let labels = labels.as_object().into_iter().flatten();
            labels.map(|(key, value)| format!("k8s:{prefix}{key}={}", value.as_str().unwrap())).collect()
        };
        let mut labels = label("", &metadata["labels"]);
        labels.extend(label("io.cilium.k8s.namespace.labels.", space));
        labels.push(format!("k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name={namespace}"));
        labels.push(format!("k8s:io.kubernetes.pod.namespace={namespace}"));
        labels.push("k8s:io.cilium.k8s.policy.serviceaccount=default".to_owned());
        json!({"status": {
            "state": "ready",
            "external-identifiers": {"k8s-namespace": namespace, "k8s-pod-name": metadata["name"]},
            "identity": {"labels": labels},
            "networking": {"addressing": [{"ipv4": address}]},
            "policy": {"realized": {"policy-revision": 1}},
        }})
    });
    Value::Array(each.collect()).to_string()
}

/// A probe whose every request is answered by the pod that it is for, and nothing else.
fn probe(
    server: &ApiServer,
    path: &str,
    mut reading: WebSocket<TcpStream>,
    mut writing: WebSocket<TcpStream>,
) -> io::Result<()> {
    let (tell, reports) = channel::<Report>();
    let pod = path.trim_end_matches("/exec");
    let address = server.state().objects[pod]["status"]["podIP"].clone();
    let address: IpAddr = address.as_str().unwrap().parse().unwrap();
    server.state().probes.insert(address, Probe { tell: tell.clone(), servers: BTreeMap::new() });
    let _ = tell.send(Report::Ready { format: FORMAT });
    thread::spawn(move || {
        for report in reports {
            let line = format!("{}\n", serde_json::to_string(&report)?);
            say(&mut writing, OUTPUT, &line)?;
        }
        Ok::<_, io::Error>(())
    });
    let mut begun = Vec::new();
    while let Ok(message) = reading.read() {
        if let Some((&INPUT, bytes)) = message.into_data().split_first() {
            begun.extend_from_slice(bytes);
            while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = begun.drain(..=end).collect();
                obey(server, (pod, address), &tell, serde_json::from_slice(&line)?);
            }
        }
    }
    Ok(())
}

fn obey(server: &ApiServer, (pod, address): (&str, IpAddr), tell: &Sender<Report>, order: Order) {
    let tell = |report| drop(tell.send(report));
    let mut state = server.state();
    if let Order::Attempt(WireAttempt { attempt, .. }) = &order
        && state.breaks_at == Some(*attempt)
    {
        for session in state.sessions.drain(..) {
            // One that has ended already is as good.
            let _ = session.shutdown(Shutdown::Both);
        }
        return;
    }
    match order {
        Order::Serve(serve) => {
            let (server_number, port) = (serve.server, serve.port);
            state.asked.push(format!("SERVE {pod} {port}"));
            state.probes.get_mut(&address).unwrap().servers.insert(port, server_number);
            tell(Report::Serving { server: server_number, port });
        }
        Order::Attempt(WireAttempt {
            attempt,
            action: Action::Http { target: WireTarget::Address(to), port, .. },
            ..
        }) => {
            let local = SocketAddr::new(address, 20_000 + u16::try_from(attempt).unwrap());
            let (stage, transport) = (WireStage::Connect, StageTransport::Tcp);
            tell(Report::Bound(Bound {
                attempt,
                stage,
                transport,
                local,
                remote: SocketAddr::new(to, port),
            }));
            let other = state.probes[&to].clone();
            let arrived =
                Arrived { server: other.servers[&port], transport, peer: local, attempt: Some(attempt) };
            let _ = other.tell.send(Report::Arrived(arrived));
            let (outcome, took) = (WireOutcome::HttpStatus(200), 1);
            tell(Report::StageEnded { attempt, outcome: outcome.clone(), addresses: Vec::new(), took });
            tell(Report::Finished { attempt, outcome, took });
        }
        Order::Attempt(WireAttempt { attempt, .. }) => {
            tell(Report::Finished { attempt, outcome: WireOutcome::TimedOut, took: 1 });
        }
        Order::StopServing { .. } => state.asked.push(format!("STOP {pod}")),
        Order::AnswerFor { server, .. } => tell(Report::Serving { server, port: 53 }),
        Order::Flush { flush } => tell(Report::Flushed { flush }),
        Order::Resolve(_) | Order::End { .. } | Order::EndStage { .. } => {}
    }
}
