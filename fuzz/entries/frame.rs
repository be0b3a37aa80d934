//! The frames of sender time: what decodes encodes to the same bytes, and the parser finds frames in any bytes, cut
//! anywhere, as it finds them in the whole stream.

use super::bytes::Bytes;
use super::{cut, naive_model};
use crate::midi::frame::{self, Frame};
use crate::midi::message;
use crate::midi::parser::Sink;

/// Keeps messages and frames in their order. It refuses some messages once, and takes frames that it understands, but
/// no hello with an even token.
struct Taken {
    all: Vec<Vec<u8>>,
    refusals: u8,
    offered: u32,
}

fn takes(bytes: &[u8]) -> bool {
    match frame::decode(bytes) {
        Some(Frame::Hello { token, .. }) => token % 2 == 1,
        understood => understood.is_some(),
    }
}

impl Sink for Taken {
    fn message(&mut self, bytes: &[u8]) -> bool {
        assert!(message::is_whole(bytes), "{bytes:02X?}");
        self.offered = self.offered.wrapping_add(1);
        if self.refusals.rotate_right(self.offered) & 1 != 0 && self.offered % 3 != 0 {
            return false;
        }
        self.all.push(bytes.to_vec());
        true
    }

    fn frame(&mut self, bytes: &[u8]) -> bool {
        assert!(
            bytes.len() <= frame::LONGEST && !message::is_whole(bytes),
            "{bytes:02X?}"
        );
        assert_eq!(message::len_at(bytes), bytes.len());
        let taken = takes(bytes);
        if taken {
            self.all.push(bytes.to_vec());
        }
        taken
    }
}

fn check_round_trip(bytes: &[u8]) {
    let mut again = Vec::new();
    let mut bits_kept = bytes.to_vec();
    match frame::decode(bytes) {
        None => return,
        Some(Frame::Hello {
            answers, token, name, ..
        }) => {
            // The version is this library's, and unknown flags are not kept.
            (bits_kept[3], bits_kept[4]) = (frame::VERSION, u8::from(answers));
            frame::hello(answers, token, &name.bytes().collect::<Vec<u8>>(), &mut again);
        }
        Some(Frame::Stamp(us)) => again.extend(frame::stamp(us)),
        Some(Frame::Ping { sequence, sent_us }) => again.extend(frame::ping(sequence, sent_us)),
        Some(Frame::Pong {
            sequence,
            received_us,
            answered_us,
        }) => again.extend(frame::pong(sequence, received_us, answered_us)),
        Some(Frame::Name(name)) => frame::name(&name.bytes().collect::<Vec<u8>>(), &mut again),
    }
    assert_eq!(again, bits_kept, "{bytes:02X?}");
}

/// A stream of frames, messages and other bytes.
fn stream(mut bytes: Bytes) -> Vec<u8> {
    let mut stream = Vec::new();
    while !bytes.is_empty() {
        let before = stream.len();
        let kind = bytes.byte();
        let number = u64::from(bytes.byte()) << 28 | u64::from(bytes.byte());
        match kind & 7 {
            0 => frame::hello(kind & 8 != 0, number, bytes.piece(usize::from(kind >> 4)), &mut stream),
            1 => stream.extend(frame::stamp(number as u32)),
            2 => stream.extend(frame::ping(kind, number)),
            3 => stream.extend(frame::pong(kind, number, number + 1)),
            4 => frame::name(bytes.piece(usize::from(kind >> 3)), &mut stream),
            5 => stream.extend(bytes.message()),
            6 => stream.extend([&[frame::CARRIER], bytes.piece(usize::from(kind >> 4))].concat()),
            _ => stream.extend(bytes.piece(usize::from(kind >> 4))),
        }
        // Some lose their end, or have a byte within changed.
        let len = stream.len() - before;
        match number & 0x0F {
            1 if len > 0 => stream.truncate(before + usize::from(bytes.byte()) % len),
            2 if len > 0 => stream[before + usize::from(bytes.byte()) % len] = bytes.byte(),
            _ => {}
        }
    }
    stream
}

fn parse(stream: &[u8], longest: usize, cuts: u8, refusals: u8) -> naive_model::Meaning {
    let mut taken = Taken {
        all: Vec::new(),
        refusals,
        offered: 0,
    };
    let counts = cut::feed(stream, longest, cuts, &mut taken);
    naive_model::Meaning {
        messages: taken.all,
        invalid: counts.invalid,
        oversize: counts.oversize,
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    check_round_trip(data);
    let mut bytes = Bytes(data);
    let longest = 3 + usize::from(bytes.byte() % 32);
    let (cuts, refusals) = (bytes.byte(), bytes.byte());
    let stream = stream(bytes);
    let whole = parse(&stream, longest, 0, 0);
    assert_eq!(parse(&stream, longest, cuts, refusals), whole, "{stream:02X?}");
    assert_eq!(
        naive_model::meaning_with_frames(&stream, longest, takes),
        whole,
        "{stream:02X?}"
    );
    for taken in &whole.messages {
        check_round_trip(taken);
    }
}
