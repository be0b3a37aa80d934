//! Waiting for sockets and for a wake from another thread, where it is not Linux: what the `polling` crate has.

use polling::{AsRawSource, AsSource, PollMode};
pub(crate) use polling::{Event, Events};
use std::io;
use std::time::Duration;

/// Watches sockets, level-triggered.
pub(crate) struct Poller(polling::Poller);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        polling::Poller::new().map(Self)
    }

    /// Starts to watch a socket, which must be taken out with `delete` before it is closed.
    pub(crate) fn add(&self, socket: impl AsRawSource, event: Event) -> io::Result<()> {
        // SAFETY: the socket is taken out before it is closed, by this function's contract, which the network thread
        // keeps in `remove_link`, `drop_listeners`, `take_socket` and `Connector::abandon`.
        unsafe { self.0.add_with_mode(socket, event, PollMode::Level) }
    }

    /// Watches a socket for something else.
    pub(crate) fn modify(&self, socket: impl AsSource, event: Event) -> io::Result<()> {
        self.0.modify_with_mode(socket, event, PollMode::Level)
    }

    /// Watches a socket no more.
    pub(crate) fn delete(&self, socket: impl AsSource) -> io::Result<()> {
        self.0.delete(socket)
    }

    /// Waits until something happens, `notify` is called or was called since the last wait, or time is over.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.0.wait(events, timeout).map(drop)
    }

    /// Ends the wait that runs, or the next one. Any thread; at most one system call.
    pub(crate) fn notify(&self) {
        // A queue of events that is full wakes all the same; nothing else can fail here.
        let _ = self.0.notify();
    }
}
