//! How a port behaves: the caller's configuration, with its defaults and its limits.
//!
//! `midisock_config` in the C API describes each field. The names are the same.

use crate::midi::channels::Channels;
use crate::realtime::ring::MOST_SIZE;
use crate::sys::code::Code;

pub(crate) const MOST_BUSY_POLL_US: u32 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    Merged,
    Manual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    Auto,
    Wait,
    Repair,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Tick,
    Signal,
}

/// Which time received messages carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Timing {
    /// When they arrived.
    #[default]
    Arrival,
    /// When the sender meant them: the port asks its peer.
    Sender,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// The channels whose messages are sent and given.
    pub channels: Channels,
    pub timing: Timing,
    pub queues: QueueConfig,
    pub server: ServerConfig,
    pub delivery: DeliveryConfig,
    pub connection: ConnectionConfig,
    pub pacing: PacingConfig,
    pub blocks: BlockConfig,
}

/// The sizes of the two queues and of a message.
#[derive(Clone, Debug)]
pub(crate) struct QueueConfig {
    pub in_queue_bytes: u32,
    pub out_queue_bytes: u32,
    pub max_message_bytes: u32,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            in_queue_bytes: 65536,
            out_queue_bytes: 65536,
            max_message_bytes: 16384,
        }
    }
}

/// How a server listens and accepts.
#[derive(Clone, Debug)]
pub(crate) struct ServerConfig {
    pub accept: Accept,
    pub max_clients: u32,
    pub listen_retry_ms: u32,
    /// Several ports of a context may have the address.
    pub share: bool,
    /// The server can be found by others.
    pub advertise: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            accept: Accept::Merged,
            max_clients: 64,
            listen_retry_ms: 0,
            share: false,
            advertise: false,
        }
    }
}

/// What reaches a peer that is slow, that has just connected, or that is about to go.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryConfig {
    pub overflow: Overflow,
    pub max_delay_ms: u32,
    pub client_buffer_bytes: u32,
    pub release_on_disconnect: bool,
    pub release_on_close: bool,
    pub greet: bool,
    pub linger_ms: u32,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            overflow: Overflow::Auto,
            max_delay_ms: 500,
            client_buffer_bytes: 65536,
            release_on_disconnect: true,
            release_on_close: true,
            greet: false,
            linger_ms: 1000,
        }
    }
}

/// How a connection is made, and when it counts as broken.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    pub connect_timeout_ms: u32,
    pub reconnect_min_ms: u32,
    pub reconnect_max_ms: u32,
    pub keepalive_ms: u32,
    pub stall_timeout_ms: u32,
    /// The DSCP of its packets; 0: the system's.
    pub traffic_class: u32,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5000,
            reconnect_min_ms: 100,
            reconnect_max_ms: 5000,
            keepalive_ms: 10000,
            stall_timeout_ms: 0,
            traffic_class: 0,
        }
    }
}

/// When the network thread runs, and how urgently.
#[derive(Clone, Debug)]
pub(crate) struct PacingConfig {
    pub wake: Wake,
    pub tick_us: u32,
    pub busy_poll_us: u32,
    pub realtime_priority: u32,
}

impl Default for PacingConfig {
    fn default() -> Self {
        Self {
            wake: Wake::Tick,
            tick_us: 500,
            busy_poll_us: 0,
            realtime_priority: 0,
        }
    }
}

/// The latencies with which messages are placed in blocks of audio. None: the library measures and chooses.
#[derive(Clone, Debug)]
pub(crate) struct BlockConfig {
    pub latency_ns: Option<u64>,
    pub push_latency_ns: Option<u64>,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self {
            latency_ns: None,
            push_latency_ns: Some(0),
        }
    }
}

/// The highest DSCP: it has six bits.
const MOST_TRAFFIC_CLASS: u32 = 63;

/// No port needs more clients. The client table grows with this number.
pub(crate) const MOST_CLIENTS: u32 = 65536;

impl Config {
    /// Clamps the numbers to their ranges. Fails for a queue size or a traffic class that cannot be meant.
    pub(crate) fn normalized(mut self) -> Result<Self, Code> {
        let queues = &mut self.queues;
        for bytes in [&mut queues.in_queue_bytes, &mut queues.out_queue_bytes] {
            if *bytes > 1 << 30 {
                return Err(Code::InvalidArgument);
            }
            *bytes = (*bytes).max(4096).next_power_of_two();
        }
        // A quarter, because the longest message and its header must fit beside a record that the consumer still reads.
        let quarter = queues.in_queue_bytes.min(queues.out_queue_bytes) / 4;
        queues.max_message_bytes = queues.max_message_bytes.clamp(3, quarter.min(MOST_SIZE as u32));
        self.server.max_clients = self.server.max_clients.min(MOST_CLIENTS);
        let pacing = &mut self.pacing;
        pacing.tick_us = pacing.tick_us.clamp(50, 1_000_000);
        pacing.busy_poll_us = pacing.busy_poll_us.min(MOST_BUSY_POLL_US);
        let connection = &mut self.connection;
        if connection.traffic_class > MOST_TRAFFIC_CLASS {
            return Err(Code::InvalidArgument);
        }
        connection.connect_timeout_ms = connection.connect_timeout_ms.max(1);
        connection.reconnect_min_ms = connection.reconnect_min_ms.max(1);
        Ok(self)
    }
}
