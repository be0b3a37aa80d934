//! One side of a port, which one thread at a time may use.

use crate::sys::code::Code;
use crossbeam_utils::CachePadded;
use std::cell::UnsafeCell;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, Ordering};

/// State that the C API's contract gives to one thread at a time. Debug builds check that, at the price of an atomic
/// exchange; release builds believe it.
pub(crate) struct Side<T> {
    value: CachePadded<UnsafeCell<T>>,
    #[cfg(debug_assertions)]
    busy: AtomicBool,
}

// SAFETY: `enter` is the only access. The contract of the C API is that at most one thread at a time is in it, with a
// hand-over of the caller's between threads, which orders their accesses.
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
    #[inline(always)]
    pub(crate) fn enter<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, Code> {
        #[cfg(debug_assertions)]
        let _guard = {
            if self.busy.swap(true, Ordering::Acquire) {
                return Err(Code::Busy);
            }
            Guard(&self.busy)
        };
        // SAFETY: no other thread is in here, by the C API's contract (checked above in debug builds), and `work`
        // cannot come back here: no caller of `enter` calls it from within `work` on the same side.
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
        let inner = side.enter(|_| std::thread::scope(|scope| scope.spawn(|| side.enter(|_| ())).join().unwrap()));
        assert_eq!(inner, Ok(Err(Code::Busy)));
        assert_eq!(side.enter(|_| ()), Ok(()));
    }
}
