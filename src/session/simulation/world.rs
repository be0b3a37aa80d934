//! A run: nodes, peers, audio threads and the network between them, in one order of time.

use super::audio::Audio;
use super::music::random_make;
use super::network::{Network, Socket};
use super::node::{Command, Node};
use super::plan::{Manner, Plan};
use super::random::Random;
use super::raw::Raw;
use super::trace;
use super::wires::{End, Owner};
use crate::midi::state::receiver_model::Make;
use crate::realtime::acceptance::Accepted;
use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
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
    /// `changes`: the ports' channels change. `times`: peers use sender time.
    pub(super) fn new(seed: u64, changes: bool, times: bool) -> Self {
        let mut random = Random::new(seed);
        let mut plan = Plan::new(&mut random);
        if changes {
            plan.change_channels(&mut random);
        }
        if times {
            plan.tell_times(&mut random);
        }
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

    pub(super) fn wake_late(&mut self, number: usize) {
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
                if audio.shared.clients.acceptance.accept() == Accepted::Left {
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
}
