//! TLS of servers and clients: with certificates that are made up, or given; of clients that take any, or trust some.

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

/// Whose certificate a client takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientTrust {
    /// Anybody's: whether a server is reached is what counts.
    Anyone,
    /// Those of authorities, for the names that are asked for.
    Names(WireTrust),
    /// Those of authorities, for whatever name.
    Authorities(WireTrust),
}

/// A client. Each connection goes through a whole handshake: none depends on what another has agreed on.
///
/// Errors: the library knows no version of TLS with these algorithms, or what is trusted cannot be read.
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

/// A server that shows a certificate: one that is given, or a new one for these names.
///
/// Errors: a name cannot stand in a certificate, what is given cannot be read, or the system has no random numbers.
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
    // A ticket that nobody reads before closing would reset the connection.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn read(chain: &str, key: &str) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    Ok((chain.map_err(io::Error::other)?, key))
}
