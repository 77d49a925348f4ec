//! Network namespaces with one TUN device each, and the threads that live in them.
//!
//! One thread, the maker, moves from new namespace to new namespace and starts what shall live there. Nothing has
//! a name outside this process: the namespaces end with the file descriptors and the threads that hold them.

mod device;
mod maker;
mod route;

use std::io;
use std::net::IpAddr;

pub(crate) use device::open as open_device;
pub use maker::{Making, NamespaceMaker};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tun_rs::SyncDevice;

/// A namespace to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetnsSpec {
    /// For messages: the endpoint's name.
    pub name: String,
    /// The addresses of its device: one, or one of each family.
    pub addresses: Vec<IpAddr>,
    /// Prefixes whose every address belongs to the namespace, as (first address, length).
    pub local_prefixes: Vec<(IpAddr, u8)>,
}

/// The work of a probe's thread: follows the orders that it reads, and writes its reports, until the other end of the stream
/// is dropped.
pub type ProbeWork = fn(DuplexStream) -> io::Result<()>;

/// A namespace with a probe, which ends when the stream to it is dropped.
pub struct NetnsHandle {
    /// Its device: every packet that is read comes from the namespace, every packet written goes into it.
    pub device: SyncDevice,
    /// The number of the probe's thread.
    pub thread: u32,
    /// Orders one way, reports the other.
    pub stream: DuplexStream,
    /// Told why the probe has ended, if something failed.
    pub failed: oneshot::Receiver<io::Error>,
}

/// What can go wrong with a namespace.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// A step of making it failed.
    #[error("the namespace of {name} cannot {}", step.text())]
    Make {
        /// Whose namespace.
        name: String,
        /// What cannot be done.
        step: NetnsStep,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The maker's thread is no more.
    #[error("the thread that keeps the namespaces has ended")]
    MakerEnded,
}

/// A step of making a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetnsStep {
    /// Starting the thread that makes it.
    NamespaceMaker,
    /// Making it.
    Namespace,
    /// Its device.
    Device,
    /// The device's addresses and routes.
    Addresses,
    /// A thread in it.
    Thread,
    /// What listens in it.
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

/// The length of a prefix that has but one address.
fn whole(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
