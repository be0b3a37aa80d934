//! When to look at the out queue of a port whose pushes wake nobody.
//!
//! A push is only found by looking. Where an audio callback pushes, looking just after it has done so is worth most.
//! `begin_block` tells when the callback begins; the times of pushes tell after how much of the period the last of them
//! comes: the window. A look is made at the end of the window, and every other time one in the middle of it as well, where
//! it is long: one and a half a period. A tick shorter than `WANTS_MORE_NS` asks for more: looks no further apart than
//! that within the window. Where `begin_block` is not called there is a look every tick; and where nothing has been pushed
//! for a second, every `IDLE_TICKS` ticks.
//!
//! No push depends on a prediction: every turn of the network thread, whatever caused it, looks at all ports. This is
//! about when there is to be a turn at the latest.

/// Without a push for so long, in ns, a port is idle.
const IDLE_NS: u64 = 1_000_000_000;
/// An idle port is looked at as rarely as this, in ticks.
const IDLE_TICKS: u64 = 8;
/// No two looks are further apart, in ns, where a tick is not longer.
const MOST_NS: u64 = 25_000_000;
/// So much later than the window ends, in ns.
const MARGIN_NS: f64 = 15_000.0;
/// A shorter tick, in ns, is how far looks within the window are apart. It is the default, which costs little.
const WANTS_MORE_NS: u64 = 500_000;
/// A shorter window, in ns, is not looked into.
const SHORT_NS: f64 = 150_000.0;
/// The window ends where one push in so many is later, and moves by this part of a period with each that is not: a
/// callback that is late once says little.
const LATER_PUSHES: f64 = 16.0;
const WINDOW_STEPS: f64 = 512.0;
/// Pushes that come later in the period, as a part of it, are not the callback's.
const LATEST: f64 = 0.9;
/// A period that was not told of for so long, in periods and at least in ns, is over.
const LOST_PERIODS: u64 = 8;
const LOST_NS: u64 = 40_000_000;
/// A period that is longer is not waited for, in ns; nor is one shorter than a tick.
const LONGEST_NS: u64 = 200_000_000;
/// How often the period may be doubted.
const MOST_DOUBTS: u32 = 64;

/// What was seen of the audio thread since the last turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observed {
    /// The beginning and the length of the last period of `begin_block`; zeros where it was never called.
    pub period: (u64, u64),
    /// The first push.
    pub pushed_ns: Option<u64>,
    /// Whether anything was found in the out queue.
    pub found: bool,
}

pub(super) struct Prediction {
    tick_ns: u64,
    /// When some period began, and how long one is; 0: it is not known.
    start_ns: u64,
    period_ns: u64,
    /// When `begin_block` was last seen, and what it told.
    seen_ns: u64,
    last_period: (u64, u64),
    /// The end of the window, in ns after the beginning of the period.
    window_ns: f64,
    /// The next look, and the next that the period asks for.
    next_ns: u64,
    aim_ns: u64,
    /// The beginning of the last period for which a look at the end of the window was planned.
    planned_ns: i128,
    /// The same for one in the middle, whether it was left out or not.
    middle_ns: i128,
    /// The look in the middle of the window is left out every other time.
    every_other: bool,
    /// When a push was last found.
    pushed_ns: u64,
    /// Pushes that came outside of the callback, more or less.
    doubts: u32,
}

impl Prediction {
    pub(super) fn new(tick_ns: u64) -> Self {
        Self {
            tick_ns,
            start_ns: 0,
            period_ns: 0,
            seen_ns: 0,
            last_period: (0, 0),
            window_ns: 0.0,
            next_ns: 0,
            aim_ns: 0,
            planned_ns: 0,
            middle_ns: 0,
            every_other: false,
            pushed_ns: 0,
            doubts: 0,
        }
    }

    /// The next look, in ns of the clock.
    pub(super) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// There is nothing to be learned, and nothing to be found before this.
    pub(super) fn wait_until(&mut self, next_ns: u64) {
        self.next_ns = next_ns;
    }

    /// Whether nothing was pushed for so long that the period does not matter.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.pushed_ns != 0 && now.saturating_sub(self.pushed_ns) >= IDLE_NS
    }

    /// An idle port was looked at, and nothing was found.
    pub(super) fn stay_idle(&mut self, now: u64) {
        self.next_ns = now + (IDLE_TICKS * self.tick_ns).min(MOST_NS).max(self.tick_ns);
    }

    /// There is a turn, which looks: plans the next look.
    pub(super) fn observe(&mut self, now: u64, observed: Observed) {
        if observed.found || self.pushed_ns == 0 {
            self.pushed_ns = now;
        }
        self.learn(now, observed);
        if self.is_idle(now) {
            self.stay_idle(now);
        } else if !self.has_period() {
            self.next_ns = now + self.tick_ns;
        } else {
            if now >= self.aim_ns || self.aim_ns > now + 2 * self.period_ns {
                self.aim_ns = self.next_in_period(now);
            }
            // A push from elsewhere, or for a time before that, does not wait for ever.
            self.next_ns = self.aim_ns.min(now + MOST_NS.max(self.tick_ns));
        }
    }

    fn has_period(&self) -> bool {
        (self.tick_ns..=LONGEST_NS).contains(&self.period_ns) && self.doubts < MOST_DOUBTS / 2
    }

    fn learn(&mut self, now: u64, observed: Observed) {
        let before = self.period_ns;
        if observed.period != self.last_period {
            self.last_period = observed.period;
            (self.start_ns, self.period_ns) = observed.period;
            self.seen_ns = now;
        }
        if now.saturating_sub(self.seen_ns) > LOST_NS.max(self.period_ns.saturating_mul(LOST_PERIODS)) {
            self.period_ns = 0;
        }
        if self.period_ns != before && self.period_ns.abs_diff(before) > self.period_ns / 8 {
            // Not known yet: half of it, which the first pushes put right.
            self.window_ns = self.period_ns as f64 / 2.0;
            self.doubts = 0;
        }
        if let Some(pushed_ns) = observed.pushed_ns.filter(|_| self.period_ns != 0) {
            self.note_push(pushed_ns);
        }
    }

    /// A push at this time belongs into the window.
    fn note_push(&mut self, pushed_ns: u64) {
        let period = self.period_ns as i128;
        let phase = (i128::from(pushed_ns) - i128::from(self.start_ns)).rem_euclid(period) as f64;
        if phase > LATEST * self.period_ns as f64 {
            self.doubts = (self.doubts + 4).min(MOST_DOUBTS);
            return;
        }
        self.doubts = self.doubts.saturating_sub(1);
        let step = self.period_ns as f64 / WINDOW_STEPS;
        self.window_ns = if phase > self.window_ns {
            (self.window_ns + (LATER_PUSHES - 1.0) * step).min(LATEST * self.period_ns as f64)
        } else {
            (self.window_ns - step).max(0.0)
        };
    }

    /// The next look after now.
    fn next_in_period(&mut self, now: u64) -> u64 {
        let period = i128::from(self.period_ns);
        let end = self.window_ns + MARGIN_NS;
        // The beginning of the first period whose window ends after now, and has not been looked at: the window may
        // have become longer by what that look found.
        let since = i128::from(now) - i128::from(self.start_ns) - end as i128;
        let mut start = i128::from(self.start_ns) + (since.div_euclid(period) + 1) * period;
        if (start - self.planned_ns).abs() < period / 2 {
            start += period;
        }
        let at = |offset: f64| u64::try_from(start + offset as i128).unwrap_or(now);
        if self.tick_ns < WANTS_MORE_NS {
            // Even parts of the window, the last of which may be a little short.
            let parts = (end / self.tick_ns as f64).ceil();
            let part = (end / parts).ceil();
            let passed = (now as f64 - start as f64).max(0.0);
            let next = ((passed / part).floor() + 1.0) * part;
            if next < end {
                return at(next);
            }
            self.planned_ns = start;
            return at(end);
        }
        let middle = at(end / 2.0);
        if self.window_ns > SHORT_NS && middle > now && (start - self.middle_ns).abs() > period / 2 {
            self.middle_ns = start;
            self.every_other = !self.every_other;
            if self.every_other {
                return middle;
            }
        }
        self.planned_ns = start;
        at(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 500_000;
    const START: u64 = 1_000_000_000_000;

    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// What the callback does in a simulation.
    #[derive(Clone, Copy)]
    struct Callback {
        period_ns: u64,
        /// How much of the period it takes at most, from where on it pushes, and how late it begins, as parts of it.
        load: f64,
        from: f64,
        jitter: f64,
        begins_blocks: bool,
    }

    struct Outcome {
        looks_per_period: f64,
        /// Of the time from a push to the look that finds it, in ns.
        median_ns: u64,
        worst_ns: u64,
    }

    /// Runs a port for so many periods with one push in each, `pause` of them without one before the second half. The
    /// last half counts.
    fn simulate(callback: Callback, periods: u64, pause: u64) -> Outcome {
        simulate_ticking(TICK, callback, periods, pause)
    }

    fn simulate_ticking(tick_ns: u64, callback: Callback, periods: u64, pause: u64) -> Outcome {
        let mut prediction = Prediction::new(tick_ns);
        let mut noise = Noise(88_172_645_463_325_252);
        let mut now = START;
        let mut observed = Observed::default();
        let mut pushes = std::collections::VecDeque::new();
        let mut waits = Vec::new();
        let mut looks = 0;
        let look = |prediction: &mut Prediction,
                    until: u64,
                    pushes: &mut std::collections::VecDeque<u64>,
                    observed: &mut Observed,
                    now: &mut u64,
                    waits: &mut Vec<u64>,
                    looks: &mut u64| {
            while prediction.next_ns().max(*now) < until {
                *now = prediction.next_ns().max(*now + 1);
                let mut found = Observed {
                    period: observed.period,
                    ..Observed::default()
                };
                while pushes.front().is_some_and(|at| at <= now) {
                    let at = pushes.pop_front().unwrap();
                    waits.push(*now - at);
                    found.pushed_ns = found.pushed_ns.or(Some(at));
                    found.found = true;
                }
                prediction.observe(*now, found);
                *looks += 1;
            }
        };
        for number in 0..periods + pause {
            let due = START + number * callback.period_ns;
            let begins = due + (noise.next() * callback.jitter * callback.period_ns as f64) as u64;
            look(
                &mut prediction,
                begins,
                &mut pushes,
                &mut observed,
                &mut now,
                &mut waits,
                &mut looks,
            );
            if callback.begins_blocks {
                observed.period = (due, callback.period_ns);
            }
            if number == periods / 2 {
                waits.clear();
                looks = 0;
            }
            if number < periods / 2 || number >= periods / 2 + pause {
                let phase = callback.from + (callback.load - callback.from) * noise.next();
                pushes.push_back(begins + (phase * callback.period_ns as f64) as u64);
            }
        }
        waits.sort_unstable();
        Outcome {
            looks_per_period: looks as f64 / (periods / 2 + pause) as f64,
            median_ns: waits[waits.len() / 2],
            worst_ns: *waits.last().unwrap(),
        }
    }

    fn callback(frames: u64, load: f64) -> Callback {
        Callback {
            period_ns: frames * 1_000_000_000 / 48_000,
            load,
            from: 0.0,
            jitter: 0.0,
            begins_blocks: true,
        }
    }

    #[test]
    fn one_and_a_half_looks_a_period_find_pushes_just_after_the_callback() {
        for frames in [64, 128, 256, 1024] {
            for load in [0.1, 0.3, 0.5, 0.7] {
                let outcome = simulate(callback(frames, load), 4_000, 0);
                let window = load * callback(frames, load).period_ns as f64;
                assert!(
                    outcome.looks_per_period <= 1.51,
                    "{frames} {load}: {}",
                    outcome.looks_per_period
                );
                // A look at the end alone: half of the window; with one in the middle every other time: three eighths.
                assert!(
                    (outcome.median_ns as f64) < 0.5 * window + 40_000.0,
                    "{frames} {load}: {} of {window} ns",
                    outcome.median_ns
                );
                assert!(
                    outcome.worst_ns < callback(frames, load).period_ns + 100_000,
                    "{frames} {load}"
                );
            }
        }
    }

    /// What more looks buy: half a tick, for as many of them as there are ticks in the window.
    #[test]
    fn a_shorter_tick_looks_into_the_window_more_often() {
        for tick in [50_000, 100_000, 200_000, 400_000] {
            for load in [0.1, 0.3, 0.5, 0.7] {
                let callback = callback(256, load);
                let outcome = simulate_ticking(tick, callback, 4_000, 0);
                let window = load * callback.period_ns as f64;
                let most = (window / tick as f64).ceil() + 1.0;
                let what = format!(
                    "{tick} {load}: {} looks, {} ns",
                    outcome.looks_per_period, outcome.median_ns
                );
                assert!(outcome.looks_per_period <= most, "{what}");
                assert!(outcome.median_ns as f64 <= 0.55 * tick as f64 + 20_000.0, "{what}");
                assert!(outcome.worst_ns < callback.period_ns + 100_000, "{what}");
            }
        }
    }

    #[test]
    fn where_pushes_come_at_one_moment_it_looks_just_then() {
        let late = Callback {
            from: 0.6,
            ..callback(128, 0.62)
        };
        let outcome = simulate(late, 4_000, 0);
        assert!(outcome.looks_per_period <= 1.51);
        assert!(outcome.median_ns < 80_000, "{} ns", outcome.median_ns);
    }

    #[test]
    fn without_begin_block_it_ticks() {
        // From any thread at any time.
        let outcome = simulate(callback(256, 1.0), 4_000, 0);
        assert!(outcome.worst_ns <= TICK + callback(256, 1.0).period_ns);
        let silent = Callback {
            begins_blocks: false,
            ..callback(256, 1.0)
        };
        let outcome = simulate(silent, 4_000, 0);
        assert!(outcome.median_ns <= TICK, "{}", outcome.median_ns);
        // A period as short as a tick.
        let fast = Callback {
            begins_blocks: false,
            ..callback(16, 0.1)
        };
        let outcome = simulate(fast, 4_000, 0);
        assert!(outcome.worst_ns <= TICK + 10_000, "{}", outcome.worst_ns);
    }

    #[test]
    fn an_idle_port_costs_little_and_the_first_push_is_found_in_time() {
        for begins_blocks in [true, false] {
            let idle = Callback {
                begins_blocks,
                ..callback(128, 0.5)
            };
            // Ten seconds of pushes, ten minutes without, and one more second.
            let outcome = simulate(idle, 800, 225_000);
            assert!(outcome.looks_per_period < 0.7, "{}", outcome.looks_per_period);
            assert!(outcome.worst_ns <= IDLE_TICKS * TICK, "{}", outcome.worst_ns);
        }
    }

    #[test]
    fn a_callback_that_has_stopped_has_no_period() {
        let mut prediction = Prediction::new(TICK);
        let period = (START, 2_666_667);
        prediction.observe(
            START,
            Observed {
                period,
                found: true,
                ..Observed::default()
            },
        );
        assert!(prediction.has_period());
        prediction.observe(
            START + 50_000_000,
            Observed {
                period,
                found: true,
                ..Observed::default()
            },
        );
        assert!(!prediction.has_period());
        assert_eq!(prediction.next_ns(), START + 50_000_000 + TICK);
    }

    #[test]
    fn strange_times_do_no_harm() {
        for start in [1, START, u64::MAX] {
            for length in [0, 1, 1000, u64::MAX] {
                let mut prediction = Prediction::new(TICK);
                let mut now = START;
                for _ in 0..100 {
                    let observed = Observed {
                        period: (start, length),
                        pushed_ns: Some(u64::MAX - 5),
                        found: true,
                    };
                    prediction.observe(now, observed);
                    // Whatever it was told: a push is found in bounded time.
                    assert!(
                        prediction.next_ns() > now && prediction.next_ns() <= now + MOST_NS,
                        "{start} {length}"
                    );
                    now = prediction.next_ns();
                }
            }
        }
    }
}
