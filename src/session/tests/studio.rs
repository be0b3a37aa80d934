//! The ports and clients of the random runs of [`sharing`](super::sharing). A client knows what it should hear.

use crate::midi::channels::Channels;
use crate::midi::frame::{self, Frame};
use crate::midi::parser::{Parser, Sink};
use crate::realtime::endpoint::Endpoint;
use crate::session::PortKey;
use crate::session::simulation::random::Random;
use crate::sys::address::Address;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHANNELS: usize = 3;
pub(super) const KEYS: u8 = 4;

/// What one port holds at one client, by what it pushed.
#[derive(Clone, Default)]
pub(super) struct Hold {
    pub notes: [[u32; KEYS as usize]; CHANNELS],
    pub pedal: [bool; CHANNELS],
}

impl Hold {
    pub(super) fn take(&mut self, message: &[u8]) {
        let channel = usize::from(message[0] & 15);
        match *message {
            [0x90..=0x9F, key, 1..=127] => self.notes[channel][usize::from(key)] += 1,
            [0x80..=0x9F, key, _] => {
                let count = &mut self.notes[channel][usize::from(key)];
                *count = count.saturating_sub(1);
            }
            [0xB0..=0xBF, 64, value] => self.pedal[channel] = value >= 64,
            _ => {}
        }
    }

    /// Another port, or this one, has ended or reset something for all.
    pub(super) fn overruled(&mut self, message: &[u8]) {
        let channel = usize::from(message[0] & 15);
        match *message {
            [0xB0..=0xBF, 120 | 123, _] => self.notes[channel] = Default::default(),
            [0xB0..=0xBF, 121, _] => self.pedal[channel] = false,
            _ => {}
        }
    }
}

/// What sounds at a client, by the bytes that it got.
#[derive(Default)]
pub(super) struct Ear {
    pub notes: BTreeSet<(u8, u8)>,
    pub pedal: [bool; CHANNELS],
    /// Answers to its hello.
    pub answers: usize,
    /// What comes was meant at this time.
    pub stamp_us: Option<u32>,
    /// Messages that came after the answer without a time.
    pub untimed: usize,
    pub marks: usize,
}

/// An event that is in no song.
pub(super) const MARK: [u8; 4] = [0xF0, 0x7D, 0x7F, 0xF7];

impl Sink for Ear {
    fn message(&mut self, bytes: &[u8]) -> bool {
        let channel = bytes[0] & 15;
        match *bytes {
            [0x90..=0x9F, key, 1..=127] => drop(self.notes.insert((channel, key))),
            [0x80..=0x9F, key, _] => drop(self.notes.remove(&(channel, key))),
            [0xB0..=0xBF, 120 | 123, _] => self.notes.retain(|(other, _)| *other != channel),
            [0xB0..=0xBF, 121, _] => self.pedal[usize::from(channel)] = false,
            [0xB0..=0xBF, 64, value] => self.pedal[usize::from(channel)] = value >= 64,
            _ => {}
        }
        self.marks += usize::from(bytes == MARK);
        self.untimed += usize::from(self.answers != 0 && self.stamp_us.is_none());
        true
    }

    fn frame(&mut self, bytes: &[u8]) -> bool {
        match frame::decode(bytes) {
            Some(Frame::Hello { answers: true, .. }) => self.answers += 1,
            Some(Frame::Stamp(us)) => self.stamp_us = Some(us),
            _ => {}
        }
        true
    }
}

pub(super) struct Client {
    pub address: Address,
    pub parser: Parser,
    pub ear: Ear,
    /// By the port's number.
    pub holds: BTreeMap<usize, Hold>,
    /// What should sound.
    pub notes: BTreeSet<(usize, u8)>,
    /// The last value of each pedal, from whatever port.
    pub pedal: [bool; CHANNELS],
    /// So many bytes find room in its socket.
    pub room: usize,
    /// It did not get all at once: messages of several ports have waited for it, whose order is not theirs, or were lost.
    pub waited: bool,
    pub sent: Vec<Vec<u8>>,
    pub confirmed: bool,
    /// It has said hello.
    pub asked: bool,
}

impl Client {
    /// A port has pushed a message for it.
    pub(super) fn take(&mut self, port: usize, message: &[u8]) {
        self.holds.entry(port).or_default().take(message);
        self.holds.values_mut().for_each(|hold| hold.overruled(message));
        let channel = usize::from(message[0] & 15);
        match *message {
            [0x90..=0x9F, key, 1..=127] => drop(self.notes.insert((channel, key))),
            [0x80..=0x9F, key, _] => self.end_note(port, channel, key),
            [0xB0..=0xBF, 120 | 123, _] => self.notes.retain(|(other, _)| *other != channel),
            [0xB0..=0xBF, 64, value] => self.pedal[channel] = value >= 64,
            [0xB0..=0xBF, 121, _] => self.pedal[channel] = false,
            _ => {}
        }
    }

    /// A port ends a note, which sounds on if another port holds it.
    pub(super) fn end_note(&mut self, port: usize, channel: usize, key: u8) {
        let mut others = self.holds.iter().filter(|(other, _)| **other != port);
        if !others.any(|(_, hold)| hold.notes[channel][usize::from(key)] != 0) {
            self.notes.remove(&(channel, key));
        }
    }

    /// A port has gone.
    pub(super) fn release(&mut self, port: usize) {
        let Some(hold) = self.holds.remove(&port) else { return };
        for channel in 0..CHANNELS {
            let others = self.holds.values().any(|other| other.pedal[channel]);
            self.pedal[channel] &= !hold.pedal[channel] || others;
            for key in (0..KEYS).filter(|key| hold.notes[channel][usize::from(*key)] != 0) {
                self.end_note(port, channel, key);
            }
        }
    }
}

pub(super) struct Member {
    pub number: usize,
    pub key: PortKey,
    pub endpoint: Endpoint,
    pub channels: Channels,
    pub allow: Option<&'static str>,
    /// What was popped, by client, but for what the library made.
    pub popped: BTreeMap<u32, Vec<Vec<u8>>>,
    /// How much each client had sent when the port came, by connection.
    pub since: BTreeMap<usize, usize>,
    pub sleeps: bool,
}

impl Member {
    pub(super) fn permits(&self, address: Address) -> bool {
        self.allow.is_none() || address.ip() == Some([127, 0, 0, 1].into())
    }
}

/// Something to play. Ports and clients play on few channels and keys, so that they meet.
pub(super) fn random_message(random: &mut Random) -> Vec<u8> {
    let mut below = |end: usize| random.below(end as u64) as usize;
    let channel = below(CHANNELS) as u8;
    let key = below(KEYS.into()) as u8;
    match below(20) {
        0..9 => vec![0x90 | channel, key, 1 + below(127) as u8],
        9..16 => vec![0x80 | channel, key, 64],
        16 => vec![0xB0 | channel, 64, [0, 127, 127][below(3)]],
        17 => vec![0xB0 | channel, [120, 121, 123][below(3)], 0],
        18 => vec![0xB0 | channel, 7, below(128) as u8],
        _ => vec![0xF0, 0x7D, key, channel, 0xF7],
    }
}
