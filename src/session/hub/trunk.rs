//! The connection of one client to ports that share an address, and its branch to each of these ports.

use crate::midi::frame;
use crate::midi::parser::{Parser, Sink};
use crate::realtime::client_table::NewClient;
use crate::session::effect::Peer;
use crate::session::liveness::Liveness;
use crate::session::name::Name;
use crate::session::sender_time::SenderTime;
use crate::sys::address::Address;
use crate::sys::clock::{ms, soonest};
use std::mem;

/// When to try again to measure a clock, where the client does not read.
const RETRY_MS: u32 = 100;

/// One port's side of a connection.
pub(super) struct Branch {
    pub member: usize,
    /// The connection, in the port's own session.
    pub peer: Peer,
    /// By the port's own time-outs.
    pub liveness: Liveness,
    /// The port wants to know how far the client has acknowledged.
    pub wants_progress: bool,
    /// The port sends no more.
    pub finished: bool,
    /// When what the port sends now was meant, in µs; None: it does not say.
    pub meant_us: Option<u32>,
}

impl Branch {
    pub(super) fn new(member: usize, peer: Peer, liveness: Liveness) -> Self {
        Self {
            member,
            peer,
            liveness,
            wants_progress: false,
            finished: false,
            meant_us: None,
        }
    }
}

/// What waits for the client's socket, of all ports.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    start: usize,
    /// Bytes that the system took.
    pub written: u64,
    /// The system takes no more for now.
    pub blocked: bool,
    /// What the client was told last, in µs.
    stamp_us: Option<u32>,
}

/// A buffer larger than this is given back once it is empty.
const KEPT_BYTES: usize = 128 * 1024;

impl Outgoing {
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What follows was meant at this time.
    pub(super) fn stamp(&mut self, us: u32) {
        if self.stamp_us.replace(us) != Some(us) {
            self.push(&frame::stamp(us));
        }
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.blocked = count < self.len();
        self.written += count as u64;
        self.start = (self.start + count).min(self.bytes.len());
        if self.is_empty() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.start = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

/// The connection of one client.
pub(super) struct Trunk {
    pub client: NewClient,
    /// The name that it was told.
    pub name: Name,
    pub address: Option<Address>,
    pub branches: Vec<Branch>,
    pub outgoing: Outgoing,
    /// Finds the frames of sender time. Each branch has a parser of its own for the messages.
    pub parser: Parser,
    /// Answers and measures for all ports.
    pub time: SenderTime,
    /// The client is a MIDI peer, and the ports announced it.
    pub confirmed: bool,
    /// The client sends no more, or the connection broke.
    pub ended: bool,
    /// Its sending side is shut down.
    pub finished: bool,
    /// A port has disconnected it.
    pub dismissed: bool,
    pub closed: bool,
    /// The driver has been asked to write, or to measure.
    pub write_requested: bool,
    pub measure_requested: bool,
}

struct Frames<'a> {
    time: &'a mut SenderTime,
    arrived_ns: u64,
}

impl Sink for Frames<'_> {
    fn message(&mut self, _bytes: &[u8]) -> bool {
        true
    }

    fn frame(&mut self, bytes: &[u8]) -> bool {
        self.time.take_frame(bytes, self.arrived_ns)
    }
}

impl Trunk {
    pub(super) fn new(client: NewClient, address: Option<Address>) -> Self {
        Self {
            client,
            name: Name::default(),
            address,
            branches: Vec::new(),
            outgoing: Outgoing::default(),
            parser: Parser::new(0),
            time: SenderTime::default(),
            confirmed: false,
            ended: false,
            finished: false,
            dismissed: false,
            closed: false,
            write_requested: false,
            measure_requested: false,
        }
    }

    /// Whether a port that comes now gets this client too.
    pub(super) fn takes_ports(&self) -> bool {
        !self.ended && !self.finished && !self.dismissed && !self.closed
    }

    /// Looks for frames in what came.
    pub(super) fn take_frames(&mut self, bytes: &[u8], arrived_ns: u64) {
        let (parser, time) = (&mut self.parser, &mut self.time);
        parser.feed(bytes, &mut Frames { time, arrived_ns });
    }

    /// Adds the frames that the client waits for, or that measure its clock.
    pub(super) fn send_frames(&mut self, now: u64) {
        let name = &self.name;
        if let Some(answer) = self.time.take_answer(name) {
            self.outgoing.push(&answer);
            // The answer has the name.
            self.time.take_new_name(name);
        }
        if self.outgoing.blocked {
            return;
        }
        let time = &mut self.time;
        let frames = [time.take_new_name(name), time.take_pong(now), time.take_ping(now)];
        for frame in frames.into_iter().flatten() {
            self.outgoing.push(&frame);
        }
    }

    /// When something has to be done for it, whatever its ports do.
    pub(super) fn next_timeout(&self, now: u64) -> Option<u64> {
        if !self.confirmed || self.ended || self.finished {
            return None;
        }
        let ping = self.time.next_ping_ns();
        let ping = ping.map(|at| {
            if self.outgoing.blocked {
                at.max(now + ms(RETRY_MS))
            } else {
                at
            }
        });
        let checks = self
            .branches
            .iter()
            .filter_map(|branch| branch.liveness.next_check_ns());
        let check = checks.min().filter(|_| !self.measure_requested);
        soonest([ping, check])
    }

    /// Asks once for a measurement. False: it was asked for already.
    pub(super) fn request_measure(&mut self) -> bool {
        !mem::replace(&mut self.measure_requested, true)
    }
}
