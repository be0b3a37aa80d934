use super::*;
use proptest::prelude::*;

pub(super) const RATE: f64 = 48_000.0;
pub(super) const ORIGIN: u64 = 1_000_000_000;

pub(super) fn block(start_ns: u64, frames: u32) -> Block {
    Block {
        start_ns,
        sample_rate: RATE,
        frames,
        offline: false,
        discontinuity: false,
        position: None,
        device_time: false,
    }
}

pub(super) fn clock(latency_ns: Option<u64>) -> BlockClock {
    BlockClock::new(latency_ns, Some(0))
}

pub(super) fn begin(clock: &mut BlockClock, block: Block) {
    clock.begin(block, Traffic::default()).unwrap();
}

pub(super) fn lag(lag_ns: u64) -> Traffic {
    Traffic {
        lag_ns,
        ..Traffic::default()
    }
}

/// Pseudo-random numbers in [0, 1): nothing here depends on their quality.
pub(super) struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// An audio device: calls come evenly, by its own clock, and a callback begins late by up to `jitter` of a block.
pub(super) struct Device {
    pub frames: u32,
    /// The device's rate is off by this.
    pub drift: f64,
    pub jitter: f64,
    pub noise: Noise,
    /// When the next block is due, in ns after `ORIGIN`.
    pub due: f64,
    /// When the present callback began, on the same scale.
    pub called: f64,
    /// The frame at which the next block begins, where the host tells it.
    pub counter: Option<u64>,
    /// The host tells when the block is due.
    pub device_time: bool,
}

impl Device {
    pub fn new(frames: u32, jitter: f64, drift: f64) -> Self {
        Self {
            frames,
            drift,
            jitter,
            noise: Noise(88_172_645_463_325_252),
            due: 0.0,
            called: 0.0,
            counter: None,
            device_time: false,
        }
    }

    pub fn block_ns(&self) -> f64 {
        f64::from(self.frames) * 1e9 / RATE * (1.0 + self.drift)
    }

    /// The block's true beginning, and what the host tells.
    pub fn next(&mut self) -> (f64, Block) {
        let due = self.due;
        self.due += self.block_ns();
        let late = self.jitter * self.block_ns() * self.noise.next();
        self.called = (due + late).round();
        let told = if self.device_time { due.round() } else { self.called };
        let block = Block {
            position: self.counter,
            device_time: self.device_time,
            ..block(ORIGIN + told as u64, self.frames)
        };
        self.counter = self.counter.map(|counter| counter + u64::from(self.frames));
        (due, block)
    }
}

/// Errors of placed frames: what was placed, less where it would have to be for the same delay always.
#[derive(Default)]
pub(super) struct Errors(pub Vec<f64>);

impl Errors {
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        (self.0.iter().map(|e| (e - mean) * (e - mean)).sum::<f64>() / self.0.len() as f64).sqrt()
    }

    pub fn spread(&self) -> f64 {
        let mean = self.mean();
        self.0.iter().map(|e| (e - mean).abs()).fold(0.0, f64::max)
    }
}

/// Runs a clock on a device with messages that come at random times, some in every block; errors after `settle`
/// blocks, in frames.
pub(super) fn run(clock: &mut BlockClock, device: &mut Device, blocks: usize, settle: usize) -> Errors {
    let mut errors = Errors::default();
    let mut arrivals = std::collections::VecDeque::new();
    let mut noise = Noise(0x1234_5678_9ABC_DEF1);
    let mut next_arrival = device.due;
    for number in 0..blocks {
        let (due, block) = device.next();
        // What has arrived when the callback runs.
        while next_arrival < device.called {
            arrivals.push_back(next_arrival);
            next_arrival += device.block_ns() * 0.7 * noise.next();
        }
        begin(clock, block);
        while let Some(arrival) = arrivals.front() {
            let Some(frame) = clock.place(ORIGIN + arrival.round() as u64) else {
                break;
            };
            if number >= settle {
                let frame_ns = device.block_ns() / f64::from(device.frames);
                errors.0.push((due + f64::from(frame) * frame_ns - arrival) / frame_ns);
            }
            arrivals.pop_front();
        }
    }
    errors
}

#[test]
fn spacing_is_kept() {
    let mut clock = clock(None);
    begin(&mut clock, block(1_000_000_000, 480));
    assert_eq!(clock.latency_ns(), 10_000_000);
    // 5 ms before the block began, 10 ms later than it came: at 5 ms.
    assert_eq!(clock.place(995_000_000), Some(240));
    assert_eq!(clock.place(996_000_000), Some(288));
    assert_eq!(clock.place(1_000_000_000), None);
    begin(&mut clock, block(1_010_000_000, 480));
    assert_eq!(clock.place(1_000_000_000), Some(0));
}

#[test]
fn late_is_at_the_start_and_order_is_kept() {
    let mut clock = clock(Some(2_000_000));
    begin(&mut clock, block(1_000_000_000, 480));
    assert_eq!(clock.place(1), Some(0));
    assert_eq!(clock.place(999_000_000), Some(48));
    assert_eq!(clock.place(998_000_000), Some(48));
}

#[test]
fn no_latency_is_as_soon_as_possible() {
    let mut clock = clock(Some(0));
    begin(&mut clock, block(1_000_000_000, 64));
    assert_eq!(clock.place(999_999_999), Some(0));
    assert_eq!(clock.place(2_000_000_000), Some(63));
    // However late the callback is: what is there is at its beginning.
    let mut device = Device::new(64, 0.5, 0.0);
    for _ in 0..1000 {
        let (_, block) = device.next();
        begin(&mut clock, block);
        assert_eq!(clock.place(block.start_ns), Some(0));
    }
}

#[test]
fn blocks_without_frames_take_nothing() {
    let mut clock = clock(Some(0));
    assert_eq!(clock.place(1), None);
    begin(&mut clock, block(1_000_000_000, 0));
    assert_eq!(clock.place(1), None);
    assert_eq!(clock.time_of(0), Some(1_000_000_000));
    assert_eq!(clock.time_of(1), None);
}

#[test]
fn nonsense_is_refused() {
    let mut clock = clock(None);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let block = Block {
            sample_rate: rate,
            ..block(1, 1)
        };
        assert_eq!(clock.begin(block, Traffic::default()), Err(Code::InvalidArgument));
    }
    assert_eq!(
        clock.begin(block(1, u32::MAX), Traffic::default()),
        Err(Code::InvalidArgument)
    );
    assert!(!clock.has_block());
}

#[test]
fn jitter_of_half_a_block_is_smoothed() {
    for frames in [32, 64, 128, 256, 480, 1024] {
        let mut device = Device::new(frames, 0.5, 0.0);
        let errors = run(&mut clock(None), &mut device, 40_000, 8_000);
        // One frame and 1 % of the jitter.
        let allowed = 1.0 + 0.005 * f64::from(frames);
        assert!(errors.deviation() < allowed, "{frames}: {} frames", errors.deviation());
        // The delay is the one that is told, and what the line is before the earliest callback.
        let told = f64::from(frames);
        assert!(
            (errors.mean() - told).abs() < allowed + 1.0,
            "{frames}: delayed by {} frames",
            errors.mean()
        );
    }
}

#[test]
fn it_is_good_after_a_second_already() {
    // 375 blocks of 128 are a second.
    let mut device = Device::new(128, 0.5, 0.0);
    let errors = run(&mut clock(None), &mut device, 4_000, 375);
    assert!(errors.deviation() < 3.0, "{}", errors.deviation());
}

#[test]
fn clocks_that_drift_are_followed() {
    for drift in [-500e-6, -50e-6, 50e-6, 500e-6] {
        for jitter in [0.0, 0.5] {
            let mut device = Device::new(128, jitter, drift);
            let errors = run(&mut clock(None), &mut device, 60_000, 8_000);
            let allowed = 1.0 + 0.01 * jitter * 128.0;
            assert!(
                errors.deviation() < allowed && (errors.mean() - 128.0).abs() < 2.0,
                "drift {drift}, jitter {jitter}: {} +- {}",
                errors.mean(),
                errors.deviation()
            );
        }
    }
}

#[test]
fn a_drift_that_changes_is_followed() {
    // As when the system's clock is slewed: by 500 ppm from one moment to the next.
    for jitter in [0.0, 0.3] {
        let mut device = Device::new(128, jitter, 0.0);
        let mut clock = clock(None);
        run(&mut clock, &mut device, 20_000, 0);
        device.drift = 500e-6;
        let errors = run(&mut clock, &mut device, 4_000, 0);
        assert!(
            errors.spread() < 64.0,
            "jitter {jitter}: at most {} frames",
            errors.spread()
        );
        let errors = run(&mut clock, &mut device, 20_000, 10_000);
        assert!(errors.deviation() < 2.0, "jitter {jitter}: {}", errors.deviation());
    }
}

#[test]
fn without_jitter_it_is_exact_to_a_frame() {
    for frames in [1, 16, 50, 64, 128, 441, 1024, 4096] {
        let mut device = Device::new(frames, 0.0, 0.0);
        let errors = run(&mut clock(None), &mut device, 5_000, 0);
        let worst = errors
            .0
            .iter()
            .map(|e| (e - f64::from(frames)).abs())
            .fold(0.0, f64::max);
        assert!(worst <= 1.01, "{frames}: {worst}");
    }
}

#[test]
fn an_automatic_delay_is_constant() {
    for frames in [64, 1000] {
        let mut device = Device::new(frames, 0.5, 200e-6);
        let mut clock = clock(None);
        for number in 0..5_000 {
            let (_, mut block) = device.next();
            block.discontinuity = number % 1000 == 999;
            // Measured anew in each block, and taken in once.
            clock.begin(block, lag(10_000 + number % 7)).unwrap();
            let expected = ((f64::from(frames) + 1.0) * 1e9 / RATE).round() as u64;
            assert_eq!(clock.latency_ns(), expected);
        }
    }
}

#[test]
fn the_delay_follows_the_block_size() {
    let mut clock = clock(None);
    let mut now = ORIGIN as f64;
    let mut play = |clock: &mut BlockClock, frames: u32, discontinuity: bool| {
        let block = Block {
            discontinuity,
            ..block(now.round() as u64, frames)
        };
        begin(clock, block);
        now += f64::from(frames) * 1e9 / RATE;
        clock.latency_ns()
    };
    assert_eq!(play(&mut clock, 96, false), 2_000_000);
    assert_eq!(play(&mut clock, 480, false), 10_000_000, "longer: at once");
    assert_eq!(play(&mut clock, 96, false), 10_000_000, "the longest seen");
    for _ in 0..100 {
        play(&mut clock, 96, false);
    }
    assert_eq!(
        play(&mut clock, 96, true),
        10_000_000,
        "it may be a stop of the transport only"
    );
    for _ in 0..4 {
        play(&mut clock, 96, false);
    }
    assert_eq!(play(&mut clock, 96, false), 2_000_000, "shorter: after a few blocks");
    let faster = Block {
        sample_rate: 96_000.0,
        ..block(now as u64, 96)
    };
    begin(&mut clock, faster);
    assert_eq!(clock.latency_ns(), 1_000_000);
}

/// One period of 132 frames in slices, at the same instant or one after the other.
#[test]
fn slices_of_a_period_are_one() {
    for step_ns in [0u64, 1_000, 100_000] {
        let mut clock = clock(None);
        let period_ns = 132.0 * 1e9 / RATE;
        let mut errors = Errors::default();
        let mut arrivals = std::collections::VecDeque::new();
        let mut next = 0.0;
        for period in 0..3_000 {
            let began = f64::from(period) * period_ns;
            let mut frames_before = 0;
            for (number, frames) in [50u32, 78, 4].into_iter().enumerate() {
                let start = began.round() as u64 + number as u64 * step_ns;
                while next < start as f64 {
                    arrivals.push_back(next);
                    next += 700_001.0;
                }
                begin(&mut clock, block(ORIGIN + start, frames));
                while let Some(arrival) = arrivals.front() {
                    let Some(frame) = clock.place(ORIGIN + *arrival as u64) else {
                        break;
                    };
                    assert!(frame < frames);
                    if period > 4 {
                        let placed = f64::from(frames_before + frame);
                        errors.0.push(placed - (arrival - began) * RATE / 1e9);
                    }
                    arrivals.pop_front();
                }
                frames_before += frames;
            }
            if period > 4 {
                assert_eq!(clock.latency_ns(), (period_ns).round() as u64);
            }
        }
        assert!(errors.0.len() > 10_000);
        let worst = errors.0.iter().map(|e| (e - 132.0).abs()).fold(0.0, f64::max);
        assert!(worst <= 1.01, "step {step_ns}: {worst} frames");
    }
}

/// A device that drops out: blocks are lost, and it goes on evenly from another moment.
#[test]
fn an_xrun_is_over_after_three_blocks() {
    for lost in [0.9, 1.0, 2.0, 3.7, 10.0] {
        let mut device = Device::new(128, 0.25, 0.0);
        let mut clock = clock(None);
        run(&mut clock, &mut device, 5_000, 0);
        device.due += lost * device.block_ns();
        let errors = run(&mut clock, &mut device, 3_000, 4);
        assert!(
            (errors.mean() - 128.0).abs() < 4.0 && errors.deviation() < 8.0,
            "{lost} blocks lost: {} +- {}",
            errors.mean(),
            errors.deviation()
        );
        assert_eq!(clock.latency_ns(), (128.0 * 1e9 / RATE).round() as u64);
    }
}

#[test]
fn a_callback_that_is_late_once_is_forgotten() {
    // It is made up for: the device had more than one block in reserve.
    for late in [0.9, 1.5, 3.0] {
        let mut device = Device::new(128, 0.1, 0.0);
        let mut clock = clock(None);
        run(&mut clock, &mut device, 5_000, 0);
        let (due, mut block) = device.next();
        let until = ORIGIN + (due + late * device.block_ns()) as u64;
        block.start_ns = until;
        begin(&mut clock, block);
        while ORIGIN as f64 + device.due < until as f64 {
            let (_, mut block) = device.next();
            block.start_ns = until;
            begin(&mut clock, block);
        }
        let errors = run(&mut clock, &mut device, 3_000, 4);
        assert!(
            (errors.mean() - 128.0).abs() < 4.0 && errors.deviation() < 4.0,
            "{late}: {} +- {}",
            errors.mean(),
            errors.deviation()
        );
        assert_eq!(clock.latency_ns(), (128.0 * 1e9 / RATE).round() as u64, "{late}");
    }
}

#[test]
fn a_long_stop_is_over_at_once() {
    for discontinuity in [false, true] {
        let mut device = Device::new(256, 0.0, 100e-6);
        let mut clock = clock(None);
        run(&mut clock, &mut device, 10_000, 0);
        device.due += 600e9 + 12_345.0; // ten minutes
        let (_, mut block) = device.next();
        block.discontinuity = discontinuity;
        begin(&mut clock, block);
        let errors = run(&mut clock, &mut device, 100, 1);
        let worst = errors.0.iter().map(|e| (e - 256.0).abs()).fold(0.0, f64::max);
        assert!(worst <= 2.0, "{worst}");
    }
}

#[test]
fn rendering_offline_leaves_the_clock_alone() {
    let mut device = Device::new(256, 0.0, 0.0);
    let mut clock = clock(None);
    run(&mut clock, &mut device, 1_000, 0);
    for _ in 0..1_000 {
        // As fast as it goes, in blocks of another size.
        let block = Block {
            offline: true,
            ..block(ORIGIN + device.due as u64, 4096)
        };
        begin(&mut clock, block);
        assert_eq!(clock.place(ORIGIN), Some(0));
        assert_eq!(clock.time_of(100), Some(0));
        assert_eq!(clock.latency_ns(), (256.0 * 1e9 / RATE).round() as u64);
        device.due += 50_000.0;
    }
    let errors = run(&mut clock, &mut device, 1_000, 1);
    let worst = errors.0.iter().map(|e| (e - 256.0).abs()).fold(0.0, f64::max);
    assert!(worst <= 1.01, "{worst}");
}

#[test]
fn a_change_of_block_size_keeps_the_line() {
    let mut clock = clock(Some(30_000_000));
    let mut device = Device::new(64, 0.2, 0.0);
    for frames in [64, 1024, 64, 512, 37, 441] {
        device.frames = frames;
        let errors = run(&mut clock, &mut device, 3_000, 40);
        assert!(
            (errors.mean() - 1440.0).abs() < 60.0 && errors.deviation() < 30.0,
            "{frames}: {} +- {}",
            errors.mean(),
            errors.deviation()
        );
    }
}

#[test]
fn frames_are_sent_in_time() {
    let mut clock = BlockClock::new(None, Some(0));
    begin(&mut clock, block(ORIGIN, 480));
    assert_eq!(clock.time_of(240), Some(ORIGIN + 5_000_000));
    assert_eq!(clock.time_of(480), None);
    let mut clock = BlockClock::new(None, None);
    begin(&mut clock, block(ORIGIN, 480));
    assert_eq!(clock.time_of(240), Some(ORIGIN + 15_000_000), "one block later");
}

/// The line moves a little with each callback, back as well: what is for the end of a block stays before what is for the
/// beginning of the next, or a release would overtake what it releases.
#[test]
fn frames_of_a_block_are_sent_after_those_of_the_block_before() {
    for jitter in [0.1, 0.5, 0.9] {
        for frames in [16, 128, 1024] {
            for latency in [None, Some(0)] {
                let mut clock = BlockClock::new(None, latency);
                let mut device = Device::new(frames, jitter, 300e-6);
                let mut last = 0;
                for _ in 0..5000 {
                    let (_, block) = device.next();
                    begin(&mut clock, block);
                    for frame in [0, frames - 1] {
                        let time = clock.time_of(frame).unwrap();
                        clock.note_sent(frame, time);
                        assert!(time >= last, "{frames} {jitter}: {} ns before", last - time);
                        last = time;
                    }
                }
            }
        }
    }
}

type AnyBlock = (u32, u64, bool, bool, Option<u64>, bool);

fn any_block() -> impl Strategy<Value = AnyBlock> {
    let frames = prop_oneof![Just(0u32), Just(128), 1u32..5000, Just(MOST_FRAMES)];
    let step_ns = prop_oneof![Just(0u64), 0u64..10_000_000, Just(2_666_667), 0u64..3_000_000_000_000];
    (
        frames,
        step_ns,
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        proptest::option::of(prop_oneof![
            Just(0),
            0u64..100_000,
            Just(i64::MAX as u64),
            0u64..=i64::MAX as u64
        ]),
        proptest::bool::weighted(0.2),
    )
}

fn any_latency() -> impl Strategy<Value = Option<u64>> {
    proptest::option::weighted(0.8, prop_oneof![Just(0u64), 0u64..100_000_000, Just(u64::MAX - 1)])
}

#[test]
fn a_fixed_latency_that_becomes_automatic_is_the_longest_block() {
    let mut clock = clock(Some(3_000_000));
    begin(&mut clock, block(ORIGIN, 480));
    assert_eq!(clock.latency_ns(), 3_000_000);
    clock.set_latency(None, Some(0));
    begin(&mut clock, block(ORIGIN + 10_000_000, 480));
    assert_eq!(clock.latency_ns(), 10_000_000);
}

/// Without that, one push with a latency that nothing can be scheduled with would have the last word for ever.
#[test]
fn what_was_not_sent_does_not_hold_up_what_is() {
    let mut clock = BlockClock::new(None, Some(u64::MAX - 1));
    begin(&mut clock, block(ORIGIN, 480));
    assert_eq!(clock.time_of(0), Some(u64::MAX));
    clock.set_latency(None, Some(0));
    begin(&mut clock, block(ORIGIN + 10_000_000, 480));
    assert_eq!(clock.time_of(0), Some(ORIGIN + 10_000_000));
}

proptest! {
    /// Whatever blocks come whenever: frames are in range, never decrease within a block, and a message that has a
    /// place in none of them goes out when rendering offline.
    #[test]
    fn frames_are_in_range_and_never_decrease(
        latency in proptest::option::of(prop_oneof![Just(0u64), 0u64..50_000_000, Just(u64::MAX - 1)]),
        rate in prop_oneof![Just(48_000.0f64), 0.001f64..10e6],
        blocks in proptest::collection::vec(any_block(), 1..40),
        steps in proptest::collection::vec(0u64..20_000_000, 0..80),
        backwards in 0u64..100_000_000,
    ) {
        let mut clock = clock(latency);
        let mut now = ORIGIN;
        let mut arrived = ORIGIN - 100_000_000;
        let arrivals: Vec<u64> = steps.iter().map(|step| { arrived += step; arrived }).collect();
        let mut next = 0;
        for (number, (frames, step, offline, discontinuity, position, device_time)) in blocks.into_iter().enumerate() {
            now += step;
            if number == 20 {
                now -= backwards;
            }
            let block = Block { sample_rate: rate, offline, discontinuity, position, device_time, ..block(now, frames) };
            prop_assert!(clock.begin(block, lag(step % 100_000)).is_ok());
            let mut last = 0;
            while let Some(frame) = arrivals.get(next).and_then(|at| clock.place(*at)) {
                prop_assert!(frame < frames && frame >= last);
                last = frame;
                next += 1;
            }
            prop_assert_eq!(clock.place(u64::MAX).is_some_and(|frame| frame >= frames), false);
            if offline && frames != 0 {
                prop_assert_eq!(next, arrivals.len());
            }
            prop_assert!(frames == 0 || clock.time_of(frames - 1).is_some());
        }
    }

    /// Latencies that change in the middle of a stream: what is sent keeps its order, what came keeps its order and has a
    /// place in the end, and each takes effect with the block that begins next.
    #[test]
    fn another_latency_keeps_the_order(
        changes in proptest::collection::vec(proptest::option::weighted(0.3, (any_latency(), any_latency())), 1..120),
        jitter in 0.0f64..0.9,
        frames in 1u32..2000,
    ) {
        let mut clock = BlockClock::new(None, Some(0));
        let mut device = Device::new(frames, jitter, 100e-6);
        let mut arrivals = std::collections::VecDeque::new();
        let (mut sent, mut taken, mut came) = (0, 0, 0);
        for change in changes {
            if let Some((latency, push_latency)) = change {
                clock.set_latency(latency, push_latency);
            }
            let (_, block) = device.next();
            begin(&mut clock, block);
            if let Some((Some(latency), _)) = change {
                prop_assert_eq!(clock.latency_ns(), latency);
            }
            arrivals.extend([block.start_ns - 1000, block.start_ns - 10]);
            came += 2;
            let mut last = 0;
            while let Some(frame) = arrivals.front().and_then(|at| clock.place(*at)) {
                prop_assert!(frame < frames && frame >= last);
                last = frame;
                arrivals.pop_front();
                taken += 1;
            }
            for frame in [0, frames - 1] {
                let time = clock.time_of(frame).unwrap();
                // What push refuses, since it lies too far ahead, was not sent.
                if time < block.start_ns + 10_000_000_000 {
                    prop_assert!(time >= sent, "{} ns before", sent - time);
                    clock.note_sent(frame, time);
                    sent = time;
                }
            }
        }
        clock.set_latency(Some(0), Some(0));
        for _ in 0..2 {
            let (_, block) = device.next();
            begin(&mut clock, block);
            while arrivals.front().is_some_and(|at| clock.place(*at).is_some()) {
                arrivals.pop_front();
                taken += 1;
            }
        }
        prop_assert_eq!(taken, came);
    }

    /// Any cut of the periods into slices at the same instant gives each message the frame that the whole period
    /// would have given it.
    #[test]
    fn a_cut_changes_no_place(cuts in proptest::collection::vec(1u32..200, 1..6), seed: u64) {
        let frames: u32 = cuts.iter().sum();
        let (mut whole, mut cut) = (clock(Some(20_000_000)), clock(Some(20_000_000)));
        let mut device = Device::new(frames, 0.3, 30e-6);
        device.noise = Noise(seed | 1);
        for _ in 0..50 {
            let (_, block) = device.next();
            begin(&mut whole, block);
            let arrivals = (0..7).map(|i| block.start_ns - 20_000_000 + i * 400_000);
            // The rounding of floating point decides which side of a frame's edge a time is on that lies on it, and a cut
            // adds in another order.
            let is_on_edge = |at: &u64| {
                let frame = whole.dll.since_start_ns(at + 20_000_000) * whole.frames_per_ns + ROUNDING;
                (frame - frame.round()).abs() < 1e-9
            };
            let arrivals: Vec<u64> = arrivals.filter(|at| !is_on_edge(at)).collect();
            let places = |clock: &mut BlockClock, rest: &mut &[u64]| {
                let mut placed = Vec::new();
                while let Some((first, others)) = rest.split_first() {
                    let Some(frame) = clock.place(*first) else { break };
                    placed.push(frame);
                    *rest = others;
                }
                placed
            };
            let expected = places(&mut whole, &mut arrivals.as_slice());
            let mut got = Vec::new();
            let mut rest = arrivals.as_slice();
            let mut before = 0;
            for slice in &cuts {
                begin(&mut cut, Block { frames: *slice, ..block });
                got.extend(places(&mut cut, &mut rest).into_iter().map(|frame| frame + before));
                before += slice;
            }
            prop_assert_eq!(got, expected);
        }
    }
}
