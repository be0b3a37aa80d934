//! Panic, reset and cancel: any thread may ask for them without a place in the out queue; `drain.rs` carries them out.

use crate::realtime::ring::is_before;
use crate::sys::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// All that can be asked for of one out queue.
#[derive(Default)]
pub(crate) struct Requests {
    pub panic: Request,
    pub reset: Resets,
    pub cancel: Request,
    /// Counts every request: as long as it stays the same, nothing new was asked for.
    revision: AtomicU32,
}

impl Requests {
    /// Announces a request. Call it after `ask`.
    pub(crate) fn announce(&self) {
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// Changes with every request.
    #[inline]
    #[must_use]
    pub(crate) fn revision(&self) -> u32 {
        self.revision.load(Ordering::Acquire)
    }
}

/// A request that is never lost and needs no room: several that were not served yet are one.
#[derive(Default)]
pub(crate) struct Request {
    /// The out queue's end when it was asked; the furthest where it was asked several times.
    position: AtomicUsize,
    count: AtomicU32,
    /// The count up to which it was done; written by the thread that empties the out queue.
    served: AtomicU32,
}

impl Request {
    /// Asks, at a position of the out queue.
    #[inline]
    pub(crate) fn ask(&self, position: usize) {
        // The furthest position counts: a thread that read the queue's end earlier must not set it back. The loop goes
        // round only when another thread has set a position in between that is still before this one, and so has read
        // the end before this one did: once at most for each thread that asks at the same moment.
        let mut known = self.position.load(Ordering::Relaxed);
        while is_before(known, position) {
            // Release: a thread that sees the position, which may be before it is counted, sees the queue filled up to
            // there.
            match self
                .position
                .compare_exchange(known, position, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(other) => known = other,
            }
        }
        self.count.fetch_add(1, Ordering::Release);
    }

    /// How often it was asked, and the furthest position, if that is not `done` yet.
    #[inline]
    #[must_use]
    pub(crate) fn pending(&self, done: u32) -> Option<(u32, usize)> {
        let count = self.count.load(Ordering::Acquire);
        (count != done).then(|| (count, self.position.load(Ordering::Acquire)))
    }

    /// Notes up to which count it was done.
    pub(crate) fn serve(&self, count: u32) {
        self.served.store(count, Ordering::Release);
    }

    /// Whether something asked for was not done yet.
    #[must_use]
    pub(crate) fn is_unserved(&self) -> bool {
        self.count.load(Ordering::Acquire) != self.served.load(Ordering::Acquire)
    }

    /// How often it was asked.
    #[inline]
    #[must_use]
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }
}

/// So many resets that wait each keep a place of their own; further ones share that of the last.
const MOST_PLACES: usize = 8;
/// No place: positions are even.
const NONE: usize = 1;

/// Resets. Each has its place between what was pushed before it and after it, so the positions of several are kept.
///
/// The count alone says that a reset waits, and `last` has the position of the furthest: a reset is never lost. The
/// places are those of earlier ones; one without a place is done with the last. Where threads ask at the same moment one
/// of them may be done twice while it asks.
///
/// Each place has the time at which the last reset there was asked for: what fell due before that comes before it.
pub(crate) struct Resets {
    last: Request,
    last_ns: AtomicU64,
    places: [AtomicUsize; MOST_PLACES],
    times: [AtomicU64; MOST_PLACES],
}

impl Default for Resets {
    fn default() -> Self {
        Self {
            last: Request::default(),
            last_ns: AtomicU64::new(0),
            places: std::array::from_fn(|_| AtomicUsize::new(NONE)),
            times: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// Resets that were asked for and are not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingResets {
    /// How many were asked for.
    pub count: u32,
    /// The place of the first.
    pub first: usize,
    /// When the last of those with that place was asked for.
    pub first_ns: u64,
    /// The place of the last.
    pub last: usize,
    /// When it was asked for.
    pub last_ns: u64,
}

impl Resets {
    /// Asks, at a position of the out queue and a time.
    #[inline]
    pub(crate) fn ask(&self, position: usize, now_ns: u64) {
        for (place, time) in self.places.iter().zip(&self.times) {
            // Relaxed: the count is written after it, with Release.
            match place.compare_exchange(NONE, position, Ordering::Relaxed, Ordering::Relaxed) {
                Err(other) if other != position => {}
                _ => {
                    raise(time, now_ns);
                    break;
                }
            }
        }
        raise(&self.last_ns, now_ns);
        self.last.ask(position);
    }

    /// The resets that are not `done` yet.
    #[must_use]
    pub(crate) fn pending(&self, done: u32) -> Option<PendingResets> {
        let (count, last) = self.last.pending(done)?;
        let last_ns = self.last_ns.load(Ordering::Relaxed);
        let (mut first, mut first_ns) = (last, last_ns);
        for (place, time) in self.places.iter().zip(&self.times) {
            let at = place.load(Ordering::Relaxed);
            if at != NONE && is_before(at, first) {
                (first, first_ns) = (at, time.load(Ordering::Relaxed));
            }
        }
        Some(PendingResets {
            count,
            first,
            first_ns,
            last,
            last_ns,
        })
    }

    /// When a reset was asked for last; 0: none was.
    #[must_use]
    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns.load(Ordering::Relaxed)
    }

    /// Forgets the places up to a position: what waited there is done. Only for the thread that empties the out queue.
    pub(crate) fn forget_places(&self, position: usize) {
        for place in &self.places {
            let at = place.load(Ordering::Relaxed);
            if at != NONE && !is_before(position, at) {
                // Nobody else changes a place that is taken. Its time stays: one that is asked for later is later.
                place.store(NONE, Ordering::Relaxed);
            }
        }
    }

    /// Notes up to which count they were done.
    pub(crate) fn serve(&self, count: u32) {
        self.last.serve(count);
    }

    /// Whether one was not done yet.
    #[must_use]
    pub(crate) fn is_unserved(&self) -> bool {
        self.last.is_unserved()
    }

    /// How many were asked for.
    #[must_use]
    pub(crate) fn count(&self) -> u32 {
        self.last.count()
    }
}

/// Sets a time to a later one. The loop goes round only when another thread has set a time in between that
/// is still before this one: once at most for each thread that asks at the same moment.
#[inline]
fn raise(time: &AtomicU64, now_ns: u64) {
    let mut known = time.load(Ordering::Relaxed);
    while known < now_ns {
        match time.compare_exchange(known, now_ns, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => break,
            Err(other) => known = other,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pending(resets: &Resets, done: u32) -> Option<(u32, usize, usize)> {
        resets
            .pending(done)
            .map(|pending| (pending.count, pending.first, pending.last))
    }

    #[test]
    fn resets_keep_their_places() {
        let resets = Resets::default();
        assert_eq!(pending(&resets, 0), None);
        for position in [0, 32, 64] {
            resets.ask(position, 0);
        }
        assert_eq!(pending(&resets, 0), Some((3, 0, 64)));
        resets.forget_places(0);
        assert_eq!(pending(&resets, 1), Some((3, 32, 64)));
        resets.forget_places(48);
        assert_eq!(pending(&resets, 2), Some((3, 64, 64)));
        resets.forget_places(64);
        assert_eq!(pending(&resets, 3), None);
    }

    #[test]
    fn more_resets_than_places_end_with_the_last() {
        let resets = Resets::default();
        for position in 0..20 {
            resets.ask(position * 16, 0);
        }
        for position in 0..MOST_PLACES {
            assert_eq!(pending(&resets, 0), Some((20, position * 16, 19 * 16)));
            resets.forget_places(position * 16);
        }
        assert_eq!(pending(&resets, 0), Some((20, 19 * 16, 19 * 16)));
    }

    #[test]
    fn places_wrap_with_the_positions() {
        let resets = Resets::default();
        let before = usize::MAX - 31;
        resets.last.position.store(before, Ordering::Relaxed);
        resets.ask(before, 0);
        resets.ask(16, 0);
        assert_eq!(pending(&resets, 0), Some((2, before, 16)));
        resets.forget_places(before);
        assert_eq!(pending(&resets, 1), Some((2, 16, 16)));
    }

    #[test]
    fn each_place_has_the_time_of_its_last_reset() {
        let resets = Resets::default();
        for (position, now_ns) in [(0, 7), (0, 9), (32, 11), (64, 0)] {
            resets.ask(position, now_ns);
        }
        let times = |done| resets.pending(done).map(|pending| (pending.first_ns, pending.last_ns));
        assert_eq!(times(0), Some((9, 11)));
        resets.forget_places(0);
        assert_eq!(times(2), Some((11, 11)));
        resets.forget_places(32);
        // Times never go back.
        assert_eq!(times(3), Some((11, 11)));
    }
}
