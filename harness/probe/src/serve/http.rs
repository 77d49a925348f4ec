//! HTTP/1.1 with keep-alive, over TLS or not: 200 for every request.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::{Arrivals, Server, StartedServer, connections, tls};
use crate::socket::{self, HomeAddress};
use verdikt_wire::{ATTEMPT_HEADER, StageTransport, WireCertificate};

/// Starts a server that reports each connection when it is accepted, and each request when its head has arrived.
pub(super) fn start(home: HomeAddress, port: u16, arrivals: Arrivals) -> StartedServer {
    let listener = socket::listener(home, port)?;
    let port = listener.local_addr()?.port();
    let (fences, asked) = mpsc::unbounded_channel();
    let serving = connections::accept(listener, asked, move |stream, peer| {
        // A connection without a request is an arrival too.
        arrivals.tell(StageTransport::Tcp, peer, None);
        serve(stream, peer, arrivals.clone())
    });
    Ok(Server::accepting(port, tokio::spawn(serving), fences))
}

/// The same over TLS.
pub(super) fn start_over_tls(
    home: HomeAddress,
    port: u16,
    shown: &WireCertificate,
    arrivals: Arrivals,
) -> StartedServer {
    let acceptor = tls::acceptor(shown)?;
    let listener = socket::listener(home, port)?;
    let port = listener.local_addr()?.port();
    let (fences, asked) = mpsc::unbounded_channel();
    let serving = connections::accept(listener, asked, move |stream, peer| {
        arrivals.tell(StageTransport::Tcp, peer, None);
        let (accepting, arrivals) = (acceptor.accept(stream), arrivals.clone());
        async move {
            // Other data than TLS is answered with an alert.
            if let Ok(stream) = accepting.await {
                serve(stream, peer, arrivals).await;
            }
        }
    });
    Ok(Server::accepting(port, tokio::spawn(serving), fences))
}

/// Serves a connection to its end.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr, arrivals: Arrivals) {
    let answer = service_fn(|request| {
        arrivals.tell(StageTransport::Tcp, peer, attempt(&request));
        answer(peer, request)
    });
    // A half-closed connection is answered too, and other data than a request is answered with 400. The client may close
    // or reset at any time.
    let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), answer).await;
}

fn attempt(request: &Request<Incoming>) -> Option<u64> {
    request.headers().get(ATTEMPT_HEADER)?.to_str().ok()?.parse().ok()
}

/// Answers when the whole request has arrived, so that the next one of the connection can be read.
async fn answer(peer: SocketAddr, mut request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    while let Some(frame) = request.frame().await {
        frame?;
    }
    let text = format!("peer: {peer}\nmethod: {}\npath: {}\n", request.method(), request.uri());
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
