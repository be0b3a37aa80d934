//! Several ports on one address. To clients they are one server.
//!
//! Each port is a [`Member`] with a [`Session`] of its own, which serves the clients as if it were alone: it has its own
//! queues, overflow, latency, channels and notifications, and what one port loses no other port loses. The [`Hub`] stands
//! between these sessions and the sockets, and has the methods of a session for the code that drives it.
//!
//! A client is one [`Trunk`] here and a connection in each of the sessions. The hub feeds what came to all of them, and
//! [`mixer`] makes one stream of what they send. A port that comes is given the clients that are there, a port that goes
//! leaves them to the others: no connection ends for either. What concerns the client itself is done here, once: places,
//! ids, time-outs, and the frames of sender time.

mod clients;
mod mixer;
mod trunk;

use super::allow::Allow;
use super::connection::Connection;
use super::effect::{Effect, Interest, Keyed, Peer, PortKey};
use super::name::Name;
use super::options::Options;
use super::{Session, admission};
use crate::midi::channels::Channels;
use crate::realtime::client_table::Ids;
use crate::realtime::drain::OutQueue;
use crate::realtime::producer::Producer;
use crate::realtime::shared::Shared;
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;
use trunk::Trunk;

/// One of the ports that share the address.
pub(super) struct Member {
    session: Session,
    /// The port's key in its own session.
    port: PortKey,
    shared: Arc<Shared>,
    /// Ports are as old as this number is low.
    serial: u64,
    /// The port was shut down or has closed.
    ending: bool,
    /// By the connection in the port's session: the client that it belongs to.
    trunks: Vec<Option<Peer>>,
}

impl Member {
    fn trunk_of(&self, peer: Peer) -> Option<Peer> {
        self.trunks.get(peer.0).copied().flatten()
    }

    fn name(&self) -> Option<&Name> {
        Some(&self.session.core.ports.at(self.port)?.times.name)
    }

    /// As far as changes were carried out.
    fn channels(&self) -> Channels {
        self.session
            .core
            .ports
            .at(self.port)
            .map_or(Channels::ALL, |port| port.channels)
    }

    fn set_trunk(&mut self, peer: Peer, trunk: Option<Peer>) {
        if self.trunks.len() <= peer.0 {
            self.trunks.resize(peer.0 + 1, None);
        }
        self.trunks[peer.0] = trunk;
    }
}

/// The ports that share an address, and their clients.
pub(crate) struct Hub {
    members: Slab<Member>,
    trunks: Slab<Trunk>,
    ids: Ids,
    effects: VecDeque<Effect>,
    serial: u64,
    /// The time of the last call.
    now: u64,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self {
            members: Slab::new(),
            trunks: Slab::new(),
            ids: Ids::shared(),
            effects: VecDeque::new(),
            serial: 0,
            now: 0,
        }
    }

    /// A port comes. It gets the clients that are there, as far as it allows them.
    pub(super) fn add_port(
        &mut self,
        shared: Arc<Shared>,
        queues: Option<(Producer, OutQueue)>,
        options: Options,
        now: u64,
    ) -> PortKey {
        let (session, port) = Session::with_ids(Arc::clone(&shared), queues, options, None);
        self.serial += 1;
        let member = self.members.insert(Member {
            session,
            port,
            shared,
            serial: self.serial,
            ending: false,
            trunks: Vec::new(),
        });
        self.give_clients(member, now);
        self.advance(now);
        PortKey(member)
    }

    fn member(&self, key: PortKey) -> Option<&Member> {
        self.members.get(key.0)
    }

    /// Has the session of a port do something.
    fn with<R: Default>(&mut self, key: PortKey, now: u64, call: impl FnOnce(&mut Session, PortKey) -> R) -> R {
        let Some(member) = self.members.get_mut(key.0) else {
            return R::default();
        };
        let result = call(&mut member.session, member.port);
        self.advance(now);
        result
    }

    /// The name of the oldest port that is not ending, by which the address is advertised.
    pub(super) fn name(&self) -> Name {
        let open = self.members.iter().map(|(_, member)| member);
        let oldest = open.filter(|member| !member.ending).min_by_key(|member| member.serial);
        oldest.and_then(Member::name).cloned().unwrap_or_default()
    }

    /// Whether no other port of the address is open.
    pub(super) fn is_last(&self, key: PortKey) -> bool {
        !self
            .members
            .iter()
            .any(|(other, member)| other != key.0 && !member.ending)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.trunks.is_empty()
    }

    pub(super) fn shared(&self, key: PortKey) -> Option<&Arc<Shared>> {
        self.member(key).map(|member| &member.shared)
    }

    pub(super) fn has_work(&mut self, key: PortKey, now: u64) -> bool {
        let member = self.members.get_mut(key.0);
        member.is_some_and(|member| member.session.core.has_work(member.port, now))
    }

    pub(super) fn is_flushing(&self, key: PortKey) -> bool {
        self.member(key)
            .is_some_and(|member| member.session.core.is_flushing(member.port))
    }

    pub(super) fn is_at_rest(&self, key: PortKey) -> bool {
        self.member(key)
            .is_none_or(|member| member.session.core.is_at_rest(member.port))
    }

    pub(super) fn drain(&mut self, key: PortKey, now: u64) {
        self.with(key, now, |session, port| session.core.drain(port, now));
    }

    pub(super) fn set_allow(&mut self, key: PortKey, allow: Option<Allow>, now: u64) -> bool {
        let changed = self.with(key, now, |session, port| {
            admission::set_allow(session, port, allow, now)
        });
        if changed {
            self.give_clients(key.0, now);
            self.advance(now);
        }
        changed
    }

    pub(super) fn set_name(&mut self, key: PortKey, name: Name, now: u64) {
        self.with(key, now, |session, port| session.core.set_name(port, name, now));
        self.exchange_all(now);
        self.advance(now);
    }

    pub(super) fn shut_down(&mut self, key: PortKey, now: u64) {
        self.end_port(key, now, |session, port| session.shut_down(port, now));
    }

    pub(super) fn release(&mut self, key: PortKey, now: u64) {
        self.end_port(key, now, |session, port| session.release(port, now));
    }

    pub(super) fn give_up(&mut self, key: PortKey, now: u64) {
        self.end_port(key, now, |session, port| session.give_up(port, now));
    }

    fn end_port(&mut self, key: PortKey, now: u64, end: impl FnOnce(&mut Session, PortKey)) {
        if let Some(member) = self.members.get_mut(key.0) {
            member.ending = true;
        }
        self.with(key, now, end);
        self.exchange_all(now);
        self.advance(now);
    }

    /// The next thing to be done.
    pub(super) fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.pop_front()?;
        match effect {
            Effect::Write(peer) => {
                if let Some(trunk) = self.trunks.at_mut(peer) {
                    trunk.write_requested = false;
                }
            }
            Effect::Close(peer) => drop(self.trunks.try_remove(peer.0)),
            Effect::Forget(key) => drop(self.members.try_remove(key.0)),
            _ => {}
        }
        Some(effect)
    }

    /// When `handle_timeout` is to be called.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        let sessions = self.members.iter();
        let sessions = sessions.filter_map(|(_, member)| member.session.core.poll_timeout());
        let trunks = self.trunks.iter().filter_map(|(_, trunk)| trunk.next_timeout(self.now));
        sessions.chain(trunks).min()
    }

    pub(super) fn take_again(&mut self) -> bool {
        let mut again = false;
        for (_, member) in &mut self.members {
            again |= member.session.core.take_again();
        }
        again
    }

    /// Whether connections wait for room in an in queue. The ports that share repair, so none does for long.
    pub(super) fn waits_for_room(&self) -> bool {
        self.members
            .iter()
            .any(|(_, member)| member.session.core.waits_for_room())
    }

    pub(super) fn has_room(&self) -> bool {
        self.members.iter().any(|(_, member)| member.session.core.has_room())
    }

    /// All connections of all ports try again at once.
    pub(super) fn begin_retry(&self) -> usize {
        self.waits_for_room().into()
    }

    pub(super) fn retry_next(&mut self, now: u64, read_again: &mut Vec<Peer>) -> bool {
        let mut progress = false;
        for (_, member) in &mut self.members {
            let mut peers = Vec::new();
            for _ in 0..member.session.begin_retry() {
                progress |= member.session.retry_next(now, &mut peers);
            }
            read_again.extend(peers.into_iter().filter_map(|peer| member.trunk_of(peer)));
        }
        self.advance(now);
        progress
    }

    /// What a client's socket is to be watched for now.
    pub(super) fn interest(&self, peer: Peer) -> Interest {
        let Some(trunk) = self.trunks.at(peer).filter(|trunk| !trunk.closed) else {
            return Interest::default();
        };
        let connections = || mixer::connections(&self.members, trunk);
        let is_congested = |connection: &Connection| connection.is_confirmed() && connection.output.is_congested();
        Interest {
            read: !trunk.ended && connections().any(|connection| connection.interest().read),
            write: trunk.outgoing.blocked || !trunk.outgoing.is_empty() || connections().any(is_congested),
        }
    }

    /// What is to be written to a client. Also of ports that have gone: what they left is offered to the system once.
    pub(super) fn unsent(&self, peer: Peer) -> &[u8] {
        let trunk = self.trunks.at(peer).filter(|trunk| trunk.confirmed);
        trunk.map_or(&[], |trunk| trunk.outgoing.unsent())
    }

    /// The most that is worth reading at once.
    pub(super) fn read_limit(&self, peer: Peer) -> usize {
        let branches = self.trunks.at(peer).map_or(&[][..], |trunk| &trunk.branches);
        let limit = |branch: &trunk::Branch| {
            let member = self.members.get(branch.member)?;
            Some(member.session.core.read_limit(branch.peer))
        };
        branches.iter().filter_map(limit).min().unwrap_or(usize::MAX)
    }

    /// One of the ports that a client's connection belongs to.
    pub(super) fn port_of(&self, peer: Peer) -> Option<&Arc<Shared>> {
        let branch = self.trunks.at(peer)?.branches.first()?;
        Some(&self.members.get(branch.member)?.shared)
    }

    /// Clients of which it is not known whether they have left, since they are not read.
    pub(super) fn peers_in_doubt(&self) -> Vec<Peer> {
        let in_doubt = self.members.iter().flat_map(|(_, member)| {
            let peers = member.session.core.peers_in_doubt();
            peers.into_iter().filter_map(|peer| member.trunk_of(peer))
        });
        in_doubt.collect()
    }
}
