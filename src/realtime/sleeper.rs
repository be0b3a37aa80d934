//! Whether the network thread sleeps. A push wakes it only if it does.

use crate::sys::sync::{AtomicBool, Ordering, fence};
use crossbeam_utils::CachePadded;

#[derive(Default)]
pub(crate) struct Sleeper {
    /// Set while the network thread sleeps or is about to.
    asleep: CachePadded<AtomicBool>,
}

impl Sleeper {
    /// Claims the wake-up of a sleeping thread. Of several callers one gets true, and must wake it. Call it after publishing.
    #[inline]
    pub(crate) fn claim_wake(&self) -> bool {
        // Publishing comes before this fence, and the load of the flag after it. The network thread sets the flag before
        // its fence, and checks the queues after it. So one of the two sees the other.
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel)
    }

    /// Network thread: it must be woken from now on. It must check the queues once more after this call.
    pub(crate) fn mark_asleep(&self) {
        // A store would suffice. Loom, however, lets another store come between the read and the write of an exchange, so
        // it would place a push's exchange after a later store.
        self.asleep.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Network thread: it is awake.
    pub(crate) fn mark_awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}
