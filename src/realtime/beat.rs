//! What the audio thread lets the network thread know of when its callback runs.
//!
//! Nothing of it is needed for anything to work: it tells the network thread when looking is worth while. The audio
//! thread writes; it reads the clock for it at most once between two looks, and only where it is asked to.

use std::sync::atomic::{AtomicU64, Ordering};

/// Nobody wants to know.
const UNASKED: u64 = 1;

/// A time that the audio thread notes when the network thread has asked for it: the first after that.
pub(crate) struct Stamp(AtomicU64);

impl Default for Stamp {
    fn default() -> Self {
        Self(AtomicU64::new(UNASKED))
    }
}

impl Stamp {
    /// Audio thread: whether somebody wants to know.
    #[inline(always)]
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Audio thread: it happens now, if somebody wants to know.
    #[inline]
    pub(crate) fn note(&self) {
        if self.is_asked() {
            self.0
                .store(crate::sys::clock::now_ns().max(UNASKED + 1), Ordering::Relaxed);
        }
    }

    /// Network thread: when it happened, the first time since this was asked last; and asks again.
    pub(crate) fn ask(&self) -> Option<u64> {
        let noted = self.0.load(Ordering::Relaxed);
        // While it is 0 only the audio thread writes, else only this one.
        if noted != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
        (noted > UNASKED).then_some(noted)
    }
}

/// Of one port.
#[derive(Default)]
pub(crate) struct Beat {
    /// When the period of the audio device began that begin_block was called for last, by the smoothed line; and its
    /// length. They are read without knowing that they belong together: nothing worse comes of it than a look in vain.
    start_ns: AtomicU64,
    length_ns: AtomicU64,
    /// A push.
    pub pushed: Stamp,
    /// A pop that found nothing: a callback makes one, when it has taken all.
    pub popped: Stamp,
}

impl Beat {
    /// Audio thread: a period has begun.
    #[inline]
    pub(crate) fn begin(&self, start_ns: u64, length_ns: u64) {
        self.length_ns.store(length_ns, Ordering::Relaxed);
        self.start_ns.store(start_ns, Ordering::Relaxed);
    }

    /// Network thread: beginning and length of the last period; zeros where there was none.
    pub(crate) fn last(&self) -> (u64, u64) {
        (
            self.start_ns.load(Ordering::Relaxed),
            self.length_ns.load(Ordering::Relaxed),
        )
    }
}
