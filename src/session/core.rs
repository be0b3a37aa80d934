//! What a session holds, its ports and connections, and how each of them is driven on.

use super::connection::{Connection, Phase};
use super::effect::{Effect, Interest, Keyed, Peer, PortKey};
use super::frames;
use super::inbound::Inbound;
use super::name::Name;
use super::outbound::{Drained, Outbound};
use super::output::Flow;
use super::port::{BACKED_UP_BYTES, Effects, Life, Port, notification};
use super::timers::{Owner, Timers};
use crate::realtime::filter::Direction;
use crate::realtime::notifications::Kind;
use crate::realtime::shared::{Shared, State};
use crate::sys::address::Address;
use crate::sys::clock::{ms, soonest};
use slab::Slab;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How long one or two data bytes at the beginning wait for what follows before they are counted as invalid.
pub(super) const FIRST_BYTES_MS: u32 = 1000;
/// How often a connection is measured that is not read because the in queue is full.
const STALLED_CHECK_MS: u32 = 50;
/// How often a connection that is ending is measured, since acknowledgements wake nobody.
const ENDING_CHECK_MS: u32 = 2;

/// The ports and connections of a session, and what waits to be done for them.
#[derive(Default)]
pub(crate) struct Core {
    pub(super) ports: Slab<Port>,
    pub(super) connections: Slab<Connection>,
    pub(super) effects: Effects,
    pub(super) timers: Timers,
    /// Connections that wait for room in an in queue.
    pub(super) waiting: VecDeque<Peer>,
    /// The number of the last connection.
    pub(super) serial: u64,
    /// There is more to do, without waiting for anything.
    pub(super) again: bool,
}

impl Core {
    pub(crate) fn shared(&self, port: PortKey) -> Option<&Arc<Shared>> {
        self.ports.at(port).map(|port| &port.shared)
    }

    /// The port that a connection belongs to.
    pub(crate) fn port_of(&self, peer: Peer) -> Option<&Arc<Shared>> {
        let connection = self.connections.at(peer)?;
        self.shared(connection.port)
    }

    /// What a connection's socket is to be watched for now.
    pub(crate) fn interest(&self, peer: Peer) -> Interest {
        self.connections.at(peer).map(Connection::interest).unwrap_or_default()
    }

    /// The bytes that wait to be written to a connection.
    pub(crate) fn unsent(&self, peer: Peer) -> &[u8] {
        let connection = self.connections.at(peer);
        match connection.filter(|connection| connection.is_confirmed_for_writing()) {
            Some(connection) => connection.output.buffer.unsent(),
            None => &[],
        }
    }

    /// The most that is worth reading at once: what finds no room is rather left with the system.
    pub(crate) fn read_limit(&self, peer: Peer) -> usize {
        /// The least, however small the in queue.
        const LEAST: usize = 2048;
        let port = self
            .connections
            .at(peer)
            .and_then(|connection| self.ports.at(connection.port));
        let queue = port.and_then(|port| port.incoming.as_ref());
        // In the queue a short message takes 16 bytes.
        queue.map_or(usize::MAX, |queue| (queue.capacity() / 8).max(LEAST))
    }

    /// The next thing to be done.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.0.pop_front()?;
        match effect {
            Effect::Write(peer) => {
                if let Some(connection) = self.connections.at_mut(peer) {
                    connection.output.write_requested = false;
                }
            }
            Effect::Wake(key) => {
                if let Some(port) = self.ports.at_mut(key) {
                    port.changed = false;
                }
            }
            Effect::Close(peer) => drop(self.connections.try_remove(peer.0)),
            Effect::Forget(key) => drop(self.ports.try_remove(key.0)),
            _ => {}
        }
        Some(effect)
    }

    /// Whether `poll_effect` has something.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn has_effects(&self) -> bool {
        !self.effects.0.is_empty()
    }

    /// When `handle_timeout` is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.timers.next()
    }

    /// Whether there is more to do at once.
    pub(crate) fn take_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    /// Drops what is too old for a peer that does not read.
    pub(super) fn check_delay(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.ports.at(connection.port) else {
            return;
        };
        let output = &connection.output;
        let max_delay = ms(port.config().delivery.max_delay_ms);
        let is_old = output.buffer.oldest_ns().is_some_and(|since| now >= since + max_delay);
        if !port.repairs() || !is_old || output.flow != Flow::Open || !connection.is_confirmed() {
            return;
        }
        let key = connection.port;
        if connection.output.blocked {
            self.outbound(key, now, |outbound| outbound.congest(peer));
            self.changed(key);
        } else {
            self.effects.write(peer, connection);
        }
    }

    /// Computes a connection's next deadline.
    pub(super) fn rearm(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.ports.at(connection.port) else {
            return;
        };
        let phase = match connection.phase {
            Phase::New { until } => Some(until),
            Phase::Open if connection.holds_first_bytes() => Some(connection.input.arrived_ns + ms(FIRST_BYTES_MS)),
            // Its socket is not read, so the poller does not tell that the peer goes.
            Phase::Open | Phase::HalfClosed { .. } if connection.waits_for_room() => Some(now + ms(STALLED_CHECK_MS)),
            Phase::HalfClosed { .. } | Phase::Closing { .. } => Some(now + ms(ENDING_CHECK_MS)),
            Phase::Open | Phase::Accepting => None,
            Phase::Gone => return,
        };
        let output = &connection.output;
        let ages = port.repairs() && output.flow == Flow::Open && connection.is_confirmed();
        let delay = output.buffer.oldest_ns().filter(|_| ages);
        let delay = delay.map(|since| (since + ms(port.config().delivery.max_delay_ms)).max(now + ms(1)));
        let check = connection
            .liveness
            .next_check_ns()
            .filter(|_| connection.is_confirmed_for_writing());
        let check = check.map(|at| at.max(now + 1));
        let exchange = frames::next_exchange_ns(connection, now);
        if let Some(at) = soonest([phase, delay, check, exchange]) {
            let owner = Owner::Connection(peer, connection.serial);
            self.timers.arm(&mut connection.armed, at, owner);
        }
    }

    /// Arms a port's next deadline: for the next scheduled message, or a tick from now while something is owed.
    pub(super) fn rearm_port(&mut self, key: PortKey, now: u64) {
        let Some(port) = self.ports.at_mut(key) else { return };
        // While a peer must read first, nothing is sent: see `unblock`.
        let due = port.schedule.next_ns().filter(|_| !port.backed_up);
        let due = due.map(|at| at.max(now + 1));
        let tick = u64::from(port.config().pacing.tick_us) * 1000;
        let owed = (!port.owed.is_empty()).then_some(now + tick);
        let merged = port.times.merge.next_ns().map(|at| at.max(now + 1));
        if let Some(at) = soonest([due, owed, merged]) {
            let owner = Owner::Port(key, port.shared.id);
            self.timers.arm(&mut port.armed, at, owner);
        }
    }

    /// So many bytes are left for a peer of a port: the others may have waited for it.
    pub(super) fn note_left(&mut self, key: PortKey, left: usize, now: u64) {
        let is_backed_up = self.ports.at(key).is_some_and(|port| port.backed_up);
        if is_backed_up && left <= BACKED_UP_BYTES / 2 {
            self.unblock(key, now);
        }
    }

    /// A port has another name.
    pub(crate) fn set_name(&mut self, key: PortKey, name: Name, now: u64) {
        frames::set_name(self, key, name, now);
    }

    /// No peer of a port has to read first any more: what is due can be sent.
    pub(super) fn unblock(&mut self, key: PortKey, now: u64) {
        if let Some(port) = self.ports.at_mut(key) {
            port.backed_up = false;
        }
        self.again = true;
        self.rearm_port(key, now);
    }

    /// Whether a port has something to drain: its out queue, its schedule, its end, or a flush that was not seen.
    pub(crate) fn has_work(&mut self, key: PortKey, now: u64) -> bool {
        let Some(port) = self.ports.at_mut(key) else {
            return false;
        };
        if port.shared.queues.filter.is_unseen(Direction::Outgoing) {
            return true;
        }
        let blocked = port.backed_up;
        let queued = port.queue.as_mut().is_some_and(|queue| queue.has_work(blocked));
        // The end of a port comes when all is drained, also where a peer had to read first.
        let takes = |peer: &Peer| {
            self.connections
                .at(*peer)
                .is_some_and(|connection| connection.output.takes())
        };
        let ends = port.is_ending() && !blocked && port.peers.iter().any(takes);
        queued
            || ends
            || port.shared.control.flush.unseen().is_some()
            || !blocked && port.schedule.next_ns().is_some_and(|at| at <= now)
    }

    /// Whether a flush waits for what the out queue still holds.
    pub(crate) fn is_flushing(&self, key: PortKey) -> bool {
        self.ports.at(key).is_some_and(|port| port.flushes.is_draining())
    }

    /// Whether a port without work has none before something is pushed or asked for, or happens to the session.
    pub(crate) fn is_at_rest(&self, key: PortKey) -> bool {
        self.ports
            .at(key)
            .is_none_or(|port| port.schedule.is_empty() && !port.flushes.is_draining() && !port.is_ending())
    }

    /// Moves what was pushed into a port, and what is due, to its connections.
    pub(crate) fn drain(&mut self, key: PortKey, now: u64) {
        self.change_channels(key, now);
        let Some(port) = self.ports.at_mut(key) else {
            return;
        };
        if let Some(ticket) = port.shared.control.flush.unseen() {
            let position = port.queue.as_ref().map_or(0, |queue| queue.end());
            // A flush that was asked for during this turn covers what has fallen due since the turn began.
            let now = now.max(port.shared.control.flush.asked_ns());
            let alone = !port.shared.is_up();
            port.flushes.ask(ticket, position, now, alone);
            let drained = self.outbound(key, now, |outbound| outbound.drain());
            self.again |= drained == Drained::More;
            self.changed(key);
            if let Some(shared) = self.shared(key) {
                shared.control.flush.see(ticket);
            }
        } else {
            let drained = self.outbound(key, now, |outbound| outbound.drain());
            self.again |= drained == Drained::More;
        }
        let peer_at = |core: &Self, index| core.ports.at(key).and_then(|port| port.peers.get(index).copied());
        let mut index = 0;
        while let Some(peer) = peer_at(self, index) {
            index += 1;
            // What follows a write computes the deadline anyway.
            if self
                .connections
                .at(peer)
                .is_some_and(|connection| !connection.output.write_requested)
            {
                self.rearm(peer, now);
            }
        }
        self.rearm_port(key, now);
        self.changed(key);
    }

    /// A connection is about to end. A flush that was asked for and not seen yet is to tell of what is lost with it.
    pub(super) fn admit_flush(&mut self, peer: Peer) {
        let key = self.connections.at(peer).map(|connection| connection.port);
        let Some(port) = key.and_then(|key| self.ports.at_mut(key)) else {
            return;
        };
        let Some(ticket) = port.shared.control.flush.unseen() else {
            return;
        };
        let queue = port.queue.as_mut();
        let (position, end, is_empty) = queue.map_or((0, 0, true), |queue| {
            (queue.position(), queue.end(), !queue.has_work(false))
        });
        let next_due = port.schedule.next_ns().unwrap_or(u64::MAX);
        let alone = !port.shared.is_up();
        let asked_ns = port.shared.control.flush.asked_ns();
        port.flushes.ask(ticket, end, asked_ns, alone);
        // Refused messages come after the queue.
        if is_empty {
            port.flushes
                .drained(position, next_due, &self.connections, &port.peers, alone);
        }
    }

    /// Whether connections wait for room in an in queue.
    pub(crate) fn waits_for_room(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether an in queue has room for one of the connections that wait.
    pub(crate) fn has_room(&self) -> bool {
        let port = |peer: &Peer| {
            self.connections
                .at(*peer)
                .and_then(|connection| self.ports.at(connection.port))
        };
        self.waiting.iter().filter_map(port).any(Port::has_room)
    }

    /// Hands over what is owed to the popping thread, and arms the timer for what found no room. A port whose peer has
    /// gone for good ends when nothing is owed any more.
    pub(super) fn settle(&mut self, key: PortKey, now: u64) {
        let owed = |session: &Self| session.ports.at(key).is_some_and(|port| !port.owed.is_empty());
        let merged = |port: &Port| port.times.merge.next_ns().is_some_and(|at| at <= now);
        if owed(self) || self.ports.at(key).is_some_and(merged) {
            self.inbound(key, now, |inbound| {
                inbound.give_merged(now);
                inbound.settle();
            });
            self.changed(key);
        }
        self.rearm_port(key, now);
        let owes = owed(self);
        let Some(port) = self.ports.at_mut(key) else { return };
        if !owes {
            port.update_holds(&self.connections);
            // A peer that has not left yet may still have something to be released.
            let is_live = |peer: &Peer| self.connections.at(*peer).is_some_and(Connection::is_live);
            if port.is_ending() && !port.peers.iter().any(is_live) {
                port.shared.end();
                self.changed(key);
            }
        }
    }

    /// A waiting thread may want to know of a change, which may be the end of a flush.
    pub(super) fn changed(&mut self, key: PortKey) {
        let Some(port) = self.ports.at_mut(key) else { return };
        while let Some((ticket, lost)) = port.flushes.take_done(&self.connections) {
            port.shared.control.flush.finish(ticket, lost);
        }
        self.effects.wake(key, port);
    }

    pub(super) fn outbound<R: Default>(
        &mut self,
        key: PortKey,
        now: u64,
        work: impl FnOnce(&mut Outbound<'_>) -> R,
    ) -> R {
        let Some(port) = self.ports.at_mut(key) else {
            return R::default();
        };
        work(&mut Outbound::new(port, &mut self.connections, &mut self.effects, now))
    }

    pub(super) fn inbound<R: Default>(
        &mut self,
        key: PortKey,
        now: u64,
        work: impl FnOnce(&mut Inbound<'_>) -> R,
    ) -> R {
        let Some(port) = self.ports.at_mut(key) else {
            return R::default();
        };
        work(&mut Inbound {
            port,
            connections: &mut self.connections,
            now,
        })
    }

    /// A client's port has a connection.
    pub(crate) fn connect(&mut self, key: PortKey, address: Address, now: u64) -> Option<Peer> {
        self.change_channels(key, now);
        let shared = Arc::clone(self.shared(key)?);
        shared.status.peer.come(Some(address));
        // Pushed while there was no connection.
        self.outbound(key, now, |outbound| outbound.discard(true));
        let peer = self.add_peer(key, address, false, now)?;
        frames::say_hello(self, peer, now);
        self.outbound(key, now, |outbound| outbound.greet_again(peer));
        shared.status.failure.store(0, Ordering::Release);
        shared.set_state(State::Connected);
        shared.set_up(true);
        // After that: a caller that takes the notification pushes to the peer.
        let connected = notification(Kind::Connected, now).address(Some(address));
        let announced = shared.control.notifications.announce_begin(connected);
        if let Some(connection) = self.connections.at_mut(peer) {
            connection.announced = announced;
        }
        self.changed(key);
        self.rearm(peer, now);
        Some(peer)
    }

    /// A port was made with its connection. Its state says so from the beginning, and what was pushed is for the peer.
    pub(crate) fn adopt(&mut self, key: PortKey, address: Address, announced: bool, now: u64) -> Option<Peer> {
        let peer = self.add_peer(key, address, announced, now)?;
        frames::say_hello(self, peer, now);
        self.changed(key);
        self.rearm(peer, now);
        Some(peer)
    }

    /// Adds a port's own connection. `announced`: CONNECTED was told.
    fn add_peer(&mut self, key: PortKey, address: Address, announced: bool, now: u64) -> Option<Peer> {
        let port = self.ports.at_mut(key)?;
        self.serial += 1;
        let mut connection = Connection::new(self.serial, key, Some(address), Phase::Open, port.config(), now);
        connection.announced = announced;
        let peer = Peer(self.connections.insert(connection));
        port.peers.push(peer);
        port.shared.counters.network.connections.add(1);
        Some(peer)
    }

    /// Hands bytes over, or keeps them until there is room or a port for them.
    pub(super) fn take_bytes(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let port = connection.port;
        self.change_channels(port, now);
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        if !connection.is_confirmed() || !connection.input.backlog.is_empty() {
            return connection.input.backlog.extend_from_slice(bytes);
        }
        let taken = self.inbound(port, now, |inbound| {
            inbound.settle();
            let taken = inbound.take(peer, bytes);
            inbound.settle();
            taken
        });
        let rest = &bytes[taken..];
        if !rest.is_empty() {
            if let Some(connection) = self.connections.at_mut(peer) {
                connection.input.backlog.extend_from_slice(rest);
                self.waiting.push_back(peer);
            }
        }
        frames::exchange_times(self, peer, now);
        self.settle(port, now);
    }

    /// The system takes bytes again.
    pub(crate) fn handle_writable(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        connection.output.blocked = false;
        let port = connection.port;
        if connection.output.is_congested() && connection.output.buffer.is_empty() {
            self.outbound(port, now, |outbound| outbound.make_good(peer));
        } else {
            self.effects.write(peer, connection);
        }
        frames::exchange_times(self, peer, now);
        self.rearm(peer, now);
    }

    /// Peers of which it is not known whether they have left, since they are not read.
    pub(crate) fn peers_in_doubt(&self) -> Vec<Peer> {
        let doubtful = |(_, connection): &(usize, &Connection)| connection.waits_for_room();
        self.connections
            .iter()
            .filter(doubtful)
            .map(|(key, _)| Peer(key))
            .collect()
    }

    /// Forgets a port whose handle is closed and that has no connection any more.
    pub(super) fn forget_if_done(&mut self, key: PortKey) {
        let done = |port: &&mut Port| port.life == Life::Released && port.peers.is_empty();
        if let Some(port) = self.ports.at_mut(key).filter(done) {
            port.life = Life::Forgotten;
            self.effects.push(Effect::Forget(key));
        }
    }
}
