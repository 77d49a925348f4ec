//! HTTP: a connection, with TLS or without, a request, and the whole response.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::progress::{AttemptProgress, StageResult, StageRoute};
use super::{tcp, tls};
use crate::failure;
use verdikt_wire::{ATTEMPT_HEADER, StageTransport, WireOutcome, WireStage, WireTarget};

/// The default ports without and with TLS, which a `Host` header leaves out.
const USUAL_PORT: u16 = 80;
const USUAL_PORT_OF_TLS: u16 = 443;

impl StageResult for StatusCode {
    fn outcome(&self) -> WireOutcome {
        WireOutcome::HttpStatus(self.as_u16())
    }
}

/// Connects, sends the request and reads the whole response.
pub(crate) async fn make(
    progress: &mut AttemptProgress,
    remote: SocketAddr,
    request: Request<Empty<Bytes>>,
    tls: Option<tls::TlsClient>,
) -> Result<WireOutcome, WireOutcome> {
    let tcp::TcpConnection { stream, local } = tcp::connect(progress, remote).await?;
    let over = StageRoute { stage: WireStage::Request, transport: StageTransport::Tcp, local, remote };
    let exchanging = async {
        match tls {
            None => exchange(stream, request).await,
            // Boxed, because it needs some twenty kilobytes, which other attempts should not occupy.
            Some(client) => Box::pin(async { exchange(client.begin(stream).await?, request).await }).await,
        }
    };
    let status = progress.stage(over, exchanging).await?;
    Ok(status.outcome())
}

/// Builds the request of an attempt; `host` is the `Host` header unless the headers have one.
///
/// Errors: [`WireOutcome::NotAttempted`] if a part is not valid in a request.
pub(crate) fn request(
    attempt: u64,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(String, String)],
) -> Result<Request<Empty<Bytes>>, WireOutcome> {
    let cannot =
        |what: &str, text: &str| WireOutcome::NotAttempted(format!("{text:?} cannot be {what} of a request"));
    let mut request = Request::new(Empty::new());
    *request.method_mut() =
        Method::from_bytes(method.as_bytes()).map_err(|_| cannot("the method", method))?;
    *request.uri_mut() = Some(path)
        .filter(|path| path.starts_with('/'))
        .and_then(|path| path.parse::<Uri>().ok())
        .ok_or_else(|| cannot("the path", path))?;
    for (name, value) in headers {
        let key =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| cannot("the name of a header", name))?;
        let value = HeaderValue::from_str(value).map_err(|_| cannot("the value of a header", value))?;
        request.headers_mut().append(key, value);
    }
    if !request.headers().contains_key(HOST) {
        let value = HeaderValue::from_str(host).map_err(|_| cannot("the host", host))?;
        request.headers_mut().insert(HOST, value);
    }
    request.headers_mut().insert(ATTEMPT_HEADER, attempt.into());
    Ok(request)
}

/// The value of the `Host` header. <https://www.rfc-editor.org/rfc/rfc9110#name-host-and-authority>
pub(crate) fn host(target: &WireTarget, port: u16, tls: bool) -> String {
    let host = match target {
        WireTarget::Address(IpAddr::V4(address)) => address.to_string(),
        WireTarget::Address(IpAddr::V6(address)) => format!("[{address}]"),
        WireTarget::Name(name) | WireTarget::NameOverFamily { name, .. } => {
            name.strip_suffix('.').unwrap_or(name).to_owned()
        }
    };
    let usual = if tls { USUAL_PORT_OF_TLS } else { USUAL_PORT };
    if port == usual { host } else { format!("{host}:{port}") }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, WireOutcome> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let mut connection = pin!(connection);
    let mut answered = pin!(async {
        let mut answer = sender.send_request(request).await?;
        while let Some(frame) = answer.frame().await {
            frame?;
        }
        Ok(answer.status())
    });
    let answered = tokio::select! {
        biased;
        answered = &mut answered => answered,
        // A closed connection has delivered all that it received.
        _ = &mut connection => answered.await,
    };
    answered.map_err(|error| failed(&error))
}

/// The outcome of a request without a response, or with an incomplete one.
fn failed(error: &hyper::Error) -> WireOutcome {
    if error.is_incomplete_message() {
        return WireOutcome::Garbled("the connection was closed before the response was complete".to_owned());
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(known) = cause {
        match known.downcast_ref::<io::Error>() {
            Some(error) if error.raw_os_error().is_some() => return failure::outcome(error),
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return WireOutcome::Garbled(
                    "the connection was closed in the middle of the response".to_owned(),
                );
            }
            Some(error) if tls::reason(error).is_some() => return tls::failed(error),
            _ => cause = known.source(),
        }
    }
    WireOutcome::Garbled(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_its_port_but_the_usual_one() {
        let check = |port: u16, tls: bool, wanted: &str| {
            let target = WireTarget::Name("api.test.".to_owned());
            assert_eq!(host(&target, port, tls), wanted, "{port}, TLS: {tls}");
        };
        check(80, false, "api.test");
        check(443, false, "api.test:443");
        check(443, true, "api.test");
        check(80, true, "api.test:80");
    }
}
