//! What a repairing port's push could not queue: a summary, handed from the pushing thread to the thread that empties the
//! out queue, without either waiting for the other.
//!
//! Two slots, used in turn. A slot is free (the pushing thread's own), full (a summary that either side may take hold
//! of), busy (the pushing thread adds to it) or taken (the other side works it off). While its summary is full the
//! pushing thread queues nothing, so that the summary stands for what came after everything in the queue; once it is
//! taken, what is queued comes after it. The other side takes a slot only when it has given back the one before: so
//! the pushing thread, having seen its slot taken, finds the other one free.
//!
//! While nothing is refused this costs the pushing thread one look at a plain variable.

use crate::realtime::later::MOST_LATER;
use crate::realtime::lost::{Lost, Moment};
use crate::realtime::shared::{Role, Shared};
use crate::sys::sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

#[cfg(all(test, not(loom)))]
#[path = "refused_tests.rs"]
mod tests;

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

struct Slots([Slot; 2]);

// SAFETY: `lost` of a slot is touched by one thread at a time: the state says which, it is entered by acquiring and
// left by releasing, and each side is one thread at a time.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

/// Makes both ends. So many clients are told apart, and so many messages for later keep their times.
pub(crate) fn refused(most_named: usize, most_later: usize) -> (RefusedIn, RefusedOut) {
    let slot = || Slot {
        state: AtomicUsize::new(FREE),
        lost: UnsafeCell::new(Lost::new(most_named, most_later)),
    };
    let slots = Arc::new(Slots([slot(), slot()]));
    (
        RefusedIn {
            slots: Arc::clone(&slots),
            current: 1,
            lossy: false,
            has_later: false,
        },
        RefusedOut {
            slots,
            next: 0,
            taken: false,
        },
    )
}

/// Makes both ends for the messages that push cannot queue. A port that waits needs them for pushes without a peer.
pub(crate) fn refused_of(shared: &Shared) -> (Option<RefusedIn>, Option<RefusedOut>) {
    let goes_offline = matches!(shared.role, Role::Client | Role::Merged);
    if !shared.role.has_queues() || !shared.repairs && !goes_offline {
        return (None, None);
    }
    if !shared.repairs {
        return Some(refused(0, 0)).unzip();
    }
    let most_named = if shared.role == Role::Merged { MOST_NAMED } else { 0 };
    // A pair schedules nothing.
    let most_later = if shared.role == Role::Pair { 0 } else { MOST_LATER };
    Some(refused(most_named, most_later)).unzip()
}

/// The pushing thread's end.
pub(crate) struct RefusedIn {
    slots: Arc<Slots>,
    /// The slot used last.
    current: usize,
    /// Whether that slot may still be full.
    lossy: bool,
    /// Whether there was something for later in it.
    has_later: bool,
}

impl RefusedIn {
    #[must_use]
    pub(crate) fn gauge(&self) -> RefusedGauge {
        RefusedGauge(Arc::clone(&self.slots))
    }

    /// Whether nothing may be queued yet.
    #[inline]
    #[must_use]
    pub(crate) fn is_lossy(&mut self) -> bool {
        self.lossy && self.is_still_full()
    }

    /// Whether `is_lossy` has to be asked.
    #[inline]
    #[must_use]
    pub(crate) fn was_lossy(&self) -> bool {
        self.lossy
    }

    /// Whether `refuse` needs to know the time.
    #[inline]
    #[must_use]
    pub(crate) fn has_later(&self) -> bool {
        self.lossy && self.has_later
    }

    #[cold]
    fn is_still_full(&mut self) -> bool {
        self.lossy = self.slots.0[self.current].state.load(Ordering::Acquire) == FULL;
        self.lossy
    }

    /// Takes hold of the slot that was used last, if the other side has not taken it.
    fn enter_again(&mut self) -> bool {
        // Acquire where it was taken too: that comes after the other slot was given back.
        self.lossy
            && self.slots.0[self.current]
                .state
                .compare_exchange(FULL, BUSY, Ordering::Acquire, Ordering::Acquire)
                .is_ok()
    }

    /// Takes a message that was refused, and counts what it adds to the scheduled bytes. Returns how many messages
    /// cannot be brought back for it.
    #[cold]
    pub(crate) fn refuse(&mut self, client: u32, message: &[u8], moment: &Moment<'_>, scheduled: &AtomicUsize) -> u32 {
        let again = self.enter_again();
        if !again {
            let other = 1 - self.current;
            if self.slots.0[other].state.load(Ordering::Acquire) != FREE {
                // The other side takes one slot at a time, so this cannot be; nothing may be touched if it is.
                debug_assert!(false, "a slot is taken and the other one is not free");
                return 1;
            }
            self.current = other;
        }
        self.lossy = true;
        self.work(again, scheduled, |lost| {
            if !again {
                lost.begin(moment);
            }
            lost.refuse(client, message, moment)
        })
    }

    /// Marks what was refused before and is meant for later as cancelled.
    #[cold]
    pub(crate) fn cancel(&mut self, scheduled: &AtomicUsize) {
        if self.has_later() && self.enter_again() {
            self.work(true, scheduled, Lost::cancel);
        }
    }

    /// Changes the current slot, which is this thread's, and leaves it full.
    fn work<R>(&mut self, again: bool, scheduled: &AtomicUsize, work: impl FnOnce(&mut Lost) -> R) -> R {
        let slot = &self.slots.0[self.current];
        let (has_later, result) = slot.lost.with_mut(|lost| {
            // SAFETY: the caller has entered BUSY, or the slot is FREE: it is this thread's.
            let lost = unsafe { &mut *lost };
            // What is left from the last time in a slot that begins afresh was passed on with its count.
            let before = if again { lost.later_bytes() } else { 0 };
            let result = work(lost);
            // Before the other side can see the slot full, and subtract it again. It wraps where there is less.
            let more = lost.later_bytes().wrapping_sub(before);
            if more != 0 {
                scheduled.fetch_add(more, Ordering::Relaxed);
            }
            (lost.has_later(), result)
        });
        self.has_later = has_later;
        slot.state.store(FULL, Ordering::Release);
        result
    }
}

/// The end of the thread that empties the out queue.
pub(crate) struct RefusedOut {
    slots: Arc<Slots>,
    next: usize,
    /// Whether the next slot is this side's.
    taken: bool,
}

/// A view for waiting threads.
pub(crate) struct RefusedGauge(Arc<Slots>);

impl RefusedGauge {
    /// Whether a summary waits to be worked off.
    #[must_use]
    pub(crate) fn has_some(&self) -> bool {
        self.0.0.iter().any(|slot| slot.state.load(Ordering::Acquire) != FREE)
    }
}

impl RefusedOut {
    #[must_use]
    pub(crate) fn gauge(&self) -> RefusedGauge {
        RefusedGauge(Arc::clone(&self.slots))
    }

    /// Whether there may be something.
    #[inline]
    #[must_use]
    pub(crate) fn has_some(&self) -> bool {
        // Acquire: what was queued before is seen in the queue after this.
        !matches!(self.slots.0[self.next].state.load(Ordering::Acquire), FREE | BUSY)
    }

    /// Takes the summary, if there is one now. Call it when the queue was found empty after `has_some` said so: then
    /// what is queued from now on comes after the summary. It is this side's until `give_back`.
    pub(crate) fn take(&mut self) -> Option<&mut Lost> {
        if self.taken {
            return None;
        }
        let slot = &self.slots.0[self.next];
        // The pushing thread may add to it just now: then it is taken the next time.
        // Release: a thread that sees it taken also sees the other slot given back.
        slot.state
            .compare_exchange(FULL, TAKEN, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        self.taken = true;
        self.taken()
    }

    /// The summary that `take` took.
    pub(crate) fn taken(&mut self) -> Option<&mut Lost> {
        let slot = self.taken.then(|| &self.slots.0[self.next])?;
        Some(slot.lost.with_mut(|lost| {
            // SAFETY: the slot is TAKEN: it is this side's until `give_back`, which cannot be called while the summary
            // borrows this end.
            unsafe { &mut *lost }
        }))
    }

    /// After `take`: the summary was worked off.
    pub(crate) fn give_back(&mut self) {
        if std::mem::take(&mut self.taken) {
            let slot = &self.slots.0[self.next];
            // Loom sees that nobody else has touched it since it was taken.
            slot.lost.with_mut(|_| ());
            slot.state.store(FREE, Ordering::Release);
            self.next = 1 - self.next;
        }
    }
}
