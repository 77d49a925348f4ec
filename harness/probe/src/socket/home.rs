//! The home address of a probe that shares its machine with other probes.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;
use socket2::Socket;

/// The only address that a probe uses; without one, it uses all addresses of its network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HomeAddress(Option<IpAddr>);

impl HomeAddress {
    /// The home of a probe with this address.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self(address)
    }

    /// The address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// Binds a socket to the home address. Fails for a remote address of the other family.
    pub(crate) fn leave_from(self, socket: &Socket, remote: IpAddr) -> io::Result<()> {
        match self.0 {
            Some(own) if own.is_ipv4() != remote.is_ipv4() => Err(Errno::ENETUNREACH.into()),
            Some(own) => socket.bind(&SocketAddr::new(own, 0).into()),
            None => Ok(()),
        }
    }
}
