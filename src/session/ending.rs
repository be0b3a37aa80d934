//! Ending connections and ports in good order.
//!
//! Closing a socket with unread input resets the connection, and the peer loses what was written. So a connection that
//! this side ends is written empty first, then its sending side is shut down, then what still comes is read and thrown
//! away until all is acknowledged or the peer closes: within `linger_ms`.

use super::connection::{Connection, Phase, Reason};
use super::effect::{Effect, Keyed, Peer, PortKey};
use super::output::Flow;
use super::port::{Life, notification};
use super::{Session, forward, frames, port, unaccepted};
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::producer::Producer;
use crate::realtime::ring::is_before;
use crate::realtime::shared::{Role, Shared};
use crate::sys::clock::ms;
use crate::sys::code::Code;
use crate::sys::tcp::Progress;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How long a peer that shut down its sending side is kept for answers, once it has acknowledged all that was written and
/// its messages have been popped, or nobody pops.
const ANSWER_MS: u32 = 50;

impl Session {
    /// A peer does not speak MIDI. One that was announced, since it was silent until then, leaves for it.
    pub(super) fn turn_away(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let (port, server, is_confirmed) = (connection.port, connection.server, connection.is_confirmed());
        let address = connection.address;
        connection.input.backlog.clear();
        let server = server
            .and_then(|server| self.core.shared(server))
            .or_else(|| self.core.shared(port));
        if let Some(shared) = server {
            port::turned_away(shared, address, "it does not speak MIDI, but HTTP, TLS or the like");
        }
        if is_confirmed {
            self.end(peer, Reason::of(Code::Permission), now);
        } else {
            self.drop_unannounced(peer, now);
        }
    }

    /// A client that was never announced goes without a word.
    pub(super) fn drop_unannounced(&mut self, peer: Peer, now: u64) {
        self.uncount(peer);
        self.close(peer, now);
    }

    /// The peer sends no more.
    pub(super) fn input_ended(&mut self, peer: Peer, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.core.ports.at(connection.port) else {
            return;
        };
        if connection.phase == Phase::Open {
            connection.phase = Phase::HalfClosed {
                until: now + ms(port.config().delivery.linger_ms),
                quiet_since: None,
                sent_until: 0,
                taken: port.incoming.as_ref().map_or(0, Producer::taken),
            };
        }
        if connection.output.is_broken() {
            let reason = connection.input.end.unwrap_or(Reason::ORDERLY);
            return self.end(peer, reason, now);
        }
        if connection.waits_for_room() {
            return;
        }
        let key = connection.port;
        // Its releases are owed from now on: what it sends is over, whatever becomes of what is sent to it.
        self.core.inbound(key, now, |inbound| inbound.depart(peer));
        self.core.settle(key, now);
        let end = self.core.ports.at(key).and_then(|port| port.incoming.as_ref());
        let end = end.map_or(0, Producer::position);
        let connection = self.core.connections.at_mut(peer);
        if let Some(Phase::HalfClosed { sent_until, .. }) = connection.map(|connection| &mut connection.phase) {
            *sent_until = end;
        }
        self.core.effects.push(Effect::Measure(peer));
    }

    /// Whether a connection whose peer sends no more has come to its end.
    pub(super) fn check_half_closed(&mut self, peer: Peer, progress: Option<&Progress>, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let waits = connection.waits_for_room();
        let Phase::HalfClosed {
            until,
            quiet_since,
            sent_until,
            taken,
        } = &mut connection.phase
        else {
            return;
        };
        let Some(port) = self.core.ports.at(connection.port) else {
            return;
        };
        let is_over = now >= *until;
        // As long as somebody pops, an answer may come to what it sent last.
        let now_taken = port.incoming.as_ref().map_or(*taken, Producer::taken);
        let is_popped = !waits && !is_before(now_taken, *sent_until);
        let nobody_pops = now_taken == std::mem::replace(taken, now_taken);
        let unacknowledged = progress.map_or(0, |progress| progress.unacknowledged);
        if (is_popped || nobody_pops) && connection.output.buffer.is_empty() && unacknowledged == 0 {
            quiet_since.get_or_insert(now);
        } else {
            *quiet_since = None;
        }
        let answer = ms(ANSWER_MS.min(port.config().delivery.linger_ms));
        if !is_over && quiet_since.is_none_or(|since| now < since + answer) {
            return;
        }
        // It may still read: a half-closed peer gets what was pushed, and the releases of what sounds. One that this side
        // connects to again gets them then.
        let key = connection.port;
        let config = port.config();
        let returns = port.shared.role == Role::Client && config.connection.reconnect_max_ms != 0;
        if returns {
            return self.end(peer, Reason::ORDERLY, now);
        }
        let release = config.delivery.release_on_disconnect;
        self.core.drain(key, now);
        // Also where nothing is released: what is pushed from now on is not for it.
        let made = self
            .core
            .outbound(key, now, |outbound| outbound.finish_output(peer, release));
        let waits = self.core.connections.at(peer).is_some_and(|connection| {
            let output = &connection.output;
            !output.buffer.is_empty() && !output.blocked && !output.is_broken()
        });
        if made || waits {
            // It is no client any more, but what waits is still written. What it sent and nobody popped is owed.
            self.core.inbound(key, now, |inbound| inbound.depart(peer));
            self.begin_closing(peer, Reason::ORDERLY, now);
            self.after_leaving(key, true, now);
        } else {
            self.end(peer, Reason::ORDERLY, now);
        }
    }

    /// A connection is over.
    pub(super) fn end(&mut self, peer: Peer, reason: Reason, now: u64) {
        self.core.admit_flush(peer);
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        if !connection.is_live() {
            return self.close(peer, now);
        }
        let key = connection.port;
        let Some(port) = self.core.ports.at(key) else { return };
        let lasted = now.saturating_sub(connection.since) > ms(port.config().connection.reconnect_max_ms);
        let useful = connection.input.received_any || lasted;
        self.core.inbound(key, now, |inbound| inbound.depart(peer));
        self.keep_for_next(peer, useful);
        self.leave(peer, reason, now);
        self.close(peer, now);
        self.after_leaving(key, useful, now);
    }

    /// What follows for a port when a connection has left it.
    pub(super) fn after_leaving(&mut self, key: PortKey, useful: bool, now: u64) {
        let Some(role) = self.core.shared(key).map(|shared| shared.role) else {
            return;
        };
        if matches!(role, Role::Client | Role::Accepted | Role::Adopted) {
            // Only a repairing port makes good all that was pushed for the peer that has gone.
            self.core
                .outbound(key, now, |outbound| outbound.discard(outbound.port.repairs()));
        }
        match role {
            Role::Client => {
                if let Some(shared) = self.core.shared(key) {
                    shared.status.local_port.store(0, Ordering::Relaxed);
                }
                self.core.effects.push(Effect::Disconnected { port: key, useful });
            }
            Role::Accepted | Role::Adopted => self.give_up(key, now),
            _ => {}
        }
        self.core.settle(key, now);
        self.core.again = true;
        self.core.changed(key);
        self.core.forget_if_done(key);
    }

    /// A connection is over: a client's port remembers what its peer was left with. A peer that has not surely read all
    /// that it was sent may hold more than that. Everybody else's is counted as not sent.
    fn keep_for_next(&mut self, peer: Peer, useful: bool) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.core.ports.at_mut(connection.port) else {
            return;
        };
        let all_read = connection.ended_in_order() && (useful || !connection.output.resumed);
        let was_finished = connection.output.flow == Flow::Finished;
        if port.shared.role != Role::Client || was_finished {
            return;
        }
        port.note_unsent(connection);
        let counters = &port.shared.counters.network;
        // One that was written in part is not sent either, whatever the peer may hold for it.
        connection
            .output
            .buffer
            .each_unfinished(|_| counters.dropped_out.add(1));
        connection
            .output
            .drop_waiting(|unrepaired| counters.unrepaired.add(unrepaired));
        connection.output.buffer.clear();
        let mut track = std::mem::take(&mut connection.output.track);
        if !all_read {
            track.doubt();
        }
        port.memory.keep(track);
    }

    /// A connection is no client, or no port's own, any more, as far as the API tells.
    fn leave(&mut self, peer: Peer, reason: Reason, now: u64) {
        self.uncount(peer);
        frames::forget_times(&mut self.core, peer, now);
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let announced = std::mem::take(&mut connection.announced);
        let (key, server, client) = (connection.port, connection.server, connection.client);
        let address = connection.address;
        let left = |kind| {
            let notification = notification(kind, now).client(client).address(address);
            notification.reason(reason.code, reason.os_error)
        };
        let Some(port) = self.core.ports.at(key) else { return };
        let shared = Arc::clone(&port.shared);
        if let Some(announced) = connection.output.take_announced() {
            let recovered = notification(Kind::Recovered, now)
                .client(client)
                .address(address)
                .reason(reason.code, reason.os_error);
            port.end_congestion(announced, recovered);
        }
        shared.counters.network.disconnections.add(1);
        match shared.role {
            Role::Merged => shared
                .control
                .notifications
                .announce_end(announced, left(Kind::ClientLeft)),
            Role::Client | Role::Adopted => {
                shared.set_up(false);
                shared.status.peer.leave();
                shared
                    .control
                    .notifications
                    .announce_end(announced, left(Kind::Disconnected));
            }
            _ => {
                shared.set_up(false);
                shared.status.peer.leave();
                shared
                    .control
                    .notifications
                    .announce(left(Kind::Disconnected).client(0));
            }
        }
        if let Some(server) = server.filter(|server| *server != key) {
            self.accepted_left(server, &shared, announced, left(Kind::ClientLeft));
        }
    }

    /// A client of a manual server has left. Its port is kept for `accept`.
    fn accepted_left(&mut self, server: PortKey, accepted: &Shared, announced: bool, left: Notification) {
        let Some(shared) = self.core.shared(server).map(Arc::clone) else {
            return;
        };
        unaccepted::leaves(&shared, accepted);
        shared.counters.network.disconnections.add(1);
        shared.control.notifications.announce_end(announced, left);
        self.core.changed(server);
    }

    /// Takes a client out of its server's count.
    fn uncount(&mut self, peer: Peer) {
        let Some(client) = self.core.connections.at(peer).map(|connection| connection.client) else {
            return;
        };
        let Some(server) = self.server.as_mut() else { return };
        if server.by_client.remove(&client).is_none() {
            return;
        }
        let Some(port) = self.core.ports.at_mut(server.port) else {
            return;
        };
        port.schedule.forget_client(client);
        let shared = &port.shared;
        let left = shared.clients.table.leave(client);
        if let Some(ids) = server.ids.as_mut().filter(|_| left) {
            ids.release(client);
        }
        if shared.clients.count.fetch_sub(1, Ordering::Relaxed) == 1 && shared.role == Role::Merged {
            shared.set_up(false);
        }
    }

    /// Lets go of a connection. The driver closes its socket.
    fn close(&mut self, peer: Peer, now: u64) {
        self.core.admit_flush(peer);
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        if connection.phase == Phase::Gone {
            return;
        }
        connection.phase = Phase::Gone;
        if let Some(port) = self.core.ports.at_mut(connection.port) {
            port.note_unsent(connection);
            port.count_unsent(connection);
        }
        let (key, serial, written) = (connection.port, connection.serial, connection.output.written);
        self.core.effects.push(Effect::Close(peer));
        if let Some(port) = self.core.ports.at_mut(key) {
            port.peers.retain(|other| *other != peer);
            let alone = !port.shared.is_up();
            port.flushes.connection_ended(peer, serial, written, alone);
        }
        // It may have been the one that held up the others.
        self.core.unblock(key, now);
        let is_last = |port: &port::Port| port.is_ending() && port.peers.is_empty();
        if self.core.ports.at(key).is_some_and(is_last) {
            // Nobody gets any more what the out queue holds.
            self.core.outbound(key, now, |outbound| outbound.discard(false));
        }
        self.core.changed(key);
        self.core.forget_if_done(key);
    }

    /// Ends a merged server's client's connection in good order; false when there is none with that id.
    pub(crate) fn disconnect(&mut self, key: PortKey, client: u32, now: u64) -> bool {
        let is_merged = self.core.shared(key).is_some_and(|shared| shared.role == Role::Merged);
        let server = self.server.as_ref().filter(|server| is_merged && server.port == key);
        let Some(peer) = server.and_then(|server| server.by_client.get(&client).copied()) else {
            return false;
        };
        self.dismiss(key, peer, Reason::ORDERLY, now);
        true
    }

    /// Ends the connection of a port's peer in good order.
    pub(super) fn dismiss(&mut self, key: PortKey, peer: Peer, reason: Reason, now: u64) {
        // What was pushed before this goes out first, also of a queue that is held up by another client.
        self.core.drain(key, now);
        self.core.outbound(key, now, |outbound| {
            forward::bring_forward(outbound, peer);
            let release = outbound.port.config().delivery.release_on_close;
            outbound.finish_output(peer, release);
        });
        self.begin_closing(peer, reason, now);
        self.core.changed(key);
    }

    /// This side ends a connection.
    fn begin_closing(&mut self, peer: Peer, reason: Reason, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let key = connection.port;
        if matches!(connection.phase, Phase::New { .. } | Phase::Accepting) {
            // A client that was pushed to is one, even if it has said nothing yet.
            if self.core.shared(key).is_some_and(|shared| shared.role == Role::Manual) {
                return self.drop_unannounced(peer, now);
            }
            self.confirm_client(peer, now);
        }
        self.leave(peer, reason, now);
        if let Some(connection) = self.core.connections.at_mut(peer) {
            // Bytes of the peer that were not handed over are dropped.
            connection.input.backlog = Vec::new();
        }
        self.core.inbound(key, now, |inbound| inbound.depart(peer));
        self.core.settle(key, now);
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let Some(port) = self.core.ports.at_mut(key) else {
            return;
        };
        connection.phase = Phase::Closing {
            until: now + ms(port.config().delivery.linger_ms),
            finished: false,
        };
        self.core.effects.write(peer, connection);
        // It may have been the one that held up the others.
        self.core.unblock(key, now);
        self.check_closing(peer, None, now);
        self.core.rearm(peer, now);
    }

    /// Whether a connection that is being closed has come to its end.
    pub(super) fn check_closing(&mut self, peer: Peer, progress: Option<&Progress>, now: u64) {
        let Some(connection) = self.core.connections.at_mut(peer) else {
            return;
        };
        let Phase::Closing { until, finished } = &mut connection.phase else {
            return;
        };
        let output = &connection.output;
        let broken = output.is_broken();
        let is_written = output.buffer.is_empty() && !output.takes();
        if is_written && !*finished && !broken {
            *finished = true;
            self.core.effects.push(Effect::FinishWriting(peer));
        }
        let acknowledged = progress.is_some_and(|progress| progress.unacknowledged == 0);
        let is_read = *finished && (connection.input.end.is_some() || acknowledged);
        // However short the time, what waits has been offered to the system once.
        let is_late = now >= *until && (is_written || connection.output.blocked);
        if is_late && !is_written && !broken && connection.output.is_shared {
            // The other ports keep the connection: what is left is taken from this one without a limit.
            return self.core.effects.write(peer, connection);
        }
        if broken || is_late || is_read {
            self.close(peer, now);
        }
    }

    /// Starts the orderly end of a port: nothing new begins, and every connection is closed.
    pub(crate) fn shut_down(&mut self, key: PortKey, now: u64) {
        let Some(port) = self.core.ports.at_mut(key) else {
            return;
        };
        if port.is_ending() {
            return;
        }
        port.life = Life::Ending;
        // Bytes of departed peers that were not handed over are dropped. Their releases are still owed.
        port.owed.departed.iter_mut().for_each(|departed| {
            if let Some(backlog) = &mut departed.backlog {
                backlog.bytes.clear();
            }
        });
        for peer in port.peers.clone() {
            if self.core.connections.at(peer).is_some_and(Connection::is_live) {
                self.begin_closing(peer, Reason::ORDERLY, now);
            }
        }
        self.core.drain(key, now);
        unaccepted::shut_down(self, key, now);
        if let Some(shared) = self.core.shared(key) {
            shared.set_up(false);
        }
        self.give_up(key, now);
    }

    /// The peer of a port has gone for good, or the port was shut down: it ends when nothing is owed any more.
    pub(crate) fn give_up(&mut self, key: PortKey, now: u64) {
        let Some(port) = self.core.ports.at_mut(key) else {
            return;
        };
        port.life = port.life.max(Life::Ending);
        port.shared.close();
        self.core.changed(key);
        self.core.settle(key, now);
    }

    /// The caller has closed the handle of a port.
    pub(crate) fn release(&mut self, key: PortKey, now: u64) {
        self.shut_down(key, now);
        if let Some(port) = self.core.ports.at_mut(key) {
            port.life = port.life.max(Life::Released);
            port.owed.forget_departed();
        }
        self.core.forget_if_done(key);
    }
}
