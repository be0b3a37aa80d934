//! The clock of every time in the API.

/// Nanoseconds of the system's monotonic clock; never 0.
#[inline]
pub(crate) fn now_ns() -> u64 {
    #[cfg(test)]
    if let Some(now) = simulated::now_ns() {
        return now;
    }
    crate::sys::monotonic_ns().max(1)
}

/// A configured number of milliseconds, in ns.
pub(crate) fn ms(milliseconds: u32) -> u64 {
    u64::from(milliseconds) * 1_000_000
}

/// The soonest of some times. Not by `flatten`: valgrind takes the code that the compiler makes of it for a jump on an unset
/// value.
#[inline]
pub(crate) fn soonest<const N: usize>(times: [Option<u64>; N]) -> Option<u64> {
    // No time in ns since the start of a system comes near to it.
    const NEVER: u64 = u64::MAX;
    let first = times
        .into_iter()
        .fold(NEVER, |first, at| first.min(at.unwrap_or(NEVER)));
    (first != NEVER).then_some(first)
}

/// A clock that a test sets, on its own thread.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    thread_local! {
        /// 0: the system's clock.
        static NOW_NS: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn now_ns() -> Option<u64> {
        Some(NOW_NS.get()).filter(|now| *now != 0)
    }

    /// From now on it is this time; 0: what the system's clock says.
    #[cfg(not(loom))]
    pub(crate) fn set_now_ns(now: u64) {
        NOW_NS.set(now);
    }
}
