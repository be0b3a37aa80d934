//! The parser: any bytes, cut anywhere, into a sink that refuses now and then, mean what the whole stream means.

use super::bytes::Bytes;
use super::{cut, naive_model};
use crate::midi::message;
use crate::midi::parser::Sink;

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
    let counts = cut::feed(stream, longest, cuts, &mut taken);
    let meaning = naive_model::meaning(stream, longest);
    assert_eq!(taken.messages, meaning.messages, "{stream:02X?}");
    assert_eq!(
        (counts.invalid, counts.oversize),
        (meaning.invalid, meaning.oversize),
        "{stream:02X?}"
    );
}
