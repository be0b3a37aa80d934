//! The greatest of the last values.

/// How long a bucket is filled. A value counts for one to two of these.
const BUCKET_NS: u64 = 10_000_000_000;

/// The high-water mark of a duration over the last 10 to 20 s, such as from the time that a message was meant for to its
/// arrival.
#[derive(Clone, Copy, Default)]
pub(crate) struct Transit {
    /// Since when the newer bucket is being filled.
    since_ns: u64,
    newer_ns: u64,
    older_ns: u64,
}

impl Transit {
    /// A duration was seen. Times never go back.
    pub(crate) fn note(&mut self, ns: u64, now_ns: u64) {
        let elapsed = now_ns.saturating_sub(self.since_ns);
        if elapsed >= BUCKET_NS {
            self.older_ns = if elapsed < 2 * BUCKET_NS { self.newer_ns } else { 0 };
            self.newer_ns = 0;
            self.since_ns = now_ns;
        }
        self.newer_ns = self.newer_ns.max(ns);
    }

    /// The mark; 0 where nothing was seen lately.
    pub(crate) fn get(&self, now_ns: u64) -> u64 {
        match now_ns.saturating_sub(self.since_ns) {
            0..BUCKET_NS => self.newer_ns.max(self.older_ns),
            BUCKET_NS..TWO_BUCKETS_NS => self.newer_ns,
            _ => 0,
        }
    }
}

const TWO_BUCKETS_NS: u64 = 2 * BUCKET_NS;
