//! The caller's ends of a port: the pushing side, the popping side, and what all threads may read.

use crate::realtime::config::Config;
use crate::realtime::event;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::pair::PairPeer;
use crate::realtime::pop::{PopSide, Popped};
use crate::realtime::push::PushSide;
use crate::realtime::refused::{MOST_NAMED, SpillGauge, SpillIn, SpillOut, spill};
use crate::realtime::ring::{Consumer, Producer, queue, untouched_queue};
use crate::realtime::shared::{Role, Shared};
use crate::realtime::side::Side;
use crate::realtime::stats::Snapshot;
use crate::realtime::waker::{LOOK_NS, Waker};
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::timing::{Block, BlockClock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The network thread's ends of a port.
pub(crate) struct NetworkEnds {
    pub shared: Arc<Shared>,
    /// The producer of the in queue and the consumer of the out queue; None for a manual server.
    pub queues: Option<(Producer, Consumer)>,
    /// What push could not queue, on a repairing port.
    pub spill: Option<SpillOut>,
}

/// The caller's ends of a port.
pub(crate) struct Endpoint {
    shared: Arc<Shared>,
    /// None in it for a manual server.
    push: Side<Option<PushSide>>,
    pop: Side<Option<PopSide>>,
    /// On a pair, the other port, and what its push could not queue.
    peer: Option<Arc<Shared>>,
    peer_spill: Option<SpillGauge>,
    /// On a repairing port, what its own push could not queue.
    spill: Option<SpillGauge>,
}

impl Endpoint {
    /// A port, and the network thread's ends of its queues.
    pub(crate) fn with_network(role: Role, config: &Config, waker: Arc<Waker>) -> Result<(Self, NetworkEnds), Code> {
        let waker = Some(waker);
        if !role.has_queues() {
            let shared = Arc::new(Shared::new(role, config, waker, None, None));
            let shared_2 = Arc::clone(&shared);
            let port = Self {
                shared: shared_2,
                push: Side::new(None),
                pop: Side::new(None),
                peer: None,
                peer_spill: None,
                spill: None,
            };
            return Ok((
                port,
                NetworkEnds {
                    shared,
                    queues: None,
                    spill: None,
                },
            ));
        }
        // The network thread makes those of accepted ports: it touches no pages, `accept` does.
        let make = if role == Role::Accepted { untouched_queue } else { queue };
        let (to_audio, incoming) = make(config.in_queue_bytes as usize)?;
        let (outgoing, from_audio) = make(config.out_queue_bytes as usize)?;
        let shared = Shared::new(role, config, waker, Some(incoming.gauge()), Some(outgoing.gauge()));
        let shared = Arc::new(shared);
        let (spill_in, spill_out) = spill_for(&shared);
        let push = PushSide::new(outgoing, spill_in, Arc::clone(&shared));
        let port = Self::from_sides(Arc::clone(&shared), push, incoming, None);
        Ok((
            port,
            NetworkEnds {
                shared,
                queues: Some((to_audio, from_audio)),
                spill: spill_out,
            },
        ))
    }

    /// Two ports joined in memory.
    pub(crate) fn pair(config: &Config) -> Result<(Self, Self), Code> {
        let bytes = config.in_queue_bytes.max(config.out_queue_bytes) as usize;
        let (a_out, b_in) = queue(bytes)?;
        let (b_out, a_in) = queue(bytes)?;
        let shared = |outgoing: &Producer, incoming: &Consumer| {
            Arc::new(Shared::new(
                Role::Pair,
                config,
                None,
                Some(incoming.gauge()),
                Some(outgoing.gauge()),
            ))
        };
        let (a, b) = (shared(&a_out, &a_in), shared(&b_out, &b_in));
        let (a_spill, from_a) = spill_for(&a);
        let (b_spill, from_b) = spill_for(&b);
        let (push_a, push_b) = (
            PushSide::new(a_out, a_spill, Arc::clone(&a)),
            PushSide::new(b_out, b_spill, Arc::clone(&b)),
        );
        let peer_of_a = Some((Arc::clone(&b), from_b));
        let first = Self::from_sides(Arc::clone(&a), push_a, a_in, peer_of_a);
        let second = Self::from_sides(b, push_b, b_in, Some((a, from_a)));
        Ok((first, second))
    }

    fn from_sides(
        shared: Arc<Shared>,
        push: PushSide,
        incoming: Consumer,
        peer: Option<(Arc<Shared>, Option<SpillOut>)>,
    ) -> Self {
        let own_spill = push.spill_gauge();
        let clock = BlockClock::new(shared.config.latency_ns, shared.config.push_latency_ns);
        let other = peer.as_ref().map(|(peer, _)| Arc::clone(peer));
        let peer_spill = peer.as_ref().and_then(|(_, spill)| spill.as_ref()).map(SpillOut::gauge);
        let peer = peer.map(|(peer, spill)| Box::new(PairPeer::new(peer, spill, &shared)));
        let pop = PopSide::new(incoming, clock, peer);
        Self {
            shared,
            push: Side::new(Some(push)),
            pop: Side::new(Some(pop)),
            peer: other,
            peer_spill,
            spill: own_spill,
        }
    }

    /// A port whose network thread is a model's.
    #[cfg(all(test, loom))]
    pub(crate) fn of_model(shared: &Arc<Shared>, outgoing: Producer, incoming: Consumer) -> Self {
        let push = PushSide::new(outgoing, None, Arc::clone(shared));
        Self::from_sides(Arc::clone(shared), push, incoming, None)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.shared.config.max_message_bytes as usize
    }

    /// The answer to a message longer than `max_message_bytes`.
    pub(crate) fn reject_large(&self) -> Code {
        if self.shared.role == Role::Manual {
            Code::WrongRole
        } else {
            Code::TooLarge
        }
    }

    /// Pushes what nearly every message is; false: it is for `push`.
    #[inline(always)]
    pub(crate) fn push_usual(&self, time_ns: u64, client: u32, data: &[u8; 3]) -> bool {
        let pushed = self.push.enter(|side| match side {
            // In this order it is one comparison.
            side if side.as_ref().is_none_or(PushSide::is_thorough) => false,
            Some(side) => side.push_usual(time_ns, client, data),
            None => false,
        });
        pushed == Ok(true)
    }

    pub(crate) fn push(&self, time_ns: u64, client: u32, data: &[u8]) -> Code {
        let pushed = self.push.enter(|side| match side {
            None => Code::WrongRole,
            Some(side) => {
                if side.push_short(time_ns, client, data) {
                    return Code::Ok;
                }
                side.push(time_ns, client, data)
            }
        });
        pushed.unwrap_or_else(|code| code)
    }

    /// Pops what nearly every message is; false: it is for `pop`.
    #[inline(always)]
    pub(crate) fn pop_short(&self, give: impl FnOnce(Popped)) -> bool {
        let popped = self.pop.enter(|side| match side {
            // In this order it is one comparison.
            side if side.as_ref().is_none_or(PopSide::is_skipping) => false,
            Some(side) => side.pop_short(&self.shared, give),
            None => false,
        });
        popped == Ok(true)
    }

    pub(crate) fn pop(&self) -> Result<Popped, Code> {
        self.on_pop_side(|side| side.pop(&self.shared).ok_or_else(|| self.nothing_to_pop(side)))?
    }

    /// Works on the popping side.
    #[inline(always)]
    fn on_pop_side<R>(&self, work: impl FnOnce(&mut PopSide) -> R) -> Result<R, Code> {
        self.pop.enter(|side| side.as_mut().map(work).ok_or(Code::WrongRole))?
    }

    /// Why there was nothing: not yet, or never again.
    #[cold]
    fn nothing_to_pop(&self, side: &mut PopSide) -> Code {
        self.shared.beat.popped.note();
        // The end is told after the last message is published: look once more, so as not to miss one that came just
        // before it.
        if self.nothing_will_come() && side.is_empty() {
            Code::Closed
        } else {
            Code::Empty
        }
    }

    /// Whether the in queue holds all that will ever come.
    pub(crate) fn nothing_will_come(&self) -> bool {
        let shared = &self.shared;
        match &self.peer {
            Some(_) => shared.is_closed() && !shared.popped.holds.load(Ordering::Acquire),
            None => shared.is_ended(),
        }
    }

    pub(crate) fn skip(&self) -> Code {
        let skipped = self.on_pop_side(|side| {
            if !side.skip() && self.nothing_will_come() && side.is_empty() {
                Code::Closed
            } else {
                Code::Ok
            }
        });
        skipped.unwrap_or_else(|code| code)
    }

    pub(crate) fn panic(&self) -> Code {
        self.request(|shared, position| shared.requests.panic.ask(position))
    }

    pub(crate) fn reset(&self) -> Code {
        self.request(|shared, position| shared.requests.reset.ask(position))
    }

    pub(crate) fn cancel(&self) -> Code {
        let cancelled = self.push.enter(|side| match side {
            None => Code::WrongRole,
            Some(_) if self.shared.is_closed() => Code::Closed,
            Some(side) => {
                side.cancel();
                Code::Ok
            }
        });
        cancelled.unwrap_or_else(|code| code)
    }

    fn request(&self, ask: impl FnOnce(&Shared, usize)) -> Code {
        let shared = &*self.shared;
        let Some(outgoing) = &shared.outgoing else {
            return Code::WrongRole;
        };
        if self.shared.is_closed() {
            return Code::Closed;
        }
        // Asked without a peer too: what it does to the remembered state is kept.
        ask(shared, outgoing.tail());
        shared.requests.tell();
        shared.wake_if_signalling();
        if shared.is_up() { Code::Ok } else { Code::Offline }
    }

    pub(crate) fn begin_block(&self, block: Block) -> Code {
        let start_ns = if block.start_ns == 0 { now_ns() } else { block.start_ns };
        let begun = self.on_pop_side(|side| {
            let lag_ns = self.shared.counters.lag_ns.load(Ordering::Relaxed);
            if let Some(period) = side.clock.begin(Block { start_ns, ..block }, lag_ns)? {
                self.shared.beat.begin(period.start_ns, period.length_ns);
            }
            let popped = &self.shared.popped;
            popped.latency_ns.store(side.clock.latency_ns(), Ordering::Relaxed);
            Ok(())
        });
        match begun {
            Ok(Ok(())) => Code::Ok,
            Ok(Err(code)) | Err(code) => code,
        }
    }

    pub(crate) fn pop_block(&self) -> Result<Popped, Code> {
        self.on_pop_side(|side| side.pop_block(&self.shared)?.ok_or_else(|| self.nothing_to_pop(side)))?
    }

    pub(crate) fn push_frame(&self, frame: u32, data: &[u8]) -> Code {
        match self.on_pop_side(|side| side.clock.time_of(frame)) {
            Ok(Some(time_ns)) => self.push(time_ns, 0, data),
            Ok(None) => Code::InvalidArgument,
            Err(code) => code,
        }
    }

    pub(crate) fn state(&self) -> i32 {
        self.shared.state()
    }

    pub(crate) fn client_count(&self) -> u32 {
        self.shared.client_count.load(Ordering::Relaxed)
    }

    pub(crate) fn local_port(&self) -> u16 {
        self.shared.local_port.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> Snapshot {
        let shared = &*self.shared;
        let (net, push, pop) = (&shared.counters, &shared.pushed, &shared.popped);
        let mut snapshot = Snapshot {
            messages_in: net.messages_in.get(),
            messages_out: net.messages_out.get() + push.messages(),
            bytes_in: net.bytes_in.get(),
            bytes_out: net.bytes_out.get() + push.bytes(),
            dropped_in: net.dropped_in.get(),
            dropped_out: net.dropped_out.get() + push.refused.get(),
            unrepaired: net.unrepaired.get() + push.unrepaired.get() + pop.unrepaired.get(),
            invalid_bytes: net.invalid_bytes.get(),
            oversize_in: net.oversize_in.get(),
            synthesized: net.synthesized.get() + pop.synthesized.get(),
            connections: net.connections.get(),
            disconnections: net.disconnections.get(),
            rejected: net.rejected.get(),
            latency_ns: pop.latency_ns.load(Ordering::Relaxed),
            network_wakes: shared.network_wakes(),
            network_late_ns: shared.waker.as_ref().map_or(0, |waker| waker.lateness.late_ns()),
            network_late_max_ns: net.late_max_ns.load(Ordering::Relaxed),
            network_priority: net.priority.load(Ordering::Relaxed),
        };
        if let Some(peer) = &self.peer {
            snapshot.messages_in = peer.pushed.messages() + pop.asked_messages.get();
            snapshot.bytes_in = peer.pushed.bytes() + pop.asked_bytes.get();
            snapshot.messages_out += peer.popped.asked_messages.get();
            snapshot.bytes_out += peer.popped.asked_bytes.get();
            snapshot.connections = 1;
            snapshot.disconnections = self.shared.is_closed().into();
        }
        snapshot
    }

    /// Touches the pages of the out queue, which the network thread has not: those of a port that it made.
    pub(crate) fn touch(&self) -> Result<(), Code> {
        self.push.enter(|side| side.as_mut().map(PushSide::touch)).map(|_| ())
    }

    pub(crate) fn poll_notification(&self) -> Option<Notification> {
        self.shared.notifications.take()
    }

    pub(crate) fn client_address(&self, client: u32) -> Result<SocketAddr, Code> {
        if self.shared.role != Role::Merged {
            return Err(Code::WrongRole);
        }
        self.shared.clients.address(client).ok_or(Code::NoSuchClient)
    }

    /// The caller ends a port; on a pair, the other one learns of it. False when it had been ended before.
    pub(crate) fn shut_down(&self) -> bool {
        let first = self.shared.shut_down();
        if first && let Some(peer) = &self.peer {
            if !peer.is_shut_down() {
                peer.notifications.tell(Notification::new(Kind::Disconnected));
            }
            peer.close();
            peer.event.signal();
        }
        first
    }

    /// How a wait looks at what nobody signals.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        (self.shared.role == Role::Pair).then(|| Duration::from_micros(self.shared.config.tick_us.into()))
    }

    /// How long a wait looks before it sleeps.
    pub(crate) fn busy_poll(&self) -> Duration {
        let asked = Duration::from_micros(self.shared.config.busy_poll_us.into());
        match &self.shared.waker {
            Some(waker) if waker.is_conversing() => asked.max(Duration::from_nanos(LOOK_NS)),
            _ => asked,
        }
    }

    /// Whether `pop` has something, as seen from any thread.
    pub(crate) fn has_message(&self) -> bool {
        let asked = self.peer.as_ref().is_some_and(|peer| {
            let releases = self.shared.is_closed() && self.shared.popped.holds.load(Ordering::Acquire);
            let spilled = self.peer_spill.as_ref().is_some_and(SpillGauge::has_some);
            releases || spilled || peer.requests.panic.is_unserved() || peer.requests.reset.is_unserved()
        });
        asked
            || self
                .shared
                .incoming
                .as_ref()
                .is_some_and(|incoming| incoming.has_message())
    }

    /// Whether something that push refused, and that is remembered, has not gone out yet.
    pub(crate) fn has_spilled(&self) -> bool {
        self.spill.as_ref().is_some_and(SpillGauge::has_some)
    }

    /// Whether `push` has room: half of the out queue and of what may be scheduled, and nothing that was refused has
    /// still to go before it.
    pub(crate) fn has_room(&self) -> bool {
        let scheduled = self.shared.scheduled_bytes.load(Ordering::Relaxed);
        scheduled <= self.shared.config.out_queue_bytes as usize / 2
            && !self.spill.as_ref().is_some_and(SpillGauge::has_some)
            && self
                .shared
                .outgoing
                .as_ref()
                .is_some_and(|outgoing| outgoing.is_half_free())
    }

    /// Where waits for this port look.
    pub(crate) fn event(&self) -> &event::Event {
        &self.shared.event
    }
}

/// Where a port repairs, both ends of what its push cannot queue.
fn spill_for(shared: &Shared) -> (Option<SpillIn>, Option<SpillOut>) {
    if shared.repairs && shared.role.has_queues() {
        let most_named = if shared.role == Role::Merged { MOST_NAMED } else { 0 };
        Some(spill(most_named)).unzip()
    } else {
        (None, None)
    }
}
