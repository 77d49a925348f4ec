//! Prints the flows of an address as they come: `observe tcp:172.30.0.2:4244 10.244.0.119`.
//!
//! The server is `tcp:ADDRESS`, `unix:PATH`, or `tls:ADDRESS,SERVER_NAME,AUTHORITIES[,CERTIFICATE,KEY]` with files in
//! PEM. Without an address all flows are printed. With `connect:ADDRESS` it also connects there, and prints
//! the time until the policy verdict of that connection is read.

#![expect(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpSocket;
use verdikt_hubble::client::{ClientCertificate, FlowServer, Tls};
use verdikt_hubble::convert::ReportedFlow;
use verdikt_hubble::flow_source::{FlowSource, status};
use verdikt_hubble::stream::{FlowStream, SourceEvent, StreamTimeouts};
use verdikt_scenario::flow::FlowKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().ok_or("which server? `tcp:ADDRESS`, `unix:PATH` or `tls:…`")?;
    let (mut of, mut target) = (None::<IpAddr>, None::<SocketAddr>);
    for argument in arguments {
        match argument.strip_prefix("connect:") {
            Some(address) => target = Some(address.parse()?),
            None => of = Some(argument.parse()?),
        }
    }
    let source = source(&server)?;
    println!("asking {source}, {}", status(&source, Duration::from_secs(5)).await?.version);
    let mut flows =
        FlowStream::follow(&[source], FlowSource::Agents, SystemTime::now(), StreamTimeouts::default());
    let mut connecting: Option<(Instant, u16)> = None;
    while let Some(news) = flows.next().await {
        match news {
            SourceEvent::Flow { reported, received } => {
                if let Some((begun, _)) = connecting.take_if(|(_, port)| is_verdict(&reported, *port)) {
                    println!(
                        "{:.3} ms from connect() to the policy verdict",
                        begun.elapsed().as_secs_f64() * 1e3
                    );
                }
                let ends = [reported.flow.source.address, reported.flow.destination.address];
                if of.is_none_or(|address| ends.contains(&address)) {
                    // By the same clock only if the node is this machine.
                    let late = (received.as_secs_f64() - reported.flow.at.as_secs_f64()) * 1e3;
                    println!("{reported}, read {late:.1} ms later");
                }
            }
            SourceEvent::Lost(loss) => println!("{loss}"),
            SourceEvent::Node(change) => {
                println!("nodes {}: {:?} {}", change.nodes.join(", "), change.state, change.message);
            }
            SourceEvent::Following { source } => {
                println!("{source}: followed");
                if let Some(target) = target {
                    connecting = Some(connect(target)?);
                }
            }
            SourceEvent::Cut { source, reason } => println!("{source}: cut: {reason}"),
            SourceEvent::GivenUp { source, reason } => println!("{source}: given up: {reason}"),
        }
    }
    Ok(())
}

fn is_verdict(reported: &ReportedFlow, port: u16) -> bool {
    reported.flow.kind == FlowKind::PolicyVerdict && reported.flow.source.port == Some(port)
}

/// Begins a connection; answers when, and with its own port.
fn connect(target: SocketAddr) -> Result<(Instant, u16), Box<dyn Error>> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let any: SocketAddr = if target.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
    socket.bind(any)?;
    let port = socket.local_addr()?.port();
    let begun = Instant::now();
    tokio::spawn(async move {
        match socket.connect(target).await {
            Ok(_) => println!("connected"),
            Err(error) => println!("not connected: {error}"),
        }
    });
    Ok((begun, port))
}

fn source(text: &str) -> Result<FlowServer, Box<dyn Error>> {
    match text.split_once(':') {
        Some(("tcp", address)) => Ok(FlowServer::tcp("agent", address)),
        Some(("unix", path)) => Ok(FlowServer::unix("agent", path)),
        Some(("tls", parts)) => {
            let parts: Vec<&str> = parts.split(',').collect();
            let (address, server_name, authorities, identity) = match *parts.as_slice() {
                [address, name, authorities] => (address, name, authorities, None),
                [address, name, authorities, certificate, key] => {
                    (address, name, authorities, Some((certificate, key)))
                }
                _ => return Err("tls:ADDRESS,SERVER_NAME,AUTHORITIES[,CERTIFICATE,KEY]".into()),
            };
            let read = std::fs::read_to_string::<&str>;
            let identity = match identity {
                Some((certificate, key)) => {
                    Some(ClientCertificate { certificate: read(certificate)?, key: read(key)? })
                }
                None => None,
            };
            let tls = Tls { authorities: read(authorities)?, server_name: server_name.to_owned(), identity };
            Ok(FlowServer::tcp("agent", address).with_tls(tls))
        }
        _ => Err(format!("`{text}` is no server: write `tcp:ADDRESS`, `unix:PATH` or `tls:…`").into()),
    }
}
