//! A port's place in a seat: when its out queue is looked at.

use super::predict::{Observed, Prediction};
use crate::realtime::ring::Gauge;
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
    pub signals: bool,
    pub busy_poll_us: u32,
    has_queues: bool,
    /// As the last look found it: whether the out queue is looked at without being asked, and whether there is a peer.
    ticks: bool,
    is_up: bool,
    /// When its out queue is worth a look.
    prediction: Prediction,
    outgoing: Option<Gauge>,
    /// The end of the out queue when a look found nothing to do. Until a push moves it there is nothing to do, unless
    /// somebody rings the bell or the session changes.
    rests_at: Option<usize>,
}

impl Place {
    pub(super) fn new(key: PortKey, shared: &Arc<Shared>) -> Self {
        let has_queues = shared.role.has_queues();
        Self {
            key,
            shared: Arc::clone(shared),
            signals: shared.signals,
            busy_poll_us: shared.config.pacing.busy_poll_us,
            has_queues,
            ticks: has_queues && !shared.signals,
            is_up: false,
            prediction: Prediction::new(u64::from(shared.config.pacing.tick_us) * 1000),
            outgoing: shared.queues.outgoing.clone(),
            rests_at: None,
        }
    }

    /// When its out queue is to be looked at; None: a push says so, or nobody can push.
    pub(super) fn next_look_ns(&self) -> Option<u64> {
        self.ticks.then(|| self.prediction.next_ns())
    }

    /// Up to where the out queue is filled.
    pub(super) fn tail(&self) -> usize {
        self.outgoing.as_ref().map_or(0, Gauge::tail)
    }

    /// Whether nothing was pushed since a look found nothing to do.
    pub(super) fn rests(&self) -> bool {
        self.rests_at.is_some_and(|tail| self.tail() == tail)
    }

    /// There is nothing to do; `tail`: as it was before that was found.
    pub(super) fn rest(&mut self, tail: usize) {
        self.rests_at = Some(tail);
    }

    /// The session may have changed: the next look is a thorough one.
    pub(super) fn rouse(&mut self) {
        self.rests_at = None;
    }

    /// Its out queue is looked at thoroughly. `found`: it has something.
    pub(super) fn observe(&mut self, now: u64, found: bool) {
        self.ticks = self.has_queues && !self.signals && !self.shared.is_closed();
        self.is_up = self.shared.is_up();
        self.plan(now, found);
    }

    /// Plans the next look.
    pub(super) fn plan(&mut self, now: u64, found: bool) {
        if !self.ticks {
            return;
        }
        if !self.is_up {
            return self.prediction.wait_until(now + OFFLINE_TICK_NS);
        }
        if !found && self.prediction.is_idle(now) {
            // Without fetching what the audio thread has told: with many idle ports that is most of the work.
            return self.prediction.stay_idle(now);
        }
        let beat = &self.shared.beat;
        let (pushed_ns, ahead_ns) = (beat.pushed.ask(), beat.pushed_ahead.ask());
        let observed = Observed {
            period: beat.last_period(),
            pushed_ns: pushed_ns.or(ahead_ns),
            pushed_ahead: ahead_ns.is_some(),
            found,
        };
        self.prediction.observe(now, observed);
    }
}
