//! Channel state: where a sender stands, or what a receiver has heard, and the
//! difference between the two.
//!
//! The model of what is state and what is an event is the recovery journal of
//! RFC 6295 (appendices A and B); Reset All Controllers does what MIDI RP-015
//! says. There is one type, [`ChannelState`], and one difference,
//! [`next_repair`], for all uses: an in queue that was full, a peer that was
//! congested, a push that was refused or had no peer, a skip, a new link, and
//! greeting. [`ChannelState::next_release`] serves the peer that left.
//!
//! # How it is used
//!
//! While nothing is lost there is one state, *heard*: each message that is
//! delivered goes through [`ChannelState::apply`]. With the first loss a second
//! one, *wanted*, starts where heard stands ([`ChannelState::follow`]) and takes
//! this message and each further one with [`ChannelState::lose`]. From then on
//! **nothing may be delivered before the difference is done**: whatever comes is
//! lost too. (Data entry that reached a receiver with another parameter
//! selected, or a Note On that overtook a lost Note Off, could not be taken
//! back.) When there is room [`next_repair`] gives the difference message by
//! message; it may stop anywhere and go on later, with more losses in between.
//! When it says `None` the receiver stands where the sender stands, wanted is
//! done with, and what comes next is delivered.
//!
//! | lost | heard | wanted |
//! |---|---|---|
//! | in queue full, peer congested, push refused | what was delivered | `follow`s heard at the first loss |
//! | skip | what was popped | `follow`s heard, `lose`s all that waited |
//! | new link | `wanted.newcomer_after(heard)`, after heard's releases were sent | `follow`ed heard when the link broke, `lose`s what came without a link |
//! | greeting | `wanted.newcomer()` | a clone of the state of what was sent to all |
//! | peer left | what it sent and was delivered: `next_release` | |
//!
//! Where a link broke it is not known how much of what was sent last was read: `heard` then holds, beside what it holds,
//! what was released lately, see [`Unread`].
//!
//! # Limits
//!
//! A state has a fixed size of under 12 KB. A message costs some ten
//! nanoseconds, no memory and no lock; the longest are System Reset and
//! `follow`, a copy of it all. Of one note 4095 strikes are counted, and 15 lost
//! ones. Of parameters other than RPN 0 to 6 the 64 written last are kept; one
//! that gives way before it was told is counted as unrepaired. How far a data
//! increment moves a value is the receiver's own matter. The place of a running
//! sequencer is where it was last told to be, as clocks are events. After Reset
//! All Controllers, those controllers that RP-015 leaves to the receiver are
//! taken to be unchanged.

mod controllers;
mod marks;
mod modes;
mod notes;
mod parameters;
mod release;
mod repair;
mod short;
mod take;
mod transport;
mod unread;
mod value14;

#[cfg(any(test, fuzzing))]
pub mod judge;
#[cfg(any(test, fuzzing))]
pub mod receiver_model;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod song_tests;
#[cfg(test)]
pub mod songs;

pub use repair::{next_repair, next_repair_seen};
pub use short::Msg;
pub use unread::Unread;

use controllers::Controllers;
use marks::Marks;
use modes::Modes;
use notes::Notes;
use parameters::Parameters;
use transport::Transport;
use value14::{UNSET, Value14};

/// The pitch bend of a wheel at rest.
const CENTRE: u16 = 0x2000;
/// A pitch bend that has not been seen.
const BEND_UNSET: u16 = u16::MAX;

/// The program of one channel (RFC 6295, appendix A.2, chapter P).
#[derive(Clone, Copy)]
struct Program {
    number: u8,
    /// The bank that was selected when the program change came: that is the
    /// bank it is from, whatever was selected since.
    bank: Value14,
}

/// Where one stream of MIDI stands: what a receiver of all of it has heard.
///
/// Of fixed size and without allocation. What was never seen is unset, and
/// never sent.
#[derive(Clone)]
pub struct ChannelState {
    notes: Notes,
    controllers: [Controllers; 16],
    parameters: Parameters,
    programs: [Program; 16],
    poly_pressure: [[u8; 128]; 16],
    pressure: [u8; 16],
    bend: [u16; 16],
    modes: [Modes; 16],
    transport: Transport,
    /// Channels with a pedal down, pressure on, or a bend: to be released.
    restless: u16,
    /// Channels on which an MPE configuration was lost.
    mpe_lost: u16,
    /// It is not known what was selected before: a summary of what was lost, see `UNKNOWN`.
    unknown: bool,
    /// A System Reset was lost.
    reset_lost: bool,
    /// The second half of a parameter's selection, to be sent next.
    queued: Option<Msg>,
    marks: Marks,
}

impl Default for ChannelState {
    fn default() -> ChannelState {
        ChannelState::new()
    }
}

impl ChannelState {
    const NEW: ChannelState = ChannelState {
        notes: Notes::NEW,
        controllers: [const { Controllers::NEW }; 16],
        parameters: Parameters::NEW,
        programs: [Program {
            number: UNSET,
            bank: Value14::NEW,
        }; 16],
        poly_pressure: [[UNSET; 128]; 16],
        pressure: [UNSET; 16],
        bend: [BEND_UNSET; 16],
        modes: [Modes::NEW; 16],
        transport: Transport::NEW,
        restless: 0,
        mpe_lost: 0,
        unknown: false,
        reset_lost: false,
        queued: None,
        marks: Marks::NEW,
    };

    /// Nothing was heard yet.
    pub fn new() -> ChannelState {
        ChannelState::NEW
    }

    /// What a receiver has heard is not known: any note may be held, and nothing else is set.
    ///
    /// As both *heard* and *wanted* this turns [`lose`] and [`next_repair`] into a summary of lost messages: what
    /// brings any receiver to where they would have brought it, as far as they are state.
    ///
    /// [`lose`]: ChannelState::lose
    pub const UNKNOWN: ChannelState = ChannelState {
        notes: Notes::MAYBE,
        transport: Transport::MAYBE,
        unknown: true,
        ..ChannelState::NEW
    };

    /// Takes a message, whole and valid, that was delivered.
    #[inline]
    pub fn apply(&mut self, message: &[u8]) {
        match *message {
            // As most are.
            [status @ 0x80..=0x9F, note, velocity] => {
                self.apply_note(usize::from(status & 0x0F), note, status >= 0x90 && velocity != 0);
            }
            _ => {
                self.take(message, false);
            }
        }
    }

    /// The same of a note that begins or ends. Whether it is the first note held, or ends the last.
    #[inline(always)]
    pub fn apply_note(&mut self, channel: usize, note: u8, begins: bool) -> bool {
        if begins {
            self.notes.on(channel, note, false)
        } else {
            self.notes.off(channel, note, false).was_last
        }
    }

    /// Takes a message, whole and valid, that the sender sent and the receiver
    /// did not get. Returns how many messages this makes that the difference
    /// cannot bring back (`unrepaired`): mostly 0 for state, 1 for an event.
    pub fn lose(&mut self, message: &[u8]) -> u32 {
        self.take(message, true)
    }

    /// Becomes the state of a sender whose receiver, up to now, has heard
    /// everything: the beginning of *wanted*, before the first [`lose`].
    ///
    /// [`lose`]: ChannelState::lose
    pub fn follow(&mut self, heard: &mut ChannelState) {
        heard.queued = None;
        heard.settle();
        self.clone_from(heard);
    }

    /// What a newcomer to this stream has heard: nothing. Between the two
    /// [`next_repair`] then gives everything that was ever set, but no notes, and
    /// nothing of the sequencer: a Start now would start it at the wrong time.
    ///
    /// `self` becomes the *wanted* of that difference (its marks are used up): a
    /// clone, where the state lives on.
    pub fn newcomer(&mut self) -> ChannelState {
        let mut heard = ChannelState::new();
        heard.transport = self.transport;
        self.mark_known();
        self.marks.transport = false;
        heard
    }

    /// The same for a receiver that comes back on a new link, given what it
    /// `heard` on the old one: its sequencer is told what has changed meanwhile.
    pub fn newcomer_after(&mut self, heard: &ChannelState) -> ChannelState {
        let mut again = ChannelState::new();
        again.transport = heard.transport;
        self.mark_known();
        again
    }

    /// Marks all that was ever set, but no notes.
    fn mark_known(&mut self) {
        self.marks = Marks::NEW;
        self.marks.modes = u16::MAX;
        self.marks.program = u16::MAX;
        self.marks.selection = u16::MAX;
        self.marks.pressure = u16::MAX;
        self.marks.bend = u16::MAX;
        self.marks.transport = true;
        for index in self.parameters.known() {
            self.marks.mark_parameter(index);
        }
        for channel in 0..16 {
            for controller in self.controllers[channel].known() {
                self.marks.controllers.set(channel, controller);
            }
            for (note, pressure) in (0..128).zip(self.poly_pressure[channel]) {
                if pressure != UNSET {
                    self.marks.poly_pressure.set(channel, note);
                }
            }
        }
    }

    /// Whether the message is an event, that no difference brings back: a Note
    /// On, SysEx, clock, active sensing, tune request, time code, data increment
    /// and decrement, portamento control, high resolution velocity prefix.
    pub fn is_event(message: &[u8]) -> bool {
        match *message {
            [0x90..=0x9F, _, velocity] => velocity != 0,
            [0xB0..=0xBF, controller, _] => matches!(controller, 84 | 88 | 96 | 97),
            [0xF2 | 0xF3 | 0xFA..=0xFC | 0xFF, ..] => false,
            [0xF0..=0xFF, ..] => true,
            _ => false,
        }
    }

    /// Whether [`next_release`](ChannelState::next_release) has nothing to say.
    pub fn is_neutral(&self) -> bool {
        self.notes.is_empty() && self.restless == 0 && !self.transport.is_running()
    }

    /// How often the sender holds a note: what was lost counts too.
    pub fn holds_note_at_sender(&self, channel: u8, note: u8) -> u16 {
        self.notes.count_of_sender(channel.into(), note)
    }

    /// How often the receiver holds a note (`channel` 0 to 15).
    pub fn holds_note(&self, channel: u8, note: u8) -> u16 {
        self.notes.count(usize::from(channel & 0x0F), note)
    }

    /// Whether the receiver has a pedal (controllers 64 to 69) not fully up.
    pub fn holds_pedal(&self, channel: u8, controller: u8) -> bool {
        self.controllers[usize::from(channel & 0x0F)].is_down(controller)
    }

    /// Whether there may be a difference left: [`next_repair`] says `None`
    /// without looking further where this says `false`.
    pub fn has_marks(&self) -> bool {
        self.reset_lost || !self.marks.is_empty()
    }

    /// Nothing is owed to the receiver.
    fn settle(&mut self) {
        self.marks = Marks::NEW;
        self.modes.iter_mut().for_each(Modes::settle);
        self.transport.settle();
        self.mpe_lost = 0;
        self.reset_lost = false;
    }
}
