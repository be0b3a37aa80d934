//! Unix: clock, errors, threads.

use std::io;

/// The monotonic clock, in ns. On macOS this clock is mach_absolute_time.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    #[cfg(target_os = "macos")]
    const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
    #[cfg(not(target_os = "macos"))]
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

/// Makes the calling thread a good network thread: the host's signal handlers never run on it, and its timers are
/// exact.
pub(crate) fn prepare_network_thread() {
    // SAFETY: the set is initialised by sigfillset before it is used; only the calling thread's mask changes.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: sets the calling thread's own timer slack, in ns; by default Linux may wake it 50 µs late.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1_000);
    }
    ask_for_short_slices();
}

/// Asks Linux to let the calling thread run soon after it wakes, though others are running. It works for moments at a
/// time, and it is the length of what a thread asks for by which a wake-up may interrupt another thread of the same
/// priority (EEVDF; since Linux 6.12 a thread may choose it, without any privilege; before that this does nothing).
/// Without, it may wait for the end of somebody's slice, some milliseconds.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn ask_for_short_slices() {
    /// The shortest that Linux takes, in ns.
    const SLICE_NS: u64 = 100_000;
    /// `struct sched_attr` in its first version: sched_setattr(2).
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    const SIZE: u32 = size_of::<Attributes>() as u32;
    let mut attributes = Attributes::default();
    // SAFETY: 0 is the calling thread; SIZE bytes are written into `attributes`, which are numbers.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    if got != 0 || attributes.policy != libc::SCHED_OTHER as u32 {
        return;
    }
    attributes.size = SIZE;
    attributes.runtime = SLICE_NS;
    // SAFETY: as above; `attributes` are only read, and are what they were but for the slice.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// Gives the calling thread a realtime priority, or, 0, none any more; the one that it has then.
pub(crate) fn set_realtime_priority(wanted: u32) -> io::Result<u32> {
    // Not for the threads that it starts, where the system can tell.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const REALTIME: libc::c_int = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const REALTIME: libc::c_int = libc::SCHED_FIFO;
    let (policy, priority) = if wanted == 0 {
        (libc::SCHED_OTHER, 0)
    } else {
        // SAFETY: no memory is involved.
        let (least, most) = unsafe {
            (
                libc::sched_get_priority_min(libc::SCHED_FIFO),
                libc::sched_get_priority_max(libc::SCHED_FIFO),
            )
        };
        let wanted = libc::c_int::try_from(wanted).unwrap_or(libc::c_int::MAX);
        (REALTIME, wanted.clamp(least, most.max(least)))
    };
    // SAFETY: plain numbers, for which zero is valid.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: 0 is the calling thread; the parameters are valid for the call.
    let error = match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => 0,
        _ => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM),
    };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: the calling thread is alive; the parameters are valid for the call.
    let error = unsafe { libc::pthread_setschedparam(libc::pthread_self(), policy, &raw const parameters) };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if error == 0 && wanted == 0 {
        ask_for_short_slices();
    }
    match error {
        0 => Ok(priority as u32),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Nothing to do: it is linked so that it stays (`-z nodelete`), or the system keeps what has thread-locals.
pub(crate) fn stay_loaded() {}
