//! Sockets that the caller made: descriptors of any kind come in.

use super::address::Address;
use socket2::{SockAddr, SockAddrStorage, Socket};
use std::ffi::c_int;
use std::io;
use std::os::fd::{FromRawFd, RawFd};

/// Multipath TCP, which has the options of TCP. Not every C library has the number.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MPTCP: c_int = 262;

/// The address of the peer of a connected stream socket, TCP or Unix; None if the number is anything else. It changes
/// nothing.
pub(crate) fn peer(socket: isize) -> Option<Address> {
    let descriptor = RawFd::try_from(socket).ok().filter(|descriptor| *descriptor >= 0)?;
    if option(descriptor, libc::SO_TYPE)? != libc::SOCK_STREAM {
        return None;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SCTP has streams too.
        let protocol = option(descriptor, libc::SO_PROTOCOL)?;
        if !matches!(protocol, 0 | libc::IPPROTO_TCP | MPTCP) {
            return None;
        }
    }
    let family = c_int::from(name(descriptor, libc::getsockname)?.family());
    // A socket that listens, or is not connected yet, has no peer.
    let peer = name(descriptor, libc::getpeername)?;
    match family {
        // Some systems give no family for a peer without a path.
        libc::AF_UNIX => Some(Address::of(&peer).unwrap_or(Address::UNNAMED)),
        libc::AF_INET | libc::AF_INET6 => Address::of(&peer),
        _ => None,
    }
}

/// Takes over a socket. It then does not block, and executed programs do not inherit it. On an error it is unchanged.
pub(crate) fn take(socket: isize) -> io::Result<Socket> {
    let descriptor = socket as RawFd;
    let flags = control(descriptor, libc::F_GETFD, 0)?;
    let status = control(descriptor, libc::F_GETFL, 0)?;
    control(descriptor, libc::F_SETFL, status | libc::O_NONBLOCK)?;
    if let Err(error) = control(descriptor, libc::F_SETFD, flags | libc::FD_CLOEXEC) {
        let _ = control(descriptor, libc::F_SETFL, status);
        return Err(error);
    }
    // SAFETY: an open descriptor, as `fcntl` has just told. The caller of the API gives it up.
    Ok(unsafe { Socket::from_raw_fd(descriptor) })
}

/// An option of a socket; None if the descriptor is not a socket.
fn option(descriptor: RawFd, name: c_int) -> Option<c_int> {
    let mut value: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: writes at most `size` bytes, which is the value's size. Any number may be asked about.
    let outcome = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    (outcome == 0).then_some(value)
}

/// `getsockname` or `getpeername`.
type Name = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

fn name(descriptor: RawFd, call: Name) -> Option<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    let mut size = storage.size_of();
    // SAFETY: writes at most `size` bytes, which is the storage's size. Any number may be asked about.
    let outcome = unsafe { call(descriptor, (&raw mut storage).cast(), &raw mut size) };
    // SAFETY: the system has written an address of that size.
    (outcome == 0).then(|| unsafe { SockAddr::new(storage, size) })
}

fn control(descriptor: RawFd, command: c_int, argument: c_int) -> io::Result<c_int> {
    // SAFETY: these commands take and give a number. Any descriptor may be asked about.
    match unsafe { libc::fcntl(descriptor, command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}
