//! `midisock_result`: what every call returns.

use crate::sys::code::Code;
use std::ffi::c_char;

/// The outcome of a call: 0 is success, above 0 no error but nothing done, below 0 an error.
pub type midisock_result = i32;

/// Success.
pub const MIDISOCK_OK: midisock_result = 0;
/// Nothing to take now.
pub const MIDISOCK_EMPTY: midisock_result = 1;
/// No peer now: the message was not queued; a repairing port remembers its channel state.
pub const MIDISOCK_OFFLINE: midisock_result = 2;
/// NULL or unaligned where not allowed, a bad size, a value out of range or not finite.
pub const MIDISOCK_ERR_INVALID_ARGUMENT: midisock_result = -1;
/// The bytes are not exactly one whole MIDI 1.0 message with its status byte.
pub const MIDISOCK_ERR_INVALID_MESSAGE: midisock_result = -2;
/// The message is longer than the port's max_message_bytes.
pub const MIDISOCK_ERR_TOO_LARGE: midisock_result = -3;
/// No room in the queue: nothing of the message was queued (see midisock_config.overflow).
pub const MIDISOCK_ERR_FULL: midisock_result = -4;
/// The port was shut down, or its peer has gone and it will not reconnect.
pub const MIDISOCK_ERR_CLOSED: midisock_result = -5;
/// The time given has passed.
pub const MIDISOCK_ERR_TIMEOUT: midisock_result = -6;
/// Two threads use the same side of a port at once (noticed by debug builds of the library only).
pub const MIDISOCK_ERR_BUSY: midisock_result = -7;
/// A server's call on a client's port, or the other way round.
pub const MIDISOCK_ERR_WRONG_ROLE: midisock_result = -8;
/// No client of this server has that id (any more).
pub const MIDISOCK_ERR_NO_SUCH_CLIENT: midisock_result = -9;
/// The host or port cannot be parsed, or does not resolve.
pub const MIDISOCK_ERR_ADDRESS: midisock_result = -10;
/// Another socket listens on this address.
pub const MIDISOCK_ERR_ADDRESS_IN_USE: midisock_result = -11;
/// The system or a sandbox forbids it.
pub const MIDISOCK_ERR_PERMISSION: midisock_result = -12;
/// Nothing listens at the peer's address.
pub const MIDISOCK_ERR_REFUSED: midisock_result = -13;
/// There is no way to the peer's address, or the local address does not exist.
pub const MIDISOCK_ERR_UNREACHABLE: midisock_result = -14;
/// Any other system error; a notification's os_error tells its number.
pub const MIDISOCK_ERR_IO: midisock_result = -15;
/// Memory, descriptors or threads ran out.
pub const MIDISOCK_ERR_NO_RESOURCES: midisock_result = -16;
/// A defect of the library, contained.
pub const MIDISOCK_ERR_INTERNAL: midisock_result = -17;

/// The text for a result, in English and lower case, without a full stop.
///
/// Any thread, realtime. Never NULL; the text is static and is never freed. A number that is no
/// result gives a text that says so.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
#[unsafe(no_mangle)]
pub extern "C" fn midisock_strerror(result: midisock_result) -> *const c_char {
    Code::text(result).as_ptr()
}
