//! The channel mode messages 120 to 127 (RFC 6295, appendix A.3, chapter C).

use super::Short;
use super::value14::UNSET;

/// Poly mode, beside the values that Mono On may have.
const POLY: u8 = 0x81;

const RESET: u8 = 1 << 1;
const LOCAL: u8 = 1 << 2;
const OMNI_OFF: u8 = 1 << 4;
const OMNI_ON: u8 = 1 << 5;
const MONO: u8 = 1 << 6;
const POLY_ON: u8 = 1 << 7;
/// Those that release all notes, which pedals may then keep sounding: All Notes Off, and the modes that imply it.
const NOTES_OFF: u8 = 1 << 3 | OMNI_OFF | OMNI_ON | MONO | POLY_ON;

/// The modes of one channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    /// Mode messages that were lost, bit 0 for 120 to bit 7 for 127. A lost one is sent even to a receiver that is in
    /// that mode: it also ends the notes, and 120 silences what still sounds of them.
    lost: u8,
    /// Those of them that were sent after the last time a pedal was pressed: it may keep the notes sounding that they
    /// release.
    after_pedals: u8,
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
        after_pedals: 0,
        was_reset: false,
        omni: UNSET,
        poly: UNSET,
        local: UNSET,
    };

    /// The receiver has had all that was lost.
    pub(super) fn forget_lost(&mut self) {
        self.lost = 0;
        self.after_pedals = 0;
    }

    /// Takes a mode message; `pedals_moved` says whether pedals of the channel moved before it, among what was lost.
    pub(super) fn set(&mut self, controller: u8, value: u8, lost: bool, pedals_moved: bool) {
        let bit = 1 << (controller & 7);
        match controller {
            121 => self.was_reset = true,
            122 => self.local = value,
            124 | 125 => self.omni = controller,
            126 => self.poly = value,
            127 => self.poly = POLY,
            _ => {}
        }
        // Once the receiver has released its notes before a pedal, nothing can be left for the pedal.
        let is_before = self.lost & !self.after_pedals & NOTES_OFF != 0;
        // Of two modes that exclude each other only the later is sent.
        let replaced = match bit {
            OMNI_OFF | OMNI_ON => OMNI_OFF | OMNI_ON,
            MONO | POLY_ON => MONO | POLY_ON,
            _ => bit,
        };
        self.lost &= !replaced;
        self.after_pedals &= !replaced;
        if lost {
            self.lost |= bit;
            if bit & NOTES_OFF != 0 && pedals_moved && !is_before {
                self.after_pedals |= bit;
            }
        }
    }

    /// Whether lost messages have to come after the pedals have moved.
    pub(super) fn follow_pedals(&self) -> bool {
        self.after_pedals != 0
    }

    /// A pedal was pressed: what it may keep sounding from now on was released before.
    pub(super) fn press_pedal(&mut self) {
        self.after_pedals = 0;
    }

    /// What to send next to a receiver with the modes of `self`, before its pedals move or after. A lost message counts
    /// as sent with this call.
    pub(super) fn step_to(&self, sent: &mut Modes, channel: usize, after_pedals: bool) -> Option<Short> {
        let mut due = sent.lost;
        if sent.was_reset && !self.was_reset {
            due |= RESET;
        }
        if sent.local != UNSET && self.local != sent.local {
            due |= LOCAL;
        }
        if sent.omni != UNSET && self.omni != sent.omni {
            due |= 1 << (sent.omni & 7);
        }
        if sent.poly != UNSET && self.poly != sent.poly {
            due |= if sent.poly == POLY { POLY_ON } else { MONO };
        }
        if !after_pedals {
            due &= !sent.after_pedals;
        }
        if due == 0 {
            return None;
        }
        let which = due.trailing_zeros() as u8;
        sent.lost &= !(1 << which);
        sent.after_pedals &= !(1 << which);
        let value = match 1 << which {
            LOCAL => sent.local,
            MONO => sent.poly,
            _ => 0,
        };
        Some(Short::control(channel, 120 + which, value))
    }
}
