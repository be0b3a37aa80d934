//! Descriptors that are readable while a condition of a port is true, for event loops of other libraries.
//!
//! A thread that changes the condition of a handle, in either direction, calls `update` afterwards. So at rest a handle
//! is readable exactly while its condition is true. `update` makes a system call only when that changes, and takes no
//! lock. The network thread calls it at the end of its turn, the popping thread when it finds the queue empty.

use crate::sys::code::Code;
use crate::sys::ready::Ready;
use crate::sys::sync::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};

/// The condition of a handle: there is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Message,
    Notification,
    Client,
}

/// One handle, and its present state.
pub(crate) struct WaitHandle {
    ready: Ready,
    /// It is readable, or a thread is about to make it so. That thread checks the condition again afterwards.
    is_set: AtomicBool,
}

impl WaitHandle {
    pub(crate) fn new() -> Result<Self, Code> {
        Ok(Self {
            ready: Ready::new().map_err(|error| Code::of(&error))?,
            is_set: AtomicBool::new(false),
        })
    }

    /// The system's handle.
    pub(crate) fn handle(&self) -> isize {
        self.ready.handle()
    }

    /// Makes the handle readable if `holds`, and unreadable if not. Call it after a change.
    ///
    /// It repeats only when it has changed the handle. So it ends, unless other threads change the condition to and fro
    /// meanwhile: for messages the two threads of a queue can do so only in turns.
    pub(crate) fn update(&self, holds: impl Fn() -> bool) {
        loop {
            // The change comes before this fence, and so does a change of `is_set` below. Of two threads, at least one
            // sees the other's change.
            fence(Ordering::SeqCst);
            let is_set = self.is_set.load(Ordering::Relaxed);
            if is_set == holds() {
                return;
            }
            if is_set {
                if !self.ready.clear() {
                    // Another thread is about to set it, or has just cleared it. That thread checks again afterwards.
                    return;
                }
                self.is_set.store(false, Ordering::Relaxed);
            } else if self
                .is_set
                .compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                self.ready.set();
            } else {
                // The other thread checks again after it has set it.
                return;
            }
        }
    }
}

/// The handles of a port, which belong to its owner: they are closed with the port.
#[derive(Default)]
pub(crate) struct OwnHandles([OnceLock<Arc<WaitHandle>>; 3]);

/// The handles of a port as all other threads see them.
#[derive(Default)]
pub(crate) struct Handles([OnceLock<Weak<WaitHandle>>; 3]);

impl OwnHandles {
    /// The handle of a kind, if it was asked for.
    #[inline]
    pub(crate) fn get(&self, what: What) -> Option<&WaitHandle> {
        self.0[what as usize].get().map(|handle| &**handle)
    }

    /// The handle of a kind, which is made when it is asked for the first time. It has to be updated then.
    pub(crate) fn get_or_make(&self, what: What, shown: &Handles) -> Result<&WaitHandle, Code> {
        let place = &self.0[what as usize];
        if place.get().is_none() {
            // Of two threads that ask at the same time, one keeps what it has made.
            let _ = place.set(Arc::new(WaitHandle::new()?));
        }
        let handle = place.get().ok_or(Code::Internal)?;
        let _ = shown.0[what as usize].set(Arc::downgrade(handle));
        Ok(handle)
    }
}

impl Handles {
    /// After a change, and a SeqCst fence: updates the handle of a kind, if there is one.
    #[inline]
    pub(crate) fn update(&self, what: What, holds: impl Fn() -> bool) {
        let handle = self.0[what as usize].get();
        if let Some(handle) = handle.and_then(Weak::upgrade) {
            handle.update(holds);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    /// Whether the handle is readable, as a program sees it: clearing says whether it was.
    fn tells(handle: &WaitHandle) -> bool {
        let readable = handle.ready.clear();
        if readable {
            handle.ready.set();
        }
        readable
    }

    #[test]
    fn a_handle_tells_what_holds() {
        let handle = WaitHandle::new().unwrap();
        for holds in [false, true, true, false, false, true, false] {
            handle.update(|| holds);
            assert_eq!(tells(&handle), holds);
        }
    }

    #[test]
    fn asked_again_it_is_the_same() {
        let (own, shown) = (OwnHandles::default(), Handles::default());
        assert!(own.get(What::Message).is_none());
        shown.update(What::Message, || true);
        let first = own.get_or_make(What::Message, &shown).unwrap().handle();
        assert_eq!(own.get_or_make(What::Message, &shown).unwrap().handle(), first);
        assert_ne!(own.get_or_make(What::Client, &shown).unwrap().handle(), first);
        shown.update(What::Message, || true);
        assert!(tells(own.get(What::Message).unwrap()) && !tells(own.get(What::Client).unwrap()));
        drop(own);
        // No handle is left to update.
        shown.update(What::Message, || false);
    }

    /// One thread adds items, two take them. At rest the handle is right, in whatever order they ran.
    #[test]
    fn at_rest_it_is_right() {
        let shared = Arc::new((WaitHandle::new().unwrap(), AtomicU32::new(0)));
        let holds = |shared: &(WaitHandle, AtomicU32)| shared.1.load(Ordering::Acquire) != 0;
        for _ in 0..200 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..100 {
                        shared.1.fetch_add(1, Ordering::AcqRel);
                        shared.0.update(|| holds(&shared));
                    }
                });
                for _ in 0..2 {
                    scope.spawn(|| {
                        for _ in 0..50 {
                            let take = |count: u32| count.checked_sub(1);
                            let _ = shared.1.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
                            shared.0.update(|| holds(&shared));
                        }
                    });
                }
            });
            assert_eq!(tells(&shared.0), holds(&shared));
        }
    }
}
