//! What a peer that has gone leaves sounding.

use super::controllers::{PEDALS, RESET_SWITCHES};
use super::marks::first_channel;
use super::value14::UNSET;
use super::{BEND_UNSET, CENTRE, ChannelState, Short};
use crate::midi::channels::Channels;

/// The next message that releases something held; see [`ChannelState::release`].
pub(super) fn next(state: &ChannelState, channels: Channels) -> Option<Short> {
    if let Some((channel, note)) = state.notes.first(channels.voices()) {
        return Some(Short::three(0x80 | channel as u8, note, 64));
    }
    if let Some(channel) = first_channel(state.restless & channels.voices()) {
        let controllers = &state.controllers[channel];
        if let Some(pedal) = PEDALS.into_iter().find(|pedal| controllers.is_down(*pedal)) {
            return Some(Short::control(channel, pedal, 0));
        }
        if has_pressure(state, channel) {
            return Some(Short::two(0xD0 | channel as u8, 0));
        }
        if has_bend(state, channel) {
            return Some(Short::three(0xE0 | channel as u8, 0, (CENTRE >> 7) as u8));
        }
    }
    (channels.has_system() && state.transport.is_running()).then(|| Short::one(0xFC))
}

/// Whether channel pressure is not at rest.
pub(super) fn has_pressure(state: &ChannelState, channel: usize) -> bool {
    !matches!(state.pressure[channel], UNSET | 0)
}

/// Whether the pitch bend is not at rest.
pub(super) fn has_bend(state: &ChannelState, channel: usize) -> bool {
    !matches!(state.bend[channel], BEND_UNSET | CENTRE)
}

/// Whether anything beside notes is not at rest on a channel.
pub(super) fn is_restless(state: &ChannelState, channel: usize) -> bool {
    let controllers = &state.controllers[channel];
    PEDALS.into_iter().any(|pedal| controllers.is_down(pedal))
        || has_pressure(state, channel)
        || has_bend(state, channel)
}

/// Whether a message would release something; see [`ChannelState::releases`].
pub(super) fn would(state: &ChannelState, message: &[u8]) -> bool {
    let channel = usize::from(message.first().map_or(0, |status| status & 0x0F));
    let controllers = &state.controllers[channel];
    match *message {
        [0x80..=0x8F, note, _] | [0x90..=0x9F, note, 0] => state.notes.count(channel, note) != 0,
        [0xB0..=0xBF, switch @ 64..=69, value] => controllers.is_lifted_by(switch, value),
        [0xB0..=0xBF, 120, _] => {
            // All Sound Off also ends what only a pedal keeps sounding, which is not known here.
            state.notes.has_any(channel) || PEDALS.into_iter().any(|pedal| controllers.is_down(pedal))
        }
        [0xB0..=0xBF, 121, _] => {
            RESET_SWITCHES.into_iter().any(|switch| controllers.is_down(switch))
                || has_pressure(state, channel)
                || has_bend(state, channel)
        }
        [0xB0..=0xBF, 123..=127, _] => state.notes.has_any(channel),
        [0xD0..=0xDF, 0] => has_pressure(state, channel),
        [0xE0..=0xEF, 0, 64] => has_bend(state, channel),
        [0xFC] => state.transport.is_running(),
        [0xFF] => !state.is_neutral(),
        _ => false,
    }
}
