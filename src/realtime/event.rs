//! An event count, on which control threads wait for the network thread.
//!
//! A waiter announces itself, reads the count, checks its condition, and sleeps unless the count has changed. A thread
//! that changes something that a condition reads calls `signal` afterwards. `signal` costs a fence and two loads while no
//! thread waits. It never takes a lock, so the network thread never waits for a control thread.

use crate::sys;
use crate::sys::sync::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

/// The count for waiters on several ports.
#[cfg(not(loom))]
static ANY: AtomicU32 = AtomicU32::new(0);
#[cfg(loom)]
loom::lazy_static! {
    static ref ANY: AtomicU32 = AtomicU32::new(0);
}

/// The event count of one port.
#[derive(Default)]
pub(crate) struct Event {
    count: AtomicU32,
    waiters: AtomicU32,
    /// Waiters on several ports. They sleep on `ANY`.
    any_waiters: AtomicU32,
}

impl Event {
    /// Wakes the waiters, so that they check their conditions again. Call it after the change.
    #[inline]
    pub(crate) fn signal(&self) {
        // The change comes before this fence, and the load of the waiters after it. A waiter announces itself before its
        // own fence, and checks the change after it. So one of the two sees the other.
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
        self.waiters.load(Ordering::Relaxed) != 0 || self.any_waiters.load(Ordering::Relaxed) != 0
    }

    /// Waits until `ready` returns a value. Returns None after the timeout.
    pub(crate) fn wait_for<T>(&self, timeout: Option<Duration>, ready: impl FnMut() -> Option<T>) -> Option<T> {
        wait(&self.count, &[&self.waiters], timeout, None, ready)
    }
}

/// Waits until `ready` returns a value. Returns None after the timeout. It checks whenever one of `events` is signalled,
/// and every `poll` for changes that are not signalled.
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
    // A deadline that the clock cannot represent is no deadline.
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

/// Counts a waiter while it waits, even if `ready` panics.
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

    /// Two threads pass a number back and forth. A lost wake-up would hang them; the deadline turns that into a failure.
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
    fn a_wait_times_out() {
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
