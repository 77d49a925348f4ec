//! Where a Hubble server is, and how to get there.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream that is being opened.
pub type OpeningStream = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// A server: an agent, or Relay.
#[derive(Clone)]
pub struct FlowServer {
    /// The agent's node, or another name for messages and reports.
    pub name: Arc<str>,
    transport: ServerTransport,
    pub(super) tls: Option<Tls>,
}

#[derive(Clone)]
enum ServerTransport {
    Tcp(Arc<str>),
    Unix(PathBuf),
    Opened { by: Arc<str>, open: Arc<dyn Fn() -> OpeningStream + Send + Sync> },
}

/// What TLS needs. Agents use it by default; the certificates are in the cluster's secrets.
/// <https://docs.cilium.io/en/stable/observability/hubble/configuration/tls/>
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificates, in PEM, of which one must have signed the server's.
    pub authorities: String,
    /// The name the server's certificate must have: `NODE.CLUSTER.hubble-grpc.cilium.io` of an agent, with `-` for
    /// every dot of the node's name.
    pub server_name: String,
    /// The client's own certificate, where the server wants one.
    pub identity: Option<ClientCertificate>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with those between it and the authority, in PEM.
    pub certificate: String,
    /// Its key in PEM.
    pub key: String,
}

impl FlowServer {
    /// At an address: `172.30.0.2:4244`, `hubble-relay.kube-system:80`.
    pub fn tcp(name: &str, address: &str) -> Self {
        Self { name: name.into(), transport: ServerTransport::Tcp(address.into()), tls: None }
    }

    /// At a unix socket: on its node an agent has `/var/run/cilium/hubble.sock`.
    pub fn unix(name: &str, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), transport: ServerTransport::Unix(path.into()), tls: None }
    }

    /// Through streams that the caller opens, one for each connection: a port-forward, a program in the agent's pod. `by`
    /// names it in messages.
    pub fn opened(name: &str, by: &str, open: impl Fn() -> OpeningStream + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            transport: ServerTransport::Opened { by: by.into(), open: Arc::new(open) },
            tls: None,
        }
    }

    /// The same server, spoken to with TLS.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    fn open(&self) -> OpeningStream {
        match &self.transport {
            ServerTransport::Tcp(address) => {
                let address = Arc::clone(address);
                Box::pin(async move {
                    let stream = TcpStream::connect(&*address).await?;
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                })
            }
            ServerTransport::Unix(path) => {
                let path = path.clone();
                Box::pin(async move { connect_to_socket(&path).await })
            }
            ServerTransport::Opened { open, .. } => open(),
        }
    }
}

#[cfg(unix)]
async fn connect_to_socket(path: &Path) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn connect_to_socket(_: &Path) -> io::Result<Box<dyn Stream>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `worker-2 at 172.30.0.2:4244`.
impl fmt::Display for FlowServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            ServerTransport::Tcp(address) => write!(f, "{} at {address}", self.name),
            ServerTransport::Unix(path) => write!(f, "{} at {}", self.name, path.display()),
            ServerTransport::Opened { by, .. } => write!(f, "{} through {by}", self.name),
        }
    }
}

impl fmt::Debug for FlowServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

/// Without the key, which must not appear in messages.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.identity.is_some();
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .field("client", &client)
            .finish_non_exhaustive()
    }
}

/// Opens the source's streams for tonic.
pub(super) struct StreamOpener(pub(super) FlowServer);

impl Service<Uri> for StreamOpener {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let opening = self.0.open();
        Box::pin(async { Ok(TokioIo::new(opening.await?)) })
    }
}
