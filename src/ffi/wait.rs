//! Waiting.

use super::result::midisock_result;
use super::{code, control_port, midisock_port, timeout, usable};
use crate::port::wait::{self, What};
use crate::realtime::wait_handle::What as Handle;
use crate::sys::code::Code;

/// @name What to wait for
///
/// midisock_pop has a message.
pub const MIDISOCK_WAIT_MESSAGE: u32 = 1;
/// After MIDISOCK_ERR_FULL: half of the out queue and of the schedule is free, and nothing refused is still to be sent.
pub const MIDISOCK_WAIT_ROOM: u32 = 2;
/// midisock_poll_notification has a notification.
pub const MIDISOCK_WAIT_NOTIFICATION: u32 = 4;
/// midisock_accept has a client.
pub const MIDISOCK_WAIT_CLIENT: u32 = 8;

fn what(bits: u32) -> Result<What, Code> {
    let known = MIDISOCK_WAIT_MESSAGE | MIDISOCK_WAIT_ROOM | MIDISOCK_WAIT_NOTIFICATION | MIDISOCK_WAIT_CLIENT;
    if bits == 0 || bits & !known != 0 {
        return Err(Code::InvalidArgument);
    }
    Ok(What {
        message: bits & MIDISOCK_WAIT_MESSAGE != 0,
        room: bits & MIDISOCK_WAIT_ROOM != 0,
        notification: bits & MIDISOCK_WAIT_NOTIFICATION != 0,
        client: bits & MIDISOCK_WAIT_CLIENT != 0,
    })
}

/// Waits for any of `events`, a combination of MIDISOCK_WAIT_*.
///
/// A closed port ends every wait: with MIDISOCK_OK while midisock_pop still has a message, then with
/// MIDISOCK_ERR_CLOSED.
///
/// `timeout_ms` is the time limit: 0 checks once, -1 waits without limit.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: one of the events has come.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, `events` is 0 or has unknown bits, or `timeout_ms` is below -1.
/// - MIDISOCK_ERR_WRONG_ROLE: none of the events can ever happen on this kind of port.
/// - MIDISOCK_ERR_TIMEOUT: none of the events came in time.
/// - MIDISOCK_ERR_CLOSED: the port is closed, and no message will come.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_wait(port: *mut midisock_port, events: u32, timeout_ms: i32) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| {
            let call = || wait::for_any(&[port], what(events)?, timeout(timeout_ms)?);
            call().err().unwrap_or(Code::Ok)
        })
    }
}

/// Waits for any of `events` on any of `count` ports.
///
/// A closed port ends the wait as in midisock_wait, unless another port is ready. `index`, which may be NULL, receives
/// the index of the port that is ready or closed.
///
/// `timeout_ms` is the time limit: 0 checks once, -1 waits without limit.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: one of the events has come on the port at `index`.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `ports` or one of them is NULL, `count` is 0 or above 65536, `events` is 0 or has
///   unknown bits, `timeout_ms` is below -1, or one port has a context with MIDISOCK_CONTEXT_HOST and another port does
///   not have the same one.
/// - MIDISOCK_ERR_WRONG_ROLE: none of the events can ever happen on any of the ports.
/// - MIDISOCK_ERR_TIMEOUT: none of the events came in time.
/// - MIDISOCK_ERR_CLOSED: the port at `index` is closed, and none of its messages is left. `index` is written.
///
/// # Safety
/// `ports` points to `count` live ports, `index` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_wait_any(
    ports: *const *mut midisock_port,
    count: usize,
    events: u32,
    timeout_ms: i32,
    index: *mut usize,
) -> midisock_result {
    if ports.is_null() || !ports.is_aligned() || count == 0 || count > 65536 || !index.is_aligned() {
        return Code::InvalidArgument as i32;
    }
    super::control(Code::Internal, || {
        // SAFETY: `ports` points to `count` handles, by this function's contract.
        let handles = unsafe { std::slice::from_raw_parts(ports, count) };
        if handles.iter().any(|handle| handle.is_null() || !handle.is_aligned()) {
            return Code::InvalidArgument;
        }
        // SAFETY: not NULL and aligned, live by this function's contract, and only ever borrowed shared.
        let ports: Vec<_> = handles.iter().map(|handle| unsafe { &(**handle).port }).collect();
        let call = || {
            let (what, timeout) = (what(events)?, timeout(timeout_ms)?);
            let _call = wait::begin_call(&ports)?;
            wait::for_any(&ports, what, timeout)
        };
        let (code, which) = match call() {
            Ok(which) => (Code::Ok, Some(which)),
            Err(Code::Closed) => (Code::Closed, wait::first_closed(&ports)),
            Err(code) => (code, None),
        };
        if let Some(which) = which.filter(|_| !index.is_null()) {
            // SAFETY: not NULL and aligned, and writable by this function's contract.
            unsafe { index.write(which) };
        }
        code
    }) as i32
}

/// Returns a handle for the event loop of another library: a descriptor, on Windows an event object, that is readable
/// (signalled) while there is a message, a notification or a client. It fits poll, epoll, kqueue, GLib, Qt, libuv,
/// CLAP's posix-fd-support and JUCE.
///
/// `what` is one of MIDISOCK_WAIT_MESSAGE, MIDISOCK_WAIT_NOTIFICATION and MIDISOCK_WAIT_CLIENT. Each has its own
/// handle, and a second call returns the same one. midisock_close closes it; the caller never closes, reads or writes
/// it. Take it out of the event loop before midisock_close.
///
/// The handle is level-triggered: it stays readable until the reason is gone. For messages that is when midisock_pop,
/// midisock_pop_block or midisock_skip has found the queue empty, so take messages until MIDISOCK_EMPTY. While messages
/// wait for a later block, it stays readable. Once the port is closed, it stays readable for good. If two threads
/// change it at the same moment, it may be readable for a moment without a reason.
///
/// With the handle for messages, the first midisock_pop, midisock_pop_block or midisock_skip that finds the queue empty
/// makes one system call, which does not block; a second one if a message arrives at that very moment. Do not take one
/// for a port whose messages an audio thread pops. A port without a handle pays nothing.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `out` is the handle.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` or `out` is NULL, or `what` is not exactly one of the three.
/// - MIDISOCK_ERR_UNSUPPORTED: the port is one of a pair.
/// - MIDISOCK_ERR_WRONG_ROLE: MIDISOCK_WAIT_CLIENT on a port that is not a manual server, or MIDISOCK_WAIT_MESSAGE on a
///   manual server.
/// - MIDISOCK_ERR_NO_RESOURCES, _IO: the system gives none.
///
/// # Safety
/// `port` is a live port, `out` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_wait_handle(port: *mut midisock_port, what: u32, out: *mut isize) -> midisock_result {
    if !usable(out) {
        return Code::InvalidArgument as i32;
    }
    let handle = match what {
        MIDISOCK_WAIT_MESSAGE => Handle::Message,
        MIDISOCK_WAIT_NOTIFICATION => Handle::Notification,
        MIDISOCK_WAIT_CLIENT => Handle::Client,
        _ => return Code::InvalidArgument as i32,
    };
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| match port.wait_handle(handle) {
            Ok(handle) => {
                // SAFETY: checked above as far as can be, and writable by this function's contract.
                out.write(handle);
                Code::Ok
            }
            Err(code) => code,
        })
    }
}

/// Waits until a port is connected.
///
/// `timeout_ms` is the time limit: 0 checks once, -1 waits without limit.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the port is connected.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or `timeout_ms` is below -1.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a server.
/// - MIDISOCK_ERR_CLOSED: the port was shut down, or its peer has gone.
/// - MIDISOCK_ERR_TIMEOUT: the time limit passed, and no attempt has failed since the last connection, if any.
/// - MIDISOCK_ERR_ADDRESS, _REFUSED, _UNREACHABLE, _PERMISSION, _IO, _NO_RESOURCES, _TIMEOUT: why the last attempt
///   failed. It is returned when the time limit passes, or at once if the port does not try again.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_wait_connected(port: *mut midisock_port, timeout_ms: i32) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| {
            code(timeout(timeout_ms).and_then(|timeout| wait::connected(port, timeout)))
        })
    }
}

/// Waits until all messages that are due were handed to the system. It wakes the network thread.
///
/// It does not wait for messages that are scheduled for later, nor for congested peers of a repairing port. On a pair
/// it returns at once.
///
/// `timeout_ms` is the time limit: 0 returns what the network thread finds when it checks at once, -1 waits without
/// limit.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the messages were handed to the system. A server's messages for a client that has left do not count
///   while other clients are connected.
/// - MIDISOCK_OFFLINE: some of the messages were lost with their connection, and no peer is left.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or `timeout_ms` is below -1.
/// - MIDISOCK_ERR_TIMEOUT: the time limit has passed.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is a manual server.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_flush(port: *mut midisock_port, timeout_ms: i32) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| {
            code(timeout(timeout_ms).and_then(|timeout| wait::flushed(port, timeout)))
        })
    }
}
