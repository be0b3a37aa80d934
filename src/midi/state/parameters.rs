//! Registered and non-registered parameters (RFC 6295, appendix A.4, chapter M).
//!
//! A sender selects a parameter (RPN: CC 101 and 100, NRPN: CC 99 and 98) and
//! then gives it a value with data entry (CC 6 and 38). A value is brought back
//! as that whole transaction, and after all of them the selection is put back
//! to what the sender has selected, be it null (127, 127).
//!
//! A summary of lost messages may not know what was selected before them. Then a
//! value is kept for a parameter of which one half of the number is known, or
//! nothing but that it was selected before. All such values were written before the
//! whole number was known, so the difference sends them before that number.
//!
//! The memory is bounded: the registered parameters 0 to 6 are kept on every
//! channel; of all others the [`OTHERS`] written last on the whole port.

use super::value14::{Half, UNSET, Value14};

/// Registered parameters kept on each channel: bend range, fine and coarse
/// tuning, tuning program and bank, modulation depth range, and the MPE
/// configuration.
const REGISTERED: usize = 7;
/// RPN 0, pitch bend range.
const BEND_RANGE: u16 = 0;
/// RPN 6, MPE configuration (MIDI Polyphonic Expression).
const MPE_CONFIGURATION: u16 = 6;
/// How many other parameters are kept, of all channels together.
pub(super) const OTHERS: usize = 64;
/// Where the others begin in the numbering of all parameters.
const FIRST_OTHER: usize = 16 * REGISTERED;
const TOTAL: usize = FIRST_OTHER + OTHERS;

/// The bit of a parameter number that marks an NRPN.
const NON_REGISTERED: u16 = 1 << 14;
/// The bit of the number of a parameter of which only one half is known; then the lower bits are that half.
const PARTIAL: u16 = 1 << 15;
/// With it: the half is the MSB.
const PARTIAL_MSB: u16 = 1 << 7;
/// Whatever the receiver has selected.
pub(super) const SELECTED_BEFORE: u16 = PARTIAL | NON_REGISTERED | 1 << 8;
/// The number that is no parameter, in either system.
pub(super) const NULL: [u8; 2] = [127; 2];
/// An empty place.
const EMPTY: u32 = u32::MAX;

/// Which of the two numbering systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Registered,
    NonRegistered,
}

impl Kind {
    /// Controllers that select: MSB and LSB of the number.
    pub(super) fn controllers(self) -> (u8, u8) {
        match self {
            Kind::Registered => (101, 100),
            Kind::NonRegistered => (99, 98),
        }
    }

    pub(super) fn other(self) -> Kind {
        match self {
            Kind::Registered => Kind::NonRegistered,
            Kind::NonRegistered => Kind::Registered,
        }
    }
}

/// What data entry goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing was ever selected, or null is: controllers 6 and 38 reach no
    /// parameter, and are like any other.
    Plain,
    /// Half of a number is not known: a name for what it may be.
    Partial(u16),
    /// A parameter, by its number and system.
    Parameter(u16),
}

/// The system and the halves of a number, [`UNSET`] where one is not known; None: nothing is to be selected.
pub(super) fn halves(number: u16) -> Option<(Kind, [u8; 2])> {
    if number == SELECTED_BEFORE {
        return None;
    }
    let kind = if number & NON_REGISTERED == 0 {
        Kind::Registered
    } else {
        Kind::NonRegistered
    };
    let low = (number & 0x7F) as u8;
    Some((
        kind,
        if number & PARTIAL == 0 {
            [(number >> 7 & 0x7F) as u8, low]
        } else if number & PARTIAL_MSB != 0 {
            [low, UNSET]
        } else {
            [UNSET, low]
        },
    ))
}

/// The numbers last selected on one channel, in both systems.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selection {
    registered: [u8; 2],
    non_registered: [u8; 2],
    kind: Option<Kind>,
    /// Halves of the number in use, bit 0 for the MSB, that were not sent since the
    /// other system was in use: some receivers then forget them.
    doubtful: u8,
}

impl Selection {
    const NEW: Selection = Selection {
        registered: [UNSET; 2],
        non_registered: [UNSET; 2],
        kind: None,
        doubtful: 0,
    };

    /// MSB and LSB of the number in one system.
    pub(super) fn number(&self, kind: Kind) -> [u8; 2] {
        match kind {
            Kind::Registered => self.registered,
            Kind::NonRegistered => self.non_registered,
        }
    }

    /// Whether every receiver has null selected.
    pub(super) fn is_null(&self) -> bool {
        self.doubtful == 0 && self.kind.is_some_and(|kind| self.number(kind) == NULL)
    }

    /// Whether every receiver has this parameter selected, as far as it is known.
    pub(super) fn surely_selects(&self, number: u16) -> bool {
        let Some((kind, halves)) = halves(number) else {
            return true;
        };
        let doubted = (0..2).any(|half| halves[half] != UNSET && self.doubtful & 1 << half != 0);
        self.kind == Some(kind) && self.number(kind) == halves && halves != NULL && !doubted
    }

    /// Whether this number can still be selected. Of one that is known in part, the other half must not have been sent
    /// since.
    pub(super) fn can_select(&self, number: u16) -> bool {
        match halves(number) {
            None => self.kind.is_none(),
            Some((kind, halves)) => (0..2).all(|half| halves[half] != UNSET || self.number(kind)[half] == UNSET),
        }
    }

    /// Whether nothing was ever selected.
    pub(super) fn is_untouched(&self) -> bool {
        self.kind.is_none()
    }

    pub(super) fn target(&self) -> Target {
        let Some(kind) = self.kind else {
            return Target::Plain;
        };
        match self.number(kind) {
            NULL => Target::Plain,
            [msb, lsb] => {
                let system = match kind {
                    Kind::Registered => 0,
                    Kind::NonRegistered => NON_REGISTERED,
                };
                let (high, low) = (u16::from(msb), u16::from(lsb));
                match (msb, lsb) {
                    (UNSET, _) => Target::Partial(system | PARTIAL | low),
                    (_, UNSET) => Target::Partial(system | PARTIAL | PARTIAL_MSB | high),
                    _ => Target::Parameter(system | high << 7 | low),
                }
            }
        }
    }

    /// Takes one of the controllers 98 to 101.
    pub(super) fn set(&mut self, controller: u8, value: u8) {
        let (number, kind) = if controller >= 100 {
            (&mut self.registered, Kind::Registered)
        } else {
            (&mut self.non_registered, Kind::NonRegistered)
        };
        // Odd controllers are the MSB.
        let half = usize::from(controller & 1 == 0);
        number[half] = value;
        if self.kind != Some(kind) {
            self.doubtful = 3;
        }
        self.doubtful &= !(1 << half);
        self.kind = Some(kind);
    }

    /// Reset All Controllers: both null.
    pub(super) fn set_null(&mut self) {
        self.registered = NULL;
        self.non_registered = NULL;
        self.kind = Some(Kind::Registered);
        self.doubtful = 0;
    }

    /// Which number to select next on a receiver with the selection `self`: first
    /// the one that is not in use, so that the one in use is selected last.
    pub(super) fn step_to(&self, sent: &Selection) -> Option<(Kind, [u8; 2])> {
        let kind = sent.kind?;
        let differs = |kind: Kind| {
            let (have, want) = (self.number(kind), sent.number(kind));
            (0..2).any(|half| want[half] != UNSET && have[half] != want[half])
        };
        if differs(kind.other()) {
            Some((kind.other(), sent.number(kind.other())))
        } else if self.kind != sent.kind || differs(kind) || self.doubtful & !sent.doubtful != 0 {
            Some((kind, sent.number(kind)))
        } else {
            None
        }
    }
}

/// The value of a parameter, and when it was last written.
#[derive(Clone, Copy)]
struct Entry {
    value: Value14,
    written: u32,
}

impl Entry {
    const NEW: Entry = Entry {
        value: Value14::NEW,
        written: 0,
    };
}

/// The parameters of all channels. They are numbered: first the registered ones
/// of each channel, then the places of the others.
#[derive(Clone)]
pub(super) struct Parameters {
    pub(super) selection: [Selection; 16],
    /// Channel and number of the parameter in each of the other places.
    others: [u32; OTHERS],
    entries: [Entry; TOTAL],
    /// Counts what is written: orders `Entry::written`.
    clock: u32,
}

impl Parameters {
    pub(super) const NEW: Parameters = Parameters {
        selection: [Selection::NEW; 16],
        others: [EMPTY; OTHERS],
        entries: [Entry::NEW; TOTAL],
        clock: 0,
    };

    /// Never [`EMPTY`]: a channel is at most 15.
    fn name(channel: usize, number: u16) -> u32 {
        (channel as u32) << 16 | u32::from(number)
    }

    fn find(&self, channel: usize, number: u16) -> Option<usize> {
        if usize::from(number) < REGISTERED {
            return Some(channel * REGISTERED + usize::from(number));
        }
        let name = Self::name(channel, number);
        let place = self.others.iter().position(|other| *other == name)?;
        Some(FIRST_OTHER + place)
    }

    fn age(&self, index: usize) -> u32 {
        self.clock.wrapping_sub(self.entries[index].written)
    }

    /// Writes one half of a parameter's value. A parameter that is not known yet takes
    /// a place: an empty one, or that of the one written longest ago.
    ///
    /// A fine adjustment counts as part of what was written before: the value is
    /// as old as its MSB.
    pub(super) fn write(&mut self, channel: usize, number: u16, half: Half, value: u8) -> Written {
        let found = self.find(channel, number);
        let index = found.unwrap_or_else(|| FIRST_OTHER + self.place_to_take());
        let replaced = found.is_none() && self.others[index - FIRST_OTHER] != EMPTY;
        if found.is_none() {
            self.others[index - FIRST_OTHER] = Self::name(channel, number);
            self.entries[index] = Entry::NEW;
        }
        self.clock = self.clock.wrapping_add(1);
        let entry = &mut self.entries[index];
        if half == Half::Msb || entry.value.get(Half::Msb) == UNSET {
            entry.written = self.clock;
        }
        entry.value.set(half, value);
        Written { index, replaced }
    }

    fn place_to_take(&self) -> usize {
        let oldest = (0..OTHERS).max_by_key(|place| match self.others[*place] {
            EMPTY => u32::MAX,
            _ => self.age(FIRST_OTHER + place),
        });
        oldest.unwrap_or(0)
    }

    /// The value of the parameter at an index.
    pub(super) fn value(&self, index: usize) -> &Value14 {
        &self.entries[index].value
    }

    /// The indexes of all parameters with a value.
    pub(super) fn known(&self) -> impl Iterator<Item = usize> {
        let known = self.entries.iter().enumerate();
        known
            .filter(|(_, entry)| entry.value.is_known())
            .map(|(index, _)| index)
    }

    /// Whether one of the marked parameters is known in part.
    pub(super) fn has_partial(&self, marks: &[u64; 3]) -> bool {
        let partial = |(place, name): (usize, &u32)| {
            let index = FIRST_OTHER + place;
            *name != EMPTY && *name as u16 & PARTIAL != 0 && marks[index / 64] & 1 << (index % 64) != 0
        };
        self.others.iter().enumerate().any(partial)
    }

    /// The indexes of the bend ranges of all channels.
    pub(super) fn bend_ranges() -> impl Iterator<Item = usize> {
        (0..16).map(|channel| channel * REGISTERED + usize::from(BEND_RANGE))
    }

    /// Notes that a half of the value at an index was lost, or was now sent.
    pub(super) fn owe(&mut self, index: usize, half: Half, owed: bool) {
        self.entries[index].value.owe(half, owed);
    }

    /// Takes over when each parameter was written. A difference that is done leaves the receiver with the same parameters,
    /// but those that the receiver had already were not sent again: they would count as older than they are, and make
    /// room too early.
    pub(super) fn take_ages(&mut self, sent: &Parameters) {
        for (index, entry) in self.entries.iter_mut().enumerate() {
            entry.written = sent.entries[index].written;
        }
        self.clock = sent.clock;
    }

    /// Which parameter is at an index: its channel and number.
    pub(super) fn at(&self, index: usize) -> Option<(usize, u16)> {
        if index < FIRST_OTHER {
            // At most 6.
            return Some((index / REGISTERED, (index % REGISTERED) as u16));
        }
        match *self.others.get(index - FIRST_OTHER)? {
            EMPTY => None,
            name => Some(((name >> 16) as usize & 0x0F, name as u16)),
        }
    }

    /// Gives a parameter the place that it has in another state. The parameter that was
    /// there moves to its old place, if it had one, and is forgotten otherwise.
    pub(super) fn place(&mut self, index: usize, channel: usize, number: u16) {
        if index < FIRST_OTHER || self.at(index) == Some((channel, number)) {
            return;
        }
        if let Some(old) = self.find(channel, number) {
            self.others.swap(old - FIRST_OTHER, index - FIRST_OTHER);
            self.entries.swap(old, index);
        } else {
            self.others[index - FIRST_OTHER] = Self::name(channel, number);
            self.entries[index] = Entry::NEW;
        }
    }

    /// How many places there are.
    pub(super) fn count(&self) -> usize {
        TOTAL
    }

    /// Takes the parameters of a channel over from another state; calls back for each place that holds another parameter
    /// from now on.
    pub(super) fn copy(&mut self, channel: usize, other: &Parameters, mut changed: impl FnMut(usize)) {
        self.selection[channel] = other.selection[channel];
        let of_channel = |(index, _): &(usize, &Entry)| other.at(*index).is_some_and(|(of, _)| of == channel);
        for index in 0..TOTAL {
            if self.at(index).is_some_and(|(of, _)| of == channel) {
                self.entries[index] = Entry::NEW;
                if let Some(place) = self.others.get_mut(index.wrapping_sub(FIRST_OTHER)) {
                    *place = EMPTY;
                }
            }
        }
        // The oldest first, so that they keep their order.
        let mut before = None;
        loop {
            let entries = other.entries.iter().enumerate().filter(of_channel);
            let known = entries.filter(|(_, entry)| entry.value.is_known());
            let older = |index: usize| (u32::MAX - other.age(index), index);
            let next = known
                .map(|(index, _)| older(index))
                .filter(|key| before.is_none_or(|before| *key > before))
                .min();
            let Some((_, index)) = next else { break };
            before = next;
            let Some((_, number)) = other.at(index) else { break };
            let written = self.write(channel, number, Half::Msb, 0);
            self.entries[written.index].value = other.entries[index].value;
            changed(written.index);
        }
    }

    /// Data increment and decrement: by how much depends on the receiver.
    pub(super) fn blur(&mut self, channel: usize, number: u16) {
        if let Some(index) = self.find(channel, number) {
            self.entries[index].value.blur();
        }
    }

    /// An MPE configuration, before it is written, sets the bend ranges of the
    /// channels of its zone anew, those that it had before among them.
    pub(super) fn configure_mpe(&mut self, manager: usize, members: u8) {
        let configuration = manager * REGISTERED + usize::from(MPE_CONFIGURATION);
        let before = match self.entries[configuration].value.get(Half::Msb) {
            UNSET => 0,
            before => before,
        };
        let members = usize::from(before.max(members).min(15));
        if members == 0 {
            return;
        }
        for (channel, index) in Self::bend_ranges().enumerate() {
            if channel.abs_diff(manager) <= members {
                self.entries[index].value.blur();
            }
        }
    }

    /// The marked parameter written longest ago. That order matters to a
    /// receiver in which one parameter sets another (MPE), and what is selected
    /// last is then most often what has to be selected in the end.
    pub(super) fn oldest(&self, marks: &[u64; 3]) -> Option<usize> {
        let mut oldest = None;
        for (word, bits) in marks.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if oldest.is_none_or(|oldest| self.age(index) > self.age(oldest)) {
                    oldest = Some(index);
                }
            }
        }
        oldest
    }
}

/// Where a parameter was written.
pub(super) struct Written {
    pub(super) index: usize,
    /// Another parameter had to make room.
    pub(super) replaced: bool,
}

/// Whether data entry for this parameter configures an MPE zone: on its two
/// manager channels only.
pub(super) fn is_mpe_configuration(channel: usize, number: u16) -> bool {
    number == MPE_CONFIGURATION && (channel == 0 || channel == 15)
}
