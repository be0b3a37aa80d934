//! The sequencer: Start, Stop, Continue, song position and song select
//! (RFC 6295, appendix B, chapters D and Q).
//!
//! Clocks are events, so the position that a running sequencer has reached is not
//! known here. Only the position that it was last given is known.

use super::Short;

const UNSET: u16 = u16::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Unknown,
    Stopped,
    Running,
    /// It may run: nothing is known of the receiver.
    Maybe,
}

/// What a sequencer was last told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport {
    run: Run,
    /// In MIDI beats; [`UNSET`] where none was given.
    position: u16,
    /// [`UNSET`] where none was given.
    song: u16,
    /// The position is the beginning because of a Start.
    from_start: bool,
    /// A Start or a song position was lost. The receiver, if it runs, runs from
    /// another position, even where it was once given the same one.
    relocated: bool,
    /// A Stop was lost: what the receiver's sequencer plays has to end, even where
    /// it runs again.
    stop_lost: bool,
}

impl Transport {
    pub(super) const NEW: Transport = Transport {
        run: Run::Unknown,
        position: UNSET,
        song: UNSET,
        from_start: false,
        relocated: false,
        stop_lost: false,
    };

    /// It may run, from anywhere.
    pub(super) const MAYBE: Transport = Transport {
        run: Run::Maybe,
        ..Transport::NEW
    };

    pub(super) fn is_running(&self) -> bool {
        self.run == Run::Running
    }

    /// The receiver has had all that was lost.
    pub(super) fn forget_lost(&mut self) {
        self.relocated = false;
        self.stop_lost = false;
    }

    /// Whether it runs is all that is known from now on.
    pub(super) fn forget_places(&mut self) {
        self.position = UNSET;
        self.song = UNSET;
        self.from_start = false;
    }

    pub(super) fn start(&mut self, lost: bool) {
        self.run = Run::Running;
        self.position = 0;
        self.from_start = true;
        self.relocated = lost;
    }

    pub(super) fn resume(&mut self) {
        self.run = Run::Running;
        self.from_start = false;
    }

    pub(super) fn stop(&mut self, lost: bool) {
        self.run = Run::Stopped;
        self.stop_lost = lost;
    }

    pub(super) fn locate(&mut self, beats: u16, lost: bool) {
        self.position = beats;
        self.from_start = false;
        self.relocated = lost;
    }

    pub(super) fn select(&mut self, song: u8) {
        self.song = u16::from(song);
    }

    /// What to send next to a receiver whose sequencer is at `self`. A running
    /// sequencer is stopped before it is sent elsewhere, as the specification
    /// demands. A lost message counts as sent with this call.
    pub(super) fn step_to(&self, sent: &mut Transport) -> Option<Short> {
        let elsewhere = sent.position != UNSET && (sent.relocated || self.position != sent.position);
        let may_run = matches!(self.run, Run::Running | Run::Maybe);
        let stop = match sent.run {
            Run::Unknown | Run::Maybe => false,
            Run::Stopped => self.run != Run::Stopped,
            Run::Running => may_run && (elsewhere || sent.stop_lost),
        };
        if stop {
            sent.stop_lost = false;
            Some(Short::one(0xFC))
        } else if sent.song != UNSET && self.song != sent.song {
            Some(Short::two(0xF3, sent.song as u8))
        } else if sent.is_running() && elsewhere && sent.from_start {
            // It does not run: it was never started, or was just stopped.
            sent.relocated = false;
            Some(Short::one(0xFA))
        } else if elsewhere {
            sent.relocated = false;
            let (low, high) = (sent.position & 0x7F, sent.position >> 7);
            Some(Short::three(0xF2, low as u8, high as u8))
        } else {
            // It has stopped by now, if it ran.
            sent.stop_lost = false;
            (sent.is_running() && !self.is_running()).then(|| Short::one(0xFB))
        }
    }
}
