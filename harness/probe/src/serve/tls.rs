//! TLS of servers.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use verdikt_wire::WireCertificate;

use crate::tls;

/// The names in a generated certificate: the machine's own, and any.
const NAMES: [&str; 2] = ["localhost", "*"];

/// Accepts connections with a certificate.
pub(super) fn acceptor(shown: &WireCertificate) -> io::Result<TlsAcceptor> {
    Ok(Arc::new(tls::server(NAMES.map(str::to_owned).to_vec(), shown)?).into())
}
