//! One connection: its socket, the parser of what comes, the bytes that wait to go.

use super::acknowledge::Answers;
use super::timers::Armed;
use super::watch::{Watch, keep_alive};
use crate::midi::parser::Parser;
use crate::realtime::config::Config;
use crate::session::send_buffer::Outbox;
use crate::session::track::Track;
use crate::sys::code::Code;
use crate::sys::tcp;
use socket2::Socket;
use std::net::SocketAddr;

/// How many bytes the kernel may hold for a peer that does not read (it doubles this number).
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A new client that has said nothing yet: it may be a browser. Nothing is sent to it, and it is not told of.
    Sniffing {
        until: u64,
    },
    Open,
    /// The peer has shut down its sending side, or the connection broke while some of what came still waits for room
    /// in the in queue. `quiet_since`: when all that came had been taken.
    HalfClosed {
        until: u64,
        quiet_since: Option<u64>,
    },
    /// Over as far as the API tells, but some of what came still waits for room in the in queue.
    Draining,
    /// Ended by this side: what waits is written, then the sending side is shut down, then what comes is thrown away.
    Closing {
        until: u64,
        fin_sent: bool,
    },
}

/// What the poller watches a socket for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interest {
    pub read: bool,
    pub write: bool,
}

pub(super) struct Link {
    pub socket: Socket,
    /// The key of the port whose queues it fills and empties; while sniffing, its server's.
    pub port: usize,
    /// For an accepted port's: its manual server's id.
    pub server: Option<u64>,
    /// Tells this connection from a later one with the same key.
    pub serial: u64,
    /// Its id on its server; 0 on a client's port.
    pub client: u32,
    pub address: SocketAddr,
    pub phase: Phase,
    pub parser: Parser,
    /// Read, but not handed over: there was no room, or it is not known yet what it is.
    pub held: Vec<u8>,
    /// When that was read.
    pub held_ns: u64,
    /// Its first bytes have not shown yet whether it speaks HTTP.
    pub suspect: bool,
    /// Waits for room in the in queue.
    pub stalled: bool,
    /// What the popping thread got of what the peer sent.
    pub received: Track,
    /// Whether that is something to be released when the peer goes.
    pub holds: bool,
    /// What the peer got of what was pushed.
    pub sent: Track,
    /// It began with releases of what the last connection had left.
    pub resumed: bool,
    /// What it was left with has been released: it is about to end.
    pub released: bool,
    /// Nothing more comes from the peer.
    pub at_end: bool,
    /// Why, where that was no orderly end.
    pub failure: Option<(Code, i32)>,
    /// Nothing more can be written.
    pub broken: bool,
    pub out: Outbox,
    /// What was pushed before the port was closed is still added; false: no more is.
    pub takes_more: bool,
    /// Repair: messages for it are dropped until its outbox is empty.
    pub congested: bool,
    /// Whether that was told, and its end must be.
    pub congestion_told: bool,
    /// Whether MIDISOCK_CLIENT_JOINED or MIDISOCK_CONNECTED was told.
    pub told: bool,
    pub interest: Option<Interest>,
    pub armed: Armed,
    pub watch: Watch,
    pub next_look: u64,
    /// Bytes the system took.
    pub written: u64,
    /// When it was made.
    pub since: u64,
    /// Whether anything came.
    pub heard: bool,
    /// Whether what comes is answered at once.
    pub answers: Answers,
    /// In the list of links with bytes to write.
    pub dirty: bool,
}

/// Whose connection it is.
pub(super) struct Owner {
    pub port: usize,
    pub client: u32,
    pub serial: u64,
}

impl Link {
    pub(super) fn new(
        socket: Socket,
        address: SocketAddr,
        owner: Owner,
        phase: Phase,
        config: &Config,
        now: u64,
    ) -> Self {
        // Each of these makes a connection better, and none is worth refusing it for.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
        tcp::prepare(&socket);
        keep_alive(&socket, config.keepalive_ms);
        Self {
            socket,
            port: owner.port,
            server: None,
            serial: owner.serial,
            client: owner.client,
            address,
            phase,
            parser: Parser::new(config.max_message_bytes as usize),
            held: Vec::new(),
            held_ns: 0,
            suspect: matches!(phase, Phase::Sniffing { .. }),
            stalled: false,
            received: Track::default(),
            holds: false,
            sent: Track::default(),
            resumed: false,
            released: false,
            at_end: false,
            failure: None,
            broken: false,
            out: Outbox::default(),
            takes_more: true,
            congested: false,
            congestion_told: false,
            told: false,
            interest: None,
            armed: Armed::default(),
            watch: Watch::new(config.keepalive_ms, config.stall_timeout_ms),
            next_look: 0,
            written: 0,
            since: now,
            heard: false,
            answers: Answers::default(),
            dirty: false,
        }
    }

    /// Whether it still is a client, or a port's own link, as far as the API tells.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Draining)
    }

    /// Whether what is in its outbox may be written.
    pub(super) fn is_sent_to(&self) -> bool {
        !matches!(self.phase, Phase::Sniffing { .. })
    }

    /// Whether messages are added to its outbox.
    pub(super) fn takes(&self) -> bool {
        self.takes_more && !self.broken
    }

    /// Whether the peer has read all that it was sent: who closes a connection and has not, resets it (RFC 1122,
    /// 4.2.2.13).
    pub(super) fn ended_in_order(&self) -> bool {
        let acknowledged = || tcp::progress(&self.socket).is_none_or(|progress| progress.unacknowledged == 0);
        self.at_end && !self.broken && self.out.is_empty() && acknowledged()
    }

    /// What the poller should watch it for now.
    pub(super) fn wanted_interest(&self) -> Interest {
        Interest {
            read: !self.stalled && !self.at_end,
            // A congested peer is put right when the system takes something again.
            write: !self.broken
                && (!self.out.is_empty() || self.congested)
                && !matches!(self.phase, Phase::Sniffing { .. }),
        }
    }
}
