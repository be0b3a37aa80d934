//! A run: nodes, peers, audio threads and the network between them, in one order of time.

use super::audio::Audio;
use super::music::{Mark, random_make, whole};
use super::network::{Cut, Network, Socket};
use super::node::{Command, Node};
use super::plan::{Manner, Plan};
use super::random::Random;
use super::raw::Raw;
use super::trace;
use crate::midi::state::receiver_model::Make;
use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::flush::Flushed;
use crate::realtime::shared::Role;
use crate::realtime::waker::Waker;
use crate::session::options::Options;
use crate::session::{PortKey, Session};
use crate::sys::clock::simulated::set_now_ns;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

const MS: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Arrive(Socket),
    Turn(usize),
    Audio(usize),
    AcceptPort(usize),
    Raw(usize),
    Connect(usize),
    Fault(usize),
    /// A port is shut down, and perhaps closed at once.
    Close(usize),
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything happens.
    Active,
    /// Nothing new is pushed, and the network heals.
    Quiet,
    /// All ports are closed.
    Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Node(usize),
    Raw(usize),
}

/// One end of a connection, and what went over it.
pub(super) struct End {
    owner: Owner,
    /// All that was read.
    pub heard: Vec<u8>,
    /// Written by a node: what is not a whole message yet, and the marks.
    partial: Vec<u8>,
    pub marks: Vec<Mark>,
    pub audio: Option<usize>,
    /// The client that it is to its port, and to its server.
    pub client: u32,
    pub id: u32,
    /// From where on it gets what was pushed, and whether that is not quite known.
    pub since: usize,
    /// The same, of what no repair brings back; and what had been lost before.
    pub marks_since: usize,
    pub dropped_before: u64,
    pub is_fuzzy: bool,
    pub linger_ms: u32,
    pub read_to_end: bool,
    pub closed_at: Option<u64>,
    pub was_stalled: bool,
    /// The system took less than was offered.
    pub was_blocked: bool,
    /// From when on what is pushed is written.
    pub confirmed_at: u64,
    pub disconnected: bool,
}

impl End {
    fn new(owner: Owner, linger_ms: u32) -> Self {
        Self {
            owner,
            heard: Vec::new(),
            partial: Vec::new(),
            marks: Vec::new(),
            audio: None,
            client: 0,
            id: 0,
            since: 0,
            marks_since: 0,
            dropped_before: 0,
            is_fuzzy: false,
            linger_ms,
            read_to_end: false,
            closed_at: None,
            was_stalled: false,
            was_blocked: false,
            confirmed_at: 0,
            disconnected: false,
        }
    }

    /// It is a connection of this port.
    pub(super) fn is_of(&mut self, audio: usize, client: u32, since: usize, is_fuzzy: bool) {
        self.audio = Some(audio);
        (self.client, self.id) = (client, client);
        (self.since, self.marks_since, self.is_fuzzy) = (since, since, is_fuzzy);
    }

    /// It is a new connection of a client's port.
    pub(super) fn connects(&mut self, audio: &Audio) {
        self.is_of(audio.number, 0, 0, false);
        self.marks_since = audio.ledger.len();
        self.dropped_before = audio.shared.dropped_out();
    }

    pub(super) fn is_node(&self) -> bool {
        matches!(self.owner, Owner::Node(_))
    }

    pub(super) fn raw(&self) -> Option<usize> {
        match self.owner {
            Owner::Raw(raw) => Some(raw),
            Owner::Node(_) => None,
        }
    }
}

pub(super) struct World {
    pub now: u64,
    pub random: Random,
    pub plan: Plan,
    pub make: Make,
    pub network: Network,
    pub nodes: Vec<Option<Node>>,
    pub audios: Vec<Audio>,
    pub raws: Vec<Option<Raw>>,
    pub ends: Vec<End>,
    pub phase: Phase,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    serial: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        let make = random_make(&mut random);
        set_now_ns(trace::START_NS);
        let mut world = Self {
            now: trace::START_NS,
            random,
            plan,
            make,
            network: Network::default(),
            nodes: Vec::new(),
            audios: Vec::new(),
            raws: Vec::new(),
            ends: Vec::new(),
            phase: Phase::Active,
            events: BinaryHeap::new(),
            serial: 0,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        if self.plan.serves {
            let role = if self.plan.manual { Role::Manual } else { Role::Merged };
            let config = self.plan.server.clone();
            self.add_node(role, &config);
        }
        for config in self.plan.clients.clone() {
            let node = self.add_node(Role::Client, &config);
            if !self.plan.serves {
                let raw = self.raws.len();
                let manner = self
                    .random
                    .pick(&[Manner::Plays, Manner::Listens, Manner::ReadsSlowly, Manner::Closes]);
                self.raws
                    .push(Some(Raw::new(raw, manner, Some(node), &mut self.random)));
                self.schedule(self.now, Event::Raw(raw));
            }
            let at = self.now + self.random.below(20 * MS);
            self.schedule(at, Event::Connect(node));
        }
        for manner in self.plan.raws.clone() {
            let raw = self.raws.len();
            self.raws.push(Some(Raw::new(raw, manner, None, &mut self.random)));
            let at = self.now + self.random.below(self.plan.active_ns);
            self.schedule(at, Event::Raw(raw));
        }
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        thread_local! {
            static WAKER: Arc<Waker> = Arc::new(Waker::new().expect("a poller"));
        }
        WAKER.with(Arc::clone)
    }

    fn add_node(&mut self, role: Role, config: &Config) -> usize {
        let number = self.nodes.len();
        trace!(self.now, "node {number} is a {role:?} with {config:?}");
        let made = Endpoint::with_network(role, config, self.waker());
        let (endpoint, half) = made.expect("there is memory");
        let (session, key) = Session::new(half.shared, half.queues, Options::default());
        let mut node = Node::new(number, session, key);
        let audio = self.add_audio(number, key, endpoint);
        node.audios.insert(key.0, audio);
        self.nodes.push(Some(node));
        number
    }

    pub(super) fn add_audio(&mut self, node: usize, key: PortKey, endpoint: Endpoint) -> usize {
        let number = self.audios.len();
        let plan = self.plan.audio(&mut self.random);
        trace!(self.now, "port {number} of node {node}: {plan:?}");
        self.audios
            .push(Audio::new(number, node, key, endpoint, plan, self.make));
        self.schedule(self.now + MS, Event::Audio(number));
        if self.phase == Phase::Active && self.random.chance(self.plan.shuts) {
            let at = self.now + self.random.below(self.plan.active_ns);
            self.schedule(at, Event::Close(number));
        }
        number
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((at, self.serial, event)));
    }

    /// Has a node's network thread look at that time, if it does not sooner.
    pub(super) fn wake_node(&mut self, number: usize, at: u64) {
        if let Some(node) = &mut self.nodes[number] {
            if at < node.wake_at {
                node.wake_at = at;
                self.schedule(at, Event::Turn(number));
            }
        } else {
            self.schedule(at, Event::Turn(number));
        }
    }

    /// The same, for a node that has its turn.
    pub(super) fn wake_node_if_sooner(&mut self, node: &mut Node, at: u64) {
        if at < node.wake_at {
            node.wake_at = at;
            self.schedule(at, Event::Turn(node.number));
        }
    }

    fn wake_late(&mut self, number: usize) {
        let late = self.random.below(self.plan.late_ns + 20_000);
        self.wake_node(number, self.now + late);
    }

    /// Runs until then, or until nothing happens any more.
    pub(super) fn run_until(&mut self, until: u64) {
        while let Some(Reverse((at, _, event))) = self.events.peek().copied() {
            if at > until {
                break;
            }
            self.events.pop();
            self.now = self.now.max(at);
            set_now_ns(self.now);
            self.handle(at, event);
            for (at, socket) in std::mem::take(&mut self.network.arrivals) {
                self.schedule(at, Event::Arrive(socket));
            }
        }
        self.now = self.now.max(until);
        set_now_ns(self.now);
    }

    fn handle(&mut self, at: u64, event: Event) {
        match event {
            Event::Arrive(socket) => {
                self.network.arrive(socket, self.now);
                if let Owner::Node(node) = self.ends[socket.0].owner {
                    self.wake_late(node);
                }
                // Room came with the acknowledgement.
                if let Owner::Node(node) = self.ends[socket.other().0].owner {
                    self.wake_late(node);
                }
            }
            Event::Turn(number) => {
                if let Some(mut node) = self.nodes[number].take() {
                    if node.wake_at <= at || node.wake_at == u64::MAX {
                        node.wake_at = u64::MAX;
                        node.turn(self);
                    }
                    self.nodes[number] = Some(node);
                    self.check_flushes(number);
                }
            }
            Event::Audio(number) => self.wake_audio(number),
            Event::AcceptPort(number) => {
                let audio = &mut self.audios[number];
                if audio.closed {
                    return;
                }
                if audio.shared.clients.acceptance.accept() {
                    let server = self.audios[0].shared.as_ref();
                    server
                        .clients
                        .left_behind
                        .fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
                }
                self.audios[number].unaccepted = false;
            }
            Event::Raw(number) => self.wake_raw(number),
            Event::Connect(number) => self.connect(number),
            Event::Fault(link) => self.fault(link),
            Event::Close(number) => {
                let at_once = self.random.chance(300);
                self.close_port(number, at_once);
            }
        }
    }

    fn wake_audio(&mut self, number: usize) {
        let active = self.phase == Phase::Active;
        let mut random = Random::new(self.random.next());
        let audio = &mut self.audios[number];
        if audio.closed {
            return;
        }
        if audio.unaccepted {
            return self.schedule(self.now + 5 * MS, Event::Audio(number));
        }
        let prompt = audio.wake(self.now, &mut random, active);
        let (plan, node) = (audio.plan, audio.node);
        let late = if prompt {
            0
        } else if audio.shared.is_up() {
            random.below(u64::from(audio.shared.config.pacing.tick_us) * 1000)
        } else {
            random.below(20 * MS)
        };
        let merged = audio.shared.role == Role::Merged;
        let disconnects = active && merged && random.chance(plan.disconnect);
        let client = audio.clients.iter().copied().next();
        if let (true, Some(client), Some(node)) = (disconnects, client, self.nodes[node].as_mut()) {
            node.commands.push_back(Command::Disconnect { audio: number, client });
            for end in &mut self.ends {
                end.disconnected |= end.id == client && end.is_node();
            }
        }
        self.wake_node(node, self.now + late);
        let naps = active && random.chance(plan.nap);
        let pause = match self.phase {
            Phase::Active if naps => plan.nap_ns,
            Phase::Active => random.between(plan.period_ns / 2, plan.period_ns),
            _ => 5 * MS,
        };
        if !self.audios[number].over && !self.audios[number].closed {
            self.schedule(self.now + pause, Event::Audio(number));
        }
    }

    /// The caller shuts a port down, or closes its handle.
    pub(super) fn close_port(&mut self, number: usize, at_once: bool) {
        let audio = &mut self.audios[number];
        if audio.unaccepted || audio.shut {
            return;
        }
        audio.shut = true;
        audio.endpoint.shut_down();
        let node = audio.node;
        if at_once {
            audio.closed = true;
            if audio.shared.role == Role::Manual {
                self.close_unaccepted(node);
            }
        }
        if let Some(node) = &mut self.nodes[node] {
            node.commands.push_back(Command::ShutDown { audio: number });
            if at_once {
                node.commands.push_back(Command::Release { audio: number });
            }
        }
        let late = self.random.below(3 * MS);
        self.wake_node(node, self.now + late);
    }

    /// The server of a node is closed, and with it all that nobody has accepted.
    pub(super) fn close_unaccepted(&mut self, number: usize) {
        let unaccepted = self
            .audios
            .iter_mut()
            .filter(|audio| audio.node == number && audio.unaccepted);
        for audio in unaccepted.filter(|audio| !audio.closed) {
            (audio.closed, audio.shut) = (true, true);
            audio.endpoint.shut_down();
            if let Some(node) = &mut self.nodes[number] {
                node.commands.push_back(Command::Release { audio: audio.number });
            }
        }
    }

    fn wake_raw(&mut self, number: usize) {
        let Some(mut raw) = self.raws[number].take() else {
            return;
        };
        let active = self.phase == Phase::Active;
        if active && raw.socket.is_none() && raw.lives > 0 {
            raw.lives -= 1;
            if let Some(socket) = self.dial(Owner::Raw(number)) {
                trace!(self.now, "raw {number} ({:?}) connects: {}", raw.manner, socket.0);
                raw.begin(socket);
            }
        } else {
            let sends = active && raw.manner != Manner::Listens;
            raw.wake(self, sends || active && raw.manner == Manner::ReadsSlowly);
        }
        if raw.socket.is_some() || raw.lives > 0 && active || raw.serves.is_some() {
            let pause = if active {
                self.random.between(1000, raw.period_ns)
            } else {
                3 * MS
            };
            self.schedule(self.now + pause, Event::Raw(number));
        }
        self.raws[number] = Some(raw);
    }

    /// Connects to the server's session; None: it is not there.
    fn dial(&mut self, owner: Owner) -> Option<Socket> {
        let server = self.nodes.first()?.as_ref()?;
        if !self.plan.serves || !server.works {
            return None;
        }
        let socket = self.link(owner, Owner::Node(0));
        let server = self.nodes[0].as_mut()?;
        server.waiting.push_back(socket.other());
        self.wake_late(0);
        Some(socket)
    }

    fn link(&mut self, from: Owner, to: Owner) -> Socket {
        let mut line = self.plan.line(&mut self.random);
        if self.phase > Phase::Active {
            line.window = 1 << 20;
            line.send_room = 1 << 20;
        }
        let socket = self.network.connect(line, self.now);
        let linger = |owner, plan: &Plan| match owner {
            Owner::Node(0) if plan.serves => plan.server.delivery.linger_ms,
            Owner::Node(number) => plan.clients[number - usize::from(plan.serves)].delivery.linger_ms,
            Owner::Raw(_) => 0,
        };
        self.ends.push(End::new(from, linger(from, &self.plan)));
        self.ends.push(End::new(to, linger(to, &self.plan)));
        let faults = self.plan.faults;
        let link = self.network.len() - 1;
        if self.phase == Phase::Active && self.random.chance(faults.cut) {
            let kinds = [Cut::Fin, Cut::Reset { loses: true }, Cut::Reset { loses: false }];
            let kind = if faults.silent && self.random.chance(500) {
                Cut::Silent
            } else {
                self.random.pick(&kinds)
            };
            let end = Socket(socket.0 + self.random.below(2) as usize);
            let bytes = self.random.pick(&[3, 30, 300, 3000]);
            let bytes = self.random.below(bytes);
            trace!(
                self.now,
                "link {link} is to break {kind:?} {bytes} bytes after end {}", end.0
            );
            self.network.cut_after(end, bytes, kind);
        }
        trace!(self.now, "link {link}: {from:?} to {to:?}, {line:?}");
        self.schedule(self.now + 10 * MS, Event::Fault(link));
        socket
    }

    fn connect(&mut self, number: usize) {
        let Some(mut node) = self.nodes[number].take() else {
            return;
        };
        if !node.works {
            self.nodes[number] = Some(node);
            return;
        }
        let refused = self.phase == Phase::Active && self.random.chance(self.plan.faults.refuse);
        let own_server = self.raws.iter().flatten().find(|raw| raw.serves == Some(number));
        let own_server = own_server.map(|raw| raw.number);
        let socket = match own_server {
            _ if refused => None,
            Some(raw) => Some(self.link(Owner::Node(number), Owner::Raw(raw))),
            None => self.dial(Owner::Node(number)),
        };
        match socket {
            Some(socket) => {
                if let Some(raw) = own_server.and_then(|raw| self.raws[raw].take()) {
                    let mut raw = raw;
                    raw.close(self);
                    raw.begin(socket.other());
                    let number = raw.number;
                    self.raws[number] = Some(raw);
                }
                node.connected(socket, self);
            }
            None => {
                trace!(self.now, "node {number} is refused");
                let config = self.audios[node.audios[&node.main.0]].shared.config.clone();
                if config.connection.reconnect_max_ms == 0 {
                    node.works = false;
                    node.session.give_up(node.main, self.now);
                    node.carry_out(self);
                } else {
                    let at = self.now + node.pause(config.connection.reconnect_max_ms.into());
                    self.schedule(at, Event::Connect(number));
                }
            }
        }
        self.nodes[number] = Some(node);
        self.wake_node(number, self.now);
    }

    fn fault(&mut self, link: usize) {
        if self.phase != Phase::Active {
            return;
        }
        if self.random.chance(self.plan.faults.stall) {
            let until = self.now + self.random.pick(&[5, 30, 100]) * MS;
            trace!(self.now, "link {link} stalls until {}", trace::ms(until));
            self.network.stall(link, until);
            self.ends[2 * link].was_stalled = true;
            self.ends[2 * link + 1].was_stalled = true;
        }
        self.schedule(self.now + 10 * MS, Event::Fault(link));
    }

    /// A node has written bytes: they are whole messages, each at its time.
    pub(super) fn wrote(&mut self, socket: Socket, bytes: &[u8]) {
        let end = &mut self.ends[socket.0];
        end.partial.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = whole(&end.partial[at..]) {
            let message = &end.partial[at..at + length];
            at += length;
            let Some(mark) = Mark::of(message) else { continue };
            let audio = end.audio.expect("a port writes");
            assert_eq!(usize::from(mark.source), audio, "another port's message");
            assert!(
                mark.client == 0 || mark.client == end.client,
                "a message for client {}",
                mark.client
            );
            let is_old = (mark.number as usize) < end.marks_since;
            assert!(!is_old || end.is_fuzzy, "{mark:?} was pushed before the connection");
            let place = self.audios[audio].ledger.place(mark);
            assert!(place.0 <= self.now, "a message for {} leaves early", trace::ms(place.0));
            let expected = place.0.max(end.confirmed_at) + 3 * MS + 2 * self.plan.late_ns;
            let in_time = end.was_blocked || end.is_fuzzy || self.now <= expected || self.audios[audio].blocks();
            assert!(in_time, "a message for {} leaves late", trace::ms(place.0));
            if let Some(last) = end.marks.last() {
                let last = self.audios[audio].ledger.place(*last);
                assert!(last < place, "out of order: {last:?} before {place:?}");
            }
            end.marks.push(mark);
        }
        end.partial.drain(..at);
    }

    /// A flush that is done says the truth.
    fn check_flushes(&mut self, node: usize) {
        for number in 0..self.audios.len() {
            if self.audios[number].node != node {
                continue;
            }
            for (asked, outcome) in self.audios[number].take_flushed() {
                trace!(self.now, "flush {} of port {number} is done: {outcome:?}", asked.ticket);
                let audio = &self.audios[number];
                let dropped = audio.shared.dropped_out();
                if outcome != Flushed::Handed || audio.ledger.cancels > 0 {
                    continue;
                }
                let ends = self.ends.iter().enumerate();
                for (socket, end) in ends.filter(|(_, end)| end.audio == Some(number)) {
                    let whole = self.network.is_whole(socket / 2) && !end.is_fuzzy && !end.disconnected;
                    if !whole || audio.shut || dropped != end.dropped_before {
                        continue;
                    }
                    for mark in audio.ledger.marks(end.marks_since, end.client) {
                        let due = audio.ledger.place(mark).0 <= asked.at;
                        if due && (mark.number as usize) < asked.pushes {
                            assert!(
                                end.marks.contains(&mark),
                                "flush {} is done, {mark:?} is not",
                                asked.ticket
                            );
                        }
                    }
                }
            }
        }
    }
}
