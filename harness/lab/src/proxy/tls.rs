//! The proxy that reads the start of a connection: it forwards those whose server name a rule allows, and resets
//! others.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#tls-server-name-indication-sni>

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::server::Acceptor;
use tracing::debug;
use verdikt_engine::datapath::ClientHello;

use super::context::{ProxyAction, ProxyContext};
use super::upstream;
use crate::redirect::Redirect;

/// The first byte of TLS: a record of the handshake.
/// <https://www.rfc-editor.org/rfc/rfc8446#section-5.1>
const HANDSHAKE: u8 = 22;
/// How long a client may take to start: as long as Envoy waits for it.
const BEGIN: Duration = Duration::from_secs(15);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longer than the start of any client.
const LONGEST: usize = 64 * 1024;

/// The answer to anything other than a request.
const NOT_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The start of a connection.
struct HandshakeStart {
    bytes: Vec<u8>,
    is_tls: bool,
    server_name: Option<String>,
}

/// Serves one client's connection.
pub(super) async fn connection(mut client: TcpStream, redirect: Arc<Redirect>, context: Arc<ProxyContext>) {
    // A client that sends nothing has started nothing, so nothing is decided.
    let Ok(Ok(Some(begun))) = timeout(BEGIN, read(&mut client)).await else { return };
    let hello =
        if begun.is_tls { ClientHello::Tls(begun.server_name.as_deref()) } else { ClientHello::Plain };
    if context.hello(&redirect, hello) != ProxyAction::Passes {
        return reset(&client);
    }
    let Ok(Ok(mut server)) = timeout(CONNECT, upstream(&redirect, redirect.server)).await else {
        debug!(server = %redirect.server, "the TLS proxy cannot reach a server");
        return reset(&client);
    };
    if server.write_all(&begun.bytes).await.is_ok() {
        // Either side may close or reset at any time.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

/// Whether a client starts TLS where plain HTTP is expected.
pub(super) async fn begins(client: &TcpStream) -> bool {
    let mut first = [0];
    matches!(client.peek(&mut first).await, Ok(1) if first[0] == HANDSHAKE)
}

/// Refuses TLS where only plain HTTP can be read, and reports it. Like Envoy, it answers as to an invalid request.
pub(super) async fn refuse(mut client: TcpStream, redirect: &Redirect, context: &ProxyContext) {
    if let Ok(Ok(Some(begun))) = timeout(BEGIN, read(&mut client)).await {
        context.hello(redirect, ClientHello::Tls(begun.server_name.as_deref()));
    }
    // The client may close or reset at any time.
    let _ = client.write_all(NOT_HTTP).await;
}

/// Reads until the start of a connection is clear; none if the client closes before.
async fn read(client: &mut TcpStream) -> io::Result<Option<HandshakeStart>> {
    let (mut bytes, mut acceptor) = (Vec::new(), Acceptor::default());
    let mut buffer = [0; 4096];
    loop {
        let length = client.read(&mut buffer).await?;
        if length == 0 {
            return Ok(None);
        }
        let mut new = &buffer[..length];
        bytes.extend_from_slice(new);
        let plain = |bytes| Ok(Some(HandshakeStart { bytes, is_tls: false, server_name: None }));
        if bytes.first() != Some(&HANDSHAKE) || bytes.len() > LONGEST {
            return plain(bytes);
        }
        while !new.is_empty() && acceptor.read_tls(&mut new)? > 0 {}
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let server_name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                return Ok(Some(HandshakeStart { bytes, is_tls: true, server_name }));
            }
            Err(_) => return plain(bytes),
        }
    }
}

/// Makes the end of a connection a reset.
fn reset(client: &TcpStream) {
    // If it cannot be set, the client sees a close, which tells it the same.
    let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
}
