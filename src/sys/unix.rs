//! Unix: the clock, errors, network interfaces.

use std::ffi::CString;
use std::io;

/// The monotonic clock, in ns. On Apple's systems this clock is mach_absolute_time.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    #[cfg(target_vendor = "apple")]
    const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to, and the clock exists on every system that this is built for.
    unsafe { libc::clock_gettime(CLOCK, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Whether memory, descriptors or buffers ran out.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS)
    )
}

/// Whether the machine lacks the family or the protocol of an address, or knows that the host is down.
pub(crate) fn is_missing_family(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EPFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT | libc::EHOSTDOWN)
    )
}

/// The index of a network interface; None where there is none of that name.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with NUL and outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

#[cfg(feature = "discovery")]
/// The name of the machine; empty where the system does not tell it.
pub(crate) fn host_name() -> String {
    let mut bytes = [0u8; 256];
    // SAFETY: writes at most as many bytes as there are.
    let told = unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len()) } == 0;
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let name = if told { &bytes[..length] } else { &[] };
    String::from_utf8_lossy(name).into_owned()
}

/// Nothing to do: the library is linked so that it stays (`-z nodelete`), or the system keeps what has thread-locals.
pub(crate) fn stay_loaded() {}
