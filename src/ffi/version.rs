//! Version and clock.

use std::ffi::c_char;

/// @name Version of this header
///
/// Raised with an incompatible change.
pub const MIDISOCK_VERSION_MAJOR: u32 = 0;
/// Raised with additions. While the major version is 0, also with incompatible changes.
pub const MIDISOCK_VERSION_MINOR: u32 = 2;
/// Raised with corrections.
pub const MIDISOCK_VERSION_PATCH: u32 = 0;

/// Returns the version of the library that is running.
///
/// Threads: any.
/// Returns: major << 16 | minor << 8 | patch.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_version() -> u32 {
    MIDISOCK_VERSION_MAJOR << 16 | MIDISOCK_VERSION_MINOR << 8 | MIDISOCK_VERSION_PATCH
}

/// Returns the version of the library that is running, as text.
///
/// Threads: any.
/// Returns: "major.minor.patch". The text is static and is never NULL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Reads the clock of all times in this API, in nanoseconds.
///
/// The clock is CLOCK_MONOTONIC on Linux, mach_absolute_time on macOS and QueryPerformanceCounter on Windows. On Linux
/// the call makes no system call, unless the machine's clock source cannot be read in user space.
///
/// Threads: any.
/// Returns: the time. It is never 0.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_now_ns() -> u64 {
    crate::sys::clock::now_ns()
}
