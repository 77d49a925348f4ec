//! Certificates that servers present and that clients trust.

use serde::{Deserialize, Serialize};

/// The certificate of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCertificate {
    /// The name of an authority that the process creates, and that signs the certificate; empty for the one that
    /// everybody trusts.
    #[serde(default)]
    pub authority: String,
    /// The certificate with its chain, and its key, in PEM, instead of a created one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<(String, String)>,
}

impl WireCertificate {
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What a client trusts beside the authority that everybody trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireTrust {
    /// The names of authorities that the process creates.
    pub made: Vec<String>,
    /// Authorities, or single certificates, in PEM.
    pub pem: Vec<String>,
    /// Certificates in PEM that are accepted for any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
}
