//! Clients that servers do not see: a node or the gateway connects for them under its own address.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use verdikt_scenario::topology::Protocol;

use crate::packet::{SCTP, TCP, Tuple, UDP};

/// The client of every connection that a node or the gateway has now. Shared by the datapath, which adds and removes, and by
/// those who read what servers report.
#[derive(Debug, Default)]
pub struct HiddenClients(Mutex<FxHashMap<Tuple, SocketAddr>>);

impl HiddenClients {
    pub(crate) fn add(&self, delivered: Tuple, client: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(delivered, client);
    }

    pub(crate) fn remove(&self, delivered: &Tuple) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(delivered);
    }

    /// The client for which `peer` has connected to a server; none if it is the client itself.
    pub fn of(&self, protocol: Protocol, peer: SocketAddr, server: SocketAddr) -> Option<SocketAddr> {
        let delivered = Tuple {
            source: peer.ip(),
            destination: server.ip(),
            source_port: peer.port(),
            destination_port: server.port(),
            protocol: match protocol {
                Protocol::Tcp => TCP,
                Protocol::Udp => UDP,
                Protocol::Sctp => SCTP,
            },
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&delivered).copied()
    }
}
