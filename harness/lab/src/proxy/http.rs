//! The HTTP proxy: answers 403 to what no rule allows, request by request.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#http>

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self as client, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use verdikt_engine::ruling::RequestHead;

use super::judge::{Judge, Judgement};
use super::upstream;
use crate::redirect::Redirect;

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

type Body = BoxBody<Bytes, hyper::Error>;

/// The connection to the server: begun with the client's, so that the server's policy meets it at once.
struct Server {
    sender: Mutex<Option<SendRequest<Incoming>>>,
    connected: watch::Receiver<bool>,
}

/// Serves one client's connection.
pub(super) async fn connection(client: TcpStream, redirect: Arc<Redirect>, judge: Arc<Judge>) {
    let (told, connected) = watch::channel(false);
    let server = Arc::new(Server { sender: Mutex::new(None), connected });
    let connecting = tokio::spawn(connect(Arc::clone(&redirect), Arc::clone(&server), told));
    let service = service_fn(|request| {
        let (redirect, judge, server) = (Arc::clone(&redirect), Arc::clone(&judge), Arc::clone(&server));
        async move { Ok::<_, Infallible>(serve(request, &redirect, &judge, &server).await) }
    });
    let serving = server::Builder::new()
        .preserve_header_case(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades();
    // What is no request is answered with 400; the client may close or reset whenever it likes.
    let _ = serving.await;
    connecting.abort();
}

/// Connects to the server and carries the connection until it ends.
async fn connect(redirect: Arc<Redirect>, server: Arc<Server>, told: watch::Sender<bool>) {
    // When this returns without success, whoever waits for the connection sees that nobody tells of it any more.
    let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, upstream(&redirect)).await else { return };
    let mut builder = client::Builder::new();
    builder.preserve_header_case(true);
    let Ok((sender, carried)) = builder.handshake(TokioIo::new(stream)).await else { return };
    *server.sender.lock().await = Some(sender);
    told.send_replace(true);
    // The server may close or reset whenever it likes.
    let _ = carried.with_upgrades().await;
}

async fn serve(
    request: Request<Incoming>,
    redirect: &Redirect,
    judge: &Judge,
    server: &Server,
) -> Response<Body> {
    match judged(&request, redirect, judge) {
        Judgement::Passes => match forward(request, server).await {
            Some(response) => response,
            None => own(StatusCode::SERVICE_UNAVAILABLE, "the server cannot be reached\r\n"),
        },
        Judgement::Refused => own(StatusCode::FORBIDDEN, "Access denied\r\n"),
        Judgement::NotModelled(_) => {
            own(StatusCode::NOT_IMPLEMENTED, "what a policy says of this request is not modelled\r\n")
        }
    }
}

fn judged(request: &Request<Incoming>, redirect: &Redirect, judge: &Judge) -> Judgement {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let host = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let uri = request.uri();
    let head = RequestHead {
        method: request.method().as_str(),
        path: uri.path_and_query().map_or("", |path| path.as_str()),
        // An absolute target outweighs the header: <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>
        authority: uri.authority().map(hyper::http::uri::Authority::as_str).or_else(host),
        headers: &headers,
    };
    judge.request(redirect, &head)
}

/// Sends a request on; none if the server cannot be reached.
async fn forward(mut request: Request<Incoming>, server: &Server) -> Option<Response<Body>> {
    let mut connected = server.connected.clone();
    connected.wait_for(|connected| *connected).await.ok()?;
    let upgrading = hyper::upgrade::on(&mut request);
    let mut sender = server.sender.lock().await;
    let sender = sender.as_mut()?;
    sender.ready().await.ok()?;
    let mut response = sender.send_request(request).await.ok()?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let switched = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(client), Ok(server)) = tokio::join!(upgrading, switched) {
                // Either side may close or reset whenever it likes.
                let _ =
                    tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            }
        });
    }
    Some(response.map(BodyExt::boxed))
}

/// An answer of the proxy itself.
fn own(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
