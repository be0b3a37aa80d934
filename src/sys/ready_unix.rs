//! A descriptor that is readable or not, as it is told: a pipe that has a byte or none.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};

pub(crate) type Ready = Pipe;

pub(crate) struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
}

/// Makes a descriptor that gives an error in place of waiting.
fn set_nonblocking(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFL) };
    // SAFETY: no memory is involved.
    if flags < 0 || unsafe { libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

impl Pipe {
    /// Not readable yet. Both ends are closed on exec.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        set_nonblocking(reader.as_raw_fd())?;
        set_nonblocking(writer.as_raw_fd())?;
        Ok(Self { reader, writer })
    }

    /// Makes it readable, with one system call that does not block.
    pub(crate) fn set(&self) {
        let byte = 1u8;
        // SAFETY: reads the byte.
        unsafe { libc::write(self.writer.as_raw_fd(), (&raw const byte).cast(), 1) };
    }

    /// Makes it unreadable, with one system call that does not block; whether it was readable. There is never more than
    /// one byte: a byte is written only after the one before was read.
    pub(crate) fn clear(&self) -> bool {
        let mut byte = 0u8;
        // SAFETY: writes the byte.
        unsafe { libc::read(self.reader.as_raw_fd(), (&raw mut byte).cast(), 1) > 0 }
    }

    /// The descriptor, for the caller's poll, kqueue and the like.
    pub(crate) fn handle(&self) -> isize {
        self.reader.as_raw_fd() as isize
    }
}
