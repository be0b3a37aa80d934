//! What a repairing port's push could not queue: a summary, handed from the pushing thread to whoever empties the out
//! queue, without either waiting for the other.
//!
//! Two slots, used in turn. A slot is free (the pushing thread's own), full (a summary that either side may take hold
//! of), busy (the pushing thread adds to it) or taken (the other side works it off). While its summary is full the
//! pushing thread queues nothing, so that the summary stands for what came after everything in the queue; once it is
//! taken, what is queued comes after it. The other side takes a slot only when it has given back the one before: so
//! the pushing thread, having seen its slot taken, finds the other one free.
//!
//! While nothing is refused this costs the pushing thread one look at a plain variable.

use crate::midi::message;
use crate::midi::reset::RESET;
use crate::midi::summary::Summary;
use crate::sys::sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

const FREE: usize = 0;
const BUSY: usize = 1;
const FULL: usize = 2;
const TAKEN: usize = 3;

/// Clients of a merged server that were pushed to by name are told apart up to this number, at one time.
pub(crate) const MOST_NAMED: usize = 3;

struct Slot {
    state: AtomicUsize,
    /// Touched by the pushing thread in FREE and BUSY, by the other side in TAKEN.
    lost: UnsafeCell<Lost>,
}

/// What was lost, for each receiver.
pub(crate) struct Lost {
    /// For every client that is not in `named`.
    all: Box<Summary>,
    /// For clients that were pushed to by name: what was lost that was for all is in here too, in its place.
    named: Box<[Named]>,
    /// How many of `named` are in use.
    used: usize,
    /// How many resets had been asked for when the first message was lost, and the last.
    resets: (u32, u32),
    /// For when what was lost was meant, at the latest; 0: all of it for at once.
    latest_ns: u64,
}

/// When a message was refused.
#[derive(Clone, Copy, Default)]
pub(crate) struct Refused {
    /// How many resets had been asked for.
    pub resets: u32,
    /// For when it was meant; 0: at once.
    pub due_ns: u64,
}

struct Named {
    client: u32,
    summary: Box<Summary>,
}

impl Lost {
    fn new(most_named: usize) -> Self {
        let named = || Named {
            client: 0,
            summary: Summary::new(),
        };
        Self {
            all: Summary::new(),
            named: std::iter::repeat_with(named).take(most_named).collect(),
            used: 0,
            resets: (0, 0),
            latest_ns: 0,
        }
    }

    fn clear(&mut self) {
        self.all.clear();
        self.used = 0;
        self.latest_ns = 0;
    }

    /// For when what was lost was meant, at the latest; 0: all of it for at once.
    pub(crate) fn latest_ns(&self) -> u64 {
        self.latest_ns
    }

    /// Takes a message that was lost; how many messages cannot be brought back for it.
    fn lose(&mut self, client: u32, message: &[u8]) -> u32 {
        if client == 0 {
            for named in &mut self.named[..self.used] {
                named.summary.lose(message);
            }
            return self.all.lose(message);
        }
        let place = self.named[..self.used].iter().position(|named| named.client == client);
        let place = place.unwrap_or(self.used);
        let Some(named) = self.named.get_mut(place) else {
            return self.lose_for_one_of_many(message);
        };
        if place == self.used {
            self.used += 1;
            named.client = client;
            named.summary.clone_from(&self.all);
        }
        named.summary.lose(message)
    }

    /// Takes note of the resets that were asked for before what is lost next. One since the last has its place between.
    fn note_resets(&mut self, resets: u32, is_first: bool) {
        if is_first {
            self.resets.0 = resets;
        } else if self.resets.1 != resets {
            for message in &RESET {
                self.lose(0, message);
            }
        }
        self.resets.1 = resets;
    }

    /// Of so many resets that were asked for, of which so many are done, those that have their place around all of this.
    /// Those between are in it, also one that was asked for after `asked` was read. One may be given twice, where it was
    /// done while a push was being refused: never too few, and the last in its place.
    pub(crate) fn resets_around(&self, done: u32, asked: u32) -> ResetsAround {
        let (first, last) = self.resets;
        let after = asked.wrapping_sub(last) as i32 > 0;
        ResetsAround {
            before: first.wrapping_sub(done) as i32 > 0,
            after,
            done: if after || last.wrapping_sub(done) as i32 <= 0 {
                asked
            } else {
                last
            },
        }
    }

    /// More clients than are told apart: rather let go of a note of all of them than let it sound at one.
    fn lose_for_one_of_many(&mut self, message: &[u8]) -> u32 {
        let lets_go = match *message {
            [0x80..=0x8F, ..] | [0x90..=0x9F, _, 0] => true,
            [0xB0..=0xBF, 120 | 123.., _] => true,
            [status @ 0xB0..=0xBF, 121, _] => {
                // Of what it resets at one, what holds notes is let go of at all.
                for pedal in 64..=67 {
                    self.lose(0, &[status, pedal, 0]);
                }
                false
            }
            [status] => matches!(status, 0xFC | 0xFF),
            _ => message::is_switch_off(message),
        };
        if lets_go {
            self.lose(0, message);
            0
        } else {
            1
        }
    }

    /// Every summary and the client it is for: those named, then, with 0, all others.
    pub(crate) fn summaries(&mut self) -> impl Iterator<Item = (u32, &mut Summary)> {
        let named = self.named[..self.used].iter_mut();
        let named = named.map(|named| (named.client, &mut *named.summary));
        named.chain(std::iter::once((0, &mut *self.all)))
    }

    /// Whether a client's summary is one of its own.
    pub(crate) fn is_named(&self, client: u32) -> bool {
        self.named[..self.used].iter().any(|named| named.client == client)
    }
}

/// See `Lost::resets_around`.
pub(crate) struct ResetsAround {
    pub before: bool,
    pub after: bool,
    /// Up to which count they are done with it.
    pub done: u32,
}

struct Slots([Slot; 2]);

// SAFETY: `lost` of a slot is touched by one thread at a time: the state says which, it is entered by acquiring and
// left by releasing, and each side is one thread at a time.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

/// Makes both ends.
pub(crate) fn spill(most_named: usize) -> (SpillIn, SpillOut) {
    let slot = || Slot {
        state: AtomicUsize::new(FREE),
        lost: UnsafeCell::new(Lost::new(most_named)),
    };
    let slots = Arc::new(Slots([slot(), slot()]));
    (
        SpillIn {
            slots: Arc::clone(&slots),
            current: 1,
            lossy: false,
        },
        SpillOut { slots, next: 0 },
    )
}

/// The pushing thread's end.
pub(crate) struct SpillIn {
    slots: Arc<Slots>,
    /// The slot used last.
    current: usize,
    /// Whether that slot may still be full.
    lossy: bool,
}

impl SpillIn {
    pub(crate) fn gauge(&self) -> SpillGauge {
        SpillGauge(Arc::clone(&self.slots))
    }

    /// Whether nothing may be queued yet.
    #[inline]
    pub(crate) fn is_lossy(&mut self) -> bool {
        self.lossy && self.look_again()
    }

    /// Whether `is_lossy` has to be asked.
    #[inline]
    pub(crate) fn was_lossy(&self) -> bool {
        self.lossy
    }

    #[cold]
    fn look_again(&mut self) -> bool {
        self.lossy = self.slots.0[self.current].state.load(Ordering::Acquire) == FULL;
        self.lossy
    }

    /// Takes a message that was refused; how many messages cannot be brought back for it.
    #[cold]
    pub(crate) fn lose(&mut self, client: u32, message: &[u8], refused: Refused) -> u32 {
        let again = self.lossy && {
            let state = &self.slots.0[self.current].state;
            // Acquire where it was taken too: that comes after the other slot was given back.
            state
                .compare_exchange(FULL, BUSY, Ordering::Acquire, Ordering::Acquire)
                .is_ok()
        };
        if !again {
            self.current = 1 - self.current;
        }
        let slot = &self.slots.0[self.current];
        debug_assert!(again || slot.state.load(Ordering::Acquire) == FREE);
        let unrepaired = slot.lost.with_mut(|lost| {
            // SAFETY: BUSY was entered above, or the slot is FREE: it is this thread's.
            let lost = unsafe { &mut *lost };
            if !again {
                lost.clear();
            }
            lost.note_resets(refused.resets, !again);
            lost.latest_ns = lost.latest_ns.max(refused.due_ns);
            lost.lose(client, message)
        });
        slot.state.store(FULL, Ordering::Release);
        self.lossy = true;
        unrepaired
    }
}

/// The end of whoever empties the out queue.
pub(crate) struct SpillOut {
    slots: Arc<Slots>,
    next: usize,
}

/// A view for those who wait.
pub(crate) struct SpillGauge(Arc<Slots>);

impl SpillGauge {
    /// Whether a summary waits to be worked off.
    pub(crate) fn has_some(&self) -> bool {
        self.0.0.iter().any(|slot| slot.state.load(Ordering::Acquire) != FREE)
    }
}

impl SpillOut {
    pub(crate) fn gauge(&self) -> SpillGauge {
        SpillGauge(Arc::clone(&self.slots))
    }

    /// Whether there may be something.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        // Acquire: what was queued before is seen in the queue after this.
        !matches!(self.slots.0[self.next].state.load(Ordering::Acquire), FREE | BUSY)
    }

    /// Takes what was lost, if there is something now. To be called when the queue was found empty after `has_some`
    /// said so: then what is queued from now on comes after it. It is this side's until `give_back`.
    pub(crate) fn take<R>(&mut self, work: impl FnOnce(&mut Lost) -> R) -> Option<R> {
        let slot = &self.slots.0[self.next];
        // The pushing thread may add to it just now: then it is taken the next time.
        // Release: who sees it taken also sees the other slot given back.
        slot.state
            .compare_exchange(FULL, TAKEN, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(slot.lost.with_mut(|lost| {
            // SAFETY: the slot is TAKEN: it is this side's.
            work(unsafe { &mut *lost })
        }))
    }

    /// After `take`: what was lost is made good.
    pub(crate) fn give_back(&mut self) {
        let slot = &self.slots.0[self.next];
        debug_assert_eq!(slot.state.load(Ordering::Relaxed), TAKEN);
        slot.state.store(FREE, Ordering::Release);
        self.next = 1 - self.next;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::midi::summary::Given;

    fn all(out: &mut SpillOut) -> Vec<(u32, Vec<u8>)> {
        let mut told = Vec::new();
        let taken = out.take(|lost| {
            for (client, summary) in lost.summaries() {
                let mut given = Given::new();
                told.extend(std::iter::from_fn(|| summary.next(&mut given)).map(|message| (client, message.to_vec())));
            }
        });
        if taken.is_some() {
            out.give_back();
        }
        told
    }

    fn to_all<const N: usize>(messages: [[u8; 3]; N]) -> Vec<(u32, Vec<u8>)> {
        messages.iter().map(|message| (0, message.to_vec())).collect()
    }

    #[test]
    fn what_was_refused_comes_out_once() {
        let (mut spill, mut out) = spill(0);
        assert!(!spill.is_lossy() && !out.has_some());
        spill.lose(0, &[0x80, 60, 0], Refused::default());
        spill.lose(0, &[0xB0, 7, 5], Refused::default());
        assert!(spill.is_lossy() && out.has_some());
        assert_eq!(all(&mut out), to_all([[0x80, 60, 64], [0xB0, 7, 5]]));
        assert!(!spill.is_lossy() && !out.has_some());
        assert!(all(&mut out).is_empty());
    }

    #[test]
    fn a_summary_being_worked_off_is_not_added_to() {
        let (mut spill, mut out) = spill(0);
        spill.lose(0, &[0xB0, 7, 1], Refused::default());
        assert!(out.take(|_| ()).is_some());
        assert!(!spill.is_lossy(), "taken: what is queued comes after it");
        spill.lose(0, &[0xB0, 7, 2], Refused::default());
        assert!(spill.is_lossy() && out.take(|_| ()).is_none());
        out.give_back();
        assert_eq!(all(&mut out), to_all([[0xB0, 7, 2]]));
    }

    #[test]
    fn resets_have_their_places() {
        let around = |first, last, done, asked| {
            let (mut spill, mut out) = spill(0);
            for resets in [first, last] {
                spill.lose(0, &[0xB0, 7, 1], Refused { resets, due_ns: 0 });
            }
            let resets = out.take(|lost| lost.resets_around(done, asked)).unwrap();
            (resets.before, resets.after, resets.done)
        };
        assert_eq!(around(0, 0, 0, 0), (false, false, 0));
        assert_eq!(around(1, 1, 0, 1), (true, false, 1));
        assert_eq!(around(0, 0, 0, 1), (false, true, 1));
        assert_eq!(around(0, 1, 0, 2), (false, true, 2));
        // Asked for, and pushed after it, since it was read how many there are: it is in it.
        assert_eq!(around(0, 1, 0, 0), (false, false, 1));
        assert_eq!(around(1, 2, 0, 1), (true, false, 2));
        // Round the end of the count.
        assert_eq!(around(u32::MAX, 0, u32::MAX, u32::MAX), (false, false, 0));
    }

    #[test]
    fn clients_are_told_apart() {
        let (mut spill, mut out) = spill(2);
        for (client, message) in [
            (0, [0xB0, 7, 1]),
            (8, [0xB0, 7, 2]),
            (9, [0xB0, 10, 3]),
            (0, [0xB0, 11, 4]),
            (8, [0x80, 60, 0]),
        ] {
            assert_eq!(spill.lose(client, &message, Refused::default()), 0);
        }
        // One too many to be told apart: what lets go goes to all, the rest is counted.
        assert_eq!(spill.lose(10, &[0x80, 61, 0], Refused::default()), 0);
        assert_eq!(spill.lose(10, &[0xB0, 12, 5], Refused::default()), 1);
        assert_eq!(spill.lose(10, &[0xB1, 66, 63], Refused::default()), 0);
        assert_eq!(spill.lose(10, &[0xB2, 121, 0], Refused::default()), 1);
        let mut told = all(&mut out);
        told.sort();
        let lifted = |(_, message): &(u32, Vec<u8>)| matches!(message[..], [0xB1 | 0xB2, 64..=67, ..]);
        let pedals: Vec<_> = told.extract_if(.., |each| lifted(each)).collect();
        for client in [0, 8, 9] {
            let to = |pedal: [u8; 3]| pedals.contains(&(client, pedal.to_vec()));
            assert!(
                to([0xB1, 66, 63]) && (64..=67).all(|pedal| to([0xB2, pedal, 0])),
                "{pedals:?}"
            );
        }
        assert_eq!(
            told,
            [
                (0, vec![0x80, 61, 64]),
                (0, vec![0xB0, 7, 1]),
                (0, vec![0xB0, 11, 4]),
                (8, vec![0x80, 60, 64]),
                (8, vec![0x80, 61, 64]),
                (8, vec![0xB0, 7, 2]),
                (8, vec![0xB0, 11, 4]),
                (9, vec![0x80, 61, 64]),
                (9, vec![0xB0, 7, 1]),
                (9, vec![0xB0, 10, 3]),
                (9, vec![0xB0, 11, 4]),
            ]
        );
    }

    /// The last value of every controller arrives, whatever two real threads do to each other; and never an older one
    /// after a newer one.
    #[test]
    fn between_two_threads() {
        let (mut spill, mut out) = spill(0);
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = std::sync::Arc::clone(&done);
        let pusher = std::thread::spawn(move || {
            for round in 0..200_000u32 {
                if !spill.is_lossy() || round % 3 != 0 {
                    spill.lose(
                        0,
                        &[0xB0, (round % 4) as u8 + 16, (round / 4 % 128) as u8],
                        Refused::default(),
                    );
                }
            }
            for controller in 16..20 {
                spill.lose(0, &[0xB0, controller, 99], Refused::default());
            }
            ended.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut last = [0; 4];
        loop {
            let over = done.load(std::sync::atomic::Ordering::Acquire);
            for (_, message) in all(&mut out) {
                last[usize::from(message[1] - 16)] = message[2];
            }
            if over && !out.has_some() {
                break;
            }
            std::thread::yield_now();
        }
        pusher.join().unwrap();
        assert_eq!(last, [99; 4]);
    }
}
