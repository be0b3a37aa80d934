//! One connection to a peer.

use super::effect::{Interest, PortKey};
use super::liveness::Liveness;
use super::output::Output;
use super::sender_time::SenderTime;
use super::sniff::Sniffer;
use super::timers::Armed;
use super::track::Track;
use crate::midi::parser::Parser;
use crate::midi::state::ChannelState;
use crate::realtime::config::Config;
use crate::sys::address::Address;
use crate::sys::code::Code;
use crate::sys::tcp::Progress;

/// Where a connection is in its life, with what only means something there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A client that has sent no status byte yet: it may be a browser. Nothing is sent to it, and it is not announced.
    /// `until`: then it is taken for a MIDI peer that is silent.
    New {
        until: u64,
    },
    /// It is a MIDI peer, and waits for a port of its own.
    Accepting,
    Open,
    /// The peer sends no more. What waits for it is written until `until`. `quiet_since`: since when nothing is left
    /// to write or to acknowledge, and no answer is to be expected: all that it sent has been popped, or nobody pops.
    HalfClosed {
        until: u64,
        quiet_since: Option<u64>,
        /// Where what it sent ends in the in queue, and up to where that had been popped at the last look.
        sent_until: usize,
        taken: usize,
    },
    /// This side ends it: what waits is written, then the sending side is shut down, then what comes is thrown away
    /// until the peer has acknowledged all, or `until`.
    Closing {
        until: u64,
        finished: bool,
    },
    /// It is over.
    Gone,
}

/// Why a connection ended; OK for an orderly end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub code: Code,
    pub os_error: i32,
}

impl Reason {
    pub(crate) const ORDERLY: Self = Self {
        code: Code::Ok,
        os_error: 0,
    };

    pub(crate) fn of(code: Code) -> Self {
        Self { code, os_error: 0 }
    }

    pub(crate) fn of_error(error: &std::io::Error) -> Self {
        Self {
            code: Code::of(error),
            os_error: error.raw_os_error().unwrap_or(0),
        }
    }
}

/// The receiving half of a connection.
pub(super) struct Input {
    pub parser: Parser,
    pub time: SenderTime,
    /// Received but not handed over: there was no room, or the connection has no port yet.
    pub backlog: Vec<u8>,
    /// When the backlog arrived.
    pub arrived_ns: u64,
    /// The latest time of the messages that waited to be merged with those of other clients.
    pub merged_ns: u64,
    /// What the popping thread got of what the peer sent.
    pub track: Track,
    /// Where the peer stands on channels that the port does not have; None: it has sent nothing there.
    pub hidden: Option<Box<ChannelState>>,
    /// A client's, until its first status byte.
    pub sniffer: Option<Sniffer>,
    pub received_any: bool,
    /// The peer sends no more, and why.
    pub end: Option<Reason>,
    /// The peer is known to send no more: the rest is taken into the backlog, however long that gets, so that the socket
    /// can be closed.
    pub reads_to_end: bool,
}

/// One connection to a peer.
pub(super) struct Connection {
    /// Tells it from a later one with the same key.
    pub serial: u64,
    /// The port whose queues it fills and empties; until a manual server's client has one, the server's.
    pub port: PortKey,
    /// The server whose client it is, and its id there; 0 for a client's own connection.
    pub server: Option<PortKey>,
    pub client: u32,
    pub address: Option<Address>,
    pub phase: Phase,
    pub input: Input,
    pub output: Output,
    pub liveness: Liveness,
    /// CLIENT_JOINED or CONNECTED was told, and its end must be.
    pub announced: bool,
    /// When it was made.
    pub since: u64,
    pub armed: Armed,
}

impl Connection {
    pub(super) fn new(
        serial: u64,
        port: PortKey,
        address: Option<Address>,
        phase: Phase,
        config: &Config,
        now: u64,
    ) -> Self {
        let sniffer = matches!(phase, Phase::New { .. }).then(Sniffer::default);
        Self {
            serial,
            port,
            server: None,
            client: 0,
            address,
            phase,
            input: Input {
                parser: Parser::new(config.queues.max_message_bytes as usize),
                time: SenderTime::default(),
                backlog: Vec::new(),
                arrived_ns: now,
                merged_ns: 0,
                track: Track::default(),
                hidden: None,
                sniffer,
                received_any: false,
                end: None,
                reads_to_end: false,
            },
            output: Output::new(),
            liveness: Liveness::new(config.connection.keepalive_ms, config.connection.stall_timeout_ms, now),
            announced: false,
            since: now,
            armed: Armed::default(),
        }
    }

    /// Whether it is a client, or a port's own connection, as far as the API tells.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Gone)
    }

    /// Whether the peer was announced, so that messages may be written to it.
    pub(super) fn is_confirmed(&self) -> bool {
        !matches!(self.phase, Phase::New { .. } | Phase::Accepting)
    }

    /// Whether what waits for it may be written now.
    pub(super) fn is_confirmed_for_writing(&self) -> bool {
        self.is_confirmed() && self.phase != Phase::Gone && !self.output.is_broken()
    }

    /// Whether the peer is alive, as far as what it has acknowledged tells.
    pub(super) fn makes_progress(&mut self, progress: Option<&Progress>, now: u64) -> bool {
        let (written, waiting) = (self.output.written, self.output.buffer.len());
        !self.is_confirmed_for_writing() || self.liveness.check(progress, written, waiting, now)
    }

    /// Whether what came waits for room in the in queue.
    pub(super) fn waits_for_room(&self) -> bool {
        self.is_confirmed() && !self.holds_first_bytes() && !self.input.backlog.is_empty()
    }

    /// Whether its first bytes are held back, since it is not known yet whether they are MIDI.
    pub(super) fn holds_first_bytes(&self) -> bool {
        self.input.sniffer.is_some() && !self.input.backlog.is_empty()
    }

    /// Whether so many Note Offs end a note as often as it sounds at the peer, after what waits for it.
    pub(super) fn ends(&mut self, off: &[u8], count: usize) -> bool {
        usize::from(self.output.ahead().holds_note_at_sender(off[0] & 15, off[1])) <= count
    }

    /// What its socket is to be watched for.
    pub(super) fn interest(&self) -> Interest {
        let reads = match self.phase {
            Phase::New { .. } => true,
            Phase::Accepting | Phase::Gone => false,
            Phase::Open | Phase::HalfClosed { .. } => !self.waits_for_room() || self.input.reads_to_end,
            Phase::Closing { .. } => true,
        };
        let output = &self.output;
        Interest {
            read: reads && self.input.end.is_none(),
            // A congested peer is put right when the system takes something again.
            write: self.is_confirmed() && !output.is_broken() && (!output.buffer.is_empty() || output.is_congested()),
        }
    }

    /// The peer sends no more. A broken connection takes nothing any more either; if it had ended in good order before,
    /// that stays the reason.
    pub(super) fn end_input(&mut self, reason: Reason) {
        self.input.end.get_or_insert(reason);
        if reason != Reason::ORDERLY {
            self.output.break_off();
        }
    }

    /// Whether the peer closed in good order, and may have read all that it was sent.
    pub(super) fn ended_in_order(&self) -> bool {
        self.input.end == Some(Reason::ORDERLY)
            && !self.output.is_broken()
            && self.output.buffer.is_empty()
            && matches!(
                self.phase,
                Phase::HalfClosed {
                    quiet_since: Some(_),
                    ..
                }
            )
    }
}
