//! Requests inside TLS that a proxy ends, and what of them is not known.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use verdikt_scenario::attempt::Scheme;

use crate::decide::{Decision, Match};
use crate::model::PolicyModel;
use crate::rule::Proxy;

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
    matches!(proxy, Some(Proxy::HttpInTls { begins_again: false, .. }))
}

/// What a proxy does with the TLS of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsInterception {
    /// It does not end it.
    LeavesIt,
    /// It ends it, and goes on in plain.
    Ends,
    /// It ends it, and begins it again to the server.
    BeginsAgain,
}

impl PolicyModel<'_> {
    /// What the proxies of a decision do with TLS. One rule that begins it again is enough.
    pub(crate) fn interception(decision: &Decision<'_>) -> TlsInterception {
        let proxies = decision.allowed.iter().filter_map(Match::proxy);
        let of_each = proxies.map(|proxy| match proxy {
            Proxy::HttpInTls { begins_again: true, .. } => TlsInterception::BeginsAgain,
            Proxy::HttpInTls { begins_again: false, .. } => TlsInterception::Ends,
            _ => TlsInterception::LeavesIt,
        });
        of_each.max().unwrap_or(TlsInterception::LeavesIt)
    }
}
