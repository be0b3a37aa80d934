//! Messages with a time ahead, held back until it comes.

use crate::midi::message;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// One that waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scheduled {
    pub time_ns: u64,
    /// In order of pushing.
    number: u64,
    pub client: u32,
    pub bytes: Box<[u8]>,
}

impl Ord for Scheduled {
    /// The soonest is the greatest, for the heap; at the same time, the one pushed first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time_ns, other.number).cmp(&(self.time_ns, self.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A Note On or Note Off that waits.
#[derive(Clone, Copy, Debug)]
struct Note {
    time_ns: u64,
    number: u64,
    client: u32,
    on: bool,
}

impl Note {
    /// As `meet`.
    fn meets(&self, client: u32) -> bool {
        meet(self.client, client)
    }
}

#[derive(Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Scheduled>,
    pushed: u64,
    /// Note messages that wait, by channel and note, in the order in which they are due.
    notes: HashMap<u16, Vec<Note>>,
}

impl Schedule {
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Holds a message back until `time_ns`; for a Note Off, ask `time_of_note_off` first.
    pub(crate) fn add(&mut self, time_ns: u64, client: u32, bytes: &[u8]) {
        let number = self.pushed;
        self.pushed += 1;
        let on = message::is_note_on(bytes);
        if on || message::is_note_off(bytes) {
            let notes = self.notes.entry(note_of(bytes)).or_default();
            let at = notes.partition_point(|note| note.time_ns <= time_ns);
            let note = Note {
                time_ns,
                number,
                client,
                on,
            };
            notes.insert(at, note);
        }
        self.heap.push(Scheduled {
            time_ns,
            number,
            client,
            bytes: bytes.into(),
        });
    }

    /// When a message that is meant for `time_ns` may be sent: a Note Off that ends a note which begins later only
    /// when that has begun. `sounding`: how many Note Ons of its note were sent that no Note Off has ended.
    pub(crate) fn time_of(&self, time_ns: u64, client: u32, bytes: &[u8], sounding: impl FnOnce() -> usize) -> u64 {
        if self.notes.is_empty() || !message::is_note_off(bytes) {
            return time_ns;
        }
        let Some(notes) = self.notes.get(&note_of(bytes)) else {
            return time_ns;
        };
        let split = notes.partition_point(|note| note.time_ns <= time_ns);
        let (before, after) = notes.split_at(split);
        if !after.iter().any(|note| note.on && note.meets(client)) {
            return time_ns;
        }
        // One that ends nothing leaves nothing behind.
        let step = |held: usize, note: &Note| if note.on { held + 1 } else { held.saturating_sub(1) };
        let meeting = |note: &&Note| note.meets(client);
        let held = before.iter().filter(meeting).fold(sounding(), step);
        if held > 0 {
            return time_ns;
        }
        let begins = after.iter().filter(meeting).find(|note| note.on);
        begins.map_or(time_ns, |note| note.time_ns)
    }

    /// How many Note Offs wait for a note of a client.
    pub(crate) fn note_offs(&self, client: u32, bytes: &[u8]) -> usize {
        let notes = self.notes.get(&note_of(bytes)).map_or(&[][..], |notes| notes);
        notes.iter().filter(|note| !note.on && note.meets(client)).count()
    }

    /// When the last of what waits for a client is due until a time, notes not counted: by `channel_of`.
    pub(crate) fn last_of_channels(&self, client: u32, until: u64) -> [u64; CHANNELS] {
        let mut last = [0; CHANNELS];
        for waiting in &self.heap {
            if let Some(channel) = channel_of(&waiting.bytes)
                && meet(waiting.client, client)
                && waiting.time_ns <= until
            {
                last[channel] = last[channel].max(waiting.time_ns);
            }
        }
        last
    }

    /// When the next is due.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|next| next.time_ns)
    }

    /// Takes the next one that is due.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Scheduled> {
        if self.next_ns()? > now {
            return None;
        }
        let next = self.heap.pop()?;
        if message::is_note_on(&next.bytes) || message::is_note_off(&next.bytes) {
            let key = note_of(&next.bytes);
            if let Some(notes) = self.notes.get_mut(&key) {
                // It is the first of them.
                notes.retain(|note| note.number != next.number);
                if notes.is_empty() {
                    self.notes.remove(&key);
                }
            }
        }
        Some(next)
    }

    /// Takes all, in the order in which they are due.
    pub(crate) fn take_all(&mut self) -> Vec<Scheduled> {
        self.notes.clear();
        let mut all = std::mem::take(&mut self.heap).into_sorted_vec();
        all.reverse();
        all
    }
}

/// Whether messages for two clients, or for all (0), reach somebody both.
fn meet(one: u32, other: u32) -> bool {
    one == 0 || other == 0 || one == other
}

/// The sixteen, and one for what belongs to none.
pub(crate) const CHANNELS: usize = 17;

/// The channel whose state a message changes, notes aside; None: it changes no state.
pub(crate) fn channel_of(message: &[u8]) -> Option<usize> {
    match *message {
        [status @ 0xA0..=0xEF, ..] => Some(usize::from(status & 15)),
        [0xF2 | 0xF3 | 0xFA..=0xFC | 0xFF, ..] => Some(CHANNELS - 1),
        _ => None,
    }
}

/// Channel and note number of a note message.
fn note_of(bytes: &[u8]) -> u16 {
    u16::from(bytes[0] & 0x0F) << 7 | u16::from(bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFF: [u8; 3] = [0x81, 60, 0];
    const ON: [u8; 3] = [0x91, 60, 1];

    /// Adds a message as the network thread does.
    fn push(schedule: &mut Schedule, time: u64, client: u32, bytes: &[u8], sounding: usize) -> u64 {
        let time = schedule.time_of(time, client, bytes, || sounding);
        schedule.add(time, client, bytes);
        time
    }

    #[test]
    fn in_order_of_time_then_of_pushing() {
        let mut schedule = Schedule::default();
        for (time, number) in [(30, 0), (10, 1), (20, 2), (10, 3)] {
            schedule.add(time, 0, &[0xB0, 1, number]);
        }
        assert_eq!(schedule.next_ns(), Some(10));
        assert_eq!(schedule.take_due(9), None);
        let order: Vec<u8> = std::iter::from_fn(|| schedule.take_due(100))
            .map(|next| next.bytes[2])
            .collect();
        assert_eq!(order, [1, 3, 2, 0]);
    }

    #[test]
    fn a_note_off_never_overtakes_its_note_on() {
        let mut schedule = Schedule::default();
        schedule.add(100, 0, &ON);
        assert_eq!(schedule.time_of(0, 0, &OFF, || 0), 100);
        assert_eq!(schedule.time_of(0, 7, &[0x91, 60, 0], || 0), 100);
        assert_eq!(schedule.time_of(0, 0, &[0x91, 61, 0], || 0), 0);
        assert_eq!(schedule.time_of(0, 0, &ON, || 0), 0);
        assert_eq!(push(&mut schedule, 50, 0, &OFF, 0), 100);
        let order: Vec<u8> = std::iter::from_fn(|| schedule.take_due(100))
            .map(|next| next.bytes[0])
            .collect();
        assert_eq!(order, [0x91, 0x81]);
        assert!(schedule.notes.is_empty());
        schedule.add(100, 7, &ON);
        assert_eq!(schedule.time_of(0, 8, &OFF, || 0), 0);
        assert_eq!(schedule.time_of(0, 0, &OFF, || 0), 100);
        assert_eq!(schedule.take_all().len(), 1);
        assert_eq!(schedule.time_of(0, 0, &OFF, || 0), 0);
    }

    #[test]
    fn a_note_off_is_for_the_first_note_that_is_not_ended() {
        let mut schedule = Schedule::default();
        // The note sounds, and will be struck again: this ends it now.
        schedule.add(200, 0, &ON);
        assert_eq!(push(&mut schedule, 0, 0, &OFF, 1), 0);
        schedule.take_due(0);
        // Two notes, then their ends, pushed in any order.
        schedule.add(100, 0, &ON);
        assert_eq!(push(&mut schedule, 250, 0, &OFF, 0), 250);
        assert_eq!(push(&mut schedule, 150, 0, &OFF, 0), 150);
        // One more belongs to the second note at the soonest.
        assert_eq!(push(&mut schedule, 160, 0, &OFF, 0), 200);
        assert_eq!(schedule.note_offs(0, &OFF), 3);
    }

    proptest! {
        /// However notes are pushed: what comes out is in order of time, no Note Off comes before its Note On, and
        /// none is missing. Of a note that is struck again the ends are in order of its beginnings; of others, each
        /// note once, the end may be meant for a time before the beginning.
        #[test]
        fn offs_follow_their_ons(
            client in prop_oneof![Just(0u32), Just(7)],
            again in proptest::collection::vec((0u64..1000, 0u64..1000, 0u8..3), 0..40),
            once in proptest::collection::vec((0u64..1000, 0u64..1000), 0..40),
        ) {
            let mut schedule = Schedule::default();
            let again = again.into_iter().map(|(on, length, note)| (on, on + length, note));
            let once = once.into_iter().zip(3u8..).map(|((on, off), note)| (on, off, note));
            for (on, off, note) in again.chain(once) {
                schedule.add(on, client, &[0x90, note, 1]);
                push(&mut schedule, off, client, &[0x80, note, 1], 0);
            }
            let mut last = 0;
            let mut held = HashMap::<u8, i32>::new();
            while let Some(next) = schedule.take_due(u64::MAX) {
                prop_assert!(next.time_ns >= last);
                last = next.time_ns;
                let count = held.entry(next.bytes[1]).or_default();
                *count += if next.bytes[0] == 0x90 { 1 } else { -1 };
                prop_assert!(*count >= 0);
            }
            prop_assert!(held.values().all(|count| *count == 0));
            prop_assert!(schedule.notes.is_empty() && schedule.is_empty());
        }
    }
}
