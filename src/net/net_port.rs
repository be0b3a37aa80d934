//! The network thread's half of a port.

use super::AcceptQueue;
use super::connector::Connector;
use super::repair::Departed;
use super::reply::Reply;
use super::rhythm::{Heard, Rhythm};
use super::timers::Armed;
use crate::midi::state::ChannelState;
use crate::realtime::client_table::Ids;
use crate::realtime::drain::OutQueue;
use crate::realtime::endpoint::NetworkHalf;
use crate::realtime::producer::Producer;
use crate::realtime::shared::{Role, Shared};
use crate::session::schedule::Schedule;
use crate::session::track::Track;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// How often a repairing port without a peer is looked at.
const OFFLINE_TICK_NS: u64 = 20_000_000;

/// What a port does on the network.
pub(super) enum Work {
    Server {
        listeners: Vec<usize>,
        /// Where to bind, while the address is in use: until when to try.
        binding: Option<(Vec<SocketAddr>, u64)>,
        ids: Ids,
        /// Links by client id.
        by_client: HashMap<u32, usize>,
        /// A manual server's clients that wait for `accept`.
        accepted: Option<Arc<AcceptQueue>>,
    },
    Client(Connector),
    Accepted,
}

/// The network thread's half of a port.
pub(super) struct NetPort {
    pub shared: Arc<Shared>,
    /// The realtime priority that it asks for.
    pub priority: u32,
    pub incoming: Option<Producer>,
    pub outgoing: Option<OutQueue>,
    pub schedule: Schedule,
    /// When its out queue is worth a look.
    pub rhythm: Rhythm,
    pub work: Work,
    /// Its connections, those that are being closed included.
    pub links: Vec<usize>,
    /// Shut down: nothing new begins.
    pub closing: bool,
    /// The caller has closed it: it goes with its last connection.
    pub released: bool,
    /// Something happened that a waiting thread may want to know.
    pub touched: bool,
    /// The peer has gone for good, or the port was shut down: it ends when nothing is owed any more.
    pub gone: bool,
    /// Peers that have gone, and whose releases are owed to the popping thread.
    pub departed: VecDeque<Departed>,
    /// Links that are over, but whose messages are not all handed over.
    pub draining: usize,
    /// Links whose peers hold something.
    pub holders: usize,
    /// A client's: what the peer got on the last connection, and what was pushed without one.
    pub memory: Option<Track>,
    /// A merged server's that greets: where the stream to all clients stands.
    pub stands: Option<Box<ChannelState>>,
    /// The in queue was full and messages were dropped.
    pub in_lossy: bool,
    /// Whether that was told, and its end must be.
    pub in_lossy_told: bool,
    /// Not repairing: a peer's outbox is full, and the out queue must wait.
    pub backed_up: bool,
    /// Somebody wants to know how far the out queue is with the system.
    pub asked: bool,
    /// And waits for it.
    pub askers: Vec<Reply>,
    pub armed: Armed,
}

impl NetPort {
    pub(super) fn new(ends: NetworkHalf, work: Work) -> Self {
        let (incoming, outgoing) = ends.queues.unzip();
        let tick_ns = u64::from(ends.shared.config.tick_us) * 1000;
        let greets = ends.shared.role == Role::Merged && ends.shared.config.greet;
        Self {
            priority: ends.shared.config.realtime_priority,
            shared: ends.shared,
            incoming,
            outgoing,
            schedule: Schedule::default(),
            rhythm: Rhythm::new(tick_ns),
            work,
            links: Vec::new(),
            closing: false,
            released: false,
            touched: false,
            gone: false,
            departed: VecDeque::new(),
            draining: 0,
            holders: 0,
            memory: None,
            stands: greets.then(Box::default),
            in_lossy: false,
            in_lossy_told: false,
            backed_up: false,
            asked: false,
            askers: Vec::new(),
            armed: Armed::default(),
        }
    }

    /// Whether the audio thread has left something to do.
    pub(super) fn has_work(&mut self) -> bool {
        let backed_up = self.backed_up;
        self.outgoing
            .as_mut()
            .is_some_and(|outgoing| outgoing.has_work(backed_up))
    }

    /// When its out queue is to be looked at next; None: whoever pushes says so, or nobody can.
    pub(super) fn next_look_ns(&self) -> Option<u64> {
        self.ticks().then(|| self.rhythm.next_ns())
    }

    /// Its out queue is looked at, and had something.
    pub(super) fn look(&mut self, now: u64, found: bool) {
        if !self.ticks() {
            return;
        }
        if !self.shared.is_up() {
            return self.rhythm.wait_until(now + OFFLINE_TICK_NS);
        }
        let beat = &self.shared.beat;
        let heard = Heard {
            period: beat.last(),
            pushed_ns: beat.pushed.ask(),
            popped_ns: beat.popped.ask(),
            found,
        };
        self.rhythm.look(now, heard);
    }

    /// Whether its out queue is looked at without being asked. A repairing port remembers what is pushed without a
    /// peer, and nobody waits for that.
    fn ticks(&self) -> bool {
        let pushes = self.outgoing.is_some() && !self.shared.signals && !self.closing && !self.gone;
        pushes && (self.shared.repairs || self.shared.is_up())
    }
}
