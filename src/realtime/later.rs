//! Refused messages that were meant for a time ahead: each keeps its time, in a table of fixed size.
//!
//! The table holds what has to reach the peer in the end. Of a controller, a program and the like the last value in time
//! is enough, so that a fader that moves takes one entry. A release (a Note Off, a pedal that goes up) keeps an entry of
//! its own each time, and so does whatever means something only in its order: banks, parameter numbers, data entry. A
//! Note On is never struck late. Its entry is there so that the Note Off that would end it is dropped with it: unless
//! something silences the note between the two. Then the Note Off ends a later note.

use crate::midi::channels::Channels;
use crate::midi::message;
use crate::realtime::shared::scheduled_cost;

/// How many messages for a time ahead are kept with their times.
pub(crate) const MOST_LATER: usize = 256;

/// A refused message that was meant for a time ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    pub due_ns: u64,
    /// Whom it is for; 0: everybody.
    pub client: u32,
    /// It was pushed before a `cancel`: it matters only if it ends something at the peer.
    pub cancelled: bool,
    /// A Note Off whose Note On, meant for this time, is not struck: it is not sent either.
    unstruck_ns: Option<u64>,
    length: u8,
    bytes: [u8; 3],
}

impl Later {
    /// None for a message that can only be summarised: it is too long to be state.
    #[must_use]
    pub(super) fn new(due_ns: u64, client: u32, message: &[u8]) -> Option<Self> {
        let mut bytes = [0; 3];
        bytes.get_mut(..message.len())?.copy_from_slice(message);
        Some(Self {
            due_ns,
            client,
            cancelled: false,
            unstruck_ns: None,
            length: message.len() as u8,
            bytes,
        })
    }

    #[must_use]
    pub(crate) fn message(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    /// Whether it only stands for a note that is not struck.
    fn is_note_on(&self) -> bool {
        message::is_note_on(self.message())
    }

    /// Whether it is a Note Off whose Note On is not struck.
    pub(super) fn is_unstruck(&self) -> bool {
        self.unstruck_ns.is_some()
    }

    /// Whether it only stands for a note that is not struck, or would end it.
    fn is_silent(&self) -> bool {
        self.is_note_on() || self.is_unstruck()
    }

    /// Whether it silences the notes of a Note Off's channel, between two times.
    fn silences(&self, off: &Self, after_ns: u64) -> bool {
        let silences = match self.bytes {
            [0xB0..=0xBF, 120 | 123..=127, _] => (self.bytes[0] ^ off.bytes[0]) & 0x0F == 0,
            [0xFF, ..] => true,
            _ => false,
        };
        silences && (self.client == 0 || self.client == off.client) && (after_ns..=off.due_ns).contains(&self.due_ns)
    }

    /// What it counts for among the scheduled bytes.
    fn cost(&self) -> usize {
        if self.is_silent() {
            0
        } else {
            scheduled_cost(self.message().len())
        }
    }

    fn releases(&self) -> bool {
        let message = self.message();
        message::is_note_off(message) || message::is_switch_off(message) || message::lets_go(message)
    }

    /// Whether both set the same value, so that only the later one counts in the end.
    fn sets_the_same_as(&self, other: &Self) -> bool {
        self.client == other.client
            && self.bytes[0] == other.bytes[0]
            && !self.releases()
            && !other.releases()
            && match self.bytes {
                [0xA0..=0xAF, ..] => self.bytes[1] == other.bytes[1],
                [0xB0..=0xBF, controller, _] => controller == other.bytes[1] && stands_alone(controller),
                [0xC0..=0xEF, ..] => true,
                _ => false,
            }
    }

    /// Whether this Note Off ends that Note On.
    fn ends(&self, on: &Self) -> bool {
        on.is_note_on()
            && on.client == self.client
            && on.due_ns <= self.due_ns
            && on.bytes[0] & 0x0F == self.bytes[0] & 0x0F
            && on.bytes[1] == self.bytes[1]
    }
}

/// Whether a controller's value means the same whatever comes around it.
fn stands_alone(controller: u8) -> bool {
    !matches!(controller, 0 | 32 | 6 | 38 | 84 | 88 | 96..=101 | 120..)
}

/// The messages that wait, in order of time, then of pushing.
pub(super) struct Table {
    entries: Vec<Later>,
    most: usize,
    /// What they count for among the scheduled bytes.
    bytes: usize,
}

impl Table {
    /// All the memory that it ever needs is allocated here, and written to: the first write to a page that the system
    /// only promised would be a page fault on the audio thread.
    pub(super) fn new(most: usize) -> Self {
        let written = Later {
            due_ns: u64::MAX,
            client: u32::MAX,
            cancelled: false,
            unstruck_ns: None,
            length: 0,
            bytes: [0; 3],
        };
        let mut entries = vec![written; most];
        entries.clear();
        Self {
            entries,
            most,
            bytes: 0,
        }
    }

    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Adds a message. Where there is no room, the soonest makes room for it, and is given back: it comes before all
    /// that stays.
    #[must_use]
    pub(super) fn add(&mut self, mut later: Later) -> Option<Later> {
        let is_release = message::is_note_off(later.message());
        let on = self.entries.iter().position(|entry| is_release && later.ends(entry));
        if let Some(on) = on {
            let on_ns = self.remove(on).due_ns;
            let is_silenced = self.entries.iter().any(|entry| entry.silences(&later, on_ns));
            later.unstruck_ns = (!is_silenced).then_some(on_ns);
        } else if later.releases() {
            self.part(&later);
        }
        if let Some(same) = self.entries.iter().position(|entry| later.sets_the_same_as(entry)) {
            if self.entries[same].due_ns > later.due_ns {
                return None;
            }
            self.remove(same);
        }
        let mut soonest = None;
        if self.entries.len() >= self.most {
            if self.entries.first().is_none_or(|first| later.due_ns < first.due_ns) {
                return Some(later);
            }
            soonest = Some(self.remove(0));
        }
        let at = self.entries.partition_point(|entry| entry.due_ns <= later.due_ns);
        self.bytes += later.cost();
        self.entries.insert(at, later);
        soonest
    }

    /// Notes are silenced: the Note Offs after that belong to later ones.
    fn part(&mut self, silencer: &Later) {
        for entry in &mut self.entries {
            if entry.unstruck_ns.is_some_and(|on_ns| silencer.silences(entry, on_ns)) {
                entry.unstruck_ns = None;
                self.bytes += entry.cost();
            }
        }
    }

    /// Takes the soonest, if its time has come.
    #[must_use]
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<Later> {
        if self.entries.first()?.due_ns > now_ns {
            return None;
        }
        Some(self.remove(0))
    }

    fn remove(&mut self, index: usize) -> Later {
        let later = self.entries.remove(index);
        self.bytes -= later.cost();
        later
    }

    /// After `cancel`: what is left are releases, and each is marked.
    pub(super) fn cancel(&mut self) {
        self.entries.retain(|later| later.releases() && !later.is_unstruck());
        for later in &mut self.entries {
            later.cancelled = true;
        }
        self.bytes = self.entries.iter().map(Later::cost).sum();
    }

    /// Forgets the messages of some channels.
    pub(super) fn forget(&mut self, channels: Channels) {
        self.entries.retain(|later| !channels.has(later.message()));
        self.bytes = self.entries.iter().map(Later::cost).sum();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Later> {
        self.entries.iter().filter(|later| !later.is_silent())
    }
}

/// Whether a cancelled message is worth keeping where nobody can tell what sounds at the peer.
#[must_use]
pub(super) fn survives_cancel(later: &Later) -> bool {
    !later.cancelled || later.releases()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn add(table: &mut Table, due_ns: u64, message: &[u8]) -> Option<Later> {
        table.add(Later::new(due_ns, 0, message).unwrap())
    }

    fn waiting(table: &Table) -> Vec<(u64, Vec<u8>)> {
        table
            .iter()
            .map(|later| (later.due_ns, later.message().to_vec()))
            .collect()
    }

    #[test]
    fn the_last_value_in_time_counts() {
        let mut table = Table::new(8);
        assert_eq!(add(&mut table, 30, &[0xB0, 7, 3]), None);
        assert_eq!(add(&mut table, 10, &[0xB0, 7, 1]), None);
        assert_eq!(add(&mut table, 20, &[0xB1, 7, 2]), None);
        assert_eq!(add(&mut table, 40, &[0xB0, 7, 4]), None);
        assert_eq!(add(&mut table, 35, &[0xC0, 5]), None);
        let all = [(20, vec![0xB1, 7, 2]), (35, vec![0xC0, 5]), (40, vec![0xB0, 7, 4])];
        assert_eq!(waiting(&table), all);
        assert_eq!(table.bytes(), scheduled_cost(3) * 2 + scheduled_cost(2));
    }

    #[test]
    fn releases_keep_each_time_and_follow_their_note_ons() {
        let mut table = Table::new(8);
        for (due_ns, message) in [
            (10, [0x90, 60, 1]),
            (20, [0x80, 60, 0]),
            (30, [0x80, 60, 0]),
            (30, [0xB0, 64, 0]),
            (40, [0x90, 60, 0]),
            (50, [0xB0, 64, 0]),
        ] {
            assert_eq!(add(&mut table, due_ns, &message), None);
        }
        // The first Note Off went with the Note On.
        let times: Vec<u64> = waiting(&table).into_iter().map(|(due_ns, _)| due_ns).collect();
        assert_eq!(times, [30, 30, 40, 50]);
        // A Note Off does not end a note that begins later.
        assert_eq!(add(&mut table, 70, &[0x90, 61, 1]), None);
        assert_eq!(add(&mut table, 60, &[0x80, 61, 0]), None);
        assert_eq!(table.iter().count(), 5);
    }

    #[test]
    fn a_note_off_after_a_reset_ends_a_later_note() {
        for silencer in [&[0xFF][..], &[0xB0, 123, 0], &[0xB0, 126, 0]] {
            for silencer_first in [true, false] {
                let mut table = Table::new(8);
                assert_eq!(add(&mut table, 10, &[0x90, 60, 1]), None);
                if silencer_first {
                    assert_eq!(add(&mut table, 20, silencer), None);
                }
                // Another one, which goes with the Note On.
                assert_eq!(add(&mut table, 5, &[0x90, 61, 1]), None);
                assert_eq!(add(&mut table, 15, &[0x80, 61, 0]), None);
                assert_eq!(add(&mut table, 30, &[0x80, 60, 0]), None);
                if !silencer_first {
                    assert_eq!(add(&mut table, 20, silencer), None);
                }
                // Another channel's does not count.
                assert_eq!(add(&mut table, 10, &[0xB1, 123, 0]), None);
                let times: Vec<u64> = waiting(&table).into_iter().map(|(due_ns, _)| due_ns).collect();
                assert_eq!(times, [10, 20, 30], "{silencer:?} {silencer_first}");
                assert_eq!(table.bytes(), table.iter().map(Later::cost).sum::<usize>());
                while table.take_due(30).is_some() {}
                assert_eq!(table.bytes(), 0);
            }
        }
    }

    #[test]
    fn the_soonest_makes_room() {
        let mut table = Table::new(2);
        assert_eq!(add(&mut table, 20, &[0x80, 60, 0]), None);
        assert_eq!(add(&mut table, 10, &[0x80, 61, 0]), None);
        assert_eq!(add(&mut table, 30, &[0x80, 62, 0]).unwrap().due_ns, 10);
        assert_eq!(add(&mut table, 5, &[0x80, 63, 0]).unwrap().due_ns, 5);
        assert_eq!(table.take_due(19), None);
        assert_eq!(table.take_due(20).unwrap().due_ns, 20);
        assert_eq!(table.bytes(), scheduled_cost(3));
        assert_eq!(add(&mut Table::new(0), 5, &[0x80, 63, 0]).unwrap().due_ns, 5);
    }

    #[test]
    fn data_entry_keeps_its_order() {
        let mut table = Table::new(16);
        let parameter = [[0xB0, 101, 0], [0xB0, 100, 1], [0xB0, 6, 5]];
        for message in parameter.iter().chain(&parameter) {
            assert_eq!(add(&mut table, 10, message), None);
        }
        assert_eq!(table.iter().count(), 6);
    }

    #[test]
    fn after_cancel_there_are_releases() {
        let mut table = Table::new(8);
        for message in [[0x90, 60, 1], [0xB0, 7, 1], [0x80, 61, 0]] {
            assert_eq!(add(&mut table, 10, &message), None);
        }
        table.cancel();
        assert_eq!(waiting(&table), [(10, vec![0x80, 61, 0])]);
        assert!(table.iter().all(|later| later.cancelled) && table.bytes() == scheduled_cost(3));
        assert_eq!(Later::new(1, 0, &[0xF0, 1, 2, 0xF7]), None);
    }
}
