//! The known connections, and the limits for each link.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::LinkId;
use super::connection::{ConnectionDirection, TrackedConnection};
use super::services::Services;
use crate::hidden_clients::HiddenClients;
use crate::packet::Tuple;
use crate::redirect::Redirects;

/// The largest number of connections of a link, and of those through proxies: the limits of a flood.
const LIMIT: ConnectionLimits = ConnectionLimits { direct: 16_384, redirected: 8_192 };

/// How many of the oldest established connections are kept when one has to be dropped.
const SPARED: usize = 16;

struct ConnectionLimits {
    direct: usize,
    redirected: usize,
}

/// The key of a packet's connection: the same tuple from another link belongs to another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey {
    pub(super) link: LinkId,
    pub(super) tuple: Tuple,
}

/// The index of a connection in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionSlot(usize);

/// The connections of one link in the order in which they were opened; some may be gone.
#[derive(Debug, Default)]
struct Queue {
    alive: usize,
    order: VecDeque<(ConnectionSlot, u64)>,
}

#[derive(Debug, Default)]
struct Queues {
    direct: Queue,
    redirected: Queue,
}

/// The table of connections.
#[derive(Debug)]
pub(super) struct Connections {
    redirects: Arc<Redirects>,
    hidden: Arc<HiddenClients>,
    by_key: FxHashMap<ConnectionKey, (ConnectionSlot, ConnectionDirection)>,
    slots: Vec<Option<(u64, TrackedConnection)>>,
    free: Vec<ConnectionSlot>,
    /// The number of the newest connection.
    last: u64,
    queues: FxHashMap<LinkId, Queues>,
}

impl Connections {
    pub(super) fn new(redirects: Arc<Redirects>, hidden: Arc<HiddenClients>) -> Self {
        Self {
            redirects,
            hidden,
            by_key: FxHashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            last: 0,
            queues: FxHashMap::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The connection of a packet, and the direction of the packet in it.
    pub(super) fn find(
        &mut self,
        key: &ConnectionKey,
        at: Duration,
    ) -> Option<(ConnectionSlot, ConnectionDirection)> {
        let &(slot, way) = self.by_key.get(key)?;
        if self.get(slot)?.life.expires > at {
            return Some((slot, way));
        }
        self.forget(slot);
        None
    }

    /// Whether a packet would belong to a connection.
    pub(super) fn has(&self, key: &ConnectionKey) -> bool {
        self.by_key.contains_key(key)
    }

    pub(super) fn get(&self, slot: ConnectionSlot) -> Option<&TrackedConnection> {
        self.slots.get(slot.0)?.as_ref().map(|(_, connection)| connection)
    }

    pub(super) fn get_mut(&mut self, slot: ConnectionSlot) -> Option<&mut TrackedConnection> {
        self.slots.get_mut(slot.0)?.as_mut().map(|(_, connection)| connection)
    }

    /// Makes room for another connection of a client's link by dropping its oldest. False if all of those are in use.
    pub(super) fn make_room(&mut self, client: LinkId, kind: QueueKind, at: Duration) -> bool {
        let limit = match kind {
            QueueKind::Direct => LIMIT.direct,
            QueueKind::Redirected => LIMIT.redirected,
        };
        for _ in 0..SPARED {
            let queue = queue(&mut self.queues, client, kind);
            if queue.alive < limit {
                return true;
            }
            let Some((slot, number)) = queue.order.pop_front() else { return true };
            let Some((_, connection)) = self.slots[slot.0].as_ref().filter(|(current, _)| *current == number)
            else {
                continue;
            };
            if connection.life.is_established() && connection.life.expires > at {
                queue.order.push_back((slot, number));
            } else {
                self.forget(slot);
            }
        }
        queue(&mut self.queues, client, kind).alive < limit
    }

    /// Adds a connection. It replaces others that cannot be told from it, in either direction.
    pub(super) fn add(&mut self, connection: TrackedConnection) -> ConnectionSlot {
        let keys = keys(&connection);
        for key in keys {
            if let Some(&(slot, _)) = self.by_key.get(&key) {
                self.forget(slot);
            }
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            ConnectionSlot(self.slots.len() - 1)
        });
        self.last += 1;
        let queue = queue(&mut self.queues, connection.ends.client, QueueKind::of(&connection));
        queue.alive += 1;
        queue.order.push_back((slot, self.last));
        for (key, way) in keys.into_iter().zip([ConnectionDirection::Original, ConnectionDirection::Reply]) {
            self.by_key.insert(key, (slot, way));
        }
        if let Some(client) = connection.hidden_client() {
            self.hidden.add(connection.outgoing, client);
        }
        self.slots[slot.0] = Some((self.last, connection));
        self.tidy();
        slot
    }

    /// Drops a connection; if it goes to a proxy, also the proxy's connection to the server.
    pub(super) fn forget(&mut self, slot: ConnectionSlot) {
        let Some((_, connection)) = self.slots.get_mut(slot.0).and_then(Option::take) else { return };
        self.free.push(slot);
        for key in keys(&connection) {
            if self.by_key.get(&key).is_some_and(|(owner, _)| *owner == slot) {
                self.by_key.remove(&key);
            }
        }
        let queue = queue(&mut self.queues, connection.ends.client, QueueKind::of(&connection));
        queue.alive = queue.alive.saturating_sub(1);
        if connection.hidden_client().is_some() {
            self.hidden.remove(&connection.outgoing);
        }
        let Some(redirect) = connection.redirect else { return };
        self.redirects.remove(redirect.number);
        let tuple = Tuple {
            source: redirect.upstream().ip(),
            destination: redirect.server.ip(),
            source_port: redirect.upstream().port(),
            destination_port: redirect.server.port(),
            protocol: connection.incoming.protocol,
        };
        // The proxy's connection starts at the link that this one goes to.
        if let Some(&(upstream, _)) = self.by_key.get(&ConnectionKey { link: connection.to, tuple }) {
            self.forget(upstream);
        }
    }

    /// Drops every connection over a link.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.forget_if(|connection| [connection.from, connection.to, connection.ends.client].contains(&link));
        self.queues.remove(&link);
    }

    /// Drops connections whose backend has left their service.
    pub(super) fn forget_services(&mut self, services: &Services) {
        self.forget_if(|connection| match (connection.service, connection.ends.transport()) {
            (Some((address, port)), Some(protocol)) => {
                let Tuple { destination, destination_port, .. } = connection.ends.truth;
                !services.has((address, protocol, port), (destination, destination_port))
            }
            _ => services.has_address(connection.incoming.destination) && connection.ends.via.is_none(),
        });
    }

    /// Drops connections that have been idle for too long.
    pub(super) fn expire(&mut self, at: Duration) {
        self.forget_if(|connection| connection.life.expires <= at);
        for queues in self.queues.values_mut() {
            for queue in [&mut queues.direct, &mut queues.redirected] {
                tidy(queue, &self.slots);
            }
        }
    }

    fn forget_if(&mut self, condition: impl Fn(&TrackedConnection) -> bool) {
        for index in 0..self.slots.len() {
            if self.get(ConnectionSlot(index)).is_some_and(&condition) {
                self.forget(ConnectionSlot(index));
            }
        }
    }

    /// From time to time, removes dropped connections from the queues, so that these do not outgrow the table.
    fn tidy(&mut self) {
        if !self.last.is_multiple_of(4096) {
            return;
        }
        for queues in self.queues.values_mut() {
            for queue in [&mut queues.direct, &mut queues.redirected] {
                if queue.order.len() > 2 * queue.alive {
                    tidy(queue, &self.slots);
                }
            }
        }
    }
}

fn tidy(queue: &mut Queue, slots: &[Option<(u64, TrackedConnection)>]) {
    queue.order.retain(|(slot, number)| slots[slot.0].as_ref().is_some_and(|(current, _)| current == number));
}

/// Whether a connection goes to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueKind {
    Direct,
    Redirected,
}

impl QueueKind {
    fn of(connection: &TrackedConnection) -> Self {
        if connection.redirect.is_some() { Self::Redirected } else { Self::Direct }
    }
}

fn queue(queues: &mut FxHashMap<LinkId, Queues>, client: LinkId, kind: QueueKind) -> &mut Queue {
    let queues = queues.entry(client).or_default();
    match kind {
        QueueKind::Direct => &mut queues.direct,
        QueueKind::Redirected => &mut queues.redirected,
    }
}

fn keys(connection: &TrackedConnection) -> [ConnectionKey; 2] {
    [
        ConnectionKey { link: connection.from, tuple: connection.incoming },
        ConnectionKey { link: connection.to, tuple: connection.outgoing.reversed() },
    ]
}
