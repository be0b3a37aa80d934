//! What a run is like: who takes part, how their ports are set, and what happens to them. All of it follows from the seed.

use super::network::Line;
use super::random::Random;
use crate::midi::channels::Channels;
use crate::realtime::config::{Accept, Config, Overflow, Timing};

const MS: u64 = 1_000_000;

/// What an audio thread does, in cases of 1000 at each time it wakes.
#[derive(Clone, Copy, Debug)]
pub(super) struct AudioPlan {
    pub period_ns: u64,
    pub nap: u64,
    pub nap_ns: u64,
    pub push: u64,
    /// Messages in a burst, at most.
    pub burst: u64,
    pub named: u64,
    pub scheduled: u64,
    pub horizon_ns: u64,
    pub pop: u64,
    /// Messages popped at once, at most.
    pub pops: u64,
    pub skip: u64,
    pub request: u64,
    pub cancel: u64,
    pub flush: u64,
    pub disconnect: u64,
    /// Changes of the channels.
    pub channels: u64,
    /// Messages are popped in blocks.
    pub blocks: bool,
}

/// How a raw peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Sends phrases, and reads.
    Plays,
    /// Reads, and sends nothing.
    Listens,
    /// Reads a little now and then.
    ReadsSlowly,
    /// Reads nothing until all is over.
    Deaf,
    /// Closes as soon as it is there, or after some bytes.
    Closes,
    /// Sends, shuts down its sending side, and reads to the end.
    HalfCloses,
    /// A program that speaks something else.
    Foreign,
    /// Random bytes.
    Garbage,
}

/// What a connection suffers, in cases of 1000.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub cut: u64,
    pub silent: bool,
    pub stall: u64,
    pub refuse: u64,
}

/// A run.
pub(super) struct Plan {
    pub manual: bool,
    /// The server is a session; else clients connect to raw peers.
    pub serves: bool,
    pub server: Config,
    pub clients: Vec<Config>,
    pub raws: Vec<Manner>,
    pub active_ns: u64,
    pub faults: Faults,
    /// The network thread is late by so much at most.
    pub late_ns: u64,
    /// In cases of 1000, a port is shut down while all goes on.
    pub shuts: u64,
    /// Newcomers find an out queue that was emptied.
    pub tidy: bool,
    /// The ports' channels change.
    pub changes: bool,
    /// Messages are popped in blocks.
    pub blocks: bool,
}

fn config(random: &mut Random, faults: Faults) -> Config {
    let long_linger = random.pick(&[20, 200, 1000]);
    // The order of the draws belongs to what a seed means.
    let mut config = Config::default();
    config.queues.in_queue_bytes = random.pick(&[4096, 4096, 16384, 65536]);
    config.queues.out_queue_bytes = random.pick(&[4096, 4096, 16384, 65536]);
    config.queues.max_message_bytes = random.pick(&[16, 256, 16384]);
    config.server.max_clients = random.pick(&[2, 3, 8, 64]);
    config.delivery.overflow = random.pick(&[Overflow::Auto, Overflow::Repair, Overflow::Wait]);
    config.delivery.max_delay_ms = random.pick(&[5, 50, 500]);
    config.delivery.client_buffer_bytes = random.pick(&[256, 2048, 65536]);
    config.connection.reconnect_min_ms = random.pick(&[1, 10]);
    config.connection.reconnect_max_ms = random.pick(&[0, 20, 100, 100]);
    config.connection.keepalive_ms = if faults.silent {
        random.pick(&[100, 500])
    } else {
        random.pick(&[0, 500, 10000])
    };
    config.connection.stall_timeout_ms = if random.chance(150) { random.pick(&[50, 300]) } else { 0 };
    config.delivery.linger_ms = if random.chance(250) { 0 } else { long_linger };
    config.delivery.release_on_disconnect = !random.chance(100);
    config.delivery.release_on_close = !random.chance(100);
    config.delivery.greet = random.chance(400);
    config.pacing.tick_us = random.pick(&[100, 500, 2000]);
    config.normalized().expect("it is within the ranges")
}

impl Plan {
    pub(super) fn new(random: &mut Random) -> Self {
        let calm = random.chance(350);
        let faults = Faults {
            cut: if calm { 0 } else { random.pick(&[0, 300, 700]) },
            silent: !calm && random.chance(150),
            stall: if calm { 0 } else { random.pick(&[0, 10, 50]) },
            refuse: random.pick(&[0, 0, 300]),
        };
        let serves = random.chance(800);
        let clients = random.below(4) + u64::from(!serves);
        let raws = if serves {
            random.below(5) + u64::from(clients == 0)
        } else {
            0
        };
        let manners = [
            Manner::Plays,
            Manner::Plays,
            Manner::Listens,
            Manner::ReadsSlowly,
            Manner::Deaf,
            Manner::Closes,
            Manner::HalfCloses,
            Manner::Foreign,
            Manner::Garbage,
        ];
        let quiet = [Manner::Plays, Manner::Listens];
        let mut server = config(random, faults);
        let manual = serves && random.chance(250);
        server.server.accept = if manual { Accept::Manual } else { Accept::Merged };
        Self {
            manual,
            serves,
            server,
            clients: (0..clients).map(|_| config(random, faults)).collect(),
            raws: (0..raws)
                .map(|_| {
                    if calm {
                        random.pick(&quiet)
                    } else {
                        random.pick(&manners)
                    }
                })
                .collect(),
            active_ns: random.pick(&[30, 100, 300, 600]) * MS,
            faults,
            late_ns: random.pick(&[0, 0, MS, 5 * MS]),
            shuts: if calm { 0 } else { random.pick(&[0, 0, 200]) },
            tidy: random.chance(700),
            changes: false,
            blocks: false,
        }
    }

    /// Some ports begin with few channels, and most change them.
    pub(super) fn change_channels(&mut self, random: &mut Random) {
        self.changes = true;
        for config in self.clients.iter_mut().chain([&mut self.server]) {
            if random.chance(200) {
                config.channels = Channels::of_known(random.below(1 << 17) as u32);
            }
        }
    }

    /// Most clients ask for sender time.
    pub(super) fn tell_times(&mut self, random: &mut Random) {
        for config in &mut self.clients {
            if random.chance(800) {
                config.timing = Timing::Sender;
            }
        }
        self.blocks = random.chance(500);
    }

    pub(super) fn audio(&self, random: &mut Random) -> AudioPlan {
        let seldom = |random: &mut Random, often: u64| if random.chance(300) { often } else { 0 };
        AudioPlan {
            period_ns: random.pick(&[MS / 2, 2 * MS, 10 * MS]),
            nap: seldom(random, 20),
            nap_ns: random.pick(&[20, 100, 400]) * MS,
            push: random.pick(&[0, 300, 700]),
            burst: random.pick(&[2, 10, 10, 100]),
            named: seldom(random, 200),
            scheduled: random.pick(&[0, 0, 200, 600]),
            horizon_ns: random.pick(&[2, 20, 100]) * MS,
            pop: random.pick(&[100, 800, 800]),
            pops: random.pick(&[5, 1000, 1000]),
            skip: seldom(random, 20),
            request: seldom(random, 20),
            cancel: seldom(random, 40),
            flush: seldom(random, 60),
            disconnect: seldom(random, 8),
            channels: if self.changes { random.pick(&[0, 20, 100]) } else { 0 },
            blocks: self.blocks,
        }
    }

    pub(super) fn line(&self, random: &mut Random) -> Line {
        Line {
            delay_ns: random.pick(&[MS / 50, MS / 5, 5 * MS]),
            jitter_ns: random.pick(&[0, MS / 10, 4 * MS]),
            piece: random.pick(&[1, 5, 100, 1500, 1500]),
            send_room: random.pick(&[64, 1000, 16000, 100_000]),
            window: random.pick(&[64, 1000, 16000, 100_000]),
        }
    }
}
