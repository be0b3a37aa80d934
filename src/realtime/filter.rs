//! The channels of a port: which messages are sent and returned, and how control threads change that.
//!
//! A push that finds its channel closed queues nothing. A push that found it open may still be queueing its message
//! when the channel is closed, so the thread that empties the queue also asks the channel's **gate**. A closed gate
//! lets nothing pass. A gate that is open again lets only messages pass that were queued after it was opened. So a
//! message that was pushed before the channel was closed never leaves after the release, however late it appears.
//!
//! A channel that was closed and opened again, before the thread saw either, is **cut** all the same: a Note Off in
//! between may have been filtered. So the bits of closed channels add up until the thread takes them.

use crate::midi::channels::{Channels, PLACES, place_of};
use crate::realtime::ring::is_before;
use crate::sys::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// A gate through which nothing passes, and one through which everything does: positions are multiples of 16.
const CLOSED: usize = 1;
const OPEN: usize = 2;

/// The channels of one port. What the network thread reads in every turn lies in one cache line.
#[repr(C)]
pub(crate) struct Filter {
    /// Every push and pop reads it.
    open: AtomicU32,
    /// Counts the changes. It is written last.
    revision: AtomicU64,
    outgoing: Watch,
    incoming: Watch,
    gates: [AtomicUsize; PLACES],
    /// The revision with which each channel was last closed.
    cuts: [AtomicU64; PLACES],
}

/// The changes that the thread that empties a queue has not seen yet.
#[derive(Default)]
struct Watch {
    /// The channels that were closed since the thread last took them.
    cut: AtomicU32,
    /// The revision that the thread has carried out.
    seen: AtomicU64,
}

/// The direction for which a thread carries changes out.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Outgoing,
    Incoming,
}

impl Filter {
    pub(crate) fn new(channels: Channels) -> Self {
        let gate = |place: usize| {
            if channels.bits() >> place & 1 != 0 {
                OPEN
            } else {
                CLOSED
            }
        };
        Self {
            open: AtomicU32::new(channels.bits()),
            revision: AtomicU64::new(0),
            gates: std::array::from_fn(|place| AtomicUsize::new(gate(place))),
            cuts: std::array::from_fn(|_| AtomicU64::new(0)),
            outgoing: Watch::default(),
            incoming: Watch::default(),
        }
    }

    /// Whether all channels are open. Then a push or pop needs nothing else of the filter.
    #[inline(always)]
    pub(crate) fn is_all(&self) -> bool {
        self.open.load(Ordering::Relaxed) == Channels::ALL.bits()
    }

    /// The channels that are open now.
    #[inline(always)]
    pub(crate) fn open(&self) -> Channels {
        Channels::of_known(self.open.load(Ordering::Relaxed))
    }

    /// Whether a push is to be filtered. If so, a thread that opens the channel again sees all messages that the
    /// pushing thread queued before, and the gate stops them.
    #[inline(always)]
    pub(crate) fn stops(&self, message: &[u8]) -> bool {
        !self.is_all() && self.stops_some(message)
    }

    #[cold]
    #[inline(never)]
    fn stops_some(&self, message: &[u8]) -> bool {
        if self.open().has(message) {
            return false;
        }
        // With the fence in `set`: either that thread sees what was queued, or this one sees the channel open.
        fence(Ordering::SeqCst);
        !self.open().has(message)
    }

    /// Changes the channels. `tail`: the position up to which the out queue is filled. One thread at a time calls it.
    /// False: nothing changed.
    pub(crate) fn set(&self, channels: Channels, tail: impl FnOnce() -> usize) -> bool {
        let before = Channels::of_known(self.open.swap(channels.bits(), Ordering::Relaxed));
        let (closed, opened) = (before.without(channels), channels.without(before));
        if before == channels {
            return false;
        }
        // A thread that sees the revision sees all changes below.
        fence(Ordering::SeqCst);
        let revision = self.revision.load(Ordering::Relaxed) + 1;
        for place in closed.places() {
            self.gates[place].store(CLOSED, Ordering::Relaxed);
            self.cuts[place].store(revision, Ordering::Relaxed);
        }
        let tail = tail();
        for place in opened.places() {
            self.gates[place].store(tail, Ordering::Relaxed);
        }
        // After the gates: a thread that takes the bits finds the gates closed.
        self.outgoing.cut.fetch_or(closed.bits(), Ordering::Release);
        self.incoming.cut.fetch_or(closed.bits(), Ordering::Release);
        self.revision.store(revision, Ordering::Release);
        true
    }

    fn watch(&self, direction: Direction) -> &Watch {
        match direction {
            Direction::Outgoing => &self.outgoing,
            Direction::Incoming => &self.incoming,
        }
    }

    /// Whether a change was not carried out yet.
    #[inline]
    pub(crate) fn is_unseen(&self, direction: Direction) -> bool {
        self.revision() != self.watch(direction).seen.load(Ordering::Acquire)
    }

    /// Changes with every change.
    #[inline]
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Takes the channels that were closed since the last call, and those that are open now. Only the thread that
    /// carries changes out calls it.
    pub(crate) fn take_cut(&self, direction: Direction) -> (Channels, Channels) {
        let cut = self.watch(direction).cut.swap(0, Ordering::Acquire);
        (Channels::of_known(cut), self.open())
    }

    /// Notes up to which revision changes were carried out.
    pub(crate) fn see(&self, direction: Direction, revision: u64) {
        self.watch(direction).seen.store(revision, Ordering::Release);
    }

    /// The channels that were closed up to now, to be compared with an earlier time.
    #[inline]
    pub(crate) fn cuts(&self) -> Cuts<'_> {
        Cuts {
            revision: self.revision(),
            filter: Some(self),
        }
    }
}

/// The channels that had been closed at some time. The default is that of a port whose channels never changed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cuts<'a> {
    revision: u64,
    /// Which channels those were is read only where it matters.
    filter: Option<&'a Filter>,
}

impl Cuts<'_> {
    /// Changes when a channel is closed. It is not 0 then.
    #[inline(always)]
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The channels that were closed since another revision, those of a change under way too.
    pub(crate) fn since(&self, before: u64) -> Channels {
        let Some(filter) = self.filter else {
            return Channels::NONE;
        };
        let changed = (0..PLACES).filter(|place| filter.cuts[*place].load(Ordering::Relaxed) > before);
        Channels::of_known(changed.fold(0, |bits, place| bits | 1 << place))
    }
}

/// The gates, as the thread that empties a queue knows them.
pub(crate) struct Gates {
    closed: Channels,
    /// For each channel that was opened again: messages before this position of the queue do not pass.
    until: [usize; PLACES],
    waiting: Channels,
}

impl Gates {
    pub(crate) fn new(channels: Channels) -> Self {
        Self {
            closed: channels.complement(),
            until: [0; PLACES],
            waiting: Channels::NONE,
        }
    }

    /// Reads the gates anew.
    #[cold]
    pub(crate) fn renew(&mut self, filter: &Filter) {
        let (mut closed, mut waiting) = (0, 0);
        for (place, gate) in filter.gates.iter().enumerate() {
            match gate.load(Ordering::Relaxed) {
                CLOSED => closed |= 1 << place,
                OPEN => {}
                until => {
                    waiting |= 1 << place;
                    self.until[place] = until;
                }
            }
        }
        self.closed = Channels::of_known(closed);
        self.waiting = Channels::of_known(waiting);
    }

    /// The channels on which nothing passes.
    pub(crate) fn closed(&self) -> Channels {
        self.closed
    }

    /// Whether there are messages that do not pass.
    #[inline(always)]
    pub(crate) fn stop_some(&self) -> bool {
        !self.closed.or(self.waiting).is_empty()
    }

    /// Whether a message at a position of the queue does not pass.
    #[inline(always)]
    pub(crate) fn stop(&mut self, filter: &Filter, position: usize, message: &[u8]) -> bool {
        self.stop_some() && self.look(filter, position, message)
    }

    #[cold]
    #[inline(never)]
    fn look(&mut self, filter: &Filter, position: usize, message: &[u8]) -> bool {
        if self.closed.has(message) {
            return true;
        }
        if !self.waiting.has(message) {
            return false;
        }
        let place = place_of(message.first().copied().unwrap_or(0));
        let until = self.until[place];
        if is_before(position, until) {
            return true;
        }
        // Positions wrap: the gate must not seem to lie ahead some day. Other threads only ever close an open gate.
        let _ = filter.gates[place].compare_exchange(until, OPEN, Ordering::Relaxed, Ordering::Relaxed);
        self.waiting = self.waiting.without(Channels::of_known(1 << place));
        false
    }

    /// The same, but the gates stay as they are: for messages that are not taken yet.
    pub(crate) fn would_stop(&self, position: usize, message: &[u8]) -> bool {
        let place = place_of(message.first().copied().unwrap_or(0));
        self.closed.has(message) || self.waiting.has(message) && is_before(position, self.until[place])
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const NOTE: [u8; 3] = [0x91, 60, 1];

    fn channels(bits: u32) -> Channels {
        Channels::of(bits).unwrap()
    }

    #[test]
    fn what_was_queued_before_the_channel_was_opened_again_does_not_pass() {
        let filter = Filter::new(Channels::ALL);
        let mut gates = Gates::new(filter.open());
        assert!(!gates.stop(&filter, 0, &NOTE) && !filter.stops(&NOTE));
        assert!(filter.set(channels(1), || 0));
        assert!(filter.stops(&NOTE));
        gates.renew(&filter);
        assert!(gates.stop(&filter, 160, &NOTE) && !gates.stop(&filter, 160, &[0x90, 60, 1]));
        assert!(filter.set(channels(3), || 32));
        assert!(!filter.set(channels(3), || 64));
        gates.renew(&filter);
        assert!(gates.stop(&filter, 16, &NOTE) && gates.would_stop(16, &NOTE));
        assert!(!gates.would_stop(32, &NOTE) && !gates.stop(&filter, 32, &NOTE));
        // It has passed once: its position means nothing any more.
        gates.renew(&filter);
        assert!(!gates.stop(&filter, usize::MAX / 2 + 64, &NOTE));
    }

    #[test]
    fn a_channel_that_was_closed_for_a_moment_was_cut() {
        let filter = Filter::new(Channels::ALL);
        let before = filter.cuts().revision();
        filter.set(channels(1), || 0);
        let between = filter.cuts().revision();
        filter.set(Channels::ALL, || 0);
        assert!(filter.is_unseen(Direction::Outgoing) && filter.is_unseen(Direction::Incoming));
        let (cut, open) = filter.take_cut(Direction::Outgoing);
        assert_eq!((cut, open), (channels(0x1FFFE), Channels::ALL));
        assert_eq!(filter.take_cut(Direction::Outgoing).0, Channels::NONE);
        assert_eq!(filter.take_cut(Direction::Incoming).0, channels(0x1FFFE));
        assert_eq!(filter.cuts().since(before), channels(0x1FFFE));
        assert_eq!(filter.cuts().since(between), Channels::NONE);
        filter.see(Direction::Incoming, filter.revision());
        assert!(filter.is_unseen(Direction::Outgoing) && !filter.is_unseen(Direction::Incoming));
    }
}
