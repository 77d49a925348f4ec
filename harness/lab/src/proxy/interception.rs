//! TLS that the HTTP proxy terminates with the certificate of one secret, and originates to the server by the
//! authorities of another.
//!
//! If a secret has no content, the certificate is generated for the server name of the client.
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};
use verdikt_probe::tls::{self, ClientTrust};
use verdikt_wire::{WireCertificate, WireTrust};

use crate::redirect::Redirect;

/// How long a client may take to start: as long as Envoy waits for it.
const BEGIN: Duration = Duration::from_secs(15);
/// The name in the certificate if the client sends none.
const NO_NAME: &str = "localhost";

/// A server to which the proxy originates TLS.
#[derive(Clone, Debug)]
pub(super) struct NextServer {
    /// The server name that it is asked for.
    pub(super) name: ServerName<'static>,
    /// The authorities by which it is verified, whatever its name.
    pub(super) trusts: WireTrust,
}

/// Completes the handshake with a client, as the server that it asks for.
pub(super) async fn end(
    client: TcpStream,
    shown: &WireCertificate,
) -> io::Result<server::TlsStream<TcpStream>> {
    let ending = async {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
        let name = begun.client_hello().server_name().unwrap_or(NO_NAME).to_owned();
        begun.into_stream(Arc::new(tls::server(vec![name], shown)?)).await
    };
    tokio::time::timeout(BEGIN, ending).await?
}

/// The server name that a client sent, or the address of its server.
pub(super) fn server_name(client: &server::TlsStream<TcpStream>, redirect: &Redirect) -> ServerName<'static> {
    let asked = client.get_ref().1.server_name();
    let name = asked.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    name.unwrap_or_else(|| ServerName::from(redirect.server.ip()))
}

/// Completes the handshake with a server.
pub(super) async fn begin(server: TcpStream, next: NextServer) -> io::Result<client::TlsStream<TcpStream>> {
    let config = tls::client(ClientTrust::Authorities(next.trusts)).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(next.name, server).await
}
