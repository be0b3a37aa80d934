//! Messages with a time ahead, held back until it comes.

use crate::midi::message;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// One that waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    time_ns: u64,
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

#[derive(Default)]
pub(super) struct Schedule {
    heap: BinaryHeap<Scheduled>,
    pushed: u64,
    /// Note Ons that wait, by client and note: how many, and when the last is due. Those for any client also count
    /// for `ANY`.
    note_ons: HashMap<(u32, u16), (usize, u64)>,
}

/// In place of a client: any of them. No client has this id: they begin with 1 and would have to count up to it.
const ANY: u32 = u32::MAX;

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Holds a message back until `time_ns`; a Note Off until its Note On at least.
    pub(super) fn add(&mut self, time_ns: u64, client: u32, bytes: &[u8]) {
        let time_ns = time_ns.max(self.note_on_before(client, bytes).unwrap_or(0));
        if message::is_note_on(bytes) {
            for client in [client, ANY] {
                let (count, last) = self.note_ons.entry((client, note_of(bytes))).or_default();
                *count += 1;
                *last = time_ns.max(*last);
            }
        }
        self.heap.push(Scheduled {
            time_ns,
            number: self.pushed,
            client,
            bytes: bytes.into(),
        });
        self.pushed += 1;
    }

    /// When the last Note On that waits and that this Note Off would end is due; None where it ends none.
    pub(super) fn note_on_before(&self, client: u32, bytes: &[u8]) -> Option<u64> {
        if self.note_ons.is_empty() || !message::is_note_off(bytes) {
            return None;
        }
        let last = |client| self.note_ons.get(&(client, note_of(bytes))).map(|(_, last)| *last);
        if client == 0 {
            last(ANY)
        } else {
            last(client).max(last(0))
        }
    }

    /// When the next is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|next| next.time_ns)
    }

    /// Takes the next one that is due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Scheduled> {
        if self.next_ns()? > now {
            return None;
        }
        let next = self.heap.pop()?;
        if message::is_note_on(&next.bytes) {
            for client in [next.client, ANY] {
                let key = (client, note_of(&next.bytes));
                // The last one due is the last to be taken.
                if let Some((count, _)) = self.note_ons.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        self.note_ons.remove(&key);
                    }
                }
            }
        }
        Some(next)
    }

    /// Forgets all; how many bytes that were.
    pub(super) fn clear(&mut self) -> usize {
        self.note_ons.clear();
        self.heap.drain().map(|waiting| waiting.bytes.len()).sum()
    }
}

/// Channel and note number of a note message.
fn note_of(bytes: &[u8]) -> u16 {
    u16::from(bytes[0] & 0x0F) << 7 | u16::from(bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;

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
        schedule.add(100, 0, &[0x91, 60, 1]);
        assert_eq!(schedule.note_on_before(0, &[0x81, 60, 0]), Some(100));
        assert_eq!(schedule.note_on_before(7, &[0x91, 60, 0]), Some(100));
        assert_eq!(schedule.note_on_before(0, &[0x91, 61, 0]), None);
        assert_eq!(schedule.note_on_before(0, &[0x91, 60, 5]), None);
        schedule.add(50, 0, &[0x81, 60, 0]);
        let order: Vec<u8> = std::iter::from_fn(|| schedule.take_due(100))
            .map(|next| next.bytes[0])
            .collect();
        assert_eq!(order, [0x91, 0x81]);
        assert!(schedule.note_ons.is_empty());
        schedule.add(100, 7, &[0x91, 60, 1]);
        assert_eq!(schedule.note_on_before(8, &[0x81, 60, 0]), None);
        assert_eq!(schedule.note_on_before(0, &[0x81, 60, 0]), Some(100));
        assert_eq!(schedule.clear(), 3);
        assert_eq!(schedule.note_on_before(0, &[0x81, 60, 0]), None);
    }
}
