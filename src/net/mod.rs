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
mod client;
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
mod race;
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

pub(crate) use thread::Network;

use crate::realtime::config::{Accept, Config};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::shared::{Role, Shared, State};
use crate::sys::code::Code;
use crossbeam_queue::SegQueue;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thread::{Command, Task};

/// A port that was opened: for the caller's handle.
pub(crate) struct Opened {
    pub endpoint: Endpoint,
    pub network: Network,
    /// A manual server's clients that wait for `accept`.
    pub accepted: Option<Arc<AcceptQueue>>,
}

/// Clients of a manual server that wait for `accept`.
pub(crate) type AcceptQueue = SegQueue<Opened>;

/// A server, bound and listening (or binding in the background, where that is asked for).
pub(crate) fn listen(host: Option<&str>, port: u16, config: Config) -> Result<Opened, Code> {
    let look_up_timeout = Duration::from_millis(config.connect_timeout_ms.into());
    let addresses = bind::addresses(host, port, look_up_timeout).map_err(|failure| failure.code)?;
    let listeners = match bind::bind(&addresses) {
        Ok(listeners) => Some(listeners),
        Err(error) if error.failure.code == Code::AddressInUse && config.listen_retry_ms != 0 => None,
        Err(error) => return Err(error.failure.code),
    };
    let role = if config.accept == Accept::Manual {
        Role::Manual
    } else {
        Role::Merged
    };
    let accepted = (role == Role::Manual).then(Arc::default);
    let waiting = accepted.clone();
    open(role, &config, accepted, |shared| {
        match &listeners {
            Some(bound) => shared.local_port.store(bound.port, Ordering::Relaxed),
            None => shared.set_state(State::Binding),
        }
        Task::Serve {
            addresses,
            listeners,
            accepted: waiting,
        }
    })
}

/// A client, which connects in the background.
pub(crate) fn connect(host: &str, port: u16, config: Config) -> Result<Opened, Code> {
    let host = host.to_owned();
    open(Role::Client, &config, None, |_| Task::Connect { host, port })
}

fn open(
    role: Role,
    config: &Config,
    accepted: Option<Arc<AcceptQueue>>,
    task: impl FnOnce(&Shared) -> Task,
) -> Result<Opened, Code> {
    let network = Network::enter()?;
    match Endpoint::with_network(role, config, network.waker()) {
        Ok((endpoint, ends)) => {
            let task = task(&ends.shared);
            network.submit(Command::Add(Box::new(ends), task));
            Ok(Opened {
                endpoint,
                network,
                accepted,
            })
        }
        Err(code) => {
            network.leave(Duration::ZERO);
            Err(code)
        }
    }
}
