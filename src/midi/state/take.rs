//! What each message does to the state.

use super::controllers::{BANK, DATA_ENTRY, LEGATO, SOSTENUTO, SUSTAIN};
use super::parameters::{SELECTED_BEFORE, Target, is_mpe_configuration};
use super::value14::{Half, UNSET};
use super::{BEND_UNSET, CENTRE, ChannelState, Program};

impl ChannelState {
    /// Takes one message; see [`ChannelState::lose`] for what it returns.
    pub(super) fn take(&mut self, message: &[u8], lost: bool) -> u32 {
        match *message {
            [status @ 0x80..=0xEF, first, ref rest @ ..] => {
                let channel = usize::from(status & 0x0F);
                let first = first & 0x7F;
                let second = rest.first().map_or(0, |byte| byte & 0x7F);
                match (status >> 4, second) {
                    (8, _) | (9, 0) => {
                        let ended = self.notes.off(channel, first, lost).one;
                        // Only this makes a difference: the fewer marks, the less there is to look through.
                        if lost && ended {
                            self.marks.notes.set(channel, first);
                        }
                    }
                    (9, _) => {
                        self.notes.on(channel, first, lost);
                    }
                    (0xA, pressure) => self.set_poly_pressure(channel, first, pressure),
                    (0xB, value) => return self.control(channel, first, value, lost),
                    (0xC, _) => self.set_program(channel, first),
                    (0xD, _) => self.set_pressure(channel, first),
                    _ => self.set_bend(channel, u16::from(second) << 7 | u16::from(first)),
                }
                u32::from(lost && Self::is_event(message))
            }
            [0xFF, ..] => {
                *self = ChannelState::NEW;
                self.reset_lost = lost;
                0
            }
            [0xF2 | 0xF3 | 0xFA..=0xFC, ref data @ ..] => {
                self.sequencer(message[0], data, lost);
                0
            }
            _ => u32::from(lost && Self::is_event(message)),
        }
    }

    fn sequencer(&mut self, status: u8, data: &[u8], lost: bool) {
        match (status, data) {
            (0xF2, &[low, high, ..]) => {
                let beats = u16::from(high & 0x7F) << 7 | u16::from(low & 0x7F);
                self.transport.locate(beats, lost);
            }
            (0xF3, &[song, ..]) => self.transport.select(song & 0x7F),
            (0xFA, _) => self.transport.start(lost),
            (0xFB, _) => self.transport.resume(),
            (0xFC, _) => self.transport.stop(),
            _ => return,
        }
        self.marks.transport = true;
    }

    fn set_poly_pressure(&mut self, channel: usize, note: u8, pressure: u8) {
        self.poly_pressure[channel][usize::from(note)] = pressure;
        self.marks.poly_pressure.set(channel, note);
    }

    fn set_program(&mut self, channel: usize, number: u8) {
        self.programs[channel] = Program {
            number,
            bank: self.controllers[channel].bank(),
        };
        self.marks.program |= 1 << channel;
    }

    pub(super) fn set_pressure(&mut self, channel: usize, pressure: u8) {
        self.pressure[channel] = pressure;
        self.marks.pressure |= 1 << channel;
        self.look_for_rest(channel);
    }

    pub(super) fn set_bend(&mut self, channel: usize, bend: u16) {
        self.bend[channel] = bend;
        self.marks.bend |= 1 << channel;
        self.look_for_rest(channel);
    }

    pub(super) fn control(&mut self, channel: usize, controller: u8, value: u8, lost: bool) -> u32 {
        match controller {
            // Events: gone with their time.
            84 | 88 => u32::from(lost),
            96 | 97 => {
                if let Some(number) = self.data_goes_to(channel) {
                    self.parameters.blur(channel, number);
                }
                u32::from(lost)
            }
            98..=101 => {
                self.parameters.selection[channel].set(controller, value);
                self.marks.selection |= 1 << channel;
                0
            }
            6 => self.enter_data(channel, Half::Msb, value, lost),
            38 => self.enter_data(channel, Half::Lsb, value, lost),
            120.. => {
                self.mode(channel, controller, value, lost);
                0
            }
            _ => {
                let mark = self.controllers[channel].set(controller, value);
                if mark == BANK {
                    self.marks.program |= 1 << channel;
                } else {
                    self.marks.controllers.set(channel, mark);
                }
                if matches!(controller, SUSTAIN | SOSTENUTO | LEGATO) {
                    self.look_for_rest(channel);
                }
                0
            }
        }
    }

    /// The parameter that data entry reaches, if any: also one that is known in part, where the rest was selected before
    /// what is known here.
    fn data_goes_to(&self, channel: usize) -> Option<u16> {
        let selection = &self.parameters.selection[channel];
        match selection.target() {
            Target::Parameter(number) => Some(number),
            Target::Partial(number) if self.unknown => Some(number),
            Target::Plain if self.unknown && selection.is_untouched() => Some(SELECTED_BEFORE),
            _ => None,
        }
    }

    fn enter_data(&mut self, channel: usize, half: Half, value: u8, lost: bool) -> u32 {
        let Some(number) = self.data_goes_to(channel) else {
            // The sender itself never said which parameter: nothing that could be told again.
            if let Target::Partial(_) = self.parameters.selection[channel].target() {
                return u32::from(lost);
            }
            let controller = if half == Half::Msb { 6 } else { 38 };
            self.controllers[channel].set(controller, value);
            self.marks.controllers.set(channel, DATA_ENTRY);
            return 0;
        };
        if half == Half::Msb && is_mpe_configuration(channel, number) {
            self.parameters.configure_mpe(channel, value);
            if lost {
                self.mpe_lost |= 1 << channel;
            } else {
                self.mpe_lost &= !(1 << channel);
            }
        }
        let written = self.parameters.write(channel, number, half, value);
        self.parameters.owe(written.index, half, lost);
        // What gave way while its value was still to be told is lost.
        let given_up = written.replaced && self.marks.has_parameter(written.index);
        self.marks.mark_parameter(written.index);
        u32::from(lost && given_up)
    }

    fn mode(&mut self, channel: usize, controller: u8, value: u8, lost: bool) {
        self.modes[channel].set(controller, value, lost);
        self.marks.modes |= 1 << channel;
        match controller {
            121 => {
                self.controllers[channel].reset();
                self.parameters.selection[channel].set_null();
                self.poly_pressure[channel] = [0; 128];
                self.pressure[channel] = 0;
                self.bend[channel] = CENTRE;
                self.look_for_rest(channel);
            }
            122 => {}
            // 120, 123, and 124 to 127, which are All Notes Off too.
            _ => self.notes.all_off(channel),
        }
    }

    /// Whether there is anything to release on a channel beside its notes.
    fn look_for_rest(&mut self, channel: usize) {
        let controllers = &self.controllers[channel];
        let restless = [SUSTAIN, SOSTENUTO, LEGATO]
            .iter()
            .any(|pedal| controllers.is_down(*pedal))
            || !matches!(self.pressure[channel], UNSET | 0)
            || !matches!(self.bend[channel], BEND_UNSET | CENTRE);
        if restless {
            self.restless |= 1 << channel;
        } else {
            self.restless &= !(1 << channel);
        }
    }
}
