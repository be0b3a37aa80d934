//! What differs between operating systems, behind one set of names.
//!
//! Each file is one subject on one system: `poller_linux.rs` beside `poller_other.rs`, `tcp_linux.rs` beside
//! `tcp_other.rs`, and so on. Besides there is what every layer needs: [`clock`], result codes in [`code`], addresses in
//! [`address`], and atomics that a model checker can watch in [`sync`].
//!
//! Every other module may call it; it calls none.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod code;
#[cfg(midisock_defect)]
pub(crate) mod defect;
pub(crate) mod sync;
#[cfg(loom)]
pub(crate) mod sync_loom;

#[cfg(all(test, target_os = "linux"))]
pub(crate) mod denied_linux;

#[cfg(unix)]
mod thread_unix;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use thread_unix::{HoldCancellation, on_thread_of_host, set_realtime_priority, spawn};
#[cfg(all(unix, feature = "discovery"))]
pub(crate) use unix::host_name;
#[cfg(unix)]
pub(crate) use unix::{interface_index, is_missing_family, is_out_of_resources, monotonic_ns, stay_loaded};

#[cfg(windows)]
mod wait_timer_windows;
#[cfg(windows)]
mod windows;
#[cfg(all(windows, feature = "discovery"))]
pub(crate) use windows::host_name;
#[cfg(windows)]
pub(crate) use windows::{
    HoldCancellation, interface_index, is_missing_family, is_out_of_resources, monotonic_ns, on_thread_of_host,
    set_realtime_priority, spawn, stay_loaded,
};

#[cfg_attr(loom, path = "futex_loom.rs")]
#[cfg_attr(
    all(not(loom), any(target_os = "linux", target_os = "android")),
    path = "futex_linux.rs"
)]
#[cfg_attr(all(not(loom), windows), path = "futex_windows.rs")]
#[cfg_attr(
    all(not(loom), unix, not(any(target_os = "linux", target_os = "android"))),
    path = "futex_parking.rs"
)]
pub(crate) mod futex;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod notified;

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "tcp_linux.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "tcp_other.rs")]
pub(crate) mod tcp;

#[cfg_attr(unix, path = "local_unix.rs")]
#[cfg_attr(windows, path = "local_windows.rs")]
pub(crate) mod local;

#[cfg_attr(unix, path = "adopt_unix.rs")]
#[cfg_attr(windows, path = "adopt_windows.rs")]
pub(crate) mod adopt;

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "poller_linux.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "poller_other.rs")]
pub(crate) mod poller;

#[cfg_attr(loom, path = "ready_loom.rs")]
#[cfg_attr(
    all(not(loom), any(target_os = "linux", target_os = "android")),
    path = "ready_linux.rs"
)]
#[cfg_attr(
    all(not(loom), unix, not(any(target_os = "linux", target_os = "android"))),
    path = "ready_unix.rs"
)]
#[cfg_attr(all(not(loom), windows), path = "ready_windows.rs")]
pub(crate) mod ready;

mod touched;
pub(crate) use touched::touched;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod touch_linux;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use touch_linux::touch_own_pages;

/// Other systems fault pages in when they are used.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn touch_own_pages(_functions: &[usize]) {}
