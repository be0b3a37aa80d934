//! Sleeping on a number until it changes: WaitOnAddress.

use std::sync::atomic::AtomicU32;
use std::time::Duration;
use windows_sys::Win32::System::Threading::{INFINITE, WaitOnAddress, WakeByAddressAll};

/// Sleeps while `word` is `expected`, until `wake_all` or for `timeout` at most. May return early.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let ms = timeout.map_or(INFINITE, |timeout| {
        u32::try_from(timeout.as_micros().div_ceil(1000)).map_or(INFINITE - 1, |ms| ms.min(INFINITE - 1))
    });
    // SAFETY: both addresses are of 4 readable bytes that outlive the call.
    unsafe {
        WaitOnAddress(word.as_ptr().cast(), std::ptr::from_ref(&expected).cast(), 4, ms);
    }
}

/// Wakes all threads that sleep on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: the system uses the address of the word only.
    unsafe { WakeByAddressAll(word.as_ptr().cast()) };
}
