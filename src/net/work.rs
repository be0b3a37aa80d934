//! What makes the connections of a session: listeners that take clients, or a connector.

use super::AcceptQueue;
use super::bind::BindError;
use super::connector::{Connector, Outcome, Surroundings};
use super::discovery::Advertisement;
use super::driver::Driver;
use super::listener::{Accepted, Attempt, Listeners};
use super::place::Place;
use super::seat::Seat;
use super::socket::local_port;
use crate::realtime::endpoint::NetworkHalf;
use crate::realtime::log::{self, Level};
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Shared, State};
use crate::session::PortKey;
use crate::session::options::Options;
use crate::sys::address::Address;
use crate::sys::clock::ms;
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
    /// One more port shares the address; None: it cannot any more.
    pub(super) fn join(
        &mut self,
        half: NetworkHalf,
        options: Options,
        advertisement: Option<Advertisement>,
        driver: &mut Driver,
        now: u64,
    ) -> Option<PortKey> {
        let Work::Serve { listeners, .. } = &mut *self.work else {
            return None;
        };
        let local_port = listeners.local_port();
        if local_port.is_none() {
            // The address is another's still.
            match half.shared.config.server.listen_retry_ms {
                0 => return None,
                retry_ms => listeners.bind_until(until(retry_ms, now)),
            }
        }
        let shared = half.shared;
        // Before the clients come: who has seen one may ask for the port.
        match local_port {
            Some(port) => listens(&shared, port),
            None => shared.set_state(State::Binding),
        }
        let key = self.session.add_port(Arc::clone(&shared), half.queues, options, now)?;
        self.add_place(key, &shared);
        self.review_advertisement(advertisement);
        driver.woken(&shared);
        self.carry_out(driver, now);
        Some(key)
    }

    /// Takes clients that wait at a listener.
    pub(super) fn accept(&mut self, index: usize, driver: &mut Driver, now: u64) {
        for count in 0..MOST_ACCEPTED {
            if count != 0 && !self.session.has_place() {
                // A client may have left since the poller was asked. The poller tells of that and of this listener at
                // once: the first that waits has then come later.
                return;
            }
            let Work::Serve { listeners, .. } = &mut *self.work else {
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
            for peer in self.session.peers_in_doubt() {
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
        let session = self.session.single_mut();
        if let Some(connection) = session.and_then(|session| session.core.adopt(key, peer, announced, now)) {
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
        let Work::Connect(connector) = &mut *self.work else {
            return;
        };
        let Some(place) = self.places.first() else { return };
        let (key, shared) = (place.key, Arc::clone(&place.shared));
        let outcome = driver.with_surroundings(seat, shared.id, |surroundings| call(connector, surroundings));
        match outcome {
            Outcome::Waiting => {}
            Outcome::Connected { socket, peer } => {
                shared.status.local_port.store(local_port(&socket), Ordering::Relaxed);
                let session = self.session.single_mut();
                if let Some(connection) = session.and_then(|session| session.core.connect(key, peer, now)) {
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
        let Some(shared) = self.session.shared(key).map(Arc::clone) else {
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

    /// An address is advertised once, by the name that its clients are told, while any of its ports asks for it. `new`: for
    /// one that is not advertised yet.
    pub(super) fn review_advertisement(&mut self, new: Option<Advertisement>) {
        let asks = |place: &Place| place.shared.config.server.advertise && !place.shared.is_closed();
        let asks = self.places.iter().any(asks);
        let name = self.session.name();
        if let Work::Serve { listeners, .. } = &mut *self.work {
            listeners.review_advertisement(asks, new, &name);
        }
    }

    /// No more connections are made.
    pub(super) fn stop_work(&mut self, driver: &mut Driver) {
        self.shared_address = None;
        match std::mem::replace(&mut *self.work, Work::Nothing) {
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

    /// Every port of the address is told what came of an attempt to bind.
    pub(super) fn after_binding(&mut self, attempt: &Attempt, driver: &mut Driver, now: u64) {
        let ports: Vec<(PortKey, Arc<Shared>)> = self
            .places
            .iter()
            .map(|place| (place.key, Arc::clone(&place.shared)))
            .collect();
        for (key, shared) in ports {
            match attempt {
                Attempt::Bound(port) => listens(&shared, *port),
                Attempt::Failed { error, last } => {
                    tell_of_failure(&shared, error, *last);
                    if *last {
                        self.session.give_up(key, now);
                    }
                }
            }
            driver.woken(&shared);
        }
        if matches!(attempt, Attempt::Failed { last: true, .. }) {
            self.stop_work(driver);
        }
        self.carry_out(driver, now);
    }
}

/// Until when a server tries to bind.
pub(super) fn until(retry_ms: u32, now: u64) -> u64 {
    match retry_ms {
        u32::MAX => u64::MAX,
        retry_ms => now + ms(retry_ms),
    }
}

/// A server listens from now on.
pub(super) fn listens(shared: &Shared, port: u16) {
    shared.status.local_port.store(port, Ordering::Relaxed);
    shared.status.failure.store(0, Ordering::Release);
    shared.set_state(State::Listening);
    shared.control.notifications.write(Level::Info, || "listens".to_owned());
}

/// A server could not bind. `last`: it will not try again.
fn tell_of_failure(shared: &Shared, error: &BindError, last: bool) {
    let failure = error.failure;
    let reason = |kind| {
        Notification::new(kind)
            .reason(failure.code, failure.os_error)
            .address(error.address)
    };
    if shared.status.failure.swap(failure.code as i32, Ordering::AcqRel) != failure.code as i32 {
        shared.control.notifications.announce(reason(Kind::ConnectFailed));
    }
    if last {
        shared.control.notifications.announce(reason(Kind::Disconnected));
    }
}
