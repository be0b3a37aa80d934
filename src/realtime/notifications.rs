//! Notifications: what happened to a port's connections, for a control thread to take when it likes.

use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The numbers are the C API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Kind {
    Connected = 1,
    ConnectFailed = 2,
    Disconnected = 3,
    ClientJoined = 4,
    ClientLeft = 5,
    Congested = 6,
    Recovered = 7,
    PriorityRefused = 8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    pub time_ns: u64,
    pub kind: Kind,
    pub reason: Code,
    pub client: u32,
    pub os_error: i32,
    pub address: Option<SocketAddr>,
}

impl Notification {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            time_ns: crate::sys::clock::now_ns(),
            kind,
            reason: Code::Ok,
            client: 0,
            os_error: 0,
            address: None,
        }
    }

    pub(crate) fn reason(self, reason: Code, os_error: i32) -> Self {
        Self {
            reason,
            os_error,
            ..self
        }
    }

    pub(crate) fn client(self, client: u32) -> Self {
        Self { client, ..self }
    }

    pub(crate) fn address(self, address: Option<SocketAddr>) -> Self {
        Self { address, ..self }
    }
}

/// The bounded queue of a port's notifications.
///
/// Room for the end of everything whose beginning was told is kept free: a join that was told is always followed by
/// its leave, and one that was left out is never followed by one.
pub(crate) struct Notifications {
    queue: SegQueue<Notification>,
    waiting: AtomicUsize,
    /// Beginnings told whose end has not been told: room that is spoken for.
    open: AtomicUsize,
    capacity: usize,
}

impl Notifications {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            queue: SegQueue::new(),
            waiting: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            capacity,
        }
    }

    fn has_room(&self, needed: usize) -> bool {
        self.waiting.load(Ordering::Relaxed) + self.open.load(Ordering::Relaxed) + needed <= self.capacity
    }

    fn put(&self, notification: Notification) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.push(notification);
    }

    /// Tells something that stands alone, if there is room.
    pub(crate) fn tell(&self, notification: Notification) {
        if self.has_room(1) {
            self.put(notification);
        }
    }

    /// Tells a beginning, if there is room for it and its end. The answer must be given to `end`.
    #[must_use]
    pub(crate) fn begin(&self, notification: Notification) -> bool {
        let room = self.has_room(2);
        if room {
            self.open.fetch_add(1, Ordering::Relaxed);
            self.put(notification);
        }
        room
    }

    /// Tells an end, if its beginning was told.
    pub(crate) fn end(&self, begun: bool, notification: Notification) {
        if begun {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.put(notification);
        }
    }

    pub(crate) fn take(&self) -> Option<Notification> {
        let notification = self.queue.pop()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(notification)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_and_leaves_stay_paired_when_nobody_looks() {
        let queue = Notifications::new(10);
        let mut told = Vec::new();
        for client in 1..=100 {
            told.push(queue.begin(Notification::new(Kind::ClientJoined).client(client)));
            queue.tell(Notification::new(Kind::ConnectFailed));
        }
        for client in 1..=100u32 {
            queue.end(
                told[client as usize - 1],
                Notification::new(Kind::ClientLeft).client(client),
            );
        }
        let (mut joined, mut left, mut all) = (Vec::new(), Vec::new(), 0);
        while let Some(n) = queue.take() {
            all += 1;
            match n.kind {
                Kind::ClientJoined => joined.push(n.client),
                Kind::ClientLeft => left.push(n.client),
                _ => {}
            }
        }
        assert!(all <= 10 && !joined.is_empty());
        assert_eq!(joined, left);
        assert!(
            queue.begin(Notification::new(Kind::Connected)),
            "all room is free again"
        );
    }
}
