//! What waits to be written to one peer: bytes of whole messages, of which it is known where they begin.

use crate::midi::message;
use std::collections::VecDeque;

/// A buffer larger than this is given back once it is empty.
const KEPT_BYTES: usize = 128 * 1024;
/// Marks kept apart; beyond, batches are taken together.
const MOST_MARKS: usize = 64;

/// Bytes for one peer.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Up to here the system has taken them.
    written: usize,
    /// Up to here these are whole messages.
    whole: usize,
    /// Where the message partly written ends, if that has been found out.
    partial_end: Option<usize>,
    /// Up to here the peer's state has already been told of the messages: they will be written.
    committed: usize,
    marks: VecDeque<Mark>,
}

/// The end of a batch.
struct Mark {
    /// In `bytes`.
    end: usize,
    /// The position of the out queue where the batch began.
    from: usize,
    time_ns: u64,
}

impl Outbox {
    /// Adds one whole message.
    #[inline]
    pub(crate) fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
    }

    /// Ends a batch: what was pushed since the last mark came at `time_ns` from the out queue, beginning at `from`.
    pub(crate) fn mark(&mut self, from: usize, time_ns: u64) {
        if self.marks.back().is_some_and(|mark| mark.end == self.bytes.len()) {
            return;
        }
        if self.marks.len() == MOST_MARKS
            && let Some(last) = self.marks.back_mut()
        {
            last.end = self.bytes.len();
        } else if !self.is_empty() {
            self.marks.push_back(Mark {
                end: self.bytes.len(),
                from,
                time_ns,
            });
        }
    }

    /// What the system has not taken.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Calls back for each message of which the peer's state has not been told.
    pub(crate) fn each_untold(&self, mut each: impl FnMut(&[u8])) {
        let mut at = self.whole.max(self.committed);
        while at < self.bytes.len() {
            let end = at + message::len_at(&self.bytes[at..]);
            each(&self.bytes[at..end]);
            at = end;
        }
    }

    /// Calls back for each message that is not wholly with the system.
    pub(crate) fn each_unfinished(&self, mut each: impl FnMut(&[u8])) {
        let mut at = self.whole;
        while at < self.bytes.len() {
            let end = at + message::len_at(&self.bytes[at..]);
            each(&self.bytes[at..end]);
            at = end;
        }
    }

    /// Takes it as certain that all that waits will be written; calls back for each message that was not certain yet.
    pub(crate) fn commit(&mut self, certain: impl FnMut(&[u8])) {
        self.each_untold(certain);
        self.committed = self.bytes.len();
    }

    /// Notes that the system took so many bytes; calls back for each message that is now wholly with it and was not
    /// committed. How many messages were finished.
    pub(crate) fn advance(&mut self, count: usize, mut sent: impl FnMut(&[u8])) -> u64 {
        let mut finished = 0;
        self.written += count;
        while self.whole < self.written {
            let end = self
                .partial_end
                .unwrap_or_else(|| self.whole + message::len_at(&self.bytes[self.whole..]));
            if end > self.written {
                self.partial_end = Some(end);
                break;
            }
            self.partial_end = None;
            if self.whole >= self.committed {
                sent(&self.bytes[self.whole..end]);
            }
            finished += 1;
            self.whole = end;
        }
        while self.marks.front().is_some_and(|mark| mark.end <= self.written) {
            self.marks.pop_front();
        }
        if self.is_empty() {
            self.clear();
        } else if self.whole > KEPT_BYTES / 2 {
            self.compact();
        }
        finished
    }

    /// Moves what is left to the start.
    fn compact(&mut self) {
        let gone = self.whole;
        self.bytes.drain(..gone);
        self.written -= gone;
        self.whole = 0;
        self.partial_end = self.partial_end.map(|end| end - gone);
        self.committed = self.committed.saturating_sub(gone);
        for mark in &mut self.marks {
            mark.end -= gone;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        (self.written, self.whole, self.partial_end, self.committed) = (0, 0, None, 0);
        self.marks.clear();
    }

    /// Drops the whole messages of which nothing was written and that are not committed; calls back for each, with
    /// `false`. One partly written stays and is committed, with `true`.
    pub(crate) fn drop_unwritten(&mut self, mut each: impl FnMut(&[u8], bool)) {
        let mut keep = self.written;
        if self.whole < self.written {
            keep = self.whole + message::len_at(&self.bytes[self.whole..]);
            if keep > self.committed {
                each(&self.bytes[self.whole..keep], true);
            }
        }
        keep = keep.max(self.committed);
        self.committed = keep;
        let mut at = keep;
        while at < self.bytes.len() {
            let end = at + message::len_at(&self.bytes[at..]);
            each(&self.bytes[at..end], false);
            at = end;
        }
        self.bytes.truncate(keep);
        while self.marks.back().is_some_and(|mark| mark.end > keep) {
            let last = self.marks.pop_back();
            if let Some(last) = last
                && self.marks.back().map_or(self.written, |mark| mark.end) < keep
            {
                self.marks.push_back(Mark { end: keep, ..last });
                break;
            }
        }
        if self.is_empty() {
            self.clear();
        }
    }

    /// When the oldest byte that was not written came.
    pub(crate) fn oldest_ns(&self) -> Option<u64> {
        self.marks.front().map(|mark| mark.time_ns)
    }

    /// Up to which position of the out queue all is with the system, given that it was emptied up to `position`.
    pub(crate) fn handed(&self, position: usize) -> usize {
        self.marks.front().map_or(position, |mark| mark.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0x80u8..0xC0, 0u8..128, 0u8..128).prop_map(|(s, a, b)| vec![s, a, b]),
            (0xC0u8..0xE0, 0u8..128).prop_map(|(s, a)| vec![s, a]),
            Just(vec![0xF8]),
            proptest::collection::vec(0u8..128, 0..40).prop_map(|body| [&[0xF0], &body[..], &[0xF7]].concat()),
        ]
    }

    proptest! {
        /// Whatever the system takes and whatever is dropped in between: what was written is whole messages, in
        /// order, and each message was either sent or dropped.
        #[test]
        fn never_tears_a_message(steps in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(message(), 1..5).prop_map(Step::Push),
                (1usize..30).prop_map(Step::Write),
                Just(Step::Drop),
            ], 0..60))
        {
            let mut outbox = Outbox::default();
            let (mut wire, mut sent, mut dropped, mut pushed) = (Vec::new(), 0, 0, 0);
            for (time, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(messages) => {
                        pushed += messages.len();
                        messages.iter().for_each(|message| outbox.push(message));
                        outbox.mark(time, time as u64);
                    }
                    Step::Write(most) => {
                        let count = most.min(outbox.len());
                        wire.extend_from_slice(&outbox.pending()[..count]);
                        sent += outbox.advance(count, |_| {}) as usize;
                    }
                    Step::Drop => outbox.drop_unwritten(|_, kept| dropped += usize::from(!kept)),
                }
                prop_assert_eq!(outbox.is_empty(), outbox.oldest_ns().is_none());
            }
            let rest = outbox.pending().to_vec();
            wire.extend_from_slice(&rest);
            sent += outbox.advance(rest.len(), |_| {}) as usize;
            let mut at = 0;
            let mut whole = 0;
            while at < wire.len() {
                at += message::len_at(&wire[at..]);
                whole += 1;
            }
            prop_assert_eq!((at, whole), (wire.len(), sent));
            prop_assert_eq!(sent + dropped, pushed);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<Vec<u8>>),
        Write(usize),
        Drop,
    }

    #[test]
    fn tells_how_far_it_is() {
        let mut outbox = Outbox::default();
        outbox.push(&[0x90, 1, 2]);
        outbox.mark(0, 7);
        outbox.push(&[0x80, 1, 2]);
        outbox.mark(24, 9);
        assert_eq!((outbox.oldest_ns(), outbox.handed(48)), (Some(7), 0));
        outbox.advance(4, |_| {});
        assert_eq!((outbox.oldest_ns(), outbox.handed(48)), (Some(9), 24));
        outbox.advance(2, |_| {});
        assert_eq!((outbox.oldest_ns(), outbox.handed(48)), (None, 48));
    }
}
