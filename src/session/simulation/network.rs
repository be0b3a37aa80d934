//! A simulated network: connections that delay, cut streams into pieces, stall and break, between systems that keep only
//! so much for a peer that does not read.

use super::random::Random;
use crate::sys::tcp::Progress;
use std::collections::VecDeque;

pub(super) const RESET: i32 = 104;
pub(super) const BROKEN_PIPE: i32 = 32;

/// How a connection breaks that neither end ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Both ends see the other's orderly end, as from a relay.
    Fin,
    /// Both ends are reset. What is on the way is lost, or still arrives first.
    Reset { loses: bool },
    /// Nothing arrives any more, and nobody is told.
    Silent,
}

enum Piece {
    Data(Vec<u8>),
    Fin,
    Reset,
}

/// How a connection's line behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub delay_ns: u64,
    pub jitter_ns: u64,
    /// The longest piece.
    pub piece: u64,
    /// How much the sender's system keeps that was not acknowledged, and the receiver's that was not read.
    pub send_room: usize,
    pub window: usize,
}

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    flight: VecDeque<(u64, Piece)>,
    unacknowledged: usize,
    fin_unacknowledged: bool,
    /// With the receiver's system.
    readable: VecDeque<u8>,
    /// When the last piece arrives: they arrive in order.
    latest: u64,
    stalled_until: u64,
    written: u64,
    acknowledged_at: u64,
    /// After so many bytes the connection breaks.
    cut: Option<(u64, Cut)>,
}

/// What one end's system knows.
#[derive(Default)]
struct End {
    closed: bool,
    shut: bool,
    eof: bool,
    error: Option<i32>,
    /// When its system knew that the other end sends no more.
    ended_at: Option<u64>,
}

struct Link {
    directions: [Direction; 2],
    ends: [End; 2],
    /// It is cut: what is written goes nowhere.
    severed: bool,
    /// And nobody is told.
    dead: bool,
    line: Line,
}

/// One end of a connection: twice the number of the connection, and one more at the accepting end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket(pub usize);

impl Socket {
    pub(super) fn other(self) -> Self {
        Self(self.0 ^ 1)
    }

    pub(super) fn link(self) -> usize {
        self.0 / 2
    }

    fn side(self) -> usize {
        self.0 % 2
    }
}

/// What a read gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Error(i32),
}

#[derive(Default)]
pub(super) struct Network {
    links: Vec<Link>,
    /// When something arrives at which socket: to be scheduled.
    pub arrivals: Vec<(u64, Socket)>,
}

impl Network {
    /// A new connection; the socket of its first end.
    pub(super) fn connect(&mut self, line: Line, now: u64) -> Socket {
        let direction = || Direction {
            acknowledged_at: now,
            ..Direction::default()
        };
        self.links.push(Link {
            directions: [direction(), direction()],
            ends: Default::default(),
            severed: false,
            dead: false,
            line,
        });
        Socket(2 * (self.links.len() - 1))
    }

    /// All lines are fast from now on.
    pub(super) fn heal(&mut self) {
        for link in &mut self.links {
            link.line.window = 1 << 20;
            link.line.send_room = 1 << 20;
            link.line.piece = link.line.piece.max(1000);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Adds a piece to what a socket's system sends.
    fn send(&mut self, from: Socket, piece: Piece, at: u64) {
        let direction = &mut self.links[from.link()].directions[from.side()];
        let at = at.max(direction.latest).max(direction.stalled_until);
        direction.latest = at;
        direction.flight.push_back((at, piece));
        self.arrivals.push((at, from.other()));
    }

    /// A process writes: how many bytes the system takes. 0: it takes nothing now.
    pub(super) fn write(&mut self, socket: Socket, bytes: &[u8], now: u64, random: &mut Random) -> Result<usize, i32> {
        let side = socket.side();
        let link = &mut self.links[socket.link()];
        let line = link.line;
        if let Some(error) = link.ends[side].error {
            return Err(error);
        }
        if link.ends[side].shut || link.ends[side].closed {
            return Err(BROKEN_PIPE);
        }
        let direction = &mut link.directions[side];
        let count = bytes.len().min(line.send_room.saturating_sub(direction.unacknowledged));
        direction.unacknowledged += count;
        let before = direction.written;
        direction.written += count as u64;
        if count == 0 || link.dead {
            return Ok(count);
        }
        if link.severed {
            self.send(socket.other(), Piece::Reset, now + line.delay_ns);
            return Ok(count);
        }
        let cut = direction.cut.filter(|(after, _)| direction.written > *after);
        let mut left = &bytes[..cut.map_or(count, |(after, _)| (after.saturating_sub(before) as usize).min(count))];
        while !left.is_empty() {
            let (piece, rest) = left.split_at(left.len().min(random.between(1, line.piece) as usize));
            let late = random.below(line.jitter_ns + 1);
            self.send(socket, Piece::Data(piece.to_vec()), now + line.delay_ns + late);
            left = rest;
        }
        if let Some((_, kind)) = cut {
            self.cut(socket.link(), kind, now);
        }
        Ok(count)
    }

    /// Has a connection break when so many more bytes were written to a socket.
    pub(super) fn cut_after(&mut self, socket: Socket, bytes: u64, kind: Cut) {
        let direction = &mut self.links[socket.link()].directions[socket.side()];
        direction.cut = Some((direction.written + bytes, kind));
    }

    /// Breaks a connection.
    pub(super) fn cut(&mut self, link: usize, kind: Cut, now: u64) {
        let delay = self.links[link].line.delay_ns;
        if std::mem::replace(&mut self.links[link].severed, true) {
            return;
        }
        if kind == Cut::Silent {
            self.links[link].dead = true;
        }
        let loses = matches!(kind, Cut::Silent | Cut::Reset { loses: true });
        for side in 0..2 {
            let link_ = &mut self.links[link];
            if loses {
                link_.directions[side].flight.clear();
            }
            let shut = link_.ends[side].shut;
            match kind {
                Cut::Fin if !shut => self.send(Socket(2 * link + side), Piece::Fin, now + delay),
                Cut::Reset { .. } => self.send(Socket(2 * link + side), Piece::Reset, now + delay),
                _ => {}
            }
        }
    }

    /// Nothing arrives in either direction until then.
    pub(super) fn stall(&mut self, link: usize, until: u64) {
        for direction in &mut self.links[link].directions {
            direction.stalled_until = direction.stalled_until.max(until);
        }
    }

    /// What is due arrives at a socket.
    pub(super) fn arrive(&mut self, socket: Socket, now: u64) {
        let (to, from) = (socket.side(), socket.other().side());
        let link = &mut self.links[socket.link()];
        let (delay, window) = (link.line.delay_ns, link.line.window);
        let mut resets = false;
        while !link.dead {
            let direction = &mut link.directions[from];
            let end = &mut link.ends[to];
            match direction.flight.front() {
                Some((at, _)) if *at > now => break,
                Some((_, Piece::Data(_))) if direction.readable.len() >= window && !end.closed => break,
                None => break,
                Some(_) => {}
            }
            match direction.flight.pop_front() {
                Some((_, Piece::Data(bytes))) => {
                    if end.closed || end.error.is_some() {
                        // A system refuses what nobody can read any more: it acknowledges none of it.
                        resets = true;
                    } else {
                        direction.unacknowledged = direction.unacknowledged.saturating_sub(bytes.len());
                        direction.acknowledged_at = now;
                        direction.readable.extend(bytes);
                    }
                }
                Some((_, Piece::Fin)) => {
                    end.eof = true;
                    end.ended_at.get_or_insert(now);
                    direction.fin_unacknowledged = false;
                }
                Some((_, Piece::Reset)) => {
                    end.error = Some(RESET);
                    end.ended_at = Some(now);
                    // What it has to send goes nowhere.
                    link.directions[to]
                        .flight
                        .retain(|(_, piece)| matches!(piece, Piece::Reset));
                }
                None => {}
            }
        }
        if resets {
            self.send(socket, Piece::Reset, now + delay);
        }
    }

    /// A process reads.
    pub(super) fn read(&mut self, socket: Socket, limit: usize, now: u64) -> Read {
        let link = &mut self.links[socket.link()];
        let direction = &mut link.directions[socket.other().side()];
        let end = &link.ends[socket.side()];
        if !direction.readable.is_empty() {
            let count = direction.readable.len().min(limit);
            let bytes = direction.readable.drain(..count).collect();
            if let Some((at, _)) = direction.flight.front() {
                self.arrivals.push(((*at).max(now), socket));
            }
            return Read::Bytes(bytes);
        }
        match (end.error, end.eof) {
            (Some(error), _) => Read::Error(error),
            (None, true) => Read::End,
            (None, false) => Read::Nothing,
        }
    }

    /// A process shuts down the sending side.
    pub(super) fn finish_writing(&mut self, socket: Socket, now: u64) -> Result<(), i32> {
        let link = &mut self.links[socket.link()];
        let end = &mut link.ends[socket.side()];
        if end.error.is_some() {
            return Err(107);
        }
        if !std::mem::replace(&mut end.shut, true) && !link.severed {
            link.directions[socket.side()].fin_unacknowledged = true;
            let at = now + link.line.delay_ns;
            self.send(socket, Piece::Fin, at);
        }
        Ok(())
    }

    /// A process closes its socket.
    pub(super) fn close(&mut self, socket: Socket, now: u64) {
        let link = &mut self.links[socket.link()];
        if std::mem::replace(&mut link.ends[socket.side()].closed, true) || link.severed {
            return;
        }
        let at = now + link.line.delay_ns;
        let unread = !link.directions[socket.other().side()].readable.is_empty();
        if unread {
            link.directions[socket.side()].flight.clear();
            self.send(socket, Piece::Reset, at);
        } else {
            let _ = self.finish_writing(socket, now);
        }
        // What cannot be read any more is refused.
        self.arrivals.push((now, socket));
    }

    pub(super) fn is_readable(&self, socket: Socket) -> bool {
        let link = &self.links[socket.link()];
        let end = &link.ends[socket.side()];
        let waiting = &link.directions[socket.other().side()].readable;
        !waiting.is_empty() || end.eof || end.error.is_some()
    }

    pub(super) fn has_error(&self, socket: Socket) -> Option<i32> {
        self.links[socket.link()].ends[socket.side()].error
    }

    pub(super) fn is_writable(&self, socket: Socket) -> bool {
        let link = &self.links[socket.link()];
        link.directions[socket.side()].unacknowledged <= link.line.send_room / 2
            || link.ends[socket.side()].error.is_some()
    }

    /// When a socket's system knew that the other end sends no more, and whether it was reset.
    pub(super) fn ended_at(&self, socket: Socket) -> Option<(u64, bool)> {
        let end = &self.links[socket.link()].ends[socket.side()];
        end.ended_at.map(|at| (at, end.error.is_some()))
    }

    /// Whether a connection still works in both directions.
    pub(super) fn is_whole(&self, link: usize) -> bool {
        let link = &self.links[link];
        let lives = |end: &End| !end.closed && !end.shut && !end.eof && end.error.is_none();
        !link.severed && link.ends.iter().all(lives)
    }

    /// Whether the other end has not read all that a socket wrote.
    pub(super) fn is_under_way(&self, socket: Socket) -> bool {
        let direction = &self.links[socket.link()].directions[socket.side()];
        !direction.flight.is_empty() || !direction.readable.is_empty()
    }

    pub(super) fn is_severed(&self, link: usize) -> bool {
        self.links[link].severed
    }

    /// What a socket's system tells of the connection. Keep-alive probes are answered by a living end.
    pub(super) fn progress(&self, socket: Socket, now: u64) -> Progress {
        let link = &self.links[socket.link()];
        let (direction, end) = (&link.directions[socket.side()], &link.ends[socket.side()]);
        let unacknowledged = direction.unacknowledged + usize::from(direction.fin_unacknowledged);
        let silent_ns = now.saturating_sub(direction.acknowledged_at);
        let alive_ns = silent_ns.min(200_000_000);
        let silent_ms = if link.dead { silent_ns } else { alive_ns } / 1_000_000;
        Progress {
            unacknowledged,
            probing: link.dead && silent_ms > 500,
            resent_every_ms: (link.dead && unacknowledged != 0).then_some(200),
            silent_ms,
            ended: end.eof || end.shut || end.error.is_some(),
        }
    }
}

#[test]
fn what_comes_after_a_close_is_not_acknowledged() {
    let line = Line {
        delay_ns: 10,
        jitter_ns: 0,
        piece: 100,
        send_room: 100,
        window: 100,
    };
    let mut network = Network::default();
    let socket = network.connect(line, 0);
    let mut random = Random::new(1);
    assert_eq!(network.write(socket, &[1, 2, 3], 0, &mut random), Ok(3));
    network.close(socket.other(), 5);
    network.arrive(socket.other(), 10);
    network.arrive(socket, 15);
    assert_eq!(network.read(socket, 9, 15), Read::End);
    assert_eq!(network.progress(socket, 15).unacknowledged, 3);
    network.arrive(socket, 20);
    assert_eq!(network.read(socket, 9, 20), Read::Error(RESET));
}
