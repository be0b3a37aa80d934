//! The answer of the network thread to a command that a control thread waits for.

use crate::realtime::event::Event;
use crate::sys::sync::{AtomicU32, Ordering};
use std::sync::Arc;

/// Where the answer is waited for.
#[derive(Default)]
pub(crate) struct Done {
    event: Event,
    /// 0 until it is done; then 1, or 2 for "there was no such thing".
    outcome: AtomicU32,
}

/// The network thread's end of it. One that is dropped answers that there was no such thing.
pub(crate) struct Reply(Arc<Done>);

impl Reply {
    pub(crate) fn to(done: &Arc<Done>) -> Self {
        Self(Arc::clone(done))
    }

    pub(crate) fn answer(self, found: bool) {
        self.0.answer(found);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.0.outcome.load(Ordering::Relaxed) == 0 {
            self.0.answer(false);
        }
    }
}

impl Done {
    fn answer(&self, found: bool) {
        self.outcome.store(if found { 1 } else { 2 }, Ordering::Release);
        self.event.signal();
    }

    /// Whether there was what the command was about; None: there is no answer yet.
    pub(crate) fn outcome(&self) -> Option<bool> {
        match self.outcome.load(Ordering::Acquire) {
            0 => None,
            outcome => Some(outcome == 1),
        }
    }

    /// Waits for the answer.
    pub(crate) fn wait(&self) -> bool {
        self.event.wait_for(None, || self.outcome()) == Some(true)
    }
}
