//! Whether a client of a manual server was accepted before it left.

use crate::sys::sync::{AtomicU32, Ordering};

/// Of an accepted port. The caller accepts and the client leaves in one order or the other: one of the two is told.
#[derive(Default)]
pub(crate) struct Acceptance(AtomicU32);

const WAITING: u32 = 0;
const ACCEPTED: u32 = 1;
const LEFT: u32 = 2;

impl Acceptance {
    /// The caller takes the port; whether the client had left before.
    pub(crate) fn accept(&self) -> bool {
        self.0.swap(ACCEPTED, Ordering::AcqRel) == LEFT
    }

    /// Network thread: the client leaves; whether nobody has accepted it, which is told once.
    pub(crate) fn leave(&self) -> bool {
        self.0
            .compare_exchange(WAITING, LEFT, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_two_is_told() {
        let first = Acceptance::default();
        assert!(first.leave());
        assert!(!first.leave());
        assert!(first.accept());
        let second = Acceptance::default();
        assert!(!second.accept());
        assert!(!second.leave());
    }
}
