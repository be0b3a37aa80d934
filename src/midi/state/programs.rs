//! The program of one channel (RFC 6295, appendix A.2, chapter P).
//!
//! A Program Change chooses from the bank that is selected when it comes. So a
//! program is brought back together with that bank: first the bank select, then
//! the program, then the bank that was selected afterwards, for the next one.
//!
//! A sender may choose a program before it ever selected a bank, or with only the
//! MSB or only the LSB selected. Nobody but the receiver then knows the other half
//! of the bank. The program can be brought back as long as the receiver has not
//! been given that half since: on one connection this is always so, because the
//! difference gives the program first. On a new connection it may not be: the
//! receiver may be the one that heard the bank select on the connection before.
//! There the program is not sent again, rather than choose from another bank. A
//! receiver that never went away still plays it, so nothing is counted as lost. A
//! receiver that was restarted keeps the program that it started with, until the
//! sender chooses one.

use super::value14::{Half, UNSET, Value14};

/// Which halves of a bank select are known: bit 0 for the MSB, bit 1 for the LSB.
fn known_halves(bank: &Value14) -> u8 {
    u8::from(bank.get(Half::Msb) != UNSET) | u8::from(bank.get(Half::Lsb) != UNSET) << 1
}

/// The program of one channel and the bank it is from.
#[derive(Clone, Copy)]
pub(super) struct Program {
    /// [`UNSET`] where none was chosen.
    pub(super) number: u8,
    /// The bank that was selected when the program was chosen, as far as it is known.
    pub(super) bank: Value14,
    /// Halves of a bank select that the receiver may have been given on an earlier connection, as in `known_halves`.
    earlier_banks: u8,
}

impl Program {
    pub(super) const NEW: Program = Program {
        number: UNSET,
        bank: Value14::NEW,
        earlier_banks: 0,
    };

    /// Takes a Program Change.
    pub(super) fn choose(&mut self, number: u8, bank: Value14) {
        self.number = number;
        self.bank = bank;
    }

    /// The state on a new connection of a receiver that, on the last one, had this program and selected this bank.
    pub(super) fn on_new_connection(&self, selected: &Value14) -> Program {
        Program {
            earlier_banks: self.earlier_banks | known_halves(selected),
            ..Program::NEW
        }
    }

    /// Whether a receiver with the program of `self` and this bank selected has to be sent another program, and can be:
    /// it has not been given a half of a bank that is unknown for the program.
    pub(super) fn must_change(&self, selected: &Value14, sent: &Program) -> bool {
        let differs = self.number != sent.number || self.bank.step_to(&sent.bank).is_some();
        let given = self.earlier_banks | known_halves(selected);
        sent.number != UNSET && differs && given & !known_halves(&sent.bank) == 0
    }
}
