//! The latest releases, by messages that the receiver may not have read.
//!
//! A connection that breaks drops what is on the way and what the peer has not read. Nobody can say how far the receiver
//! has read. So it gets the releases of all that it may hold, wherever it stopped. They do no harm to a receiver that had
//! them already.

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
    /// The position of the last release of each thing.
    at: [u32; PLACES],
    /// How often it had been held before that, at most; 0: never.
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

    /// Takes a message for a receiver that, once it has read all before it, has the state `received`.
    #[inline]
    pub fn take(&mut self, received: &ChannelState, message: &[u8]) {
        self.position = self.position.wrapping_add(message.len() as u32);
        let channel = usize::from(message.first().map_or(0, |status| status & 0x0F));
        match *message {
            [0x80..=0x8F, key, _] | [0x90..=0x9F, key, 0] => {
                self.release(note(channel, key), received.notes.count(channel, key));
            }
            [0x90..=0x9F, ..] => {}
            [0xB0..=0xBF, 120 | 123..=127, _] => self.release_notes(received, channel),
            [0xB0..=0xBF, 121, _] => self.release_others(received, channel),
            [0xB0..=0xBF, controller, 0] => {
                let pedals = PEDALS.iter().position(|pedal| *pedal == controller);
                if let Some(which) = pedals {
                    self.release(other(channel, which), is_off_rest(received, channel, which).into());
                }
            }
            [0xD0..=0xDF, 0] => self.release(
                other(channel, PRESSURE),
                is_off_rest(received, channel, PRESSURE).into(),
            ),
            [0xE0..=0xEF, 0, 0x40] => self.release(other(channel, BEND), is_off_rest(received, channel, BEND).into()),
            [0xFC] => self.release(SEQUENCER, received.transport.is_running().into()),
            [0xFF] => {
                for channel in 0..16 {
                    self.release_notes(received, channel);
                    self.release_others(received, channel);
                }
                self.release(SEQUENCER, received.transport.is_running().into());
            }
            _ => {}
        }
    }

    fn release_notes(&mut self, received: &ChannelState, channel: usize) {
        if !received.notes.is_empty() {
            for key in 0..128 {
                self.release(note(channel, key), received.notes.count(channel, key));
            }
        }
    }

    fn release_others(&mut self, received: &ChannelState, channel: usize) {
        for which in 0..OTHERS {
            self.release(other(channel, which), is_off_rest(received, channel, which).into());
        }
    }

    /// Notes that something is released that was held so often.
    fn release(&mut self, place: usize, times: u16) {
        if times == 0 {
            return;
        }
        let before = self.times(place);
        self.at[place] = self.position;
        self.times[place] = times.max(before);
    }

    /// How often the receiver may still hold something whose release was sent.
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

    /// Sends a message; `received` is the state of a receiver that reads all.
    fn send(unread: &mut Unread, received: &mut ChannelState, message: &[u8]) {
        unread.take(received, message);
        received.apply(message);
    }

    /// What is released when the connection breaks.
    fn released(unread: &Unread, received: &ChannelState) -> Vec<Vec<u8>> {
        let mut received = received.clone();
        received.hold_again(unread);
        std::iter::from_fn(|| received.next_release())
            .map(|message| message.to_vec())
            .collect()
    }

    fn released_after(messages: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut unread, mut received) = (Unread::new(), ChannelState::new());
        for message in messages {
            send(&mut unread, &mut received, message);
        }
        released(&unread, &received)
    }

    proptest! {
        #![proptest_config(config())]

        /// Wherever a receiver stopped reading, it holds nothing after the releases.
        #[test]
        fn a_receiver_that_stopped_reading_anywhere_is_released(song in songs(60), stop in any::<prop::sample::Index>()) {
            let messages: Vec<_> = song.steps.iter().flat_map(|step| step.phrase.clone()).collect();
            let (mut unread, mut received) = (Unread::new(), ChannelState::new());
            let mut receiver = Receiver::new(song.make);
            let stop = stop.index(messages.len() + 1);
            for (index, message) in messages.iter().enumerate() {
                send(&mut unread, &mut received, message);
                if index < stop {
                    receiver.receive(message);
                }
            }
            for message in released(&unread, &received) {
                receiver.receive(&message);
            }
            prop_assert!(receiver.held.is_empty(), "{:?}", receiver.held);
            prop_assert!(receiver.sustained.is_empty(), "{:?}", receiver.sustained);
            for (what, value) in &receiver.facts {
                let ends = |end: &str| what.ends_with(end) && !what.contains("key");
                if [" controller 64", " controller 66", " controller 68", " pressure"].into_iter().any(ends) || what == "runs" {
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
        let (mut unread, mut received) = (Unread::new(), ChannelState::new());
        for message in [[0x90, 60, 1], [0x90, 60, 1], [0x80, 60, 1], [0x80, 60, 1]] {
            send(&mut unread, &mut received, &message);
        }
        let mut bytes = 0;
        while bytes + 3 < UNREAD_BYTES {
            send(&mut unread, &mut received, &[0xB0, 7, 1]);
            bytes += 3;
        }
        assert_eq!(released(&unread, &received).len(), 2);
        send(&mut unread, &mut received, &[0xB0, 7, 1]);
        assert!(released(&unread, &received).is_empty());
        // Nor does it count any more.
        send(&mut unread, &mut received, &[0x90, 60, 1]);
        send(&mut unread, &mut received, &[0x80, 60, 1]);
        assert_eq!(released(&unread, &received).len(), 1);
    }
}
