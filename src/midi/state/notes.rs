//! Notes held, counted (RFC 6295, appendix A.6, chapter N).

/// Most strikes of one note that are counted.
pub(super) const MOST_STRIKES: u16 = 0x0FFF;
/// One lost strike, in the upper four bits of a cell.
const ONE_LOST: u16 = 0x1000;
const MOST_LOST: u16 = 0xF000;

/// The number of strikes of each note where it is not known: more than anybody plays, with room to count more. The
/// difference releases only what Note Offs were lost for, so a large number costs nothing.
const MAYBE_STRIKES: u16 = MOST_STRIKES / 2;

/// How often each note is held.
///
/// A cell counts two kinds of strikes: those that the receiver has (twelve
/// bits), and those that were lost (four bits). A lost Note Off ends a lost
/// strike first, so that the receiver keeps its notes as long as the sender holds
/// as many. Where no lost strike is left it ends one that the receiver has. That
/// one must then be released, whatever is struck and lost later, because the
/// sender has released the strike that sounds there.
#[derive(Clone)]
pub(super) struct Notes {
    /// By channel and note, in the order of `index`.
    cells: [u16; CELLS],
    /// A bit for each cell with strikes that the receiver has.
    held: [u64; CELLS / 64],
    /// The number of those cells, less one: an addition then shows the first one, and a subtraction the last, in the
    /// carry.
    held_less_one: u16,
}

const CELLS: usize = 16 * 128;

/// What a Note Off did to what the receiver holds.
pub(super) struct Ended {
    /// It ended a strike that the receiver has.
    pub one: bool,
    /// That was the last one of all notes.
    pub was_last: bool,
}

#[inline(always)]
fn index(channel: usize, note: u8) -> usize {
    (channel & 0x0F) << 7 | usize::from(note & 0x7F)
}

impl Notes {
    pub(super) const NEW: Notes = Notes {
        cells: [0; CELLS],
        held: [0; CELLS / 64],
        held_less_one: u16::MAX,
    };

    /// Every note may be held, more than once.
    pub(super) const MAYBE: Notes = Notes {
        cells: [MAYBE_STRIKES; CELLS],
        held: [u64::MAX; CELLS / 64],
        held_less_one: CELLS as u16 - 1,
    };

    /// How often the receiver of this stream holds a note.
    pub(super) fn count(&self, channel: usize, note: u8) -> u16 {
        self.cells[index(channel, note)] & MOST_STRIKES
    }

    /// How often its sender holds a note: strikes that were lost count too.
    pub(super) fn count_of_sender(&self, channel: usize, note: u8) -> u16 {
        let cell = self.cells[index(channel, note)];
        (cell & MOST_STRIKES) + cell / ONE_LOST
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.held_less_one == u16::MAX
    }

    /// Whether the receiver holds a note of a channel.
    pub(super) fn has_any(&self, channel: usize) -> bool {
        let first = index(channel, 0) >> 6;
        self.held[first] | self.held[first + 1] != 0
    }

    /// A note that is held on one of these channels.
    pub(super) fn first(&self, channels: u16) -> Option<(usize, u8)> {
        if self.is_empty() {
            return None;
        }
        // Two words for each channel.
        let mut words = self.held.iter().enumerate();
        let (word, _) = words.find(|(word, bits)| **bits != 0 && channels >> (word / 2) & 1 != 0)?;
        let index = word << 6 | self.held[word].trailing_zeros() as usize;
        Some((index >> 7, (index & 0x7F) as u8))
    }

    /// Takes a Note On. Returns whether the receiver held nothing before.
    #[inline(always)]
    pub(super) fn on(&mut self, channel: usize, note: u8, lost: bool) -> bool {
        let index = index(channel, note);
        let cell = &mut self.cells[index];
        if lost {
            // Beyond fifteen lost strikes a Note Off releases too early rather than too late.
            if *cell & MOST_LOST != MOST_LOST {
                *cell += ONE_LOST;
            }
            return false;
        }
        if *cell & MOST_STRIKES == 0 {
            *cell += 1;
            self.held[index >> 6] |= 1 << (index & 63);
            self.held_less_one = self.held_less_one.wrapping_add(1);
            return self.held_less_one == 0;
        }
        if *cell & MOST_STRIKES != MOST_STRIKES {
            *cell += 1;
        }
        false
    }

    /// Takes a Note Off.
    #[inline(always)]
    pub(super) fn off(&mut self, channel: usize, note: u8, lost: bool) -> Ended {
        let index = index(channel, note);
        let cell = &mut self.cells[index];
        let (strikes, lost_strikes) = (*cell & MOST_STRIKES, *cell & MOST_LOST);
        // A Note Off that arrives ends a strike that the receiver has; a lost one may end a lost strike.
        let one = strikes != 0 && !(lost && lost_strikes != 0);
        let mut was_last = false;
        if one {
            *cell -= 1;
            if strikes == 1 {
                self.held[index >> 6] &= !(1 << (index & 63));
                self.held_less_one = self.held_less_one.wrapping_sub(1);
                was_last = self.is_empty();
            }
        } else if lost_strikes != 0 {
            *cell -= ONE_LOST;
        }
        Ended { one, was_last }
    }

    /// Makes the receiver hold a note at least so often.
    pub(super) fn hold(&mut self, channel: usize, note: u8, times: u16) {
        for _ in self.count(channel, note)..times {
            self.on(channel, note, false);
        }
    }

    /// Takes a channel over from other notes, as the receiver has them.
    pub(super) fn copy(&mut self, channel: usize, other: &Notes) {
        self.all_off(channel);
        let first = index(channel, 0);
        for (cell, other) in self.cells[first..first + 128].iter_mut().zip(&other.cells[first..]) {
            *cell = other & MOST_STRIKES;
        }
        let words = first >> 6..(first >> 6) + 2;
        for (bits, other) in self.held[words.clone()].iter_mut().zip(&other.held[words]) {
            *bits = *other;
            self.held_less_one = self.held_less_one.wrapping_add(bits.count_ones() as u16);
        }
    }

    /// All notes of a channel end (mode messages 120 and 123 to 127).
    pub(super) fn all_off(&mut self, channel: usize) {
        let first = index(channel, 0);
        self.cells[first..first + 128].fill(0);
        for bits in &mut self.held[first >> 6..(first >> 6) + 2] {
            self.held_less_one = self.held_less_one.wrapping_sub(bits.count_ones() as u16);
            *bits = 0;
        }
    }
}
