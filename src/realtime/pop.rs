//! The popping side of a port.

use crate::midi::state::Msg;
use crate::midi::summary::{Given, Summary};
use crate::realtime::pair::PairPeer;
use crate::realtime::ring::{Consumer, Record, Short};
use crate::realtime::shared::{STILL_HELD, SYNTHETIC, Shared};
use crate::realtime::still_held::StillHeld;
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::timing::BlockClock;
use std::ptr::NonNull;

/// A message popped; `data` points into the queue, or into the port.
pub(crate) struct Popped {
    pub time_ns: u64,
    pub data: NonNull<[u8]>,
    pub client: u32,
    pub frame: u32,
    pub flags: u32,
}

impl Popped {
    #[inline(always)]
    fn of(record: &Record, frame: u32) -> Self {
        Self {
            time_ns: record.time_ns,
            data: record.data,
            client: record.client,
            frame,
            flags: record.flags,
        }
    }
}

/// What the popping thread alone touches. In the order of use: what a pop needs is on one cache line.
#[repr(C)]
pub(crate) struct PopSide {
    incoming: Consumer,
    /// On a pair, the other port.
    pub peer: Option<Box<PairPeer>>,
    skipping: Skipping,
    pub clock: BlockClock,
    /// The last message that was made here: what was popped may point to it.
    made: Option<Msg>,
}

/// What one call may spend on going through what was skipped; the rest is for the next calls. In units of a message of
/// another client, which is only passed over.
const BUDGET: usize = 2048;
/// What it costs to take a message into the summary, and to begin a new summary.
const TAKING: usize = 2;
const BEGINNING: usize = 256;

/// What was skipped, while the difference in channel state is given: the messages are still in the queue, and are
/// gone through once for each client they came from, in order of the clients' ids.
#[repr(C)]
struct Skipping {
    /// Up to where; None: nothing is being skipped.
    until: Option<usize>,
    /// Skipped again meanwhile: up to where.
    then: Option<usize>,
    /// How far this time through has come; None: it is done, and `summary` is being given.
    at: Option<usize>,
    /// Whose messages are summarised.
    client: u32,
    /// The lowest id above that which was seen this time.
    next: Option<u32>,
    /// The summary is still that of another.
    stale: bool,
    summary: Box<Summary>,
    given: Box<Given>,
    still_held: Box<StillHeld>,
    /// On a pair: a panic comes after what is skipped, in one difference with it.
    panics: bool,
}

impl PopSide {
    pub(crate) fn new(incoming: Consumer, clock: BlockClock, peer: Option<Box<PairPeer>>) -> Self {
        let skipping = Skipping {
            until: None,
            then: None,
            at: None,
            client: 0,
            next: None,
            stale: false,
            summary: Summary::new(),
            given: Given::new(),
            still_held: StillHeld::new(),
            panics: false,
        };
        Self {
            incoming,
            clock,
            peer,
            skipping,
            made: None,
        }
    }

    /// Whether what was skipped is being made good.
    #[inline(always)]
    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping.until.is_some()
    }

    /// While nothing is skipped: takes what nearly every message is: a short one or, on a pair, a note, where nothing has
    /// to be done but to take it. False when it is otherwise, or there is none: then it is for `pop`. No call, and a
    /// message is given away before a pair takes note of it, so that a caller needs no stack.
    #[inline(always)]
    pub(crate) fn pop_short(&mut self, shared: &Shared, give: impl FnOnce(Popped)) -> bool {
        // Two ways that have much in common, each of which is shorter than one for both.
        if self.peer.is_some() {
            return self.pop_note_of_pair(shared, give);
        }
        let Some((_, record)) = self.incoming.pop_short(|_| true) else {
            return false;
        };
        give(Popped::of(&record, 0));
        true
    }

    #[inline(always)]
    fn pop_note_of_pair(&mut self, shared: &Shared, give: impl FnOnce(Popped)) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        // Whether something was asked for is looked at after the message was seen: what was asked for before it was pushed
        // comes first.
        let wanted = |short: Short| short.is_note() && !peer.may_ask();
        let Some((note, record)) = self.incoming.pop_short(wanted) else {
            return false;
        };
        // Of a pair's messages none has a client: this spares a store.
        give(Popped::of(&Record { client: 0, ..record }, 0));
        peer.hear_note(note, shared);
        true
    }

    #[inline(always)]
    fn take(&mut self, record: &Record, frame: u32) -> Popped {
        self.incoming.take(record);
        self.incoming.tell_taken();
        Popped::of(record, frame)
    }

    /// Takes the next message.
    pub(crate) fn pop(&mut self, shared: &Shared) -> Option<Popped> {
        self.pop_placed(shared, 0, |_, _| Some(0))
    }

    /// Takes the next message that belongs into the block.
    #[inline]
    pub(crate) fn pop_block(&mut self, shared: &Shared) -> Result<Option<Popped>, Code> {
        if !self.clock.has_block() {
            return Err(Code::InvalidArgument);
        }
        if self.peer.is_none() && !self.is_skipping() {
            self.incoming.release();
            let record = self.incoming.peek();
            return Ok(record.and_then(|record| {
                let frame = self.clock.place(record.time_ns)?;
                Some(self.take(&record, frame))
            }));
        }
        let told_ns = self.clock.told_start_ns();
        Ok(self.pop_placed(shared, told_ns, |clock, time_ns| clock.place(time_ns)))
    }

    /// Takes the next message that has a place: made here, at `now_ns` or, 0, now by the clock; or from the queue.
    fn pop_placed(
        &mut self,
        shared: &Shared,
        now_ns: u64,
        place: impl Fn(&mut BlockClock, u64) -> Option<u32>,
    ) -> Option<Popped> {
        // Twice where something is asked for meanwhile; what is asked for after that is for the next call.
        for _ in 0..2 {
            if self.has_own() {
                // As soon as possible.
                let frame = place(&mut self.clock, 0)?;
                if let Some((client, message, flags)) = self.next_own(shared) {
                    return Some(self.give_made(shared, now_ns, client, message, frame, flags));
                }
                if self.is_skipping() {
                    return None;
                }
            }
            let spilled = self.peer.as_ref().is_some_and(|peer| peer.has_spilled());
            self.incoming.release();
            if let Some(record) = self.incoming.peek() {
                // It may have been pushed after that: then it comes after it.
                if self.peer.as_ref().is_some_and(|peer| peer.was_asked_since()) {
                    continue;
                }
                let frame = place(&mut self.clock, record.time_ns)?;
                if let Some(peer) = &mut self.peer {
                    // SAFETY: the record stays in the queue until the next call.
                    peer.hear(unsafe { record.data.as_ref() });
                    peer.tell_holds(shared);
                }
                return Some(self.take(&record, frame));
            }
            let peer = self.peer.as_mut()?;
            let frame = place(&mut self.clock, 0)?;
            if spilled {
                shared
                    .popped
                    .unrepaired
                    .add(peer.take_spilled(self.incoming.position()).into());
            }
            let message = peer.next_difference().or_else(|| peer.next_release(shared))?;
            return Some(self.give_made(shared, now_ns, 0, message, frame, SYNTHETIC));
        }
        None
    }

    fn give_made(&mut self, shared: &Shared, at_ns: u64, client: u32, message: Msg, frame: u32, flags: u32) -> Popped {
        if let Some(peer) = &mut self.peer {
            peer.tell_holds(shared);
        }
        if flags == SYNTHETIC {
            shared.popped.synthesized.add(1);
        } else {
            shared.popped.asked_messages.add(1);
            shared.popped.asked_bytes.add(message.len() as u64);
        }
        let made = self.made.insert(message);
        Popped {
            time_ns: if at_ns == 0 { now_ns() } else { at_ns },
            data: NonNull::from(&**made),
            client,
            frame,
            flags,
        }
    }

    /// Whether something comes before what is in the queue.
    fn has_own(&mut self) -> bool {
        self.is_skipping() || self.peer.as_mut().is_some_and(|peer| peer.asks())
    }

    /// The next message that is not in the queue: its client, itself, its flags.
    fn next_own(&mut self, shared: &Shared) -> Option<(u32, Msg, u32)> {
        if let Some(peer) = &mut self.peer {
            if let Some(position) = peer.panic_asked() {
                if peer.repairs() || self.skipping.until.is_some() {
                    // What it drops is lost, and it is part of the difference.
                    self.skipping.panics = true;
                    self.skipping.join(self.incoming.position(), position);
                } else {
                    // At most what the queue holds.
                    self.incoming.skip_to_at_least(position);
                    peer.begin_panic();
                }
            }
            // A reset may have its place after what was refused: see `take_spilled`.
            let spilled = !peer.is_giving() && peer.has_spilled() && self.incoming.peek().is_none();
            if !spilled && let Some(message) = peer.next_request(self.incoming.position()) {
                // The peer asked for it: over a network it would be like any other.
                return Some((0, message, 0));
            }
        }
        if self.is_skipping() {
            let (client, message) = self.next_skipped(shared)?;
            let marked = self.skipping.still_held.marks(&message);
            return Some((client, message, if marked { SYNTHETIC | STILL_HELD } else { SYNTHETIC }));
        }
        let message = self.peer.as_mut()?.next_difference()?;
        Some((0, message, SYNTHETIC))
    }

    /// The next message of the difference that a skip made. None when there is none, or not yet: going through what was
    /// skipped is spread over several calls, so that none takes long.
    fn next_skipped(&mut self, shared: &Shared) -> Option<(u32, Msg)> {
        let Self {
            skipping,
            incoming,
            peer,
            ..
        } = self;
        let mut budget = BUDGET;
        loop {
            let until = skipping.until?;
            if let Some(at) = skipping.at {
                if std::mem::take(&mut skipping.stale) && peer.is_none() {
                    skipping.summary.clear();
                    skipping.given.clear();
                    skipping.still_held.clear();
                }
                let mut unrepaired = 0;
                // A reset has its place among what is skipped.
                let reset = peer.as_ref().and_then(|peer| peer.reset_asked());
                let reset = reset.filter(|reset| reset.wrapping_sub(at) < until.wrapping_sub(at));
                let until = reset.unwrap_or(until);
                let reached = incoming.scan(at, until, &mut budget, |record| {
                    // SAFETY: the record stays in the queue until `skip_to`.
                    let bytes = unsafe { record.data.as_ref() };
                    if let Some(peer) = peer {
                        unrepaired += peer.lose(bytes);
                        return TAKING;
                    }
                    if record.client == skipping.client {
                        unrepaired += skipping.summary.lose(bytes);
                        skipping.still_held.follow(bytes, record.flags & STILL_HELD != 0);
                        return TAKING;
                    }
                    if record.client > skipping.client {
                        let lower = |next: u32| next.min(record.client);
                        skipping.next = Some(skipping.next.map_or(record.client, lower));
                    }
                    1
                });
                shared.popped.unrepaired.add(unrepaired.into());
                if reached != until {
                    skipping.at = Some(reached);
                    return None;
                }
                if let Some(peer) = peer
                    && reset.is_some()
                {
                    peer.lose_reset();
                    skipping.at = Some(reached);
                    continue;
                }
                skipping.at = None;
            }
            if std::mem::take(&mut skipping.panics)
                && let Some(peer) = peer
            {
                peer.lose_panic();
            }
            let message = match peer {
                Some(peer) => peer.next_difference(),
                None => skipping.summary.next(&mut skipping.given),
            };
            if let Some(message) = message {
                return Some((skipping.client, message));
            }
            budget = budget.saturating_sub(BEGINNING);
            if let Some(client) = skipping.next.take() {
                skipping.begin(client, incoming.position());
                continue;
            }
            incoming.skip_to(until);
            skipping.until = None;
            let then = skipping.then.take().filter(|then| *then != until)?;
            skipping.start(until, then);
        }
    }

    /// Throws away what waits; what follows first is the difference in channel state. Whether anything waited.
    pub(crate) fn skip(&mut self) -> bool {
        self.incoming.release();
        let until = self.incoming.end();
        if until == self.incoming.position() {
            return false;
        }
        let skipping = &self.skipping;
        let several = skipping.client != 0 || skipping.next.is_some() || skipping.then.is_some();
        if skipping.until.is_some() && several {
            self.skipping.then = Some(until);
        } else {
            self.skipping.join(self.incoming.position(), until);
        }
        true
    }

    /// Whether nothing is in the queue or about to be made here.
    pub(crate) fn is_empty(&mut self) -> bool {
        !self.is_skipping() && self.incoming.peek().is_none()
    }
}

impl Skipping {
    /// Skips up to `until`: what was not given yet of a skip under way is in one difference with what came since.
    fn join(&mut self, position: usize, until: usize) {
        let from = self.until.unwrap_or(position);
        // A panic may have been asked for before all that is skipped came.
        let until = if until.wrapping_sub(from) as isize > 0 {
            until
        } else {
            from
        };
        if self.until.is_none() {
            return self.start(position, until);
        }
        self.until = Some(until);
        self.at.get_or_insert(from);
    }

    fn start(&mut self, from: usize, until: usize) {
        self.until = Some(until);
        self.next = None;
        // Ids begin with 1; only a merged server's messages have one.
        self.begin(0, from);
    }

    /// Goes through what was skipped for one client.
    fn begin(&mut self, client: u32, from: usize) {
        self.client = client;
        self.at = Some(from);
        self.stale = true;
    }
}
