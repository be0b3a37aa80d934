//! What all seats share: the poller and its keys, the buffer for reading, and what a turn of the network thread gathers.

use super::answers::Conversation;
use super::connector::Surroundings;
use super::control::Control;
use super::priority::Priority;
use super::race::SLOTS;
use super::registry::{Registry, Source};
use super::resolver;
use super::seat::AcceptedEnds;
use super::thread::Network;
use super::transport::Transport;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::shared::{Role, Shared};
use crate::session::{Peer, PortKey};
use crate::sys::poller::Poller;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes read by one call. A turn reads once from each connection that has something.
const READ_BYTES: usize = 64 * 1024;

/// What all seats share.
pub(super) struct Driver {
    pub control: Arc<Control>,
    pub registry: Registry,
    /// The poller's keys for attempts to connect, by seat.
    attempts: HashMap<usize, [usize; SLOTS]>,
    /// Seats and keys of ports, by their ids.
    pub ports: HashMap<u64, (usize, PortKey)>,
    pub scratch: Box<[u8]>,
    pub conversation: Conversation,
    /// Connections that were read from, and whose peers are to be acknowledged once all else is done.
    pub unacknowledged: Vec<(usize, Peer)>,
    pub priority: Priority,
    /// There is more to do at once.
    pub again: bool,
    /// Every port has been told of a wake that was so late.
    pub noted_late_ns: u64,
    /// Ports whose waiting threads are to be woken at the end of the turn.
    woken: Vec<Arc<Shared>>,
}

impl Driver {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self {
            priority: Priority::new(control.least_priority()),
            control,
            registry: Registry::default(),
            attempts: HashMap::new(),
            ports: HashMap::new(),
            scratch: vec![0; READ_BYTES].into(),
            conversation: Conversation::default(),
            unacknowledged: Vec::new(),
            again: false,
            noted_late_ns: 0,
            woken: Vec::new(),
        }
    }

    pub(super) fn poller(&self) -> &Poller {
        &self.control.waker.poller
    }

    pub(super) fn poller_and_registry(&mut self) -> (&Poller, &mut Registry) {
        (&self.control.waker.poller, &mut self.registry)
    }

    /// Closes a connection's socket.
    pub(super) fn close(&mut self, transport: Transport) {
        transport.close(&self.control.waker.poller, &mut self.scratch);
    }

    /// Has the threads woken, at the end of the turn, that wait for something of a port.
    pub(super) fn woken(&mut self, shared: &Arc<Shared>) {
        // Only the network thread uses this flag.
        if !shared.control.wake_pending.load(Ordering::Relaxed) {
            shared.control.wake_pending.store(true, Ordering::Relaxed);
            self.woken.push(Arc::clone(shared));
        }
    }

    /// Wakes the threads that wait for something that changed.
    pub(super) fn wake(&mut self) {
        if self.woken.is_empty() {
            return;
        }
        for shared in self.woken.drain(..) {
            shared.control.wake_pending.store(false, Ordering::Relaxed);
            shared.signal();
        }
    }

    /// Gives a connector what it needs.
    pub(super) fn with_surroundings<R>(
        &mut self,
        seat: usize,
        port: u64,
        call: impl FnOnce(&mut Surroundings<'_>) -> R,
    ) -> R {
        let registry = &mut self.registry;
        let keys = *self
            .attempts
            .entry(seat)
            .or_insert_with(|| std::array::from_fn(|slot| registry.add(seat, Source::Attempt(slot))));
        let control = Arc::downgrade(&self.control);
        let mut look_up = |host: &str, number: u16| {
            let control = control.clone();
            resolver::resolve(host.to_owned(), number, move |resolution| {
                if let Some(control) = control.upgrade() {
                    control.resolved(port, resolution);
                }
            })
        };
        call(&mut Surroundings {
            poller: &self.control.waker.poller,
            keys: &|slot| keys[slot],
            look_up: &mut look_up,
        })
    }

    /// A seat makes no more attempts.
    pub(super) fn forget_attempts(&mut self, seat: usize) {
        for key in self.attempts.remove(&seat).into_iter().flatten() {
            self.registry.remove(key);
        }
    }

    /// Makes a port for a client of a manual server; None when it cannot be had.
    pub(super) fn open_accepted(&mut self, server: &Shared) -> Option<AcceptedEnds> {
        let network = Network::enter_from_inside(&self.control)?;
        let made = Endpoint::with_network(Role::Accepted, &server.config_for_accepted(), network.waker());
        let (endpoint, ends) = made.ok()?;
        let local_port = server.status.local_port.load(Ordering::Relaxed);
        ends.shared.status.local_port.store(local_port, Ordering::Relaxed);
        let logs = [server, &ends.shared].map(|port| port.control.notifications.log());
        if let [Some(log), Some(own)] = logs {
            own.set_label(format!("accepted port of {}", log.label()));
        }
        Some((endpoint, network, ends))
    }

    /// After a defect: as new.
    pub(super) fn clear(&mut self) {
        self.registry.clear();
        self.attempts.clear();
        self.ports.clear();
        self.unacknowledged.clear();
        self.wake();
    }
}
