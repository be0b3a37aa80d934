//! `midisock_notification`: what happened to connections; and a server's clients.

use super::port::write_text;
use super::result::midisock_result;
use super::{code, control_port, midisock_port, usable};
use crate::realtime::notifications::Notification;
use crate::sys::code::Code;
use std::ffi::c_char;

/// kind: the port's own link was made.
pub const MIDISOCK_CONNECTED: i32 = 1;
/// kind: an attempt to connect (or to bind, where listen_retry_ms is set) failed; once per change of reason while
/// attempts go on.
pub const MIDISOCK_CONNECT_FAILED: i32 = 2;
/// kind: the port's own link ended; reason MIDISOCK_OK for an orderly end.
pub const MIDISOCK_DISCONNECTED: i32 = 3;
/// kind: a client of this server joined.
pub const MIDISOCK_CLIENT_JOINED: i32 = 4;
/// kind: a client of this server left; reason MIDISOCK_OK for an orderly end.
pub const MIDISOCK_CLIENT_LEFT: i32 = 5;
/// kind: a peer is congested, or the in queue is full when `client` is 0 on a server: messages are dropped.
pub const MIDISOCK_CONGESTED: i32 = 6;
/// kind: the end of MIDISOCK_CONGESTED.
pub const MIDISOCK_RECOVERED: i32 = 7;
/// The system refuses the realtime priority that this port's config asks for: reason and os_error say why. The port
/// works all the same.
pub const MIDISOCK_PRIORITY_REFUSED: i32 = 8;

/// Something that happened to a port's connections. Frozen: it will not grow.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_notification {
    /// When, in the time of midisock_now_ns.
    pub time_ns: u64,
    /// MIDISOCK_CONNECTED, _CONNECT_FAILED, _DISCONNECTED, _CLIENT_JOINED, _CLIENT_LEFT, _CONGESTED, _RECOVERED,
    /// _PRIORITY_REFUSED. Let pass what you do not know.
    pub kind: i32,
    /// Why; MIDISOCK_OK where there is no error.
    pub reason: midisock_result,
    /// The client it is about; 0 for the port itself.
    pub client: u32,
    /// The system's error number behind the reason, or 0.
    pub os_error: i32,
    /// The peer's address, "192.168.1.7:5000" or "[::1]:5000", as midisock_parse_address takes it; empty where there is none.
    pub address: [c_char; 64],
    /// Zero.
    pub reserved: [u32; 2],
}

impl midisock_notification {
    fn of(notification: &Notification) -> Self {
        let mut address = [0; 64];
        if let Some(peer) = notification.address {
            let text = crate::net::address::text(peer);
            for (to, from) in address.iter_mut().take(63).zip(text.bytes()) {
                *to = from as c_char;
            }
        }
        Self {
            time_ns: notification.time_ns,
            kind: notification.kind as i32,
            reason: notification.reason as i32,
            client: notification.client,
            os_error: notification.os_error,
            address,
            reserved: [0; 2],
        }
    }
}

/// Takes the next notification. Their queue is bounded; joins and leaves stay paired when some had to be left out.
///
/// Any thread, control. MIDISOCK_EMPTY when there is none, also after the port was shut down. Errors:
/// INVALID_ARGUMENT, INTERNAL.
///
/// # Safety
/// `port` is a live port, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_poll_notification(
    port: *mut midisock_port,
    out: *mut midisock_notification,
) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| match port.poll_notification() {
            Some(notification) => {
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                out.write(midisock_notification::of(&notification));
                Code::Ok
            }
            None => Code::Empty,
        })
    }
}

/// The address of a client of a merged server, as a notification has it, with its NUL; 64 bytes always suffice.
///
/// Any thread, control. Errors: INVALID_ARGUMENT (NULL, or `capacity` too small), NO_SUCH_CLIENT, WRONG_ROLE,
/// INTERNAL.
///
/// # Safety
/// `server` is a live port, `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_client_address(
    server: *mut midisock_port,
    client: u32,
    buffer: *mut c_char,
    capacity: usize,
) -> midisock_result {
    if buffer.is_null() {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `server` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(server, |server| match server.client_address(client) {
            // SAFETY: room for `capacity` bytes, by this function's contract.
            Ok(address) => match write_text(&crate::net::address::text(address), buffer, capacity) {
                true => Code::Ok,
                false => Code::InvalidArgument,
            },
            Err(code) => code,
        })
    }
}

/// Ends a client's connection in good order: what waits for it is written first, within linger_ms. When it returns,
/// the client is no longer one of the server's; MIDISOCK_CLIENT_LEFT follows.
///
/// Any thread, control. Errors: INVALID_ARGUMENT, NO_SUCH_CLIENT, WRONG_ROLE, CLOSED, INTERNAL.
///
/// # Safety
/// `server` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_disconnect(server: *mut midisock_port, client: u32) -> midisock_result {
    // SAFETY: `server` is NULL or a live port, by this function's contract.
    unsafe { control_port(server, |server| code(server.disconnect(client))) }
}
