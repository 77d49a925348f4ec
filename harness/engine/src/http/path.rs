//! Paths as the proxy leaves them before it judges them, so that `/open/../secret` is not taken for open.
//!
//! Cilium's proxy removes dot segments and merges slashes unless it is told otherwise (`http-normalize-path`), and
//! sends a client with escaped slashes elsewhere:
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge>.

use std::borrow::Cow;

/// The path with its query as the proxy judges it and sends it on. The error says what about it is not known.
pub fn normalize(target: &str) -> Result<Cow<'_, str>, &'static str> {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let Some(rest) = path.strip_prefix('/') else { return Ok(Cow::Borrowed(target)) };
    if let Some(gap) = gap(path) {
        return Err(gap);
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut folder = false;
    for segment in rest.split('/') {
        folder = ["", ".", ".."].contains(&segment);
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    // Slashes are merged only now.
    segments.retain(|segment| !segment.is_empty());
    let end = if folder && !segments.is_empty() { "/" } else { "" };
    let normal = format!("/{}{end}{query}", segments.join("/"));
    Ok(if normal == target { Cow::Borrowed(target) } else { Cow::Owned(normal) })
}

/// What the proxy makes of such a path, if that is not known.
fn gap(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let escaped = bytes.get(index + 1..index + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(b'/' | b'\\')) => return Some("where the HTTP proxy sends who escapes a slash"),
            // Other escapes stay as they are.
            (b'%', Some(byte)) if !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) => {}
            (byte, _) if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(byte) => {}
            _ => return Some("how the HTTP proxy writes such a path"),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_the_proxy_leaves_them() {
        let check = |path: &str, expected: Result<&str, &str>| {
            assert_eq!(normalize(path).as_deref(), expected.as_ref().map(|path| *path), "{path}");
        };
        check("/", Ok("/"));
        check("*", Ok("*"));
        check("", Ok(""));
        check("/open/1?x=/../y//z%2F", Ok("/open/1?x=/../y//z%2F"));
        check("/open/../secret", Ok("/secret"));
        check("/open/./a/.", Ok("/open/a/"));
        check("/open/a/..", Ok("/open/"));
        check("/../../a", Ok("/a"));
        check("/a/..", Ok("/"));
        check("//open///a//", Ok("/open/a/"));
        check("/a//../b", Ok("/a/b"));
        check("/...", Ok("/..."));
        check("/a%20b:c@d", Ok("/a%20b:c@d"));
        check("/a%2fb", Err("where the HTTP proxy sends who escapes a slash"));
        check("/a%5Cb", Err("where the HTTP proxy sends who escapes a slash"));
        for path in ["/%2e%2e/a", "/%6fpen", "/a\\b", "/{id}", "/a%zz", "/a%2", "/ä", "/a b"] {
            check(path, Err("how the HTTP proxy writes such a path"));
        }
    }
}
