//! A session with a network that does what the test says.

use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::flush::Flushed;
use crate::realtime::shared::{Role, Shared};
use crate::realtime::waker::Waker;
use crate::session::options::Options;
use crate::session::{Effect, Peer, PortKey, Session};
use crate::sys::address::Address;
use crate::sys::clock::simulated::set_now_ns;
use crate::sys::code::Code;
use crate::sys::tcp::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A session of one port, and what became of what it asked for.
pub(super) struct Driven {
    pub session: Session,
    pub key: PortKey,
    pub endpoint: Endpoint,
    /// The network thread's time, which stands still in a turn. The callers' time may be later.
    pub now: u64,
    /// What each peer was sent.
    pub sent: BTreeMap<usize, Vec<u8>>,
    /// Peers that take nothing.
    pub blocked: BTreeSet<usize>,
    pub closed: BTreeSet<usize>,
    /// How often a measurement was asked for.
    pub measured: usize,
    /// A manual server's ports, in order.
    pub accepted: Vec<(PortKey, Endpoint)>,
}

impl Driven {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        let waker = Arc::new(Waker::new().unwrap());
        let (endpoint, half) = Endpoint::with_network(role, config, waker).unwrap();
        let (session, key) = Session::new(half.shared, half.queues, Options::default());
        let mut driven = Self {
            session,
            key,
            endpoint,
            now: 0,
            sent: BTreeMap::new(),
            blocked: BTreeSet::new(),
            closed: BTreeSet::new(),
            measured: 0,
            accepted: Vec::new(),
        };
        driven.at(1);
        driven
    }

    pub(super) fn shared(&self) -> &Shared {
        self.endpoint.shared()
    }

    /// It is so many microseconds later than the beginning, for the callers.
    pub(super) fn callers_at(&mut self, us: u64) {
        set_now_ns(us * 1000);
    }

    /// It is so late for everybody.
    pub(super) fn at(&mut self, us: u64) {
        self.callers_at(us);
        self.now = us * 1000;
    }

    /// A client comes, and says that it speaks MIDI.
    pub(super) fn client(&mut self) -> Peer {
        let peer = self.newcomer().expect("there is a place");
        self.session.handle_bytes(peer, self.now, &[0xFE]);
        self.carry_out();
        peer
    }

    /// A client comes; None: it is turned away.
    pub(super) fn newcomer(&mut self) -> Option<Peer> {
        let address = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 1024)));
        let peer = self.session.add_client(Some(address), self.now);
        self.carry_out();
        if let Some(peer) = peer {
            self.closed.remove(&peer.0);
            self.sent.remove(&peer.0);
        }
        peer
    }

    /// A client's port is connected.
    pub(super) fn connect(&mut self) -> Peer {
        let server = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 9080)));
        let peer = self.session.core.connect(self.key, server, self.now).unwrap();
        self.carry_out();
        peer
    }

    /// The id of a client.
    pub(super) fn id(&self, peer: Peer) -> u32 {
        self.session.core.connections[peer.0].client
    }

    pub(super) fn push(&self, at_us: u64, client: u32, message: &[u8]) -> Code {
        // SAFETY: one thread does everything.
        unsafe { self.endpoint.push(at_us * 1000, client, message) }
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        // SAFETY: one thread does everything.
        let popped = unsafe { self.endpoint.pop() };
        popped.ok().map(|popped| {
            // SAFETY: the message stays until the next pop.
            unsafe { popped.data.as_ref() }.to_vec()
        })
    }

    /// One turn of the network thread.
    pub(super) fn turn(&mut self) {
        if self.session.core.waits_for_room() && self.session.core.has_room() {
            for _ in 0..self.session.begin_retry() {
                self.session.retry_next(self.now, &mut Vec::new());
            }
            self.carry_out();
        }
        let core = &mut self.session.core;
        if core.has_work(self.key, self.now) || core.is_flushing(self.key) {
            core.drain(self.key, self.now);
        }
        self.carry_out();
        if self.session.core.poll_timeout().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
            self.carry_out();
        }
    }

    /// Turns until there is nothing more to do at this time.
    pub(super) fn settle(&mut self) {
        self.turn();
        while self.session.core.take_again() {
            self.turn();
        }
    }

    /// The peer has sent its last.
    pub(super) fn ends(&mut self, peer: Peer) {
        self.session.handle_eof(peer, self.now);
        self.carry_out();
    }

    pub(super) fn carry_out(&mut self) {
        while let Some(effect) = self.session.core.poll_effect() {
            match effect {
                Effect::Write(peer) => self.write(peer),
                Effect::Close(peer) => drop(self.closed.insert(peer.0)),
                Effect::Measure(peer) => {
                    self.measured += 1;
                    self.session.handle_progress(peer, self.now, Some(READ));
                }
                Effect::Accept(peer) => self.open_port(peer),
                Effect::Withdraw(port) => self.accepted.retain(|(key, _)| *key != port),
                Effect::FinishWriting(_) | Effect::Disconnected { .. } | Effect::Wake(_) | Effect::Forget(_) => {}
            }
        }
    }

    fn write(&mut self, peer: Peer) {
        if self.blocked.contains(&peer.0) {
            return self.session.handle_sent(peer, self.now, 0);
        }
        let bytes = self.session.core.unsent(peer).to_vec();
        self.sent.entry(peer.0).or_default().extend_from_slice(&bytes);
        self.session.handle_sent(peer, self.now, bytes.len());
    }

    /// A peer takes bytes again.
    pub(super) fn unblock(&mut self, peer: Peer) {
        self.blocked.remove(&peer.0);
        self.session.core.handle_writable(peer, self.now);
        self.carry_out();
    }

    fn open_port(&mut self, peer: Peer) {
        let server = Arc::clone(self.session.core.port_of(peer).unwrap());
        let (endpoint, half) =
            Endpoint::with_network(Role::Accepted, &server.config, Arc::new(Waker::new().unwrap())).unwrap();
        let key = self.session.accept(peer, half.shared, half.queues.unwrap(), self.now);
        self.accepted.push((key.unwrap(), endpoint));
    }

    /// The messages that a peer was sent since this was asked last.
    pub(super) fn heard(&mut self, peer: Peer) -> Vec<Vec<u8>> {
        let bytes = self.sent.remove(&peer.0).unwrap_or_default();
        crate::midi::naive_model::meaning(&bytes, 1 << 20).messages
    }

    /// The values of controller 7 of channel 1 that a peer was sent, with R for a reset.
    pub(super) fn volumes(&mut self, peer: Peer) -> String {
        let heard = self.heard(peer);
        let said = heard.iter().filter_map(|message| match message[..] {
            [0xB0, 7, value] => Some(value.to_string()),
            [0xB0, 121, _] => Some("R".into()),
            _ => None,
        });
        said.collect::<Vec<String>>().join(" ")
    }

    /// Messages sent, and messages dropped.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.shared().messages_out(), self.shared().dropped_out())
    }

    pub(super) fn client_count(&self) -> u32 {
        self.shared().clients.count.load(Ordering::Relaxed)
    }

    pub(super) fn outcome(&self, ticket: u32) -> Option<Flushed> {
        self.shared().control.flush.outcome(ticket)
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        set_now_ns(0);
    }
}

/// The peer has acknowledged all.
pub(super) const READ: Progress = Progress {
    unacknowledged: 0,
    probing: false,
    resent_every_ms: None,
    silent_ms: 0,
    ended: false,
};
