//! Secrets with certificates: for policies that terminate and originate TLS, for servers, and for clients.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use std::sync::Arc;

use super::{Endpoint, Topology};
use crate::name::NamespacedName;

/// The content of a secret, in PEM, as far as manifests give it. What they leave out is generated for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSecret {
    /// `tls.crt`: a certificate with its chain.
    pub certificate: Option<Arc<str>>,
    /// `tls.key`: the key of the certificate.
    pub key: Option<Arc<str>>,
    /// `ca.crt`: certificates of authorities.
    pub authorities: Option<Arc<str>>,
}

impl TlsSecret {
    /// What a client trusts that trusts the secret: its authorities, or else its certificate itself.
    pub fn trusted(&self) -> Option<&str> {
        self.authorities.as_deref().or(self.certificate.as_deref())
    }
}

impl Topology {
    /// The secret with the certificate that the servers of an endpoint present, unless everybody trusts it.
    pub fn certificate_of(&self, endpoint: &Endpoint) -> Option<&NamespacedName> {
        self.certificates.get(endpoint)
    }
}
