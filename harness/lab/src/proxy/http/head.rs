//! The heads of requests: one meaning for every server, and no way around the rules.

use std::borrow::Cow;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri, Version};
use verdikt_engine::datapath::normalize;

/// Makes a request unambiguous, so that the decision is about what every server understands. Refuses requests with
/// two meanings.
pub(super) fn make_plain(request: &mut Request<Incoming>) -> Result<(), &'static str> {
    let headers = request.headers();
    let only = |name| headers.get_all(name).iter().nth(1).is_none();
    // <https://www.rfc-editor.org/rfc/rfc9112#section-3.2>
    if !only(HOST) {
        return Err("more than one host\r\n");
    }
    if request.version() == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Err("no host\r\n");
    }
    // Other programs may read this coding differently or ignore it; a length beside a coding does not count:
    // <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>
    let codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !only(TRANSFER_ENCODING) || !codings.into_iter().all(chunked) {
        return Err("an ambiguous length of the body\r\n");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    if let Some(authority) = authority.filter(|_| request.method() != Method::CONNECT) {
        // Only redirecting clients use user information: <https://www.rfc-editor.org/rfc/rfc9110#section-4.2.4>
        let host = HeaderValue::try_from(authority.as_str()).ok().filter(|_| !authority.contains('@'));
        let host = host.ok_or("an invalid host\r\n")?;
        // The target overrides the header, and replaces it: <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>
        request.headers_mut().insert(HOST, host);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    }
    let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    // The server gets the request about which the proxy decided. Paths that servers read differently are not known to
    // the engine.
    if let Ok(Cow::Owned(path)) = normalize(path) {
        *request.uri_mut() = Uri::try_from(path).map_err(|_| "an invalid path\r\n")?;
    }
    if upgrade(request.headers()).is_some_and(|to| to.eq_ignore_ascii_case("h2c")) {
        stay_with_http1(request.headers_mut());
    }
    Ok(())
}

/// The protocol to which a client wants to switch.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<String> {
    let wanted = tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let to = headers.get(UPGRADE).filter(|_| wanted)?;
    Some(String::from_utf8_lossy(to.as_bytes()).trim().to_owned())
}

/// The words of the header `Connection`.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// HTTP/2 would bypass the rules: as in Envoy, the server does not see the offer to switch to it.
fn stay_with_http1(headers: &mut HeaderMap) {
    const SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
    let other =
        |token: &&str| ![UPGRADE, SETTINGS].iter().any(|name| token.eq_ignore_ascii_case(name.as_str()));
    let kept = tokens(headers).filter(other).collect::<Vec<_>>().join(", ");
    headers.remove(UPGRADE);
    headers.remove(SETTINGS);
    headers.remove(CONNECTION);
    if let Some(kept) = HeaderValue::try_from(kept).ok().filter(|kept| !kept.is_empty()) {
        headers.insert(CONNECTION, kept);
    }
}
