//! The thread that creates namespaces and starts threads in them.

use std::io;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;
use tokio::io::duplex;
use tokio::sync::oneshot;
use tun_rs::SyncDevice;

use super::device::configure;
use super::{NetnsError, NetnsHandle, NetnsSpec, NetnsStep, ProbeWork};

/// The number of bytes of orders, and of reports, that may be in flight to and from a probe.
const STREAM: usize = 16 << 10;

/// Creates namespaces in the order of the requests. The thread ends when this is dropped and everything is done; the
/// threads that it has started go on.
#[derive(Debug)]
pub struct NamespaceMaker {
    jobs: mpsc::Sender<Job>,
}

/// A namespace that is being created. If the receiver is dropped, it is removed again.
#[derive(Debug)]
#[must_use]
pub struct PendingNamespace<T>(oneshot::Receiver<Result<T, NetnsError>>);

impl<T> PendingNamespace<T> {
    /// Waits for it, in a thread that may block.
    pub fn wait(self) -> Result<T, NetnsError> {
        self.0.blocking_recv().unwrap_or(Err(NetnsError::MakerEnded))
    }
}

impl<T> Future for PendingNamespace<T> {
    type Output = Result<T, NetnsError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(NetnsError::MakerEnded)))
    }
}

type Job = Box<dyn FnOnce() + Send>;

impl NamespaceMaker {
    /// Starts the thread.
    pub fn start() -> Result<Self, NetnsError> {
        let failed =
            |source| NetnsError::Make { name: "the lab".to_owned(), step: NetnsStep::NamespaceMaker, source };
        let (jobs, received) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("namespaces".to_owned());
        thread.spawn(move || received.iter().for_each(|job| job())).map_err(failed)?;
        Ok(Self { jobs })
    }

    /// Creates a namespace with a probe in it.
    pub fn make(&self, wanted: NetnsSpec, work: ProbeWork) -> PendingNamespace<NetnsHandle> {
        self.inside(wanted, move |wanted, device| start(wanted, work, device))
    }

    /// Creates a namespace with a thread in it that does `work`; returns its device and the thread.
    pub fn thread(
        &self,
        wanted: NetnsSpec,
        work: impl FnOnce() + Send + 'static,
    ) -> PendingNamespace<(SyncDevice, JoinHandle<()>)> {
        self.inside(wanted, move |wanted, device| {
            // A thread starts in the namespace of the thread that creates it.
            let thread = std::thread::Builder::new().name(wanted.name.clone()).spawn(work);
            thread.map(|thread| (device, thread)).map_err(|source| NetnsError::Make {
                name: wanted.name.clone(),
                step: NetnsStep::Thread,
                source,
            })
        })
    }

    fn inside<T: Send + 'static>(
        &self,
        wanted: NetnsSpec,
        setup: impl FnOnce(&NetnsSpec, SyncDevice) -> Result<T, NetnsError> + Send + 'static,
    ) -> PendingNamespace<T> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET).map_err(|source| NetnsError::Make {
                name: wanted.name.clone(),
                step: NetnsStep::Namespace,
                source: source.into(),
            });
            let device = made.and_then(|()| configure(&wanted));
            // A dropped receiver ends the work here.
            let _ = sender.send(device.and_then(|device| setup(&wanted, device)));
        });
        // A thread that has ended drops the job, which the receiver notices.
        let _ = self.jobs.send(job);
        PendingNamespace(answer)
    }
}

/// Starts the probe in a thread, in the namespace of the calling thread.
fn start(wanted: &NetnsSpec, work: ProbeWork, device: SyncDevice) -> Result<NetnsHandle, NetnsError> {
    let (stream, other) = duplex(STREAM);
    let (number, numbered) = mpsc::sync_channel(1);
    let (fails, failed) = oneshot::channel();
    let thread = std::thread::Builder::new().name(wanted.name.clone()).spawn(move || {
        // The receiver keeps it as long as the lab runs.
        let _ = number.send(gettid().as_raw().unsigned_abs());
        if let Err(error) = work(other) {
            // The receiver is gone when the endpoint leaves.
            let _ = fails.send(error);
        }
    });
    let began = thread.and_then(|_| numbered.recv().map_err(io::Error::other));
    let step = NetnsStep::Thread;
    let thread = began.map_err(|source| NetnsError::Make { name: wanted.name.clone(), step, source })?;
    Ok(NetnsHandle { device, thread, stream, failed })
}
