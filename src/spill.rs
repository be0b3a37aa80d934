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

use crate::midi::state::Msg;
use crate::midi::summary::Summary;
use crate::sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

const FREE: usize = 0;
const BUSY: usize = 1;
const FULL: usize = 2;
const TAKEN: usize = 3;

struct Slot {
    state: AtomicUsize,
    /// Touched by the pushing thread in FREE and BUSY, by the other side in TAKEN.
    lost: UnsafeCell<Lost>,
}

struct Lost {
    summary: Box<Summary>,
    /// The client that the messages were for, or 0 for all.
    client: u32,
}

struct Slots([Slot; 2]);

// SAFETY: `lost` of a slot is touched by one thread at a time: the state says which, it is entered by acquiring and
// left by releasing, and each side is one thread at a time.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

/// Makes both ends.
pub(crate) fn spill() -> (SpillIn, SpillOut) {
    let slot = || Slot {
        state: AtomicUsize::new(FREE),
        lost: UnsafeCell::new(Lost {
            summary: Summary::new(),
            client: 0,
        }),
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
    pub(crate) fn lose(&mut self, client: u32, message: &[u8]) -> u32 {
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
                lost.summary.clear();
                lost.client = client;
            }
            // A summary is for one receiver. What is for another is beyond repair.
            if lost.client == client {
                lost.summary.lose(message)
            } else {
                1
            }
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

    /// Whether a summary is being worked off: what is in the queue comes after it.
    pub(crate) fn is_under_way(&self) -> bool {
        self.slots.0[self.next & 1].state.load(Ordering::Relaxed) == TAKEN
    }

    /// Whether there may be something.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        // Acquire: what was queued before is seen in the queue after this.
        !matches!(self.slots.0[self.next].state.load(Ordering::Acquire), FREE | BUSY)
    }

    /// The next message of a summary and the client it is for; `None` when there is none now. To be called when the
    /// queue was found empty after `has_some` said so, and until it says `None`.
    pub(crate) fn next(&mut self) -> Option<(u32, Msg)> {
        let slot = &self.slots.0[self.next];
        match slot.state.load(Ordering::Acquire) {
            TAKEN => {}
            FULL => {
                // The pushing thread may add to it just now: then it is taken the next time.
                // Release: who sees it taken also sees the other slot given back.
                slot.state
                    .compare_exchange(FULL, TAKEN, Ordering::AcqRel, Ordering::Relaxed)
                    .ok()?;
            }
            _ => return None,
        }
        let next = slot.lost.with_mut(|lost| {
            // SAFETY: the slot is TAKEN: it is this side's.
            let lost = unsafe { &mut *lost };
            lost.summary.next().map(|message| (lost.client, message))
        });
        match next {
            Some(next) => Some(next),
            None => {
                slot.state.store(FREE, Ordering::Release);
                self.next = 1 - self.next;
                None
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn all(out: &mut SpillOut) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| out.next())
            .map(|(_, message)| message.to_vec())
            .collect()
    }

    #[test]
    fn what_was_refused_comes_out_once() {
        let (mut spill, mut out) = spill();
        assert!(!spill.is_lossy() && !out.has_some());
        spill.lose(0, &[0x80, 60, 0]);
        spill.lose(0, &[0xB0, 7, 5]);
        assert!(spill.is_lossy() && out.has_some());
        assert_eq!(all(&mut out), [[0x80, 60, 64], [0xB0, 7, 5]]);
        assert!(!spill.is_lossy() && !out.has_some());
        assert!(all(&mut out).is_empty());
    }

    #[test]
    fn a_summary_being_worked_off_is_not_added_to() {
        let (mut spill, mut out) = spill();
        spill.lose(0, &[0xB0, 7, 1]);
        spill.lose(0, &[0xB0, 8, 1]);
        assert!(out.next().is_some());
        assert!(!spill.is_lossy(), "taken: what is queued comes after it");
        spill.lose(0, &[0xB0, 7, 2]);
        assert!(spill.is_lossy());
        assert_eq!(all(&mut out), [[0xB0, 8, 1]]);
        assert_eq!(all(&mut out), [[0xB0, 7, 2]]);
    }

    #[test]
    fn one_client_a_summary() {
        let (mut spill, mut out) = spill();
        assert_eq!(spill.lose(7, &[0xB0, 7, 1]), 0);
        assert_eq!(spill.lose(8, &[0xB0, 7, 2]), 1);
        assert_eq!(
            out.next().map(|(client, message)| (client, message.to_vec())),
            Some((7, vec![0xB0, 7, 1]))
        );
    }

    /// The last value of every controller arrives, whatever two real threads do to each other; and never an older one
    /// after a newer one.
    #[test]
    fn between_two_threads() {
        let (mut spill, mut out) = spill();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = std::sync::Arc::clone(&done);
        let pusher = std::thread::spawn(move || {
            for round in 0..200_000u32 {
                if !spill.is_lossy() || round % 3 != 0 {
                    spill.lose(0, &[0xB0, (round % 4) as u8 + 16, (round / 4 % 128) as u8]);
                }
            }
            for controller in 16..20 {
                spill.lose(0, &[0xB0, controller, 99]);
            }
            ended.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut last = [0; 4];
        loop {
            let over = done.load(std::sync::atomic::Ordering::Acquire);
            while let Some((_, message)) = out.next() {
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
