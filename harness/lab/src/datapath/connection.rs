//! Connections: what has passed, so that its replies pass too.
//!
//! A proxied connection is several of these: the client's to the proxy, and the proxy's to the next proxy or the
//! server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::LinkId;
use super::judge::{Passage, Stage};
use crate::packet::{Ends, Packet, Transport, flag, number};
use crate::redirect::Redirect;

/// How many connections one link may begin: a flood of one endpoint must not take the others' place.
const PER_LINK: usize = 32_768;
/// After how long an idle connection is forgotten.
const HALF_OPEN: Duration = Duration::from_secs(60);
const OPEN: Duration = Duration::from_secs(8_000);
const CLOSING: Duration = Duration::from_secs(10);
const DATAGRAMS: Duration = Duration::from_secs(60);

/// A packet of a connection, as it comes from a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) link: LinkId,
    pub(super) protocol: u8,
    pub(super) ends: Ends,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the side that began.
    Forward,
    /// To it.
    Reply,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) protocol: u8,
    /// Whose it is, and the ends it writes.
    pub(super) from: LinkId,
    pub(super) sent: Ends,
    /// Who receives it, and the ends that receiver reads.
    pub(super) to: LinkId,
    pub(super) delivered: Ends,
    /// What policies see: the client's and the server's true addresses.
    pub(super) stage: Stage,
    pub(super) judged: Ends,
    pub(super) kind: Transport,
    pub(super) own_service: bool,
    pub(super) redirect: Option<Arc<Redirect>>,
    /// The policy's revision that judged it.
    pub(super) revision: u64,
    pub(super) seen: Duration,
    pub(super) state: State,
}

/// What has been seen of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    answered: bool,
    closed_forward: bool,
    closed_reply: bool,
    reset: bool,
}

impl Connection {
    pub(super) fn touches(&self, link: LinkId) -> bool {
        self.from == link || self.to == link
    }

    /// Where a packet of it goes, and with which ends.
    pub(super) fn towards(&self, way: Way) -> (LinkId, Ends) {
        match way {
            Way::Forward => (self.to, self.delivered),
            Way::Reply => (self.from, exchanged(&self.sent)),
        }
    }

    pub(super) fn passage(&self) -> Passage {
        let packet = Packet {
            source: self.judged.source.ip(),
            destination: self.judged.destination.ip(),
            protocol: self.protocol,
            payload: 0,
            length: 0,
            hops: u8::MAX,
            fragment: None,
            transport: self.kind,
        };
        Passage { stage: self.stage, ends: self.judged, packet, own_service: self.own_service }
    }

    pub(super) fn touch(&mut self, way: Way, packet: &Packet, at: Duration) {
        self.seen = at;
        self.state.answered |= way == Way::Reply;
        if let Transport::Ports { flags, .. } = packet.transport
            && packet.protocol == number::TCP
        {
            self.state.reset |= flags & flag::RST != 0;
            match way {
                Way::Forward => self.state.closed_forward |= flags & flag::FIN != 0,
                Way::Reply => self.state.closed_reply |= flags & flag::FIN != 0,
            }
        }
    }

    /// Whether both sides have closed it, or one has reset it.
    pub(super) fn is_closed(&self) -> bool {
        self.state.reset || self.state.closed_forward && self.state.closed_reply
    }

    pub(super) fn is_over(&self, at: Duration) -> bool {
        let lifetime = match self.protocol {
            number::TCP if self.is_closed() => CLOSING,
            number::TCP if !self.state.answered => HALF_OPEN,
            number::TCP => OPEN,
            _ => DATAGRAMS,
        };
        at.saturating_sub(self.seen) > lifetime
    }

    fn keys(&self) -> [Key; 2] {
        let forward = Key { link: self.from, protocol: self.protocol, ends: self.sent };
        let reply = Key { link: self.to, protocol: self.protocol, ends: exchanged(&self.delivered) };
        [forward, reply]
    }
}

fn exchanged(ends: &Ends) -> Ends {
    Ends { source: ends.destination, destination: ends.source }
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    by_key: HashMap<Key, (usize, Way)>,
    by_number: HashMap<usize, Connection>,
    begun: HashMap<LinkId, usize>,
    last: usize,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.by_number.values()
    }

    pub(super) fn find(&self, key: &Key) -> Option<(usize, Way)> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Connection> {
        self.by_number.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Connection> {
        self.by_number.get_mut(&number)
    }

    /// Adds a connection, in the place of one with the same packets; gives it back if its link has too many.
    pub(super) fn add(&mut self, connection: Connection) -> Result<usize, Box<Connection>> {
        let begun = self.begun.entry(connection.from).or_default();
        if *begun >= PER_LINK {
            return Err(Box::new(connection));
        }
        *begun += 1;
        self.last += 1;
        let [forward, reply] = connection.keys();
        self.by_key.insert(forward, (self.last, Way::Forward));
        self.by_key.insert(reply, (self.last, Way::Reply));
        self.by_number.insert(self.last, connection);
        Ok(self.last)
    }

    pub(super) fn remove(&mut self, number: usize) -> Option<Connection> {
        let connection = self.by_number.remove(&number)?;
        for key in connection.keys() {
            if self.by_key.get(&key).is_some_and(|(owner, _)| *owner == number) {
                self.by_key.remove(&key);
            }
        }
        if let Some(begun) = self.begun.get_mut(&connection.from) {
            *begun -= 1;
        }
        Some(connection)
    }

    pub(super) fn remove_if(&mut self, unwanted: impl Fn(&Connection) -> bool) -> Vec<Connection> {
        let numbers = self.by_number.iter().filter(|(_, connection)| unwanted(connection));
        let numbers: Vec<usize> = numbers.map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.remove(number)).collect()
    }
}
