//! Sockets that the caller made: handles of any kind come in.

use super::address::Address;
use socket2::{SockAddr, SockAddrStorage, Socket};
use std::io;
use std::os::windows::io::FromRawSocket;
use windows_sys::Win32::Networking::WinSock::{
    INVALID_SOCKET, SO_TYPE, SOCK_STREAM, SOCKET, SOL_SOCKET, getpeername, getsockopt,
};

/// The address of the peer of a connected TCP socket; None if the handle is anything else. It changes nothing.
pub(crate) fn peer(socket: isize) -> Option<Address> {
    let socket = socket as SOCKET;
    if socket == INVALID_SOCKET {
        return None;
    }
    let mut kind: i32 = 0;
    let mut size = size_of::<i32>() as i32;
    // SAFETY: writes at most `size` bytes, which is the value's size. Any handle may be asked about.
    let outcome = unsafe { getsockopt(socket, SOL_SOCKET, SO_TYPE, (&raw mut kind).cast(), &raw mut size) };
    if outcome != 0 || kind != SOCK_STREAM {
        return None;
    }
    let mut storage = SockAddrStorage::zeroed();
    let mut size = storage.size_of();
    // SAFETY: writes at most `size` bytes, which is the storage's size. Any handle may be asked about.
    let outcome = unsafe { getpeername(socket, (&raw mut storage).cast(), (&raw mut size).cast()) };
    // SAFETY: the system has written an address of that size.
    let peer = (outcome == 0).then(|| unsafe { SockAddr::new(storage, size) })?;
    Address::of(&peer)
}

/// Takes over a socket. It then does not block, and executed programs do not inherit it. On an error it is unchanged.
pub(crate) fn take(socket: isize) -> io::Result<Socket> {
    // SAFETY: an open socket, as `peer` has told. The caller of the API gives it up.
    let socket = std::mem::ManuallyDrop::new(unsafe { Socket::from_raw_socket(socket as _) });
    socket.set_no_inherit(true)?;
    socket.set_nonblocking(true)?;
    Ok(std::mem::ManuallyDrop::into_inner(socket))
}
