//! Requests inside TLS that a proxy terminates, and their gaps.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use verdikt_scenario::attempt::Scheme;

use crate::decide::{Match, Matches};
use crate::model::PolicyModel;
use crate::rule::{Proxy, TlsSecrets};

/// The gap for a request that the proxy forwards without TLS.
pub(super) const IN_PLAIN: &str = "what the server does with a request that the proxy forwards without TLS; originate TLS with `originatingTLS`";

/// The gap for a request under a rule for a proxy, if any.
pub(super) fn gap(proxy: Option<&Proxy>, scheme: Scheme) -> Option<&'static str> {
    match (proxy, scheme) {
        (Some(Proxy::HttpInTls { .. }), Scheme::Http) => {
            Some("what a proxy that terminates TLS does with plain HTTP")
        }
        (Some(Proxy::Http(_)), Scheme::Https) => {
            Some("what rules for plain HTTP and for HTTP inside TLS do together")
        }
        (None, Scheme::Https) => {
            Some("what a proxy that terminates TLS does with requests that a plain rule allows")
        }
        _ => None,
    }
}

/// Whether a proxy terminates TLS, and does not originate it again.
pub(super) fn goes_on_in_plain(proxy: Option<&Proxy>) -> bool {
    matches!(proxy, Some(Proxy::HttpInTls { secrets, .. }) if secrets.authorities.is_none())
}

impl PolicyModel<'_> {
    /// The secrets with which the matching proxies terminate TLS, if they do. If one rule originates TLS again, that
    /// applies.
    pub(crate) fn interception(matches: &Matches<'_>) -> Option<TlsSecrets> {
        let proxies = matches.allowed.iter().filter_map(Match::proxy);
        let secrets = proxies.filter_map(|proxy| match proxy {
            Proxy::HttpInTls { secrets, .. } => Some(secrets),
            _ => None,
        });
        secrets.max_by_key(|secrets| secrets.authorities.is_some()).cloned()
    }
}
