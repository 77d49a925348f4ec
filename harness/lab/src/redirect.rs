//! Connections that the datapath redirects to a proxy, and their addresses there.
//!
//! The proxies have a namespace of their own. A redirected connection reaches them from an address that identifies it
//! (its *token*), and the proxy's connection to the server starts at the token's sibling. The datapath restores the
//! client's and the server's true addresses, so that each end sees the other's, and the ports of two clients never
//! collide.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use verdikt_engine::datapath::ProxyKind;
use verdikt_engine::rule::Direction;
use verdikt_scenario::topology::{Endpoint, Protocol};

/// The addresses on which the proxies listen, by family.
pub const PROXY_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// See [`PROXY_V4`].
pub const PROXY_V6: Ipv6Addr = Ipv6Addr::new(0xfd98, 0x12, 0, 0, 0, 0, 0, 1);
/// The port of the HTTP proxy.
pub const HTTP_PORT: u16 = 15_001;
/// The port of the proxy that reads the start of TLS.
pub const TLS_PORT: u16 = 15_443;
/// The port of the DNS proxy, UDP and TCP.
pub const DNS_PORT: u16 = 15_053;

/// One connection, or the datagrams of one client port, that a proxy decides about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Its number, part of its token.
    pub number: u16,
    /// The proxy.
    pub kind: ProxyKind,
    /// The endpoint whose policy redirects it.
    pub subject: Endpoint,
    /// The direction of that policy.
    pub direction: Direction,
    /// The transport.
    pub protocol: Protocol,
    /// The client's address and port.
    pub client: SocketAddr,
    /// For whom the client, a node or the gateway, has made the connection.
    pub made_for: Option<SocketAddr>,
    /// The server's address and port, after a service's address has been translated.
    pub server: SocketAddr,
}

impl Redirect {
    /// The other end, seen from the subject.
    pub fn peer(&self) -> IpAddr {
        match self.direction {
            Direction::Ingress => self.client.ip(),
            Direction::Egress => self.server.ip(),
        }
    }

    /// The source address of the connection at the proxy: in 198.18.0.0/16 (not .0.x), or `fd98:12::/64`.
    pub fn token(&self) -> SocketAddr {
        SocketAddr::new(address(self.client.ip(), 18, self.number), self.client.port())
    }

    /// The source address of the proxy's connection to the server: in 198.19.0.0/16, or `fd98:13::/64`.
    pub fn upstream(&self) -> SocketAddr {
        SocketAddr::new(address(self.client.ip(), 19, self.number), self.client.port())
    }
}

/// An address of the same family as another one.
fn address(like: IpAddr, range: u8, number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    if like.is_ipv4() {
        Ipv4Addr::new(198, range, high, low).into()
    } else {
        Ipv6Addr::new(0xfd98, u16::from(range), 0, 0, 0, 0, 1, number).into()
    }
}

/// Every connection that a proxy is handling, by number. Shared by the datapath, which adds and removes, and the
/// proxies, which look up.
#[derive(Debug, Default)]
pub struct Redirects(Mutex<RedirectTable>);

#[derive(Debug, Default)]
struct RedirectTable {
    last: u16,
    by_number: BTreeMap<u16, Arc<Redirect>>,
}

impl Redirects {
    /// Adds a connection; `build` gets its number. None if all numbers are taken.
    pub fn add(&self, build: impl FnOnce(u16) -> Redirect) -> Option<Arc<Redirect>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The first 256 numbers are reserved for the proxies' own addresses.
        let next = |number: u16| number.checked_add(1).unwrap_or(256).max(256);
        let mut number = next(table.last);
        let end = number;
        while table.by_number.contains_key(&number) {
            number = next(number);
            if number == end {
                return None;
            }
        }
        table.last = number;
        let redirect = Arc::new(build(number));
        table.by_number.insert(number, Arc::clone(&redirect));
        Some(redirect)
    }

    /// Removes a connection.
    pub fn remove(&self, number: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_number.remove(&number);
    }

    /// The connection of a token or its sibling.
    pub fn of(&self, token: IpAddr) -> Option<Arc<Redirect>> {
        let number = match token {
            IpAddr::V4(address) => u16::from_be_bytes([address.octets()[2], address.octets()[3]]),
            IpAddr::V6(address) => address.segments()[7],
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_number.get(&number).cloned()
    }
}
