//! Requests inside TLS that a proxy ends, and what of them is not known.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use verdikt_scenario::attempt::Scheme;

use crate::decide::{Decision, Match};
use crate::model::PolicyModel;
use crate::rule::{Proxy, TlsSecrets};

/// What is not known of a request that the proxy sends on without TLS.
pub(super) const IN_PLAIN: &str = "what the server makes of a request that the proxy sends on in plain; begin TLS again with `originatingTLS`";

/// What is not known of a request under what a rule asks of a proxy, if anything.
pub(super) fn gap(proxy: Option<&Proxy>, scheme: Scheme) -> Option<&'static str> {
    match (proxy, scheme) {
        (Some(Proxy::HttpInTls { .. }), Scheme::Http) => {
            Some("what a proxy that ends TLS makes of plain HTTP")
        }
        (Some(Proxy::Http(_)), Scheme::Https) => {
            Some("what rules for plain HTTP and for HTTP inside TLS make together")
        }
        (None, Scheme::Https) => {
            Some("what a proxy that ends TLS makes of requests that a plain rule allows")
        }
        _ => None,
    }
}

/// Whether a proxy ends TLS, and does not begin it again.
pub(super) fn goes_on_in_plain(proxy: Option<&Proxy>) -> bool {
    matches!(proxy, Some(Proxy::HttpInTls { secrets, .. }) if secrets.authorities.is_none())
}

impl PolicyModel<'_> {
    /// With what the proxies of a decision end TLS, if they do. One rule that begins it again is enough.
    pub(crate) fn interception(decision: &Decision<'_>) -> Option<TlsSecrets> {
        let proxies = decision.allowed.iter().filter_map(Match::proxy);
        let secrets = proxies.filter_map(|proxy| match proxy {
            Proxy::HttpInTls { secrets, .. } => Some(secrets),
            _ => None,
        });
        secrets.max_by_key(|secrets| secrets.authorities.is_some()).cloned()
    }
}
