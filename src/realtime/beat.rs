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
pub(crate) struct Beat {
    /// The smoothed start of the last period for which `begin_block` was called, and its length. A reader may see values
    /// of two different periods. The worst effect is a poll that finds nothing.
    start_ns: AtomicU64,
    length_ns: AtomicU64,
    /// From when on something is to be sent in the next period or later.
    ahead_ns: AtomicU64,
    /// The last push of what is to be sent before the next period begins.
    pub pushed: Stamp,
    /// The last push of what is to be sent in the next period or later.
    pub pushed_ahead: Stamp,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            start_ns: AtomicU64::new(0),
            length_ns: AtomicU64::new(0),
            // No period has begun.
            ahead_ns: AtomicU64::new(u64::MAX),
            pushed: Stamp::default(),
            pushed_ahead: Stamp::default(),
        }
    }
}

impl Beat {
    /// Audio thread: a period begins.
    #[inline]
    pub(crate) fn begin(&self, start_ns: u64, length_ns: u64) {
        self.length_ns.store(length_ns, Ordering::Relaxed);
        self.start_ns.store(start_ns, Ordering::Relaxed);
        // The first frame of the next period may be a little before that, by rounding.
        let ahead_ns = start_ns.saturating_add(length_ns - length_ns / 64);
        self.ahead_ns.store(ahead_ns, Ordering::Relaxed);
    }

    /// Audio thread: what notes a push of something that is to be sent at this time.
    #[inline(always)]
    pub(crate) fn pushed_for(&self, due_ns: u64) -> &Stamp {
        if due_ns >= self.ahead_ns.load(Ordering::Relaxed) {
            &self.pushed_ahead
        } else {
            &self.pushed
        }
    }

    /// Network thread: start and length of the last period, or zeros before the first.
    pub(crate) fn last_period(&self) -> (u64, u64) {
        (
            self.start_ns.load(Ordering::Relaxed),
            self.length_ns.load(Ordering::Relaxed),
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_next_period_was_pushed_ahead() {
        let beat = Beat::default();
        let told = |due_ns| {
            let _ = (beat.pushed.ask(), beat.pushed_ahead.ask());
            beat.pushed_for(due_ns).note();
            (beat.pushed.ask().is_some(), beat.pushed_ahead.ask().is_some())
        };
        // Nobody has begun a block.
        assert_eq!(told(u64::MAX - 1), (true, false));
        beat.begin(1_000_000, 64_000);
        for (due_ns, is_ahead) in [(0, false), (1_062_999, false), (1_063_000, true), (u64::MAX, true)] {
            assert_eq!(told(due_ns), (!is_ahead, is_ahead), "{due_ns}");
        }
        beat.begin(u64::MAX, u64::MAX);
        assert_eq!(told(1), (true, false));
    }
}
