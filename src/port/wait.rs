//! Waiting: the conditions that a control thread can wait for.

use crate::net::Entered;
use crate::port::Port;
use crate::realtime::event::{Event, wait_for_any};
use crate::realtime::flush::Flushed;
use crate::realtime::shared::{Role, Shared};
use crate::sys::code::Code;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    pub message: bool,
    pub room: bool,
    pub notification: bool,
    pub client: bool,
}

impl What {
    /// Whether any of it can ever happen on a port.
    fn can_happen(self, role: Role) -> bool {
        self.notification || (self.message || self.room) && role.has_queues() || self.client && role == Role::Manual
    }

    /// Whether any of it is so now.
    fn is_so(self, port: &Port) -> bool {
        let shared = port.shared();
        self.message && port.readiness().has_message()
            || self.room && port.readiness().has_room()
            || self.notification && !shared.control.notifications.is_empty()
            || self.client && port.has_client()
    }
}

/// Waits until `ready` gives something of a port that its context signals. In HOST mode the caller runs the context
/// meanwhile.
pub(crate) fn for_one<T>(port: &Port, timeout: Option<Duration>, ready: impl FnMut() -> Option<T>) -> Option<T> {
    let readiness = port.readiness();
    match port.host() {
        Some(network) => network.run_until(timeout, ready),
        None => wait_for_any(&[readiness.event()], timeout, readiness.poll_interval(), ready),
    }
}

/// Begins a call on several ports: all of them are of one context that the caller runs, or none is.
pub(crate) fn begin_call(ports: &[&Port]) -> Result<Entered, Code> {
    let Some(host) = ports.iter().find_map(|port| port.host()) else {
        return Ok(Entered::nowhere());
    };
    let is_same = |port: &&Port| port.host().is_some_and(|other| other.is_same(host));
    if ports.iter().all(is_same) {
        host.begin_call()
    } else {
        Err(Code::InvalidArgument)
    }
}

/// Waits until something of `what` is so on one of the ports: its index.
pub(crate) fn for_any(ports: &[&Port], what: What, timeout: Option<Duration>) -> Result<usize, Code> {
    if !ports.iter().any(|port| what.can_happen(port.shared().role)) {
        return Err(Code::WrongRole);
    }
    let events: Vec<&Event> = ports.iter().map(|port| port.readiness().event()).collect();
    let poll = ports.iter().filter_map(|port| port.readiness().poll_interval()).min();
    let mut look = || {
        let ready = |port: &&Port| {
            if is_closed(port) {
                port.readiness().has_message()
            } else {
                what.is_so(port)
            }
        };
        // A ready port comes before a closed one.
        let ready = ports.iter().position(ready).map(Ok);
        ready.or_else(|| first_closed(ports).map(|_| Err(Code::Closed)))
    };
    if let Some(network) = ports[0].host() {
        return network.run_until(timeout, look).unwrap_or(Err(Code::Timeout));
    }
    let busy = ports
        .iter()
        .map(|port| port.readiness().busy_poll())
        .max()
        .unwrap_or_default();
    let busy = timeout.map_or(busy, |timeout| busy.min(timeout));
    let found =
        look_for(busy, &mut look).or_else(|| wait_for_any(&events, timeout.map(|timeout| timeout - busy), poll, look));
    found.unwrap_or(Err(Code::Timeout))
}

/// Looks for so long without sleeping.
fn look_for<T>(busy: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    if busy.is_zero() {
        return None;
    }
    let began = Instant::now();
    loop {
        let found = ready();
        if found.is_some() || began.elapsed() >= busy {
            return found;
        }
        // The thread that makes the port ready may need this processor.
        std::thread::yield_now();
    }
}

fn is_closed(port: &Port) -> bool {
    port.state() == crate::realtime::shared::State::Closed as i32
}

/// The first of the ports that is closed and has nothing left to pop.
pub(crate) fn first_closed(ports: &[&Port]) -> Option<usize> {
    ports
        .iter()
        .position(|port| is_closed(port) && port.readiness().has_ended() && !port.readiness().has_message())
}

/// Waits until a port has its peer.
pub(crate) fn connected(port: &Port, timeout: Option<Duration>) -> Result<(), Code> {
    let shared = port.shared();
    if shared.role.is_server() {
        return Err(Code::WrongRole);
    }
    let failure = || Code::from_number(shared.status.failure.load(Ordering::Acquire)).filter(|code| *code != Code::Ok);
    let outcome = for_one(port, timeout, || {
        if is_closed(port) {
            let reason = if shared.is_shut_down() { None } else { failure() };
            return Some(Err(reason.unwrap_or(Code::Closed)));
        }
        shared.is_up().then_some(Ok(()))
    });
    outcome.unwrap_or_else(|| Err(failure().unwrap_or(Code::Timeout)))
}

/// Waits until what was pushed before, and what is due, is with the system.
pub(crate) fn flushed(port: &Port, timeout: Option<Duration>) -> Result<(), Code> {
    let shared = port.shared();
    if !shared.role.has_queues() {
        return Err(Code::WrongRole);
    }
    if is_closed(port) {
        return Err(Code::Closed);
    }
    if shared.role == Role::Pair {
        return Ok(());
    }
    let ticket = shared.control.flush.ask();
    shared.ring_bell();
    port.wake_network();
    until_flushed(shared, ticket, timeout, |timeout, ready| for_one(port, timeout, ready))
}

/// Waits until a flush is done. `wait` waits until what it is given gives something.
pub(crate) fn until_flushed(
    shared: &Shared,
    ticket: u32,
    timeout: Option<Duration>,
    wait: impl FnOnce(Option<Duration>, &mut dyn FnMut() -> Option<Result<(), Code>>) -> Option<Result<(), Code>>,
) -> Result<(), Code> {
    let outcome = || match shared.control.flush.outcome(ticket) {
        Some(Flushed::Lost) => Some(Err(Code::Offline)),
        Some(Flushed::Handed) => Some(Ok(())),
        None => shared.is_closed().then_some(Err(Code::Closed)),
    };
    if timeout == Some(Duration::ZERO) {
        // The network thread waits for nobody: it knows at once.
        let seen = wait(None, &mut || {
            let seen = shared.control.flush.is_seen(ticket) || shared.is_closed();
            seen.then(|| outcome().unwrap_or(Err(Code::Timeout)))
        });
        return seen.unwrap_or(Err(Code::Timeout));
    }
    wait(timeout, &mut { outcome }).unwrap_or(Err(Code::Timeout))
}
