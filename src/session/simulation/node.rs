//! What drives one session: the part that the reactor and its seats have in life, with the simulated network for sockets.

use super::network::{Read, Socket};
use super::trace;
use super::world::{Event, World};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::shared::{Role, State};
use crate::session::{Effect, Peer, PortKey, Reason, Session};
use crate::sys::code::Code;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes read at once, at most.
const READ_BYTES: usize = 64 * 1024;
/// More turns than that in a millisecond are no work.
const MOST_TURNS: u32 = 3000;

/// What a control thread asks of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    ShutDown { audio: usize },
    Release { audio: usize },
    Disconnect { audio: usize, client: u32 },
}

pub(super) struct Node {
    pub number: usize,
    pub session: Session,
    pub main: PortKey,
    /// The audio threads of its ports.
    pub audios: BTreeMap<usize, usize>,
    pub wires: BTreeMap<usize, Socket>,
    /// Connections that nobody has accepted yet.
    pub waiting: VecDeque<Socket>,
    pub commands: VecDeque<Command>,
    /// It listens, or connects again.
    pub works: bool,
    pub backoff_ms: u64,
    /// When its next turn is.
    pub wake_at: u64,
    turns: (u64, u32),
}

impl Node {
    pub(super) fn new(number: usize, session: Session, main: PortKey) -> Self {
        Self {
            number,
            session,
            main,
            audios: BTreeMap::new(),
            wires: BTreeMap::new(),
            waiting: VecDeque::new(),
            commands: VecDeque::new(),
            works: true,
            backoff_ms: 1,
            wake_at: u64::MAX,
            turns: (0, 0),
        }
    }

    /// One turn of the network thread.
    pub(super) fn turn(&mut self, world: &mut World) {
        let mut sockets: Vec<(usize, Socket)> = self.wires.iter().map(|(peer, socket)| (*peer, *socket)).collect();
        if world.random.chance(500) {
            sockets.reverse();
        }
        for (peer, socket) in sockets {
            if self.wires.get(&peer) == Some(&socket) {
                self.handle(Peer(peer), socket, world);
            }
        }
        while let Some(socket) = self.waiting.pop_front() {
            self.accept(socket, world);
        }
        while let Some(command) = self.commands.pop_front() {
            self.obey(command, world);
        }
        self.retry_waiting(world);
        self.drain(world);
        if self.session.core.poll_timeout().is_some_and(|at| at <= world.now) {
            self.session.handle_timeout(world.now);
            self.carry_out(world);
        }
        assert!(!self.session.core.has_effects(), "effects are left");
        self.session.check_invariants(world.now);
        self.check_places(world);
        self.sleep(world);
    }

    /// A turn follows at once without anything from outside.
    fn count_turn(&mut self, now: u64) {
        if now > self.turns.0 + 1_000_000 {
            self.turns = (now, 0);
        }
        self.turns.1 += 1;
        assert!(
            self.turns.1 < MOST_TURNS,
            "node {} spins: {:?}",
            self.number,
            self.session.what_is_next()
        );
    }

    /// When the next turn is.
    fn sleep(&mut self, world: &mut World) {
        let now = world.now;
        let again = self.session.core.take_again();
        if again || self.session.core.poll_timeout().is_some_and(|at| at <= now + 1000) {
            self.count_turn(now);
        }
        if again
            || self
                .wires
                .iter()
                .any(|(peer, socket)| self.is_ready(*peer, *socket, world))
        {
            world.wake_node_if_sooner(self, now + 1000);
        }
        if let Some(at) = self.session.core.poll_timeout() {
            let late = world.random.below(world.plan.late_ns + 1);
            world.wake_node_if_sooner(self, at.max(now + 1) + late);
        }
    }

    fn is_ready(&self, peer: usize, socket: Socket, world: &World) -> bool {
        let interest = self.session.core.interest(Peer(peer));
        interest.write && world.network.is_writable(socket)
            || interest.read && world.network.is_readable(socket)
            || world.network.has_error(socket).is_some()
    }

    fn handle(&mut self, peer: Peer, socket: Socket, world: &mut World) {
        let interest = self.session.core.interest(peer);
        if interest.write && world.network.is_writable(socket) {
            self.session.core.handle_writable(peer, world.now);
            self.carry_out(world);
        }
        if self.wires.get(&peer.0) != Some(&socket) {
            return;
        }
        if interest.read && world.network.is_readable(socket) {
            if self.session.core.interest(peer).read {
                self.read(peer, world);
            }
        } else if world.network.has_error(socket).is_some() {
            self.broke(peer, Reason::of(Code::Io), world);
        }
        self.carry_out(world);
    }

    /// Reads once; whether there was something.
    fn read(&mut self, peer: Peer, world: &mut World) -> bool {
        let Some(socket) = self.wires.get(&peer.0).copied() else {
            return false;
        };
        let limit = self.session.core.read_limit(peer).min(READ_BYTES);
        match world.network.read(socket, limit, world.now) {
            Read::Bytes(bytes) => {
                trace!(
                    world.now,
                    "node {} reads {} bytes of peer {}",
                    self.number,
                    bytes.len(),
                    peer.0
                );
                world.ends[socket.0].heard.extend_from_slice(&bytes);
                self.session.handle_bytes(peer, world.now, &bytes);
                true
            }
            Read::End => {
                trace!(world.now, "node {} reads the end of peer {}", self.number, peer.0);
                self.session.handle_eof(peer, world.now);
                false
            }
            Read::Error(error) => {
                trace!(world.now, "node {}: peer {} broke with {error}", self.number, peer.0);
                self.session.handle_failure(peer, world.now, reason(error));
                false
            }
            Read::Nothing => false,
        }
    }

    fn broke(&mut self, peer: Peer, reason: Reason, world: &mut World) {
        while self.read(peer, world) {}
        self.session.handle_failure(peer, world.now, reason);
    }

    fn accept(&mut self, socket: Socket, world: &mut World) {
        if !self.works {
            return world.network.close(socket, world.now);
        }
        if !self.session.has_place() {
            for peer in self.session.core.peers_in_doubt() {
                self.measure(peer, world);
            }
        }
        if world.plan.tidy && !self.wires.is_empty() {
            self.drain(world);
        }
        let address = SocketAddr::from(([127, 0, 0, 1], 1024 + socket.0 as u16 % 60000)).into();
        let Some(audio) = self.audios.get(&self.main.0).copied() else {
            return world.network.close(socket, world.now);
        };
        let waits = world.audios[audio]
            .shared
            .queues
            .scheduled_bytes
            .load(Ordering::Relaxed);
        let takes = |connection: &crate::session::connection::Connection| connection.output.takes();
        let is_first = !self
            .session
            .core
            .connections
            .iter()
            .any(|(_, connection)| takes(connection));
        // What waits for others may reach it too. What waits for nobody does not.
        let waits = waits != 0 || self.session.core.ports[self.main.0].backed_up;
        let is_fuzzy = !is_first && (waits || self.session.core.has_work(self.main, world.now));
        let had_place = self.session.has_place();
        match self.session.add_client(Some(address), world.now) {
            Some(peer) => {
                let client = self.session.core.connections[peer.0].client;
                trace!(
                    world.now,
                    "node {} takes peer {} as client {client}", self.number, peer.0
                );
                let since = world.audios[audio].ledger.len();
                world.ends[socket.0].is_of(audio, client, since, is_fuzzy);
                // A silent newcomer may be a browser.
                world.ends[socket.0].confirmed_at = world.now + 12_000_000;
                self.wires.insert(peer.0, socket);
                self.read(peer, world);
            }
            None => {
                trace!(world.now, "node {} turns a client away", self.number);
                self.check_full(had_place, world);
                world.network.close(socket, world.now);
            }
        }
        self.carry_out(world);
    }

    /// A client's port is connected.
    pub(super) fn connected(&mut self, socket: Socket, world: &mut World) {
        let audio = self.audios[&self.main.0];
        let address = SocketAddr::from(([127, 0, 0, 1], 1000)).into();
        match self.session.core.connect(self.main, address, world.now) {
            Some(peer) => {
                trace!(world.now, "node {} is connected as peer {}", self.number, peer.0);
                world.ends[socket.0].connects(&world.audios[audio]);
                world.ends[socket.0].confirmed_at = world.now;
                self.wires.insert(peer.0, socket);
            }
            None => world.network.close(socket, world.now),
        }
        self.carry_out(world);
    }

    fn obey(&mut self, command: Command, world: &mut World) {
        trace!(world.now, "node {} is asked for {command:?}", self.number);
        match command {
            Command::ShutDown { audio } => {
                let key = world.audios[audio].key;
                self.works &= key != self.main;
                self.session.shut_down(key, world.now);
            }
            Command::Release { audio } => {
                let key = world.audios[audio].key;
                self.works &= key != self.main;
                self.session.release(key, world.now);
            }
            Command::Disconnect { audio, client } => {
                self.session.disconnect(world.audios[audio].key, client, world.now);
            }
        }
        self.carry_out(world);
    }

    fn retry_waiting(&mut self, world: &mut World) {
        if self.session.core.waits_for_room() && self.session.core.has_room() {
            let mut read_again = Vec::new();
            for _ in 0..self.session.begin_retry() {
                self.session.retry_next(world.now, &mut read_again);
                for peer in read_again.drain(..) {
                    self.read(peer, world);
                }
            }
            self.carry_out(world);
        }
    }

    fn drain(&mut self, world: &mut World) {
        let keys: Vec<usize> = self.audios.keys().copied().collect();
        for key in keys {
            let key = PortKey(key);
            if self.session.core.has_work(key, world.now) || self.session.core.is_flushing(key) {
                self.session.core.drain(key, world.now);
            }
        }
        self.carry_out(world);
    }

    /// Carries out what the session asks for.
    pub(super) fn carry_out(&mut self, world: &mut World) {
        let mut count = 0;
        while let Some(effect) = self.session.core.poll_effect() {
            count += 1;
            assert!(count < 100_000, "effects without an end: {effect:?}");
            match effect {
                Effect::Write(peer) => self.write(peer, world),
                Effect::FinishWriting(peer) => self.finish_writing(peer, world),
                Effect::Close(peer) => {
                    if let Some(socket) = self.wires.remove(&peer.0) {
                        trace!(world.now, "node {} closes peer {}", self.number, peer.0);
                        while let Read::Bytes(_) = world.network.read(socket, READ_BYTES, world.now) {}
                        world.network.close(socket, world.now);
                        world.ends[socket.0].closed_at = Some(world.now);
                    }
                }
                Effect::Measure(peer) => self.measure(peer, world),
                Effect::Accept(peer) => self.open_port(peer, world),
                Effect::Withdraw(port) => {
                    trace!(world.now, "node {}: port {} gives way", self.number, port.0);
                    let audio = &mut world.audios[self.audios[&port.0]];
                    (audio.closed, audio.shut) = (true, true);
                }
                Effect::Disconnected { port, useful } => self.lost_connection(port, useful, world),
                Effect::Wake(_) => {}
                Effect::Forget(port) => {
                    trace!(world.now, "node {} forgets port {}", self.number, port.0);
                    let audio = self.audios.remove(&port.0);
                    assert!(audio.is_some(), "a port is forgotten twice");
                }
            }
        }
    }

    fn write(&mut self, peer: Peer, world: &mut World) {
        while let Some(socket) = self.wires.get(&peer.0).copied() {
            let bytes = self.session.core.unsent(peer).to_vec();
            if bytes.is_empty() {
                return;
            }
            match world.network.write(socket, &bytes, world.now, &mut world.random) {
                Ok(count) => {
                    trace!(
                        world.now,
                        "node {} writes {count} of {} bytes to peer {}: {:02X?}",
                        self.number,
                        bytes.len(),
                        peer.0,
                        &bytes[..count]
                    );
                    world.wrote(socket, &bytes[..count]);
                    self.session.handle_sent(peer, world.now, count);
                    if count < bytes.len() {
                        world.ends[socket.0].was_blocked = true;
                        return;
                    }
                }
                Err(error) => return self.broke(peer, reason(error), world),
            }
        }
    }

    fn finish_writing(&mut self, peer: Peer, world: &mut World) {
        let Some(socket) = self.wires.get(&peer.0).copied() else {
            return;
        };
        trace!(world.now, "node {} has written all to peer {}", self.number, peer.0);
        if let Err(error) = world.network.finish_writing(socket, world.now) {
            self.session.handle_failure(peer, world.now, reason(error));
        }
    }

    fn measure(&mut self, peer: Peer, world: &mut World) {
        let Some(socket) = self.wires.get(&peer.0).copied() else {
            return;
        };
        if let Some(error) = world.network.has_error(socket) {
            return self.broke(peer, reason(error), world);
        }
        let progress = world.network.progress(socket, world.now);
        self.session.handle_progress(peer, world.now, Some(progress));
    }

    /// A manual server's client gets a port.
    fn open_port(&mut self, peer: Peer, world: &mut World) {
        let server = Arc::clone(self.session.core.port_of(peer).expect("it asked for a port"));
        if world.random.chance(30) {
            return self.session.reject(peer, world.now);
        }
        let made = Endpoint::with_network(Role::Accepted, &server.config_for_accepted(), world.waker());
        let (endpoint, half) = made.expect("there is memory");
        let queues = half.queues.expect("an accepted port has queues");
        let Some(key) = self.session.accept(peer, half.shared, queues, world.now) else {
            return;
        };
        let audio = world.add_audio(self.number, key, endpoint);
        world.audios[audio].unaccepted = true;
        self.audios.insert(key.0, audio);
        if let Some(socket) = self.wires.get(&peer.0) {
            let client = world.ends[socket.0].client;
            world.ends[socket.0].is_of(audio, 0, 0, false);
            world.ends[socket.0].id = client;
            world.ends[socket.0].confirmed_at = world.now;
        }
        let at = world.now + world.random.below(20_000_000);
        world.schedule(at, Event::AcceptPort(audio));
    }

    fn lost_connection(&mut self, port: PortKey, useful: bool, world: &mut World) {
        let shared = Arc::clone(self.session.core.shared(port).expect("it is still there"));
        if self.works && shared.config.connection.reconnect_max_ms != 0 && !shared.is_closed() {
            shared.set_state(State::Connecting);
            if useful {
                self.backoff_ms = shared.config.connection.reconnect_min_ms.into();
            }
            let at = world.now + self.pause(shared.config.connection.reconnect_max_ms.into());
            world.schedule(at, Event::Connect(self.number));
        } else {
            self.works = false;
            self.session.give_up(port, world.now);
        }
    }

    pub(super) fn pause(&mut self, most_ms: u64) -> u64 {
        let step = self.backoff_ms.min(most_ms);
        self.backoff_ms = step * 2;
        step * 1_000_000
    }

    /// A client is turned away: no place is kept by one that has left.
    fn check_full(&self, had_place: bool, world: &World) {
        let shut = world.audios[self.audios[&self.main.0]].shut;
        assert!(!had_place || shut, "turned away in spite of a place");
        for (peer, socket) in &self.wires {
            let output = &self.session.core.connections[*peer].output;
            let left = world
                .network
                .ended_at(*socket)
                .is_some_and(|(at, _)| at + 50_000_000 < world.now);
            let kept = left && output.buffer.is_empty() && self.session.by_client(*peer);
            assert!(!kept || shut, "peer {peer} has left and keeps a place");
        }
    }

    /// Whoever has left is gone soon.
    fn check_places(&self, world: &World) {
        const SLACK_NS: u64 = 150_000_000;
        for (peer, socket) in &self.wires {
            let Some((ended_at, was_reset)) = world.network.ended_at(*socket) else {
                continue;
            };
            let linger = u64::from(world.ends[socket.0].linger_ms) * 1_000_000;
            let allowed = if was_reset { 0 } else { 2 * linger };
            assert!(
                world.now < ended_at + allowed + SLACK_NS + world.plan.late_ns,
                "node {}: peer {peer} left at {} and is still kept",
                self.number,
                trace::ms(ended_at)
            );
        }
    }
}

fn reason(error: i32) -> Reason {
    Reason::of_error(&io::Error::from_raw_os_error(error))
}
