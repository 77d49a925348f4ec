//! The thread that makes namespaces and starts what lives in them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};
use tokio::sync::oneshot;
use tun_rs::SyncDevice;

use super::device::configure;
use super::{NetnsError, NetnsHandle, NetnsSpec, NetnsStep, ProbeExecutable, Process};

/// Makes namespaces, in the order in which they are asked for. Probes end with the thread that started them, so this
/// must live as long as they shall. The thread ends by itself when this is dropped and all is done.
#[derive(Debug)]
pub struct NamespaceMaker {
    jobs: mpsc::Sender<Job>,
}

/// Something that is being made. What nobody waits for any more is undone.
#[derive(Debug)]
#[must_use]
pub struct Making<T>(oneshot::Receiver<Result<T, NetnsError>>);

impl<T> Making<T> {
    /// Waits for it, where a thread may wait.
    pub fn wait(self) -> Result<T, NetnsError> {
        self.0.blocking_recv().unwrap_or(Err(NetnsError::MakerEnded))
    }
}

impl<T> Future for Making<T> {
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

    /// Makes a namespace with a probe in it.
    pub fn make(&self, wanted: NetnsSpec, probe: ProbeExecutable) -> Making<NetnsHandle> {
        self.inside(wanted, move |wanted, device| start(wanted, &probe, device))
    }

    /// Kills processes at once, and lets the thread wait for their ends.
    pub fn end(&self, mut processes: Vec<Process>) {
        processes.iter_mut().for_each(Process::kill);
        // Without the thread they are waited for here.
        let _ = self.jobs.send(Box::new(move || drop(processes)));
    }

    /// Makes a namespace with a thread in it that does `work`; answers its device and the thread.
    pub fn thread(
        &self,
        wanted: NetnsSpec,
        work: impl FnOnce() + Send + 'static,
    ) -> Making<(SyncDevice, JoinHandle<()>)> {
        self.inside(wanted, move |wanted, device| {
            // A thread begins in the namespace of the one that starts it.
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
    ) -> Making<T> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET).map_err(|source| NetnsError::Make {
                name: wanted.name.clone(),
                step: NetnsStep::Namespace,
                source: source.into(),
            });
            let device = made.and_then(|()| configure(&wanted));
            // What nobody waits for any more ends here.
            let _ = sender.send(device.and_then(|device| setup(&wanted, device)));
        });
        // A thread that has ended drops the job, and whoever waits sees that.
        let _ = self.jobs.send(job);
        Making(answer)
    }
}

fn start(wanted: &NetnsSpec, probe: &ProbeExecutable, device: SyncDevice) -> Result<NetnsHandle, NetnsError> {
    let failed =
        |source: io::Error| NetnsError::Probe { name: wanted.name.clone(), path: probe.path.clone(), source };
    let mut command = Command::new(&probe.path);
    command.args(&probe.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    // An interrupt of the terminal is for the lab, which ends its probes when it has told what it knows.
    command.process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (orders, reports) = pipes.ok_or_else(|| failed(io::Error::other("it has no pipes")))?;
    let pid = child.id();
    let (orders, reports) = (OwnedFd::from(orders), OwnedFd::from(reports));
    Ok(NetnsHandle { device, pid, orders, reports, process: Process(child) })
}
