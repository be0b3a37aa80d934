//! What one port of a pair knows of the other: there is no network thread between them, so the popping thread does
//! what that thread would.

use crate::midi::reset::{PANIC, RESET};
use crate::midi::state::{ChannelState, Msg};
use crate::queue::{Consumer, Short};
use crate::shared::Shared;
use crate::spill::SpillOut;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    /// Whether what is held is released when one of the two is closed.
    releases: bool,
    holds: bool,
    /// `Requests::told` of the peer when nothing was asked for.
    looked: u32,
}

#[derive(Clone, Copy)]
enum Serving {
    Nothing,
    Panic(u32),
    Reset(u32),
}

impl PairPeer {
    /// `own` is the port that pops, `shared` the other.
    pub(crate) fn new(shared: Arc<Shared>, spill: Option<SpillOut>, own: &Shared) -> Self {
        Self {
            releases: shared.config.release_on_close || own.config.release_on_disconnect,
            shared,
            giving: &[],
            serving: Serving::Nothing,
            spill,
            heard: Box::default(),
            holds: false,
            looked: 0,
        }
    }

    /// Whether a panic or reset of the peer's waits to be popped, or the rest of a summary.
    pub(crate) fn asks(&mut self) -> bool {
        let requests = &self.shared.requests;
        // Read first: what is asked for after this changes it once more.
        let told = requests.told();
        let unserved = requests.panic.is_unserved() || requests.reset.is_unserved();
        if !unserved {
            self.looked = told;
        }
        unserved || self.spill.as_ref().is_some_and(SpillOut::is_under_way)
    }

    /// Whether `asks` has to be asked: false where it would say no.
    #[inline(always)]
    pub(crate) fn may_ask(&self) -> bool {
        self.shared.requests.told() != self.looked || self.spill.as_ref().is_some_and(SpillOut::is_under_way)
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
        if own.is_closed() && self.releases {
            self.heard.release()
        } else {
            None
        }
    }

    /// Takes what was popped.
    pub(crate) fn hear(&mut self, message: &[u8], own: &Shared) {
        if self.releases {
            self.heard.apply(message);
            self.note_held(own);
        }
    }

    /// The same if it is a note, and whether it is.
    #[inline(always)]
    pub(crate) fn hear_note(&mut self, message: Short, own: &Shared) -> bool {
        if !self.releases {
            return true;
        }
        let Some((status, note, velocity)) = message.note() else {
            return false;
        };
        self.heard.apply_note(status, note, velocity);
        self.note_held(own);
        true
    }

    #[inline(always)]
    fn note_held(&mut self, own: &Shared) {
        let holds = !self.heard.is_neutral();
        if holds != self.holds {
            self.holds = holds;
            own.popped.holds.store(holds, Ordering::Release);
        }
    }
}
