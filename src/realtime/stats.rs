//! Counters of a port.

use crate::sys::sync::AtomicBool;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter with one writer: an addition is a load and a store, never a locked instruction.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        if count != 0 {
            self.0.store(self.get() + count, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Written by the network thread.
#[derive(Default)]
pub(crate) struct NetworkCounters {
    pub messages_in: Counter,
    pub messages_out: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub dropped_in: Counter,
    pub dropped_out: Counter,
    pub unrepaired: Counter,
    pub filtered: Counter,
    pub invalid_bytes: Counter,
    pub oversize_in: Counter,
    pub synthesized: Counter,
    pub connections: Counter,
    pub disconnections: Counter,
    pub rejected: Counter,
    pub thread: ThreadFigures,
}

/// What is known of the times of senders. Written by the network thread.
#[derive(Default)]
pub(crate) struct SenderFigures {
    /// Messages that came with a sender's time that was believed.
    pub timed_in: Counter,
    /// How far the estimate of a sender's clock may be off: the worst of the peers. 0: none is known.
    pub clock_error_ns: AtomicU64,
    /// What the network takes: the high-water mark that an automatic latency covers. 0: no peer has a clock.
    pub transit_ns: AtomicU64,
}

/// How punctual the network thread is.
#[derive(Default)]
pub(crate) struct ThreadFigures {
    /// The longest recent time from reading a message to publishing it in the in queue.
    pub lag_ns: AtomicU64,
    /// The longest delay of a wake-up so far.
    pub late_max_ns: AtomicU64,
    /// The realtime priority that the thread runs with.
    pub priority: AtomicU64,
}

impl ThreadFigures {
    pub(crate) fn note_late(&self, ns: u64) {
        if ns > self.late_max_ns.load(Ordering::Relaxed) {
            self.late_max_ns.store(ns, Ordering::Relaxed);
        }
    }

    /// Takes in one measurement. The longest is forgotten slowly.
    pub(crate) fn note_lag(&self, ns: u64) {
        let longest = self.lag_ns.load(Ordering::Relaxed);
        self.lag_ns.store(ns.max(longest - longest / 256), Ordering::Relaxed);
    }
}

/// Written by the pushing thread.
#[derive(Default)]
pub(crate) struct PushCounters {
    /// Messages that were refused and remembered: see `refused.rs`.
    pub refused: Counter,
    /// Refused messages that a summary of the channel state does not restore.
    pub unrepaired: Counter,
    pub filtered: Counter,
    /// On a pair: pushed messages. Those of three bytes have a counter of their own, so that nearly every push updates one
    /// counter instead of two.
    pub three_byte_messages: Counter,
    pub other_messages: Counter,
    pub other_bytes: Counter,
}

impl PushCounters {
    /// Counts a message of this size.
    #[inline(always)]
    pub(crate) fn count(&self, bytes: usize) {
        if bytes == 3 {
            self.three_byte_messages.add(1);
        } else {
            self.other_messages.add(1);
            self.other_bytes.add(bytes as u64);
        }
    }

    pub(crate) fn messages(&self) -> u64 {
        self.three_byte_messages.get() + self.other_messages.get()
    }

    pub(crate) fn bytes(&self) -> u64 {
        3 * self.three_byte_messages.get() + self.other_bytes.get()
    }
}

/// Written by the popping thread.
#[derive(Default)]
pub(crate) struct PopCounters {
    /// On a pair: messages popped because of a panic or reset on the other port.
    pub requested_messages: Counter,
    pub requested_bytes: Counter,
    pub latency_ns: AtomicU64,
    /// On a pair: messages popped with the sender's time.
    pub timed_in: Counter,
    /// Messages with a sender's time that came too late for their place in the block.
    pub late_in: Counter,
    /// Messages that the popping side generated, after a skip or on a pair.
    pub synthesized: Counter,
    /// Skipped messages that a summary of the channel state does not restore.
    pub unrepaired: Counter,
    pub filtered: Counter,
    /// On a pair: something sounds here that a release must end when a port closes.
    pub needs_release: AtomicBool,
    /// On a pair: `pop` has a message that is no longer in the queue.
    pub has_pending: AtomicBool,
}
