//! The clock of every time in the API.

/// Nanoseconds of the system's monotonic clock; never 0.
#[inline]
pub(crate) fn now_ns() -> u64 {
    crate::sys::monotonic_ns().max(1)
}

/// A configured number of milliseconds, in ns.
pub(crate) fn ms(milliseconds: u32) -> u64 {
    u64::from(milliseconds) * 1_000_000
}
