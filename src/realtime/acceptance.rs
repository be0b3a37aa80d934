//! Whether a client of a manual server was accepted before it left.

use crate::sys::sync::{AtomicU32, Ordering};

/// The state of an accepted port. The caller may accept it before or after the client leaves. The second of the two learns
/// of the first. The port of a client that has left may give way to a newcomer; then it is not accepted any more.
#[derive(Default)]
pub(crate) struct Acceptance(AtomicU32);

const WAITING: u32 = 0;
const ACCEPTED: u32 = 1;
const LEFT: u32 = 2;
const GIVEN_UP: u32 = 3;

/// What the caller accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Present,
    /// The client had left before.
    Left,
    /// The client had left before, and the port is closed.
    GivenUp,
}

impl Acceptance {
    /// The caller accepts the port.
    pub(crate) fn accept(&self) -> Accepted {
        match self.0.swap(ACCEPTED, Ordering::AcqRel) {
            LEFT => Accepted::Left,
            GIVEN_UP => Accepted::GivenUp,
            _ => Accepted::Present,
        }
    }

    /// Network thread: the client leaves. The first call returns true if the port has not been accepted.
    pub(crate) fn leave(&self) -> bool {
        self.change(WAITING, LEFT)
    }

    /// Network thread: whether the client has left, and the port waits.
    pub(crate) fn is_left(&self) -> bool {
        self.0.load(Ordering::Acquire) == LEFT
    }

    /// Network thread: the port gives way. False if the client has not left, or the port has been accepted.
    pub(crate) fn give_up(&self) -> bool {
        self.change(LEFT, GIVEN_UP)
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_of_the_first() {
        let first = Acceptance::default();
        assert!(first.leave() && first.is_left());
        assert!(!first.leave());
        assert_eq!(first.accept(), Accepted::Left);
        assert!(!first.give_up());
        let second = Acceptance::default();
        assert!(!second.give_up());
        assert_eq!(second.accept(), Accepted::Present);
        assert!(!second.leave());
        let third = Acceptance::default();
        assert!(third.leave() && third.give_up());
        assert_eq!(third.accept(), Accepted::GivenUp);
    }
}
