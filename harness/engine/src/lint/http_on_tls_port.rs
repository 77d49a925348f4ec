//! HTTP rules on a TLS port where no proxy terminates TLS: the proxy takes the first bytes of the client for broken
//! HTTP.
//!
//! <https://docs.cilium.io/en/stable/security/tls-visibility/>

use verdikt_scenario::diagnostic::Diagnostic;

use super::LintContext;
use crate::rule::{PortMatcher, Ports, Proxy};

/// Ports on which clients speak TLS.
const TLS_PORTS: [u16; 3] = [443, 6443, 8443];

pub(super) fn lint(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (_, entry) in context.entries() {
        let Ports::OneOf(ports) = &entry.ports else { continue };
        for port in ports.iter().filter(|port| matches!(port.proxy.as_deref(), Some(Proxy::Http(_)))) {
            let Some(named) = tls_port(&port.matcher) else { continue };
            let message = format!(
                "HTTP rules on port {named}, whose clients speak TLS: the proxy cannot read that, and every connection \
                 fails"
            );
            let help = "let the proxy terminate the TLS (`terminatingTLS` and `originatingTLS`), or remove the HTTP rules \
                        and name the hosts with `toFQDNs` or `serverNames`";
            let place = context.place(entry, port.position);
            warnings.push(Diagnostic::warning(place, "http-on-tls-port", message).help(help));
        }
    }
    warnings
}

/// The port as its author names it, if clients speak TLS there.
fn tls_port(matcher: &PortMatcher) -> Option<String> {
    match matcher {
        PortMatcher::Range { first, last, .. } if first == last && TLS_PORTS.contains(first) => {
            Some(first.to_string())
        }
        PortMatcher::Name { name, .. } if name.split('-').any(|word| matches!(word, "https" | "tls")) => {
            Some(name.clone())
        }
        _ => None,
    }
}
