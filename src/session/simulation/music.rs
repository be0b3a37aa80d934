//! What is played: random phrases, pairs that end what they begin, and marks by which a message is known again.

use super::random::Random;
use crate::midi::state::receiver_model::Make;
use crate::midi::state::songs::{Phrase, phrase};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::rc::Rc;

/// Phrases of which all songs are made.
const PHRASES: usize = 4000;
/// What is begun on this channel is always ended again.
pub(super) const PAIRED_CHANNEL: u8 = 5;

thread_local! {
    static BANKS: [Rc<Vec<Phrase>>; 2] = [bank(false), bank(true)];
}

fn bank(one_number: bool) -> Rc<Vec<Phrase>> {
    let mut runner = TestRunner::deterministic();
    let strategy = phrase(one_number);
    let phrase = |_| strategy.new_tree(&mut runner).expect("no phrase is rejected").current();
    Rc::new((0..PHRASES).map(phrase).collect())
}

/// Phrases for receivers of a make.
pub(super) fn phrases(make: Make) -> Rc<Vec<Phrase>> {
    BANKS.with(|banks| Rc::clone(&banks[usize::from(make.one_number)]))
}

pub(super) fn random_make(random: &mut Random) -> Make {
    let mpe = random.chance(500);
    Make {
        zeroes_lsb: mpe || random.chance(500),
        one_number: random.chance(500),
        mpe,
        steps: random.chance(500),
        half_pedal: random.chance(500),
        captures_sustained: random.chance(500),
    }
}

/// A message that is known again: whose it is, which client it is for, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub source: u8,
    pub client: u32,
    pub number: u32,
}

impl Mark {
    /// As System Exclusive, which no repair ever makes.
    pub(super) fn message(self) -> Vec<u8> {
        let septet = |value: u32, at: u32| (value >> (7 * at) & 0x7F) as u8;
        let (client, number) = (self.client, self.number);
        let mut bytes = vec![0xF0, 0x7D, self.source];
        bytes.extend([septet(client, 2), septet(client, 1), septet(client, 0)]);
        bytes.extend([septet(number, 2), septet(number, 1), septet(number, 0), 0xF7]);
        bytes
    }

    pub(super) fn of(message: &[u8]) -> Option<Self> {
        match *message {
            [0xF0, 0x7D, source, c2, c1, c0, n2, n1, n0, 0xF7] => {
                let number = |[a, b, c]: [u8; 3]| u32::from(a) << 14 | u32::from(b) << 7 | u32::from(c);
                Some(Self {
                    source,
                    client: number([c2, c1, c0]),
                    number: number([n2, n1, n0]),
                })
            }
            _ => None,
        }
    }
}

/// How many bytes the message takes with which a stream of whole messages goes on; None: it is not all there yet.
pub(super) fn whole(stream: &[u8]) -> Option<usize> {
    let status = *stream.first()?;
    let length = match status {
        0x80..=0xBF | 0xE0..=0xEF | 0xF2 => 3,
        0xC0..=0xDF | 0xF1 | 0xF3 => 2,
        0xF0 => stream.iter().position(|byte| *byte == 0xF7)? + 1,
        // A frame of sender time, of a known kind.
        0xF4 => match *stream.get(1)? {
            1 => 6,
            2 => 8,
            3 => 13,
            4 => 3 + 2 * usize::from(*stream.get(2)?),
            0x6D => 11 + 2 * usize::from(*stream.get(10)?),
            kind => panic!("a frame of kind {kind}"),
        },
        0xF6 | 0xF8 | 0xFA..=0xFC | 0xFE | 0xFF => 1,
        _ => panic!("{status:02X} begins no message"),
    };
    let message = stream.get(..length)?;
    let body = &message[1..length - usize::from(status == 0xF0)];
    assert!(body.iter().all(|byte| *byte < 0x80), "no message: {message:02X?}");
    Some(length)
}
