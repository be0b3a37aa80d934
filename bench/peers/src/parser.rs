//! The library's parser alone, without sockets and queues: how many bytes a second it turns into messages.
//!
//!   parser --kind sysex|notes|running|mixed [--bytes N] [--piece N] [--rounds N]
//!
//! sysex: System Exclusive messages of 16 KB; notes: 3-byte messages with their status bytes; running: the same under
//! running status; mixed: notes, controllers, programs, bends, clocks and short System Exclusive messages. The stream
//! is fed in pieces, as a socket gives it. A message that comes out is summed up, so that nothing can be left out.
//! Prints MB/s of each round.

#[allow(dead_code, unused_imports, reason = "of the library's own modules the parser is used")]
#[path = "../../../src/midi/mod.rs"]
mod midi;

use midi::parser::{Parser, Sink};
use std::time::Instant;

struct Sum {
    messages: u64,
    bytes: u64,
    sum: u64,
}

impl Sink for Sum {
    #[inline]
    fn message(&mut self, bytes: &[u8]) -> bool {
        self.messages += 1;
        self.bytes += bytes.len() as u64;
        self.sum += u64::from(bytes[0]) + u64::from(bytes[bytes.len() - 1]);
        true
    }
}

/// A stream of about so many bytes, and the messages in it.
fn stream(kind: &str, bytes: usize) -> (Vec<u8>, u64) {
    let mut stream = Vec::with_capacity(bytes + 16384);
    let mut messages = 0;
    while stream.len() < bytes {
        let note = (messages % 128) as u8;
        match (kind, messages % 16) {
            ("sysex", _) => {
                stream.push(0xF0);
                stream.extend((0..16382u32).map(|at| (at + u32::from(note)) as u8 & 0x7F));
                stream.push(0xF7);
            }
            ("running", _) if messages != 0 => stream.extend([note, 100]),
            ("mixed", 3) => stream.extend([0xB0, 7, note]),
            ("mixed", 5) => stream.extend([0xC1, note]),
            ("mixed", 7 | 11) => stream.push(0xF8),
            ("mixed", 9) => stream.extend([0xE0, note, 64]),
            ("mixed", 13) => stream.extend([0xF0, 0x7D, note, 1, 2, 3, 4, 5, 6, 0xF7]),
            _ => stream.extend([0x90, note, 100]),
        }
        messages += 1;
    }
    (stream, messages)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, otherwise: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or(otherwise.to_owned(), String::clone)
    };
    let number = |name: &str, otherwise: &str| option(name, otherwise).parse::<usize>().expect("a number");
    let kind = option("--kind", "notes");
    assert!(["sysex", "notes", "running", "mixed"].contains(&kind.as_str()), "no such kind: {kind}");
    let (bytes, messages) = stream(&kind, number("--bytes", "8000000"));
    let piece = number("--piece", "65536");
    let mut rounds = Vec::new();
    for _ in 0..number("--rounds", "15") {
        let mut parser = Parser::new(16384);
        let mut sum = Sum { messages: 0, bytes: 0, sum: 0 };
        let began = Instant::now();
        for piece in bytes.chunks(piece) {
            assert_eq!(parser.feed(piece, &mut sum), piece.len());
        }
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(sum.messages, messages, "what came out is not what went in");
        assert!(std::hint::black_box(sum.sum) > 0 && sum.bytes >= bytes.len() as u64);
        rounds.push(format!("{:.1}", bytes.len() as f64 / seconds / 1e6));
    }
    println!("{{\"messages\": {messages}, \"mb_per_second\": [{}]}}", rounds.join(", "));
}
