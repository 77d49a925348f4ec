//! TLS that the HTTP proxy ends with a certificate of its own, and begins again to the server.
//!
//! The certificate is for the name that the client asks for, and nobody has signed it: clients that trust the certificates of
//! the cluster's secrets have to take any. So does the proxy with servers.
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme, client::Resumption,
};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};

use crate::redirect::Redirect;

/// How long a client may take to begin: as long as Envoy waits for it.
const BEGIN: Duration = Duration::from_secs(15);
/// The name in the certificate where the client asks for none.
const NO_NAME: &str = "localhost";

/// Goes through the handshake with a client, as the server that it asks for.
pub(super) async fn end(client: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
    let ending = async {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
        let name = begun.client_hello().server_name().unwrap_or(NO_NAME).to_owned();
        begun.into_stream(Arc::new(certified(name)?)).await
    };
    tokio::time::timeout(BEGIN, ending).await?
}

/// The name that a client has asked for, or the address of its server.
pub(super) fn server_name(client: &server::TlsStream<TcpStream>, redirect: &Redirect) -> ServerName<'static> {
    let asked = client.get_ref().1.server_name();
    let name = asked.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    name.unwrap_or_else(|| ServerName::from(redirect.server.ip()))
}

/// Goes through the handshake with a server, whoever it says it is.
pub(super) async fn begin(
    server: TcpStream,
    name: ServerName<'static>,
) -> io::Result<client::TlsStream<TcpStream>> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config)).connect(name, server).await
}

/// Takes part with a new key, and a certificate that is signed with it.
fn certified(name: String) -> io::Result<ServerConfig> {
    let made = rcgen::generate_simple_self_signed([name]).map_err(io::Error::other)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .map_err(io::Error::other)?;
    // A ticket that nobody reads before closing would reset the connection.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Takes every server for the one that the proxy means.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
