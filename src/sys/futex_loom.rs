//! The futex of loom's models: a wake that comes too early is lost, as with the real one.

use crate::sys::sync::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use std::time::Duration;

loom::lazy_static! {
    /// One for all words: who is woken for another's looks again and sleeps on.
    static ref QUEUE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

/// Sleeps while `word` is `expected`. Time does not pass in a model.
pub(crate) fn wait(word: &AtomicU32, expected: u32, _timeout: Option<Duration>) {
    let guard = QUEUE.0.lock().unwrap();
    if word.load(Ordering::Relaxed) == expected {
        drop(QUEUE.1.wait(guard).unwrap());
    }
}

/// Wakes all threads that sleep on `word`.
pub(crate) fn wake_all(_word: &AtomicU32) {
    let _guard = QUEUE.0.lock().unwrap();
    QUEUE.1.notify_all();
}
