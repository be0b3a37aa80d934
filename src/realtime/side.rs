//! One side of a port, which one thread at a time may use.

use crate::sys::code::Code;
use crossbeam_utils::CachePadded;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
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

    /// Enters the side. `Busy` in debug builds when another thread is in it.
    ///
    /// # Safety
    /// No other `Entered` of this side exists at the same time. Those on different threads are ordered by something that
    /// the caller does between them, such as a lock or a join.
    #[inline(always)]
    pub(crate) unsafe fn enter(&self) -> Result<Entered<'_, T>, Code> {
        #[cfg(debug_assertions)]
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(Code::Busy);
        }
        Ok(Entered {
            // SAFETY: by this function's contract nothing else refers to the value as long as `Entered` exists.
            value: unsafe { &mut *self.value.get() },
            #[cfg(debug_assertions)]
            busy: &self.busy,
        })
    }
}

/// The side of a port, as long as a call is in it.
pub(crate) struct Entered<'a, T> {
    value: &'a mut T,
    #[cfg(debug_assertions)]
    busy: &'a AtomicBool,
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for Entered<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

#[cfg(debug_assertions)]
impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        self.busy.store(false, Ordering::Release);
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_second_thread_is_noticed() {
        let side = Side::new(0);
        // SAFETY: nobody else is in it.
        let first = unsafe { side.enter() };
        assert!(first.is_ok());
        // SAFETY: the contract is broken on purpose; a debug build refuses the second call before it touches anything.
        let second = || unsafe { side.enter() }.err();
        let second = std::thread::scope(|scope| scope.spawn(second).join().unwrap());
        assert_eq!(second, Some(Code::Busy));
        drop(first);
        // SAFETY: nobody else is in it any more.
        assert!(unsafe { side.enter() }.is_ok());
    }
}
