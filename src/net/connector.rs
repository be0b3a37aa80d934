//! A client's connection: resolving, trying each address, and trying again.

use super::backoff::Backoff;
use super::link::{Link, Owner, Phase};
use super::net_port::Work;
use super::reactor::{Key, Reactor};
use super::resolver::{self, Resolution};
use crate::net::address;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Shared, State};
use crate::sys::clock::{ms, now_ns};
use crate::sys::code::Code;
use crate::sys::poller::{Event, Poller};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a client's port is doing about its connection.
pub(super) struct Connector {
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    /// The address to try next.
    next: usize,
    phase: Attempt,
    backoff: Backoff,
    /// The reason told last, since there was a connection.
    told: Option<Code>,
}

enum Attempt {
    Resolving,
    /// A socket in the poller, and until when to wait for it.
    Connecting {
        socket: Socket,
        until: u64,
    },
    Connected,
    /// Until when.
    Pausing {
        until: u64,
    },
    Over,
}

impl Connector {
    pub(super) fn new(host: String, port: u16, shared: &Shared) -> Self {
        let config = &shared.config;
        let seed = now_ns() ^ shared.id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            host,
            port,
            addresses: Vec::new(),
            next: 0,
            phase: Attempt::Over,
            backoff: Backoff::new(ms(config.reconnect_min_ms), ms(config.reconnect_max_ms), seed),
            told: None,
        }
    }

    /// Lets go of an attempt, for good.
    pub(super) fn abandon(&mut self, poller: &Poller) {
        if let Attempt::Connecting { socket, .. } = &self.phase {
            let _ = poller.delete(socket);
        }
        self.phase = Attempt::Over;
    }
}

impl Reactor {
    fn connector(&mut self, key: usize) -> Option<&mut Connector> {
        match &mut self.ports.get_mut(key)?.work {
            Work::Client(connector) => Some(connector),
            _ => None,
        }
    }

    /// Begins an attempt: a look-up, then each address in turn.
    pub(super) fn start_connecting(&mut self, key: usize, now: u64) {
        let id = self.ports[key].shared.id;
        let waker = Arc::downgrade(&self.control);
        let Some(connector) = self.connector(key) else { return };
        connector.next = 0;
        if let Some(ip) = address::literal(&connector.host) {
            connector.addresses = vec![SocketAddr::new(ip, connector.port)];
            return self.try_next_address(key, Code::Address, 0, now);
        }
        connector.phase = Attempt::Resolving;
        if !resolver::resolve(connector.host.clone(), connector.port, id, waker) {
            self.attempt_failed(key, Code::NoResources, 0, now);
        }
    }

    /// A look-up has ended.
    pub(super) fn resolved(&mut self, key: usize, resolution: Resolution, now: u64) {
        let Some(connector) = self.connector(key) else { return };
        if !matches!(connector.phase, Attempt::Resolving) {
            return;
        }
        connector.addresses = resolution;
        self.try_next_address(key, Code::Address, 0, now);
    }

    /// Tries the next address; where there is none left, the attempt has failed, for the last reason.
    fn try_next_address(&mut self, key: usize, mut reason: Code, mut os_error: i32, now: u64) {
        let patience = ms(self.ports[key].shared.config.connect_timeout_ms);
        loop {
            let Some(connector) = self.connector(key) else { return };
            let Some(&address) = connector.addresses.get(connector.next) else {
                return self.attempt_failed(key, reason, os_error, now);
            };
            connector.next += 1;
            match begin(address) {
                Ok(socket) => {
                    let event = Event::writable(Key::Connecting(key).number());
                    // It is taken out before it is dropped or becomes a link's: in `take_socket` and in
                    // `Connector::abandon`.
                    let added = self.waker.poller.add(&socket, event);
                    if let Err(error) = added {
                        (reason, os_error) = (Code::of(&error), error.raw_os_error().unwrap_or(0));
                        continue;
                    }
                    let until = now + patience;
                    if let Some(connector) = self.connector(key) {
                        connector.phase = Attempt::Connecting { socket, until };
                    }
                    return self.arm_port(key, until);
                }
                Err(error) => (reason, os_error) = (Code::of(&error), error.raw_os_error().unwrap_or(0)),
            }
        }
    }

    /// Takes the socket of an attempt out of the poller.
    fn take_socket(&mut self, key: usize) -> Option<Socket> {
        let connector = self.connector(key)?;
        let Attempt::Connecting { socket, .. } = std::mem::replace(&mut connector.phase, Attempt::Over) else {
            return None;
        };
        let _ = self.waker.poller.delete(&socket);
        Some(socket)
    }

    /// The system says that an attempt came to something.
    pub(super) fn connecting(&mut self, key: usize, now: u64) {
        let Some(socket) = self.take_socket(key) else { return };
        let outcome = socket.take_error().and_then(|error| match error {
            Some(error) => Err(error),
            None => peer_other_than_itself(&socket),
        });
        match outcome {
            Ok(peer) => self.connected(key, socket, peer, now),
            Err(error) => {
                drop(socket);
                self.try_next_address(key, Code::of(&error), error.raw_os_error().unwrap_or(0), now);
            }
        }
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
        let mut link = Link::new(
            socket,
            address::canonical(peer),
            owner,
            Phase::Open,
            &shared.config,
            now,
        );
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
        if let Some(connector) = self.connector(key) {
            connector.phase = Attempt::Connected;
            connector.told = None;
        }
        self.touch(key);
        self.write(link, now);
    }

    fn attempt_failed(&mut self, key: usize, reason: Code, os_error: i32, now: u64) {
        let shared = Arc::clone(&self.ports[key].shared);
        let Some(connector) = self.connector(key) else { return };
        connector.phase = Attempt::Over;
        let address = connector.addresses.last().copied();
        shared.failure.store(reason as i32, Ordering::Release);
        if connector.told.replace(reason) != Some(reason) {
            let failed = Notification::new(Kind::ConnectFailed).reason(reason, os_error);
            shared.notifications.tell(failed.address(address));
        }
        self.pause_before_connecting(key, now);
    }

    /// A connection has ended: shortly after it was made, the pauses go on growing.
    pub(super) fn connection_lost(&mut self, key: usize, was_worth_something: bool, now: u64) {
        let Some(connector) = self.connector(key) else { return };
        if was_worth_something {
            connector.backoff.reset();
        }
        self.pause_before_connecting(key, now);
    }

    fn pause_before_connecting(&mut self, key: usize, now: u64) {
        let port = &self.ports[key];
        let shared = Arc::clone(&port.shared);
        if port.closing || shared.config.reconnect_max_ms == 0 {
            self.peer_is_gone(key, now);
        } else {
            shared.set_state(State::Connecting);
            if let Some(connector) = self.connector(key) {
                let until = now + connector.backoff.pause();
                connector.phase = Attempt::Pausing { until };
                self.arm_port(key, until);
            }
        }
        self.touch(key);
    }

    /// An attempt has taken too long, or a pause is over.
    pub(super) fn connector_timer(&mut self, key: usize, now: u64) {
        let Some(connector) = self.connector(key) else { return };
        match connector.phase {
            Attempt::Connecting { until, .. } if until <= now => {
                drop(self.take_socket(key));
                self.try_next_address(key, Code::Timeout, 0, now);
            }
            Attempt::Pausing { until } if until <= now => self.start_connecting(key, now),
            Attempt::Connecting { until, .. } | Attempt::Pausing { until } => self.arm_port(key, until),
            _ => {}
        }
    }
}

/// Begins to connect, without waiting.
fn begin(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => Ok(socket),
        Err(error) if is_in_progress(&error) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

/// The peer's address; an error where a socket met itself, which TCP allows on loopback when the system happens to
/// give it the very port it connects to.
fn peer_other_than_itself(socket: &Socket) -> io::Result<SocketAddr> {
    let (local, peer) = (socket.local_addr()?.as_socket(), socket.peer_addr()?.as_socket());
    match peer {
        Some(peer) if local != Some(peer) => Ok(peer),
        _ => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}
