//! From any bytes to whole MIDI 1.0 messages.
//!
//! The parser takes a byte stream in pieces of any size and hands each message over with its full
//! status byte. How the stream is cut into pieces makes no difference, nor does a [`Sink`] that
//! refuses messages for a while. The rules are those of the MIDI 1.0 Detailed Specification 4.2:
//!
//! - "Running Status": a channel status byte holds until another status byte; System Exclusive,
//!   System Common and undefined `F4` and `F5` cancel it, System Real Time does not.
//! - "System Real Time Messages": they may come between any two bytes, and are handed over at once.
//! - "System Exclusive": ended by EOX, and by any other status byte that is not real time. What to
//!   do with one that has no EOX is left open there; here it is dropped.
//! - "Undefined Status": ignored.
//!
//! `F4` and data bytes may be a [frame](super::frame). A frame goes to the sink as soon as its length is known and all of
//! it is there. Once the sink has taken a hello, `F4` and the data bytes behind it never count as invalid.
//!
//! Bytes that end up in no message are counted, see [`Counts`].

use super::frame;
use super::message::{EOX, SYSEX, data_run, fixed_len, is_channel_status, is_realtime, is_status};

mod frames;

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "parser_frame_tests.rs"]
mod frame_tests;

/// Takes the messages that a [`Parser`] finds.
pub trait Sink {
    /// Takes one whole message, status byte first. `false` means that there is no room for it:
    /// the parser stops there and offers the same message again when it is fed the rest.
    fn message(&mut self, bytes: &[u8]) -> bool;

    /// Takes one whole frame, `F4` first. `false` means that it is not understood: the parser treats its bytes as those
    /// of an undefined status.
    fn frame(&mut self, _bytes: &[u8]) -> bool {
        false
    }
}

/// What a [`Parser`] could not hand over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that belong to no message: data without a status, undefined status bytes, an EOX
    /// that ends nothing, and all bytes of messages that were cut off.
    pub invalid: u64,
    /// System Exclusive messages dropped because they were too long. Their bytes are not in
    /// `invalid`.
    pub oversize: u64,
}

/// A buffer larger than this is given back after use: most System Exclusive messages are short,
/// and a thousand idle connections should not each keep room for the longest.
const KEPT_BUFFER_BYTES: usize = 4096;

/// The top bit of every byte of a word of four.
const STATUS_BITS: u32 = 0x8080_8080;

/// Whether a byte is the status of a channel message of three bytes.
#[inline(always)]
fn is_of_three(status: u8) -> bool {
    is_channel_status(status) && status & 0xE0 != 0xC0
}

/// What the parser is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// In no System Exclusive message: between messages, or inside a short one.
    Short,
    /// In a System Exclusive message of which `Parser::held` has what was consumed. It is
    /// empty only when the next byte is the `F0` itself.
    SysEx,
    /// In a frame, and the same of its `F4`.
    Frame,
    /// Behind a frame, where data bytes are passed over.
    Skip,
    /// In a System Exclusive message that is already too long; its bytes are passed over.
    Oversize,
}

/// How far a piece of the input was worked off.
enum Progress {
    /// So many bytes are done.
    Took(usize),
    /// So many bytes are done, and the next ends a message that the sink refused.
    Refused(usize),
}

use Progress::{Refused, Took};

impl Progress {
    /// The same progress, counted from `offset` bytes earlier.
    fn after(self, offset: usize) -> Self {
        match self {
            Took(taken) => Took(offset + taken),
            Refused(taken) => Refused(offset + taken),
        }
    }
}

/// Offers the channel message at the start of the input, with or without its status byte, to the sink, if it is whole.
/// Returns the sink's answer, the message's status and what follows it.
#[inline(always)]
fn offer_first<'a, S: Sink>(input: &'a [u8], running: u8, sink: &mut S) -> Option<(bool, u8, &'a [u8])> {
    let (first, behind) = input.split_first()?;
    let (status, data) = if is_status(*first) {
        (*first, behind)
    } else {
        (running, input)
    };
    if !is_channel_status(status) {
        return None;
    }
    // Arrays rather than slices of the input: the sink is inlined here, and a length that the compiler knows turns its
    // copy into single stores.
    let (accepted, next) = if !is_of_three(status) {
        match data {
            [a, next @ ..] if !is_status(*a) => (sink.message(&[status, *a]), next),
            _ => return None,
        }
    } else {
        match data {
            [a, b, next @ ..] if !is_status(*a | *b) => (sink.message(&[status, *a, *b]), next),
            _ => return None,
        }
    };
    Some((accepted, status, next))
}

/// Turns a stream of bytes into whole messages.
pub struct Parser {
    mode: Mode,
    /// The channel status that data bytes without a status belong to; 0 when there is none.
    running: u8,
    /// The short message in progress: its status byte and the data bytes so far.
    partial: [u8; 3],
    /// Bytes in `partial`; 0 between messages. 1 with `came` 0 is as good as between messages.
    have: u8,
    /// Of those, the ones that came in the stream: a status byte under running status did not.
    came: u8,
    /// What was consumed of the System Exclusive message or frame in progress, `F0` or `F4` included.
    held: Vec<u8>,
    max_message_bytes: usize,
    /// Whether the sink has taken a hello.
    extended: bool,
    counts: Counts,
}

impl Parser {
    /// A parser at the start of a stream, which hands over System Exclusive messages of up to
    /// `max_message_bytes`, `F0` and `F7` included. It allocates nothing before it has to put a
    /// System Exclusive message together from pieces.
    pub const fn new(max_message_bytes: usize) -> Self {
        Parser {
            mode: Mode::Short,
            running: 0,
            partial: [0; 3],
            have: 0,
            came: 0,
            held: Vec::new(),
            max_message_bytes,
            extended: false,
            counts: Counts {
                invalid: 0,
                oversize: 0,
            },
        }
    }

    /// Takes the next bytes of the stream and hands the messages that they complete to `sink`;
    /// returns how many bytes were consumed.
    ///
    /// That is all of them, unless the sink refused a message. The byte that completed the
    /// refused message is then the first that was not consumed, and the parser is as it was
    /// before that byte: fed the rest, it offers the same message again.
    #[inline]
    pub fn feed<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> usize {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            let progress = match self.mode {
                Mode::Short if self.have == 0 => self.between(rest, sink),
                Mode::Short => self.byte(rest[0], sink),
                Mode::SysEx => self.sysex(rest, sink),
                Mode::Oversize => self.oversize(rest, sink),
                Mode::Frame => self.frame(rest, sink),
                Mode::Skip => self.skip(rest, sink),
            };
            match progress {
                Took(taken) => at += taken,
                Refused(taken) => return at + taken,
            }
        }
        at
    }

    /// A parser for another reader of the same stream, which begins to read where this one is.
    pub(crate) fn joined_by(&self, max_message_bytes: usize) -> Self {
        Self {
            held: self.held.clone(),
            max_message_bytes,
            counts: Counts::default(),
            ..*self
        }
    }

    /// The stream has ended: the bytes of an unfinished message are counted as invalid, and the
    /// parser is ready for the start of another stream. The counts remain until they are taken.
    pub fn finish(&mut self) {
        self.abandon();
        self.running = 0;
        self.extended = false;
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Between messages. Works off channel messages that lie in the input as a whole, with or
    /// without their status byte, without a detour through the parser's state; then the first
    /// byte of anything else.
    #[inline]
    fn between<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Progress {
        let mut running = self.running;
        let mut rest = input;
        loop {
            // Most messages have three bytes, and four can be compared at once.
            while let Some((word, _)) = rest.split_first_chunk() {
                let word = u32::from_le_bytes(*word);
                let [first, second, third, fourth] = word.to_le_bytes();
                let (status, data, len) = if word & 0x80_8080 == 0x80 {
                    (first, [second, third], 3)
                } else if word & 0x8080 == 0 {
                    (running, [first, second], 2)
                } else {
                    break;
                };
                if !is_of_three(status) {
                    break;
                }
                if !sink.message(&[status, data[0], data[1]]) {
                    self.running = running;
                    return self.refused_between(status, input.len() - rest.len(), rest, &rest[len..]);
                }
                running = status;
                rest = &rest[len..];
                if word & STATUS_BITS == 0 {
                    if !sink.message(&[status, third, fourth]) {
                        self.running = running;
                        return self.refused_between(status, input.len() - rest.len(), rest, &rest[len..]);
                    }
                    rest = &rest[len..];
                }
            }
            let Some((accepted, status, next)) = offer_first(rest, running, sink) else {
                break;
            };
            if !accepted {
                self.running = running;
                return self.refused_between(status, input.len() - rest.len(), rest, next);
            }
            running = status;
            rest = next;
        }
        self.running = running;
        self.other(rest, sink).after(input.len() - rest.len())
    }

    /// Between messages, where no whole channel message follows.
    #[inline(always)]
    fn other<S: Sink>(&mut self, rest: &[u8], sink: &mut S) -> Progress {
        match rest {
            [] => Took(0),
            [first, ..] if is_status(*first) || self.running != 0 => self.byte(*first, sink),
            _ => {
                let run = data_run(rest);
                self.counts.invalid += run as u64;
                Took(run)
            }
        }
    }

    /// The sink refused the message at the start of `rest`, up to `next`: all but its last byte
    /// becomes the message in progress.
    #[cold]
    fn refused_between(&mut self, status: u8, taken: usize, rest: &[u8], next: &[u8]) -> Progress {
        let consumed = &rest[..rest.len() - next.len() - 1];
        for &byte in consumed {
            if is_status(byte) {
                self.start(status);
            } else {
                self.resume();
                self.append(byte);
            }
        }
        Refused(taken + consumed.len())
    }

    /// One byte outside of System Exclusive, the general way.
    #[inline(never)]
    fn byte<S: Sink>(&mut self, byte: u8, sink: &mut S) -> Progress {
        if is_status(byte) {
            return self.status(byte, sink);
        }
        if self.have == 0 && self.running == 0 {
            self.counts.invalid += 1;
            return Took(1);
        }
        self.resume();
        self.append(byte);
        let have = usize::from(self.have);
        if have == fixed_len(self.partial[0]) {
            if !sink.message(&self.partial[..have]) {
                self.have -= 1;
                self.came -= 1;
                return Refused(0);
            }
            self.have = 0;
        }
        Took(1)
    }

    /// A status byte, whatever is in progress; but not the EOX of a System Exclusive message.
    /// `Took(0)` for `F0` and `F4`, which [`Parser::sysex`] and [`Parser::frame`] take.
    fn status<S: Sink>(&mut self, byte: u8, sink: &mut S) -> Progress {
        let single = fixed_len(byte) == 1;
        // First of all: a refusal must leave everything as it is.
        if single && !sink.message(&[byte]) {
            return Refused(0);
        }
        if is_realtime(byte) {
            self.counts.invalid += u64::from(!single);
            return Took(1);
        }
        self.abandon();
        self.running = 0;
        match byte {
            SYSEX => {
                self.mode = Mode::SysEx;
                return Took(0);
            }
            frame::CARRIER => {
                self.mode = Mode::Frame;
                return Took(0);
            }
            _ if single => {}
            _ if fixed_len(byte) == 0 => self.counts.invalid += 1,
            _ => self.start(byte),
        }
        Took(1)
    }

    /// Inside a System Exclusive message, or at its `F0`.
    #[inline]
    fn sysex<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Progress {
        let head = usize::from(self.held.is_empty());
        let end = head + data_run(&input[head..]);
        let ended = input.get(end) == Some(&EOX);
        if self.held.len() + end + usize::from(ended) > self.max_message_bytes {
            self.counts.oversize += 1;
            self.held.clear();
            self.release();
            self.mode = Mode::Oversize;
            return Took(end);
        }
        if ended {
            if self.held.is_empty() {
                if !sink.message(&input[..=end]) {
                    self.keep(&input[..end]);
                    return Refused(end);
                }
            } else {
                self.keep(&input[..=end]);
                if !sink.message(&self.held) {
                    self.held.pop();
                    return Refused(end);
                }
                self.held.clear();
                self.release();
            }
            self.mode = Mode::Short;
            return Took(end + 1);
        }
        self.keep(&input[..end]);
        match input.get(end) {
            Some(&byte) => self.status(byte, sink).after(end),
            None => Took(end),
        }
    }

    /// Inside a System Exclusive message that is too long.
    fn oversize<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Progress {
        let end = data_run(input);
        match input.get(end) {
            Some(&EOX) => {
                self.mode = Mode::Short;
                Took(end + 1)
            }
            Some(&byte) => self.status(byte, sink).after(end),
            None => Took(end),
        }
    }

    /// Starts a message of more than one byte with the status byte that came.
    fn start(&mut self, status: u8) {
        self.partial[0] = status;
        self.have = 1;
        self.came = 1;
        if is_channel_status(status) {
            self.running = status;
        }
    }

    /// Starts a message under running status, unless one is in progress.
    fn resume(&mut self) {
        if self.have == 0 {
            self.partial[0] = self.running;
            self.have = 1;
            self.came = 0;
        }
    }

    /// Adds a data byte to the short message in progress.
    fn append(&mut self, data: u8) {
        self.partial[usize::from(self.have)] = data;
        self.have += 1;
        self.came += 1;
    }

    /// Adds bytes to the System Exclusive message or frame in progress. The caller has made sure that it
    /// does not exceed the longest.
    fn keep(&mut self, bytes: &[u8]) {
        let needed = self.held.len() + bytes.len();
        if needed > self.held.capacity() {
            // Doubling, as `Vec` does, but never beyond what the longest message takes.
            let target = (2 * self.held.capacity())
                .max(64)
                .min(self.max_message_bytes)
                .max(needed);
            self.held.reserve_exact(target - self.held.len());
        }
        self.held.extend_from_slice(bytes);
    }

    /// Gives an emptied buffer back if it is large.
    fn release(&mut self) {
        if self.held.capacity() > KEPT_BUFFER_BYTES {
            self.held = Vec::new();
        }
    }

    /// Drops the message in progress, if there is one, and counts its bytes.
    fn abandon(&mut self) {
        match self.mode {
            Mode::Short if self.have == 0 => {}
            Mode::Short => self.counts.invalid += u64::from(self.came),
            Mode::SysEx => {
                self.counts.invalid += self.held.len() as u64;
                self.held.clear();
                self.release();
            }
            Mode::Frame => {
                self.counts.invalid += if self.extended { 0 } else { self.held.len() as u64 };
                self.held.clear();
            }
            // The first is already counted, as one message.
            Mode::Oversize | Mode::Skip => {}
        }
        self.mode = Mode::Short;
        self.have = 0;
    }
}
