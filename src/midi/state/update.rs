//! What each message does to a state.

use super::controllers::{BANK, DATA_ENTRY, LEGATO, RESET_SWITCHES, SOSTENUTO, SUSTAIN};
use super::parameters::{SELECTED_BEFORE, Target, is_mpe_configuration};
use super::release::is_restless;
use super::value14::Half;
use super::{CENTRE, ChannelState};

/// Applies one message; see [`ChannelState::lose`] for what it returns.
pub(super) fn apply(state: &mut ChannelState, message: &[u8], lost: bool) -> u32 {
    match *message {
        [status @ 0x80..=0xEF, first, ref rest @ ..] => {
            let channel = usize::from(status & 0x0F);
            let first = first & 0x7F;
            let second = rest.first().map_or(0, |byte| byte & 0x7F);
            match (status >> 4, second) {
                (8, _) | (9, 0) => {
                    let ended = state.notes.off(channel, first, lost).one;
                    // Nothing else makes a difference, and each mark costs a step of it.
                    if lost && ended {
                        state.marks.notes.set(channel, first);
                    }
                }
                (9, _) => {
                    state.notes.on(channel, first, lost);
                }
                (0xA, pressure) => set_poly_pressure(state, channel, first, pressure),
                (0xB, value) => return control(state, channel, first, value, lost),
                (0xC, _) => set_program(state, channel, first),
                (0xD, _) => set_pressure(state, channel, first),
                _ => set_bend(state, channel, u16::from(second) << 7 | u16::from(first)),
            }
            u32::from(lost && ChannelState::is_event(message))
        }
        [0xFF, ..] => {
            *state = ChannelState::NEW;
            state.reset_lost = lost;
            0
        }
        [0xF2 | 0xF3 | 0xFA..=0xFC, ref data @ ..] => {
            sequencer(state, message[0], data, lost);
            0
        }
        _ => u32::from(lost && ChannelState::is_event(message)),
    }
}

pub(super) fn sequencer(state: &mut ChannelState, status: u8, data: &[u8], lost: bool) {
    match (status, data) {
        (0xF2, &[low, high, ..]) => {
            let beats = u16::from(high & 0x7F) << 7 | u16::from(low & 0x7F);
            state.transport.locate(beats, lost);
        }
        (0xF3, &[song, ..]) => state.transport.select(song & 0x7F),
        (0xFA, _) => state.transport.start(lost),
        (0xFB, _) => state.transport.resume(),
        (0xFC, _) => state.transport.stop(lost),
        _ => return,
    }
    state.marks.transport = true;
}

fn set_poly_pressure(state: &mut ChannelState, channel: usize, note: u8, pressure: u8) {
    state.poly_pressure[channel][usize::from(note)] = pressure;
    state.marks.poly_pressure.set(channel, note);
}

fn set_program(state: &mut ChannelState, channel: usize, number: u8) {
    state.programs[channel].choose(number, state.controllers[channel].bank());
    state.marks.program |= 1 << channel;
}

pub(super) fn set_pressure(state: &mut ChannelState, channel: usize, pressure: u8) {
    state.pressure[channel] = pressure;
    state.marks.pressure |= 1 << channel;
    update_restless(state, channel);
}

pub(super) fn set_bend(state: &mut ChannelState, channel: usize, bend: u16) {
    state.bend[channel] = bend;
    state.marks.bend |= 1 << channel;
    update_restless(state, channel);
}

/// Inline, as nearly every message that is not a note comes through here.
#[inline(always)]
pub(super) fn control(state: &mut ChannelState, channel: usize, controller: u8, value: u8, lost: bool) -> u32 {
    match controller {
        // Events: their time is over.
        84 | 88 => return u32::from(lost),
        96 | 97 => {
            if let Some(number) = data_entry_target(state, channel) {
                state.parameters.blur(channel, number);
            }
            return u32::from(lost);
        }
        6 => return enter_data(state, channel, Half::Msb, value, lost),
        38 => return enter_data(state, channel, Half::Lsb, value, lost),
        98..=101 => {
            state.parameters.selection[channel].set(controller, value);
            state.marks.selection |= 1 << channel;
        }
        120.. => mode(state, channel, controller, value, lost),
        SUSTAIN | SOSTENUTO | LEGATO => set_pedal(state, channel, controller, value, lost),
        _ => {
            let mark = state.controllers[channel].set(controller, value);
            if mark == BANK {
                state.marks.program |= 1 << channel;
            } else {
                state.marks.controllers.set(channel, mark);
            }
        }
    }
    0
}

/// Moves a pedal that holds notes.
fn set_pedal(state: &mut ChannelState, channel: usize, pedal: u8, value: u8, lost: bool) {
    let controllers = &mut state.controllers[channel];
    // A note that another pedal of the kind holds is caught by this one as well, at the sender and at the receiver.
    let catches = controllers.is_pressed_by(pedal, value) && !controllers.is_held_beside(pedal);
    controllers.set(pedal, value);
    if lost {
        controllers.lose_pedal(pedal, value);
    }
    state.marks.pedals |= 1 << channel;
    update_restless(state, channel);
    if lost && catches {
        // What was released up to now is silent, or only the sostenuto pedal holds it. This pedal must not catch it.
        let (notes, unknown) = (&state.notes, state.unknown);
        let marks = &mut state.marks;
        marks.notes.move_to(&mut marks.notes_before_pedals, channel, |note| {
            unknown || notes.count(channel, note) == 0
        });
        state.modes[channel].press_pedal();
    }
}

/// The parameter that data entry reaches, if any. In a summary this includes one that is known in part, where the rest
/// was selected before the summary began.
fn data_entry_target(state: &ChannelState, channel: usize) -> Option<u16> {
    let selection = &state.parameters.selection[channel];
    match selection.target() {
        Target::Parameter(number) => Some(number),
        Target::Partial(number) if state.unknown => Some(number),
        Target::Plain if state.unknown && selection.is_untouched() => Some(SELECTED_BEFORE),
        _ => None,
    }
}

fn enter_data(state: &mut ChannelState, channel: usize, half: Half, value: u8, lost: bool) -> u32 {
    let Some(number) = data_entry_target(state, channel) else {
        // The sender itself never said which parameter: this cannot be brought back.
        if let Target::Partial(_) = state.parameters.selection[channel].target() {
            return u32::from(lost);
        }
        let controller = if half == Half::Msb { 6 } else { 38 };
        state.controllers[channel].set(controller, value);
        state.marks.controllers.set(channel, DATA_ENTRY);
        return 0;
    };
    if half == Half::Msb && is_mpe_configuration(channel, number) {
        state.parameters.configure_mpe(channel, value);
        if lost {
            state.mpe_lost |= 1 << channel;
        } else {
            state.mpe_lost &= !(1 << channel);
        }
    }
    let written = state.parameters.write(channel, number, half, value);
    state.parameters.owe(written.index, half, lost);
    // If another parameter made room while its own value was still to be sent, that value is lost.
    let given_up = written.replaced && state.marks.has_parameter(written.index);
    state.marks.mark_parameter(written.index);
    u32::from(lost && given_up)
}

fn mode(state: &mut ChannelState, channel: usize, controller: u8, value: u8, lost: bool) {
    let pedals_moved = state.marks.pedals >> channel & 1 != 0;
    state.modes[channel].set(controller, value, lost, pedals_moved);
    state.marks.modes |= 1 << channel;
    match controller {
        121 => {
            state.controllers[channel].reset();
            if lost {
                for switch in RESET_SWITCHES {
                    state.controllers[channel].lose_pedal(switch, 0);
                }
            }
            state.parameters.selection[channel].set_null();
            state.poly_pressure[channel] = [0; 128];
            state.pressure[channel] = 0;
            state.bend[channel] = CENTRE;
            update_restless(state, channel);
        }
        122 => {}
        // 120, 123, and 124 to 127, which are All Notes Off too.
        _ => state.notes.all_off(channel),
    }
}

/// Notes whether there is anything to release on a channel beside its notes.
pub(super) fn update_restless(state: &mut ChannelState, channel: usize) {
    if is_restless(state, channel) {
        state.restless |= 1 << channel;
    } else {
        state.restless &= !(1 << channel);
    }
}
