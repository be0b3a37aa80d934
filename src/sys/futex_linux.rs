//! Sleeping on a number until it changes: futex(2).

use std::ffi::c_long;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// The time of `SYS_futex`: two words of the kernel's, also where the C library's `timespec` is wider.
#[repr(C)]
struct Time {
    seconds: c_long,
    nanoseconds: c_long,
}

/// Sleeps while `word` is `expected`, until `wake_all` or for `timeout` at most. May return early.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let time = timeout.map(|timeout| Time {
        seconds: c_long::try_from(timeout.as_secs()).unwrap_or(c_long::MAX),
        nanoseconds: timeout.subsec_nanos() as c_long,
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word lives as long as the reference; the time is NULL or valid; the kernel writes neither.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            time,
        );
    }
}

/// Wakes all threads that sleep on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // SAFETY: the kernel uses the address of the word only.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        );
    }
}
