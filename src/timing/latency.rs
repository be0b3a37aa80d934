//! The constant that is added to times: configured, or the longest block there was.

use super::Block;
use super::dll::Call;

/// Periods after a discontinuity from which a shorter longest block is taken.
const SETTLED: u32 = 4;

/// A delay that stays as it is while the block size does.
pub(super) struct Latency {
    fixed_ns: Option<u64>,
    /// The longest block seen, in frames: for messages to keep their spacing, one that arrives just after a callback
    /// has to wait for the next. Where a host cuts the period into slices, that is the whole period.
    longest: u64,
    sample_rate: f64,
    /// The longest block and what was taken in with it.
    automatic_ns: u64,
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
            candidate: 0,
            periods: SETTLED,
            since: 0,
        }
    }

    pub(super) fn ns(&self) -> u64 {
        self.fixed_ns.unwrap_or(self.automatic_ns)
    }

    /// Another delay from now on; None: automatic.
    pub(super) fn set(&mut self, fixed_ns: Option<u64>) {
        self.fixed_ns = fixed_ns;
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
