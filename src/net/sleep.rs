//! When the network thread sleeps and until when, and how late it wakes.

use super::driver::Driver;
use super::seat::Seat;
use crate::realtime::log::Level;
use crate::sys::clock::{now_ns, soonest};
use crate::sys::poller::Events;
use slab::Slab;
use std::io;
use std::time::Duration;

/// Looks at several ports that are due within so many ns are one.
const TOGETHER_NS: u64 = 50_000;
/// While a connection waits for room in an in queue, the thread looks again after the first of these times in ns, then
/// after twice as long, up to the second: the audio thread takes messages without telling anybody.
const STALL_PAUSE_NS: (u64, u64) = (20_000, 1_000_000);
/// So long, in ns, the thread looks for that room without sleeping, as long as it finds some.
const STALL_BUSY_POLL_NS: u64 = 20_000;
/// Pauses of the processor between two looks: about a microsecond. Each look takes the consumer's cache line away from it.
const STALL_LOOK_SPINS: u32 = 64;
/// Where the poller fails, the thread sleeps so long, in ms, then twice as long, up to the second number.
const BROKEN_PAUSE_MS: (u64, u64) = (1, 100);

/// How the network thread spends the time between two turns.
pub(super) struct Sleep {
    stall_pause_ns: u64,
    /// Until when the thread looks again and again rather than sleep: see `busy_poll_us`.
    busy_until: u64,
    pub next_acknowledgement: Option<u64>,
    /// When the number of lines that were left out is to be written to the host's log.
    pub next_log: Option<u64>,
    /// The soonest deadline of all seats, as of `take`.
    pub next_timeout: u64,
    /// A connection waits for room in an in queue.
    pub waits_for_room: bool,
    /// There are ports whose pushes signal.
    signals: bool,
    /// The longest `busy_poll_us` of all ports.
    longest_busy_poll_us: u32,
    broken_pause_ms: u64,
    /// The thread has slept, and would have until then; `u64::MAX`: for ever.
    slept_until: Option<u64>,
    /// When ports are to be looked at, gathered anew for each sleep.
    looks: Vec<u64>,
}

impl Default for Sleep {
    fn default() -> Self {
        Self {
            stall_pause_ns: STALL_PAUSE_NS.0,
            busy_until: 0,
            next_acknowledgement: None,
            next_log: None,
            next_timeout: u64::MAX,
            waits_for_room: false,
            signals: false,
            longest_busy_poll_us: 0,
            broken_pause_ms: BROKEN_PAUSE_MS.0,
            slept_until: None,
            looks: Vec::new(),
        }
    }
}

impl Sleep {
    /// Waits for something to do until `limit` at most, or looks whether there is. The time after that.
    pub(super) fn wait(
        &mut self,
        driver: &mut Driver,
        seats: &mut Slab<Seat>,
        events: &mut Events,
        limit: Option<u64>,
    ) -> u64 {
        let until = self.busy_until.max(driver.conversation.until());
        let outcome = if until != 0 && now_ns() < until {
            look(driver, events)
        } else {
            driver.conversation.give_up();
            driver.control.waker.set_conversing(false);
            self.sleep(driver, seats, events, limit)
        };
        let mut now = now_ns();
        if let Some(until) = self.slept_until.take() {
            note_wake(driver, seats, until, now);
        }
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let text = || format!("the system does not tell of sockets: {error}");
                driver.control.write(Level::Error, text);
                let pause = Duration::from_millis(self.broken_pause_ms);
                let left = limit.map(|limit| Duration::from_nanos(limit.saturating_sub(now_ns())));
                std::thread::sleep(left.map_or(pause, |left| pause.min(left)));
                self.broken_pause_ms = (self.broken_pause_ms * 2).min(BROKEN_PAUSE_MS.1);
                now = now_ns();
            }
            _ => self.broken_pause_ms = BROKEN_PAUSE_MS.0,
        }
        now
    }

    /// Something came or went: looks for more for as long as any port wants that.
    pub(super) fn stay_awake(&mut self, now: u64) {
        let longest = u64::from(self.longest_busy_poll_us);
        self.busy_until = if longest == 0 { 0 } else { now + longest * 1000 };
    }

    /// Where messages are taken as fast as they come there is room again sooner than a sleep would end.
    pub(super) fn look_for_room(&self, seats: &Slab<Seat>) {
        if self.stall_pause_ns != STALL_PAUSE_NS.0 {
            return;
        }
        let until = now_ns() + STALL_BUSY_POLL_NS;
        while !seats.iter().any(|(_, seat)| seat.session.has_room()) && now_ns() < until {
            for _ in 0..STALL_LOOK_SPINS {
                std::hint::spin_loop();
            }
        }
    }

    /// Connections that waited for room have tried again.
    pub(super) fn retried(&mut self, progress: bool) {
        self.stall_pause_ns = if progress {
            STALL_PAUSE_NS.0
        } else {
            (self.stall_pause_ns * 2).min(STALL_PAUSE_NS.1)
        };
    }

    /// Waits for sockets, commands, pushes that signal, deadlines and looks.
    fn sleep(
        &mut self,
        driver: &mut Driver,
        seats: &mut Slab<Seat>,
        events: &mut Events,
        limit: Option<u64>,
    ) -> io::Result<()> {
        let (now, until) = self.prepare(driver, seats);
        let waker = &driver.control.waker;
        let outcome = match (until, limit) {
            (Some(until), Some(limit)) if limit < until => wait_for(driver, events, limit, now),
            (Some(until), _) => waker.poller.wait_until(events, until, now),
            (None, Some(limit)) => wait_for(driver, events, limit, now),
            (None, None) => waker.poller.wait(events, None),
        };
        waker.mark_awake();
        let slept = [until, limit].into_iter().flatten().all(|ends| ends > now);
        self.slept_until = slept.then(|| until.unwrap_or(u64::MAX));
        outcome
    }

    /// HOST mode: the caller is about to wait for the handle.
    pub(super) fn park(&mut self, driver: &mut Driver, seats: &mut Slab<Seat>) {
        let (now, until) = self.prepare(driver, seats);
        driver.poller().arm(until, now);
    }

    /// Has pushes that signal wake the thread from now on. The time, and until when there is nothing to do.
    fn prepare(&mut self, driver: &Driver, seats: &mut Slab<Seat>) -> (u64, Option<u64>) {
        driver.control.waker.mark_asleep();
        let unused = driver.control.life.is_unused() && seats.is_empty();
        let now = now_ns();
        let has_more = driver.again || unused || !driver.control.commands.is_empty();
        let until = if has_more || self.is_signalled(driver, seats, now) {
            Some(now)
        } else {
            self.sleeps_until(seats, now)
        };
        (now, until)
    }

    /// Something may have happened to some seat: takes what sleeping depends on of all of them.
    /// With many ports that are idle, fetching them from memory is what a turn costs.
    pub(super) fn take(&mut self, seats: &Slab<Seat>) {
        (self.next_timeout, self.waits_for_room) = (u64::MAX, false);
        (self.signals, self.longest_busy_poll_us) = (false, 0);
        for (_, seat) in seats {
            self.next_timeout = seat.next_timeout().unwrap_or(u64::MAX).min(self.next_timeout);
            self.waits_for_room |= seat.session.waits_for_room();
            for place in &seat.places {
                self.signals |= place.signals;
                self.longest_busy_poll_us = place.busy_poll_us.max(self.longest_busy_poll_us);
            }
        }
        if self.longest_busy_poll_us == 0 {
            self.busy_until = 0;
        }
    }

    /// Whether a push that signals, or a request, came before the thread said that it sleeps.
    fn is_signalled(&self, driver: &Driver, seats: &mut Slab<Seat>, now: u64) -> bool {
        let found = |seat: &mut Seat| {
            let (session, mut places) = (seat.session.untouched(), seat.places.iter());
            places.any(|place| place.signals && !place.rests() && session.has_work(place.key, now))
        };
        driver.control.waker.bell.is_rung() || self.signals && seats.iter_mut().any(|(_, seat)| found(seat))
    }

    /// Until when there is nothing to do; None: for ever.
    fn sleeps_until(&mut self, seats: &Slab<Seat>, now: u64) -> Option<u64> {
        self.looks.clear();
        for (_, seat) in seats {
            self.looks.extend(seat.next_looks());
        }
        let stall = self.waits_for_room.then(|| now + self.stall_pause_ns);
        soonest([
            stall,
            Some(self.next_timeout),
            self.next_acknowledgement,
            self.next_log,
            next_look(&self.looks),
        ])
    }
}

/// Waits until the time that a caller gave, which is another one each time.
fn wait_for(driver: &Driver, events: &mut Events, limit: u64, now: u64) -> io::Result<()> {
    let timeout = Duration::from_nanos(limit.saturating_sub(now));
    driver.poller().wait(events, Some(timeout))
}

/// Looks at the sockets without waiting. Pushes need not wake the thread: it does not say that it sleeps.
fn look(driver: &Driver, events: &mut Events) -> io::Result<()> {
    let outcome = driver.poller().wait(events, Some(Duration::ZERO));
    if events.is_empty() {
        // Another thread may need this processor to go on.
        std::thread::yield_now();
    }
    outcome
}

/// When to look at ports whose pushes wake nobody: at several of them at once, where that is not much later.
fn next_look(looks: &[u64]) -> Option<u64> {
    let first = *looks.iter().min()?;
    let together = looks.iter().filter(|at| **at <= first.saturating_add(TOGETHER_NS));
    together.max().copied()
}

/// The thread has slept.
fn note_wake(driver: &mut Driver, seats: &Slab<Seat>, until: u64, now: u64) {
    let lateness = &driver.control.waker.lateness;
    lateness.count_wake();
    let Some(late_ns) = now.checked_sub(until) else {
        return;
    };
    lateness.add_delay(late_ns);
    // It is the same thread for all of them.
    if late_ns <= driver.noted_late_ns {
        return;
    }
    driver.noted_late_ns = late_ns;
    for place in seats.iter().flat_map(|(_, seat)| &seat.places) {
        place.shared.counters.network.thread.note_late(late_ns);
    }
}
