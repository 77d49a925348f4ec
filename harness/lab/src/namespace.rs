//! Network namespaces with one TUN device each, and their threads.
//!
//! One thread, the maker, moves from one new namespace to the next and starts threads in them. Nothing has a name
//! outside this process: the namespaces end with the file descriptors and threads that hold them.

mod device;
mod maker;
mod route;

use std::io;
use std::net::IpAddr;

pub(crate) use device::open as open_device;
pub use maker::{NamespaceMaker, PendingNamespace};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tun_rs::SyncDevice;

/// A namespace to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetnsSpec {
    /// The endpoint's name, for messages.
    pub name: String,
    /// The addresses of its device: one, or one of each family.
    pub addresses: Vec<IpAddr>,
    /// Prefixes whose every address belongs to the namespace, as (first address, length).
    pub local_prefixes: Vec<(IpAddr, u8)>,
}

/// The work of a probe's thread: it follows the orders that it reads, and writes its reports, until the other end of
/// the stream is dropped.
pub type ProbeWork = fn(DuplexStream) -> io::Result<()>;

/// A namespace with a probe, which ends when the stream to it is dropped.
pub struct NetnsHandle {
    /// Its device: reading gets the packets from the namespace, writing sends packets into it.
    pub device: SyncDevice,
    /// The number of the probe's thread.
    pub thread: u32,
    /// The stream of orders and reports.
    pub stream: DuplexStream,
    /// Receives the reason if the probe ends with an error.
    pub failed: oneshot::Receiver<io::Error>,
}

/// Errors of namespaces.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// A step of creating it failed.
    #[error("the namespace of {name} cannot {}", step.text())]
    Make {
        /// The endpoint.
        name: String,
        /// What cannot be done.
        step: NetnsStep,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The maker's thread has ended.
    #[error("the thread that keeps the namespaces has ended")]
    MakerEnded,
}

/// A step of creating a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetnsStep {
    /// Starting the thread that creates it.
    NamespaceMaker,
    /// Creating it.
    Namespace,
    /// Its device.
    Device,
    /// The device's addresses and routes.
    Addresses,
    /// A thread in it.
    Thread,
    /// A listener in it.
    Listeners,
}

impl NetnsStep {
    fn text(self) -> &'static str {
        match self {
            Self::NamespaceMaker => "be prepared",
            Self::Namespace => "be made",
            Self::Device => "have a TUN device",
            Self::Addresses => "be given addresses and routes",
            Self::Thread => "have a thread",
            Self::Listeners => "have listeners",
        }
    }
}

/// The length of a prefix with a single address.
fn whole(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
