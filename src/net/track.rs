//! Where the two ends of one direction of a connection stand: what the receiver heard, and, while something is lost on
//! the way, where the sender stands.

use crate::midi::state::{ChannelState, Msg, next_repair};

/// Heard always, wanted only while lossy. Allocated with the first message, so that idle connections cost nothing.
#[derive(Default)]
pub(super) struct Track {
    heard: Option<Box<ChannelState>>,
    wanted: Option<Box<ChannelState>>,
}

impl Track {
    fn heard(&mut self) -> &mut Box<ChannelState> {
        self.heard.get_or_insert_with(Box::default)
    }

    /// Takes a message that the receiver gets. Only while nothing is owed.
    #[inline]
    pub(super) fn deliver(&mut self, message: &[u8]) {
        self.heard().apply(message);
    }

    /// Takes a message that the receiver does not get; how many messages cannot be brought back for it.
    pub(super) fn lose(&mut self, message: &[u8]) -> u64 {
        let wanted = match &mut self.wanted {
            Some(wanted) => wanted,
            None => {
                let mut wanted = Box::<ChannelState>::default();
                wanted.follow(self.heard());
                self.wanted.insert(wanted)
            }
        };
        wanted.lose(message).into()
    }

    /// Where the receiver will stand after what waits for it.
    pub(super) fn ahead(&self, waiting: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Box<ChannelState> {
        let mut ahead = self.heard.clone().unwrap_or_default();
        waiting(&mut |message| ahead.apply(message));
        ahead
    }

    /// Whether something was lost and not made good yet: until then nothing may be delivered.
    #[inline]
    pub(super) fn is_lossy(&self) -> bool {
        self.wanted.is_some()
    }

    /// The next message that makes good what was lost, taken as delivered; None: nothing is owed any more.
    pub(super) fn next_repair(&mut self) -> Option<Msg> {
        let heard = self.heard.as_mut()?;
        let message = next_repair(heard, self.wanted.as_mut()?);
        if message.is_none() {
            self.wanted = None;
        }
        message
    }

    /// The next message that releases what the receiver was left with, taken as delivered.
    pub(super) fn next_release(&mut self) -> Option<Msg> {
        self.wanted = None;
        self.heard.as_mut()?.next_release()
    }

    /// Whether there is nothing to release.
    pub(super) fn is_neutral(&self) -> bool {
        self.heard.as_ref().is_none_or(|heard| heard.is_neutral())
    }

    /// Whether the receiver holds the note or pedal that a message would release.
    pub(super) fn holds(&self, release: &[u8]) -> bool {
        let Some(heard) = &self.heard else { return false };
        match *release {
            [status @ 0x80..=0x8F, note, _] => heard.holds_note(status & 15, note) != 0,
            [status @ 0xB0..=0xBF, pedal, _] => heard.holds_pedal(status & 15, pedal),
            _ => false,
        }
    }

    /// How many times a release would have to come until the receiver holds its note or pedal no more.
    pub(super) fn count(&self, release: &[u8]) -> usize {
        let Some(heard) = &self.heard else { return 0 };
        match *release {
            [status @ 0x80..=0x9F, note, _] => heard.holds_note(status & 15, note).into(),
            [status @ 0xB0..=0xBF, pedal, _] => heard.holds_pedal(status & 15, pedal).into(),
            _ => 0,
        }
    }

    /// The receiver is on a new connection: what it was left with is released, and, repairing, it is told where
    /// controllers, programs and bends stand.
    pub(super) fn reconnect(mut self, release: bool, repair: bool, mut send: impl FnMut(Msg)) -> Self {
        let (Some(mut heard), wanted) = (self.heard.take(), self.wanted.take()) else {
            return Self::default();
        };
        let mut wanted = wanted.unwrap_or_else(|| {
            let mut wanted = Box::<ChannelState>::default();
            wanted.follow(&mut heard);
            wanted
        });
        if release {
            while let Some(message) = heard.next_release() {
                send(message);
            }
        }
        if !repair {
            return Self::default();
        }
        let mut again = Box::new(wanted.newcomer_after(&heard));
        while let Some(message) = next_repair(&mut again, &mut wanted) {
            send(message);
        }
        Self {
            heard: Some(again),
            wanted: None,
        }
    }

    /// A newcomer to a stream that stands somewhere: it is told of controllers, programs and bends, not of notes.
    pub(super) fn greet(stands: &ChannelState, mut send: impl FnMut(Msg)) -> Self {
        let mut wanted = Box::new(stands.clone());
        let mut heard = Box::new(wanted.newcomer());
        while let Some(message) = next_repair(&mut heard, &mut wanted) {
            send(message);
        }
        Self {
            heard: Some(heard),
            wanted: None,
        }
    }
}
