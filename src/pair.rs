//! What one port of a pair knows of the other: there is no network thread between them, so the popping thread does
//! what that thread would.

use crate::midi::reset::{PANIC, RESET};
use crate::midi::state::{ChannelState, Msg};
use crate::queue::Consumer;
use crate::shared::Shared;
use crate::spill::SpillOut;
use std::sync::Arc;

/// The popping side's view of its peer.
pub(crate) struct PairPeer {
    shared: Arc<Shared>,
    /// What a panic or reset still has to give, and the count to note when it is done.
    giving: &'static [[u8; 3]],
    serving: Serving,
    /// What the peer's push could not queue.
    spill: Option<SpillOut>,
    /// What was popped comes to.
    heard: Box<ChannelState>,
    holds: bool,
}

#[derive(Clone, Copy)]
enum Serving {
    Nothing,
    Panic(u32),
    Reset(u32),
}

impl PairPeer {
    pub(crate) fn new(shared: Arc<Shared>, spill: Option<SpillOut>) -> Self {
        Self {
            shared,
            giving: &[],
            serving: Serving::Nothing,
            spill,
            heard: Box::default(),
            holds: false,
        }
    }

    /// Whether a panic or reset of the peer's waits to be popped.
    pub(crate) fn asks(&self) -> bool {
        let requests = &self.shared.requests;
        requests.panic.is_unserved()
            || requests.reset.is_unserved()
            || self.spill.as_ref().is_some_and(SpillOut::is_under_way)
    }

    /// Whether the peer's push could not queue something. To be asked before the queue is found empty.
    pub(crate) fn has_spilled(&self) -> bool {
        self.spill.as_ref().is_some_and(SpillOut::has_some)
    }

    /// The next message of a panic or reset, where it is its turn, or of a summary that was begun.
    pub(crate) fn next_request(&mut self, incoming: &mut Consumer) -> Option<Msg> {
        let requests = &self.shared.requests;
        if let Some((count, position)) = requests.panic.pending(requests.panic.served())
            && !matches!(self.serving, Serving::Panic(_))
        {
            // At most what the queue holds.
            incoming.skip_to_at_least(position);
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
        let Some((message, rest)) = self.giving.split_first() else {
            let spill = self.spill.as_mut().filter(|spill| spill.is_under_way())?;
            return spill.next().map(|(_, message)| message);
        };
        self.giving = rest;
        if rest.is_empty() {
            match self.serving {
                Serving::Nothing => {}
                Serving::Panic(count) => requests.panic.serve(count),
                Serving::Reset(count) => requests.reset.serve(count),
            }
            self.serving = Serving::Nothing;
        }
        Some(Msg::of(*message))
    }

    /// What comes when the queue is empty: a summary of what was refused; and when one of the two is closed, what
    /// releases what is held.
    pub(crate) fn next_after_queue(&mut self, spilled: bool, own: &Shared) -> Option<Msg> {
        if spilled
            && let Some(spill) = &mut self.spill
            && let Some((_, message)) = spill.next()
        {
            return Some(message);
        }
        let peer = &self.shared;
        let ended = own.is_closed() || peer.is_closed();
        let wanted = peer.config.release_on_close || own.config.release_on_disconnect;
        if ended && wanted { self.heard.release() } else { None }
    }

    /// Takes what was popped.
    pub(crate) fn hear(&mut self, message: &[u8], own: &Shared) {
        self.heard.apply(message);
        let release = self.shared.config.release_on_close || own.config.release_on_disconnect;
        let holds = release && !self.heard.is_neutral();
        if holds != self.holds {
            self.holds = holds;
            own.set_holds(holds);
        }
    }
}
