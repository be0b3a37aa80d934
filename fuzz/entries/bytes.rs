//! Decisions out of a fuzzer's bytes.

use crate::midi::message;

/// Takes bytes from the front; zeros where there are none left.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// At most so many bytes.
    pub fn piece(&mut self, most: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// A whole message. Few channels, notes and controllers, so that things meet.
    pub fn message(&mut self) -> Vec<u8> {
        const CHANNELS: [u8; 4] = [0, 1, 2, 15];
        const VALUES: [u8; 4] = [0, 1, 64, 127];
        const CONTROLLERS: [u8; 32] = [
            0, 1, 2, 6, 6, 7, 11, 32, 33, 34, 38, 38, 64, 66, 68, 74, 84, 88, 96, 97, 98, 99, 100, 101, 120, 121, 122,
            123, 124, 126, 127, 67,
        ];
        let [kind, first, second] = [self.byte(), self.byte(), self.byte()];
        let channel = CHANNELS[usize::from(kind >> 4 & 3)];
        let value = VALUES.get(usize::from(second & 7)).copied().unwrap_or(second >> 1);
        let note = 60 + first % 4;
        match kind & 15 {
            0 | 1 => vec![0x90 | channel, note, value],
            2 => vec![0x80 | channel, note, value],
            3 => vec![0xA0 | channel, note, value],
            4 => vec![0xC0 | channel, value],
            5 => vec![0xD0 | channel, value],
            6 => vec![0xE0 | channel, first & 0x7F, value],
            7 => {
                let status = [0xF1, 0xF2, 0xF3, 0xF6, 0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF][usize::from(first % 10)];
                [status, value, first & 3][..message::fixed_len(status)].to_vec()
            }
            8 => vec![0xF0, value, 0xF7],
            _ => {
                let controller = CONTROLLERS[usize::from(first % 32)];
                // Numbers of parameters that are written often.
                let value = if (98..102).contains(&controller) && second & 0x80 == 0 {
                    second % 7
                } else {
                    value
                };
                vec![0xB0 | channel, controller, value]
            }
        }
    }
}
