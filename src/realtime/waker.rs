//! How the network thread is woken, and what it tells of how it keeps its times.

use crate::realtime::sleeper::Sleeper;
use crate::sys::poller::Poller;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// While messages answer one another, the network thread and waits look so long, in ns, for the next one before they
/// sleep.
pub(crate) const LOOK_NS: u64 = 50_000;

/// How to wake the network thread.
pub(crate) struct Waker {
    pub(crate) poller: Poller,
    sleeper: Sleeper,
    pub(crate) lateness: Lateness,
    answers_come_soon: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            sleeper: Sleeper::default(),
            lateness: Lateness::default(),
            answers_come_soon: AtomicBool::new(false),
        })
    }

    /// Network thread: whether a wait should look for what comes next before it sleeps.
    pub(crate) fn set_conversing(&self, conversing: bool) {
        if self.is_conversing() != conversing {
            self.answers_come_soon.store(conversing, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_conversing(&self) -> bool {
        self.answers_come_soon.load(Ordering::Relaxed)
    }

    /// Wakes the network thread: one system call.
    pub(crate) fn wake(&self) {
        self.poller.notify();
    }

    /// Wakes the network thread if it sleeps: at most one non-blocking system call. Call it after publishing.
    #[inline]
    pub(crate) fn wake_if_asleep(&self) {
        if self.sleeper.must_be_woken() {
            self.wake();
        }
    }

    /// Network thread: from now on pushes wake it. It must look at the queues once more after this.
    pub(crate) fn fall_asleep(&self) {
        self.sleeper.fall_asleep();
    }

    /// Network thread: it is awake.
    pub(crate) fn awake(&self) {
        self.sleeper.awake();
    }
}

/// How the thread keeps its times, for the stats.
#[derive(Default)]
pub(crate) struct Lateness {
    /// How often it has woken.
    wakes: AtomicU64,
    /// How much later than it had meant to, smoothed over about 64 times.
    late_ns: AtomicU64,
}

impl Lateness {
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    pub(crate) fn late_ns(&self) -> u64 {
        // Kept in 1/64 ns.
        self.late_ns.load(Ordering::Relaxed) / 64
    }

    pub(crate) fn woke(&self) {
        self.wakes.store(self.wakes() + 1, Ordering::Relaxed);
    }

    pub(crate) fn was_late(&self, ns: u64) {
        let mean = self.late_ns.load(Ordering::Relaxed);
        self.late_ns.store(mean - mean / 64 + ns, Ordering::Relaxed);
    }
}
