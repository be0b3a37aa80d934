//! One session with what it needs of the system: its sockets, its listeners or its attempts to connect. It feeds the
//! session, and carries out what that asks for.

use super::Opened;
use super::answers::Acknowledgement;
use super::command::SharedAddress;
use super::driver::Driver;
use super::place::Place;
use super::registry::Source;
use super::tracked::Tracked;
use super::transport::Transport;
use super::work::Work;
use crate::realtime::endpoint::{Endpoint, NetworkHalf};
use crate::realtime::shared::Shared;
use crate::session::conversation::Conversation;
use crate::session::{Effect, Peer, PortKey, Reason};
use crate::sys::address::Address;
use crate::sys::clock::{now_ns, soonest};
use crate::sys::code::Code;
use crate::sys::poller::{self, Event};
use socket2::Socket;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Reads of what came before a connection broke.
const MOST_READS: usize = 1024;
/// After how many ns the poller is asked again when it refused.
const RETRY_NS: u64 = 10_000_000;

/// One connection's socket.
struct Wire {
    transport: Transport,
    key: usize,
    acknowledgement: Acknowledgement,
    /// The system has told why the connection broke. It does so once: reading finds an end after that.
    is_broken: bool,
}

/// One session and its sockets.
pub(super) struct Seat {
    key: usize,
    pub session: Tracked<Conversation>,
    pub work: Tracked<Work>,
    /// The address that other ports of the context may share.
    pub shared_address: Option<SharedAddress>,
    wires: Vec<Option<Wire>>,
    pub places: Vec<Place>,
    /// The poller refused something: when to try again.
    retry_at: Option<u64>,
}

impl Seat {
    /// A seat that has no port yet.
    pub(super) fn new(key: usize, session: Conversation, work: Work) -> Self {
        Self {
            key,
            session: Tracked::new(session),
            work: Tracked::new(work),
            shared_address: None,
            wires: Vec::new(),
            places: Vec::new(),
            retry_at: None,
        }
    }

    /// A port has been given a place in the session.
    pub(super) fn add_place(&mut self, port: PortKey, shared: &Arc<Shared>) {
        self.places.push(Place::new(port, shared));
        for wire in self.wires.iter().flatten() {
            wire.transport.keep_alive(self.keepalive_ms());
        }
    }

    /// On a shared address: the shortest of the ports' times. A dead client is dead for all of them.
    fn keepalive_ms(&self) -> u32 {
        if self.shared_address.is_none() {
            return 0;
        }
        let times = self
            .places
            .iter()
            .map(|place| place.shared.config.connection.keepalive_ms);
        times.filter(|ms| *ms != 0).min().unwrap_or(0)
    }

    /// Whether its listeners, or its attempts to connect, end with a port.
    pub(super) fn ends_with(&self, port: PortKey) -> bool {
        self.session.is_only(port)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.session.is_empty()
    }

    pub(super) fn key(&self) -> usize {
        self.key
    }

    /// Whether something may have happened since `settle`: only then its deadlines, what its sockets are watched for, and
    /// whether anything is left of it may be others.
    pub(super) fn is_touched(&self) -> bool {
        self.session.is_touched() || self.work.is_touched()
    }

    /// All that a change asks for is done.
    pub(super) fn settle(&mut self) {
        if self.is_touched() {
            self.session.settle();
            self.work.settle();
            self.places.iter_mut().for_each(Place::rouse);
        }
    }

    /// The soonest of its deadlines.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        let work = match &*self.work {
            Work::Serve { listeners, .. } => listeners.next_timeout(),
            Work::Connect(connector) => connector.next_timeout(),
            Work::Nothing => None,
        };
        soonest([self.session.poll_timeout(), work, self.retry_at])
    }

    /// When to look at the out queues of its ports.
    pub(super) fn next_looks(&self) -> impl Iterator<Item = u64> + '_ {
        self.places.iter().filter_map(Place::next_look_ns)
    }

    /// The poller has an event for one of its sockets.
    pub(super) fn handle(&mut self, source: Source, event: &Event, driver: &mut Driver, now: u64) {
        match source {
            Source::Connection(peer) => {
                let reset = poller::reset(event);
                if let (Some(number), Some(wire)) = (reset, self.wire(peer)) {
                    wire.transport.note_reset(number);
                }
                if event.writable {
                    self.session.handle_writable(peer, now);
                    self.carry_out(driver, now);
                }
                if event.readable || reset.is_some() {
                    self.readable(peer, driver, now);
                }
            }
            // Accepted after all else: clients that have left give their places first.
            Source::Listener(_) => {}
            Source::Attempt(slot) => self.connect(driver, now, |connector, surroundings| {
                connector.ready(slot, surroundings, now)
            }),
        }
    }

    fn wire(&mut self, peer: Peer) -> Option<&mut Wire> {
        self.wires.get_mut(peer.0)?.as_mut()
    }

    fn readable(&mut self, peer: Peer, driver: &mut Driver, now: u64) {
        if self.session.interest(peer).read {
            self.read(peer, driver, now);
        } else {
            // Only a broken connection says so unasked.
            self.broke(peer, None, driver, now);
        }
        self.carry_out(driver, now);
    }

    /// Reads once, and feeds the session; whether there was something.
    pub(super) fn read(&mut self, peer: Peer, driver: &mut Driver, now: u64) -> bool {
        let limit = self.session.read_limit(peer).min(driver.scratch.len());
        let Some(wire) = self.wires.get_mut(peer.0).and_then(Option::as_mut) else {
            return false;
        };
        match wire.transport.read(&mut driver.scratch[..limit]) {
            Ok(0) if wire.is_broken => false,
            Ok(0) => {
                // The end is acknowledged at once too: a peer that closes in good order waits for it.
                wire.transport.acknowledge_at_once();
                self.session.handle_eof(peer, now);
                false
            }
            Ok(count) => {
                // Read after the bytes: this is when they arrived.
                let arrived_ns = now_ns();
                // Where more is left to read, what is sent for that acknowledges this too.
                if count < limit && wire.acknowledgement.received(arrived_ns) {
                    driver.unacknowledged.push((self.key, peer));
                }
                self.session.handle_bytes(peer, arrived_ns, &driver.scratch[..count]);
                if let Some(shared) = self.session.port_of(peer) {
                    let thread = &shared.counters.network.thread;
                    thread.note_lag(now_ns().saturating_sub(arrived_ns));
                    driver.conversation.received |= shared.signals;
                }
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => {
                self.session.handle_failure(peer, now, Reason::of_error(&error));
                false
            }
        }
    }

    /// A connection broke: what came before is still handed over. Reading tells why, where there is no error yet, and
    /// where a write only found that the peer had closed.
    fn broke(&mut self, peer: Peer, error: Option<&io::Error>, driver: &mut Driver, now: u64) {
        if let Some(wire) = self.wire(peer) {
            wire.is_broken = error.is_some_and(|error| error.kind() != ErrorKind::BrokenPipe);
        }
        for _ in 0..MOST_READS {
            if !self.read(peer, driver, now) {
                break;
            }
        }
        let reason = error.map_or(Reason::of(Code::Io), Reason::of_error);
        self.session.handle_failure(peer, now, reason);
    }

    /// Reads what is to be read of a peer now.
    pub(super) fn read_to_end(&mut self, peer: Peer, driver: &mut Driver, now: u64) {
        for _ in 0..MOST_READS {
            if !self.session.interest(peer).read || !self.read(peer, driver, now) {
                return;
            }
        }
    }

    pub(super) fn add_wire(&mut self, peer: Peer, socket: Socket, address: Option<Address>, driver: &mut Driver) {
        let Some(shared) = self.session.port_of(peer) else {
            return;
        };
        let wire = Wire {
            transport: Transport::new(socket, address, &shared.config),
            key: driver.registry.add(self.key, Source::Connection(peer)),
            acknowledgement: Acknowledgement::default(),
            is_broken: false,
        };
        wire.transport.keep_alive(self.keepalive_ms());
        if self.wires.len() <= peer.0 {
            self.wires.resize_with(peer.0 + 1, || None);
        }
        self.wires[peer.0] = Some(wire);
    }

    /// Moves what was pushed to the connections; whether something was found. `rung`: something was asked of some port.
    pub(super) fn drain(&mut self, driver: &mut Driver, now: u64, rung: bool) -> bool {
        let (mut found, mut drained) = (false, false);
        for index in 0..self.places.len() {
            let place = &mut self.places[index];
            if !rung && !self.session.is_touched() && place.rests() {
                place.plan(now, false);
                continue;
            }
            let (key, tail) = (place.key, place.tail());
            let session = self.session.untouched();
            let has_work = session.has_work(key, now);
            place.observe(now, has_work);
            if !has_work && session.is_at_rest(key) {
                place.rest(tail);
            }
            if has_work || session.is_flushing(key) {
                drained = true;
                driver.conversation.pushed |= has_work && self.places[index].shared.signals;
                found |= has_work;
                self.session.drain(key, now);
            }
        }
        if drained {
            self.carry_out(driver, now);
        }
        found
    }

    /// Deadlines have come.
    pub(super) fn timeout(&mut self, driver: &mut Driver, now: u64) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
        }
        self.session.handle_timeout(now);
        self.carry_out(driver, now);
        let (poller, registry) = driver.poller_and_registry();
        let attempt = match &mut *self.work {
            Work::Serve { listeners, .. } => listeners.timeout(self.key, poller, registry, now),
            Work::Connect(_) => {
                self.connect(driver, now, |connector, surroundings| {
                    connector.timeout(surroundings, now)
                });
                None
            }
            Work::Nothing => None,
        };
        if let Some(attempt) = attempt {
            self.after_binding(&attempt, driver, now);
        }
    }

    /// Connections that waited for room in an in queue try again; whether one found some.
    pub(super) fn retry_waiting(&mut self, driver: &mut Driver, now: u64) -> bool {
        let mut progress = false;
        let mut read_again = Vec::new();
        for _ in 0..self.session.begin_retry() {
            progress |= self.session.retry_next(now, &mut read_again);
            // At once, while its memory is at hand: those after it wait for a little more, which costs less than many reads
            // of a little.
            for peer in read_again.drain(..) {
                self.read(peer, driver, now);
            }
        }
        self.carry_out(driver, now);
        progress
    }

    /// Carries out what the session asks for.
    pub(super) fn carry_out(&mut self, driver: &mut Driver, now: u64) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Write(peer) => self.write(peer, driver, now),
                Effect::FinishWriting(peer) => {
                    let finished = self.wire(peer).map_or(Ok(()), |wire| wire.transport.finish_writing());
                    if let Err(error) = finished {
                        self.session.handle_failure(peer, now, Reason::of_error(&error));
                    }
                }
                Effect::Close(peer) => {
                    if let Some(wire) = self.wires.get_mut(peer.0).and_then(Option::take) {
                        driver.registry.remove(wire.key);
                        driver.close(wire.transport);
                    }
                }
                Effect::Measure(peer) => self.measure(peer, driver, now),
                Effect::Accept(peer) => self.open_port(peer, driver, now),
                Effect::Withdraw(port) => self.withdraw(port),
                Effect::Disconnected { port, useful } => {
                    if let Work::Connect(connector) = &mut *self.work {
                        let retries = connector.connection_lost(useful, now);
                        self.after_attempt(port, retries, driver, now);
                    }
                }
                Effect::Wake(port) => {
                    if let Some(shared) = self.session.shared(port) {
                        driver.woken(shared);
                    }
                }
                Effect::Forget(port) => {
                    if let Some(index) = self.places.iter().position(|place| place.key == port) {
                        let place = self.places.remove(index);
                        if let Some(log) = place.shared.control.notifications.log() {
                            log.end();
                        }
                        driver.ports.remove(&place.shared.id);
                        driver.priority.review = true;
                    }
                }
            }
        }
        driver.again |= self.session.take_again();
    }

    /// Writes as much as the system takes.
    fn write(&mut self, peer: Peer, driver: &mut Driver, now: u64) {
        loop {
            let bytes = self.session.unsent(peer);
            let Some(wire) = self.wires.get_mut(peer.0).and_then(Option::as_mut) else {
                return;
            };
            if bytes.is_empty() {
                return;
            }
            match wire.transport.write(bytes) {
                Ok(count) => {
                    let all = count == bytes.len();
                    wire.acknowledgement.sent(now);
                    self.session.handle_sent(peer, now, count);
                    if !all {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.session.handle_sent(peer, now, 0),
                Err(error) => return self.broke(peer, Some(&error), driver, now),
            }
        }
    }

    /// Tells the session how far a peer has acknowledged, or that the connection broke.
    pub(super) fn measure(&mut self, peer: Peer, driver: &mut Driver, now: u64) {
        let Some(wire) = self.wire(peer) else { return };
        if let Some(error) = wire.transport.take_error() {
            return self.broke(peer, Some(&error), driver, now);
        }
        let progress = wire.transport.progress();
        self.session.handle_progress(peer, now, progress);
    }

    /// A manual server's client gets a port of its own.
    fn open_port(&mut self, peer: Peer, driver: &mut Driver, now: u64) {
        let server = self.session.port_of(peer).map(Arc::clone);
        let opened = server.as_ref().and_then(|server| driver.open_accepted(server));
        let (
            Some((endpoint, network, ends)),
            Work::Serve {
                accepted: Some(waiting),
                ..
            },
        ) = (opened, &*self.work)
        else {
            return self.reject(peer, now);
        };
        let shared = Arc::clone(&ends.shared);
        let Some(queues) = ends.queues else {
            return self.reject(peer, now);
        };
        let waiting = Arc::clone(waiting);
        let session = self.session.single_mut();
        let Some(key) = session.and_then(|session| session.accept(peer, ends.shared, queues, now)) else {
            return;
        };
        self.add_place(key, &shared);
        driver.ports.insert(shared.id, (self.key, key));
        driver.noted_late_ns = 0;
        driver.priority.review = true;
        waiting.push(Opened {
            endpoint,
            network,
            accepted: None,
            discovery: None,
        });
        if let Some(server) = server {
            waiting.tell(&server);
        }
    }

    fn reject(&mut self, peer: Peer, now: u64) {
        if let Some(session) = self.session.single_mut() {
            session.reject(peer, now);
        }
    }

    /// A port that nobody has accepted is closed.
    fn withdraw(&mut self, port: PortKey) {
        let Work::Serve {
            accepted: Some(waiting),
            ..
        } = &*self.work
        else {
            return;
        };
        if let Some(shared) = self.session.shared(port) {
            drop(waiting.withdraw(shared.id));
        }
    }

    /// Has the poller watch its sockets for what they wait for now.
    pub(super) fn update_interests(&mut self, driver: &mut Driver) {
        if !self.is_touched() {
            return;
        }
        for (index, wire) in self.wires.iter_mut().enumerate() {
            let Some(wire) = wire else { continue };
            let interest = self.session.interest(Peer(index));
            if wire.transport.watch(driver.poller(), wire.key, interest).is_err() {
                // Out of memory in the kernel, most likely.
                self.retry_at = Some(now_ns() + RETRY_NS);
            }
        }
    }

    /// Acknowledges what a peer sent, if its time has come; when it will come else.
    pub(super) fn acknowledge(&mut self, peer: Peer, now: u64) -> Option<u64> {
        let wire = self.wire(peer)?;
        let due = wire.acknowledgement.due_ns()?;
        if now < due {
            return Some(due);
        }
        wire.transport.acknowledge_at_once();
        wire.acknowledgement.acknowledged();
        None
    }

    /// After a defect: every port of it ends.
    pub(super) fn give_up(&mut self, driver: &mut Driver) {
        self.stop_work(driver);
        for wire in self.wires.drain(..).flatten() {
            driver.close(wire.transport);
        }
        for place in &self.places {
            place.shared.set_up(false);
            place.shared.end();
            place.shared.signal();
        }
    }
}

/// The caller's ends of an accepted port, with which the server answers `accept`.
pub(super) type AcceptedEnds = (Endpoint, super::Network, NetworkHalf);
