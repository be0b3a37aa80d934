//! The parser: any bytes, cut anywhere, into a sink that refuses now and then, mean what the whole stream means.

use super::bytes::Bytes;
use super::naive_model;
use crate::midi::message;
use crate::midi::parser::{Parser, Sink};

struct Taken {
    messages: Vec<Vec<u8>>,
    /// One bit for each message in turn: whether it is refused first.
    refusals: u8,
    offered: u32,
}

impl Sink for Taken {
    fn message(&mut self, bytes: &[u8]) -> bool {
        assert!(message::is_whole(bytes), "{bytes:02X?}");
        self.offered = self.offered.wrapping_add(1);
        if self.refusals.rotate_right(self.offered) & 1 != 0 && self.offered % 3 != 0 {
            return false;
        }
        self.messages.push(bytes.to_vec());
        true
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let longest = 3 + usize::from(bytes.byte() % 32);
    let (cuts, refusals) = (bytes.byte(), bytes.byte());
    let stream = bytes.0;
    let mut taken = Taken {
        messages: Vec::new(),
        refusals,
        offered: 0,
    };
    let mut parser = Parser::new(longest);
    let mut rest = stream;
    let mut turn = 0u32;
    while !rest.is_empty() {
        // Pieces of 1 to 16 bytes, or all of it.
        let piece = match cuts {
            0 => rest.len(),
            _ => (1 + usize::from(cuts.rotate_left(turn) & 15)).min(rest.len()),
        };
        turn += 1;
        let consumed = parser.feed(&rest[..piece], &mut taken);
        assert!(consumed <= piece);
        rest = &rest[consumed..];
    }
    parser.finish();
    let counts = parser.take_counts();
    let meaning = naive_model::meaning(stream, longest);
    assert_eq!(taken.messages, meaning.messages, "{stream:02X?}");
    assert_eq!(
        (counts.invalid, counts.oversize),
        (meaning.invalid, meaning.oversize),
        "{stream:02X?}"
    );
}
