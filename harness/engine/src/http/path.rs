//! Request targets as the proxy normalizes them before it decides, so that `/open/../secret` is not taken for open.
//!
//! Cilium's proxy removes dot segments, merges slashes and gives every character one form, unless it is configured
//! otherwise (`http-normalize-path`). It redirects a client with escaped slashes to the plain form of its path:
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge>. The canonical form is that of
//! Chromium's URLs: <https://url.spec.whatwg.org/#path-state>.

use std::borrow::Cow;

/// What the proxy does with the target of a request before it evaluates any rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// It decides about this target.
    Judged(JudgedTarget<'a>),
    /// It answers with a redirect (307) to this path, whatever the rules say.
    Redirected(String),
    /// It answers with 400, whatever the rules say.
    Rejected,
    /// The engine does not know: completes "does not know …".
    Unknown(&'static str),
}

/// A target as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedTarget<'a> {
    /// The path with its query.
    pub path: Cow<'a, str>,
    /// The path as those releases of the proxy see it that treat `..;x` as a dot segment, if that differs.
    pub without_parameters: Option<String>,
    /// The authority, if the target has one. It overrides the header `Host`.
    pub authority: Option<&'a str>,
}

/// Why a path has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathFault {
    Rejected,
    Unknown,
}

/// Reads a target in the form that it has in the first line of a request.
pub fn read_target(target: &str) -> RequestTarget<'_> {
    let (authority, origin) = split_authority(target);
    if origin.contains('#') || !origin.starts_with('/') {
        return RequestTarget::Rejected;
    }
    let (path, query) = origin.split_at(origin.find('?').unwrap_or(origin.len()));
    let unescaped = unescape_slashes(path);
    let canonical = match canonical(&unescaped) {
        Ok(canonical) => canonical,
        Err(PathFault::Rejected) => return RequestTarget::Rejected,
        Err(PathFault::Unknown) => return RequestTarget::Unknown("how the HTTP proxy writes such a path"),
    };
    let plain = format!("{}{query}", merged(&canonical, |segment| segment));
    if matches!(unescaped, Cow::Owned(_)) {
        return RequestTarget::Redirected(plain);
    }
    let other = format!("{}{query}", merged(&canonical, without_parameters));
    let path = if plain == origin { Cow::Borrowed(origin) } else { Cow::Owned(plain) };
    let without_parameters = (other != path).then_some(other);
    RequestTarget::Judged(JudgedTarget { path, without_parameters, authority })
}

/// The path with its query, as the proxy decides about it and forwards it. The error says what is not known about it.
pub fn normalize(target: &str) -> Result<Cow<'_, str>, &'static str> {
    match read_target(target) {
        RequestTarget::Judged(judged) => Ok(judged.path),
        RequestTarget::Redirected(_) => {
            Err("what a policy says of a request that the HTTP proxy redirects before any rule")
        }
        RequestTarget::Rejected => {
            Err("what a policy says of a request that the HTTP proxy rejects before any rule")
        }
        RequestTarget::Unknown(gap) => Err(gap),
    }
}

/// The authority of a target in absolute form, and the rest of it.
/// <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>
fn split_authority(target: &str) -> (Option<&str>, &str) {
    let Some(rest) = target.strip_prefix("http://") else { return (None, target) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (Some(authority), if path.is_empty() { "/" } else { path })
}

/// The path with its escaped slashes unescaped; borrowed if there are none.
fn unescape_slashes(path: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (slash, length) = match rest.get(at + 1..at + 3) {
            Some("2f" | "2F") => ("/", 3),
            Some("5c" | "5C") => ("\\", 3),
            _ => ("%", 1),
        };
        plain.push_str(&rest[..at]);
        plain.push_str(slash);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    if plain == path { Cow::Borrowed(path) } else { Cow::Owned(plain) }
}

/// The path with every character in its canonical form; dot segments and slashes stay.
fn canonical(path: &str) -> Result<Cow<'_, str>, PathFault> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@[]".contains(&c);
    if path.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(path));
    }
    let mut written = String::with_capacity(path.len());
    let bytes = path.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        index += 1;
        match byte {
            b'%' => {
                let digits = path.get(index..index + 2).filter(|d| d.bytes().all(|c| c.is_ascii_hexdigit()));
                let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                match escaped {
                    Some(0) => return Err(PathFault::Rejected),
                    // A character that needs no escape loses it; a percent sign that starts no escape stays.
                    Some(c) if c.is_ascii_alphanumeric() || b"-._~".contains(&c) => {
                        written.push(char::from(c));
                        index += 2;
                    }
                    _ => written.push('%'),
                }
            }
            b'\\' => written.push('/'),
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' => written.extend(["%", &format!("{byte:02X}")]),
            _ if is_plain(byte) => written.push(char::from(byte)),
            _ => return Err(PathFault::Unknown),
        }
    }
    Ok(Cow::Owned(written))
}

/// The path without dot segments and doubled slashes. `read` tells how a segment is read.
fn merged<'a>(path: &'a str, read: impl Fn(&'a str) -> &'a str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let (mut is_folder, mut ends_in_dots) = (false, false);
    for segment in path[1..].split('/') {
        let read = read(segment);
        ends_in_dots = [".", ".."].contains(&read);
        is_folder = ends_in_dots || read.is_empty();
        match read {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    // A path of slashes only becomes two, as Envoy merges them.
    let slashes = segments.len() + usize::from(ends_in_dots);
    if slashes > 1 && segments.iter().all(|segment| segment.is_empty()) {
        return "//".to_owned();
    }
    // Slashes are merged after dot segments have been removed.
    segments.retain(|segment| !segment.is_empty());
    let end = if is_folder && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// Reads a dot segment with parameters as one without.
fn without_parameters(segment: &str) -> &str {
    let plain = segment.split(';').next().unwrap_or(segment);
    if [".", ".."].contains(&plain) { plain } else { segment }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn check(target: &str, expected: &str) {
        let shown = match read_target(target) {
            RequestTarget::Judged(JudgedTarget { path, without_parameters, authority }) => {
                let authority = authority.map(|authority| format!("{authority} ")).unwrap_or_default();
                let other = without_parameters.map(|other| format!(" or {other}")).unwrap_or_default();
                format!("{authority}{path}{other}")
            }
            RequestTarget::Redirected(path) => format!("redirect {path}"),
            RequestTarget::Rejected => "rejected".to_owned(),
            RequestTarget::Unknown(_) => "unknown".to_owned(),
        };
        assert_eq!(shown, expected, "{target}");
    }

    #[test]
    fn dot_segments_and_slashes_are_resolved() {
        check("/", "/");
        check("/open/1?x=/../y//z%2F", "/open/1?x=/../y//z%2F");
        check("/open/../secret", "/secret");
        check("/open/./a/.", "/open/a/");
        check("/open/a/..", "/open/");
        check("/../../a", "/a");
        check("/a/..", "/");
        check("//open///a//", "/open/a/");
        check("/a//../b", "/a/b");
        check("//", "//");
        check("///", "//");
        check("//a/..", "//");
        check("/a/..//?x", "//?x");
        check("/...", "/...");
        check("/a\\..\\b", "/b");
        check("/x/..;/y", "/x/..;/y or /y");
        check("/x/.;p/y?q", "/x/.;p/y?q or /x/y?q");
    }

    #[test]
    fn characters_have_one_form() {
        check("/a%20b:c@d", "/a%20b:c@d");
        check("/%2e%2E/%6fpen", "/open");
        check("/%7euser", "/~user");
        check("/caf%c3%a9", "/caf%c3%a9");
        check("/%252e", "/%252e");
        check("/{id}", "/%7Bid%7D");
        check("/a%zz%2", "/a%zz%2");
        check("/%23x", "/%23x");
    }

    #[test]
    fn escaped_slashes_redirect() {
        check("/a%2fb?c", "redirect /a/b?c");
        check("/..%2Fpublic", "redirect /public");
        check("/a%5Cb", "redirect /a/b");
        check("/%2F?x", "redirect //?x");
    }

    #[test]
    fn absolute_targets_name_their_authority() {
        check("http://store.test/public", "store.test /public");
        check("http://store.test:80", "store.test:80 /");
    }

    #[rstest]
    #[case::a_star("*")]
    #[case::nothing("")]
    #[case::a_fragment("/a#b")]
    #[case::a_zero_byte("/a%00")]
    #[case::a_fragment_after_the_query("/a?b#c")]
    #[case::no_slash("x")]
    fn what_is_no_path_is_rejected(#[case] target: &str) {
        check(target, "rejected");
    }

    #[rstest]
    #[case::beyond_ascii("/ä")]
    #[case::a_space("/a b")]
    #[case::a_bar("/a|b")]
    #[case::a_caret("/a^b")]
    #[case::a_control_character("/\u{7f}")]
    fn unusual_characters_are_not_guessed(#[case] target: &str) {
        check(target, "unknown");
    }
}
