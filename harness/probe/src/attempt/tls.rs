//! TLS client that does not verify the server: it only tests whether a server is reached.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::Error;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{failure, tls};
use verdikt_wire::{WireOutcome, WireTarget};

/// The client of a TLS connection.
pub(crate) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Creates a client that sends the server name of the `Host` header or the target, unless that is an address.
    ///
    /// Errors: [`WireOutcome::NotAttempted`] if the name is not a valid server name.
    pub(crate) fn of(target: &WireTarget, headers: &[(String, String)]) -> Result<Self, WireOutcome> {
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let name = match (host, target) {
            (Some((_, host)), _) => named(host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name))?,
            (None, WireTarget::Address(address)) => ServerName::from(*address),
            (None, WireTarget::Name(name) | WireTarget::NameOverFamily { name, .. }) => named(name)?,
        };
        let config =
            tls::client().map_err(|error| WireOutcome::NotAttempted(format!("cannot use TLS: {error}")))?;
        Ok(Self { connector: Arc::new(config).into(), name })
    }

    /// Performs the handshake.
    pub(crate) async fn begin(self, stream: TcpStream) -> Result<TlsStream<TcpStream>, WireOutcome> {
        self.connector.connect(self.name, stream).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                WireOutcome::Garbled("the connection was closed in the TLS handshake".to_owned())
            }
            _ => failed(&error),
        })
    }
}

/// Parses a server name or address.
fn named(name: &str) -> Result<ServerName<'static>, WireOutcome> {
    ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned())
        .map_err(|_| WireOutcome::NotAttempted(format!("{name:?} cannot be the server name of TLS")))
}

/// The outcome of a failed TLS connection.
pub(crate) fn failed(error: &io::Error) -> WireOutcome {
    match reason(error) {
        None => failure::outcome(error),
        Some(reason @ Error::InvalidMessage(_)) => {
            WireOutcome::Garbled(format!("the server does not speak TLS: {reason}"))
        }
        Some(reason) => WireOutcome::Garbled(format!("TLS has failed: {reason}")),
    }
}

/// The TLS error in an I/O error; none if the connection itself failed.
pub(crate) fn reason(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
