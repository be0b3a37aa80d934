//! The conversation of one address's ports with their peers, without I/O: no socket, no poller, no clock, no thread.
//!
//! A [`Session`] owns what the ports of one address and their peers say to one another: parsers, channel states, send
//! buffers, schedules, the phases of each connection, and what is made good after a loss. Nearly always it is one port.
//! The code that drives it feeds it with the `handle_*` methods, each of which takes the time, and then carries out what
//! [`Core::poll_effect`] gives, and calls `handle_timeout` when [`Core::poll_timeout`] says so. No method calls
//! back. A connection that is over stays in the session until its [`Effect::Close`] has been taken.
//!
//! | what belongs to | lies in |
//! |---|---|
//! | one connection | [`connection`], its halves [`output`] and `Input`, [`send_buffer`], [`track`], [`liveness`], [`sniff`] |
//! | all ports and connections | [`core`] |
//! | one port | [`port`], [`schedule`] and its [`pairs`], [`owed`], [`memory`], [`flush`] |
//! | the way of a message | [`inbound`]: from peers to the in queue; [`outbound`], [`forward`], [`reach`] and [`repair`]: from the out queue to peers |
//! | changes of a port's channels | [`channels`] |
//! | sender time | [`sender_time`]: of one connection; [`frames`]: what is sent and told; [`merge`]: clients in order of time |
//! | the end of connections and ports | [`ending`]; [`unaccepted`]: ports that wait for `accept` |
//! | several ports on one address | [`hub`]: a session for each of them, and one stream to each client; [`conversation`]: either |
//!
//! `net` calls it, and so does the simulation. It calls `realtime` and what lies below.

pub(crate) mod admission;
pub(crate) mod allow;
mod channels;
mod connection;
pub(crate) mod conversation;
mod core;
mod effect;
mod ending;
mod flush;
mod forward;
mod frames;
mod hub;
mod inbound;
mod liveness;
mod memory;
mod merge;
pub(crate) mod name;
pub(crate) mod options;
mod outbound;
mod output;
mod owed;
mod pairs;
mod port;
mod reach;
mod repair;
mod schedule;
mod send_buffer;
mod sender_time;
#[cfg(all(test, not(loom)))]
mod simulation;
mod sniff;
#[cfg(all(test, not(loom)))]
mod tests;
mod timers;
mod track;
mod unaccepted;

pub(crate) use connection::Reason;
pub(crate) use effect::{Effect, Interest, Peer, PortKey};

use self::core::{Core, FIRST_BYTES_MS};
use crate::realtime::client_table::Ids;
use crate::realtime::drain::OutQueue;
use crate::realtime::notifications::Kind;
use crate::realtime::producer::Producer;
use crate::realtime::shared::{Role, Shared};
use crate::sys::address::Address;
use crate::sys::clock::ms;
use connection::Phase;
use effect::Keyed;
use name::Name;
use options::Options;
use port::{NOT_ALLOWED, Port, TOO_MANY, notification, turned_away};
use sniff::Verdict;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use timers::Owner;

/// What only the session of a server has.
struct Server {
    port: PortKey,
    /// None: the ports that share the address have the same ids.
    ids: Option<Ids>,
    by_client: HashMap<u32, Peer>,
    options: Options,
}

/// The conversation of one address's ports with their peers.
pub(crate) struct Session {
    pub(crate) core: Core,
    server: Option<Server>,
}

impl Session {
    /// A session of one port.
    pub(crate) fn new(shared: Arc<Shared>, queues: Option<(Producer, OutQueue)>, options: Options) -> (Self, PortKey) {
        let ids = Ids::new(&shared.clients.table);
        Self::with_ids(shared, queues, options, Some(ids))
    }

    fn with_ids(
        shared: Arc<Shared>,
        queues: Option<(Producer, OutQueue)>,
        options: Options,
        ids: Option<Ids>,
    ) -> (Self, PortKey) {
        let mut core = Core::default();
        let is_server = shared.role.is_server();
        let port = PortKey(core.ports.insert(Port::new(shared, queues, options.name.clone())));
        let server = is_server.then(|| Server {
            port,
            ids,
            by_client: HashMap::new(),
            options,
        });
        (Self { core, server }, port)
    }

    /// The name of the port, on a manual server its own.
    pub(crate) fn name(&self) -> Name {
        let port = self.server.as_ref().map_or(PortKey(0), |server| server.port);
        self.core
            .ports
            .at(port)
            .map(|port| port.times.name.clone())
            .unwrap_or_default()
    }

    /// Whether no port and no connection is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.core.ports.is_empty() && self.core.connections.is_empty()
    }

    /// Whether a server has a place for one more client.
    pub(crate) fn has_place(&self) -> bool {
        let shared = self.server.as_ref().and_then(|server| self.core.shared(server.port));
        shared.is_some_and(|shared| shared.clients.count.load(Ordering::Relaxed) < shared.config.server.max_clients)
    }

    /// A newcomer at the server; None: it is turned away.
    pub(crate) fn add_client(&mut self, address: Option<Address>, now: u64) -> Option<Peer> {
        if !self.has_place() {
            admission::make_place(self, now);
        }
        let has_place = self.has_place();
        let server = self.server.as_mut()?;
        let key = server.port;
        self.core.change_channels(key, now);
        let port = self.core.ports.at_mut(key)?;
        let shared = Arc::clone(&port.shared);
        let permitted = admission::permits(server.options.allow.as_ref(), address);
        let may_enter = permitted && has_place && !port.is_ending();
        let ids = server.ids.as_mut().filter(|_| may_enter);
        let Some(client) = ids.and_then(Ids::assign) else {
            turned_away(&shared, address, if permitted { TOO_MANY } else { NOT_ALLOWED });
            return None;
        };
        admission::enter(self, client, address, now)
    }

    /// A connection is a MIDI peer's: it is announced, or, on a manual server, asks for a port of its own.
    fn confirm_client(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let Some(shared) = self.core.ports.at(connection.port).map(|port| Arc::clone(&port.shared)) else {
            return;
        };
        if shared.role == Role::Manual {
            connection.phase = Phase::Accepting;
            return self.core.effects.push(Effect::Accept(peer));
        }
        self.open_client(peer, &shared, now);
    }

    /// The answer to [`Effect::Accept`]: the client has a port of its own from now on.
    pub(crate) fn accept(
        &mut self,
        peer: Peer,
        shared: Arc<Shared>,
        queues: (Producer, OutQueue),
        now: u64,
    ) -> Option<PortKey> {
        let connection = self
            .core
            .connections
            .at_mut(peer)
            .filter(|connection| connection.phase == Phase::Accepting)?;
        let server = connection.port;
        let server_shared = Arc::clone(&self.core.ports.at(server)?.shared);
        shared.counters.network.connections.add(1);
        shared.status.peer.come(connection.address);
        let name = self.core.ports.at(server)?.times.name.clone();
        let key = PortKey(self.core.ports.insert(Port::new(shared, Some(queues), name)));
        connection.port = key;
        unaccepted::bound(self, &server_shared, now);
        if let Some(server) = self.core.ports.at_mut(server) {
            server.peers.retain(|other| *other != peer);
        }
        if let Some(port) = self.core.ports.at_mut(key) {
            port.peers.push(peer);
        }
        self.open_client(peer, &server_shared, now);
        Some(key)
    }

    /// The other answer: there is no port to be had.
    pub(crate) fn reject(&mut self, peer: Peer, now: u64) {
        let address = self.core.connections.at(peer).and_then(|connection| connection.address);
        if let Some(shared) = self.core.port_of(peer) {
            turned_away(shared, address, "there is no memory for it");
        }
        self.drop_unannounced(peer, now);
    }

    /// A client is announced by its server, and what it sent meanwhile is handed over.
    fn open_client(&mut self, peer: Peer, server: &Shared, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        connection.phase = Phase::Open;
        server.counters.network.connections.add(1);
        let joined = notification(Kind::ClientJoined, now)
            .client(connection.client)
            .address(connection.address);
        connection.announced = server.control.notifications.announce_begin(joined);
        // What was pushed meanwhile.
        self.core.effects.write(peer, connection);
        let (port, server, end) = (connection.port, connection.server, connection.input.end);
        if end.is_some() {
            connection.input.sniffer = None;
        }
        let waits = connection.waits_for_room();
        self.core.changed(port);
        server.into_iter().for_each(|server| self.core.changed(server));
        if waits {
            self.take_first_bytes(peer, now);
        }
        if end.is_some() {
            self.input_ended(peer, now);
        }
        self.core.rearm(peer, now);
    }

    /// Bytes came from a peer.
    pub(crate) fn handle_bytes(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        if !connection.is_live() {
            return;
        }
        let input = &mut connection.input;
        input.received_any = true;
        if input.backlog.is_empty() {
            input.arrived_ns = now;
        }
        match input
            .sniffer
            .as_mut()
            .map_or(Verdict::Midi, |sniffer| sniffer.see(bytes))
        {
            Verdict::Foreign => return self.turn_away(peer, now),
            Verdict::Undecided => input.backlog.extend_from_slice(bytes),
            Verdict::Midi => self.take_midi(peer, now, bytes),
        }
        self.core.rearm(peer, now);
    }

    /// Takes bytes of a peer that speaks MIDI.
    fn take_midi(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let was_sniffed = connection.input.sniffer.take().is_some();
        let (port, is_new) = (connection.port, matches!(connection.phase, Phase::New { .. }));
        if was_sniffed {
            connection.input.backlog.extend_from_slice(bytes);
            if is_new {
                self.confirm_client(peer, now);
            } else if connection.is_confirmed() {
                self.take_first_bytes(peer, now);
            }
            return;
        }
        if let Some(shared) = self.core.shared(port) {
            shared.counters.network.bytes_in.add(bytes.len() as u64);
        }
        self.core.take_bytes(peer, now, bytes);
        self.core.changed(port);
    }

    /// What came first is handed over.
    fn take_first_bytes(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.core.connections.at(peer) else {
            return;
        };
        let (port, count) = (connection.port, connection.input.backlog.len());
        if let Some(shared) = self.core.shared(port) {
            shared.counters.network.bytes_in.add(count as u64);
        }
        self.resume(peer, now);
        self.core.changed(port);
    }

    /// The peer has shut down its sending side.
    pub(crate) fn handle_eof(&mut self, peer: Peer, now: u64) {
        self.handle_end(peer, Reason::ORDERLY, now);
    }

    /// The connection broke. All that came before has been handed over with `handle_bytes`.
    pub(crate) fn handle_failure(&mut self, peer: Peer, now: u64, reason: Reason) {
        self.handle_end(peer, reason, now);
    }

    fn handle_end(&mut self, peer: Peer, reason: Reason, now: u64) {
        self.core.admit_flush(peer);
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        connection.end_input(reason);
        match connection.phase {
            Phase::Gone | Phase::Accepting => {}
            Phase::Closing { .. } => self.check_closing(peer, None, now),
            Phase::New { .. } if reason != Reason::ORDERLY && !connection.input.backlog.is_empty() => {
                // It did not begin like a MIDI peer.
                self.drop_unannounced(peer, now);
            }
            Phase::New { .. } => self.confirm_client(peer, now),
            Phase::Open | Phase::HalfClosed { .. } => {
                if connection.holds_first_bytes() {
                    connection.input.sniffer = None;
                    self.take_first_bytes(peer, now);
                }
                self.input_ended(peer, now);
            }
        }
        self.core.rearm(peer, now);
    }

    /// The system took so many bytes; fewer than there are: it takes no more now.
    pub(crate) fn handle_sent(&mut self, peer: Peer, now: u64, count: usize) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let (messages, left) = (connection.output.sent(count), connection.output.buffer.len());
        let (port, is_closing) = (connection.port, matches!(connection.phase, Phase::Closing { .. }));
        if let Some(shared) = self.core.shared(port) {
            shared.counters.network.messages_out.add(messages);
            shared.counters.network.bytes_out.add(count as u64);
        }
        self.core.note_left(port, left, now);
        self.core.changed(port);
        if is_closing {
            self.check_closing(peer, None, now);
        }
        self.core.rearm(peer, now);
    }

    /// The answer to [`Effect::Measure`]; None: the system does not tell.
    pub(crate) fn handle_progress(&mut self, peer: Peer, now: u64, progress: Option<crate::sys::tcp::Progress>) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let progress = progress.as_ref();
        if !connection.makes_progress(progress, now) {
            return self.end(peer, Reason::of(crate::sys::code::Code::Timeout), now);
        }
        match connection.phase {
            Phase::Open if connection.waits_for_room() && progress.is_some_and(|progress| progress.ended) => {
                connection.input.reads_to_end = true;
            }
            Phase::HalfClosed { .. } => self.check_half_closed(peer, progress, now),
            Phase::Closing { .. } => self.check_closing(peer, progress, now),
            _ => {}
        }
        self.core.rearm(peer, now);
    }

    /// The time of `poll_timeout` has come.
    pub(crate) fn handle_timeout(&mut self, now: u64) {
        while let Some((at, owner)) = self.core.timers.take_due(now) {
            match owner {
                Owner::Connection(peer, serial) => {
                    let connection = self.core.connections.at_mut(peer);
                    let connection = connection.filter(|connection| connection.serial == serial);
                    if connection.is_some_and(|connection| connection.armed.comes(at)) {
                        self.connection_timeout(peer, now);
                    }
                }
                Owner::Port(key, id) => {
                    let port = self.core.ports.at_mut(key).filter(|port| port.shared.id == id);
                    // The drain of this turn has already taken all that is due.
                    if port.is_some_and(|port| port.armed.comes(at)) {
                        self.core.settle(key, now);
                    }
                }
            }
        }
    }

    fn connection_timeout(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let mut is_measured = false;
        match connection.phase {
            Phase::New { until } if until <= now => self.confirm_client(peer, now),
            Phase::Accepting | Phase::Gone | Phase::New { .. } => {}
            Phase::HalfClosed { .. } | Phase::Closing { .. } => is_measured = true,
            Phase::Open => {
                if connection.holds_first_bytes() && connection.input.arrived_ns + ms(FIRST_BYTES_MS) <= now {
                    self.take_first_bytes(peer, now);
                }
                let Some(connection) = self.core.connections.at(peer) else {
                    return;
                };
                let is_due = connection.liveness.next_check_ns().is_some_and(|at| at <= now);
                is_measured = is_due || connection.waits_for_room();
            }
        }
        self.core.check_delay(peer, now);
        frames::exchange_times(&mut self.core, peer, now);
        if is_measured {
            // The answer arms the next deadline: until then the one that has just come would come again.
            self.core.effects.push(Effect::Measure(peer));
        } else {
            self.core.rearm(peer, now);
        }
    }

    /// How many connections wait for room in an in queue, each of which is to try again with `retry_next`. The first finds
    /// the most room: each is first in its turn.
    pub(crate) fn begin_retry(&mut self) -> usize {
        if !self.core.waiting.is_empty() {
            self.core.waiting.rotate_left(1);
        }
        self.core.waiting.len()
    }

    /// The next connection that found no room in an in queue tries again; whether it found some. It is given back where
    /// it is to be read at once: more may have come meanwhile.
    pub(crate) fn retry_next(&mut self, now: u64, read_again: &mut Vec<Peer>) -> bool {
        let Some(peer) = self.core.waiting.pop_front() else {
            return false;
        };
        let Some(connection) = self
            .core
            .connections
            .at(peer)
            .filter(|connection| connection.waits_for_room())
        else {
            return false;
        };
        if !self.core.ports.at(connection.port).is_some_and(Port::has_room) {
            self.core.waiting.push_back(peer);
            return false;
        }
        let progress = self.resume(peer, now);
        if self.core.interest(peer).read {
            read_again.push(peer);
        }
        progress
    }

    /// Hands over what waits, as far as there is room now; whether any was.
    fn resume(&mut self, peer: Peer, now: u64) -> bool {
        let Some(connection) = self.core.connections.at(peer) else {
            return false;
        };
        let key = connection.port;
        self.core.change_channels(key, now);
        let progress = self.core.inbound(key, now, |inbound| {
            inbound.settle();
            inbound.resume(peer)
        });
        frames::exchange_times(&mut self.core, peer, now);
        if let Some(connection) = self.core.connections.at(peer) {
            if connection.waits_for_room() {
                self.core.waiting.push_back(peer);
            } else if connection.input.end.is_some() && matches!(connection.phase, Phase::HalfClosed { .. }) {
                self.input_ended(peer, now);
            }
        }
        if progress {
            self.core.changed(key);
            self.core.settle(key, now);
        }
        self.core.rearm(peer, now);
        progress
    }
}
