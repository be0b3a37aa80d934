//! Changing a live port. No connection is dropped for it, except those that are not allowed any more.

use super::config::MIDISOCK_LATENCY_AUTO;
use super::result::midisock_result;
use super::{code, control_port, midisock_port};
use crate::midi::channels::Channels;
use crate::session::allow::Allow;
use crate::session::name::Name;
use crate::sys::code::Code;
use std::ffi::{CStr, c_char};

/// Changes who may connect to a server. `allow` is as in midisock_config.allow; NULL allows any address.
///
/// Clients that are connected and no longer allowed are disconnected in good order. Messages that are due for them are
/// written first, within linger_ms. They receive releases of what the server left on, and midisock_pop returns releases
/// of what they held, each unless the config turns it off. MIDISOCK_NOTIFY_CLIENT_LEFT follows for each, with the reason
/// MIDISOCK_ERR_PERMISSION. On a manual server this includes the ports that it accepted, which get
/// MIDISOCK_NOTIFY_DISCONNECTED with that reason, and clients that wait for midisock_accept. A client that has sent
/// nothing and is not announced yet is closed without a notification and counts in midisock_stats.rejected.
///
/// When the call returns, the clients that are no longer allowed no longer belong to the server, and newcomers are
/// checked against the new list. A server that waits for its address (MIDISOCK_STATE_BINDING) keeps the list for later.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the list has taken effect.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `server` is NULL, or listens on a Unix socket and `allow` is not NULL.
/// - MIDISOCK_ERR_WRONG_ROLE: the port is not a server.
/// - MIDISOCK_ERR_CLOSED: the server is closed.
/// - MIDISOCK_ERR_ADDRESS: `allow` cannot be parsed. Nothing has changed.
///
/// # Safety
/// `server` is a live port, `allow` NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_set_allow(server: *mut midisock_port, allow: *const c_char) -> midisock_result {
    // SAFETY: `server` is NULL or a live port, `allow` NULL or NUL-terminated, by this function's contract.
    unsafe { control_port(server, |server| code(server.set_allow(|| allow_of(allow)))) }
}

/// Changes the name of a port, which is for the people at the other end. `name` is up to 63 bytes of UTF-8 without
/// control characters. NULL and "" mean no name.
///
/// Peers with which sender time is in use are told, and a server with midisock_config.advertise is found under the new
/// name. One change a second counts. Ports that a manual server accepts
/// later begin with the server's name.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the name has changed.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or `name` is too long, is not UTF-8 or has a control character.
///   Nothing has changed.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
///
/// # Safety
/// `port` is a live port, `name` NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_set_name(port: *mut midisock_port, name: *const c_char) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, `name` NULL or NUL-terminated, by this function's contract.
    unsafe { control_port(port, |port| code(name_of(name).and_then(|name| port.set_name(name)))) }
}

/// Changes midisock_config.latency_ns and push_latency_ns. MIDISOCK_LATENCY_AUTO is a value of both.
///
/// Both take effect at the next midisock_begin_block. Messages that are scheduled keep their times, and
/// midisock_push_frame never schedules a message before those of earlier blocks: after a shorter push_latency_ns the
/// next messages are sent as soon as those have been. Ports that a manual server accepts later begin with the
/// server's latencies.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the latencies are stored.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_set_latency(
    port: *mut midisock_port,
    latency_ns: u64,
    push_latency_ns: u64,
) -> midisock_result {
    let latency = |ns: u64| Some(ns).filter(|ns| *ns != MIDISOCK_LATENCY_AUTO);
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| {
            port.set_latency(latency(latency_ns), latency(push_latency_ns))
        })
    }
}

/// Changes midisock_config.channels.
///
/// Unsent messages of the channels that are removed are dropped, scheduled ones included, and count in
/// midisock_stats.dropped_out. The peer then receives releases of what it holds on those channels, as when the port
/// closes, whatever release_on_close says. From those channels midisock_pop returns only the releases of what they
/// hold, with MIDISOCK_FLAG_SYNTHETIC; all other messages count in midisock_stats.filtered.
///
/// For channels that are added, midisock_pop returns the present state of the peer's channels, as after midisock_skip:
/// controllers, programs and bends, but no notes. The port sends the peer nothing again.
///
/// A push that begins after the call has returned uses the new channels. The rest takes effect at the network thread's
/// next turn, which the call causes, or on a pair with the other port's next pop. Ports that a manual server accepts
/// later begin with the server's channels; those that it accepted before keep theirs.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: the channels have changed.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: `port` is NULL, or a bit beyond MIDISOCK_ALL_CHANNELS is set.
/// - MIDISOCK_ERR_CLOSED: the port is closed.
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_set_channels(port: *mut midisock_port, channels: u32) -> midisock_result {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        control_port(port, |port| match Channels::of(channels) {
            Some(channels) => port.set_channels(channels),
            None => Code::InvalidArgument,
        })
    }
}

/// The addresses that may connect; None: any.
///
/// # Safety
/// `allow` is NULL or NUL-terminated.
pub(super) unsafe fn allow_of(allow: *const c_char) -> Result<Option<Allow>, Code> {
    if allow.is_null() {
        return Ok(None);
    }
    // SAFETY: NUL-terminated by this function's contract.
    let text = unsafe { CStr::from_ptr(allow) };
    text.to_str().map_err(|_| Code::Address)?.parse().map(Some)
}

/// A name; NULL is none.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
pub(super) unsafe fn name_of(name: *const c_char) -> Result<Name, Code> {
    if name.is_null() {
        return Ok(Name::default());
    }
    // SAFETY: NUL-terminated by this function's contract.
    let text = unsafe { CStr::from_ptr(name) };
    text.to_str().map_err(|_| Code::InvalidArgument)?.parse()
}
