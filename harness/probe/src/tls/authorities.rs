//! Authorities that this process creates, by name, and the certificates that they sign.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, Error, IsCa, KeyPair};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The name of the authority that everybody trusts.
pub(super) const EVERYBODYS: &str = "";

static AUTHORITIES: LazyLock<Mutex<BTreeMap<String, CertifiedIssuer<'static, KeyPair>>>> =
    LazyLock::new(Mutex::default);

/// A new certificate for some names, with its key.
pub(super) fn issue(
    authority: &str,
    names: Vec<String>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(names)?;
    let certificate = with(authority, |issuer| params.signed_by(&key, issuer))??;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], key.into()))
}

/// The certificate of an authority.
pub(super) fn root(authority: &str) -> Result<CertificateDer<'static>, Error> {
    with(authority, |issuer| issuer.as_ref().der().clone())
}

/// Returns an authority, creating it on first use.
fn with<T>(name: &str, ask: impl FnOnce(&CertifiedIssuer<'static, KeyPair>) -> T) -> Result<T, Error> {
    let mut all = AUTHORITIES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(name) {
        return Ok(ask(known));
    }
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    Ok(ask(all.entry(name.to_owned()).or_insert(made)))
}
