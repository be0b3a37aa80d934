//! Ports on one address: songs on many ports and clients that come and go, judged by a receiver at each end.

use super::studio::{CHANNELS, Client, Ear, MARK, Member, random_message};
use crate::midi::channels::Channels;
use crate::midi::frame;
use crate::midi::parser::Parser;
use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::shared::{Role, SYNTHETIC};
use crate::realtime::waker::Waker;
use crate::session::conversation::Conversation;
use crate::session::options::Options;
use crate::session::simulation::{random::Random, setting};
use crate::session::{Effect, Peer};
use crate::sys::address::Address;
use crate::sys::clock::simulated::set_now_ns;
use crate::sys::code::Code;
use crate::sys::tcp::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

const MS: u64 = 1_000_000;
const NAME: &str = "a client";

struct Studio {
    session: Conversation,
    members: Vec<Member>,
    clients: BTreeMap<usize, Client>,
    closed: BTreeSet<usize>,
    now: u64,
    /// Of ports and clients, in the order in which they came.
    numbers: usize,
    random: Random,
    small: bool,
}

impl Studio {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(Random::new(seed).next());
        let small = random.chance(500);
        Self {
            session: Conversation::of_several(),
            members: Vec::new(),
            clients: BTreeMap::new(),
            closed: BTreeSet::new(),
            now: MS,
            numbers: 0,
            random,
            small,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    fn chance(&mut self, of_100: u64) -> bool {
        self.random.chance(of_100 * 10)
    }

    fn add_port(&mut self) {
        let mut config = Config::default();
        config.server.share = true;
        config.server.max_clients = 1 + self.below(3) as u32;
        config.delivery.client_buffer_bytes = if self.small { 64 } else { 65536 };
        config.queues.in_queue_bytes = 4096;
        if self.chance(30) {
            config.channels = Channels::of_known(1 << self.below(CHANNELS) | 1 << 16);
        }
        let config = config.normalized().unwrap();
        let allow = self.chance(20).then_some("127.0.0.1/32");
        let options = Options {
            allow: allow.map(|list| list.parse().unwrap()),
            ..Options::default()
        };
        let (endpoint, half) = Endpoint::with_network(Role::Merged, &config, Arc::new(Waker::new().unwrap())).unwrap();
        let key = self
            .session
            .add_port(half.shared, half.queues, options, self.now)
            .unwrap();
        let sleeps = self.chance(15);
        self.numbers += 1;
        let since = self
            .clients
            .iter()
            .map(|(peer, client)| (*peer, client.sent.len()))
            .collect();
        self.members.push(Member {
            number: self.numbers,
            key,
            endpoint,
            channels: config.channels,
            allow,
            popped: BTreeMap::new(),
            since,
            sleeps,
        });
        self.carry_out();
    }

    fn add_client(&mut self) {
        self.numbers += 1;
        let host = if self.chance(50) { 1 } else { 2 };
        let address = Address::Ip(SocketAddr::from(([127, 0, 0, host], 1024 + self.numbers as u16)));
        let allowed = self.members.iter().any(|member| member.permits(address));
        let most = self
            .members
            .iter()
            .map(|member| member.endpoint.shared().config.server.max_clients)
            .max();
        let has_place = self.clients.len() < most.unwrap_or(0) as usize;
        let peer = self.session.add_client(Some(address), self.now);
        assert_eq!(peer.is_some(), allowed && has_place, "a newcomer at {address}");
        let Some(peer) = peer else { return };
        self.closed.remove(&peer.0);
        self.clients.insert(
            peer.0,
            Client {
                address,
                parser: Parser::new(1 << 20),
                ear: Ear::default(),
                holds: BTreeMap::new(),
                notes: BTreeSet::new(),
                pedal: [false; CHANNELS],
                room: usize::MAX,
                waited: false,
                sent: Vec::new(),
                confirmed: false,
                asked: false,
            },
        );
        for member in &mut self.members {
            member.since.insert(peer.0, 0);
        }
        self.carry_out();
    }

    /// A client sends something, in two pieces.
    fn send(&mut self, peer: usize) {
        let message = random_message(&mut self.random);
        let cut = self.below(message.len() + 1);
        let Some(client) = self.clients.get_mut(&peer) else {
            return;
        };
        client.sent.push(message.clone());
        client.confirmed = true;
        for piece in [&message[..cut], &message[cut..]] {
            if !piece.is_empty() {
                self.session.handle_bytes(Peer(peer), self.now, piece);
                self.carry_out();
            }
        }
    }

    /// A client asks for sender time.
    fn ask(&mut self, peer: usize) {
        let Some(client) = self.clients.get_mut(&peer).filter(|client| !client.asked) else {
            return;
        };
        (client.asked, client.confirmed) = (true, true);
        let mut hello = Vec::new();
        frame::hello(false, 7, NAME.as_bytes(), &mut hello);
        self.session.handle_bytes(Peer(peer), self.now, &hello);
        self.carry_out();
    }

    /// A port pushes something, to all clients or to one.
    fn push(&mut self, index: usize) {
        let message = random_message(&mut self.random);
        let named = self.chance(10);
        let clients = self.members[index].endpoint.clients().unwrap();
        let client = if named && !clients.is_empty() {
            clients[self.below(clients.len())]
        } else {
            0
        };
        let member = &self.members[index];
        // SAFETY: one thread does everything.
        let code = unsafe { member.endpoint.push(0, client, &message) };
        if code != Code::Ok || !member.channels.has(&message) {
            return;
        }
        let number = member.number;
        for of in self.clients.values_mut() {
            let id = member.endpoint.clients().unwrap();
            let id = id
                .into_iter()
                .find(|id| member.endpoint.client_address(*id) == Ok(of.address));
            if id.is_none() || client != 0 && id != Some(client) {
                continue;
            }
            of.waited |= !of.confirmed;
            of.take(number, &message);
        }
        self.settle();
    }

    fn pop(&mut self, index: usize) {
        let member = &mut self.members[index];
        // SAFETY: one thread does everything, and each message is copied before the next is popped.
        while let Ok(popped) = unsafe { member.endpoint.pop() } {
            // SAFETY: as above.
            let bytes = unsafe { popped.data.as_ref() }.to_vec();
            assert!(member.channels.has(&bytes) || popped.flags & SYNTHETIC != 0);
            if popped.flags & SYNTHETIC == 0 {
                member.popped.entry(popped.client).or_default().push(bytes);
            }
        }
    }

    fn close_port(&mut self, index: usize) {
        self.pop(index);
        self.check_popped(index);
        let member = self.members.remove(index);
        let alone = |client: &Client, members: &[Member]| !members.iter().any(|member| member.permits(client.address));
        self.session.release(member.key, self.now);
        self.settle();
        let members = &self.members;
        let mut gone = Vec::new();
        for (peer, client) in &mut self.clients {
            client.release(member.number);
            if alone(client, members) {
                gone.push(*peer);
            } else {
                assert!(!self.closed.contains(peer), "a connection ended that another port has");
            }
        }
        for peer in gone {
            self.forget(peer);
        }
    }

    /// A client is no client of any port any more. It reads on.
    fn forget(&mut self, peer: usize) {
        if let Some(client) = self.clients.get_mut(&peer) {
            client.room = usize::MAX;
        }
        self.session.handle_writable(Peer(peer), self.now);
        self.settle();
        if !self.closed.contains(&peer) {
            self.session.handle_eof(Peer(peer), self.now);
        }
        for _ in 0..2000 {
            if self.closed.contains(&peer) {
                break;
            }
            self.now += 10 * MS;
            self.settle();
        }
        assert!(self.closed.contains(&peer), "a connection without a port ends");
        let client = self.clients.remove(&peer).unwrap();
        assert!(client.ear.notes.is_empty(), "left sounding: {:?}", client.ear.notes);
        assert_eq!(client.ear.pedal, [false; CHANNELS]);
    }

    fn leave(&mut self, peer: usize) {
        let reason = crate::session::Reason::of(Code::Io);
        self.session.handle_failure(Peer(peer), self.now, reason);
        for _ in 0..100 {
            self.now += 20 * MS;
            self.settle();
        }
        assert!(self.closed.contains(&peer));
        self.clients.remove(&peer);
        for member in &mut self.members {
            member.since.remove(&peer);
        }
        self.forget_popped();
    }

    /// Ids of clients that have gone are not looked at any more.
    fn forget_popped(&mut self) {
        for index in 0..self.members.len() {
            self.pop(index);
            let member = &mut self.members[index];
            let there: BTreeSet<u32> = member.endpoint.clients().unwrap().into_iter().collect();
            member.popped.retain(|id, _| there.contains(id));
        }
    }

    fn settle(&mut self) {
        loop {
            set_now_ns(self.now);
            for index in 0..self.members.len() {
                let key = self.members[index].key;
                if self.session.has_work(key, self.now) || self.session.is_flushing(key) {
                    self.session.drain(key, self.now);
                }
                self.carry_out();
            }
            if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
                self.session.handle_timeout(self.now);
            }
            self.carry_out();
            if !self.session.take_again() {
                break;
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Write(peer) => self.write(peer),
                Effect::Close(peer) => drop(self.closed.insert(peer.0)),
                Effect::Measure(peer) => {
                    let progress = Progress {
                        unacknowledged: 0,
                        probing: false,
                        resent_every_ms: None,
                        silent_ms: 0,
                        ended: false,
                    };
                    self.session.handle_progress(peer, self.now, Some(progress));
                }
                _ => {}
            }
        }
    }

    fn write(&mut self, peer: Peer) {
        let Some(client) = self.clients.get_mut(&peer.0) else {
            return;
        };
        let unsent = self.session.unsent(peer);
        let count = unsent.len().min(client.room);
        if unsent.is_empty() {
            return;
        }
        client.parser.feed(&unsent[..count], &mut client.ear);
        client.room -= if client.room == usize::MAX { 0 } else { count };
        client.waited |= count < unsent.len();
        self.session.handle_sent(peer, self.now, count);
    }

    /// A client reads again, or stops.
    fn change_room(&mut self, peer: usize) {
        let room = if self.chance(50) { usize::MAX } else { self.below(100) };
        let Some(client) = self.clients.get_mut(&peer) else {
            return;
        };
        client.room = room;
        if self.session.interest(Peer(peer)).write {
            self.session.handle_writable(Peer(peer), self.now);
        }
        self.settle();
    }

    /// What sounds at the clients is what the ports hold, at a moment when all is written.
    fn check_clients(&mut self) {
        let peers: Vec<usize> = self.clients.keys().copied().collect();
        for peer in &peers {
            if let Some(client) = self.clients.get_mut(peer) {
                client.room = usize::MAX;
            }
            if self.session.interest(Peer(*peer)).write {
                self.session.handle_writable(Peer(*peer), self.now);
            }
            self.settle();
        }
        self.check_marks();
        for peer in peers {
            let client = &self.clients[&peer];
            if !client.confirmed {
                continue;
            }
            let notes: BTreeSet<(u8, u8)> = client
                .notes
                .iter()
                .map(|(channel, key)| (*channel as u8, *key))
                .collect();
            assert_eq!(client.ear.answers, usize::from(client.asked), "one answer to one hello");
            assert_eq!(client.ear.untimed, 0);
            if !client.waited {
                assert_eq!(client.ear.notes, notes, "connection {peer}");
                assert_eq!(client.ear.pedal, client.pedal);
            }
        }
    }

    /// What a port pushes now reaches every client that it sees, whatever was lost before.
    fn check_marks(&mut self) {
        for client in self.clients.values_mut() {
            client.ear.marks = 0;
        }
        for member in &self.members {
            // SAFETY: one thread does everything.
            let code = unsafe { member.endpoint.push(0, 0, &MARK) };
            assert!(matches!(code, Code::Ok | Code::Offline));
        }
        self.settle();
        for client in self.clients.values().filter(|client| client.confirmed) {
            let ports = self
                .members
                .iter()
                .filter(|member| member.permits(client.address))
                .count();
            assert_eq!(client.ear.marks, ports, "marks at {}", client.address);
        }
    }

    /// A port popped all that its clients sent, of its channels, unless it slept.
    fn check_popped(&mut self, index: usize) {
        let member = &self.members[index];
        if member.endpoint.shared().counters.network.dropped_in.get() != 0 {
            return;
        }
        for id in member.endpoint.clients().unwrap() {
            let address = member.endpoint.client_address(id).unwrap();
            let Some((peer, client)) = self.clients.iter().find(|(_, client)| client.address == address) else {
                continue;
            };
            let since = member.since.get(peer).copied().unwrap_or(0);
            let sent = client.sent[since..]
                .iter()
                .filter(|message| member.channels.has(message));
            let sent: Vec<&Vec<u8>> = sent.collect();
            let popped = member.popped.get(&id).map_or(&[][..], |popped| popped);
            assert_eq!(
                popped.iter().collect::<Vec<_>>(),
                sent,
                "port {} of client {id}",
                member.number
            );
        }
    }

    /// No port sees a client that it does not allow, and all see the same ids.
    fn check_ids(&self) {
        let mut ids: BTreeMap<String, u32> = BTreeMap::new();
        for member in &self.members {
            for id in member.endpoint.clients().unwrap() {
                let address = member.endpoint.client_address(id).unwrap();
                assert!(member.permits(address));
                assert_eq!(*ids.entry(format!("{address}")).or_insert(id), id);
                let client = self.clients.values().find(|client| client.address == address);
                if client.is_some_and(|client| client.asked) {
                    assert_eq!(member.endpoint.client_name(id).as_deref(), Ok(NAME));
                }
            }
        }
    }

    fn run(&mut self) {
        self.add_port();
        let steps = 20 + self.below(200);
        for _ in 0..steps {
            self.now += self.random.below(2 * MS);
            set_now_ns(self.now);
            let peers: Vec<usize> = self.clients.keys().copied().collect();
            let peer = (!peers.is_empty()).then(|| peers[self.below(peers.len())]);
            let port = self.below(self.members.len().max(1));
            match (self.below(100), peer) {
                (0..8, _) if self.members.len() < 16 => self.add_port(),
                (8..12, _) if self.members.len() > 1 => self.close_port(port),
                (12..20, _) => self.add_client(),
                (20..22, Some(peer)) => self.leave(peer),
                (22..26, Some(peer)) if self.small => self.change_room(peer),
                (26..28, Some(peer)) => self.ask(peer),
                (28..50, Some(peer)) => self.send(peer),
                (50..60, _) if !self.members[port].sleeps => self.pop(port),
                (60..64, _) => self.check_clients(),
                _ => self.push(port),
            }
            self.check_ids();
        }
        self.check_clients();
        while !self.members.is_empty() {
            self.close_port(0);
        }
        assert!(self.clients.is_empty() && self.session.is_empty());
    }
}

fn run_many(first: u64, count: u64) {
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(|| Studio::new(seed).run());
        set_now_ns(0);
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

/// What a port makes good comes after another port's reset that was sent before it.
#[test]
fn what_failed_once() {
    run_many(1_042_387, 1);
}

#[test]
fn random_studios() {
    let (first, count) = (
        setting("MIDISOCK_STUDIO_SEED", 1),
        setting("MIDISOCK_STUDIO_RUNS", 2000),
    );
    run_many(first, count);
}
