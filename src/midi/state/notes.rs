//! Notes held, counted (RFC 6295, appendix A.6, chapter N).

use super::marks::Grid;

/// Most strikes of one note that are counted.
pub(super) const MOST_STRIKES: u16 = 0x0FFF;
/// One lost strike, in the upper four bits of a cell.
const ONE_LOST: u16 = 0x1000;
const MOST_LOST: u16 = 0xF000;

/// How often a note may be held where that is not known: more often than anybody strikes it, and there is room to
/// count more. Only lost Note Offs are told, so a large number costs nothing.
const MAYBE_STRIKES: u16 = MOST_STRIKES / 2;

/// How often each note is held.
///
/// A cell counts two kinds of strikes: those that the receiver has (twelve
/// bits), and those that were lost on the way and that it therefore must not
/// have (four bits). A Note Off that is lost takes a lost strike first, so that
/// what the receiver holds sounds on as long as the sender holds as much of it;
/// where none is left it takes one of the receiver's, which then must be
/// released, whatever is struck (and lost) later: the strike that sounds there
/// is one that the sender has let go of.
#[derive(Clone)]
pub(super) struct Notes {
    cells: [[u16; 128]; 16],
    held: Grid,
}

impl Notes {
    pub(super) const NEW: Notes = Notes {
        cells: [[0; 128]; 16],
        held: Grid::NEW,
    };

    /// Every note may be held, more than once.
    pub(super) const MAYBE: Notes = Notes {
        cells: [[MAYBE_STRIKES; 128]; 16],
        held: Grid::FULL,
    };

    /// How often the receiver of this stream holds a note.
    pub(super) fn count(&self, channel: usize, note: u8) -> u16 {
        self.cells[channel][usize::from(note & 0x7F)] & MOST_STRIKES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A note that is held.
    pub(super) fn first(&self) -> Option<(usize, u8)> {
        self.held.first()
    }

    #[inline(always)]
    pub(super) fn on(&mut self, channel: usize, note: u8, lost: bool) {
        let cell = &mut self.cells[channel][usize::from(note & 0x7F)];
        if lost {
            // Beyond fifteen lost strikes a Note Off releases too early rather
            // than too late.
            if *cell & MOST_LOST != MOST_LOST {
                *cell += ONE_LOST;
            }
        } else {
            let strikes = *cell & MOST_STRIKES;
            if strikes != MOST_STRIKES {
                *cell += 1;
            }
            if strikes == 0 {
                self.held.set(channel, note);
            }
        }
    }

    #[inline(always)]
    pub(super) fn off(&mut self, channel: usize, note: u8, lost: bool) {
        let cell = &mut self.cells[channel][usize::from(note & 0x7F)];
        let (strikes, lost_strikes) = (*cell & MOST_STRIKES, *cell & MOST_LOST);
        // One that arrives ends a note of the receiver, one that is lost need not.
        if lost_strikes != 0 && (lost || strikes == 0) {
            *cell -= ONE_LOST;
        } else if strikes != 0 {
            *cell -= 1;
            if strikes == 1 {
                self.held.clear(channel, note);
            }
        }
    }

    /// All notes of a channel end (mode messages 120 and 123 to 127).
    pub(super) fn all_off(&mut self, channel: usize) {
        self.cells[channel] = [0; 128];
        self.held.clear_channel(channel);
    }
}
