//! TLS of clients. By default a client tests only whether it reaches a server; it verifies the server if it is given
//! certificates to trust.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::Error;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::ClientTrust;
use crate::{failure, tls};
use verdikt_wire::{WireOutcome, WireTarget, WireTrust};

/// The client's side of a connection to open.
pub(crate) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    /// A client that sends a server name: that of the header `Host`, or of the target. It sends no address.
    ///
    /// Errors: [`WireOutcome::NotAttempted`] if the name is not valid in TLS.
    pub(crate) fn of(
        target: &WireTarget,
        headers: &[(String, String)],
        trusts: Option<&WireTrust>,
    ) -> Result<Self, WireOutcome> {
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let name = match (host, target) {
            (Some((_, host)), _) => named(host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name))?,
            (None, WireTarget::Address(address)) => ServerName::from(*address),
            (None, WireTarget::Name(name) | WireTarget::NameOverFamily { name, .. }) => named(name)?,
        };
        let trust = trusts.map_or(ClientTrust::Anyone, |trusts| ClientTrust::Names(trusts.clone()));
        let config = tls::client(trust)
            .map_err(|error| WireOutcome::NotAttempted(format!("no TLS can be spoken: {error}")))?;
        Ok(Self { connector: Arc::new(config).into(), name })
    }

    /// Completes the handshake.
    pub(crate) async fn begin(self, stream: TcpStream) -> Result<TlsStream<TcpStream>, WireOutcome> {
        self.connector.connect(self.name, stream).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                WireOutcome::Garbled("the connection was closed in the TLS handshake".to_owned())
            }
            _ => failed(&error),
        })
    }
}

/// A name or address that is valid in TLS.
fn named(name: &str) -> Result<ServerName<'static>, WireOutcome> {
    ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned())
        .map_err(|_| WireOutcome::NotAttempted(format!("{name:?} cannot be the server name of TLS")))
}

/// The outcome for a client if TLS, or the connection below it, has failed.
pub(crate) fn failed(error: &io::Error) -> WireOutcome {
    match reason(error) {
        None => failure::outcome(error),
        Some(reason @ Error::InvalidMessage(_)) => {
            WireOutcome::Garbled(format!("the server does not speak TLS: {reason}"))
        }
        Some(reason) => WireOutcome::Garbled(format!("TLS has failed: {reason}")),
    }
}

/// The TLS error in an error of a stream; none if the connection itself failed.
pub(crate) fn reason(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
