//! Deterministic simulation: sessions on both sides, raw peers, audio threads and a network that fails, in one thread and
//! in one order of time, all of which follow from one seed. An independent receiver at each end judges what arrives.
//!
//! | | |
//! |---|---|
//! | [`plan`] | what a run is like |
//! | [`world`], [`wires`] | the events of a run, in order of time, and its connections |
//! | [`node`] | drives a session, as the reactor does |
//! | [`network`] | delay, pieces, full buffers, stalls, and how connections break |
//! | [`audio`], [`music`] | audio threads, and what they play |
//! | [`raw`] | peers that are no sessions |
//! | [`ledger`], [`ear`], [`verdict`] | what was pushed, what was received, and whether that is right |
//!
//! `scripts/simulate --seed N` prints the trace of one run; `scripts/simulate --runs N` runs many.

mod audio;
mod ear;
mod invariants;
mod ledger;
mod music;
mod network;
mod node;
mod plan;
pub(super) mod random;
mod raw;
mod trace;
mod verdict;
mod wires;
mod world;

use trace::trace;
use verdict::Outcome;
use world::World;

/// Seeds that fail without what was mended for them. Where the plan of runs changes, others have to be found.
const FAILED_ONCE: &[(u64, &str)] = &[
    (39, "what a client's connection did not write whole is counted"),
    (3, "what was buffered for a client that was never announced is counted"),
    (7, "RECOVERED follows CONGESTED when the connection breaks"),
    (
        767,
        "a Note Off looks for its Note On where the sender stands, not where a congested peer does",
    ),
    (3, "a deadline of a port survives one that came before it"),
    (86, "a closed port goes with its last connection, whatever ended that"),
    (2486, "a refused value comes after what was scheduled before it"),
    (
        101343,
        "a port with several clients says that it is over after the releases of the last",
    ),
    (101631, "what a client that is sent away still gets is in order of time"),
    (300661, "a port that is shut down while a buffer is full still finishes"),
    (
        408994,
        "what a panic drops while the only client is being closed is counted",
    ),
    (
        409505,
        "a newcomer gets a lost song select, also of the song that was selected before it came",
    ),
    (409627, "and a lost Stop"),
    (
        505916,
        "a half-closed peer that still gets what waits gets no more after that, released or not",
    ),
    (
        525916,
        "a Note Off waits for its Note On whatever a client holds that is being closed",
    ),
    (
        3002402,
        "a cancelled release of what a newcomer is told of is sent all the same",
    ),
    (3000451, "a closed end acknowledges nothing"),
    (3001029, "the same, of releases"),
    (
        20001455,
        "a program from half a bank is not chosen again once the other half was popped",
    ),
];

/// In runs with this seed and those after it the channels of the ports change.
const CHANNELS_CHANGE: u64 = 10_000_000;

/// In runs with this seed and those after it channels change too, and peers use sender time.
const SENDER_TIME: u64 = 50_000_000;

fn run(seed: u64) -> Outcome {
    World::new(seed, seed >= CHANNELS_CHANGE, seed >= SENDER_TIME).run()
}

/// A number from the environment.
pub(super) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Runs a seed; one that fails is run again with its trace.
fn run_or_tell(seed: u64) -> Option<Outcome> {
    let outcome = std::panic::catch_unwind(|| run(seed));
    crate::sys::clock::simulated::set_now_ns(0);
    outcome.ok()
}

#[test]
fn random_runs() {
    run_many(setting("MIDISOCK_SIMULATION_SEED", 1));
}

#[test]
fn random_runs_with_changing_channels() {
    run_many(CHANNELS_CHANGE);
}

#[test]
fn random_runs_with_sender_time() {
    run_many(SENDER_TIME);
}

fn run_many(first: u64) {
    let count = setting("MIDISOCK_SIMULATION_RUNS", 100);
    let traced = setting("MIDISOCK_SIMULATION_TRACE", 0) != 0;
    trace::switch(traced);
    let (mut connections, mut messages, mut failed) = (0, 0, Vec::new());
    let began = std::time::Instant::now();
    for seed in first..first + count {
        match run_or_tell(seed) {
            Some(outcome) => {
                connections += outcome.connections;
                messages += outcome.messages;
            }
            None => {
                println!("seed {seed} fails");
                failed.push(seed);
            }
        }
    }
    trace::switch(false);
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} runs, {connections} connections, {messages} messages, {seconds:.1} s");
    assert!(
        failed.is_empty(),
        "seeds that fail: {failed:?}; scripts/simulate --seed {} prints a trace",
        failed[0]
    );
}

#[test]
fn what_failed_once() {
    for (seed, what) in FAILED_ONCE {
        assert!(run_or_tell(*seed).is_some(), "seed {seed} fails again: {what}");
    }
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in (1..20)
        .chain(CHANNELS_CHANGE..CHANNELS_CHANGE + 10)
        .chain(SENDER_TIME..SENDER_TIME + 10)
    {
        let (Some(one), Some(other)) = (run_or_tell(seed), run_or_tell(seed)) else {
            continue;
        };
        assert_eq!((one.connections, one.messages), (other.connections, other.messages));
    }
}
