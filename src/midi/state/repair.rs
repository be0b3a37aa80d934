//! The difference between the state of the receiver and that of the sender.
//!
//! Each step looks at the first mark of a section. It either gives the message
//! that brings the receiver nearer, or takes the mark away. So a whole difference
//! costs what is marked, and without marks it costs nothing.

use super::Short;
use super::controllers::{self, BANK, DATA_ENTRY, PEDALS};
use super::marks::first_channel;
use super::parameters::{Kind, NULL, Parameters, halves, is_mpe_configuration};
use super::value14::{Half, UNSET};
use super::{BEND_UNSET, ChannelState};

/// The next message of the difference, already applied to `received`; `None` when
/// all that is state is equal.
///
/// The order: a System Reset that was lost; mode messages that were lost or are
/// not in force; notes that were released before a pedal was pressed; pedals that were
/// moved, first those to be lifted, if only for a moment, then those to be pressed; mode messages
/// and Note Offs that the sender sent with the pedals where they are now; bank and
/// program; parameters as transactions, oldest first, and their selection;
/// controllers; poly and channel pressure; pitch bend; the sequencer. There is
/// never a Note On.
///
/// So nothing sounds on at the receiver that the sender released, and a note that the
/// sender holds is not released. A note that only pedals hold may end early where
/// several pedals moved among what was lost, or where one is half-way.
pub fn next_repair(received: &mut ChannelState, sent: &mut ChannelState) -> Option<Short> {
    next_repair_seen(received, sent, |_, _| {})
}

/// The same; calls `see` with the state before `received` takes the message.
pub fn next_repair_seen(
    received: &mut ChannelState,
    sent: &mut ChannelState,
    see: impl FnOnce(&ChannelState, &Short),
) -> Option<Short> {
    let message = match received.queued.take() {
        Some(message) => message,
        None if !sent.has_marks() => return None,
        None => {
            let message = step(received, sent);
            if message.is_none() {
                received.parameters.take_ages(&sent.parameters);
            }
            message?
        }
    };
    see(received, &message);
    received.apply(&message);
    Some(message)
}

fn step(received: &mut ChannelState, sent: &mut ChannelState) -> Option<Short> {
    if std::mem::take(&mut sent.reset_lost) {
        return Some(Short::one(0xFF));
    }
    // Values for parameters that were selected, at least in part, before the summary began: before anything changes the
    // selection.
    if received.unknown && sent.parameters.has_partial(&sent.marks.parameters) {
        let message = parameters(received, sent);
        if message.is_some() {
            return message;
        }
    }
    modes(received, sent, false)
        .or_else(|| notes_before_pedals(received, sent))
        .or_else(|| pedals(received, sent))
        .or_else(|| modes(received, sent, true))
        .or_else(|| notes(received, sent))
        .or_else(|| program(received, sent))
        .or_else(|| data_entry(received, sent))
        .or_else(|| parameters(received, sent))
        .or_else(|| selection(received, sent))
        .or_else(|| plain_controllers(received, sent))
        .or_else(|| poly_pressure(received, sent))
        .or_else(|| pressure_and_bend(received, sent))
        .or_else(|| transport(received, sent))
}

fn modes(received: &ChannelState, sent: &mut ChannelState, after_pedals: bool) -> Option<Short> {
    let mut marked = sent.marks.modes;
    while let Some(channel) = first_channel(marked) {
        let step = received.modes[channel].step_to(&mut sent.modes[channel], channel, after_pedals);
        if step.is_some() {
            return step;
        }
        marked &= !(1 << channel);
    }
    if after_pedals {
        sent.marks.modes = 0;
    }
    None
}

fn notes_before_pedals(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some((channel, note)) = sent.marks.notes_before_pedals.first() {
        if let Some(message) = note_off(received, sent, channel, note) {
            return Some(message);
        }
        sent.marks.notes_before_pedals.clear(channel, note);
    }
    None
}

fn notes(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some((channel, note)) = sent.marks.notes.first() {
        if let Some(message) = note_off(received, sent, channel, note) {
            return Some(message);
        }
        sent.marks.notes.clear(channel, note);
    }
    None
}

/// A Note Off if the receiver holds a note more often than the sender.
fn note_off(received: &ChannelState, sent: &ChannelState, channel: usize, note: u8) -> Option<Short> {
    let surplus = received.notes.count(channel, note) > sent.notes.count(channel, note);
    surplus.then(|| Short::three(0x80 | channel as u8, note, 64))
}

/// Pedals come early only where that matters: where they were moved by what was lost, or where notes or mode messages
/// follow them. Elsewhere they come with the other controllers.
fn pedals(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some(channel) = first_channel(sent.marks.pedals) {
        let matters = sent.controllers[channel].has_lost_pedals()
            || sent.modes[channel].follow_pedals()
            || sent.marks.notes.has_any(channel);
        if !matters {
            sent.marks.pedals &= !(1 << channel);
            for pedal in PEDALS {
                sent.marks.controllers.set(channel, pedal);
            }
            continue;
        }
        let step = received.controllers[channel].step_pedals(&mut sent.controllers[channel]);
        if let Some((pedal, value)) = step {
            return Some(Short::control(channel, pedal, value));
        }
        sent.marks.pedals &= !(1 << channel);
    }
    None
}

/// Bank and program are one unit (RFC 6295, chapter P): first the bank that the
/// program is from, then the program, then the bank selected since.
fn program(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some(channel) = first_channel(sent.marks.program) {
        let (have, want) = (&received.programs[channel], &sent.programs[channel]);
        let selected = received.controllers[channel].bank();
        let changes = have.must_change(&selected, want);
        let bank = if changes {
            want.bank
        } else {
            sent.controllers[channel].bank()
        };
        if let Some((controller, value)) = controllers::step(&selected, &bank, BANK) {
            return Some(Short::control(channel, controller, value));
        }
        if changes {
            return Some(Short::two(0xC0 | channel as u8, want.number));
        }
        sent.marks.program &= !(1 << channel);
    }
    None
}

/// Controllers 6 and 38 where they reached no parameter: nor may they here.
fn data_entry(received: &mut ChannelState, sent: &mut ChannelState) -> Option<Short> {
    for channel in 0..16 {
        if !sent.marks.controllers.has(channel, DATA_ENTRY) {
            continue;
        }
        let want = &sent.controllers[channel];
        if let Some((controller, value)) = received.controllers[channel].step_to(want, DATA_ENTRY) {
            // A receiver that has selected nothing may yet be one on a new link,
            // and have a parameter selected from before: where the sender ever
            // selected a whole number, null is selected first, by that system.
            let selected = &sent.parameters.selection[channel];
            let kinds = [Kind::Registered, Kind::NonRegistered];
            let kind = kinds.into_iter().find(|kind| !selected.number(*kind).contains(&UNSET));
            match kind {
                Some(kind) if !received.parameters.selection[channel].is_null() => {
                    sent.marks.selection |= 1 << channel;
                    return Some(select(received, channel, kind, NULL));
                }
                _ => return Some(Short::control(channel, controller, value)),
            }
        }
        sent.marks.controllers.clear(channel, DATA_ENTRY);
    }
    None
}

fn parameters(received: &mut ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some(index) = sent.parameters.oldest(&sent.marks.parameters) {
        if let Some(message) = parameter(received, sent, index) {
            return Some(message);
        }
        sent.marks.unmark_parameter(index);
    }
    None
}

/// The next message for the parameter at an index: its selection, or a half of its value.
fn parameter(received: &mut ChannelState, sent: &mut ChannelState, index: usize) -> Option<Short> {
    let (channel, number) = sent.parameters.at(index)?;
    if !received.parameters.selection[channel].can_select(number) {
        return None;
    }
    received.parameters.place(index, channel, number);
    let want = *sent.parameters.value(index);
    let again =
        is_mpe_configuration(channel, number) && sent.mpe_lost & 1 << channel != 0 && want.get(Half::Msb) != UNSET;
    let step = received.parameters.value(index).step_to(&want);
    let Some(half) = step.or(again.then_some(Half::Msb)) else {
        sent.parameters.owe(index, Half::Msb, false);
        sent.parameters.owe(index, Half::Lsb, false);
        return None;
    };
    // The sender's selection has to be restored afterwards.
    sent.marks.selection |= 1 << channel;
    let is_selected = received.parameters.selection[channel].surely_selects(number);
    if let Some((kind, number)) = halves(number).filter(|_| !is_selected) {
        return Some(select(received, channel, kind, number));
    }
    sent.parameters.owe(index, half, false);
    if half == Half::Msb && is_mpe_configuration(channel, number) {
        sent.mpe_lost &= !(1 << channel);
        // It changes bend ranges that were sent before.
        for index in Parameters::bend_ranges() {
            sent.marks.mark_parameter(index);
        }
    }
    let controller = match half {
        Half::Msb => 6,
        Half::Lsb => 38,
    };
    Some(Short::control(channel, controller, want.get(half)))
}

fn selection(received: &mut ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some(channel) = first_channel(sent.marks.selection) {
        let want = &sent.parameters.selection[channel];
        if let Some((kind, number)) = received.parameters.selection[channel].step_to(want) {
            return Some(select(received, channel, kind, number));
        }
        sent.marks.selection &= !(1 << channel);
    }
    None
}

/// Selects a parameter, always with both halves of its number: there are
/// receivers that forget the one system's number when the other is used.
fn select(received: &mut ChannelState, channel: usize, kind: Kind, number: [u8; 2]) -> Short {
    let (msb, lsb) = kind.controllers();
    let low = Short::control(channel, lsb, number[1]);
    if number[0] == UNSET {
        return low;
    }
    if number[1] != UNSET {
        received.queued = Some(low);
    }
    Short::control(channel, msb, number[0])
}

fn plain_controllers(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some((channel, mark)) = sent.marks.controllers.first() {
        // Bank and data entry have sections of their own.
        if !matches!(mark, BANK | DATA_ENTRY) {
            let want = &sent.controllers[channel];
            if let Some((controller, value)) = received.controllers[channel].step_to(want, mark) {
                return Some(Short::control(channel, controller, value));
            }
        }
        sent.marks.controllers.clear(channel, mark);
    }
    None
}

fn poly_pressure(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some((channel, note)) = sent.marks.poly_pressure.first() {
        let want = sent.poly_pressure[channel][usize::from(note)];
        if want != UNSET && received.poly_pressure[channel][usize::from(note)] != want {
            return Some(Short::three(0xA0 | channel as u8, note, want));
        }
        sent.marks.poly_pressure.clear(channel, note);
    }
    None
}

fn pressure_and_bend(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    while let Some(channel) = first_channel(sent.marks.pressure) {
        sent.marks.pressure &= !(1 << channel);
        let want = sent.pressure[channel];
        if want != UNSET && received.pressure[channel] != want {
            return Some(Short::two(0xD0 | channel as u8, want));
        }
    }
    while let Some(channel) = first_channel(sent.marks.bend) {
        sent.marks.bend &= !(1 << channel);
        let want = sent.bend[channel];
        if want != BEND_UNSET && received.bend[channel] != want {
            return Some(Short::three(
                0xE0 | channel as u8,
                (want & 0x7F) as u8,
                (want >> 7) as u8,
            ));
        }
    }
    None
}

fn transport(received: &ChannelState, sent: &mut ChannelState) -> Option<Short> {
    if !sent.marks.transport {
        return None;
    }
    let step = received.transport.step_to(&mut sent.transport);
    sent.marks.transport = step.is_some();
    step
}
