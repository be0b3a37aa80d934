//! The summary of refused messages: what they did to the channel state of each receiver, and what comes later.

use crate::midi::channels::Channels;
use crate::midi::message;
use crate::midi::reset::RESET;
use crate::midi::state::ChannelState;
use crate::midi::summary::Summary;
use crate::realtime::filter::Cuts;
use crate::realtime::later::{Later, Table, survives_cancel};
use crate::sys::touched;

/// The refused messages of a port, for each receiver.
pub(crate) struct Lost {
    /// For every client that is not in `named`.
    all: Box<Summary>,
    /// For clients that were pushed to by name. Refused messages for everybody are in here too, in their places.
    named: Box<[Named]>,
    /// How many of `named` are in use.
    used: usize,
    /// How many resets had been asked for when the first message was refused, and the last.
    resets: (u32, u32),
    /// How many panics had been asked for when the last message was refused.
    panics: u32,
    /// `Cuts::revision` then.
    cuts: u64,
    /// What was meant for a time ahead.
    later: Table,
    /// For when the messages in the summary were meant that had no room in `later`, at the latest.
    latest_ns: u64,
    /// When the last message for at once was pushed, where others were scheduled; else 0.
    last_ns: u64,
}

/// When a message was refused.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moment<'a> {
    /// How many resets and panics had been asked for.
    pub resets: u32,
    /// When the last reset was asked for; 0: none was.
    pub reset_ns: u64,
    pub panics: u32,
    /// The channels that had been closed.
    pub cuts: Cuts<'a>,
    /// For when the message was meant; 0: at once.
    pub due_ns: u64,
    /// The time of the push, where the message was meant for at once and others are scheduled; else 0.
    pub now_ns: u64,
}

struct Named {
    client: u32,
    summary: Box<Summary>,
}

/// Where the resets that are not done have their places around a summary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResetsAround {
    pub before: bool,
    pub after: bool,
    /// Up to which count they are done with it.
    pub done: u32,
}

impl Lost {
    pub(super) fn new(most_named: usize, most_later: usize) -> Self {
        let named = || Named {
            client: 0,
            summary: touched(Summary::new()),
        };
        Self {
            all: touched(Summary::new()),
            named: touched(std::iter::repeat_with(named).take(most_named).collect()),
            used: 0,
            resets: (0, 0),
            panics: 0,
            cuts: 0,
            later: Table::new(most_later),
            latest_ns: 0,
            last_ns: 0,
        }
    }

    /// Starts afresh, with a message that was refused at that moment.
    #[cold]
    #[inline(never)]
    pub(super) fn begin(&mut self, moment: &Moment<'_>) {
        self.all.clear();
        self.used = 0;
        self.later.clear();
        self.latest_ns = 0;
        self.last_ns = 0;
        self.resets = (moment.resets, moment.resets);
        self.panics = moment.panics;
        self.cuts = moment.cuts.revision();
    }

    /// Takes a message that was refused. Returns how many messages cannot be brought back for it.
    pub(super) fn refuse(&mut self, client: u32, message: &[u8], moment: &Moment<'_>) -> u32 {
        let mut unrepaired = 0;
        if (self.panics, self.resets.1) != (moment.panics, moment.resets) {
            unrepaired += self.note_requests(moment);
        }
        if self.cuts != moment.cuts.revision() {
            self.forget_cut(moment.cuts, Channels::NONE);
        }
        if moment.due_ns != 0 {
            return unrepaired + self.refuse_later(client, message, moment.due_ns);
        }
        self.last_ns = self.last_ns.max(moment.now_ns);
        if !self.later.is_empty() {
            unrepaired += self.summarise_due(moment.now_ns);
        }
        unrepaired + self.lose(client, message)
    }

    /// Something was asked for since the last message was refused. Returns how many messages cannot be brought back for
    /// it.
    #[cold]
    #[inline(never)]
    fn note_requests(&mut self, moment: &Moment<'_>) -> u32 {
        let mut unrepaired = 0;
        if self.panics != moment.panics {
            // The panic takes out what was meant for later before it.
            self.panics = moment.panics;
            self.later.clear();
        }
        if self.resets.1 != moment.resets {
            // The reset has its place between what was refused before and after it, and after what fell due before it.
            self.resets.1 = moment.resets;
            unrepaired = self.summarise_due(moment.reset_ns);
            for message in &RESET {
                self.lose(0, message);
            }
        }
        unrepaired
    }

    /// Summarises the messages whose time has come: they were meant for a time before the next message.
    #[cold]
    #[inline(never)]
    fn summarise_due(&mut self, now_ns: u64) -> u32 {
        let mut unrepaired = 0;
        while let Some(due) = self.later.take_due(now_ns) {
            unrepaired += self.summarise(&due);
        }
        unrepaired
    }

    /// Takes a message that was meant for a time ahead.
    #[cold]
    #[inline(never)]
    fn refuse_later(&mut self, client: u32, message: &[u8], due_ns: u64) -> u32 {
        let is_event = ChannelState::is_event(message);
        let later = Later::new(due_ns, client, message).filter(|_| !is_event || message::is_note_on(message));
        let Some(later) = later else {
            return self.lose(client, message);
        };
        let mut unrepaired = u32::from(is_event);
        if let Some(early) = self.later.add(later) {
            self.latest_ns = self.latest_ns.max(early.due_ns);
            unrepaired += self.summarise(&early);
        }
        unrepaired
    }

    /// Takes a message out of the table into the summary.
    fn summarise(&mut self, later: &Later) -> u32 {
        if !survives_cancel(later) || later.is_unstruck() {
            return 0;
        }
        let unrepaired = self.lose(later.client, later.message());
        // A Note On was counted when it was refused.
        if message::is_note_on(later.message()) {
            0
        } else {
            unrepaired
        }
    }

    /// Forgets what was refused on channels that were closed since, as `cuts` says, and on those that are closed now.
    #[cold]
    #[inline(never)]
    pub(super) fn forget_cut(&mut self, cuts: Cuts<'_>, closed: Channels) {
        let channels = cuts.since(self.cuts).or(closed);
        self.cuts = cuts.revision();
        if channels.is_empty() {
            return;
        }
        self.all.forget(channels);
        for named in &mut self.named[..self.used] {
            named.summary.forget(channels);
        }
        self.later.forget(channels);
    }

    /// Marks what is meant for later as cancelled.
    pub(super) fn cancel(&mut self) {
        self.later.cancel();
    }

    /// Forgets what was meant for later, if a panic was asked for after the last message was refused.
    pub(super) fn forget_before_panic(&mut self, panics_done: u32) {
        if panics_done.wrapping_sub(self.panics) as i32 > 0 {
            self.later.clear();
        }
    }

    /// What the messages for later count for among the scheduled bytes.
    #[must_use]
    pub(super) fn later_bytes(&self) -> usize {
        self.later.bytes()
    }

    #[must_use]
    pub(super) fn has_later(&self) -> bool {
        !self.later.is_empty()
    }

    /// The messages that were meant for a time ahead, in order of time. They come after all that is in the summaries,
    /// and each counts among the scheduled bytes as if it had been queued.
    pub(crate) fn later(&self) -> impl Iterator<Item = &Later> {
        self.later.iter()
    }

    /// When the last message for at once was pushed: what was due before it comes before it.
    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// For when the messages in the summary were meant that had no room among those for later, at the latest; 0: there
    /// are none.
    pub(crate) fn latest_ns(&self) -> u64 {
        self.latest_ns
    }

    /// Takes a message into the summaries. Returns how many messages cannot be brought back for it.
    fn lose(&mut self, client: u32, message: &[u8]) -> u32 {
        if client == 0 {
            for named in &mut self.named[..self.used] {
                named.summary.lose(message);
            }
            return self.all.lose(message);
        }
        let place = self.named[..self.used].iter().position(|named| named.client == client);
        let place = place.unwrap_or(self.used);
        let Some(named) = self.named.get_mut(place) else {
            return self.lose_for_one_of_many(message);
        };
        if place == self.used {
            self.used += 1;
            named.client = client;
            named.summary.clone_from(&self.all);
        }
        named.summary.lose(message)
    }

    /// There are more clients than can be told apart: it is better to release a note at all of them than to let it
    /// sound at one.
    fn lose_for_one_of_many(&mut self, message: &[u8]) -> u32 {
        let lets_go = match *message {
            [0x80..=0x8F, ..] | [0x90..=0x9F, _, 0] => true,
            [0xB0..=0xBF, 120 | 123.., _] => true,
            [status @ 0xB0..=0xBF, 121, _] => {
                // It resets everything at one client; at all of them it only lifts what holds notes.
                for pedal in 64..=67 {
                    self.lose(0, &[status, pedal, 0]);
                }
                false
            }
            [status] => matches!(status, 0xFC | 0xFF),
            _ => message::is_switch_off(message),
        };
        if lets_go {
            self.lose(0, message);
            0
        } else {
            1
        }
    }

    /// Every summary and the client it is for: those named, then, with 0, all others.
    pub(crate) fn summaries(&mut self) -> impl Iterator<Item = (u32, &mut Summary)> {
        let named = self.named[..self.used].iter_mut();
        let named = named.map(|named| (named.client, &mut *named.summary));
        named.chain(std::iter::once((0, &mut *self.all)))
    }

    /// Of so many resets that were asked for, of which so many are done, says which have their places around the
    /// summary. Those between are in it, also one that was asked for after `asked` was read. One may be given twice,
    /// where it was done while a push was being refused: never too few, and the last in its place.
    #[must_use]
    pub(super) fn resets_around(&self, done: u32, asked: u32) -> ResetsAround {
        let (first, last) = self.resets;
        let after = asked.wrapping_sub(last) as i32 > 0;
        ResetsAround {
            before: first.wrapping_sub(done) as i32 > 0,
            after,
            done: if after || last.wrapping_sub(done) as i32 <= 0 {
                asked
            } else {
                last
            },
        }
    }
}
