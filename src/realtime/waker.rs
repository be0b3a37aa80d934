//! The network thread as other threads see it: how to wake it, and how punctual it is.

use crate::realtime::bell::Bell;
use crate::realtime::log::Log;
use crate::realtime::sleeper::Sleeper;
use crate::sys::poller::Poller;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long, in ns, the network thread and waiting threads poll before they sleep while peers answer each other quickly.
pub(crate) const BUSY_POLL_NS: u64 = 50_000;

/// Wakes the network thread.
pub(crate) struct Waker {
    pub(crate) poller: Poller,
    sleeper: Sleeper,
    pub(crate) lateness: Lateness,
    answers_come_soon: AtomicBool,
    /// For requests at any port. The network thread need not look for them at each port then.
    pub(crate) bell: Bell,
    /// Where ports write lines for the host.
    pub(crate) log: Option<Arc<Log>>,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            sleeper: Sleeper::default(),
            lateness: Lateness::default(),
            answers_come_soon: AtomicBool::new(false),
            bell: Bell::default(),
            log: None,
        })
    }

    pub(crate) fn with_log(self, log: Option<Arc<Log>>) -> Self {
        Self { log, ..self }
    }

    /// Network thread: sets whether waiting threads should poll before they sleep.
    pub(crate) fn set_conversing(&self, conversing: bool) {
        if self.is_conversing() != conversing {
            self.answers_come_soon.store(conversing, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_conversing(&self) -> bool {
        self.answers_come_soon.load(Ordering::Relaxed)
    }

    /// Wakes the network thread with one system call.
    pub(crate) fn wake(&self) {
        self.poller.notify();
    }

    /// Wakes the network thread if it sleeps, with at most one non-blocking system call. Call it after publishing.
    #[inline]
    pub(crate) fn wake_if_asleep(&self) {
        if self.sleeper.claim_wake() {
            self.wake();
        }
    }

    /// Network thread: pushes wake it from now on. It must check the queues once more after this call.
    pub(crate) fn mark_asleep(&self) {
        self.sleeper.mark_asleep();
    }

    /// Network thread: pushes need not wake it any more.
    pub(crate) fn mark_awake(&self) {
        self.sleeper.mark_awake();
    }
}

/// How late the network thread wakes, for the statistics.
#[derive(Default)]
pub(crate) struct Lateness {
    /// The number of wake-ups.
    wakes: AtomicU64,
    /// The mean delay of a wake-up, smoothed over about 64 of them, in 1/64 ns.
    late_ns: AtomicU64,
}

impl Lateness {
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    pub(crate) fn late_ns(&self) -> u64 {
        self.late_ns.load(Ordering::Relaxed) / 64
    }

    pub(crate) fn count_wake(&self) {
        self.wakes.store(self.wakes() + 1, Ordering::Relaxed);
    }

    pub(crate) fn add_delay(&self, ns: u64) {
        let mean = self.late_ns.load(Ordering::Relaxed);
        self.late_ns.store(mean - mean / 64 + ns, Ordering::Relaxed);
    }
}
