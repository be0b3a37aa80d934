//! State and counters of a port.

use super::result::midisock_result;
use super::{midisock_port, sized, usable, with_port, with_port_or};
use crate::sys::code::Code;

/// A server whose address is in use and which keeps trying (midisock_config.listen_retry_ms).
pub const MIDISOCK_STATE_BINDING: i32 = 1;
/// A server that takes clients.
pub const MIDISOCK_STATE_LISTENING: i32 = 2;
/// A client without a connection, which it tries to make.
pub const MIDISOCK_STATE_CONNECTING: i32 = 3;
/// A client, accepted or pair port with its peer.
pub const MIDISOCK_STATE_CONNECTED: i32 = 4;
/// Shut down, or the peer has gone and the port will not connect again.
pub const MIDISOCK_STATE_CLOSED: i32 = 5;

/// What the port is doing: one of MIDISOCK_STATE_*, never 0 (0 for a NULL port).
///
/// Any thread, realtime.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_state(port: *const midisock_port) -> i32 {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe { with_port_or(port, 0, MIDISOCK_STATE_CLOSED, |port| port.state()) }
}

/// How many clients are connected to a server now; 0 for other ports.
///
/// A new client counts at once. Until it has sent a MIDI status byte it may be a browser: messages pushed to it wait, and
/// MIDISOCK_CLIENT_JOINED follows, when it sends one, but no later than 10 ms after it connected on loopback, or 50 ms
/// elsewhere. No message is lost by that.
///
/// Any thread, realtime.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_client_count(port: *const midisock_port) -> u32 {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe { with_port_or(port, 0, 0, |port| port.client_count()) }
}

/// The TCP port a server is bound to, or a connected port's own; 0 where there is none.
///
/// Any thread, realtime.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_local_port(port: *const midisock_port) -> u16 {
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe { with_port_or(port, 0, 0, |port| port.local_port()) }
}

/// Counters since the port was made; each is consistent by itself.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct midisock_stats {
    /// Whole messages received, those dropped included.
    pub messages_in: u64,
    /// Messages written to peers: one for two clients counts twice.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// REPAIR: received messages for which the in queue had no room.
    pub dropped_in: u64,
    /// Messages not sent: refused by push on a repairing port, pushed without a peer, cancelled, or lost because a peer
    /// was congested or gone.
    pub dropped_out: u64,
    /// Dropped messages that channel state cannot bring back: SysEx, realtime, note ons.
    pub unrepaired: u64,
    /// Bytes from peers that belong to no message; one or two data bytes at the beginning of a connection too.
    pub invalid_bytes: u64,
    /// Received SysEx longer than max_message_bytes.
    pub oversize_in: u64,
    /// Messages made by the library: releases and repairs.
    pub synthesized: u64,
    /// Connections made or taken.
    pub connections: u64,
    /// Connections that ended.
    pub disconnections: u64,
    /// Connections turned away by allow, by max_clients, or because they began with three or more data bytes, as HTTP,
    /// TLS, STUN and SSH do. In no other count.
    pub rejected: u64,
    /// What midisock_pop_block adds to arrival times now, in ns.
    pub latency_ns: u64,
    /// How often the library's network thread has woken. It serves all ports of the process. 0 on a pair, as what follows.
    pub network_wakes: u64,
    /// How much later than it had meant to the network thread wakes, in ns: a mean over the last 64 times or so.
    pub network_late_ns: u64,
    /// The same, at most.
    pub network_late_max_ns: u64,
    /// The realtime priority with which the network thread runs; 0: an ordinary thread. See midisock_config.
    pub network_priority: u64,
}

/// Reads the counters. `size` is sizeof(midisock_stats) of the caller; nothing beyond it is written.
///
/// Any thread, realtime. Errors: INVALID_ARGUMENT (also for a size below 8 or above 4096), INTERNAL.
///
/// cbindgen:postfix=MIDISOCK_REALTIME
///
/// # Safety
/// `port` is a live port, `stats` points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_get_stats(
    port: *const midisock_port,
    stats: *mut midisock_stats,
    size: usize,
) -> midisock_result {
    if !usable(stats) || !(8..=sized::LIMIT).contains(&size) {
        return Code::InvalidArgument as i32;
    }
    // SAFETY: `port` is NULL or a live port, by this function's contract.
    unsafe {
        with_port(port, |port| {
            let s = port.stats();
            let known = midisock_stats {
                messages_in: s.messages_in,
                messages_out: s.messages_out,
                bytes_in: s.bytes_in,
                bytes_out: s.bytes_out,
                dropped_in: s.dropped_in,
                dropped_out: s.dropped_out,
                unrepaired: s.unrepaired,
                invalid_bytes: s.invalid_bytes,
                oversize_in: s.oversize_in,
                synthesized: s.synthesized,
                connections: s.connections,
                disconnections: s.disconnections,
                rejected: s.rejected,
                latency_ns: s.latency_ns,
                network_wakes: s.network_wakes,
                network_late_ns: s.network_late_ns,
                network_late_max_ns: s.network_late_max_ns,
                network_priority: s.network_priority,
            };
            // SAFETY: `stats` points to `size` writable bytes, by this function's contract.
            sized::write_prefix(&known, stats, size);
            Code::Ok
        })
    }
}
