//! Panic and reset: asked for by any thread without a place in the out queue, done by whoever empties it.

use crate::sys::sync::{AtomicU32, AtomicUsize, Ordering};

/// What any thread may ask for without a place in the out queue.
#[derive(Default)]
pub(crate) struct Requests {
    pub panic: Request,
    pub reset: Request,
    pub cancel: Request,
    /// How often any of them was asked for: what has not changed need not be looked at more closely.
    told: AtomicU32,
}

impl Requests {
    /// To be called after a request was made.
    pub(crate) fn tell(&self) {
        self.told.fetch_add(1, Ordering::Release);
    }

    /// Changes with every request.
    #[inline]
    pub(crate) fn told(&self) -> u32 {
        self.told.load(Ordering::Acquire)
    }
}

/// A request that is never lost and needs no room: several that were not served yet are one.
#[derive(Default)]
pub(crate) struct Request {
    /// Where the out queue stood.
    position: AtomicUsize,
    count: AtomicU32,
    /// The count up to which it was done; written by whoever consumes the out queue.
    served: AtomicU32,
}

impl Request {
    /// Asks, at a position of the out queue.
    #[inline]
    pub(crate) fn ask(&self, position: usize) {
        // The furthest counts, where several ask at once: who looked at the queue earlier must not set it back. It goes
        // round only when another has set a position in between that is still before this one, and so looked at the
        // queue before this one did: once at most for each thread that asks at the same moment, however often it asks.
        let mut stands = self.position.load(Ordering::Relaxed);
        while (position.wrapping_sub(stands) as isize) > 0
            && let Err(other) = self
                .position
                // Release: who sees the position, which may be before it is counted, sees the queue filled up to there.
                .compare_exchange(stands, position, Ordering::Release, Ordering::Relaxed)
        {
            stands = other;
        }
        self.count.fetch_add(1, Ordering::Release);
    }

    /// How often was asked, and the queue's position then, if that is not `done` yet.
    #[inline]
    pub(crate) fn pending(&self, done: u32) -> Option<(u32, usize)> {
        let count = self.count.load(Ordering::Acquire);
        (count != done).then(|| (count, self.position.load(Ordering::Acquire)))
    }

    /// How often was asked, if that is not `done` yet and has its turn: the queue has been emptied up to `position`.
    #[inline]
    pub(crate) fn due(&self, done: u32, position: usize) -> Option<u32> {
        let (count, at) = self.pending(done)?;
        (position.wrapping_sub(at) as isize >= 0).then_some(count)
    }

    /// Up to which count it was done.
    #[inline]
    pub(crate) fn served(&self) -> u32 {
        self.served.load(Ordering::Relaxed)
    }

    /// Notes what was done.
    pub(crate) fn serve(&self, count: u32) {
        self.served.store(count, Ordering::Release);
    }

    /// Whether something asked for was not done yet.
    pub(crate) fn is_unserved(&self) -> bool {
        self.count.load(Ordering::Acquire) != self.served.load(Ordering::Acquire)
    }

    /// How often was asked, for `is_served`.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Whether all was done that had been asked for when `count` was read.
    pub(crate) fn is_served(&self, count: u32) -> bool {
        self.served.load(Ordering::Acquire).wrapping_sub(count) as i32 >= 0
    }
}
