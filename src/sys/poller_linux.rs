//! Waiting for sockets and for a wake from another thread: epoll and an eventfd.
//!
//! One system call a wait: the eventfd is watched edge-triggered, so that it is neither read nor armed again, and
//! `epoll_pwait2` takes its timeout in nanoseconds. It sets up a timer of the processor and takes it down again, which
//! costs a virtual machine a microsecond or two. A deadline that is far off stays the same for many waits, so a timer
//! descriptor is set to it once.

use super::notified::Notified;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What happened to a socket, or what it is watched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub key: usize,
    pub readable: bool,
    pub writable: bool,
}

impl Event {
    pub(crate) fn new(key: usize, readable: bool, writable: bool) -> Self {
        Self {
            key,
            readable,
            writable,
        }
    }

    pub(crate) fn readable(key: usize) -> Self {
        Self::new(key, true, false)
    }

    pub(crate) fn writable(key: usize) -> Self {
        Self::new(key, false, true)
    }
}

/// The system's error, where an event tells that the peer reset the connection. Here only reading tells it.
pub(crate) fn reset(_: &Event) -> Option<i32> {
    None
}

/// Taken by one wait; more are given by the next.
const MOST_EVENTS: usize = 256;
/// The keys of the eventfd and of the timer, which no socket has.
const WAKE: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// The timer is set for a deadline that is so far off, in ns, or further.
const FAR_NS: u64 = 20_000_000;

const READ: u32 = (libc::EPOLLIN | libc::EPOLLPRI) as u32;
const WRITE: u32 = libc::EPOLLOUT as u32;
/// Told unasked; whoever reads or writes next learns what it is.
const BROKEN: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// What a wait came to.
pub(crate) struct Events {
    list: Box<[libc::epoll_event; MOST_EVENTS]>,
    count: usize,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            list: Box::new([libc::epoll_event { events: 0, u64: 0 }; MOST_EVENTS]),
            count: 0,
        }
    }

    #[cfg(feature = "discovery")]
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether nothing happened, not even a wake.
    pub(crate) fn is_empty(&self) -> bool {
        self.list[..self.count].iter().all(|event| event.u64 == TIMER)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> {
        self.list[..self.count]
            .iter()
            .filter(|event| event.u64 < TIMER)
            .map(|event| {
                let flags = event.events;
                Event::new(
                    event.u64 as usize,
                    flags & (READ | BROKEN) != 0,
                    flags & (WRITE | BROKEN) != 0,
                )
            })
    }
}

/// Watches sockets, level-triggered.
pub(crate) struct Poller {
    epoll: OwnedFd,
    wake: OwnedFd,
    notified: Notified,
    /// The timer for far deadlines, which also makes the handle readable in time. Empty: the system refused it.
    timer: OnceLock<OwnedFd>,
    /// Another loop waits for the handle.
    has_handle: AtomicBool,
    /// The time that the timer was last set to, in ns; 0: it is off. Only the thread that arms it uses this.
    armed_ns: AtomicU64,
    /// The system has no `epoll_pwait2` (before Linux 5.11), or a sandbox forbids it.
    coarse: AtomicBool,
}

/// `struct __kernel_timespec`, which has 64 bits a field on every processor.
#[repr(C)]
struct KernelTime {
    seconds: i64,
    nanoseconds: i64,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let epoll = own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: no memory is involved.
        let wake = own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        let poller = Self {
            epoll,
            wake,
            notified: Notified::default(),
            timer: OnceLock::new(),
            has_handle: AtomicBool::new(false),
            armed_ns: AtomicU64::new(0),
            coarse: AtomicBool::new(false),
        };
        poller.control(
            libc::EPOLL_CTL_ADD,
            &poller.wake,
            (libc::EPOLLIN | libc::EPOLLET) as u32,
            WAKE,
        )?;
        // Waits do without it.
        let _ = poller.make_timer();
        Ok(poller)
    }

    fn make_timer(&self) -> io::Result<()> {
        // SAFETY: no memory is involved.
        let timer =
            own(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })?;
        let events = (libc::EPOLLIN | libc::EPOLLET) as u32;
        self.control(libc::EPOLL_CTL_ADD, &timer, events, TIMER)?;
        let _ = self.timer.set(timer);
        Ok(())
    }

    /// A descriptor for other loops: readable when `wait` would not wait, and from the time on that `arm` says. One
    /// thread at a time.
    pub(crate) fn handle(&self) -> io::Result<isize> {
        if self.timer.get().is_none() {
            self.make_timer()?;
        }
        self.has_handle.store(true, Ordering::Relaxed);
        Ok(self.epoll.as_raw_fd() as isize)
    }

    pub(crate) fn has_handle(&self) -> bool {
        self.has_handle.load(Ordering::Relaxed)
    }

    /// When the handle becomes readable if nothing happens before, in ns of the clock; None: never. `now` is the time.
    pub(crate) fn arm(&self, at_ns: Option<u64>, now: u64) {
        let Some(timer) = self.timer.get() else { return };
        // 0 would disarm it.
        let at_ns = at_ns.map_or(0, |at_ns| at_ns.max(1));
        // A time that has come may have been told of already: it is set again.
        if self.armed_ns.swap(at_ns, Ordering::Relaxed) == at_ns && (at_ns == 0 || at_ns > now) {
            return;
        }
        let time = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: libc::time_t::try_from(at_ns / 1_000_000_000).unwrap_or(libc::time_t::MAX),
                tv_nsec: (at_ns % 1_000_000_000) as _,
            },
        };
        // SAFETY: the descriptor is open, the time is valid, and the old one is not asked for. It cannot fail then.
        unsafe {
            libc::timerfd_settime(
                timer.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const time,
                std::ptr::null_mut(),
            )
        };
    }

    /// Starts to watch a socket.
    pub(crate) fn add(&self, socket: &impl AsRawFd, event: Event) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, flags(event), event.key as u64)
    }

    /// Watches a socket for something else.
    pub(crate) fn modify(&self, socket: &impl AsRawFd, event: Event) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, flags(event), event.key as u64)
    }

    /// Watches a socket no more.
    pub(crate) fn delete(&self, socket: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, socket, 0, 0)
    }

    fn control(&self, operation: i32, descriptor: &impl AsRawFd, events: u32, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: key };
        // SAFETY: the event is read only, and valid for the call. A descriptor that is closed leaves by itself.
        let outcome = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                operation,
                descriptor.as_raw_fd(),
                &raw mut event,
            )
        };
        if outcome == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Waits until something happens, `notify` is called or was called since the last wait, or a deadline has come. It is
    /// for deadlines that stay the same from wait to wait. `now` is the time.
    pub(crate) fn wait_until(&self, events: &mut Events, at_ns: u64, now: u64) -> io::Result<()> {
        if self.timer.get().is_none() || at_ns.saturating_sub(now) < FAR_NS {
            return self.wait(events, Some(Duration::from_nanos(at_ns.saturating_sub(now))));
        }
        self.arm(Some(at_ns), now);
        self.wait(events, None)
    }

    /// Waits until something happens, `notify` is called or was called since the last wait, or time is over.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.count = 0;
        let outcome = match timeout {
            None => self.wait_ms(events, -1),
            Some(Duration::ZERO) => self.wait_ms(events, 0),
            Some(timeout) => self.wait_for(events, timeout),
        };
        self.notified.notice();
        events.count = outcome?;
        Ok(())
    }

    fn wait_ms(&self, events: &mut Events, ms: i32) -> io::Result<usize> {
        // SAFETY: the list has room for `MOST_EVENTS`.
        let count =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.list.as_mut_ptr(), MOST_EVENTS as i32, ms) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    fn wait_for(&self, events: &mut Events, timeout: Duration) -> io::Result<usize> {
        if !self.coarse.load(Ordering::Relaxed) {
            match self.wait_ns(events, timeout) {
                Err(error) if error.raw_os_error() != Some(libc::EINTR) => {}
                outcome => return outcome,
            }
            // Older kernels do not have the call, and sandboxes deny it with one error or another. The calls below say
            // so if something else is wrong.
            self.coarse.store(true, Ordering::Relaxed);
        }
        // An epoll descriptor is readable when it has events.
        match self.poll_ns(timeout) {
            Ok(()) => self.wait_ms(events, 0),
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => Err(error),
            Err(_) => {
                let ms = timeout.as_nanos().div_ceil(1_000_000);
                self.wait_ms(events, i32::try_from(ms).unwrap_or(i32::MAX))
            }
        }
    }

    /// `epoll_pwait2`.
    fn wait_ns(&self, events: &mut Events, timeout: Duration) -> io::Result<usize> {
        let time = KernelTime {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: timeout.subsec_nanos().into(),
        };
        // SAFETY: the list has room for `MOST_EVENTS`, the time is valid, and no signal mask is given.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                events.list.as_mut_ptr(),
                MOST_EVENTS as i32,
                &raw const time,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Waits until there are events or time is over.
    fn poll_ns(&self, timeout: Duration) -> io::Result<()> {
        let mut ready = libc::pollfd {
            fd: self.epoll.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let time = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos() as _,
        };
        // SAFETY: one descriptor and a valid time of the C library's own kind; no signal mask is given.
        match unsafe { libc::ppoll(&raw mut ready, 1, &raw const time, std::ptr::null()) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Ends the wait that runs, or the next one. Any thread, also an audio thread: at most one system call, which is no
    /// cancellation point, as `write` would be.
    pub(crate) fn notify(&self) {
        if self.notified.must_be_told() {
            let one = 1u64;
            // SAFETY: reads 8 bytes of `one`. The count never gets near its end, where writing would fail.
            unsafe { libc::syscall(libc::SYS_write, self.wake.as_raw_fd(), &raw const one, size_of::<u64>()) };
        }
    }
}

/// Takes a new descriptor.
fn own(descriptor: i32) -> io::Result<OwnedFd> {
    match descriptor {
        // SAFETY: the descriptor is new and nobody else's.
        0.. => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn flags(event: Event) -> u32 {
    let read = if event.readable { READ } else { 0 };
    let write = if event.writable { WRITE } else { 0 };
    read | write
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::now_ns;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    #[test]
    fn a_notification_ends_this_wait_or_the_next_and_no_other() {
        let poller = Poller::new().unwrap();
        let mut events = Events::new();
        for _ in 0..3 {
            poller.notify();
            poller.notify();
            poller.wait(&mut events, LONG).unwrap();
            assert_eq!(events.iter().count(), 0);
            let began = Instant::now();
            poller.wait(&mut events, Some(Duration::from_millis(5))).unwrap();
            assert!(began.elapsed() >= Duration::from_millis(5));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| poller.notify());
            poller.wait(&mut events, LONG).unwrap();
        });
    }

    #[test]
    fn the_handle_tells_of_a_time_again_as_long_as_it_is_armed_for_it() {
        let poller = Poller::new().unwrap();
        let handle = poller.handle().unwrap();
        let tells = |timeout_ms| {
            let mut ready = libc::pollfd {
                fd: handle as i32,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one descriptor.
            unsafe { libc::poll(&raw mut ready, 1, timeout_ms) == 1 }
        };
        let mut events = Events::new();
        let far = now_ns() + 60_000_000_000;
        let at = now_ns() + 1_000_000;
        poller.arm(Some(at), now_ns());
        for _ in 0..3 {
            assert!(tells(60_000));
            assert!(now_ns() >= at);
            poller.wait(&mut events, LONG).unwrap();
            assert!(!tells(0));
            poller.arm(Some(at), now_ns());
        }
        for other in [Some(far), None] {
            poller.arm(other, now_ns());
            poller.arm(other, now_ns());
            assert!(!tells(0));
        }
        poller.arm(Some(at), now_ns());
        assert!(tells(60_000));
    }

    #[test]
    fn a_far_deadline_ends_waits_and_is_no_event() {
        let poller = Poller::new().unwrap();
        let mut events = Events::new();
        for _ in 0..3 {
            let at = now_ns() + 2 * FAR_NS;
            // It stays set from wait to wait.
            poller.notify();
            poller.wait_until(&mut events, at, now_ns()).unwrap();
            assert!(!events.is_empty() && events.iter().count() == 0);
            while now_ns() < at {
                poller.wait_until(&mut events, at, now_ns()).unwrap();
                assert!(events.is_empty());
            }
        }
        // One that has come, or comes soon, needs no timer.
        poller.wait_until(&mut events, 1, now_ns()).unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn waits_as_exactly_without_epoll_pwait2() {
        for coarse in [false, true] {
            let poller = Poller::new().unwrap();
            poller.coarse.store(coarse, Ordering::Relaxed);
            let mut events = Events::new();
            let pause = Duration::from_micros(100);
            // The machine may be busy: one of many waits must be exact, and none too short.
            let shortest = (0..200)
                .map(|_| {
                    let began = Instant::now();
                    poller.wait(&mut events, Some(pause)).unwrap();
                    began.elapsed()
                })
                .min();
            let shortest = shortest.unwrap();
            assert!(shortest >= pause && shortest < Duration::from_millis(1), "{shortest:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn waits_where_a_sandbox_denies_its_calls() {
        use crate::sys::denied_linux::with_denied;
        let pwait2 = (libc::SYS_epoll_pwait2, None);
        let ppoll = (libc::SYS_ppoll, None);
        for errno in [libc::EACCES, libc::EPERM, libc::ENOSYS, libc::EINVAL] {
            for denied in [&[pwait2][..], &[pwait2, ppoll]] {
                let outcome = with_denied(denied, errno, || {
                    let poller = Poller::new().unwrap();
                    let mut events = Events::new();
                    let pause = Duration::from_micros(300);
                    for _ in 0..3 {
                        let began = Instant::now();
                        poller
                            .wait(&mut events, Some(pause))
                            .expect("another call waits as well");
                        assert!(began.elapsed() >= pause, "a wait that ends at once would spin");
                    }
                    poller.notify();
                    poller.wait(&mut events, LONG).unwrap();
                });
                assert_eq!(outcome, Some(()), "seccomp filters are allowed");
            }
        }
    }

    #[test]
    fn tells_what_happened_as_long_as_it_is_so() {
        for coarse in [false, true] {
            let poller = Poller::new().unwrap();
            poller.coarse.store(coarse, Ordering::Relaxed);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let socket = listener.accept().unwrap().0;
            let mut events = Events::new();
            let mut seen = |timeout| {
                poller.wait(&mut events, timeout).unwrap();
                events
                    .iter()
                    .map(|event| (event.key, event.readable, event.writable))
                    .collect::<Vec<_>>()
            };
            poller.add(&socket, Event::readable(7)).unwrap();
            assert_eq!(seen(Some(Duration::ZERO)), []);
            peer.write_all(b"x").unwrap();
            assert_eq!(seen(LONG), [(7, true, false)]);
            assert_eq!(seen(LONG), [(7, true, false)]);
            poller.modify(&socket, Event::writable(8)).unwrap();
            assert_eq!(seen(LONG), [(8, false, true)]);
            poller.delete(&socket).unwrap();
            assert_eq!(seen(Some(Duration::ZERO)), []);
            drop(peer);
        }
    }
}
