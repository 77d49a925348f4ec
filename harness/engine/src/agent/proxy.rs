//! The rules for proxies at a list of ports: HTTP rules, DNS rules, TLS server names.

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::topology::Protocol;

use super::{ParseContext, list, refusal, refusal_of, text};
use crate::behaviour::LONGEST_NAME;
use crate::dns::NamePattern;
use crate::http::{HeaderRule, HttpRule, Pattern, PatternError};
use crate::refusal::{Refusal, RefusalKind};
use crate::rule::{Direction, PortMatcher, Proxy, TlsSecrets, Unmodelled};

/// Reads the keys beside `ports` in an element of `toPorts`; none for plain ports.
pub(super) fn proxy(
    node: &YamlNode,
    direction: Direction,
    ports: &[PortMatcher],
    context: &ParseContext<'_>,
) -> Result<Option<Proxy>, Refusal> {
    let rules = node.get("rules");
    let kind = |key: &str| rules.and_then(|rules| rules.get(key)).filter(|kind| !kind.elements().is_empty());
    let (http, dns) = (kind("http"), kind("dns"));
    let other = kind("kafka").or(kind("l7"));
    if [http, dns, other].iter().flatten().count() > 1 {
        return Err(refusal(node, "multiple L7 protocol rule types specified in single rule"));
    }
    let names = list(node, "serverNames")?.unwrap_or_default();
    if let Some(empty) = names.iter().find(|name| name.text().is_none_or(str::is_empty)) {
        return Err(refusal(empty, "empty server name is not allowed"));
    }
    if !names.is_empty() && http.is_some() && node.get("terminatingTLS").is_none() {
        return Err(refusal(node, "serverNames are not allowed with L7 rules without TLS termination"));
    }
    let listener = node.get("listener").is_some();
    if listener && direction == Direction::Ingress {
        return Err(refusal(node, "listener is not allowed on ingress"));
    }
    if listener && [http, dns, other].iter().any(Option::is_some) {
        return Err(refusal(node, "listener is not allowed with L7 rules"));
    }
    if let Some(rules) = [http, dns, other].into_iter().flatten().next() {
        if !context.settings.l7_proxy {
            return Err(refusal(rules, "L7 policy is not supported since L7 proxy is not enabled"));
        }
        let kind = if dns.is_some() { ProxyRuleKind::Dns } else { ProxyRuleKind::Other };
        check_ports(rules, kind, direction, ports, context)?;
    }
    let http =
        http.map(|node| node.elements().iter().map(http_rule).collect::<Result<_, _>>()).transpose()?;
    let dns = dns
        .map(|node| node.elements().iter().map(|n| name(n, context)).collect::<Result<_, _>>())
        .transpose()?;
    let tls = ["terminatingTLS", "originatingTLS"].iter().any(|key| node.get(key).is_some());
    Ok(match (http, dns) {
        (Some(rules), _) if tls => Some(in_tls(node, rules, context)?),
        _ if tls => Some(Proxy::Unmodelled(Unmodelled::InsideTls)),
        (Some(rules), _) => Some(Proxy::Http(rules)),
        (_, Some(patterns)) => Some(Proxy::Dns(patterns)),
        _ if kind("kafka").is_some() => Some(Proxy::Unmodelled(Unmodelled::Kafka)),
        _ if other.is_some() => Some(Proxy::Unmodelled(Unmodelled::GenericL7)),
        _ if !names.is_empty() => {
            let names = names.iter().filter_map(YamlNode::text);
            Some(Proxy::ServerNames(names.map(|name| NamePattern::server(name, context.behaviour)).collect()))
        }
        _ if listener => Some(Proxy::Unmodelled(Unmodelled::Listener)),
        _ => None,
    })
}

/// HTTP rules at a port where the proxy terminates TLS, with secrets that the cluster has.
fn in_tls(node: &YamlNode, rules: Vec<HttpRule>, context: &ParseContext<'_>) -> Result<Proxy, Refusal> {
    let secret = |key: &str| -> Result<Option<NamespacedName>, Refusal> {
        let secret = node.get(key).and_then(|tls| tls.get("secret"));
        let of_secret = |key: &str| secret.map_or(Ok(None), |secret| text(secret, key));
        let (namespace, name) = (of_secret("namespace")?.unwrap_or("default"), of_secret("name")?);
        Ok(name.and_then(|name| context.surroundings.secret(namespace, name)))
    };
    let (certificate, authorities) = (secret("terminatingTLS")?, secret("originatingTLS")?);
    let is_known = authorities.is_some() || node.get("originatingTLS").is_none();
    let secrets = certificate.filter(|_| is_known).map(|certificate| TlsSecrets { certificate, authorities });
    Ok(match secrets {
        None => Proxy::Unmodelled(Unmodelled::UnknownSecret),
        Some(secrets) if !context.surroundings.are_complete(&secrets) => {
            Proxy::Unmodelled(Unmodelled::IncompleteSecret)
        }
        Some(secrets) => Proxy::HttpInTls { rules, secrets },
    })
}

/// The kind of proxy rules, as far as the agent restricts their ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProxyRuleKind {
    Dns,
    Other,
}

fn check_ports(
    rules: &YamlNode,
    kind: ProxyRuleKind,
    direction: Direction,
    ports: &[PortMatcher],
    context: &ParseContext<'_>,
) -> Result<(), Refusal> {
    let dns = kind == ProxyRuleKind::Dns;
    if dns && direction == Direction::Ingress {
        return Err(refusal(rules, "L7 protocol DNS is not supported on ingress yet"));
    }
    if dns && ports.is_empty() {
        return Err(refusal(rules, "port 53 must be specified for DNS rules"));
    }
    for port in ports {
        // The end of a named port counts only for DNS.
        let (protocol, range) = match port {
            PortMatcher::Range { first: 0, .. } => {
                return Err(refusal(rules, "L7 rules can not be used when a port is 0"));
            }
            PortMatcher::Range { protocol, first, last } => (protocol, first < last),
            PortMatcher::Name { protocol, end_port, .. } => (protocol, dns && end_port.is_some()),
            PortMatcher::Icmp { .. } => continue,
        };
        if range && dns {
            return Err(refusal(rules, "DNS rules do not support port ranges"));
        }
        if range && !context.behaviour.http_with_port_range {
            return Err(refusal(rules, "L7 rules do not support port ranges"));
        }
        if !dns && *protocol != Some(Protocol::Tcp) {
            let protocol = protocol.map_or_else(|| "ANY".to_owned(), |p| p.to_string().to_uppercase());
            let message = format!("L7 rules can only apply to TCP (not {protocol}) except for DNS rules");
            return Err(refusal_of(RefusalKind::L7WithoutTcp, rules, message));
        }
    }
    Ok(())
}

fn http_rule(node: &YamlNode) -> Result<HttpRule, Refusal> {
    let pattern = |key: &str| -> Result<Option<Result<Pattern, PatternError>>, Refusal> {
        Ok(text(node, key)?.filter(|text| !text.is_empty()).map(Pattern::new))
    };
    let mut rule = HttpRule::default();
    for key in ["method", "path", "host"] {
        let compiled = match pattern(key)? {
            None => continue,
            Some(Ok(compiled)) => compiled,
            Some(Err(PatternError::Refused(message))) if key != "host" => {
                return Err(refusal(node.get(key).unwrap_or(node), message));
            }
            // The agent does not check the host; the proxy refuses a pattern that does not compile.
            Some(Err(PatternError::Refused(_))) => {
                rule.unknown = Some("what the proxy does with a host that is not a regular expression");
                continue;
            }
            Some(Err(PatternError::Unknown)) => {
                rule.unknown = Some("how the proxy reads an unusual regular expression");
                continue;
            }
        };
        match key {
            "method" => rule.method = Some(compiled),
            "path" => rule.path = Some(compiled),
            _ => rule.host = Some(compiled),
        }
    }
    for header in list(node, "headers")?.unwrap_or_default() {
        rule.headers.push(HeaderRule::parse(super::element_text(header, "headers")?));
    }
    for header in list(node, "headerMatches")?.unwrap_or_default() {
        let name = text(header, "name")?.unwrap_or_default().to_owned();
        match text(header, "mismatch")? {
            None | Some("") if header.get("secret").is_some() => {
                rule.unknown = Some("the secret a header is compared with");
            }
            None | Some("") => {
                let value = text(header, "value")?.filter(|value| !value.is_empty()).map(str::to_owned);
                rule.headers.push(HeaderRule { name, value });
            }
            // These fields only change or log the request.
            Some("LOG" | "ADD" | "DELETE" | "REPLACE") => {}
            Some(other) => return Err(refusal(header, format!("invalid mismatch action {other:?}"))),
        }
    }
    Ok(rule)
}

/// An element of `toFQDNs` or of DNS rules.
pub(super) fn name(node: &YamlNode, context: &ParseContext<'_>) -> Result<NamePattern, Refusal> {
    let (name, pattern) = (text(node, "matchName")?, text(node, "matchPattern")?);
    let check = |text: &str, stars: bool| {
        let legal = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c) || stars && c == b'*';
        if !text.bytes().all(legal) {
            let kind = if stars { "matchPattern" } else { "matchName" };
            return Err(refusal(node, format!("invalid characters in {kind}: {text:?}")));
        }
        if context.behaviour.limits_name_length && text.len() > LONGEST_NAME {
            return Err(refusal(
                node,
                format!("a name or pattern can have at most {LONGEST_NAME} characters"),
            ));
        }
        Ok(())
    };
    match (name.filter(|name| !name.is_empty()), pattern.filter(|pattern| !pattern.is_empty())) {
        (Some(_), Some(_)) => {
            Err(refusal(node, "only one of MatchName or MatchPattern is allowed in an FQDNSelector"))
        }
        (Some(name), None) => check(name, false).map(|()| NamePattern::exact(name)),
        (None, Some(pattern)) => {
            check(pattern.trim(), true).map(|()| NamePattern::pattern(pattern, context.behaviour))
        }
        // Neither matches only the root name.
        (None, None) => Ok(NamePattern::exact("")),
    }
}
