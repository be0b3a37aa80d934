//! The two ends of one direction of a connection: the channel state that the receiver has, and, while something is lost
//! on the way, the one that the sender has.

use crate::midi::channels::Channels;
use crate::midi::short::Short;
use crate::midi::state::{ChannelState, Unread, next_repair, next_repair_seen};

/// Heard always, wanted only while lossy. Allocated with the first message, so that idle connections cost nothing.
#[derive(Default)]
pub(super) struct Track {
    heard: Option<Box<ChannelState>>,
    wanted: Option<Box<ChannelState>>,
    /// What was released lately, where the receiver may come back on a new link and have read less.
    unread: Option<Box<Unread>>,
}

impl Track {
    /// Takes a message that the receiver gets. Only while nothing is owed.
    #[inline]
    pub(super) fn deliver(&mut self, message: &[u8]) {
        match &mut self.heard {
            // As nearly always.
            Some(heard) if self.unread.is_none() => heard.apply(message),
            _ => self.deliver_otherwise(message),
        }
    }

    /// Takes the first message, or one that is remembered.
    #[inline(never)]
    fn deliver_otherwise(&mut self, message: &[u8]) {
        let heard = self.heard.get_or_insert_with(Box::default);
        if let Some(unread) = &mut self.unread {
            unread.take(heard, message);
        }
        heard.apply(message);
    }

    /// Takes a message that the receiver does not get; how many messages cannot be brought back for it.
    pub(super) fn lose(&mut self, message: &[u8]) -> u64 {
        self.split().lose(message).into()
    }

    /// Where the receiver will stand after what waits for it, and after what makes good what was lost.
    pub(super) fn ahead(&self, waiting: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Box<ChannelState> {
        let mut ahead = self
            .wanted
            .as_ref()
            .or(self.heard.as_ref())
            .cloned()
            .unwrap_or_default();
        waiting(&mut |message| ahead.apply(message));
        ahead
    }

    /// The receiver got a message from another sender, which ends or resets what this one holds there.
    pub(super) fn overruled(&mut self, message: &[u8]) {
        if let Some(heard) = &mut self.heard {
            heard.apply(message);
        }
    }

    /// Whether a message would release something at the sender's state.
    pub(super) fn releases(&self, message: &[u8]) -> bool {
        let sender = self.wanted.as_ref().or(self.heard.as_ref());
        sender.is_some_and(|sender| sender.releases(message))
    }

    /// Whether something was lost and not made good yet: until then nothing may be delivered.
    #[inline]
    pub(super) fn is_lossy(&self) -> bool {
        self.wanted.is_some()
    }

    /// The next message that makes good what was lost, taken as delivered; None: nothing is owed any more.
    pub(super) fn next_repair(&mut self) -> Option<Short> {
        let heard = self.heard.as_mut()?;
        let unread = &mut self.unread;
        let message = next_repair_seen(heard, self.wanted.as_mut()?, |heard, message| {
            if let Some(unread) = unread {
                unread.take(heard, message);
            }
        });
        if message.is_none() {
            self.wanted = None;
        }
        message
    }

    /// Nothing of some channels is sent any more: what was lost there is not made good, but what the receiver holds there
    /// is released. Whether it holds something.
    pub(super) fn cut(&mut self, channels: Channels) -> bool {
        let Some(heard) = &self.heard else { return false };
        if channels.is_empty() {
            return false;
        }
        let holds = !heard.is_neutral_on(channels);
        if !holds && self.wanted.is_none() {
            return false;
        }
        self.split();
        if let (Some(heard), Some(wanted)) = (&self.heard, &mut self.wanted) {
            wanted.cut(heard, channels);
        }
        holds
    }

    /// Some channels, which `hidden` has followed, are sent again: the receiver is told what was set there.
    pub(super) fn reveal(&mut self, hidden: &ChannelState, channels: Channels) {
        self.split();
        if let (Some(heard), Some(wanted)) = (&mut self.heard, &mut self.wanted) {
            wanted.reveal(hidden, heard, channels);
        }
    }

    /// Where the sender stands.
    pub(super) fn sent(&self) -> Option<&ChannelState> {
        self.wanted.as_deref().or(self.heard.as_deref())
    }

    /// The next message that releases what the receiver was left with, taken as delivered.
    pub(super) fn next_release(&mut self) -> Option<Short> {
        self.wanted = None;
        let message = self.heard.as_ref()?.release()?;
        self.deliver(&message);
        Some(message)
    }

    /// Whether there is nothing to release.
    pub(super) fn is_neutral(&self) -> bool {
        self.heard.as_ref().is_none_or(|heard| heard.is_neutral())
    }

    /// The receiver's state; None: it has received nothing yet.
    pub(super) fn received(&self) -> Option<&ChannelState> {
        self.heard.as_deref()
    }

    /// The receiver may not have read the last of what it was sent: it is taken to hold all that it may hold.
    pub(super) fn doubt(&mut self) {
        let Some(unread) = self.unread.take() else { return };
        if !unread.is_empty() {
            self.split();
            self.heard.get_or_insert_with(Box::default).hold_again(&unread);
        }
    }

    /// From now on the sender is elsewhere than the receiver.
    fn split(&mut self) -> &mut ChannelState {
        let heard = self.heard.get_or_insert_with(Box::default);
        self.wanted.get_or_insert_with(|| {
            let mut wanted = Box::<ChannelState>::default();
            wanted.follow(heard);
            wanted
        })
    }

    /// The receiver is on a new connection: what it was left with is released, and what was pushed without a
    /// connection is made good; where it repairs, the values of all controllers, programs and bends are sent. From now on it is kept what the receiver may not have read.
    pub(super) fn reconnect(
        mut self,
        release: bool,
        repair: bool,
        open: Channels,
        mut send: impl FnMut(Short),
    ) -> Self {
        self.unread = Some(Unread::new());
        if self.heard.is_none() {
            return self;
        }
        if repair {
            self.split();
        }
        let wanted = self.wanted.take();
        if release {
            while let Some(message) = self.next_release() {
                send(message);
            }
        }
        let (Some(mut wanted), Some(received)) = (wanted, &self.heard) else {
            return self;
        };
        if repair {
            self.heard = Some(Box::new(wanted.newcomer_after(received, open)));
        }
        self.wanted = Some(wanted);
        while let Some(message) = self.next_repair() {
            send(message);
        }
        self
    }

    /// A newcomer to a stream that stands somewhere: it is told of controllers, programs and bends, not of notes.
    pub(super) fn greet(stands: &ChannelState, mut send: impl FnMut(Short)) -> Self {
        let mut wanted = Box::new(stands.clone());
        let mut heard = Box::new(wanted.newcomer());
        while let Some(message) = next_repair(&mut heard, &mut wanted) {
            send(message);
        }
        Self {
            heard: Some(heard),
            ..Self::default()
        }
    }
}
