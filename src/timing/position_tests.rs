//! The host tells its own count of frames, or the device's own times.

use super::tests::*;
use super::*;
use proptest::prelude::*;

fn frame_ns(device: &Device) -> f64 {
    device.block_ns() / f64::from(device.frames)
}

/// The most by which messages were not delayed by so many frames.
fn worst(errors: &Errors, delay: f64) -> f64 {
    errors.0.iter().map(|error| (error - delay).abs()).fold(0.0, f64::max)
}

/// A device that counts, played for long.
fn counting(frames: u32, jitter: f64) -> (BlockClock, Device) {
    let mut device = Device::new(frames, jitter, 80e-6);
    device.counter = Some(1_000_000);
    let mut clock = clock(None);
    run(&mut clock, &mut device, 6_000, 0);
    (clock, device)
}

/// The device went on for so many frames, and the host left them out.
fn drop_out(device: &mut Device, frames: u32) {
    device.due += f64::from(frames) * frame_ns(device);
    device.counter = device.counter.map(|counter| counter + u64::from(frames));
}

#[test]
fn a_dropout_that_is_counted_moves_nothing() {
    for lost in [1, 40, 100, 128, 200, 470, 1280, 128_000] {
        let (mut clock, mut device) = counting(128, 0.0);
        drop_out(&mut device, lost);
        let errors = run(&mut clock, &mut device, 100, 0);
        assert!(errors.0.len() > 100);
        // What came in the dropout itself is late, and nothing else is.
        let late = errors.0.iter().filter(|error| **error > 129.5).count();
        assert!(late as u32 <= 3 + lost / 20, "{lost}: {late} late");
        let after = run(&mut clock, &mut device, 1_000, 0);
        assert!(worst(&after, 128.0) <= 1.1, "{lost}: {}", worst(&after, 128.0));
        for jitter in [0.25, 0.5] {
            let (mut clock, mut device) = counting(128, jitter);
            let before = run(&mut clock, &mut device, 3_000, 0);
            drop_out(&mut device, lost);
            run(&mut clock, &mut device, 1, 0);
            let after = run(&mut clock, &mut device, 3_000, 0);
            let (allowed, got) = (worst(&before, 128.0), worst(&after, 128.0));
            assert!(got <= allowed + 0.5, "{lost}, {jitter}: {got} frames, {allowed} before");
        }
    }
}

/// The same without a count: the next blocks are off by what was lost, or by the jitter of one callback.
#[test]
fn a_dropout_that_is_guessed_takes_longer() {
    for lost in [90, 115] {
        let spread = |counts: bool| {
            let (mut clock, mut device) = counting(128, 0.25);
            device.counter = device.counter.filter(|_| counts);
            run(&mut clock, &mut device, 10, 0);
            drop_out(&mut device, lost);
            run(&mut clock, &mut device, 1, 0);
            worst(&run(&mut clock, &mut device, 3, 0), 128.0)
        };
        let (counted, guessed) = (spread(true), spread(false));
        assert!(
            counted < 4.0 && guessed > 20.0,
            "{lost}: {counted} and {guessed} frames"
        );
    }
}

/// Frames that were left out are no reason to take the next callback for a slice, however soon it comes.
#[test]
fn a_dropout_is_no_slice() {
    let (mut clock, mut device) = counting(128, 0.0);
    let (_, block) = device.next();
    begin(&mut clock, block);
    let soon = Block {
        start_ns: block.start_ns + 1_000,
        position: block.position.map(|position| position + 256),
        ..block
    };
    assert!(clock.begin(soon, Traffic::default()).unwrap().is_some(), "a period");
    let slice = Block {
        start_ns: block.start_ns + 2_000,
        position: soon.position.map(|position| position + 128),
        ..block
    };
    assert_eq!(clock.begin(slice, Traffic::default()).unwrap(), None);
}

#[test]
fn a_stop_that_is_counted_is_over_at_once() {
    for periods in [2.5, 10.0, 1e6] {
        let (mut clock, mut device) = counting(256, 0.0);
        device.due += periods * device.block_ns(); // and the count stood still
        run(&mut clock, &mut device, 1, 0);
        let errors = run(&mut clock, &mut device, 200, 0);
        assert!(worst(&errors, 256.0) <= 1.1, "{periods}: {}", worst(&errors, 256.0));
    }
}

/// The plugin was not called for long, and the host counted: the clocks have drifted apart by more than the line knows.
#[test]
fn a_long_gap_begins_anew() {
    for jitter in [0.0, 0.3] {
        let (mut clock, mut device) = counting(256, jitter);
        device.drift = -80e-6;
        drop_out(&mut device, 48_000 * 600);
        run(&mut clock, &mut device, 1, 0);
        let errors = run(&mut clock, &mut device, 50, 0);
        let allowed = 2.0 + 1.1 * jitter * 256.0;
        assert!(worst(&errors, 256.0) <= allowed, "{jitter}: {}", worst(&errors, 256.0));
    }
}

/// The host counts periods only, and takes its time between the slices of one.
#[test]
fn slices_with_one_count_are_one_period() {
    for load in [0.0, 0.3, 0.6, 0.9] {
        let mut clock = clock(None);
        let period_ns = 512.0 * 1e9 / RATE;
        let mut periods = 0;
        for number in 0..500u32 {
            let began = f64::from(number) * period_ns;
            for slice in 0..8 {
                let at = began + f64::from(slice) * load * period_ns / 8.0;
                let told = Block {
                    position: Some(u64::from(number) * 512),
                    ..block(ORIGIN + at.round() as u64, 64)
                };
                let period = clock.begin(told, Traffic::default()).unwrap();
                periods += u32::from(period.is_some());
                assert_eq!(period.is_some(), slice == 0, "{load}: {number}.{slice}");
                if number > 4 {
                    assert_eq!(clock.latency_ns(), period_ns.round() as u64);
                    // What came at the beginning of the last period is at the beginning of this one.
                    let came = ORIGIN + (began - period_ns + f64::from(slice) * period_ns / 8.0).round() as u64 + 1;
                    let frame = clock.place(came);
                    assert!(matches!(frame, Some(0 | 1)), "{load}: {number}.{slice}: {frame:?}");
                }
            }
        }
        assert_eq!(periods, 500);
    }
}

/// A count of something else than these frames does no harm.
#[test]
fn a_count_that_stands_still_is_no_count() {
    let mut device = Device::new(128, 0.25, 50e-6);
    let mut clock = clock(None);
    for _ in 0..4_000 {
        let (due, mut block) = device.next();
        block.position = Some(7);
        begin(&mut clock, block);
        let off = clock.time_of(0).unwrap() as f64 - ORIGIN as f64 - due;
        assert!(off.abs() < device.block_ns(), "{off} ns");
    }
    device.counter = Some(7);
    run(&mut clock, &mut device, 100, 0);
    let errors = run(&mut clock, &mut device, 1_000, 0);
    assert!(errors.deviation() < 4.0, "{}", errors.deviation());
}

#[test]
fn a_count_that_goes_back_is_a_discontinuity() {
    for back in [129, 5_000, 1_000_000] {
        let (mut told, mut device) = counting(128, 0.2);
        let (mut flagged, mut other) = counting(128, 0.2);
        for clock in [(&mut told, &mut device), (&mut flagged, &mut other)] {
            clock.1.due += 1.7 * clock.1.block_ns();
            clock.1.frames = 64;
        }
        device.counter = device.counter.map(|counter| counter - back);
        for number in 0..200 {
            let (_, mut block) = other.next();
            block.discontinuity = number == 0;
            begin(&mut flagged, block);
            begin(&mut told, device.next().1);
            assert_eq!(told.latency_ns(), flagged.latency_ns());
            assert_eq!(told.time_of(0), flagged.time_of(0));
            assert_eq!(told.place(block.start_ns), flagged.place(block.start_ns));
        }
        assert_eq!(told.latency_ns(), (64.0 * 1e9 / RATE).round() as u64);
    }
}

#[test]
fn the_largest_counts_are_harmless() {
    let (mut clock, mut device) = counting(128, 0.0);
    device.counter = Some(i64::MAX as u64 - 1_000);
    for _ in 0..100 {
        let (_, mut block) = device.next();
        block.position = block.position.map(|position| position.min(i64::MAX as u64));
        begin(&mut clock, block);
        assert!(clock.time_of(0).unwrap().abs_diff(block.start_ns) < 100_000);
    }
    device.counter = Some(0);
    run(&mut clock, &mut device, 1, 0);
    let errors = run(&mut clock, &mut device, 1_000, 0);
    assert!(worst(&errors, 128.0) <= 1.1, "{}", worst(&errors, 128.0));
}

/// The device's own times are right from the first block on, however late callbacks are.
#[test]
fn times_of_the_device_are_taken_as_they_are() {
    for drift in [-500e-6, 0.0, 500e-6] {
        for frames in [16, 128, 441, 1024] {
            let mut device = Device::new(frames, 0.9, drift);
            device.device_time = true;
            let mut clock = clock(None);
            run(&mut clock, &mut device, 2, 0);
            let errors = run(&mut clock, &mut device, 3_000, 0);
            let allowed = 1.01 + f64::from(frames) * drift.abs();
            let got = worst(&errors, f64::from(frames));
            assert!(got <= allowed, "{frames}, {drift}: {got}");
            // A jump of the device is one of the line.
            device.due += 3.3 * device.block_ns();
            run(&mut clock, &mut device, 1, 0);
            let got = worst(&run(&mut clock, &mut device, 3, 0), f64::from(frames));
            assert!(got <= allowed, "{frames}, {drift}: {got} after a jump");
            let (_, block) = device.next();
            begin(&mut clock, block);
            assert_eq!(clock.time_of(0), Some(block.start_ns));
        }
    }
}

#[test]
fn a_host_that_has_no_times_of_the_device_any_more_is_estimated_again() {
    let mut device = Device::new(128, 0.5, 200e-6);
    let mut clock = clock(None);
    for turn in 0..4 {
        device.device_time = turn % 2 == 0;
        run(&mut clock, &mut device, 4_000, 0);
        let errors = run(&mut clock, &mut device, 1_000, 0);
        assert!(errors.deviation() < 1.6, "{turn}: {}", errors.deviation());
    }
}

/// One time that cannot be meant does not hold up what is sent later.
#[test]
fn a_time_far_ahead_is_forgotten() {
    let mut clock = clock(None);
    let told = |start_ns| Block {
        device_time: true,
        ..block(start_ns, 128)
    };
    begin(&mut clock, told(u64::MAX));
    assert_eq!(clock.time_of(127), Some(u64::MAX));
    begin(&mut clock, told(ORIGIN));
    assert_eq!(clock.time_of(0), Some(ORIGIN));
}

proptest! {
    /// A host that counts evenly changes nothing: any cut of the periods, with any jitter.
    #[test]
    fn an_even_count_changes_no_place(
        cuts in proptest::collection::vec(1u32..200, 1..6),
        jitter in 0.0f64..0.7,
        first in prop_oneof![Just(0u64), 0..1u64 << 62],
        seed: u64,
    ) {
        let (mut counted, mut guessed) = (clock(None), clock(None));
        let mut device = Device::new(cuts.iter().sum(), jitter, 30e-6);
        device.noise = Noise(seed | 1);
        let mut counter = first;
        for _ in 0..200 {
            let (_, period) = device.next();
            for slice in &cuts {
                let told = Block { frames: *slice, ..period };
                prop_assert_eq!(
                    counted.begin(Block { position: Some(counter), ..told }, Traffic::default()),
                    guessed.begin(told, Traffic::default())
                );
                counter += u64::from(*slice);
                prop_assert_eq!(counted.time_of(0), guessed.time_of(0));
                prop_assert_eq!(counted.latency_ns(), guessed.latency_ns());
            }
        }
    }

    /// Whatever the device's times: what is for a later block is not sent before what was for an earlier one.
    #[test]
    fn times_of_the_device_that_go_back_send_in_order(
        starts in proptest::collection::vec(0u64..9_000_000_000, 1..60),
        frames in 1u32..2_000,
    ) {
        let mut clock = clock(None);
        let mut last = 0;
        for start_ns in starts {
            begin(&mut clock, Block { device_time: true, ..block(ORIGIN + start_ns, frames) });
            for frame in [0, frames - 1] {
                let time_ns = clock.time_of(frame).unwrap();
                clock.note_sent(frame, time_ns);
                prop_assert!(time_ns >= last);
                prop_assert!(time_ns >= ORIGIN + start_ns);
                last = time_ns;
            }
        }
    }
}
