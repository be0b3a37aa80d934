//! Notifications of a port: connections that were made, lost or refused. A control thread polls them. What they tell is
//! also written to the host's log, where there is one.

use crate::realtime::log::{self, Level, Source};
use crate::sys::address::Address;
use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
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
    ClientNamed = 9,
    ClockLocked = 10,
    ClockLost = 11,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    pub time_ns: u64,
    pub kind: Kind,
    pub reason: Code,
    pub client: u32,
    pub os_error: i32,
    pub address: Option<Address>,
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

    pub(crate) fn address(self, address: Option<Address>) -> Self {
        Self { address, ..self }
    }
}

/// The bounded queue of a port's notifications.
///
/// Some notifications come in pairs, such as a join and a leave. The queue reserves room for the second with the first. So
/// an announced join is always followed by its leave, and a join that was left out never is.
pub(crate) struct Notifications {
    queue: SegQueue<Notification>,
    waiting: AtomicUsize,
    /// Reserved places: announced beginnings whose end has not been announced yet.
    open: AtomicUsize,
    capacity: usize,
    /// The host's log.
    log: Option<Source>,
    is_server: bool,
}

impl Notifications {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            queue: SegQueue::new(),
            waiting: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            capacity,
            log: None,
            is_server: false,
        }
    }

    pub(crate) fn with_log(self, log: Option<Source>, is_server: bool) -> Self {
        Self { log, is_server, ..self }
    }

    /// The port's place in the host's log.
    pub(crate) fn log(&self) -> Option<&Source> {
        self.log.as_ref()
    }

    /// Writes a line about what nobody is notified of.
    pub(crate) fn write(&self, level: Level, text: impl FnOnce() -> String) {
        if let Some(log) = &self.log {
            log.write(level, &text());
        }
    }

    fn write_about(&self, notification: &Notification) {
        if let Some(log) = &self.log {
            let (level, text) = log::describe(notification, self.is_server);
            log.write(level, &text);
        }
    }

    fn has_room(&self, needed: usize) -> bool {
        self.waiting.load(Ordering::Relaxed) + self.open.load(Ordering::Relaxed) + needed <= self.capacity
    }

    fn enqueue(&self, notification: Notification) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.push(notification);
    }

    /// Announces a single event, if there is room. Whether there was.
    pub(crate) fn announce(&self, notification: Notification) -> bool {
        self.write_about(&notification);
        let room = self.has_room(1);
        if room {
            self.enqueue(notification);
        }
        room
    }

    /// Announces a beginning, if there is room for it and its end. Pass the result to `announce_end`.
    #[must_use]
    pub(crate) fn announce_begin(&self, notification: Notification) -> bool {
        self.write_about(&notification);
        let room = self.has_room(2);
        if room {
            self.open.fetch_add(1, Ordering::Relaxed);
            self.enqueue(notification);
        }
        room
    }

    /// Announces an end, if its beginning was announced.
    pub(crate) fn announce_end(&self, announced: bool, notification: Notification) {
        // The end of a congestion that was never told is none.
        if announced || notification.kind != Kind::Recovered {
            self.write_about(&notification);
        }
        if announced {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.enqueue(notification);
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
    fn joins_and_leaves_stay_paired_without_polling() {
        let queue = Notifications::new(10);
        let mut announced = Vec::new();
        for client in 1..=100 {
            announced.push(queue.announce_begin(Notification::new(Kind::ClientJoined).client(client)));
            queue.announce(Notification::new(Kind::ConnectFailed));
        }
        for client in 1..=100u32 {
            queue.announce_end(
                announced[client as usize - 1],
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
            queue.announce_begin(Notification::new(Kind::Connected)),
            "all places are free again"
        );
    }
}
