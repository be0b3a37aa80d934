//! Deadlines, soonest first.

use super::effect::{Peer, PortKey};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whose deadline it is. The number tells a connection or port from a later one with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Connection(Peer, u64),
    Port(PortKey, u64),
}

/// A heap of deadlines. Superseded deadlines stay in the heap; their owner ignores them.
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(u64, Owner)>>,
    /// The soonest; `u64::MAX`: there is none. Every turn asks each session for it, so it lies beside the rest of the
    /// session.
    next_ns: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next_ns: u64::MAX,
        }
    }
}

/// The deadline that an owner has in the heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed(u64);

impl Default for Armed {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Armed {
    /// Whether a deadline that came is the one that was armed last. Then none is armed any more.
    pub(super) fn comes(&mut self, at: u64) -> bool {
        let current = self.0 == at;
        if current {
            self.0 = u64::MAX;
        }
        current
    }
}

impl Timers {
    /// Has the owner called at `at`, unless it will be called sooner anyway.
    pub(super) fn arm(&mut self, armed: &mut Armed, at: u64, owner: Owner) {
        if at < armed.0 {
            armed.0 = at;
            self.next_ns = self.next_ns.min(at);
            self.heap.push(Reverse((at, owner)));
        }
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<u64> {
        (self.next_ns != u64::MAX).then_some(self.next_ns)
    }

    /// Takes one deadline that has come.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(u64, Owner)> {
        if self.next()? > now {
            return None;
        }
        let due = self.heap.pop();
        self.next_ns = self.heap.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        due.map(|Reverse(due)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_moved_forward_comes_once() {
        let mut timers = Timers::default();
        let mut armed = Armed::default();
        let owner = Owner::Connection(Peer(1), 1);
        timers.arm(&mut armed, 100, owner);
        timers.arm(&mut armed, 200, owner);
        timers.arm(&mut armed, 50, owner);
        assert_eq!(timers.next(), Some(50));
        assert_eq!(timers.take_due(49), None);
        let mut came = 0;
        while let Some((at, _)) = timers.take_due(1000) {
            came += u32::from(armed.comes(at));
        }
        assert_eq!(came, 1);
    }
}
