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
        let elapsed = time.saturating_sub(self.since);
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

    /// What a stamp of this moment would become if it took no time.
    pub fn probe_now(&mut self) -> Outcome {
        let stamp = (self.remote.read_us(self.time) & 0xFFF_FFFF) as u32;
        self.probe(self.time, stamp)
    }

    /// The least round trip up to now, where each grows at this rate from when its ping was sent.
    fn least_round_trip(&self, growth: f64) -> f64 {
        let round_trips = self.round_trips.iter();
        let aged = round_trips.map(|(ended, took)| *took as f64 + growth * (self.time - ended + took) as f64);
        aged.fold(f64::INFINITY, f64::min)
    }

    /// What a stamp becomes that arrives now.
    pub fn probe(&mut self, meant: u64, stamp: u32) -> Outcome {
        let now = self.local.read(self.time);
        let (taken, change) = self.clock.believe(stamp, now);
        self.note(change);
        Outcome {
            meant,
            off: taken.map(|taken| taken.wrapping_sub(self.local.read(meant)) as i64),
            error: self.clock.error_ns(now),
        }
    }
}

fn random_path(noise: &mut Noise) -> Path {
    let most = if noise.next() < 0.3 {
        0.0
    } else {
        20e6 * noise.next().powi(2)
    };
    let jitter = if noise.next() < 0.5 {
        Jitter::Uniform(most)
    } else {
        Jitter::HeavyTail(most / 10.0)
    };
    let mut path = Path::new(random_base(noise), jitter);
    if noise.next() < 0.3 {
        path.stall_each = 100 + (1000.0 * noise.next()) as u32;
        path.stall = 100 * MS;
    }
    path
}

/// 10 µs to 50 ms.
fn random_base(noise: &mut Noise) -> u64 {
    (10e3 * 5000f64.powf(noise.next())) as u64
}

fn random_pair(seed: u64) -> Pair {
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..4 {
        noise.next();
    }
    let days = 5.0 * 86400e9;
    // So that they differ by up to 500 ppm.
    let rates = [(); 2].map(|()| (noise.next() - 0.5) * 499e-6);
    let readings = [(); 2].map(|()| (noise.next() * days) as u64);
    let there = random_path(&mut noise);
    let mut back = random_path(&mut noise);
    if noise.next() < 0.5 {
        (back.base, back.jitter) = (there.base, there.jitter);
    }
    let local = Clock::new(readings[0], rates[0]);
    let remote = Clock::new(readings[1], rates[1]);
    let mut pair = Pair::new(local, remote, there, back, seed.wrapping_mul(77_777) + 5);
    pair.stamps = 100 * MS;
    pair
}

/// The bounds of one pair after 10 s, beside what the round trips are.
#[derive(Default)]
struct Sizes {
    /// Bounds looked at, and those within half the least round trip and 100 µs: without jitter, and with it.
    steady: [u32; 2],
    jittery: [u32; 2],
    /// As `jittery`, where the least round trip may grow with its age by what the rate may be.
    aged: u32,
}

fn run_pair(seed: u64, sizes: &mut Sizes) {
    let mut pair = random_pair(seed);
    let steady = [&pair.there, &pair.back]
        .iter()
        .all(|path| path.stall_each == 0 && matches!(path.jitter, Jitter::Uniform(0.0) | Jitter::HeavyTail(0.0)));
    let changes_after = if pair.noise.next() < 0.3 { 60 } else { u32::MAX };
    for step in 0..120 {
        let pause = (pair.noise.next() * 5e6) as u64;
        pair.run(250 * MS + pause);
        if step == changes_after {
            let base = random_base(&mut pair.noise);
            if pair.noise.next() < 0.5 {
                pair.there.base = base
            } else {
                pair.back.base = base
            }
        }
        let outcome = pair.probe_now();
        pair.outcomes.push(outcome);
        if step >= 40 && step <= changes_after {
            let error = outcome.error as f64;
            let least = pair.least_round_trip(0.0) / 2.0 + 100e3;
            let counted = if steady { &mut sizes.steady } else { &mut sizes.jittery };
            counted[0] += 1;
            counted[1] += u32::from(error <= least);
            sizes.aged += u32::from(!steady && error <= pair.least_round_trip(1200e-6) / 2.0 + 100e3);
        }
    }
    for outcome in &pair.outcomes {
        let honest = outcome.off.is_none_or(|off| off.unsigned_abs() <= outcome.error);
        assert!(honest, "seed {seed}: {outcome:?} {:?} {:?}", pair.there, pair.back);
    }
    assert_eq!(pair.changes.len(), 1, "seed {seed}: {:?}", pair.changes);
    assert_eq!(pair.changes[0].1, Change::Locked, "seed {seed}");
}

/// `MIDISOCK_CLOCK_PAIRS=10000` tries so many; it takes some minutes.
#[test]
fn the_error_is_never_larger_than_the_bound_whatever_the_clocks_and_paths() {
    let pairs = std::env::var("MIDISOCK_CLOCK_PAIRS").map_or(100, |pairs| pairs.parse().unwrap());
    let mut sizes = Sizes::default();
    (1..=pairs).for_each(|seed| run_pair(seed, &mut sizes));
    let share = |[all, good]: [u32; 2]| f64::from(good) / f64::from(all.max(1));
    let jittery = sizes.jittery[0];
    println!(
        "within half the least round trip and 100 µs: {:.4} of bounds without jitter, {:.4} with jitter;",
        share(sizes.steady),
        share(sizes.jittery)
    );
    println!(
        "with jitter, where the round trip grows with its age: {:.4}",
        share([jittery, sizes.aged])
    );
    assert!(share(sizes.steady) >= 0.95);
    assert!(share([jittery, sizes.aged]) >= 0.9);
}

/// The standard deviation of the spacing errors of stamps, and the largest error, in ns.
fn spacing(pair: &mut Pair) -> (f64, f64) {
    pair.run(60 * SECOND);
    let locked = pair.changes[0].0;
    let taken: Vec<_> = pair.outcomes.iter().filter(|outcome| outcome.meant > locked).collect();
    let errors: Vec<f64> = taken
        .windows(2)
        .map(|two| (two[1].off.unwrap() - two[0].off.unwrap()) as f64)
        .collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let variance = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / errors.len() as f64;
    (
        variance.sqrt(),
        errors.iter().fold(0.0, |most, error| most.max(error.abs())),
    )
}

#[test]
fn stamps_keep_their_spacing_through_jitter() {
    for (seed, rate) in [(1, 0.0), (2, 30e-6), (3, -100e-6), (4, 499e-6), (5, -499e-6)] {
        for jitter in [0.0, 2e6, 5e6, 20e6] {
            let path = || Path::new(50_000, Jitter::Uniform(jitter));
            let clocks = (Clock::new(7 * SECOND, 0.0), Clock::new(86_400 * SECOND, rate));
            let mut pair = Pair::new(clocks.0, clocks.1, path(), path(), seed);
            let (deviation, most) = spacing(&mut pair);
            println!(
                "rate {:.0} ppm, jitter {:.0} ms: deviation {deviation:.0} ns, most {most:.0} ns",
                rate * 1e6,
                jitter / 1e6
            );
            assert!(deviation < 10_000.0, "rate {rate}, jitter {jitter}: {deviation}");
            assert!(most < 60_000.0, "rate {rate}, jitter {jitter}: {most}");
        }
    }
}
