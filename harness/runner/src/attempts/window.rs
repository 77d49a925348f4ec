//! How many attempts are in flight: as many as the machine answers without delay.
//!
//! The window grows by one with each quick answer, and after the first slow one by one with each whole window; a slow
//! answer halves it, once for all attempts that were in flight then.
//! <https://www.rfc-editor.org/rfc/rfc5681#section-3.1>

use std::time::Duration;

/// The smallest window: so few attempts do not overload a machine.
const LEAST: usize = 8;
/// The largest window: more is not quicker, and a server's backlog holds only 1024 connections.
const MOST: usize = 256;
/// The longest time of a quick answer.
const SLOW: Duration = Duration::from_millis(300);

/// A bound on what is in flight, which follows how quickly answers come.
#[derive(Debug)]
pub(super) struct InFlightWindow {
    size: usize,
    in_flight: usize,
    /// Whether no answer has been slow.
    opening: bool,
    /// The quick answers since the window has grown.
    quick: usize,
    /// How many answers come of attempts that began before the window was halved.
    before: usize,
}

impl InFlightWindow {
    /// Makes a window with this initial size.
    pub(super) fn of(size: usize) -> Self {
        Self { size: size.clamp(LEAST, MOST), in_flight: 0, opening: true, quick: 0, before: 0 }
    }

    /// Whether one more may begin.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.size
    }

    /// Counts one more attempt in flight.
    pub(super) fn begin(&mut self) {
        self.in_flight += 1;
    }

    /// Takes an attempt out of the window that was answered after this time, or needs no answer any more.
    pub(super) fn end(&mut self, took: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let is_before = self.before > 0;
        self.before = self.before.saturating_sub(1);
        if took > SLOW {
            if !is_before {
                self.size = (self.size / 2).max(LEAST);
                self.opening = false;
                self.quick = 0;
                self.before = self.in_flight;
            }
        } else if !is_before {
            self.quick += 1;
            if self.opening || self.quick >= self.size {
                self.size = (self.size + 1).min(MOST);
                self.quick = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the window and answers all of it, so many times; answers how many were in flight each time.
    fn rounds(window: &mut InFlightWindow, milliseconds: &[u64]) -> Vec<usize> {
        let round = |took: &u64| {
            let mut begun = 0;
            while window.has_room() {
                window.begin();
                begun += 1;
            }
            (0..begun).for_each(|_| window.end(Duration::from_millis(*took)));
            begun
        };
        milliseconds.iter().map(round).collect()
    }

    #[test]
    fn it_follows_the_answers() {
        let mut window = InFlightWindow::of(64);
        assert_eq!(rounds(&mut window, &[10, 10, 10, 10]), [64, 128, 256, 256], "it opens, to the most");
        assert_eq!(rounds(&mut window, &[900, 900, 900]), [256, 128, 64], "a slow round halves it once");
        assert_eq!(rounds(&mut window, &[10, 10, 10]), [32, 33, 34], "it grows by one a round");
        assert_eq!(rounds(&mut window, &[900; 4]), [35, 17, 8, 8], "some are always in flight");
    }

    #[test]
    fn what_began_before_it_was_halved_does_not_halve_it_again() {
        let mut window = InFlightWindow::of(100);
        (0..100).for_each(|_| window.begin());
        (0..60).for_each(|_| window.end(Duration::from_secs(1)));
        assert!(window.has_room(), "40 are in flight");
        (0..10).for_each(|_| window.begin());
        assert!(!window.has_room(), "of 50");
    }
}
