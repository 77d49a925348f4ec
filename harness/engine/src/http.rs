//! HTTP rules, and which requests they allow.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#http>

mod path;
mod re2;

use std::fmt;

use regex::Regex;

pub use path::{JudgedTarget, RequestTarget, normalize, read_target};

/// One HTTP rule: every field it has must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRule {
    /// The method.
    pub method: Option<Pattern>,
    /// The path with its query.
    pub path: Option<Pattern>,
    /// The authority: the host, with its port if the client sends it.
    pub host: Option<Pattern>,
    /// Headers that must be present.
    pub headers: Vec<HeaderRule>,
    /// A field that the engine does not model.
    pub unknown: Option<&'static str>,
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = |pattern: &Option<Pattern>| pattern.as_ref().map_or("*", Pattern::as_str).to_owned();
        write!(f, "{} {}", pattern(&self.method), pattern(&self.path))?;
        self.host.as_ref().map_or(Ok(()), |host| write!(f, " Host={}", host.as_str()))?;
        self.headers.iter().try_for_each(|header| match &header.value {
            Some(value) => write!(f, " {}={value}", header.name),
            None => write!(f, " {}", header.name),
        })
    }
}

/// A header that must be present, with a value if one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// The name; its case does not matter.
    pub name: String,
    /// The exact value.
    pub value: Option<String>,
}

/// A regular expression that must match the whole text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// None if the text contains no special characters.
    regex: Option<Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why a pattern cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is not a regular expression; the message is that of the agent.
    Refused(String),
    /// It is not known how the proxy reads it.
    Unknown,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let literal = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"/-_~=&%,:;@ ".contains(&c));
        if literal {
            return Ok(Self { text: text.to_owned(), regex: None });
        }
        let translated = re2::translate(text).map_err(|error| PatternError::Refused(error.to_string()))?;
        let regex = Regex::new(&format!("^(?:{translated})$")).map_err(|_| PatternError::Unknown)?;
        Ok(Self { text: text.to_owned(), regex: Some(regex) })
    }

    /// Whether it matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.as_ref().map_or_else(|| self.text == text, |regex| regex.is_match(text))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The request of a client.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// The authority; none if it is an address that is not known before the run.
    pub authority: Option<&'a str>,
    /// The headers.
    pub headers: &'a [(String, String)],
}

/// How a rule sees repeated headers. Releases of the proxy differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatedHeaders {
    /// As one value, joined by commas.
    Joined,
    /// Each on its own: one match is enough.
    Each,
}

/// One way in which a release of the proxy may read a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestReading<'a> {
    pub(crate) request: RequestHead<'a>,
    pub(crate) repeated: RepeatedHeaders,
}

impl<'a> RequestReading<'a> {
    /// Every way in which a request may be read; only one for most requests.
    pub(crate) fn all(request: &RequestHead<'a>, target: &'a JudgedTarget<'a>) -> Vec<Self> {
        let authority = target.authority.or(request.authority);
        let paths = [Some(&*target.path), target.without_parameters.as_deref()];
        let is_repeated = |(index, (name, _)): (usize, &(String, String))| {
            request.headers[..index].iter().any(|(before, _)| before.eq_ignore_ascii_case(name))
        };
        let some_repeat = request.headers.iter().enumerate().any(is_repeated);
        let ways: &[RepeatedHeaders] = if some_repeat {
            &[RepeatedHeaders::Joined, RepeatedHeaders::Each]
        } else {
            &[RepeatedHeaders::Joined]
        };
        let reading =
            |path, repeated| Self { request: RequestHead { path, authority, ..*request }, repeated };
        let paths = paths.into_iter().flatten();
        paths.flat_map(|path| ways.iter().map(move |repeated| reading(path, *repeated))).collect()
    }
}

/// Methods that the proxy accepts; it answers others with 400.
/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#config-core-v3-http1protocoloptions>
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    CONNECT,
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "M-SEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// The method that requests a tunnel. The proxy opens none, so it does not answer such a request as the server would.
/// <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6>
pub(crate) const CONNECT: &str = "CONNECT";

/// The gap for requests for which Cilium configures no proxy, so that they end there whatever the rules say: tunnels,
/// and every upgrade except to WebSocket. An offer of HTTP/2 does not count.
pub(crate) fn unconfigured(request: &RequestHead<'_>) -> Option<String> {
    if request.method == CONNECT {
        return Some("what the HTTP proxy does with CONNECT".to_owned());
    }
    let to = upgrade(request.headers)?;
    let known = ["websocket", "h2c"].iter().any(|known| to.eq_ignore_ascii_case(known));
    (!known).then(|| format!("what the HTTP proxy does with an upgrade to {to}"))
}

/// The protocol to which a client wants to switch. <https://www.rfc-editor.org/rfc/rfc9110#section-7.8>
fn upgrade(headers: &[(String, String)]) -> Option<&str> {
    let values = |wanted: &'static str| {
        let named = headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.trim())
    };
    let mut tokens = values("connection").flat_map(|value| value.split(',')).map(str::trim);
    tokens.any(|token| token.eq_ignore_ascii_case("upgrade")).then(|| values("upgrade").next())?
}

/// What the proxy does with a request before it evaluates any rule.
pub fn read_request<'a>(request: &RequestHead<'a>) -> RequestTarget<'a> {
    match request.method {
        CONNECT => RequestTarget::Judged(JudgedTarget {
            path: request.path.into(),
            without_parameters: None,
            authority: None,
        }),
        method if !METHODS.contains(&method) => RequestTarget::Rejected,
        _ => read_target(request.path),
    }
}

/// Why a rule does not allow a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// Something differs, described as text.
    Differs(String),
    /// The engine does not know, for this reason.
    Unknown(&'static str),
}

/// The gap for a request to an address that is only known in a run.
const UNKNOWN_HOST: &str = "which address the client sends as the host; give the attempt a `Host=…` header";

impl HttpRule {
    /// Whether the rule allows a request in one reading; if not, why.
    pub(crate) fn allows(&self, reading: &RequestReading<'_>) -> Result<(), Mismatch> {
        let request = &reading.request;
        let field = |name: &str, pattern: Option<&Pattern>, value: &str| match pattern {
            Some(pattern) if !pattern.matches(value) => Err(Mismatch::Differs(format!(
                "{name}: {value} does not match `{}` as a whole",
                pattern.as_str()
            ))),
            _ => Ok(()),
        };
        field("method", self.method.as_ref(), request.method)?;
        field("path", self.path.as_ref(), request.path)?;
        for rule in &self.headers {
            rule.allows(reading)?;
        }
        match (request.authority, &self.host) {
            (Some(authority), host) => field("host", host.as_ref(), authority)?,
            (None, Some(_)) => return Err(Mismatch::Unknown(UNKNOWN_HOST)),
            (None, None) => {}
        }
        self.unknown.map_or(Ok(()), |field| Err(Mismatch::Unknown(field)))
    }
}

impl HeaderRule {
    /// Reads an element of `headers`: a name, and after the first space a value.
    pub fn parse(text: &str) -> Self {
        match text.split_once(' ') {
            Some((name, value)) => {
                Self { name: name.trim_end_matches(':').to_owned(), value: Some(value.to_owned()) }
            }
            None => Self { name: text.to_owned(), value: None },
        }
    }

    fn allows(&self, reading: &RequestReading<'_>) -> Result<(), Mismatch> {
        let sent: Vec<&str> = if self.name.eq_ignore_ascii_case("host") {
            vec![reading.request.authority.ok_or(Mismatch::Unknown(UNKNOWN_HOST))?]
        } else {
            let headers = reading.request.headers.iter();
            let named = headers.filter(|(name, _)| name.eq_ignore_ascii_case(&self.name));
            named.map(|(_, value)| value.trim_matches([' ', '\t'])).collect()
        };
        if sent.is_empty() {
            return Err(Mismatch::Differs(format!("header: the request has no {}", self.name)));
        }
        let Some(value) = &self.value else { return Ok(()) };
        let matches = match reading.repeated {
            RepeatedHeaders::Joined => *value == sent.join(","),
            RepeatedHeaders::Each => sent.contains(&value.as_str()),
        };
        if matches {
            return Ok(());
        }
        Err(Mismatch::Differs(format!("header: {} is {}, not {value}", self.name, sent.join(","))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(fields: &[(&str, &str)]) -> HttpRule {
        let mut rule = HttpRule::default();
        for (field, value) in fields {
            let pattern = || Some(Pattern::new(value).unwrap());
            match *field {
                "method" => rule.method = pattern(),
                "path" => rule.path = pattern(),
                "host" => rule.host = pattern(),
                _ => rule.headers.push(HeaderRule::parse(value)),
            }
        }
        rule
    }

    #[test]
    fn requests_against_rules() {
        let check = |fields: &[(&str, &str)], method: &str, path: &str, authority: &str, expected: bool| {
            let headers = [("x-token".to_owned(), "abc".to_owned())];
            let request = RequestHead { method, path, authority: Some(authority), headers: &headers };
            assert_eq!(
                rule(fields).allows(&RequestReading { request, repeated: RepeatedHeaders::Joined }).is_ok(),
                expected,
                "{fields:?} {method} {path} {authority}"
            );
        };
        check(&[("path", "/public")], "GET", "/public", "a", true);
        check(&[("path", "/public")], "GET", "/public/", "a", false);
        check(&[("path", "/public")], "GET", "/public?x=1", "a", false);
        check(&[("path", "/public.*")], "GET", "/public?x=1", "a", true);
        check(&[("method", "get")], "GET", "/", "a", false);
        check(&[("method", "GET|POST")], "POST", "/", "a", true);
        check(&[("host", "a.com")], "GET", "/", "a.com:8080", false);
        check(&[("host", "a.com")], "GET", "/", "axcom", true);
        check(&[("header", "X-Token:abc")], "GET", "/", "a", false);
        check(&[("header", "X-Token: abc")], "GET", "/", "a", true);
        check(&[("header", "X-Token: ABC")], "GET", "/", "a", false);
        check(&[("header", "X-Token")], "GET", "/", "a", true);
        check(&[("path", "/api/v[0-9]+/.*")], "GET", "/api/v1", "a", false);
        check(&[], "PUT", "/anything", "a", true);
    }
}
