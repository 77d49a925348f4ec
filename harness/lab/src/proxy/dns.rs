//! The DNS proxy: refuses queries that no rule allows, and learns addresses from the answers to the others.
//!
//! <https://docs.cilium.io/en/stable/security/dns/>

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::context::{ProxyAction, ProxyContext};
use super::{Shares, upstream, upstream_datagrams};
use crate::losses::LossCause;
use crate::redirect::Redirect;
use tracing::debug;

/// The time without a message after which a client is forgotten.
const IDLE: Duration = Duration::from_secs(10);
/// The number of ports of one client that may wait for answers: each has a socket.
const PORTS: usize = 256;
/// The number of ports after which those that wait for nothing are forgotten.
const REMEMBERED: usize = 4096;
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The number of queries of one client that may wait.
const WAITING: usize = 64;
/// The number of queries of one client that may be open at the server.
const OPEN: usize = 256;
/// The longest message.
const LONGEST: usize = 65_535;

/// Serves queries that arrive as datagrams.
pub(super) async fn datagrams(socket: UdpSocket, context: Arc<ProxyContext>) {
    let socket = Arc::new(socket);
    let mut clients: BTreeMap<SocketAddr, mpsc::Sender<Vec<u8>>> = BTreeMap::new();
    let mut shares = Shares::new(PORTS);
    let mut buffer = vec![0; LONGEST];
    loop {
        // An error means that a client has gone.
        let Ok((length, token)) = socket.recv_from(&mut buffer).await else { continue };
        let message = buffer[..length].to_vec();
        let message = match clients.get(&token).map(|client| client.try_send(message)) {
            Some(Ok(())) => continue,
            Some(Err(mpsc::error::TrySendError::Full(_))) => {
                context.lose(LossCause::Query);
                continue;
            }
            Some(Err(mpsc::error::TrySendError::Closed(message))) => message,
            None => buffer[..length].to_vec(),
        };
        if clients.len() >= REMEMBERED {
            clients.retain(|_, client| !client.is_closed());
        }
        let redirect = context.redirect(token.ip());
        let share = redirect.as_ref().and_then(|redirect| shares.of(redirect.client.ip()));
        let Some((redirect, share)) = redirect.zip(share) else {
            context.lose(LossCause::Query);
            continue;
        };
        let (client, queries) = mpsc::channel(WAITING);
        if client.try_send(message).is_err() {
            context.lose(LossCause::Query);
        }
        clients.insert(token, client);
        tokio::spawn(one_client(Arc::clone(&socket), token, redirect, queries, Arc::clone(&context), share));
    }
}

/// Serves the datagrams of one client port, which are all forwarded from one port, until none waits for an answer.
async fn one_client(
    socket: Arc<UdpSocket>,
    token: SocketAddr,
    redirect: Arc<Redirect>,
    mut queries: mpsc::Receiver<Vec<u8>>,
    context: Arc<ProxyContext>,
    _share: OwnedSemaphorePermit,
) {
    let Ok(server) = upstream_datagrams(&redirect).await else { return context.lose(LossCause::Query) };
    let mut open: Vec<Message> = Vec::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        let step = if open.is_empty() {
            // Most clients use a new port for every query: this makes room.
            let Ok(query) = queries.try_recv() else { return };
            Ok(query)
        } else {
            let step = async {
                tokio::select! {
                    query = queries.recv() => query.map(Ok),
                    answer = server.recv(&mut buffer) => Some(Err(answer)),
                }
            };
            // A client that waits longer than this for an answer has given up.
            let Ok(Some(step)) = timeout(IDLE, step).await else { return };
            step
        };
        match step {
            Ok(bytes) => match decided(&bytes, &redirect, &context) {
                DnsVerdict::Forward(query) => {
                    if open.len() >= OPEN {
                        open.remove(0);
                        context.lose(LossCause::Query);
                    }
                    open.push(*query);
                    if send(&server, &bytes).await.is_err() {
                        context.lose(LossCause::Query);
                    }
                }
                DnsVerdict::Answer(answer) => answer_client(&socket, &answer, token, &context).await,
                DnsVerdict::Nothing => {}
            },
            Err(Ok(length)) => {
                let answer = &buffer[..length];
                let Some(question) = open.iter().position(|question| is_answer(question, answer)) else {
                    continue;
                };
                learn(&open.swap_remove(question), answer, &context);
                answer_client(&socket, answer, token, &context).await;
            }
            // No server listens there: the client gets no answer, as from Cilium.
            Err(Err(_)) => {}
        }
    }
}

/// Sends a datagram to the server. The error may be about the datagram before, to a port on which no server listens.
async fn send(server: &UdpSocket, bytes: &[u8]) -> io::Result<usize> {
    match server.send(bytes).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => server.send(bytes).await,
        sent => sent,
    }
}

/// Sends an answer to a client.
async fn answer_client(socket: &UdpSocket, answer: &[u8], token: SocketAddr, context: &ProxyContext) {
    if socket.send_to(answer, token).await.is_err() {
        context.lose(LossCause::Query);
    }
}

/// Serves queries on a connection, one after the other.
pub(super) async fn connection(mut client: TcpStream, redirect: Arc<Redirect>, context: Arc<ProxyContext>) {
    // Either side may close or reset at any time.
    if let Err(error) = serve_connection(&mut client, &redirect, &context).await {
        debug!(%error, "a client's connection to the DNS proxy has ended");
    }
}

async fn serve_connection(
    client: &mut TcpStream,
    redirect: &Redirect,
    context: &ProxyContext,
) -> io::Result<()> {
    let connect =
        async || timeout(CONNECT, upstream(redirect, redirect.server)).await.map_err(io::Error::from)?;
    // Opened for the first allowed query: a refused query reaches no server.
    let mut server: Option<TcpStream> = None;
    let mut asked = false;
    loop {
        let bytes = match timeout(IDLE, read_message(client)).await.map_err(io::Error::from)? {
            Ok(bytes) => bytes,
            // A client that connects and sends no query is still subject to the server's policy.
            Err(_) if !asked => return connect().await.map(drop),
            Err(error) => return Err(error),
        };
        asked = true;
        match decided(&bytes, redirect, context) {
            DnsVerdict::Forward(query) => {
                let asking = async {
                    let server = match &mut server {
                        Some(server) => server,
                        none => none.insert(connect().await?),
                    };
                    write_message(server, &bytes).await?;
                    loop {
                        let answer = timeout(IDLE, read_message(server)).await.map_err(io::Error::from)??;
                        if is_answer(&query, &answer) {
                            break Ok::<_, io::Error>(answer);
                        }
                    }
                };
                // For a client that has gone nothing is asked on, and nothing learned: a server that is reached only in the
                // next step would tell of that step.
                let answer = tokio::select! {
                    answer = asking => answer?,
                    () = until_gone(client) => return Ok(()),
                };
                learn(&query, &answer, context);
                write_message(client, &answer).await?;
            }
            DnsVerdict::Answer(answer) => write_message(client, &answer).await?,
            DnsVerdict::Nothing => return Ok(()),
        }
    }
}

/// Returns when a client has closed or reset its connection.
async fn until_gone(client: &TcpStream) {
    let mut next = [0];
    if let Ok(1..) = client.peek(&mut next).await {
        std::future::pending::<()>().await;
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

/// What the DNS proxy does with a message of a client.
enum DnsVerdict {
    /// It goes to the server.
    Forward(Box<Message>),
    /// It gets this answer.
    Answer(Vec<u8>),
    /// It is not a query.
    Nothing,
}

fn decided(bytes: &[u8], redirect: &Redirect, context: &ProxyContext) -> DnsVerdict {
    let query = Message::from_vec(bytes).ok();
    let Some(query) = query.filter(|query| query.metadata.message_type == MessageType::Query) else {
        context.no_query(redirect);
        return DnsVerdict::Nothing;
    };
    let code = match query.queries.as_slice() {
        [question] => {
            let (name, kind) = (plain_name(question), question.query_type().to_string());
            match context.query(redirect, &name, &kind) {
                ProxyAction::Passes => return DnsVerdict::Forward(Box::new(query)),
                ProxyAction::Refused => ResponseCode::Refused,
                ProxyAction::NotModelled(_) | ProxyAction::Redirected(_) | ProxyAction::Rejected => {
                    ResponseCode::ServFail
                }
            }
        }
        _ => ResponseCode::FormErr,
    };
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = code;
    answer.add_queries(query.queries);
    answer.to_vec().map_or(DnsVerdict::Nothing, DnsVerdict::Answer)
}

/// The queried name as policies write it: in lower case, without a final dot.
fn plain_name(question: &Query) -> String {
    let name = question.name().to_ascii();
    name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase()
}

/// Whether bytes of the server answer a question.
fn is_answer(question: &Message, bytes: &[u8]) -> bool {
    Message::from_vec(bytes).is_ok_and(|answer| {
        answer.metadata.message_type == MessageType::Response
            && answer.metadata.id == question.metadata.id
            && answer.queries == question.queries
    })
}

/// Records the addresses in an answer, which belong to the queried name, even through aliases.
fn learn(question: &Message, bytes: &[u8], context: &ProxyContext) {
    let Ok(answer) = Message::from_vec(bytes) else { return };
    if answer.metadata.response_code != ResponseCode::NoError {
        return;
    }
    let Some(asked) = question.queries.first() else { return };
    let (addresses, ttl) = addresses(asked.name(), &answer);
    if !addresses.is_empty() {
        context.learn(&plain_name(asked), &addresses, ttl);
    }
}

/// The addresses of a name in an answer, through the aliases in it, and the shortest time that they may be cached, in
/// seconds. A time above 2^31 - 1 means zero: <https://www.rfc-editor.org/rfc/rfc2181#section-8>.
fn addresses(name: &Name, answer: &Message) -> (Vec<IpAddr>, u32) {
    let sane = |ttl: u32| if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
    let (mut addresses, mut ttl) = (Vec::new(), u32::MAX);
    let mut current = name.clone();
    // As many aliases as records: more would be circular.
    for _ in 0..=answer.answers.len() {
        let mut next = None;
        for record in answer.answers.iter().filter(|record| record.name == current) {
            match &record.data {
                RData::A(address) => addresses.push(IpAddr::V4(address.0)),
                RData::AAAA(address) => addresses.push(IpAddr::V6(address.0)),
                RData::CNAME(alias) => next = Some(alias.0.clone()),
                _ => continue,
            }
            ttl = ttl.min(sane(record.ttl));
        }
        match next {
            Some(alias) if addresses.is_empty() => current = alias,
            _ => break,
        }
    }
    (addresses, ttl)
}
