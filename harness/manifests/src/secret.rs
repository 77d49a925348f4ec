//! Secrets with which policies terminate and originate TLS.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::topology::TlsSecret;

use crate::field::{self, Unusable};

/// The type of a secret with a certificate and its key.
const TLS: &str = "kubernetes.io/tls";
/// The default type of a secret.
const OPAQUE: &str = "Opaque";
/// A text that every PEM file contains.
const PEM: &str = "-----BEGIN ";

/// The TLS content of a secret: a certificate with its key, or authorities; none if a policy cannot refer to it for
/// TLS.
pub(crate) fn tls_secret(root: &YamlNode) -> Result<Option<TlsSecret>, Unusable> {
    let kind = field::optional_text(root, &["type"])?.filter(|kind| !kind.is_empty()).unwrap_or(OPAQUE);
    // The items that Cilium's agent reads, unless a policy names others.
    let (certificate, key, authorities) =
        (item(root, "tls.crt"), item(root, "tls.key"), item(root, "ca.crt"));
    let has_item = [&certificate, &key, &authorities].iter().any(|item| item.is_some());
    let pem = |item: Option<String>| item.filter(|text| text.contains(PEM)).map(Arc::from);
    let secret = TlsSecret { certificate: pem(certificate), key: pem(key), authorities: pem(authorities) };
    Ok((kind == TLS || kind == OPAQUE && has_item).then_some(secret))
}

/// An item of a secret. Invalid base64 counts as empty: it is encrypted, or filled in later.
fn item(root: &YamlNode, name: &str) -> Option<String> {
    let text = |map: &str| root.at(&[map, name]).map(|node| node.text().unwrap_or_default());
    if let Some(plain) = text("stringData") {
        return Some(plain.to_owned());
    }
    let encoded: String = text("data")?.split_whitespace().collect();
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(decoded.unwrap_or_default())
}
