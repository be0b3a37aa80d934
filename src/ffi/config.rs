//! `midisock_config`: how a port behaves.

use super::context::midisock_context;
use super::{live, sized};
use crate::midi::channels::Channels;
use crate::net::context::Context;
use crate::realtime::config::{
    Accept, BlockConfig, Config, ConnectionConfig, DeliveryConfig, Overflow, PacingConfig, QueueConfig, ServerConfig,
    Timing, Wake,
};
use crate::session::options::Options;
use crate::sys::code::Code;
use std::ffi::c_char;

/// @name Values of midisock_config.accept_mode
///
/// The messages of all clients come out of the server's own port.
pub const MIDISOCK_ACCEPT_MERGED: u32 = 0;
/// Each client becomes a port of its own, which midisock_accept returns.
pub const MIDISOCK_ACCEPT_MANUAL: u32 = 1;

/// @name Values of midisock_config.overflow
///
/// REPAIR for merged servers, WAIT for all other ports.
pub const MIDISOCK_OVERFLOW_AUTO: u32 = 0;
/// Nothing is dropped for want of room while the peer is connected. midisock_push returns MIDISOCK_ERR_FULL, and TCP
/// slows the sender down.
pub const MIDISOCK_OVERFLOW_WAIT: u32 = 1;
/// For live playing, where late is worse than lost. The library drops whole messages, counts them, and then restores
/// the channel state.
pub const MIDISOCK_OVERFLOW_REPAIR: u32 = 2;

/// @name Values of midisock_config.wake
///
/// A push makes no system call. The network thread polls just after the audio callback, or every tick_us.
pub const MIDISOCK_WAKE_TICK: u32 = 0;
/// A push makes at most one non-blocking system call, and only while the network thread sleeps.
pub const MIDISOCK_WAKE_SIGNAL: u32 = 1;

/// @name Values of midisock_config.timing
///
/// Messages carry the time at which they arrived.
pub const MIDISOCK_TIMING_ARRIVAL: u32 = 0;
/// Messages carry the time at which the sender meant them, if the peer tells it.
pub const MIDISOCK_TIMING_SENDER: u32 = 1;

/// @name Value of midisock_config.latency_ns and push_latency_ns
///
/// The longest block. It is constant while the block size is. With senders' times (midisock_config.timing), latency_ns
/// also covers what the network takes, 100 ms at most: it rises by 5 ms or a quarter of that, whichever is less, or
/// more; and falls at most once in 10 s, in silence.
pub const MIDISOCK_LATENCY_AUTO: u64 = u64::MAX;

/// @name Value of midisock_config.channels
///
/// All channels, and system messages.
pub const MIDISOCK_ALL_CHANNELS: u32 = 0x1_FFFF;
const _: () = assert!(MIDISOCK_ALL_CHANNELS == Channels::ALL.bits());

/// How a port behaves. Fill it with midisock_config_init or MIDISOCK_CONFIG_INIT, then change what you need.
///
/// Functions accept NULL in place of a config: it means the defaults. They read a config, and its strings, only during
/// the call.
///
/// A caller that was built with an older header has a smaller struct, and gets the defaults of the fields that it does
/// not know. A larger struct is accepted if all bytes beyond this one's fields are zero.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct midisock_config {
    /// sizeof(midisock_config) of the caller. midisock_config_init sets it.
    pub struct_size: u32,
    /// Size of the queue of received messages, in bytes. Default: 65536.
    ///
    /// It is rounded up to a power of two of at least 4096. Above 2^30 is an error. A message of up to three bytes
    /// takes 16 bytes; a longer one takes 16 bytes and its own, rounded up to a multiple of 16.
    pub in_queue_bytes: u32,
    /// Size of the queue of pushed messages, in bytes, with the same rules. Default: 65536.
    pub out_queue_bytes: u32,
    /// The longest SysEx that is received or sent, with F0 and F7. Default: 16384. At most a quarter of the smaller
    /// queue.
    pub max_message_bytes: u32,
    /// MIDISOCK_ACCEPT_MERGED (default) or MIDISOCK_ACCEPT_MANUAL.
    pub accept_mode: u32,
    /// Clients of a server that may be connected at the same time. Default: 64. At most 65536. The server closes
    /// further connections at once and counts them in midisock_stats.rejected. A client that has left does not count.
    /// A manual server keeps the ports of clients that left before midisock_accept, with what they sent, as long as all
    /// its ports are no more than this. Beyond that, each newcomer closes the oldest of those ports, which counts in
    /// rejected.
    pub max_clients: u32,
    /// Addresses and CIDR ranges that may connect to a server, separated by commas, such as "192.168.1.0/24, ::1".
    /// Default: NULL, any. An IPv4 range also contains its IPv4-mapped IPv6 addresses.
    pub allow: *const c_char,
    /// Zero. It fills the place of a 64-bit pointer.
    #[cfg(target_pointer_width = "32")]
    pub reserved_after_allow: u32,
    /// The name of this port: up to 63 bytes of UTF-8 without control characters. Default: NULL, no name. Peers with
    /// which sender time is in use are told it. See midisock_set_name.
    pub name: *const c_char,
    /// Zero. It fills the place of a 64-bit pointer.
    #[cfg(target_pointer_width = "32")]
    pub reserved_after_name: u32,
    /// MIDISOCK_OVERFLOW_AUTO (default), MIDISOCK_OVERFLOW_WAIT or MIDISOCK_OVERFLOW_REPAIR.
    pub overflow: u32,
    /// With REPAIR a peer is congested if its oldest unsent byte is older than this, in ms. Default: 500.
    pub max_delay_ms: u32,
    /// With REPAIR a peer is also congested if more bytes than this wait for it. Default: 65536.
    pub client_buffer_bytes: u32,
    /// Time limit for one attempt to connect, in ms. Default: 5000. It covers the name look-up and all addresses of the
    /// name. midisock_listen also limits its name look-up by it.
    pub connect_timeout_ms: u32,
    /// The first pause before the port connects again, in ms. Default: 100. The pause doubles, with jitter, up to
    /// reconnect_max_ms.
    pub reconnect_min_ms: u32,
    /// The longest pause before the port connects again, in ms. Default: 5000. 0: it never connects again.
    pub reconnect_max_ms: u32,
    /// How long midisock_listen keeps trying in the background if the address is in use, in ms. Default: 0, an error at
    /// once. UINT32_MAX: without limit.
    pub listen_retry_ms: u32,
    /// A peer that no longer answers is noticed within about this time, in ms, whether or not data waits for it.
    /// Default: 10000. 0: never. The system counts in whole seconds.
    pub keepalive_ms: u32,
    /// A peer that answers but reads nothing for this time while data waits for it is disconnected, in ms. Default: 0,
    /// never.
    pub stall_timeout_ms: u32,
    /// How long messages may still be written to a connection after midisock_close, midisock_shutdown or
    /// midisock_disconnect, in ms. Default: 1000. 0: they are offered to the system once. A peer that has closed its
    /// sending side is kept no longer than this either.
    pub linger_ms: u32,
    /// 1 (default): when a peer leaves, midisock_pop returns releases of what the peer held. A peer that closed only
    /// its sending side receives releases of what the port left on. A port that connects again first sends releases of
    /// what the previous connection may have left on. 0: none of these.
    pub release_on_disconnect: u32,
    /// 1 (default): when the port closes a connection, the peer receives releases of what the port left on. 0: it does
    /// not.
    pub release_on_close: u32,
    /// 1: a merged server sends each new client the present controllers, programs and bends. 0 (default): it does not.
    pub greet: u32,
    /// MIDISOCK_WAKE_TICK (default) or MIDISOCK_WAKE_SIGNAL.
    pub wake: u32,
    /// With MIDISOCK_WAKE_TICK: how often the network thread polls for pushes that follow no audio callback, in
    /// microseconds. Default: 500. Clamped to 50 to 1000000.
    ///
    /// If an audio callback pushes, the network thread instead polls just after it, at most one and a half times a
    /// block. While messages are pushed that are due in the next block or later, it polls once more, just before the next
    /// block begins. A tick below 500 is the distance of its polls during the callback. After a second without a push it
    /// polls every 8 ticks, but at least every 25 ms unless the tick is longer. A wait on a pair polls every tick.
    pub tick_us: u32,
    /// How long the network thread polls before it sleeps, after something came or went, and how long a wait on this
    /// port polls before it sleeps, in microseconds. Default: 0. At most 1000000. Each of them keeps a core busy for
    /// this time.
    ///
    /// The network thread of the default context uses the longest busy_poll_us of its ports. A port of another context
    /// has its context's busy_poll_us, and this field must be 0. While messages of ports with MIDISOCK_WAKE_SIGNAL
    /// answer one another, the network thread and all waits poll for 50 microseconds in any case.
    pub busy_poll_us: u32,
    /// What midisock_pop_block adds to arrival times, in ns. Default: MIDISOCK_LATENCY_AUTO. 0: as soon as possible.
    pub latency_ns: u64,
    /// The delay that midisock_push_frame adds to the time of a frame, in ns. Default: 0. Messages keep their spacing
    /// only if their times have not passed when they are pushed. MIDISOCK_LATENCY_AUTO, one block, is enough for that.
    pub push_latency_ns: u64,
    /// The realtime priority that the network thread requests from the system. Default: 0, none.
    ///
    /// On Linux and macOS it is a SCHED_FIFO priority, clamped to the system's range. On Windows any other value
    /// requests time-critical. The thread serves all ports of the default context, and the highest value counts. If the
    /// system refuses, the port works all the same: MIDISOCK_NOTIFY_PRIORITY_REFUSED reports the refusal, and
    /// midisock_stats.network_priority the actual priority. One below the priority of the audio thread is a good value.
    /// A program that learns that priority later calls midisock_set_realtime_priority. A port of a context that the
    /// program made has its context's realtime_priority, and this field must be 0.
    pub realtime_priority: u32,
    /// The traffic class (DSCP) of the packets of TCP connections, 0 to 63. Default: 0, that of ordinary traffic. 46 is
    /// expedited forwarding, which networks and Wi-Fi use for live audio. A value above 63 is an error. A refusal by
    /// the system is not; Windows ignores the value.
    pub traffic_class: u32,
    /// The channels whose messages the port sends and midisock_pop returns: bits 0 to 15 for channels 1 to 16, bit 16
    /// for system messages. Default: MIDISOCK_ALL_CHANNELS. Any other bit is an error; 0 is allowed.
    ///
    /// A push of any other message returns MIDISOCK_OK, and counts it in midisock_stats.filtered only. Any other
    /// message that arrives counts in midisock_stats.messages_in and filtered. midisock_panic and midisock_reset send
    /// on these channels only. Ports that a manual server accepts have its channels. See midisock_set_channels.
    pub channels: u32,
    /// MIDISOCK_TIMING_ARRIVAL (default) or MIDISOCK_TIMING_SENDER. Any other value is an error.
    ///
    /// With SENDER a connecting or adopted port asks its peer for the time of each message, right after the connection
    /// is made. It sends an undefined MIDI status byte, F4, and data bytes, which most MIDI receivers ignore. A peer of
    /// this library answers, and from then on both sides tell their times. Any other peer does not answer, and is
    /// served as ever. Nothing but MIDI messages is sent to a peer unless one of the two asked. A server never asks,
    /// but every port answers, so one end that asks is enough.
    ///
    /// Messages with a time have MIDISOCK_FLAG_TIMED, and midisock_pop_block places them by it. The ports of a pair
    /// exchange times without asking.
    pub timing: u32,
    /// 1: others on the network can find the server with midisock_browse, by its name, or as the name of the machine
    /// and "midisock" if it has none. 0 (default): they cannot, and the server sends nothing to the network by itself.
    ///
    /// The server is advertised by DNS-SD as "_midisock._tcp" from the time it listens until midisock_shutdown or
    /// midisock_close, on every network interface where it can be reached. A server on loopback is advertised nowhere.
    /// One whose name another service has gets a number: "Stage (2)". Other kinds of ports ignore the field, but on a
    /// Unix socket 1 is an error. midisock_listen returns MIDISOCK_ERR_UNSUPPORTED in a build without DNS-SD.
    pub advertise: u32,
    /// 1: a server shares its address with other ports of its context that set this, as the instances of a plugin in a
    /// DAW do. 0 (default): it does not.
    ///
    /// To clients the ports are one server. What a client sends reaches every port that has the channel, and what any of
    /// them pushes reaches every client. A client has the same id on each, but a port whose `allow` does not hold it
    /// knows nothing of it. The largest max_clients counts. midisock_disconnect, keepalive_ms and stall_timeout_ms end
    /// the connection for all. When a port closes, no connection ends that another port has.
    ///
    /// Both Note Ons of a note that two ports play pass, and its Note Off passes once no other port holds the note. Of
    /// controllers and pedals the last value counts. All Sound Off, Reset All Controllers and All Notes Off pass. A port
    /// that closes releases only what no other port holds. Clients with sender time are told the name of the oldest
    /// port.
    ///
    /// The addresses must be the same, as they were given. Port 0, a Unix socket, MIDISOCK_ACCEPT_MANUAL and
    /// MIDISOCK_OVERFLOW_WAIT are MIDISOCK_ERR_INVALID_ARGUMENT with it. An address that a server without `share`, another
    /// context, another copy of the library or another program has is MIDISOCK_ERR_ADDRESS_IN_USE, or waited for with
    /// listen_retry_ms. Ports that connect or are adopted ignore it.
    pub share: u32,
    /// The context that the port belongs to. Default: NULL, the default context, which the process has once. An
    /// accepted port belongs to its server's context. A pair has none.
    pub context: *mut midisock_context,
    /// Zero. It fills the place of a 64-bit pointer.
    #[cfg(target_pointer_width = "32")]
    pub reserved_after_context: u32,
}

/// Where each field ends: a caller's struct that ends inside a field does not have that field.
const FIELD_ENDS: [usize; FIELDS.len()] = {
    let mut ends = [0; FIELDS.len()];
    let mut field = 0;
    while field < FIELDS.len() {
        ends[field] = FIELDS[field].1;
        field += 1;
    }
    ends
};

/// Where each field begins and ends.
const FIELDS: &[(usize, usize)] = sized::fields! { midisock_config:
    struct_size in_queue_bytes out_queue_bytes max_message_bytes accept_mode max_clients allow
    #[cfg(target_pointer_width = "32")] reserved_after_allow
    name
    #[cfg(target_pointer_width = "32")] reserved_after_name
    overflow max_delay_ms client_buffer_bytes connect_timeout_ms reconnect_min_ms reconnect_max_ms listen_retry_ms
    keepalive_ms stall_timeout_ms linger_ms release_on_disconnect release_on_close greet wake tick_us busy_poll_us
    latency_ns push_latency_ns realtime_priority traffic_class channels timing advertise share context
    #[cfg(target_pointer_width = "32")] reserved_after_context
};
const _: () = assert!(sized::is_whole(FIELDS, size_of::<midisock_config>()));

impl midisock_config {
    pub(super) fn defaults(struct_size: u32) -> Self {
        let c = Config::default();
        Self {
            struct_size,
            in_queue_bytes: c.queues.in_queue_bytes,
            out_queue_bytes: c.queues.out_queue_bytes,
            max_message_bytes: c.queues.max_message_bytes,
            accept_mode: MIDISOCK_ACCEPT_MERGED,
            max_clients: c.server.max_clients,
            allow: std::ptr::null(),
            #[cfg(target_pointer_width = "32")]
            reserved_after_allow: 0,
            name: std::ptr::null(),
            #[cfg(target_pointer_width = "32")]
            reserved_after_name: 0,
            overflow: MIDISOCK_OVERFLOW_AUTO,
            max_delay_ms: c.delivery.max_delay_ms,
            client_buffer_bytes: c.delivery.client_buffer_bytes,
            connect_timeout_ms: c.connection.connect_timeout_ms,
            reconnect_min_ms: c.connection.reconnect_min_ms,
            reconnect_max_ms: c.connection.reconnect_max_ms,
            listen_retry_ms: c.server.listen_retry_ms,
            keepalive_ms: c.connection.keepalive_ms,
            stall_timeout_ms: c.connection.stall_timeout_ms,
            linger_ms: c.delivery.linger_ms,
            release_on_disconnect: c.delivery.release_on_disconnect.into(),
            release_on_close: c.delivery.release_on_close.into(),
            greet: c.delivery.greet.into(),
            wake: MIDISOCK_WAKE_TICK,
            tick_us: c.pacing.tick_us,
            busy_poll_us: c.pacing.busy_poll_us,
            latency_ns: c.blocks.latency_ns.unwrap_or(MIDISOCK_LATENCY_AUTO),
            push_latency_ns: c.blocks.push_latency_ns.unwrap_or(MIDISOCK_LATENCY_AUTO),
            realtime_priority: c.pacing.realtime_priority,
            traffic_class: c.connection.traffic_class,
            channels: c.channels.bits(),
            timing: MIDISOCK_TIMING_ARRIVAL,
            advertise: 0,
            share: 0,
            context: std::ptr::null_mut(),
            #[cfg(target_pointer_width = "32")]
            reserved_after_context: 0,
        }
    }

    fn accept(&self) -> Result<Accept, Code> {
        match self.accept_mode {
            MIDISOCK_ACCEPT_MERGED => Ok(Accept::Merged),
            MIDISOCK_ACCEPT_MANUAL => Ok(Accept::Manual),
            _ => Err(Code::InvalidArgument),
        }
    }

    fn overflow(&self) -> Result<Overflow, Code> {
        match self.overflow {
            MIDISOCK_OVERFLOW_AUTO => Ok(Overflow::Auto),
            MIDISOCK_OVERFLOW_WAIT => Ok(Overflow::Wait),
            MIDISOCK_OVERFLOW_REPAIR => Ok(Overflow::Repair),
            _ => Err(Code::InvalidArgument),
        }
    }

    fn wake(&self) -> Result<Wake, Code> {
        match self.wake {
            MIDISOCK_WAKE_TICK => Ok(Wake::Tick),
            MIDISOCK_WAKE_SIGNAL => Ok(Wake::Signal),
            _ => Err(Code::InvalidArgument),
        }
    }

    fn timing(&self) -> Result<Timing, Code> {
        match self.timing {
            MIDISOCK_TIMING_ARRIVAL => Ok(Timing::Arrival),
            MIDISOCK_TIMING_SENDER => Ok(Timing::Sender),
            _ => Err(Code::InvalidArgument),
        }
    }

    /// Checks the fields and makes them the library's own.
    ///
    /// # Safety
    /// `allow` and `name` are each NULL or a NUL-terminated string.
    unsafe fn check(&self) -> Result<(Config, Options), Code> {
        let config = self.options()?;
        // SAFETY: this function's contract is theirs.
        let (allow, name) = unsafe { (live::allow_of(self.allow)?, live::name_of(self.name)?) };
        config.normalized().map(|config| (config, Options { allow, name }))
    }

    /// Leaves out fields that a kind of port ignores. An error if a field is set that the kind cannot have.
    fn fit(self, kind: Kind) -> Result<Self, Code> {
        let defaults = Self::defaults(self.struct_size);
        match kind {
            Kind::Other => Ok(self),
            Kind::UnixSocket if self.allow.is_null() && self.advertise == 0 && self.share == 0 => Ok(self),
            Kind::UnixSocket => Err(Code::InvalidArgument),
            Kind::Adopted => Ok(Self {
                allow: defaults.allow,
                accept_mode: defaults.accept_mode,
                max_clients: defaults.max_clients,
                ..self
            }),
        }
    }

    /// The fields other than texts, with enumerated values checked and numbers as they are.
    fn options(&self) -> Result<Config, Code> {
        let (accept, overflow, wake) = (self.accept()?, self.overflow()?, self.wake()?);
        let delay = |ns: u64| Some(ns).filter(|ns| *ns != MIDISOCK_LATENCY_AUTO);
        Ok(Config {
            channels: Channels::of(self.channels).ok_or(Code::InvalidArgument)?,
            timing: self.timing()?,
            queues: QueueConfig {
                in_queue_bytes: self.in_queue_bytes,
                out_queue_bytes: self.out_queue_bytes,
                max_message_bytes: self.max_message_bytes,
            },
            server: ServerConfig {
                accept,
                max_clients: self.max_clients,
                listen_retry_ms: self.listen_retry_ms,
                advertise: self.advertise != 0,
                share: self.share != 0,
            },
            delivery: DeliveryConfig {
                overflow,
                max_delay_ms: self.max_delay_ms,
                client_buffer_bytes: self.client_buffer_bytes,
                release_on_disconnect: self.release_on_disconnect != 0,
                release_on_close: self.release_on_close != 0,
                greet: self.greet != 0,
                linger_ms: self.linger_ms,
            },
            connection: ConnectionConfig {
                connect_timeout_ms: self.connect_timeout_ms,
                reconnect_min_ms: self.reconnect_min_ms,
                reconnect_max_ms: self.reconnect_max_ms,
                keepalive_ms: self.keepalive_ms,
                stall_timeout_ms: self.stall_timeout_ms,
                traffic_class: self.traffic_class,
            },
            pacing: PacingConfig {
                wake,
                tick_us: self.tick_us,
                busy_poll_us: self.busy_poll_us,
                realtime_priority: self.realtime_priority,
            },
            blocks: BlockConfig {
                latency_ns: delay(self.latency_ns),
                push_latency_ns: delay(self.push_latency_ns),
            },
        })
    }
}

/// Fills a config with the defaults.
///
/// `size` is sizeof(midisock_config) of the caller. Nothing beyond it is written. Nothing at all is written if `config`
/// is NULL or misaligned, or if `size` is below 4 or above 4096.
///
/// Threads: any.
/// Returns: nothing.
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

/// The kinds of ports whose configs are read in different ways.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Of a socket that the caller made: there are no clients to choose from.
    Adopted,
    /// On or to a path: no peer there has an address that could be allowed.
    UnixSocket,
    Other,
}

/// Reads a caller's config, whatever header it was built against.
///
/// # Safety
/// `config` is NULL or points to a config as `midisock_config` describes, `struct_size` bytes long.
pub(super) unsafe fn read(config: *const midisock_config, kind: Kind) -> Result<(Config, Options), Code> {
    if config.is_null() {
        let config = Config::default().normalized()?;
        return Ok((config, Options::default()));
    }
    // SAFETY: by this function's contract; `allow` is the caller's string, by `midisock_config`'s description.
    unsafe { known(config)?.fit(kind)?.check() }
}

/// The context of a caller's config; None: the default one. A config with another context must not set the fields for
/// the default context's thread.
///
/// # Safety
/// As `read`. The context is live for as long as the reference is used.
pub(super) unsafe fn context<'a>(config: *const midisock_config) -> Result<Option<&'a Context>, Code> {
    if config.is_null() {
        return Ok(None);
    }
    // SAFETY: by this function's contract.
    let config = unsafe { known(config)? };
    let handle = config.context;
    if handle.is_null() {
        return Ok(None);
    }
    if config.realtime_priority != 0 || config.busy_poll_us != 0 {
        return Err(Code::WrongRole);
    }
    // SAFETY: a live context, by this function's contract.
    unsafe { midisock_context::get(handle) }
        .map(Some)
        .ok_or(Code::InvalidArgument)
}

/// A caller's config, with the defaults in place of the fields that it does not have.
///
/// # Safety
/// `config` is not NULL; otherwise as `read`.
unsafe fn known(config: *const midisock_config) -> Result<midisock_config, Code> {
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
    Ok(known)
}
