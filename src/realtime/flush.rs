//! Flushes: a control thread asks that everything it pushed is given to the system, and learns when that is done.

use crate::sys::clock::now_ns;
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering};

/// Each flush takes a ticket, which is a number.
#[derive(Default)]
pub(crate) struct FlushTickets {
    asked: AtomicU32,
    /// When the last ticket was taken.
    asked_ns: AtomicU64,
    /// The session knows of the tickets up to here. Those that needed no wait are done already.
    seen: AtomicU32,
    /// The tickets up to here are done.
    done: AtomicU32,
    /// The last ticket of which something was lost with a connection.
    lost: AtomicU32,
}

impl FlushTickets {
    /// Asks for a flush of everything that the caller pushed before and that is due now.
    pub(crate) fn ask(&self) -> u32 {
        // Relaxed: the number is written after it, with Release.
        self.asked_ns.fetch_max(now_ns(), Ordering::Relaxed);
        self.asked.fetch_add(1, Ordering::Release).wrapping_add(1)
    }

    /// Network thread: the last ticket, if the session does not know of it yet.
    pub(crate) fn unseen(&self) -> Option<u32> {
        let asked = self.asked.load(Ordering::Acquire);
        (asked != self.seen.load(Ordering::Relaxed)).then_some(asked)
    }

    /// Network thread: when the tickets that `unseen` told of were taken, at the latest.
    pub(crate) fn asked_ns(&self) -> u64 {
        self.asked_ns.load(Ordering::Relaxed)
    }

    /// Network thread: the session knows of all tickets up to this one. Call it after `finish`, if there is nothing to wait
    /// for.
    pub(crate) fn see(&self, ticket: u32) {
        self.seen.store(ticket, Ordering::Release);
    }

    /// Network thread: all flushes up to this one are done; `lost` is the last of them of which something was lost.
    pub(crate) fn finish(&self, ticket: u32, lost: Option<u32>) {
        if let Some(lost) = lost {
            self.lost.store(lost, Ordering::Relaxed);
        }
        self.done.store(ticket, Ordering::Release);
    }

    /// Whether the session knows of a ticket.
    pub(crate) fn is_seen(&self, ticket: u32) -> bool {
        reaches(self.seen.load(Ordering::Acquire), ticket)
    }

    /// The result of a flush, or None while it is not done.
    pub(crate) fn outcome(&self, ticket: u32) -> Option<Flushed> {
        if !reaches(self.done.load(Ordering::Acquire), ticket) {
            return None;
        }
        let lost = self.lost.load(Ordering::Relaxed);
        Some(if lost != 0 && reaches(lost, ticket) {
            Flushed::Lost
        } else {
            Flushed::Handed
        })
    }
}

/// The result of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything was given to the system.
    Handed,
    /// Something was lost with a connection.
    Lost,
}

/// Whether a number is a ticket or a later one. Numbers wrap.
fn reaches(number: u32, ticket: u32) -> bool {
    number.wrapping_sub(ticket) as i32 >= 0
}
