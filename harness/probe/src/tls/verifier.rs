//! Verifies the certificate of a server for a client. Dates are ignored: a scenario must give the same result
//! tomorrow.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{ClientTrust, authorities};

/// Verifies certificates of servers.
#[derive(Debug)]
pub(super) struct CertificateVerifier {
    provider: Arc<CryptoProvider>,
    /// The trusted certificates; none if any server is accepted.
    trusted: Option<TrustedCertificates>,
}

/// What a client trusts.
#[derive(Debug)]
struct TrustedCertificates {
    /// Created authorities: their certificates are accepted for any name.
    made: RootCertStore,
    /// Given authorities.
    given: RootCertStore,
    /// Given certificates that are trusted themselves.
    certificates: Vec<CertificateDer<'static>>,
    /// Certificates that are accepted for any name.
    servers: Vec<CertificateDer<'static>>,
    looks_at_names: bool,
}

impl CertificateVerifier {
    pub(super) fn new(provider: Arc<CryptoProvider>, trust: ClientTrust) -> Result<Self, Error> {
        let (trust, looks_at_names) = match trust {
            ClientTrust::Anyone => return Ok(Self { provider, trusted: None }),
            ClientTrust::Names(trust) => (trust, true),
            ClientTrust::Authorities(trust) => (trust, false),
        };
        let (mut made, mut given) = (RootCertStore::empty(), RootCertStore::empty());
        let (certificates, servers) = (read(&trust.pem)?, read(&trust.servers)?);
        // A certificate that is not an authority is trusted only for itself.
        given.add_parsable_certificates(certificates.iter().cloned());
        let names = trust.made.iter().map(String::as_str).chain([authorities::EVERYBODYS]);
        for name in names {
            made.add(authorities::root(name).map_err(|error| Error::General(error.to_string()))?)?;
        }
        Ok(Self {
            provider,
            trusted: Some(TrustedCertificates { made, given, certificates, servers, looks_at_names }),
        })
    }
}

/// Every certificate in some PEM texts.
fn read(all: &[String]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = all.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes()));
    certificates.collect::<Result<_, _>>().map_err(|error| Error::General(error.to_string()))
}

impl TrustedCertificates {
    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        if self.servers.iter().any(|known| known == shown) {
            return Ok(());
        }
        let certificate = ParsedCertificate::try_from(shown)?;
        let algorithms = provider.signature_verification_algorithms.all;
        if is_signed(&certificate, &self.made, between, algorithms).is_ok() {
            return Ok(());
        }
        if !self.certificates.iter().any(|known| known == shown) {
            is_signed(&certificate, &self.given, between, algorithms)?;
        }
        if self.looks_at_names { verify_server_name(&certificate, asked) } else { Ok(()) }
    }
}

/// Whether an authority has signed a certificate.
fn is_signed(
    certificate: &ParsedCertificate<'_>,
    roots: &RootCertStore,
    between: &[CertificateDer<'_>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<(), Error> {
    let mut time = UnixTime::since_unix_epoch(Duration::ZERO);
    // The library needs a time: one at which every certificate of the chain is valid.
    for _ in 0..=between.len() {
        match verify_server_cert_signed_by_trust_anchor(certificate, roots, between, time, algorithms) {
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                time = not_before;
            }
            found => return found,
        }
    }
    verify_server_cert_signed_by_trust_anchor(certificate, roots, between, time, algorithms)
}

impl ServerCertVerifier for CertificateVerifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trusted) = &self.trusted {
            trusted.verify(shown, between, asked, &self.provider)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.trusted.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.trusted.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
