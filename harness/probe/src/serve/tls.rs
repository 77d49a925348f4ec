//! TLS of the servers, with a self-signed certificate.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::tls;

/// The names in the certificate.
const NAMES: [&str; 2] = ["localhost", "*"];

/// Creates an acceptor with a new key.
pub(super) fn acceptor() -> io::Result<TlsAcceptor> {
    Ok(Arc::new(tls::server(NAMES.map(str::to_owned).to_vec())?).into())
}
