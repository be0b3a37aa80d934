//! Waiting.

use super::result::midisock_result;
use super::{code, control_port, midisock_port, timeout};
use crate::port::wait::{self, What};
use crate::sys::code::Code;

/// what: midisock_pop has something.
pub const MIDISOCK_WAIT_MESSAGE: u32 = 1;
/// what: half the out queue is free (after MIDISOCK_ERR_FULL).
pub const MIDISOCK_WAIT_ROOM: u32 = 2;
/// what: midisock_poll_notification has something.
pub const MIDISOCK_WAIT_NOTIFICATION: u32 = 4;
/// what: midisock_accept has a client.
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

/// Waits for any of `events` (MIDISOCK_WAIT_*). A closed port ends every wait: MIDISOCK_OK while midisock_pop still
/// has something, then MIDISOCK_ERR_CLOSED.
///
/// `timeout_ms`: 0 looks once, -1 waits for ever.
///
/// Any thread, control. Errors: INVALID_ARGUMENT, WRONG_ROLE (none of these can ever happen on such a port), TIMEOUT,
/// CLOSED, INTERNAL.
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

/// Waits for any of `events` on any of `count` ports; `index` gets which of them it was, also with
/// MIDISOCK_ERR_CLOSED. `index` may be NULL.
///
/// `timeout_ms`: 0 looks once, -1 waits for ever.
///
/// Any thread, control. Errors: as midisock_wait; INVALID_ARGUMENT also for count 0 or above 65536.
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
        let call = || wait::for_any(&ports, what(events)?, timeout(timeout_ms)?);
        let (code, which) = match call() {
            Ok(which) => (Code::Ok, Some(which)),
            Err(Code::Closed) => (Code::Closed, wait::first_closed(&ports)),
            Err(code) => (code, None),
        };
        if let Some(which) = which
            && !index.is_null()
        {
            // SAFETY: not NULL and aligned, and writable by this function's contract.
            unsafe { index.write(which) };
        }
        code
    }) as i32
}

/// Waits until the port is connected: at once where it is.
///
/// `timeout_ms`: 0 looks once, -1 waits for ever.
///
/// Any thread, control. Out of time: the reason of the last failed attempt (ADDRESS, REFUSED, UNREACHABLE,
/// PERMISSION, IO, NO_RESOURCES, TIMEOUT), or TIMEOUT; a port that will not try again gives its reason at once.
/// Other errors: INVALID_ARGUMENT, CLOSED, WRONG_ROLE (a server), INTERNAL.
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

/// Wakes the network thread and waits until all that is due has been handed to the system. What is scheduled ahead is
/// not waited for, nor is a congested peer of a repairing port.
///
/// `timeout_ms`: 0 looks once, -1 waits for ever.
///
/// Any thread, control. MIDISOCK_OFFLINE when some of it was lost with the connection and no peer was left. Errors:
/// INVALID_ARGUMENT, TIMEOUT, CLOSED, WRONG_ROLE (a manual server), INTERNAL.
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
