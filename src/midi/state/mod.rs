//! Channel state: what a stream of MIDI has set so far, at its sender and at its
//! receiver, and the difference between the two.
//!
//! The recovery journal of RFC 6295 (appendices A and B) says which messages are
//! state and which are events. Reset All Controllers does what MIDI RP-015 says. There is
//! one type, [`ChannelState`], and one difference, [`next_repair`], for all uses:
//! an in queue that was full, a peer that was congested, a push that was refused or
//! had no peer, a skip, a new connection, and greeting. [`ChannelState::next_release`]
//! serves the peer that left.
//!
//! # How it is used
//!
//! While nothing is lost there is one state, *received*: each message that is
//! delivered goes through [`ChannelState::apply`]. With the first loss a second
//! state, *sent*, starts as a copy of it ([`ChannelState::follow`]). It takes this
//! message and each further one with [`ChannelState::lose`]. From then on **nothing
//! may be delivered before the difference is done**: whatever comes is lost too.
//! (Data entry that reached a receiver with another parameter selected, or a Note On
//! that overtook a lost Note Off, could not be taken back.) When there is room,
//! [`next_repair`] gives the difference message by message. It may stop anywhere and
//! go on later, with more losses in between. When it returns `None`, both states are
//! equal: *sent* is dropped, and what comes next is delivered.
//!
//! | loss | received | sent |
//! |---|---|---|
//! | in queue full, peer congested, push refused | what was delivered | `follow`s received at the first loss |
//! | skip | what was popped | `follow`s received, `lose`s all that waited |
//! | new connection | `sent.newcomer_after(received)`, once received's releases were sent | `follow`ed received when the connection broke, `lose`s what came without one |
//! | greeting | `sent.newcomer()` | a clone of the state of what was sent to all |
//! | peer left | what it sent and was delivered: `next_release` | |
//!
//! When a connection breaks, nobody knows how much of the end of the stream the
//! receiver has read. *received* then also holds what was released lately, see
//! [`Unread`].
//!
//! # What a loss hides
//!
//! It is not enough to bring values back to where they are. If a pedal was lifted
//! and pressed again among the lost messages, its value is the same, but the notes it
//! held are silent at the sender. So *sent* also remembers what was released
//! meanwhile: the lowest value of each pedal that holds notes, mode messages, a Stop
//! of the sequencer. It remembers as well which notes were released before a pedal was
//! pressed, because the pedal must not catch them at the receiver.
//!
//! # Limits
//!
//! A state has a fixed size of under 12 KB. A message costs some ten nanoseconds, no
//! memory and no lock; the longest are System Reset and `follow`, a copy of it all.
//! Of one note 4095 strikes are counted, and 15 lost ones. Of parameters other than
//! RPN 0 to 6 the 64 written last are kept; one that makes room before it was sent is
//! counted as unrepaired. How far a data increment moves a value only the receiver
//! knows. The position of a running sequencer is the one it was last given, as clocks
//! are events. Those controllers that RP-015 leaves to the receiver count as unchanged
//! after Reset All Controllers. A program that the sender chose without a bank is not
//! sent again on a new connection, or when its channel is opened again, if the sender
//! has selected a bank since: the receiver may have that bank, and would choose from it.

mod controllers;
mod marks;
mod modes;
mod notes;
mod parameters;
mod programs;
mod release;
mod repair;
mod select;
mod transport;
mod unread;
mod update;
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

pub use super::short::Short;
pub use marks::Grid;
pub use repair::{next_repair, next_repair_seen};
pub use unread::Unread;

use crate::midi::channels::Channels;
use controllers::Controllers;
use marks::Marks;
use modes::Modes;
use notes::Notes;
use parameters::Parameters;
use programs::Program;
use transport::Transport;
use value14::UNSET;

/// The pitch bend of a wheel at rest.
const CENTRE: u16 = 0x2000;
/// A pitch bend that has not been seen.
const BEND_UNSET: u16 = u16::MAX;

/// What a stream of MIDI has set so far: the state of a receiver of all of it.
///
/// Of fixed size and without allocation. What no message has set is unset, and is
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
    /// The messages before the first one are not known: see `UNKNOWN`.
    unknown: bool,
    /// A System Reset was lost.
    reset_lost: bool,
    /// The second half of a parameter's selection, to be sent next.
    queued: Option<Short>,
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
        programs: [Program::NEW; 16],
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

    /// The state before the first message.
    pub fn new() -> ChannelState {
        ChannelState::NEW
    }

    /// The state of a receiver of which nothing is known: any note may be held, and nothing else is set.
    ///
    /// As both *received* and *sent* this makes [`lose`] and [`next_repair`] a summary of lost messages: it brings any
    /// receiver to where those messages would have brought it, as far as they are state.
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
                update::apply(self, message, false);
            }
        }
    }

    /// The same for a note that begins or ends. Returns whether it is the first note held, or ends the last.
    #[inline(always)]
    pub fn apply_note(&mut self, channel: usize, note: u8, begins: bool) -> bool {
        if begins {
            self.notes.on(channel, note, false)
        } else {
            self.notes.off(channel, note, false).was_last
        }
    }

    /// Takes a message, whole and valid, that the sender sent and the receiver did not get. Returns how many messages
    /// the difference cannot bring back because of this one (`unrepaired`): mostly 0 for state, 1 for an event.
    pub fn lose(&mut self, message: &[u8]) -> u32 {
        update::apply(self, message, true)
    }

    /// Becomes the state of a sender whose receiver has received everything so far: the beginning of *sent*, before the
    /// first [`lose`].
    ///
    /// [`lose`]: ChannelState::lose
    pub fn follow(&mut self, received: &mut ChannelState) {
        received.queued = None;
        received.forget_lost();
        self.clone_from(received);
    }

    /// The state of a newcomer to this stream, which has received nothing. Between the two [`next_repair`] then gives
    /// everything that was ever set, but no notes, and nothing of the sequencer: a Start now would start it at the wrong
    /// time.
    ///
    /// `self` becomes the *sent* of that difference, which uses its marks up. Use a clone of a state that lives on.
    pub fn newcomer(&mut self) -> ChannelState {
        // A message of the sequencer that is lost from now on is sent again, also to clients that had it before.
        self.transport = Transport::NEW;
        select::mark_known(self, Channels::ALL);
        self.marks.transport = false;
        ChannelState::new()
    }

    /// The same for a receiver that comes back on a new connection, given what it `received` on the old one: it gets
    /// what has changed of the sequencer meanwhile, and Note Offs for what it still holds and the sender does not. Of
    /// channels that are not `open` it gets no values, but what was marked as lost.
    ///
    /// It may be the same receiver, or one that was restarted. What it gets suits both.
    pub fn newcomer_after(&mut self, received: &ChannelState, open: Channels) -> ChannelState {
        let mut again = ChannelState::new();
        again.transport = received.transport;
        select::mark_known(self, open);
        for channel in 0..16 {
            let controllers = &received.controllers[channel];
            if self.controllers[channel].forget_lost_pedals_up_at(controllers) {
                self.marks.pedals |= 1 << channel;
            }
            again.programs[channel] = received.programs[channel].on_new_connection(&controllers.bank());
        }
        if !received.notes.is_empty() {
            again.notes.clone_from(&received.notes);
            select::mark_surplus(self, &again, Channels::ALL);
        }
        again
    }

    /// Takes some channels over from another state: nothing of them differs.
    pub fn copy(&mut self, other: &ChannelState, channels: Channels) {
        select::copy(self, other, channels);
    }

    /// Forgets some channels: nothing of them was ever set or lost.
    pub fn forget(&mut self, channels: Channels) {
        let blank = if self.unknown { &select::UNKNOWN } else { &select::BLANK };
        select::copy(self, blank, channels);
    }

    /// As *sent* of a receiver that is not known: a System Reset that was lost is not sent after all. Each channel is
    /// silenced and reset in its place, and what was lost after it follows.
    pub fn replace_lost_reset(&mut self) {
        if !self.reset_lost {
            return;
        }
        let after = std::mem::replace(self, ChannelState::UNKNOWN);
        for channel in 0..16 {
            self.lose(&[0xB0 | channel, 120, 0]);
            self.lose(&[0xB0 | channel, 121, 0]);
        }
        self.lose_since_reset(after);
    }

    /// Loses all that was lost since the System Reset which `after` lost, but not that.
    fn lose_since_reset(&mut self, mut after: ChannelState) {
        after.reset_lost = false;
        let mut blank = ChannelState::new();
        while let Some(message) = next_repair(&mut blank, &mut after) {
            self.lose(&message);
        }
    }

    /// Nothing of some channels is sent any more. As *sent* of a receiver with the state `received`, it loses from now
    /// on the releases of what that holds there, in place of all that was lost before.
    ///
    /// A System Reset among it releases everything.
    pub fn cut(&mut self, received: &ChannelState, channels: Channels) {
        if channels.has_system() && self.reset_lost {
            let after = self.clone();
            self.clone_from(received);
            self.forget_lost();
            select::lose_releases(self, Channels::ALL);
            self.lose_since_reset(after);
        }
        select::copy(self, received, channels);
        select::lose_releases(self, channels);
    }

    /// Some channels are sent again. As *sent* it takes them over from `hidden`, which followed them meanwhile, and
    /// `received` gets all that was ever set there, but no notes.
    pub fn reveal(&mut self, hidden: &ChannelState, received: &mut ChannelState, channels: Channels) {
        select::copy(self, hidden, channels);
        select::forget_values(received, self, channels);
        select::mark_known(self, channels);
        select::mark_surplus(self, received, channels);
    }

    /// Whether [`release_of`](ChannelState::release_of) has nothing to release.
    pub fn is_neutral_on(&self, channels: Channels) -> bool {
        self.is_neutral() || self.release_of(channels).is_none()
    }

    /// The next message that releases what is held on some channels, not applied yet.
    pub fn release_of(&self, channels: Channels) -> Option<Short> {
        release::next(self, channels)
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

    /// Whether [`next_release`](ChannelState::next_release) has nothing to release.
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

    /// Whether this message, if it were applied, would release something or put it to rest: a Note Off of a held note;
    /// a lower value, below 64, of a switch (controllers 64 to 69) that is not fully up; All Notes Off and the modes that
    /// imply it on a channel with notes; All Sound Off on one with notes or a pedal that may keep some sounding; Reset
    /// All Controllers with a pedal, the pressure or the bend not at rest; pressure to 0 and bend to the centre where
    /// they are not; Stop to a running sequencer; System Reset unless [`is_neutral`](ChannelState::is_neutral).
    pub fn releases(&self, message: &[u8]) -> bool {
        release::would(self, message)
    }

    /// The next message that releases what is still held, already applied: first a Note Off (velocity 64) for each
    /// strike of each note, then on each channel the pedals (sustain, sostenuto, legato) to 0, channel pressure
    /// to 0 and pitch bend to the centre where they are not, then Stop to a running sequencer. `None` when nothing is
    /// left ([`ChannelState::is_neutral`]).
    pub fn next_release(&mut self) -> Option<Short> {
        let message = self.release()?;
        self.apply(&message);
        Some(message)
    }

    /// The same, not applied yet.
    pub fn release(&self) -> Option<Short> {
        release::next(self, Channels::ALL)
    }

    /// Also holds, from now on, whatever a receiver may hold that has not read the end of the stream.
    pub fn hold_again(&mut self, unread: &Unread) {
        unread::hold_again(self, unread);
    }

    /// Whether there may be a difference left. Where this is `false`, [`next_repair`] returns `None` at once.
    pub fn has_marks(&self) -> bool {
        self.reset_lost || !self.marks.is_empty()
    }

    /// The receiver has had all that was lost.
    fn forget_lost(&mut self) {
        self.marks = Marks::NEW;
        self.modes.iter_mut().for_each(Modes::forget_lost);
        self.controllers.iter_mut().for_each(Controllers::forget_lost_pedals);
        self.transport.forget_lost();
        self.mpe_lost = 0;
        self.reset_lost = false;
    }
}
