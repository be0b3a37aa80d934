//! When a peer's clock is asked for its time, and which questions wait for an answer.

use std::collections::VecDeque;

/// Pings of the burst at the start.
const BURST: u32 = 8;
/// The shortest and the longest time between pings. Peers answer at most 20 a second.
const SHORTEST_NS: u64 = 60_000_000;
const LONGEST_NS: u64 = 1_000_000_000;
/// After so many without an answer, beyond the burst, pings come at the longest interval: a network that stalls for some
/// seconds is not a peer that is gone.
const PATIENT_AFTER: u32 = 4;
/// So many without an answer say that there will be none.
const MOST_UNANSWERED: u32 = 10;
/// Sequence numbers have seven bits.
const SEQUENCE_MASK: u8 = 0x7F;
/// Pings that may be answered yet: fewer than sequence numbers.
const MOST_WAITING: usize = 64;

/// What was sent, and what is due.
#[derive(Clone)]
pub(super) struct Pings {
    /// The next one is due an interval after this; before the first, at this time.
    last_ns: u64,
    sent: u32,
    /// Since the last answer.
    unanswered: u32,
    next_sequence: u8,
    /// Sequence number and time of each that may be answered yet, in order.
    waiting: VecDeque<(u8, u64)>,
}

impl Pings {
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            last_ns: now_ns,
            sent: 0,
            unanswered: 0,
            next_sequence: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Begins anew with a burst. Answers to earlier pings are not taken any more.
    pub(super) fn restart(&mut self, now_ns: u64) {
        *self = Self {
            next_sequence: self.next_sequence,
            ..Self::new(now_ns)
        };
    }

    /// The time between pings, where this long a time would do.
    pub(super) fn interval_ns(&self, enough_ns: u64) -> u64 {
        if self.sent < BURST {
            SHORTEST_NS
        } else if self.unanswered >= PATIENT_AFTER {
            LONGEST_NS
        } else {
            enough_ns.clamp(SHORTEST_NS, LONGEST_NS)
        }
    }

    pub(super) fn next_ns(&self, enough_ns: u64) -> u64 {
        let interval_ns = if self.sent == 0 { 0 } else { self.interval_ns(enough_ns) };
        self.last_ns.saturating_add(interval_ns)
    }

    pub(super) fn are_in_vain(&self) -> bool {
        self.unanswered >= MOST_UNANSWERED
    }

    /// Counts a ping that is sent now; its sequence number.
    pub(super) fn send(&mut self, now_ns: u64) -> u8 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1) & SEQUENCE_MASK;
        self.last_ns = now_ns;
        self.sent = self.sent.saturating_add(1);
        self.unanswered += 1;
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((sequence, now_ns));
        sequence
    }

    /// When the ping with this number was sent, if it may still be answered.
    pub(super) fn sent_ns(&self, sequence: u8) -> Option<u64> {
        let found = self.waiting.iter().find(|(number, _)| *number == sequence);
        found.map(|(_, sent_ns)| *sent_ns)
    }

    /// The ping with this number was answered. Answers come in order, so earlier pings will get none.
    pub(super) fn answered(&mut self, sequence: u8) {
        self.unanswered = 0;
        if let Some(index) = self.waiting.iter().position(|(number, _)| *number == sequence) {
            self.waiting.drain(..=index);
        }
    }
}
