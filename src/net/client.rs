//! A client's connection in the reactor: drives its [`Connector`] and carries out what comes of it.

use super::connector::{ConnectSettings, Connector, Outcome, Surroundings};
use super::link::{Link, Owner, Phase};
use super::net_port::Work;
use super::reactor::{Key, Reactor};
use super::resolver::{self, Resolution};
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Shared, State};
use crate::sys::clock::{ms, now_ns};
use crate::sys::code::Failure;
use socket2::Socket;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A connector with the settings of a port.
pub(super) fn connector(host: String, port: u16, shared: &Shared) -> Connector {
    let config = &shared.config;
    let settings = ConnectSettings {
        timeout_ns: ms(config.connect_timeout_ms),
        reconnect_min_ns: ms(config.reconnect_min_ms),
        reconnect_max_ns: ms(config.reconnect_max_ms),
    };
    let seed = now_ns() ^ shared.id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Connector::new(host, port, settings, seed)
}

impl Reactor {
    /// Has a port's connector do something, and carries out what comes of it.
    fn connect_with(&mut self, key: usize, now: u64, call: impl FnOnce(&mut Connector, &mut Surroundings) -> Outcome) {
        let Some(port) = self.ports.get_mut(key) else { return };
        let id = port.shared.id;
        let Work::Client(connector) = &mut port.work else {
            return;
        };
        let control = Arc::downgrade(&self.control);
        let mut look_up = |host: &str, port: u16| {
            let control = control.clone();
            resolver::resolve(host.to_owned(), port, move |resolution| {
                if let Some(control) = control.upgrade() {
                    control.resolved(id, resolution);
                }
            })
        };
        let mut surroundings = Surroundings {
            poller: &self.waker.poller,
            keys: &|slot| Key::Connecting(key, slot).number(),
            look_up: &mut look_up,
        };
        let outcome = call(connector, &mut surroundings);
        let timeout = connector.next_timeout();
        match outcome {
            Outcome::Waiting => {}
            Outcome::Connected { socket, peer } => self.connected(key, socket, peer, now),
            Outcome::Failed {
                failure,
                address,
                announce,
                retries,
            } => {
                self.attempt_failed(key, failure, announce.then_some(address), retries, now);
            }
        }
        if let Some(timeout) = timeout.filter(|_| self.ports.contains(key)) {
            self.arm_port(key, timeout);
        }
    }

    pub(super) fn start_connecting(&mut self, key: usize, now: u64) {
        self.connect_with(key, now, |connector, surroundings| connector.start(surroundings, now));
    }

    pub(super) fn resolved(&mut self, key: usize, resolution: Resolution, now: u64) {
        self.connect_with(key, now, |connector, surroundings| {
            connector.resolved(resolution, surroundings, now)
        });
    }

    pub(super) fn connecting(&mut self, key: usize, slot: usize, now: u64) {
        self.connect_with(key, now, |connector, surroundings| {
            connector.ready(slot, surroundings, now)
        });
    }

    pub(super) fn connector_timer(&mut self, key: usize, now: u64) {
        self.connect_with(key, now, |connector, surroundings| connector.timeout(surroundings, now));
    }

    fn connected(&mut self, key: usize, socket: Socket, peer: SocketAddr, now: u64) {
        self.serial += 1;
        let port = &mut self.ports[key];
        let shared = Arc::clone(&port.shared);
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        let owner = Owner {
            port: key,
            client: 0,
            serial: self.serial,
        };
        let mut link = Link::new(socket, peer, owner, Phase::Open, &shared.config, now);
        let connected = Notification::new(Kind::Connected).address(Some(link.address));
        link.told = shared.notifications.begin(connected);
        link.next_look = now;
        let link = self.links.insert(link);
        port.links.push(link);
        // Pushed while there was no connection.
        port.discard_outgoing();
        port.resume_sent(&mut self.links[link]);
        shared.counters.connections.add(1);
        shared
            .local_port
            .store(local.map_or(0, |local| local.port()), Ordering::Relaxed);
        shared.failure.store(0, Ordering::Release);
        shared.set_state(State::Connected);
        shared.set_up(true);
        self.touch(key);
        self.write(link, now);
    }

    fn attempt_failed(
        &mut self,
        key: usize,
        failure: Failure,
        announce: Option<Option<SocketAddr>>,
        retries: bool,
        now: u64,
    ) {
        let shared = Arc::clone(&self.ports[key].shared);
        shared.failure.store(failure.code as i32, Ordering::Release);
        if let Some(address) = announce {
            let failed = Notification::new(Kind::ConnectFailed).reason(failure.code, failure.os_error);
            shared.notifications.tell(failed.address(address));
        }
        self.after_attempt(key, retries, now);
    }

    /// A connection has ended.
    pub(super) fn connection_lost(&mut self, key: usize, was_worth_something: bool, now: u64) {
        let Work::Client(connector) = &mut self.ports[key].work else {
            return;
        };
        let retries = connector.connection_lost(was_worth_something, now);
        let timeout = connector.next_timeout();
        self.after_attempt(key, retries, now);
        if let Some(timeout) = timeout.filter(|_| self.ports.contains(key)) {
            self.arm_port(key, timeout);
        }
    }

    fn after_attempt(&mut self, key: usize, retries: bool, now: u64) {
        let port = &mut self.ports[key];
        if port.closing || !retries {
            if let Work::Client(connector) = &mut port.work {
                connector.abandon(&self.waker.poller);
            }
            self.peer_is_gone(key, now);
        } else {
            port.shared.set_state(State::Connecting);
        }
        self.touch(key);
    }
}
