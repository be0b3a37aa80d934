//! After a panic: messages that wait for their times are given at once.
//!
//! The network thread names a position of the in queue. The popping side places messages with a sender's time at once, in
//! order, as long as they lie before it.

use crate::sys::sync::{AtomicUsize, Ordering};

/// Up to where messages are placed at once, whatever their times.
#[derive(Default)]
pub(crate) struct Rush {
    until: AtomicUsize,
}

impl Rush {
    /// Network thread: messages before this position are placed at once. Call it after they were published.
    pub(crate) fn ask(&self, until: usize) {
        self.until.store(until, Ordering::Release);
    }
}

/// The popping thread's view.
#[derive(Default)]
pub(crate) struct RushView {
    /// The last position that the queue has passed. Positions wrap: it must not seem to lie ahead some day.
    passed: usize,
}

impl RushView {
    /// Whether the next message lies before the position asked for. `is_ahead` says whether that lies ahead in the queue.
    #[inline]
    #[must_use]
    pub(crate) fn covers(&mut self, rush: &Rush, is_ahead: impl FnOnce(usize) -> bool) -> bool {
        let until = rush.until.load(Ordering::Acquire);
        if until == self.passed {
            return false;
        }
        let covers = is_ahead(until);
        if !covers {
            self.passed = until;
        }
        covers
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::realtime::ring::is_before;

    #[test]
    fn a_position_that_was_passed_is_not_valid_again_when_positions_have_wrapped() {
        let (rush, mut view) = (Rush::default(), RushView::default());
        let mut covers = |rush: &Rush, at: usize| view.covers(rush, |until| is_before(at, until));
        assert!(!covers(&rush, 0) && !covers(&rush, usize::MAX / 2 + 32));
        rush.ask(32);
        assert!(covers(&rush, 0) && covers(&rush, 16) && !covers(&rush, 32));
        assert!(!covers(&rush, usize::MAX / 2 + 64) && !covers(&rush, 0));
        rush.ask(64);
        assert!(covers(&rush, 48) && !covers(&rush, 64));
    }
}
