//! One side of a port, which one thread at a time may use.

use crate::sys::code::Code;
use crossbeam_utils::CachePadded;
use std::cell::UnsafeCell;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, Ordering};

/// State that the C API's contract gives to one thread at a time. Debug builds check that, at the price of an atomic
/// exchange; release builds rely on it.
pub(crate) struct Side<T> {
    value: CachePadded<UnsafeCell<T>>,
    #[cfg(debug_assertions)]
    busy: AtomicBool,
}

// SAFETY: `enter` is the only access, and its contract is that one thread at a time is in it, ordered with the one
// before. So a shared `Side` only ever moves the value between threads, for which `Send` suffices.
unsafe impl<T: Send> Sync for Side<T> {}

impl<T> Side<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: CachePadded::new(UnsafeCell::new(value)),
            #[cfg(debug_assertions)]
            busy: AtomicBool::new(false),
        }
    }

    /// Works on the side. `Busy` in debug builds when another thread is in it.
    ///
    /// # Safety
    /// No other call of `enter` on this side runs at the same time, neither on another thread nor from within `work`.
    /// Calls on different threads are ordered by something that the caller does between them, such as a lock or a join.
    #[inline(always)]
    pub(crate) unsafe fn enter<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, Code> {
        #[cfg(debug_assertions)]
        let _guard = {
            if self.busy.swap(true, Ordering::Acquire) {
                return Err(Code::Busy);
            }
            Guard(&self.busy)
        };
        // SAFETY: by this function's contract nothing else refers to the value until `work` returns.
        Ok(work(unsafe { &mut *self.value.get() }))
    }
}

#[cfg(debug_assertions)]
struct Guard<'a>(&'a AtomicBool);

#[cfg(debug_assertions)]
impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_second_thread_is_noticed() {
        let side = Side::new(0);
        // SAFETY: the contract is broken on purpose; a debug build refuses the second call before it touches anything.
        let second = || unsafe { side.enter(|_| ()) };
        // SAFETY: as above.
        let inner = unsafe { side.enter(|_| std::thread::scope(|scope| scope.spawn(second).join().unwrap())) };
        assert_eq!(inner, Ok(Err(Code::Busy)));
        // SAFETY: no other call is running.
        assert_eq!(unsafe { side.enter(|_| ()) }, Ok(()));
    }
}
