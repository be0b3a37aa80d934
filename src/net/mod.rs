//! Contexts, which run ports, and their sockets: the only I/O. A context is a network thread, or in HOST mode the caller.
//! "The network thread" below and in comments means either.
//!
//! | file | what it is |
//! |---|---|
//! | [`reactor`] | the thread's loop |
//! | [`driver`] | what all sessions share in it: the poller, its keys in [`registry`], a buffer |
//! | [`seat`], [`place`] | one session with its sockets and ports; it carries out what the session asks for |
//! | [`transport`] | one connection's socket: the seam for anything else that carries bytes |
//! | [`work`], [`listener`], [`connector`] | how connections are made, with [`bind`], [`resolver`], [`race`], [`backoff`] |
//! | [`accept_queue`] | a manual server's clients that wait for `accept` |
//! | [`socket`], [`address`] | sockets by their addresses, TCP or Unix; addresses from text |
//! | [`discovery`] | services on the network: advertising and browsing, with a thread of their own |
//! | [`context`], [`host`] | the host's own contexts: with a thread, or run by the caller |
//! | [`thread`] | the default context's thread, and a port's hold on any context |
//! | [`control`], [`life`], [`command`], [`reply`] | how other threads reach and join what runs a context |
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
pub(crate) mod context;
mod control;
#[cfg_attr(not(feature = "discovery"), path = "discovery_absent.rs")]
pub(crate) mod discovery;
mod driver;
mod host;
mod life;
mod listener;
#[cfg(all(test, loom))]
mod loom_models;
mod place;
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
pub(crate) use host::Entered;
pub(crate) use thread::Network;

use crate::realtime::config::{Accept, Config};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::log;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Role, Shared, State};
use crate::session::options::Options;
use crate::sys;
use crate::sys::address::Address;
use crate::sys::clock::ms;
use crate::sys::code::{Code, Failure};
use command::{Command, NewPort, ServerSockets, Task};
use context::Context;
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
    /// Of a server that is advertised. It keeps the discovery thread running.
    pub discovery: Option<discovery::Hold>,
}

/// How long a server waits for another program that binds a Unix socket in the same folder.
const BIND_PATIENCE: Duration = Duration::from_secs(1);

/// A server, bound and listening, or binding in the background where that is asked for.
pub(crate) fn listen(
    context: Option<&Context>,
    host: Option<&str>,
    port: u16,
    config: &Config,
    options: Options,
) -> Result<Opened, Code> {
    let _call = context.map(Context::begin_call).transpose()?;
    let refused = |failure: Failure| {
        if let Some(context) = context {
            let why = log::reason(failure.code, failure.os_error);
            context.report(|| format!("cannot listen on {}: {why}", place(host, port)));
        }
        failure.code
    };
    let look_up_timeout = Duration::from_nanos(ms(config.connection.connect_timeout_ms));
    let addresses = bind::addresses(host, port, look_up_timeout).map_err(refused)?;
    let settings = SocketSettings {
        traffic_class: config.connection.traffic_class,
        patience: BIND_PATIENCE,
    };
    let listeners = match bind::bind(&addresses, settings) {
        Ok(listeners) => Some(listeners),
        Err(error) if error.failure.code == Code::AddressInUse && config.server.listen_retry_ms != 0 => None,
        Err(error) => return Err(refused(error.failure)),
    };
    let advertised = if config.server.advertise {
        discovery::advertise(&addresses, &options.name)?
    } else {
        None
    };
    let (hold, advertisement) = advertised.unzip();
    let settings = SocketSettings {
        // The network thread waits for nobody.
        patience: Duration::ZERO,
        ..settings
    };
    let label = format!(
        "server {}",
        place(host, listeners.as_ref().map_or(port, |bound| bound.port))
    );
    let at = ServerSockets {
        addresses,
        settings,
        listeners,
        advertisement,
    };
    let opened = serve(context, &label, at, config, options)?;
    Ok(Opened {
        discovery: hold,
        ..opened
    })
}

/// Where a server listens, for the host's log.
fn place(host: Option<&str>, port: u16) -> String {
    match host {
        Some(host) if Address::is_unix_text(host) => host.to_owned(),
        Some("") => format!("*:{port}"),
        Some(host) => format!("{host}:{port}"),
        None => format!("loopback:{port}"),
    }
}

/// A server whose addresses are known, and are bound unless they are in use.
fn serve(
    context: Option<&Context>,
    label: &str,
    at: ServerSockets,
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
    open(context, role, config, options, accepted, |shared| {
        name(shared, || label.to_owned());
        match &at.listeners {
            Some(bound) => shared.status.local_port.store(bound.port, Ordering::Relaxed),
            None => shared.set_state(State::Binding),
        }
        Ok(Task::Serve { at, accepted: waiting })
    })
}

/// A client, which connects in the background.
pub(crate) fn connect(
    context: Option<&Context>,
    host: &str,
    port: u16,
    config: &Config,
    options: Options,
) -> Result<Opened, Code> {
    let _call = context.map(Context::begin_call).transpose()?;
    let host = host.to_owned();
    open(context, Role::Client, config, options, None, |shared| {
        name(shared, || format!("client of {}", place(Some(&host), port)));
        Ok(Task::Connect { host, port })
    })
}

/// A port for a connection that the caller made. On an error the socket stays the caller's, unchanged.
pub(crate) fn adopt(
    context: Option<&Context>,
    socket: isize,
    config: &Config,
    options: Options,
) -> Result<Opened, Code> {
    let _call = context.map(Context::begin_call).transpose()?;
    let peer = sys::adopt::peer(socket).ok_or(Code::InvalidArgument)?;
    open(context, Role::Adopted, config, options, None, |shared| {
        let socket = sys::adopt::take(socket).map_err(|error| Code::of(&error))?;
        // At once: the caller may look at its socket, and nothing is to leave without the traffic class.
        transport::prepare(&socket, Some(peer), config);
        shared
            .status
            .local_port
            .store(socket::local_port(&socket), Ordering::Relaxed);
        shared.status.peer.come(Some(peer));
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

/// How lines of the host's log call a port.
fn name(shared: &Shared, label: impl FnOnce() -> String) {
    if let Some(log) = shared.control.notifications.log() {
        log.set_label(label());
    }
}

fn open(
    context: Option<&Context>,
    role: Role,
    config: &Config,
    options: Options,
    accepted: Option<Arc<AcceptQueue>>,
    task: impl FnOnce(&Shared) -> Result<Task, Code>,
) -> Result<Opened, Code> {
    let network = Network::enter(context)?;
    let made = Endpoint::with_network(role, &network.adjusted(config), network.waker())
        .and_then(|(endpoint, half)| task(&half.shared).map(|task| (endpoint, half, task)));
    match made {
        Ok((endpoint, half, task)) => {
            network.submit(Command::Add(Box::new(NewPort { half, options, task })));
            Ok(Opened {
                endpoint,
                network,
                accepted,
                discovery: None,
            })
        }
        Err(code) => {
            network.leave(Duration::ZERO);
            Err(code)
        }
    }
}
