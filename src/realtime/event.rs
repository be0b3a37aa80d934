//! How control threads wait for what the network thread does, without the network thread ever waiting for them.
//!
//! An event count: a waiter announces itself, reads the count, checks its condition, and sleeps unless the count has
//! moved. Whoever changes something that a condition looks at calls `signal` afterwards; it costs a fence and a load
//! while nobody waits, and no lock ever.

use crate::sys;
use crate::sys::sync::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

/// Moves for the ports that a `wait_any` looks at.
#[cfg(not(loom))]
static ANY: AtomicU32 = AtomicU32::new(0);
#[cfg(loom)]
loom::lazy_static! {
    static ref ANY: AtomicU32 = AtomicU32::new(0);
}

/// Where threads wait for something to happen to one port.
#[derive(Default)]
pub(crate) struct Event {
    count: AtomicU32,
    waiters: AtomicU32,
    /// Waiters that look at other ports too, and sleep on `ANY`.
    any_waiters: AtomicU32,
}

impl Event {
    /// Tells waiters to look again. Call it after the change.
    #[inline]
    pub(crate) fn signal(&self) {
        // Orders the change before the look at the waiters, against the waiter's announcement before its look at
        // the change: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) != 0 {
            self.count.fetch_add(1, Ordering::Release);
            sys::futex::wake_all(&self.count);
        }
        if self.any_waiters.load(Ordering::Relaxed) != 0 {
            ANY.fetch_add(1, Ordering::Release);
            sys::futex::wake_all(&ANY);
        }
    }

    /// Whether any thread waits.
    #[cfg(test)]
    pub(crate) fn is_awaited(&self) -> bool {
        fence(Ordering::SeqCst);
        self.waiters.load(Ordering::Relaxed) != 0 || self.any_waiters.load(Ordering::Relaxed) != 0
    }

    /// Waits until `ready` gives something; None when the time is over.
    pub(crate) fn wait_for<T>(&self, timeout: Option<Duration>, ready: impl FnMut() -> Option<T>) -> Option<T> {
        wait(&self.count, &[&self.waiters], timeout, None, ready)
    }
}

/// Waits until `ready` gives something, looking again whenever one of `events` is signalled and, for what nobody
/// signals, every `poll`; None when the time is over.
pub(crate) fn wait_for_any<T>(
    events: &[&Event],
    timeout: Option<Duration>,
    poll: Option<Duration>,
    ready: impl FnMut() -> Option<T>,
) -> Option<T> {
    match events {
        [event] => wait(&event.count, &[&event.waiters], timeout, poll, ready),
        _ => {
            let waiters: Vec<_> = events.iter().map(|event| &event.any_waiters).collect();
            wait(&ANY, &waiters, timeout, poll, ready)
        }
    }
}

fn wait<T>(
    count: &AtomicU32,
    waiters: &[&AtomicU32],
    timeout: Option<Duration>,
    poll: Option<Duration>,
    mut ready: impl FnMut() -> Option<T>,
) -> Option<T> {
    if let Some(value) = ready() {
        return Some(value);
    }
    if timeout == Some(Duration::ZERO) {
        return None;
    }
    // A deadline beyond what the clock can tell is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let _announced = Announced::new(waiters);
    loop {
        let seen = count.load(Ordering::Acquire);
        fence(Ordering::SeqCst);
        if let Some(value) = ready() {
            return Some(value);
        }
        let mut pause = poll;
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            pause = Some(pause.map_or(left, |pause| pause.min(left)));
        }
        sys::futex::wait(count, seen, pause);
    }
}

/// Counts a waiter for as long as it waits, also when `ready` panics.
struct Announced<'a>(&'a [&'a AtomicU32]);

impl<'a> Announced<'a> {
    fn new(waiters: &'a [&'a AtomicU32]) -> Self {
        for count in waiters {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Self(waiters)
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        for count in self.0 {
            count.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    /// Two threads hand a number back and forth: a lost wake-up would be a hang, which the deadline turns into a failure.
    #[test]
    fn no_wake_up_is_lost() {
        let turn = Arc::new((Event::default(), AtomicUsize::new(0)));
        let other = Arc::clone(&turn);
        let rounds = 20_000;
        let play = move |turn: &(Event, AtomicUsize), mine: usize| {
            for round in 0..rounds {
                let want = 2 * round + mine;
                let seen = turn.0.wait_for(Some(Duration::from_secs(60)), || {
                    (turn.1.load(Ordering::Acquire) == want).then_some(())
                });
                assert!(seen.is_some(), "a wake-up was lost at {want}");
                turn.1.store(want + 1, Ordering::Release);
                turn.0.signal();
            }
        };
        let thread = std::thread::spawn(move || play(&other, 1));
        play(&turn, 0);
        thread.join().unwrap();
    }

    #[test]
    fn time_ends_a_wait() {
        let event = Event::default();
        assert_eq!(event.wait_for(Some(Duration::ZERO), || None::<()>), None);
        assert_eq!(event.wait_for(Some(Duration::from_millis(5)), || None::<()>), None);
        let other = Event::default();
        let both = [&event, &other];
        assert_eq!(
            wait_for_any(&both, Some(Duration::from_millis(5)), None, || None::<()>),
            None
        );
        assert!(!event.is_awaited() && !other.is_awaited());
    }

    #[test]
    fn any_of_several_wakes() {
        let events = Arc::new([Event::default(), Event::default()]);
        let flag = Arc::new(AtomicUsize::new(0));
        let (events_2, flag_2) = (Arc::clone(&events), Arc::clone(&flag));
        let thread = std::thread::spawn(move || {
            let both = [&events_2[0], &events_2[1]];
            wait_for_any(&both, Some(Duration::from_secs(60)), None, || {
                (flag_2.load(Ordering::Acquire) == 1).then_some(())
            })
        });
        while !events[1].is_awaited() {
            std::thread::yield_now();
        }
        flag.store(1, Ordering::Release);
        events[1].signal();
        assert!(thread.join().unwrap().is_some());
    }
}
