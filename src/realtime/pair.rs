//! What one port of a pair knows of the other: there is no network thread between them, so the popping thread does
//! what that thread would.

use crate::midi::reset::{PANIC, RESET};
use crate::midi::state::{ChannelState, Msg, next_repair};
use crate::midi::summary::Given;
use crate::realtime::refused::SpillOut;
use crate::realtime::ring::Short;
use crate::realtime::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The popping side's view of its peer.
pub(crate) struct PairPeer {
    shared: Arc<Shared>,
    /// What a panic or reset still has to give, and what is noted when it is done.
    giving: &'static [[u8; 3]],
    serving: Serving,
    /// What the peer's push could not queue.
    spill: Option<SpillOut>,
    /// How far its summary was given.
    given: Box<Given>,
    /// It is being made good.
    spill_taken: bool,
    /// What was popped comes to.
    heard: Box<ChannelState>,
    /// Whether what is held is released when one of the two is closed.
    releases: bool,
    /// While something is lossy: where the peer stands.
    wanted: Box<ChannelState>,
    lossy: bool,
    holds: bool,
    /// `Requests::told` of the peer when nothing was asked for, and nothing is to be made good; or `LOOK`.
    looked: u64,
    /// `Requests::told` when `asks` looked last.
    told: u32,
}

/// Of `looked`: it has to be looked at more closely.
const LOOK: u64 = u64::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Serving {
    Nothing,
    /// The count to be noted.
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
            given: Given::new(),
            spill_taken: false,
            heard: Box::default(),
            wanted: Box::default(),
            lossy: false,
            holds: false,
            looked: LOOK,
            told: 0,
        }
    }

    /// Whether something of the peer's comes before what is in the queue: a panic, a reset, or a difference.
    pub(crate) fn asks(&mut self) -> bool {
        let requests = &self.shared.requests;
        // Read first: what is asked for after this changes it once more.
        let told = requests.told();
        let asks = requests.panic.is_unserved() || requests.reset.is_unserved() || self.lossy || self.spill_taken;
        self.looked = if asks { LOOK } else { told.into() };
        self.told = told;
        asks
    }

    /// Whether something was asked for since `asks` looked.
    pub(crate) fn was_asked_since(&self) -> bool {
        self.shared.requests.told() != self.told
    }

    /// Whether `asks` has to be asked: false where it would say no.
    #[inline(always)]
    pub(crate) fn may_ask(&self) -> bool {
        u64::from(self.shared.requests.told()) != self.looked
    }

    /// Whether the peer's push could not queue something. To be asked before the queue is found empty.
    pub(crate) fn has_spilled(&self) -> bool {
        !self.spill_taken && self.spill.as_ref().is_some_and(SpillOut::has_some)
    }

    /// Up to where a panic drops what waits, where one was asked for and not begun.
    pub(crate) fn panic_asked(&self) -> Option<usize> {
        let panic = &self.shared.requests.panic;
        let begun = matches!(self.serving, Serving::Panic(_));
        panic
            .pending(panic.served())
            .filter(|_| !begun)
            .map(|(_, position)| position)
    }

    /// Whether what a panic drops is made good.
    pub(crate) fn repairs(&self) -> bool {
        self.shared.repairs || self.lossy
    }

    /// Begins a panic: what waits is dropped, and nothing is made good.
    pub(crate) fn begin_panic(&mut self) {
        let panic = &self.shared.requests.panic;
        if let Some((count, _)) = panic.pending(panic.served()) {
            self.giving = &PANIC;
            self.serving = Serving::Panic(count);
        }
    }

    /// A panic whose dropped messages were lost: it is in the difference, and comes first in it.
    pub(crate) fn lose_panic(&mut self) {
        self.begin_panic();
        self.lose_request();
    }

    /// Where in the queue a reset has its place, where one was asked for and not begun.
    pub(crate) fn reset_asked(&self) -> Option<usize> {
        let reset = &self.shared.requests.reset;
        let begun = self.serving != Serving::Nothing;
        reset
            .pending(reset.served())
            .filter(|_| !begun)
            .map(|(_, position)| position)
    }

    fn begin_reset(&mut self) {
        let reset = &self.shared.requests.reset;
        if let Some((count, _)) = reset.pending(reset.served()) {
            self.giving = &RESET;
            self.serving = Serving::Reset(count);
        }
    }

    /// A reset in the midst of what is lost: it is lost too.
    pub(crate) fn lose_reset(&mut self) {
        self.begin_reset();
        self.lose_request();
    }

    /// What is being given cannot be, before the difference: it becomes part of that.
    fn lose_request(&mut self) {
        let giving = std::mem::take(&mut self.giving);
        self.lose_each(giving);
        self.served();
    }

    fn lose_each(&mut self, messages: &[[u8; 3]]) {
        for message in messages {
            self.lose(message);
        }
    }

    /// Whether a panic or reset is being given.
    pub(crate) fn is_giving(&self) -> bool {
        !self.giving.is_empty()
    }

    fn served(&mut self) {
        let requests = &self.shared.requests;
        match std::mem::replace(&mut self.serving, Serving::Nothing) {
            Serving::Nothing => {}
            Serving::Panic(count) => requests.panic.serve(count),
            Serving::Reset(count) => requests.reset.serve(count),
        }
    }

    /// The next message of a panic or reset, where it is its turn: the queue has been emptied up to `position`.
    pub(crate) fn next_request(&mut self, position: usize) -> Option<Msg> {
        if self
            .reset_asked()
            .is_some_and(|at| position.wrapping_sub(at) as isize >= 0)
        {
            self.begin_reset();
        }
        if self.lossy {
            self.lose_request();
        }
        let (message, rest) = self.giving.split_first()?;
        self.giving = rest;
        if rest.is_empty() {
            self.served();
        }
        self.heard.apply(message);
        Some(Msg::whole(*message))
    }

    /// Takes a message that will not be popped; how many messages cannot be brought back for it.
    pub(crate) fn lose(&mut self, message: &[u8]) -> u32 {
        if !self.lossy {
            self.lossy = true;
            self.looked = LOOK;
            self.wanted.follow(&mut self.heard);
        }
        self.wanted.lose(message)
    }

    /// The next message of the difference that what was lost makes. None: it is made good.
    pub(crate) fn next_difference(&mut self) -> Option<Msg> {
        if self.lossy {
            let message = next_repair(&mut self.heard, &mut self.wanted);
            if message.is_some() {
                return message;
            }
            self.lossy = false;
        }
        if std::mem::take(&mut self.spill_taken)
            && let Some(spill) = &mut self.spill
        {
            spill.give_back();
        }
        None
    }

    /// The queue is empty, at `position`: takes what the peer's push could not queue, with the resets around it. How many
    /// messages cannot be brought back.
    pub(crate) fn take_spilled(&mut self, position: usize) -> u32 {
        let Some(mut spill) = self.spill.take() else { return 0 };
        let done = self.shared.requests.reset.served();
        // One asked for since has its place after what was queued since.
        let asked = self.shared.requests.reset.due(done, position).unwrap_or(done);
        let taken = spill.take(|lost| {
            let resets = lost.resets_around(done, asked);
            if resets.before {
                self.lose_each(&RESET);
            }
            // A pair knows of no clients: there is one summary.
            let mut unrepaired = 0;
            for (_, summary) in lost.summaries() {
                self.given.clear();
                while let Some(message) = summary.next(&mut self.given) {
                    unrepaired += self.lose(&message);
                }
            }
            if resets.after {
                self.lose_each(&RESET);
            }
            (unrepaired, resets.done)
        });
        self.spill_taken = taken.is_some();
        self.spill = Some(spill);
        let Some((unrepaired, done)) = taken else { return 0 };
        self.looked = LOOK;
        self.shared.requests.reset.serve(done);
        unrepaired
    }

    /// When one of the two is closed and nothing waits: what releases what is held.
    pub(crate) fn next_release(&mut self, own: &Shared) -> Option<Msg> {
        let ended = own.is_closed() || self.shared.is_closed();
        if ended && self.releases {
            self.heard.next_release()
        } else {
            None
        }
    }

    /// Takes what was popped from the queue.
    pub(crate) fn hear(&mut self, message: &[u8]) {
        self.heard.apply(message);
    }

    /// The same of a Note On or Note Off.
    #[inline(always)]
    pub(crate) fn hear_note(&mut self, message: Short, own: &Shared) {
        let (channel, note, begins) = message.note();
        if self.heard.apply_note(channel, note, begins) {
            self.tell_holds(own);
        }
    }

    /// Has those who wait know whether there is something to be released.
    #[inline(always)]
    pub(crate) fn tell_holds(&mut self, own: &Shared) {
        let holds = self.releases && !self.heard.is_neutral();
        if holds != self.holds {
            self.holds = holds;
            own.popped.holds.store(holds, Ordering::Release);
        }
    }
}
