//! Feeds a parser with a stream that is cut into pieces.

use crate::midi::parser::{Counts, Parser, Sink};

/// Feeds all of a stream, in pieces that `cuts` says; what the parser could not hand over.
pub fn feed(stream: &[u8], longest: usize, cuts: u8, sink: &mut impl Sink) -> Counts {
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
        let consumed = parser.feed(&rest[..piece], sink);
        assert!(consumed <= piece);
        rest = &rest[consumed..];
    }
    parser.finish();
    parser.take_counts()
}
