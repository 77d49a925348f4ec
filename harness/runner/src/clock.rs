//! The source of the times in a run's log.

use std::time::{Duration, Instant, SystemTime};

use verdikt_verdict::timestamp::Timestamp;

/// A source of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// None: events have no times, so that the same run gives the same events.
    #[default]
    None,
    /// The machine's clock.
    System,
}

/// The start of something whose duration is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    at: Option<Timestamp>,
    since: Option<Instant>,
}

impl Clock {
    /// The time now, where it is told.
    pub fn now(self) -> Option<Timestamp> {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Timestamp::since_1970(since_1970).filter(|_| self == Self::System)
    }

    /// Something begins.
    pub(crate) fn begin(self) -> Stopwatch {
        Stopwatch { at: self.now(), since: (self == Self::System).then(Instant::now) }
    }
}

impl Stopwatch {
    /// When it began, where times are told.
    pub(crate) fn at(self) -> Option<Timestamp> {
        self.at
    }

    /// How long it has taken until now, where times are told.
    pub(crate) fn took(self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }
}
