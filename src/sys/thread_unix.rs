//! Unix: the library's own threads, and the cancellation of the host's.

use std::io;
use std::thread::JoinHandle;

/// The policy of threads that are not realtime ones.
#[cfg(not(target_os = "android"))]
const ORDINARY: libc::c_int = libc::SCHED_OTHER;
#[cfg(target_os = "android")]
const ORDINARY: libc::c_int = libc::SCHED_NORMAL;

/// Starts a thread of the library. The host's signal handlers never run on it, not even at its very beginning: it
/// inherits a mask that blocks every signal.
pub(crate) fn spawn(
    name: &str,
    stack_bytes: Option<usize>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut builder = std::thread::Builder::new().name(name.to_owned());
    if let Some(bytes) = stack_bytes {
        builder = builder.stack_size(bytes);
    }
    let _blocked = BlockedSignals::new();
    builder.spawn(move || {
        sharpen_timers();
        ask_for_short_slices();
        work();
    })
}

/// Does a library thread's work on a thread of the host's: its signal handlers do not run on it meanwhile.
pub(crate) fn on_thread_of_host(work: impl FnOnce()) {
    let _blocked = BlockedSignals::new();
    sharpen_timers();
    ask_for_short_slices();
    work();
}

/// Blocks every signal in the calling thread until it is dropped.
struct BlockedSignals {
    before: libc::sigset_t,
}

impl BlockedSignals {
    fn new() -> Self {
        // SAFETY: signal sets are plain data; both are initialised before they are read. Only the calling thread's
        // mask changes.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self { before }
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the mask is the one that the calling thread had; the guard never moves to another thread, because it
        // stays inside the function that makes it.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Makes the calling thread's timers exact: by default Linux may wake it 50 µs late.
fn sharpen_timers() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: sets the calling thread's own timer slack, in ns.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1_000);
    }
}

/// Asks Linux to run the calling thread soon after it wakes, while others are running. The thread works for moments at
/// a time, and the length of the slice that it asks for decides when a wake-up may interrupt another thread of the
/// same priority (EEVDF; since Linux 6.12 a thread may choose it without any privilege; before that this does
/// nothing). Without it, the thread may wait for the end of another thread's slice, some milliseconds.
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
    if got != 0 || attributes.policy != ORDINARY as u32 {
        return;
    }
    attributes.size = SIZE;
    attributes.runtime = SLICE_NS;
    // SAFETY: as above; `attributes` are only read, and only the slice differs from what was.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// Other systems have no such wish.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn ask_for_short_slices() {}

/// Gives the calling thread a realtime priority, or, for 0, an ordinary one. Returns the priority that it has then.
pub(crate) fn set_realtime_priority(wanted: u32) -> io::Result<u32> {
    // Where the system can tell, threads that this one starts do not inherit the priority. The flag must stay when the
    // priority goes: without privileges Linux refuses to clear it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const NOT_INHERITED: libc::c_int = libc::SCHED_RESET_ON_FORK;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const NOT_INHERITED: libc::c_int = 0;
    let (policy, priority) = if wanted == 0 {
        (ORDINARY, ordinary_priority())
    } else {
        // SAFETY: no memory is involved.
        let (least, most) = unsafe {
            (
                libc::sched_get_priority_min(libc::SCHED_FIFO),
                libc::sched_get_priority_max(libc::SCHED_FIFO),
            )
        };
        let wanted = libc::c_int::try_from(wanted).unwrap_or(libc::c_int::MAX);
        (libc::SCHED_FIFO, wanted.clamp(least, most.max(least)))
    };
    // SAFETY: plain numbers, for which zero is valid.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // Not `sched_setscheduler`, which is a stub in musl.
    // SAFETY: the calling thread is alive; the parameters are valid for the call.
    let error =
        unsafe { libc::pthread_setschedparam(libc::pthread_self(), policy | NOT_INHERITED, &raw const parameters) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    if wanted == 0 {
        ask_for_short_slices();
        return Ok(0);
    }
    Ok(priority as u32)
}

/// The priority of a thread that is not a realtime one. Apple's threads have one that matters; elsewhere it is 0.
fn ordinary_priority() -> libc::c_int {
    #[cfg(target_vendor = "apple")]
    // SAFETY: no memory is involved.
    let (least, most) = unsafe {
        (
            libc::sched_get_priority_min(ORDINARY),
            libc::sched_get_priority_max(ORDINARY),
        )
    };
    #[cfg(not(target_vendor = "apple"))]
    let (least, most) = (0, 0);
    least + (most - least) / 2
}

/// Holds off a cancellation of the calling thread (`pthread_cancel`) until it is dropped. A cancellation unwinds the
/// stack, which must not happen in Rust code. A pending one takes effect at the host's next cancellation point.
pub(crate) struct HoldCancellation {
    #[cfg(not(target_os = "android"))]
    before: libc::c_int,
    /// The state belongs to the calling thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

/// cbindgen:ignore
#[cfg(not(target_os = "android"))]
mod state {
    use std::ffi::c_int;

    #[cfg(target_vendor = "apple")]
    pub(super) const DISABLE: c_int = 0;
    #[cfg(not(target_vendor = "apple"))]
    pub(super) const DISABLE: c_int = 1;

    unsafe extern "C" {
        /// POSIX; the `libc` crate does not have it.
        pub(super) fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }
}

impl HoldCancellation {
    #[inline]
    pub(crate) fn new() -> Self {
        #[cfg(not(target_os = "android"))]
        let mut before = 0;
        #[cfg(not(target_os = "android"))]
        // SAFETY: writes one number, which is valid for the call.
        unsafe {
            state::pthread_setcancelstate(state::DISABLE, &raw mut before);
        }
        Self {
            #[cfg(not(target_os = "android"))]
            before,
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for HoldCancellation {
    #[inline]
    fn drop(&mut self) {
        // Android's threads cannot be cancelled.
        #[cfg(not(target_os = "android"))]
        // SAFETY: the state is the one that the calling thread had; some systems do not take NULL for the other.
        unsafe {
            let mut held = 0;
            state::pthread_setcancelstate(self.before, &raw mut held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Vec<bool> {
        // SAFETY: the set is initialised before it is read, and a NULL set changes nothing.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut set);
            (1..32)
                .map(|signal| libc::sigismember(&raw const set, signal) == 1)
                .collect()
        }
    }

    #[test]
    fn a_thread_starts_with_every_signal_blocked_and_its_parent_keeps_its_mask() {
        let before = mask();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = spawn("test", Some(64 * 1024), move || sender.send(mask()).unwrap()).unwrap();
        let inside = receiver.recv().unwrap();
        thread.join().unwrap();
        assert_eq!(before, mask());
        for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGINT, libc::SIGPROF, libc::SIGALRM] {
            assert!(inside[signal as usize - 1]);
        }
    }

    #[test]
    fn the_mask_comes_back_where_no_thread_was_to_be_had() {
        let before = mask();
        assert!(spawn("test", Some(usize::MAX / 4), || {}).is_err());
        assert_eq!(before, mask());
    }

    #[test]
    fn guards_of_cancellation_nest() {
        let outer = HoldCancellation::new();
        let inner = HoldCancellation::new();
        assert_eq!((outer.before, inner.before), (1 - state::DISABLE, state::DISABLE));
        drop(inner);
        drop(outer);
        assert_eq!(HoldCancellation::new().before, 1 - state::DISABLE);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_ordinary_priority_can_always_be_asked_for_again() {
        let thread = spawn("test", None, || {
            assert_eq!(set_realtime_priority(0).unwrap(), 0);
            if let Ok(priority) = set_realtime_priority(1_000_000) {
                assert_eq!(priority, 99);
            }
            assert_eq!(set_realtime_priority(0).unwrap(), 0);
        });
        thread.unwrap().join().unwrap();
    }
}
