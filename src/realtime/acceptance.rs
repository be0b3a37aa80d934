//! Whether a client of a manual server was accepted before it left.

use crate::sys::sync::{AtomicU32, Ordering};

/// The state of an accepted port. The caller may accept it before or after the client leaves. The second of the two learns
/// of the first.
#[derive(Default)]
pub(crate) struct Acceptance(AtomicU32);

const WAITING: u32 = 0;
const ACCEPTED: u32 = 1;
const LEFT: u32 = 2;

impl Acceptance {
    /// The caller accepts the port. Returns whether the client had left before.
    pub(crate) fn accept(&self) -> bool {
        self.0.swap(ACCEPTED, Ordering::AcqRel) == LEFT
    }

    /// Network thread: the client leaves. The first call returns true if the port has not been accepted.
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
    fn the_second_learns_of_the_first() {
        let first = Acceptance::default();
        assert!(first.leave());
        assert!(!first.leave());
        assert!(first.accept());
        let second = Acceptance::default();
        assert!(!second.accept());
        assert!(!second.leave());
    }
}
