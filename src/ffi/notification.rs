//! `midisock_notification`: what happened to connections; and a server's clients.

use super::port::write_text;
use super::result::midisock_result;
use super::{code, control_port, midisock_port, usable};
use crate::port::Port;
use crate::realtime::notifications::Notification;
use crate::sys::code::Code;
use std::ffi::c_char;

/// @name Kinds of notifications
///
/// A port that midisock_connect or midisock_adopt made has a connection.
pub const MIDISOCK_NOTIFY_CONNECTED: i32 = 1;
/// An attempt to connect failed, or to bind with listen_retry_ms. While attempts go on, it is reported once per change
/// of reason.
pub const MIDISOCK_NOTIFY_CONNECT_FAILED: i32 = 2;
/// The connection of the port ended, or a server gave up binding. The reason is MIDISOCK_OK if the peer closed the
/// connection in good order.
pub const MIDISOCK_NOTIFY_DISCONNECTED: i32 = 3;
/// A client of this server joined.
pub const MIDISOCK_NOTIFY_CLIENT_JOINED: i32 = 4;
/// A client of this server left. The reason is MIDISOCK_OK if the connection was closed in good order.
pub const MIDISOCK_NOTIFY_CLIENT_LEFT: i32 = 5;
/// Messages are being dropped: a peer does not read fast enough, or, if `client` is 0 and `address` is empty, the in
/// queue is full.
pub const MIDISOCK_NOTIFY_CONGESTED: i32 = 6;
/// The end of MIDISOCK_NOTIFY_CONGESTED, with the same client and address.
pub const MIDISOCK_NOTIFY_RECOVERED: i32 = 7;
/// The system refuses the realtime priority that this port requests. reason and os_error say why. The port works all
/// the same.
pub const MIDISOCK_NOTIFY_PRIORITY_REFUSED: i32 = 8;

/// A peer with which sender time is in use told its name, or another one. See midisock_client_name and
/// midisock_peer_name. At most one waits for each client.
pub const MIDISOCK_NOTIFY_CLIENT_NAMED: i32 = 9;
/// The clock of a peer is known: its messages have its times from now on. See midisock_config.timing.
pub const MIDISOCK_NOTIFY_CLOCK_LOCKED: i32 = 10;
/// The clock of a peer is not known any more: it jumped, as when a machine slept, or the peer does not answer.
/// Messages have the times of their arrival until the clock is known again.
pub const MIDISOCK_NOTIFY_CLOCK_LOST: i32 = 11;

/// An event in the life of a port's connections. Frozen: it will not grow.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_notification {
    /// When it happened. See midisock_now_ns.
    pub time_ns: u64,
    /// MIDISOCK_NOTIFY_CONNECTED, _CONNECT_FAILED, _DISCONNECTED, _CLIENT_JOINED, _CLIENT_LEFT, _CONGESTED, _RECOVERED,
    /// _PRIORITY_REFUSED, _CLIENT_NAMED, _CLOCK_LOCKED or _CLOCK_LOST. Ignore kinds that you do not know.
    pub kind: i32,
    /// Why it happened. MIDISOCK_OK if there is no error.
    pub reason: midisock_result,
    /// The id of the client that it is about. 0: the port itself.
    pub client: u32,
    /// The system's error number behind the reason, or 0.
    pub os_error: i32,
    /// The peer's address, such as "192.168.1.7:5000", "[::1]:5000" or "unix:/run/midi.sock", as midisock_parse_address
    /// accepts it. "unix:" is a Unix socket without a path, such as a client's, or with one that does not fit. Empty if
    /// there is no address.
    pub address: [c_char; 64],
    /// Zero.
    pub reserved: [u32; 2],
}

impl midisock_notification {
    fn of(notification: &Notification) -> Self {
        let mut address = [0; 64];
        if let Some(peer) = notification.address {
            let text = peer.text();
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

/// Takes the next notification.
///
/// The queue of notifications is bounded. If some had to be left out, joins and leaves still come in pairs.
/// Notifications can be taken from a closed port as well.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is the notification.
/// - MIDISOCK_EMPTY: no notification waits.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL.
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

/// Returns the address of a client of a merged server, as notifications have it.
///
/// `buffer` receives the text and a NUL. A capacity of 64 is always enough.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `buffer` has the address.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
/// - MIDISOCK_ERR_NO_SUCH_CLIENT: no client with this id is connected.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server.
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
    let address = |server: &Port| server.client_address(client).map(|address| address.text());
    // SAFETY: by this function's contract.
    unsafe { get_text(server, buffer, capacity, address) }
}

/// Returns the address of the peer of a connected, accepted or adopted port, as notifications have it.
///
/// `buffer` receives the text and a NUL. A capacity of 64 is always enough. Without a peer now, the text is empty.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `buffer` has the address, or an empty text.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a server, or one of a pair.
///
/// # Safety
/// `port` is a live port, `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_peer_address(
    port: *mut midisock_port,
    buffer: *mut c_char,
    capacity: usize,
) -> midisock_result {
    // SAFETY: by this function's contract.
    unsafe { get_text(port, buffer, capacity, |port| port.peer_address()) }
}

/// Returns the name that a client of a merged server told.
///
/// Clients with which sender time is in use tell their names. See midisock_config.timing and midisock_config.name. A
/// name is valid UTF-8: what is not, and control and bidirectional characters, are U+FFFD.
///
/// `buffer` receives the text and a NUL. A capacity of 64 is always enough.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `buffer` has the name. It is empty if the client told none.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
/// - MIDISOCK_ERR_NO_SUCH_CLIENT: no client with this id is connected.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server.
///
/// # Safety
/// `server` is a live port, `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_client_name(
    server: *mut midisock_port,
    client: u32,
    buffer: *mut c_char,
    capacity: usize,
) -> midisock_result {
    // SAFETY: by this function's contract.
    unsafe { get_text(server, buffer, capacity, |server| server.client_name(client)) }
}

/// Returns the name that the peer of a connected, accepted or adopted port told. See midisock_client_name.
///
/// `buffer` receives the text and a NUL. A capacity of 64 is always enough. Without a peer now, the text is empty.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `buffer` has the name. It is empty if the peer told none.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `capacity` is too small.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a server, or one of a pair.
///
/// # Safety
/// `port` is a live port, `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_peer_name(
    port: *mut midisock_port,
    buffer: *mut c_char,
    capacity: usize,
) -> midisock_result {
    // SAFETY: by this function's contract.
    unsafe { get_text(port, buffer, capacity, |port| port.peer_name()) }
}

/// Writes a text of a port and a NUL.
///
/// # Safety
/// `port` is NULL or a live port, `buffer` NULL or with room for `capacity` bytes.
unsafe fn get_text(
    port: *mut midisock_port,
    buffer: *mut c_char,
    capacity: usize,
    text: impl FnOnce(&Port) -> Result<String, Code>,
) -> midisock_result {
    if buffer.is_null() {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| match text(port) {
            // SAFETY: room for `capacity` bytes, by this function's contract.
            Ok(text) => match write_text(&text, buffer, capacity) {
                true => Code::Ok,
                false => Code::InvalidArgument,
            },
            Err(code) => code,
        })
    }
}

/// Returns the ids of the clients of a merged server, in the order in which they connected.
///
/// `count` receives the number of clients, even if it is above `capacity`. The call writes at most `capacity` ids to
/// `ids`, which may be NULL if only the number is wanted. They are the clients that midisock_client_count counts: they
/// include those that connected a moment ago, even before MIDISOCK_NOTIFY_CLIENT_JOINED. A client that connects or
/// leaves during the call may be left out.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `ids` and `count` are written. After midisock_shutdown the clients leave, and soon there are none.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `server` or `count` is NULL.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server. Each client of a manual server is a port of its own.
///
/// # Safety
/// `server` is a live port, `ids` NULL or with room for `capacity` ids, `count` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_clients(
    server: *mut midisock_port,
    ids: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> midisock_result {
    if !usable(count) || !ids.is_aligned() {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `server` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(server, |server| match server.clients() {
            Ok(clients) => {
                let most = if ids.is_null() { 0 } else { capacity };
                for (index, id) in clients.iter().take(most).enumerate() {
                    // SAFETY: aligned, and below `capacity`, for which there is room by this function's contract.
                    ids.add(index).write(*id);
                }
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                count.write(clients.len());
                Code::Ok
            }
            Err(code) => code,
        })
    }
}

/// Disconnects a client of a merged server in good order. Messages that are due for it are written first, within
/// linger_ms.
///
/// When the call returns, the client no longer belongs to the server. MIDISOCK_NOTIFY_CLIENT_LEFT follows.
/// midisock_close on an accepted port does the same for a client of a manual server.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the client no longer belongs to the server.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `server` is NULL.
/// - MIDISOCK_ERR_NO_SUCH_CLIENT: no client with this id is connected.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is not a merged server.
/// - MIDISOCK_ERR_CLOSED: the server is closed.
///
/// # Safety
/// `server` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_disconnect(server: *mut midisock_port, client: u32) -> midisock_result {
    // SAFETY: `server` is NULL or a live port, by this function's contract.
    unsafe { control_port(server, |server| code(server.disconnect(client))) }
}
