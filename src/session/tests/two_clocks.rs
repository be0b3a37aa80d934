//! Sessions on machines whose clocks differ, with audio threads, and a network that delays what they send.

use super::driven::READ;
use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::notifications::Kind;
use crate::realtime::shared::Role;
use crate::realtime::waker::Waker;
use crate::session::options::Options;
use crate::session::{Effect, Peer, PortKey, Session};
use crate::sys::address::Address;
use crate::sys::clock::simulated::set_now_ns;
use crate::timing::Block;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

pub(super) const MS: u64 = 1_000_000;
/// How often the network threads look.
const STEP_NS: u64 = 100_000;
pub(super) const FRAMES: u32 = 128;
pub(super) const RATE: f64 = 48_000.0;

/// Random numbers (xorshift64*, Vigna 2016).
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        if limit == 0 { 0 } else { drawn % limit }
    }
}

/// How a machine's clock runs: its time when the world's is 0, and by how many ppm it is faster.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub offset_ns: u64,
    pub ppm: f64,
}

impl Clock {
    pub(super) fn at(&self, world_ns: u64) -> u64 {
        self.offset_ns + world_ns + (world_ns as f64 * self.ppm / 1e6).round() as i64 as u64
    }
}

/// One direction of a connection.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub delay_ns: u64,
    pub jitter_ns: u64,
    /// Every second it stops for so long.
    pub stall_ns: u64,
}

/// What is under way in one direction.
struct Way {
    line: Line,
    pieces: VecDeque<(u64, Vec<u8>)>,
    last_ns: u64,
}

impl Way {
    fn new(line: Line) -> Self {
        Self {
            line,
            pieces: VecDeque::new(),
            last_ns: 0,
        }
    }

    fn send(&mut self, now: u64, bytes: Vec<u8>, dice: &mut Dice) {
        let mut at = now + self.line.delay_ns + dice.below(self.line.jitter_ns + 1);
        let into_second = now % 1_000_000_000;
        if into_second < self.line.stall_ns {
            at += self.line.stall_ns - into_second;
        }
        self.last_ns = at.max(self.last_ns);
        self.pieces.push_back((self.last_ns, bytes));
    }
}

/// A connection between two machines.
struct Wire {
    ends: [(usize, Peer); 2],
    /// From the first to the second, and back.
    ways: [Way; 2],
}

/// A machine with one port.
pub(super) struct Machine {
    pub session: Session,
    pub key: PortKey,
    pub endpoint: Endpoint,
    pub clock: Clock,
    /// When its audio device begins its blocks, by the world's time, and how many have begun.
    device_ns: f64,
    pub blocks: u64,
    pub told: Vec<Kind>,
}

/// A message that was popped: its place in frames since the first block, and its flags.
pub(super) struct Heard {
    pub frame: u64,
    pub time_ns: u64,
    pub flags: u32,
    pub bytes: Vec<u8>,
}

pub(super) struct Network {
    pub now: u64,
    pub dice: Dice,
    pub machines: Vec<Machine>,
    wires: Vec<Wire>,
    /// Note Ons that have arrived: where and when, by the world's time, and the message.
    pub arrived: Vec<(usize, u64, [u8; 3])>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: 1_000_000_000,
            dice: Dice(seed | 1),
            machines: Vec::new(),
            wires: Vec::new(),
            arrived: Vec::new(),
        }
    }

    /// Adds a machine.
    pub(super) fn add(&mut self, role: Role, config: &Config, clock: Clock, name: &str) -> usize {
        set_now_ns(clock.at(self.now));
        let config = config.clone().normalized().unwrap();
        let waker = Arc::new(Waker::new().unwrap());
        let (endpoint, half) = Endpoint::with_network(role, &config, waker).unwrap();
        let options = Options {
            name: name.parse().unwrap(),
            ..Options::default()
        };
        let (session, key) = Session::new(half.shared, half.queues, options);
        self.machines.push(Machine {
            session,
            key,
            endpoint,
            clock,
            device_ns: self.now as f64,
            blocks: 0,
            told: Vec::new(),
        });
        self.machines.len() - 1
    }

    /// Connects a client's port to a server's. The lines are there and back.
    pub(super) fn connect(&mut self, client: usize, server: usize, there: Line, back: Line) {
        let address = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 9080)));
        let at = |machine: &Machine, now| machine.clock.at(now);
        let one = &mut self.machines[client];
        set_now_ns(at(one, self.now));
        let first = one.session.core.connect(one.key, address, at(one, self.now)).unwrap();
        let other = &mut self.machines[server];
        set_now_ns(at(other, self.now));
        let second = other.session.add_client(Some(address), at(other, self.now)).unwrap();
        self.wires.push(Wire {
            ends: [(client, first), (server, second)],
            ways: [Way::new(there), Way::new(back)],
        });
        self.carry_out(client);
        self.carry_out(server);
    }

    /// Other lines from now on.
    pub(super) fn set_lines(&mut self, wire: usize, there: Line, back: Line) {
        self.wires[wire].ways[0].line = there;
        self.wires[wire].ways[1].line = back;
    }

    /// How a machine's own time is now.
    pub(super) fn time_of(&self, machine: usize) -> u64 {
        self.machines[machine].clock.at(self.now)
    }

    /// Calls of a machine's audio thread see its own time.
    pub(super) fn enter(&self, machine: usize) {
        set_now_ns(self.time_of(machine));
    }

    /// Bytes that a peer of a machine sends, in place of what is at the other end.
    pub(super) fn inject(&mut self, wire: usize, to: usize, bytes: &[u8]) {
        let now = self.now;
        self.wires[wire].ways[1 - to].send(now, bytes.to_vec(), &mut self.dice);
    }

    /// The network goes on until then. `audio`: what a machine's audio thread does at a block's beginning.
    pub(super) fn run(&mut self, until: u64, mut audio: impl FnMut(&mut Self, usize)) {
        while self.now < until {
            self.now += STEP_NS;
            for machine in 0..self.machines.len() {
                self.deliver(machine);
                self.turn(machine);
                let period = f64::from(FRAMES) / RATE * 1e9;
                while self.machines[machine].device_ns <= self.now as f64 {
                    self.enter(machine);
                    audio(self, machine);
                    let one = &mut self.machines[machine];
                    one.device_ns += period;
                    one.blocks += 1;
                }
            }
        }
    }

    fn deliver(&mut self, machine: usize) {
        let now = self.now;
        for wire in &mut self.wires {
            for end in 0..2 {
                let (owner, peer) = wire.ends[end];
                while owner == machine && wire.ways[1 - end].pieces.front().is_some_and(|(at, _)| *at <= now) {
                    let (_, bytes) = wire.ways[1 - end].pieces.pop_front().unwrap();
                    for window in bytes.windows(3) {
                        if let [status @ 0x90..=0x9F, note, velocity] = *window {
                            self.arrived.push((machine, now, [status, note, velocity]));
                        }
                    }
                    let one = &mut self.machines[machine];
                    let at = one.clock.at(now);
                    set_now_ns(at);
                    one.session.handle_bytes(peer, at, &bytes);
                }
            }
        }
        self.carry_out(machine);
    }

    fn turn(&mut self, machine: usize) {
        let one = &mut self.machines[machine];
        let at = one.clock.at(self.now);
        set_now_ns(at);
        if one.session.core.has_work(one.key, at) {
            one.session.core.drain(one.key, at);
        }
        if one.session.core.poll_timeout().is_some_and(|due| due <= at) {
            one.session.handle_timeout(at);
        }
        self.carry_out(machine);
    }

    fn carry_out(&mut self, machine: usize) {
        let one = &mut self.machines[machine];
        let at = one.clock.at(self.now);
        while let Some(effect) = one.session.core.poll_effect() {
            let peer = match effect {
                Effect::Write(peer) => peer,
                Effect::Measure(peer) => {
                    one.session.handle_progress(peer, at, Some(READ));
                    continue;
                }
                _ => continue,
            };
            let bytes = one.session.core.unsent(peer).to_vec();
            one.session.handle_sent(peer, at, bytes.len());
            for wire in &mut self.wires {
                if let Some(end) = wire.ends.iter().position(|end| *end == (machine, peer)) {
                    wire.ways[end].send(self.now, bytes.clone(), &mut self.dice);
                }
            }
        }
        while let Some(notification) = one.endpoint.poll_notification() {
            one.told.push(notification.kind);
        }
    }

    /// Begins a block of a machine's audio thread. `late_ns`: the callback comes later than the device asked for it.
    pub(super) fn begin_block(&mut self, machine: usize, late_ns: u64) {
        let one = &self.machines[machine];
        let start_ns = one.clock.at(one.device_ns as u64 + late_ns);
        let block = Block {
            start_ns,
            sample_rate: RATE,
            frames: FRAMES,
            offline: false,
            discontinuity: false,
            position: None,
            device_time: false,
        };
        // SAFETY: one thread does everything.
        unsafe { one.endpoint.begin_block(block) };
    }

    /// What a machine's audio thread pops in its block.
    pub(super) fn pop_block(&mut self, machine: usize) -> Vec<Heard> {
        let one = &self.machines[machine];
        let mut heard = Vec::new();
        // SAFETY: one thread does everything.
        while let Ok(popped) = unsafe { one.endpoint.pop_block() } {
            heard.push(Heard {
                frame: one.blocks * u64::from(FRAMES) + u64::from(popped.frame),
                time_ns: popped.time_ns,
                flags: popped.flags,
                // SAFETY: the message stays until the next pop.
                bytes: unsafe { popped.data.as_ref() }.to_vec(),
            });
        }
        heard
    }

    /// The world's time of a frame of a machine's present block.
    pub(super) fn frame_ns(&self, machine: usize, frame: u32) -> f64 {
        self.machines[machine].device_ns + f64::from(frame) / RATE * 1e9
    }

    /// The world's time of the first block of a machine that begins at or after a time.
    pub(super) fn block_after(&self, machine: usize, at: u64) -> f64 {
        let period = f64::from(FRAMES) / RATE * 1e9;
        let device = self.machines[machine].device_ns;
        device + ((at as f64 - device) / period).ceil() * period
    }

    /// A message at a frame of the present block.
    pub(super) fn push_frame(&mut self, machine: usize, frame: u32, message: &[u8]) {
        // SAFETY: one thread does everything.
        unsafe { self.machines[machine].endpoint.push_frame(frame, message) };
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        set_now_ns(0);
    }
}
