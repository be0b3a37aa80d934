//! The parser with frames: under every split it means what the naive model says.

use super::super::frame::tests::any_frame;
use super::super::message_tests::whole_message;
use super::super::naive_model::{Meaning, meaning, meaning_with_frames};
use super::tests::{hex, pieces};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A hello that is taken, without a name, and one that is not.
const HELLO: &str = "f4 6d 73 01 00 00 00 00 00 01 00";
const ECHO: &str = "f4 6d 73 01 00 00 00 00 00 02 00";

/// Whether a receiver takes a frame: all that it understands but an echo of its own hello.
fn takes(bytes: &[u8]) -> bool {
    match frame::decode(bytes) {
        Some(frame::Frame::Hello { token, .. }) => token % 2 == 1,
        understood => understood.is_some(),
    }
}

/// Keeps messages and frames in their order; refuses messages by its answers, in turn.
#[derive(Default)]
struct Collector {
    all: Vec<Vec<u8>>,
    answers: std::vec::IntoIter<bool>,
}

impl Sink for Collector {
    fn message(&mut self, bytes: &[u8]) -> bool {
        let accept = self.answers.next().unwrap_or(true);
        if accept {
            self.all.push(bytes.to_vec());
        }
        accept
    }

    fn frame(&mut self, bytes: &[u8]) -> bool {
        let taken = takes(bytes);
        if taken {
            self.all.push(bytes.to_vec());
        }
        taken
    }
}

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, answers: Vec<bool>) -> Meaning {
    let mut parser = Parser::new(16);
    let mut sink = Collector {
        answers: answers.into_iter(),
        ..Collector::default()
    };
    for mut piece in pieces {
        while !piece.is_empty() {
            piece = &piece[parser.feed(piece, &mut sink)..];
        }
    }
    parser.finish();
    let counts = parser.take_counts();
    Meaning {
        messages: sink.all,
        invalid: counts.invalid,
        oversize: counts.oversize,
    }
}

/// Whether the hello comes first, further bytes, what comes of those, and how many bytes are invalid.
type Row = (bool, &'static str, &'static [&'static str], u64);

const ROWS: &[Row] = &[
    (
        false,
        "f4 01 00 00 00 01 90 3c 40",
        &["f4 01 00 00 00 01", "90 3c 40"],
        0,
    ),
    (false, "f4 04 01 00 41", &["f4 04 01 00 41"], 0),
    (false, "f4 02 05 00 00 00 00 01", &["f4 02 05 00 00 00 00 01"], 0),
    // It cancels running status.
    (
        false,
        "90 3c 40 f4 01 00 00 00 01 3c 40",
        &["90 3c 40", "f4 01 00 00 00 01"],
        2,
    ),
    (
        true,
        "90 3c 40 f4 01 00 00 00 01 3c 40",
        &["90 3c 40", "f4 01 00 00 00 01"],
        0,
    ),
    // Realtime within is handed over at once.
    (
        false,
        "f4 f8 01 00 f9 00 00 fa 01",
        &["f8", "fa", "f4 01 00 00 00 01"],
        1,
    ),
    (true, "f4 05 f8 00 f9 90 3c 40", &["f8", "90 3c 40"], 1),
    // Cut off by a status byte or the end.
    (false, "f4 01 00 00 90 3c 40", &["90 3c 40"], 4),
    (true, "f4 01 00 00 90 3c 40", &["90 3c 40"], 0),
    (false, "f4 f4 01 00 00 00 01", &["f4 01 00 00 00 01"], 1),
    (true, "f4 f4 01 00 00 00 01 f4", &["f4 01 00 00 00 01"], 0),
    (false, "f4 01 00 00 f7", &[], 5),
    (true, "f4 01 00 00 f7", &[], 1),
    (false, "f4 01 00 f6 00", &["f6"], 4),
    (true, "f4 01 00 f6 00", &["f6"], 1),
    (false, "f4 6d 73 01", &[], 4),
    (true, "f4 6d 73 01", &[], 0),
    // Unknown, malformed, with a name too long.
    (false, "f4 05 01 02 c0 05", &["c0 05"], 4),
    (true, "f4 05 01 02 c0 05", &["c0 05"], 0),
    (false, "f4 6d 74 01 f4 05", &[], 6),
    (true, "f4 6d 74 01 f4 05", &[], 0),
    (false, "f4 04 01 02 00 01 02", &[], 7),
    (true, "f4 04 01 02 00 01 02 80 3c 40", &["80 3c 40"], 0),
    (false, "f4 04 40 00 41", &[], 5),
    (true, "f4 04 40 00 41", &[], 0),
    // An echo of one's own hello is no hello, and is passed over after one.
    (false, ECHO, &[], 11),
    (true, ECHO, &[], 0),
    // Other bytes count after a hello, too.
    (true, "80 f5 01 f0 02 f4 03 c0 05 f7", &["c0 05"], 6),
    // It ends a SysEx.
    (false, "f0 01 f4 02 f7", &[], 5),
];

fn row(row: &Row) -> (Vec<u8>, Meaning) {
    let hello = if row.0 { HELLO } else { "" };
    let came = [&[hello], row.2].concat();
    let meaning = Meaning {
        messages: came.into_iter().map(hex).filter(|bytes| !bytes.is_empty()).collect(),
        invalid: row.3,
        oversize: 0,
    };
    ([hex(hello), hex(row.1)].concat(), meaning)
}

#[test]
fn every_row_in_every_split() {
    for one in ROWS {
        let (stream, expected) = row(one);
        assert_eq!(
            meaning_with_frames(&stream, 16, takes),
            expected,
            "the model of {}",
            one.1
        );
        assert_eq!(parse(stream.chunks(1), Vec::new()), expected, "{} in bytes", one.1);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let three = [&stream[..first], &stream[first..second], &stream[second..]];
                for answers in [vec![], vec![false], vec![true, false, false]] {
                    assert_eq!(parse(three, answers), expected, "{} in {three:02x?}", one.1);
                }
            }
        }
    }
}

#[test]
fn a_frame_is_handed_over_with_its_last_byte() {
    let stream = hex(&format!("{HELLO} f4 01 00 00 00 01 f4 04 01 00 41"));
    let mut parser = Parser::new(16);
    let mut sink = Collector::default();
    for (at, byte) in stream.iter().enumerate() {
        parser.feed(&[*byte], &mut sink);
        assert_eq!(
            sink.all.len(),
            [10, 16, 21].iter().filter(|last| at >= **last).count(),
            "at {at}"
        );
    }
}

#[test]
fn the_end_of_the_stream_ends_the_extension() {
    let mut parser = Parser::new(16);
    parser.feed(&hex(HELLO), &mut Collector::default());
    parser.finish();
    parser.feed(&hex("f4 05 90 3c 40"), &mut Collector::default());
    assert_eq!(parser.take_counts().invalid, 2);
}

#[test]
fn a_whole_frame_is_a_slice_of_the_input_and_a_part_takes_little_memory() {
    struct Within<'a>(&'a [u8], usize);
    impl Sink for Within<'_> {
        fn message(&mut self, _: &[u8]) -> bool {
            true
        }
        fn frame(&mut self, bytes: &[u8]) -> bool {
            assert!(self.0.as_ptr_range().contains(&bytes.as_ptr()));
            self.1 += 1;
            true
        }
    }
    let input = hex(&format!("{HELLO} f4 01 00 00 00 01 90 3c 40 f4 01 00 00 00 02"));
    let mut parser = Parser::new(0);
    let mut sink = Within(&input, 0);
    parser.feed(&input, &mut sink);
    assert_eq!((sink.1, parser.held.capacity()), (3, 0), "nothing was copied");
    parser.feed(
        &[&hex(HELLO)[..10], &[63], &[0; 120]].concat(),
        &mut Collector::default(),
    );
    assert!(parser.held.capacity() <= frame::LONGEST);
    // An unknown frame is not kept, however long.
    parser.feed(&[&[0xF4, 9], &[1; 5000][..]].concat(), &mut Collector::default());
    assert!(parser.held.is_empty() && parser.held.capacity() <= frame::LONGEST);
}

#[test]
fn a_parser_of_an_idle_connection_stays_small() {
    assert!(size_of::<Parser>() <= 64);
}

/// Frames, parts of them, and other bytes.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => any_frame(),
        2 => (any_frame(), any::<prop::sample::Index>())
            .prop_map(|(frame, cut)| frame[..cut.index(frame.len())].to_vec()),
        2 => whole_message(),
        1 => vec(prop_oneof![Just(0xF4u8), Just(0xF8), 0u8..0x80, any::<u8>()], 0..8),
        1 => (any_frame(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, at, byte)| {
            let at = at.index(frame.len());
            frame[at] = byte;
            frame
        }),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(super::tests::cases())]

    #[test]
    fn frames_in_any_pieces_mean_what_the_model_says(
        stream in stream(),
        lengths in vec(1usize..20, 1..8),
        answers in vec(any::<bool>(), 0..40),
    ) {
        let got = parse(pieces(&stream, &lengths), answers);
        prop_assert_eq!(&got, &meaning_with_frames(&stream, 16, takes));
        prop_assert_eq!(got, parse([&stream[..]], Vec::new()));
    }

    #[test]
    fn frames_that_nobody_takes_are_undefined_status_bytes(stream in stream(), lengths in vec(1usize..20, 1..8)) {
        struct Plain(Vec<Vec<u8>>);
        impl Sink for Plain {
            fn message(&mut self, bytes: &[u8]) -> bool {
                self.0.push(bytes.to_vec());
                true
            }
        }
        let (mut parser, mut sink) = (Parser::new(16), Plain(Vec::new()));
        for piece in pieces(&stream, &lengths) {
            parser.feed(piece, &mut sink);
        }
        parser.finish();
        let Counts { invalid, oversize } = parser.take_counts();
        prop_assert_eq!(Meaning { messages: sink.0, invalid, oversize }, meaning(&stream, 16));
    }
}
