//! The automatic latency covers what the network takes.

use super::tests::*;
use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const MOST: u64 = 100 * MS;

/// A host whose blocks of 480 frames begin on time.
struct Host {
    clock: BlockClock,
    now_ns: u64,
}

impl Host {
    fn new(latency_ns: Option<u64>) -> Self {
        Self {
            clock: BlockClock::new(latency_ns, None),
            now_ns: ORIGIN,
        }
    }

    /// What is added for the network after one more block.
    fn block(&mut self, transit_ns: u64, flows: bool) -> u64 {
        let traffic = Traffic {
            lag_ns: 0,
            transit_ns,
            flows,
        };
        self.clock.begin(block(self.now_ns, 480), traffic).unwrap();
        self.now_ns += 10 * MS;
        self.clock.latency_ns().saturating_sub(10 * MS)
    }

    /// The same after blocks for so long.
    fn play(&mut self, ns: u64, transit_ns: u64, flows: bool) -> u64 {
        (0..ns / (10 * MS)).fold(0, |_, _| self.block(transit_ns, flows))
    }
}

#[test]
fn what_the_network_takes_is_covered_at_once_and_rises_in_steps() {
    let mut host = Host::new(None);
    assert_eq!(host.block(0, true), 0);
    // The margin is a quarter of it, but not less than a quarter of a millisecond,
    assert_eq!(host.block(MS / 5, true), MS / 5 + MS / 4);
    assert_eq!(host.block(2 * MS, true), 5 * MS / 2);
    // Inside the margin nothing changes.
    assert_eq!(host.block(5 * MS / 2, true), 5 * MS / 2);
    assert_eq!(host.block(5 * MS / 2 + 1, true), 25 * MS / 8 + 1);
    // nor more than a millisecond.
    assert_eq!(host.block(11 * MS, true), 12 * MS);
    // It rises by a quarter, where that is more than the margin.
    assert_eq!(host.block(12 * MS + 1, true), 15 * MS);
    assert_eq!(host.block(30 * MS, true), 31 * MS);
    // And no more than 5 ms.
    assert_eq!(host.block(31 * MS + 1, true), 36 * MS);
    assert_eq!(host.block(98 * MS, true), 99 * MS);
    assert_eq!(host.block(99 * MS + 1, true), MOST);
    assert_eq!(host.block(u64::MAX, true), MOST);
}

#[test]
fn what_a_first_measurement_covers_is_bounded_too() {
    assert_eq!(Host::new(None).block(u64::MAX, true), MOST);
    assert_eq!(Host::new(None).block(1, true), MS / 4 + 1);
}

#[test]
fn it_falls_after_a_second_of_silence() {
    let mut host = Host::new(None);
    host.block(20 * MS, true);
    assert_eq!(host.play(60 * SECOND, 5 * MS, true), 21 * MS);
    assert_eq!(host.play(SECOND, 5 * MS, false), 21 * MS);
    // A message ends the silence.
    assert_eq!(host.block(5 * MS, true), 21 * MS);
    assert_eq!(host.play(SECOND, 5 * MS, false), 21 * MS);
    assert_eq!(host.block(5 * MS, false), 6 * MS);
}

#[test]
fn it_falls_at_most_once_in_ten_seconds_and_by_a_millisecond_at_least() {
    let mut host = Host::new(None);
    host.block(20 * MS, true);
    assert_eq!(host.play(SECOND + 10 * MS, 10 * MS, false), 11 * MS);
    assert_eq!(host.play(10 * SECOND - 10 * MS, 5 * MS, false), 11 * MS);
    assert_eq!(host.block(5 * MS, false), 6 * MS);
    assert_eq!(host.play(20 * SECOND, 4 * MS + 1, false), 6 * MS);
    assert_eq!(host.block(4 * MS, false), 5 * MS);
    // Without a peer that has a clock nothing is left of it.
    assert_eq!(host.play(20 * SECOND, 0, false), 0);
}

#[test]
fn silence_before_there_was_a_clock_does_not_count() {
    let mut host = Host::new(None);
    host.block(20 * MS, false);
    assert_eq!(host.play(2 * SECOND, 0, false), 0);
    host.play(20 * SECOND, 0, true);
    assert_eq!(host.block(30 * MS, false), 31 * MS);
    assert_eq!(host.play(SECOND - 10 * MS, 5 * MS, false), 31 * MS);
    assert_eq!(host.play(20 * MS, 5 * MS, false), 6 * MS);
}

#[test]
fn a_fixed_latency_is_held_and_the_push_latency_covers_no_network() {
    let mut host = Host::new(Some(5 * MS));
    host.block(20 * MS, true);
    assert_eq!(host.clock.latency_ns(), 5 * MS);
    assert_eq!(host.clock.time_of(0), Some(ORIGIN + 10 * MS));
    // What was measured meanwhile counts when it becomes automatic.
    host.clock.set_latency(None, None);
    assert_eq!(host.block(20 * MS, true), 21 * MS);
}

#[test]
fn blocks_that_are_not_in_real_time_change_nothing() {
    let mut host = Host::new(None);
    host.block(20 * MS, true);
    let offline = Block {
        offline: true,
        ..block(ORIGIN + 30 * SECOND, 480)
    };
    let traffic = Traffic {
        transit_ns: 50 * MS,
        ..Traffic::default()
    };
    host.clock.begin(offline, traffic).unwrap();
    assert_eq!(host.clock.latency_ns(), 31 * MS);
}

proptest! {
    /// What is covered is never less than what the network takes, up to the most; rises by a quarter or by 5 ms, or more; and
    /// falls only in silence, rarely.
    #[test]
    fn it_covers_what_it_is_told(steps in prop::collection::vec((0u64..150 * MS, 1u64..400, any::<bool>()), 1..60)) {
        let mut host = Host::new(None);
        let (mut before, mut fell, mut flowed) = (0, None, ORIGIN);
        for (transit_ns, blocks, flows) in steps {
            for _ in 0..blocks {
                let now = host.now_ns;
                let covered = host.block(transit_ns, flows);
                if flows {
                    flowed = now;
                }
                prop_assert!(covered >= transit_ns.min(MOST) && covered <= MOST);
                if covered > before {
                    prop_assert!(before == 0 || covered >= (before + (before / 4).min(5 * MS)).min(MOST));
                    prop_assert!(covered <= transit_ns.saturating_add(5 * MS));
                } else if covered < before {
                    prop_assert!(before - covered >= MS && now - flowed >= SECOND);
                    prop_assert!(fell.is_none_or(|fell| now - fell >= 10 * SECOND));
                    fell = Some(now);
                }
                before = covered;
            }
        }
    }
}
