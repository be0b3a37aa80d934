//! The difference between what a receiver heard and where the sender stands.
//!
//! Each step looks at the first thing marked in a section and either gives the
//! message that brings the receiver nearer, or takes the mark away. So a whole
//! difference costs what is marked, and nothing marked costs nothing.

use super::controllers::{self, BANK, DATA_ENTRY};
use super::marks::first_channel;
use super::parameters::{Kind, NULL, Parameters, halves, is_mpe_configuration};
use super::Msg;
use super::value14::{Half, UNSET};
use super::{BEND_UNSET, ChannelState};

/// The next message of the difference, already applied to `heard`; `None` when
/// all that is state is equal.
///
/// The order: a System Reset that was lost; mode messages that were lost or are
/// not in force; Note Offs for what the sender no longer holds; bank and
/// program; parameters as transactions, oldest first, and their selection;
/// controllers; poly and channel pressure; pitch bend; the sequencer. There is
/// never a Note On.
pub fn next_repair(heard: &mut ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    next_repair_seen(heard, wanted, |_, _| {})
}

/// The same; who wants to see what the receiver stood at before it takes the message is called first.
pub fn next_repair_seen(
    heard: &mut ChannelState,
    wanted: &mut ChannelState,
    see: impl FnOnce(&ChannelState, &Msg),
) -> Option<Msg> {
    let message = match heard.queued.take() {
        Some(message) => message,
        None if !wanted.has_marks() => return None,
        None => step(heard, wanted)?,
    };
    see(heard, &message);
    heard.apply(&message);
    Some(message)
}

fn step(heard: &mut ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    if std::mem::take(&mut wanted.reset_lost) {
        return Some(Msg::one(0xFF));
    }
    // Values for what was selected in part before what is known here: before anything changes the selection.
    if heard.unknown
        && wanted.parameters.has_partial(&wanted.marks.parameters)
        && let Some(message) = parameters(heard, wanted)
    {
        return Some(message);
    }
    modes(heard, wanted)
        .or_else(|| notes(heard, wanted))
        .or_else(|| program(heard, wanted))
        .or_else(|| data_entry(heard, wanted))
        .or_else(|| parameters(heard, wanted))
        .or_else(|| selection(heard, wanted))
        .or_else(|| plain_controllers(heard, wanted))
        .or_else(|| poly_pressure(heard, wanted))
        .or_else(|| pressure_and_bend(heard, wanted))
        .or_else(|| transport(heard, wanted))
}

fn modes(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some(channel) = first_channel(wanted.marks.modes) {
        let step = heard.modes[channel].step_to(&mut wanted.modes[channel], channel);
        if step.is_some() {
            return step;
        }
        wanted.marks.modes &= !(1 << channel);
    }
    None
}

fn notes(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some((channel, note)) = wanted.marks.notes.first() {
        if heard.notes.count(channel, note) > wanted.notes.count(channel, note) {
            return Some(Msg::three(0x80 | channel as u8, note, 64));
        }
        wanted.marks.notes.clear(channel, note);
    }
    None
}

/// Bank and program are one unit (RFC 6295, chapter P): first the bank that the
/// program is from, then the program, then the bank selected since.
fn program(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some(channel) = first_channel(wanted.marks.program) {
        let (have, want) = (&heard.programs[channel], &wanted.programs[channel]);
        let selected = heard.controllers[channel].bank();
        let differs = want.number != UNSET && (have.number != want.number || have.bank.step_to(&want.bank).is_some());
        let bank = if differs {
            want.bank
        } else {
            wanted.controllers[channel].bank()
        };
        if let Some((controller, value)) = controllers::step(&selected, &bank, BANK) {
            return Some(Msg::control(channel, controller, value));
        }
        if differs {
            return Some(Msg::two(0xC0 | channel as u8, want.number));
        }
        wanted.marks.program &= !(1 << channel);
    }
    None
}

/// Controllers 6 and 38 where they reached no parameter: nor may they here.
fn data_entry(heard: &mut ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    for channel in 0..16 {
        if !wanted.marks.controllers.has(channel, DATA_ENTRY) {
            continue;
        }
        let want = &wanted.controllers[channel];
        if let Some((controller, value)) = heard.controllers[channel].step_to(want, DATA_ENTRY) {
            // A receiver that has selected nothing may yet be one on a new link,
            // and have a parameter selected from before: where the sender ever
            // selected a whole number, null is selected first, by that system.
            let selected = &wanted.parameters.selection[channel];
            let kinds = [Kind::Registered, Kind::NonRegistered];
            let kind = kinds.into_iter().find(|kind| !selected.number(*kind).contains(&UNSET));
            match kind {
                Some(kind) if !heard.parameters.selection[channel].is_null() => {
                    wanted.marks.selection |= 1 << channel;
                    return Some(select(heard, channel, kind, NULL));
                }
                _ => return Some(Msg::control(channel, controller, value)),
            }
        }
        wanted.marks.controllers.clear(channel, DATA_ENTRY);
    }
    None
}

fn parameters(heard: &mut ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some(index) = wanted.parameters.oldest(&wanted.marks.parameters) {
        if let Some((channel, number)) = wanted.parameters.at(index)
            && heard.parameters.selection[channel].can_select(number)
        {
            heard.parameters.place(index, channel, number);
            let want = *wanted.parameters.value(index);
            let again = is_mpe_configuration(channel, number)
                && wanted.mpe_lost & 1 << channel != 0
                && want.get(Half::Msb) != UNSET;
            let half = match heard.parameters.value(index).step_to(&want) {
                None if again => Some(Half::Msb),
                half => half,
            };
            if let Some(half) = half {
                // Putting the selection back has to follow.
                wanted.marks.selection |= 1 << channel;
                if !heard.parameters.selection[channel].surely_selects(number)
                    && let Some((kind, number)) = halves(number)
                {
                    return Some(select(heard, channel, kind, number));
                }
                wanted.parameters.owe(index, half, false);
                let controller = match half {
                    Half::Msb => {
                        if is_mpe_configuration(channel, number) {
                            wanted.mpe_lost &= !(1 << channel);
                            // Bend ranges that were told before have to be again.
                            for index in Parameters::bend_ranges() {
                                wanted.marks.mark_parameter(index);
                            }
                        }
                        6
                    }
                    Half::Lsb => 38,
                };
                return Some(Msg::control(channel, controller, want.get(half)));
            }
            wanted.parameters.owe(index, Half::Msb, false);
            wanted.parameters.owe(index, Half::Lsb, false);
        }
        wanted.marks.unmark_parameter(index);
    }
    None
}

fn selection(heard: &mut ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some(channel) = first_channel(wanted.marks.selection) {
        let want = &wanted.parameters.selection[channel];
        if let Some((kind, number)) = heard.parameters.selection[channel].step_to(want) {
            return Some(select(heard, channel, kind, number));
        }
        wanted.marks.selection &= !(1 << channel);
    }
    None
}

/// Selects a parameter, always with both halves of its number: there are
/// receivers that forget the one system's number when the other is used.
fn select(heard: &mut ChannelState, channel: usize, kind: Kind, number: [u8; 2]) -> Msg {
    let (msb, lsb) = kind.controllers();
    let low = Msg::control(channel, lsb, number[1]);
    if number[0] == UNSET {
        return low;
    }
    if number[1] != UNSET {
        heard.queued = Some(low);
    }
    Msg::control(channel, msb, number[0])
}

fn plain_controllers(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some((channel, mark)) = wanted.marks.controllers.first() {
        let want = &wanted.controllers[channel];
        if !matches!(mark, BANK | DATA_ENTRY)
            && let Some((controller, value)) = heard.controllers[channel].step_to(want, mark)
        {
            return Some(Msg::control(channel, controller, value));
        }
        wanted.marks.controllers.clear(channel, mark);
    }
    None
}

fn poly_pressure(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some((channel, note)) = wanted.marks.poly_pressure.first() {
        let want = wanted.poly_pressure[channel][usize::from(note)];
        if want != UNSET && heard.poly_pressure[channel][usize::from(note)] != want {
            return Some(Msg::three(0xA0 | channel as u8, note, want));
        }
        wanted.marks.poly_pressure.clear(channel, note);
    }
    None
}

fn pressure_and_bend(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    while let Some(channel) = first_channel(wanted.marks.pressure) {
        wanted.marks.pressure &= !(1 << channel);
        let want = wanted.pressure[channel];
        if want != UNSET && heard.pressure[channel] != want {
            return Some(Msg::two(0xD0 | channel as u8, want));
        }
    }
    while let Some(channel) = first_channel(wanted.marks.bend) {
        wanted.marks.bend &= !(1 << channel);
        let want = wanted.bend[channel];
        if want != BEND_UNSET && heard.bend[channel] != want {
            return Some(Msg::three(0xE0 | channel as u8, (want & 0x7F) as u8, (want >> 7) as u8));
        }
    }
    None
}

fn transport(heard: &ChannelState, wanted: &mut ChannelState) -> Option<Msg> {
    if !wanted.marks.transport {
        return None;
    }
    let step = heard.transport.step_to(&wanted.transport);
    match step.as_deref() {
        None => wanted.marks.transport = false,
        Some([0xF2 | 0xFA, ..]) => wanted.transport.settle(),
        _ => {}
    }
    step
}
