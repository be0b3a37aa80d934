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

/// What the popping thread alone touches.
pub(crate) struct PopSide {
    incoming: Consumer,
    pub clock: BlockClock,
    /// On a pair, the other port.
    pub peer: Option<PairPeer>,
    skipping: Skipping,
    /// The last message that was made here: what was popped may point to it.
    made: Option<Msg>,
}

/// What was skipped, while the difference in channel state is given: the messages are still in the queue.
struct Skipping {
    /// Up to where; None: nothing is being skipped.
    until: Option<usize>,
    /// Whose difference is given, in order of their ids; None: not begun.
    client: Option<u32>,
    summary: Box<Summary>,
}

impl PopSide {
    pub(crate) fn new(incoming: Consumer, clock: BlockClock, peer: Option<PairPeer>) -> Self {
        let skipping = Skipping {
            until: None,
            client: None,
            summary: Summary::new(),
        };
        Self {
            incoming,
            clock,
            peer,
            skipping,
            made: None,
        }
    }

    /// Takes the next message.
    #[inline]
    pub(crate) fn pop(&mut self, shared: &Shared) -> Option<Popped> {
        if self.peer.is_none() && self.skipping.until.is_none() {
            let record = self.incoming.pop()?;
            return Some(Popped::of(&record, 0));
        }
        self.pop_uncommon(shared, |_, _| Some(0))
    }

    /// Takes the next message that belongs into the block.
    #[inline]
    pub(crate) fn pop_block(&mut self, shared: &Shared) -> Result<Option<Popped>, Code> {
        if !self.clock.has_block() {
            return Err(Code::InvalidArgument);
        }
        Ok(self.pop_uncommon(shared, |clock, time_ns| clock.place(time_ns)))
    }

    /// Takes the next message that has a place: made here, or from the queue.
    fn pop_uncommon(&mut self, shared: &Shared, place: impl Fn(&mut BlockClock, u64) -> Option<u32>) -> Option<Popped> {
        if self.has_own() {
            // As soon as possible.
            let frame = place(&mut self.clock, 0)?;
            if let Some((client, message)) = self.next_own(shared) {
                return Some(self.give_made(shared, client, message, frame));
            }
        }
        let spilled = self.peer.as_ref().is_some_and(PairPeer::has_spilled);
        self.incoming.release();
        if let Some(record) = self.incoming.peek() {
            let frame = place(&mut self.clock, record.time_ns)?;
            self.incoming.take(&record);
            self.incoming.tell_taken();
            if let Some(peer) = &mut self.peer {
                // SAFETY: the record stays in the queue until the next call.
                peer.hear(unsafe { record.data.as_ref() }, shared);
            }
            return Some(Popped::of(&record, frame));
        }
        let peer = self.peer.as_mut()?;
        let frame = place(&mut self.clock, 0)?;
        let (client, message) = (0, peer.next_after_queue(spilled, shared)?);
        Some(self.give_made(shared, client, message, frame))
    }

    fn give_made(&mut self, shared: &Shared, client: u32, message: Msg, frame: u32) -> Popped {
        if let Some(peer) = &mut self.peer {
            peer.hear(&message, shared);
        }
        shared.popped.synthesized.add(1);
        let made = self.made.insert(message);
        Popped {
            time_ns: now_ns(),
            data: NonNull::from(&**made),
            client,
            frame,
            flags: SYNTHETIC,
        }
    }

    /// Whether something comes before what is in the queue.
    fn has_own(&self) -> bool {
        self.skipping.until.is_some() || self.peer.as_ref().is_some_and(PairPeer::asks)
    }

    fn next_own(&mut self, shared: &Shared) -> Option<(u32, Msg)> {
        if let Some(peer) = &mut self.peer
            && let Some(message) = peer.next_request(&mut self.incoming)
        {
            return Some((0, message));
        }
        self.next_skipped(shared)
    }

    /// The next message of the difference that a skip made.
    fn next_skipped(&mut self, shared: &Shared) -> Option<(u32, Msg)> {
        let skipping = &mut self.skipping;
        let until = skipping.until?;
        loop {
            if let Some(client) = skipping.client
                && let Some(message) = skipping.summary.next()
            {
                return Some((client, message));
            }
            // Each client's difference on its own, from the lowest id to the highest.
            let mut next = None;
            self.incoming.scan(until, |record| {
                let later = skipping.client.is_none_or(|last| record.client > last);
                if later && next.is_none_or(|next| record.client < next) {
                    next = Some(record.client);
                }
            });
            let Some(client) = next else {
                self.incoming.skip_to(until);
                skipping.until = None;
                return None;
            };
            skipping.client = Some(client);
            skipping.summary.clear();
            let mut unrepaired = 0;
            self.incoming.scan(until, |record| {
                if record.client == client {
                    // SAFETY: the record stays in the queue until `skip_to`.
                    unrepaired += skipping.summary.lose(unsafe { record.data.as_ref() });
                }
            });
            shared.popped.unrepaired.add(unrepaired.into());
        }
    }

    /// Throws away what waits; what follows first is the difference in channel state. Whether anything waited.
    pub(crate) fn skip(&mut self) -> bool {
        self.incoming.release();
        let until = self.incoming.end();
        if until == self.incoming.position() {
            return false;
        }
        self.skipping.until = Some(until);
        self.skipping.client = None;
        true
    }

    /// Whether nothing is in the queue or about to be made here.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.skipping.until.is_none() && self.incoming.peek().is_none()
    }
}

impl Popped {
    #[inline]
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
