//! The state of a port that several threads share. It consists of atomics and never takes a lock.

use crate::midi::channels::Channels;
use crate::realtime::acceptance::Acceptance;
use crate::realtime::beat::Beat;
use crate::realtime::client_table::ClientTable;
use crate::realtime::config::{BlockConfig, Config, Overflow, Wake};
use crate::realtime::event::Event;
use crate::realtime::filter::Filter;
use crate::realtime::flush::FlushTickets;
use crate::realtime::latency::LatencyWish;
use crate::realtime::log::Source;
use crate::realtime::notifications::Notifications;
use crate::realtime::peer::PeerStatus;
use crate::realtime::priority::PriorityWish;
use crate::realtime::requests::Requests;
use crate::realtime::ring::Gauge;
pub(crate) use crate::realtime::role::Role;
use crate::realtime::rush::Rush;
use crate::realtime::stats::{NetworkCounters, PopCounters, PushCounters, SenderFigures};
use crate::realtime::wait_handle::{Handles, What};
use crate::realtime::waker::Waker;
use crate::sys::sync::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What a push finds at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A peer, or a client.
    Up,
    /// None yet, or none at the moment.
    Down,
    /// None any more: the port was shut down, or the peer has gone for good.
    Closed,
}

/// The numbers are the C API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum State {
    Binding = 1,
    Listening = 2,
    Connecting = 3,
    Connected = 4,
    Closed = 5,
}

/// Flags of a message: the library generated it; it releases something that another client still holds; its time is when
/// the sender meant it. The numbers are the C API's.
pub(crate) const SYNTHETIC: u32 = 1;
pub(crate) const STILL_HELD: u32 = 2;
pub(crate) const TIMED: u32 = 4;

/// The bytes that a scheduled message counts for, about as many as in a queue.
#[inline]
pub(crate) fn scheduled_cost(size: usize) -> usize {
    size + 24
}

/// There is a peer, or a client.
const UP: u32 = 1;
/// The port was shut down, or the peer has gone for good. Pushes are refused.
const CLOSED: u32 = 2;
/// Nothing more will be published to the in queue.
const ENDED: u32 = 4;
/// The caller shut the port down.
const SHUT_DOWN: u32 = 8;
/// The messages popped so far hold something that must be released when the peer goes.
const NEEDS_RELEASE: u32 = 16;

/// Some channels are closed: a push asks `filter` which.
const FILTERS: u32 = 32;

/// Some peer is told the time of each message: a push always gives one.
const TELLS_TIMES: u32 = 64;

/// The shared state of one port.
pub(crate) struct Shared {
    pub id: u64,
    pub role: Role,
    pub repairs: bool,
    /// Pushes wake the network thread.
    pub signals: bool,
    pub config: Config,
    /// None on a pair.
    pub waker: Option<Arc<Waker>>,
    /// How often the network thread had woken before this port was made.
    wakes_before: u64,
    /// Every push reads it. It is written when the connection changes, never per message.
    flags: CachePadded<AtomicU32>,
    pub requests: CachePadded<Requests>,
    pub counters: Counters,
    pub beat: CachePadded<Beat>,
    pub queues: Queues,
    pub status: Status,
    pub clients: Clients,
    pub control: Control,
}

/// The counters of a port, one cache line or more for each thread that writes them.
#[derive(Default)]
pub(crate) struct Counters {
    pub network: CachePadded<NetworkCounters>,
    pub sender: CachePadded<SenderFigures>,
    pub push: CachePadded<PushCounters>,
    pub pop: CachePadded<PopCounters>,
}

/// How full the queues are, as any thread sees it, and what passes them.
pub(crate) struct Queues {
    pub filter: CachePadded<Filter>,
    /// None for a manual server.
    pub incoming: Option<Gauge>,
    pub outgoing: Option<Gauge>,
    /// The cost of what push has scheduled and the network thread has not sent yet: see `scheduled_cost`.
    pub scheduled_bytes: CachePadded<AtomicUsize>,
    pub rush: CachePadded<Rush>,
}

/// How far the connection is. The network thread writes it.
pub(crate) struct Status {
    state: AtomicI32,
    pub local_port: AtomicU16,
    /// The one peer; nobody on a server.
    pub peer: PeerStatus,
    /// The error of the last attempt to connect; 0 when it succeeded.
    pub failure: AtomicI32,
}

/// The clients of a server.
pub(crate) struct Clients {
    pub table: ClientTable,
    pub count: AtomicU32,
    /// On a manual server: clients that have left before the caller accepted them. Their ports are kept while no newcomer
    /// needs the place.
    pub left_behind: AtomicU32,
    /// On an accepted port.
    pub acceptance: Acceptance,
}

/// What control threads ask for, and what they wait for.
pub(crate) struct Control {
    pub flush: FlushTickets,
    pub priority: PriorityWish,
    pub latency: LatencyWish,
    pub event: CachePadded<Event>,
    /// Network thread: it signals `event` at the end of its turn.
    pub wake_pending: AtomicBool,
    pub notifications: Notifications,
    /// For event loops that wait for something of this port.
    pub handles: Handles,
}

/// A port's notifications, which go to the log of its context too.
fn notifications(role: Role, clients: u32, waker: Option<&Waker>) -> Notifications {
    let log = waker.and_then(|waker| waker.log.as_ref());
    let log = log.map(|log| Source::new(log, role.name()));
    Notifications::new(256 + 2 * clients as usize).with_log(log, role.is_server())
}

impl Shared {
    pub(crate) fn new(
        role: Role,
        config: &Config,
        waker: Option<Arc<Waker>>,
        incoming: Option<Gauge>,
        outgoing: Option<Gauge>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let clients = if role.is_server() { config.server.max_clients } else { 1 };
        let (flags, state) = match role {
            Role::Merged | Role::Manual => (0, State::Listening),
            Role::Client => (0, State::Connecting),
            Role::Accepted | Role::Adopted | Role::Pair => (UP, State::Connected),
        };
        let notifications = notifications(role, clients, waker.as_deref());
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            role,
            repairs: repairs(role, config.delivery.overflow),
            signals: config.pacing.wake == Wake::Signal && role != Role::Pair,
            config: config.clone(),
            wakes_before: waker.as_ref().map_or(0, |waker| waker.lateness.wakes()),
            waker,
            flags: CachePadded::new(AtomicU32::new(flags | filters(config.channels))),
            requests: CachePadded::default(),
            counters: Counters::default(),
            beat: CachePadded::default(),
            queues: Queues {
                filter: CachePadded::new(Filter::new(config.channels)),
                incoming,
                outgoing,
                scheduled_bytes: CachePadded::default(),
                rush: CachePadded::default(),
            },
            status: Status {
                state: AtomicI32::new(state as i32),
                local_port: AtomicU16::new(0),
                peer: PeerStatus::default(),
                failure: AtomicI32::new(0),
            },
            clients: Clients {
                table: ClientTable::of(clients, role.is_server() && config.server.share),
                count: AtomicU32::new(0),
                left_behind: AtomicU32::new(0),
                acceptance: Acceptance::default(),
            },
            control: Control {
                flush: FlushTickets::default(),
                priority: PriorityWish::new(config.pacing.realtime_priority),
                latency: LatencyWish::new(&config.blocks),
                event: CachePadded::default(),
                wake_pending: AtomicBool::new(false),
                notifications,
                handles: Handles::default(),
            },
        }
    }

    /// The config for ports that a server accepts now, with the changes since the server was made.
    pub(crate) fn config_for_accepted(&self) -> Config {
        let (latency_ns, push_latency_ns) = self.control.latency.get();
        Config {
            channels: self.queues.filter.open(),
            blocks: BlockConfig {
                latency_ns,
                push_latency_ns,
            },
            ..self.config.clone()
        }
    }

    /// Where a push goes.
    #[inline]
    pub(crate) fn reach(&self) -> Reach {
        match self.flags.load(Ordering::Acquire) & (UP | CLOSED) {
            UP => Reach::Up,
            0 => Reach::Down,
            _ => Reach::Closed,
        }
    }

    #[inline]
    pub(crate) fn is_up(&self) -> bool {
        self.flags.load(Ordering::Acquire) & UP != 0
    }

    /// Whether there is a peer, the port is not closed, all its channels are open, and no peer is told times.
    #[inline]
    pub(crate) fn is_up_and_open(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (UP | CLOSED | FILTERS | TELLS_TIMES) == UP
    }

    /// Whether some peer is told the time of each message.
    #[inline]
    pub(crate) fn tells_times(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & TELLS_TIMES != 0
    }

    /// Network thread: sets whether some peer is told the time of each message. A push that does not see it yet counts as
    /// an earlier one.
    pub(crate) fn set_tells_times(&self, tells: bool) {
        if tells {
            self.flags.fetch_or(TELLS_TIMES, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!TELLS_TIMES, Ordering::Relaxed);
        }
    }

    /// The same for a pair, which has no other flags then. This is quicker.
    #[inline]
    pub(crate) fn is_pair_up(&self) -> bool {
        self.flags.load(Ordering::Acquire) == UP
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether nothing more will be published to the in queue: the network thread has ended the port, or the caller has
    /// shut it down with nothing to release.
    pub(crate) fn is_ended(&self) -> bool {
        let flags = self.flags.load(Ordering::Acquire);
        flags & ENDED != 0 || flags & (SHUT_DOWN | NEEDS_RELEASE) == SHUT_DOWN
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SHUT_DOWN != 0
    }

    /// Network thread: sets whether there is a peer, or at least one client.
    pub(crate) fn set_up(&self, up: bool) {
        if up {
            self.flags.fetch_or(UP, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!UP, Ordering::AcqRel);
        }
    }

    /// Changes the channels. One thread at a time. False: nothing changed.
    pub(crate) fn set_channels(&self, channels: Channels) -> bool {
        let tail = || self.queues.outgoing.as_ref().map_or(0, Gauge::tail);
        let changed = self.queues.filter.set(channels, tail);
        // It only saves pushes the check of the filter. A push that does not see it yet counts as an earlier one.
        if channels.is_all() {
            self.flags.fetch_and(!FILTERS, Ordering::Relaxed);
        } else {
            self.flags.fetch_or(FILTERS, Ordering::Relaxed);
        }
        changed
    }

    /// Tells the thread that empties the out queue of a panic, a reset, a cancel or other channels. Call it after that.
    pub(crate) fn announce_request(&self) {
        self.requests.announce();
        self.ring_bell();
    }

    /// Has the network thread look for what was asked of this port. Call it after asking.
    pub(crate) fn ring_bell(&self) {
        if let Some(waker) = &self.waker {
            waker.bell.ring();
        }
    }

    /// Wakes the network thread if this port is configured to. Call it after publishing something for that thread.
    #[inline]
    pub(crate) fn wake_if_signalling(&self) {
        if !self.signals {
            return;
        }
        if let Some(waker) = &self.waker {
            waker.wake_if_asleep();
        }
    }

    /// How often the network thread has woken since this port was made.
    pub(crate) fn network_wakes(&self) -> u64 {
        self.waker
            .as_ref()
            .map_or(0, |waker| waker.lateness.wakes().saturating_sub(self.wakes_before))
    }

    /// Messages sent to peers: by the network thread, or on a pair by push.
    pub(crate) fn messages_out(&self) -> u64 {
        self.counters.network.messages_out.get() + self.counters.push.messages()
    }

    /// Messages that were pushed and not sent.
    pub(crate) fn dropped_out(&self) -> u64 {
        self.counters.network.dropped_out.get() + self.counters.push.refused.get()
    }

    /// Dropped messages that a difference in channel state does not restore.
    pub(crate) fn unrepaired(&self) -> u64 {
        self.counters.network.unrepaired.get()
            + self.counters.push.unrepaired.get()
            + self.counters.pop.unrepaired.get()
    }

    /// Messages of channels that the port does not have.
    pub(crate) fn filtered(&self) -> u64 {
        self.counters.network.filtered.get() + self.counters.push.filtered.get() + self.counters.pop.filtered.get()
    }

    /// Messages that came with a sender's time: to the network thread, or on a pair to pop.
    pub(crate) fn timed_in(&self) -> u64 {
        self.counters.sender.timed_in.get() + self.counters.pop.timed_in.get()
    }

    /// Messages that the library made itself.
    pub(crate) fn synthesized(&self) -> u64 {
        self.counters.network.synthesized.get() + self.counters.pop.synthesized.get()
    }

    /// Network thread: the peer, or a client, told its name. `announce` adds a notification, if there is room.
    pub(crate) fn set_peer_name(&self, client: u32, name: &str, announce: impl FnOnce() -> bool) {
        if client == 0 {
            self.status.peer.name.set(name, announce);
        } else if let Some(of_client) = self.clients.table.name_of(client) {
            of_client.set(name, announce);
        }
    }

    /// Control threads: the notification of a name was taken.
    pub(crate) fn name_taken(&self, client: u32) {
        if client == 0 {
            self.status.peer.name.notification_taken();
        } else if let Some(of_client) = self.clients.table.known_name(client) {
            of_client.notification_taken();
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.status.state.store(state as i32, Ordering::Release);
    }

    /// The caller shuts the port down. Returns false if it was shut down before.
    pub(crate) fn shut_down(&self) -> bool {
        self.flags.fetch_or(CLOSED | SHUT_DOWN, Ordering::AcqRel) & SHUT_DOWN == 0
    }

    /// Network thread: sets whether something must be released when the peer goes.
    pub(crate) fn set_needs_release(&self, needs_release: bool) {
        if needs_release {
            self.flags.fetch_or(NEEDS_RELEASE, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!NEEDS_RELEASE, Ordering::AcqRel);
        }
    }

    /// Network thread: the value that `set_needs_release` set last.
    pub(crate) fn needs_release(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & NEEDS_RELEASE != 0
    }

    /// Network thread, or on a pair the thread that shuts the other port down: the peer has gone for good. Releases may
    /// still be published.
    pub(crate) fn close(&self) {
        self.flags.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Network thread: the peer has gone for good, and nothing more will be published.
    pub(crate) fn end(&self) {
        self.flags.fetch_or(CLOSED | ENDED, Ordering::AcqRel);
    }

    /// Tells the threads and the event loops that wait for something of this port that something has changed. Clients
    /// that wait for `accept` are not known here: see `AcceptQueue`.
    pub(crate) fn signal(&self) {
        // Its fence comes after the change, and before the look at the handles.
        self.control.event.signal();
        let handles = &self.control.handles;
        handles.update(What::Message, || self.tells_of_message());
        handles.update(What::Notification, || self.tells_of_notification());
        if self.is_closed() {
            handles.update(What::Client, || true);
        }
    }

    /// Whether the handle for messages is to be readable. On a port that is no pair.
    pub(crate) fn tells_of_message(&self) -> bool {
        self.queues.incoming.as_ref().is_some_and(Gauge::has_message) || self.is_closed()
    }

    /// Whether the handle for notifications is to be readable.
    pub(crate) fn tells_of_notification(&self) -> bool {
        !self.control.notifications.is_empty() || self.is_closed()
    }

    pub(crate) fn state(&self) -> i32 {
        if self.is_closed() {
            State::Closed as i32
        } else {
            self.status.state.load(Ordering::Acquire)
        }
    }
}

/// Whether a port makes good what it loses.
fn repairs(role: Role, overflow: Overflow) -> bool {
    match overflow {
        Overflow::Auto => role == Role::Merged,
        Overflow::Wait => false,
        Overflow::Repair => true,
    }
}

/// The flag for these channels.
fn filters(channels: Channels) -> u32 {
    if channels.is_all() { 0 } else { FILTERS }
}
