//! Sleeping on a number until it changes, where the system has no public call for it: Apple's systems (macOS has one
//! since 14.4 only), and other Unix systems.

use parking_lot_core::{DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN, park, unpark_all};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Sleeps while `word` is `expected`, until `wake_all` or for `timeout` at most. May return early.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let is_expected = || word.load(Ordering::Relaxed) == expected;
    // SAFETY: the key is the address of a word that lives as long as the reference, and no other code parks on it. The
    // closures neither park nor panic.
    unsafe {
        park(
            word.as_ptr().addr(),
            is_expected,
            || {},
            |_, _| {},
            DEFAULT_PARK_TOKEN,
            until,
        );
    }
}

/// Wakes all threads that sleep on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: as above; the caller has changed the word before.
    unsafe { unpark_all(word.as_ptr().addr(), DEFAULT_UNPARK_TOKEN) };
}
