//! How a port behaves, checked and with its defaults.

use crate::realtime::ring::MOST_SIZE;
use crate::session::allow::Allow;
use crate::sys::code::Code;

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

/// See `midisock_config` for the meaning of each.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub in_queue_bytes: u32,
    pub out_queue_bytes: u32,
    pub max_message_bytes: u32,
    pub accept: Accept,
    pub max_clients: u32,
    pub allow: Option<Allow>,
    pub overflow: Overflow,
    pub max_delay_ms: u32,
    pub client_buffer_bytes: u32,
    pub connect_timeout_ms: u32,
    pub reconnect_min_ms: u32,
    pub reconnect_max_ms: u32,
    pub listen_retry_ms: u32,
    pub keepalive_ms: u32,
    pub stall_timeout_ms: u32,
    pub linger_ms: u32,
    pub release_on_disconnect: bool,
    pub release_on_close: bool,
    pub greet: bool,
    pub wake: Wake,
    pub tick_us: u32,
    pub busy_poll_us: u32,
    /// None: automatic.
    pub latency_ns: Option<u64>,
    /// None: automatic.
    pub push_latency_ns: Option<u64>,
    pub realtime_priority: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_queue_bytes: 65536,
            out_queue_bytes: 65536,
            max_message_bytes: 16384,
            accept: Accept::Merged,
            max_clients: 64,
            allow: None,
            overflow: Overflow::Auto,
            max_delay_ms: 500,
            client_buffer_bytes: 65536,
            connect_timeout_ms: 5000,
            reconnect_min_ms: 100,
            reconnect_max_ms: 5000,
            listen_retry_ms: 0,
            keepalive_ms: 10000,
            stall_timeout_ms: 0,
            linger_ms: 1000,
            release_on_disconnect: true,
            release_on_close: true,
            greet: false,
            wake: Wake::Tick,
            tick_us: 500,
            busy_poll_us: 0,
            latency_ns: None,
            push_latency_ns: Some(0),
            realtime_priority: 0,
        }
    }
}

/// More than this in one port is a mistake, and a table of clients as long as it.
pub(crate) const MOST_CLIENTS: u32 = 65536;

impl Config {
    /// Brings the numbers into their ranges, or says that they are beyond what can be meant.
    pub(crate) fn normalized(mut self) -> Result<Self, Code> {
        for bytes in [&mut self.in_queue_bytes, &mut self.out_queue_bytes] {
            if *bytes > 1 << 30 {
                return Err(Code::InvalidArgument);
            }
            *bytes = (*bytes).max(4096).next_power_of_two();
        }
        let quarter = self.in_queue_bytes.min(self.out_queue_bytes) / 4;
        // A record's header comes on top; what is clamped must still fit beside a record that is not given back. And a
        // record's size field holds no more than `MOST_SIZE`.
        self.max_message_bytes = self.max_message_bytes.clamp(3, quarter.min(MOST_SIZE as u32));
        self.max_clients = self.max_clients.min(MOST_CLIENTS);
        self.tick_us = self.tick_us.clamp(50, 1_000_000);
        self.busy_poll_us = self.busy_poll_us.min(1_000_000);
        self.connect_timeout_ms = self.connect_timeout_ms.max(1);
        self.reconnect_min_ms = self.reconnect_min_ms.max(1);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_never_longer_than_a_record_holds() {
        let config = Config {
            in_queue_bytes: 1 << 30,
            out_queue_bytes: 1 << 30,
            max_message_bytes: u32::MAX,
            ..Config::default()
        };
        assert_eq!(config.normalized().unwrap().max_message_bytes as usize, MOST_SIZE);
        let config = Config {
            max_message_bytes: u32::MAX,
            ..Config::default()
        };
        assert_eq!(config.normalized().unwrap().max_message_bytes, 16384);
        let config = Config {
            in_queue_bytes: (1 << 30) + 1,
            ..Config::default()
        };
        assert!(config.normalized().is_err());
    }
}
