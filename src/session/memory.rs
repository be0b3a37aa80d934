//! What is remembered while there is no peer to tell: what the last peer of a client was left with, and the state of the
//! stream that a server sends to all.

use super::track::Track;
use crate::midi::channels::Channels;
use crate::midi::message;
use crate::midi::state::ChannelState;
use crate::realtime::shared::{Role, Shared};

pub(super) struct Memory {
    /// A client's: what its peer received on the last connection, and what was pushed since.
    peer: Option<Track>,
    /// A merged server's that greets newcomers: the state of the stream to all clients.
    stream: Option<Box<ChannelState>>,
    is_client: bool,
}

impl Memory {
    pub(super) fn new(shared: &Shared) -> Self {
        let greets = shared.role == Role::Merged && shared.config.delivery.greet;
        Self {
            peer: None,
            stream: greets.then(Box::default),
            is_client: shared.role == Role::Client,
        }
    }

    /// A message goes to all clients.
    #[inline]
    pub(super) fn follow(&mut self, message: &[u8]) {
        if let Some(stream) = &mut self.stream {
            stream.apply(message);
        }
    }

    /// A message is pushed while there is no peer. How many messages no difference restores.
    pub(super) fn lose(&mut self, message: &[u8]) -> u64 {
        if self.is_client {
            return self.peer.get_or_insert_with(Track::default).lose(message);
        }
        self.follow(message);
        ChannelState::is_event(message).into()
    }

    /// Nothing of some channels is sent any more.
    pub(super) fn cut(&mut self, channels: Channels) {
        if let Some(peer) = &mut self.peer {
            peer.cut(channels);
        }
        if let Some(stream) = &mut self.stream {
            stream.forget(channels);
        }
    }

    /// Whether a message would release something that the next peer is told otherwise. A newcomer is told of no notes.
    pub(super) fn releases(&self, message: &[u8]) -> bool {
        let newcomer = self.stream.as_ref().filter(|_| !message::is_note_off(message));
        self.peer.as_ref().is_some_and(|peer| peer.releases(message))
            || newcomer.is_some_and(|stream| stream.releases(message))
    }

    /// A client's connection has ended, with this left at the peer.
    pub(super) fn keep(&mut self, track: Track) {
        self.peer = Some(track);
    }

    /// A client is connected again.
    pub(super) fn take_peer(&mut self) -> Track {
        self.peer.take().unwrap_or_default()
    }

    /// The stream that a newcomer is greeted with.
    pub(super) fn stream(&self) -> Option<&ChannelState> {
        self.stream.as_deref()
    }
}
