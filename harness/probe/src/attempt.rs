//! Makes attempts, one module for each kind.

use std::net::SocketAddr;
use std::sync::Arc;

use verdikt_wire::{Action, Resolver, WireOutcome};

mod echo;
mod http;
mod icmp;
mod kept;
mod look_up;
mod ping;
mod progress;
mod query;
mod sctp;
mod tcp;
mod tls;
mod udp;

pub(crate) use kept::KeptConnections;
pub(crate) use progress::{AttemptProgress, EarlyEnd};

use look_up::address;
use query::QueryTransport;

/// Makes an attempt, and returns its outcome.
pub(crate) async fn make(
    action: Action,
    resolver: Arc<Resolver>,
    kept: KeptConnections,
    mut progress: AttemptProgress,
) -> WireOutcome {
    let made = answered(&action, &resolver, &kept, &mut progress).await;
    made.unwrap_or_else(|outcome| outcome)
}

/// Makes an attempt. The error is the outcome of an attempt that was not answered.
async fn answered(
    action: &Action,
    resolver: &Resolver,
    kept: &KeptConnections,
    progress: &mut AttemptProgress,
) -> Result<WireOutcome, WireOutcome> {
    match action {
        Action::Tcp { target, port } => {
            let address = address(progress, resolver, target).await?;
            tcp::make(progress, SocketAddr::new(address, *port)).await
        }
        Action::Keep { target, port, name } => {
            let address = address(progress, resolver, target).await?;
            kept::begin(progress, kept, SocketAddr::new(address, *port), name).await
        }
        Action::Kept { name } => kept::make(progress, kept, name).await,
        Action::Udp { target, port } => {
            let address = address(progress, resolver, target).await?;
            udp::make(progress, SocketAddr::new(address, *port)).await
        }
        Action::Sctp { target, port } => {
            let address = address(progress, resolver, target).await?;
            sctp::make(progress, SocketAddr::new(address, *port)).await
        }
        Action::Ping { target } => {
            let address = address(progress, resolver, target).await?;
            ping::make(progress, address).await
        }
        Action::Icmp { target, kind } => {
            let address = address(progress, resolver, target).await?;
            icmp::make(progress, address, *kind).await
        }
        Action::Dns { name, tcp } => {
            let transport = if *tcp { QueryTransport::Tcp } else { QueryTransport::Udp };
            look_up::ask_for(progress, resolver, name, transport).await
        }
        Action::Http { target, port, method, path, headers, tls, trusts } => {
            let host = http::host(target, *port, *tls);
            let request = http::request(progress.attempt(), &host, method, path, headers)?;
            let tls = tls.then(|| tls::TlsClient::of(target, headers, trusts.as_ref())).transpose()?;
            let address = address(progress, resolver, target).await?;
            http::make(progress, SocketAddr::new(address, *port), request, tls).await
        }
    }
}
