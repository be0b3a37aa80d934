//! What a handle of the C API is: opening, accepting, adopting, pairing and closing ports, and what threads wait for.
//!
//! [`Port`] holds the caller's ends of the queues ([`Endpoint`], from `realtime`) and, but for a pair, a hold on its
//! context. [`wait`] has the conditions that a control thread can wait for.
//!
//! `ffi` calls it. It calls `net`, and `realtime` for what an audio thread does.

pub(crate) mod wait;

use crate::midi::channels::Channels;
use crate::net::context::Context;
use crate::net::{self, AcceptQueue, Entered, Network, Opened, address, discovery};
use crate::realtime::acceptance::Accepted;
use crate::realtime::config::{Accept, Config, Overflow};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::shared::{Role, Shared};
use crate::realtime::wait_handle::What as Handle;
use crate::session::allow::Allow;
use crate::session::name::Name;
use crate::session::options::Options;
use crate::sys::address::Address;
use crate::sys::code::Code;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Whether a host is a Unix socket. Such a socket has no port number.
fn check_unix(host: Option<&str>, port: u16) -> Result<bool, Code> {
    let is_unix = host.is_some_and(Address::is_unix_text);
    if is_unix && cfg!(not(unix)) {
        return Err(Code::Unsupported);
    }
    if is_unix && port != 0 {
        return Err(Code::InvalidArgument);
    }
    Ok(is_unix)
}

/// Whether a server may share its address, where it is to. One that waits would let one port stop the others.
fn check_share(port: u16, config: &Config) -> Result<(), Code> {
    let fits = port != 0 && config.server.accept == Accept::Merged && config.delivery.overflow != Overflow::Wait;
    if config.server.share && !fits {
        return Err(Code::InvalidArgument);
    }
    Ok(())
}

/// One handle of the C API.
pub(crate) struct Port {
    endpoint: Endpoint,
    /// None for a pair. Holding it keeps its context running.
    network: Option<Network>,
    /// A manual server's clients that wait for `accept`.
    accepted: Option<Arc<AcceptQueue>>,
    /// Of a server that is advertised. Dropping it waits for the discovery thread if this was its last user.
    _discovery: Option<discovery::Hold>,
    /// Who this port says it is. Control threads set it, and ports that a server accepts begin with the server's.
    name: Mutex<Name>,
    /// A server on a Unix socket: its clients have no addresses that could be allowed.
    is_unix: bool,
    /// Held while the channels are changed.
    changing: Mutex<()>,
}

impl std::ops::Deref for Port {
    type Target = Endpoint;

    #[inline(always)]
    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Port {
    fn of(opened: Opened, name: Name) -> Self {
        Self {
            endpoint: opened.endpoint,
            network: Some(opened.network),
            accepted: opened.accepted,
            _discovery: opened.discovery,
            name: Mutex::new(name),
            is_unix: false,
            changing: Mutex::default(),
        }
    }

    /// A port whose network thread is a model's.
    #[cfg(all(test, loom))]
    pub(crate) fn of_model(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            network: None,
            accepted: None,
            _discovery: None,
            name: Mutex::default(),
            is_unix: false,
            changing: Mutex::default(),
        }
    }

    /// A server, bound and listening.
    pub(crate) fn listen(
        context: Option<&Context>,
        host: Option<&str>,
        port: u16,
        config: &Config,
        options: Options,
    ) -> Result<Self, Code> {
        let is_unix = check_unix(host, port)?;
        check_share(port, config)?;
        let name = options.name.clone();
        let opened = net::listen(context, host, port, config, options)?;
        Ok(Self {
            is_unix,
            ..Self::of(opened, name)
        })
    }

    /// A client, which connects in the background.
    pub(crate) fn connect(
        context: Option<&Context>,
        host: &str,
        port: u16,
        config: &Config,
        options: Options,
    ) -> Result<Self, Code> {
        let is_unix = check_unix(Some(host), port)?;
        if port == 0 && !is_unix {
            return Err(Code::InvalidArgument);
        }
        let host = address::host(host).ok_or(Code::Address)?;
        let name = options.name.clone();
        net::connect(context, host, port, config, options).map(|opened| Self::of(opened, name))
    }

    /// A port for a connected socket of the caller's.
    pub(crate) fn adopt(
        context: Option<&Context>,
        socket: isize,
        config: &Config,
        options: Options,
    ) -> Result<Self, Code> {
        let name = options.name.clone();
        net::adopt(context, socket, config, options).map(|opened| Self::of(opened, name))
    }

    /// Begins a control call. An error where the context is run by its callers and another thread is in a call.
    pub(crate) fn begin_call(&self) -> Result<Entered, Code> {
        match &self.network {
            Some(network) => network.begin_call(),
            None => Ok(Entered::nowhere()),
        }
    }

    /// What the caller has to run while it waits, in HOST mode.
    fn host(&self) -> Option<&Network> {
        self.network.as_ref().filter(|network| network.is_host())
    }

    /// Two ports joined in memory.
    pub(crate) fn pair(config: &Config, options: &Options) -> Result<(Self, Self), Code> {
        let (first, second) = Endpoint::pair(config)?;
        let port = |endpoint| Self {
            endpoint,
            network: None,
            accepted: None,
            _discovery: None,
            name: Mutex::new(options.name.clone()),
            is_unix: false,
            changing: Mutex::default(),
        };
        Ok((port(first), port(second)))
    }

    pub(crate) fn accept(&self, timeout: Option<Duration>) -> Result<Port, Code> {
        let shared = self.shared();
        let Some(waiting) = &self.accepted else {
            return Err(Code::WrongRole);
        };
        let taken = wait::for_one(self, timeout, || {
            if shared.is_closed() {
                return Some(Err(Code::Closed));
            }
            std::iter::from_fn(|| waiting.pop())
                .find_map(|opened| Self::of(opened, Name::default()).accepted_from(shared))
                .map(Ok)
        });
        self.endpoint.update_handle(Handle::Client, || self.tells_of_client());
        let nothing = if timeout == Some(Duration::ZERO) {
            Code::Empty
        } else {
            Code::Timeout
        };
        let port = taken.unwrap_or(Err(nothing))?;
        // SAFETY: nobody has this port yet.
        unsafe { port.touch() }?;
        // It was made when the client came.
        let (latency_ns, push_latency_ns) = shared.control.latency.get();
        port.shared().control.latency.ask(latency_ns, push_latency_ns);
        port.change_channels(shared.queues.filter.open());
        port.set_name(self.name.lock().clone()).ok();
        Ok(port)
    }

    /// The port is taken from its server's queue, unless it gave way to a newcomer.
    fn accepted_from(self, server: &Shared) -> Option<Self> {
        match self.shared().clients.acceptance.accept() {
            Accepted::Present => Some(self),
            Accepted::Left => {
                server.clients.left_behind.fetch_sub(1, Ordering::AcqRel);
                Some(self)
            }
            Accepted::GivenUp => {
                self.close();
                None
            }
        }
    }

    /// Whether the handle for clients is to be readable.
    fn tells_of_client(&self) -> bool {
        self.has_client() || self.shared().is_closed()
    }

    /// The handle for an event loop that waits for `what`.
    pub(crate) fn wait_handle(&self, what: Handle) -> Result<isize, Code> {
        let role = self.shared().role;
        if role == Role::Pair {
            return Err(Code::Unsupported);
        }
        match what {
            Handle::Message if !role.has_queues() => Err(Code::WrongRole),
            Handle::Client if role != Role::Manual => Err(Code::WrongRole),
            Handle::Message => self.endpoint.wait_handle(what, || self.shared().tells_of_message()),
            Handle::Notification => self
                .endpoint
                .wait_handle(what, || self.shared().tells_of_notification()),
            Handle::Client => self.endpoint.wait_handle(what, || self.tells_of_client()),
        }
    }

    /// Whether a client waits for `accept`.
    pub(crate) fn has_client(&self) -> bool {
        self.accepted.as_ref().is_some_and(|waiting| !waiting.is_empty())
    }

    pub(crate) fn disconnect(&self, client: u32) -> Result<(), Code> {
        if self.shared().role != Role::Merged {
            return Err(Code::WrongRole);
        }
        if self.shared().is_closed() {
            return Err(Code::Closed);
        }
        if !self.shared().clients.table.contains(client) {
            return Err(Code::NoSuchClient);
        }
        let network = self.network.as_ref().ok_or(Code::Internal)?;
        if network.disconnect(self.shared(), client) {
            Ok(())
        } else {
            Err(Code::NoSuchClient)
        }
    }

    /// Changes who may connect to a server; None: everybody. When this returns, whoever is in and is not allowed any more
    /// belongs to it no longer.
    pub(crate) fn set_allow(&self, allow: impl FnOnce() -> Result<Option<Allow>, Code>) -> Result<(), Code> {
        if !self.shared().role.is_server() {
            return Err(Code::WrongRole);
        }
        if self.shared().is_closed() {
            return Err(Code::Closed);
        }
        let allow = allow()?;
        if self.is_unix && allow.is_some() {
            return Err(Code::InvalidArgument);
        }
        let network = self.network.as_ref().ok_or(Code::Internal)?;
        if network.set_allow(self.shared(), allow) {
            Ok(())
        } else {
            Err(Code::Closed)
        }
    }

    /// Changes who this port says it is.
    pub(crate) fn set_name(&self, name: Name) -> Result<(), Code> {
        if self.shared().is_closed() {
            return Err(Code::Closed);
        }
        self.name.lock().clone_from(&name);
        if let Some(network) = &self.network {
            network.set_name(self.shared(), name);
        }
        Ok(())
    }

    pub(crate) fn set_realtime_priority(&self, priority: u32) -> Code {
        if self.shared().is_closed() {
            return Code::Closed;
        }
        // A pair has no network thread.
        if let Some(network) = &self.network {
            if !network.is_default() {
                return Code::WrongRole;
            }
            network.prioritize(self.shared(), priority);
        }
        Code::Ok
    }

    /// Other latencies from the next block on. None: automatic.
    pub(crate) fn set_latency(&self, latency_ns: Option<u64>, push_latency_ns: Option<u64>) -> Code {
        if self.shared().is_closed() {
            return Code::Closed;
        }
        self.shared().control.latency.ask(latency_ns, push_latency_ns);
        Code::Ok
    }

    /// Other channels from now on.
    pub(crate) fn set_channels(&self, channels: Channels) -> Code {
        if self.shared().is_closed() {
            return Code::Closed;
        }
        self.change_channels(channels);
        Code::Ok
    }

    fn change_channels(&self, channels: Channels) {
        let _changing = self.changing.lock();
        self.endpoint.set_channels(channels);
        self.wake_network();
    }

    pub(crate) fn shutdown(&self) {
        if !self.endpoint.shut_down() {
            return;
        }
        if let Some(network) = &self.network {
            network.shut_down(self.shared());
        }
        self.shared().signal();
    }

    /// The orderly end. What is unwritten goes to the network thread; the last port of the process waits for it.
    pub(crate) fn close(self) {
        // Where another thread runs the context, that thread lets go of the port next.
        let call = self.begin_call();
        self.close_in_call(call.is_ok());
    }

    fn close_in_call(mut self, may_run: bool) {
        self.shutdown();
        let patience = Duration::from_millis(self.shared().config.delivery.linger_ms.into());
        if let Some(network) = self.network.take() {
            network.close(self.shared(), may_run);
            // Nobody will take these any more; they count as ports, and so does this one until they are closed.
            while let Some(opened) = self.accepted.as_ref().and_then(|waiting| waiting.pop()) {
                Self::of(opened, Name::default()).close_in_call(may_run);
            }
            drop(self);
            network.leave(patience);
        }
    }

    /// Has the network thread look at what was asked for.
    pub(crate) fn wake_network(&self) {
        if let Some(network) = &self.network {
            network.wake();
        }
    }
}
