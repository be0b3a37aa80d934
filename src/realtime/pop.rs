//! The popping side of a port.

use crate::midi::channels::Channels;
use crate::midi::short::Short;
use crate::realtime::consumer::{Consumer, Record};
use crate::realtime::latency::{LatencyView, LatencyWish};
use crate::realtime::pair::{Next, PairPeer};
use crate::realtime::placing::{place, time_of};
use crate::realtime::rush::RushView;
use crate::realtime::shared::{SYNTHETIC, Shared};
use crate::realtime::skip::{Skip, is_filtered};
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::timing::{Block, BlockClock, Period, Time, Traffic};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

/// How many filtered messages one call goes through.
const MOST_FILTERED: usize = 1024;

/// A message popped. `data` points into the queue, or into the port, and is valid until the next pop or skip.
pub(crate) struct Popped {
    pub time_ns: u64,
    pub data: NonNull<[u8]>,
    pub client: u32,
    pub frame: u32,
    pub flags: u32,
}

impl Popped {
    #[inline(always)]
    pub(super) fn of(record: &Record<'_>, frame: u32) -> Self {
        Self {
            time_ns: record.time_ns,
            data: NonNull::from(record.data),
            client: record.client,
            frame,
            flags: record.flags,
        }
    }
}

/// The state that the popping thread alone touches. In the order of use: what a pop needs is on one cache line.
#[repr(C)]
pub(crate) struct PopSide {
    incoming: Consumer,
    /// On a pair, the other port.
    peer: Option<Box<PairPeer>>,
    skip: Skip,
    pub clock: BlockClock,
    latency: LatencyView,
    rush: RushView,
    /// Where the queue was when the last block began.
    begun_at: usize,
    /// The last message that was made here: what was popped may point to it.
    made: Option<Short>,
}

impl PopSide {
    pub(crate) fn new(incoming: Consumer, clock: BlockClock, peer: Option<Box<PairPeer>>) -> Self {
        Self {
            incoming,
            clock,
            latency: LatencyView::default(),
            rush: RushView::default(),
            begun_at: 0,
            peer,
            skip: Skip::new(),
            made: None,
        }
    }

    /// Whether what was skipped is being made good.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip.is_active()
    }

    /// Begins a block.
    pub(crate) fn begin(&mut self, shared: &Shared, block: Block) -> Result<Option<Period>, Code> {
        self.renew_latency(&shared.control.latency);
        // A position that is never looked at must not stay valid until positions have wrapped.
        let _ = self
            .rush
            .covers(&shared.queues.rush, |until| self.incoming.is_ahead(until));
        let position = self.incoming.position();
        let network = &shared.counters.network;
        let traffic = Traffic {
            lag_ns: network.thread.lag_ns.load(Ordering::Relaxed),
            transit_ns: shared.counters.sender.transit_ns.load(Ordering::Relaxed),
            flows: position != self.begun_at || self.incoming.has_next(),
        };
        self.begun_at = position;
        self.clock.begin(block, traffic)
    }

    /// Takes over latencies that were changed.
    #[inline(always)]
    fn renew_latency(&mut self, wish: &LatencyWish) {
        if self.latency.is_behind(wish) {
            self.change_latency(wish);
        }
    }

    #[cold]
    #[inline(never)]
    fn change_latency(&mut self, wish: &LatencyWish) {
        if let Some((latency_ns, push_latency_ns)) = self.latency.renew(wish) {
            self.clock.set_latency(latency_ns, push_latency_ns);
        }
    }

    /// While nothing is skipped: takes a short message or, on a pair, a note, where nothing has to be done but to take
    /// it, as is so with nearly every message. False when it is otherwise, or there is none: then it is for `pop`. No
    /// call, and a message is given away before a pair follows it, so that a caller needs no stack.
    #[inline(always)]
    #[must_use]
    pub(crate) fn pop_short(&mut self, shared: &Shared, give: impl FnOnce(Popped)) -> bool {
        // Two ways that have much in common, each of which is shorter than one for both.
        if self.peer.is_some() {
            return self.pop_note_of_pair(shared, give);
        }
        if !shared.queues.filter.is_all() {
            return false;
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
        // The message is seen before the requests are looked at: what was asked for before it was pushed comes first.
        let wanted = |short: Short| short.is_note() && peer.is_quiet();
        let Some((note, record)) = self.incoming.pop_short(wanted) else {
            return false;
        };
        // Of a pair's messages none has a client: this spares a store.
        give(peer.note(&Record { client: 0, ..record }, shared));
        peer.follow_note(note, shared);
        true
    }

    /// Takes the next message.
    #[must_use]
    pub(crate) fn pop(&mut self, shared: &Shared) -> Option<Popped> {
        self.pop_placed(shared, 0, |_, _| Some(0))
    }

    /// Takes the next message that belongs into the block.
    #[inline]
    pub(crate) fn pop_block(&mut self, shared: &Shared) -> Result<Option<Popped>, Code> {
        if !self.clock.has_block() {
            return Err(Code::InvalidArgument);
        }
        if self.peer.is_none() && !self.is_skipping() && shared.queues.filter.is_all() {
            return Ok(self.take_placed(shared, |clock, time| place(shared, clock, time)));
        }
        Ok(self.pop_block_otherwise(shared))
    }

    /// Does it on a pair, after a skip, and where some channels are closed.
    #[inline(never)]
    fn pop_block_otherwise(&mut self, shared: &Shared) -> Option<Popped> {
        let told_ns = self.clock.told_start_ns();
        self.pop_placed(shared, told_ns, |clock, time| place(shared, clock, time))
    }

    /// Takes the next message from the queue of a port that is no pair and has all channels.
    #[inline(always)]
    fn take_placed(&mut self, shared: &Shared, place: impl Fn(&mut BlockClock, Time) -> Option<u32>) -> Option<Popped> {
        self.incoming.release();
        let waiting = self.incoming.peek()?;
        let time = time_of(&waiting, &mut self.rush, shared);
        let frame = place(&mut self.clock, time)?;
        let popped = Popped::of(&waiting.take(), frame);
        self.incoming.announce_taken();
        Some(popped)
    }

    /// Does the same where some channels are closed.
    #[cold]
    #[inline(never)]
    fn take_filtered(
        &mut self,
        shared: &Shared,
        place: impl Fn(&mut BlockClock, Time) -> Option<u32>,
    ) -> Option<Popped> {
        self.incoming.release();
        let open = shared.queues.filter.open();
        let mut waiting = self.incoming.peek()?;
        let mut flags = 0;
        if !open.has(waiting.data) {
            self.drop_filtered(shared, open);
            waiting = self.incoming.peek()?;
            if !open.has(waiting.data) {
                if is_filtered(&waiting) {
                    // One call may not go through more.
                    return None;
                }
                flags = SYNTHETIC;
            }
        }
        let time = time_of(&waiting, &mut self.rush, shared);
        let frame = place(&mut self.clock, time)?;
        let mut popped = Popped::of(&waiting.take(), frame);
        if flags & !popped.flags != 0 {
            // It stands for one that was filtered.
            popped.flags |= flags;
            shared.counters.pop.filtered.add(1);
            shared.counters.pop.synthesized.add(1);
        }
        self.incoming.announce_taken();
        Some(popped)
    }

    /// Throws away messages that came on a channel before it was closed, but not releases: a note may be on here.
    fn drop_filtered(&mut self, shared: &Shared, open: Channels) {
        for _ in 0..MOST_FILTERED {
            match self.incoming.peek() {
                Some(waiting) if !open.has(waiting.data) && is_filtered(&waiting) => drop(waiting.take()),
                _ => break,
            }
            shared.counters.pop.filtered.add(1);
        }
        self.incoming.announce_taken();
        self.incoming.release();
    }

    /// Takes the next message that has a place: made here, at `now_ns` or, 0, now by the clock; or from the queue.
    fn pop_placed(
        &mut self,
        shared: &Shared,
        now_ns: u64,
        place: impl Fn(&mut BlockClock, Time) -> Option<u32>,
    ) -> Option<Popped> {
        if let Some(peer) = &mut self.peer {
            let clock = &mut self.clock;
            return match peer.next(&mut self.incoming, shared, |time| place(clock, time))? {
                Next::Queued(popped) => Some(popped),
                Next::Made { message, frame, asked } => {
                    let flags = if asked { 0 } else { SYNTHETIC };
                    Some(self.give_made(shared, now_ns, (0, message, flags), frame))
                }
            };
        }
        if self.is_skipping() {
            // As soon as possible.
            let frame = place(&mut self.clock, Time::Arrived(0))?;
            self.incoming.release();
            if let Some(made) = self.skip.next(&mut self.incoming, shared) {
                return Some(self.give_made(shared, now_ns, made, frame));
            }
            if self.is_skipping() {
                return None;
            }
        }
        if shared.queues.filter.is_all() {
            self.take_placed(shared, place)
        } else {
            self.take_filtered(shared, place)
        }
    }

    /// Gives a message that was made here: its client, itself, its flags.
    fn give_made(&mut self, shared: &Shared, at_ns: u64, made: (u32, Short, u32), frame: u32) -> Popped {
        let (client, message, flags) = made;
        if flags & SYNTHETIC != 0 {
            shared.counters.pop.synthesized.add(1);
        } else {
            shared.counters.pop.requested_messages.add(1);
            shared.counters.pop.requested_bytes.add(message.len() as u64);
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

    /// Throws away what waits; what follows first is the difference in channel state. Whether anything waited.
    pub(crate) fn skip(&mut self) -> bool {
        self.incoming.release();
        let (position, until) = (self.incoming.position(), self.incoming.end());
        if until == position {
            return false;
        }
        match &mut self.peer {
            Some(peer) => peer.skip_to(until),
            None => self.skip.add(position, until),
        }
        true
    }

    /// Whether nothing is in the queue or about to be made here.
    #[must_use]
    pub(crate) fn is_empty(&mut self) -> bool {
        !self.is_skipping()
            && !self.incoming.has_next()
            && self.peer.as_mut().is_none_or(|peer| peer.is_done(&mut self.incoming))
    }
}
