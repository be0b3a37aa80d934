//! Ending connections and ports in good order.
//!
//! Closing a socket with unread input resets the connection, and the peer loses what was written. So a connection that
//! this side ends is written empty first, then its sending side is shut down, then what still comes is read and thrown
//! away until all is acknowledged or the peer closes: within `linger_ms`.

use super::link::Phase;
use super::net_port::Work;
use super::reactor::Reactor;
use super::watch::Verdict;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::producer::Producer;
use crate::realtime::shared::Role;
use crate::sys::clock::ms;
use crate::sys::code::Code;
use crate::sys::tcp;
use std::net::Shutdown;
use std::sync::atomic::Ordering;

/// How long a peer that shut down its sending side is kept for answers, once all that it sent has been taken.
const ANSWER_MS: u32 = 50;
/// How often a connection is looked at that is not read because the in queue is full.
const STALLED_LOOK_MS: u32 = 50;
/// How often a connection that is ending is looked at, since acknowledgements wake nobody.
const LOOK_MS: u32 = 2;

impl Reactor {
    /// Computes a link's next deadline.
    pub(super) fn rearm(&mut self, key: usize, now: u64) {
        let link = &self.links[key];
        let shared = &self.ports[link.port].shared;
        let phase = match link.phase {
            Phase::Sniffing { until } => Some(until),
            // Whose socket is not read: the poller does not tell that the peer goes.
            Phase::Open if link.suspect => Self::patience(link),
            Phase::Open => link.stalled.then_some(now + ms(STALLED_LOOK_MS)),
            Phase::HalfClosed { .. } if link.stalled => Some(now + ms(STALLED_LOOK_MS)),
            Phase::HalfClosed { .. } | Phase::Closing { .. } => Some(now + ms(LOOK_MS)),
            Phase::Draining => None,
        };
        let delay = link
            .out
            .oldest_ns()
            .filter(|_| shared.repairs && !link.congested && !link.broken && link.is_sent_to());
        let delay = delay.map(|since| (since + ms(shared.config.max_delay_ms)).max(now + 1));
        let look = link
            .watch
            .interval_ns()
            // As `look_after` has it: what it would not look at must not have it called at once, again and again.
            .filter(|_| !link.broken && link.is_sent_to())
            .map(|_| link.next_look.max(now + 1));
        if let Some(at) = [phase, delay, look].into_iter().flatten().min() {
            self.arm_link(key, at);
        }
    }

    /// A link's deadline has come.
    pub(super) fn link_timer(&mut self, key: usize, now: u64) {
        match self.links[key].phase {
            Phase::Sniffing { until } if until <= now => self.settle_silent(key, now),
            Phase::Open if Self::patience(&self.links[key]).is_some_and(|until| until <= now) => self.trust(key),
            Phase::Open if self.links[key].stalled => self.check_stalled(key, now),
            Phase::HalfClosed { .. } => self.check_half_closed(key, now),
            Phase::Closing { .. } => self.check_closing(key, now),
            _ => {}
        }
        if self.links.contains(key) {
            self.check_delay(key, now);
        }
        if self.links.contains(key) {
            self.look_after(key, now);
        }
        if self.links.contains(key) {
            self.update_interest(key);
            self.rearm(key, now);
        }
    }

    /// Looks whether the peer is alive.
    fn look_after(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        let Some(interval) = link.watch.interval_ns() else {
            return;
        };
        if now < link.next_look || link.broken || matches!(link.phase, Phase::Sniffing { .. }) {
            return;
        }
        link.next_look = now + interval;
        let verdict = link.watch.look(&link.socket, link.written, link.out.len(), now);
        if verdict == Verdict::Fine {
            return;
        }
        if link.is_live() {
            self.end_link(key, Code::Timeout, 0, now);
        } else {
            link.broken = true;
            self.check_closing(key, now);
        }
    }

    /// A port's deadline has come.
    pub(super) fn port_timer(&mut self, key: usize, now: u64) {
        self.settle_port(key, now);
        let port = &self.ports[key];
        if let Some(at) = port.schedule.next_ns().filter(|_| !port.backed_up) {
            if at <= now {
                self.again = true;
            } else {
                self.arm_port(key, at);
            }
        }
        match &self.ports[key].work {
            Work::Server { binding, .. } => {
                if binding.is_some() {
                    self.try_to_bind(key, now);
                }
                self.hear_again(key, now);
            }
            Work::Client(_) => self.connector_timer(key, now),
            Work::Accepted => {}
        }
    }

    /// Whether the peer of a connection that is not read has gone.
    pub(super) fn check_stalled(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        if let Ok(Some(error)) = link.socket.take_error() {
            link.failure = Some((Code::of(&error), error.raw_os_error().unwrap_or(0)));
            link.broken = true;
        }
        let ended = tcp::progress(&link.socket).is_some_and(|progress| progress.ended);
        if ended || link.broken {
            let linger = ms(self.ports[link.port].shared.config.linger_ms);
            link.phase = Phase::HalfClosed {
                until: now + linger,
                quiet_since: None,
            };
            self.check_half_closed(key, now);
        }
    }

    /// The peer has gone while some of what it sent waits for room: the connection is over as far as the API tells,
    /// and what it sent is handed over when there is room. Of such connections a port keeps no more than of clients.
    fn let_go(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        let port_key = link.port;
        let port = &mut self.ports[port_key];
        if port.draining >= port.shared.config.max_clients.max(1) as usize {
            return;
        }
        port.draining += 1;
        let (reason, os_error) = link.failure.unwrap_or((Code::Ok, 0));
        let was_worth_something = link.heard;
        port.remember(link, was_worth_something);
        link.out.clear();
        link.broken = true;
        link.takes_more = false;
        port.backed_up = false;
        self.again = true;
        self.leave(key, reason, os_error);
        self.links[key].phase = Phase::Draining;
        self.after_leaving(port_key, was_worth_something, now);
    }

    /// All that a connection brought which is over has been handed over.
    pub(super) fn drained(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        let port = link.port;
        link.parser.finish();
        self.ports[port].count_invalid(link);
        self.ports[port].depart(link);
        self.remove_link(key);
        self.settle_port(port, now);
        self.forget_if_done(port);
    }

    /// What follows for a port when a connection has left it.
    fn after_leaving(&mut self, key: usize, was_worth_something: bool, now: u64) {
        let port = &mut self.ports[key];
        match port.work {
            Work::Server { .. } => self.settle_port(key, now),
            Work::Client(_) => {
                port.discard_outgoing();
                self.settle_port(key, now);
                self.connection_lost(key, was_worth_something, now);
            }
            Work::Accepted => {
                port.discard_outgoing();
                port.closing = true;
                self.peer_is_gone(key, now);
            }
        }
        self.touch(key);
    }

    /// Whether a connection whose peer sends no more has come to its end.
    pub(super) fn check_half_closed(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        if let Phase::HalfClosed { until, .. } = link.phase
            && link.stalled
            && (link.broken || now >= until)
        {
            return self.let_go(key, now);
        }
        if !matches!(link.phase, Phase::HalfClosed { .. }) || link.stalled {
            return;
        }
        let port = &mut self.ports[link.port];
        if !port.can_remember() {
            return;
        }
        port.depart(link);
        let Phase::HalfClosed { until, quiet_since } = &mut link.phase else {
            return;
        };
        if link.broken {
            let (code, os_error) = link.failure.unwrap_or((Code::Ok, 0));
            return self.end_link(key, code, os_error, now);
        }
        let taken = port.incoming.as_ref().is_none_or(Producer::is_drained);
        let unacknowledged = tcp::progress(&link.socket).map_or(0, |progress| progress.unacknowledged);
        if !taken || !link.out.is_empty() || unacknowledged != 0 {
            *quiet_since = None;
        } else {
            quiet_since.get_or_insert(now);
        }
        let answer = ms(ANSWER_MS.min(port.shared.config.linger_ms));
        let is_over = now >= *until;
        if is_over || quiet_since.is_some_and(|since| now >= since + answer) {
            // It may still read: a half-closed peer hears the end of what sounds.
            // One that will connect again does it then.
            let returns = port.shared.role == Role::Client && port.shared.config.reconnect_max_ms != 0;
            let release = port.shared.config.release_on_disconnect && !returns;
            if release && port.release_sent(link, release) {
                self.write(key, now);
                if !is_over || !self.links.contains(key) {
                    return;
                }
            }
            self.end_link(key, Code::Ok, 0, now);
        }
    }

    /// A connection is over.
    pub(super) fn end_link(&mut self, key: usize, reason: Code, os_error: i32, now: u64) {
        let link = &mut self.links[key];
        if !link.at_end {
            link.parser.finish();
        }
        let port_key = link.port;
        let port = &mut self.ports[port_key];
        port.count_invalid(link);
        port.depart(link);
        let was_worth_something = link.heard || now - link.since > ms(port.shared.config.reconnect_max_ms);
        port.remember(link, was_worth_something);
        self.leave(key, reason, os_error);
        self.remove_link(key);
        self.after_leaving(port_key, was_worth_something, now);
        self.forget_if_done(port_key);
    }

    /// A link is no client, or no port's own link, any more, as far as the API tells.
    fn leave(&mut self, key: usize, reason: Code, os_error: i32) {
        self.no_longer_counted(key);
        let link = &mut self.links[key];
        let (client, address, congested) = (link.client, link.address, link.congested);
        let told = std::mem::take(&mut link.told);
        let port = &self.ports[link.port];
        let shared = &port.shared;
        if congested {
            let recovered = Notification::new(Kind::Recovered)
                .client(client)
                .reason(reason, os_error);
            shared
                .notifications
                .end(std::mem::take(&mut link.congestion_told), recovered);
            link.congested = false;
        }
        shared.counters.disconnections.add(1);
        let left = |kind| Notification::new(kind).reason(reason, os_error).address(Some(address));
        match shared.role {
            Role::Merged => shared.notifications.end(told, left(Kind::ClientLeft).client(client)),
            Role::Client => {
                shared.local_port.store(0, Ordering::Relaxed);
                shared.set_up(false);
                shared.notifications.end(told, left(Kind::Disconnected));
            }
            _ => {
                shared.set_up(false);
                shared.notifications.tell(left(Kind::Disconnected));
            }
        }
        let server = link.server.and_then(|server| self.by_id.get(&server)).copied();
        if let Some(server) = server {
            // Added first: whoever accepts it takes it away again.
            let left_behind = &self.ports[server].shared.left_behind;
            left_behind.fetch_add(1, Ordering::AcqRel);
            if !self.ports[self.links[key].port].shared.acceptance.leave() {
                left_behind.fetch_sub(1, Ordering::AcqRel);
            }
            let shared = &self.ports[server].shared;
            shared.counters.disconnections.add(1);
            shared.notifications.end(told, left(Kind::ClientLeft).client(client));
            self.touch(server);
        }
    }

    /// Takes a client out of its server's count.
    pub(super) fn no_longer_counted(&mut self, key: usize) {
        let link = &self.links[key];
        let server = match link.server {
            Some(server) => self.by_id.get(&server).copied(),
            None => Some(link.port),
        };
        let Some(server) = server.and_then(|server| self.ports.get_mut(server)) else {
            return;
        };
        let Work::Server { ids, by_client, .. } = &mut server.work else {
            return;
        };
        let shared = &server.shared;
        ids.leave(&shared.clients, link.client);
        if by_client.remove(&link.client).is_none() {
            return;
        }
        if shared.client_count.fetch_sub(1, Ordering::Relaxed) == 1 && shared.role == Role::Merged {
            shared.set_up(false);
        }
    }

    /// Lets go of a connection at once.
    pub(super) fn remove_link(&mut self, key: usize) {
        let link = self.links.remove(key);
        if matches!(link.phase, Phase::Draining) {
            self.ports[link.port].draining -= 1;
        }
        if link.interest.is_some() {
            let _ = self.waker.poller.delete(&link.socket);
        }
        let port = &mut self.ports[link.port];
        port.links.retain(|other| *other != key);
        if port.backed_up {
            port.backed_up = false;
            self.again = true;
        }
    }

    /// Ends a client's connection in good order.
    pub(super) fn disconnect(&mut self, key: usize, now: u64) {
        // What was pushed before this goes out first.
        self.empty_out_queues(now);
        let Some(port) = self.links.get(key).map(|link| link.port) else {
            return;
        };
        // Of a queue that is held up by another client too.
        self.ports[port].bring_forward(key, &mut self.links, &mut self.dirty, now);
        self.links[key].takes_more = false;
        self.begin_closing(key, now);
        self.touch(port);
    }

    fn begin_closing(&mut self, key: usize, now: u64) {
        if matches!(self.links[key].phase, Phase::Sniffing { .. }) {
            // A client that was pushed to is one, even if it has said nothing yet.
            if self.ports[self.links[key].port].shared.role == Role::Manual {
                return self.drop_quietly(key);
            }
            self.settle(key);
        }
        self.leave(key, Code::Ok, 0);
        let link = &mut self.links[key];
        let port = link.port;
        self.ports[port].depart(link);
        self.settle_port(port, now);
        let link = &mut self.links[key];
        let linger = ms(self.ports[link.port].shared.config.linger_ms);
        link.phase = Phase::Closing {
            until: now + linger,
            fin_sent: false,
        };
        link.held = Vec::new();
        link.stalled = false;
        link.parser.finish();
        self.ports[port].count_invalid(&mut self.links[key]);
        // It may have been the one that held up the others.
        self.ports[port].backed_up = false;
        self.again = true;
        let link = &mut self.links[key];
        if !link.takes_more {
            let port = &self.ports[link.port];
            port.release_sent(link, port.shared.config.release_on_close);
        }
        self.write(key, now);
    }

    /// Whether a connection that is being closed has come to its end.
    pub(super) fn check_closing(&mut self, key: usize, now: u64) {
        let link = &mut self.links[key];
        let Phase::Closing { until, fin_sent } = &mut link.phase else {
            return;
        };
        if link.out.is_empty() && !link.takes_more && !*fin_sent && !link.broken {
            *fin_sent = true;
            if link.socket.shutdown(Shutdown::Write).is_err() {
                link.broken = true;
            }
        }
        let acknowledged = || tcp::progress(&link.socket).is_some_and(|progress| progress.unacknowledged == 0);
        if link.broken || now >= *until || *fin_sent && (link.at_end || acknowledged()) {
            let port = link.port;
            self.ports[port].count_unwritten(link);
            self.remove_link(key);
            self.forget_if_done(port);
        }
    }

    /// Starts the orderly end of a port: nothing new begins, and every connection is closed.
    pub(super) fn shut_down(&mut self, key: usize, now: u64) {
        let port = &mut self.ports[key];
        if port.closing {
            return;
        }
        port.closing = true;
        match &mut port.work {
            Work::Server { listeners, binding, .. } => {
                *binding = None;
                for listener in std::mem::take(listeners) {
                    self.deafen(listener);
                    self.listeners.remove(listener);
                }
            }
            Work::Client(connector) => connector.abandon(&self.waker.poller),
            Work::Accepted => {}
        }
        for link in self.ports[key].links.clone() {
            match self.links.get(link) {
                Some(there) if there.is_live() => self.begin_closing(link, now),
                // What it sent and was not handed over is not any more.
                Some(there) if matches!(there.phase, Phase::Draining) => self.drained(link, now),
                _ => {}
            }
        }
        self.shut_down_unaccepted(key, now);
        self.ports[key].shared.set_up(false);
        self.peer_is_gone(key, now);
    }

    /// Clients of a manual server that nobody can accept any more see the end.
    fn shut_down_unaccepted(&mut self, key: usize, now: u64) {
        let server = &self.ports[key].shared;
        if server.role != Role::Manual {
            return;
        }
        let clients = self.links.iter().filter(|(_, link)| link.server == Some(server.id));
        let ports = clients.map(|(_, link)| link.port);
        let unaccepted: Vec<_> = ports
            .filter(|port| self.ports[*port].shared.acceptance.leave())
            .collect();
        for port in unaccepted {
            self.shut_down(port, now);
        }
    }

    /// Forgets a port that the caller has closed and that has no connection any more.
    pub(super) fn forget_if_done(&mut self, key: usize) {
        if self
            .ports
            .get(key)
            .is_some_and(|port| port.released && port.links.is_empty())
        {
            let port = self.ports.remove(key);
            self.by_id.remove(&port.shared.id);
            self.review_priority(None);
        }
    }
}
