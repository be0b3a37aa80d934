//! Messages that are placed by the sender's time.

use super::tests::*;
use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;
/// A block of 480 frames lasts 10 ms.
const FRAMES: u32 = 480;
const LATENCY: u64 = 20 * MS;

fn begun(latency_ns: Option<u64>) -> BlockClock {
    let mut clock = clock(latency_ns);
    begin(&mut clock, block(ORIGIN, FRAMES));
    clock
}

/// The place of a message that was due so many frames after the beginning of the block.
fn place(clock: &mut BlockClock, frame: i64) -> Option<Place> {
    let due_ns = ORIGIN.saturating_add_signed((frame * 1_000_000_000).div_euclid(48_000) + 1);
    clock.place_meant(due_ns - LATENCY)
}

fn on_time(frame: u32) -> Option<Place> {
    Some(Place { frame, late: false })
}

fn late(frame: u32) -> Option<Place> {
    Some(Place { frame, late: true })
}

#[test]
fn a_message_is_placed_at_its_time_and_the_latency() {
    let mut clock = begun(Some(LATENCY));
    for frame in [0, 1, 100, 479] {
        assert_eq!(place(&mut clock, frame), on_time(frame as u32));
    }
    assert_eq!(place(&mut clock, 480), None);
    begin(&mut clock, block(ORIGIN + 10 * MS, FRAMES));
    assert_eq!(place(&mut clock, 480), on_time(0));
    assert_eq!(clock.place_meant(u64::MAX), None);
}

#[test]
fn a_message_that_was_due_more_than_a_frame_before_the_block_is_late() {
    assert_eq!(place(&mut begun(Some(LATENCY)), -1), on_time(0));
    assert_eq!(place(&mut begun(Some(LATENCY)), -2), late(0));
    let mut clock = begun(Some(LATENCY));
    assert_eq!(clock.place_meant(0), late(0));
    assert_eq!(place(&mut clock, -2), late(0));
    assert_eq!(place(&mut clock, 7), on_time(7));
}

#[test]
fn a_message_that_waited_for_the_one_before_it_is_not_late() {
    let mut clock = begun(Some(LATENCY));
    assert_eq!(place(&mut clock, 0), on_time(0));
    assert_eq!(place(&mut clock, -100), on_time(0));
    assert_eq!(place(&mut clock, 100), on_time(100));
    assert_eq!(place(&mut clock, 50), on_time(100));
    assert_eq!(place(&mut clock, -100), on_time(100));
    // The next block knows nothing of it.
    begin(&mut clock, block(ORIGIN + 10 * MS, FRAMES));
    assert_eq!(place(&mut clock, 100), late(0));
    // Neither is one that waited for a message without a time.
    begin(&mut clock, block(ORIGIN + 20 * MS, FRAMES));
    assert_eq!(clock.place(ORIGIN + 22 * MS - LATENCY), Some(96));
    assert_eq!(place(&mut clock, 100), on_time(96));
}

#[test]
fn without_a_latency_times_do_not_place_and_nothing_is_late() {
    let mut clock = begun(Some(0));
    assert_eq!(clock.place_meant(u64::MAX), on_time(0));
    assert_eq!(clock.place_meant(0), on_time(0));
    assert_eq!(clock.place(ORIGIN + 5 * MS), Some(240));
    assert_eq!(clock.place_meant(0), on_time(240));
    assert_eq!(clock.place_meant(ORIGIN + 8 * MS), on_time(240));
}

#[test]
fn while_freewheeling_all_is_at_once_and_nothing_late() {
    let mut clock = clock(Some(LATENCY));
    let offline = Block {
        offline: true,
        ..block(ORIGIN, FRAMES)
    };
    assert_eq!(clock.place_meant(0), None);
    begin(&mut clock, offline);
    assert_eq!(clock.place_meant(0), on_time(0));
    assert_eq!(clock.place_meant(u64::MAX), on_time(0));
    begin(&mut clock, Block { frames: 0, ..offline });
    assert_eq!(clock.place_meant(0), None);
}

proptest! {
    /// Whatever the times, places are inside the block and in order; and what is due in it, in order, is not late.
    #[test]
    fn places_never_go_back(times in prop::collection::vec(0u64..60 * MS, 1..50), latency in 0u64..50 * MS) {
        let mut clock = begun(Some(latency));
        let mut last = 0;
        for time in times {
            if let Some(placed) = clock.place_meant(ORIGIN - 30 * MS + time) {
                prop_assert!((last..FRAMES).contains(&placed.frame));
                prop_assert!(!placed.late || placed.frame == 0 && latency != 0);
                last = placed.frame;
            } else {
                prop_assert!(latency != 0 && ORIGIN - 30 * MS + time + latency + MS >= ORIGIN + 10 * MS);
            }
        }
    }

    /// Messages that all are in the queue before they are due keep their spacing, to the frame.
    #[test]
    fn the_spacing_is_kept_to_the_frame(gaps in prop::collection::vec(1u32..2000, 1..100)) {
        let mut clock = clock(Some(LATENCY));
        let mut at = 0;
        let frames: Vec<u64> = gaps.iter().map(|gap| { at += u64::from(*gap); at }).collect();
        let mut rest = &frames[..];
        for number in 0u64.. {
            let Some(_) = rest.first() else { break };
            begin(&mut clock, block(ORIGIN + number * 10 * MS, FRAMES));
            while let Some((frame, later)) = rest.split_first() {
                let time_ns = ORIGIN + (frame * 1_000_000_000).div_ceil(48_000) - LATENCY;
                let Some(placed) = clock.place_meant(time_ns) else { break };
                prop_assert_eq!(number * u64::from(FRAMES) + u64::from(placed.frame), *frame);
                prop_assert!(!placed.late);
                rest = later;
            }
        }
    }
}

/// After a pause of the host's, its callbacks make up for it all at once, and run ahead of the device.
#[test]
fn frames_keep_their_order_when_callbacks_make_up_for_a_pause() {
    let period_ns = 2_666_667;
    let mut clock = BlockClock::new(None, None);
    let (mut now, mut last) = (ORIGIN, 0);
    let mut steps = vec![period_ns; 400];
    steps.push(300_000_000);
    steps.extend([50_000; 110]);
    steps.extend([period_ns; 400]);
    for step in steps {
        now += step;
        begin(&mut clock, block(now, 128));
        for frame in [0, 127] {
            let due_ns = clock.time_of(frame).unwrap();
            clock.note_sent(frame, due_ns);
            assert!(due_ns >= last, "{} ns before the one before", last - due_ns);
            last = due_ns;
        }
    }
}
