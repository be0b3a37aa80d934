//! From peers to the in queue of a port, and what is owed to the thread that pops it: the difference in state after a
//! loss, and the releases of what departed peers hold.

use super::connection::{Connection, Input};
use super::effect::{Keyed, Peer};
use super::merge::{Merge, Waiting};
use super::owed::{self, Backlog, Departed};
use super::port::{Port, notification};
use super::sender_time::SenderTime;
use super::track::Track;
use crate::midi::channels::Channels;
use crate::midi::parser::{Parser, Sink};
use crate::midi::state::ChannelState;
use crate::realtime::notifications::Kind;
use crate::realtime::producer::Producer;
use crate::realtime::shared::{Role, STILL_HELD, SYNTHETIC, TIMED};
use slab::Slab;

/// The longest message that is made here.
const LONGEST: usize = 3;

/// Puts messages into an in queue.
struct Inlet<'a> {
    queue: &'a mut Producer,
    merging: Option<Merging<'a>>,
    arrived_ns: u64,
    time: &'a mut SenderTime,
    client: u32,
    repairs: bool,
    channels: Channels,
    track: &'a mut Track,
    hidden: &'a mut Option<Box<ChannelState>>,
    /// All channels are open, the peer tells no times, clients are not merged, and nothing blocks, as nearly always.
    plain: bool,
    /// Nothing may be put in until what was lost is made good.
    blocked: bool,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    messages: u64,
    dropped: u64,
    unrepaired: u64,
    filtered: u64,
    timed: u64,
}

/// Where messages wait to be merged with those of other clients.
struct Merging<'a> {
    merge: &'a mut Merge,
    peer: Peer,
    latest_ns: &'a mut u64,
}

impl Merging<'_> {
    /// False: there is no room.
    fn add(&mut self, time_ns: u64, client: u32, flags: u32, bytes: &[u8]) -> bool {
        if self.merge.is_full() {
            return false;
        }
        *self.latest_ns = time_ns.max(*self.latest_ns);
        self.merge.add(Waiting {
            peer: self.peer,
            client,
            at_ns: *self.latest_ns,
            time_ns,
            flags,
            bytes: bytes.into(),
        });
        true
    }
}

impl Inlet<'_> {
    /// A message of a channel that the port does not have: it is only followed.
    #[cold]
    fn hide(&mut self, bytes: &[u8]) -> bool {
        self.hidden.get_or_insert_default().apply(bytes);
        self.counts.filtered += 1;
        self.counts.messages += 1;
        true
    }

    /// Takes a message where the port lacks channels, peers tell times or clients are merged, or that finds no room.
    #[inline(never)]
    fn message_otherwise(&mut self, bytes: &[u8]) -> bool {
        let (time_ns, flags) = self.time.time_of(bytes, self.arrived_ns);
        if !self.channels.has(bytes) {
            return self.hide(bytes);
        }
        if let Some(merging) = &mut self.merging {
            if !merging.add(time_ns, self.client, flags, bytes) {
                return false;
            }
        } else if self.blocked || !self.queue.write(time_ns, self.client, flags, bytes) {
            if !self.repairs {
                return false;
            }
            (self.blocked, self.plain) = (true, false);
            self.counts.dropped += 1;
            self.counts.unrepaired += self.track.lose(bytes);
        } else {
            self.track.deliver(bytes);
        }
        if let ([0xFF], Some(hidden)) = (bytes, &mut *self.hidden) {
            hidden.apply(bytes);
        }
        self.counts.messages += 1;
        self.counts.timed += u64::from(flags == TIMED);
        self.queue.publish_batch();
        true
    }
}

impl Sink for Inlet<'_> {
    #[inline(always)]
    fn message(&mut self, bytes: &[u8]) -> bool {
        if self.plain && self.queue.write(self.arrived_ns, self.client, 0, bytes) {
            self.track.deliver(bytes);
            self.counts.messages += 1;
            self.queue.publish_batch();
            return true;
        }
        self.message_otherwise(bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> bool {
        let taken = self.time.take_frame(bytes, self.arrived_ns);
        self.plain &= !self.time.is_active();
        taken
    }
}

/// Takes messages that are dropped, to count them.
struct Dropping(u64);

impl Sink for Dropping {
    fn message(&mut self, _bytes: &[u8]) -> bool {
        self.0 += 1;
        true
    }
}

/// What one peer's bytes need beside the port.
struct Source<'a> {
    parser: &'a mut Parser,
    time: &'a mut SenderTime,
    /// Itself and the latest time of its messages, where they are to be merged with those of others.
    merges: Option<(Peer, &'a mut u64)>,
    track: &'a mut Track,
    hidden: &'a mut Option<Box<ChannelState>>,
    client: u32,
    arrived_ns: u64,
    must_wait: bool,
}

impl<'a> Source<'a> {
    fn of(input: &'a mut Input, peer: Peer, client: u32, must_wait: bool) -> Self {
        Self {
            parser: &mut input.parser,
            time: &mut input.time,
            merges: Some((peer, &mut input.merged_ns)),
            track: &mut input.track,
            hidden: &mut input.hidden,
            client,
            arrived_ns: input.arrived_ns,
            must_wait,
        }
    }
}

/// A port, and the connections that fill its in queue.
pub(super) struct Inbound<'a> {
    pub port: &'a mut Port,
    pub connections: &'a mut Slab<Connection>,
    pub now: u64,
}

impl Inbound<'_> {
    /// Hands bytes of a peer, which arrived at `input.arrived_ns`, over to the in queue; how many of them were, before
    /// there was no room.
    pub(super) fn take(&mut self, peer: Peer, bytes: &[u8]) -> usize {
        self.port.renew_hold();
        let mut taken = 0;
        while let Some(connection) = self.connections.at_mut(peer) {
            let (client, must_wait) = (self.port.client_of(connection), self.port.must_wait());
            let source = Source::of(&mut connection.input, peer, client, must_wait);
            taken += feed(self.port, source, &bytes[taken..], self.now);
            if self.has_panicked(peer) {
                self.give_merged(u64::MAX);
                self.port.place_at_once();
            } else if self.port.times.merge.is_full() {
                self.give_merged(u64::MAX);
            }
            if taken == bytes.len() || !self.port.is_merging() {
                break;
            }
        }
        self.give_merged(self.now);
        taken
    }

    /// Whether a peer has silenced all channels. Whatever its times, what it sent before is placed at once then.
    fn has_panicked(&mut self, peer: Peer) -> bool {
        self.connections
            .at_mut(peer)
            .is_some_and(|connection| connection.input.time.take_panic())
    }

    /// Puts messages that were merged into the in queue, as far as it is time for them.
    pub(super) fn give_merged(&mut self, now: u64) {
        let mut dropped = 0;
        while let Some(waiting) = self.port.times.merge.take_due(now) {
            let (Some(queue), Some(connection)) = (&mut self.port.incoming, self.connections.at_mut(waiting.peer))
            else {
                continue;
            };
            let track = &mut connection.input.track;
            let (time_ns, client, bytes) = (waiting.time_ns, waiting.client, &waiting.bytes);
            if !track.is_lossy() && queue.write(time_ns, client, waiting.flags, bytes) {
                track.deliver(bytes);
            } else {
                dropped += 1;
                let unrepaired = track.lose(bytes);
                self.port.shared.counters.network.unrepaired.add(unrepaired);
            }
        }
        self.publish();
        self.port.note_dropped(dropped, self.now);
    }

    /// Hands over what waits for room; whether anything was handed over.
    pub(super) fn resume(&mut self, peer: Peer) -> bool {
        let Some(connection) = self.connections.at_mut(peer) else {
            return false;
        };
        let backlog = std::mem::take(&mut connection.input.backlog);
        let taken = self.take(peer, &backlog);
        if taken == backlog.len() {
            return taken > 0;
        }
        if let Some(connection) = self.connections.at_mut(peer) {
            connection.input.backlog = backlog;
            connection.input.backlog.drain(..taken);
        }
        taken > 0
    }

    /// A peer goes: from now on what it sent and was not handed over is owed, and the releases of what it holds.
    pub(super) fn depart(&mut self, peer: Peer) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let client = self.port.client_of(connection);
        self.give_merged(u64::MAX);
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let input = &mut connection.input;
        let bytes = std::mem::take(&mut input.backlog);
        let mut parser = std::mem::replace(&mut input.parser, Parser::new(0));
        let track = std::mem::take(&mut input.track);
        let time = std::mem::take(&mut input.time);
        // It is told nothing any more of where a peer stands that has gone.
        input.hidden = None;
        if self.port.life >= super::port::Life::Released {
            return;
        }
        let mut backlog = Backlog {
            bytes,
            arrived_ns: input.arrived_ns,
            track,
            time,
            parser: Parser::new(0),
        };
        let most = self.port.config().server.max_clients.max(1) as usize;
        if !self.port.owed.has_room_for(backlog.bytes.len(), most) {
            let mut dropping = Dropping(0);
            parser.feed(&backlog.bytes, &mut dropping);
            backlog.bytes.clear();
            let counters = &self.port.shared.counters.network;
            counters.messages_in.add(dropping.0);
            counters.dropped_in.add(dropping.0);
        }
        backlog.parser = parser;
        let mut departed = Departed::new(client, backlog);
        self.end_backlog(&mut departed);
        if departed.backlog.is_some() || !departed.releases.is_empty() {
            self.port.owed.departed.push_back(departed);
        }
        self.settle();
    }

    /// Once all that a departed peer sent is handed over: what is left is the releases.
    fn end_backlog(&mut self, departed: &mut Departed) {
        let Some(mut backlog) = departed.backlog.take() else {
            return;
        };
        if !backlog.bytes.is_empty() {
            departed.backlog = Some(backlog);
            return;
        }
        backlog.parser.finish();
        self.port.count_invalid(&mut backlog.parser);
        while self.port.config().delivery.release_on_disconnect {
            let Some(release) = backlog.track.next_release() else {
                break;
            };
            departed.releases.push_back(release);
        }
        self.port.owed.note_releases(departed);
    }

    /// Gives what is owed, as far as there is room. What is left is looked at again after a tick.
    pub(super) fn settle(&mut self) {
        if self.port.owed.is_empty() {
            return;
        }
        // Half of the queue first, or the live stream would be lost again at once.
        if self.port.has_room() {
            self.port.shared.set_needs_release(true);
            self.repair_lost();
            self.release_departed();
        }
        let lossy = |peer: &Peer| {
            self.connections
                .at(*peer)
                .is_some_and(|connection| connection.input.track.is_lossy())
        };
        let peers = &self.port.peers;
        if let Some(announced) = self.port.owed.loss.take_if(|_| !peers.iter().any(lossy)) {
            let recovered = notification(Kind::Recovered, self.now);
            self.port
                .shared
                .control
                .notifications
                .announce_end(announced, recovered);
        }
        self.port.update_holds(self.connections);
    }

    /// Gives the difference to what was lost.
    pub(super) fn repair_lost(&mut self) {
        self.give_merged(u64::MAX);
        for index in 0..self.port.peers.len() {
            let peer = self.port.peers[index];
            while self.has_room_for_one() {
                let Some(connection) = self.connections.at_mut(peer) else {
                    break;
                };
                if !connection.input.track.is_lossy() {
                    break;
                }
                let Some(message) = connection.input.track.next_repair() else {
                    break;
                };
                let client = self.port.client_of(connection);
                let departed = self.port.owed.ends_too(&message);
                let flags = self.flags_of(Some(peer), &message, departed);
                self.give(client, flags, &message);
            }
        }
        self.publish();
    }

    /// Gives what departed peers sent and hold, one after the other.
    fn release_departed(&mut self) {
        while let Some(mut departed) = self.port.owed.departed.pop_front() {
            if let Some(backlog) = &mut departed.backlog {
                // The repair of its connection comes first.
                self.repair_departed(departed.client, &mut backlog.track);
                let bytes = std::mem::take(&mut backlog.bytes);
                let source = Source {
                    parser: &mut backlog.parser,
                    time: &mut backlog.time,
                    merges: None,
                    track: &mut backlog.track,
                    hidden: &mut None,
                    client: departed.client,
                    arrived_ns: backlog.arrived_ns,
                    must_wait: false,
                };
                let taken = feed(self.port, source, &bytes, self.now);
                backlog.bytes = bytes;
                backlog.bytes.drain(..taken);
                self.end_backlog(&mut departed);
            }
            while departed.backlog.is_none() && self.has_room_for_one() {
                let Some((message, others)) = self.port.owed.next_release(&mut departed) else {
                    break;
                };
                let flags = self.flags_of(None, &message, others);
                self.give(departed.client, flags, &message);
            }
            self.publish();
            if departed.backlog.is_some() || !departed.releases.is_empty() {
                self.port.owed.departed.push_front(departed);
                return;
            }
        }
    }

    fn repair_departed(&mut self, client: u32, track: &mut Track) {
        if self.port.repairs() {
            return;
        }
        while self.has_room_for_one() {
            let Some(message) = track.next_repair() else { return };
            let others = self.port.owed.ends_too(&message);
            let flags = self.flags_of(None, &message, others);
            self.give(client, flags, &message);
        }
    }

    fn has_room_for_one(&mut self) -> bool {
        self.port.incoming.as_mut().is_some_and(|queue| queue.has_room(LONGEST))
    }

    fn give(&mut self, client: u32, flags: u32, message: &[u8]) {
        if let Some(queue) = &mut self.port.incoming {
            // There is room: `has_room_for_one` has said so.
            let given = queue.write(self.now, client, flags, message);
            self.port.shared.counters.network.synthesized.add(given.into());
        }
    }

    fn publish(&mut self) {
        if let Some(queue) = &mut self.port.incoming {
            queue.publish();
        }
    }

    /// The flags of a message that is made in the name of a client: whether another one of a merged server holds what
    /// it releases. `departed`: one that has departed does.
    fn flags_of(&self, peer: Option<Peer>, message: &[u8], departed: bool) -> u32 {
        if self.port.shared.role != Role::Merged || !owed::is_release(message) {
            return SYNTHETIC;
        }
        let mut others = self.port.peers.iter().filter(|other| Some(**other) != peer);
        let held = others.any(|other| {
            let connection = self.connections.at(*other);
            connection.is_some_and(|connection| owed::holds(&connection.input.track, message))
        });
        if held || departed || self.port.owed.backlog_holds(message) {
            SYNTHETIC | STILL_HELD
        } else {
            SYNTHETIC
        }
    }
}

/// Parses bytes into the in queue of a port; how many were taken before there was no room.
fn feed(port: &mut Port, source: Source<'_>, bytes: &[u8], now: u64) -> usize {
    let repairs = port.repairs();
    let releases = port.config().delivery.release_on_disconnect;
    let is_merging = port.is_merging();
    let Some(queue) = &mut port.incoming else {
        return bytes.len();
    };
    // Before something is handed over that may have to be released: a thread that pops it and then shuts the port down
    // must not learn that nothing comes any more.
    if releases && !port.shared.needs_release() {
        port.shared.set_needs_release(true);
    }
    let merge = &mut port.times.merge;
    let merging = source.merges.filter(|_| is_merging);
    let blocked = source.must_wait || source.track.is_lossy();
    let is_usual = merging.is_none() && port.channels.is_all() && !source.time.is_active() && source.hidden.is_none();
    let mut inlet = Inlet {
        queue,
        plain: is_usual && !blocked,
        merging: merging.map(|(peer, latest_ns)| Merging { merge, peer, latest_ns }),
        arrived_ns: source.arrived_ns,
        time: source.time,
        client: source.client,
        repairs,
        channels: port.channels,
        blocked,
        track: source.track,
        hidden: source.hidden,
        counts: Counts::default(),
    };
    let taken = source.parser.feed(bytes, &mut inlet);
    let counted = inlet.counts;
    queue.publish();
    let counters = &port.shared.counters.network;
    counters.messages_in.add(counted.messages);
    port.shared.counters.sender.timed_in.add(counted.timed);
    counters.filtered.add(counted.filtered);
    counters.unrepaired.add(counted.unrepaired);
    port.count_invalid(source.parser);
    port.note_dropped(counted.dropped, now);
    taken
}
