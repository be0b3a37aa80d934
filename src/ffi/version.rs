//! Version and clock.

use std::ffi::c_char;

/// The version of this header: raised with an incompatible change.
pub const MIDISOCK_VERSION_MAJOR: u32 = 0;
/// The version of this header: raised with additions (and, while the major version is 0, with incompatible changes).
pub const MIDISOCK_VERSION_MINOR: u32 = 1;
/// The version of this header: raised with corrections.
pub const MIDISOCK_VERSION_PATCH: u32 = 0;

/// The version of the library that is running: major << 16 | minor << 8 | patch.
///
/// Any thread, realtime.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_version() -> u32 {
    MIDISOCK_VERSION_MAJOR << 16 | MIDISOCK_VERSION_MINOR << 8 | MIDISOCK_VERSION_PATCH
}

/// The same as text, "major.minor.patch". Static, never NULL.
///
/// Any thread, realtime.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The clock of every time in this API, in nanoseconds: CLOCK_MONOTONIC on Linux,
/// mach_absolute_time on macOS, QueryPerformanceCounter on Windows. Never 0.
///
/// Any thread, realtime (on Linux the vDSO answers without a system call, except where the
/// machine's clock source is not readable from user space).
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_now_ns() -> u64 {
    crate::sys::clock::now_ns()
}
