//! How long to wait before connecting again: exponential back-off with jitter, so that fifty clients of a server that
//! comes back do not all knock at the same moment.

/// Between two attempts.
pub(crate) struct Backoff {
    min_ns: u64,
    max_ns: u64,
    current_ns: u64,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(min_ns: u64, max_ns: u64, seed: u64) -> Self {
        let min_ns = min_ns.min(max_ns);
        Self {
            min_ns,
            max_ns,
            current_ns: min_ns,
            random: seed | 1,
        }
    }

    /// The next pause: between half of the current step and all of it. Then the step doubles.
    pub(crate) fn pause(&mut self) -> u64 {
        let step = self.current_ns;
        self.current_ns = step.saturating_mul(2).min(self.max_ns);
        // xorshift64 (Marsaglia 2003): nothing depends on its quality.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        step / 2 + self.random % (step / 2 + 1)
    }

    /// A connection that was worth something: start from the shortest pause again.
    pub(crate) fn reset(&mut self) {
        self.current_ns = self.min_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_with_jitter() {
        let mut backoff = Backoff::new(100, 1000, 42);
        for step in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.pause();
            assert!((step / 2..=step).contains(&pause), "{pause} in step {step}");
        }
        backoff.reset();
        assert!(backoff.pause() <= 100);
        let pauses: std::collections::HashSet<_> = (0..100)
            .map(|seed| Backoff::new(1 << 20, 1 << 20, seed).pause())
            .collect();
        assert!(pauses.len() > 30, "clients started together spread out");
    }
}
