//! HTTP: a connection, a request, and the whole answer.

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
use tokio::net::TcpStream;

use super::progress::{Brings, Over, Progress};
use super::tcp;
use crate::failure;
use crate::wire::{ATTEMPT_HEADER, Outcome, Stage, Target, Transport};

/// The port that a `Host` header does not name.
const USUAL_PORT: u16 = 80;

impl Brings for StatusCode {
    fn outcome(&self) -> Outcome {
        Outcome::HttpStatus(self.as_u16())
    }
}

/// Connects, sends the request and reads the whole answer.
pub(crate) async fn make(
    progress: &mut Progress,
    remote: SocketAddr,
    request: Request<Empty<Bytes>>,
) -> Result<Outcome, Outcome> {
    let tcp::Connection { stream, local } = tcp::connect(progress, remote).await?;
    let over = Over { stage: Stage::Request, transport: Transport::Tcp, local, remote };
    let status = progress.stage(over, exchange(stream, request)).await?;
    Ok(status.outcome())
}

/// The request of an attempt.
///
/// Errors: [`Outcome::NotAttempted`], where something cannot stand in a request.
pub(crate) fn request(
    attempt: u64,
    target: &Target,
    port: u16,
    method: &str,
    path: &str,
    headers: &[(String, String)],
) -> Result<Request<Empty<Bytes>>, Outcome> {
    let cannot =
        |what: &str, text: &str| Outcome::NotAttempted(format!("{text:?} cannot be {what} of a request"));
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
        let host = host(target, port);
        let value = HeaderValue::from_str(&host).map_err(|_| cannot("the host", &host))?;
        request.headers_mut().insert(HOST, value);
    }
    request.headers_mut().insert(ATTEMPT_HEADER, attempt.into());
    Ok(request)
}

/// <https://www.rfc-editor.org/rfc/rfc9110#name-host-and-authority>
fn host(target: &Target, port: u16) -> String {
    let host = match target {
        Target::Address(IpAddr::V4(address)) => address.to_string(),
        Target::Address(IpAddr::V6(address)) => format!("[{address}]"),
        Target::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
    };
    if port == USUAL_PORT { host } else { format!("{host}:{port}") }
}

async fn exchange(stream: TcpStream, request: Request<Empty<Bytes>>) -> Result<StatusCode, Outcome> {
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
        // A connection that is over has handed out all it had.
        _ = &mut connection => answered.await,
    };
    answered.map_err(|error| failed(&error))
}

/// What a client has seen where no answer came, or half of one.
fn failed(error: &hyper::Error) -> Outcome {
    if error.is_incomplete_message() {
        return Outcome::Garbled("the connection was closed before the whole answer had come".to_owned());
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(known) = cause {
        match known.downcast_ref::<io::Error>() {
            Some(error) if error.raw_os_error().is_some() => return failure::outcome(error),
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Outcome::Garbled("the connection was closed in the middle of the answer".to_owned());
            }
            _ => cause = known.source(),
        }
    }
    Outcome::Garbled(error.to_string())
}
