//! Hints from the audio thread about when its callback runs.
//!
//! The network thread uses them to choose the moments at which it polls the queues. Nothing else depends on them. The
//! audio thread reads the clock at most once between two polls, and only if the network thread has asked for it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Not asked for.
const UNASKED: u64 = 1;

/// The time of an event on the audio thread. The network thread asks for it, and the audio thread notes the next one.
pub(crate) struct Stamp(AtomicU64);

impl Default for Stamp {
    fn default() -> Self {
        Self(AtomicU64::new(UNASKED))
    }
}

impl Stamp {
    /// Audio thread: whether the network thread has asked for the time.
    #[inline(always)]
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Audio thread: the event happens now.
    #[inline]
    pub(crate) fn note(&self) {
        if self.is_asked() {
            self.0
                .store(crate::sys::clock::now_ns().max(UNASKED + 1), Ordering::Relaxed);
        }
    }

    /// Network thread: returns the time of the first event since the last call, and asks for the next one.
    pub(crate) fn ask(&self) -> Option<u64> {
        let noted = self.0.load(Ordering::Relaxed);
        // The audio thread writes while this is 0, the network thread otherwise.
        if noted != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
        (noted > UNASKED).then_some(noted)
    }
}

/// The hints of one port.
#[derive(Default)]
pub(crate) struct Beat {
    /// The smoothed start of the last period for which `begin_block` was called, and its length. A reader may see values
    /// of two different periods. The worst effect is a poll that finds nothing.
    start_ns: AtomicU64,
    length_ns: AtomicU64,
    /// The last push.
    pub pushed: Stamp,
}

impl Beat {
    /// Audio thread: a period begins.
    #[inline]
    pub(crate) fn begin(&self, start_ns: u64, length_ns: u64) {
        self.length_ns.store(length_ns, Ordering::Relaxed);
        self.start_ns.store(start_ns, Ordering::Relaxed);
    }

    /// Network thread: start and length of the last period, or zeros before the first.
    pub(crate) fn last_period(&self) -> (u64, u64) {
        (
            self.start_ns.load(Ordering::Relaxed),
            self.length_ns.load(Ordering::Relaxed),
        )
    }
}
