//! What drives a session need not know whether it is one port's or that of several ports on one address.

use super::allow::Allow;
use super::connection::Reason;
use super::effect::{Effect, Interest, Peer, PortKey};
use super::hub::Hub;
use super::name::Name;
use super::options::Options;
use super::{Session, admission};
use crate::realtime::drain::OutQueue;
use crate::realtime::producer::Producer;
use crate::realtime::shared::Shared;
use crate::sys::address::Address;
use crate::sys::tcp::Progress;
use std::sync::Arc;

/// A port's session, or that of several ports on one address.
pub(crate) enum Conversation {
    Single { session: Box<Session>, port: PortKey },
    Shared(Box<Hub>),
}

use Conversation::{Shared as Several, Single};

/// Defines methods that pass their arguments on, to the session or its core, or to the hub.
macro_rules! pass_on {
    ($($(#[$doc:meta])* ($($receiver:tt)*) $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?
       => $session:ident $(.$core:ident)?;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name($($receiver)*, $($argument: $type),*) $(-> $result)? {
            match pass_on!(@self $($receiver)*) {
                Single { session: $session, .. } => $session$(.$core)?.$name($($argument),*),
                Several(hub) => hub.$name($($argument),*),
            }
        })*
    };
    (@self &mut $self:ident) => { $self };
    (@self & $self:ident) => { $self };
}

impl Conversation {
    /// Of one port, and for a server the ports that it accepts.
    pub(crate) fn single(
        shared: Arc<Shared>,
        queues: Option<(Producer, OutQueue)>,
        options: Options,
    ) -> (Self, PortKey) {
        let (session, port) = Session::new(shared, queues, options);
        let session = Box::new(session);
        (Single { session, port }, port)
    }

    /// Of ports on one address, which has none yet.
    pub(crate) fn of_several() -> Self {
        Several(Box::new(Hub::new()))
    }

    /// One more port on the address; None: the address is not shared.
    pub(crate) fn add_port(
        &mut self,
        shared: Arc<Shared>,
        queues: Option<(Producer, OutQueue)>,
        options: Options,
        now: u64,
    ) -> Option<PortKey> {
        match self {
            Single { .. } => None,
            Several(hub) => Some(hub.add_port(shared, queues, options, now)),
        }
    }

    /// Whether connections are made for a port alone, so that its end is the end of that.
    pub(crate) fn is_only(&self, key: PortKey) -> bool {
        match self {
            Single { port, .. } => *port == key,
            Several(hub) => hub.is_last(key),
        }
    }

    /// The session, unless the address is shared. Only such a port connects, accepts or adopts.
    pub(crate) fn single_mut(&mut self) -> Option<&mut Session> {
        match self {
            Single { session, .. } => Some(session),
            Several(_) => None,
        }
    }

    /// Changes who may connect to a server; false: the port is none, or is ending.
    pub(crate) fn set_allow(&mut self, key: PortKey, allow: Option<Allow>, now: u64) -> bool {
        match self {
            Single { session, .. } => admission::set_allow(session, key, allow, now),
            Several(hub) => hub.set_allow(key, allow, now),
        }
    }

    pass_on! {
        /// Whether no port and no connection is left.
        (&self) is_empty() -> bool => session;
        /// Whether a server has a place for one more client.
        (&self) has_place() -> bool => session;
        /// A newcomer at the server; None: it is turned away.
        (&mut self) add_client(address: Option<Address>, now: u64) -> Option<Peer> => session;
        /// Bytes came from a peer.
        (&mut self) handle_bytes(peer: Peer, now: u64, bytes: &[u8]) => session;
        /// The peer has shut down its sending side.
        (&mut self) handle_eof(peer: Peer, now: u64) => session;
        /// The connection broke. All that came before has been handed over with `handle_bytes`.
        (&mut self) handle_failure(peer: Peer, now: u64, reason: Reason) => session;
        /// The system took so many bytes; fewer than there are: it takes no more now.
        (&mut self) handle_sent(peer: Peer, now: u64, count: usize) => session;
        /// The system takes bytes again.
        (&mut self) handle_writable(peer: Peer, now: u64) => session.core;
        /// The answer to [`Effect::Measure`]; None: the system does not tell.
        (&mut self) handle_progress(peer: Peer, now: u64, progress: Option<Progress>) => session;
        /// The time of `poll_timeout` has come.
        (&mut self) handle_timeout(now: u64) => session;
        /// How often `retry_next` is to be called, for the connections that found no room in an in queue.
        (&mut self) begin_retry() -> usize => session;
        /// The next of them tries again; whether it found room. Those that are to be read at once are given back.
        (&mut self) retry_next(now: u64, read_again: &mut Vec<Peer>) -> bool => session;
        /// Ends a client's connection in good order; false when there is none with that id.
        (&mut self) disconnect(key: PortKey, client: u32, now: u64) -> bool => session;
        /// Starts the orderly end of a port.
        (&mut self) shut_down(key: PortKey, now: u64) => session;
        /// The caller has closed the handle of a port.
        (&mut self) release(key: PortKey, now: u64) => session;
        /// The peer of a port has gone for good.
        (&mut self) give_up(key: PortKey, now: u64) => session;
        /// The name that peers are told, of the oldest port.
        (&self) name() -> Name => session;
        /// A port has another name.
        (&mut self) set_name(key: PortKey, name: Name, now: u64) => session.core;
        /// Whether a port has something to drain.
        (&mut self) has_work(key: PortKey, now: u64) -> bool => session.core;
        /// Whether a flush waits for what the out queue still holds.
        (&self) is_flushing(key: PortKey) -> bool => session.core;
        /// Whether a port without work has none before something is pushed or asked for, or happens to the session.
        (&self) is_at_rest(key: PortKey) -> bool => session.core;
        /// Moves what was pushed into a port, and what is due, to its connections.
        (&mut self) drain(key: PortKey, now: u64) => session.core;
        /// The next thing to be done.
        (&mut self) poll_effect() -> Option<Effect> => session.core;
        /// Whether there is more to do at once.
        (&mut self) take_again() -> bool => session.core;
        /// When `handle_timeout` is to be called.
        (&self) poll_timeout() -> Option<u64> => session.core;
        /// What a connection's socket is to be watched for now.
        (&self) interest(peer: Peer) -> Interest => session.core;
        /// The bytes that wait to be written to a connection.
        (&self) unsent(peer: Peer) -> &[u8] => session.core;
        /// The most that is worth reading at once.
        (&self) read_limit(peer: Peer) -> usize => session.core;
        /// The port that a connection belongs to, or one of them.
        (&self) port_of(peer: Peer) -> Option<&Arc<Shared>> => session.core;
        (&self) shared(port: PortKey) -> Option<&Arc<Shared>> => session.core;
        /// Peers of which it is not known whether they have left, since they are not read.
        (&self) peers_in_doubt() -> Vec<Peer> => session.core;
        /// Whether connections wait for room in an in queue.
        (&self) waits_for_room() -> bool => session.core;
        /// Whether an in queue has room for one of the connections that wait.
        (&self) has_room() -> bool => session.core;
    }
}
