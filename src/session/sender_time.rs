//! Sender time on one connection: the hello, the stamps that came, and the measurement of the peer's clock.
//!
//! A client whose configuration asks for it says hello right after the connection stands. Any port answers one hello.
//! From then on each side stamps its messages and measures the clock of the other. A peer that does not answer is a plain
//! one: it gets nothing but MIDI. [`frame`](crate::midi::frame) has the bytes, [`PeerClock`] the measurement.
//!
//! The parser calls [`SenderTime::take_frame`] and [`SenderTime::time_of`]. What has to be answered or told is kept here
//! until [`exchange_times`](super::frames::exchange_times) does it.

use super::name::Name;
use crate::midi::frame::{self, Frame, TIME_BITS, WireName};
use crate::realtime::shared::TIMED;
use crate::timing::peer_clock::{Change, PeerClock};
use crate::timing::transit::Transit;
use std::hash::{BuildHasher, RandomState};

/// Pings answered in a second, at most.
const MOST_PONGS: u32 = 20;
const SECOND_NS: u64 = 1_000_000_000;
/// Times of the peer that are kept until its clock is known.
const MOST_EARLY: usize = 32;
/// The bits of a token that a hello has room for.
const TOKEN: u64 = (1 << TIME_BITS) - 1;
/// A panic silences all channels.
const ALL_CHANNELS: u16 = 0xFFFF;

/// What a connection knows of its peer's times.
#[derive(Default)]
pub(super) struct SenderTime {
    /// The token of the hello that this side sent.
    asked: Option<u64>,
    /// The peer has answered it.
    confirmed: bool,
    /// A hello of the peer was taken. Later ones are ignored.
    greeted: bool,
    /// Its token, until the answer is sent.
    answer: Option<u64>,
    /// Another one answers and measures on the same connection: see [`SenderTime::follow`].
    follows: bool,
    active: Option<Box<Active>>,
}

/// Both sides use sender time.
struct Active {
    clock: PeerClock,
    transit: Transit,
    /// Times that the peer sent before its clock was known, in µs, and when they arrived.
    early: Vec<(u64, u64)>,
    /// When what follows was meant; None: that is not known.
    meant_ns: Option<u64>,
    /// A ping that waits for its answer, and when it came, in µs.
    pong: Option<(u8, u64)>,
    pongs: Pongs,
    names: Names,
    /// The own name is another one than the peer was told.
    has_new_name: bool,
    /// The clock was locked or lost, and that was not told.
    change: Change,
    /// The channels of a panic that has begun to arrive.
    silenced: u16,
    has_panicked: bool,
    /// Something is to be sent or told.
    changed: bool,
    /// The transit that was told last.
    transit_ns: u64,
}

/// How many pings were answered in the present second.
#[derive(Default)]
struct Pongs {
    since_ns: u64,
    count: u32,
}

/// The names that the peer told. One change a second counts.
#[derive(Default)]
struct Names {
    told: Name,
    told_ns: Option<u64>,
    next: Option<Name>,
}

impl Active {
    fn new(now: u64) -> Self {
        Self {
            clock: PeerClock::new(now),
            transit: Transit::default(),
            early: Vec::new(),
            meant_ns: None,
            pong: None,
            pongs: Pongs::default(),
            names: Names::default(),
            has_new_name: false,
            change: Change::None,
            silenced: 0,
            has_panicked: false,
            changed: true,
            transit_ns: 0,
        }
    }

    /// The peer sent its time, and what came of it.
    fn note_sent(&mut self, sent_us: u64, arrived_ns: u64, change: Change) {
        self.note(change);
        if self.early.len() < MOST_EARLY {
            self.early.push((sent_us, arrived_ns));
        }
        if !self.clock.is_locked() {
            return;
        }
        for (sent_us, arrived_ns) in std::mem::take(&mut self.early) {
            let (sent_ns, change) = self.clock.believe(sent_us as u32, arrived_ns);
            self.note(change);
            if let Some(sent_ns) = sent_ns {
                self.note_transit(sent_ns, arrived_ns);
            }
        }
    }

    /// Something that the peer meant for or sent at a time has arrived.
    fn note_transit(&mut self, meant_ns: u64, arrived_ns: u64) {
        let transit_ns = arrived_ns.saturating_sub(meant_ns);
        self.transit.note(transit_ns, arrived_ns);
        self.changed |= transit_ns > self.transit_ns;
    }

    fn note(&mut self, change: Change) {
        match change {
            Change::None => return,
            Change::Locked => self.change = Change::Locked,
            Change::Lost => {
                self.change = Change::Lost;
                self.meant_ns = None;
                self.transit = Transit::default();
                self.early.clear();
            }
        }
        self.changed = true;
    }
}

impl SenderTime {
    /// Asks the peer: the hello to be sent.
    pub(super) fn ask(&mut self, name: &Name) -> Vec<u8> {
        let token = RandomState::new().hash_one(0) & TOKEN;
        self.asked = Some(token);
        hello(false, token, name)
    }

    /// Whether both sides use sender time.
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Takes a frame, which arrived at a time. False: it means nothing here.
    #[cold]
    pub(super) fn take_frame(&mut self, bytes: &[u8], arrived_ns: u64) -> bool {
        let Some(frame) = frame::decode(bytes) else {
            return false;
        };
        if let Frame::Hello {
            answers, token, name, ..
        } = frame
        {
            // The echo of this side's own question is no hello, nor is the answer to another one's.
            let is_own = self.asked == Some(token);
            if answers != is_own {
                return false;
            }
            if answers && !std::mem::replace(&mut self.confirmed, true) {
                self.activate(name_of(name), arrived_ns);
            } else if !answers && !std::mem::replace(&mut self.greeted, true) {
                self.answer = Some(token).filter(|_| !self.follows);
                self.activate(name_of(name), arrived_ns);
            }
            return true;
        }
        let Some(active) = &mut self.active else {
            return false;
        };
        match frame {
            Frame::Hello { .. } => {}
            Frame::Ping { .. } | Frame::Pong { .. } if self.follows => {}
            Frame::Stamp(us) => {
                let (meant_ns, change) = active.clock.believe(us, arrived_ns);
                if let Some(meant_ns) = meant_ns {
                    active.note_transit(meant_ns, arrived_ns);
                }
                active.meant_ns = meant_ns;
                if !self.follows {
                    active.note(change);
                }
                return true;
            }
            Frame::Ping { sequence, sent_us } => {
                active.pong = Some((sequence, arrived_ns / 1000));
                let change = active.clock.peer_ping(sent_us, arrived_ns);
                active.note_sent(sent_us, arrived_ns, change);
            }
            Frame::Pong {
                sequence,
                received_us,
                answered_us,
            } => {
                let change = active.clock.pong(sequence, received_us, answered_us, arrived_ns);
                active.note_sent(answered_us, arrived_ns, change);
            }
            Frame::Name(name) => active.names.next = Some(name_of(name)),
        }
        active.changed = true;
        true
    }

    /// Whether something is to be sent or told. It is, from now on.
    pub(super) fn take_changed(&mut self, now: u64) -> bool {
        let Some(active) = &mut self.active else { return false };
        std::mem::take(&mut active.changed) || !self.follows && active.clock.next_ping_ns() <= now
    }

    /// What a port that shares the connection with others knows of the peer. `of`: what answers and measures for all.
    pub(super) fn follower(of: &Self, now: u64) -> Self {
        let mut time = Self {
            follows: true,
            ..Self::default()
        };
        if let Some(active) = &of.active {
            time.greeted = true;
            time.activate(active.names.next.clone().unwrap_or_default(), now);
            time.follow(
                of,
                if active.clock.is_locked() {
                    Change::Locked
                } else {
                    Change::None
                },
            );
        }
        time
    }

    /// Takes over what was measured, and whether the clock was locked or lost.
    pub(super) fn follow(&mut self, of: &Self, change: Change) {
        let (Some(active), Some(of)) = (&mut self.active, &of.active) else {
            return;
        };
        active.clock.clone_from(&of.clock);
        active.transit = of.transit;
        active.note(change);
        active.changed = true;
    }

    fn activate(&mut self, name: Name, now: u64) {
        let active = self.active.get_or_insert_with(|| Box::new(Active::new(now)));
        active.names.next = Some(name);
    }

    /// The time of a message that arrives now, and its flags.
    #[inline]
    pub(super) fn time_of(&mut self, message: &[u8], arrived_ns: u64) -> (u64, u32) {
        match &mut self.active {
            None => (arrived_ns, 0),
            Some(active) => active.time_of(message, arrived_ns),
        }
    }

    /// Whether the peer has silenced all channels since the last call, with times.
    pub(super) fn take_panic(&mut self) -> bool {
        let active = self.active.as_mut();
        active.is_some_and(|active| std::mem::take(&mut active.has_panicked))
    }

    /// The answer to a hello, once.
    pub(super) fn take_answer(&mut self, name: &Name) -> Option<Vec<u8>> {
        let token = self.answer.take()?;
        Some(hello(true, token, name))
    }

    /// This side has another name.
    pub(super) fn name_changed(&mut self) {
        if let Some(active) = self.active.as_mut().filter(|_| !self.follows) {
            active.has_new_name = true;
            active.changed = true;
        }
    }

    /// The own name, if the peer was told another one.
    pub(super) fn take_new_name(&mut self, name: &Name) -> Option<Vec<u8>> {
        let active = self.active.as_mut()?;
        std::mem::take(&mut active.has_new_name).then(|| {
            let mut bytes = Vec::new();
            frame::name(name.as_str().as_bytes(), &mut bytes);
            bytes
        })
    }

    /// The answer to the last ping. At most so many in a second are answered.
    pub(super) fn take_pong(&mut self, now: u64) -> Option<Vec<u8>> {
        let active = self.active.as_mut()?;
        let (sequence, received_us) = active.pong.take()?;
        let pongs = &mut active.pongs;
        if now.saturating_sub(pongs.since_ns) >= SECOND_NS {
            *pongs = Pongs {
                since_ns: now,
                count: 0,
            };
        }
        pongs.count += 1;
        (pongs.count <= MOST_PONGS).then(|| frame::pong(sequence, received_us, now / 1000).to_vec())
    }

    /// When the peer's clock is to be measured next; None: sender time is not in use.
    pub(super) fn next_ping_ns(&self) -> Option<u64> {
        self.active
            .as_ref()
            .filter(|_| !self.follows)
            .map(|active| active.clock.next_ping_ns())
    }

    /// A measurement, once it is due.
    pub(super) fn take_ping(&mut self, now: u64) -> Option<Vec<u8>> {
        let active = self.active.as_mut().filter(|_| !self.follows)?;
        if active.clock.next_ping_ns() > now {
            return None;
        }
        let (sequence, change) = active.clock.ping(now);
        active.note(change);
        Some(frame::ping(sequence, now / 1000).to_vec())
    }

    /// Whether the peer's clock was locked or lost since the last call.
    pub(super) fn take_change(&mut self) -> Change {
        let active = self.active.as_mut();
        active.map_or(Change::None, |active| {
            std::mem::replace(&mut active.change, Change::None)
        })
    }

    /// The name that the peer told, if it is another one.
    pub(super) fn take_name(&mut self, now: u64) -> Option<Name> {
        let names = &mut self.active.as_mut()?.names;
        let is_late = |told: u64| now.saturating_sub(told) >= SECOND_NS;
        if names.next.is_none() || !names.told_ns.is_none_or(is_late) {
            return None;
        }
        let name = names.next.take().filter(|name| *name != names.told)?;
        names.told_ns = Some(now);
        names.told.clone_from(&name);
        Some(name)
    }

    /// How far the estimate of the peer's clock may be off, and the most that the network took lately, in ns; 0: it is not
    /// known.
    pub(super) fn figures(&mut self, now: u64) -> (u64, u64) {
        let active = self.active.as_mut().filter(|active| active.clock.is_locked());
        active.map_or((0, 0), |active| {
            active.transit_ns = active.transit.get(now);
            (active.clock.error_ns(now), active.transit_ns)
        })
    }
}

fn hello(answers: bool, token: u64, name: &Name) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::hello(answers, token, name.as_str().as_bytes(), &mut bytes);
    bytes
}

fn name_of(name: WireName<'_>) -> Name {
    Name::of_peer(&name.bytes().collect::<Vec<u8>>())
}

impl Active {
    fn time_of(&mut self, message: &[u8], arrived_ns: u64) -> (u64, u32) {
        self.silenced = match *message {
            [status @ 0xB0..=0xBF, 120, _] => self.silenced | 1 << (status & 15),
            _ => 0,
        };
        if self.silenced == ALL_CHANNELS {
            self.silenced = 0;
            self.has_panicked = true;
        }
        self.meant_ns.map_or((arrived_ns, 0), |meant_ns| (meant_ns, TIMED))
    }
}
