//! The caller's end of a port: its pushing side, its popping side, and the state that all threads may read.

use crate::midi::channels::Channels;
use crate::realtime::config::Config;
use crate::realtime::consumer::Consumer;
use crate::realtime::drain::OutQueue;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::pair::PairPeer;
use crate::realtime::pop::{PopSide, Popped};
use crate::realtime::producer::Producer;
use crate::realtime::push::PushSide;
use crate::realtime::readiness::Readiness;
use crate::realtime::refused::{RefusedOut, refused_of};
use crate::realtime::ring::{queue, untouched_queue};
use crate::realtime::shared::{Role, Shared};
use crate::realtime::side::Side;
use crate::realtime::wait_handle::{OwnHandles, What};
use crate::realtime::waker::Waker;
use crate::sys::address::Address;
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::sys::touched;
use crate::timing::{Block, BlockClock};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The network thread's half of a port.
pub(crate) struct NetworkHalf {
    pub shared: Arc<Shared>,
    /// The producer of the in queue, and the out queue. None for a manual server.
    pub queues: Option<(Producer, OutQueue)>,
}

/// The caller's end of a port.
///
/// The methods that use one of its sides are unsafe. By the contract of the C API one thread at a time uses a side, and
/// only the caller can ensure that.
pub(crate) struct Endpoint {
    shared: Arc<Shared>,
    /// Contains None on a manual server.
    push: Side<Option<PushSide>>,
    pop: Side<Option<PopSide>>,
    /// On a pair, the other port.
    peer: Option<Arc<Shared>>,
    readiness: Readiness,
    handles: OwnHandles,
}

impl Endpoint {
    /// Makes a port and the network thread's half of it.
    pub(crate) fn with_network(role: Role, config: &Config, waker: Arc<Waker>) -> Result<(Self, NetworkHalf), Code> {
        let waker = Some(waker);
        if !role.has_queues() {
            let shared = Arc::new(Shared::new(role, config, waker, None, None));
            let network = NetworkHalf {
                shared: Arc::clone(&shared),
                queues: None,
            };
            return Ok((Self::without_queues(shared), network));
        }
        // The network thread makes accepted ports. It must not spend time on touching pages, so `accept` does that later.
        let make = if role == Role::Accepted { untouched_queue } else { queue };
        let (to_audio, incoming) = make(config.queues.in_queue_bytes as usize)?;
        let (outgoing, from_audio) = make(config.queues.out_queue_bytes as usize)?;
        let shared = Shared::new(role, config, waker, Some(incoming.gauge()), Some(outgoing.gauge()));
        let shared = Arc::new(shared);
        let (refused_in, refused_out) = refused_of(&shared);
        let push = PushSide::new(outgoing, refused_in, Arc::clone(&shared));
        let port = Self::from_sides(Arc::clone(&shared), push, incoming, None);
        let out_queue = OutQueue::new(from_audio, refused_out, Arc::clone(&shared));
        let network = NetworkHalf {
            shared,
            queues: Some((to_audio, out_queue)),
        };
        Ok((port, network))
    }

    fn without_queues(shared: Arc<Shared>) -> Self {
        Self {
            readiness: Readiness::new(Arc::clone(&shared), None),
            shared,
            push: Side::new(None),
            pop: Side::new(None),
            peer: None,
            handles: OwnHandles::default(),
        }
    }

    /// Makes two ports that are joined in memory.
    pub(crate) fn pair(config: &Config) -> Result<(Self, Self), Code> {
        let bytes = config.queues.in_queue_bytes.max(config.queues.out_queue_bytes) as usize;
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
        let (a_refused, from_a) = refused_of(&a);
        let (b_refused, from_b) = refused_of(&b);
        let (push_a, push_b) = (
            PushSide::new(a_out, a_refused, Arc::clone(&a)),
            PushSide::new(b_out, b_refused, Arc::clone(&b)),
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
        peer: Option<(Arc<Shared>, Option<RefusedOut>)>,
    ) -> Self {
        let clock = BlockClock::new(shared.config.blocks.latency_ns, shared.config.blocks.push_latency_ns);
        let other = peer.as_ref().map(|(peer, _)| Arc::clone(peer));
        let mut readiness = Readiness::new(Arc::clone(&shared), push.refused_gauge());
        if let Some((peer, refused)) = &peer {
            readiness.set_peer(Arc::clone(peer), refused.as_ref().map(RefusedOut::gauge));
        }
        let peer = peer.map(|(peer, refused)| touched(Box::new(PairPeer::new(peer, refused, &shared))));
        let pop = PopSide::new(incoming, clock, peer);
        Self {
            shared,
            push: Side::new(Some(push)),
            pop: Side::new(Some(pop)),
            peer: other,
            readiness,
            handles: OwnHandles::default(),
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

    /// What waiting threads check.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.shared.config.queues.max_message_bytes as usize
    }

    /// The answer to a message longer than `max_message_bytes`.
    pub(crate) fn reject_large(&self) -> Code {
        if self.shared.role == Role::Manual {
            Code::WrongRole
        } else {
            Code::TooLarge
        }
    }

    /// Pushes a message of a common kind. Returns false if `push` has to do it.
    ///
    /// # Safety
    /// No other call on the pushing side of this port runs at the same time, and the caller orders it after the one
    /// before.
    #[inline(always)]
    pub(crate) unsafe fn push_usual(&self, time_ns: u64, client: u32, data: &[u8; 3]) -> bool {
        // SAFETY: this function's contract is that of `enter`.
        let Ok(mut side) = (unsafe { self.push.enter() }) else {
            return false;
        };
        match &mut *side {
            // In this order it is one comparison.
            side if side.as_ref().is_none_or(PushSide::is_thorough) => false,
            Some(side) => side.push_usual(time_ns, client, data),
            None => false,
        }
    }

    /// Pushes one message for one client, or for all if `client` is 0.
    ///
    /// # Safety
    /// No other call on the pushing side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn push(&self, time_ns: u64, client: u32, data: &[u8]) -> Code {
        // SAFETY: this function's contract is that of `enter`.
        match unsafe { self.push.enter() }.as_deref_mut() {
            Ok(Some(side)) => {
                if side.push_short(time_ns, client, data) {
                    Code::Ok
                } else {
                    side.push(time_ns, client, data)
                }
            }
            Ok(None) => Code::WrongRole,
            Err(code) => *code,
        }
    }

    /// Pops a message of a common kind. Returns false if `pop` has to do it.
    ///
    /// # Safety
    /// No other call on the popping side of this port runs at the same time, and the caller orders it after the one
    /// before.
    #[inline(always)]
    pub(crate) unsafe fn pop_short(&self, give: impl FnOnce(Popped)) -> bool {
        // SAFETY: this function's contract is that of `enter`.
        let Ok(mut side) = (unsafe { self.pop.enter() }) else {
            return false;
        };
        match &mut *side {
            // In this order it is one comparison.
            side if side.as_ref().is_none_or(PopSide::is_skipping) => false,
            Some(side) => side.pop_short(&self.shared, give),
            None => false,
        }
    }

    /// Pops the next message. Its data is valid until the next pop or skip.
    ///
    /// # Safety
    /// No other call on the popping side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn pop(&self) -> Result<Popped, Code> {
        let pop = |side: &mut PopSide| side.pop(&self.shared).ok_or_else(|| self.nothing_to_pop(side));
        // SAFETY: this function's contract is that of `on_pop_side`.
        unsafe { self.on_pop_side(pop) }?
    }

    /// Runs `work` on the popping side.
    ///
    /// # Safety
    /// As `Side::enter`.
    #[inline(always)]
    unsafe fn on_pop_side<R>(&self, work: impl FnOnce(&mut PopSide) -> R) -> Result<R, Code> {
        // SAFETY: this function's contract is that of `enter`.
        let mut side = unsafe { self.pop.enter() }?;
        side.as_mut().map(work).ok_or(Code::WrongRole)
    }

    /// The result of a pop that found nothing: nothing yet, or nothing any more.
    #[cold]
    fn nothing_to_pop(&self, side: &mut PopSide) -> Code {
        self.update_message_handle();
        // The last message is published before the end. So the queue is checked once more after the end was seen.
        if self.readiness.has_ended() && side.is_empty() {
            Code::Closed
        } else {
            Code::Empty
        }
    }

    /// Discards the messages that wait to be popped.
    ///
    /// # Safety
    /// No other call on the popping side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn skip(&self) -> Code {
        let skip = |side: &mut PopSide| {
            if side.skip() {
                return Code::Ok;
            }
            self.update_message_handle();
            if self.readiness.has_ended() && side.is_empty() {
                Code::Closed
            } else {
                Code::Ok
            }
        };
        // SAFETY: this function's contract is that of `on_pop_side`.
        unsafe { self.on_pop_side(skip) }.unwrap_or_else(|code| code)
    }

    /// The popping thread has found the queue empty.
    #[inline]
    fn update_message_handle(&self) {
        if let Some(handle) = self.handles.get(What::Message) {
            handle.update(|| self.shared.tells_of_message());
        }
    }

    /// Changes the channels. One thread at a time.
    pub(crate) fn set_channels(&self, channels: Channels) {
        let shared = &*self.shared;
        if !shared.set_channels(channels) {
            return;
        }
        for port in std::iter::once(shared).chain(self.peer()) {
            port.announce_request();
            port.control.event.signal();
        }
    }

    pub(crate) fn panic(&self) -> Code {
        self.request(|shared, position| shared.requests.panic.ask(position))
    }

    pub(crate) fn reset(&self) -> Code {
        self.request(|shared, position| shared.requests.reset.ask(position, now_ns()))
    }

    /// Cancels the scheduled messages.
    ///
    /// # Safety
    /// No other call on the pushing side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn cancel(&self) -> Code {
        // SAFETY: this function's contract is that of `enter`.
        match unsafe { self.push.enter() }.as_deref_mut() {
            Ok(None) => Code::WrongRole,
            Ok(Some(_)) if self.shared.is_closed() => Code::Closed,
            Ok(Some(side)) => {
                side.cancel();
                Code::Ok
            }
            Err(code) => *code,
        }
    }

    fn request(&self, ask: impl FnOnce(&Shared, usize)) -> Code {
        let shared = &*self.shared;
        let Some(outgoing) = &shared.queues.outgoing else {
            return Code::WrongRole;
        };
        if self.shared.is_closed() {
            return Code::Closed;
        }
        // Without a peer the request still changes the remembered state.
        ask(shared, outgoing.tail());
        shared.announce_request();
        shared.wake_if_signalling();
        if shared.is_up() { Code::Ok } else { Code::Offline }
    }

    /// Begins a block of audio.
    ///
    /// # Safety
    /// No other call on the popping side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn begin_block(&self, block: Block) -> Code {
        let start_ns = if block.start_ns == 0 { now_ns() } else { block.start_ns };
        let begin = |side: &mut PopSide| {
            if let Some(period) = side.begin(&self.shared, Block { start_ns, ..block })? {
                self.shared.beat.begin(period.start_ns, period.length_ns);
            }
            let popped = &self.shared.counters.pop;
            popped.latency_ns.store(side.clock.latency_ns(), Ordering::Relaxed);
            Ok(())
        };
        // SAFETY: this function's contract is that of `on_pop_side`.
        match unsafe { self.on_pop_side(begin) } {
            Ok(Ok(())) => Code::Ok,
            Ok(Err(code)) | Err(code) => code,
        }
    }

    /// Pops the next message of the block.
    ///
    /// # Safety
    /// No other call on the popping side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn pop_block(&self) -> Result<Popped, Code> {
        let pop = |side: &mut PopSide| side.pop_block(&self.shared)?.ok_or_else(|| self.nothing_to_pop(side));
        // SAFETY: this function's contract is that of `on_pop_side`.
        unsafe { self.on_pop_side(pop) }?
    }

    /// Pushes one message for all, to be sent at a frame of the block.
    ///
    /// # Safety
    /// No other call on either side of this port runs at the same time, and the caller orders it after the ones before.
    pub(crate) unsafe fn push_frame(&self, frame: u32, data: &[u8]) -> Code {
        let push = |side: &mut PopSide| {
            let Some(time_ns) = side.clock.time_of(frame) else {
                return Code::InvalidArgument;
            };
            // SAFETY: by the outer function's contract nothing else is on the pushing side either.
            let code = unsafe { self.push(time_ns, 0, data) };
            if code != Code::InvalidArgument {
                side.clock.note_sent(frame, time_ns);
            }
            code
        };
        // SAFETY: this function's contract is that of `on_pop_side`.
        unsafe { self.on_pop_side(push) }.unwrap_or_else(|code| code)
    }

    pub(crate) fn state(&self) -> i32 {
        self.shared.state()
    }

    pub(crate) fn client_count(&self) -> u32 {
        self.shared.clients.count.load(Ordering::Relaxed)
    }

    pub(crate) fn local_port(&self) -> u16 {
        self.shared.status.local_port.load(Ordering::Relaxed)
    }

    /// On a pair, the other port.
    pub(crate) fn peer(&self) -> Option<&Shared> {
        self.peer.as_deref()
    }

    /// Touches the pages of the out queue of a port that the network thread made.
    ///
    /// # Safety
    /// No other call on the pushing side of this port runs at the same time, and the caller orders it after the one
    /// before.
    pub(crate) unsafe fn touch(&self) -> Result<(), Code> {
        // SAFETY: this function's contract is that of `enter`.
        let mut side = unsafe { self.push.enter() }?;
        side.as_mut().map(PushSide::touch).ok_or(Code::WrongRole)
    }

    pub(crate) fn poll_notification(&self) -> Option<Notification> {
        let notification = self.shared.control.notifications.take();
        if let Some(named) = notification.filter(|notification| notification.kind == Kind::ClientNamed) {
            self.shared.name_taken(named.client);
        }
        self.update_handle(What::Notification, || self.shared.tells_of_notification());
        notification
    }

    /// The handle for an event loop that waits for `what`. At rest it is readable while `holds`.
    pub(crate) fn wait_handle(&self, what: What, holds: impl Fn() -> bool) -> Result<isize, Code> {
        let handle = self.handles.get_or_make(what, &self.shared.control.handles)?;
        handle.update(holds);
        Ok(handle.handle())
    }

    /// Control threads, after a change: has a handle tell whether `holds`, if there is one.
    pub(crate) fn update_handle(&self, what: What, holds: impl Fn() -> bool) {
        if let Some(handle) = self.handles.get(what) {
            handle.update(holds);
        }
    }

    pub(crate) fn client_address(&self, client: u32) -> Result<Address, Code> {
        if self.shared.role != Role::Merged {
            return Err(Code::WrongRole);
        }
        self.shared.clients.table.address(client).ok_or(Code::NoSuchClient)
    }

    /// The address of the peer, as text; empty without one.
    pub(crate) fn peer_address(&self) -> Result<String, Code> {
        match self.shared.role {
            Role::Client | Role::Accepted | Role::Adopted => Ok(self.shared.status.peer.address()),
            Role::Merged | Role::Manual | Role::Pair => Err(Code::WrongRole),
        }
    }

    /// The name of the peer; empty without one, or where it told none.
    pub(crate) fn peer_name(&self) -> Result<String, Code> {
        match self.shared.role {
            Role::Client | Role::Accepted | Role::Adopted => Ok(self.shared.status.peer.name.get()),
            Role::Merged | Role::Manual | Role::Pair => Err(Code::WrongRole),
        }
    }

    /// The name of a client; empty where it told none.
    pub(crate) fn client_name(&self, client: u32) -> Result<String, Code> {
        if self.shared.role != Role::Merged {
            return Err(Code::WrongRole);
        }
        self.shared.clients.table.name(client).ok_or(Code::NoSuchClient)
    }

    /// The ids of a merged server's clients, in the order in which they came.
    pub(crate) fn clients(&self) -> Result<Vec<u32>, Code> {
        if self.shared.role != Role::Merged {
            return Err(Code::WrongRole);
        }
        Ok(self.shared.clients.table.in_order())
    }

    /// Shuts the port down and, on a pair, closes the other one. Returns false if it was shut down before.
    pub(crate) fn shut_down(&self) -> bool {
        let first = self.shared.shut_down();
        if let Some(peer) = self.peer.as_ref().filter(|_| first) {
            if !peer.is_shut_down() {
                peer.control
                    .notifications
                    .announce(Notification::new(Kind::Disconnected));
            }
            peer.close();
            peer.control.event.signal();
        }
        first
    }
}
