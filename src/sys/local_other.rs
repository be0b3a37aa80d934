//! Systems where the library has no Unix sockets.

use super::address::UnixPath;
use super::code::{Code, Failure};
use socket2::Socket;
use std::convert::Infallible;
use std::time::Duration;

/// The file of a socket that listens: there is none.
pub(crate) type SocketFile = Infallible;

pub(crate) fn listen(_: &UnixPath, _: i32, _: Duration) -> Result<(Socket, SocketFile), Failure> {
    Err(Failure::new(Code::Unsupported))
}

pub(crate) fn connect(_: &UnixPath) -> Result<Socket, Failure> {
    Err(Failure::new(Code::Unsupported))
}
