//! Of one client's releases that a popping thread threw away: which were marked as of something that another client
//! still holds, so that what stands for them is marked too.

use crate::midi::message;

pub(crate) struct StillHeld {
    /// A bit for each note, and one for each controller, of each channel.
    bits: [u64; 64],
    /// Whether one was ever set: hardly ever, and then the rest is not looked at.
    is_used: bool,
}

impl StillHeld {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            bits: [0; 64],
            is_used: false,
        })
    }

    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_used) {
            self.bits = [0; 64];
        }
    }

    /// Takes a message of the client; a later one of the same note or controller takes the place of the one before.
    #[inline]
    pub(crate) fn follow(&mut self, message: &[u8], still_held: bool) {
        if self.is_used | still_held {
            self.note(message, still_held);
        }
    }

    #[cold]
    fn note(&mut self, message: &[u8], still_held: bool) {
        if let Some((word, bit)) = place(message) {
            self.is_used = true;
            self.bits[word] = self.bits[word] & !bit | if still_held { bit } else { 0 };
        }
    }

    /// Whether a message that stands for those is to be marked.
    pub(crate) fn marks(&self, message: &[u8]) -> bool {
        let releases = message::is_note_off(message) || message::is_switch_off(message);
        self.is_used && releases && place(message).is_some_and(|(word, bit)| self.bits[word] & bit != 0)
    }
}

/// Where the bit of a note or controller is.
fn place(message: &[u8]) -> Option<(usize, u64)> {
    let &[status @ 0x80..=0xBF, number, _] = message else {
        return None;
    };
    let grid = match status >> 4 {
        8 | 9 => 0,
        0xB => 1,
        _ => return None,
    };
    let bit = grid << 11 | usize::from(status & 15) << 7 | usize::from(number & 127);
    Some((bit / 64, 1 << (bit % 64)))
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
