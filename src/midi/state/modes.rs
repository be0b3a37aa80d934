//! The channel mode messages 120 to 127 (RFC 6295, appendix A.3, chapter C).

use super::Msg;
use super::value14::UNSET;

/// Poly mode, beside the values that Mono On may have.
const POLY: u8 = 0x81;

const RESET: u8 = 1 << 1;
const LOCAL: u8 = 1 << 2;
const OMNI_OFF: u8 = 1 << 4;
const OMNI_ON: u8 = 1 << 5;
const MONO: u8 = 1 << 6;
const POLY_ON: u8 = 1 << 7;

/// The modes of one channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    /// Mode messages that were lost, bit 0 for 120 to bit 7 for 127. Where one
    /// was lost it is sent even if the receiver is in that mode: it also ends
    /// the notes, and 120 what still sounds of them.
    lost: u8,
    /// There ever was a Reset All Controllers.
    was_reset: bool,
    /// 124 or 125.
    omni: u8,
    /// How many channels Mono On named, or [`POLY`].
    poly: u8,
    /// Local Control's value.
    local: u8,
}

impl Modes {
    pub(super) const NEW: Modes = Modes {
        lost: 0,
        was_reset: false,
        omni: UNSET,
        poly: UNSET,
        local: UNSET,
    };

    /// Nothing is owed to the receiver any more.
    pub(super) fn settle(&mut self) {
        self.lost = 0;
    }

    /// Takes a mode message.
    pub(super) fn set(&mut self, controller: u8, value: u8, lost: bool) {
        let bit = 1 << (controller & 7);
        match controller {
            121 => self.was_reset = true,
            122 => self.local = value,
            124 | 125 => self.omni = controller,
            126 => self.poly = value,
            127 => self.poly = POLY,
            _ => {}
        }
        // The other of the two is no longer wanted.
        self.lost &= !match bit {
            OMNI_OFF | OMNI_ON => OMNI_OFF | OMNI_ON,
            MONO | POLY_ON => MONO | POLY_ON,
            _ => bit,
        };
        if lost {
            self.lost |= bit;
        }
    }

    /// What to send next to a receiver that stands at `self`. One that was lost
    /// is taken as sent with this call.
    pub(super) fn step_to(&self, wanted: &mut Modes, channel: usize) -> Option<Msg> {
        let mut due = wanted.lost;
        if wanted.was_reset && !self.was_reset {
            due |= RESET;
        }
        if wanted.local != UNSET && self.local != wanted.local {
            due |= LOCAL;
        }
        if wanted.omni != UNSET && self.omni != wanted.omni {
            due |= 1 << (wanted.omni & 7);
        }
        if wanted.poly != UNSET && self.poly != wanted.poly {
            due |= if wanted.poly == POLY { POLY_ON } else { MONO };
        }
        if due == 0 {
            return None;
        }
        let which = due.trailing_zeros() as u8;
        wanted.lost &= !(1 << which);
        let value = match 1 << which {
            LOCAL => wanted.local,
            MONO => wanted.poly,
            _ => 0,
        };
        Some(Msg::control(channel, 120 + which, value))
    }
}
