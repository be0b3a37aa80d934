//! Waiting for sockets and for a wake from another thread, on other systems than Linux, with the `polling` crate.

use polling::{AsRawSource, AsSource, PollMode};
pub(crate) use polling::{Event, Events};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The system's error, where an event tells that the peer reset the connection. Under Wine reading finds an end then.
#[cfg(windows)]
pub(crate) fn reset(event: &Event) -> Option<i32> {
    event
        .is_interrupt()
        .then_some(windows_sys::Win32::Networking::WinSock::WSAECONNRESET)
}

/// Windows tells of a reset unasked only of a socket that is watched for something.
fn with_resets(event: Event) -> Event {
    if cfg!(windows) { event.with_interrupt() } else { event }
}

/// Here only reading tells it.
#[cfg(not(windows))]
pub(crate) fn reset(_: &Event) -> Option<i32> {
    None
}

/// Watches sockets, level-triggered.
pub(crate) struct Poller {
    poller: Arc<polling::Poller>,
    /// None where the system does not have it; then waits are as exact as the system's.
    #[cfg(windows)]
    timer: Option<super::wait_timer_windows::WaitTimer>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = Arc::new(polling::Poller::new()?);
        Ok(Self {
            #[cfg(windows)]
            timer: super::wait_timer_windows::WaitTimer::new(&poller).ok(),
            poller,
        })
    }

    /// Starts to watch a socket, which must be taken out with `delete` before it is closed.
    pub(crate) fn add(&self, socket: impl AsRawSource, event: Event) -> io::Result<()> {
        // SAFETY: the socket is taken out before it is closed, by this function's contract, which the network thread
        // keeps.
        unsafe { self.poller.add_with_mode(socket, with_resets(event), PollMode::Level) }
    }

    /// Watches a socket for something else.
    pub(crate) fn modify(&self, socket: impl AsSource, event: Event) -> io::Result<()> {
        self.poller
            .modify_with_mode(socket, with_resets(event), PollMode::Level)
    }

    /// Watches a socket no more.
    pub(crate) fn delete(&self, socket: impl AsSource) -> io::Result<()> {
        self.poller.delete(socket)
    }

    /// Waits until something happens, or a deadline has come. `now` is the time.
    pub(crate) fn wait_until(&self, events: &mut Events, at_ns: u64, now: u64) -> io::Result<()> {
        self.wait(events, Some(Duration::from_nanos(at_ns.saturating_sub(now))))
    }

    /// Waits until something happens, `notify` is called or was called since the last wait, or time is over.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        #[cfg(windows)]
        if let (Some(timer), Some(timeout)) = (&self.timer, timeout) {
            if !timeout.is_zero() {
                timer.set(timeout);
            }
        }
        self.poller.wait(events, timeout).map(drop)
    }

    /// A handle for other loops, which this system does not have.
    pub(crate) fn handle(&self) -> io::Result<isize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn has_handle(&self) -> bool {
        false
    }

    pub(crate) fn arm(&self, _at_ns: Option<u64>, _now: u64) {}

    /// Ends the wait that runs, or the next one. Any thread; at most one system call.
    pub(crate) fn notify(&self) {
        // A queue of events that is full wakes all the same; nothing else can fail here.
        let _ = self.poller.notify();
    }
}
