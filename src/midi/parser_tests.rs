//! The parser: every row of the table of what received bytes mean, under every way to split it
//! into reads, and against the naive model with anything at all.

use super::super::message_tests::whole_message;
use super::super::naive_model::{Meaning, meaning};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A limit that no test below reaches by accident.
const ROOMY: usize = 1 << 20;

/// Keeps the messages, and refuses some: each entry of `answers` is the answer to one
/// offer, and when they are used up every message is taken.
#[derive(Default)]
struct Collector {
    messages: Vec<Vec<u8>>,
    answers: std::vec::IntoIter<bool>,
    refused: Option<Vec<u8>>,
}

impl Sink for Collector {
    fn message(&mut self, bytes: &[u8]) -> bool {
        if let Some(refused) = self.refused.take() {
            assert_eq!(refused, bytes, "a refused message is the next to be offered");
        }
        let accept = self.answers.next().unwrap_or(true);
        if accept {
            self.messages.push(bytes.to_vec());
        } else {
            self.refused = Some(bytes.to_vec());
        }
        accept
    }
}

/// Feeds `piece` until all of it is consumed, and checks what `feed` promises about refusals.
fn feed_all(parser: &mut Parser, mut piece: &[u8], sink: &mut Collector) {
    loop {
        let consumed = parser.feed(piece, sink);
        piece = &piece[consumed..];
        match &sink.refused {
            None => break assert!(piece.is_empty(), "left {piece:02x?} without a refusal"),
            Some(message) => assert_eq!(
                message.last(),
                piece.first(),
                "the byte that completes the message is the first not consumed"
            ),
        }
    }
}

/// What the parser makes of a stream that comes in these pieces and then ends.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max_message_bytes: usize, answers: Vec<bool>) -> Meaning {
    let mut parser = Parser::new(max_message_bytes);
    let mut sink = Collector {
        answers: answers.into_iter(),
        ..Collector::default()
    };
    for piece in pieces {
        feed_all(&mut parser, piece, &mut sink);
    }
    parser.finish();
    let counts = parser.take_counts();
    Meaning {
        messages: sink.messages,
        invalid: counts.invalid,
        oversize: counts.oversize,
    }
}

/// `stream` cut behind each byte whose bit is set.
fn split(stream: &[u8], cuts: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in 1..stream.len() {
        if cuts & (1 << (end - 1)) != 0 {
            pieces.push(&stream[start..end]);
            start = end;
        }
    }
    pieces.push(&stream[start..]);
    pieces
}

/// Parses "90 3c 40".
pub fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// Bytes, the longest message, the messages that come of them, and how many bytes are invalid and
/// SysEx too long when the stream ends there.
type Row = (&'static str, usize, &'static [&'static str], u64, u64);

const ROWS: &[Row] = &[
    // Running status; each message with its own status byte.
    ("90 3c 40 3c 00", ROOMY, &["90 3c 40", "90 3c 00"], 0, 0),
    ("c3 01 02 03", ROOMY, &["c3 01", "c3 02", "c3 03"], 0, 0),
    ("90 3c 40 3c 00 3e", ROOMY, &["90 3c 40", "90 3c 00"], 1, 0),
    // Realtime anywhere, at once, without disturbing anything.
    ("90 3c f8 40", ROOMY, &["f8", "90 3c 40"], 0, 0),
    (
        "90 fe 3c ff 40 fa 3c fb 00 fc",
        ROOMY,
        &["fe", "ff", "90 3c 40", "fa", "fb", "90 3c 00", "fc"],
        0,
        0,
    ),
    ("f2 01 f8 02", ROOMY, &["f8", "f2 01 02"], 0, 0),
    ("f0 01 f8 02 f7", ROOMY, &["f8", "f0 01 02 f7"], 0, 0),
    ("f0 f8 f7", ROOMY, &["f8", "f0 f7"], 0, 0),
    // An unfinished SysEx.
    ("f0 01 90 3c 40", ROOMY, &["90 3c 40"], 2, 0),
    ("f0 01 02 f0 03 f7", ROOMY, &["f0 03 f7"], 3, 0),
    ("f0 01 f4 02 f7", ROOMY, &[], 5, 0),
    ("f0 01 f6 02 f7", ROOMY, &["f6"], 4, 0),
    ("f0 01 f3 02 f7", ROOMY, &["f3 02"], 3, 0),
    ("f0 01 f8 02 90 3c 40", ROOMY, &["f8", "90 3c 40"], 3, 0),
    ("f0 f0 f7", ROOMY, &["f0 f7"], 1, 0),
    // What belongs to nothing.
    ("f7", ROOMY, &[], 1, 0),
    ("3c", ROOMY, &[], 1, 0),
    ("3c 40 f8 41 90 3c 40", ROOMY, &["f8", "90 3c 40"], 3, 0),
    ("90 3c 40 f7 3c 40", ROOMY, &["90 3c 40"], 3, 0),
    ("f0 01 f7 f7", ROOMY, &["f0 01 f7"], 1, 0),
    // Messages cut off by the next.
    ("90 3c 80 3c 40", ROOMY, &["80 3c 40"], 2, 0),
    ("90 90 3c 40", ROOMY, &["90 3c 40"], 1, 0),
    ("90 3c 40 3c 80 3c 40", ROOMY, &["90 3c 40", "80 3c 40"], 1, 0),
    ("90 3c f0 01 f7", ROOMY, &["f0 01 f7"], 2, 0),
    ("90 3c f6 40", ROOMY, &["f6"], 3, 0),
    ("f2 01 f1 02", ROOMY, &["f1 02"], 2, 0),
    ("90 3c f9 fd 40", ROOMY, &["90 3c 40"], 2, 0),
    // What cancels running status, and that realtime does not.
    ("90 3c 40 f0 01 f7 3c 40", ROOMY, &["90 3c 40", "f0 01 f7"], 2, 0),
    ("90 3c 40 f6 3c 40", ROOMY, &["90 3c 40", "f6"], 2, 0),
    ("90 3c 40 f1 05 3c 40", ROOMY, &["90 3c 40", "f1 05"], 2, 0),
    ("90 3c 40 f2 05 06 3c", ROOMY, &["90 3c 40", "f2 05 06"], 1, 0),
    ("90 3c 40 f3 05 3c 40", ROOMY, &["90 3c 40", "f3 05"], 2, 0),
    ("90 3c 40 f4 3c 40", ROOMY, &["90 3c 40"], 3, 0),
    ("90 3c 40 f5 3c 40", ROOMY, &["90 3c 40"], 3, 0),
    ("90 3c 40 f9 3c 40", ROOMY, &["90 3c 40", "90 3c 40"], 1, 0),
    ("90 3c 40 fd 3c 40", ROOMY, &["90 3c 40", "90 3c 40"], 1, 0),
    ("90 3c 40 ff 3c 40", ROOMY, &["90 3c 40", "ff", "90 3c 40"], 0, 0),
    ("f0 01 f9 02 fd f7", ROOMY, &["f0 01 02 f7"], 2, 0),
    ("90 3c 40 f0 01 f4 3c 40", ROOMY, &["90 3c 40"], 5, 0),
    // The longest SysEx, F0 and F7 included, and longer ones.
    ("f0 01 02 f7 90 3c 40", 4, &["f0 01 02 f7", "90 3c 40"], 0, 0),
    ("f0 01 f8 02 f7", 4, &["f8", "f0 01 02 f7"], 0, 0),
    ("f0 01 02 03 f7 90 3c 40", 4, &["90 3c 40"], 0, 1),
    ("f0 01 02 03 04 05 06 f7", 4, &[], 0, 1),
    ("f0 01 02 03 f8 04 f9 05 f7", 4, &["f8"], 1, 1),
    ("f0 01 02 03 04 90 3c 40", 4, &["90 3c 40"], 0, 1),
    ("f0 01 02 03 04 f4 05", 4, &[], 2, 1),
    ("f0 01 02 03 04 f6 05", 4, &["f6"], 1, 1),
    ("f0 01 02 03 04 f0 05 f7", 4, &["f0 05 f7"], 0, 1),
    ("f0 01 02 03 04 f0 01 02 03 04", 4, &[], 0, 2),
    ("f0 01 02 03 90 3c 40", 4, &["90 3c 40"], 4, 0),
    ("f0 f7", 1, &[], 0, 1),
    ("f0 90 3c 40", 0, &["90 3c 40"], 0, 1),
    // The stream ends inside a message.
    ("90 3c", ROOMY, &[], 2, 0),
    ("90 f8", ROOMY, &["f8"], 1, 0),
    ("f0 01 02", ROOMY, &[], 3, 0),
    ("f2 01", ROOMY, &[], 2, 0),
    ("f0 01 02 03 04", 4, &[], 0, 1),
    ("", ROOMY, &[], 0, 0),
];

fn row_meaning(row: &Row) -> Meaning {
    Meaning {
        messages: row.2.iter().map(|message| hex(message)).collect(),
        invalid: row.3,
        oversize: row.4,
    }
}

/// The answers of a sink that refuses by the bits of a number.
fn answers(bits: usize) -> Vec<bool> {
    (0..8).map(|bit| bits & (1 << bit) == 0).collect()
}

#[test]
fn every_row_in_every_split() {
    for row in ROWS {
        let stream = hex(row.0);
        for cuts in 0..1usize << stream.len().saturating_sub(1) {
            let got = parse(split(&stream, cuts), row.1, Vec::new());
            assert_eq!(got, row_meaning(row), "{} cut at {cuts:b}", row.0);
        }
    }
}

#[test]
fn every_row_in_every_split_with_refusals() {
    for row in ROWS {
        let stream = hex(row.0);
        for cuts in 0..1usize << stream.len().saturating_sub(1) {
            // Any number of patterns would do; these depend on the split, so all get their turn.
            for seed in 1..8usize {
                let bits = (cuts + 1).wrapping_mul(seed).wrapping_mul(0x9E37_79B9) >> 7;
                let got = parse(split(&stream, cuts), row.1, answers(bits));
                assert_eq!(got, row_meaning(row), "{} cut at {cuts:b}", row.0);
            }
        }
    }
}

#[test]
fn the_model_agrees_with_every_row() {
    for row in ROWS {
        assert_eq!(meaning(&hex(row.0), row.1), row_meaning(row), "{}", row.0);
    }
}

#[test]
fn realtime_comes_at_once_and_a_message_with_its_last_byte() {
    let mut parser = Parser::new(ROOMY);
    let mut sink = Collector::default();
    for (byte, so_far) in [(0xF0, 0), (1, 0), (0xF8, 1), (2, 1), (0xF7, 2), (0xF6, 3)] {
        assert_eq!(parser.feed(&[byte], &mut sink), 1);
        assert_eq!(sink.messages.len(), so_far);
    }
}

#[test]
fn a_refusal_counts_nothing_and_consumes_nothing_of_its_byte() {
    struct Full;
    impl Sink for Full {
        fn message(&mut self, _: &[u8]) -> bool {
            false
        }
    }
    for (text, consumed) in [
        ("90 3c 40", 2),
        ("90 3c f8 40", 2),
        ("c0 05", 1),
        ("f2 01 02", 2),
        ("f0 01 02 f7", 3),
        ("f0 01 f8", 2),
        // The message or SysEx that the byte would cut off is still in progress.
        ("90 3c f6", 2),
        ("f0 01 02 f6", 3),
        ("f8", 0),
    ] {
        let stream = hex(text);
        let mut parser = Parser::new(ROOMY);
        assert_eq!(parser.feed(&stream, &mut Full), consumed, "{text}");
        for _ in 0..3 {
            assert_eq!(parser.feed(&stream[consumed..], &mut Full), 0, "{text}");
        }
        assert_eq!(parser.take_counts(), Counts::default(), "{text}");
        parser.finish();
        assert_eq!(parser.take_counts().invalid, consumed as u64, "{text}");
    }
}

#[test]
fn a_sink_that_always_refuses_once_gets_running_status_right() {
    let stream = hex("90 3c 40 3c 00 c1 05 06 f8 07 f6 f0 01 f8 02 f7");
    let alternating = || (0..32).map(|offer| offer % 2 == 1).collect();
    let expected = meaning(&stream, ROOMY);
    assert_eq!(expected.messages.len(), 9);
    for cuts in 0..1usize << (stream.len() - 1) {
        let got = parse(split(&stream, cuts), ROOMY, alternating());
        assert_eq!(got, expected, "cut at {cuts:b}");
    }
}

#[test]
fn finish_starts_afresh() {
    let mut parser = Parser::new(4);
    let mut sink = Collector::default();
    // Neither running status, nor a message in progress, nor one too long outlives the stream.
    for (end, invalid) in [("90 3c 40", 0), ("90 3c", 2), ("f0 01", 2), ("f0 01 02 03 04", 0)] {
        feed_all(&mut parser, &hex(end), &mut sink);
        parser.finish();
        assert_eq!(parser.take_counts().invalid, invalid, "{end}");
        sink.messages.clear();
        feed_all(&mut parser, &hex("3c 40"), &mut sink);
        assert_eq!(parser.take_counts().invalid, 2, "{end}");
        assert!(sink.messages.is_empty(), "{end}");
    }
}

#[test]
fn counts_are_taken_once() {
    let mut parser = Parser::new(2);
    feed_all(&mut parser, &hex("f7 f0 01 f7"), &mut Collector::default());
    let first = parser.take_counts();
    assert_eq!((first.invalid, first.oversize), (1, 1));
    assert_eq!(parser.take_counts(), Counts::default());
}

#[test]
fn a_whole_sysex_is_a_slice_of_the_input() {
    struct Within<'a>(&'a [u8], usize);
    impl Sink for Within<'_> {
        fn message(&mut self, bytes: &[u8]) -> bool {
            assert!(self.0.as_ptr_range().contains(&bytes.as_ptr()));
            self.1 += bytes.len();
            true
        }
    }
    let mut input = vec![0xF0];
    input.extend([0x11; 10_000]);
    input.push(0xF7);
    input.extend(hex("f0 01 02 f7"));
    let mut parser = Parser::new(ROOMY);
    let mut sink = Within(&input, 0);
    assert_eq!(parser.feed(&input, &mut sink), input.len());
    assert_eq!(sink.1, input.len());
    assert_eq!(parser.held.capacity(), 0, "nothing was copied");
}

#[test]
fn the_buffer_grows_no_further_than_needed_and_a_large_one_is_given_back() {
    let max = 10_000;
    let body = vec![0x22; max - 2];
    for (end, messages) in [(&[0xF7][..], 1), (&[0x90], 0), (&[0x22, 0x22], 0)] {
        let mut parser = Parser::new(max);
        let mut sink = Collector::default();
        feed_all(&mut parser, &[0xF0], &mut sink);
        assert!(parser.held.capacity() <= 64, "no more than needed");
        for piece in body.chunks(777) {
            feed_all(&mut parser, piece, &mut sink);
            assert!(parser.held.capacity() <= max);
        }
        feed_all(&mut parser, end, &mut sink);
        assert_eq!(sink.messages.len(), messages);
        assert_eq!(parser.held.capacity(), 0, "after {end:02x?}");
    }

    let mut parser = Parser::new(max);
    feed_all(&mut parser, &[0xF0], &mut Collector::default());
    feed_all(&mut parser, &body, &mut Collector::default());
    parser.finish();
    assert_eq!(parser.held.capacity(), 0, "after the end of the stream");
}

#[test]
fn a_small_buffer_is_kept() {
    let mut parser = Parser::new(ROOMY);
    let mut sink = Collector::default();
    let mut capacity = 0;
    for round in 0..100 {
        feed_all(&mut parser, &[0xF0, 1, 2], &mut sink);
        feed_all(&mut parser, &[3, 0xF7], &mut sink);
        if round == 0 {
            capacity = parser.held.capacity();
        }
        assert_eq!(parser.held.capacity(), capacity, "no allocation per message");
    }
    assert!(capacity > 0);
}

/// Bytes as they are likely to go wrong: much status, SysEx and realtime among some data.
fn nasty_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        6 => 0u8..0x80,
        3 => 0x80u8..0xF0,
        2 => Just(0xF0u8),
        2 => Just(0xF7u8),
        2 => 0xF8u8..=0xFF,
        1 => 0xF0u8..=0xFF,
    ]
}

/// Whole messages, stretches of data, and pieces of anything.
fn nasty_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => whole_message(),
        2 => vec(nasty_byte(), 0..6),
        1 => vec(0u8..0x80, 0..30),
        1 => vec(any::<u8>(), 0..4),
    ];
    prop_oneof![
        3 => vec(piece, 0..24).prop_map(|pieces| pieces.concat()),
        1 => vec(nasty_byte(), 0..200),
    ]
}

/// Cuts `stream` into pieces of these lengths, over and over.
pub fn pieces<'a>(stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut pieces = Vec::new();
    for &length in lengths.iter().cycle() {
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

/// More than proptest's usual number of cases; `PROPTEST_CASES` can ask for more yet.
pub fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(2000),
        ..usual
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_bytes_mean_what_the_model_says(
        stream in nasty_stream(),
        lengths in vec(1usize..20, 1..8),
        max_message_bytes in prop_oneof![Just(ROOMY), 0usize..40],
        answers in vec(any::<bool>(), 0..100),
    ) {
        let got = parse(pieces(&stream, &lengths), max_message_bytes, answers);
        prop_assert_eq!(got, meaning(&stream, max_message_bytes));
    }

    #[test]
    fn no_byte_is_lost_or_counted_twice(stream in nasty_stream(), lengths in vec(1usize..20, 1..8)) {
        // Without running status each byte is in exactly one message or in `invalid`.
        let repeated: Vec<u8> = stream
            .iter()
            .flat_map(|&byte| match byte {
                0x80..=0xEF => vec![0xF9],
                _ => vec![byte],
            })
            .collect();
        let got = parse(pieces(&repeated, &lengths), ROOMY, Vec::new());
        let delivered: usize = got.messages.iter().map(Vec::len).sum();
        prop_assert_eq!(delivered as u64 + got.invalid, repeated.len() as u64);
    }

    #[test]
    fn whole_messages_come_back(
        messages in vec(whole_message(), 0..40),
        lengths in vec(1usize..20, 1..8),
    ) {
        let got = parse(pieces(&messages.concat(), &lengths), ROOMY, Vec::new());
        prop_assert_eq!(got, Meaning { messages, ..Meaning::default() });
    }

    #[test]
    fn messages_sent_with_running_status_come_back_whole(
        messages in vec(whole_message(), 0..40),
        lengths in vec(1usize..20, 1..8),
    ) {
        let mut stream = Vec::new();
        let mut running = None;
        for message in &messages {
            let status = message[0];
            let leave_out = status < 0xF0 && running == Some(status);
            stream.extend(&message[usize::from(leave_out)..]);
            if status < 0xF8 {
                running = Some(status);
            }
        }
        let got = parse(pieces(&stream, &lengths), ROOMY, Vec::new());
        prop_assert_eq!(got, Meaning { messages, ..Meaning::default() });
    }
}
