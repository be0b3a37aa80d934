//! What the popping thread is owed from peers that have gone: what they sent and was not handed over, and the releases of
//! what they hold.
//!
//! None of it needs a connection: a peer that has left holds no descriptor and no place, however long nobody pops.

use super::track::Track;
use crate::midi::message;
use crate::midi::parser::Parser;
use crate::midi::short::Short;
use std::collections::VecDeque;

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
}

impl Departed {
    pub(super) fn new(client: u32, backlog: Backlog) -> Self {
        Self {
            client,
            backlog: Some(backlog),
            releases: VecDeque::new(),
        }
    }

    /// Whether it still holds what a release ends.
    pub(super) fn holds(&self, release: &[u8]) -> bool {
        self.releases.iter().any(|other| is_same_release(other, release))
            || self
                .backlog
                .as_ref()
                .is_some_and(|backlog| holds(&backlog.track, release))
    }
}

/// Whether two releases are of the same note or controller.
fn is_same_release(one: &[u8], other: &[u8]) -> bool {
    let key = |bytes: &[u8]| match *bytes {
        [status @ 0x80..=0x9F, number, _] => Some((status & 15, number, false)),
        [status @ 0xB0..=0xBF, number, _] => Some((status & 15, number, true)),
        _ => None,
    };
    key(one).is_some() && key(one) == key(other)
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
    /// Some while messages are lost because the in queue was full; whether CONGESTED was told, and RECOVERED must be.
    pub loss: Option<bool>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.loss.is_none() && self.departed.is_empty()
    }

    /// Whether one more backlog of so many bytes can be kept, of a port that has so many clients at most.
    pub(super) fn has_room_for(&self, bytes: usize, most: usize) -> bool {
        let backlogs = || self.departed.iter().filter_map(|departed| departed.backlog.as_ref());
        let held: usize = backlogs().map(|backlog| backlog.bytes.len()).sum();
        backlogs().count() < most && held + bytes <= MOST_BACKLOG_BYTES
    }
}
