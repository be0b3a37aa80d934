//! Clients of a manual server that wait for `accept`, in order.

use super::Opened;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// The network thread adds a client, and may take it back. Control threads take clients out under a lock. The network
/// thread never waits for it.
#[derive(Default)]
pub(crate) struct AcceptQueue {
    added: SegQueue<Opened>,
    waiting: Mutex<VecDeque<Opened>>,
}

impl AcceptQueue {
    /// Network thread: one more waits.
    pub(super) fn push(&self, opened: Opened) {
        self.added.push(opened);
    }

    /// Takes the one that has waited longest.
    pub(crate) fn pop(&self) -> Option<Opened> {
        let mut waiting = self.waiting.lock();
        self.gather(&mut waiting);
        waiting.pop_front()
    }

    /// Network thread: takes a port back. None: it was taken out, or is left where it is because another thread takes
    /// one out just now; whoever takes it out learns that it is closed.
    pub(super) fn withdraw(&self, port: u64) -> Option<Opened> {
        let mut waiting = self.waiting.try_lock()?;
        self.gather(&mut waiting);
        let place = waiting.iter().position(|opened| opened.endpoint.shared().id == port)?;
        waiting.remove(place)
    }

    pub(crate) fn is_empty(&self) -> bool {
        // In this order: what another thread moves under the lock is seen in one of the two.
        self.added.is_empty() && self.waiting.lock().is_empty()
    }

    fn gather(&self, waiting: &mut VecDeque<Opened>) {
        while let Some(opened) = self.added.pop() {
            waiting.push_back(opened);
        }
    }
}
