//! `midisock_config`: how a port behaves.

use super::sized;
use crate::realtime::config::{Accept, Config, Overflow, Wake};
use crate::session::options::Options;
use crate::sys::code::Code;
use std::ffi::{CStr, c_char};
use std::mem::offset_of;

/// accept_mode: every client's messages come out of the server's own port.
pub const MIDISOCK_ACCEPT_MERGED: u32 = 0;
/// accept_mode: each client is a port of its own, taken with midisock_accept.
pub const MIDISOCK_ACCEPT_MANUAL: u32 = 1;

/// overflow: REPAIR for merged servers, WAIT for all other ports.
pub const MIDISOCK_OVERFLOW_AUTO: u32 = 0;
/// overflow: nothing is ever dropped; back pressure in both directions.
pub const MIDISOCK_OVERFLOW_WAIT: u32 = 1;
/// overflow: late is worse than lost: whole messages are dropped and counted, then channel state is put right.
pub const MIDISOCK_OVERFLOW_REPAIR: u32 = 2;

/// wake: push makes no system call; the network thread looks just after the audio callback, or every tick_us.
pub const MIDISOCK_WAKE_TICK: u32 = 0;
/// wake: push makes at most one non-blocking system call, and only when the network thread sleeps.
pub const MIDISOCK_WAKE_SIGNAL: u32 = 1;

/// latency_ns, push_latency_ns: automatic, the longest block seen. It is the same for as long as the block size is.
pub const MIDISOCK_LATENCY_AUTO: u64 = u64::MAX;

/// How a port behaves. Fill it with midisock_config_init, then change what you need. NULL in place of
/// a config means the defaults. Nothing of it, its strings included, is read after the call it was given to.
///
/// A caller built against an older header has a smaller struct and gets the defaults for the fields it
/// does not know; a larger struct is taken if what is beyond is zero.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_config {
    /// sizeof(midisock_config) of the caller; set by midisock_config_init.
    pub struct_size: u32,
    /// Bytes of the queue of received messages: 65536. Rounded up to a power of two, at least 4096, at
    /// most 2^30. A message takes 16 bytes more than its own, rounded up to 8.
    pub in_queue_bytes: u32,
    /// Bytes of the queue of pushed messages: 65536. As in_queue_bytes.
    pub out_queue_bytes: u32,
    /// The longest SysEx taken or sent, F0 and F7 included: 16384. Clamped to a quarter of the smaller queue.
    pub max_message_bytes: u32,
    /// MIDISOCK_ACCEPT_MERGED (default) or MIDISOCK_ACCEPT_MANUAL.
    pub accept_mode: u32,
    /// Connected clients of a server at most: 64 (65536 at most). Further connections are closed at once and counted. A
    /// client of a manual server that has left before midisock_accept has handed it over still counts.
    pub max_clients: u32,
    /// Comma-separated addresses and CIDR ranges that may connect, such as "192.168.1.0/24, ::1". NULL: any that
    /// reaches the bound address. An IPv4 range also holds IPv4-mapped IPv6 addresses.
    pub allow: *const c_char,
    /// MIDISOCK_OVERFLOW_AUTO (default), _WAIT or _REPAIR.
    pub overflow: u32,
    /// REPAIR: a peer is congested when its oldest unsent byte is older than this, in ms: 500.
    pub max_delay_ms: u32,
    /// REPAIR: a peer is also congested when more than this waits for it, in bytes: 65536.
    pub client_buffer_bytes: u32,
    /// For one attempt to connect, in ms: 5000. The look-up of the name and all of its addresses share it.
    pub connect_timeout_ms: u32,
    /// The first pause before connecting again, in ms: 100. It doubles, with jitter, up to reconnect_max_ms.
    pub reconnect_min_ms: u32,
    /// The longest pause before connecting again, in ms: 5000. 0: never connect again.
    pub reconnect_max_ms: u32,
    /// listen, where the address is in use: keep trying for this long, in ms; 0 (default): an error at
    /// once; UINT32_MAX: for ever.
    pub listen_retry_ms: u32,
    /// A peer that no longer answers at all is noticed within about this time, in ms, whether data waits
    /// or not: 10000. 0: off. The system counts in whole seconds.
    pub keepalive_ms: u32,
    /// A living peer that reads nothing for so long while data waits for it is dropped, in ms: 0, never.
    pub stall_timeout_ms: u32,
    /// How long what was pushed may still be written after midisock_close, in ms: 1000. 0: it is offered to the system
    /// once. A peer that has closed its sending side is kept no longer than that either.
    pub linger_ms: u32,
    /// When a peer goes away, release what it holds, and when the port connects again, what the old link
    /// left sounding, or may have, where its peer may not have read all: 1. 0: do not.
    pub release_on_disconnect: u32,
    /// When the port is closed, release what it left sounding at its peers: 1. 0: do not.
    pub release_on_close: u32,
    /// A merged server tells each new client where controllers, programs and bends stand: 0, no.
    pub greet: u32,
    /// MIDISOCK_WAKE_TICK (default) or MIDISOCK_WAKE_SIGNAL.
    pub wake: u32,
    /// WAKE_TICK: how often the network thread looks where pushes come without a rhythm, in microseconds: 500 (50 to
    /// 1000000). Where an audio callback pushes it looks just after that instead, at most one and a half times a block, or
    /// with a tick below 500 as often as that while the callback pushes; after a second without a push, every 8 ticks.
    /// A wait on a pair looks as often.
    pub tick_us: u32,
    /// How long the network thread goes on looking for more before it sleeps, after something came or went, and
    /// how long a wait on this port looks before it sleeps, in microseconds: 0, not at all (1000000 at most). It
    /// buys latency with a core: each of them keeps one busy for so long. The longest of the ports' counts for the
    /// network thread. While messages of ports with MIDISOCK_WAKE_SIGNAL are answers to one another, it and all waits
    /// look for 50 us all the same.
    pub busy_poll_us: u32,
    /// What midisock_pop_block adds to arrival times, in ns: MIDISOCK_LATENCY_AUTO. 0: as soon as possible.
    pub latency_ns: u64,
    /// What midisock_push_frame adds to the time of a frame, in ns: 0. A message can only keep its spacing if its time
    /// has not passed when it is pushed: MIDISOCK_LATENCY_AUTO, one block, is enough for that.
    pub push_latency_ns: u64,
    /// The realtime priority that the library's network thread asks the system for: 0, none. 1 to 99 where the system
    /// has SCHED_FIFO (Linux, macOS; what is beyond its range is brought into it), anything for time-critical on
    /// Windows. The thread serves all ports of the process: the highest counts. A refusal never fails the port:
    /// MIDISOCK_PRIORITY_REFUSED tells of it, and midisock_stats.network_priority what there is. One below that of the
    /// audio thread is good; who learns that later calls midisock_set_realtime_priority.
    pub realtime_priority: u32,
    /// Zero.
    pub reserved: u32,
}

/// Where each field ends: a caller's struct that ends inside a field does not have that field.
const FIELD_ENDS: [usize; 27] = {
    macro_rules! ends {
        ($($field:ident: $type:ty),*) => { [$(offset_of!(midisock_config, $field) + size_of::<$type>()),*] };
    }
    ends!(
        struct_size: u32, in_queue_bytes: u32, out_queue_bytes: u32, max_message_bytes: u32, accept_mode: u32,
        max_clients: u32, allow: *const c_char, overflow: u32, max_delay_ms: u32, client_buffer_bytes: u32,
        connect_timeout_ms: u32, reconnect_min_ms: u32, reconnect_max_ms: u32, listen_retry_ms: u32,
        keepalive_ms: u32, stall_timeout_ms: u32, linger_ms: u32, release_on_disconnect: u32,
        release_on_close: u32, greet: u32, wake: u32, tick_us: u32, busy_poll_us: u32, latency_ns: u64,
        push_latency_ns: u64, realtime_priority: u32, reserved: u32
    )
};

impl midisock_config {
    fn defaults(struct_size: u32) -> Self {
        let c = Config::default();
        Self {
            struct_size,
            in_queue_bytes: c.in_queue_bytes,
            out_queue_bytes: c.out_queue_bytes,
            max_message_bytes: c.max_message_bytes,
            accept_mode: MIDISOCK_ACCEPT_MERGED,
            max_clients: c.max_clients,
            allow: std::ptr::null(),
            overflow: MIDISOCK_OVERFLOW_AUTO,
            max_delay_ms: c.max_delay_ms,
            client_buffer_bytes: c.client_buffer_bytes,
            connect_timeout_ms: c.connect_timeout_ms,
            reconnect_min_ms: c.reconnect_min_ms,
            reconnect_max_ms: c.reconnect_max_ms,
            listen_retry_ms: c.listen_retry_ms,
            keepalive_ms: c.keepalive_ms,
            stall_timeout_ms: c.stall_timeout_ms,
            linger_ms: c.linger_ms,
            release_on_disconnect: c.release_on_disconnect.into(),
            release_on_close: c.release_on_close.into(),
            greet: c.greet.into(),
            wake: MIDISOCK_WAKE_TICK,
            tick_us: c.tick_us,
            busy_poll_us: c.busy_poll_us,
            latency_ns: c.latency_ns.unwrap_or(MIDISOCK_LATENCY_AUTO),
            push_latency_ns: c.push_latency_ns.unwrap_or(MIDISOCK_LATENCY_AUTO),
            realtime_priority: c.realtime_priority,
            reserved: 0,
        }
    }

    /// Checks the fields and makes them the library's own.
    ///
    /// # Safety
    /// `allow` is NULL or a NUL-terminated string.
    unsafe fn check(&self) -> Result<(Config, Options), Code> {
        let accept = match self.accept_mode {
            MIDISOCK_ACCEPT_MERGED => Accept::Merged,
            MIDISOCK_ACCEPT_MANUAL => Accept::Manual,
            _ => return Err(Code::InvalidArgument),
        };
        let overflow = match self.overflow {
            MIDISOCK_OVERFLOW_AUTO => Overflow::Auto,
            MIDISOCK_OVERFLOW_WAIT => Overflow::Wait,
            MIDISOCK_OVERFLOW_REPAIR => Overflow::Repair,
            _ => return Err(Code::InvalidArgument),
        };
        let wake = match self.wake {
            MIDISOCK_WAKE_TICK => Wake::Tick,
            MIDISOCK_WAKE_SIGNAL => Wake::Signal,
            _ => return Err(Code::InvalidArgument),
        };
        let delay = |ns: u64| Some(ns).filter(|ns| *ns != MIDISOCK_LATENCY_AUTO);
        let allow = if self.allow.is_null() {
            None
        } else {
            // SAFETY: the caller promises a NUL-terminated string, per this function's contract.
            let text = unsafe { CStr::from_ptr(self.allow) };
            Some(text.to_str().map_err(|_| Code::Address)?.parse()?)
        };
        Config {
            in_queue_bytes: self.in_queue_bytes,
            out_queue_bytes: self.out_queue_bytes,
            max_message_bytes: self.max_message_bytes,
            accept,
            max_clients: self.max_clients,
            overflow,
            max_delay_ms: self.max_delay_ms,
            client_buffer_bytes: self.client_buffer_bytes,
            connect_timeout_ms: self.connect_timeout_ms,
            reconnect_min_ms: self.reconnect_min_ms,
            reconnect_max_ms: self.reconnect_max_ms,
            listen_retry_ms: self.listen_retry_ms,
            keepalive_ms: self.keepalive_ms,
            stall_timeout_ms: self.stall_timeout_ms,
            linger_ms: self.linger_ms,
            release_on_disconnect: self.release_on_disconnect != 0,
            release_on_close: self.release_on_close != 0,
            greet: self.greet != 0,
            wake,
            tick_us: self.tick_us,
            busy_poll_us: self.busy_poll_us,
            latency_ns: delay(self.latency_ns),
            push_latency_ns: delay(self.push_latency_ns),
            realtime_priority: self.realtime_priority,
        }
        .normalized()
        .map(|config| (config, Options { allow }))
    }
}

/// Fills a config with the defaults. `size` is sizeof(midisock_config) of the caller; nothing beyond it is written.
/// A NULL or unaligned config, or a size below 4 or above 4096, writes nothing.
///
/// Any thread, control: it makes no system call, but is no part of the realtime proof.
///
/// # Safety
/// `config` is NULL or points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn midisock_config_init(config: *mut midisock_config, size: usize) {
    if config.is_null() || !config.is_aligned() || !(4..=sized::LIMIT).contains(&size) {
        return;
    }
    let defaults = midisock_config::defaults(size as u32);
    // SAFETY: `config` points to `size` writable bytes by this function's contract.
    unsafe { sized::write_prefix(&defaults, config, size) };
}

/// Reads a caller's config, whatever header it was built against.
///
/// # Safety
/// `config` is NULL or points to a config as `midisock_config` describes, `struct_size` bytes long.
pub(super) unsafe fn read(config: *const midisock_config) -> Result<(Config, Options), Code> {
    if config.is_null() {
        let config = Config::default().normalized()?;
        return Ok((config, Options::default()));
    }
    if !config.is_aligned() {
        return Err(Code::InvalidArgument);
    }
    // SAFETY: not NULL, aligned; the caller's struct has at least its first field.
    let size = unsafe { (&raw const (*config).struct_size).read() } as usize;
    if !(4..=sized::LIMIT).contains(&size) {
        return Err(Code::InvalidArgument);
    }
    let mut known = midisock_config::defaults(size as u32);
    let whole = FIELD_ENDS.iter().copied().filter(|end| *end <= size).max().unwrap_or(0);
    // SAFETY: the caller's struct is `size` bytes long, and `whole` is at most that and at most our own size.
    unsafe { sized::read_prefix(config, whole, size, &mut known)? };
    // SAFETY: `allow` is the caller's string, by `midisock_config`'s description.
    unsafe { known.check() }
}
