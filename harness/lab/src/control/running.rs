//! Running labs of this machine: found by the names of their sockets, and trusted only if the kernel confirms the
//! process.

use std::io::{self, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket};
use nix::unistd::geteuid;
use verdikt_scenario::plain::Plain;

use super::LabRequest;

/// The prefix of the name of every lab's socket.
const PREFIX: &str = "verdikt-lab/";
/// The longest scenario name in the name of a socket, in bytes; the whole has 107 at most.
const LONGEST_NAME: usize = 80;

/// A running lab, as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunningLab {
    /// Its process.
    pub pid: u32,
    /// The scenario that it runs, in the form of [`RunningLab::name_of`].
    pub scenario: String,
}

/// A lab's name under which a process listens, and the owner of that process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundLab {
    /// What the name contains.
    pub lab: RunningLab,
    /// What the kernel reports.
    pub whose: LabOwner,
}

/// The process that listens under the name of a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabOwner {
    /// The lab of this user.
    Ours,
    /// The lab of another user.
    OfUser(u32),
    /// Another process than the one in the name.
    NotTheLab,
}

impl RunningLab {
    /// A scenario's name in the form that labs use: on one line, and not too long.
    pub fn name_of(scenario: &str) -> String {
        let name = String::from(Plain::line(scenario));
        name[..name.floor_char_boundary(LONGEST_NAME)].to_owned()
    }

    /// The name of its socket.
    fn socket(&self) -> String {
        format!("{PREFIX}{}/{}", self.pid, self.scenario)
    }

    /// Starts to listen as this lab.
    pub fn listen(&self) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(self.socket())?)
    }

    /// Sends a request to the lab, if it is this user's. Answers are lines of JSON. The lab notices when its client
    /// goes.
    pub fn ask(&self, ask: &LabRequest) -> io::Result<BufReader<UnixStream>> {
        let (mut stream, whose) = self.connect()?;
        if whose != LabOwner::Ours {
            let why = "the process there belongs to another user, or is not the lab";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        stream.set_nonblocking(false)?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok(BufReader::new(stream))
    }

    /// Every lab on this machine, and every process that claims to be one. No process is contacted for a request.
    pub fn all() -> io::Result<Vec<FoundLab>> {
        let sockets = std::fs::read("/proc/net/unix")?;
        let mut labs: Vec<Self> = sockets.split(|byte| *byte == b'\n').filter_map(parse).collect();
        labs.sort();
        labs.dedup();
        // A lab that cannot be reached has ended, or does not answer.
        let found = |lab: Self| lab.connect().ok().map(|(_, whose)| FoundLab { lab, whose });
        Ok(labs.into_iter().filter_map(found).collect())
    }

    /// Connects to the process that listens under the lab's name, and returns its owner. Does not wait for a process
    /// that accepts no connections.
    fn connect(&self) -> io::Result<(UnixStream, LabOwner)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let end: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(end.as_raw_fd(), &UnixAddr::new_abstract(self.socket().as_bytes())?)?;
        let peer = getsockopt(&end, PeerCredentials)?;
        let whose = if u32::try_from(peer.pid()).map_err(|_| Errno::ESRCH)? != self.pid {
            LabOwner::NotTheLab
        } else if peer.uid() == geteuid().as_raw() {
            LabOwner::Ours
        } else {
            LabOwner::OfUser(peer.uid())
        };
        Ok((end.into(), whose))
    }
}

/// A lab from a line of `/proc/net/unix`, whose last column shows an abstract name after an `@`. A name may contain
/// any bytes; one that is not text belongs to no lab.
fn parse(line: &[u8]) -> Option<RunningLab> {
    let (_, name) = str::from_utf8(line).ok()?.split_once('@')?;
    let (pid, scenario) = name.strip_prefix(PREFIX)?.split_once('/')?;
    Some(RunningLab { pid: pid.parse().ok()?, scenario: scenario.to_owned() })
}

#[cfg(test)]
mod tests;
