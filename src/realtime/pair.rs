//! What one port of a pair knows of the other: there is no network thread between them, so the popping thread does
//! what that thread would.

use crate::midi::channels::Channels;
use crate::midi::reset::{PANIC, RESET};
use crate::midi::short::Short;
use crate::midi::state::{ChannelState, next_repair};
use crate::midi::summary::Given;
use crate::realtime::consumer::{Consumer, Record};
use crate::realtime::drain::{Drain, Step};
use crate::realtime::filter::Direction;
use crate::realtime::lost::Lost;
use crate::realtime::placing::PairTimes;
use crate::realtime::pop::Popped;
use crate::realtime::refused::RefusedOut;
use crate::realtime::ring::is_before;
use crate::realtime::shared::Shared;
use crate::sys::touched;
use crate::timing::Time;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many messages one call takes into a difference; the rest is for the next calls.
const MOST_LOST: usize = 1024;

/// The next message of a pair.
pub(crate) enum Next {
    Queued(Popped),
    /// It was made here: itself, its frame, and whether the peer asked for it with a panic or reset.
    Made {
        message: Short,
        frame: u32,
        asked: bool,
    },
}

/// The popping side's view of its peer.
pub(crate) struct PairPeer {
    drain: Drain,
    /// The rest of a panic or reset that is being given.
    giving: &'static [[u8; 3]],
    /// Skipped: up to where messages are thrown away.
    skip_until: Option<usize>,
    receiver: Receiver,
    /// Whether a panic's dropped messages are made good.
    repairs: bool,
    /// Whether what is held is released when one of the two is closed.
    releases: bool,
    times: PairTimes,
    /// The other port.
    shared: Arc<Shared>,
    /// The own channels, as far as changes were carried out, and where the peer stands on the others.
    open: Channels,
    hidden: Box<ChannelState>,
    /// Changes of the channels of both ports that were carried out, to be noted.
    changed: Option<(u64, u64)>,
    /// `Requests::revision` of the peer while nothing is asked for and nothing is to be made good; or `LOOK`.
    quiet: u64,
    /// The last stored values of `PopCounters::needs_release` and `has_pending`.
    holds: bool,
    owes: bool,
}

/// In place of `quiet`: it has to be looked at more closely.
const LOOK: u64 = u64::MAX;

/// What the popping program was given, and what it should have been.
struct Receiver {
    heard: Box<ChannelState>,
    /// While something is lossy: where the peer stands.
    wanted: Box<ChannelState>,
    lossy: bool,
    /// How far a summary of refused messages was read.
    given: Box<Given>,
}

impl Receiver {
    /// Takes a message that will not be popped. Returns how many messages cannot be brought back for it.
    fn lose(&mut self, message: &[u8]) -> u32 {
        self.split();
        self.wanted.lose(message)
    }

    /// Some channels are not returned any more: notes that are on there are released.
    fn cut(&mut self, channels: Channels) {
        if channels.is_empty() || !self.lossy && self.heard.is_neutral_on(channels) {
            return;
        }
        self.split();
        self.wanted.cut(&self.heard, channels);
    }

    fn split(&mut self) {
        if !self.lossy {
            self.lossy = true;
            self.wanted.follow(&mut self.heard);
        }
    }

    /// Takes what push could not queue. Of channels that are not open, `hidden` follows it.
    fn lose_refused(&mut self, lost: &mut Lost, open: Channels, hidden: &mut ChannelState) -> u32 {
        // A pair knows of no clients: there is one summary.
        let mut unrepaired = 0;
        for (_, summary) in lost.summaries() {
            self.given.clear();
            while let Some(message) = summary.next(&mut self.given) {
                if open.has(&message) {
                    unrepaired += self.lose(&message);
                } else {
                    hidden.apply(&message);
                }
            }
        }
        unrepaired
    }

    /// The next message of the difference that was lost makes. None: it is made good.
    fn next_difference(&mut self) -> Option<Short> {
        let message = next_repair(&mut self.heard, &mut self.wanted);
        self.lossy = message.is_some();
        message
    }
}

impl PairPeer {
    /// `own` is the port that pops, `shared` the other, `refused` what its push could not queue.
    pub(crate) fn new(shared: Arc<Shared>, refused: Option<RefusedOut>, own: &Shared) -> Self {
        Self {
            drain: Drain::new(refused, Arc::clone(&shared)),
            giving: &[],
            skip_until: None,
            receiver: Receiver {
                heard: touched(Box::default()),
                wanted: touched(Box::default()),
                lossy: false,
                given: touched(Given::new()),
            },
            repairs: shared.repairs,
            releases: shared.config.delivery.release_on_close || own.config.delivery.release_on_disconnect,
            times: PairTimes::new(own.config.timing),
            shared,
            open: own.queues.filter.open(),
            hidden: touched(Box::default()),
            changed: None,
            quiet: LOOK,
            holds: false,
            owes: false,
        }
    }

    /// Whether the next message may simply be taken: nothing was asked for before it, and nothing is to be made good.
    #[inline(always)]
    #[must_use]
    pub(crate) fn is_quiet(&self) -> bool {
        u64::from(self.shared.requests.revision()) == self.quiet
    }

    /// The next message that has a place.
    #[must_use]
    pub(crate) fn next(
        &mut self,
        incoming: &mut Consumer,
        own: &Shared,
        mut place: impl FnMut(Time) -> Option<u32>,
    ) -> Option<Next> {
        incoming.release();
        // A message is seen before the requests are looked at: see `drain.rs`.
        let waiting = incoming.peek();
        if self.is_quiet() {
            if let Some(waiting) = waiting {
                let frame = place(self.times.of(waiting.time_ns))?;
                let record = waiting.take();
                self.receiver.heard.apply(record.data);
                let popped = self.times.popped(&record, frame, own);
                self.announce_holds(own);
                incoming.announce_taken();
                return Some(Next::Queued(popped));
            }
            // What would be released is in `holds`.
            if !(self.drain.has_refused() || self.holds && self.is_ended(own)) {
                return None;
            }
        }
        let next = self.find_next(incoming, own, place);
        self.announce(incoming, own);
        next
    }

    fn find_next(
        &mut self,
        incoming: &mut Consumer,
        own: &Shared,
        mut place: impl FnMut(Time) -> Option<u32>,
    ) -> Option<Next> {
        let mut budget = MOST_LOST;
        self.change_channels(own);
        loop {
            if let Some(next) = self.make(incoming, own, &mut budget, &mut place) {
                return next;
            }
            let mut frame = 0;
            let times = self.times;
            let mut wanted = |time_ns| {
                let placed = place(times.of(time_ns));
                frame = placed.unwrap_or(0);
                placed.is_some()
            };
            let open = self.open;
            match self
                .drain
                .next_if(incoming, |record| !open.has(record.data) || wanted(record.time_ns))
            {
                Some(Step::Message { record, .. }) if !open.has(record.data) => {
                    self.hidden.apply(record.data);
                    own.counters.pop.filtered.add(1);
                    budget = budget.checked_sub(1)?;
                }
                Some(Step::Excluded(record)) => {
                    exclude(&self.shared, &mut self.receiver, record.data);
                    budget = budget.checked_sub(1)?;
                }
                Some(Step::Message { record, .. }) => {
                    if record.data == [0xFF] {
                        self.hidden.apply(record.data);
                    }
                    self.receiver.heard.apply(record.data);
                    return Some(Next::Queued(times.popped(&record, frame, own)));
                }
                Some(Step::Dropped(record)) if self.repairs && !open.has(record.data) => self.hidden.apply(record.data),
                Some(Step::Dropped(record)) if self.repairs => count_lost(own, self.receiver.lose(record.data)),
                // At most what the queue holds, at once.
                Some(Step::Dropped(_)) => self.drain.drop_all(incoming),
                Some(Step::Panic) => self.giving = &PANIC,
                Some(Step::Reset { .. }) => self.giving = &RESET,
                Some(Step::Refused(lost)) => {
                    let unrepaired = self.receiver.lose_refused(lost, open, &mut self.hidden);
                    count_lost(own, unrepaired);
                }
                // Nothing is scheduled on a pair.
                Some(Step::Cancel) => {}
                None => {
                    let frame = place(Time::Arrived(0))?;
                    let (message, asked) = (self.next_release(incoming, own)?, false);
                    return Some(Next::Made { message, frame, asked });
                }
            }
        }
    }

    /// Makes the messages that come before any is taken: the rest of a panic or reset, and the difference. Some(None): they
    /// have to wait.
    fn make(
        &mut self,
        incoming: &mut Consumer,
        own: &Shared,
        budget: &mut usize,
        place: &mut impl FnMut(Time) -> Option<u32>,
    ) -> Option<Option<Next>> {
        let made = |message, frame, asked| Some(Some(Next::Made { message, frame, asked }));
        while let Some((message, rest)) = self.giving.split_first() {
            if !self.is_open(message) {
                self.giving = rest;
                continue;
            }
            // As soon as possible.
            let Some(frame) = place(Time::Arrived(0)) else {
                return Some(None);
            };
            self.giving = rest;
            self.receiver.heard.apply(message);
            return made(Short::whole(*message), frame, true);
        }
        if !self.lose_what_waits(incoming, own, budget) {
            return Some(None);
        }
        if self.receiver.lossy {
            let Some(frame) = place(Time::Arrived(0)) else {
                return Some(None);
            };
            if let Some(message) = self.receiver.next_difference() {
                return made(message, frame, false);
            }
        }
        None
    }

    /// Carries out changes of the channels of one of the two ports.
    fn change_channels(&mut self, own: &Shared) {
        let (theirs, ours) = (&self.shared.queues.filter, &own.queues.filter);
        if !theirs.is_unseen(Direction::Outgoing) && !ours.is_unseen(Direction::Incoming) {
            return;
        }
        // Read first: a change after this counts as another change.
        self.changed = Some((theirs.revision(), ours.revision()));
        let (dropped, _) = theirs.take_cut(Direction::Outgoing);
        let (cut, open) = ours.take_cut(Direction::Incoming);
        self.drain.renew_gates();
        let cut = cut.or(self.open.without(open));
        let opened = open.without(self.open.without(cut));
        // For channels that were closed before, `hidden` knows more.
        let followed = cut.and(self.open);
        self.open = open;
        let receiver = &mut self.receiver;
        let sent = if receiver.lossy {
            &receiver.wanted
        } else {
            &receiver.heard
        };
        self.hidden.copy(sent, followed);
        receiver.cut(dropped.or(cut));
        if !opened.is_empty() {
            receiver.split();
            receiver.wanted.reveal(&self.hidden, &mut receiver.heard, opened);
        }
    }

    /// Whether a message of a panic or reset is to be given. On a channel that is only closed here it is followed.
    fn is_open(&mut self, message: &[u8]) -> bool {
        if !self.shared.queues.filter.open().has(message) {
            return false;
        }
        if !self.open.has(message) {
            self.hidden.apply(message);
            return false;
        }
        true
    }

    /// Takes what is skipped, and what a panic drops while something is to be made good, into the difference. False
    /// while more than `budget` is left.
    fn lose_what_waits(&mut self, incoming: &mut Consumer, own: &Shared, budget: &mut usize) -> bool {
        loop {
            self.skip_messages(incoming, own, budget);
            let skips = self
                .skip_until
                .is_some_and(|until| is_before(incoming.position(), until));
            if !skips {
                self.skip_until = None;
                if !self.receiver.lossy || !self.drain.is_panicking() {
                    return true;
                }
            }
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            let step = if skips {
                self.drain.next_if(incoming, |_| true)
            } else {
                self.drain.next_request(incoming)
            };
            let (receiver, open) = (&mut self.receiver, self.open);
            let sent = self.shared.queues.filter.open().and(open);
            match step {
                Some(Step::Message { record, .. }) if !open.has(record.data) => {
                    self.hidden.apply(record.data);
                    own.counters.pop.filtered.add(1);
                }
                Some(Step::Dropped(record)) if !open.has(record.data) => self.hidden.apply(record.data),
                Some(Step::Message { record, .. } | Step::Dropped(record)) => {
                    count_lost(own, receiver.lose(record.data));
                }
                Some(Step::Excluded(_)) => self.shared.counters.network.dropped_out.add(1),
                Some(Step::Panic) => lose_each(receiver, &PANIC, sent),
                Some(Step::Reset { .. }) => lose_each(receiver, &RESET, sent),
                Some(Step::Refused(lost)) => {
                    let unrepaired = receiver.lose_refused(lost, open, &mut self.hidden);
                    count_lost(own, unrepaired);
                }
                Some(Step::Cancel) | None => {}
            }
        }
    }

    /// Takes messages that are skipped into the difference, as long as nothing was asked for before them.
    fn skip_messages(&mut self, incoming: &mut Consumer, own: &Shared, budget: &mut usize) {
        let filters = self.drain.has_gates() || !self.open.is_all();
        let Some(until) = self.skip_until.filter(|_| !filters && !self.drain.has_pending()) else {
            return;
        };
        let mut unrepaired = 0;
        while *budget != 0 && is_before(incoming.position(), until) {
            let Some(waiting) = incoming.peek() else { break };
            if self.shared.requests.revision() != self.drain.revision() {
                break;
            }
            unrepaired += self.receiver.lose(waiting.take().data);
            *budget -= 1;
        }
        count_lost(own, unrepaired);
    }

    /// Has waiting threads know what there is to be popped beside what is in the queue, and then what is done.
    fn announce(&mut self, incoming: &Consumer, own: &Shared) {
        let owes = self.receiver.lossy || !self.giving.is_empty() || self.skip_until.is_some();
        if owes != self.owes {
            self.owes = owes;
            own.counters.pop.has_pending.store(owes, Ordering::Release);
        }
        self.announce_holds(own);
        if let Some((theirs, ours)) = self.changed.take() {
            self.shared.queues.filter.see(Direction::Outgoing, theirs);
            own.queues.filter.see(Direction::Incoming, ours);
        }
        if self.quiet != u64::from(self.drain.revision()) {
            self.drain.serve_requests();
        }
        incoming.announce_taken();
        let filters = self.drain.has_gates() || !self.open.is_all();
        self.quiet = if owes || filters || self.drain.has_pending() {
            LOOK
        } else {
            self.drain.revision().into()
        };
    }

    /// Throws away what waits, up to `until`.
    pub(crate) fn skip_to(&mut self, until: usize) {
        self.skip_until = Some(until);
        self.quiet = LOOK;
    }

    /// Whether there is nothing more to be made here, and nothing was asked for.
    #[must_use]
    pub(crate) fn is_done(&mut self, incoming: &mut Consumer) -> bool {
        if self.is_quiet() && !self.drain.has_refused() {
            return !incoming.has_next();
        }
        !self.receiver.lossy && self.giving.is_empty() && !self.drain.has_work(incoming, false)
    }

    /// Whether one of the two was closed.
    fn is_ended(&self, own: &Shared) -> bool {
        own.is_closed() || self.shared.is_closed()
    }

    /// When one of the two is closed and nothing waits: the next message that releases what is held.
    fn next_release(&mut self, incoming: &mut Consumer, own: &Shared) -> Option<Short> {
        // The last messages were published before the end; and one may wait for its block.
        if self.is_ended(own) && self.releases && !incoming.has_next() {
            self.receiver.heard.next_release()
        } else {
            None
        }
    }

    /// A note that was taken from the queue, as it is given to the caller.
    #[inline(always)]
    pub(crate) fn note(&self, record: &Record<'_>, own: &Shared) -> Popped {
        self.times.popped(record, 0, own)
    }

    /// Follows a Note On or Note Off that was popped from the queue.
    #[inline(always)]
    pub(crate) fn follow_note(&mut self, message: Short, own: &Shared) {
        let (channel, note, begins) = message.note();
        if self.receiver.heard.apply_note(channel, note, begins) {
            self.announce_holds(own);
        }
    }

    /// Has waiting threads know whether something would be released.
    #[inline(always)]
    fn announce_holds(&mut self, own: &Shared) {
        let holds = self.releases && !self.receiver.heard.is_neutral();
        if holds != self.holds {
            self.holds = holds;
            own.counters.pop.needs_release.store(holds, Ordering::Release);
        }
    }
}

/// Drops a message of a channel that the peer closed after the push. A System Reset would have released everything.
fn exclude(peer: &Shared, receiver: &mut Receiver, message: &[u8]) {
    peer.counters.network.dropped_out.add(1);
    if message == [0xFF] {
        receiver.cut(Channels::ALL);
    }
}

fn lose_each(receiver: &mut Receiver, messages: &[[u8; 3]], channels: Channels) {
    for message in messages.iter().filter(|message| channels.has(&message[..])) {
        receiver.lose(message);
    }
}

fn count_lost(own: &Shared, unrepaired: u32) {
    own.counters.pop.unrepaired.add(unrepaired.into());
}
