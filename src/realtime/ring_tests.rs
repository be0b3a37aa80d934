//! The queue beside a queue of the standard library, and between two real threads.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A message that tells its number and its size apart.
fn message(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (number * 31 + at * 7 + size) as u8).collect()
}

fn taken(record: &Record) -> (u64, u32, u32, Vec<u8>) {
    // SAFETY: it was popped last.
    let data = unsafe { record.data.as_ref() };
    (record.time_ns, record.client, record.flags, data.to_vec())
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

/// No message looks like the mark at the unused end, whatever its bytes, its flags and its size.
#[test]
fn nothing_is_taken_for_the_end() {
    let (mut producer, mut consumer) = queue(1 << 20).unwrap();
    for size in [1, 2, 3, 4, 255, 256, 65535, 65536, 131_072] {
        for flags in 0..=MOST_FLAGS {
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

proptest! {
    /// Whatever is pushed in whatever sizes, and popped in between, comes out as it went in.
    #[test]
    fn as_a_plain_queue(steps in vec((any::<bool>(), 1usize..80, 0u32..4), 1..400), large in 0usize..1000) {
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
                Some(record) => break record,
                None => std::thread::yield_now(),
            }
        };
        let expected = (number as u64, number as u32, 1, message(number, size(number)));
        assert_eq!(taken(&record), expected);
    }
    pushing.join().unwrap();
    assert!(consumer.pop().is_none());
}
