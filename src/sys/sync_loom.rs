//! loom's atomics, with which a model can be shown to fail: of one place in the source, named by the environment variable
//! `MIDISOCK_WEAKEN`, one half of the order is taken away (`src/queue.rs:374 release`). What a model then does not notice
//! it does not prove. The suite `memory-order` does that with one place after the other.

use loom::sync::atomic as loom_atomic;
pub(crate) use loom_atomic::Ordering;
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{LazyLock, Mutex};

/// What is taken away, if anything.
static WEAKEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MIDISOCK_WEAKEN").ok());

/// The places that a model has come through, and what can be taken away there.
static PLACES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Gives the places that were come through since this was asked last.
#[cfg(test)]
pub(crate) fn take_places() -> BTreeSet<String> {
    std::mem::take(&mut PLACES.lock().unwrap())
}

/// Whether a half of the order is there at a place.
fn keeps(place: &Location<'_>, half: &str) -> bool {
    let name = format!("{}:{} {half}", place.file(), place.line());
    let taken = WEAKEN.as_ref().is_some_and(|weaken| *weaken == name);
    PLACES.lock().unwrap().insert(name);
    !taken
}

#[track_caller]
fn order(order: Ordering) -> Ordering {
    let place = Location::caller();
    let acquires = matches!(order, Ordering::Acquire | Ordering::AcqRel) && keeps(place, "acquire");
    let releases = matches!(order, Ordering::Release | Ordering::AcqRel) && keeps(place, "release");
    match (order, acquires, releases) {
        (Ordering::Relaxed | Ordering::SeqCst, ..) => order,
        (_, true, true) => Ordering::AcqRel,
        (_, true, false) => Ordering::Acquire,
        (_, false, true) => Ordering::Release,
        _ => Ordering::Relaxed,
    }
}

#[track_caller]
pub(crate) fn fence(order: Ordering) {
    if keeps(Location::caller(), "fence") {
        loom_atomic::fence(order);
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty $(, $arithmetic:ident)*) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(loom_atomic::$name);

        #[allow(dead_code, reason = "each has what any of them needs")]
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom_atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, how: Ordering) -> $value {
                self.0.load(order(how))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, how: Ordering) {
                self.0.store(value, order(how));
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, how: Ordering) -> $value {
                self.0.swap(value, order(how))
            }

            /// The second order is no stronger than the first one's acquiring half, and goes with it.
            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let success = order(success);
                let acquires = matches!(success, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst);
                let failure = if acquires { failure } else { Ordering::Relaxed };
                self.0.compare_exchange(current, new, success, failure)
            }

            $(
                #[track_caller]
                pub(crate) fn $arithmetic(&self, value: $value, how: Ordering) -> $value {
                    self.0.$arithmetic(value, order(how))
                }
            )*
        }
    };
}

atomic!(AtomicBool, bool, fetch_or);
atomic!(AtomicI32, i32);
atomic!(AtomicU16, u16);
atomic!(AtomicU32, u32, fetch_add, fetch_sub, fetch_or, fetch_and);
atomic!(AtomicU64, u64, fetch_add, fetch_max);
atomic!(AtomicUsize, usize, fetch_add, fetch_sub);
