//! TLS of servers and clients: with generated or given certificates, and clients that trust any certificate or only
//! some.

mod authorities;
mod verifier;

use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, Error, ServerConfig};
use verdikt_wire::{WireCertificate, WireTrust};

use self::verifier::CertificateVerifier;

/// The certificates that a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientTrust {
    /// Any: only reaching a server counts.
    Anyone,
    /// Those that authorities signed for the requested name.
    Names(WireTrust),
    /// Those that authorities signed for any name.
    Authorities(WireTrust),
}

/// A client. Each connection has a full handshake, so that none depends on another.
///
/// Errors: the library supports no version of TLS with these algorithms, or a trusted certificate cannot be read.
pub fn client(trust: ClientTrust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = CertificateVerifier::new(Arc::clone(&provider), trust)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A server with a certificate: a given one, or a new one for these names.
///
/// Errors: a name is not valid in a certificate, the given one cannot be read, or the system has no random numbers.
pub fn server(names: Vec<String>, shown: &WireCertificate) -> io::Result<ServerConfig> {
    let (chain, key) = match &shown.pem {
        Some((chain, key)) => read(chain, key)?,
        None => authorities::issue(&shown.authority, names).map_err(io::Error::other)?,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    // A session ticket that is not read before closing would reset the connection.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn read(chain: &str, key: &str) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    Ok((chain.map_err(io::Error::other)?, key))
}
