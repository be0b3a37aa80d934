//! A port's place in a seat: when its out queue is looked at.

use super::predict::{Observed, Prediction};
use crate::realtime::shared::Shared;
use crate::session::PortKey;
use std::sync::Arc;

/// How often a port without a peer is looked at: what is pushed is remembered, and nobody waits for that.
const OFFLINE_TICK_NS: u64 = 20_000_000;

/// One port of the session.
pub(super) struct Place {
    pub key: PortKey,
    pub shared: Arc<Shared>,
    /// As in `shared`, which is memory of other threads.
    signals: bool,
    has_queues: bool,
    /// When its out queue is worth a look.
    prediction: Prediction,
}

impl Place {
    pub(super) fn new(key: PortKey, shared: &Arc<Shared>) -> Self {
        Self {
            key,
            shared: Arc::clone(shared),
            signals: shared.signals,
            has_queues: shared.role.has_queues(),
            prediction: Prediction::new(u64::from(shared.config.pacing.tick_us) * 1000),
        }
    }

    /// When its out queue is to be looked at; None: a push says so, or nobody can push.
    pub(super) fn next_look_ns(&self) -> Option<u64> {
        self.ticks().then(|| self.prediction.next_ns())
    }

    /// Whether its out queue is looked at without being asked.
    fn ticks(&self) -> bool {
        self.has_queues && !self.signals && !self.shared.is_closed()
    }

    /// Whether a push that signals, or a flush, may have come since the last turn.
    pub(super) fn is_asked(&self) -> bool {
        self.signals || self.shared.control.flush.unseen().is_some()
    }

    /// Its out queue is looked at. `found`: it has something.
    pub(super) fn observe(&mut self, now: u64, found: bool) {
        if !self.ticks() {
            return;
        }
        if !self.shared.is_up() {
            return self.prediction.wait_until(now + OFFLINE_TICK_NS);
        }
        if !found && self.prediction.is_idle(now) {
            // Without fetching what the audio thread has told: with many idle ports that is most of the work.
            return self.prediction.stay_idle(now);
        }
        let beat = &self.shared.beat;
        let observed = Observed {
            period: beat.last_period(),
            pushed_ns: beat.pushed.ask(),
            found,
        };
        self.prediction.observe(now, observed);
    }
}
