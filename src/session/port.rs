//! One port of a session: its queues, its schedule, and what it owes to its two sides.

use super::connection::Connection;
use super::effect::{Effect, Keyed, Peer, PortKey};
use super::flush::Flushes;
use super::memory::Memory;
use super::merge::Merge;
use super::name::Name;
use super::owed::Owed;
use super::schedule::{Schedule, Scheduled};
use super::timers::Armed;
use crate::midi::channels::Channels;
use crate::midi::state::ChannelState;
use crate::realtime::config::Config;
use crate::realtime::consumer::Record;
use crate::realtime::drain::OutQueue;
use crate::realtime::log::{self, Level};
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::producer::Producer;
use crate::realtime::ring::is_before;
use crate::realtime::shared::{Role, Shared, scheduled_cost};
use crate::sys::address::Address;
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Not repairing: more than this does not wait for one peer outside of the out queue.
pub(super) const BACKED_UP_BYTES: usize = 64 * 1024;

/// Where a port is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    Open,
    /// Shut down, or its peer has gone for good: it ends when nothing is owed any more.
    Ending,
    /// And its handle is closed: it goes with its last connection.
    Released,
    /// It has gone.
    Forgotten,
}

/// What a client by name was given of the out queue: what lies before a position and was due then.
#[derive(Clone, Copy)]
pub(super) struct Forwarded {
    pub position: usize,
    pub until_ns: u64,
    /// Messages of other channels were not given.
    pub open: Channels,
}

/// What a port knows of sender time.
#[derive(Default)]
pub(super) struct Times {
    /// Told to peers with which sender time is in use.
    pub name: Name,
    /// There are such peers.
    pub in_use: bool,
    /// When the figures of their clocks were last taken together.
    pub figures_ns: u64,
    /// A merged server's messages that wait for their times.
    pub merge: Merge,
}

/// The network's side of a port.
pub(super) struct Port {
    pub shared: Arc<Shared>,
    /// None for a manual server.
    /// It is taken out while it is emptied, and so it is boxed.
    pub queue: Option<Box<OutQueue>>,
    pub incoming: Option<Producer>,
    pub times: Times,
    pub schedule: Schedule,
    /// Its connections, those that are being closed included.
    pub peers: Vec<Peer>,
    pub life: Life,
    pub owed: Owed,
    pub memory: Memory,
    pub flushes: Flushes,
    /// Clients that have left, and were given what the out queue still holds for them by name.
    pub forwarded: HashMap<u32, Forwarded>,
    /// The channels whose messages are sent and given, as far as changes were carried out.
    pub channels: Channels,
    /// The out queue waits until a peer has read.
    pub backed_up: bool,
    /// A waiting thread is to be told of a change.
    pub changed: bool,
    pub armed: Armed,
}

/// Effects in the order in which they must be carried out.
#[derive(Default)]
pub(super) struct Effects(pub VecDeque<Effect>);

impl Effects {
    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push_back(effect);
    }

    /// Asks for a write to a connection whose buffer has something, once until it is done.
    #[inline]
    pub(super) fn write(&mut self, peer: Peer, connection: &mut Connection) {
        if !connection.output.write_requested {
            self.request_write(peer, connection);
        }
    }

    fn request_write(&mut self, peer: Peer, connection: &mut Connection) {
        let writes = connection.is_confirmed_for_writing();
        let output = &mut connection.output;
        if writes && !output.buffer.is_empty() {
            output.write_requested = true;
            self.push(Effect::Write(peer));
        }
    }

    /// Has the threads told that wait for something of a port.
    pub(super) fn wake(&mut self, key: PortKey, port: &mut Port) {
        if !port.changed {
            port.changed = true;
            self.push(Effect::Wake(key));
        }
    }
}

impl Port {
    pub(super) fn new(shared: Arc<Shared>, queues: Option<(Producer, OutQueue)>, name: Name) -> Self {
        let (incoming, queue) = queues.unzip();
        Self {
            memory: Memory::new(&shared),
            channels: shared.queues.filter.open(),
            shared,
            queue: queue.map(Box::new),
            incoming,
            times: Times {
                name,
                ..Times::default()
            },
            schedule: Schedule::default(),
            peers: Vec::new(),
            life: Life::Open,
            owed: Owed::default(),
            flushes: Flushes::default(),
            forwarded: HashMap::new(),
            backed_up: false,
            changed: false,
            armed: Armed::default(),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(super) fn repairs(&self) -> bool {
        self.shared.repairs
    }

    pub(super) fn is_ending(&self) -> bool {
        self.life >= Life::Ending
    }

    /// Whether the in queue has room for going on with what waits: with each message that the audio thread takes a little
    /// room comes, and handing over one by one would cost both sides more.
    pub(super) fn has_room(&self) -> bool {
        self.incoming.as_ref().is_none_or(Producer::is_half_free)
    }

    /// The id that messages of a connection carry.
    pub(super) fn client_of(&self, connection: &Connection) -> u32 {
        if self.shared.role == Role::Merged {
            connection.client
        } else {
            0
        }
    }

    /// Whether messages of clients wait to be merged.
    pub(super) fn is_merging(&self) -> bool {
        self.times.merge.is_in_use()
    }

    /// Decides anew how long messages of a merged server wait to be merged: until the block that they belong to is the
    /// next, so that what the network delayed up to then still gets its place.
    pub(super) fn renew_hold(&mut self) {
        /// For the network thread and the audio thread not to miss each other.
        const MARGIN_NS: u64 = 500_000;
        if self.shared.role != Role::Merged || !self.repairs() {
            return;
        }
        let lag_ns = self.shared.counters.network.thread.lag_ns.load(Ordering::Relaxed);
        let latency_ns = self.shared.counters.pop.latency_ns.load(Ordering::Relaxed);
        let (_, period_ns) = self.shared.beat.last_period();
        let ahead_ns = period_ns + MARGIN_NS + lag_ns;
        self.times.merge.set_hold(if self.times.in_use {
            latency_ns.saturating_sub(ahead_ns)
        } else {
            0
        });
    }

    /// Timed messages in the in queue are placed at once, whatever their times.
    pub(super) fn place_at_once(&self) {
        if let Some(queue) = &self.incoming {
            self.shared.queues.rush.ask(queue.position());
        }
    }

    /// Received messages found no room.
    pub(super) fn note_dropped(&mut self, dropped: u64, now: u64) {
        self.shared.counters.network.dropped_in.add(dropped);
        // A difference that no loss has made may be owed already.
        if dropped != 0 && self.owed.loss != Some(true) {
            let congested = notification(Kind::Congested, now);
            self.owed.loss = Some(self.shared.control.notifications.announce_begin(congested));
        }
    }

    /// Whether what comes from a peer must wait for what is owed from an earlier one: on a port with one peer.
    pub(super) fn must_wait(&self) -> bool {
        self.shared.role != Role::Merged && !self.owed.departed.is_empty()
    }

    /// Whether a peer has to read before more is taken from the out queue.
    pub(super) fn is_backed_up(&self, connections: &Slab<Connection>) -> bool {
        let full = |peer: &Peer| {
            let output = connections.at(*peer).map(|connection| &connection.output);
            output.is_some_and(|output| output.takes() && output.buffer.len() >= BACKED_UP_BYTES)
        };
        !self.repairs() && self.peers.iter().any(full)
    }

    /// Tells the popping side whether releases would come if every peer left now.
    pub(super) fn update_holds(&self, connections: &Slab<Connection>) {
        let holds = |peer: &Peer| {
            connections
                .at(*peer)
                .is_some_and(|connection| !connection.input.track.is_neutral())
        };
        let releases = self.config().delivery.release_on_disconnect && self.peers.iter().any(holds);
        let wanted = releases || !self.owed.departed.is_empty() || !self.times.merge.is_empty();
        if wanted != self.shared.needs_release() {
            self.shared.set_needs_release(wanted);
        }
    }

    /// Whether a message in the out queue, at a position, was given to its client before that left.
    pub(super) fn was_forwarded(&self, record: &Record<'_>, position: usize) -> bool {
        let forwarded = self.forwarded.get(&record.client);
        forwarded.is_some_and(|forwarded| {
            let was_due = !record.is_scheduled() || record.time_ns <= forwarded.until_ns;
            was_due && is_before(position, forwarded.position)
        })
    }

    /// Whether a message was not given to its client, since its channel was closed by then.
    pub(super) fn was_stopped(&self, record: &Record<'_>) -> bool {
        let forwarded = self.forwarded.get(&record.client);
        forwarded.is_some_and(|forwarded| !forwarded.open.has(record.data))
    }

    /// A message is not scheduled any more.
    pub(super) fn unschedule(&self, size: usize) {
        self.shared
            .queues
            .scheduled_bytes
            .fetch_sub(scheduled_cost(size), Ordering::Relaxed);
    }

    /// A message is scheduled that push did not count.
    pub(super) fn count_scheduled(&self, size: usize) {
        self.shared
            .queues
            .scheduled_bytes
            .fetch_add(scheduled_cost(size), Ordering::Relaxed);
    }

    /// Counts a message that a peer does not get, and how many no difference restores for it.
    pub(super) fn count_lost(&self, unrepaired: u64) {
        self.shared.counters.network.dropped_out.add(1);
        self.shared.counters.network.unrepaired.add(unrepaired);
    }

    /// Counts a scheduled message that is not sent because the caller wants it so.
    pub(super) fn count_forgotten(&self, waiting: &Scheduled) {
        if !waiting.made {
            self.count_lost(0);
        }
    }

    /// Counts what the parser of a connection could not make a message of.
    pub(super) fn count_invalid(&self, parser: &mut crate::midi::parser::Parser) {
        let counts = parser.take_counts();
        self.shared.counters.network.invalid_bytes.add(counts.invalid);
        self.shared.counters.network.oversize_in.add(counts.oversize);
    }

    /// A peer reads again after it was congested, or has gone.
    pub(super) fn end_congestion(&self, announced: bool, recovered: Notification) {
        self.shared.control.notifications.announce_end(announced, recovered);
    }

    /// A connection is about to end. Tells the flushes for when the first message was meant that is lost with it.
    pub(super) fn note_unsent(&mut self, connection: &Connection) {
        let mut first = (!connection.output.buffer.is_empty()).then_some(0);
        // Other peers still get what is not with a connection yet.
        if first.is_none() && !self.shared.is_up() {
            first = self.schedule.next_ns();
            if let Some(queue) = &mut self.queue {
                queue.scan(|record, _| {
                    let due_ns = if record.is_scheduled() { record.time_ns } else { 0 };
                    first = Some(first.map_or(due_ns, |first| first.min(due_ns)));
                });
            }
        }
        self.flushes.connection_ends(first);
    }

    /// A connection is over for good: what was not written whole is dropped.
    pub(super) fn count_unsent(&self, connection: &mut Connection) {
        let buffer = &mut connection.output.buffer;
        buffer.each_unfinished(|message| self.count_lost(ChannelState::is_event(message).into()));
        buffer.clear();
    }
}

/// Why a server turns a client away.
pub(super) const NOT_ALLOWED: &str = "its address is not allowed";
pub(super) const TOO_MANY: &str = "there are as many clients as may be";

/// A server has turned a client away.
pub(super) fn turned_away(server: &Shared, address: Option<Address>, why: &str) {
    server.counters.network.rejected.add(1);
    let text = || format!("a client at {} was turned away: {why}", log::address(address));
    server.control.notifications.write(Level::Warning, text);
}

/// A notification of this time.
pub(super) fn notification(kind: Kind, now: u64) -> Notification {
    Notification {
        time_ns: now,
        ..Notification::new(kind)
    }
}
