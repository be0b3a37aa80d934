//! The realtime priority that a port wants for its network thread.

use crate::sys::sync::{AtomicBool, AtomicU32, Ordering};

/// The wanted priority. The network thread checks it once a turn, however often it was asked for.
pub(crate) struct PriorityWish {
    wanted: AtomicU32,
    asked: AtomicBool,
}

impl PriorityWish {
    pub(crate) fn new(wanted: u32) -> Self {
        Self {
            wanted: AtomicU32::new(wanted),
            asked: AtomicBool::new(true),
        }
    }

    /// Asks for another priority.
    pub(crate) fn ask(&self, wanted: u32) {
        self.wanted.store(wanted, Ordering::Relaxed);
        self.asked.store(true, Ordering::Release);
    }

    pub(crate) fn wanted(&self) -> u32 {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Network thread: whether a priority was asked for since the last call.
    pub(crate) fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Acquire)
    }
}
