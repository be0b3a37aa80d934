//! Contexts, which run ports, and their sockets: the only I/O. A context is a network thread, or in HOST mode the caller.
//! "The network thread" below and in comments means either.
//!
//! | file | what it is |
//! |---|---|
//! | [`reactor`] | the thread's loop |
//! | [`driver`] | what all sessions share in it: the poller, its keys in [`registry`], a buffer |
//! | [`seat`], [`place`] | one session with its sockets and ports; it carries out what the session asks for |
//! | [`transport`] | one connection's socket: the seam for anything else that carries bytes |
//! | [`serve`], [`work`], [`listener`], [`connector`] | how connections are made, with [`bind`], [`resolver`], [`race`], [`backoff`] |
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
mod serve;
mod sleep;
mod socket;
mod thread;
mod tracked;
mod transport;
mod work;

pub(crate) use accept_queue::AcceptQueue;
pub(crate) use host::Entered;
pub(crate) use serve::listen;
pub(crate) use thread::Network;

use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::notifications::{Kind, Notification};
use crate::realtime::shared::{Role, Shared};
use crate::session::options::Options;
use crate::sys;
use crate::sys::code::Code;
use command::{Command, NewPort, Task};
use context::Context;
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
        name(shared, || format!("client of {}", serve::place(Some(&host), port)));
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
