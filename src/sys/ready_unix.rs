//! A descriptor that is readable or not, as it is told: one end of a pair that has a byte or none.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

pub(crate) type Ready = Pair;

pub(crate) struct Pair {
    reader: UnixStream,
    writer: UnixStream,
}

impl Pair {
    /// Not readable yet. Both ends are closed on exec.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer })
    }

    /// Makes it readable, with one system call that does not block.
    pub(crate) fn set(&self) {
        let _ = (&self.writer).write(&[1]);
    }

    /// Makes it unreadable, with one system call that does not block; whether it was readable. There is never more than
    /// one byte: a byte is written only after the one before was read.
    pub(crate) fn clear(&self) -> bool {
        (&self.reader).read(&mut [0]).is_ok_and(|count| count > 0)
    }

    /// The descriptor, for the caller's poll, kqueue and the like.
    pub(crate) fn handle(&self) -> isize {
        self.reader.as_raw_fd() as isize
    }
}
