//! `midisock_result`: what every call returns.

use crate::sys::code::Code;
use std::ffi::c_char;

/// The result of a call. 0 is success. Above 0 the call did nothing, which is not an error. Below 0 is an error.
pub type midisock_result = i32;

/// @name Values of midisock_result
///
/// Success.
pub const MIDISOCK_OK: midisock_result = 0;
/// Nothing waits to be taken.
pub const MIDISOCK_EMPTY: midisock_result = 1;
/// No peer is connected. midisock_push says what becomes of the message.
pub const MIDISOCK_OFFLINE: midisock_result = 2;
/// A pointer is NULL or misaligned, a size is wrong, or a value is out of range or not finite.
pub const MIDISOCK_ERR_INVALID_ARGUMENT: midisock_result = -1;
/// The bytes are not exactly one whole MIDI 1.0 message with its status byte.
pub const MIDISOCK_ERR_INVALID_MESSAGE: midisock_result = -2;
/// The message is longer than the port's max_message_bytes.
pub const MIDISOCK_ERR_TOO_LARGE: midisock_result = -3;
/// The queue has no room. No part of the message was queued. See midisock_config.overflow.
pub const MIDISOCK_ERR_FULL: midisock_result = -4;
/// The port was shut down, or its peer has gone and the port does not connect again.
pub const MIDISOCK_ERR_CLOSED: midisock_result = -5;
/// The time limit has passed.
pub const MIDISOCK_ERR_TIMEOUT: midisock_result = -6;
/// Another thread is in a call that excludes this one, or a context has open ports. That two threads use the same side
/// of a port at once is noticed by debug builds of the library only.
pub const MIDISOCK_ERR_BUSY: midisock_result = -7;
/// This kind of port does not have this function.
pub const MIDISOCK_ERR_WRONG_ROLE: midisock_result = -8;
/// No client with this id is connected to the server.
pub const MIDISOCK_ERR_NO_SUCH_CLIENT: midisock_result = -9;
/// An address or host name cannot be parsed or resolved, or lacks its interface.
pub const MIDISOCK_ERR_ADDRESS: midisock_result = -10;
/// Another socket listens on this address. Only servers of one context can share it, if all of them set
/// midisock_config.share: not those of another context, another copy of the library or another program.
pub const MIDISOCK_ERR_ADDRESS_IN_USE: midisock_result = -11;
/// The system or a sandbox forbids it.
pub const MIDISOCK_ERR_PERMISSION: midisock_result = -12;
/// Nothing listens on the peer's address.
pub const MIDISOCK_ERR_REFUSED: midisock_result = -13;
/// There is no route to the peer's address, or the local address does not exist.
pub const MIDISOCK_ERR_UNREACHABLE: midisock_result = -14;
/// Any other system error. The notification's os_error has its number.
pub const MIDISOCK_ERR_IO: midisock_result = -15;
/// Memory, descriptors or threads ran out.
pub const MIDISOCK_ERR_NO_RESOURCES: midisock_result = -16;
/// A defect of the library, which was contained.
pub const MIDISOCK_ERR_INTERNAL: midisock_result = -17;
/// The function is not available on this system, on this kind of port, or in this build of the library.
pub const MIDISOCK_ERR_UNSUPPORTED: midisock_result = -18;

/// Describes a result in English, in lower case and without a full stop.
///
/// Threads: any.
/// Returns: the text. It is static and is never NULL. A number that is not a result yields a text that says so.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_strerror(result: midisock_result) -> *const c_char {
    Code::text(result).as_ptr()
}
