//! Whether the network thread sleeps, so that a push wakes it then and only then.

use crate::sys::sync::{AtomicBool, Ordering, fence};
use crossbeam_utils::CachePadded;

/// Set while the network thread sleeps or is about to.
#[derive(Default)]
pub(crate) struct Sleeper {
    asleep: CachePadded<AtomicBool>,
}

impl Sleeper {
    /// Whether it has to be woken, and nobody else does it. To be asked after publishing.
    #[inline]
    pub(crate) fn must_be_woken(&self) -> bool {
        // Orders the publishing before the look at the flag, against `fall_asleep` and its look at the queues.
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel)
    }

    /// Network thread: from now on it is to be woken. It must look at the queues once more after this.
    pub(crate) fn fall_asleep(&self) {
        // An exchange, where a store would do: loom does not know that nothing comes between what an exchange reads
        // and what it writes, and would put a push's exchange after a store that was made later.
        self.asleep.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Network thread: it is awake.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}
