//! Parts of a state: some of its channels, or the state of the system messages.

use super::controllers::PEDALS;
use super::marks::Marks;
use super::release::{has_bend, has_pressure};
use super::update::{control, sequencer, set_bend, set_pressure, update_restless};
use super::value14::UNSET;
use super::{BEND_UNSET, CENTRE, ChannelState, Controllers, Modes};
use crate::midi::channels::Channels;

pub(super) static BLANK: ChannelState = ChannelState::NEW;
pub(super) static UNKNOWN: ChannelState = ChannelState::UNKNOWN;

/// Copies some channels from another state, without marks: on them the two states do not differ.
pub(super) fn copy(to: &mut ChannelState, from: &ChannelState, channels: Channels) {
    clear_marks(to, channels);
    let is_of = |status: u8| channels.has_status(status);
    to.queued = to.queued.filter(|queued| !is_of(queued[0]));
    for channel in voices(channels) {
        to.notes.copy(channel, &from.notes);
        to.controllers[channel].clone_from(&from.controllers[channel]);
        to.controllers[channel].forget_lost_pedals();
        to.programs[channel] = from.programs[channel];
        to.poly_pressure[channel] = from.poly_pressure[channel];
        to.pressure[channel] = from.pressure[channel];
        to.bend[channel] = from.bend[channel];
        to.modes[channel] = from.modes[channel];
        to.modes[channel].forget_lost();
        to.parameters
            .copy(channel, &from.parameters, |index| to.marks.unmark_parameter(index));
        to.mpe_lost &= !(1 << channel);
        update_restless(to, channel);
    }
    if channels.has_system() {
        to.transport = from.transport;
        to.transport.forget_lost();
        to.reset_lost = false;
    }
}

/// Marks as lost the releases of all notes, pedals and the like that a state has on some channels.
pub(super) fn lose_releases(state: &mut ChannelState, channels: Channels) {
    for channel in voices(channels) {
        for note in 0..128 {
            if state.notes.count(channel, note) != 0 {
                state.marks.notes.set(channel, note);
            }
        }
        state.notes.all_off(channel);
        for pedal in PEDALS {
            if state.controllers[channel].is_down(pedal) {
                control(state, channel, pedal, 0, true);
            }
        }
        if has_pressure(state, channel) {
            set_pressure(state, channel, 0);
        }
        if has_bend(state, channel) {
            set_bend(state, channel, CENTRE);
        }
    }
    if channels.has_system() && state.transport.is_running() {
        sequencer(state, 0xFC, &[], true);
    }
}

/// Forgets the values on some channels, so that each value of `sent` is sent. A value that is not at rest stays so,
/// because it may have to be released. Notes, the halves of banks that a receiver has, and whether a sequencer runs
/// stay too.
pub(super) fn forget_values(state: &mut ChannelState, sent: &ChannelState, channels: Channels) {
    let is_of = |status: u8| channels.has_status(status);
    state.queued = state.queued.filter(|queued| !is_of(queued[0]));
    for channel in voices(channels) {
        let bank = state.controllers[channel].bank();
        state.programs[channel] = state.programs[channel].on_new_connection(&bank);
        let before = std::mem::replace(&mut state.controllers[channel], Controllers::NEW);
        for pedal in PEDALS.into_iter().filter(|pedal| before.is_down(*pedal)) {
            let other = other_than(sent.controllers[channel].get(pedal).into());
            state.controllers[channel].set(pedal, other as u8);
        }
        state.poly_pressure[channel] = [UNSET; 128];
        state.pressure[channel] = if has_pressure(state, channel) {
            other_than(sent.pressure[channel].into()) as u8
        } else {
            UNSET
        };
        state.bend[channel] = if has_bend(state, channel) {
            other_than(sent.bend[channel])
        } else {
            BEND_UNSET
        };
        state.modes[channel] = Modes::NEW;
        state.parameters.copy(channel, &BLANK.parameters, |_| {});
        update_restless(state, channel);
    }
    if channels.has_system() {
        state.transport.forget_places();
    }
}

/// Marks everything that was ever set on some channels, except notes.
pub(super) fn mark_known(state: &mut ChannelState, channels: Channels) {
    clear_marks(state, channels);
    let voiced = channels.voices();
    let marks = &mut state.marks;
    marks.modes |= voiced;
    marks.program |= voiced;
    marks.selection |= voiced;
    marks.pressure |= voiced;
    marks.bend |= voiced;
    marks.transport |= channels.has_system();
    for index in state.parameters.known() {
        if state
            .parameters
            .at(index)
            .is_some_and(|(channel, _)| voiced >> channel & 1 != 0)
        {
            marks.mark_parameter(index);
        }
    }
    for channel in voices(channels) {
        for controller in state.controllers[channel].known() {
            marks.controllers.set(channel, controller);
        }
        for (note, pressure) in (0..128).zip(state.poly_pressure[channel]) {
            if pressure != UNSET {
                marks.poly_pressure.set(channel, note);
            }
        }
    }
}

/// Marks the notes that a receiver holds more often than the state.
pub(super) fn mark_surplus(state: &mut ChannelState, received: &ChannelState, channels: Channels) {
    for channel in voices(channels) {
        for note in 0..128 {
            if received.notes.count(channel, note) > state.notes.count(channel, note) {
                state.marks.notes.set(channel, note);
            }
        }
    }
}

/// A value that is not at rest, and differs from `value`.
fn other_than(value: u16) -> u16 {
    if value == 1 { 2 } else { 1 }
}

fn clear_marks(state: &mut ChannelState, channels: Channels) {
    if channels.is_all() {
        state.marks = Marks::NEW;
        return;
    }
    let voiced = channels.voices();
    let parameters = &state.parameters;
    let of_them = |index: usize| {
        parameters
            .at(index)
            .is_some_and(|(channel, _)| voiced >> channel & 1 != 0)
    };
    for index in (0..parameters.count()).filter(|index| of_them(*index)) {
        state.marks.unmark_parameter(index);
    }
    state.marks.clear_channels(voiced);
    state.marks.transport &= !channels.has_system();
}

/// The MIDI channels among them, without the system messages.
fn voices(channels: Channels) -> impl Iterator<Item = usize> {
    channels.places().filter(|place| *place < 16)
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::super::next_repair;
    use super::super::receiver_model::Receiver;
    use super::super::songs::{config, songs};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn of(bits: u32) -> Channels {
        Channels::of(bits).unwrap()
    }

    fn messages(received: &mut ChannelState, sent: &mut ChannelState) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| next_repair(received, sent))
            .map(|message| message.to_vec())
            .collect()
    }

    fn state(messages: &[&[u8]]) -> ChannelState {
        let mut state = ChannelState::new();
        messages.iter().for_each(|message| state.apply(message));
        state
    }

    #[test]
    fn what_is_held_on_channels_that_are_cut_is_released() {
        let mut received = state(&[
            &[0x90, 60, 1],
            &[0x91, 61, 1],
            &[0x91, 61, 1],
            &[0xB1, 64, 127],
            &[0xD1, 5],
            &[0xE1, 0, 1],
            &[0xB1, 7, 9],
            &[0xFA],
        ]);
        let mut sent = received.clone();
        sent.cut(&received.clone(), of(0x10002));
        let released = messages(&mut received, &mut sent);
        let expected: &[&[u8]] = &[
            &[0xB1, 64, 0],
            &[0x81, 61, 64],
            &[0x81, 61, 64],
            &[0xD1, 0],
            &[0xE1, 0, 64],
            &[0xFC],
        ];
        assert_eq!(released, expected);
        assert_eq!(received.holds_note(0, 60), 1);
    }

    #[test]
    fn what_was_lost_on_channels_that_are_cut_is_not_brought_back() {
        let mut received = state(&[&[0x91, 60, 1]]);
        let mut sent = ChannelState::new();
        sent.follow(&mut received);
        for message in [
            &[0xB1, 7, 9][..],
            &[0xC1, 3],
            &[0xB0, 7, 9],
            &[0xB1, 101, 0],
            &[0xB1, 100, 0],
            &[0xB1, 6, 5],
        ] {
            sent.lose(message);
        }
        sent.cut(&received, of(2));
        assert_eq!(messages(&mut received, &mut sent), [[0x81, 60, 64], [0xB0, 7, 9]]);
    }

    /// A System Reset that is not sent any more still releases what it would have. Values set after it are sent.
    #[test]
    fn a_lost_system_reset_that_is_cut_releases() {
        let mut received = state(&[&[0x91, 60, 1], &[0xFA]]);
        let mut sent = ChannelState::new();
        sent.follow(&mut received);
        for message in [&[0xFF][..], &[0xB1, 7, 9]] {
            sent.lose(message);
        }
        sent.cut(&received, Channels::SYSTEM);
        assert_eq!(
            messages(&mut received, &mut sent),
            [&[0x81, 60, 64][..], &[0xB1, 7, 9], &[0xFC]]
        );
    }

    proptest! {
        #![proptest_config(config())]

        /// Channels are cut and opened again anywhere: nothing hangs while they are cut, and afterwards a receiver stands
        /// where the sender does.
        #[test]
        fn a_receiver_is_right_after_channels_were_cut_and_opened(
            song in songs(60), bits in 0u32..0x10000, at in any::<prop::sample::Index>(), again in any::<prop::sample::Index>(),
        ) {
            let all: Vec<_> = song.steps.iter().flat_map(|step| step.phrase.clone()).collect();
            let (one, other) = (at.index(all.len() + 1), again.index(all.len() + 1));
            let (cut, open) = (one.min(other), one.max(other));
            // An MPE configuration also sets bend ranges of other channels. A receiver that does not get it lacks them.
            prop_assume!(!song.make.mpe);
            let channels = of(bits);
            let (mut given, mut hidden) = (ChannelState::new(), ChannelState::new());
            let (mut receiver, mut sender) = (Receiver::new(song.make), Receiver::new(song.make));
            let mut stepped = BTreeSet::new();
            for (index, message) in all.iter().chain([&vec![0xFE]]).enumerate() {
                if index == cut {
                    hidden.copy(&given, channels);
                    let mut wanted = given.clone();
                    wanted.cut(&given, channels);
                    while let Some(message) = next_repair(&mut given, &mut wanted) {
                        receiver.receive(&message);
                    }
                    let hangs = receiver.held.keys().any(|(channel, _)| channels.has_status(0x90 | channel));
                    prop_assert!(!hangs, "{:?}", receiver.held);
                }
                if index == open {
                    let mut wanted = given.clone();
                    wanted.reveal(&hidden, &mut given, channels);
                    while let Some(message) = next_repair(&mut given, &mut wanted) {
                        receiver.receive(&message);
                    }
                }
                stepped.extend(judge::stepped(&sender, message));
                sender.receive(message);
                if message == &[0xFF] {
                    return Ok(());
                }
                if (cut..open).contains(&index) && channels.has(message) {
                    hidden.apply(message);
                } else {
                    given.apply(message);
                    receiver.receive(message);
                }
            }
            let differences = receiver.differences(&sender, &stepped);
            prop_assert!(differences.is_empty(), "{:#?}", differences);
            for (note, strikes) in &receiver.held {
                prop_assert!(sender.held.get(note).is_some_and(|held| held >= strikes), "{note:?} hangs");
            }
        }
    }
}
