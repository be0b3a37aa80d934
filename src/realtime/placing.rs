//! By which of its times a message is placed in an audio block.
//!
//! A message has the time at which it arrived or, with `TIMED`, the time at which its sender meant it. On a pair both are
//! the time of the push, and the port's config says what it counts as.

use crate::realtime::config::Timing;
use crate::realtime::consumer::{Record, Waiting};
use crate::realtime::pop::Popped;
use crate::realtime::rush::RushView;
use crate::realtime::shared::{Shared, TIMED};
use crate::timing::{BlockClock, Time};

/// The time by which the next message of a port that is no pair is placed.
#[inline(always)]
pub(super) fn time_of(waiting: &Waiting<'_>, rush: &mut RushView, shared: &Shared) -> Time {
    if waiting.flags & TIMED == 0 {
        Time::Arrived(waiting.time_ns)
    } else if rush.covers(&shared.queues.rush, |until| waiting.is_ahead(until)) {
        // As soon as possible.
        Time::Arrived(0)
    } else {
        Time::Meant(waiting.time_ns)
    }
}

/// The frame at which a message belongs into the block; None when it is for a later one.
#[inline(always)]
pub(super) fn place(shared: &Shared, clock: &mut BlockClock, time: Time) -> Option<u32> {
    match time {
        Time::Arrived(time_ns) => clock.place(time_ns),
        Time::Meant(time_ns) => {
            let place = clock.place_meant(time_ns)?;
            shared.counters.pop.late_in.add(place.late.into());
            Some(place.frame)
        }
    }
}

/// What the times of a pair's messages, which are those of the pushes, count as.
#[derive(Clone, Copy)]
pub(super) struct PairTimes(Timing);

impl PairTimes {
    pub(super) fn new(timing: Timing) -> Self {
        Self(timing)
    }

    #[inline(always)]
    pub(super) fn of(self, time_ns: u64) -> Time {
        match self.0 {
            Timing::Arrival => Time::Arrived(time_ns),
            Timing::Sender => Time::Meant(time_ns),
        }
    }

    /// A message from the queue, as it is given to the caller.
    #[inline(always)]
    pub(super) fn popped(self, record: &Record<'_>, frame: u32, own: &Shared) -> Popped {
        let flags = match self.0 {
            Timing::Arrival => 0,
            Timing::Sender => TIMED,
        };
        if flags != 0 {
            own.counters.pop.timed_in.add(1);
        }
        Popped::of(&Record { flags, ..*record }, frame)
    }
}
