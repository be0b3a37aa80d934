//! What waiting threads check on a port: messages to pop, room to push, and the end.

use crate::realtime::event::Event;
use crate::realtime::filter::Direction;
use crate::realtime::refused::RefusedGauge;
use crate::realtime::ring::Gauge;
use crate::realtime::shared::{Role, Shared};
use crate::realtime::waker::BUSY_POLL_NS;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A view of a port for waiting threads. It belongs to neither side of the port.
pub(crate) struct Readiness {
    shared: Arc<Shared>,
    /// The messages that the port's own push could not queue.
    refused: Option<RefusedGauge>,
    /// On a pair, the other port, and the messages that its push could not queue.
    peer: Option<Arc<Shared>>,
    peer_refused: Option<RefusedGauge>,
}

impl Readiness {
    pub(super) fn new(shared: Arc<Shared>, refused: Option<RefusedGauge>) -> Self {
        Self {
            shared,
            refused,
            peer: None,
            peer_refused: None,
        }
    }

    pub(super) fn set_peer(&mut self, peer: Arc<Shared>, refused: Option<RefusedGauge>) {
        self.peer = Some(peer);
        self.peer_refused = refused;
    }

    /// Whether `pop` would find a message.
    pub(crate) fn has_message(&self) -> bool {
        let shared = &*self.shared;
        if shared.queues.incoming.as_ref().is_some_and(Gauge::has_message) {
            return true;
        }
        let Some(peer) = &self.peer else { return false };
        let releases = shared.is_closed() && shared.counters.pop.needs_release.load(Ordering::Acquire);
        let refused = self.peer_refused.as_ref().is_some_and(RefusedGauge::has_some);
        let changed =
            peer.queues.filter.is_unseen(Direction::Outgoing) || shared.queues.filter.is_unseen(Direction::Incoming);
        releases
            || refused
            || changed
            || peer.requests.panic.is_unserved()
            || peer.requests.reset.is_unserved()
            // Last: the popping thread sets this before it removes what the checks above would find.
            || shared.counters.pop.has_pending.load(Ordering::Acquire)
    }

    /// Whether push has room: half of the out queue is free, half of what may be scheduled is free, and no refused
    /// messages wait to be sent first.
    pub(crate) fn has_room(&self) -> bool {
        let queues = &self.shared.queues;
        let scheduled = queues.scheduled_bytes.load(Ordering::Relaxed);
        scheduled <= self.shared.config.queues.out_queue_bytes as usize / 2
            && !self.refused.as_ref().is_some_and(RefusedGauge::has_some)
            && queues.outgoing.as_ref().is_some_and(Gauge::is_half_free)
    }

    /// Whether nothing more will be published to the in queue.
    pub(crate) fn has_ended(&self) -> bool {
        let shared = &self.shared;
        match &self.peer {
            Some(_) => shared.is_closed() && !shared.counters.pop.needs_release.load(Ordering::Acquire),
            None => shared.is_ended(),
        }
    }

    /// The event that is signalled when any of this changes.
    pub(crate) fn event(&self) -> &Event {
        &self.shared.control.event
    }

    /// How often a waiting thread must check, because changes are not signalled: the sides of a pair make no system calls.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        (self.shared.role == Role::Pair).then(|| Duration::from_micros(self.shared.config.pacing.tick_us.into()))
    }

    /// How long a waiting thread polls before it sleeps.
    pub(crate) fn busy_poll(&self) -> Duration {
        let configured = Duration::from_micros(self.shared.config.pacing.busy_poll_us.into());
        match &self.shared.waker {
            Some(waker) if waker.is_conversing() => configured.max(Duration::from_nanos(BUSY_POLL_NS)),
            _ => configured,
        }
    }
}
