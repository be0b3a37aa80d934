//! What was pushed into a port and asked of it, and where a receiver of all of it stands.

use super::ear::Ear;
use super::music::Mark;
use crate::midi::channels::Channels;
use crate::midi::reset::{PANIC, RESET};
use crate::midi::state::receiver_model::Make;

pub(super) enum What {
    Push {
        client: u32,
        bytes: Vec<u8>,
        /// Else it was refused, and remembered.
        queued: bool,
    },
    Reset,
    Panic,
    Cancel,
    /// Nothing of these channels is sent any more.
    Cut(Channels),
}

/// One thing, and when it is to be done.
pub(super) struct Entry {
    pub at: u64,
    pub what: What,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub entries: Vec<Entry>,
    /// The indices of the cuts among them: there are few, and each message is compared with them.
    cuts: Vec<usize>,
    /// Resets and panics.
    pub requests: u64,
    pub cancels: u64,
    pub panics: u64,
    pub scheduled: u64,
    pub refused: u64,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn add(&mut self, now: u64, what: What) {
        match what {
            What::Cancel => self.cancels += 1,
            What::Panic => self.panics += 1,
            What::Cut(_) => self.cuts.push(self.len()),
            _ => {}
        }
        self.requests += u64::from(matches!(what, What::Panic | What::Reset));
        self.entries.push(Entry { at: now, what });
    }

    pub(super) fn push(&mut self, now: u64, at_ns: u64, client: u32, bytes: Vec<u8>, queued: bool) {
        self.scheduled += u64::from(at_ns > now);
        self.refused += u64::from(!queued);
        self.entries.push(Entry {
            at: at_ns.max(now),
            what: What::Push { client, bytes, queued },
        });
    }

    /// How many messages push took, for all and for each client by name.
    pub(super) fn taken(&self) -> u64 {
        let pushes = self.entries.iter();
        pushes.filter(|entry| matches!(entry.what, What::Push { .. })).count() as u64
    }

    /// When a mark was to be sent, to be compared with other marks.
    pub(super) fn place(&self, mark: Mark) -> (u64, u32) {
        (self.entries[mark.number as usize].at, mark.number)
    }

    /// The marks that a client gets of what was pushed from an entry on, in order, if none is lost.
    pub(super) fn marks(&self, since: usize, client: u32) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.entries[since.min(self.len())..]
            .iter()
            .filter_map(|entry| match &entry.what {
                What::Push {
                    bytes,
                    client: to,
                    queued: true,
                    ..
                } if *to == 0 || *to == client => Mark::of(bytes),
                _ => None,
            })
            .collect();
        marks.sort_by_key(|mark| self.place(*mark));
        marks
    }

    /// Whether a message was still scheduled when its channel was cut.
    fn is_cut(&self, index: usize) -> bool {
        let What::Push { bytes, .. } = &self.entries[index].what else {
            return false;
        };
        let due = self.entries[index].at;
        let after = self.cuts.partition_point(|cut| *cut < index);
        let mut cuts = self.cuts[after..].iter().map(|cut| &self.entries[*cut]);
        cuts.any(|entry| matches!(entry.what, What::Cut(channels) if channels.has(bytes) && entry.at < due))
    }

    /// A receiver of all that was pushed from an entry on for a client, in order of time, then of pushing.
    pub(super) fn replay(&self, since: usize, client: u32, make: Make) -> Ear {
        let mut ear = Ear::new(make);
        let mut order: Vec<usize> = (since.min(self.len())..self.len()).collect();
        order.sort_by_key(|index| (self.entries[*index].at, *index));
        for index in order {
            if self.is_cut(index) {
                continue;
            }
            match &self.entries[index].what {
                What::Cut(channels) => ear.release(*channels),
                What::Push { client: to, bytes, .. } if *to == 0 || *to == client => ear.hear(bytes),
                What::Reset => RESET.iter().for_each(|message| ear.hear(message)),
                What::Panic => PANIC.iter().for_each(|message| ear.hear(message)),
                _ => {}
            }
        }
        ear
    }
}
