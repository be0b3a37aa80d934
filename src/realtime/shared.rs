//! What the two sides of a port and the network thread know of each other: atomics, and nothing that locks.

use crate::realtime::acceptance::Acceptance;
use crate::realtime::beat::Beat;
use crate::realtime::client_table::ClientTable;
use crate::realtime::config::{Config, Overflow, Wake};
use crate::realtime::event::Event;
use crate::realtime::flush::FlushTickets;
use crate::realtime::notifications::Notifications;
use crate::realtime::priority::PriorityWish;
use crate::realtime::requests::Requests;
use crate::realtime::ring::Gauge;
use crate::realtime::stats::{NetworkCounters, PopCounters, PushCounters};
use crate::realtime::waker::Waker;
use crate::sys::sync::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What kind of port it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Merged,
    Manual,
    Accepted,
    Pair,
}

impl Role {
    pub(crate) fn is_server(self) -> bool {
        matches!(self, Role::Merged | Role::Manual)
    }

    /// Whether messages go through it.
    pub(crate) fn has_queues(self) -> bool {
        self != Role::Manual
    }
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

/// Flags of a message that the library made itself, and of one that releases what another client still holds. The
/// numbers are the C API's.
pub(crate) const SYNTHETIC: u32 = 1;
pub(crate) const STILL_HELD: u32 = 2;

/// What a scheduled message counts for: about as many bytes as in a queue.
#[inline]
pub(crate) fn scheduled_cost(size: usize) -> usize {
    size + 24
}

/// There is a peer, or a client.
const UP: u32 = 1;
/// Shut down, or the peer has gone for good: no call takes anything any more.
const CLOSED: u32 = 2;
/// And nothing more will come out of the in queue than is there now.
const ENDED: u32 = 4;
/// The caller ended it, not the network.
const SHUT_DOWN: u32 = 8;
/// If it ended now, releases would still come.
const HOLDS: u32 = 16;

/// The common knowledge of a port.
pub(crate) struct Shared {
    pub id: u64,
    pub role: Role,
    pub repairs: bool,
    pub signals: bool,
    pub config: Config,
    /// None for a pair.
    pub waker: Option<Arc<Waker>>,
    /// How often the network thread had woken before.
    wakes_before: u64,
    /// Read by every push; written when the connection changes, never per message.
    flags: CachePadded<AtomicU32>,
    pub requests: CachePadded<Requests>,
    pub counters: CachePadded<NetworkCounters>,
    pub pushed: CachePadded<PushCounters>,
    pub popped: CachePadded<PopCounters>,
    pub beat: CachePadded<Beat>,
    /// What push has scheduled and the network thread has not sent yet: see `scheduled_cost`.
    pub scheduled_bytes: CachePadded<AtomicUsize>,
    state: AtomicI32,
    pub client_count: AtomicU32,
    /// A manual server's: clients that have left and that nobody has accepted yet. They keep their places.
    pub left_behind: AtomicU32,
    /// An accepted port's.
    pub acceptance: Acceptance,
    pub local_port: AtomicU16,
    /// Why the last attempt to connect failed; 0 when it did not.
    pub failure: AtomicI32,
    pub flush: FlushTickets,
    pub priority: PriorityWish,
    /// Network thread: the waiting threads are to be woken at the end of its turn.
    pub wake_pending: AtomicBool,
    pub event: CachePadded<Event>,
    pub notifications: Notifications,
    pub clients: ClientTable,
    /// None for a manual server.
    pub incoming: Option<Gauge>,
    pub outgoing: Option<Gauge>,
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
        let clients = if role.is_server() { config.max_clients } else { 1 };
        let (flags, state) = match role {
            Role::Merged | Role::Manual => (0, State::Listening),
            Role::Client => (0, State::Connecting),
            Role::Accepted | Role::Pair => (UP, State::Connected),
        };
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            role,
            repairs: match config.overflow {
                Overflow::Auto => role == Role::Merged,
                Overflow::Wait => false,
                Overflow::Repair => true,
            },
            signals: config.wake == Wake::Signal && role != Role::Pair,
            config: config.clone(),
            wakes_before: waker.as_ref().map_or(0, |waker| waker.lateness.wakes()),
            waker,
            flags: CachePadded::new(AtomicU32::new(flags)),
            requests: CachePadded::default(),
            counters: CachePadded::default(),
            pushed: CachePadded::default(),
            popped: CachePadded::default(),
            beat: CachePadded::default(),
            scheduled_bytes: CachePadded::default(),
            state: AtomicI32::new(state as i32),
            client_count: AtomicU32::new(0),
            left_behind: AtomicU32::new(0),
            acceptance: Acceptance::default(),
            local_port: AtomicU16::new(0),
            failure: AtomicI32::new(0),
            flush: FlushTickets::default(),
            priority: PriorityWish::new(config.realtime_priority),
            wake_pending: AtomicBool::new(false),
            event: CachePadded::default(),
            notifications: Notifications::new(256 + 2 * clients as usize),
            clients: ClientTable::new(clients),
            incoming,
            outgoing,
        }
    }

    #[inline]
    pub(crate) fn is_up(&self) -> bool {
        self.flags.load(Ordering::Acquire) & UP != 0
    }

    /// Whether there is a peer, and the port was not closed.
    #[inline]
    pub(crate) fn is_up_and_open(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (UP | CLOSED) == UP
    }

    /// The same of a pair, of which nothing else is noted: quicker.
    #[inline]
    pub(crate) fn is_up_alone(&self) -> bool {
        self.flags.load(Ordering::Acquire) == UP
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether the in queue holds all that will ever come: it has ended, or was shut down with nothing to release.
    pub(crate) fn is_ended(&self) -> bool {
        let flags = self.flags.load(Ordering::Acquire);
        flags & ENDED != 0 || flags & (SHUT_DOWN | HOLDS) == SHUT_DOWN
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SHUT_DOWN != 0
    }

    /// Network thread: a peer, or a first client, is there, or none is any more.
    pub(crate) fn set_up(&self, up: bool) {
        if up {
            self.flags.fetch_or(UP, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!UP, Ordering::AcqRel);
        }
    }

    /// After something was left for the network thread: wakes it, where the port is to.
    #[inline]
    pub(crate) fn wake_if_signalling(&self) {
        if self.signals {
            if let Some(waker) = &self.waker {
                waker.wake_if_asleep();
            }
        }
    }

    /// How often the network thread has woken since the port was made.
    pub(crate) fn network_wakes(&self) -> u64 {
        self.waker
            .as_ref()
            .map_or(0, |waker| waker.lateness.wakes().saturating_sub(self.wakes_before))
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as i32, Ordering::Release);
    }

    /// The caller ends the port; false when it had before.
    pub(crate) fn shut_down(&self) -> bool {
        self.flags.fetch_or(CLOSED | SHUT_DOWN, Ordering::AcqRel) & SHUT_DOWN == 0
    }

    /// Network thread: whether something is to be released when a peer goes.
    pub(crate) fn set_holds(&self, holds: bool) {
        if holds {
            self.flags.fetch_or(HOLDS, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!HOLDS, Ordering::AcqRel);
        }
    }

    /// Network thread: whether `set_holds` said so last.
    pub(crate) fn holds(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & HOLDS != 0
    }

    /// Network thread (on a pair, whoever shuts the other port down): the peer has gone for good; releases may still
    /// come.
    pub(crate) fn close(&self) {
        self.flags.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Network thread: the peer has gone for good, and nothing more will come.
    pub(crate) fn end(&self) {
        self.flags.fetch_or(CLOSED | ENDED, Ordering::AcqRel);
    }

    pub(crate) fn state(&self) -> i32 {
        if self.is_closed() {
            State::Closed as i32
        } else {
            self.state.load(Ordering::Acquire)
        }
    }
}
