//! Sender time between two sessions whose clocks differ, through a network that delays.

use super::two_clocks::{Clock, Dice, FRAMES, Heard, Line, MS, Network, RATE};
use crate::realtime::config::{Config, Timing};
use crate::realtime::notifications::Kind;
use crate::realtime::shared::{Role, TIMED};
use crate::session::name::Name;
use std::sync::atomic::Ordering;

/// A day ahead, and as fast as clocks may differ.
const OTHER: Clock = Clock {
    offset_ns: 86_400_000_000_000,
    ppm: 500.0,
};
const WORLD: Clock = Clock { offset_ns: 0, ppm: 0.0 };
/// A note every so many frames.
const EVERY: u64 = 1000;

fn config(latency_ns: Option<u64>, timing: Timing) -> Config {
    let mut config = Config::default();
    config.blocks.latency_ns = latency_ns;
    config.timing = timing;
    config
}

fn line(jitter_ms: u64, stall_ms: u64) -> Line {
    Line {
        delay_ns: 200_000,
        jitter_ns: jitter_ms * MS,
        stall_ns: stall_ms * MS,
    }
}

/// Plays a note every `EVERY` frames.
struct Player {
    frames: u64,
    notes: u64,
    most: u64,
    /// When each was meant, by the world's time.
    meant_ns: Vec<f64>,
}

impl Player {
    fn new(most: u64) -> Self {
        Self {
            frames: 0,
            notes: 0,
            most,
            meant_ns: Vec::new(),
        }
    }

    fn play(&mut self, network: &mut Network, machine: usize, channel: u8) {
        while self.notes < self.most && self.notes * EVERY < self.frames + u64::from(FRAMES) {
            let frame = (self.notes * EVERY - self.frames) as u32;
            let number = self.notes;
            let message = [0x90 | channel, (number & 127) as u8, (number >> 7 & 63) as u8 + 1];
            network.push_frame(machine, frame, &message);
            self.meant_ns.push(network.frame_ns(machine, frame));
            self.notes += 1;
        }
        self.frames += u64::from(FRAMES);
    }
}

/// The mean and the standard deviation of the distances between notes.
fn spacing(heard: &[Heard]) -> (f64, f64) {
    let distances: Vec<f64> = heard
        .windows(2)
        .map(|two| two[1].frame as f64 - two[0].frame as f64)
        .collect();
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let variance = distances.iter().map(|each| (each - mean).powi(2)).sum::<f64>() / distances.len() as f64;
    (mean, variance.sqrt())
}

struct Outcome {
    heard: Vec<Heard>,
    late: u64,
    timed: u64,
    latency_ns: u64,
    /// The least fixed latency with which nothing would have been late.
    least_ns: f64,
    error_ns: u64,
    /// How far the times that messages came with are off, and the bound that was told then.
    off_ns: Vec<(u64, u64)>,
}

/// Plays through a network, from a client to a server.
fn play(seed: u64, notes: u64, lines: (Line, Line), latency_ns: Option<u64>, timing: Timing) -> Outcome {
    let mut network = Network::new(seed);
    let sender = network.add(Role::Client, &config(None, timing), OTHER, "keys");
    let receiver = network.add(Role::Merged, &config(latency_ns, Timing::Arrival), WORLD, "");
    network.connect(sender, receiver, lines.0, lines.1);
    let (mut player, mut heard) = (Player::new(notes), Vec::<Heard>::new());
    let mut off_ns = Vec::new();
    let begin = network.now + 3000 * MS;
    let until = begin + notes * EVERY * 20_834 + 500 * MS;
    network.run(until, |network, machine| {
        let late_ns = network.dice.below(90_000);
        network.begin_block(machine, late_ns);
        if machine == receiver {
            let counters = &network.machines[receiver].endpoint.shared().counters;
            let error_ns = counters.sender.clock_error_ns.load(Ordering::Relaxed);
            for each in network.pop_block(machine) {
                // The receiver's clock is the world's.
                let meant_ns = player.meant_ns[heard.len()] as u64;
                off_ns.push((each.time_ns.abs_diff(meant_ns), error_ns));
                heard.push(each);
            }
        } else if network.now >= begin {
            player.play(network, machine, 0);
        }
    });
    let shared = network.machines[receiver].endpoint.shared();
    let arrived = network.arrived.iter().filter(|(machine, ..)| *machine == receiver);
    let least = arrived
        .zip(&player.meant_ns)
        .map(|((_, at, _), meant)| network.block_after(receiver, *at) - meant);
    Outcome {
        late: shared.counters.pop.late_in.get(),
        timed: shared.counters.sender.timed_in.get(),
        latency_ns: shared.counters.pop.latency_ns.load(Ordering::Relaxed),
        error_ns: shared.counters.sender.clock_error_ns.load(Ordering::Relaxed),
        least_ns: least.fold(0.0, f64::max),
        heard,
        off_ns,
    }
}

#[test]
fn notes_keep_their_spacing_through_a_network_that_jitters() {
    for jitter in [0, 2, 5, 20] {
        let lines = (line(jitter, 0), line(jitter, 0));
        let fixed = play(jitter + 1, 600, lines, Some(30 * MS), Timing::Sender);
        let (mean, deviation) = spacing(&fixed.heard);
        println!(
            "{jitter} ms: spacing {mean:.2}, deviation {deviation:.2} frames, {} late",
            fixed.late
        );
        assert_eq!((fixed.heard.len(), fixed.timed, fixed.late), (600, 600, 0));
        assert!(fixed.heard.iter().all(|heard| heard.flags == TIMED));
        assert!(
            deviation <= 1.0 && (mean - 1000.0).abs() < 1.0,
            "{jitter} ms: {mean}, {deviation}"
        );
        let automatic = play(jitter + 1, 600, lines, None, Timing::Sender);
        let (latency, least) = (automatic.latency_ns as f64, automatic.least_ns);
        println!(
            "{jitter} ms: automatic {:.1} ms, least {:.1} ms",
            latency / 1e6,
            least / 1e6
        );
        assert!(latency <= 1.5 * least, "{jitter} ms: {latency} for {least}");
        assert!(fixed.error_ns != 0);
        // The line through the sender's callbacks has its own error.
        let is_wrong = |(off, bound): &&(u64, u64)| *off > bound + 120_000;
        assert_eq!(fixed.off_ns.iter().find(is_wrong), None, "{jitter} ms");
    }
}

#[test]
fn without_sender_time_they_do_not() {
    let lines = (line(20, 0), line(20, 0));
    let plain = play(1, 200, lines, Some(30 * MS), Timing::Arrival);
    let (_, deviation) = spacing(&plain.heard);
    assert!(deviation > 100.0 && plain.timed == 0, "{deviation}");
}

#[test]
fn what_a_stall_makes_late_is_counted_and_all_else_is_exact() {
    let lines = (line(2, 100), line(2, 100));
    let outcome = play(5, 600, lines, Some(30 * MS), Timing::Sender);
    assert_eq!(outcome.heard.len(), 600);
    let is_off = |two: &&[Heard]| (two[1].frame - two[0].frame).abs_diff(EVERY) > 1;
    let off = outcome.heard.windows(2).filter(is_off).count() as u64;
    // One that is late is too far from the one before it, and too near to the one behind it.
    assert!(
        outcome.late > 0 && off <= 2 * outcome.late,
        "{off} for {} late",
        outcome.late
    );
    assert!(outcome.late < 100, "{} late", outcome.late);
}

#[test]
fn clients_of_a_merged_server_do_not_delay_one_another() {
    let mut network = Network::new(9);
    let server = network.add(Role::Merged, &config(Some(40 * MS), Timing::Arrival), WORLD, "");
    let mut players = Vec::new();
    for (channel, delay_ms) in [0, 20].into_iter().enumerate() {
        let clock = Clock {
            offset_ns: 1 << 40 << channel,
            ppm: 300.0 * channel as f64,
        };
        let client = network.add(Role::Client, &config(None, Timing::Sender), clock, "");
        let line = Line {
            delay_ns: delay_ms * MS + 100_000,
            jitter_ns: 0,
            stall_ns: 0,
        };
        network.connect(client, server, line, line);
        players.push((client, Player::new(300)));
    }
    let begin = network.now + 3000 * MS;
    let mut heard = Vec::new();
    let until = begin + 7000 * MS;
    network.run(until, |network, machine| {
        network.begin_block(machine, 0);
        if machine == server {
            heard.extend(network.pop_block(machine));
        }
        for (channel, (client, player)) in players.iter_mut().enumerate() {
            if *client == machine && network.now >= begin {
                player.play(network, machine, channel as u8);
            }
        }
    });
    assert_eq!(heard.len(), 600);
    let shared = network.machines[server].endpoint.shared();
    assert_eq!(shared.counters.pop.late_in.get(), 0);
    for channel in 0..2 {
        let own = heard.iter().filter(|heard| heard.bytes[0] & 15 == channel);
        let own: Vec<&Heard> = own.collect();
        for two in own.windows(2) {
            assert!((two[1].frame - two[0].frame).abs_diff(EVERY) <= 1);
        }
    }
}

/// Plays through two networks to two receivers: at which frame each heard each note, and the bound that it told then.
fn play_to_two(jitter_ms: u64, notes: u64) -> [Vec<(u64, u64)>; 2] {
    let mut network = Network::new(31 + jitter_ms);
    let sender = network.add(Role::Merged, &config(None, Timing::Arrival), WORLD, "");
    let third = Clock {
        offset_ns: 1 << 40,
        ppm: 100.0,
    };
    let receivers = [OTHER, third].map(|clock| {
        let receiver = network.add(Role::Client, &config(Some(40 * MS), Timing::Sender), clock, "");
        network.connect(receiver, sender, line(jitter_ms, 0), line(jitter_ms, 0));
        receiver
    });
    let (mut player, mut heard) = (Player::new(notes), [Vec::new(), Vec::new()]);
    let begin = network.now + 3000 * MS;
    let until = begin + notes * EVERY * 20_834 + 500 * MS;
    network.run(until, |network, machine| {
        network.begin_block(machine, 0);
        if let Some(index) = receivers.iter().position(|receiver| *receiver == machine) {
            let counters = &network.machines[machine].endpoint.shared().counters;
            let error_ns = counters.sender.clock_error_ns.load(Ordering::Relaxed);
            for each in network.pop_block(machine) {
                assert_eq!(each.flags, TIMED);
                heard[index].push((each.frame, error_ns));
            }
        } else if network.now >= begin {
            player.play(network, machine, 0);
        }
    });
    for receiver in receivers {
        let shared = network.machines[receiver].endpoint.shared();
        assert_eq!(shared.counters.pop.late_in.get(), 0);
    }
    heard
}

#[test]
fn two_receivers_of_one_sender_play_together() {
    for jitter_ms in [0, 20] {
        let [one, other] = play_to_two(jitter_ms, 300);
        assert_eq!((one.len(), other.len()), (300, 300));
        let apart = one.iter().zip(&other).map(|(one, other)| one.0.abs_diff(other.0));
        println!("{jitter_ms} ms: {:?} frames apart at most", apart.clone().max());
        for (apart, (one, other)) in apart.zip(one.iter().zip(&other)) {
            // Places are whole frames, and the line through each receiver's callbacks has its own error.
            let most = (one.1 + other.1 + 2 * 120_000) as f64 * RATE / 1e9 + 1.0;
            assert!(apart as f64 <= most, "{jitter_ms} ms: {apart}, {most}");
        }
    }
}

#[test]
fn a_peer_that_does_not_answer_is_served_as_ever() {
    let mut network = Network::new(3);
    let client = network.add(Role::Client, &config(None, Timing::Sender), WORLD, "x");
    // Another client's port takes the place of a plain peer: it sends no hello, and does not see this one.
    let server = network.add(Role::Merged, &config(None, Timing::Arrival), WORLD, "");
    network.connect(client, server, line(0, 0), line(0, 0));
    network.run(network.now + 100 * MS, |_, _| {});
    assert!(
        network.machines[server]
            .endpoint
            .shared()
            .clients
            .count
            .load(Ordering::Relaxed)
            == 1
    );
}

#[test]
fn names_are_told_and_changed() {
    let mut network = Network::new(4);
    let client = network.add(Role::Client, &config(None, Timing::Sender), OTHER, "keys");
    let server = network.add(Role::Merged, &config(None, Timing::Arrival), WORLD, "stage");
    network.connect(client, server, line(0, 0), line(0, 0));
    network.run(network.now + 1500 * MS, |_, _| {});
    let name = |network: &Network, id: u32| network.machines[server].endpoint.client_name(id).unwrap();
    let id = network.machines[server].endpoint.clients().unwrap()[0];
    assert_eq!(name(&network, id), "keys");
    assert_eq!(network.machines[client].endpoint.peer_name().unwrap(), "stage");
    let named = |network: &Network, machine: usize| {
        let told = network.machines[machine].told.iter();
        told.filter(|kind| **kind == Kind::ClientNamed).count()
    };
    assert_eq!((named(&network, client), named(&network, server)), (1, 1));
    network.enter(client);
    let (key, now) = (network.machines[client].key, network.time_of(client));
    let other: Name = "organ".parse().unwrap();
    network.machines[client].session.core.set_name(key, other, now);
    network.run(network.now + 1500 * MS, |_, _| {});
    assert_eq!((name(&network, id).as_str(), named(&network, server)), ("organ", 2));
}

#[test]
fn a_machine_that_slept_is_noticed() {
    let mut network = Network::new(5);
    let client = network.add(Role::Client, &config(None, Timing::Sender), OTHER, "");
    let server = network.add(Role::Merged, &config(None, Timing::Arrival), WORLD, "");
    network.connect(client, server, line(1, 0), line(1, 0));
    network.run(network.now + 3000 * MS, |_, _| {});
    assert!(network.machines[server].told.contains(&Kind::ClockLocked));
    assert!(!network.machines[server].told.contains(&Kind::ClockLost));
    // The monotonic clock stood still meanwhile.
    network.machines[client].clock.offset_ns -= 700 * MS;
    network.run(network.now + 4000 * MS, |_, _| {});
    for machine in [client, server] {
        let told = &network.machines[machine].told;
        let lost = told
            .iter()
            .position(|kind| *kind == Kind::ClockLost)
            .expect("it is lost");
        assert!(told[lost..].contains(&Kind::ClockLocked), "{told:?}");
    }
}

/// A route that is longer, or shorter, from now on changes nothing for messages that are not late.
#[test]
fn a_path_whose_delay_changes_for_good_moves_nothing() {
    let mut network = Network::new(6);
    let sender = network.add(Role::Client, &config(None, Timing::Sender), OTHER, "");
    let receiver = network.add(Role::Merged, &config(Some(30 * MS), Timing::Arrival), WORLD, "");
    let short = line(0, 0);
    let long = Line {
        delay_ns: 8 * MS,
        ..short
    };
    network.connect(sender, receiver, short, short);
    network.run(network.now + 2000 * MS, |_, _| {});
    let (mut player, mut heard) = (Player::new(400), Vec::new());
    for (there, back) in [(short, short), (long, short), (short, short), (short, long)] {
        network.set_lines(0, there, back);
        network.run(network.now + 2300 * MS, |network, machine| {
            network.begin_block(machine, 0);
            if machine == receiver {
                heard.extend(network.pop_block(machine));
            } else {
                player.play(network, machine, 0);
            }
        });
    }
    assert_eq!(heard.len(), 400);
    assert!(heard.iter().all(|heard| heard.flags == TIMED));
    for two in heard.windows(2) {
        assert!((two[1].frame - two[0].frame).abs_diff(EVERY) <= 1);
    }
}

/// Whatever a hostile peer sends, notes end, pop is never blocked, and what is kept is bounded.
#[test]
fn hostile_frames_are_harmless() {
    let mut dice = Dice(77);
    for round in 0..40 {
        let mut network = Network::new(round);
        let client = network.add(Role::Client, &config(None, Timing::Sender), OTHER, "");
        let server = network.add(Role::Merged, &config(None, Timing::Arrival), WORLD, "");
        network.connect(client, server, line(1, 0), line(1, 0));
        network.run(network.now + 1000 * MS, |_, _| {});
        let mut heard = 0;
        for _ in 0..30 {
            let mut bytes = vec![0xF4, (1 + dice.below(4)) as u8];
            for _ in 0..dice.below(12) {
                bytes.push(dice.below(128) as u8);
            }
            if dice.below(4) == 0 {
                bytes = vec![0xF4, 0x6D, 0x73, 1, dice.below(2) as u8, 1, 2, 3, 4, 5, 0];
            }
            let note = dice.below(128) as u8;
            bytes.extend([0x90, note, 1, 0x80, note, 0]);
            network.inject(0, server, &bytes);
            network.run(network.now + 20 * MS, |network, machine| {
                network.begin_block(machine, 0);
                heard += network.pop_block(machine).len();
            });
        }
        network.run(network.now + 3000 * MS, |network, machine| {
            network.begin_block(machine, 0);
            heard += network.pop_block(machine).len();
        });
        assert_eq!(heard, 60, "round {round}");
    }
}
