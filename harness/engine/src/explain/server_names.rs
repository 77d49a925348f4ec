//! What a proxy finds about the beginning of a connection: whether it is TLS, and which server name the client tells.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#tls-server-name-indication-sni>

use verdikt_scenario::prediction::{Finding, Miss};

use crate::decide::{Decision, Match};
use crate::dns::NamePattern;
use crate::model::PolicyModel;
use crate::rule::Proxy;

/// What is not known of a connection on which nobody begins TLS.
pub(crate) const UNSEEN_NAME: &str =
    "which server name a TLS client sends; write `https GET …` for a client that sends one";

/// What is not known where server names and HTTP rules meet at one port.
pub(super) const MIXED: &str = "what HTTP rules and server names make together of a connection";

/// What is not known where nobody reads what a proxy would find inside TLS.
const INSIDE_TLS: &str = "what the client asks inside the TLS that the proxy ends";

/// How a client begins a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello<'a> {
    /// With TLS, and the server name that it tells if it tells one.
    Tls(Option<&'a str>),
    /// With something else.
    Plain,
}

impl PolicyModel<'_> {
    /// What the proxies find about the beginning of a connection: one that the rules for server names let pass goes on to
    /// its server; one that they do not is reset, and TLS cannot be read by HTTP rules.
    pub(crate) fn hello_finding(&self, decision: &Decision<'_>, hello: Hello<'_>) -> Finding {
        let has = |wanted: fn(&Proxy) -> bool| decision.allowed.iter().filter_map(Match::proxy).any(wanted);
        let has_http = has(|proxy| matches!(proxy, Proxy::Http(_)));
        let mut nearest = None;
        for matched in &decision.allowed {
            let unknown =
                |gap: &str| Finding::Unknown { gap: gap.to_owned(), rule: Some(self.rule_of(matched)) };
            let on = match matched.proxy() {
                None if has_http => {
                    return unknown("what the HTTP proxy makes of TLS that a plain rule allows");
                }
                None => return Finding::Allowed { by: vec![self.rule_of(matched)] },
                Some(Proxy::ServerNames(_)) if has_http => return unknown(MIXED),
                Some(Proxy::ServerNames(names)) => match name_missed(hello, names) {
                    None => return Finding::Allowed { by: vec![self.rule_of(matched)] },
                    Some(on) => on,
                },
                Some(Proxy::Http(_)) => "TLS: HTTP rules read plain HTTP alone".to_owned(),
                Some(Proxy::Dns(_)) => return unknown("what the DNS proxy makes of TLS"),
                Some(Proxy::HttpInTls { .. }) => return unknown(INSIDE_TLS),
                Some(Proxy::Unmodelled(what)) => return unknown(what.gap()),
            };
            nearest.get_or_insert_with(|| Miss { rule: self.rule_of(matched), on });
        }
        self.finding_on_miss(decision, nearest)
    }

    /// Whether the proxies of a decision read the beginning of TLS and nothing more.
    pub(crate) fn reads_server_names(decision: &Decision<'_>) -> bool {
        let mut proxies = decision.allowed.iter().filter_map(Match::proxy).peekable();
        proxies.peek().is_some() && proxies.all(|proxy| matches!(proxy, Proxy::ServerNames(_)))
    }
}

/// Why none of the names matches; none if one does.
fn name_missed(hello: Hello<'_>, names: &[NamePattern]) -> Option<String> {
    let listed = || {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(" or ")
    };
    match hello {
        Hello::Tls(Some(name)) if names.iter().any(|pattern| pattern.matches(name)) => None,
        Hello::Tls(Some(name)) => Some(format!("server name: {name} does not match {}", listed())),
        Hello::Tls(None) => Some(format!("server name: the client tells none, and {} is wanted", listed())),
        Hello::Plain => Some("TLS: the client does not speak it".to_owned()),
    }
}
