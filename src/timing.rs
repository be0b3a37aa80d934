//! Arrival time to frame in the audio block, and frame to time of sending.

use crate::code::Code;

/// What `midisock_begin_block` was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// 0: now.
    pub start_ns: u64,
    pub sample_rate: f64,
    pub frames: u32,
    pub offline: bool,
    pub discontinuity: bool,
}

/// The most frames a block may have.
const MOST_FRAMES: u32 = 1 << 24;
/// The highest sample rate taken, in Hz.
const HIGHEST_RATE: f64 = 10e6;

/// The block that is being worked on, and the delay that keeps the spacing of messages.
pub(crate) struct BlockClock {
    block: Option<Block>,
    /// The configured delay; None: automatic.
    fixed_latency: Option<u64>,
    /// The longest block seen, in ns.
    longest_ns: u64,
    /// The frame of the last message placed in this block: the next is not before it.
    last_frame: u32,
}

impl BlockClock {
    pub(crate) fn new(fixed_latency: Option<u64>) -> Self {
        Self {
            block: None,
            fixed_latency,
            longest_ns: 0,
            last_frame: 0,
        }
    }

    /// Begins a block.
    pub(crate) fn begin(&mut self, block: Block) -> Result<(), Code> {
        let rate = block.sample_rate;
        if !rate.is_finite() || rate <= 0.0 || rate > HIGHEST_RATE || block.frames > MOST_FRAMES {
            return Err(Code::InvalidArgument);
        }
        if block.discontinuity {
            self.longest_ns = 0;
        }
        let start_ns = if block.start_ns == 0 {
            crate::clock::now_ns()
        } else {
            block.start_ns
        };
        let block = Block { start_ns, ..block };
        self.longest_ns = self.longest_ns.max(duration_ns(&block, block.frames));
        self.last_frame = 0;
        self.block = Some(block);
        Ok(())
    }

    /// What is added to arrival times now.
    pub(crate) fn latency_ns(&self) -> u64 {
        self.fixed_latency.unwrap_or(self.longest_ns)
    }

    /// Whether there was a block.
    pub(crate) fn has_block(&self) -> bool {
        self.block.is_some()
    }

    /// The frame at which a message that arrived at `time_ns` belongs into this block; None when it is for a later one.
    pub(crate) fn place(&mut self, time_ns: u64) -> Option<u32> {
        let block = self.block?;
        let last = block.frames.checked_sub(1)?;
        if block.offline {
            return Some(0);
        }
        let ahead_ns = time_ns.saturating_add(self.latency_ns()).saturating_sub(block.start_ns);
        let frame = ahead_ns as f64 * block.sample_rate / 1e9;
        if self.fixed_latency != Some(0) && frame >= f64::from(block.frames) {
            return None;
        }
        // As soon as possible means in this block, whatever clocks say.
        self.last_frame = (frame as u32).min(last).max(self.last_frame);
        Some(self.last_frame)
    }

    /// When a frame of this block is played; 0, now, when rendering offline. None beyond the block.
    pub(crate) fn time_of(&self, frame: u32) -> Option<u64> {
        let block = self.block?;
        if frame >= block.frames.max(1) {
            return None;
        }
        if block.offline {
            return Some(0);
        }
        Some(block.start_ns.saturating_add(duration_ns(&block, frame)))
    }
}

fn duration_ns(block: &Block, frames: u32) -> u64 {
    (f64::from(frames) * 1e9 / block.sample_rate).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(start_ns: u64, frames: u32) -> Block {
        Block {
            start_ns,
            sample_rate: 48_000.0,
            frames,
            offline: false,
            discontinuity: false,
        }
    }

    #[test]
    fn spacing_is_kept() {
        let mut clock = BlockClock::new(None);
        clock.begin(block(1_000_000_000, 480)).unwrap();
        assert_eq!(clock.latency_ns(), 10_000_000);
        // 5 ms before the block began, 10 ms later than it came: at 5 ms.
        assert_eq!(clock.place(995_000_000), Some(240));
        assert_eq!(clock.place(996_000_000), Some(288));
        assert_eq!(clock.place(1_000_000_000), None);
        clock.begin(block(1_010_000_000, 480)).unwrap();
        assert_eq!(clock.place(1_000_000_000), Some(0));
    }

    #[test]
    fn late_is_at_the_start_and_order_is_kept() {
        let mut clock = BlockClock::new(Some(2_000_000));
        clock.begin(block(1_000_000_000, 480)).unwrap();
        assert_eq!(clock.place(1), Some(0));
        assert_eq!(clock.place(999_000_000), Some(48));
        assert_eq!(clock.place(998_000_000), Some(48));
    }

    #[test]
    fn no_latency_is_as_soon_as_possible() {
        let mut clock = BlockClock::new(Some(0));
        clock.begin(block(1_000_000_000, 64)).unwrap();
        assert_eq!(clock.place(999_999_999), Some(0));
        assert_eq!(clock.place(2_000_000_000), Some(63));
    }

    #[test]
    fn blocks_without_frames_take_nothing() {
        let mut clock = BlockClock::new(Some(0));
        assert_eq!(clock.place(1), None);
        clock.begin(block(1_000_000_000, 0)).unwrap();
        assert_eq!(clock.place(1), None);
        assert_eq!(clock.time_of(0), Some(1_000_000_000));
        assert_eq!(clock.time_of(1), None);
    }

    #[test]
    fn nonsense_is_refused() {
        let mut clock = BlockClock::new(None);
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(
                clock.begin(Block {
                    sample_rate: rate,
                    ..block(1, 1)
                }),
                Err(Code::InvalidArgument)
            );
        }
        assert_eq!(clock.begin(block(1, u32::MAX)), Err(Code::InvalidArgument));
        assert!(!clock.has_block());
    }

    proptest! {
        #[test]
        fn frames_are_in_range_and_never_decrease(
            latency in proptest::option::of(0u64..50_000_000),
            frames in 0u32..2000,
            offline: bool,
            times in proptest::collection::vec(0u64..2_000_000_000, 0..50),
        ) {
            let mut clock = BlockClock::new(latency);
            clock.begin(Block { offline, ..block(1_000_000_000, frames) }).unwrap();
            let mut last = 0;
            for time in times {
                if let Some(frame) = clock.place(time) {
                    prop_assert!(frame < frames && frame >= last);
                    last = frame;
                }
            }
        }
    }
}
