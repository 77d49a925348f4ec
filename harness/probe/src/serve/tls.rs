//! TLS of a server that nobody needs to trust.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The names in the certificate: the machine's own, and any.
const NAMES: [&str; 2] = ["localhost", "*"];

/// Accepts with a new key, and a certificate that is signed with it.
pub(super) fn acceptor() -> io::Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).map_err(io::Error::other)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .map_err(io::Error::other)?;
    // Every connection goes through a whole handshake. A ticket that nobody reads before closing would reset it.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config).into())
}
