//! The network thread: one for the process, the only one that touches sockets.
//!
//! [`thread`] starts it with the first port and joins it with the last. [`reactor`] is its loop; the other modules are
//! what the loop does: [`accept`] takes clients, [`connect`] makes and makes again connections, [`incoming`] fills in
//! queues, [`outgoing`] empties out queues, [`ending`] ends connections in good order.

mod accept;
mod acknowledge;
pub(crate) mod address;
mod backoff;
mod bind;
mod connector;
mod conversation;
mod ending;
mod holding;
mod incoming;
mod life;
mod link;
#[cfg(all(test, loom))]
mod loom_models;
mod net_port;
mod outgoing;
mod pace;
mod priority;
mod reactor;
mod repair;
mod reply;
mod resolver;
mod rhythm;
mod sent;
mod spilled;
mod thread;
mod timers;
mod watch;

pub(crate) use conversation::LOOK_NS;
pub(crate) use thread::{Network, Waker};

use crate::port::Port;
use crate::realtime::config::{Accept, Config};
use crate::realtime::refused::SpillOut;
use crate::realtime::ring::{Consumer, Producer};
use crate::realtime::shared::{Role, Shared, State};
use crate::sys::code::Code;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thread::Command;

/// The network thread's ends of a port.
pub(crate) struct Ends {
    pub shared: Arc<Shared>,
    /// The producer of the in queue and the consumer of the out queue; None for a manual server.
    pub queues: Option<(Producer, Consumer)>,
    /// What push could not queue, on a repairing port.
    pub spill: Option<SpillOut>,
}

/// A server, bound and listening (or binding in the background, where that is asked for).
pub(crate) fn listen(host: Option<&str>, port: u16, config: Config) -> Result<Port, Code> {
    let addresses = bind::addresses(host, port, &config)?;
    let listeners = match bind::bind(&addresses) {
        Ok(listeners) => Some(listeners),
        Err(error) if error.code == Code::AddressInUse && config.listen_retry_ms != 0 => None,
        Err(error) => return Err(error.code),
    };
    let role = if config.accept == Accept::Manual {
        Role::Manual
    } else {
        Role::Merged
    };
    open(role, &config, |shared| {
        match &listeners {
            Some(bound) => shared.local_port.store(bound.port, Ordering::Relaxed),
            None => shared.set_state(State::Binding),
        }
        thread::Task::Serve { addresses, listeners }
    })
}

/// A client, which connects in the background.
pub(crate) fn connect(host: &str, port: u16, config: Config) -> Result<Port, Code> {
    let host = host.to_owned();
    open(Role::Client, &config, |_| thread::Task::Connect { host, port })
}

fn open(role: Role, config: &Config, task: impl FnOnce(&Shared) -> thread::Task) -> Result<Port, Code> {
    let network = Network::enter()?;
    match Port::with_network(role, config, network.another()) {
        Ok((port, ends)) => {
            let task = task(&ends.shared);
            network.submit(Command::Add(Box::new(ends), task));
            Ok(port)
        }
        Err(code) => {
            network.leave(Duration::ZERO);
            Err(code)
        }
    }
}
