//! The popping side of a port.

use crate::clock::now_ns;
use crate::code::Code;
use crate::midi::state::Msg;
use crate::midi::summary::Summary;
use crate::pair::PairPeer;
use crate::queue::{Consumer, Record};
use crate::shared::{SYNTHETIC, Shared};
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

/// Messages looked at by one call: more are for the next one.
const MOST_SCANNED: usize = 4096;

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
    summary: Box<Summary>,
}

impl PopSide {
    pub(crate) fn new(incoming: Consumer, clock: BlockClock, peer: Option<Box<PairPeer>>) -> Self {
        let summary = Summary::new();
        let skipping = Skipping {
            until: None,
            then: None,
            at: None,
            client: 0,
            next: None,
            summary,
        };
        Self {
            incoming,
            clock,
            peer,
            skipping,
            made: None,
        }
    }

    /// Takes what nearly every message is: a short one, where nothing has to be done but to take it. None when it is
    /// otherwise, or there is none: then it is for `pop_short_of_pair`. No call, so that a caller needs no stack.
    #[inline(always)]
    pub(crate) fn pop_short(&mut self) -> Option<Popped> {
        if self.peer.is_some() || self.skipping.until.is_some() {
            return None;
        }
        self.incoming.release();
        let record = self.incoming.peek_short()?;
        Some(self.take(&record, 0))
    }

    /// The same on a pair, of a note. None when it is otherwise, or there is none: then `pop` knows.
    #[inline(always)]
    pub(crate) fn pop_short_of_pair(&mut self, shared: &Shared) -> Option<Popped> {
        let peer = self.peer.as_mut()?;
        if self.skipping.until.is_some() || peer.may_ask() {
            return None;
        }
        self.incoming.release();
        let record = self.incoming.peek_short_if(|short| peer.hear_note(short, shared))?;
        Some(self.take(&record, 0))
    }

    #[inline(always)]
    fn take(&mut self, record: &Record, frame: u32) -> Popped {
        self.incoming.take(record);
        self.incoming.tell_taken();
        Popped {
            time_ns: record.time_ns,
            data: record.data,
            client: record.client,
            frame,
            flags: record.flags,
        }
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
        if self.peer.is_none() && self.skipping.until.is_none() {
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
        if self.has_own() {
            // As soon as possible.
            let frame = place(&mut self.clock, 0)?;
            if let Some((client, message)) = self.next_own(shared) {
                return Some(self.give_made(shared, now_ns, client, message, frame));
            }
            if self.skipping.until.is_some() {
                return None;
            }
        }
        let spilled = self.peer.as_ref().is_some_and(|peer| peer.has_spilled());
        self.incoming.release();
        if let Some(record) = self.incoming.peek() {
            let frame = place(&mut self.clock, record.time_ns)?;
            if let Some(peer) = &mut self.peer {
                // SAFETY: the record stays in the queue until the next call.
                peer.hear(unsafe { record.data.as_ref() }, shared);
            }
            return Some(self.take(&record, frame));
        }
        let peer = self.peer.as_mut()?;
        let frame = place(&mut self.clock, 0)?;
        let (client, message) = (0, peer.next_after_queue(spilled, shared)?);
        Some(self.give_made(shared, now_ns, client, message, frame))
    }

    fn give_made(&mut self, shared: &Shared, at_ns: u64, client: u32, message: Msg, frame: u32) -> Popped {
        if let Some(peer) = &mut self.peer {
            peer.hear(&message, shared);
        }
        shared.popped.synthesized.add(1);
        let made = self.made.insert(message);
        Popped {
            time_ns: if at_ns == 0 { now_ns() } else { at_ns },
            data: NonNull::from(&**made),
            client,
            frame,
            flags: SYNTHETIC,
        }
    }

    /// Whether something comes before what is in the queue.
    fn has_own(&mut self) -> bool {
        self.skipping.until.is_some() || self.peer.as_mut().is_some_and(|peer| peer.asks())
    }

    fn next_own(&mut self, shared: &Shared) -> Option<(u32, Msg)> {
        if let Some(peer) = &mut self.peer
            && let Some(message) = peer.next_request(&mut self.incoming)
        {
            return Some((0, message));
        }
        self.next_skipped(shared)
    }

    /// The next message of the difference that a skip made. None when there is none, or not yet: after a long pause
    /// with many clients going through what was skipped is spread over several calls.
    fn next_skipped(&mut self, shared: &Shared) -> Option<(u32, Msg)> {
        let Self { skipping, incoming, .. } = self;
        let until = skipping.until?;
        let mut budget = MOST_SCANNED;
        loop {
            if let Some(at) = skipping.at {
                let mut unrepaired = 0;
                let reached = incoming.scan(at, until, &mut budget, |record| {
                    if record.client == skipping.client {
                        // SAFETY: the record stays in the queue until `skip_to`.
                        unrepaired += skipping.summary.lose(unsafe { record.data.as_ref() });
                    } else if record.client > skipping.client {
                        let lower = |next: u32| next.min(record.client);
                        skipping.next = Some(skipping.next.map_or(record.client, lower));
                    }
                });
                shared.popped.unrepaired.add(unrepaired.into());
                if reached != until {
                    skipping.at = Some(reached);
                    return None;
                }
                skipping.at = None;
            }
            if let Some(message) = skipping.summary.next() {
                return Some((skipping.client, message));
            }
            let Some(client) = skipping.next.take() else {
                incoming.skip_to(until);
                skipping.until = None;
                let then = skipping.then.take().filter(|then| *then != until)?;
                skipping.start(until, then);
                return self.next_skipped(shared);
            };
            skipping.begin(client, incoming.position());
        }
    }

    /// Throws away what waits; what follows first is the difference in channel state. Whether anything waited.
    pub(crate) fn skip(&mut self) -> bool {
        self.incoming.release();
        let until = self.incoming.end();
        if until == self.incoming.position() {
            return false;
        }
        if let Some(before) = self.skipping.until {
            if self.skipping.client == 0 && self.skipping.next.is_none() && self.skipping.then.is_none() {
                // What was not given yet is in one difference with what came since.
                self.skipping.until = Some(until);
                self.skipping.at.get_or_insert(before);
            } else {
                self.skipping.then = Some(until);
            }
        } else {
            self.skipping.start(self.incoming.position(), until);
        }
        true
    }

    /// Whether nothing is in the queue or about to be made here.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.skipping.until.is_none() && self.incoming.peek().is_none()
    }
}

impl Skipping {
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
        self.summary.clear();
    }
}
