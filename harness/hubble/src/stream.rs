//! Several sources at once: one stream of news, over cuts, with everything that may be missing.
//!
//! A source whose connection is cut is connected to again, after growing pauses and not for ever, and asked from
//! the last event on. What it tells twice is told once. Where nobody can say that nothing was lost meanwhile, a
//! [`LossWindow`] says so: attempts in its window prove nothing by silence and want to be made again.
//!
//! Flows have the time of their node's clock, [`SourceEvent::Flow::received`] that of the caller's.

mod following;
mod memory;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::FlowServer;
use crate::convert::{LossWindow, NodeChange, ReportedFlow};
use crate::flow_source::FlowSource;
use following::FollowedServer;

/// How many news wait to be taken before the sources are held back.
const WAITING: usize = 1024;

/// Something that a source tells, or that happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// A flow.
    Flow {
        /// The flow.
        reported: Box<ReportedFlow>,
        /// When it was received, counted from the start of the run.
        received: Duration,
    },
    /// Events may be missing.
    Lost(LossWindow),
    /// What has become of nodes behind Relay.
    Node(NodeChange),
    /// The source answers and is followed from now on, for the first time or again. Before the first time nothing
    /// is promised of it. After a cut, what it still holds from then comes next, and what it may not hold any more
    /// has been told to be lost.
    Following {
        /// Its name.
        source: Arc<str>,
    },
    /// The source does not answer. It is tried again; until the next [`Self::Following`] its flows may come late.
    Cut {
        /// Its name.
        source: Arc<str>,
        /// Why, naming the server.
        reason: String,
    },
    /// The source is not tried any more: from the window of the [`LossWindow`] before on, all of its flows are missing.
    GivenUp {
        /// Its name.
        source: Arc<str>,
        /// Why, naming the server, and what was last heard of it.
        reason: String,
    },
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTimeouts {
    /// For a connection, and for each answer.
    pub answer: Duration,
    /// Between two questions whether the server is still there.
    pub heartbeat: Duration,
    /// Before the first attempt to connect again; each further pause is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long a source may not work before it is given up.
    pub give_up: Duration,
}

impl Default for StreamTimeouts {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(5),
            heartbeat: Duration::from_secs(5),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
            give_up: Duration::from_mins(1),
        }
    }
}

/// The news of several sources. Dropping it ends all connections.
#[derive(Debug)]
pub struct FlowStream {
    news: mpsc::Receiver<SourceEvent>,
    /// They end with this.
    _following: JoinSet<()>,
}

impl FlowStream {
    /// Follows these sources: the agents of all nodes, or Relay. Flows from before the start of the run are left
    /// out. Needs a tokio runtime.
    pub fn follow(
        sources: &[FlowServer],
        flow_source: FlowSource,
        begin: SystemTime,
        patience: StreamTimeouts,
    ) -> Self {
        let (sender, news) = mpsc::channel(WAITING);
        let mut following = JoinSet::new();
        for source in sources {
            let source = FollowedServer::new(source.clone(), flow_source, begin, patience, sender.clone());
            following.spawn(source.run());
        }
        Self { news, _following: following }
    }

    /// What comes next; none when every source is given up. Cancel-safe.
    pub async fn next(&mut self) -> Option<SourceEvent> {
        self.news.recv().await
    }
}
