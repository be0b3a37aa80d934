//! The order in which an out queue is emptied. Networks and pairs both take it from here, and nothing else knows it.
//!
//! 1. A **panic** comes first. It takes everything out of the queue that was pushed before it.
//! 2. A **cancel** is next. Messages that were pushed before it are marked.
//! 3. A **reset** has its place: after what was pushed before it, before what was pushed after it.
//! 4. **Messages** come in the order of pushing.
//! 5. What push **refused** comes when the queue is empty, since nothing is queued while it waits. The resets that were
//!    asked for before the first refused message, and after the last, have their places around it.
//!
//! Messages of channels that the port does not have any more are taken out in their places: see `filter.rs`.
//!
//! Requests have no place in the queue, so each message is given only after the requests were looked at *after* the
//! message was seen: a request that was made before a message was pushed is seen by then. One that is made later is
//! another thread's, and may come before or after.

use crate::realtime::consumer::{Consumer, Record};
use crate::realtime::filter::Gates;
use crate::realtime::lost::Lost;
use crate::realtime::refused::RefusedOut;
use crate::realtime::requests::PendingResets;
use crate::realtime::ring::is_before;
use crate::realtime::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[cfg(all(test, not(loom)))]
#[path = "drain_tests.rs"]
mod tests;

/// One step of emptying an out queue.
pub(crate) enum Step<'a> {
    /// A message that a panic takes out of the queue. All of these come before `Panic`. On a repairing port `Reset` may
    /// come between them, in its place: what was dropped is made good, and so its order counts.
    Dropped(Record<'a>),
    /// A message of a channel that was closed after it was pushed.
    Excluded(Record<'a>),
    /// Silence. Everything scheduled so far is dropped too.
    Panic,
    /// Everything scheduled so far is to be forgotten.
    Cancel,
    /// `asked_ns`: when it was asked for.
    Reset { asked_ns: u64 },
    /// A message. `cancelled`: it was pushed before a `cancel`.
    Message { record: Record<'a>, cancelled: bool },
    /// The summary of what push could not queue. The next call of `next` gives it back.
    Refused(&'a mut Lost),
}

/// What comes next, before anything is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Nothing,
    Dropped,
    Panic,
    Cancel,
    Reset,
    Message,
    Refused,
    /// The reset that comes after the summary.
    ResetAfterRefused,
}

/// How far a summary of refused messages has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Summary {
    /// None is taken.
    None,
    /// It is taken, the reset before it was given, and it comes next.
    Next { reset_after: bool },
    /// It was given.
    Given { reset_after: bool },
}

/// Keeps the order while a queue is emptied. The consumer of the queue stands beside it: a pair's popping side uses that
/// by itself where nothing is asked for.
pub(crate) struct Drain {
    shared: Arc<Shared>,
    refused: Option<RefusedOut>,
    gates: Gates,
    summary: Summary,
    /// `Requests::revision` when the requests were looked at last.
    revision: u32,
    /// A panic under way: its count, and up to where it takes messages out.
    panic: Option<(u32, usize)>,
    resets: Option<PendingResets>,
    cancels: bool,
    /// Up to here what is scheduled was cancelled.
    cancelled_until: Option<usize>,
    panics_done: u32,
    resets_done: u32,
    cancels_done: u32,
}

impl Drain {
    pub(crate) fn new(refused: Option<RefusedOut>, shared: Arc<Shared>) -> Self {
        Self {
            gates: Gates::new(shared.queues.filter.open()),
            shared,
            refused,
            summary: Summary::None,
            revision: 0,
            panic: None,
            resets: None,
            cancels: false,
            cancelled_until: None,
            panics_done: 0,
            resets_done: 0,
            cancels_done: 0,
        }
    }

    /// `Requests::revision` when the requests were looked at last.
    #[inline(always)]
    #[must_use]
    pub(crate) fn revision(&self) -> u32 {
        self.revision
    }

    /// Whether something that was asked for is not done: then a message may not simply be taken.
    #[must_use]
    pub(crate) fn has_pending(&self) -> bool {
        self.panic.is_some() || self.resets.is_some() || self.cancels || self.summary != Summary::None
    }

    /// Whether a panic takes messages out, or is about to.
    #[must_use]
    pub(crate) fn is_panicking(&mut self) -> bool {
        self.look_for_requests();
        self.panic.is_some()
    }

    /// The next step. A message is taken only if `wanted` says so; else there is no step.
    #[inline]
    #[must_use]
    pub(crate) fn next_if<'a>(
        &'a mut self,
        consumer: &'a mut Consumer,
        wanted: impl FnOnce(&Record<'_>) -> bool,
    ) -> Option<Step<'a>> {
        let choice = self.choose(consumer);
        if choice != Choice::Message {
            return self.carry_out(choice, consumer);
        }
        let cancelled = self.is_cancelled(consumer.position());
        let position = consumer.position();
        let waiting = consumer.peek()?;
        if self.gates.stop(&self.shared.queues.filter, position, waiting.data) {
            return Some(Step::Excluded(waiting.take()));
        }
        if !wanted(&waiting) {
            return None;
        }
        Some(Step::Message {
            record: waiting.take(),
            cancelled,
        })
    }

    /// The next step of those that do not need room at a peer: `Dropped`, `Panic`, `Cancel`.
    #[must_use]
    pub(crate) fn next_request<'a>(&'a mut self, consumer: &'a mut Consumer) -> Option<Step<'a>> {
        let choice = self.choose_request(consumer, false);
        self.carry_out(choice, consumer)
    }

    /// Whether `next` (blocked: `next_request`) would give something.
    #[must_use]
    #[inline]
    pub(crate) fn has_work(&mut self, consumer: &mut Consumer, blocked: bool) -> bool {
        self.may_have_work(consumer) && self.finds_work(consumer, blocked)
    }

    /// Whether anything is there or was asked for. Nearly always nothing is, and every turn asks every port.
    #[inline]
    fn may_have_work(&self, consumer: &mut Consumer) -> bool {
        let is_asked = self.shared.requests.revision() != self.revision;
        consumer.has_next() || is_asked || self.has_pending() || self.has_refused()
    }

    fn finds_work(&mut self, consumer: &mut Consumer, blocked: bool) -> bool {
        let choice = if blocked {
            self.choose_request(consumer, false)
        } else {
            self.choose(consumer)
        };
        choice != Choice::Nothing
    }

    /// Throws away at once what a panic would take out message by message.
    pub(crate) fn drop_all(&mut self, consumer: &mut Consumer) {
        if let Some((_, until)) = self.panic {
            // SAFETY: the position was the end of this queue when the panic was asked for, and its Acquire load makes
            // visible what was published up to there.
            unsafe { consumer.skip_to(until) };
        }
    }

    /// Whether messages of some channels do not pass.
    #[must_use]
    pub(crate) fn has_gates(&self) -> bool {
        self.gates.stop_some()
    }

    /// Notes for waiting threads that the panics and resets given so far are done.
    pub(crate) fn serve_requests(&self) {
        self.shared.requests.panic.serve(self.panics_done);
        self.shared.requests.reset.serve(self.resets_done);
    }

    /// Whether a message at a position was pushed before a `cancel`.
    fn is_cancelled(&mut self, position: usize) -> bool {
        let cancelled = self.cancelled_until.is_some_and(|until| is_before(position, until));
        if !cancelled {
            self.cancelled_until = None;
        }
        cancelled
    }

    /// Looks at what is asked for, if anything was asked for since.
    #[inline(always)]
    fn look_for_requests(&mut self) {
        // Read first: what is asked for after this changes it once more.
        let revision = self.shared.requests.revision();
        if revision != self.revision {
            self.revision = revision;
            self.read_requests();
        }
    }

    #[cold]
    #[inline(never)]
    fn read_requests(&mut self) {
        let requests = &self.shared.requests;
        if let Some(panic) = requests.panic.pending(self.panics_done) {
            self.panic = Some(panic);
        }
        if let Some((count, position)) = requests.cancel.pending(self.cancels_done) {
            self.cancels_done = count;
            self.cancels = true;
            self.cancelled_until = Some(position);
        }
        self.resets = requests.reset.pending(self.resets_done);
        self.renew_gates();
    }

    /// Reads which channels are closed. An announced change is read without this call.
    pub(crate) fn renew_gates(&mut self) {
        self.gates.renew(&self.shared.queues.filter);
    }

    /// Whether a reset has its turn: the queue has been emptied up to its place.
    #[inline(always)]
    fn reset_is_due(&self, consumer: &Consumer) -> bool {
        self.resets
            .is_some_and(|resets| !is_before(consumer.position(), resets.first))
    }

    #[inline(always)]
    #[must_use]
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(RefusedOut::has_some)
    }

    /// What comes next of that which needs no room at a peer. On a repairing port nothing waits for room, and resets
    /// come `in_place` between the dropped messages.
    #[inline(always)]
    fn choose_request(&mut self, consumer: &mut Consumer, in_place: bool) -> Choice {
        self.look_for_requests();
        if let Some((_, until)) = self.panic {
            return if !is_before(consumer.position(), until) || !consumer.has_next() {
                Choice::Panic
            } else if in_place && self.shared.repairs && self.reset_is_due(consumer) {
                Choice::Reset
            } else {
                Choice::Dropped
            };
        }
        if self.cancels { Choice::Cancel } else { Choice::Nothing }
    }

    #[inline]
    fn choose(&mut self, consumer: &mut Consumer) -> Choice {
        loop {
            // A message is seen before the requests are looked at: then those made before it was pushed are seen.
            let has_message = consumer.has_next();
            let request = self.choose_request(consumer, true);
            if request != Choice::Nothing {
                return request;
            }
            match self.summary {
                Summary::None => {}
                Summary::Next { .. } => return Choice::Refused,
                Summary::Given { reset_after: true } => return Choice::ResetAfterRefused,
                // It has to be given back, and then what comes next is not known yet.
                Summary::Given { reset_after: false } => self.give_back(),
            }
            // A reset at the end of the queue has its place beside what was refused. In this order: a refusal that came
            // before the reset is seen once the reset is; and what was queued before the refusal is seen after it.
            if self.reset_is_due(consumer) && (!self.has_refused() || consumer.has_next()) {
                return Choice::Reset;
            }
            if has_message {
                return Choice::Message;
            }
            if !self.has_refused() {
                return Choice::Nothing;
            }
            // In this order: what was queued before the refusal comes first.
            if !consumer.has_next() {
                return Choice::Refused;
            }
            // At most once: now there is a message.
        }
    }

    /// Does what was chosen; not for `Choice::Message`.
    fn carry_out<'a>(&'a mut self, choice: Choice, consumer: &'a mut Consumer) -> Option<Step<'a>> {
        match choice {
            Choice::Nothing | Choice::Message => None,
            Choice::Dropped => {
                let position = consumer.position();
                let record = consumer.peek()?.take();
                let stops = self.gates.stop(&self.shared.queues.filter, position, record.data);
                Some(if stops {
                    Step::Excluded(record)
                } else {
                    Step::Dropped(record)
                })
            }
            Choice::Panic => {
                if let Some((count, _)) = self.panic.take() {
                    self.panics_done = count;
                }
                Some(Step::Panic)
            }
            Choice::Cancel => {
                self.cancels = false;
                Some(Step::Cancel)
            }
            Choice::Reset => {
                let asked_ns = self.resets.map_or(0, |resets| resets.first_ns);
                self.give_reset(consumer.position());
                Some(Step::Reset { asked_ns })
            }
            Choice::ResetAfterRefused => {
                self.give_back();
                let asked_ns = self.shared.requests.reset.last_ns();
                Some(Step::Reset { asked_ns })
            }
            Choice::Refused => self.give_refused(consumer.position()),
        }
    }

    /// A reset is given at a position: all that had their places up to there are done.
    fn give_reset(&mut self, position: usize) {
        let Some(resets) = self.resets.take() else { return };
        let requests = &self.shared.requests.reset;
        requests.forget_places(position);
        if !is_before(position, resets.last) {
            self.resets_done = resets.count;
            return;
        }
        // An earlier one. The count is that of the last, which has to come; how many share a place is not known.
        let next = self.resets_done.wrapping_add(1);
        if next != resets.count {
            self.resets_done = next;
        }
        self.resets = requests.pending(self.resets_done);
    }

    /// The queue is empty, at a position: takes the summary, or the reset that comes before it.
    fn give_refused(&mut self, position: usize) -> Option<Step<'_>> {
        if let Summary::Next { reset_after } = self.summary {
            self.summary = Summary::Given { reset_after };
            return self.refused.as_mut()?.taken().map(Step::Refused);
        }
        let asked = self.resets.map_or(self.resets_done, |resets| resets.count);
        let lost = self.refused.as_mut()?.take()?;
        let later = lost.later_bytes();
        lost.forget_before_panic(self.panics_done);
        lost.forget_cut(self.shared.queues.filter.cuts(), self.gates.closed());
        let dropped = later - lost.later_bytes();
        if dropped != 0 {
            self.shared.queues.scheduled_bytes.fetch_sub(dropped, Ordering::Relaxed);
        }
        let around = lost.resets_around(self.resets_done, asked);
        let asked_ns = self.resets.map_or(0, |resets| resets.first_ns);
        self.resets_done = around.done;
        let requests = &self.shared.requests.reset;
        requests.forget_places(position);
        self.resets = requests.pending(self.resets_done);
        let reset_after = around.after;
        if around.before {
            self.summary = Summary::Next { reset_after };
            return Some(Step::Reset { asked_ns });
        }
        self.summary = Summary::Given { reset_after };
        self.refused.as_mut()?.taken().map(Step::Refused)
    }

    fn give_back(&mut self) {
        self.summary = Summary::None;
        if let Some(refused) = &mut self.refused {
            refused.give_back();
        }
    }
}

/// An out queue, and the order in which it is emptied.
pub(crate) struct OutQueue {
    consumer: Consumer,
    drain: Drain,
}

impl OutQueue {
    /// `refused` is what push could not queue. A port that waits has it only if it may be without a peer.
    pub(crate) fn new(consumer: Consumer, refused: Option<RefusedOut>, shared: Arc<Shared>) -> Self {
        Self {
            consumer,
            drain: Drain::new(refused, shared),
        }
    }

    /// The next step. What was asked for before a message was pushed comes before it.
    ///
    /// Each step is work that was pushed or asked for, and threads may go on asking: the caller bounds how many it takes
    /// in one turn.
    #[must_use]
    pub(crate) fn next(&mut self) -> Option<Step<'_>> {
        self.drain.next_if(&mut self.consumer, |_| true)
    }

    /// The next step, but no message that begins at `end` or later.
    #[must_use]
    pub(crate) fn next_before(&mut self, end: usize) -> Option<Step<'_>> {
        let wanted = is_before(self.consumer.position(), end);
        self.drain.next_if(&mut self.consumer, |_| wanted)
    }

    /// The next step of `Dropped`, `Panic` and `Cancel`, for use while a peer's buffer is full.
    #[must_use]
    pub(crate) fn next_request(&mut self) -> Option<Step<'_>> {
        self.drain.next_request(&mut self.consumer)
    }

    /// Whether `next` (blocked: `next_request`) would give something.
    #[must_use]
    pub(crate) fn has_work(&mut self, blocked: bool) -> bool {
        self.drain.has_work(&mut self.consumer, blocked)
    }

    /// Gives room back to the producer, and tells waiting threads how far was taken.
    pub(crate) fn release(&mut self) {
        self.consumer.announce_taken();
        self.consumer.release();
    }

    /// Looks at which channels are closed.
    pub(crate) fn renew_gates(&mut self) {
        self.drain.renew_gates();
    }

    /// Shows every message that waits and is to be sent without taking it, and whether it was pushed before a `cancel`.
    /// Returns where the last of them ends.
    pub(crate) fn scan(&mut self, mut each: impl FnMut(&Record<'_>, bool)) -> usize {
        self.drain.look_for_requests();
        let (from, end) = (self.consumer.position(), self.consumer.end());
        let cancelled_until = self.drain.cancelled_until.filter(|until| is_before(from, *until));
        let kept = cancelled_until.unwrap_or(from);
        for (from, until, cancelled) in [(from, kept, true), (kept, end, false)] {
            // SAFETY: records begin at the position, at the end, and where the queue ended when a cancel was asked for,
            // which lies between the two.
            unsafe {
                let gates = &self.drain.gates;
                self.consumer.scan(from, until, &mut 1, |position, record| {
                    if !gates.would_stop(position, record.data) {
                        each(record, cancelled);
                    }
                    0
                });
            }
        }
        end
    }

    /// Where the next message begins.
    #[must_use]
    pub(crate) fn position(&self) -> usize {
        self.consumer.position()
    }

    /// Where the messages that are there now end.
    #[must_use]
    pub(crate) fn end(&self) -> usize {
        self.consumer.end()
    }
}
