//! Reads orders, from lines that may be too long or malformed.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use verdikt_wire::Order;

/// The longest line that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// How much of a malformed line is repeated in the report, in characters.
const REPEATED: usize = 200;

/// A line of input.
pub(crate) enum Line {
    /// An order.
    Order(Box<Order>),
    /// Not an order, with the reason.
    Misunderstood(String),
}

/// The lines of an input.
pub(crate) struct InputLines<R> {
    input: R,
    /// What has been read but not returned.
    buffer: Vec<u8>,
    /// How much of `buffer` is known to have no line end.
    searched: usize,
    /// Whether `buffer` starts inside a line that was too long.
    skipping: bool,
}

impl<R: AsyncRead + Unpin> InputLines<R> {
    pub(crate) fn of(input: R) -> Self {
        Self { input, buffer: Vec::new(), searched: 0, skipping: false }
    }

    /// Reads the next line that is not empty; none at the end, where an incomplete line is dropped. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.buffered() {
                return Ok(Some(line));
            }
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn buffered(&mut self) -> Option<Line> {
        loop {
            let Some(found) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.searched <= LONGEST {
                    return None;
                }
                let first = !self.skipping;
                let complaint = too_long(&self.buffer);
                self.buffer.clear();
                self.searched = 0;
                self.skipping = true;
                return first.then_some(complaint);
            };
            let end = self.searched + found;
            let line = &self.buffer[..end];
            let said = if self.skipping || line.trim_ascii().is_empty() {
                None
            } else if line.len() > LONGEST {
                Some(too_long(line))
            } else {
                Some(understood(line))
            };
            self.buffer.drain(..=end);
            self.searched = 0;
            self.skipping = false;
            if said.is_some() {
                return said;
            }
        }
    }
}

fn understood(line: &[u8]) -> Line {
    match serde_json::from_slice(line) {
        Ok(order) => Line::Order(Box::new(order)),
        Err(error) => Line::Misunderstood(format!("{error}: {}", shortened(line))),
    }
}

fn too_long(line: &[u8]) -> Line {
    Line::Misunderstood(format!("a line is longer than {LONGEST} bytes: {}", shortened(line)))
}

fn shortened(line: &[u8]) -> String {
    // A character has at most four bytes.
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * REPEATED)]);
    let mut short: String = text.chars().take(REPEATED).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
