//! Marks on what may differ between the state of the receiver and that of the
//! sender, so that the cost of a difference depends on what changed and not on
//! all there is.

/// One mark for each of 128 things on each of 16 channels.
#[derive(Clone)]
pub struct Grid {
    /// Channels with any mark.
    channels: u16,
    bits: [[u64; 2]; 16],
}

impl Grid {
    pub(crate) const NEW: Grid = Grid {
        channels: 0,
        bits: [[0; 2]; 16],
    };

    #[inline(always)]
    pub(crate) fn set(&mut self, channel: usize, index: u8) {
        self.channels |= 1 << channel;
        self.bits[channel][usize::from(index >> 6 & 1)] |= 1 << (index & 63);
    }

    #[inline(always)]
    pub(crate) fn clear(&mut self, channel: usize, index: u8) {
        let bits = &mut self.bits[channel];
        bits[usize::from(index >> 6 & 1)] &= !(1 << (index & 63));
        if *bits == [0; 2] {
            self.channels &= !(1 << channel);
        }
    }

    pub(crate) fn has(&self, channel: usize, index: u8) -> bool {
        self.bits[channel][usize::from(index >> 6 & 1)] & 1 << (index & 63) != 0
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.channels == 0
    }

    /// Whether anything on a channel is marked.
    pub(super) fn has_any(&self, channel: usize) -> bool {
        self.channels >> channel & 1 != 0
    }

    /// The first mark.
    pub(super) fn first(&self) -> Option<(usize, u8)> {
        let channel = first_channel(self.channels)?;
        let [low, high] = self.bits[channel];
        // A channel in the mask has a bit.
        let index = if low != 0 {
            low.trailing_zeros()
        } else {
            64 + high.trailing_zeros()
        };
        Some((channel, index as u8))
    }

    /// Clears all marks of a channel.
    pub(super) fn clear_channel(&mut self, channel: usize) {
        self.channels &= !(1 << channel);
        self.bits[channel] = [0; 2];
    }

    /// Moves those marks of a channel to another grid of which `moves` says so.
    pub(super) fn move_to(&mut self, other: &mut Grid, channel: usize, moves: impl Fn(u8) -> bool) {
        if self.channels & 1 << channel == 0 {
            return;
        }
        for index in 0..128 {
            if self.has(channel, index) && moves(index) {
                self.clear(channel, index);
                other.set(channel, index);
            }
        }
    }
}

/// The lowest channel of a mask of 16.
pub(super) fn first_channel(mask: u16) -> Option<usize> {
    (mask != 0).then(|| mask.trailing_zeros() as usize)
}

/// What may differ, in the sections of the difference.
#[derive(Clone)]
pub(super) struct Marks {
    /// Per channel: mode messages.
    pub(super) modes: u16,
    /// Notes that were released before a pedal was pressed, which must not catch them.
    pub(super) notes_before_pedals: Grid,
    /// Per channel: the pedals that hold notes and were moved by a lost message.
    pub(super) pedals: u16,
    pub(super) notes: Grid,
    /// Per channel: program and bank.
    pub(super) program: u16,
    /// One bit for each parameter, by its index in `Parameters`.
    pub(super) parameters: [u64; 3],
    /// Per channel: which parameter is selected.
    pub(super) selection: u16,
    /// By controller number; a pair by that of its MSB.
    pub(super) controllers: Grid,
    pub(super) poly_pressure: Grid,
    pub(super) pressure: u16,
    pub(super) bend: u16,
    pub(super) transport: bool,
}

impl Marks {
    pub(super) const NEW: Marks = Marks {
        modes: 0,
        notes_before_pedals: Grid::NEW,
        pedals: 0,
        notes: Grid::NEW,
        program: 0,
        parameters: [0; 3],
        selection: 0,
        controllers: Grid::NEW,
        poly_pressure: Grid::NEW,
        pressure: 0,
        bend: 0,
        transport: false,
    };

    pub(super) fn mark_parameter(&mut self, index: usize) {
        self.parameters[(index / 64).min(2)] |= 1 << (index % 64);
    }

    pub(super) fn unmark_parameter(&mut self, index: usize) {
        self.parameters[(index / 64).min(2)] &= !(1 << (index % 64));
    }

    pub(super) fn has_parameter(&self, index: usize) -> bool {
        self.parameters[(index / 64).min(2)] & 1 << (index % 64) != 0
    }

    /// Clears the marks of channels, but for those of parameters.
    pub(super) fn clear_channels(&mut self, channels: u16) {
        let masks = [
            &mut self.modes,
            &mut self.pedals,
            &mut self.program,
            &mut self.selection,
        ];
        for mask in masks.into_iter().chain([&mut self.pressure, &mut self.bend]) {
            *mask &= !channels;
        }
        for channel in (0..16).filter(|channel| channels >> channel & 1 != 0) {
            self.notes_before_pedals.clear_channel(channel);
            self.notes.clear_channel(channel);
            self.controllers.clear_channel(channel);
            self.poly_pressure.clear_channel(channel);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.modes | self.pedals | self.program | self.selection | self.pressure | self.bend == 0
            && self.parameters == [0; 3]
            && self.notes_before_pedals.is_empty()
            && self.notes.is_empty()
            && self.controllers.is_empty()
            && self.poly_pressure.is_empty()
            && !self.transport
    }
}
