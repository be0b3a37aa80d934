//! What a connection is made of: a connected stream socket, TCP or Unix. This is the seam for anything else that carries a
//! stream of bytes both ways.

use crate::realtime::config::Config;
use crate::session::Interest;
use crate::sys::address::Address;
use crate::sys::poller::{Event, Poller};
use crate::sys::tcp::{self, Progress};
use socket2::{Socket, TcpKeepalive};
use std::io::{self, Read};
use std::net::Shutdown;
use std::time::Duration;

/// How many bytes the kernel may hold for a peer that does not read (it doubles this number).
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Reads of what nobody wants any more before a socket is closed.
const MOST_LAST_READS: usize = 64;

/// A connected stream.
pub(super) struct Transport {
    socket: Socket,
    is_tcp: bool,
    /// What the poller watches it for; None: it is not in the poller.
    watched: Option<Interest>,
    /// The error of a reset that the poller told of.
    reset: Option<i32>,
}

impl Transport {
    /// Takes a connected socket that does not block.
    pub(super) fn new(socket: Socket, peer: Option<Address>, config: &Config) -> Self {
        prepare(&socket, peer, config);
        Self {
            socket,
            is_tcp: is_tcp(peer),
            watched: None,
            reset: None,
        }
    }

    /// Has the system probe the line while it is idle; 0: as before.
    pub(super) fn keep_alive(&self, keepalive_ms: u32) {
        if self.is_tcp {
            keep_alive(&self.socket, keepalive_ms);
        }
    }

    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.socket).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => {
                    return self
                        .reset
                        .map_or(Ok(0), |number| Err(io::Error::from_raw_os_error(number)));
                }
                outcome => return outcome,
            }
        }
    }

    /// The system has told that the peer reset the connection: what reading finds at the end is no orderly one.
    pub(super) fn note_reset(&mut self, number: i32) {
        self.reset = Some(number);
    }

    /// Hands bytes to the system; how many it took. It never raises SIGPIPE.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.send_with_flags(bytes, tcp::SEND_FLAGS) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Shuts down the sending side: the peer reads all that was written, then the end.
    pub(super) fn finish_writing(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// How far the peer has acknowledged, where the system tells.
    pub(super) fn progress(&self) -> Option<Progress> {
        if self.is_tcp {
            tcp::progress(&self.socket)
        } else {
            tcp::progress_of_local(&self.socket)
        }
    }

    /// Why the connection broke, if it did and no call has told.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.socket.take_error().unwrap_or_else(Some)
    }

    /// Acknowledges at once what was read.
    pub(super) fn acknowledge_at_once(&self) {
        if self.is_tcp {
            tcp::acknowledge_at_once(&self.socket);
        }
    }

    /// Has the poller watch it. A socket stays in the poller while nothing is wanted of it: the poller then still tells
    /// when the connection breaks.
    pub(super) fn watch(&mut self, poller: &Poller, key: usize, interest: Interest) -> io::Result<()> {
        if self.watched == Some(interest) {
            return Ok(());
        }
        let event = Event::new(key, interest.read, interest.write);
        if self.watched.is_some() {
            poller.modify(&self.socket, event)?;
        } else {
            // It is taken out before it is dropped: see `close`.
            poller.add(&self.socket, event)?;
        }
        self.watched = Some(interest);
        Ok(())
    }

    /// Closes the socket. Unread bytes would make the system reset the connection, and the peer would lose what was
    /// written: they are read away first.
    pub(super) fn close(self, poller: &Poller, scratch: &mut [u8]) {
        if self.watched.is_some() {
            let _ = poller.delete(&self.socket);
        }
        for _ in 0..MOST_LAST_READS {
            if !matches!(self.read(scratch), Ok(1..)) {
                break;
            }
        }
    }
}

fn is_tcp(peer: Option<Address>) -> bool {
    !peer.is_some_and(|peer| peer.is_unix())
}

/// Gives a connected socket what its kind gets. Another time changes nothing.
pub(super) fn prepare(socket: &Socket, peer: Option<Address>, config: &Config) {
    if is_tcp(peer) {
        prepare_tcp(socket, config);
    }
    // A dead peer must never raise SIGPIPE in the host.
    #[cfg(target_vendor = "apple")]
    let _ = socket.set_nosigpipe(true);
}

/// What every TCP connection gets. Each of these makes it better, and none is worth refusing it for.
fn prepare_tcp(socket: &Socket, config: &Config) {
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
    tcp::prepare(socket);
    keep_alive(socket, config.connection.keepalive_ms);
    if config.connection.traffic_class != 0 {
        tcp::set_traffic_class(socket, config.connection.traffic_class);
    }
}

/// Has the system probe an idle line; it counts in whole seconds.
fn keep_alive(socket: &Socket, keepalive_ms: u32) {
    if keepalive_ms == 0 {
        return;
    }
    let total = keepalive_ms.div_ceil(1000).clamp(1, 32767);
    let (idle, interval, count) = probes(total);
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(idle.into()))
        .with_interval(Duration::from_secs(interval.into()))
        .with_retries(count);
    // Without it a dead peer is noticed later: no reason to refuse the connection.
    let _ = socket.set_tcp_keepalive(&probes);
    tcp::limit_retransmission_interval(socket, keepalive_ms / 2);
}

/// Seconds of idling, seconds between probes, and their number, for about `total` seconds.
fn probes(total: u32) -> (u32, u32, u32) {
    let idle = (total / 2).max(1);
    let interval = (total / 6).max(1);
    (idle, interval, (total.saturating_sub(idle) / interval).clamp(1, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_add_up() {
        for total in [1, 2, 3, 5, 10, 30, 60, 3600] {
            let (idle, interval, count) = probes(total);
            let sum = idle + interval * count;
            assert!(
                sum >= total && sum <= (total + 1).max(total * 5 / 4),
                "{total}: {idle} + {interval} * {count}"
            );
        }
    }
}
