//! Taking clients: binding again, accepting, turning away.

use super::Opened;
use super::bind;
use super::link::{Link, Owner, Phase};
use super::net_port::Work;
use super::reactor::Reactor;
use super::thread::Network;
use crate::net::address::canonical;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Role, Shared};
use crate::session::sniff::{self, First};
use crate::sys::clock::ms;
use crate::sys::code::{Code, Failure};
use socket2::Socket;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Connections taken in one turn from one listener.
const MOST_ACCEPTED: usize = 64;
/// How long a silent client may still turn out to be a browser before it is told of.
const SNIFF_MS: u32 = 50;
/// How long a client that began like a request may take to write the method's name.
const REQUEST_MS: u32 = 5000;
/// Between two tries to bind an address that is in use.
const BIND_RETRY_MS: u32 = 100;

impl Reactor {
    /// Tries to bind an address that was in use.
    pub(super) fn try_to_bind(&mut self, key: usize, now: u64) {
        let port = &mut self.ports[key];
        let Work::Server { binding, .. } = &mut port.work else {
            return;
        };
        let Some((addresses, until)) = binding.take() else {
            return;
        };
        let error = match bind::bind(&addresses) {
            Ok(bound) => return self.start_listening(key, bound),
            Err(error) => error,
        };
        let Failure { code, os_error } = error.failure;
        let told = Notification::new(Kind::ConnectFailed).reason(code, os_error);
        if port.shared.failure.swap(code as i32, Ordering::AcqRel) != code as i32 {
            port.shared.notifications.tell(told.address(error.address));
        }
        if now >= until || !error.may_pass() {
            port.shared
                .notifications
                .tell(Notification::new(Kind::Disconnected).reason(code, os_error));
            port.closing = true;
            return self.peer_is_gone(key, now);
        } else {
            *binding = Some((addresses, until));
            self.arm_port(key, (now + ms(BIND_RETRY_MS)).min(until));
        }
        self.touch(key);
    }

    /// Takes what waits at a listener.
    pub(super) fn accept(&mut self, key: usize, now: u64) {
        for taken in 0..MOST_ACCEPTED {
            let Some(listener) = self.listeners.get(key) else {
                return;
            };
            // Whoever left before this one came is known to have left in the turn that begins now, not yet in this.
            if taken != 0 && !has_place(&self.ports[listener.port].shared) {
                return;
            }
            match listener.socket.accept() {
                Ok((socket, address)) => {
                    let port = listener.port;
                    if let Some(address) = address.as_socket() {
                        self.take_client(port, socket, canonical(address), now);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // One that was gone before it was taken.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                // Out of descriptors, most likely. A level-triggered poller would tell of it again at once.
                Err(_) => {
                    self.deafen(key);
                    return self.silence_listener(key, now);
                }
            }
        }
        self.again = true;
    }

    /// Looks at listeners again that were silenced.
    pub(super) fn hear_again(&mut self, key: usize, now: u64) {
        let Work::Server { listeners, .. } = &self.ports[key].work else {
            return;
        };
        for listener in listeners.clone() {
            let until = self.listeners[listener].silent_until;
            if until > now {
                self.arm_port(key, until);
            } else if until != 0 {
                self.hear(listener, now);
            }
        }
    }

    fn take_client(&mut self, key: usize, socket: Socket, address: SocketAddr, now: u64) {
        let shared = Arc::clone(&self.ports[key].shared);
        let config = &shared.config;
        let is_permitted = config.allow.as_ref().is_none_or(|allow| allow.permits(address.ip()));
        if is_permitted && !has_place(&shared) {
            self.make_place(key, now);
        }
        let port = &mut self.ports[key];
        let Work::Server { ids, by_client, .. } = &mut port.work else {
            return;
        };
        let client = if is_permitted && has_place(&shared) {
            ids.enter(&shared.clients, address)
        } else {
            None
        };
        let Some(client) = client else {
            shared.counters.rejected.add(1);
            return;
        };
        if socket.set_nonblocking(true).is_err() {
            ids.leave(&shared.clients, client);
            return;
        }
        self.serial += 1;
        let until = now + ms(SNIFF_MS);
        let phase = Phase::Sniffing { until };
        let owner = Owner {
            port: key,
            client,
            serial: self.serial,
        };
        let link = self.links.insert(Link::new(socket, address, owner, phase, config, now));
        by_client.insert(client, link);
        if !port.links.iter().any(|link| self.links[*link].takes()) {
            // Pushed while there was no client.
            port.discard_outgoing();
        }
        port.links.push(link);
        port.greet(&mut self.links[link]);
        shared.client_count.fetch_add(1, Ordering::Relaxed);
        if shared.role == Role::Merged {
            shared.set_up(true);
        }
        self.touch(key);
        self.arm_link(link, until);
        // A request comes with the connection more often than not.
        self.readable(link, now);
    }

    /// Who has left and is only kept for an answer, or until there is room for what it sent, keeps nobody else out: as
    /// when all clients are started anew.
    fn make_place(&mut self, server: usize, now: u64) {
        let id = self.ports[server].shared.id;
        let of_server = |link: &Link| link.port == server || link.server == Some(id);
        let links: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| of_server(link))
            .map(|(key, _)| key)
            .collect();
        for key in links {
            // Nobody tells of the end of one that is not read.
            if self
                .links
                .get(key)
                .is_some_and(|link| link.phase == Phase::Open && link.stalled)
            {
                self.check_stalled(key, now);
            }
            let Some(link) = self.links.get_mut(key) else { continue };
            if let Phase::HalfClosed { until, .. } = &mut link.phase
                && (link.stalled || link.out.is_empty())
            {
                *until = now;
                self.check_half_closed(key, now);
            }
            if has_place(&self.ports[server].shared) {
                return;
            }
        }
    }

    /// Looks at the first bytes of a client: true when it is a client now, false when that is not known yet or it is
    /// gone.
    pub(super) fn sniff(&mut self, key: usize, now: u64) -> bool {
        let link = &mut self.links[key];
        let is_new = matches!(link.phase, Phase::Sniffing { .. });
        match sniff::first(&link.held) {
            First::Undecided => {
                self.rearm(key, now);
                false
            }
            First::Midi => {
                link.suspect = false;
                !is_new || self.settle(key)
            }
            First::Http => {
                let server = link.server.and_then(|server| self.by_id.get(&server).copied());
                let server = server.unwrap_or(link.port);
                self.ports[server].shared.counters.rejected.add(1);
                if is_new {
                    self.drop_quietly(key);
                } else {
                    // It was silent until it had been told of: it is told of that it goes.
                    link.held.clear();
                    self.end_link(key, Code::Permission, 0, now);
                }
                false
            }
        }
    }

    /// A client that was never told of goes without a word.
    pub(super) fn drop_quietly(&mut self, key: usize) {
        let port = self.links[key].port;
        self.no_longer_counted(key);
        self.remove_link(key);
        self.touch(port);
    }

    /// A client that has been silent for long enough is no browser.
    pub(super) fn settle_silent(&mut self, key: usize, now: u64) {
        let link = &self.links[key];
        if !link.held.is_empty() && now < link.held_ns + ms(SNIFF_MS) {
            // It has just begun like a request: the rest of the method's name is about to come.
            let until = link.held_ns + ms(SNIFF_MS);
            self.links[key].phase = Phase::Sniffing { until };
            return;
        }
        // If it speaks later, it is looked at then.
        self.settle(key);
    }

    /// Until when a client may take to write the name of a method that it has begun.
    pub(super) fn patience(link: &Link) -> Option<u64> {
        (link.suspect && !link.held.is_empty()).then_some(link.held_ns + ms(REQUEST_MS))
    }

    /// A client began like a request and did not go on: those were stray bytes.
    pub(super) fn trust(&mut self, key: usize) {
        self.links[key].suspect = false;
        self.count_bytes(key);
        self.resume(key);
    }

    /// A client is one: it is told of, and on a manual server it becomes a port. False when it could not.
    pub(super) fn settle(&mut self, key: usize) -> bool {
        let link = &mut self.links[key];
        link.phase = Phase::Open;
        let server = link.port;
        let shared = Arc::clone(&self.ports[server].shared);
        if shared.role == Role::Manual && !self.become_port(key, &shared) {
            shared.counters.rejected.add(1);
            self.drop_quietly(key);
            return false;
        }
        let link = &mut self.links[key];
        shared.counters.connections.add(1);
        let joined = Notification::new(Kind::ClientJoined)
            .client(link.client)
            .address(Some(link.address));
        link.told = shared.notifications.begin(joined);
        // What was pushed meanwhile.
        if !link.out.is_empty() && !link.dirty {
            link.dirty = true;
            self.dirty.push(key);
        }
        self.touch(server);
        true
    }

    fn become_port(&mut self, key: usize, server: &Shared) -> bool {
        let Some(network) = Network::enter_from_inside(&self.control) else {
            return false;
        };
        let Ok((endpoint, ends)) = Endpoint::with_network(Role::Accepted, &server.config, network.waker()) else {
            Network::leave_from_inside(&self.control);
            return false;
        };
        ends.shared.counters.connections.add(1);
        ends.shared
            .local_port
            .store(server.local_port.load(Ordering::Relaxed), Ordering::Relaxed);
        let new = self.insert(ends, Work::Accepted);
        self.review_priority(None);
        let link = &mut self.links[key];
        let old = std::mem::replace(&mut link.port, new);
        link.server = Some(server.id);
        self.ports[old].links.retain(|other| *other != key);
        self.ports[new].links.push(key);
        if let Work::Server {
            accepted: Some(accepted),
            ..
        } = &self.ports[old].work
        {
            accepted.push(Opened {
                endpoint,
                network,
                accepted: None,
            });
        }
        true
    }
}

/// Whether a server may have one more client.
fn has_place(shared: &Shared) -> bool {
    let taken = shared.client_count.load(Ordering::Relaxed) + shared.left_behind.load(Ordering::Acquire);
    taken < shared.config.max_clients
}
