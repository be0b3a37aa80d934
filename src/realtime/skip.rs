//! Throwing away what waits in an in queue: what follows first is the difference in channel state.
//!
//! The messages stay in the queue while that difference is given, and are gone through once for each client they came
//! from, in order of the clients' ids. A pair, whose messages have no clients, does it by itself: see `pair.rs`.

use crate::midi::channels::Channels;
use crate::midi::message;
use crate::midi::short::Short;
use crate::midi::summary::{Given, Summary};
use crate::realtime::consumer::{Consumer, Record};
use crate::realtime::ring::is_before;
use crate::realtime::shared::{STILL_HELD, SYNTHETIC, Shared};
use crate::realtime::still_held::StillHeld;
use crate::sys::touched;

/// What one call may spend on going through what was skipped; the rest is for the next calls. In units of a message of
/// another client, which is only passed over.
const BUDGET: usize = 2048;
/// What it costs to take a message into the summary, and to begin a new summary.
const TAKING: usize = 2;
const BEGINNING: usize = 256;

/// Whether a message of a channel that the port no longer has is thrown away. Releases are not.
#[must_use]
pub(super) fn is_filtered(record: &Record<'_>) -> bool {
    let releases =
        message::is_note_off(record.data) || message::is_switch_off(record.data) || message::lets_go(record.data);
    !releases && record.flags & SYNTHETIC == 0
}

/// What was skipped, while the difference is given.
pub(crate) struct Skip {
    /// Up to where; None: nothing is being skipped.
    until: Option<usize>,
    /// Skipped again meanwhile: up to where.
    then: Option<usize>,
    /// How far this time through has come; None: it is done, and `summary` is being given.
    at: Option<usize>,
    /// Whose messages are summarised.
    client: u32,
    /// The lowest id above that which was seen this time.
    next: Option<u32>,
    /// The summary is still that of another.
    stale: bool,
    summary: Box<Summary>,
    given: Box<Given>,
    still_held: Box<StillHeld>,
}

impl Skip {
    pub(crate) fn new() -> Self {
        Self {
            until: None,
            then: None,
            at: None,
            client: 0,
            next: None,
            stale: false,
            summary: touched(Summary::new()),
            given: touched(Given::new()),
            still_held: touched(StillHeld::new()),
        }
    }

    /// Whether what was skipped is being made good.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_active(&self) -> bool {
        self.until.is_some()
    }

    /// Skips all that is in the queue, from `position` to `until`.
    pub(crate) fn add(&mut self, position: usize, until: usize) {
        let several = self.client != 0 || self.next.is_some() || self.then.is_some();
        match self.until {
            None => self.start(position, until),
            Some(_) if several => self.then = Some(until),
            // What was not given yet of the one under way is in one difference with what came since.
            Some(from) => {
                self.until = Some(until);
                self.at.get_or_insert(from);
            }
        }
    }

    fn start(&mut self, from: usize, until: usize) {
        self.until = Some(until);
        self.next = None;
        // Ids begin with 1; only a merged server's messages have one.
        self.begin(0, from);
    }

    /// Goes through what was skipped for one client.
    fn begin(&mut self, client: u32, from: usize) {
        self.client = client;
        self.at = Some(from);
        self.stale = true;
    }

    /// The next message of the difference: its client, itself, its flags. None when there is none, or not yet: going
    /// through what was skipped is spread over several calls, so that none takes long.
    #[must_use]
    pub(crate) fn next(&mut self, incoming: &mut Consumer, shared: &Shared) -> Option<(u32, Short, u32)> {
        let mut budget = BUDGET;
        loop {
            let until = self.until?;
            if let Some(at) = self.at {
                let reached = self.summarise(incoming, at, until, &mut budget, shared);
                if reached != until {
                    self.at = Some(reached);
                    return None;
                }
                self.at = None;
            }
            if let Some(message) = self.summary.next(&mut self.given) {
                let marked = self.still_held.marks(&message);
                let flags = if marked { SYNTHETIC | STILL_HELD } else { SYNTHETIC };
                return Some((self.client, message, flags));
            }
            budget = budget.saturating_sub(BEGINNING);
            if let Some(client) = self.next.take() {
                self.begin(client, incoming.position());
                continue;
            }
            // SAFETY: it was the queue's end when the caller skipped.
            unsafe { incoming.skip_to(until) };
            self.until = None;
            let then = self.then.take().filter(|then| is_before(until, *then))?;
            self.start(until, then);
        }
    }

    /// Goes through what was skipped, for one client. Returns how far it came.
    fn summarise(
        &mut self,
        incoming: &mut Consumer,
        at: usize,
        until: usize,
        budget: &mut usize,
        shared: &Shared,
    ) -> usize {
        let open = shared.queues.filter.open();
        // If all channels are open, no message is checked.
        if open.is_all() {
            self.summarise_some(incoming, (at, until), budget, shared, |_| true)
        } else {
            self.summarise_open(incoming, (at, until), budget, shared, open)
        }
    }

    /// Does so where some channels are closed.
    #[cold]
    #[inline(never)]
    fn summarise_open(
        &mut self,
        incoming: &mut Consumer,
        part: (usize, usize),
        budget: &mut usize,
        shared: &Shared,
        open: Channels,
    ) -> usize {
        let wanted = |record: &Record<'_>| open.has(record.data) || !is_filtered(record);
        self.summarise_some(incoming, part, budget, shared, wanted)
    }

    /// Does so with the messages that are wanted.
    #[inline(always)]
    fn summarise_some(
        &mut self,
        incoming: &mut Consumer,
        (at, until): (usize, usize),
        budget: &mut usize,
        shared: &Shared,
        wanted: impl Fn(&Record<'_>) -> bool,
    ) -> usize {
        if std::mem::take(&mut self.stale) {
            self.summary.clear();
            self.given.clear();
            self.still_held.clear();
        }
        let mut unrepaired = 0;
        let mut filtered = 0;
        let each = |_, record: &Record<'_>| {
            if record.client == self.client {
                if !wanted(record) {
                    filtered += 1;
                    return TAKING;
                }
                unrepaired += self.summary.lose(record.data);
                self.still_held.follow(record.data, record.flags & STILL_HELD != 0);
                return TAKING;
            }
            if record.client > self.client {
                let lower = |next: u32| next.min(record.client);
                self.next = Some(self.next.map_or(record.client, lower));
            }
            1
        };
        // SAFETY: both are where the queue began or ended when the caller skipped, or where this scan came before; the
        // position moves only when all this is done.
        let reached = unsafe { incoming.scan(at, until, budget, each) };
        shared.counters.pop.unrepaired.add(unrepaired.into());
        shared.counters.pop.filtered.add(filtered);
        reached
    }
}
