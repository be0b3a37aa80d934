//! A descriptor that is readable or not, as it is told: an eventfd.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub(crate) type Ready = EventFd;

pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    /// Not readable yet.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } {
            // SAFETY: the descriptor is new and nobody else's.
            descriptor @ 0.. => Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) })),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Makes it readable, with one system call that does not block.
    pub(crate) fn set(&self) {
        let one = 1u64;
        // SAFETY: reads the 8 bytes of `one`.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Makes it unreadable, with one system call that does not block; whether it was readable.
    pub(crate) fn clear(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: writes the 8 bytes of `count`.
        let read = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        read > 0
    }

    /// The descriptor, for the caller's poll, epoll and the like.
    pub(crate) fn handle(&self) -> isize {
        self.0.as_raw_fd() as isize
    }
}
