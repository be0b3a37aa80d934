//! The frames: their bytes, and that decoding takes back what encoding made of any values.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// The bytes that a decoded frame is encoded to.
fn encoded(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    match frame {
        Frame::Hello {
            answers, token, name, ..
        } => hello(answers, token, &name.bytes().collect::<Vec<u8>>(), &mut bytes),
        Frame::Stamp(us) => bytes.extend(stamp(us)),
        Frame::Ping { sequence, sent_us } => bytes.extend(ping(sequence, sent_us)),
        Frame::Pong {
            sequence,
            received_us,
            answered_us,
        } => bytes.extend(pong(sequence, received_us, answered_us)),
        Frame::Name(of) => name(&of.bytes().collect::<Vec<u8>>(), &mut bytes),
    }
    bytes
}

fn hello_of(answers: bool, token: u64, name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello(answers, token, name, &mut bytes);
    bytes
}

fn name_of(of: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    name(of, &mut bytes);
    bytes
}

/// A frame with any values.
pub fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let name = || vec(any::<u8>(), 0..=MOST_NAME_BYTES);
    prop_oneof![
        (any::<bool>(), any::<u64>(), name()).prop_map(|(answers, token, name)| hello_of(answers, token, &name)),
        any::<u32>().prop_map(|us| stamp(us).to_vec()),
        any::<(u8, u64)>().prop_map(|(sequence, us)| ping(sequence, us).to_vec()),
        any::<(u8, u64, u64)>().prop_map(|(sequence, in_us, out_us)| pong(sequence, in_us, out_us).to_vec()),
        name().prop_map(|of| name_of(&of)),
    ]
}

#[test]
fn frames_have_the_bytes_of_the_layout() {
    assert_eq!(stamp(0x0812_1881), [0xF4, 1, 0x40, 0x48, 0x31, 0x01]);
    assert_eq!(stamp(u32::MAX), [0xF4, 1, 0x7F, 0x7F, 0x7F, 0x7F]);
    assert_eq!(ping(0x85, 1 << 28 | 1), [0xF4, 2, 5, 1, 0, 0, 0, 1]);
    assert_eq!(pong(6, 128, 129), [0xF4, 3, 6, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]);
    assert_eq!(name_of(b""), [0xF4, 4, 0]);
    assert_eq!(name_of(&[0x41, 0xC3]), [0xF4, 4, 2, 0, 0x41, 1, 0x43]);
    assert_eq!(hello_of(false, 1, b""), [0xF4, 0x6D, 0x73, 1, 0, 0, 0, 0, 0, 1, 0]);
    let answer = [0xF4, 0x6D, 0x73, 1, 1, 0x40, 0, 0, 0, 0, 1, 1, 0x7F];
    assert_eq!(hello_of(true, 1 << 34, &[0xFF]), answer);
}

#[test]
fn names_are_cut_where_they_are_too_long() {
    let long = [0x80; 200];
    assert_eq!(name_of(&long), name_of(&long[..MOST_NAME_BYTES]));
    assert_eq!(hello_of(true, 5, &long).len(), LONGEST);
}

#[test]
fn a_later_version_and_unknown_flags_are_understood_as_far_as_known() {
    let mut later = hello_of(true, 77, b"x");
    (later[3], later[4]) = (9, 0x7F);
    let Some(Frame::Hello {
        version,
        answers,
        token,
        name,
    }) = decode(&later)
    else {
        panic!("not decoded");
    };
    assert_eq!((version, answers, token), (9, true, 77));
    assert!(name.bytes().eq(*b"x"));
    later[4] = 0x7E;
    assert!(matches!(decode(&later), Some(Frame::Hello { answers: false, .. })));
}

#[test]
fn what_is_no_frame_is_not_decoded() {
    let no_version = {
        let mut bytes = hello_of(false, 1, b"");
        bytes[3] = 0;
        bytes
    };
    let long_name = [&[0xF4, 4, 64][..], &[0; 128]].concat();
    for bytes in [
        &[][..],
        &[0xF4],
        &[0xF4, 0],
        &[0xF4, 5],
        &[0xF5, 1, 0, 0, 0, 0],
        &[0x01, 1, 0, 0, 0, 0],
        // Too short, too long, a status byte within.
        &[0xF4, 1, 0, 0, 0],
        &[0xF4, 1, 0, 0, 0, 0, 0],
        &[0xF4, 1, 0, 0xF8, 0, 0],
        &[0xF4, 4, 0x80],
        // Not the letters of a hello.
        &[0xF4, 0x6D, 0x72, 1, 0, 0, 0, 0, 0, 1, 0],
        // Two septets that make no byte.
        &[0xF4, 4, 1, 2, 0],
        &no_version,
        &long_name,
    ] {
        assert_eq!(decode(bytes), None, "{bytes:02x?}");
    }
}

#[test]
fn every_septet_of_a_number_counts() {
    for bit in 0..TIME_BITS {
        let us = 1 << bit;
        assert_eq!(
            decode(&ping(1, us)),
            Some(Frame::Ping {
                sequence: 1,
                sent_us: us
            })
        );
        if bit < 28 {
            assert_eq!(decode(&stamp(us as u32)), Some(Frame::Stamp(us as u32)));
        }
    }
    assert_eq!(
        decode(&ping(0, 1 << TIME_BITS)),
        Some(Frame::Ping {
            sequence: 0,
            sent_us: 0
        })
    );
    assert_eq!(decode(&stamp(1 << 28)), Some(Frame::Stamp(0)));
}

proptest! {
    #[test]
    fn a_frame_decodes_to_what_was_encoded(
        token in 0u64..1 << TIME_BITS, sequence in 0u8..0x80, answers in any::<bool>(), of in vec(any::<u8>(), 0..=63)
    ) {
        let bytes = hello_of(answers, token, &of);
        let Some(Frame::Hello { version, answers: a, token: t, name }) = decode(&bytes) else {
            panic!("not decoded");
        };
        prop_assert_eq!((version, a, t, name.bytes().collect::<Vec<u8>>()), (VERSION, answers, token, of.clone()));
        let times = Frame::Pong { sequence, received_us: token, answered_us: !token & 0x7_FFFF_FFFF };
        let bytes = encoded(times);
        prop_assert_eq!(decode(&bytes), Some(times));
        let bytes = name_of(&of);
        prop_assert!(matches!(decode(&bytes), Some(Frame::Name(name)) if name.bytes().eq(of)));
    }

    #[test]
    fn the_length_is_known_from_the_beginning(frame in any_frame()) {
        prop_assert!(frame.len() <= LONGEST && frame[1..].iter().all(|byte| *byte < 0x80));
        prop_assert_eq!(extent(&frame), Some(frame.len()));
        prop_assert_eq!(encoded(decode(&frame).unwrap()), frame.clone());
        for len in 0..frame.len() {
            prop_assert!(extent(&frame[..len]).is_some_and(|at_least| at_least > len && at_least <= frame.len()));
            prop_assert_eq!(decode(&frame[..len]), None);
        }
    }

    #[test]
    fn any_bytes_decode_to_a_frame_of_the_same_bytes_or_to_none(
        kind in prop_oneof![0u8..6, Just(0x6D)], bytes in vec(prop_oneof![9 => 0u8..0x80, 1 => any::<u8>()], 0..16)
    ) {
        let frame = [&[CARRIER, kind], &bytes[..]].concat();
        match decode(&frame) {
            // Its version and its unknown flags are not kept.
            None | Some(Frame::Hello { .. }) => {}
            Some(found) => prop_assert_eq!(encoded(found), frame),
        }
    }
}
