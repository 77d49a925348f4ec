//! Secrets with which policies end TLS and begin it again, what servers show, and whom clients trust.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use std::sync::Arc;

use super::{Endpoint, Topology};
use crate::name::NamespacedName;

/// What is in a secret, in PEM, as far as manifests say it. In the place of what they leave out stands what is made up for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSecret {
    /// `tls.crt`: a certificate, and those between it and its authority.
    pub certificate: Option<Arc<str>>,
    /// `tls.key`: the key of the certificate.
    pub key: Option<Arc<str>>,
    /// `ca.crt`: authorities.
    pub authorities: Option<Arc<str>>,
}

impl TlsSecret {
    /// Whom a client trusts that trusts the secret: its authorities, or else its certificate itself.
    pub fn trusted(&self) -> Option<&str> {
        self.authorities.as_deref().or(self.certificate.as_deref())
    }
}

impl Topology {
    /// The secret whose certificate the servers of an endpoint show, unless it is one that everybody trusts.
    pub fn certificate_of(&self, endpoint: &Endpoint) -> Option<&NamespacedName> {
        self.certificates.get(endpoint)
    }
}
