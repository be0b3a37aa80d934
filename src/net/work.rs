//! What makes the connections of a session: listeners that take clients, or a connector.

use super::AcceptQueue;
use super::connector::{Connector, Outcome, Surroundings};
use super::driver::Driver;
use super::listener::{Accepted, Attempt, Listeners};
use super::seat::Seat;
use super::socket::local_port;
use crate::realtime::log::{self, Level};
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::State;
use crate::session::PortKey;
use crate::session::name::Name;
use crate::sys::address::Address;
use crate::sys::code::Failure;
use socket2::Socket;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Connections taken in one turn from one listener.
const MOST_ACCEPTED: usize = 64;

/// What makes the connections of a session.
pub(super) enum Work {
    Serve {
        listeners: Listeners,
        /// A manual server's clients that wait for `accept`.
        accepted: Option<Arc<AcceptQueue>>,
    },
    Connect(Connector),
    /// There are no more to come.
    Nothing,
}

impl Seat {
    /// Takes clients that wait at a listener.
    pub(super) fn accept(&mut self, index: usize, driver: &mut Driver, now: u64) {
        for count in 0..MOST_ACCEPTED {
            if count != 0 && !self.session.has_place() {
                // A client may have left since the poller was asked. The poller tells of that and of this listener at
                // once: the first that waits has then come later.
                return;
            }
            let Work::Serve { listeners, .. } = &mut self.work else {
                return;
            };
            match listeners.accept(index, driver.poller(), now) {
                Accepted::Client(socket, address) => self.add_client(socket, address, driver, now),
                Accepted::Gone => {}
                Accepted::Nobody => return,
                Accepted::Refused(failure) => return self.not_accepted(failure),
            }
        }
        driver.again = true;
    }

    fn not_accepted(&self, failure: Failure) {
        let Some(place) = self.places.first() else { return };
        let why = || log::reason(failure.code, failure.os_error);
        let text = || format!("cannot accept clients for now: {}", why());
        place.shared.control.notifications.write(Level::Warning, text);
    }

    fn add_client(&mut self, socket: Socket, address: Option<Address>, driver: &mut Driver, now: u64) {
        if !self.session.has_place() {
            // Clients whose sockets are not read may have left unnoticed.
            for peer in self.session.core.peers_in_doubt() {
                self.measure(peer, driver, now);
                self.read_to_end(peer, driver, now);
            }
        }
        if socket.set_nonblocking(true).is_err() {
            return;
        }
        if let Some(peer) = self.session.add_client(address, now) {
            self.add_wire(peer, socket, address, driver);
            // Its first bytes come with the connection more often than not.
            self.read(peer, driver, now);
        }
        self.carry_out(driver, now);
    }

    /// Takes the connection that the caller brought.
    pub(super) fn adopt(&mut self, socket: Socket, peer: Address, announced: bool, driver: &mut Driver, now: u64) {
        let Some(key) = self.places.first().map(|place| place.key) else {
            return;
        };
        if let Some(connection) = self.session.core.adopt(key, peer, announced, now) {
            self.add_wire(connection, socket, Some(peer), driver);
        }
        self.carry_out(driver, now);
    }

    /// Has the connector do something, and carries out what comes of it.
    pub(super) fn connect(
        &mut self,
        driver: &mut Driver,
        now: u64,
        call: impl FnOnce(&mut Connector, &mut Surroundings<'_>) -> Outcome,
    ) {
        let seat = self.key();
        let Work::Connect(connector) = &mut self.work else {
            return;
        };
        let Some(place) = self.places.first() else { return };
        let (key, shared) = (place.key, Arc::clone(&place.shared));
        let outcome = driver.with_surroundings(seat, shared.id, |surroundings| call(connector, surroundings));
        match outcome {
            Outcome::Waiting => {}
            Outcome::Connected { socket, peer } => {
                shared.status.local_port.store(local_port(&socket), Ordering::Relaxed);
                if let Some(connection) = self.session.core.connect(key, peer, now) {
                    self.add_wire(connection, socket, Some(peer), driver);
                }
            }
            Outcome::Failed {
                failure,
                address,
                announce,
                retries,
            } => {
                shared.status.failure.store(failure.code as i32, Ordering::Release);
                if announce {
                    let failed = Notification::new(Kind::ConnectFailed).reason(failure.code, failure.os_error);
                    shared.control.notifications.announce(failed.address(address));
                }
                self.after_attempt(key, retries, driver, now);
            }
        }
        self.carry_out(driver, now);
    }

    /// An attempt has failed, or a connection has ended.
    pub(super) fn after_attempt(&mut self, key: PortKey, retries: bool, driver: &mut Driver, now: u64) {
        let Some(shared) = self.session.core.shared(key).map(Arc::clone) else {
            return;
        };
        if retries && !shared.is_closed() {
            shared.set_state(State::Connecting);
        } else {
            self.stop_work(driver);
            self.session.give_up(key, now);
        }
        driver.woken(&shared);
    }

    /// Another name for what others on the network find.
    pub(super) fn rename(&mut self, name: &Name) {
        if let Work::Serve { listeners, .. } = &mut self.work {
            listeners.rename(name);
        }
    }

    /// No more connections are made.
    pub(super) fn stop_work(&mut self, driver: &mut Driver) {
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Serve { mut listeners, .. } => {
                let (poller, registry) = driver.poller_and_registry();
                listeners.close(poller, registry);
            }
            Work::Connect(mut connector) => {
                connector.abandon(driver.poller());
                driver.forget_attempts(self.key());
            }
            Work::Nothing => {}
        }
    }

    pub(super) fn after_binding(&mut self, attempt: &Attempt, driver: &mut Driver, now: u64) {
        let Some(place) = self.places.first() else { return };
        let (key, shared) = (place.key, Arc::clone(&place.shared));
        match attempt {
            Attempt::Bound(port) => {
                shared.status.local_port.store(*port, Ordering::Relaxed);
                shared.status.failure.store(0, Ordering::Release);
                shared.set_state(State::Listening);
                shared.control.notifications.write(Level::Info, || "listens".to_owned());
            }
            Attempt::Failed { error, last } => {
                let failure = error.failure;
                let address = error.address;
                let reason = |kind| {
                    Notification::new(kind)
                        .reason(failure.code, failure.os_error)
                        .address(address)
                };
                if shared.status.failure.swap(failure.code as i32, Ordering::AcqRel) != failure.code as i32 {
                    shared.control.notifications.announce(reason(Kind::ConnectFailed));
                }
                if *last {
                    shared.control.notifications.announce(reason(Kind::Disconnected));
                    self.session.give_up(key, now);
                    self.carry_out(driver, now);
                }
            }
        }
        driver.woken(&shared);
    }
}
