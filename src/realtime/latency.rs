//! The latencies of a port, which control threads may change: they count from the next audio block on.

use crate::realtime::config::BlockConfig;
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering};

/// In place of a latency: the library chooses. The number is the C API's.
const AUTOMATIC: u64 = u64::MAX;

/// The latencies that control threads ask for.
pub(crate) struct LatencyWish {
    latency_ns: AtomicU64,
    push_latency_ns: AtomicU64,
    /// Counts the changes. It is written last: a block that sees it sees both latencies, or later ones.
    revision: AtomicU32,
}

/// The popping thread's view.
#[derive(Default)]
pub(crate) struct LatencyView {
    revision: u32,
}

impl LatencyWish {
    pub(crate) fn new(blocks: &BlockConfig) -> Self {
        Self {
            latency_ns: AtomicU64::new(blocks.latency_ns.unwrap_or(AUTOMATIC)),
            push_latency_ns: AtomicU64::new(blocks.push_latency_ns.unwrap_or(AUTOMATIC)),
            revision: AtomicU32::new(0),
        }
    }

    /// Asks for other latencies. None: automatic.
    pub(crate) fn ask(&self, latency_ns: Option<u64>, push_latency_ns: Option<u64>) {
        self.latency_ns
            .store(latency_ns.unwrap_or(AUTOMATIC), Ordering::Relaxed);
        self.push_latency_ns
            .store(push_latency_ns.unwrap_or(AUTOMATIC), Ordering::Relaxed);
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// The latencies that were asked for last.
    pub(crate) fn get(&self) -> (Option<u64>, Option<u64>) {
        let read = |ns: &AtomicU64| Some(ns.load(Ordering::Relaxed)).filter(|ns| *ns != AUTOMATIC);
        (read(&self.latency_ns), read(&self.push_latency_ns))
    }
}

impl LatencyView {
    /// Whether there may be something to renew.
    #[inline(always)]
    pub(crate) fn is_behind(&self, wish: &LatencyWish) -> bool {
        wish.revision.load(Ordering::Relaxed) != self.revision
    }

    /// The latencies, if they were changed since the last call.
    pub(crate) fn renew(&mut self, wish: &LatencyWish) -> Option<(Option<u64>, Option<u64>)> {
        let revision = wish.revision.load(Ordering::Acquire);
        if revision == self.revision {
            return None;
        }
        self.revision = revision;
        Some(wish.get())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_once() {
        let wish = LatencyWish::new(&BlockConfig::default());
        let mut view = LatencyView::default();
        assert_eq!((view.renew(&wish), wish.get()), (None, (None, Some(0))));
        wish.ask(Some(5), None);
        assert!(view.is_behind(&wish));
        assert_eq!(view.renew(&wish), Some((Some(5), None)));
        assert_eq!((view.renew(&wish), view.is_behind(&wish)), (None, false));
    }
}
