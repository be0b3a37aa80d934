//! How a server begins to listen, alone or on an address that it shares.

use super::bind::{self, Bound};
use super::command::{ServerSockets, SharedAddress, Task};
use super::context::Context;
use super::discovery::{self, Advertisement};
use super::socket::SocketSettings;
use super::{AcceptQueue, Network, Opened, name, open};
use crate::realtime::config::{Accept, Config};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::log;
use crate::realtime::shared::{Role, State};
use crate::session::name::Name;
use crate::session::options::Options;
use crate::sys::address::Address;
use crate::sys::clock::ms;
use crate::sys::code::{Code, Failure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
    let server = Server {
        context,
        host,
        port,
        addresses,
        config,
    };
    if config.server.share {
        server.share(options).map_err(refused)
    } else {
        let listeners = server.bind().map_err(refused)?;
        server.open(listeners, options)
    }
}

/// A server that is to be.
struct Server<'a> {
    context: Option<&'a Context>,
    host: Option<&'a str>,
    port: u16,
    addresses: Vec<Address>,
    config: &'a Config,
}

impl Server<'_> {
    /// None: the address is in use, but may be free later.
    fn bind(&self) -> Result<Option<Bound>, Failure> {
        let settings = SocketSettings {
            traffic_class: self.config.connection.traffic_class,
            patience: BIND_PATIENCE,
        };
        let may_wait = self.config.server.listen_retry_ms != 0;
        match bind::bind(&self.addresses, settings) {
            Ok(listeners) => Ok(Some(listeners)),
            Err(error) if error.failure.code == Code::AddressInUse && may_wait => Ok(None),
            Err(error) => Err(error.failure),
        }
    }

    /// A server on an address that other ports of the context may have: it joins them, or is the first.
    fn share(self, options: Options) -> Result<Opened, Failure> {
        // Keeps the context running meanwhile.
        let network = Network::enter(self.context).map_err(Failure::new)?;
        // One at a time: another one that is the first, too, would find the address in use.
        let sharing = network.begin_sharing();
        let outcome = match self.join(&network, options.clone()) {
            Ok(Some(opened)) => Ok(opened),
            Ok(None) => self
                .bind()
                .and_then(|listeners| self.open(listeners, options).map_err(Failure::new)),
            Err(code) => Err(Failure::new(code)),
        };
        drop(sharing);
        network.leave(Duration::ZERO);
        outcome
    }

    /// None: no port shares the address.
    fn join(&self, network: &Network, options: Options) -> Result<Option<Opened>, Code> {
        let own = Network::enter(self.context)?;
        let (hold, advertisement) = self.advertise(&options.name)?.unzip();
        let made = Endpoint::with_network(Role::Merged, &own.adjusted(self.config), own.waker());
        let joined = made.map(|(endpoint, half)| {
            name(&half.shared, || self.label(self.port));
            let joined = network.join(half, options, self.shared_address(), advertisement);
            joined.then_some(endpoint)
        });
        match joined {
            Ok(Some(endpoint)) => Ok(Some(Opened {
                endpoint,
                network: own,
                accepted: None,
                discovery: hold,
            })),
            Ok(None) => Ok(None),
            Err(code) => Err(code),
        }
    }

    /// Where the server is to be found by others.
    fn advertise(&self, name: &Name) -> Result<Option<(discovery::Hold, Advertisement)>, Code> {
        if !self.config.server.advertise {
            return Ok(None);
        }
        discovery::advertise(&self.addresses, name)
    }

    fn shared_address(&self) -> SharedAddress {
        SharedAddress {
            host: self.host.map(str::to_owned),
            port: self.port,
        }
    }

    fn label(&self, port: u16) -> String {
        format!("server {}", place(self.host, port))
    }

    /// A server whose addresses are known, and are bound unless they are in use.
    fn open(self, listeners: Option<Bound>, options: Options) -> Result<Opened, Code> {
        let is_manual = self.config.server.accept == Accept::Manual;
        let role = if is_manual { Role::Manual } else { Role::Merged };
        let accepted: Option<Arc<AcceptQueue>> = is_manual.then(Arc::default);
        let waiting = accepted.clone();
        let shared = self.config.server.share.then(|| self.shared_address());
        let label = self.label(listeners.as_ref().map_or(self.port, |bound| bound.port));
        let settings = SocketSettings {
            traffic_class: self.config.connection.traffic_class,
            // The network thread waits for nobody.
            patience: Duration::ZERO,
        };
        let (hold, advertisement) = self.advertise(&options.name)?.unzip();
        let opened = open(self.context, role, self.config, options, accepted, |port| {
            name(port, || label);
            match &listeners {
                Some(bound) => port.status.local_port.store(bound.port, Ordering::Relaxed),
                None => port.set_state(State::Binding),
            }
            let at = ServerSockets {
                addresses: self.addresses,
                settings,
                listeners,
                advertisement,
            };
            Ok(Task::Serve {
                at,
                shared,
                accepted: waiting,
            })
        })?;
        Ok(Opened {
            discovery: hold,
            ..opened
        })
    }
}

/// Where a server listens, for the host's log.
pub(super) fn place(host: Option<&str>, port: u16) -> String {
    match host {
        Some(host) if Address::is_unix_text(host) => host.to_owned(),
        Some("") => format!("*:{port}"),
        Some(host) => format!("{host}:{port}"),
        None => format!("loopback:{port}"),
    }
}
