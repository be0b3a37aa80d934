//! How a control thread asks that all that was pushed be handed to the system, and learns that it was.

use crate::sys::sync::{AtomicU32, Ordering};

/// Tickets: each flush takes a number.
#[derive(Default)]
pub(crate) struct FlushTickets {
    asked: AtomicU32,
    /// Up to here the session knows of them, and has said of each that was done at once that it is.
    seen: AtomicU32,
    /// Up to here they are done.
    done: AtomicU32,
    /// The last one of which something was lost with its connection.
    lost: AtomicU32,
}

impl FlushTickets {
    /// Asks for a flush of all that was pushed before.
    pub(crate) fn ask(&self) -> u32 {
        self.asked.fetch_add(1, Ordering::AcqRel).wrapping_add(1)
    }

    /// Network thread: the last ticket that was asked for, if the session does not know of it.
    pub(crate) fn unseen(&self) -> Option<u32> {
        let asked = self.asked.load(Ordering::Acquire);
        (asked != self.seen.load(Ordering::Relaxed)).then_some(asked)
    }

    /// Network thread: the session knows of all tickets up to this one.
    pub(crate) fn see(&self, ticket: u32) {
        self.seen.store(ticket, Ordering::Release);
    }

    /// Network thread: all flushes up to this one are done.
    pub(crate) fn finish(&self, ticket: u32, lost: bool) {
        if lost {
            self.lost.store(ticket, Ordering::Relaxed);
        }
        self.done.store(ticket, Ordering::Release);
    }

    /// Whether the session knows of a ticket.
    pub(crate) fn is_seen(&self, ticket: u32) -> bool {
        reaches(self.seen.load(Ordering::Acquire), ticket)
    }

    /// Whether a flush is done, and if so whether something was lost.
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

/// What came of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// All was handed to the system.
    Handed,
    /// Some of it was lost with a connection.
    Lost,
}

/// Numbers wrap.
fn reaches(number: u32, ticket: u32) -> bool {
    number.wrapping_sub(ticket) as i32 >= 0
}
