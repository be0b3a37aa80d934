//! The controllers of one channel (RFC 6295, appendix A.3, chapter C), except
//! for parameters and mode messages.

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

/// The pedals that keep something sounding while they are down.
/// Hold 2 is none of them: it only lengthens what decays by itself.
pub(super) const PEDALS: [u8; 3] = [SUSTAIN, SOSTENUTO, LEGATO];
/// What Reset All Controllers lifts.
pub(super) const RESET_SWITCHES: [u8; 4] = [SUSTAIN, PORTAMENTO, SOSTENUTO, SOFT];
/// A switch is on from this value on ("Switch Controllers"). Receivers that know half-pedalling also use those below.
const ON: u8 = 64;

/// The last values of controllers 0 to 119.
#[derive(Clone)]
pub(super) struct Controllers {
    /// 0 to 31, with 32 to 63 as their LSB.
    pairs: [Value14; 32],
    /// 64 to 119.
    others: [u8; 56],
    /// The lowest value that each of [`PEDALS`] had among the messages that were lost; [`UNSET`] where none was.
    lowest: [u8; PEDALS.len()],
}

impl Controllers {
    pub(super) const NEW: Controllers = Controllers {
        pairs: [Value14::NEW; 32],
        others: [UNSET; 56],
        lowest: [UNSET; PEDALS.len()],
    };

    /// Sets a controller, and returns the number by which it is marked.
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

    /// The value of a controller from 64 on, [`UNSET`] where there was none.
    pub(super) fn get(&self, controller: u8) -> u8 {
        let index = usize::from(controller).wrapping_sub(64);
        self.others.get(index).copied().unwrap_or(UNSET)
    }

    /// The numbers by which controllers with a value are marked.
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

    /// Whether a new value of a switch lifts it, at least at some receivers.
    pub(super) fn is_lifted_by(&self, switch: u8, value: u8) -> bool {
        value < ON && self.is_down(switch) && value < self.get(switch)
    }

    /// Whether a new value presses a pedal that may be up, at least at some receivers.
    pub(super) fn is_pressed_by(&self, pedal: u8, value: u8) -> bool {
        let before = match self.get(pedal) {
            UNSET => 0,
            before => before,
        };
        before < ON && value >= ON || before == 0 && value != 0
    }

    /// Whether the sustain pedal, if it is not this pedal, holds whatever is released. The sostenuto pedal captures held
    /// notes only, so for it this does not count.
    pub(super) fn is_held_beside(&self, pedal: u8) -> bool {
        !matches!(pedal, SUSTAIN | SOSTENUTO) && matches!(self.get(SUSTAIN), ON..UNSET)
    }

    /// A value of one of [`PEDALS`] was lost.
    pub(super) fn lose_pedal(&mut self, pedal: u8, value: u8) {
        if let Some(which) = PEDALS.iter().position(|each| *each == pedal) {
            self.lowest[which] = self.lowest[which].min(value);
        }
    }

    /// Whether values of pedals were lost.
    pub(super) fn has_lost_pedals(&self) -> bool {
        self.lowest.iter().any(|lowest| *lowest != UNSET)
    }

    /// The receiver has had, or needs not, the values that were lost.
    pub(super) fn forget_lost_pedals(&mut self) {
        self.lowest = [UNSET; PEDALS.len()];
    }

    /// The same for the pedals that a receiver with the values of `received` has up. Returns whether it has one down of
    /// which values were lost.
    pub(super) fn forget_lost_pedals_up_at(&mut self, received: &Controllers) -> bool {
        for (which, pedal) in PEDALS.into_iter().enumerate() {
            if !received.is_down(pedal) {
                self.lowest[which] = UNSET;
            }
        }
        self.lowest.iter().any(|lowest| *lowest != UNSET)
    }

    /// Reset All Controllers, as MIDI RP-015 has it: these and no others.
    pub(super) fn reset(&mut self) {
        self.set(MODULATION, 0);
        self.set(EXPRESSION, 127);
        for switch in RESET_SWITCHES {
            self.set(switch, 0);
        }
    }

    /// The next pedal to move, and to where, at a receiver with the values of `self`.
    ///
    /// First come the pedals that go down in value: to where the sender has them, or to the lowest value that was lost,
    /// if they have been raised again since. Then come those that go up. So whatever a pedal held at the receiver and let
    /// go of at the sender, it lets go of at the receiver, before any pedal can catch it again.
    pub(super) fn step_pedals(&self, sent: &mut Controllers) -> Option<(u8, u8)> {
        let moves = PEDALS.into_iter().enumerate().filter_map(|(which, pedal)| {
            let (have, want) = (self.get(pedal), sent.get(pedal));
            let lowest = sent.lowest[which].min(want);
            // A pedal whose position is not known may be anywhere. What lowers it elsewhere may press it here, so it moves
            // after the others, and the lowest first: whatever a receiver takes for pressed.
            let is_unknown = have == UNSET;
            let lowers = if is_unknown {
                lowest < want || lowest < ON
            } else {
                lowest < have
            };
            (want != UNSET && lowers).then_some((is_unknown, lowest, which))
        });
        if let Some((_, lowest, which)) = moves.min() {
            sent.lowest[which] = UNSET;
            return Some((PEDALS[which], lowest));
        }
        sent.forget_lost_pedals();
        let differs = |pedal: &u8| !matches!(sent.get(*pedal), UNSET) && sent.get(*pedal) != self.get(*pedal);
        let pedal = PEDALS.into_iter().find(differs)?;
        Some((pedal, sent.get(pedal)))
    }

    /// The controller, marked by this number, to send next to a receiver with the values of `self`, and its value.
    pub(super) fn step_to(&self, sent: &Controllers, mark: u8) -> Option<(u8, u8)> {
        if mark >= 64 {
            let value = sent.get(mark);
            return (value != UNSET && value != self.get(mark)).then_some((mark, value));
        }
        let pair = usize::from(mark & 31);
        step(&self.pairs[pair], &sent.pairs[pair], mark & 31)
    }
}

/// The same for one pair, given the number of its MSB.
pub(super) fn step(received: &Value14, sent: &Value14, msb: u8) -> Option<(u8, u8)> {
    let half = received.step_to(sent)?;
    let controller = match half {
        Half::Msb => msb,
        Half::Lsb => msb + 32,
    };
    Some((controller, sent.get(half)))
}
