//! What control threads ask of the network thread.

use super::AcceptQueue;
use super::bind::Bound;
use super::discovery::Advertisement;
use super::reply::Reply;
use super::resolver::Resolution;
use super::socket::SocketSettings;
use crate::realtime::endpoint::NetworkHalf;
use crate::session::allow::Allow;
use crate::session::name::Name;
use crate::session::options::Options;
use crate::sys::address::Address;
use socket2::Socket;
use std::sync::Arc;

/// Where a server listens.
pub(super) struct ServerSockets {
    pub addresses: Vec<Address>,
    pub settings: SocketSettings,
    /// None while the address is in use.
    pub listeners: Option<Bound>,
    pub advertisement: Option<Advertisement>,
}

/// What makes the connections of a new port.
pub(super) enum Task {
    Serve {
        at: ServerSockets,
        /// Other ports may share the address.
        shared: Option<SharedAddress>,
        accepted: Option<Arc<AcceptQueue>>,
    },
    Connect {
        host: String,
        port: u16,
    },
    /// The connection is there already.
    Adopt {
        socket: Socket,
        peer: Address,
        /// CONNECTED was told.
        announced: bool,
    },
}

/// An address as it was given: ports of a context share it if it is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SharedAddress {
    pub host: Option<String>,
    pub port: u16,
}

/// A port that was made.
pub(super) struct NewPort {
    pub half: NetworkHalf,
    pub options: Options,
    pub task: Task,
}

/// A server that is to share an address that another port has; not found: there is none that shares it.
pub(super) struct SharingPort {
    pub half: NetworkHalf,
    pub options: Options,
    pub address: SharedAddress,
    /// For an address that is not advertised yet.
    pub advertisement: Option<Advertisement>,
    pub done: Reply,
}

/// Asked of the network thread. One with a `Reply` is asked by a thread that waits for it.
pub(super) enum Command {
    Add(Box<NewPort>),
    Join(Box<SharingPort>),
    ShutDown {
        port: u64,
    },
    Close {
        port: u64,
        done: Reply,
    },
    Disconnect {
        port: u64,
        client: u32,
        done: Reply,
    },
    SetAllow {
        port: u64,
        allow: Option<Allow>,
        done: Reply,
    },
    SetName {
        port: u64,
        name: Name,
    },
    /// For the host's log: an error of a call.
    Report(String),
    /// The outcome of a look-up.
    Resolved {
        port: u64,
        resolution: Resolution,
    },
}
