//! The thread that carries packets: it reads every TUN device, asks the datapath, and writes the resulting packets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, LocalSet};
use tun_rs::{AsyncDevice, SyncDevice};
use verdikt_scenario::flow::Flow;

use crate::current::CurrentPolicy;
use crate::datapath::{Datapath, Effects, LinkId, LinkOwner, Relays, ServiceTable};
use crate::hidden_clients::HiddenClients;
use crate::losses::{LossCause, Losses};
use crate::redirect::Redirects;

/// The longest packet of a device.
const MTU: usize = 1500;
/// The number of packets of one device after which other devices have their turn.
const BATCH: usize = 32;
/// The most packets of one device that [`DatapathThread::catch_up`] waits for: more than its queue holds.
const MOST_WAITING: usize = 4096;
/// How often idle connections are removed.
const EXPIRY: Duration = Duration::from_secs(1);

/// A running datapath. Its thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct DatapathThread {
    commands: mpsc::UnboundedSender<CarrierCommand>,
}

enum CarrierCommand {
    Attach(LinkId, LinkOwner, SyncDevice, oneshot::Sender<io::Result<()>>),
    Detach(LinkId, oneshot::Sender<()>),
    Identify(LinkId, u32, oneshot::Sender<()>),
    Services(ServiceTable, Relays, oneshot::Sender<()>),
    CatchUp(oneshot::Sender<()>),
}

/// What the tasks of the thread share.
struct Shared {
    datapath: Datapath,
    revision: u64,
    policy: Arc<CurrentPolicy>,
    devices: BTreeMap<LinkId, (Rc<AsyncDevice>, AbortHandle)>,
    effects: Effects,
    flows: mpsc::UnboundedSender<Flow>,
    losses: Arc<Losses>,
    begin: Instant,
}

impl DatapathThread {
    /// Starts the thread. Flows go to `flows`, with times counted from `begin`; packets lost are added to `losses`.
    pub(crate) async fn start(
        policy: Arc<CurrentPolicy>,
        redirects: Arc<Redirects>,
        hidden: Arc<HiddenClients>,
        flows: mpsc::UnboundedSender<Flow>,
        losses: Arc<Losses>,
        begin: Instant,
    ) -> io::Result<Self> {
        let (commands, received) = mpsc::unbounded_channel();
        let (tells, started) = oneshot::channel();
        // The thread creates its runtime itself: dropping one inside another runtime would panic.
        std::thread::Builder::new().name("datapath".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
            let (runtime, made) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // The receiver is gone only while the lab ends.
            let _ = tells.send(made);
            let Some(runtime) = runtime else { return };
            let current = policy.get();
            let revision = current.revision();
            let datapath = Datapath::new(redirects, hidden, current);
            let devices = BTreeMap::new();
            let effects = Effects::default();
            let shared = Shared { datapath, revision, policy, devices, effects, flows, losses, begin };
            LocalSet::new().block_on(&runtime, follow(Rc::new(RefCell::new(shared)), received));
        })?;
        started.await.map_err(|_| gone())??;
        Ok(Self { commands })
    }

    /// Attaches a device and carries its packets.
    pub(crate) async fn attach(&self, link: LinkId, owner: LinkOwner, device: SyncDevice) -> io::Result<()> {
        self.ask(|answer| CarrierCommand::Attach(link, owner, device, answer)).await?
    }

    /// Detaches a device and drops its connection state.
    pub(crate) async fn detach(&self, link: LinkId) -> io::Result<()> {
        self.ask(|answer| CarrierCommand::Detach(link, answer)).await
    }

    /// Sets the identity of the endpoint behind a device.
    pub(crate) async fn identify(&self, link: LinkId, identity: u32) -> io::Result<()> {
        self.ask(|answer| CarrierCommand::Identify(link, identity, answer)).await
    }

    /// Replaces the services.
    pub(crate) async fn services(&self, services: ServiceTable, relays: Relays) -> io::Result<()> {
        self.ask(|answer| CarrierCommand::Services(services, relays, answer)).await
    }

    /// Returns when every packet that was sent before has been handled and its flows have been reported.
    pub(crate) async fn catch_up(&self) -> io::Result<()> {
        self.ask(CarrierCommand::CatchUp).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> CarrierCommand) -> io::Result<T> {
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(sender)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::other("the datapath has ended")
}

async fn follow(shared: Rc<RefCell<Shared>>, mut commands: mpsc::UnboundedReceiver<CarrierCommand>) {
    let mut expiry = tokio::time::interval(EXPIRY);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => obey(&shared, command).await,
                None => return,
            },
            _ = expiry.tick() => {
                let mut shared = shared.borrow_mut();
                let at = shared.begin.elapsed();
                shared.datapath.expire(at);
            }
        }
    }
}

fn reply<T>(answer: oneshot::Sender<T>, with: T) {
    // A receiver that is gone needs no answer.
    let _ = answer.send(with);
}

async fn obey(shared: &Rc<RefCell<Shared>>, command: CarrierCommand) {
    match command {
        CarrierCommand::Attach(link, owner, device, answer) => {
            let attached = connect(shared, link, owner, device).await;
            reply(answer, attached);
        }
        CarrierCommand::Detach(link, answer) => {
            let mut state = shared.borrow_mut();
            if let Some((_, task)) = state.devices.remove(&link) {
                task.abort();
            }
            state.datapath.detach(link);
            reply(answer, ());
        }
        CarrierCommand::Identify(link, identity, answer) => {
            shared.borrow_mut().datapath.identify(link, identity);
            reply(answer, ());
        }
        CarrierCommand::Services(services, relays, answer) => {
            let datapath = &mut shared.borrow_mut().datapath;
            datapath.set_relays(relays);
            datapath.set_services(services);
            reply(answer, ());
        }
        CarrierCommand::CatchUp(answer) => {
            catch_up(shared);
            reply(answer, ());
        }
    }
}

/// Carries the packets that wait at the devices.
fn catch_up(shared: &Rc<RefCell<Shared>>) {
    let mut buffer = [0; MTU];
    let devices: Vec<(LinkId, Rc<AsyncDevice>)> = {
        let state = shared.borrow();
        state.devices.iter().map(|(link, (device, _))| (*link, Rc::clone(device))).collect()
    };
    for (link, device) in devices {
        // A device that sends without end gets another turn later.
        for _ in 0..MOST_WAITING {
            // The task of a device reports what the device loses.
            let Ok(length) = device.try_recv(&mut buffer) else { break };
            shared.borrow_mut().packet(link, &mut buffer[..length]);
        }
    }
}

async fn connect(
    shared: &Rc<RefCell<Shared>>,
    link: LinkId,
    owner: LinkOwner,
    device: SyncDevice,
) -> io::Result<()> {
    let device = Rc::new(AsyncDevice::new(device)?);
    // Until the device is known to accept packets, the first ones would be lost.
    device.writable().await?;
    let task = tokio::task::spawn_local(carry(Rc::clone(shared), link, Rc::clone(&device)));
    let mut state = shared.borrow_mut();
    state.datapath.attach(link, owner);
    state.devices.insert(link, (device, task.abort_handle()));
    Ok(())
}

/// Carries one device's packets until the device is gone.
async fn carry(shared: Rc<RefCell<Shared>>, link: LinkId, device: Rc<AsyncDevice>) {
    let mut buffer = [0; MTU];
    while device.readable().await.is_ok() {
        for _ in 0..BATCH {
            match device.try_recv(&mut buffer) {
                Ok(length) => shared.borrow_mut().packet(link, &mut buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Packets that its endpoint sends after this are lost.
                Err(_) => return shared.borrow().losses.add(LossCause::Queue),
            }
        }
        tokio::task::yield_now().await;
    }
    shared.borrow().losses.add(LossCause::Queue);
}

impl Shared {
    fn packet(&mut self, link: LinkId, packet: &mut [u8]) {
        if self.policy.revision() != self.revision {
            let policy = self.policy.get();
            self.revision = policy.revision();
            self.datapath.set_policy(policy);
        }
        self.datapath.packet(link, packet, self.begin.elapsed(), &mut self.effects);
        for flow in self.effects.flows.drain(..) {
            // The receiver of flows is gone only while the lab ends.
            let _ = self.flows.send(flow);
        }
        for (to, packet) in self.effects.packets.drain(..) {
            if let Some((device, _)) = self.devices.get(&to) {
                // A device that accepts no packet loses it, as a wire would.
                if device.try_send(&packet).is_err() {
                    self.losses.add(LossCause::Refused);
                }
            }
        }
    }
}
