//! The messages of a merged server's clients in the order of their times, before they go into the in queue.
//!
//! The in queue is one line: a message that is to be placed later would hold up those of other clients behind it. So while
//! a client's times are known, messages wait here until shortly before the audio block that they belong to. Messages of
//! one client keep their order. The buffer is bounded: when it is full, all of it goes into the queue.

use super::effect::Peer;
use std::collections::BTreeMap;

/// The most that waits.
const MOST_MESSAGES: usize = 4096;
const MOST_BYTES: usize = 256 * 1024;

/// A message that waits for its time.
pub(super) struct Waiting {
    pub peer: Peer,
    pub client: u32,
    /// Its place among the others: its time, but not before the message before it of the same client.
    pub at_ns: u64,
    pub time_ns: u64,
    pub flags: u32,
    pub bytes: Box<[u8]>,
}

#[derive(Default)]
pub(super) struct Merge {
    /// By time, then by arrival.
    waiting: BTreeMap<(u64, u64), Waiting>,
    arrived: u64,
    bytes: usize,
    /// How long messages wait after their times; 0: nothing waits.
    hold_ns: u64,
}

impl Merge {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_MESSAGES || self.bytes >= MOST_BYTES
    }

    /// Whether messages wait here at present.
    pub(super) fn is_in_use(&self) -> bool {
        self.hold_ns != 0 || !self.is_empty()
    }

    /// How long messages wait after their times from now on.
    pub(super) fn set_hold(&mut self, hold_ns: u64) {
        self.hold_ns = hold_ns;
    }

    /// Adds a message.
    pub(super) fn add(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes.len();
        self.waiting.insert((waiting.at_ns, self.arrived), waiting);
        self.arrived += 1;
    }

    /// When the next message goes into the queue.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let ((time_ns, _), _) = self.waiting.first_key_value()?;
        Some(time_ns.saturating_add(self.hold_ns))
    }

    /// Takes the next message that goes into the queue by now.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Waiting> {
        if self.next_ns()? > now {
            return None;
        }
        let (_, waiting) = self.waiting.pop_first()?;
        self.bytes -= waiting.bytes.len();
        Some(waiting)
    }
}
