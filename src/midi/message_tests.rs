//! The message rules: against the naive model, and against the specification's own numbers.

use super::frame::tests::any_frame;
use super::{message, naive_model};
use proptest::collection::vec;
use proptest::prelude::*;

/// Every status byte, and data bytes at both ends and in the middle.
fn sample_bytes() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0x80..=0xFF).step_by(0x10).collect();
    bytes.extend(0xF0..=0xFF);
    bytes.extend([0x8F, 0x9F, 0xCF, 0xDF, 0xEF]);
    bytes.extend([0x00, 0x01, 0x3C, 0x40, 0x7F]);
    bytes.sort_unstable();
    bytes.dedup();
    bytes
}

/// Any whole message with its status byte.
pub fn whole_message() -> impl Strategy<Value = Vec<u8>> {
    let data = || 0u8..0x80;
    prop_oneof![
        4 => (0x80u8..0xC0, data(), data()).prop_map(|(s, a, b)| vec![s, a, b]),
        2 => (0xC0u8..0xE0, data()).prop_map(|(s, a)| vec![s, a]),
        1 => (0xE0u8..0xF0, data(), data()).prop_map(|(s, a, b)| vec![s, a, b]),
        1 => (prop_oneof![Just(0xF1u8), Just(0xF3)], data()).prop_map(|(s, a)| vec![s, a]),
        1 => (data(), data()).prop_map(|(a, b)| vec![0xF2, a, b]),
        1 => prop::sample::select(vec![0xF6u8, 0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF])
            .prop_map(|s| vec![s]),
        2 => vec(data(), 0..40).prop_map(|body| {
            let mut message = vec![0xF0];
            message.extend(body);
            message.push(0xF7);
            message
        }),
    ]
}

#[test]
fn lengths_are_those_of_the_specification() {
    for status in 0..=0xFFu8 {
        let expected = match status {
            0x00..=0x7F => 0,
            0x80..=0xBF | 0xE0..=0xEF | 0xF2 => 3,
            0xC0..=0xDF | 0xF1 | 0xF3 => 2,
            0xF6 | 0xF8 | 0xFA..=0xFC | 0xFE..=0xFF => 1,
            0xF0 | 0xF4 | 0xF5 | 0xF7 | 0xF9 | 0xFD => 0,
        };
        assert_eq!(message::fixed_len(status), expected, "{status:02x}");
    }
}

#[test]
fn classes_of_bytes() {
    for byte in 0..=0xFFu8 {
        assert_eq!(message::is_status(byte), byte & 0x80 != 0, "{byte:02x}");
        assert_eq!(message::is_realtime(byte), byte & 0xF8 == 0xF8, "{byte:02x}");
        let channel = (8..=14).contains(&(byte >> 4));
        assert_eq!(message::is_channel_status(byte), channel, "{byte:02x}");
    }
}

#[test]
fn notes_start_and_end() {
    for status in 0x80..=0xFFu8 {
        for velocity in [0, 1, 64, 127] {
            let bytes = [status, 60, velocity];
            let on = status >> 4 == 9 && velocity > 0;
            let off = status >> 4 == 8 || (status >> 4 == 9 && velocity == 0);
            assert_eq!(message::is_note_on(&bytes), on, "{bytes:02x?}");
            assert_eq!(message::is_note_off(&bytes), off, "{bytes:02x?}");
        }
    }
    for other in [&[][..], &[0xC0, 5], &[0xF8], &[0xF0, 0x90, 0x3C, 0xF7]] {
        assert!(!message::is_note_on(other) && !message::is_note_off(other));
    }
}

#[test]
fn short_byte_strings_are_whole_as_in_the_model() {
    assert!(!message::is_whole(&[]));
    let mut whole = [0; 4];
    for a in 0..=0xFFu8 {
        assert_eq!(message::is_whole(&[a]), naive_model::is_whole(&[a]));
        whole[1] += usize::from(message::is_whole(&[a]));
        for b in 0..=0xFFu8 {
            let bytes = [a, b];
            let expected = naive_model::is_whole(&bytes);
            assert_eq!(message::is_whole(&bytes), expected, "{bytes:02x?}");
            whole[2] += usize::from(expected);
        }
    }
    let samples = sample_bytes();
    for &a in &samples {
        for &b in &samples {
            for &c in &samples {
                let bytes = [a, b, c];
                let expected = naive_model::is_whole(&bytes);
                assert_eq!(message::is_whole(&bytes), expected, "{bytes:02x?}");
                whole[3] += usize::from(expected);
            }
        }
    }
    // One byte: F6 and six of realtime. Two: 32 channel statuses, F1 and F3 with 128 data bytes
    // each, and an empty SysEx. Three: of the sample bytes nine are the status of three bytes
    // (80 8F 90 9F A0 B0 E0 EF F2), each with 5 times 5 data bytes; SysEx with one of 5.
    assert_eq!(whole[1..3], [7, 34 * 128 + 1]);
    assert_eq!(whole[3], 9 * 25 + 5);
}

#[test]
fn data_runs_end_at_the_first_status_byte() {
    for len in 0..40 {
        let mut bytes = vec![0x7F; len];
        assert_eq!(message::data_run(&bytes), len);
        for first in 0..len {
            for status in [0x80, 0xF7, 0xFF] {
                bytes.fill(0x7F);
                bytes[first] = status;
                bytes[first + 1..].fill(0x80);
                assert_eq!(message::data_run(&bytes), first, "{bytes:02x?}");
                bytes[first + 1..].fill(0);
                assert_eq!(message::data_run(&bytes), first, "{bytes:02x?}");
            }
        }
    }
}

#[test]
fn a_status_byte_anywhere_in_a_sysex_is_seen() {
    for size in 2..150 {
        let mut bytes = vec![0x7F; size];
        bytes[0] = 0xF0;
        bytes[size - 1] = 0xF7;
        assert!(message::is_whole(&bytes), "{size}");
        for at in 1..size - 1 {
            bytes[at] = 0x80;
            assert!(!message::is_whole(&bytes), "{at} of {size}");
            bytes[at] = 0x7F;
        }
    }
}

#[test]
fn len_at_stays_within_any_bytes() {
    assert_eq!(message::len_at(&[]), 0);
    assert_eq!(message::len_at(&[0x90]), 1);
    assert_eq!(message::len_at(&[0x90, 0x3C]), 2);
    assert_eq!(message::len_at(&[0xF0]), 1);
    assert_eq!(message::len_at(&[0xF0, 1, 2]), 3);
    assert_eq!(message::len_at(&[0xF0, 0xF7, 0x90]), 2);
    assert_eq!(message::len_at(&[0x3C, 0x90, 0x3C]), 1);
    assert_eq!(message::len_at(&[0xF4, 0x90, 0x3C]), 1);
    assert_eq!(message::len_at(&[0xF4, 1, 2, 0x90, 0x3C]), 3);
    assert_eq!(message::len_at(&[0xF4, 1, 2]), 3);
}

proptest! {
    #[test]
    fn whole_messages_are_whole_and_nothing_less_or_more(bytes in whole_message()) {
        prop_assert!(message::is_whole(&bytes));
        prop_assert_eq!(message::len_at(&bytes), bytes.len());
        prop_assert!(!message::is_whole(&bytes[..bytes.len() - 1]));
        prop_assert!(!message::is_whole(&[&bytes[..], &[0]].concat()));
        prop_assert!(!message::is_whole(&[&bytes[..], &[0xF7]].concat()));
        prop_assert!(!message::is_whole(&bytes[1..]));
    }

    #[test]
    fn sysex_with_one_byte_changed_is_whole_as_in_the_model(
        body in vec(0u8..0x80, 0..40),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = [&[0xF0], &body[..], &[0xF7]].concat();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert_eq!(message::is_whole(&bytes), naive_model::is_whole(&bytes));
    }

    #[test]
    fn no_frame_is_a_whole_message(frame in any_frame()) {
        prop_assert!(!message::is_whole(&frame));
    }

    #[test]
    fn len_at_finds_the_boundaries_that_were_there(
        messages in vec(prop_oneof![4 => whole_message(), 1 => any_frame()], 0..40),
    ) {
        let stream = messages.concat();
        let mut rest = &stream[..];
        for expected in &messages {
            let (first, behind) = rest.split_at(message::len_at(rest));
            prop_assert_eq!(first, &expected[..]);
            rest = behind;
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn len_at_walks_any_bytes_to_their_end(bytes in vec(any::<u8>(), 1..60)) {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = message::len_at(rest);
            prop_assert!((1..=rest.len()).contains(&len));
            rest = &rest[len..];
        }
    }
}
