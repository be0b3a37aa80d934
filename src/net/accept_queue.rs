//! Clients of a manual server that wait for `accept`, in order.

use super::Opened;
use crate::realtime::shared::Shared;
use crate::realtime::wait_handle::What;
use crossbeam_queue::SegQueue;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{Ordering, fence};

/// The network thread adds a client, and may take it back. Control threads take clients out under a lock. The network
/// thread never waits for it.
#[derive(Default)]
pub(crate) struct AcceptQueue {
    added: SegQueue<Opened>,
    waiting: Mutex<VecDeque<Opened>>,
}

impl AcceptQueue {
    /// Network thread: adds a client that waits.
    pub(super) fn push(&self, opened: Opened) {
        self.added.push(opened);
    }

    /// Tells event loops whether a client waits for `accept`.
    pub(super) fn tell(&self, server: &Shared) {
        fence(Ordering::SeqCst);
        server
            .control
            .handles
            .update(What::Client, || server.is_closed() || !self.is_empty());
    }

    /// Takes the client that has waited longest.
    pub(crate) fn pop(&self) -> Option<Opened> {
        let mut waiting = self.waiting.lock();
        self.gather(&mut waiting);
        waiting.pop_front()
    }

    /// Network thread: takes a port back. None: another thread has taken it out, or is just taking one out, and then
    /// the port stays. The thread that takes it out finds it closed.
    pub(super) fn withdraw(&self, port: u64) -> Option<Opened> {
        let mut waiting = self.waiting.try_lock()?;
        self.gather(&mut waiting);
        let place = waiting.iter().position(|opened| opened.endpoint.shared().id == port)?;
        waiting.remove(place)
    }

    pub(crate) fn is_empty(&self) -> bool {
        // In this order, a client that another thread moves under the lock is seen in one of the two.
        self.added.is_empty() && self.waiting.lock().is_empty()
    }

    fn gather(&self, waiting: &mut VecDeque<Opened>) {
        while let Some(opened) = self.added.pop() {
            waiting.push_back(opened);
        }
    }
}
