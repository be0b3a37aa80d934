//! The frames of the sender-time extension: what peers of this library tell each other between messages.
//!
//! A frame is the undefined status byte `F4` and data bytes, so a plain receiver drops it. Numbers are in septets, the
//! most significant first:
//!
//! | frame | bytes |
//! |---|---|
//! | hello | `F4 6D 73`, version, flags, token (5), length of the name, name |
//! | stamp | `F4 01`, µs (4) |
//! | ping | `F4 02`, sequence, µs of sending (5) |
//! | pong | `F4 03`, sequence, µs of receiving (5), µs of answering (5) |
//! | name | `F4 04`, length of the name, name |
//!
//! A name is bytes, each as two septets. A later version of the hello may append to it; a receiver that does not know
//! the version skips what it appended.

use super::message::is_data;

#[cfg(test)]
#[path = "frame_tests.rs"]
pub(super) mod tests;

/// The status byte of a frame.
pub(crate) const CARRIER: u8 = 0xF4;

/// The longest name in bytes.
pub(crate) const MOST_NAME_BYTES: usize = 63;

/// The longest frame in bytes: a hello with the longest name.
pub(crate) const LONGEST: usize = HELLO_HEAD + 2 * MOST_NAME_BYTES;

/// The first version of the extension.
pub(crate) const VERSION: u8 = 1;

/// What the bytes of a time in pings and pongs, and of a token, can hold.
pub(crate) const TIME_BITS: u32 = 35;

const HELLO: [u8; 2] = [0x6D, 0x73];
const STAMP: u8 = 1;
const PING: u8 = 2;
const PONG: u8 = 3;
const NAME: u8 = 4;

/// The flag of a hello that answers one.
const ANSWERS: u8 = 1;

/// The bytes of a hello and of a name frame up to the name.
const HELLO_HEAD: usize = 11;
const NAME_HEAD: usize = 3;

/// A frame. Times are in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// The sender knows the extension, up to this version.
    Hello {
        version: u8,
        /// Whether this answers a hello and repeats its token.
        answers: bool,
        token: u64,
        name: WireName<'a>,
    },
    /// The messages until the next stamp were meant at this time.
    Stamp(u32),
    /// A clock measurement asks.
    Ping { sequence: u8, sent_us: u64 },
    /// A clock measurement is answered.
    Pong {
        sequence: u8,
        received_us: u64,
        answered_us: u64,
    },
    /// The sender's name changed.
    Name(WireName<'a>),
}

/// A name as it came: any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireName<'a>(&'a [u8]);

impl<'a> WireName<'a> {
    /// `None` where two septets make no byte.
    fn of(septets: &'a [u8]) -> Option<Self> {
        let mut pairs = septets.chunks(2);
        pairs.all(|pair| matches!(pair, [0 | 1, _])).then_some(Self(septets))
    }

    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        self.0.chunks_exact(2).map(|pair| pair[0] << 7 | pair[1])
    }
}

/// How many bytes the frame has at least of which `begun` are the first: exactly so many, once that is no more than
/// there are. `None` if no frame begins so.
pub(super) fn extent(begun: &[u8]) -> Option<usize> {
    match *begun {
        [] => Some(1),
        [CARRIER] => Some(2),
        [CARRIER, STAMP, ..] => Some(6),
        [CARRIER, PING, ..] => Some(8),
        [CARRIER, PONG, ..] => Some(13),
        [CARRIER, NAME] => Some(NAME_HEAD),
        [CARRIER, NAME, length, ..] => with_name(NAME_HEAD, length),
        [CARRIER, first] if first == HELLO[0] => Some(3),
        [CARRIER, first, second, ref rest @ ..] if [first, second] == HELLO => match *rest {
            [_, _, _, _, _, _, _, length, ..] => with_name(HELLO_HEAD, length),
            _ => Some(HELLO_HEAD),
        },
        _ => None,
    }
}

/// Whether bytes begin with a frame rather than a message.
#[inline]
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.first() == Some(&CARRIER)
}

/// Whether a message or frame is a frame that is not repeated: what it says must not be lost.
pub(crate) fn is_sent_once(bytes: &[u8]) -> bool {
    begins(bytes) && (is_hello(bytes) || bytes.get(1) == Some(&NAME))
}

/// Whether a whole frame is a hello.
pub(super) fn is_hello(frame: &[u8]) -> bool {
    frame.get(1..3) == Some(&HELLO[..])
}

fn with_name(head: usize, length: u8) -> Option<usize> {
    let length = usize::from(length);
    (length <= MOST_NAME_BYTES).then_some(head + 2 * length)
}

/// The meaning of a whole frame, `F4` included. `None` if it is not understood, or malformed.
pub(crate) fn decode(frame: &[u8]) -> Option<Frame<'_>> {
    if extent(frame)? != frame.len() || !is_data(&frame[1..]) {
        return None;
    }
    Some(match *frame {
        [_, STAMP, t3, t2, t1, t0] => Frame::Stamp(number([0, t3, t2, t1, t0]) as u32),
        [_, PING, sequence, ref sent @ ..] => Frame::Ping {
            sequence,
            sent_us: number(*sent.first_chunk()?),
        },
        [_, PONG, sequence, ref times @ ..] => Frame::Pong {
            sequence,
            received_us: number(*times.first_chunk()?),
            answered_us: number(*times.last_chunk()?),
        },
        [_, NAME, _, ref name @ ..] => Frame::Name(WireName::of(name)?),
        [_, _, _, version, flags, n1, n2, n3, n4, n5, _, ref name @ ..] if version > 0 => Frame::Hello {
            version,
            answers: flags & ANSWERS != 0,
            token: number([n1, n2, n3, n4, n5]),
            name: WireName::of(name)?,
        },
        _ => return None,
    })
}

/// A stamp, of the low 28 bits of a time.
#[inline]
pub(crate) fn stamp(us: u32) -> [u8; 6] {
    let [t3, t2, t1, t0] = septets(us.into());
    [CARRIER, STAMP, t3, t2, t1, t0]
}

/// A ping, of the low 7 bits of a sequence number and the low 35 bits of a time.
pub(crate) fn ping(sequence: u8, sent_us: u64) -> [u8; 8] {
    let [t4, t3, t2, t1, t0] = septets(sent_us);
    [CARRIER, PING, sequence & 0x7F, t4, t3, t2, t1, t0]
}

/// The pong to a ping.
pub(crate) fn pong(sequence: u8, received_us: u64, answered_us: u64) -> [u8; 13] {
    let [r4, r3, r2, r1, r0] = septets(received_us);
    let [a4, a3, a2, a1, a0] = septets(answered_us);
    [CARRIER, PONG, sequence & 0x7F, r4, r3, r2, r1, r0, a4, a3, a2, a1, a0]
}

/// Adds a hello of this version. A name that is too long is cut.
pub(crate) fn hello(answers: bool, token: u64, name: &[u8], into: &mut Vec<u8>) {
    into.extend([CARRIER, HELLO[0], HELLO[1], VERSION, if answers { ANSWERS } else { 0 }]);
    into.extend(septets::<5>(token));
    add_name(name, into);
}

/// Adds a name frame. A name that is too long is cut.
pub(crate) fn name(name: &[u8], into: &mut Vec<u8>) {
    into.extend([CARRIER, NAME]);
    add_name(name, into);
}

fn add_name(name: &[u8], into: &mut Vec<u8>) {
    let name = &name[..name.len().min(MOST_NAME_BYTES)];
    into.push(name.len() as u8);
    into.extend(name.iter().flat_map(|byte| [byte >> 7, byte & 0x7F]));
}

fn number(septets: [u8; 5]) -> u64 {
    septets.iter().fold(0, |all, septet| all << 7 | u64::from(*septet))
}

#[inline]
fn septets<const N: usize>(number: u64) -> [u8; N] {
    std::array::from_fn(|index| (number >> (7 * (N - 1 - index))) as u8 & 0x7F)
}
