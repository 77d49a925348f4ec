//! Handles first packets: finds the client and the backend, and decides whether they may pass.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use verdikt_engine::datapath::ProxyKind;
use verdikt_engine::rule::Direction;
use verdikt_scenario::flow::DropReason;
use verdikt_scenario::topology::{Endpoint, Protocol};

use super::connection::{ConnectionEnds, Lifetime, TrackedConnection};
use super::connections::{ConnectionKey, QueueKind};
use super::decide::{DecidedRoute, Route};
use super::forward::ForwardTarget;
use super::link::Link;
use super::report::Dropped;
use super::services::own_service_client;
use super::{Datapath, Effects, LinkId, LinkOwner};
use crate::packet::{Headers, PacketContent, Tuple};
use crate::redirect::{DNS_PORT, HTTP_PORT, PROXY_V4, PROXY_V6, Redirect, TLS_PORT};

/// Why Cilium drops packets from hosts outside to the cluster address of a service.
const OF_THE_CLUSTER: &str = "Is a ClusterIP";

/// The first port that a node uses for a client's connection.
const RELAY_PORTS: u16 = 32_768;

/// A connection to open.
struct Start {
    ends: ConnectionEnds,
    service: Option<(IpAddr, u16)>,
    /// Whether a pod reaches itself through its service: no policy applies, and it sees another client than itself.
    to_itself: bool,
}

impl Datapath {
    /// Handles a packet that belongs to no known connection.
    pub(super) fn open(
        &mut self,
        from: LinkId,
        headers: &Headers,
        at: Duration,
        effects: &mut Effects,
    ) -> Result<ForwardTarget, Dropped> {
        let start = self.start(from, headers, at)?;
        let (revision, kind) = (self.policy.revision(), headers.content.icmp_kind());
        let decided = if start.to_itself {
            DecidedRoute { route: Route::Pass, flows: Vec::new() }
        } else {
            self.decide(&start.ends, at)
        };
        effects.flows.extend(decided.flows);
        let (to, outgoing, redirect) = match decided.route {
            Route::Vanish => {
                if let Some(link) = self.links.get_mut(&from) {
                    link.denials.add(headers.tuple, kind, revision, at);
                }
                return Err(Dropped::Silently);
            }
            Route::Pass => {
                let (to, outgoing) = self.pass(&start, headers, at, effects)?;
                (to, outgoing, None)
            }
            Route::Proxy(kind, direction) => {
                let (to, outgoing, redirect) = self.redirect(&start.ends, kind, direction, headers, at)?;
                (to, outgoing, Some(redirect))
            }
        };
        if !begins_connection(headers.content) {
            return Ok((to, outgoing));
        }
        if redirect.is_none() && !self.connections.make_room(start.ends.client, QueueKind::Direct, at) {
            return Err(Dropped::odd("its endpoint has too many connections", headers));
        }
        self.connections.add(TrackedConnection {
            ends: start.ends,
            from,
            to,
            incoming: headers.tuple,
            outgoing,
            service: start.service,
            redirect,
            decided: (!start.to_itself).then_some(revision),
            blocked: None,
            life: Lifetime::begin(headers.content, at),
        });
        Ok((to, outgoing))
    }

    /// Sends it to the owner of the destination, if the policy allows it.
    fn pass(
        &self,
        start: &Start,
        headers: &Headers,
        at: Duration,
        effects: &mut Effects,
    ) -> Result<ForwardTarget, Dropped> {
        let mut outgoing = start.ends.truth;
        let to = self.owner(outgoing.destination);
        let to = to.ok_or_else(|| Dropped::because(DropReason::NoDestination, headers))?;
        effects.flows.extend(self.delivery(&start.ends, at));
        if start.to_itself {
            outgoing.source = own_service_client(outgoing.source);
        }
        Ok((to, outgoing))
    }

    /// The connection that a packet may open, unless it is denied already.
    fn start(&self, from: LinkId, headers: &Headers, at: Duration) -> Result<Start, Dropped> {
        // Only the first fragment opens a connection.
        if headers.content == PacketContent::LaterFragment {
            return Err(Dropped::Silently);
        }
        let link = self.links.get(&from).ok_or(Dropped::Silently)?;
        if link.denials.has(&headers.tuple, headers.content.icmp_kind(), self.policy.revision(), at) {
            return Err(Dropped::Silently);
        }
        match link.owner {
            LinkOwner::Endpoint { .. } => self.start_of_endpoint(from, headers),
            LinkOwner::Proxy => self.start_upstream(headers),
        }
    }

    /// From an endpoint: to a backend, if the destination is a service's address.
    fn start_of_endpoint(&self, from: LinkId, headers: &Headers) -> Result<Start, Dropped> {
        let tuple = headers.tuple;
        let icmp_kind = headers.content.icmp_kind();
        let ends = |truth| ConnectionEnds { client: from, made_for: None, truth, icmp_kind, via: None };
        let transport = ends(tuple).transport();
        let port = transport.map(|protocol| (tuple.destination, protocol, tuple.destination_port));
        let is_service = self.services.has_address(tuple.destination);
        let leads = |port| self.services.leads(port) || self.services.redirects(tuple.source, port);
        if !is_service && !port.is_some_and(leads) {
            return Ok(Start { ends: ends(tuple), service: None, to_itself: false });
        }
        let client = self.links.get(&from).and_then(Link::endpoint);
        let is_outside = matches!(client, Some(Endpoint::World(_)));
        if is_service && is_outside && !self.services.is_open(tuple.destination) {
            return Err(Dropped::because(DropReason::Other(OF_THE_CLUSTER.to_owned()), headers));
        }
        let backend = transport.and_then(|protocol| self.services.backend(&tuple, protocol));
        let backend = backend.ok_or_else(|| Dropped::because(DropReason::NoDestination, headers))?;
        let truth = Tuple { destination: backend.ip(), destination_port: backend.port(), ..tuple };
        let ends = match self.relays.get(&tuple.destination) {
            Some(node) => ConnectionEnds {
                made_for: Some(SocketAddr::new(tuple.source, tuple.source_port)),
                ..ends(self.relayed(truth, *node, headers)?)
            },
            None => ends(truth),
        };
        Ok(Start {
            ends,
            service: Some((tuple.destination, tuple.destination_port)),
            to_itself: self.owner(backend.ip()) == Some(from),
        })
    }

    /// The same through a node: with the client's port, or the next one that no other connection to the backend has.
    fn relayed(&self, truth: Tuple, node: IpAddr, headers: &Headers) -> Result<Tuple, Dropped> {
        let nobody = || Dropped::because(DropReason::NoDestination, headers);
        let link = self.owner(truth.destination).ok_or_else(nobody)?;
        let ports = (truth.source_port..=u16::MAX).chain(RELAY_PORTS..truth.source_port);
        let mut tuples = ports.map(|source_port| Tuple { source: node, source_port, ..truth });
        let is_free = |tuple: &Tuple| !self.connections.has(&ConnectionKey { link, tuple: tuple.reversed() });
        tuples.find(is_free).ok_or_else(nobody)
    }

    /// From a proxy, on behalf of the client of a connection.
    fn start_upstream(&self, headers: &Headers) -> Result<Start, Dropped> {
        let tuple = headers.tuple;
        // An answer or an error for a connection that is gone.
        if tuple.source == PROXY_V4 || tuple.source == PROXY_V6 {
            return Err(Dropped::because(DropReason::NoDestination, headers));
        }
        let source = SocketAddr::new(tuple.source, tuple.source_port);
        let destination = SocketAddr::new(tuple.destination, tuple.destination_port);
        let protocol = match headers.content {
            PacketContent::Tcp(_) => Some(Protocol::Tcp),
            PacketContent::Udp => Some(Protocol::Udp),
            PacketContent::Sctp => Some(Protocol::Sctp),
            _ => None,
        };
        let redirect = self.redirects.of(tuple.source).filter(|redirect| {
            let is_gateway =
                redirect.direction == Direction::Ingress && self.policy.is_gateway(&redirect.subject);
            redirect.upstream() == source
                && (redirect.server == destination || is_gateway)
                && Some(redirect.protocol) == protocol
        });
        let redirect = redirect.ok_or_else(|| Dropped::because(DropReason::InvalidSourceAddress, headers))?;
        if redirect.server != destination {
            return self.start_behind_gateway(&redirect, headers);
        }
        let client = self.owner(redirect.client.ip());
        let client = client.ok_or_else(|| Dropped::because(DropReason::NoDestination, headers))?;
        let truth = Tuple { source: redirect.client.ip(), source_port: redirect.client.port(), ..tuple };
        // Two clients of one port may have come to this proxy under one address and port.
        let truth =
            if redirect.made_for.is_some() { self.relayed(truth, truth.source, headers)? } else { truth };
        let ends = ConnectionEnds {
            client,
            made_for: redirect.made_for,
            truth,
            icmp_kind: None,
            via: Some(redirect),
        };
        Ok(Start { ends, service: None, to_itself: false })
    }

    /// From the gateway: a connection of its own, for the client that it acts for.
    fn start_behind_gateway(&self, redirect: &Redirect, headers: &Headers) -> Result<Start, Dropped> {
        let gateway = redirect.server.ip();
        let client =
            self.owner(gateway).ok_or_else(|| Dropped::because(DropReason::NoDestination, headers))?;
        let truth = Tuple { source_port: redirect.client.port(), ..headers.tuple };
        let truth = self.relayed(truth, gateway, headers)?;
        let made_for = Some(redirect.made_for.unwrap_or(redirect.client));
        let ends = ConnectionEnds { client, made_for, truth, icmp_kind: None, via: None };
        Ok(Start { ends, service: None, to_itself: false })
    }

    /// Sends a connection to a proxy, with a token of its own.
    fn redirect(
        &mut self,
        ends: &ConnectionEnds,
        kind: ProxyKind,
        direction: Direction,
        headers: &Headers,
        at: Duration,
    ) -> Result<(LinkId, Tuple, Arc<Redirect>), Dropped> {
        let nobody = || Dropped::because(DropReason::NoDestination, headers);
        let proxy = self.proxy.ok_or_else(nobody)?;
        let subject = self.subject(ends, direction).cloned().ok_or_else(nobody)?;
        let protocol = ends.transport().ok_or_else(nobody)?;
        let too_many = || Dropped::odd("its endpoint has too many connections to the proxies", headers);
        if !self.connections.make_room(ends.client, QueueKind::Redirected, at) {
            return Err(too_many());
        }
        // Making room may have dropped the connection that a proxy acts for.
        let done_for_nobody = ends.via.as_ref().is_some_and(|via| {
            self.redirects.of(via.upstream().ip()).is_none_or(|live| !Arc::ptr_eq(&live, via))
        });
        if done_for_nobody {
            return Err(too_many());
        }
        let truth = ends.truth;
        let client = SocketAddr::new(truth.source, truth.source_port);
        let server = SocketAddr::new(truth.destination, truth.destination_port);
        let made_for = ends.made_for;
        let redirect = self
            .redirects
            .add(|number| Redirect { number, kind, subject, direction, protocol, client, made_for, server })
            .ok_or_else(too_many)?;
        let outgoing = Tuple {
            source: redirect.token().ip(),
            destination: if truth.source.is_ipv4() { PROXY_V4.into() } else { PROXY_V6.into() },
            source_port: redirect.token().port(),
            destination_port: match kind {
                ProxyKind::Dns => DNS_PORT,
                ProxyKind::Http => HTTP_PORT,
                ProxyKind::Tls => TLS_PORT,
            },
            protocol: truth.protocol,
        };
        Ok((proxy, outgoing, redirect))
    }
}

/// Whether later packets can belong to the connection. Echo replies answer echo requests; every other ICMP message is
/// decided on its own.
fn begins_connection(content: PacketContent) -> bool {
    matches!(
        content,
        PacketContent::Tcp(_)
            | PacketContent::Udp
            | PacketContent::Sctp
            | PacketContent::Echo { request: true, .. }
    )
}
