//! Tells the network thread that something was asked of a port by other means than its out queue.

use crate::sys::sync::{AtomicBool, Ordering};
use crossbeam_utils::CachePadded;

/// One flag for all ports of a context: with many idle ports, looking at each for requests is what a turn costs.
#[derive(Default)]
pub(crate) struct Bell {
    rung: CachePadded<AtomicBool>,
}

impl Bell {
    /// Call it after the request was made.
    #[inline]
    pub(crate) fn ring(&self) {
        // Not a store: the thread that takes it acquires what every thread did that rang it before.
        self.rung.fetch_or(true, Ordering::Release);
    }

    /// Whether it was rung and not taken yet.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed)
    }

    /// Network thread: whether it was rung since the last call. If so, all requests made before are seen now.
    pub(crate) fn take(&self) -> bool {
        self.is_rung() && self.rung.swap(false, Ordering::Acquire)
    }
}
