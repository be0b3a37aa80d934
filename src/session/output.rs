//! The sending half of a connection: what waits to be written, and what the peer has received.

use super::send_buffer::SendBuffer;
use super::track::Track;
use crate::midi::channels::Channels;
use crate::midi::frame;
use crate::midi::state::ChannelState;

/// Whether messages are added, and whether they can still be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    /// The peer does not read: messages are dropped until the buffer is empty, then the difference in state is sent.
    /// `announced`: CONGESTED was told, and RECOVERED must be.
    Congested {
        announced: bool,
    },
    /// No more messages are added. What waits is still written.
    Finished,
    /// Nothing more can be written. `announced`: CONGESTED was told, and RECOVERED must be.
    Broken {
        announced: bool,
    },
}

/// The sending half of a connection.
pub(super) struct Output {
    pub buffer: SendBuffer,
    pub track: Track,
    /// What the peer will have received after what waits: made when a schedule needs it, kept up to date until then.
    ahead: Option<Box<ChannelState>>,
    pub flow: Flow,
    /// The system took less than was offered, and has not said since that it takes more.
    pub blocked: bool,
    /// The driver has been asked to write.
    pub write_requested: bool,
    /// The connection began with what puts the peer right after the last one.
    pub resumed: bool,
    /// Bytes that the system took.
    pub written: u64,
    stamps: Stamps,
    /// The socket is that of other ports too, which keep it when this one goes.
    pub is_shared: bool,
}

/// Whether the peer is told when each message was meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stamps {
    No,
    /// `last`: what the peer was told last, in µs, unless that may have been dropped.
    Yes {
        last: Option<u32>,
    },
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            buffer: SendBuffer::default(),
            track: Track::default(),
            ahead: None,
            flow: Flow::Open,
            blocked: false,
            write_requested: false,
            resumed: false,
            written: 0,
            stamps: Stamps::No,
            is_shared: false,
        }
    }

    /// From now on the peer is told when each message was meant.
    pub(super) fn tell_times(&mut self) {
        if self.stamps == Stamps::No {
            self.stamps = Stamps::Yes { last: None };
        }
    }

    /// Whether the peer gets what is pushed, now or as a difference.
    pub(super) fn takes(&self) -> bool {
        matches!(self.flow, Flow::Open | Flow::Congested { .. })
    }

    pub(super) fn is_congested(&self) -> bool {
        matches!(self.flow, Flow::Congested { .. })
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.flow, Flow::Broken { .. })
    }

    /// The messages that follow were meant at this time.
    #[inline]
    fn stamp(&mut self, meant_ns: u64) {
        if let Stamps::Yes { last } = &mut self.stamps {
            let us = (meant_ns / 1000) as u32;
            if last.replace(us) != Some(us) {
                self.buffer.push(&frame::stamp(us));
            }
        }
    }

    /// Something that waited was dropped or replaced: the peer may not know the time of what follows.
    fn forget_stamp(&mut self) {
        if let Stamps::Yes { last } = &mut self.stamps {
            *last = None;
        }
    }

    /// Adds a message that was meant at a time.
    #[inline]
    pub(super) fn push(&mut self, message: &[u8], meant_ns: u64) {
        if self.stamps == Stamps::No && self.ahead.is_none() {
            return self.buffer.push(message);
        }
        self.push_followed(message, meant_ns);
    }

    /// Does the same where the peer is told of times, or a schedule needs to know what is ahead.
    #[inline(never)]
    fn push_followed(&mut self, message: &[u8], meant_ns: u64) {
        self.stamp(meant_ns);
        self.buffer.push(message);
        if let Some(ahead) = &mut self.ahead {
            ahead.apply(message);
        }
    }

    /// Takes a message that the peer does not get; how many messages no difference restores for it.
    pub(super) fn lose(&mut self, message: &[u8]) -> u64 {
        if let Some(ahead) = &mut self.ahead {
            ahead.apply(message);
        }
        self.track.lose(message)
    }

    /// The system took so many bytes; how many messages were finished.
    pub(super) fn sent(&mut self, count: usize) -> u64 {
        self.blocked = count < self.buffer.len();
        self.written += count as u64;
        let track = &mut self.track;
        self.buffer.advance(count, |message| track.deliver(message))
    }

    /// The state that the peer will have after what waits for it.
    pub(super) fn ahead(&mut self) -> &ChannelState {
        let (track, buffer) = (&self.track, &self.buffer);
        self.ahead
            .get_or_insert_with(|| track.ahead(|give| buffer.each_uncommitted(give)))
    }

    /// The peer got a message of another port on the same address, which ends or resets what this one holds there.
    pub(super) fn overruled(&mut self, message: &[u8]) {
        self.ahead = None;
        let track = &mut self.track;
        track.overruled(message);
        // The track has taken these already, but they come after it.
        self.buffer.each_committed(|message| track.overruled(message));
    }

    /// No schedule needs to know what is ahead any more, or what waited was dropped.
    pub(super) fn forget_ahead(&mut self) {
        self.ahead = None;
    }

    /// Drops what waits: the peer does not get it, and it is lost to it. The rest of a message partly written still
    /// goes out, unless the connection is broken; then it counts as received only where that is the safe side.
    /// `each`: how many messages no difference restores, for each one that was dropped.
    pub(super) fn drop_waiting(&mut self, mut each: impl FnMut(u64)) {
        self.ahead = None;
        self.forget_stamp();
        let broken = self.is_broken();
        let track = &mut self.track;
        self.buffer.drop_unwritten(|message, kept| {
            let received = kept && (!broken || crate::midi::message::is_note_on(message));
            if received && !track.is_lossy() {
                track.deliver(message);
            } else {
                each(track.lose(message));
            }
        });
    }

    /// Drops what waits without making it good; calls back for each message.
    pub(super) fn discard_waiting(&mut self, mut each: impl FnMut()) {
        self.ahead = None;
        self.forget_stamp();
        let track = &mut self.track;
        self.buffer.drop_unwritten(|message, kept| {
            if kept {
                track.deliver(message);
            } else {
                each();
            }
        });
    }

    /// Nothing of some channels is sent any more: what waits there is dropped, and what the peer will hold there after the
    /// rest is released. `each` is called for each message that was dropped. How many messages were made.
    pub(super) fn cut(&mut self, channels: Channels, now: u64, mut each: impl FnMut()) -> u64 {
        if channels.is_empty() {
            return 0;
        }
        self.ahead = None;
        if self.is_congested() || self.track.is_lossy() {
            // The difference has the releases.
            self.track.cut(channels);
            return 0;
        }
        let mut made = 0;
        let state = std::cell::RefCell::new(Box::new(self.track.received().cloned().unwrap_or_default()));
        let mut release = |bytes: &mut Vec<u8>, channels| {
            let mut state = state.borrow_mut();
            while let Some(release) = state.release_of(channels) {
                state.apply(&release);
                bytes.extend_from_slice(&release);
                made += 1;
            }
        };
        let kept = |message: &[u8]| state.borrow_mut().apply(message);
        self.buffer.rewrite(kept, |message, bytes| {
            if !channels.has(message) {
                bytes.extend_from_slice(message);
                return state.borrow_mut().apply(message);
            }
            each();
            if message == [0xFF] {
                // It would have released all.
                release(bytes, Channels::ALL);
            }
        });
        let mut releases = Vec::new();
        release(&mut releases, channels);
        if !releases.is_empty() {
            self.stamp(now);
            self.buffer.push(&releases);
        }
        made
    }

    /// Adds what restores the peer's state. How many messages that is; they are never dropped.
    pub(super) fn push_repairs(&mut self, now: u64) -> u64 {
        let mut made = 0;
        while let Some(message) = self.track.next_repair() {
            self.add_made(&message, now);
            made += 1;
        }
        self.end_made(now);
        made
    }

    /// Adds what releases everything that the peer holds, after what waits for it. How many messages that is.
    pub(super) fn push_releases(&mut self, now: u64) -> u64 {
        let track = &mut self.track;
        // A congested peer gets no more of the live stream: what waits for it is a message partly written.
        self.buffer.commit(|message| {
            if !track.is_lossy() {
                track.deliver(message);
            }
        });
        let mut made = 0;
        while let Some(message) = self.track.next_release() {
            self.add_made(&message, now);
            made += 1;
        }
        self.end_made(now);
        made
    }

    /// Adds a message that was made here and that the track has taken. `end_made` follows.
    pub(super) fn add_made(&mut self, message: &[u8], now: u64) {
        self.stamp(now);
        self.buffer.push(message);
    }

    /// Adds a frame for the library at the other end.
    pub(super) fn push_frame(&mut self, frame: &[u8], now: u64) {
        self.buffer.push(frame);
        self.buffer.end_batch(now);
    }

    /// Messages were added that the track has taken already: they are never dropped.
    pub(super) fn end_made(&mut self, now: u64) {
        self.ahead = None;
        self.buffer.commit(|_| {});
        self.buffer.end_batch(now);
    }

    /// The peer leaves, so the end of its congestion is announced: whether CONGESTED was announced. It stays congested: it
    /// receives no more of the live stream.
    pub(super) fn take_announced(&mut self) -> Option<bool> {
        match &mut self.flow {
            Flow::Congested { announced } | Flow::Broken { announced } => Some(std::mem::take(announced)),
            Flow::Open | Flow::Finished => None,
        }
    }

    /// The connection broke. What waits is not written any more.
    pub(super) fn break_off(&mut self) {
        let announced = match self.flow {
            Flow::Congested { announced } | Flow::Broken { announced } => announced,
            Flow::Open | Flow::Finished => false,
        };
        self.flow = Flow::Broken { announced };
    }
}
