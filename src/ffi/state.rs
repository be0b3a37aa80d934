//! State and counters of a port.

use super::result::midisock_result;
use super::{midisock_port, sized, usable, with_port, with_port_or};
use crate::port::Port;
use crate::sys::code::Code;
use std::sync::atomic::Ordering;

/// @name States of a port
///
/// A server whose address is in use, and that tries again. See midisock_config.listen_retry_ms.
pub const MIDISOCK_STATE_BINDING: i32 = 1;
/// A server that accepts clients.
pub const MIDISOCK_STATE_LISTENING: i32 = 2;
/// A connecting port without a connection, which tries to make one.
pub const MIDISOCK_STATE_CONNECTING: i32 = 3;
/// A connecting, accepted or adopted port, or one of a pair, that has its peer.
pub const MIDISOCK_STATE_CONNECTED: i32 = 4;
/// The port was shut down, or its peer has gone and the port does not connect again.
pub const MIDISOCK_STATE_CLOSED: i32 = 5;

/// Returns the state of a port.
///
/// Threads: any.
/// Returns: one of MIDISOCK_STATE_*. It is 0 if `port` is NULL.
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

/// Returns how many clients are connected to a server.
///
/// The number includes clients that were not announced yet, because they have sent nothing. See midisock_listen.
///
/// Threads: any.
/// Returns: the number. It is 0 if the port is not a server or NULL.
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

/// Returns the TCP port number that a server is bound to, or that a connected port uses. An accepted port has its
/// server's.
///
/// Threads: any.
/// Returns: the number. It is 0 if there is none, as on a pair or a Unix socket, and if `port` is NULL.
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

/// Counters since the port was made. Each is consistent by itself.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct midisock_stats {
    /// Whole messages received, dropped ones included.
    pub messages_in: u64,
    /// Messages written to peers. A message for two clients counts twice.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Received messages that could not be popped, because the in queue had no room.
    pub dropped_in: u64,
    /// Messages not sent: pushed while no peer was connected, dropped because a peer was congested or left, or dropped
    /// by midisock_cancel, midisock_panic or the end of the port. With REPAIR also messages that midisock_push refused
    /// with FULL.
    pub dropped_out: u64,
    /// Dropped messages that a difference in channel state does not restore, such as SysEx, clock and Note Ons.
    pub unrepaired: u64,
    /// Bytes from peers that belong to no message, among them one or two data bytes at the beginning of a
    /// connection.
    pub invalid_bytes: u64,
    /// Received SysEx longer than max_message_bytes.
    pub oversize_in: u64,
    /// Messages that the library made: releases and differences in channel state.
    pub synthesized: u64,
    /// Connections made or accepted.
    pub connections: u64,
    /// Connections that ended.
    pub disconnections: u64,
    /// Connections that the server rejected because of allow, max_clients or a lack of resources, or because they began
    /// with three or more data bytes, as HTTP, TLS and SSH do. Also those that left a manual server before
    /// midisock_accept, and whose ports gave way to newcomers. One that was already announced also counts in
    /// connections and disconnections.
    pub rejected: u64,
    /// What midisock_pop_block adds to arrival times and senders' times at present, in ns.
    pub latency_ns: u64,
    /// How often the network thread of the context woke. 0 on a pair, like the three fields below.
    pub network_wakes: u64,
    /// How much later than planned the network thread wakes, in ns: a mean over about 64 times.
    pub network_late_ns: u64,
    /// The longest such delay, in ns.
    pub network_late_max_ns: u64,
    /// The realtime priority of the network thread. 0: none. See midisock_config.realtime_priority.
    pub network_priority: u64,
    /// Messages of channels that are not in midisock_config.channels: pushed and not sent, or received and not given.
    pub filtered: u64,
    /// Messages that came with a sender's time. See MIDISOCK_FLAG_TIMED.
    pub timed_in: u64,
    /// Of those, messages that midisock_pop_block placed at the beginning of a block because they came too late for
    /// their place by the port's latency. A latency of 0 places nothing by time, and nothing is late.
    pub late_in: u64,
    /// How far the estimate of the sender's clock may be off, in ns: the worst of the peers. 0: none is known.
    pub clock_error_ns: u64,
    /// What the network takes now, in ns: the high-water mark that MIDISOCK_LATENCY_AUTO covers. 0: no peer tells its
    /// times.
    pub transit_ns: u64,
}

impl midisock_stats {
    /// The counters of a port as they are now.
    fn of(port: &Port) -> Self {
        let shared = port.shared();
        let network = &shared.counters.network;
        let mut stats = Self {
            messages_in: network.messages_in.get(),
            messages_out: shared.messages_out(),
            bytes_in: network.bytes_in.get(),
            bytes_out: network.bytes_out.get() + shared.counters.push.bytes(),
            dropped_in: network.dropped_in.get(),
            dropped_out: shared.dropped_out(),
            unrepaired: shared.unrepaired(),
            invalid_bytes: network.invalid_bytes.get(),
            oversize_in: network.oversize_in.get(),
            synthesized: shared.synthesized(),
            connections: network.connections.get(),
            disconnections: network.disconnections.get(),
            rejected: network.rejected.get(),
            latency_ns: shared.counters.pop.latency_ns.load(Ordering::Relaxed),
            network_wakes: shared.network_wakes(),
            network_late_ns: shared.waker.as_ref().map_or(0, |waker| waker.lateness.late_ns()),
            network_late_max_ns: network.thread.late_max_ns.load(Ordering::Relaxed),
            network_priority: network.thread.priority.load(Ordering::Relaxed),
            filtered: shared.filtered(),
            timed_in: shared.timed_in(),
            late_in: shared.counters.pop.late_in.get(),
            clock_error_ns: shared.counters.sender.clock_error_ns.load(Ordering::Relaxed),
            transit_ns: shared.counters.sender.transit_ns.load(Ordering::Relaxed),
        };
        // No network thread counts for a pair: one port receives what the other pushes.
        if let Some(peer) = port.peer() {
            stats.messages_in = peer.counters.push.messages() + shared.counters.pop.requested_messages.get();
            stats.bytes_in = peer.counters.push.bytes() + shared.counters.pop.requested_bytes.get();
            stats.messages_out += peer.counters.pop.requested_messages.get();
            stats.bytes_out += peer.counters.pop.requested_bytes.get();
            stats.connections = 1;
            stats.disconnections = shared.is_closed().into();
        }
        stats
    }
}

/// Reads the counters of a port. `size` is sizeof(midisock_stats) of the caller. Nothing beyond it is written, and
/// counters that the library does not know are 0.
///
/// Threads: any.
/// Returns:
/// - MIDISOCK_OK: `stats` is filled.
/// - MIDISOCK_ERR_INVALID_ARGUMENT: a pointer is NULL, or `size` is below 8 or above 4096.
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
            let known = midisock_stats::of(port);
            // SAFETY: `stats` points to `size` writable bytes, by this function's contract.
            sized::write_prefix(&known, stats, size);
            Code::Ok
        })
    }
}
