//! The sequencer: Start, Stop, Continue, song position and song select
//! (RFC 6295, appendix B, chapters D and Q).
//!
//! Clocks are events. So the place that a running sequencer has come to is not
//! known here: what is known is where it was last told to be.

use super::Msg;

const UNSET: u16 = u16::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Unknown,
    Stopped,
    Running,
    /// It may run, for all that is known of the receiver.
    Maybe,
}

/// What was last told to a sequencer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport {
    run: Run,
    /// In MIDI beats; [`UNSET`] where none was told.
    position: u16,
    /// [`UNSET`] where none was told.
    song: u16,
    /// The position is the beginning because of a Start.
    from_start: bool,
    /// A Start or a song position was lost: the receiver runs, if it does, from
    /// another place, even where it was once told the same one.
    relocated: bool,
}

impl Transport {
    pub(super) const NEW: Transport = Transport {
        run: Run::Unknown,
        position: UNSET,
        song: UNSET,
        from_start: false,
        relocated: false,
    };

    /// It may run, from anywhere.
    pub(super) const MAYBE: Transport = Transport {
        run: Run::Maybe,
        ..Transport::NEW
    };

    pub(super) fn is_running(&self) -> bool {
        self.run == Run::Running
    }

    /// Nothing is owed to the receiver any more.
    pub(super) fn settle(&mut self) {
        self.relocated = false;
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

    pub(super) fn stop(&mut self) {
        self.run = Run::Stopped;
    }

    pub(super) fn locate(&mut self, beats: u16, lost: bool) {
        self.position = beats;
        self.from_start = false;
        self.relocated = lost;
    }

    pub(super) fn select(&mut self, song: u8) {
        self.song = u16::from(song);
    }

    /// What to send next to a receiver that stands at `self`. A sequencer that
    /// runs is stopped before it is sent elsewhere, as the specification wants.
    pub(super) fn step_to(&self, wanted: &Transport) -> Option<Msg> {
        let elsewhere = wanted.position != UNSET && (wanted.relocated || self.position != wanted.position);
        let stop = match wanted.run {
            Run::Unknown | Run::Maybe => false,
            Run::Stopped => self.run != Run::Stopped,
            Run::Running => matches!(self.run, Run::Running | Run::Maybe) && elsewhere,
        };
        if stop {
            Some(Msg::one(0xFC))
        } else if wanted.song != UNSET && self.song != wanted.song {
            Some(Msg::two(0xF3, wanted.song as u8))
        } else if wanted.is_running() && elsewhere && wanted.from_start {
            // It does not run: it was never told to, or was just stopped.
            Some(Msg::one(0xFA))
        } else if elsewhere {
            Some(Msg::three(
                0xF2,
                (wanted.position & 0x7F) as u8,
                (wanted.position >> 7) as u8,
            ))
        } else if wanted.is_running() && !self.is_running() {
            Some(Msg::one(0xFB))
        } else {
            None
        }
    }
}
