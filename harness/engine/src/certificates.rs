//! Which certificates are trusted, where a proxy terminates and originates TLS. Predictions ignore dates: they have no
//! clock. [`outside_dates`] checks them for a given time.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::{Endpoint, TlsSecret, Topology};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Why a certificate is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    /// No trusted authority has signed it.
    Authority,
    /// It is for other names.
    Name,
    /// It cannot be read.
    Unreadable,
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Authority => "no authority that it trusts has signed it",
            Self::Name => "it is for other names",
            Self::Unreadable => "it cannot be read",
        })
    }
}

/// Whether a client trusts the certificate of a secret for the name or address that it connects to.
pub(crate) fn client_takes(
    topology: &Topology,
    client: &Endpoint,
    shown: &NamespacedName,
    asked: Option<&ServerName<'_>>,
) -> Result<(), CertificateFault> {
    let Some(trusted) = topology.trusts.get(client) else { return Ok(()) };
    // The certificate of the server itself does not depend on policies.
    if topology.certificates.values().any(|own| own == shown) {
        return Ok(());
    }
    let roots = |secret: &TlsSecret| secret.trusted().map(str::to_owned);
    let certificate = topology.secrets.get(shown).and_then(|secret| secret.certificate.as_deref());
    let Some(certificate) = certificate else {
        return if trusted.contains(shown) { Ok(()) } else { Err(CertificateFault::Authority) };
    };
    let roots = trusted.iter().filter_map(|name| topology.secrets.get(name).and_then(roots));
    let leaf = verify(certificate, &roots.collect::<Vec<_>>().join("\n"))?;
    is_for(&leaf, asked)
}

/// Whether the proxy trusts the certificate of a secret when a server presents it, by the authorities of another
/// secret. It ignores names.
/// names.
pub(crate) fn proxy_takes(
    topology: &Topology,
    authorities: &NamespacedName,
    shown: &NamespacedName,
) -> Result<(), CertificateFault> {
    let certificate = topology.secrets.get(shown).and_then(|secret| secret.certificate.as_deref());
    let roots = topology.secrets.get(authorities).and_then(|secret| secret.authorities.as_deref());
    match (certificate, roots) {
        (Some(certificate), Some(roots)) => verify(certificate, roots).map(drop),
        _ if authorities == shown => Ok(()),
        _ => Err(CertificateFault::Authority),
    }
}

/// What a client connects to: a name, or the address of a host outside.
pub(crate) fn asked_of(name: Option<&str>, address: Option<IpAddr>) -> Option<ServerName<'static>> {
    match name {
        Some(name) => ServerName::try_from(name.to_owned()).ok(),
        None => address.map(ServerName::from),
    }
}

/// The first certificate of a chain, if one of some authorities has signed it, or it is one of them.
fn verify(chain: &str, roots: &str) -> Result<CertificateDer<'static>, CertificateFault> {
    let chain = certificates(chain)?;
    let roots = certificates(roots)?;
    let (leaf, between) = chain.split_first().ok_or(CertificateFault::Unreadable)?;
    if roots.contains(leaf) {
        return Ok(leaf.clone());
    }
    let anchors: Vec<_> = roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
    let certificate = EndEntityCert::try_from(leaf).map_err(|_| CertificateFault::Unreadable)?;
    let mut time = UnixTime::since_unix_epoch(Duration::ZERO);
    // The library needs a time: one at which every certificate of the chain is valid.
    for _ in 0..=chain.len() {
        let usage = KeyUsage::server_auth();
        let found =
            certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, between, time, usage, None, None);
        match found {
            Ok(_) => return Ok(leaf.clone()),
            Err(webpki::Error::CertNotValidYet { not_before, .. }) => time = not_before,
            Err(_) => break,
        }
    }
    Err(CertificateFault::Authority)
}

/// The time at which a certificate ended, or begins, that is not valid at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideDates {
    /// It has expired, so long after the start of 1970.
    Expired(Duration),
    /// It becomes valid, so long after the start of 1970.
    NotYet(Duration),
}

/// The first certificate in PEM that is not valid at a time, so long after the start of 1970. What cannot be read is none.
pub fn outside_dates(pem: &str, now: Duration) -> Option<OutsideDates> {
    let now = UnixTime::since_unix_epoch(now);
    certificates(pem).ok()?.iter().find_map(|certificate| {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        let usage = KeyUsage::server_auth();
        // Dates are looked at before the authorities, of which there are none here.
        match certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &[], &[], now, usage, None, None).err()? {
            webpki::Error::CertExpired { not_after, .. } => {
                Some(OutsideDates::Expired(Duration::from_secs(not_after.as_secs())))
            }
            webpki::Error::CertNotValidYet { not_before, .. } => {
                Some(OutsideDates::NotYet(Duration::from_secs(not_before.as_secs())))
            }
            _ => None,
        }
    })
}

fn is_for(leaf: &CertificateDer<'_>, asked: Option<&ServerName<'_>>) -> Result<(), CertificateFault> {
    let certificate = EndEntityCert::try_from(leaf).map_err(|_| CertificateFault::Unreadable)?;
    let asked = asked.ok_or(CertificateFault::Name)?;
    certificate.verify_is_valid_for_subject_name(asked).map_err(|_| CertificateFault::Name)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>();
    read.map_err(|_| CertificateFault::Unreadable)
}
