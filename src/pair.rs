//! What one port of a pair knows of the other: there is no network thread between them, so the popping thread does
//! what that thread would.

use crate::midi::reset::{PANIC, RESET};
use crate::queue::Consumer;
use crate::shared::Shared;
use std::ptr::NonNull;
use std::sync::Arc;

/// The popping side's view of its peer.
pub(crate) struct PairPeer {
    pub shared: Arc<Shared>,
    /// What is being given, and the count to note when it is done.
    giving: &'static [[u8; 3]],
    serving: Serving,
}

#[derive(Clone, Copy)]
enum Serving {
    Nothing,
    Panic(u32),
    Reset(u32),
}

impl PairPeer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, giving: &[], serving: Serving::Nothing }
    }

    /// Whether a panic or reset of the peer's waits to be popped.
    pub(crate) fn asks(&self) -> bool {
        let requests = &self.shared.requests;
        requests.panic.is_unserved() || requests.reset.is_unserved()
    }

    /// The next message of a panic or reset, where it is its turn.
    #[inline]
    pub(crate) fn next(&mut self, incoming: &mut Consumer) -> Option<NonNull<[u8]>> {
        let requests = &self.shared.requests;
        if let Some((count, position)) = requests.panic.pending(requests.panic.served())
            && !matches!(self.serving, Serving::Panic(_))
        {
            drop_before(incoming, position);
            self.giving = &PANIC;
            self.serving = Serving::Panic(count);
        }
        if self.giving.is_empty()
            && let Some((count, position)) = requests.reset.pending(requests.reset.served())
            && incoming.position().wrapping_sub(position) as isize >= 0
        {
            self.giving = &RESET;
            self.serving = Serving::Reset(count);
        }
        let (message, rest) = self.giving.split_first()?;
        self.giving = rest;
        if rest.is_empty() {
            match self.serving {
                Serving::Nothing => {}
                Serving::Panic(count) => requests.panic.serve(count),
                Serving::Reset(count) => requests.reset.serve(count),
            }
            self.serving = Serving::Nothing;
        }
        Some(NonNull::from(message.as_slice()))
    }
}

/// Throws away what was pushed before a position: at most what the queue holds.
fn drop_before(incoming: &mut Consumer, position: usize) {
    while (incoming.position().wrapping_sub(position) as isize) < 0 {
        let Some(record) = incoming.peek() else { break };
        incoming.take(&record);
    }
    incoming.tell_taken();
    incoming.release();
}
