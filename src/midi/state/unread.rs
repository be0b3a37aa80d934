//! What was released and may not have been read: a connection that breaks throws away what is on the way, and what lies
//! unread with the peer. Nobody can say how far a receiver has come. So wherever it may stand, it is given the releases
//! of all that it may hold there; one that has heard them has no use for them, and takes no harm.

use super::ChannelState;
use super::controllers::PEDALS;
use super::release::{has_bend, has_pressure};
use super::update::{control, set_bend, set_pressure};

/// So many bytes may be on the way or unread: what our own system keeps for a peer that does not read, and a receive
/// buffer of 128 KB, the most with which Linux, macOS and Windows begin.
pub(super) const UNREAD_BYTES: u32 = 256 * 1024;

const NOTES: usize = 16 * 128;
/// Beside notes, on each channel: the pedals, pressure, bend.
const PRESSURE: usize = PEDALS.len();
const BEND: usize = PRESSURE + 1;
const OTHERS: usize = BEND + 1;
const SEQUENCER: usize = NOTES + 16 * OTHERS;
const PLACES: usize = SEQUENCER + 1;

fn note(channel: usize, note: u8) -> usize {
    channel << 7 | usize::from(note & 0x7F)
}

fn other(channel: usize, which: usize) -> usize {
    NOTES + channel * OTHERS + which
}

/// What was released within the last [`UNREAD_BYTES`] of a stream: of fixed size, and a message costs no more than a few
/// instructions.
pub struct Unread {
    /// Bytes of the stream so far. It goes round: what was released 4 GB ago may then be released again.
    position: u32,
    /// Where each thing was released last.
    at: [u32; PLACES],
    /// And how often it had been held before, at most; 0: it never was.
    times: [u16; PLACES],
}

impl Unread {
    /// Nothing was sent yet.
    pub fn new() -> Box<Unread> {
        Box::new(Unread {
            position: 0,
            at: [0; PLACES],
            times: [0; PLACES],
        })
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.position == 0
    }

    /// Takes a message that is sent to a receiver which, once it has read all before it, stands at `heard`.
    #[inline]
    pub fn take(&mut self, heard: &ChannelState, message: &[u8]) {
        self.position = self.position.wrapping_add(message.len() as u32);
        let channel = usize::from(message.first().map_or(0, |status| status & 0x0F));
        match *message {
            [0x80..=0x8F, key, _] | [0x90..=0x9F, key, 0] => {
                self.release(note(channel, key), heard.notes.count(channel, key));
            }
            [0x90..=0x9F, ..] => {}
            [0xB0..=0xBF, 120 | 123..=127, _] => self.release_notes(heard, channel),
            [0xB0..=0xBF, 121, _] => self.release_others(heard, channel),
            [0xB0..=0xBF, controller, 0] => {
                let pedals = PEDALS.iter().position(|pedal| *pedal == controller);
                if let Some(which) = pedals {
                    self.release(other(channel, which), is_off_rest(heard, channel, which).into());
                }
            }
            [0xD0..=0xDF, 0] => self.release(other(channel, PRESSURE), is_off_rest(heard, channel, PRESSURE).into()),
            [0xE0..=0xEF, 0, 0x40] => self.release(other(channel, BEND), is_off_rest(heard, channel, BEND).into()),
            [0xFC] => self.release(SEQUENCER, heard.transport.is_running().into()),
            [0xFF] => {
                for channel in 0..16 {
                    self.release_notes(heard, channel);
                    self.release_others(heard, channel);
                }
                self.release(SEQUENCER, heard.transport.is_running().into());
            }
            _ => {}
        }
    }

    fn release_notes(&mut self, heard: &ChannelState, channel: usize) {
        if !heard.notes.is_empty() {
            for key in 0..128 {
                self.release(note(channel, key), heard.notes.count(channel, key));
            }
        }
    }

    fn release_others(&mut self, heard: &ChannelState, channel: usize) {
        for which in 0..OTHERS {
            self.release(other(channel, which), is_off_rest(heard, channel, which).into());
        }
    }

    /// Something is released that was held so often.
    fn release(&mut self, place: usize, times: u16) {
        if times == 0 {
            return;
        }
        let before = self.times(place);
        self.at[place] = self.position;
        self.times[place] = times.max(before);
    }

    /// How often something may yet be held of which the receiver was sent the release.
    fn times(&self, place: usize) -> u16 {
        if self.position.wrapping_sub(self.at[place]) < UNREAD_BYTES {
            self.times[place]
        } else {
            0
        }
    }
}

/// See [`ChannelState::hold_again`].
pub(super) fn hold_again(state: &mut ChannelState, unread: &Unread) {
    for channel in 0..16 {
        for key in 0..128 {
            state.notes.hold(channel, key, unread.times(note(channel, key)));
        }
        for which in 0..OTHERS {
            if unread.times(other(channel, which)) == 0 || is_off_rest(state, channel, which) {
                continue;
            }
            match PEDALS.get(which) {
                Some(pedal) => {
                    control(state, channel, *pedal, 127, false);
                }
                None if which == PRESSURE => set_pressure(state, channel, 127),
                None => set_bend(state, channel, 0),
            }
        }
    }
    if unread.times(SEQUENCER) != 0 {
        state.transport.resume();
    }
}

/// Whether a pedal, the pressure or the bend of a channel is not at rest.
fn is_off_rest(state: &ChannelState, channel: usize, which: usize) -> bool {
    match which {
        PRESSURE => has_pressure(state, channel),
        BEND => has_bend(state, channel),
        _ => state.controllers[channel].is_down(PEDALS[which]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::CENTRE;
    use super::super::receiver_model::Receiver;
    use super::super::songs::{config, songs};
    use super::*;
    use proptest::prelude::*;

    /// What is sent, so that `heard` is where all of it leads.
    fn send(unread: &mut Unread, heard: &mut ChannelState, message: &[u8]) {
        unread.take(heard, message);
        heard.apply(message);
    }

    /// What is released when the connection breaks.
    fn released(unread: &Unread, heard: &ChannelState) -> Vec<Vec<u8>> {
        let mut heard = heard.clone();
        heard.hold_again(unread);
        std::iter::from_fn(|| heard.next_release())
            .map(|message| message.to_vec())
            .collect()
    }

    fn released_after(messages: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut unread, mut heard) = (Unread::new(), ChannelState::new());
        for message in messages {
            send(&mut unread, &mut heard, message);
        }
        released(&unread, &heard)
    }

    proptest! {
        #![proptest_config(config())]

        /// Wherever a receiver stopped reading, it holds nothing after the releases.
        #[test]
        fn a_receiver_that_stands_anywhere_is_released(song in songs(60), stop in any::<prop::sample::Index>()) {
            let messages: Vec<_> = song.steps.iter().flat_map(|step| step.phrase.clone()).collect();
            let (mut unread, mut heard) = (Unread::new(), ChannelState::new());
            let mut receiver = Receiver::new(song.make);
            let stop = stop.index(messages.len() + 1);
            for (index, message) in messages.iter().enumerate() {
                send(&mut unread, &mut heard, message);
                if index < stop {
                    receiver.hear(message);
                }
            }
            for message in released(&unread, &heard) {
                receiver.hear(&message);
            }
            prop_assert!(receiver.held.is_empty(), "{:?}", receiver.held);
            prop_assert!(receiver.sustained.is_empty(), "{:?}", receiver.sustained);
            for (what, value) in &receiver.facts {
                let ends = |end: &str| what.ends_with(end) && !what.contains("key");
                if [" controller 64", " controller 66", " controller 68", " controller 69", " pressure"].into_iter().any(ends) || what == "runs" {
                    prop_assert_eq!(*value, 0, "{}", what);
                }
                if ends(" bend") {
                    prop_assert_eq!(*value, CENTRE, "{}", what);
                }
            }
        }
    }

    #[test]
    fn as_often_as_it_was_struck_and_no_oftener() {
        let (on, off): (&[u8], &[u8]) = (&[0x90, 60, 1], &[0x80, 60, 1]);
        assert_eq!(released_after(&[on, on, off, off]).len(), 2);
        assert_eq!(released_after(&[on, off, on, off, on]).len(), 1);
        assert_eq!(released_after(&[on, on, &[0xB0, 123, 0]]).len(), 2);
        // What was never held.
        assert!(released_after(&[off, &[0xB0, 64, 0], &[0xD0, 0], &[0xE0, 0, 64], &[0xFC]]).is_empty());
    }

    #[test]
    fn what_was_released_long_ago_is_forgotten() {
        let (mut unread, mut heard) = (Unread::new(), ChannelState::new());
        for message in [[0x90, 60, 1], [0x90, 60, 1], [0x80, 60, 1], [0x80, 60, 1]] {
            send(&mut unread, &mut heard, &message);
        }
        let mut sent = 0;
        while sent + 3 < UNREAD_BYTES {
            send(&mut unread, &mut heard, &[0xB0, 7, 1]);
            sent += 3;
        }
        assert_eq!(released(&unread, &heard).len(), 2);
        send(&mut unread, &mut heard, &[0xB0, 7, 1]);
        assert!(released(&unread, &heard).is_empty());
        // Nor does it count any more.
        send(&mut unread, &mut heard, &[0x90, 60, 1]);
        send(&mut unread, &mut heard, &[0x80, 60, 1]);
        assert_eq!(released(&unread, &heard).len(), 1);
    }
}
