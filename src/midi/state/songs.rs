//! Random songs, and how much of them is lost where.

use proptest::prelude::*;

use super::receiver_model::Make;

/// A few messages that belong together.
pub type Phrase = Vec<Vec<u8>>;

/// One phrase, and what the link does with it.
#[derive(Clone)]
pub struct Step {
    pub phrase: Phrase,
    /// From which of its messages on everything is lost, until repaired.
    pub loses: Option<usize>,
    /// How many messages of a repair have room after it.
    pub room: usize,
    /// What else happens: a skip, a new link, a newcomer, a peer that leaves.
    pub cut: bool,
}

impl std::fmt::Debug for Step {
    /// On one line, with the bytes in hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for message in &self.phrase {
            write!(f, "{message:02X?} ")?;
        }
        write!(f, "loses {:?}, room {}, cut {}", self.loses, self.room, self.cut)
    }
}

/// A song, and a make of receiver that hears it.
#[derive(Clone, Debug)]
pub struct Song {
    pub make: Make,
    pub steps: Vec<Step>,
}

/// How many songs to play: 300, or as the environment says.
pub fn config() -> ProptestConfig {
    let songs = std::env::var("MIDISOCK_SONGS").ok();
    ProptestConfig {
        cases: songs.and_then(|songs| songs.parse().ok()).unwrap_or(300),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

fn channel() -> impl Strategy<Value = u8> {
    // Few, so that things meet, with both managers of MPE among them.
    prop::sample::select(vec![0u8, 0, 1, 2, 15])
}

fn value() -> impl Strategy<Value = u8> {
    // Few values, so that the same one comes again.
    prop_oneof![3 => prop::sample::select(vec![0u8, 1, 64, 127]), 1 => 0u8..128]
}

fn control(channel: u8, controller: u8, value: u8) -> Vec<u8> {
    vec![0xB0 | channel, controller, value]
}

fn notes() -> impl Strategy<Value = Phrase> {
    let note = (channel(), 60u8..64, prop_oneof![Just(0u8), Just(64), 1u8..128], 0u8..8);
    note.prop_map(|(channel, note, velocity, kind)| {
        let on = vec![0x90 | channel, note, velocity];
        let off = vec![0x80 | channel, note, velocity];
        match kind {
            0..3 => vec![on],
            3..6 => vec![off],
            6 => vec![on.clone(), on],
            _ => vec![off, on],
        }
    })
}

fn controllers() -> impl Strategy<Value = Phrase> {
    let plain: Vec<u8> = vec![
        1, 33, 2, 34, 7, 39, 10, 11, 43, 64, 65, 66, 67, 68, 69, 71, 74, 84, 88, 91, 119,
    ];
    prop_oneof![
        4 => (channel(), prop::sample::select(plain), value())
            .prop_map(|(channel, controller, value)| vec![control(channel, controller, value)]),
        2 => (channel(), 1u8..4, value(), value(), any::<bool>()).prop_map(
            |(channel, pair, msb, lsb, msb_first)| {
                let (msb, lsb) = (control(channel, pair, msb), control(channel, pair + 32, lsb));
                if msb_first { vec![msb, lsb] } else { vec![lsb, msb] }
            }
        ),
    ]
}

/// Pedals that hold notes, pressed and lifted, by halves and around notes.
fn pedals() -> impl Strategy<Value = Phrase> {
    let pedal = prop::sample::select(vec![64u8, 64, 66, 69]);
    let value = prop::sample::select(vec![0u8, 0, 40, 63, 64, 90, 127]);
    (channel(), pedal, value.clone(), value, 60u8..64, 0u8..8).prop_map(
        |(channel, pedal, first, second, note, kind)| {
            let press = control(channel, pedal, 127);
            let (first, second) = (control(channel, pedal, first), control(channel, pedal, second));
            let off = vec![0x80 | channel, note, 0];
            let on = vec![0x90 | channel, note, 100];
            match kind {
                0 => vec![first],
                1 => vec![press],
                2 => vec![first, second],
                3 => vec![off, first, second],
                4 => vec![first, off, second],
                5 => vec![first, second, off],
                6 => vec![press, off],
                _ => vec![on, press],
            }
        },
    )
}

fn programs() -> impl Strategy<Value = Phrase> {
    (channel(), value(), value(), value(), 0u8..8).prop_map(|(channel, msb, lsb, program, kind)| {
        let msb = control(channel, 0, msb);
        let lsb = control(channel, 32, lsb);
        let program = vec![0xC0 | channel, program];
        match kind {
            0 => vec![msb],
            1 => vec![lsb],
            2 => vec![program],
            3 => vec![msb, program],
            4 => vec![lsb, program],
            5 => vec![lsb, msb, program],
            _ => vec![msb, lsb, program],
        }
    })
}

/// Selecting a parameter, whole.
fn select(channel: u8, registered: bool, msb: u8, lsb: u8, msb_first: bool) -> Phrase {
    let (coarse, fine) = if registered { (101, 100) } else { (99, 98) };
    let mut phrase = vec![control(channel, coarse, msb), control(channel, fine, lsb)];
    if !msb_first {
        phrase.reverse();
    }
    phrase
}

fn number() -> impl Strategy<Value = (bool, u8, u8)> {
    prop_oneof![
        4 => (0u8..7).prop_map(|lsb| (true, 0, lsb)),
        1 => (0u8..3).prop_map(|lsb| (true, 61, lsb)),
        3 => (0u8..3, 0u8..3).prop_map(|(msb, lsb)| (false, msb, lsb)),
        1 => any::<bool>().prop_map(|registered| (registered, 127, 127)),
    ]
}

fn parameters() -> impl Strategy<Value = Phrase> {
    let entries = prop::collection::vec((any::<bool>(), value()), 0..4);
    let transaction = (channel(), number(), any::<bool>(), entries, any::<bool>()).prop_map(
        |(channel, (registered, msb, lsb), msb_first, entries, null)| {
            let mut phrase = select(channel, registered, msb, lsb, msb_first);
            for (coarse, value) in entries {
                phrase.push(control(channel, if coarse { 6 } else { 38 }, value));
            }
            if null {
                phrase.extend(select(channel, registered, 127, 127, true));
            }
            phrase
        },
    );
    let entry = (channel(), prop::sample::select(vec![6u8, 38, 96, 97]), value());
    prop_oneof![
        4 => transaction,
        2 => entry.prop_map(|(channel, controller, value)| {
            vec![control(channel, controller, value)]
        }),
    ]
}

/// Half a selection: only to receivers that keep both systems' numbers.
fn half_selections() -> impl Strategy<Value = Phrase> {
    (channel(), 98u8..102, prop_oneof![0u8..3, Just(127u8)])
        .prop_map(|(channel, controller, value)| vec![control(channel, controller, value)])
}

fn mpe() -> impl Strategy<Value = Phrase> {
    let zone = (any::<bool>(), 0u8..16, prop::option::of(value())).prop_map(|(lower, members, range)| {
        let manager = if lower { 0 } else { 15 };
        let mut phrase = select(manager, true, 0, 6, true);
        phrase.push(control(manager, 6, members));
        if let Some(range) = range {
            phrase.extend(select(1, true, 0, 0, true));
            phrase.push(control(1, 6, range));
        }
        phrase
    });
    // A note with a channel to itself: bend, timbre and pressure come first.
    let note = (1u8..3, 60u8..64, value(), value()).prop_map(|(channel, note, bend, press)| {
        vec![
            vec![0xE0 | channel, 0, bend],
            control(channel, 74, press),
            vec![0xD0 | channel, press],
            vec![0x90 | channel, note, 100],
        ]
    });
    prop_oneof![1 => zone, 1 => note]
}

fn expression() -> impl Strategy<Value = Phrase> {
    (channel(), 0u8..3, 60u8..63, value()).prop_map(|(channel, kind, note, value)| {
        vec![match kind {
            0 => vec![0xA0 | channel, note, value],
            1 => vec![0xD0 | channel, value],
            _ => vec![0xE0 | channel, 0, value],
        }]
    })
}

fn modes() -> impl Strategy<Value = Phrase> {
    (channel(), 120u8..128, prop::sample::select(vec![0u8, 1, 127])).prop_map(|(channel, mode, value)| {
        let value = if matches!(mode, 122 | 126) { value } else { 0 };
        vec![control(channel, mode, value)]
    })
}

fn system() -> impl Strategy<Value = Phrase> {
    prop_oneof![
        3 => prop::sample::select(vec![0xFAu8, 0xFB, 0xFC]).prop_map(|status| vec![vec![status]]),
        2 => (value(), 0u8..3).prop_map(|(low, high)| vec![vec![0xF2, low, high]]),
        1 => (0u8..3).prop_map(|song| vec![vec![0xF3, song]]),
        2 => prop::sample::select(vec![0xF8u8, 0xFE, 0xF6]).prop_map(|status| vec![vec![status]]),
        1 => value().prop_map(|value| vec![vec![0xF1, value]]),
        1 => prop::collection::vec(0u8..128, 0..6).prop_map(|mut data| {
            data.insert(0, 0xF0);
            data.push(0xF7);
            vec![data]
        }),
    ]
}

/// One phrase of a song; `one_number`: for receivers that keep one parameter's number for both systems.
pub fn phrase(one_number: bool) -> BoxedStrategy<Phrase> {
    let half = if one_number { 0 } else { 2 };
    prop_oneof![
        20 => notes(),
        18 => prop_oneof![5 => controllers(), 4 => pedals()],
        6 => programs(),
        10 => parameters(),
        half => half_selections(),
        4 => mpe(),
        5 => expression(),
        4 => modes(),
        4 => system(),
        1 => Just(vec![vec![0xFF]]),
    ]
    .boxed()
}

/// Songs of up to `length` phrases.
pub fn songs(length: usize) -> impl Strategy<Value = Song> {
    let make =
        any::<[bool; 6]>().prop_map(
            |[zeroes_lsb, one_number, mpe, steps, half_pedal, captures_sustained]| Make {
                // MPE is younger than the habit of keeping the LSB.
                zeroes_lsb: zeroes_lsb || mpe,
                one_number,
                mpe,
                steps,
                half_pedal,
                captures_sustained,
            },
        );
    make.prop_flat_map(move |make| {
        let loses = prop_oneof![5 => Just(None), 1 => (0usize..4).prop_map(Some)];
        let room = prop_oneof![3 => Just(0usize), 2 => 1usize..6, 1 => Just(usize::MAX)];
        let cut = prop::bool::weighted(0.07);
        let step = (phrase(make.one_number), loses, room, cut).prop_map(|(phrase, loses, room, cut)| Step {
            phrase,
            loses,
            room,
            cut,
        });
        let steps = prop::collection::vec(step, 1..length);
        steps.prop_map(move |steps| Song { make, steps })
    })
}
