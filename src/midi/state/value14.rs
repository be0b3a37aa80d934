//! A 14-bit value sent as two controllers: its most and its least significant
//! seven bits.
//!
//! MIDI 1.0 lets a sender give the MSB alone, both, or the LSB alone for a fine
//! adjustment, and says that a receiver sets its LSB to zero when an MSB comes.
//! Not every receiver does. So a pair also keeps which of the two came last,
//! and the difference between two pairs ends with the same one last: a receiver
//! that zeroes the LSB and one that does not both end with the sender's value.

/// A seven-bit value that has not been seen.
pub(super) const UNSET: u8 = 0x80;

/// The LSB came after the MSB: it counts.
const FRESH: u8 = 1;
/// Something other than a plain value may have moved the MSB, or the LSB (data
/// increment and decrement, an MPE configuration). The value kept is the last one
/// that was sent, and a receiver that got it may have another by now.
const BLURRED_MSB: u8 = 2;
const BLURRED_LSB: u8 = 4;
/// The MSB, or the LSB, was sent but lost. A receiver whose value was moved before
/// that needs it, even where the value was moved again since.
const OWED_MSB: u8 = BLURRED_MSB << 2;
const OWED_LSB: u8 = BLURRED_LSB << 2;

/// One of the two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Msb,
    Lsb,
}

/// The last known halves of a 14-bit value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value14 {
    msb: u8,
    lsb: u8,
    flags: u8,
}

impl Value14 {
    pub(super) const NEW: Value14 = Value14 {
        msb: UNSET,
        lsb: UNSET,
        flags: 0,
    };

    /// Takes one half.
    pub(super) fn set(&mut self, half: Half, value: u8) {
        match half {
            Half::Msb => {
                self.msb = value;
                self.flags &= !(FRESH | BLURRED_MSB);
            }
            Half::Lsb => {
                self.lsb = value;
                self.flags = self.flags & !BLURRED_LSB | FRESH;
            }
        }
    }

    /// Notes that one half was lost on its way to the receiver, or was now sent.
    pub(super) fn owe(&mut self, half: Half, owed: bool) {
        let flag = match half {
            Half::Msb => OWED_MSB,
            Half::Lsb => OWED_LSB,
        };
        self.flags = if owed { self.flags | flag } else { self.flags & !flag };
    }

    /// Notes that the value may have moved by an amount that is not known.
    pub(super) fn blur(&mut self) {
        self.flags |= BLURRED_MSB | BLURRED_LSB;
    }

    /// The value of one half, [`UNSET`] where none was seen.
    pub(super) fn get(&self, half: Half) -> u8 {
        match half {
            Half::Msb => self.msb,
            Half::Lsb => self.lsb,
        }
    }

    /// Whether any half was seen.
    pub(super) fn is_known(&self) -> bool {
        self.msb != UNSET || self.lsb != UNSET
    }

    /// Which half to send next to a receiver with the value `self`, so that it gets
    /// the value `sent`: the MSB first, then the LSB, and the MSB once more where the
    /// sender gave it last. What is not known of `sent` is never sent. Three steps at
    /// most lead to `None`.
    pub(super) fn step_to(&self, sent: &Value14) -> Option<Half> {
        let blurred = self.flags & !(sent.flags & !(sent.flags >> 2));
        let lsb_known = sent.lsb != UNSET;
        if sent.msb != UNSET && (self.msb != sent.msb || blurred & BLURRED_MSB != 0) {
            Some(Half::Msb)
        } else if lsb_known && (self.lsb != sent.lsb || blurred & BLURRED_LSB != 0) {
            Some(Half::Lsb)
        } else if lsb_known && (self.flags ^ sent.flags) & FRESH != 0 {
            if sent.flags & FRESH != 0 {
                Some(Half::Lsb)
            } else {
                (sent.msb != UNSET).then_some(Half::Msb)
            }
        } else {
            None
        }
    }
}
