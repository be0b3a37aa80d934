//! The queue beside a queue of the standard library, and between two real threads.

use super::*;
use crate::midi::message::is_whole;
use crate::midi::short::Short;
use crate::realtime::consumer::Record;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::VecDeque;

/// A message that tells its number and its size apart.
fn message(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (number * 31 + at * 7 + size) as u8).collect()
}

fn taken(record: &Record<'_>) -> (u64, u32, u32, Vec<u8>) {
    (record.time_ns, record.client, record.flags, record.data.to_vec())
}

#[test]
fn a_short_message_takes_16_bytes_and_a_longer_one_its_size_more() {
    for (size, bytes) in [(1, 16), (2, 16), (3, 16), (4, 32), (16, 32), (17, 48), (16384, 16400)] {
        assert_eq!(footprint(size), bytes);
    }
    let (mut producer, mut consumer) = queue(4096).unwrap();
    let fits = (0..).take_while(|_| producer.write(0, 0, 0, &[0xF8])).count();
    assert_eq!(fits, 256);
    producer.publish();
    // The last one popped is still valid, so its room is given back one pop later.
    consumer.pop().unwrap();
    assert!(!producer.write(0, 0, 0, &[0xF8]));
    consumer.pop().unwrap();
    assert!(producer.write(0, 0, 0, &[0xF8]) && !producer.write(0, 0, 0, &[0xF8]));
}

/// All that a message's flags may be.
const FLAGS: [u32; 4] = [0, SYNTHETIC, SYNTHETIC | STILL_HELD, TIMED];

/// No message looks like the mark at the unused end, whatever its bytes, its flags and its size.
#[test]
fn nothing_is_taken_for_the_end() {
    let (mut producer, mut consumer) = queue(1 << 20).unwrap();
    for size in [1, 2, 3, 4, 255, 256, 65535, 65536, 131_072] {
        for flags in FLAGS {
            assert!(producer.write(u64::MAX, u32::MAX, flags, &vec![0xFF; size]));
            producer.publish();
            let record = consumer.pop().unwrap();
            assert_eq!(taken(&record), (u64::MAX, u32::MAX, flags, vec![0xFF; size]));
        }
    }
}

/// Sizes that need more than 24 bits.
#[test]
fn a_very_large_message_keeps_its_size() {
    let (mut producer, mut consumer) = queue(1 << 26).unwrap();
    let data = message(1, (1 << 24) + 4097);
    assert!(producer.write(1, 2, 3, &data));
    producer.publish();
    let record = consumer.pop().unwrap();
    assert_eq!(record.data.len(), data.len());
    assert!(taken(&record) == (1, 2, 3, data));
}

/// What no record can hold is refused before anything is written, in release builds too.
#[test]
fn sizes_and_flags_beyond_a_record_are_refused() {
    let (mut producer, mut consumer) = queue(4096).unwrap();
    for size in [MOST_SIZE + 1, MOST_SIZE + 2, 1 << 29, u32::MAX as usize] {
        assert!(!producer.has_room(size));
    }
    assert!(!producer.has_room(0) && !producer.write(0, 0, 0, &[]));
    assert!(producer.write(1, 2, u32::MAX, &[0xF8]) && producer.write(1, 2, 8, &[0xF0, 1, 2, 3, 0xF7]));
    producer.publish();
    assert_eq!(
        taken(&consumer.pop().unwrap()),
        (1, 2, SYNTHETIC | STILL_HELD, vec![0xF8])
    );
    assert_eq!(taken(&consumer.pop().unwrap()), (1, 2, 0, vec![0xF0, 1, 2, 3, 0xF7]));
    for capacity in [0, 32, 96, 1 << 31] {
        assert!(untouched_queue(capacity).is_err());
    }
}

/// A record of the largest size, and one that is a byte longer. The memory is only promised by the system, and the
/// larger one's bytes are never read.
#[cfg(all(target_pointer_width = "64", target_os = "linux"))]
#[test]
fn the_largest_message_fits_and_one_byte_more_does_not() {
    let (mut producer, _) = untouched_queue(1 << 30).unwrap();
    assert!(producer.has_room(MOST_SIZE) && !producer.has_room(MOST_SIZE + 1));
    let data = vec![0; MOST_SIZE + 1];
    assert!(!producer.write(0, 0, 0, &data));
    assert_eq!(producer.position(), 0);
}

#[test]
fn a_short_message_is_what_its_bytes_are() {
    assert_eq!(Short::of(&[]), None);
    assert_eq!(Short::of(&[1, 2, 3, 4]), None);
    for bytes in [
        &[0xF8][..],
        &[0xC0, 5],
        &[0x90, 60, 100],
        &[0x90, 0x80, 0],
        &[0x90, 0, 0x80],
    ] {
        let short = Short::of(bytes).unwrap();
        assert_eq!(
            short.is_channel_message(),
            is_whole(bytes) && bytes[0] < 0xF0,
            "{bytes:02X?}"
        );
    }
}

/// Every message of up to three bytes, as far as it matters what they are.
#[test]
fn a_channel_message_is_known_from_everything_else() {
    let bytes = |index: usize| [0, 1, 0x7F, 0x80, 0xF7, 0xFF][index % 6];
    for status in 0..=255 {
        for data in 0..36 {
            let message = [status, bytes(data), bytes(data / 6)];
            for length in 1..=3 {
                let whole = is_whole(&message[..length]) && status < 0xF0;
                assert_eq!(Short::of(&message[..length]).unwrap().is_channel_message(), whole);
            }
        }
    }
}

proptest! {
    /// Whatever is pushed in whatever sizes, and popped in between, comes out as it went in.
    #[test]
    fn as_a_plain_queue(steps in vec((any::<bool>(), 1usize..80, select(FLAGS.to_vec())), 1..400), large in 0usize..1000) {
        let (mut producer, mut consumer) = queue(4096).unwrap();
        let mut model = VecDeque::new();
        let mut published = 0;
        for (number, (pushes, size, flags)) in steps.into_iter().enumerate() {
            let size = if number % 16 == 15 { large + 1 } else { size % 11 * (size % 3) + 1 };
            let (time_ns, client) = (number as u64, number as u32 ^ 5);
            if pushes {
                let room = producer.has_room(size);
                let bytes = message(number, size);
                prop_assert_eq!(producer.write(time_ns, client, flags, &bytes), room);
                if room {
                    model.push_back((time_ns, client, flags, bytes));
                }
                if number % 3 != 0 {
                    producer.publish();
                    published = model.len();
                }
            } else {
                let record = consumer.pop();
                prop_assert_eq!(record.is_some(), published != 0);
                if let Some(record) = record {
                    prop_assert_eq!(Some(taken(&record)), model.pop_front());
                    published -= 1;
                }
            }
        }
    }
}

/// Two real threads, each as fast as it can, through a queue that is full or empty most of the time.
#[test]
fn between_two_threads() {
    const MESSAGES: usize = 200_000;
    let size = |number: usize| match number % 7 {
        0 => number % 200 + 4,
        other => other % 3 + 1,
    };
    let (mut producer, mut consumer) = queue(4096).unwrap();
    let pushing = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            let bytes = message(number, size(number));
            while !producer.write(number as u64, number as u32, 1, &bytes) {
                producer.publish();
                std::thread::yield_now();
            }
            if number % 5 == 0 {
                producer.publish();
            }
            producer.publish_batch();
        }
        producer.publish();
    });
    for number in 0..MESSAGES {
        let record = loop {
            match consumer.pop() {
                Some(record) => break taken(&record),
                None => std::thread::yield_now(),
            }
        };
        let expected = (number as u64, number as u32, 1, message(number, size(number)));
        assert_eq!(record, expected);
    }
    pushing.join().unwrap();
    assert!(consumer.pop().is_none());
}
