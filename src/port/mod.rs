//! A port: its two queues, its shared state, its identity. All that an audio thread ever reaches.

pub(crate) mod wait;

use crate::net::address;
use crate::net::{self, Network};
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
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::timing::{Block, BlockClock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One end of the API: see the overview in the README.
pub(crate) struct Port {
    shared: Arc<Shared>,
    /// None in it for a manual server.
    push: Side<Option<PushSide>>,
    pop: Side<Option<PopSide>>,
    /// On a pair, the other port, and what its push could not queue.
    peer: Option<Arc<Shared>>,
    peer_spill: Option<SpillGauge>,
    /// On a repairing port, what its own push could not queue.
    spill: Option<SpillGauge>,
    /// None for a pair. Holding it keeps the network thread running.
    network: Option<Network>,
}

impl Port {
    /// A server, bound and listening.
    pub(crate) fn listen(host: Option<&str>, port: u16, config: Config) -> Result<Self, Code> {
        net::listen(host, port, config)
    }

    /// A client, which connects in the background.
    pub(crate) fn connect(host: &str, port: u16, config: Config) -> Result<Self, Code> {
        net::connect(address::host(host).ok_or(Code::Address)?, port, config)
    }

    /// A port, and the network thread's ends of its queues.
    pub(crate) fn with_network(role: Role, config: &Config, network: Network) -> Result<(Self, net::Ends), Code> {
        let waker = Some(network.waker());
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
                network: Some(network),
            };
            return Ok((
                port,
                net::Ends {
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
        let port = Self::from_sides(Arc::clone(&shared), push, incoming, None, Some(network));
        Ok((
            port,
            net::Ends {
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
        let first = Self::from_sides(Arc::clone(&a), push_a, a_in, peer_of_a, None);
        let second = Self::from_sides(b, push_b, b_in, Some((a, from_a)), None);
        Ok((first, second))
    }

    fn from_sides(
        shared: Arc<Shared>,
        push: PushSide,
        incoming: Consumer,
        peer: Option<(Arc<Shared>, Option<SpillOut>)>,
        network: Option<Network>,
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
            network,
        }
    }

    /// A port whose network thread is a model's.
    #[cfg(all(test, loom))]
    pub(crate) fn of_model(shared: &Arc<Shared>, outgoing: Producer, incoming: Consumer) -> Self {
        let push = PushSide::new(outgoing, None, Arc::clone(shared));
        Self::from_sides(Arc::clone(shared), push, incoming, None, None)
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

    pub(crate) fn accept(&self, timeout: Option<Duration>) -> Result<Port, Code> {
        if self.shared.role != Role::Manual {
            return Err(Code::WrongRole);
        }
        let taken = self.shared.event.wait_for(timeout, || {
            if self.shared.is_closed() {
                return Some(Err(Code::Closed));
            }
            self.shared.accepted.pop().map(Ok)
        });
        if let Some(Ok(port)) = &taken
            && port.shared.acceptance.accept()
        {
            self.shared.left_behind.fetch_sub(1, Ordering::AcqRel);
        }
        // What is popped was written by the network thread, so those pages are there. These are not yet.
        if let Some(Ok(port)) = &taken {
            port.push.enter(|side| side.as_mut().map(PushSide::touch))?;
        }
        let nothing = if timeout == Some(Duration::ZERO) {
            Code::Empty
        } else {
            Code::Timeout
        };
        taken.unwrap_or(Err(nothing))
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

    pub(crate) fn disconnect(&self, client: u32) -> Result<(), Code> {
        if self.shared.role != Role::Merged {
            return Err(Code::WrongRole);
        }
        if self.shared.is_closed() {
            return Err(Code::Closed);
        }
        if !self.shared.clients.contains(client) {
            return Err(Code::NoSuchClient);
        }
        let network = self.network.as_ref().ok_or(Code::Internal)?;
        if network.disconnect(&self.shared, client) {
            Ok(())
        } else {
            Err(Code::NoSuchClient)
        }
    }

    pub(crate) fn set_realtime_priority(&self, priority: u32) -> Code {
        if self.shared.is_closed() {
            return Code::Closed;
        }
        // A pair has no network thread.
        if let Some(network) = &self.network {
            network.prioritize(&self.shared, priority);
        }
        Code::Ok
    }

    pub(crate) fn shutdown(&self) {
        if !self.shared.shut_down() {
            return;
        }
        match (&self.network, &self.peer) {
            (Some(network), _) => network.shut_down(&self.shared),
            (None, Some(peer)) => {
                if !peer.is_shut_down() {
                    peer.notifications.tell(Notification::new(Kind::Disconnected));
                }
                peer.close();
                peer.event.signal();
            }
            (None, None) => {}
        }
        self.shared.event.signal();
    }

    /// The orderly end. What is unwritten goes to the network thread; the last port of the process waits for it.
    pub(crate) fn close(mut self) {
        self.shutdown();
        let patience = Duration::from_millis(self.shared.config.linger_ms.into());
        if let Some(network) = self.network.take() {
            network.close(&self.shared);
            // Nobody will take these any more; they count as ports, and so does this one until they are closed.
            while let Some(port) = self.shared.accepted.pop() {
                port.close();
            }
            drop(self);
            network.leave(patience);
        }
    }

    /// How a wait looks at what nobody signals.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        (self.shared.role == Role::Pair).then(|| Duration::from_micros(self.shared.config.tick_us.into()))
    }

    /// How long a wait looks before it sleeps.
    pub(crate) fn busy_poll(&self) -> Duration {
        let asked = Duration::from_micros(self.shared.config.busy_poll_us.into());
        match &self.shared.waker {
            Some(waker) if waker.is_conversing() => asked.max(Duration::from_nanos(net::LOOK_NS)),
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

    /// Has the network thread tell how far the out queue is with the system.
    pub(crate) fn ask_for_progress(&self) {
        if let Some(network) = &self.network {
            network.ask_for_progress(&self.shared);
        }
    }

    /// The same, and waits for it.
    pub(crate) fn learn_progress(&self) {
        if let Some(network) = &self.network {
            network.learn_progress(&self.shared);
        }
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
