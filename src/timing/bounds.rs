//! What exchanges with a peer prove about its clock: two sets of limits, and the lines that fit between them.
//!
//! The offset of a clock is its reading less that of one's own, at the same moment. A message that left at `sent` by one
//! clock and was there at `received` by the other took some time, but not less than none. So it limits the offset from
//! above or from below, whatever the network did to it. Two clocks run at rates whose ratio hardly changes: the offset
//! is a straight line, and those lines that keep all limits are what can be true.
//!
//! Offsets are in ns, relative to any fixed one. Times are in ns of one's own clock.

/// The most by which the rates of two clocks differ: 500 ppm, which is what time services slew by, and some more.
pub(super) const MOST_RATE: f64 = 600e-6;
/// The most by which the rate leaves its mean, in both directions, while limits are kept: crystals wander, and a time
/// service corrects them.
const WANDER: f64 = 0.5e-6;
/// Limits of one kind that are kept, and for how long.
const MOST_LIMITS: usize = 48;
const MEMORY_NS: i64 = 120_000_000_000;
/// Steps of the search for the rate: each leaves two thirds of the range.
const SEARCH_STEPS: u32 = 24;

/// The offset, at one time, is not above this value.
#[derive(Clone, Copy, Debug)]
struct Limit {
    at_ns: i64,
    value: f64,
}

impl Limit {
    /// What the limit says of another time, where the rate is at most this.
    fn reach(&self, at_ns: i64, rate: f64) -> f64 {
        self.value + rate * elapsed(self.at_ns, at_ns)
    }

    /// Whether this limit says all that the other does, at any rate.
    fn implies(&self, other: &Limit) -> bool {
        self.value + MOST_RATE * elapsed(self.at_ns, other.at_ns).abs() <= other.value
    }
}

fn elapsed(from_ns: i64, to_ns: i64) -> f64 {
    to_ns.wrapping_sub(from_ns) as f64
}

/// Limits from above, in order of time, none of which another implies. Limits from below are kept with their sign changed.
#[derive(Clone, Default)]
struct Limits(Vec<Limit>);

impl Limits {
    /// Takes a limit in, if it says anything new.
    fn add(&mut self, new: Limit) -> bool {
        if self.0.iter().any(|limit| limit.implies(&new)) {
            return false;
        }
        self.0.retain(|limit| !new.implies(limit));
        let place = self.0.partition_point(|limit| limit.at_ns <= new.at_ns);
        self.0.insert(place, new);
        if self.0.len() > MOST_LIMITS {
            self.drop_least();
        }
        true
    }

    /// Drops the limit that lies highest above the line between its neighbours: it excludes the fewest lines.
    fn drop_least(&mut self) {
        let height = |three: &[Limit]| {
            let (before, limit, after) = (&three[0], &three[1], &three[2]);
            let share = elapsed(before.at_ns, limit.at_ns) / elapsed(before.at_ns, after.at_ns).max(1.0);
            limit.value - (before.value + share * (after.value - before.value))
        };
        let heights = self.0.windows(3).map(height);
        if let Some((index, _)) = heights.enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other)) {
            self.0.remove(index + 1);
        }
    }

    /// Drops what is too old, but never the last limit.
    fn expire(&mut self, now_ns: i64) {
        let old = self
            .0
            .partition_point(|limit| now_ns.wrapping_sub(limit.at_ns) > MEMORY_NS);
        self.0.drain(..old.min(self.0.len().saturating_sub(1)));
    }

    /// The limit for a time that is not before any of these, where the rate is at most this.
    fn reach(&self, at_ns: i64, rate: f64) -> f64 {
        let values = self.0.iter().map(|limit| limit.reach(at_ns, rate));
        values.fold(f64::INFINITY, f64::min)
    }

    /// The same for any time, where the rate, towards the later and towards the earlier, is at most this.
    fn reach_both(&self, at_ns: i64, later: f64, earlier: f64) -> f64 {
        let values = self.0.iter().map(|limit| {
            let elapsed = elapsed(limit.at_ns, at_ns);
            limit.value
                + if elapsed < 0.0 {
                    -elapsed * earlier
                } else {
                    elapsed * later
                }
        });
        values.fold(f64::INFINITY, f64::min)
    }
}

/// What is known at a time: where the offset is, and how it can go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub at_ns: i64,
    pub lower: f64,
    pub upper: f64,
    /// The limits of the rate, and the most probable one.
    pub slowest: f64,
    pub fastest: f64,
    pub rate: f64,
    /// Where the offset was at an earlier time.
    pub back_ns: i64,
    pub back_lower: f64,
    pub back_upper: f64,
}

impl Fit {
    /// Before there are limits.
    pub(super) fn unknown(at_ns: i64) -> Self {
        Self {
            at_ns,
            lower: 0.0,
            upper: 0.0,
            slowest: -MOST_RATE,
            fastest: MOST_RATE,
            rate: 0.0,
            back_ns: at_ns,
            back_lower: 0.0,
            back_upper: 0.0,
        }
    }

    /// The same, as far as it still holds at a later time.
    pub(super) fn at(self, at_ns: i64) -> Self {
        let elapsed = elapsed(self.at_ns, at_ns).max(0.0);
        Self {
            at_ns,
            lower: self.lower + self.slowest * elapsed,
            upper: self.upper + self.fastest * elapsed,
            ..self
        }
    }

    pub(super) fn middle(&self) -> f64 {
        self.lower + (self.upper - self.lower) / 2.0
    }

    /// How far the rate may be from the middle of its limits.
    pub(super) fn rate_error(&self) -> f64 {
        (self.fastest - self.slowest) / 2.0
    }
}

/// Limits from both sides.
#[derive(Clone, Default)]
pub(super) struct Bounds {
    above: Limits,
    below: Limits,
}

impl Bounds {
    /// The offset was not above `offset` at a time.
    pub(super) fn add_upper(&mut self, at_ns: i64, offset: f64) -> bool {
        self.above.add(Limit { at_ns, value: offset })
    }

    /// The offset was not below `offset` at a time.
    pub(super) fn add_lower(&mut self, at_ns: i64, offset: f64) -> bool {
        self.below.add(Limit { at_ns, value: -offset })
    }

    /// What is known now, which is after all limits, and of an earlier time; None if no line keeps all limits.
    pub(super) fn fit(&mut self, now_ns: i64, back_ns: i64) -> Option<Fit> {
        self.above.expire(now_ns);
        self.below.expire(now_ns);
        let (slowest, fastest) = self.rates()?;
        Some(Fit {
            at_ns: now_ns,
            lower: -self.below.reach(now_ns, -slowest),
            upper: self.above.reach(now_ns, fastest),
            slowest,
            fastest,
            rate: self.widest(now_ns, slowest, fastest),
            back_ns,
            back_lower: -self.below.reach_both(back_ns, -slowest, fastest),
            back_upper: self.above.reach_both(back_ns, fastest, -slowest),
        })
    }

    /// After a change of the rate: keeps what the limits say of now at any rate, and forgets what they say of the rate.
    /// False if that is nothing: then the clock has jumped.
    pub(super) fn forget_rate(&mut self, now_ns: i64) -> bool {
        for limits in [&mut self.above, &mut self.below] {
            let value = limits.reach(now_ns, MOST_RATE);
            limits.0.clear();
            limits.0.push(Limit { at_ns: now_ns, value });
        }
        self.gap(now_ns, 0.0) >= 0.0
    }

    /// The limits of the rate: each limit from above and each from below, later or earlier, give one.
    fn rates(&self) -> Option<(f64, f64)> {
        let (mut slowest, mut fastest) = (-MOST_RATE, MOST_RATE);
        for upper in &self.above.0 {
            for lower in &self.below.0 {
                let elapsed = elapsed(lower.at_ns, upper.at_ns);
                let gap = upper.value + lower.value;
                if elapsed > 0.0 {
                    fastest = fastest.min(gap / elapsed);
                } else if elapsed < 0.0 {
                    slowest = slowest.max(gap / elapsed);
                } else if gap < 0.0 {
                    return None;
                }
            }
        }
        let (slowest, fastest) = (slowest - 2.0 * WANDER, fastest + 2.0 * WANDER);
        (slowest <= fastest).then_some((slowest.max(-MOST_RATE), fastest.min(MOST_RATE)))
    }

    /// How far apart the limits are along lines of one rate.
    fn gap(&self, now_ns: i64, rate: f64) -> f64 {
        self.above.reach(now_ns, rate) + self.below.reach(now_ns, -rate)
    }

    /// The rate along which the limits are furthest apart. Where the least delays of both directions stay as they are,
    /// that is the rate of the clock; a delay that changes for good does not disturb it.
    fn widest(&self, now_ns: i64, mut slowest: f64, mut fastest: f64) -> f64 {
        for _ in 0..SEARCH_STEPS {
            let third = (fastest - slowest) / 3.0;
            if self.gap(now_ns, slowest + third) < self.gap(now_ns, fastest - third) {
                slowest += third;
            } else {
                fastest -= third;
            }
        }
        slowest + (fastest - slowest) / 2.0
    }
}
