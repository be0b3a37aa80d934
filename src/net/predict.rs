//! When to look at the out queue of a port whose pushes wake nobody.
//!
//! A push is only found by looking. Where an audio callback pushes, looking just after it has done so is worth most.
//! `begin_block` tells when the callback begins; the times of pushes tell after how much of the period the last of them
//! comes: the window. A look is made at the end of the window, and every other time one in the middle of it as well, where
//! it is long: one and a half a period. A tick shorter than `WANTS_MORE_NS` asks for more: looks no further apart than
//! that within the window. Where `begin_block` is not called there is a look every tick; and where nothing has been pushed
//! for a second, every `IDLE_TICKS` ticks.
//!
//! A message that is pushed for a later period, as by `push_frame` with a latency of a block, has time until that begins. While
//! there are such messages, one more look is made just before each period. It finds them however late in its period they come.
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
/// The look for messages that are pushed ahead is made so long before the next period, in ns, and at most this part of one.
const LEAD_NS: u64 = 200_000;
const LEAD_PART: u64 = 8;
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
    /// Whether something was pushed that is to be sent in the next period or later.
    pub pushed_ahead: bool,
    /// Whether anything was found in the out queue.
    pub found: bool,
}

/// The last looks that were planned.
#[derive(Clone, Copy, Default)]
struct Planned {
    /// The beginning of the last period for which a look at the end of the window was planned.
    end_ns: i128,
    /// The same for one in the middle, whether it was left out or not.
    middle_ns: i128,
    /// The look in the middle of the window is left out every other time.
    every_other: bool,
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
    planned: Planned,
    /// When a push was last found, and one that is to be sent in a later period.
    pushed_ns: u64,
    ahead_ns: u64,
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
            planned: Planned::default(),
            pushed_ns: 0,
            ahead_ns: 0,
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
        if observed.pushed_ahead {
            self.ahead_ns = now;
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
        let planned = self.planned;
        let next = self.next_in_window(now);
        if self.ahead_ns == 0 || now.saturating_sub(self.ahead_ns) >= IDLE_NS {
            return next;
        }
        let ahead = self.next_before_period(now);
        if ahead < next {
            // That look is still to be planned.
            self.planned = planned;
        }
        next.min(ahead)
    }

    /// The next look after now that is made just before a period begins.
    fn next_before_period(&self, now: u64) -> u64 {
        let period = i128::from(self.period_ns);
        let first = i128::from(self.start_ns) - i128::from(LEAD_NS.min(self.period_ns / LEAD_PART));
        let passed = (i128::from(now) - first).div_euclid(period);
        u64::try_from(first + (passed + 1) * period).unwrap_or(now)
    }

    /// The next look after now in a window, or at its end.
    fn next_in_window(&mut self, now: u64) -> u64 {
        let period = i128::from(self.period_ns);
        let end = self.window_ns + MARGIN_NS;
        // The beginning of the first period whose window ends after now, and has not been looked at: the window may
        // have become longer by what that look found.
        let since = i128::from(now) - i128::from(self.start_ns) - end as i128;
        let mut start = i128::from(self.start_ns) + (since.div_euclid(period) + 1) * period;
        if (start - self.planned.end_ns).abs() < period / 2 {
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
            self.planned.end_ns = start;
            return at(end);
        }
        let middle = at(end / 2.0);
        if self.window_ns > SHORT_NS && middle > now && (start - self.planned.middle_ns).abs() > period / 2 {
            self.planned.middle_ns = start;
            self.planned.every_other = !self.planned.every_other;
            if self.planned.every_other {
                return middle;
            }
        }
        self.planned.end_ns = start;
        at(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

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
        /// So many of its pushes are for the next period.
        ahead: f64,
    }

    struct Outcome {
        looks_per_period: f64,
        /// Of the time from a push to the look that finds it, in ns.
        median_ns: u64,
        worst_ns: u64,
        /// How many of those for the next period were found before that began, and how many after.
        in_time: usize,
        late: usize,
    }

    /// Runs a port for so many periods with one push in each, `pause` of them without one before the second half. The
    /// last half counts.
    fn simulate(callback: Callback, periods: u64, pause: u64) -> Outcome {
        simulate_ticking(TICK, callback, periods, pause)
    }

    fn simulate_ticking(tick_ns: u64, callback: Callback, periods: u64, pause: u64) -> Outcome {
        let mut thread = Thread {
            prediction: Prediction::new(tick_ns),
            now: START,
            period: (0, 0),
            pushes: VecDeque::new(),
            waits: Vec::new(),
            late_by: Vec::new(),
            looks: 0,
        };
        let mut noise = Noise(88_172_645_463_325_252);
        for number in 0..periods + pause {
            let due = START + number * callback.period_ns;
            let begins = due + (noise.next() * callback.jitter * callback.period_ns as f64) as u64;
            thread.look_until(begins);
            if callback.begins_blocks {
                thread.period = (due, callback.period_ns);
            }
            if number == periods / 2 {
                thread.waits.clear();
                thread.late_by.clear();
                thread.looks = 0;
            }
            if number < periods / 2 || number >= periods / 2 + pause {
                let phase = callback.from + (callback.load - callback.from) * noise.next();
                let at = begins + (phase * callback.period_ns as f64) as u64;
                let is_ahead = noise.next() < callback.ahead;
                thread
                    .pushes
                    .push_back((at, is_ahead.then_some(due + callback.period_ns)));
            }
        }
        thread.waits.sort_unstable();
        Outcome {
            looks_per_period: thread.looks as f64 / (periods / 2 + pause) as f64,
            median_ns: thread.waits.get(thread.waits.len() / 2).copied().unwrap_or(0),
            worst_ns: thread.waits.last().copied().unwrap_or(0),
            in_time: thread.late_by.iter().filter(|by| **by == 0).count(),
            late: thread.late_by.iter().filter(|by| **by > 0).count(),
        }
    }

    /// The network thread in the simulation.
    struct Thread {
        prediction: Prediction,
        now: u64,
        period: (u64, u64),
        /// When each push was made, and the beginning of the next period if it is for that.
        pushes: VecDeque<(u64, Option<u64>)>,
        /// From each push to the look that found it, and from the beginning of the period that it was for.
        waits: Vec<u64>,
        late_by: Vec<u64>,
        looks: u64,
    }

    impl Thread {
        fn look_until(&mut self, until: u64) {
            while self.prediction.next_ns().max(self.now) < until {
                self.now = self.prediction.next_ns().max(self.now + 1);
                self.looks += 1;
                let mut observed = Observed {
                    period: self.period,
                    ..Observed::default()
                };
                while let Some((at, due)) = self.pushes.front().copied().filter(|(at, _)| *at <= self.now) {
                    self.pushes.pop_front();
                    observed.found = true;
                    observed.pushed_ns = observed.pushed_ns.or(Some(at));
                    if let Some(due) = due {
                        observed.pushed_ahead = true;
                        self.late_by.push(self.now.saturating_sub(due));
                    } else {
                        self.waits.push(self.now - at);
                    }
                }
                self.prediction.observe(self.now, observed);
            }
        }
    }

    fn callback(frames: u64, load: f64) -> Callback {
        Callback {
            period_ns: frames * 1_000_000_000 / 48_000,
            load,
            from: 0.0,
            jitter: 0.0,
            begins_blocks: true,
            ahead: 0.0,
        }
    }

    /// However late in its period a push comes, up to seven eighths of it.
    #[test]
    fn what_is_pushed_ahead_is_found_in_time_by_one_more_look_a_period() {
        for frames in [64, 128, 256, 1024] {
            let late = Callback {
                jitter: 0.8,
                ahead: 1.0,
                ..callback(frames, 0.05)
            };
            let outcome = simulate(late, 4_000, 0);
            assert_eq!(outcome.late, 0, "{frames}");
            assert!(outcome.in_time > 1_990, "{frames}: {}", outcome.in_time);
            assert!(
                outcome.looks_per_period <= 2.51,
                "{frames}: {}",
                outcome.looks_per_period
            );
        }
    }

    #[test]
    fn other_pushes_are_found_as_soon_as_without_those_ahead() {
        for frames in [64, 128, 256, 1024] {
            let alone = simulate(callback(frames, 0.3), 4_000, 0);
            for ahead in [0.5, 0.99] {
                let mixed = Callback {
                    ahead,
                    ..callback(frames, 0.3)
                };
                let outcome = simulate(mixed, 4_000, 0);
                assert_eq!(outcome.late, 0, "{frames}");
                assert!(
                    outcome.looks_per_period <= 2.51,
                    "{frames}: {}",
                    outcome.looks_per_period
                );
                assert!(
                    outcome.median_ns <= alone.median_ns * 3 / 2,
                    "{frames}: {} and {} ns",
                    outcome.median_ns,
                    alone.median_ns
                );
            }
        }
    }

    /// Where the last push but those ahead is long ago, the next one is found as soon.
    #[test]
    fn a_push_among_those_ahead_waits_for_no_period() {
        let ahead = Callback {
            ahead: 0.9995,
            ..callback(1024, 0.3)
        };
        let outcome = simulate(ahead, 40_000, 0);
        let window = 0.3 * ahead.period_ns as f64;
        assert!(
            outcome.worst_ns > 0 && (outcome.worst_ns as f64) < 1.2 * window,
            "{}",
            outcome.worst_ns
        );
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
                        pushed_ahead: true,
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
