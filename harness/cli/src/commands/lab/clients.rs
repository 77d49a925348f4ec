//! The connected clients of a running lab: those that follow its flows, and those whose programs serve ports.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use verdikt_lab::control::{FollowedFlow, LabAnswer};
use verdikt_scenario::topology::Endpoint;

/// The timeout for a client to accept one flow; slower clients are disconnected.
const SLOW: Duration = Duration::from_millis(100);

/// The number of a connected client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientId(u64);

/// The connected clients.
pub(super) struct Clients {
    last: u64,
    followers: BTreeMap<ClientId, OwnedWriteHalf>,
    /// The ports that the programs of clients serve.
    takers: BTreeMap<ClientId, (BTreeSet<(Endpoint, u16)>, OwnedWriteHalf)>,
    /// Ports that could not be returned to the lab's own servers.
    kept: BTreeSet<(Endpoint, u16)>,
    leaving: mpsc::UnboundedSender<ClientId>,
}

impl Clients {
    /// Starts without clients. `leaving` receives those that disconnect.
    pub(super) fn new(leaving: mpsc::UnboundedSender<ClientId>) -> Self {
        let (followers, takers, kept) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { last: 0, followers, takers, kept, leaving }
    }

    /// Adds a client that follows the flows.
    pub(super) fn follow(&mut self, read: BufReader<OwnedReadHalf>, write: OwnedWriteHalf) {
        let id = self.stay(read);
        self.followers.insert(id, write);
    }

    /// Adds a client whose program serves these ports.
    pub(super) fn take(
        &mut self,
        ports: BTreeSet<(Endpoint, u16)>,
        read: BufReader<OwnedReadHalf>,
        write: OwnedWriteHalf,
    ) {
        let id = self.stay(read);
        self.takers.insert(id, (ports, write));
    }

    fn stay(&mut self, mut read: BufReader<OwnedReadHalf>) -> ClientId {
        self.last += 1;
        let (id, leaving) = (ClientId(self.last), self.leaving.clone());
        tokio::spawn(async move {
            // Further input is ignored; an error is a disconnect too.
            let mut ignored = [0; 64];
            while matches!(read.read(&mut ignored).await, Ok(length) if length > 0) {}
            // Nobody listens any more only while the lab ends.
            let _ = leaving.send(id);
        });
        id
    }

    /// Removes a client and closes its connection. Returns whether that frees ports.
    pub(super) fn leave(&mut self, id: ClientId) -> bool {
        self.followers.remove(&id);
        self.takers.remove(&id).is_some()
    }

    /// Whether a client follows the flows.
    pub(super) fn follows(&self, id: ClientId) -> bool {
        self.followers.contains_key(&id)
    }

    /// The ports that programs of clients serve.
    pub(super) fn taken(&self) -> BTreeSet<(Endpoint, u16)> {
        let of_takers = self.takers.values().flat_map(|(ports, _)| ports.iter());
        of_takers.chain(&self.kept).cloned().collect()
    }

    /// Records ports that could not be returned to the lab's own servers.
    pub(super) fn keep(&mut self, ports: BTreeSet<(Endpoint, u16)>) {
        self.kept.extend(ports);
    }

    /// Sends a flow to all followers; disconnects those that are gone or too slow.
    pub(super) async fn broadcast(&mut self, flow: FollowedFlow) {
        let told = LabAnswer::Flow(Box::new(flow));
        let mut gone = Vec::new();
        for (id, follower) in &mut self.followers {
            if !matches!(tokio::time::timeout(SLOW, answer(follower, &told)).await, Ok(Ok(()))) {
                gone.push(*id);
            }
        }
        for id in gone {
            self.followers.remove(&id);
        }
    }
}

/// Sends an answer as one line.
pub(super) async fn answer(write: &mut OwnedWriteHalf, answer: &LabAnswer) -> io::Result<()> {
    write.write_all(&answer.to_line()?).await
}
