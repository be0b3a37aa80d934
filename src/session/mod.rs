//! The conversation of one address's ports with their peers, without I/O: no socket, no poller, no clock, no thread.
//!
//! A [`Session`] owns what the ports of one address and their peers say to one another: parsers, channel states, send
//! buffers, schedules, the phases of each connection, and what is made good after a loss. Nearly always it is one port.
//! The code that drives it feeds it with the `handle_*` methods, each of which takes the time, and then carries out what
//! [`Session::poll_effect`] gives, and calls `handle_timeout` when [`Session::poll_timeout`] says so. No method calls
//! back. A connection that is over stays in the session until its [`Effect::Close`] has been taken.
//!
//! | what belongs to | lies in |
//! |---|---|
//! | one connection | [`connection`], its halves [`output`] and `Input`, [`send_buffer`], [`track`], [`liveness`], [`sniff`] |
//! | one port | [`port`], [`schedule`], [`owed`], [`memory`], [`flush`] |
//! | the way of a message | [`inbound`]: from peers to the in queue; [`outbound`] and [`repair`]: from the out queue to peers |
//! | the end of connections and ports | [`ending`] |
//!
//! `net` calls it, and so does the simulation. It calls `realtime` and what lies below.

pub(crate) mod allow;
mod connection;
mod effect;
mod ending;
mod flush;
mod inbound;
mod liveness;
mod memory;
pub(crate) mod options;
mod outbound;
mod output;
mod owed;
mod port;
mod repair;
mod schedule;
mod send_buffer;
#[cfg(all(test, not(loom)))]
mod simulation;
mod sniff;
mod timers;
mod track;

pub(crate) use connection::Reason;
pub(crate) use effect::{Effect, Interest, Peer, PortKey};

use crate::realtime::client_table::Ids;
use crate::realtime::drain::OutQueue;
use crate::realtime::notifications::Kind;
use crate::realtime::producer::Producer;
use crate::realtime::shared::{Role, Shared, State};
use crate::sys::clock::ms;
use connection::{Connection, Phase};
use effect::Keyed;
use inbound::Inbound;
use options::Options;
use outbound::{Drained, Outbound};
use port::{Effects, Port, notification};
use slab::Slab;
use sniff::Verdict;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use timers::{Owner, Timers};

/// How long a silent client may still turn out to be a browser before it is announced. On loopback a browser's request
/// comes with the connection.
const SNIFF_MS: u32 = 50;
const SNIFF_LOOPBACK_MS: u32 = 10;
/// How long one or two data bytes at the beginning wait for what follows before they are counted as invalid.
const FIRST_BYTES_MS: u32 = 1000;
/// How often a connection is measured that is not read because the in queue is full.
const STALLED_CHECK_MS: u32 = 50;
/// How often a connection that is ending is measured, since acknowledgements wake nobody.
const ENDING_CHECK_MS: u32 = 2;

/// What only the session of a server has.
struct Server {
    port: PortKey,
    ids: Ids,
    by_client: HashMap<u32, Peer>,
    options: Options,
}

/// The conversation of one address's ports with their peers.
pub(crate) struct Session {
    ports: Slab<Port>,
    connections: Slab<Connection>,
    server: Option<Server>,
    effects: Effects,
    timers: Timers,
    /// Connections that wait for room in an in queue.
    waiting: Vec<Peer>,
    serial: u64,
    /// There is more to do, without waiting for anything.
    again: bool,
}

impl Session {
    /// A session of one port.
    pub(crate) fn new(shared: Arc<Shared>, queues: Option<(Producer, OutQueue)>, options: Options) -> (Self, PortKey) {
        let mut ports = Slab::new();
        let is_server = shared.role.is_server();
        let ids = Ids::new(&shared.clients);
        let port = PortKey(ports.insert(Port::new(shared, queues)));
        let server = is_server.then(|| Server {
            port,
            ids,
            by_client: HashMap::new(),
            options,
        });
        let session = Self {
            ports,
            connections: Slab::new(),
            server,
            effects: Effects::default(),
            timers: Timers::default(),
            waiting: Vec::new(),
            serial: 0,
            again: false,
        };
        (session, port)
    }

    /// Whether no port and no connection is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.connections.is_empty()
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = PortKey> + '_ {
        self.ports.iter().map(|(key, _)| PortKey(key))
    }

    pub(crate) fn shared(&self, port: PortKey) -> Option<&Arc<Shared>> {
        self.ports.at(port).map(|port| &port.shared)
    }

    /// The port that a connection belongs to.
    pub(crate) fn port_of(&self, peer: Peer) -> Option<&Arc<Shared>> {
        let connection = self.connections.at(peer)?;
        self.shared(connection.port)
    }

    /// What a connection's socket is to be watched for now.
    pub(crate) fn interest(&self, peer: Peer) -> Interest {
        self.connections.at(peer).map(Connection::interest).unwrap_or_default()
    }

    /// What is to be written to a connection.
    pub(crate) fn unsent(&self, peer: Peer) -> &[u8] {
        let connection = self.connections.at(peer);
        match connection.filter(|connection| connection.is_confirmed_for_writing()) {
            Some(connection) => connection.output.buffer.unsent(),
            None => &[],
        }
    }

    /// The most that is worth reading at once: what finds no room is rather left with the system.
    pub(crate) fn read_limit(&self, peer: Peer) -> usize {
        /// The least, however small the in queue.
        const LEAST: usize = 2048;
        let port = self
            .connections
            .at(peer)
            .and_then(|connection| self.ports.at(connection.port));
        let queue = port.and_then(|port| port.incoming.as_ref());
        // In the queue a short message takes 16 bytes.
        queue.map_or(usize::MAX, |queue| (queue.capacity() / 8).max(LEAST))
    }

    /// The next thing to be done.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.0.pop_front()?;
        match effect {
            Effect::Write(peer) => {
                if let Some(connection) = self.connections.at_mut(peer) {
                    connection.output.write_requested = false;
                }
            }
            Effect::Wake(key) => {
                if let Some(port) = self.ports.at_mut(key) {
                    port.changed = false;
                }
            }
            Effect::Close(peer) => drop(self.connections.try_remove(peer.0)),
            Effect::Forget(key) => drop(self.ports.try_remove(key.0)),
            _ => {}
        }
        Some(effect)
    }

    /// Whether `poll_effect` has something.
    pub(crate) fn has_effects(&self) -> bool {
        !self.effects.0.is_empty()
    }

    /// When `handle_timeout` is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.timers.next()
    }

    /// Whether there is more to do at once.
    pub(crate) fn take_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    /// A client's port has a connection.
    pub(crate) fn connect(&mut self, key: PortKey, address: Option<SocketAddr>, now: u64) -> Option<Peer> {
        let port = self.ports.at_mut(key)?;
        self.serial += 1;
        let mut connection = Connection::new(self.serial, key, address, Phase::Open, port.config(), now);
        let connected = notification(Kind::Connected, now).address(address);
        connection.announced = port.shared.notifications.begin(connected);
        let peer = Peer(self.connections.insert(connection));
        let shared = Arc::clone(&port.shared);
        self.outbound(key, now, |outbound| {
            // Pushed while there was no connection.
            outbound.discard();
            outbound.port.peers.push(peer);
            outbound.greet_again(peer);
        });
        shared.counters.connections.add(1);
        shared.failure.store(0, Ordering::Release);
        shared.set_state(State::Connected);
        shared.set_up(true);
        self.changed(key);
        self.rearm(peer, now);
        Some(peer)
    }

    /// Whether a server has a place for one more client.
    pub(crate) fn has_place(&self) -> bool {
        let shared = self.server.as_ref().and_then(|server| self.shared(server.port));
        shared.is_some_and(|shared| {
            let left_behind = shared.left_behind.load(Ordering::Acquire);
            shared.client_count.load(Ordering::Relaxed) + left_behind < shared.config.max_clients
        })
    }

    /// A newcomer at the server; None: it is turned away.
    pub(crate) fn add_client(&mut self, address: Option<SocketAddr>, now: u64) -> Option<Peer> {
        if !self.has_place() {
            self.make_place(now);
        }
        let has_place = self.has_place();
        let server = self.server.as_mut()?;
        let key = server.port;
        let port = self.ports.at_mut(key)?;
        let shared = Arc::clone(&port.shared);
        let allow = server.options.allow.as_ref();
        let permitted = allow.is_none_or(|allow| address.is_some_and(|address| allow.permits(address.ip())));
        let entered = if permitted && has_place && !port.is_ending() {
            server.ids.enter(&shared.clients, address.unwrap_or(UNKNOWN))
        } else {
            None
        };
        let Some(client) = entered else {
            shared.counters.rejected.add(1);
            return None;
        };
        let patience = if address.is_some_and(|address| address.ip().is_loopback()) {
            SNIFF_LOOPBACK_MS
        } else {
            SNIFF_MS
        };
        let phase = Phase::New {
            until: now + ms(patience),
        };
        self.serial += 1;
        let mut connection = Connection::new(self.serial, key, address, phase, port.config(), now);
        connection.client = client;
        connection.server = Some(key);
        let peer = Peer(self.connections.insert(connection));
        server.by_client.insert(client, peer);
        let is_first = !port
            .peers
            .iter()
            .any(|peer| self.connections.at(*peer).is_some_and(|other| other.output.takes()));
        self.outbound(key, now, |outbound| {
            if is_first {
                // Pushed while there was no client.
                outbound.discard();
            }
            outbound.port.peers.push(peer);
            outbound.greet(peer);
        });
        shared.client_count.fetch_add(1, Ordering::Relaxed);
        if shared.role == Role::Merged {
            shared.set_up(true);
        }
        self.changed(key);
        self.rearm(peer, now);
        Some(peer)
    }

    /// A connection is a MIDI peer's: it is announced, or, on a manual server, asks for a port of its own.
    fn confirm_client(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let Some(shared) = self.ports.at(connection.port).map(|port| Arc::clone(&port.shared)) else {
            return;
        };
        if shared.role == Role::Manual {
            connection.phase = Phase::Accepting;
            return self.effects.push(Effect::Accept(peer));
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
            .connections
            .at_mut(peer)
            .filter(|connection| connection.phase == Phase::Accepting)?;
        let server = connection.port;
        let server_shared = Arc::clone(&self.ports.at(server)?.shared);
        shared.counters.connections.add(1);
        let key = PortKey(self.ports.insert(Port::new(shared, Some(queues))));
        connection.port = key;
        if let Some(server) = self.ports.at_mut(server) {
            server.peers.retain(|other| *other != peer);
        }
        if let Some(port) = self.ports.at_mut(key) {
            port.peers.push(peer);
        }
        self.open_client(peer, &server_shared, now);
        Some(key)
    }

    /// The other answer: there is no port to be had.
    pub(crate) fn reject(&mut self, peer: Peer, now: u64) {
        if let Some(shared) = self.port_of(peer) {
            shared.counters.rejected.add(1);
        }
        self.drop_unannounced(peer, now);
    }

    /// A client is announced by its server, and what it sent meanwhile is handed over.
    fn open_client(&mut self, peer: Peer, server: &Shared, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        connection.phase = Phase::Open;
        server.counters.connections.add(1);
        let joined = notification(Kind::ClientJoined, now)
            .client(connection.client)
            .address(connection.address);
        connection.announced = server.notifications.begin(joined);
        // What was pushed meanwhile.
        self.effects.write(peer, connection);
        let (port, server, end) = (connection.port, connection.server, connection.input.end);
        if end.is_some() {
            connection.input.sniffer = None;
        }
        let waits = connection.waits_for_room();
        self.changed(port);
        server.into_iter().for_each(|server| self.changed(server));
        if waits {
            self.take_first_bytes(peer, now);
        }
        if let Some(reason) = end {
            self.input_ended(peer, reason, now);
        }
        self.rearm(peer, now);
    }

    /// Bytes came from a peer.
    pub(crate) fn handle_bytes(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(connection) = self.connections.at_mut(peer) else {
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
        self.rearm(peer, now);
    }

    /// Takes bytes of a peer that speaks MIDI.
    fn take_midi(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(connection) = self.connections.at_mut(peer) else {
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
        if let Some(shared) = self.shared(port) {
            shared.counters.bytes_in.add(bytes.len() as u64);
        }
        self.take_bytes(peer, now, bytes);
        self.changed(port);
    }

    /// What came first is handed over.
    fn take_first_bytes(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at(peer) else {
            return;
        };
        let (port, count) = (connection.port, connection.input.backlog.len());
        if let Some(shared) = self.shared(port) {
            shared.counters.bytes_in.add(count as u64);
        }
        self.resume(peer, now);
        self.changed(port);
    }

    /// Hands bytes over, or keeps them until there is room or a port for them.
    fn take_bytes(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let port = connection.port;
        if !connection.is_confirmed() || !connection.input.backlog.is_empty() {
            return connection.input.backlog.extend_from_slice(bytes);
        }
        let taken = self.inbound(port, now, |inbound| {
            inbound.settle();
            let taken = inbound.take(peer, bytes);
            inbound.settle();
            taken
        });
        if taken < bytes.len() {
            if let Some(connection) = self.connections.at_mut(peer) {
                connection.input.backlog.extend_from_slice(&bytes[taken..]);
                self.waiting.push(peer);
            }
        }
        self.settle(port, now);
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
        let Some(connection) = self.connections.at_mut(peer) else {
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
                self.input_ended(peer, reason, now);
            }
        }
        self.rearm(peer, now);
    }

    /// The system took so many bytes; fewer than there are: it takes no more now.
    pub(crate) fn handle_sent(&mut self, peer: Peer, now: u64, count: usize) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let messages = connection.output.sent(count);
        let (port, is_closing) = (connection.port, matches!(connection.phase, Phase::Closing { .. }));
        let left = connection.output.buffer.len();
        if let Some(port) = self.ports.at_mut(port) {
            port.shared.counters.messages_out.add(messages);
            port.shared.counters.bytes_out.add(count as u64);
            if port.backed_up && left <= port::BACKED_UP_BYTES / 2 {
                port.backed_up = false;
                self.again = true;
            }
        }
        self.finish_flushes(port);
        self.changed(port);
        if is_closing {
            self.check_closing(peer, None, now);
        }
        self.rearm(peer, now);
    }

    /// The system takes bytes again.
    pub(crate) fn handle_writable(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        connection.output.blocked = false;
        let port = connection.port;
        if connection.output.is_congested() && connection.output.buffer.is_empty() {
            self.outbound(port, now, |outbound| outbound.make_good(peer));
        } else {
            self.effects.write(peer, connection);
        }
        self.rearm(peer, now);
    }

    /// The answer to [`Effect::Measure`]; None: the system does not tell.
    pub(crate) fn handle_progress(&mut self, peer: Peer, now: u64, progress: Option<crate::sys::tcp::Progress>) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let progress = progress.as_ref();
        let (written, waiting) = (connection.output.written, connection.output.buffer.len());
        let watched = connection.is_confirmed_for_writing();
        if watched && !connection.liveness.check(progress, written, waiting, now) {
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
        self.rearm(peer, now);
    }

    /// The time of `poll_timeout` has come.
    pub(crate) fn handle_timeout(&mut self, now: u64) {
        while let Some((at, owner)) = self.timers.take_due(now) {
            match owner {
                Owner::Connection(peer, serial) => {
                    let connection = self
                        .connections
                        .at_mut(peer)
                        .filter(|connection| connection.serial == serial);
                    if connection.is_some_and(|connection| connection.armed.comes(at)) {
                        self.connection_timeout(peer, now);
                    }
                }
                Owner::Port(key, id) => {
                    let port = self.ports.at_mut(key).filter(|port| port.shared.id == id);
                    if port.is_some_and(|port| port.armed.comes(at)) {
                        self.settle(key, now);
                        self.again = true;
                    }
                }
            }
        }
    }

    fn connection_timeout(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        match connection.phase {
            Phase::New { until } if until <= now => self.confirm_client(peer, now),
            Phase::Accepting | Phase::Gone | Phase::New { .. } => {}
            Phase::HalfClosed { .. } | Phase::Closing { .. } => self.effects.push(Effect::Measure(peer)),
            Phase::Open => {
                if connection.holds_first_bytes() && connection.input.arrived_ns + ms(FIRST_BYTES_MS) <= now {
                    self.take_first_bytes(peer, now);
                }
                let Some(connection) = self.connections.at(peer) else {
                    return;
                };
                let is_due = connection.liveness.next_check_ns().is_some_and(|at| at <= now);
                if is_due || connection.waits_for_room() {
                    self.effects.push(Effect::Measure(peer));
                }
            }
        }
        self.check_delay(peer, now);
        self.rearm(peer, now);
    }

    /// Drops what is too old for a peer that does not read.
    fn check_delay(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.ports.at(connection.port) else {
            return;
        };
        let output = &connection.output;
        let max_delay = ms(port.config().max_delay_ms);
        let is_old = output.buffer.oldest_ns().is_some_and(|since| now >= since + max_delay);
        if !port.repairs() || !is_old || output.flow != output::Flow::Open || !connection.is_confirmed() {
            return;
        }
        let key = connection.port;
        if connection.output.blocked {
            self.outbound(key, now, |outbound| outbound.congest(peer));
            self.changed(key);
        } else {
            self.effects.write(peer, connection);
        }
    }

    /// Computes a connection's next deadline.
    fn rearm(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.ports.at(connection.port) else {
            return;
        };
        let phase = match connection.phase {
            Phase::New { until } => Some(until),
            Phase::Open if connection.holds_first_bytes() => Some(connection.input.arrived_ns + ms(FIRST_BYTES_MS)),
            // Its socket is not read, so the poller does not tell that the peer goes.
            Phase::Open | Phase::HalfClosed { .. } if connection.waits_for_room() => Some(now + ms(STALLED_CHECK_MS)),
            Phase::HalfClosed { .. } | Phase::Closing { .. } => Some(now + ms(ENDING_CHECK_MS)),
            Phase::Open | Phase::Accepting => None,
            Phase::Gone => return,
        };
        let output = &connection.output;
        let ages = port.repairs() && output.flow == output::Flow::Open && connection.is_confirmed();
        let delay = output.buffer.oldest_ns().filter(|_| ages);
        let delay = delay.map(|since| (since + ms(port.config().max_delay_ms)).max(now + ms(1)));
        let check = connection
            .liveness
            .next_check_ns()
            .filter(|_| connection.is_confirmed_for_writing());
        let check = check.map(|at| at.max(now + 1));
        if let Some(at) = [phase, delay, check].into_iter().flatten().min() {
            let owner = Owner::Connection(peer, connection.serial);
            self.timers.arm(&mut connection.armed, at, owner);
        }
    }

    /// Has a port's next deadline come: what is scheduled, and, a tick from now, what is owed.
    fn rearm_port(&mut self, key: PortKey, now: u64) {
        let Some(port) = self.ports.at_mut(key) else { return };
        // While a peer must read first, the write that ends this drains again.
        let due = port.schedule.next_ns().filter(|_| !port.backed_up);
        let due = due.map(|at| at.max(now + 1));
        let tick = u64::from(port.config().tick_us) * 1000;
        let owed = (!port.owed.is_empty()).then_some(now + tick);
        if let Some(at) = [due, owed].into_iter().flatten().min() {
            let owner = Owner::Port(key, port.shared.id);
            self.timers.arm(&mut port.armed, at, owner);
        }
    }

    /// Whether the out queue or the schedule of a port has something to do.
    pub(crate) fn has_work(&mut self, key: PortKey, now: u64) -> bool {
        let Some(port) = self.ports.at_mut(key) else {
            return false;
        };
        let blocked = port.backed_up;
        let queued = port.queue.as_mut().is_some_and(|queue| queue.has_work(blocked));
        // What an ending port sends last comes when the out queue is empty.
        let takes = |peer: &Peer| {
            self.connections
                .at(*peer)
                .is_some_and(|connection| connection.output.takes())
        };
        let finishes = !blocked && port.is_ending() && port.peers.iter().any(takes);
        queued
            || finishes
            || port.shared.flush.unseen().is_some()
            || !blocked && port.schedule.next_ns().is_some_and(|at| at <= now)
    }

    /// Whether a flush waits for what the out queue still holds.
    pub(crate) fn is_flushing(&self, key: PortKey) -> bool {
        self.ports.at(key).is_some_and(|port| port.flushes.is_draining())
    }

    /// Moves what was pushed into a port, and what is due, to its connections.
    pub(crate) fn drain(&mut self, key: PortKey, now: u64) {
        let Some(port) = self.ports.at_mut(key) else {
            return;
        };
        if let Some(ticket) = port.shared.flush.unseen() {
            let position = port.queue.as_ref().map_or(0, OutQueue::end);
            port.flushes.ask(ticket, position, now);
            let drained = self.outbound(key, now, |outbound| outbound.drain());
            self.again |= drained == Drained::More;
            self.finish_flushes(key);
            if let Some(shared) = self.shared(key) {
                shared.flush.see(ticket);
            }
        } else {
            let drained = self.outbound(key, now, |outbound| outbound.drain());
            self.again |= drained == Drained::More;
            self.finish_flushes(key);
        }
        let Some(port) = self.ports.at_mut(key) else {
            return;
        };
        for peer in port.peers.clone() {
            self.rearm(peer, now);
        }
        self.rearm_port(key, now);
        self.changed(key);
    }

    /// Whether connections wait for room in an in queue, and whether there is some for one of them.
    pub(crate) fn waits_for_room(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        let port = |peer: &Peer| {
            self.connections
                .at(*peer)
                .and_then(|connection| self.ports.at(connection.port))
        };
        self.waiting.iter().filter_map(port).any(Port::has_room)
    }

    /// Connections that found no room in an in queue try again; whether one found some. Those that are read again are
    /// given back: more may have come meanwhile.
    pub(crate) fn retry_waiting(&mut self, now: u64, read_again: &mut Vec<Peer>) -> bool {
        let mut progress = false;
        for peer in std::mem::take(&mut self.waiting) {
            let Some(connection) = self
                .connections
                .at(peer)
                .filter(|connection| connection.waits_for_room())
            else {
                continue;
            };
            if !self.ports.at(connection.port).is_some_and(Port::has_room) {
                self.waiting.push(peer);
                continue;
            }
            progress |= self.resume(peer, now);
            if self.interest(peer).read {
                read_again.push(peer);
            }
        }
        // The first of them finds the most room: let each be first in its turn.
        if !self.waiting.is_empty() {
            self.waiting.rotate_left(1);
        }
        progress
    }

    /// Hands over what waits, as far as there is room now; whether any was.
    fn resume(&mut self, peer: Peer, now: u64) -> bool {
        let Some(connection) = self.connections.at(peer) else {
            return false;
        };
        let key = connection.port;
        let progress = self.inbound(key, now, |inbound| {
            inbound.settle();
            inbound.resume(peer)
        });
        if let Some(connection) = self.connections.at(peer) {
            if connection.waits_for_room() {
                self.waiting.push(peer);
            } else if let Some(reason) = connection.input.end {
                if matches!(connection.phase, Phase::HalfClosed { .. }) {
                    self.input_ended(peer, reason, now);
                }
            }
        }
        if progress {
            self.changed(key);
            self.settle(key, now);
        }
        self.rearm(peer, now);
        progress
    }

    /// Gives what is owed to the popping thread, and does so again as often as that may make room. A port whose peer has
    /// gone for good ends when nothing is owed any more.
    fn settle(&mut self, key: PortKey, now: u64) {
        let owed = |session: &Self| session.ports.at(key).is_some_and(|port| !port.owed.is_empty());
        if owed(self) {
            self.inbound(key, now, |inbound| inbound.settle());
            self.changed(key);
        }
        self.rearm_port(key, now);
        let owes = owed(self);
        let Some(port) = self.ports.at_mut(key) else { return };
        if !owes {
            port.update_holds(&self.connections);
            // A peer that has not left yet may still have something to be released.
            let is_live = |peer: &Peer| self.connections.at(*peer).is_some_and(Connection::is_live);
            if port.is_ending() && !port.peers.iter().any(is_live) {
                port.shared.end();
                self.changed(key);
            }
        }
    }

    /// A waiting thread may want to know of a change.
    fn changed(&mut self, key: PortKey) {
        if let Some(port) = self.ports.at_mut(key) {
            self.effects.wake(key, port);
        }
    }

    fn finish_flushes(&mut self, key: PortKey) {
        let Some(port) = self.ports.at_mut(key) else { return };
        while let Some((ticket, lost)) = port.flushes.take_done(&self.connections) {
            port.shared.flush.finish(ticket, lost);
            self.effects.wake(key, port);
        }
    }

    fn outbound<R: Default>(&mut self, key: PortKey, now: u64, work: impl FnOnce(&mut Outbound<'_>) -> R) -> R {
        let Some(port) = self.ports.at_mut(key) else {
            return R::default();
        };
        work(&mut Outbound {
            port,
            connections: &mut self.connections,
            effects: &mut self.effects,
            now,
            writes_first: false,
        })
    }

    fn inbound<R: Default>(&mut self, key: PortKey, now: u64, work: impl FnOnce(&mut Inbound<'_>) -> R) -> R {
        let Some(port) = self.ports.at_mut(key) else {
            return R::default();
        };
        work(&mut Inbound {
            port,
            connections: &mut self.connections,
            now,
        })
    }
}

/// In the table of clients, where the system told no address.
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0);
