//! Sleeping on a number until it changes: os_sync_wait_on_address(3), macOS 14.4 and later.

use std::ffi::c_void;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

const PRIVATE: u32 = 0;
/// OS_CLOCK_MACH_ABSOLUTE_TIME: the timeout is in ns of that clock.
const CLOCK: u32 = 32;

unsafe extern "C" {
    fn os_sync_wait_on_address(address: *mut c_void, value: u64, size: usize, flags: u32) -> i32;
    fn os_sync_wait_on_address_with_timeout(
        address: *mut c_void,
        value: u64,
        size: usize,
        flags: u32,
        clock: u32,
        timeout_ns: u64,
    ) -> i32;
    fn os_sync_wake_by_address_all(address: *mut c_void, size: usize, flags: u32) -> i32;
}

/// Sleeps while `word` is `expected`, until `wake_all` or for `timeout` at most. May return early.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let address = word.as_ptr().cast();
    // SAFETY: the word lives as long as the reference, and is 4 bytes.
    unsafe {
        match timeout {
            None => os_sync_wait_on_address(address, expected.into(), 4, PRIVATE),
            Some(timeout) => {
                let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1);
                os_sync_wait_on_address_with_timeout(address, expected.into(), 4, PRIVATE, CLOCK, ns)
            }
        };
    }
}

/// Wakes all who sleep on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: the system uses the address of the word only.
    unsafe {
        os_sync_wake_by_address_all(word.as_ptr().cast(), 4, PRIVATE);
    }
}
