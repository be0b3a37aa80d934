//! Two clocks and a network between them, simulated: the true times are known.

use super::peer_clock::{Change, PeerClock};
use super::tests::Noise;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

/// A clock whose rate may change, and which may jump or stand still. Times of the simulation are in ns.
pub(super) struct Clock {
    since: u64,
    reading: u64,
    rate: f64,
}

impl Clock {
    pub fn new(reading: u64, rate: f64) -> Self {
        Self {
            since: 0,
            reading,
            rate,
        }
    }

    pub fn read(&self, time: u64) -> u64 {
        let elapsed = time - self.since;
        let gained = (elapsed as f64 * self.rate).floor() as i64;
        self.reading + elapsed.saturating_add_signed(gained)
    }

    pub fn read_us(&self, time: u64) -> u64 {
        self.read(time) / 1000
    }

    /// The first time at which the clock shows this.
    fn when(&self, reading: u64) -> u64 {
        let ahead = reading.saturating_sub(self.reading) as f64 / (1.0 + self.rate);
        let mut time = self.since + ahead as u64;
        while self.read(time) < reading {
            time += 1;
        }
        time
    }

    pub fn set_rate(&mut self, time: u64, rate: f64) {
        *self = Self {
            since: time,
            reading: self.read(time),
            rate,
        };
    }

    pub fn jump(&mut self, time: u64, ahead: i64) {
        *self = Self {
            since: time,
            reading: self.read(time).wrapping_add_signed(ahead),
            rate: self.rate,
        };
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Jitter {
    /// Up to so many ns, evenly.
    Uniform(f64),
    /// Half of all delays are below so many ns, some far above.
    HeavyTail(f64),
}

/// One direction of the network: in order, late.
#[derive(Debug)]
pub(super) struct Path {
    pub base: u64,
    pub jitter: Jitter,
    /// A delivery of so many begins a stall of so long; 0: none.
    pub stall_each: u32,
    pub stall: u64,
    last: u64,
}

impl Path {
    pub fn new(base: u64, jitter: Jitter) -> Self {
        Self {
            base,
            jitter,
            stall_each: 0,
            stall: 0,
            last: 0,
        }
    }

    fn deliver(&mut self, sent: u64, noise: &mut Noise) -> u64 {
        let jitter = match self.jitter {
            Jitter::Uniform(most) => most * noise.next(),
            Jitter::HeavyTail(median) => (median * (1.0 / (1.0 - noise.next()) - 1.0)).min(300e6),
        };
        if self.stall_each > 0 && noise.next() * f64::from(self.stall_each) < 1.0 {
            self.last = self.last.max(sent) + self.stall;
        }
        self.last = self.last.max(sent + self.base + jitter as u64);
        self.last
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    Ping {
        sequence: u8,
        asked: u64,
    },
    Pong {
        sequence: u8,
        received: u64,
        answered: u64,
        asked: u64,
    },
    PeerPing {
        sent: u64,
    },
    Stamp {
        meant: u64,
        stamp: u32,
    },
}

/// What a stamp became.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub arrived: u64,
    /// The time of the simulation for which it was meant.
    pub meant: u64,
    /// The local time that it was taken for, less the true one.
    pub off: Option<i64>,
    /// The bound after that.
    pub error: u64,
}

pub(super) struct Pair {
    pub time: u64,
    pub local: Clock,
    pub remote: Clock,
    pub there: Path,
    pub back: Path,
    pub clock: PeerClock,
    pub noise: Noise,
    pub changes: Vec<(u64, Change)>,
    pub outcomes: Vec<Outcome>,
    /// Round trips: when they ended, and how long they took by the local clock.
    pub round_trips: Vec<(u64, u64)>,
    pub pings: u32,
    /// The peer answers.
    pub answers: bool,
    /// Time between stamps, and the next; the same for pings of the peer.
    pub stamps: u64,
    next_stamp: u64,
    next_peer_ping: u64,
    flying: BinaryHeap<Reverse<(u64, u64, Arrival)>>,
    count: u64,
}

impl Pair {
    pub fn new(local: Clock, remote: Clock, there: Path, back: Path, seed: u64) -> Self {
        let clock = PeerClock::new(local.read(0));
        Self {
            time: 0,
            local,
            remote,
            there,
            back,
            clock,
            noise: Noise(seed | 1),
            changes: Vec::new(),
            outcomes: Vec::new(),
            round_trips: Vec::new(),
            pings: 0,
            answers: true,
            stamps: 20_833_333,
            next_stamp: 1,
            next_peer_ping: 3 * MS,
            flying: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: u64) {
        let end = self.time + time;
        loop {
            let ping = self.local.when(self.clock.next_ping_ns()).max(self.time);
            let arrival = self.flying.peek().map_or(u64::MAX, |Reverse((time, ..))| *time);
            let next = ping.min(arrival).min(self.next_stamp).min(self.next_peer_ping);
            if next > end {
                break;
            }
            self.time = next.max(self.time);
            if next == arrival {
                let Some(Reverse((_, _, arrival))) = self.flying.pop() else {
                    break;
                };
                self.arrive(arrival);
            } else if next == ping {
                self.ping();
            } else if next == self.next_stamp {
                self.next_stamp = self.time + self.stamps;
                let stamp = (self.remote.read_us(self.time) & 0xFFF_FFFF) as u32;
                self.send_back(Arrival::Stamp {
                    meant: self.time,
                    stamp,
                });
            } else {
                self.next_peer_ping = self.time + SECOND;
                let sent = self.remote.read_us(self.time) & 0x7_FFFF_FFFF;
                self.send_back(Arrival::PeerPing { sent });
            }
        }
        self.time = end;
    }

    fn ping(&mut self) {
        let (sequence, change) = self.clock.ping(self.local.read(self.time));
        self.note(change);
        self.pings += 1;
        let arrives = self.there.deliver(self.time, &mut self.noise);
        let asked = self.local.read(self.time);
        self.fly(arrives, Arrival::Ping { sequence, asked });
    }

    fn send_back(&mut self, arrival: Arrival) {
        let arrives = self.back.deliver(self.time, &mut self.noise);
        self.fly(arrives, arrival);
    }

    fn fly(&mut self, arrives: u64, arrival: Arrival) {
        self.count += 1;
        self.flying.push(Reverse((arrives, self.count, arrival)));
    }

    fn note(&mut self, change: Change) {
        if change != Change::None {
            self.changes.push((self.time, change));
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.local.read(self.time);
        match arrival {
            Arrival::Ping { sequence, asked } if self.answers => {
                let received = self.remote.read_us(self.time) & 0x7_FFFF_FFFF;
                self.time += (self.noise.next() * 50e3) as u64;
                let answered = self.remote.read_us(self.time) & 0x7_FFFF_FFFF;
                self.send_back(Arrival::Pong {
                    sequence,
                    received,
                    answered,
                    asked,
                });
            }
            Arrival::Ping { .. } => {}
            Arrival::Pong {
                sequence,
                received,
                answered,
                asked,
            } => {
                self.round_trips.push((self.time, now - asked));
                let change = self.clock.pong(sequence, received, answered, now);
                self.note(change);
            }
            Arrival::PeerPing { sent } => {
                let change = self.clock.peer_ping(sent, now);
                self.note(change);
            }
            Arrival::Stamp { meant, stamp } => {
                let outcome = self.probe(meant, stamp);
                self.outcomes.push(outcome);
            }
        }
    }

    /// What a stamp becomes that arrives now.
    pub fn probe(&mut self, meant: u64, stamp: u32) -> Outcome {
        let now = self.local.read(self.time);
        let (taken, change) = self.clock.believe(stamp, now);
        self.note(change);
        Outcome {
            arrived: self.time,
            meant,
            off: taken.map(|taken| taken.wrapping_sub(self.local.read(meant)) as i64),
            error: self.clock.error_ns(now),
        }
    }
}

fn random_path(noise: &mut Noise) -> Path {
    let base = 10e3 * 5000f64.powf(noise.next());
    let most = 20e6 * noise.next().powi(2);
    let jitter = if noise.next() < 0.5 {
        Jitter::Uniform(most)
    } else {
        Jitter::HeavyTail(most / 10.0)
    };
    let mut path = Path::new(base as u64, jitter);
    if noise.next() < 0.3 {
        path.stall_each = 100 + (1000.0 * noise.next()) as u32;
        path.stall = 100 * MS;
    }
    path
}

fn random_pair(seed: u64) -> Pair {
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..4 {
        noise.next();
    }
    let days = 5.0 * 86400e9;
    let mut rate = || (noise.next() - 0.5) * 500e-6;
    let rates = (rate(), rate());
    let local = Clock::new((noise.next() * days) as u64, rates.0);
    let remote = Clock::new((noise.next() * days) as u64, rates.1);
    let there = random_path(&mut noise);
    let mut back = random_path(&mut noise);
    if noise.next() < 0.5 {
        (back.base, back.jitter) = (there.base, there.jitter);
    }
    let mut pair = Pair::new(local, remote, there, back, seed.wrapping_mul(77_777) + 5);
    pair.stamps = 200 * MS;
    pair
}

#[test]
fn stats() {
    let pairs: u64 = std::env::var("MIDISOCK_CLOCK_PAIRS").map_or(300, |n| n.parse().unwrap());
    let mut bad = 0;
    let mut ping_sum = 0;
    let mut lost = 0;
    let mut late_lock = 0;
    for seed in 1..=pairs {
        let mut pair = random_pair(seed);
        let mut worst = (0.0, 0, 0, 0);
        let seconds = 40;
        let change_at = if pair.noise.next() < 0.3 { 20 } else { 0 };
        for step in 1..=seconds * 4 {
            pair.run(250 * MS);
            if step == change_at * 4 {
                let base = (10e3 * 5000f64.powf(pair.noise.next())) as u64;
                if pair.noise.next() < 0.5 {
                    pair.there.base = base
                } else {
                    pair.back.base = base
                }
            }
            let stamp = (pair.remote.read_us(pair.time) & 0xFFF_FFFF) as u32;
            let o = pair.probe(pair.time, stamp);
            if let Some(off) = o.off {
                assert!(
                    off.unsigned_abs() <= o.error,
                    "seed {seed} {o:?} {} there {:?} back {:?}",
                    step,
                    pair.there,
                    pair.back
                );
            }
            if step > 40 && (change_at == 0 || step < change_at * 4) {
                let least = pair.round_trips.iter().map(|x| x.1).min().unwrap_or(0);
                let over = o.error as f64 - least as f64 / 2.0 - 100e3;
                if over > worst.0 {
                    worst = (over, step, o.error, least)
                }
            }
        }
        for o in &pair.outcomes {
            if let Some(off) = o.off {
                assert!(
                    off.unsigned_abs() <= o.error,
                    "seed {seed} {o:?} there {:?} back {:?}",
                    pair.there,
                    pair.back
                );
            }
        }
        if pair.changes.len() != 1 {
            lost += 1;
            println!("seed {seed} {:?} {:?} {:?}", pair.changes, pair.there, pair.back)
        }
        if pair.changes[0].0 > SECOND {
            late_lock += 1
        }
        ping_sum += pair.pings;
        if worst.0 > 0.0 {
            bad += 1;
            println!(
                "seed {seed} over {:.0} us at {} error {} least {} there {:?} back {:?} rate {:.0} ppm",
                worst.0 / 1e3,
                worst.1,
                worst.2,
                worst.3,
                pair.there,
                pair.back,
                (pair.remote.rate - pair.local.rate) * 1e6
            );
        }
    }
    println!(
        "bad {bad} of {pairs}; pings {}; lost {lost} late lock {late_lock}",
        ping_sum as f64 / pairs as f64 / 40.0
    );
}
