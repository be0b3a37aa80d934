//! Scheduled Note Ons that push refused. They are never struck late; so at each client that would have got one, the Note
//! Off that ends it is not sent either, or it would end another strike of the key.

use crate::realtime::later::Later;
use std::collections::HashMap;

/// Channel and note number.
type Note = (u8, u8);

fn note_of(later: &Later) -> Option<Note> {
    match *later.message() {
        [status @ 0x80..=0x9F, note, _] => Some((status & 15, note)),
        _ => None,
    }
}

/// How often each note was refused, and no Note Off has come for it.
#[derive(Default)]
pub(super) struct Unstruck {
    /// By client, and whether it was cancelled.
    strikes: HashMap<(u32, Note, bool), u16>,
    /// Of those in the summaries, by client, once they were asked for.
    summarised: HashMap<(u32, Note), u16>,
}

impl Unstruck {
    /// A Note On was refused that these clients would have got.
    pub(super) fn strike(&mut self, on: &Later, clients: &[u32]) {
        let Some(note) = note_of(on) else { return };
        for client in clients {
            *self.strikes.entry((*client, note, on.cancelled)).or_default() += 1;
        }
    }

    /// Takes from the `clients` of a message those at which it ends a note that was refused. `summarised` says how many
    /// strikes of a note the summary for a client has.
    pub(super) fn end(&mut self, off: &Later, clients: &mut Vec<u32>, summarised: impl Fn(u32, u8, u8) -> u16) {
        let Some(note) = note_of(off) else { return };
        clients.retain(|client| {
            let strikes = self.strikes.get_mut(&(*client, note, off.cancelled));
            let strikes = match strikes.filter(|strikes| **strikes != 0) {
                Some(strikes) => strikes,
                None => {
                    let strikes = self.summarised.entry((*client, note));
                    strikes.or_insert_with(|| summarised(*client, note.0, note.1))
                }
            };
            let is_struck = *strikes == 0;
            *strikes = strikes.saturating_sub(1);
            is_struck
        });
    }
}
