//! The proxies that decide about what a packet alone does not show: DNS queries, HTTP requests, and TLS server names.
//!
//! They run in a namespace and a thread of their own. The datapath hands them connections under tokens, see
//! [`crate::redirect`]; their connections to the servers start at the siblings of the tokens.

mod context;
mod dns;
mod http;
mod interception;
mod tls;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tun_rs::SyncDevice;

use crate::losses::LossCause;
use crate::namespace::{NamespaceMaker, NetnsError, NetnsSpec, NetnsStep};
use crate::redirect::{DNS_PORT, HTTP_PORT, PROXY_V4, PROXY_V6, Redirect, TLS_PORT};
pub(crate) use context::ProxyContext;
use tracing::debug;

/// The largest number of open connections of one client to each listener, which limits floods.
const CONNECTIONS: usize = 1024;
/// How long a listener that cannot accept waits for other connections to end.
const PAUSE: Duration = Duration::from_millis(10);

/// The running proxies. Their thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxies {
    #[expect(dead_code, reason = "the proxies live as long as this is held")]
    stop: oneshot::Sender<()>,
}

impl Proxies {
    /// Starts the proxies, and returns the device of their namespace too.
    pub(crate) async fn start(
        maker: &NamespaceMaker,
        context: ProxyContext,
    ) -> Result<(Self, SyncDevice), NetnsError> {
        let wanted = NetnsSpec {
            name: "the proxies".to_owned(),
            addresses: vec![PROXY_V4.into(), PROXY_V6.into()],
            local_prefixes: vec![
                (Ipv4Addr::new(198, 19, 0, 0).into(), 16),
                (Ipv6Addr::new(0xfd98, 19, 0, 0, 0, 0, 0, 0).into(), 64),
            ],
        };
        // Each connection has two sockets. If no more are allowed, fewer connections are served at once.
        let raised = getrlimit(Resource::RLIMIT_NOFILE)
            .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
        if let Err(error) = raised {
            debug!(%error, "the proxies may open no more files");
        }
        let (stop, stopped) = oneshot::channel();
        let (ready, mut listening) = mpsc::unbounded_channel();
        let context = Arc::new(context);
        let making = maker.thread(wanted, move || {
            // IPv4 sockets may have any address with a local route, IPv6 sockets only those of devices. Without IPv6
            // there is no such setting.
            if let Err(error) = std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1") {
                debug!(%error, "the proxies have no IPv6");
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.and_then(|runtime| runtime.block_on(serve(context, &ready, stopped)));
            if let Err(error) = served {
                // They listen until the lab ends.
                let _ = ready.send(Err(error));
            }
        });
        let (device, _) = making.await?;
        let failed =
            |source| NetnsError::Make { name: "the proxies".to_owned(), step: NetnsStep::Listeners, source };
        let ended = || Err(io::Error::other("their thread has ended"));
        listening.recv().await.unwrap_or_else(ended).map_err(failed)?;
        Ok((Self { stop }, device))
    }
}

async fn serve(
    context: Arc<ProxyContext>,
    ready: &mpsc::UnboundedSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    for address in [IpAddr::V4(PROXY_V4), IpAddr::V6(PROXY_V6)] {
        let requests = TcpListener::bind((address, HTTP_PORT)).await?;
        let hellos = TcpListener::bind((address, TLS_PORT)).await?;
        let queries = TcpListener::bind((address, DNS_PORT)).await?;
        let datagrams = UdpSocket::bind((address, DNS_PORT)).await?;
        let [http, tls, tcp, udp] = std::array::from_fn(|_| Arc::clone(&context));
        tokio::spawn(accept(
            requests,
            move |stream, redirect| http::connection(stream, redirect, Arc::clone(&http)),
            Arc::clone(&context),
        ));
        tokio::spawn(accept(
            hellos,
            move |stream, redirect| tls::connection(stream, redirect, Arc::clone(&tls)),
            Arc::clone(&context),
        ));
        tokio::spawn(accept(
            queries,
            move |stream, redirect| dns::connection(stream, redirect, Arc::clone(&tcp)),
            Arc::clone(&context),
        ));
        tokio::spawn(dns::datagrams(datagrams, udp));
    }
    // The caller waits for it, or the lab is ending.
    let _ = ready.send(Ok(()));
    // An error means that the other side was dropped, which has the same effect.
    let _ = stopped.await;
    Ok(())
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream, Arc<Redirect>) -> F,
    context: Arc<ProxyContext>,
) {
    let mut shares = Shares::new(CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, token)) => {
                let redirect = context.redirect(token.ip());
                let share = redirect.as_ref().and_then(|redirect| shares.of(redirect.client.ip()));
                let Some((redirect, share)) = redirect.zip(share) else {
                    context.lose(LossCause::Connection);
                    continue;
                };
                let served = serve(stream, redirect);
                tokio::spawn(async move {
                    served.await;
                    drop(share);
                });
            }
            // Too many open files, or a client that has gone already: the next accept may succeed.
            Err(error) => {
                debug!(%error, "a proxy cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The shares of clients in a limited resource.
struct Shares {
    each: usize,
    by_client: BTreeMap<IpAddr, Arc<Semaphore>>,
}

impl Shares {
    fn new(each: usize) -> Self {
        Self { each, by_client: BTreeMap::new() }
    }

    /// One unit for a client, until it is dropped; none if the client has used its share.
    fn of(&mut self, client: IpAddr) -> Option<OwnedSemaphorePermit> {
        let share = self.by_client.entry(client).or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        Arc::clone(share).try_acquire_owned().ok()
    }
}

/// A connection to a server on behalf of a client, from the address that the datapath knows.
async fn upstream(redirect: &Redirect, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(redirect.upstream())?;
    socket.connect(server).await
}

/// A socket for datagrams to the server that a client addressed.
async fn upstream_datagrams(redirect: &Redirect) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind::<SocketAddr>(redirect.upstream()).await?;
    socket.connect(redirect.server).await?;
    Ok(socket)
}
