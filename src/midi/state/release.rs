//! What a peer that has gone leaves sounding.

use super::controllers::{LEGATO, SOSTENUTO, SUSTAIN};
use super::marks::first_channel;
use super::Msg;
use super::value14::UNSET;
use super::{BEND_UNSET, CENTRE, ChannelState};

impl ChannelState {
    /// The next message that releases what is still held, already applied:
    /// first a Note Off (velocity 64) for each strike of each note, then the
    /// pedals (sustain, sostenuto, legato), channel pressure to 0 and pitch bend
    /// to the centre where they are not, then Stop to a sequencer that runs.
    /// `None` when there is nothing left ([`ChannelState::is_neutral`]).
    pub fn next_release(&mut self) -> Option<Msg> {
        let message = self.release()?;
        self.apply(&message);
        Some(message)
    }

    /// The same, not applied yet.
    pub fn release(&self) -> Option<Msg> {
        if let Some((channel, note)) = self.notes.first() {
            return Some(Msg::three(0x80 | channel as u8, note, 64));
        }
        if let Some(channel) = first_channel(self.restless) {
            let controllers = &self.controllers[channel];
            for pedal in [SUSTAIN, SOSTENUTO, LEGATO] {
                if controllers.is_down(pedal) {
                    return Some(Msg::control(channel, pedal, 0));
                }
            }
            if !matches!(self.pressure[channel], UNSET | 0) {
                return Some(Msg::two(0xD0 | channel as u8, 0));
            }
            if !matches!(self.bend[channel], BEND_UNSET | CENTRE) {
                return Some(Msg::three(0xE0 | channel as u8, 0, (CENTRE >> 7) as u8));
            }
        }
        self.transport.is_running().then(|| Msg::one(0xFC))
    }

    /// Whether a message that ends things ([`lets_go`](crate::midi::message::lets_go)) would end one that is held here.
    pub fn is_let_go_by(&self, message: &[u8]) -> bool {
        let channel = message.first().map_or(0, |status| status & 0x0F);
        let at = usize::from(channel);
        match *message {
            [0xB0..=0xBF, 121, _] => self.restless >> channel & 1 != 0,
            [0xB0..=0xBF, pedal @ 64..=69, _] => self.holds_pedal(channel, pedal),
            [0xB0..=0xBF, ..] => (0..128).any(|note| self.holds_note(channel, note) != 0),
            [0xD0..=0xDF, _] => !matches!(self.pressure[at], UNSET | 0),
            [0xE0..=0xEF, ..] => !matches!(self.bend[at], BEND_UNSET | CENTRE),
            [0xFC] => self.transport.is_running(),
            _ => !self.is_neutral(),
        }
    }
}
