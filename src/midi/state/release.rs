//! What a peer that has gone leaves sounding.

use super::controllers::{LEGATO, SOSTENUTO, SUSTAIN};
use super::marks::first_channel;
use super::short::Msg;
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
}
