//! Which releases of one client, among the messages that a popping thread skipped, were marked as of something that another
//! client still holds. The message that stands for such a release is marked too.

use crate::midi::message;
use crate::midi::state::Grid;

pub(crate) struct StillHeld {
    /// By channel and note.
    notes: Grid,
    /// By channel and controller.
    controllers: Grid,
}

impl StillHeld {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            notes: Grid::NEW,
            controllers: Grid::NEW,
        })
    }

    pub(crate) fn clear(&mut self) {
        if self.is_used() {
            self.notes = Grid::NEW;
            self.controllers = Grid::NEW;
        }
    }

    /// Whether anything is marked, which is rare.
    #[inline]
    fn is_used(&self) -> bool {
        !(self.notes.is_empty() & self.controllers.is_empty())
    }

    /// Takes a message of the client. A later one replaces an earlier one of the same note or controller.
    #[inline]
    pub(crate) fn follow(&mut self, message: &[u8], still_held: bool) {
        if self.is_used() | still_held {
            self.mark(message, still_held);
        }
    }

    #[cold]
    fn mark(&mut self, message: &[u8], still_held: bool) {
        let &[status, number, _] = message else { return };
        let grid = match status {
            0x80..=0x9F => &mut self.notes,
            0xB0..=0xBF => &mut self.controllers,
            _ => return,
        };
        let (channel, index) = (usize::from(status & 0x0F), number & 0x7F);
        if still_held {
            grid.set(channel, index);
        } else {
            grid.clear(channel, index);
        }
    }

    /// Whether a message that stands for those is to be marked.
    pub(crate) fn marks(&self, message: &[u8]) -> bool {
        let &[status, number, _] = message else { return false };
        let grid = if message::is_note_off(message) {
            &self.notes
        } else if message::is_switch_off(message) {
            &self.controllers
        } else {
            return false;
        };
        grid.has(usize::from(status & 0x0F), number & 0x7F)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_note_or_pedal_counts() {
        let mut held = StillHeld::new();
        held.follow(&[0x91, 60, 1], false);
        held.follow(&[0x81, 60, 64], true);
        held.follow(&[0xB1, 64, 0], true);
        assert!(held.marks(&[0x81, 60, 64]) && held.marks(&[0x91, 60, 0]) && held.marks(&[0xB1, 64, 0]));
        assert!(!held.marks(&[0x80, 60, 64]) && !held.marks(&[0x81, 61, 64]) && !held.marks(&[0xB1, 66, 0]));
        assert!(!held.marks(&[0x91, 60, 1]) && !held.marks(&[0xB1, 64, 127]) && !held.marks(&[0xC1, 60]));
        held.follow(&[0x81, 60, 0], false);
        assert!(!held.marks(&[0x81, 60, 64]) && held.marks(&[0xB1, 64, 0]));
        held.clear();
        assert!(!held.marks(&[0xB1, 64, 0]));
    }
}
