//! The line through the times of the audio callback: which moment the first frame of a block stands for.
//!
//! A callback runs some time after the audio device asked for it, now sooner and now later. The device itself counts
//! frames evenly. So the times at which the callback began are filtered by a delay-locked loop of second order (Fons
//! Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005), whose second state is the length of a frame
//! by this clock. Its bandwidth is not fixed: it narrows as callbacks are seen, so that at each moment the line is
//! about as good as a straight one through all of them, and it stays at `MOST_CALLS`. It opens again when errors keep
//! one sign for longer than the jitter explains, as when one of the clocks is slewed.
//!
//! The loop finds the mean. A message can only be in its block if it was there when the block was asked for, so the
//! line that is told is the lower edge of the jitter: the mean less `early_ns`, by which callbacks come before it.
//!
//! Not every call is a tick of the device. A host may cut one period into slices and render them one right after the
//! other: those that come within a quarter of the time that what came before takes to play belong to the same period,
//! and the line goes through the first of them. What is far off the line is a jump: at once where it is more than two
//! periods (the device or the plugin was stopped), else when three in a row say so.
//!
//! A host that counts frames tells more. Frames that it left out are known exactly: the line goes on past them. A call
//! at which its counter has not come to the end of the frames before belongs to the same period, however much time it
//! took. A counter that goes back says that the call does not follow upon the one before.
//!
//! A host that knows the device's own times needs no loop: the line begins anew at each of them.

use super::Block;

/// Callbacks after which the loop narrows no more: 11 s of 128 frames at 48 kHz.
const MOST_CALLS: u32 = 4096;
/// Before so many, the length of a frame is taken from the sample rate: from so few it could only be told worse.
const FIRST_CALLS: u32 = 64;
/// Callbacks for which an early one is remembered.
const EARLY_CALLS: u32 = 16384;
/// The loop opens again to this at most.
const FEWEST_CALLS: u32 = 8;
/// Shorter periods than this, in ns, are judged as if they were as long: that is how late any thread may be.
const SHORTEST_NS: f64 = 1e6;
/// No period that is cut into slices is longer, in ns.
const LONGEST_SLICED_NS: f64 = 5e8;
/// So much may the sample rate be off by this clock.
const WORST_RATE: f64 = 0.01;
/// Errors that are told from none, in frames.
const LEAST_ERROR: f64 = 0.1;
/// Callbacks far off the line that are believed.
const JUMP_CALLS: u32 = 3;

/// What a call of the callback was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A period of the device began; the one before had so many frames (none is known after a jump).
    Period { before: u64 },
    /// A further slice of the same period, which has so many frames up to the end of this call.
    Slice { so_far: u64 },
}

/// The loop. All times are relative to `reference_ns`, the time at which the present call began.
pub(super) struct Dll {
    reference_ns: u64,
    /// Where the loop has the beginning of the present call.
    mean_ns: f64,
    /// How far before that callbacks come.
    early_ns: f64,
    /// 0: there was no call yet.
    ns_per_frame: f64,
    /// The same, by the sample rate.
    nominal_ns: f64,
    /// Of the present call.
    frames: u32,
    period: Periods,
    /// Calls since the last jump, and since the length of a frame was last in doubt.
    calls: u32,
    narrowed: u32,
    /// The length of a frame is being followed, though there were few calls.
    opened: bool,
    errors: Errors,
    counter: Counter,
    /// The line is the device's own times.
    device: bool,
}

/// The host's own count of frames.
#[derive(Clone, Copy, Default)]
struct Counter {
    /// Told for the last call.
    told: Option<u64>,
    /// The frame at which the line has the last call: beyond what was told where slices share one count.
    line: u64,
}

/// From one call to the next, by the host's count of frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This many frames were left out; 0 if there is no count.
    On { skipped: u64 },
    /// The count has not come to the end of the frames before.
    Unplayed,
}

impl Counter {
    /// The count at a call, after one of `before` frames.
    #[inline]
    fn step(&mut self, before: u32, told: Option<u64>) -> Step {
        let last = std::mem::replace(&mut self.told, told);
        let end = self.line.saturating_add(before.into());
        self.line = told.unwrap_or(0);
        match (last, told) {
            (Some(_), Some(told)) if told < end => {
                self.line = end;
                Step::Unplayed
            }
            (Some(_), Some(told)) => Step::On { skipped: told - end },
            _ => Step::On { skipped: 0 },
        }
    }
}

/// The present period, and those before it.
#[derive(Clone, Copy, Default)]
struct Periods {
    began_ns: u64,
    /// Its frames before the present call.
    frames: u64,
    /// Frames of the last whole period, and smoothed.
    last_frames: u64,
    mean_frames: f64,
}

/// How far calls come from where the loop expects them.
#[derive(Clone, Copy, Default)]
struct Errors {
    /// Smoothed, and the smoothed distance from that.
    mean_ns: f64,
    deviation_ns: f64,
    /// Calls in a row that were far off, and the nearest of them.
    far: u32,
    nearest_ns: f64,
}

impl Dll {
    pub(super) fn new() -> Self {
        Self {
            reference_ns: 0,
            mean_ns: 0.0,
            early_ns: 0.0,
            ns_per_frame: 0.0,
            nominal_ns: 0.0,
            frames: 0,
            period: Periods::default(),
            calls: 0,
            narrowed: 0,
            opened: false,
            errors: Errors::default(),
            counter: Counter::default(),
            device: false,
        }
    }

    /// Whether the host's count is before that of the last call.
    #[inline]
    pub(super) fn runs_back(&self, position: Option<u64>) -> bool {
        position
            .zip(self.counter.told)
            .is_some_and(|(now, before)| now < before)
    }

    /// A call began. `jumped`: it does not follow upon the one before.
    pub(super) fn call(&mut self, block: &Block, jumped: bool) -> Call {
        let (at_ns, frames) = (block.start_ns, block.frames);
        let nominal_ns = 1e9 / block.sample_rate;
        let before = std::mem::replace(&mut self.frames, frames);
        let step = self.counter.step(before, block.position);
        let passed_ns = at_ns.wrapping_sub(self.reference_ns) as i64;
        self.reference_ns = at_ns;
        if nominal_ns != self.nominal_ns || block.device_time != self.device {
            self.begin_anew(nominal_ns, block.device_time);
            return self.jump();
        }
        if self.device {
            return self.take(before);
        }
        self.period.frames += u64::from(before);
        let skipped = match step {
            Step::On { skipped } if !jumped && self.reaches(skipped) => skipped,
            Step::Unplayed if !jumped => 0,
            _ => return self.jump(),
        };
        // Where the loop expects it, from where it is.
        let expected = self.mean_ns + (f64::from(before) + skipped as f64) * self.ns_per_frame - passed_ns as f64;
        let error = -expected;
        let late = error + self.early_ns;
        let longest = self.period.frames.max(self.period.last_frames).max(frames.into());
        let period_ns = (longest as f64 * self.ns_per_frame).max(SHORTEST_NS);
        if late > 2.0 * period_ns {
            return self.jump();
        }
        if self.is_slice(at_ns, period_ns, step) {
            self.mean_ns = expected;
            return Call::Slice {
                so_far: self.period.frames + u64::from(frames),
            };
        }
        if late < -2.0 * period_ns {
            return self.jump();
        }
        self.counter.line = block.position.unwrap_or(0);
        let period_frames = std::mem::take(&mut self.period.frames);
        self.period.began_ns = at_ns;
        self.period.last_frames = period_frames;
        let shift = self.far_off(late, 0.75 * period_ns);
        if let Some(shift) = shift {
            self.calls = 1;
            self.mean_ns = expected + shift;
        } else if self.errors.far != 0 {
            self.mean_ns = expected;
        } else {
            self.follow(expected, error.clamp(-period_ns, period_ns), period_frames, skipped);
        }
        Call::Period { before: period_frames }
    }

    /// Begins the line anew, with nothing known of the device.
    fn begin_anew(&mut self, nominal_ns: f64, device: bool) {
        *self = Self {
            reference_ns: self.reference_ns,
            ns_per_frame: nominal_ns,
            nominal_ns,
            frames: self.frames,
            counter: self.counter,
            device,
            ..Self::new()
        };
    }

    /// The line goes through this call, which has the device's own time.
    fn take(&mut self, before: u32) -> Call {
        self.mean_ns = 0.0;
        Call::Period { before: before.into() }
    }

    /// Whether the line is good for so many frames beyond the last call: for as many as it was made from.
    fn reaches(&self, skipped: u64) -> bool {
        skipped == 0 || skipped as f64 <= f64::from(self.narrowed) * self.period.mean_frames
    }

    /// The line goes through this call; the length of a frame and how early calls come stay.
    fn jump(&mut self) -> Call {
        self.mean_ns = 0.0;
        self.period.began_ns = self.reference_ns;
        self.period.frames = 0;
        self.period.last_frames = 0;
        self.counter.line = self.counter.told.unwrap_or(0);
        self.calls = 1;
        self.errors.mean_ns = 0.0;
        self.errors.far = 0;
        Call::Period { before: 0 }
    }

    /// Whether a call at this time belongs to the period that has begun.
    fn is_slice(&self, at_ns: u64, period_ns: f64, step: Step) -> bool {
        let passed_ns = (at_ns.wrapping_sub(self.period.began_ns) as i64 as f64).abs();
        if matches!(step, Step::On { skipped: 1.. }) {
            return false;
        }
        if self.period.frames == 0 {
            return passed_ns < period_ns;
        }
        let played_ns = self.period.frames as f64 * self.ns_per_frame;
        // A count that stands still beyond the time of the frames is no count of frames.
        let share = if step == Step::Unplayed { 1.0 } else { 4.0 };
        played_ns < LONGEST_SLICED_NS && passed_ns * share < played_ns
    }

    /// How far the line is to be moved, where enough calls in a row were off it to one side.
    fn far_off(&mut self, late: f64, limit: f64) -> Option<f64> {
        if late.abs() <= limit {
            self.errors.far = 0;
            return None;
        }
        if self.errors.far == 0 || late.is_sign_negative() != self.errors.nearest_ns.is_sign_negative() {
            (self.errors.far, self.errors.nearest_ns) = (0, late);
        }
        self.errors.far += 1;
        if late.abs() < self.errors.nearest_ns.abs() {
            self.errors.nearest_ns = late;
        }
        (self.errors.far >= JUMP_CALLS).then(|| {
            self.errors.far = 0;
            self.errors.nearest_ns
        })
    }

    /// One step of the loop, after a period of so many frames and as many more that were left out.
    fn follow(&mut self, expected: f64, error: f64, frames: u64, skipped: u64) {
        self.calls = (self.calls + 1).min(EARLY_CALLS);
        self.narrowed = (self.narrowed + 1).min(MOST_CALLS);
        if self.period.mean_frames == 0.0 {
            self.period.mean_frames = frames as f64;
        }
        self.period.mean_frames += (frames as f64 - self.period.mean_frames) / 16.0;
        // A loop with w = sqrt(8) / n follows about as a straight line through n points does: b = sqrt(2) w, c = w^2.
        let n = f64::from(self.narrowed);
        let (b, c) = if self.opened || self.narrowed >= FIRST_CALLS {
            (4.0 / n, 8.0 / (n * n))
        } else {
            (0.0, 0.0)
        };
        let calls = f64::from(self.calls);
        self.mean_ns = expected + b.max(1.0 / calls) * error;
        let rate = self.ns_per_frame + c * error / (self.period.mean_frames + skipped as f64).max(1.0);
        let worst = WORST_RATE * self.nominal_ns;
        self.ns_per_frame = rate.clamp(self.nominal_ns - worst, self.nominal_ns + worst);
        // This call is not before the line; the earliest is forgotten in time.
        self.early_ns = (self.early_ns * (1.0 - 1.0 / calls)).max(self.mean_ns);
        self.watch(error);
    }

    /// Whether the errors are more than jitter.
    fn watch(&mut self, error: f64) {
        self.errors.mean_ns += (error - self.errors.mean_ns) / 16.0;
        self.errors.deviation_ns += ((error - self.errors.mean_ns).abs() - self.errors.deviation_ns) / 16.0;
        let explained = self.errors.deviation_ns + LEAST_ERROR * self.ns_per_frame;
        if self.calls > 16 && self.errors.mean_ns.abs() > explained {
            self.narrowed = (self.narrowed / 2).max(FEWEST_CALLS);
            self.opened = true;
            self.errors.mean_ns = 0.0;
        }
    }

    /// How far after the beginning of the present call, by the line, a time is; negative: before.
    #[inline]
    pub(super) fn since_start_ns(&self, time_ns: u64) -> f64 {
        // Unsigned first: a signed difference of two such numbers has 65 bits, for which there is no instruction.
        let apart = time_ns.abs_diff(self.reference_ns) as f64;
        let ahead = if time_ns < self.reference_ns { -apart } else { apart };
        ahead - (self.mean_ns - self.early_ns)
    }

    /// When the present call begins by the line.
    pub(super) fn start_ns(&self) -> u64 {
        self.time_of(0)
    }

    /// When a frame, counted from the beginning of the present call, is by the line.
    pub(super) fn time_of(&self, frame: u32) -> u64 {
        let ahead = (self.mean_ns - self.early_ns + f64::from(frame) * self.ns_per_frame).round();
        self.reference_ns.saturating_add_signed(ahead as i64)
    }

    /// The length of a frame by this clock.
    #[inline]
    pub(super) fn ns_per_frame(&self) -> f64 {
        self.ns_per_frame
    }
}
