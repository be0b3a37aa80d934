//! What the keys of the poller stand for.

use crate::session::Peer;
use slab::Slab;

/// What a key of the poller stands for, in one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Connection(Peer),
    /// A socket that listens.
    Listener(usize),
    /// An attempt to connect.
    Attempt(usize),
}

/// The keys in use.
#[derive(Default)]
pub(super) struct Registry {
    sources: Slab<(usize, Source)>,
}

impl Registry {
    /// A key for something of a seat.
    pub(super) fn add(&mut self, seat: usize, source: Source) -> usize {
        self.sources.insert((seat, source))
    }

    /// The key is free again. An event of it that was given before may reach its next user, which finds nothing.
    pub(super) fn remove(&mut self, key: usize) {
        self.sources.try_remove(key);
    }

    /// The seat, and what it is there.
    pub(super) fn get(&self, key: usize) -> Option<(usize, Source)> {
        self.sources.get(key).copied()
    }

    pub(super) fn clear(&mut self) {
        self.sources.clear();
    }
}
