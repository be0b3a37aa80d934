//! Windows: clock, errors, threads.

use std::ffi::CString;
use std::io;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use windows_sys::Win32::NetworkManagement::IpHelper::if_nametoindex;
use windows_sys::Win32::Networking::WinSock::{
    WSA_NOT_ENOUGH_MEMORY, WSAEAFNOSUPPORT, WSAEHOSTDOWN, WSAEMFILE, WSAENOBUFS, WSAEPFNOSUPPORT, WSAEPROTONOSUPPORT,
    WSAESOCKTNOSUPPORT,
};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::Threading::{
    GetCurrentThread, SetThreadPriority, THREAD_PRIORITY_NORMAL, THREAD_PRIORITY_TIME_CRITICAL,
};

/// QueryPerformanceCounter, in ns.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    static FREQUENCY: OnceLock<i64> = OnceLock::new();
    let frequency = *FREQUENCY.get_or_init(|| {
        let mut frequency = 0;
        // SAFETY: writes one i64; it never fails on Windows XP or later.
        unsafe { QueryPerformanceFrequency(&mut frequency) };
        frequency.max(1)
    });
    let mut count = 0;
    // SAFETY: as above.
    unsafe { QueryPerformanceCounter(&mut count) };
    (count as i128 * 1_000_000_000 / frequency as i128) as u64
}

/// Whether memory, descriptors or buffers ran out.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(WSAEMFILE | WSAENOBUFS | WSA_NOT_ENOUGH_MEMORY)
    )
}

/// Whether the machine lacks the family or the protocol of an address, or knows that the host is down.
pub(crate) fn is_missing_family(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(WSAEAFNOSUPPORT | WSAEPFNOSUPPORT | WSAEPROTONOSUPPORT | WSAESOCKTNOSUPPORT | WSAEHOSTDOWN)
    )
}

/// The index of a network interface; None where there is none of that name.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with NUL and outlives the call.
    match unsafe { if_nametoindex(name.as_ptr().cast()) } {
        0 => None,
        index => Some(index),
    }
}

#[cfg(feature = "discovery")]
/// The name of the machine; empty where the system does not tell it.
pub(crate) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Starts a thread of the library.
pub(crate) fn spawn(
    name: &str,
    stack_bytes: Option<usize>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut builder = std::thread::Builder::new().name(name.to_owned());
    if let Some(bytes) = stack_bytes {
        builder = builder.stack_size(bytes);
    }
    builder.spawn(work)
}

/// Does a library thread's work on a thread of the host's.
pub(crate) fn on_thread_of_host(work: impl FnOnce()) {
    work();
}

/// Nothing to do: Windows has no cancellation of threads.
pub(crate) struct HoldCancellation;

impl HoldCancellation {
    pub(crate) fn new() -> Self {
        Self
    }
}

/// Makes the calling thread time-critical, or, for 0, ordinary again. Returns the priority that it has then.
pub(crate) fn set_realtime_priority(wanted: u32) -> io::Result<u32> {
    let (priority, level) = match wanted {
        0 => (0, THREAD_PRIORITY_NORMAL),
        _ => (15, THREAD_PRIORITY_TIME_CRITICAL),
    };
    // SAFETY: the handle stands for the calling thread and need not be closed.
    match unsafe { SetThreadPriority(GetCurrentThread(), level) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(priority),
    }
}

/// Keeps the library in memory until the process ends, whoever unloads it: a thread is left behind that runs its code.
pub(crate) fn stay_loaded() {
    let mut module = std::ptr::null_mut();
    // SAFETY: with this flag the name is not one, but any address in the module; `module` is a valid place to write to.
    unsafe {
        GetModuleHandleExW(
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
            (stay_loaded as fn() as *const ()).cast(),
            &mut module,
        );
    }
}
