//! Messages with a time ahead, held back until it comes.
//!
//! A Note Off never leaves before the Note On that it ends: see [`pairs`](super::pairs).

use super::pairs::{OffsFor, Pairs};
use crate::midi::channels::Channels;
use crate::midi::message;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// A message on its way to the peers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    /// Whom it is for; 0: everybody, but those in `except`.
    pub client: u32,
    pub except: &'a [u32],
    /// It stands for one that push refused, and counted as dropped.
    pub made: bool,
    /// When it is meant, for peers that are told.
    pub meant_ns: u64,
    pub bytes: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// One that was pushed.
    pub(super) fn pushed(meant_ns: u64, client: u32, bytes: &'a [u8]) -> Self {
        Self {
            client,
            except: &[],
            made: false,
            meant_ns,
            bytes,
        }
    }

    /// Whether it is for a client.
    pub(super) fn reaches(&self, client: u32) -> bool {
        (self.client == 0 || self.client == client) && !self.except.contains(&client)
    }
}

/// A message that waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    pub time_ns: u64,
    /// In order of pushing.
    number: u64,
    pub client: u32,
    except: Box<[u32]>,
    pub made: bool,
    pub bytes: Box<[u8]>,
}

impl Scheduled {
    pub(super) fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            client: self.client,
            except: &self.except,
            made: self.made,
            meant_ns: self.time_ns,
            bytes: &self.bytes,
        }
    }
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
    keys: HashMap<u16, Pairs>,
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When a message that is meant for `time_ns` may leave, and for which of its `receivers` at another time: a Note Off
    /// leaves not before its Note On. `unended`: at which receivers its note sounds more often than Note Offs wait for
    /// them. Both are asked only where it matters.
    pub(super) fn times_of(
        &self,
        time_ns: u64,
        client: u32,
        bytes: &[u8],
        receivers: impl FnOnce() -> Vec<u32>,
        unended: impl FnOnce(OffsFor) -> Vec<u32>,
    ) -> (u64, Vec<(u32, u64)>) {
        match self.pairs_of(bytes).filter(|_| message::is_note_off(bytes)) {
            Some(pairs) => pairs.times_of(time_ns, client, receivers, unended),
            None => (time_ns, Vec::new()),
        }
    }

    fn pairs_of(&self, bytes: &[u8]) -> Option<&Pairs> {
        if self.keys.is_empty() || bytes.len() < 2 {
            return None;
        }
        self.keys.get(&key_of(bytes))
    }

    /// Holds a message that is meant for `time_ns` back until `at`: a Note Off may have to wait for its Note On.
    pub(super) fn add(
        &mut self,
        time_ns: u64,
        at: u64,
        message: Outgoing<'_>,
        unended: impl FnOnce(OffsFor) -> Vec<u32>,
    ) {
        let Outgoing {
            client,
            except,
            made,
            bytes,
            ..
        } = message;
        let number = self.pushed;
        self.pushed += 1;
        if message::is_note_on(bytes) {
            let pairs = self.keys.entry(key_of(bytes)).or_default();
            pairs.add_on((at, number), client, except);
        } else if message::is_note_off(bytes) {
            let pairs = self.keys.entry(key_of(bytes)).or_default();
            pairs.add_off(time_ns, at, client, except, unended);
        }
        self.heap.push(Scheduled {
            time_ns: at,
            number,
            client,
            except: except.into(),
            made,
            bytes: bytes.into(),
        });
    }

    /// Whether nothing is known of any note.
    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many Note Offs wait that end what sounds of this note at a client.
    pub(super) fn note_offs(&self, client: u32, bytes: &[u8]) -> usize {
        self.pairs_of(bytes).map_or(0, |pairs| pairs.offs_for(client))
    }

    /// A client has left.
    pub(super) fn forget_client(&mut self, client: u32) {
        self.keys.values_mut().for_each(|pairs| pairs.forget_client(client));
        self.keys.retain(|_, pairs| !pairs.is_empty());
    }

    /// For when the last message is scheduled on each channel, notes aside, that a client meets, up to a time; 0: none is.
    pub(super) fn last_of_channels(&self, client: u32, until: u64) -> [u64; CHANNELS] {
        let mut last = [0; CHANNELS];
        let waiting = self.heap.iter().filter(|waiting| waiting.time_ns <= until);
        for waiting in waiting.filter(|waiting| meet(waiting.client, client)) {
            if let Some(channel) = channel_of(&waiting.bytes) {
                last[channel] = last[channel].max(waiting.time_ns);
            }
        }
        last
    }

    /// The messages that are due for a client and for others too, in order.
    pub(super) fn due_for_all(&self, now: u64, client: u32) -> Vec<&Scheduled> {
        let waiting = self.heap.iter().filter(|waiting| waiting.time_ns <= now);
        let is_shared = |waiting: &&Scheduled| waiting.client == 0 && waiting.outgoing().reaches(client);
        let mut due: Vec<&Scheduled> = waiting.filter(is_shared).collect();
        due.sort_by(|one, other| other.cmp(one));
        due
    }

    /// Takes what is due for one client alone, in order.
    pub(super) fn take_named(&mut self, now: u64, client: u32) -> Vec<Scheduled> {
        let is_named = |waiting: &Scheduled| waiting.time_ns <= now && waiting.client == client;
        if !self.heap.iter().any(is_named) {
            return Vec::new();
        }
        let (mut named, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.heap).into_iter().partition(is_named);
        self.heap = others.into();
        named.sort_by(|one, other| other.cmp(one));
        named.iter().for_each(|message| self.note_leaves(message));
        named
    }

    /// When the next message is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|next| next.time_ns)
    }

    /// Takes the next message that is due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Scheduled> {
        if self.next_ns()? > now {
            return None;
        }
        let next = self.heap.pop()?;
        self.note_leaves(&next);
        Some(next)
    }

    /// Keeps the books on notes when a message leaves.
    fn note_leaves(&mut self, leaving: &Scheduled) {
        if !message::is_note_on(&leaving.bytes) && !message::is_note_off(&leaving.bytes) {
            return;
        }
        let number = key_of(&leaving.bytes);
        let Some(pairs) = self.keys.get_mut(&number) else {
            return;
        };
        if message::is_note_off(&leaving.bytes) {
            pairs.off_leaves(leaving.client, &leaving.except);
        } else {
            pairs.on_leaves((leaving.time_ns, leaving.number));
        }
        if pairs.is_empty() {
            self.keys.remove(&number);
        }
    }

    /// Takes the messages of some channels, in the order in which they are due.
    pub(super) fn take_channels(&mut self, channels: Channels) -> Vec<Scheduled> {
        let all = std::mem::take(&mut self.heap).into_vec();
        let (mut taken, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|waiting| channels.has(&waiting.bytes));
        self.heap = kept.into();
        self.keys.retain(|key, _| !channels.has_status((key >> 7) as u8));
        taken.sort_by(|one, other| other.cmp(one));
        taken
    }

    /// Takes all, in the order in which they are due.
    pub(super) fn take_all(&mut self) -> Vec<Scheduled> {
        self.keys.clear();
        let mut all = std::mem::take(&mut self.heap).into_sorted_vec();
        all.reverse();
        all
    }
}

/// Whether messages for two clients, or for all (0), reach a common one.
fn meet(one: u32, other: u32) -> bool {
    one == 0 || other == 0 || one == other
}

/// The channels, and one more for what concerns all of them.
pub(super) const CHANNELS: usize = 17;

/// The channel whose state a message changes, notes aside; None: it changes no state.
pub(super) fn channel_of(message: &[u8]) -> Option<usize> {
    match *message {
        [status @ 0xA0..=0xEF, ..] => Some(usize::from(status & 15)),
        [0xF2 | 0xF3 | 0xFA..=0xFC | 0xFF, ..] => Some(CHANNELS - 1),
        _ => None,
    }
}

/// Channel and note number of a note message.
fn key_of(bytes: &[u8]) -> u16 {
    u16::from(bytes[0] & 0x0F) << 7 | u16::from(bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFF: [u8; 3] = [0x81, 60, 0];
    const ON: [u8; 3] = [0x91, 60, 1];

    /// A note sounds so often at a client.
    fn sounds(client: u32, count: usize) -> impl FnOnce(OffsFor) -> Vec<u32> {
        move |offs| if count > offs(client) { vec![client] } else { Vec::new() }
    }

    fn time_of(schedule: &Schedule, time: u64, client: u32, bytes: &[u8], sounding: usize) -> u64 {
        let times = schedule.times_of(time, client, bytes, Vec::new, sounds(client, sounding));
        times.0
    }

    /// Adds a message as a session does, and says when it will leave.
    fn push(schedule: &mut Schedule, time: u64, client: u32, bytes: &[u8], sounding: usize) -> u64 {
        let at = time_of(schedule, time, client, bytes, sounding);
        schedule.add(
            time,
            at,
            Outgoing::pushed(time, client, bytes),
            sounds(client, sounding),
        );
        at
    }

    fn statuses(schedule: &mut Schedule) -> Vec<(u64, u8)> {
        std::iter::from_fn(|| schedule.take_due(u64::MAX))
            .map(|next| (next.time_ns, next.bytes[0]))
            .collect()
    }

    #[test]
    fn in_order_of_time_then_of_pushing() {
        let mut schedule = Schedule::default();
        for (time, number) in [(30, 0), (10, 1), (20, 2), (10, 3)] {
            push(&mut schedule, time, 0, &[0xB0, 1, number], 0);
        }
        assert_eq!(schedule.next_ns(), Some(10));
        assert_eq!(schedule.take_due(9), None);
        let order: Vec<u8> = std::iter::from_fn(|| schedule.take_due(100))
            .map(|next| next.bytes[2])
            .collect();
        assert_eq!(order, [1, 3, 2, 0]);
    }

    #[test]
    fn a_note_off_waits_for_its_note_on() {
        let mut schedule = Schedule::default();
        push(&mut schedule, 100, 0, &ON, 0);
        assert_eq!(time_of(&schedule, 0, 0, &OFF, 0), 100);
        assert_eq!(time_of(&schedule, 0, 7, &[0x91, 60, 0], 0), 100);
        assert_eq!(time_of(&schedule, 0, 0, &[0x91, 61, 0], 0), 0, "another note");
        assert_eq!(time_of(&schedule, 0, 0, &ON, 0), 0);
        assert_eq!(push(&mut schedule, 50, 0, &OFF, 0), 100);
        assert_eq!(statuses(&mut schedule), [(100, 0x91), (100, 0x81)]);
        assert!(schedule.keys.is_empty());
    }

    #[test]
    fn a_note_off_for_another_client_does_not_wait() {
        let mut schedule = Schedule::default();
        push(&mut schedule, 100, 7, &ON, 0);
        assert_eq!(time_of(&schedule, 0, 8, &OFF, 0), 0);
        assert_eq!(time_of(&schedule, 0, 7, &OFF, 0), 100);
        let times = schedule.times_of(0, 0, &OFF, || vec![6, 7, 8], |_| Vec::new());
        assert_eq!(times, (0, vec![(7, 100)]));
        assert_eq!(schedule.take_all().len(), 1);
        assert_eq!(time_of(&schedule, 0, 7, &OFF, 0), 0);
    }

    #[test]
    fn each_note_off_has_its_note_on() {
        // Two notes ahead, two Note Offs for now.
        let mut schedule = Schedule::default();
        push(&mut schedule, 100, 0, &ON, 0);
        push(&mut schedule, 200, 0, &ON, 0);
        assert_eq!(push(&mut schedule, 0, 0, &OFF, 0), 100);
        assert_eq!(push(&mut schedule, 0, 0, &OFF, 0), 200);
        assert_eq!(
            push(&mut schedule, 0, 0, &OFF, 0),
            0,
            "one more ends nothing, and does not wait"
        );
        let on_off = [(0, 0x81), (100, 0x91), (100, 0x81), (200, 0x91), (200, 0x81)];
        assert_eq!(statuses(&mut schedule), on_off);
        assert!(schedule.keys.is_empty());
    }

    #[test]
    fn a_note_that_sounds_is_ended_before_it_is_struck_again() {
        let mut schedule = Schedule::default();
        push(&mut schedule, 200, 0, &ON, 0);
        assert_eq!(push(&mut schedule, 10, 0, &OFF, 1), 10);
        assert_eq!(schedule.note_offs(0, &OFF), 1);
        assert_eq!(push(&mut schedule, 20, 0, &OFF, 1), 200, "what sounds has its Note Off");
        schedule.take_due(10);
        assert_eq!(schedule.note_offs(0, &OFF), 0);
    }

    #[test]
    fn two_notes_may_be_ended_in_any_order() {
        let mut schedule = Schedule::default();
        push(&mut schedule, 100, 0, &ON, 0);
        push(&mut schedule, 200, 0, &ON, 0);
        assert_eq!(push(&mut schedule, 250, 0, &OFF, 0), 250);
        assert_eq!(push(&mut schedule, 150, 0, &OFF, 0), 150);
        assert_eq!(
            statuses(&mut schedule),
            [(100, 0x91), (150, 0x81), (200, 0x91), (250, 0x81)]
        );
    }

    /// Live Note Offs of a key with one strike ahead cost the same each, and all but one leave at once.
    #[test]
    fn a_flood_of_note_offs_is_not_kept() {
        let mut schedule = Schedule::default();
        push(&mut schedule, 1000, 0, &ON, 0);
        let waiting = (0..100_000).filter(|_| {
            let at = time_of(&schedule, 0, 0, &OFF, 0);
            let waits = at > 0;
            if waits {
                schedule.add(0, at, Outgoing::pushed(at, 0, &OFF), sounds(0, 0));
            }
            waits
        });
        assert_eq!(waiting.count(), 1);
        assert_eq!(schedule.heap.len(), 2);
    }

    proptest! {
        /// However notes are pushed: what leaves is in order of time, no Note Off comes before its Note On, and none is
        /// missing: where as many Note Offs as Note Ons are pushed, nothing sounds in the end.
        #[test]
        fn note_offs_follow_their_note_ons(
            client in prop_oneof![Just(0u32), Just(7)],
            notes in proptest::collection::vec((0u64..1000, 0u64..1000, 0u8..3, any::<bool>()), 0..60),
            shuffle in any::<u64>(),
        ) {
            let mut schedule = Schedule::default();
            let mut pushes = Vec::new();
            for (on, off, note, _) in &notes {
                pushes.push((*on, true, *note));
                pushes.push((*off, false, *note));
            }
            // Note Offs anywhere behind the first of their Note Ons.
            let mut random = shuffle | 1;
            for index in (1..pushes.len()).rev() {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let other = (random % (index as u64 + 1)) as usize;
                if pushes[index].1 == pushes[other].1 {
                    pushes.swap(index, other);
                }
            }
            for (time, on, note) in pushes {
                let status = if on { 0x90 } else { 0x80 };
                push(&mut schedule, time, client, &[status, note, 1], 0);
            }
            let mut last = 0;
            let mut held = HashMap::<u8, i32>::new();
            while let Some(next) = schedule.take_due(u64::MAX) {
                prop_assert!(next.time_ns >= last);
                last = next.time_ns;
                let count = held.entry(next.bytes[1]).or_default();
                *count += if next.bytes[0] == 0x90 { 1 } else { -1 };
                // A Note Off pushed before its Note On leaves without it.
                prop_assert!(*count >= -60);
            }
            prop_assert!(schedule.keys.is_empty() && schedule.is_empty());
            prop_assert!(held.values().all(|count| *count == 0));
        }

        /// Each note's Note Off is pushed right after its Note On, whatever their times: no Note Off leaves early.
        #[test]
        fn no_note_off_leaves_before_its_note_on(
            notes in proptest::collection::vec((0u64..1000, 0u64..1000, 0u8..3), 0..60),
        ) {
            let mut schedule = Schedule::default();
            for (on, off, note) in notes {
                push(&mut schedule, on, 0, &[0x90, note, 1], 0);
                push(&mut schedule, off, 0, &[0x80, note, 1], 0);
            }
            let mut held = HashMap::<u8, i32>::new();
            while let Some(next) = schedule.take_due(u64::MAX) {
                let count = held.entry(next.bytes[1]).or_default();
                *count += if next.bytes[0] == 0x90 { 1 } else { -1 };
                prop_assert!(*count >= 0);
            }
            prop_assert!(held.values().all(|count| *count == 0));
        }
    }
}
