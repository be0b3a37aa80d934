//! Arrival time to frame in the audio block, and frame to time of sending; the clock of a peer.
//!
//! Nothing here reads a clock: all times are given. [`dll`] finds the even line through the jittering times of the
//! callback, [`latency`] the constant that is added to arrival times, and this module puts the two together. `realtime`
//! calls them, on the audio thread.
//!
//! [`peer_clock`] finds which time of this clock a time of a peer's clock is, and [`transit`] how long messages take. They
//! are for `session`, on the network thread.
//!
//! All of it calls `sys` for result codes only.

mod bounds;
#[cfg(test)]
mod clock_pair_tests;
#[cfg(test)]
mod cover_tests;
mod dll;
mod latency;
#[cfg(test)]
mod meant_tests;
pub(crate) mod peer_clock;
#[cfg(test)]
mod peer_clock_tests;
mod pings;
#[cfg(test)]
mod position_tests;
#[cfg(test)]
mod tests;
pub(crate) mod transit;

use crate::sys::code::Code;
use dll::Dll;
use latency::Latency;

/// What `midisock_begin_block` was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub start_ns: u64,
    pub sample_rate: f64,
    pub frames: u32,
    pub offline: bool,
    pub discontinuity: bool,
    /// The host's own count of frames at the beginning.
    pub position: Option<u64>,
    /// `start_ns` is the device's own time of the first frame.
    pub device_time: bool,
}

/// The most frames a block may have.
const MOST_FRAMES: u32 = 1 << 24;
/// Sample rates taken, in Hz.
const LOWEST_RATE: f64 = 1.0;
const HIGHEST_RATE: f64 = 10e6;
/// Times are whole nanoseconds: what lies so little before a frame, in frames, is meant for it.
const ROUNDING: f64 = 0.001;
/// Callbacks that make up for a pause may run so far ahead of the device, in ns.
const CAUGHT_UP_NS: u64 = 1_000_000_000;
/// Nothing can be scheduled further ahead, in ns.
const HORIZON_NS: u64 = 10_000_000_000;

/// The block that is being worked on, and the delay that keeps the spacing of messages.
pub(crate) struct BlockClock {
    dll: Dll,
    block: Option<Block>,
    /// The last block was not in real time: the next one that is does not follow upon what was before.
    frozen: bool,
    latency: Latency,
    /// What is added to the times of frames that are sent.
    push_latency: Latency,
    /// The present block, as `place` needs it: see there.
    delay_ns: u64,
    frames_per_ns: f64,
    /// The frame of the last message placed in this block: the next is not before it.
    last_frame: u32,
    /// The latest at which a message with a sender's time, placed in this block, was due, in frames from its beginning.
    last_due: f64,
    /// The latest that was sent up to now, of the blocks before this one, and the length of a period.
    sent: Sent,
    sent_before: Sent,
    period_ns: u64,
}

/// The latest of the frames that were sent: its own time, and the time that it was sent for.
#[derive(Clone, Copy, Default)]
struct Sent {
    frame_ns: u64,
    due_ns: u64,
}

/// What passes the in queue, as a block begins.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// How long after a message has arrived it can be popped.
    pub lag_ns: u64,
    /// What the network takes, at most; 0: no peer has a clock.
    pub transit_ns: u64,
    /// Messages were taken since the block before, or wait.
    pub flows: bool,
}

/// The time by which a message is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// When it arrived; 0: as soon as possible.
    Arrived(u64),
    /// When its sender meant it.
    Meant(u64),
}

/// The place of a message in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub frame: u32,
    /// The message came too late for its own place.
    pub late: bool,
}

/// A period of the audio device, for those who want to know when the callback runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub start_ns: u64,
    pub length_ns: u64,
}

impl BlockClock {
    /// Delays in ns; None: automatic.
    pub(crate) fn new(latency_ns: Option<u64>, push_latency_ns: Option<u64>) -> Self {
        Self {
            dll: Dll::new(),
            block: None,
            frozen: false,
            latency: Latency::new(latency_ns),
            push_latency: Latency::new(push_latency_ns),
            delay_ns: 0,
            frames_per_ns: 0.0,
            last_frame: 0,
            last_due: f64::NEG_INFINITY,
            sent: Sent::default(),
            sent_before: Sent::default(),
            period_ns: 0,
        }
    }

    /// Begins a block. The period that begins with it, unless it is a further slice of the last one.
    pub(crate) fn begin(&mut self, mut block: Block, traffic: Traffic) -> Result<Option<Period>, Code> {
        let rate = block.sample_rate;
        if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) || block.frames > MOST_FRAMES {
            return Err(Code::InvalidArgument);
        }
        self.last_frame = 0;
        self.last_due = f64::NEG_INFINITY;
        self.sent_before = self.sent;
        let mut period = None;
        if block.offline {
            self.frozen = true;
        } else {
            block.discontinuity |= self.dll.runs_back(block.position);
            let jumped = block.discontinuity || self.frozen;
            self.frozen = false;
            let call = self.dll.call(&block, jumped);
            self.latency.see(call, &block, traffic.lag_ns);
            self.latency.cover(block.start_ns, traffic);
            self.push_latency.see(call, &block, 0);
            if let dll::Call::Period { before } = call {
                let frames = before.max(block.frames.into());
                self.period_ns = (frames as f64 * self.dll.ns_per_frame()) as u64;
                period = Some(Period {
                    start_ns: self.dll.start_ns(),
                    length_ns: self.period_ns,
                });
            }
            self.frames_per_ns = 1.0 / self.dll.ns_per_frame();
        }
        self.delay_ns = self.latency.ns();
        self.block = Some(block);
        Ok(period)
    }

    /// Other delays from the next block on. Delays in ns; None: automatic.
    pub(crate) fn set_latency(&mut self, latency_ns: Option<u64>, push_latency_ns: Option<u64>) {
        self.latency.set(latency_ns);
        self.push_latency.set(push_latency_ns);
    }

    /// What is added to arrival times now.
    pub(crate) fn latency_ns(&self) -> u64 {
        self.latency.ns()
    }

    /// Whether there was a block.
    pub(crate) fn has_block(&self) -> bool {
        self.block.is_some()
    }

    /// When the present block began, as it was told; 0: there was none.
    pub(crate) fn told_start_ns(&self) -> u64 {
        self.block.map_or(0, |block| block.start_ns)
    }

    /// The frame at which a message that arrived at `time_ns` belongs into this block; None when it is for a later one.
    #[inline]
    pub(crate) fn place(&mut self, time_ns: u64) -> Option<u32> {
        let block = self.block.as_ref()?;
        let last = block.frames.checked_sub(1)?;
        if block.offline {
            return Some(0);
        }
        // Negative, and so at the start, when it is late.
        let frame = if self.delay_ns == 0 {
            // As soon as possible: in this block, whatever clocks say, and not behind its beginning as it really was.
            time_ns.saturating_sub(block.start_ns) as f64 * self.frames_per_ns + ROUNDING
        } else {
            let due_ns = time_ns.saturating_add(self.delay_ns);
            let frame = self.dll.since_start_ns(due_ns) * self.frames_per_ns + ROUNDING;
            if frame >= f64::from(block.frames) {
                return None;
            }
            frame
        };
        self.last_frame = (frame as u32).min(last).max(self.last_frame);
        Some(self.last_frame)
    }

    /// The place in this block of a message that its sender meant for `time_ns`; None when it is for a later block.
    ///
    /// Without a delay it is placed as soon as possible, and never late. A message that was due before the block is late,
    /// unless it only waited for one before it in the queue that was due later.
    #[inline(never)]
    pub(crate) fn place_meant(&mut self, time_ns: u64) -> Option<Place> {
        let block = self.block.as_ref()?;
        let last = block.frames.checked_sub(1)?;
        if block.offline {
            return Some(Place { frame: 0, late: false });
        }
        let mut late = false;
        if self.delay_ns != 0 {
            let due_ns = time_ns.saturating_add(self.delay_ns);
            let due = self.dll.since_start_ns(due_ns) * self.frames_per_ns + ROUNDING;
            if due >= f64::from(block.frames) {
                return None;
            }
            self.last_due = self.last_due.max(due);
            late = self.last_frame == 0 && self.last_due < -1.0;
            self.last_frame = (due as u32).min(last).max(self.last_frame);
        }
        Some(Place {
            frame: self.last_frame,
            late,
        })
    }

    /// When a message at a frame of this block is to be sent; 0, now, when rendering offline. None beyond the block. Where
    /// it was sent, `note_sent` follows.
    ///
    /// The line moves with each callback, back as well, and the delay may become shorter: what is for the beginning of a
    /// block is still not sent before what was for the end of the last one. Where the times of frames have gone back by
    /// more than a second, as told times may, that is over. The device's own times are taken as they are, and so is the
    /// order that they were first told in: that is over only where nothing can have been scheduled so far ahead.
    pub(crate) fn time_of(&mut self, frame: u32) -> Option<u64> {
        let block = self.block.as_ref()?;
        if frame >= block.frames.max(1) {
            return None;
        }
        if block.offline {
            return Some(0);
        }
        let frame_ns = self.dll.time_of(frame);
        let most_ns = if block.device_time {
            HORIZON_NS
        } else {
            self.period_ns.max(CAUGHT_UP_NS)
        };
        if self.sent_before.frame_ns.saturating_sub(frame_ns) > most_ns {
            self.sent_before = Sent::default();
            self.sent = Sent::default();
        }
        let due_ns = frame_ns.saturating_add(self.push_latency.ns());
        Some(due_ns.max(self.sent_before.due_ns))
    }

    /// A message at a frame was sent for the time that `time_of` gave.
    pub(crate) fn note_sent(&mut self, frame: u32, due_ns: u64) {
        if due_ns != 0 {
            self.sent.frame_ns = self.sent.frame_ns.max(self.dll.time_of(frame));
            self.sent.due_ns = self.sent.due_ns.max(due_ns);
        }
    }
}
