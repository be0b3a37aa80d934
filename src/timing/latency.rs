//! The constant that is added to times: configured, or the longest block there was and what the network takes.

use super::dll::Call;
use super::{Block, Traffic};

/// Periods after a discontinuity from which a shorter longest block is taken.
const SETTLED: u32 = 4;

/// The latency covers more than the network takes, by this part of that and within these bounds in ns.
const MARGIN_PART: u64 = 4;
const LEAST_MARGIN_NS: u64 = 250_000;
const MOST_MARGIN_NS: u64 = 1_000_000;
/// It rises by this part of itself or more, but no step has to be longer than this, in ns. A longer least step would be out of
/// proportion where the network is fast.
const STEP_PART: u64 = 4;
const STEP_NS: u64 = 5_000_000;
/// The most of what the network takes that is covered, in ns.
const MOST_COVERED_NS: u64 = 100_000_000;
/// It falls after silence of this length, not more often than this, and by no less than this, in ns.
const SILENCE_NS: u64 = 1_000_000_000;
const FALL_EVERY_NS: u64 = 10_000_000_000;
const LEAST_FALL_NS: u64 = 1_000_000;

/// What the network takes, as far as a delay covers it. It rises at once, in steps, and falls rarely: each change moves
/// the messages after it against those before.
#[derive(Default)]
struct Covered {
    ns: u64,
    /// When the present silence began.
    silent_since: Option<u64>,
    /// When it last fell.
    fell_ns: Option<u64>,
}

impl Covered {
    /// A block began at `now_ns`.
    #[inline(never)]
    fn see(&mut self, now_ns: u64, traffic: Traffic) {
        let transit_ns = traffic.transit_ns;
        let wanted_ns = match transit_ns {
            0 => 0,
            _ => {
                let margin_ns = (transit_ns / MARGIN_PART).clamp(LEAST_MARGIN_NS, MOST_MARGIN_NS);
                transit_ns.saturating_add(margin_ns).min(MOST_COVERED_NS)
            }
        };
        if traffic.flows {
            self.silent_since = None;
        } else if self.silent_since.is_none_or(|since| since > now_ns) {
            self.silent_since = Some(now_ns);
        }
        if self.ns == 0 {
            // Up to now nobody watched.
            (self.ns, self.silent_since) = (wanted_ns, None);
        } else if transit_ns > self.ns {
            let step_ns = (self.ns / STEP_PART).min(STEP_NS);
            self.ns = wanted_ns.max(self.ns + step_ns).min(MOST_COVERED_NS);
        } else if wanted_ns + LEAST_FALL_NS <= self.ns && self.may_fall(now_ns) {
            self.ns = wanted_ns;
            self.fell_ns = Some(now_ns);
        }
    }

    fn may_fall(&self, now_ns: u64) -> bool {
        // Where the clock went back, nobody knows how long ago it fell.
        let rested = |fell: u64| now_ns.checked_sub(fell).is_none_or(|passed| passed >= FALL_EVERY_NS);
        self.fell_ns.is_none_or(rested) && self.silent_since.is_some_and(|since| now_ns - since >= SILENCE_NS)
    }
}

/// A delay that stays as it is while the block size does.
pub(super) struct Latency {
    fixed_ns: Option<u64>,
    /// The longest block seen, in frames: for messages to keep their spacing, one that arrives just after a callback
    /// has to wait for the next. Where a host cuts the period into slices, that is the whole period.
    longest: u64,
    sample_rate: f64,
    /// The longest block and what was taken in with it.
    automatic_ns: u64,
    /// What is added to it for the network.
    covered: Covered,
    /// The last period, if it was longer than the longest block: a second one is believed.
    candidate: u64,
    /// Periods since a discontinuity, and the longest block in them.
    periods: u32,
    since: u64,
}

impl Latency {
    pub(super) fn new(fixed_ns: Option<u64>) -> Self {
        Self {
            fixed_ns,
            longest: 0,
            sample_rate: 0.0,
            automatic_ns: 0,
            covered: Covered::default(),
            candidate: 0,
            periods: SETTLED,
            since: 0,
        }
    }

    pub(super) fn ns(&self) -> u64 {
        self.fixed_ns.unwrap_or(self.automatic_ns + self.covered.ns)
    }

    /// Another delay from now on; None: automatic.
    pub(super) fn set(&mut self, fixed_ns: Option<u64>) {
        self.fixed_ns = fixed_ns;
    }

    /// A block in real time has begun at `now_ns`. A fixed delay may become automatic later, so it is watched in any case.
    #[inline]
    pub(super) fn cover(&mut self, now_ns: u64, traffic: Traffic) {
        if traffic.transit_ns | self.covered.ns != 0 {
            self.covered.see(now_ns, traffic);
        }
    }

    /// A block in real time has begun. `lag_ns` is taken in when the delay changes, and only then. A fixed delay may become
    /// automatic later, so blocks are watched in any case.
    pub(super) fn see(&mut self, call: Call, block: &Block, lag_ns: u64) {
        let mut longest = self.longest;
        if block.sample_rate != self.sample_rate {
            (longest, self.candidate, self.periods) = (0, 0, SETTLED);
        }
        if block.discontinuity {
            // The host may have changed the block size; it may have not, and then nothing is to change.
            (self.periods, self.since) = (0, 0);
        }
        longest = longest.max(block.frames.into());
        self.since = self.since.max(block.frames.into());
        if let Call::Period { before } = call {
            let both = before.min(self.candidate);
            longest = longest.max(both);
            self.since = self.since.max(both);
            self.candidate = before;
            if self.periods < SETTLED {
                self.periods += 1;
                if self.periods == SETTLED {
                    longest = self.since;
                }
            }
        }
        if longest != self.longest || block.sample_rate != self.sample_rate {
            self.longest = longest;
            self.sample_rate = block.sample_rate;
            let frame_ns = 1e9 / block.sample_rate;
            let lag = if longest == 0 {
                0.0
            } else {
                (lag_ns as f64 / frame_ns).ceil()
            };
            self.automatic_ns = ((longest as f64 + lag) * frame_ns).round() as u64;
        }
    }
}
