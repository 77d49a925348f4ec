//! Fragments: only the first contains the ports; the others belong to the same connection.
//!
//! Fragments are not reassembled: the receiver does that.
//! <https://docs.cilium.io/en/stable/network/concepts/fragmentation/>

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::report::Dropped;
use crate::packet::{Fragment, Headers, Tuple};

/// The number of fragmented packets that are remembered for a link.
const MOST: usize = 1024;

/// The time for which Linux waits for the rest of a packet (`ipfrag_time`).
const REMEMBERED: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FragmentKey {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    protocol: u8,
}

#[derive(Clone, Copy, Debug)]
struct First {
    tuple: Tuple,
    /// The offsets of fragments that overwrite nothing.
    end_of_transport: usize,
    expires: Duration,
}

/// The first fragments seen on a link.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    firsts: FxHashMap<FragmentKey, First>,
    order: VecDeque<FragmentKey>,
}

impl Fragments {
    /// Remembers a first fragment, and gives later ones its tuple.
    pub(super) fn complete(
        &mut self,
        headers: &mut Headers,
        fragment: Fragment,
        at: Duration,
    ) -> Result<(), Dropped> {
        let key = FragmentKey {
            source: headers.tuple.source,
            destination: headers.tuple.destination,
            identification: fragment.identification,
            protocol: fragment.protocol,
        };
        if fragment.offset == 0 {
            let first = First {
                tuple: headers.tuple,
                end_of_transport: headers.end_of_transport(fragment),
                expires: at + REMEMBERED,
            };
            if self.firsts.insert(key, first).is_none() {
                self.order.push_back(key);
            }
            if self.order.len() > MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.firsts.remove(&oldest);
            }
            return Ok(());
        }
        let first = self.firsts.get(&key).filter(|first| at < first.expires);
        let first = first.ok_or_else(|| Dropped::odd("a fragment without its first fragment", headers))?;
        if fragment.offset < first.end_of_transport {
            return Err(Dropped::odd("a fragment that overwrites the transport header", headers));
        }
        headers.tuple = first.tuple;
        Ok(())
    }

    pub(super) fn expire(&mut self, at: Duration) {
        self.firsts.retain(|_, first| at < first.expires);
        self.order.retain(|key| self.firsts.contains_key(key));
    }
}
