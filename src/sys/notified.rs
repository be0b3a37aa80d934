//! Whether a poller was notified and has not noticed yet, so that it need not be notified again.

use crate::sys::sync::{AtomicBool, Ordering};

#[derive(Default)]
pub(crate) struct Notified(AtomicBool);

impl Notified {
    /// Whether the system has to be asked to end the wait; false: somebody did, or is about to.
    pub(crate) fn must_be_told(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// The waiting thread, after each wait: from now on a notification asks the system again. What was done before one
    /// that did not have to is visible after this.
    pub(crate) fn notice(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}
