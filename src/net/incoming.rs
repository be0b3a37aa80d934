//! From sockets to in queues.

use super::link::{Link, Phase};
use super::net_port::NetPort;
use super::reactor::Reactor;
use crate::midi::parser::Sink;
use crate::realtime::producer::Producer;
use crate::session::track::Track;
use crate::sys::clock::{ms, now_ns};
use crate::sys::code::Code;
use crate::sys::tcp;
use std::io::{ErrorKind, Read};

/// The least read at once, however small the in queue.
const LEAST_READ_BYTES: usize = 2048;

/// Puts messages into an in queue.
struct Inlet<'a> {
    queue: &'a mut Producer,
    time_ns: u64,
    client: u32,
    repairs: bool,
    /// Whether the peer's state is followed.
    tracks: bool,
    track: &'a mut Track,
    /// Nothing may be put in yet.
    blocked: bool,
    messages: u64,
    dropped: u64,
    unrepaired: u64,
}

impl Sink for Inlet<'_> {
    #[inline]
    fn message(&mut self, bytes: &[u8]) -> bool {
        if self.blocked || !self.queue.write(self.time_ns, self.client, 0, bytes) {
            if !self.repairs {
                return false;
            }
            // Until this is made good, nothing more of this peer's may be put in.
            self.blocked = true;
            self.dropped += 1;
            self.unrepaired += self.track.lose(bytes);
        } else if self.tracks {
            self.track.deliver(bytes);
        }
        self.messages += 1;
        self.queue.publish_batch();
        true
    }
}

impl NetPort {
    /// Hands bytes over to the in queue; how many of them were, before there was no room.
    fn take_in(&mut self, link: &mut Link, bytes: &[u8], time_ns: u64) -> usize {
        let must_wait = self.must_wait(link);
        let client = self.client_of(link);
        let expects = self.incoming.is_some() && self.expect_held();
        let Some(queue) = &mut self.incoming else {
            return bytes.len();
        };
        let repairs = self.shared.repairs;
        let mut inlet = Inlet {
            queue,
            time_ns,
            client,
            repairs,
            tracks: repairs || self.shared.config.release_on_disconnect,
            blocked: must_wait || link.received.is_lossy(),
            track: &mut link.received,
            messages: 0,
            dropped: 0,
            unrepaired: 0,
        };
        let taken = link.parser.feed(bytes, &mut inlet);
        let (messages, dropped, unrepaired) = (inlet.messages, inlet.dropped, inlet.unrepaired);
        queue.publish();
        let counters = &self.shared.counters;
        counters.note_lag(now_ns().saturating_sub(time_ns));
        counters.messages_in.add(messages);
        counters.dropped_in.add(dropped);
        counters.unrepaired.add(unrepaired);
        self.count_invalid(link);
        if dropped != 0 {
            self.note_loss();
        }
        self.note_held(link);
        if expects {
            self.tell_holds();
        }
        taken
    }

    pub(super) fn count_invalid(&self, link: &mut Link) {
        let counts = link.parser.take_counts();
        self.shared.counters.invalid_bytes.add(counts.invalid);
        self.shared.counters.oversize_in.add(counts.oversize);
    }
}

impl Reactor {
    /// A socket has something to read, or was hung up.
    pub(super) fn readable(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        if !link.wanted_interest().read {
            // Only a broken connection says so unasked. What came before it broke is still to be read, later.
            self.broke(key, now);
            return;
        }
        match link.phase {
            Phase::Closing { .. } => self.read_away(key, now),
            _ => self.read(key, now),
        }
        if self.links.contains(key) {
            self.update_interest(key);
            self.rearm(key, now);
        }
    }

    /// Reads once, and hands over what came.
    fn read(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        let queue = self.ports[link.port].incoming.as_ref();
        // In the queue a short message takes 24 bytes: rather leave in the kernel what will find no room.
        let most = queue.map_or(usize::MAX, |queue| (queue.capacity() / 8).max(LEAST_READ_BYTES));
        let most = most.min(self.scratch.len());
        let count = loop {
            match (&link.socket).read(&mut self.scratch[..most]) {
                Ok(0) => {
                    // The end is acknowledged at once too: a peer that closes in good order waits for it.
                    tcp::acknowledge_at_once(&link.socket);
                    return self.peer_ended(key, None, now);
                }
                Ok(count) => break count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    let failure = (Code::of(&error), error.raw_os_error().unwrap_or(0));
                    return self.peer_ended(key, Some(failure), now);
                }
            }
        };
        // Read after the bytes: this is when they arrived.
        let time_ns = now_ns();
        link.heard = true;
        self.conversation.heard |= self.ports[link.port].shared.signals;
        if link.answers.heard(time_ns) {
            self.unacknowledged.push(key);
        }
        if link.suspect {
            if link.held.is_empty() {
                link.held_ns = time_ns;
            }
            link.held.extend_from_slice(&self.scratch[..count]);
            if self.sniff(key, now) {
                self.count_bytes(key);
                self.resume(key);
            }
            return;
        }
        if self.ports[link.port].owes() {
            let port = link.port;
            self.settle_port(port, now);
        }
        let link = &mut self.links[key];
        let port = &mut self.ports[link.port];
        port.shared.counters.bytes_in.add(count as u64);
        let taken = port.take_in(link, &self.scratch[..count], time_ns);
        if taken < count {
            link.held.extend_from_slice(&self.scratch[taken..count]);
            link.held_ns = time_ns;
            link.stalled = true;
            self.stalled.push(key);
        }
        let port = link.port;
        self.touch(port);
        self.settle_port(port, now);
    }

    /// Counts what came before it was known where it belongs.
    pub(super) fn count_bytes(&mut self, key: usize) {
        let link = &self.links[key];
        self.ports[link.port]
            .shared
            .counters
            .bytes_in
            .add(link.held.len() as u64);
    }

    /// Hands over what is held back, as far as there is room now; whether any was.
    pub(super) fn resume(&mut self, key: usize) -> bool {
        let now = now_ns();
        let link = &mut self.links[key];
        let held = std::mem::take(&mut link.held);
        let port_key = link.port;
        if self.ports[port_key].owes() {
            self.settle_port(port_key, now);
        }
        let link = &mut self.links[key];
        // When they arrived, not when there was room.
        let taken = self.ports[port_key].take_in(link, &held, link.held_ns);
        if taken < held.len() {
            link.held = held;
            link.held.drain(..taken);
            link.stalled = true;
            self.stalled.push(key);
        } else {
            link.stalled = false;
            if link.at_end {
                self.input_is_over(key, now);
            } else if link.heard && !matches!(link.phase, Phase::Closing { .. }) {
                // More may have come meanwhile; if it has no room either, the poller need not be told twice.
                self.read(key, now);
            }
        }
        if taken > 0 {
            self.touch(port_key);
            // Some of it may have been lost: what makes it good is looked after from now on.
            self.settle_port(port_key, now);
        }
        if self.links.contains(key) {
            self.update_interest(key);
            self.rearm(key, now);
        }
        taken > 0
    }

    /// Nothing more comes from the peer: it shut down its sending side, or the connection broke.
    fn peer_ended(&mut self, key: usize, failure: Option<(Code, i32)>, now: u64) {
        let link = &mut self.links[key];
        if std::mem::take(&mut link.suspect) {
            let is_new = matches!(link.phase, Phase::Sniffing { .. });
            if is_new && failure.is_some() && !link.held.is_empty() {
                // It began like a request.
                return self.drop_quietly(key);
            }
            if is_new && !self.settle(key) {
                return;
            }
            self.count_bytes(key);
        }
        let link = &mut self.links[key];
        link.at_end = true;
        link.failure = link.failure.or(failure);
        link.broken |= failure.is_some();
        if matches!(link.phase, Phase::Draining) {
            return if link.held.is_empty() {
                self.input_is_over(key, now)
            };
        }
        let linger = ms(self.ports[link.port].shared.config.linger_ms);
        link.phase = Phase::HalfClosed {
            until: now + linger,
            quiet_since: None,
        };
        if link.held.is_empty() {
            self.input_is_over(key, now);
        } else if !link.stalled {
            self.resume(key);
        }
    }

    /// All that came has been handed over.
    fn input_is_over(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        link.parser.finish();
        let port_key = link.port;
        let port = &mut self.ports[port_key];
        port.count_invalid(link);
        if matches!(link.phase, Phase::Draining) {
            return self.drained(key, now);
        }
        if port.can_remember() {
            port.depart(link);
            self.settle_port(port_key, now);
        }
        self.check_half_closed(key, now);
    }

    /// Writing has failed, or the poller says that the connection broke: what came before is still handed over.
    pub(super) fn broke(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        link.broken = true;
        if link.at_end || link.stalled {
            let port = link.port;
            self.touch(port);
            self.update_interest(key);
            if self.links[key].at_end && !self.links[key].stalled {
                self.check_half_closed(key, now);
            }
            return;
        }
        // Reading tells why, after all that is there.
        for _ in 0..1024 {
            let before = self.ports[self.links[key].port].shared.counters.bytes_in.get();
            self.read(key, now);
            let Some(link) = self.links.get(key) else { return };
            if link.at_end || link.stalled {
                break;
            }
            if self.ports[link.port].shared.counters.bytes_in.get() == before {
                self.peer_ended(key, Some((Code::Io, 0)), now);
                break;
            }
        }
        if self.links.contains(key) {
            self.update_interest(key);
            self.rearm(key, now);
        }
    }

    /// Reads what still comes at a connection that is being closed, and throws it away.
    fn read_away(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        match (&link.socket).read(&mut self.scratch) {
            Ok(0) => link.at_end = true,
            Ok(_) => return tcp::acknowledge_at_once(&link.socket),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => (link.at_end, link.broken) = (true, true),
        }
        self.check_closing(key, now);
    }
}
