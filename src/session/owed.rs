//! What the popping thread is owed from peers that have gone: what they sent and was not handed over, and the releases of
//! what they hold.
//!
//! None of it needs a connection: a peer that has left holds no descriptor and no place, however long nobody pops.

use super::sender_time::SenderTime;
use super::track::Track;
use crate::midi::message;
use crate::midi::parser::Parser;
use crate::midi::short::Short;
use std::collections::{HashMap, VecDeque};

/// What departed peers sent and was not handed over may take so many bytes; what is beyond is dropped, and counted.
const MOST_BACKLOG_BYTES: usize = 16 << 20;

/// What is owed for one peer that has gone.
pub(super) struct Departed {
    pub client: u32,
    /// Some, until it is all handed over.
    pub backlog: Option<Backlog>,
    /// The releases of what it holds.
    pub releases: VecDeque<Short>,
}

/// What a peer sent and was not handed over yet.
pub(super) struct Backlog {
    pub parser: Parser,
    pub bytes: Vec<u8>,
    pub arrived_ns: u64,
    pub track: Track,
    pub time: SenderTime,
}

impl Departed {
    pub(super) fn new(client: u32, backlog: Backlog) -> Self {
        Self {
            client,
            backlog: Some(backlog),
            releases: VecDeque::new(),
        }
    }
}

/// What a release ends: a note of a channel, or a pedal.
type Held = (u8, u8, bool);

fn held_by(release: &[u8]) -> Option<Held> {
    match *release {
        [status @ 0x80..=0x9F, number, _] => Some((status & 15, number, false)),
        [status @ 0xB0..=0xBF, number, _] => Some((status & 15, number, true)),
        _ => None,
    }
}

/// Whether a receiver holds the note or pedal that a message releases.
pub(super) fn holds(track: &Track, release: &[u8]) -> bool {
    let Some(received) = track.received() else {
        return false;
    };
    match *release {
        [status @ 0x80..=0x8F, note, _] => received.holds_note(status & 15, note) != 0,
        [status @ 0xB0..=0xBF, pedal, _] => received.holds_pedal(status & 15, pedal),
        _ => false,
    }
}

/// Whether a message releases a note or a pedal, so that it matters whether others hold the same.
pub(super) fn is_release(message: &[u8]) -> bool {
    message::is_note_off(message) || message::is_switch_off(message)
}

/// All that is owed on one port.
#[derive(Default)]
pub(super) struct Owed {
    pub departed: VecDeque<Departed>,
    /// What their releases end, and of how many of them.
    held: HashMap<Held, usize>,
    /// Some while messages are lost because the in queue was full; whether CONGESTED was told, and RECOVERED must be.
    pub loss: Option<bool>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.loss.is_none() && self.departed.is_empty()
    }

    /// The releases of a peer that has departed are known now.
    pub(super) fn note_releases(&mut self, departed: &Departed) {
        let mut last = None;
        for release in &departed.releases {
            let held = held_by(release);
            if let Some(held) = held.filter(|_| held != last) {
                *self.held.entry(held).or_default() += 1;
            }
            last = held;
        }
    }

    /// Takes the next release of a departed peer, and whether another departed peer holds the same.
    pub(super) fn next_release(&mut self, departed: &mut Departed) -> Option<(Short, bool)> {
        let release = departed.releases.pop_front()?;
        let Some(held) = held_by(&release) else {
            return Some((release, false));
        };
        let comes_again = departed
            .releases
            .front()
            .is_some_and(|next| held_by(next) == Some(held));
        let Some(count) = self.held.get_mut(&held) else {
            return Some((release, false));
        };
        if comes_again {
            return Some((release, *count > 1));
        }
        *count -= 1;
        let others = *count != 0;
        if !others {
            self.held.remove(&held);
        }
        Some((release, others))
    }

    /// Whether the releases of a departed peer end what this one ends.
    pub(super) fn ends_too(&self, release: &[u8]) -> bool {
        held_by(release).is_some_and(|held| self.held.contains_key(&held))
    }

    /// Whether a departed peer of which not all was handed over holds what a release ends.
    pub(super) fn backlog_holds(&self, release: &[u8]) -> bool {
        let backlogs = self.departed.iter().filter_map(|departed| departed.backlog.as_ref());
        backlogs.into_iter().any(|backlog| holds(&backlog.track, release))
    }

    /// Nothing is owed any more of those that have departed.
    pub(super) fn forget_departed(&mut self) {
        self.departed.clear();
        self.held.clear();
    }

    /// Whether one more backlog of so many bytes can be kept, of a port that has so many clients at most.
    pub(super) fn has_room_for(&self, bytes: usize, most: usize) -> bool {
        let backlogs = || self.departed.iter().filter_map(|departed| departed.backlog.as_ref());
        let held: usize = backlogs().map(|backlog| backlog.bytes.len()).sum();
        backlogs().count() < most && held + bytes <= MOST_BACKLOG_BYTES
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::midi::parser::Parser;

    fn departed(messages: &[[u8; 3]]) -> Departed {
        let mut track = Track::default();
        messages.iter().for_each(|message| track.deliver(message));
        let mut departed = Departed {
            client: 1,
            backlog: None,
            releases: VecDeque::new(),
        };
        departed.releases.extend(std::iter::from_fn(|| track.next_release()));
        departed
    }

    #[test]
    fn it_is_known_whether_another_one_holds_the_same() {
        let mut owed = Owed::default();
        let note = [0x90, 60, 1];
        let mut first = departed(&[note, note, [0x90, 61, 1], [0xB0, 64, 127]]);
        let mut second = departed(&[note, [0xB0, 64, 127], [0xE0, 0, 0]]);
        owed.note_releases(&first);
        owed.note_releases(&second);
        assert!(owed.ends_too(&[0x80, 61, 0]) && !owed.ends_too(&[0x80, 62, 0]));
        let mut others = |departed: &mut Departed| {
            let all = std::iter::from_fn(|| owed.next_release(departed).map(|(_, others)| others));
            all.collect::<Vec<bool>>()
        };
        assert_eq!(others(&mut first), [true, true, false, true]);
        assert_eq!(others(&mut second), [false, false, false]);
        assert!(owed.held.is_empty());
        let backlog = Backlog {
            parser: Parser::new(0),
            bytes: vec![0x90],
            arrived_ns: 0,
            track: Track::default(),
            time: SenderTime::default(),
        };
        owed.departed.push_back(Departed::new(1, backlog));
        assert!(!owed.backlog_holds(&[0x80, 60, 0]));
    }
}
