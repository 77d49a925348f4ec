//! The thread that makes namespaces and starts what lives in them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};
use tun_rs::SyncDevice;

use super::device::furnish;
use super::{AgentProgram, NamespaceError, Process, Site, Step, Wanted};

/// Makes namespaces. Agents end with the thread that started them, so this must live as long as they shall.
#[derive(Debug)]
pub struct Keeper {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Keeper {
    /// Starts the thread.
    pub fn start() -> Result<Self, NamespaceError> {
        let failed = |source| NamespaceError::Make { name: "the lab".to_owned(), step: Step::Keeper, source };
        let (jobs, received) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("namespaces".to_owned());
        let thread = thread.spawn(move || received.iter().for_each(|job| job())).map_err(failed)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Makes a namespace with an agent in it.
    pub fn site(&self, wanted: Wanted, agent: AgentProgram) -> Result<Site, NamespaceError> {
        self.inside(wanted, move |wanted, device| start(wanted, &agent, device))?
    }

    /// Makes a namespace with a thread in it that does `work`; answers its device and the thread.
    pub fn thread(
        &self,
        wanted: Wanted,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(SyncDevice, JoinHandle<()>), NamespaceError> {
        self.inside(wanted, move |wanted, device| {
            // A thread begins in the namespace of the one that starts it.
            let thread = std::thread::Builder::new().name(wanted.name.clone()).spawn(work);
            thread.map(|thread| (device, thread)).map_err(|source| NamespaceError::Make {
                name: wanted.name.clone(),
                step: Step::Thread,
                source,
            })
        })?
    }

    fn inside<T: Send + 'static>(
        &self,
        wanted: Wanted,
        furnished: impl FnOnce(&Wanted, SyncDevice) -> T + Send + 'static,
    ) -> Result<T, NamespaceError> {
        let (sender, answer) = mpsc::sync_channel(1);
        let job: Job = Box::new(move || {
            let made = unshare(CloneFlags::CLONE_NEWNET).map_err(|source| NamespaceError::Make {
                name: wanted.name.clone(),
                step: Step::Namespace,
                source: source.into(),
            });
            let device = made.and_then(|()| furnish(&wanted));
            // Nobody waits for the answer only if the asker has panicked.
            let _ = sender.send(device.map(|device| furnished(&wanted, device)));
        });
        let jobs = self.jobs.as_ref().ok_or(NamespaceError::KeeperEnded)?;
        jobs.send(job).map_err(|_| NamespaceError::KeeperEnded)?;
        answer.recv().map_err(|_| NamespaceError::KeeperEnded)?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

fn start(wanted: &Wanted, agent: &AgentProgram, device: SyncDevice) -> Result<Site, NamespaceError> {
    let failed = |source: io::Error| NamespaceError::Agent {
        name: wanted.name.clone(),
        path: agent.path.clone(),
        source,
    };
    let mut command = Command::new(&agent.path);
    command.args(&agent.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    // An interrupt of the terminal is for the lab, which ends its agents when it has told what it knows.
    command.process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (orders, reports) = pipes.ok_or_else(|| failed(io::Error::other("it has no pipes")))?;
    let pid = child.id();
    let (orders, reports) = (OwnedFd::from(orders), OwnedFd::from(reports));
    Ok(Site { device, pid, orders, reports, process: Process(child) })
}
