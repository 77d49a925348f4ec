//! Where a probe lives: on its own machine, or at one address of a machine that others share.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;
use socket2::Socket;

/// The address that a probe has for itself; without one, every address of its network namespace is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Home(Option<IpAddr>);

impl Home {
    /// A probe at this address.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self(address)
    }

    /// The address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// Makes a socket send from here. There is no way to a remote of the other family.
    pub(crate) fn leave_from(self, socket: &Socket, remote: IpAddr) -> io::Result<()> {
        match self.0 {
            Some(own) if own.is_ipv4() != remote.is_ipv4() => Err(Errno::ENETUNREACH.into()),
            Some(own) => socket.bind(&SocketAddr::new(own, 0).into()),
            None => Ok(()),
        }
    }
}
