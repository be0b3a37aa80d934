//! The controllers of one channel (RFC 6295, appendix A.3, chapter C) but for
//! parameters and modes.

use super::value14::{Half, UNSET, Value14};

/// Bank select; its LSB is 32.
pub(super) const BANK: u8 = 0;
const MODULATION: u8 = 1;
/// Data entry; its LSB is 38.
pub(super) const DATA_ENTRY: u8 = 6;
const EXPRESSION: u8 = 11;
pub(super) const SUSTAIN: u8 = 64;
const PORTAMENTO: u8 = 65;
pub(super) const SOSTENUTO: u8 = 66;
const SOFT: u8 = 67;
pub(super) const LEGATO: u8 = 68;

/// The values last seen of controllers 0 to 119.
#[derive(Clone)]
pub(super) struct Controllers {
    /// 0 to 31, with 32 to 63 as their LSB.
    pairs: [Value14; 32],
    /// 64 to 119.
    others: [u8; 56],
}

impl Controllers {
    pub(super) const NEW: Controllers = Controllers {
        pairs: [Value14::NEW; 32],
        others: [UNSET; 56],
    };

    /// Takes a controller, and says by which number it is marked.
    pub(super) fn set(&mut self, controller: u8, value: u8) -> u8 {
        match controller {
            0..32 => self.pairs[usize::from(controller)].set(Half::Msb, value),
            32..64 => self.pairs[usize::from(controller - 32)].set(Half::Lsb, value),
            _ => {
                if let Some(other) = self.others.get_mut(usize::from(controller) - 64) {
                    *other = value;
                }
            }
        }
        if controller < 64 { controller & 31 } else { controller }
    }

    /// The value of a controller from 64 on, [`UNSET`] where none was seen.
    pub(super) fn get(&self, controller: u8) -> u8 {
        let index = usize::from(controller).wrapping_sub(64);
        self.others.get(index).copied().unwrap_or(UNSET)
    }

    /// The numbers by which what was seen is marked.
    pub(super) fn known(&self) -> impl Iterator<Item = u8> {
        let pairs = (0..32).zip(&self.pairs);
        let pairs = pairs.filter(|(_, pair)| pair.is_known()).map(|(mark, _)| mark);
        pairs.chain((64..120).filter(|controller| self.get(*controller) != UNSET))
    }

    pub(super) fn bank(&self) -> Value14 {
        self.pairs[usize::from(BANK)]
    }

    /// Whether a pedal, known, is not up.
    pub(super) fn is_down(&self, pedal: u8) -> bool {
        !matches!(self.get(pedal), UNSET | 0)
    }

    /// Reset All Controllers, as MIDI RP-015 has it: these and no others.
    pub(super) fn reset(&mut self) {
        self.set(MODULATION, 0);
        self.set(EXPRESSION, 127);
        for pedal in [SUSTAIN, PORTAMENTO, SOSTENUTO, SOFT] {
            self.set(pedal, 0);
        }
    }

    /// The controller, marked by this number, to send next to a receiver that
    /// stands at `self`, and its value.
    pub(super) fn step_to(&self, wanted: &Controllers, mark: u8) -> Option<(u8, u8)> {
        if mark >= 64 {
            let value = wanted.get(mark);
            return (value != UNSET && value != self.get(mark)).then_some((mark, value));
        }
        let pair = usize::from(mark & 31);
        step(&self.pairs[pair], &wanted.pairs[pair], mark & 31)
    }
}

/// The same for one pair, given the number of its MSB.
pub(super) fn step(heard: &Value14, wanted: &Value14, msb: u8) -> Option<(u8, u8)> {
    let half = heard.step_to(wanted)?;
    let controller = match half {
        Half::Msb => msb,
        Half::Lsb => msb + 32,
    };
    Some((controller, wanted.get(half)))
}
