//! The decision of a proxy about the start of a connection: whether it is TLS, and with which server name.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#tls-server-name-indication-sni>

use verdikt_scenario::prediction::{Decision, Miss};

use crate::decide::{Match, Matches};
use crate::dns::NamePattern;
use crate::model::PolicyModel;
use crate::rule::Proxy;

/// The gap for a connection without a TLS handshake.
pub(crate) const UNSEEN_NAME: &str =
    "which server name a TLS client sends; write `https GET …` for a client that sends one";

/// The gap where server names and HTTP rules apply to the same port.
pub(super) const MIXED: &str = "what HTTP rules and server names together do with a connection";

/// The gap where a proxy would read the inside of TLS.
const INSIDE_TLS: &str = "what the client requests inside the TLS that the proxy terminates";

/// The start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHello<'a> {
    /// A TLS handshake, with its server name if it has one.
    Tls(Option<&'a str>),
    /// Anything else.
    Plain,
}

impl PolicyModel<'_> {
    /// The decision of the proxies about the start of a connection. If the rules for server names allow it, it goes
    /// on to its server; otherwise it is reset. HTTP rules cannot read TLS.
    pub(crate) fn hello_decision(&self, matches: &Matches<'_>, hello: ClientHello<'_>) -> Decision {
        let has = |wanted: fn(&Proxy) -> bool| matches.allowed.iter().filter_map(Match::proxy).any(wanted);
        let has_http = has(|proxy| matches!(proxy, Proxy::Http(_)));
        let mut nearest = None;
        for matched in &matches.allowed {
            let unknown =
                |gap: &str| Decision::Unknown { gap: gap.to_owned(), rule: Some(self.rule_of(matched)) };
            let on = match matched.proxy() {
                None if has_http => {
                    return unknown("what the HTTP proxy does with TLS that a plain rule allows");
                }
                None => return Decision::Allowed { by: vec![self.rule_of(matched)] },
                Some(Proxy::ServerNames(_)) if has_http => return unknown(MIXED),
                Some(Proxy::ServerNames(names)) => match name_missed(hello, names) {
                    None => return Decision::Allowed { by: vec![self.rule_of(matched)] },
                    Some(on) => on,
                },
                Some(Proxy::Http(_)) => "TLS: HTTP rules read only plain HTTP".to_owned(),
                Some(Proxy::Dns(_)) => return unknown("what the DNS proxy does with TLS"),
                Some(Proxy::HttpInTls { .. }) => return unknown(INSIDE_TLS),
                Some(Proxy::Unmodelled(what)) => return unknown(what.gap()),
            };
            nearest.get_or_insert_with(|| Miss { rule: self.rule_of(matched), on });
        }
        self.decision_on_miss(matches, nearest)
    }

    /// Whether the matching proxies read only the start of TLS.
    pub(crate) fn reads_server_names(matches: &Matches<'_>) -> bool {
        let mut proxies = matches.allowed.iter().filter_map(Match::proxy).peekable();
        proxies.peek().is_some() && proxies.all(|proxy| matches!(proxy, Proxy::ServerNames(_)))
    }
}

/// Why none of the names matches; none if one does.
fn name_missed(hello: ClientHello<'_>, names: &[NamePattern]) -> Option<String> {
    let listed = || {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(" or ")
    };
    match hello {
        ClientHello::Tls(Some(name)) if names.iter().any(|pattern| pattern.matches(name)) => None,
        ClientHello::Tls(Some(name)) => Some(format!("server name: {name} does not match {}", listed())),
        ClientHello::Tls(None) => {
            Some(format!("server name: the client sends none, and {} is wanted", listed()))
        }
        ClientHello::Plain => Some("TLS: the client does not speak it".to_owned()),
    }
}
