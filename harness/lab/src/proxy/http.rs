//! The HTTP proxy: answers 403 to requests that no rule allows.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#http>

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self as client, SendRequest};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::http::uri::PathAndQuery;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::debug;
use verdikt_engine::datapath::RequestHead;
use verdikt_scenario::attempt::Scheme;

use self::head::{make_plain, upgrade};
use super::context::{ProxyAction, ProxyContext};
use super::interception::NextServer;
use super::{interception, tls, upstream};
use crate::redirect::Redirect;

mod head;

/// How long a client may take for the head of a request after the answer before it: as long as Cilium keeps an idle
/// stream.
const HEAD: Duration = Duration::from_mins(5);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take after the client has closed without a request.
const PARTING: Duration = Duration::from_secs(2);

type Body = BoxBody<Bytes, hyper::Error>;

/// The protocol to the server: TLS, or plain HTTP.
enum UpstreamProtocol {
    Known(Option<NextServer>),
    /// It is set before the connection is opened.
    First(oneshot::Receiver<Option<NextServer>>),
    /// It is set while the connection is opened, or later.
    Later(oneshot::Receiver<Option<NextServer>>),
}

impl UpstreamProtocol {
    /// Waits for the protocol if it has to be set first. None if the client has closed before it started.
    async fn before_connecting(self) -> Option<Self> {
        match self {
            Self::First(told) => told.await.ok().map(Self::Known),
            Self::Known(_) | Self::Later(_) => Some(self),
        }
    }

    /// The protocol, once the connection is open. None if the client has closed before it started.
    async fn once_connected(self) -> Option<Option<NextServer>> {
        match self {
            Self::Known(spoken) => Some(spoken),
            Self::First(told) | Self::Later(told) => told.await.ok(),
        }
    }
}

/// The connection to the server. It is opened with the client's, so that the server's policy applies at once; behind
/// the gateway with the first request, which determines the server.
struct UpstreamConnection {
    sender: Mutex<Option<SendRequest<Incoming>>>,
    connected: watch::Receiver<bool>,
    /// Receives the connection when it is open; none if it is opening, or must not be opened.
    pending: Mutex<Option<watch::Sender<bool>>>,
    /// The task that opens and carries it.
    connecting: Mutex<Option<JoinHandle<()>>>,
    /// Whether the TLS handshake with the server has failed and has not been reported.
    is_mistrusted: AtomicBool,
}

impl UpstreamConnection {
    /// Opens the connection, unless it is open.
    async fn begin(self: &Arc<Self>, redirect: &Arc<Redirect>, to: SocketAddr, spoken: UpstreamProtocol) {
        if let Some(told) = self.pending.lock().await.take() {
            let connecting = tokio::spawn(connect(Arc::clone(redirect), to, Arc::clone(self), told, spoken));
            *self.connecting.lock().await = Some(connecting);
        }
    }

    /// Ends the connection in any state.
    async fn end(&self) {
        if let Some(connecting) = self.connecting.lock().await.take() {
            connecting.abort();
        }
    }
}

/// Serves one client's connection.
pub(super) async fn connection(client: TcpStream, redirect: Arc<Redirect>, context: Arc<ProxyContext>) {
    let (told, connected) = watch::channel(false);
    let (pending, connecting) = (Mutex::new(Some(told)), Mutex::new(None));
    let (sender, is_mistrusted) = (Mutex::new(None), AtomicBool::new(false));
    let server = Arc::new(UpstreamConnection { sender, connected, pending, connecting, is_mistrusted });
    let (speak, told) = oneshot::channel();
    let interception = context.tls_interception(&redirect);
    if context.admits(&redirect) && !context.is_gateway(&redirect) {
        // A client that does not trust the certificate of the proxy does not reach the server.
        let spoken = if interception.is_some() {
            UpstreamProtocol::First(told)
        } else {
            UpstreamProtocol::Later(told)
        };
        server.begin(&redirect, redirect.server, spoken).await;
    }
    let begins_tls = matches!(tokio::time::timeout(HEAD, tls::begins(&client)).await, Ok(true));
    match (begins_tls, interception) {
        (false, _) => {
            // An error means that there is no connection to the server.
            let _ = speak.send(None);
            requests(client, Scheme::Http, &redirect, &context, &server).await;
        }
        (true, None) => {
            server.end().await;
            return tls::refuse(client, &redirect, &context).await;
        }
        (true, Some(interception)) => {
            let client = match interception::end(client, &interception.shown).await {
                Ok(client) => client,
                Err(error) => {
                    debug!(%error, "a client stopped the TLS handshake with the HTTP proxy");
                    return server.end().await;
                }
            };
            let name = interception::server_name(&client, &redirect);
            // Here as well.
            let _ = speak.send(interception.trusts.map(|trusts| NextServer { name, trusts }));
            requests(client, Scheme::Https, &redirect, &context, &server).await;
        }
    }
    // A client that connects and sends no request is still subject to the server's policy. An error means that the
    // server cannot or must not be reached.
    drop(server.pending.lock().await.take());
    let mut reached = server.connected.clone();
    let _ = tokio::time::timeout(PARTING, reached.wait_for(|reached| *reached)).await;
    server.end().await;
}

/// Answers the requests of a client.
async fn requests(
    client: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    scheme: Scheme,
    redirect: &Arc<Redirect>,
    context: &Arc<ProxyContext>,
    server: &Arc<UpstreamConnection>,
) {
    let service = service_fn(|request| {
        let (redirect, context, server) = (Arc::clone(redirect), Arc::clone(context), Arc::clone(server));
        async move { Ok::<_, Infallible>(serve(request, scheme, &redirect, &context, &server).await) }
    });
    let serving = server::Builder::new()
        .preserve_header_case(true)
        .auto_date_header(false)
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades();
    // Anything other than a request is answered with 400; the client may close or reset at any time.
    if let Err(error) = serving.await {
        debug!(%error, "a client's connection to the HTTP proxy has ended");
    }
}

/// Connects to the server and carries the connection until it ends.
async fn connect(
    redirect: Arc<Redirect>,
    to: SocketAddr,
    server: Arc<UpstreamConnection>,
    told: watch::Sender<bool>,
    spoken: UpstreamProtocol,
) {
    // If this returns without success, the receiver notices that the sender is gone.
    let Some(spoken) = spoken.before_connecting().await else { return };
    let stream = match tokio::time::timeout(CONNECT, upstream(&redirect, to)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, %to, "the HTTP proxy cannot reach a server"),
        Err(_) => return debug!(%to, "a server did not accept the connection of the HTTP proxy in time"),
    };
    let Some(spoken) = spoken.once_connected().await else { return };
    match spoken {
        None => carry(stream, to, server, told).await,
        Some(next) => match tokio::time::timeout(CONNECT, interception::begin(stream, next)).await {
            Ok(Ok(stream)) => carry(stream, to, server, told).await,
            Ok(Err(error)) => {
                debug!(%error, %to, "the HTTP proxy cannot start TLS with a server");
                server.is_mistrusted.store(true, Ordering::Release);
            }
            Err(_) => debug!(%to, "a server did not complete the TLS handshake with the HTTP proxy in time"),
        },
    }
}

/// Speaks HTTP with the server until the connection ends.
async fn carry(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    to: SocketAddr,
    server: Arc<UpstreamConnection>,
    told: watch::Sender<bool>,
) {
    let mut builder = client::Builder::new();
    builder.preserve_header_case(true);
    let (sender, carried) = match builder.handshake(TokioIo::new(stream)).await {
        Ok(connection) => connection,
        Err(error) => return debug!(%error, %to, "the HTTP proxy cannot speak with a server"),
    };
    *server.sender.lock().await = Some(sender);
    told.send_replace(true);
    // The server may close or reset at any time.
    if let Err(error) = carried.with_upgrades().await {
        debug!(%error, %to, "the connection of the HTTP proxy to a server has ended");
    }
}

async fn serve(
    mut request: Request<Incoming>,
    scheme: Scheme,
    redirect: &Arc<Redirect>,
    context: &ProxyContext,
    server: &Arc<UpstreamConnection>,
) -> Response<Body> {
    if let Err(reason) = make_plain(&mut request) {
        return last(StatusCode::BAD_REQUEST, reason);
    }
    let is_tunnel = request.method() == Method::CONNECT;
    match decide(&request, scheme, redirect, context) {
        ProxyAction::Passes => {
            if context.is_gateway(redirect) {
                let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
                let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
                let Some(to) = context.route(redirect, host, path) else {
                    return own(StatusCode::NOT_FOUND, "");
                };
                server.begin(redirect, to, UpstreamProtocol::Known(None)).await;
            }
            // This is the only connection to the server.
            let answered = forward(request, server).await;
            if answered.is_none() && server.is_mistrusted.swap(false, Ordering::AcqRel) {
                context.server_is_mistrusted(redirect);
            }
            let unreached = || last(StatusCode::SERVICE_UNAVAILABLE, "the server cannot be reached\r\n");
            answered.unwrap_or_else(unreached)
        }
        ProxyAction::Refused => own(StatusCode::FORBIDDEN, "Access denied\r\n"),
        ProxyAction::Redirected(to) => moved(&to),
        ProxyAction::Rejected => last(StatusCode::BAD_REQUEST, "an invalid request\r\n"),
        // No listener of Cilium is configured for tunnels.
        ProxyAction::NotModelled(_) if is_tunnel => own(StatusCode::NOT_FOUND, ""),
        ProxyAction::NotModelled(_) => {
            own(StatusCode::NOT_IMPLEMENTED, "what a policy says of this request is not modelled\r\n")
        }
    }
}

fn decide(
    request: &Request<Incoming>,
    scheme: Scheme,
    redirect: &Redirect,
    context: &ProxyContext,
) -> ProxyAction {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let head = RequestHead {
        method: request.method().as_str(),
        path: request.uri().path_and_query().map_or("", PathAndQuery::as_str),
        authority: request.headers().get(HOST).and_then(|host| host.to_str().ok()),
        headers: &headers,
    };
    context.request(redirect, &head, scheme)
}

/// Forwards a request; none if the server cannot be reached.
async fn forward(mut request: Request<Incoming>, server: &UpstreamConnection) -> Option<Response<Body>> {
    let mut connected = server.connected.clone();
    // The connecting task ends only with the connection of the client.
    connected.wait_for(|connected| *connected).await.ok()?;
    let wanted = upgrade(request.headers()).is_some();
    let upgrading = hyper::upgrade::on(&mut request);
    let mut sender = server.sender.lock().await;
    let sender = sender.as_mut()?;
    let not_answered = |error: &hyper::Error| debug!(%error, "a server has not answered the HTTP proxy");
    sender.ready().await.inspect_err(not_answered).ok()?;
    let mut response = sender.send_request(request).await.inspect_err(not_answered).ok()?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !wanted {
            return None;
        }
        let switched = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(client), Ok(server)) = tokio::join!(upgrading, switched) {
                // Either side may close or reset at any time.
                let _ =
                    tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            }
        });
    }
    Some(response.map(BodyExt::boxed))
}

/// The last answer of a connection.
fn last(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = own(status, text);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Redirects a client to another path of the same host.
fn moved(to: &str) -> Response<Body> {
    let mut response = own(StatusCode::TEMPORARY_REDIRECT, "");
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// An answer of the proxy itself.
fn own(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
