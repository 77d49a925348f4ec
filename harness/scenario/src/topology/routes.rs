//! The routes of the gateway.

use std::fmt;

use super::{Port, Topology};
use crate::name::{DnsName, NamespacedName};

/// A rule of an `Ingress` or `HTTPRoute`: requests with this host and path go to a service.
/// <https://gateway-api.sigs.k8s.io/reference/spec/#pathmatchtype>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRoute {
    /// The host; none for any.
    pub host: Option<DnsName>,
    /// The prefix of the path, element by element.
    pub prefix: String,
    /// The service.
    pub service: NamespacedName,
    /// Its port.
    pub port: Port,
}

impl GatewayRoute {
    fn takes(&self, host: Option<&str>, path: &str) -> bool {
        let is_host = self.host.as_ref().is_none_or(|own| host.is_some_and(|host| own.as_str() == host));
        let path = path.split('?').next().unwrap_or_default();
        let rest = path.strip_prefix(self.prefix.trim_end_matches('/'));
        is_host && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Topology {
    /// The route of a request: of those that match, one with a host before one without, then the longest.
    pub fn route(&self, authority: Option<&str>, path: &str) -> Option<&GatewayRoute> {
        let host = authority.map(|it| it.split(':').next().unwrap_or_default().to_ascii_lowercase());
        let taking = self.routes.iter().filter(|route| route.takes(host.as_deref(), path));
        taking.max_by_key(|route| (route.host.is_some(), route.prefix.len()))
    }
}

impl fmt::Display for GatewayRoute {
    /// Formats host and path as an author writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.iter().try_for_each(|host| host.fmt(f))?;
        f.write_str(&self.prefix)
    }
}
