//! What a session asks of the code that drives it.

use slab::Slab;

/// Identifies a connection of a session. The key is valid until `poll_effect` has returned [`Effect::Close`] for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Peer(pub usize);

/// Identifies a port of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PortKey(pub usize);

/// Something that only the driver can do, in the order in which it must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Bytes wait: write [`Core::unsent`](super::Core::unsent), and tell how many were taken with `handle_sent`.
    Write(Peer),
    /// All is written: shut down the sending side.
    FinishWriting(Peer),
    /// The connection is over: close it. The key is free after this.
    Close(Peer),
    /// Tell with `handle_progress` how far the peer has acknowledged.
    Measure(Peer),
    /// A manual server's new client needs a port of its own: answer with `accept` or `reject`.
    Accept(Peer),
    /// A port that nobody has accepted is closed, and is not to be accepted any more.
    Withdraw(PortKey),
    /// A client's connection has ended: connect again, or tell `give_up`. `useful`: it was more than an attempt.
    Disconnected { port: PortKey, useful: bool },
    /// Something that a waiting thread may want to know has changed.
    Wake(PortKey),
    /// The port is gone: its handle is closed, and its last connection has ended.
    Forget(PortKey),
}

/// What a connection's socket is to be watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub read: bool,
    pub write: bool,
}

/// Indexing by the typed keys.
pub(super) trait Keyed<K, T> {
    fn at(&self, key: K) -> Option<&T>;
    fn at_mut(&mut self, key: K) -> Option<&mut T>;
}

impl<T> Keyed<Peer, T> for Slab<T> {
    #[inline]
    fn at(&self, key: Peer) -> Option<&T> {
        self.get(key.0)
    }

    #[inline]
    fn at_mut(&mut self, key: Peer) -> Option<&mut T> {
        self.get_mut(key.0)
    }
}

impl<T> Keyed<PortKey, T> for Slab<T> {
    #[inline]
    fn at(&self, key: PortKey) -> Option<&T> {
        self.get(key.0)
    }

    #[inline]
    fn at_mut(&mut self, key: PortKey) -> Option<&mut T> {
        self.get_mut(key.0)
    }
}
