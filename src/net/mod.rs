//! The network thread and its sockets: the only I/O.
//!
//! | file | what it is |
//! |---|---|
//! | [`reactor`] | the thread's loop |
//! | [`driver`] | what all sessions share in it: the poller, its keys in [`registry`], a buffer |
//! | [`seat`] | one session with its sockets; it carries out what the session asks for |
//! | [`transport`] | one connection's socket: the seam for anything else that carries bytes |
//! | [`work`], [`listener`], [`connector`] | how connections are made, with [`bind`], [`resolver`], [`race`], [`backoff`] |
//! | [`accept_queue`] | a manual server's clients that wait for `accept` |
//! | [`socket`], [`address`] | sockets by their addresses, TCP or Unix; addresses from text |
//! | [`thread`], [`life`], [`command`], [`reply`] | how other threads start, reach and join it |
//! | [`sleep`], [`predict`], [`answers`], [`priority`] | when it wakes |
//!
//! `port` calls it. It calls `session` and what lies below.

mod accept_queue;
pub(crate) mod address;
mod answers;
mod backoff;
mod bind;
mod command;
mod connector;
mod driver;
mod life;
mod listener;
#[cfg(all(test, loom))]
mod loom_models;
mod predict;
mod priority;
mod race;
mod reactor;
mod registry;
mod reply;
mod resolver;
mod seat;
mod sleep;
mod socket;
mod thread;
mod transport;
mod work;

pub(crate) use accept_queue::AcceptQueue;
pub(crate) use thread::Network;

use crate::realtime::config::{Accept, Config};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Role, Shared, State};
use crate::session::options::Options;
use crate::sys;
use crate::sys::address::Address;
use crate::sys::clock::ms;
use crate::sys::code::Code;
use bind::Bound;
use command::{Command, NewPort, Task};
use socket::SocketSettings;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A port that was opened: for the caller's handle.
pub(crate) struct Opened {
    pub endpoint: Endpoint,
    pub network: Network,
    /// A manual server's clients that wait for `accept`.
    pub accepted: Option<Arc<AcceptQueue>>,
}

/// How long a server waits for another program that binds a Unix socket in the same folder.
const BIND_PATIENCE: Duration = Duration::from_secs(1);

/// A server, bound and listening, or binding in the background where that is asked for.
pub(crate) fn listen(host: Option<&str>, port: u16, config: &Config, options: Options) -> Result<Opened, Code> {
    let look_up_timeout = Duration::from_nanos(ms(config.connection.connect_timeout_ms));
    let addresses = bind::addresses(host, port, look_up_timeout).map_err(|failure| failure.code)?;
    let settings = SocketSettings {
        traffic_class: config.connection.traffic_class,
        patience: BIND_PATIENCE,
    };
    let listeners = match bind::bind(&addresses, settings) {
        Ok(listeners) => Some(listeners),
        Err(error) if error.failure.code == Code::AddressInUse && config.server.listen_retry_ms != 0 => None,
        Err(error) => return Err(error.failure.code),
    };
    let settings = SocketSettings {
        // The network thread waits for nobody.
        patience: Duration::ZERO,
        ..settings
    };
    serve(addresses, settings, listeners, config, options)
}

/// A server whose addresses are known, and are bound unless they are in use.
fn serve(
    addresses: Vec<Address>,
    settings: SocketSettings,
    listeners: Option<Bound>,
    config: &Config,
    options: Options,
) -> Result<Opened, Code> {
    let role = if config.server.accept == Accept::Manual {
        Role::Manual
    } else {
        Role::Merged
    };
    let accepted: Option<Arc<AcceptQueue>> = (role == Role::Manual).then(Arc::default);
    let waiting = accepted.clone();
    open(role, config, options, accepted, |shared| {
        match &listeners {
            Some(bound) => shared.status.local_port.store(bound.port, Ordering::Relaxed),
            None => shared.set_state(State::Binding),
        }
        Ok(Task::Serve {
            addresses,
            settings,
            listeners,
            accepted: waiting,
        })
    })
}

/// A client, which connects in the background.
pub(crate) fn connect(host: &str, port: u16, config: &Config) -> Result<Opened, Code> {
    let host = host.to_owned();
    open(Role::Client, config, Options::default(), None, |_| {
        Ok(Task::Connect { host, port })
    })
}

/// A port for a connection that the caller made. On an error the socket stays the caller's, unchanged.
pub(crate) fn adopt(socket: isize, config: &Config) -> Result<Opened, Code> {
    let peer = sys::adopt::peer(socket).ok_or(Code::InvalidArgument)?;
    open(Role::Adopted, config, Options::default(), None, |shared| {
        let socket = sys::adopt::take(socket).map_err(|error| Code::of(&error))?;
        shared
            .status
            .local_port
            .store(socket::local_port(&socket), Ordering::Relaxed);
        shared.status.peer.set(Some(peer));
        // The network thread does not know the port yet: it is this thread that announces.
        let connected = Notification::new(Kind::Connected).address(Some(peer));
        let announced = shared.control.notifications.announce_begin(connected);
        Ok(Task::Adopt {
            socket,
            peer,
            announced,
        })
    })
}

fn open(
    role: Role,
    config: &Config,
    options: Options,
    accepted: Option<Arc<AcceptQueue>>,
    task: impl FnOnce(&Shared) -> Result<Task, Code>,
) -> Result<Opened, Code> {
    let network = Network::enter()?;
    let made = Endpoint::with_network(role, config, network.waker())
        .and_then(|(endpoint, half)| task(&half.shared).map(|task| (endpoint, half, task)));
    match made {
        Ok((endpoint, half, task)) => {
            network.submit(Command::Add(Box::new(NewPort { half, options, task })));
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
