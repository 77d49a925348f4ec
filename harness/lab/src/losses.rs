//! What the lab itself loses: packets and connections that no policy stopped.
//!
//! Verdicts depend on it, because a loss looks like a denial.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The causes of losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossCause {
    /// A device did not accept a packet for its endpoint.
    Refused,
    /// The queue of a device was full, or the device cannot be read.
    Queue,
    /// The DNS proxy dropped a query or an answer.
    Query,
    /// A proxy dropped a connection.
    Connection,
}

impl LossCause {
    const ALL: [Self; 4] = [Self::Refused, Self::Queue, Self::Query, Self::Connection];

    fn index(self) -> usize {
        match self {
            Self::Refused => 0,
            Self::Queue => 1,
            Self::Query => 2,
            Self::Connection => 3,
        }
    }

    fn text(self, count: u64) -> String {
        let what = |one: &str, several: &str| format!("{count} {}", if count == 1 { one } else { several });
        match self {
            Self::Refused => what("packet that a device refused", "packets that devices refused"),
            Self::Queue => {
                what("packet for which a queue had no room", "packets for which queues had no room")
            }
            Self::Query => what("message of the DNS proxy", "messages of the DNS proxy"),
            Self::Connection => what("connection of a proxy", "connections of the proxies"),
        }
    }
}

/// The number of losses by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost([u64; LossCause::ALL.len()]);

impl Lost {
    /// The number of losses of one cause.
    pub fn count(&self, loss: LossCause) -> u64 {
        self.0[loss.index()]
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = LossCause::ALL.into_iter().filter(|loss| self.count(*loss) > 0);
        let texts: Vec<String> = lost.map(|loss| loss.text(self.count(loss))).collect();
        write!(f, "the lab itself lost {}", texts.join(", "))
    }
}

/// Counts losses. Shared by the datapath and the proxies, which add, and the lab, which reports.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    counts: [AtomicU64; LossCause::ALL.len()],
    news: Notify,
}

impl Losses {
    /// Adds one.
    pub(crate) fn add(&self, loss: LossCause) {
        self.add_several(loss, 1);
    }

    /// Adds several, or none.
    pub(crate) fn add_several(&self, loss: LossCause, count: u64) {
        if count > 0 {
            self.counts[loss.index()].fetch_add(count, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    /// Waits for losses that have not been reported. Cancel-safe.
    pub(crate) async fn next(&self) -> Lost {
        loop {
            let lost = Lost(LossCause::ALL.map(|loss| self.counts[loss.index()].swap(0, Ordering::Relaxed)));
            if lost != Lost::default() {
                return lost;
            }
            self.news.notified().await;
        }
    }
}

/// The number of packets that a namespace's queues had no room for, from the text of its `/proc/<pid>/net/dev`.
///
/// <https://man7.org/linux/man-pages/man5/proc_pid_net.5.html>
pub(crate) fn dropped_by_queues(devices: &str) -> u64 {
    // After the device's name: eight columns of received traffic, then bytes, packets, errors and drops of sent
    // traffic.
    let dropped = |line: &str| line.split_once(':')?.1.split_whitespace().nth(11)?.parse::<u64>().ok();
    devices.lines().filter_map(dropped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_queues_are_read() {
        let text = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    5    0     0          0         0        0       0    0    0    0     0       0          0
  eth0:      58       2    0    7    0     0          0         0   112342     421    3   17    0     0       0          0
";
        assert_eq!(dropped_by_queues(text), 17);
        assert_eq!(dropped_by_queues("what is this: 1 2 3"), 0);
    }

    #[tokio::test]
    async fn losses_are_told_once_and_together() {
        let losses = Losses::default();
        losses.add(LossCause::Refused);
        losses.add_several(LossCause::Queue, 0);
        losses.add_several(LossCause::Query, 2);
        insta::assert_snapshot!(losses.next().await, @"the lab itself lost 1 packet that a device refused, 2 messages of the DNS proxy");
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(1), losses.next());
        assert!(waiting.await.is_err());
        losses.add(LossCause::Connection);
        insta::assert_snapshot!(losses.next().await, @"the lab itself lost 1 connection of a proxy");
    }
}
