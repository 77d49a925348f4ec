//! Certificates that servers show, and that clients take.

use serde::{Deserialize, Serialize};

/// The certificate of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCertificate {
    /// The name of an authority that the process makes up, and that signs it; empty for the one that everybody trusts.
    #[serde(default)]
    pub authority: String,
    /// The certificate itself with those behind it, and its key, in PEM, in the place of one that is made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<(String, String)>,
}

impl WireCertificate {
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Whom a client trusts beside the authority that everybody trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireTrust {
    /// The names of authorities that the process makes up.
    pub made: Vec<String>,
    /// Authorities, or certificates themselves, in PEM.
    pub pem: Vec<String>,
    /// Certificates in PEM that are taken for whatever name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
}
