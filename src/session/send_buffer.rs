//! The bytes that wait to be written to one peer: whole messages, of which it is known where each begins. Frames for
//! the library at the other end may lie between them. They are no messages: nothing counts or follows them.

use crate::midi::{frame, message};
use std::collections::VecDeque;

/// A buffer larger than this is given back once it is empty.
const KEPT_BYTES: usize = 128 * 1024;
/// Batches whose age is kept apart; beyond, they are taken together.
const MOST_BATCHES: usize = 64;

/// Bytes for one peer.
#[derive(Default)]
pub(super) struct SendBuffer {
    bytes: Vec<u8>,
    /// Up to here the system has taken them.
    written: usize,
    /// Up to here these are whole messages.
    whole: usize,
    /// Where the message partly written ends, if that is known.
    partial_end: Option<usize>,
    /// Up to here the peer's state has been brought forward already: these messages are never dropped.
    committed: usize,
    batches: VecDeque<Batch>,
}

/// Messages that were added at one time.
struct Batch {
    /// Where they end in `bytes`.
    end: usize,
    time_ns: u64,
}

impl SendBuffer {
    /// Adds one whole message.
    #[inline]
    pub(super) fn push(&mut self, message: &[u8]) {
        match *message {
            // As nearly all are: to copy a known number of bytes takes no call.
            [first, second, third] => self.bytes.extend_from_slice(&[first, second, third]),
            _ => self.bytes.extend_from_slice(message),
        }
    }

    /// Ends a batch: what was added since the last one was added at `time_ns`.
    pub(super) fn end_batch(&mut self, time_ns: u64) {
        let end = self.bytes.len();
        if self.batches.back().is_some_and(|batch| batch.end == end) {
            return;
        }
        if self.batches.len() < MOST_BATCHES {
            if !self.is_empty() {
                self.batches.push_back(Batch { end, time_ns });
            }
        } else if let Some(last) = self.batches.back_mut() {
            last.end = end;
        }
    }

    /// What the system has not taken.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// When the oldest byte that is not written was added.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.batches.front().map(|batch| batch.time_ns)
    }

    /// Calls back for each message that is not wholly with the system and not committed.
    pub(super) fn each_uncommitted(&self, each: impl FnMut(&[u8])) {
        self.each_between(self.whole.max(self.committed), self.bytes.len(), each);
    }

    /// Calls back for each message that is not wholly with the system, but committed.
    pub(super) fn each_committed(&self, each: impl FnMut(&[u8])) {
        self.each_between(self.whole, self.committed, each);
    }

    /// Calls back for each message that is not wholly with the system.
    pub(super) fn each_unfinished(&self, each: impl FnMut(&[u8])) {
        self.each_between(self.whole, self.bytes.len(), each);
    }

    fn each_between(&self, mut at: usize, end: usize, mut each: impl FnMut(&[u8])) {
        while at < end {
            let next = at + message::len_at(&self.bytes[at..]);
            if !frame::begins(&self.bytes[at..]) {
                each(&self.bytes[at..next]);
            }
            at = next;
        }
    }

    /// Makes all that waits certain to be written; calls back for each message that was not yet.
    pub(super) fn commit(&mut self, certain: impl FnMut(&[u8])) {
        self.each_uncommitted(certain);
        self.committed = self.bytes.len();
    }

    /// The system took so many bytes; calls back for each message that is now wholly with it and was not committed.
    /// How many messages were finished.
    pub(super) fn advance(&mut self, count: usize, mut sent: impl FnMut(&[u8])) -> u64 {
        let mut finished = 0;
        self.written = (self.written + count).min(self.bytes.len());
        let mut known_end = self.partial_end.take();
        while self.whole < self.written {
            let rest = &self.bytes[self.whole..];
            let len = known_end
                .take()
                .map_or_else(|| message::len_at(rest), |end| end - self.whole);
            let end = self.whole + len;
            if end > self.written {
                self.partial_end = Some(end);
                break;
            }
            if !frame::begins(rest) {
                if self.whole >= self.committed {
                    sent(&rest[..len]);
                }
                finished += 1;
            }
            self.whole = end;
        }
        while self.batches.front().is_some_and(|batch| batch.end <= self.written) {
            self.batches.pop_front();
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
        for batch in &mut self.batches {
            batch.end -= gone;
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        (self.written, self.whole, self.partial_end, self.committed) = (0, 0, None, 0);
        self.batches.clear();
    }

    /// Rewrites the whole messages of which nothing was written and that are not committed: `each` takes one and adds what
    /// stands in its place. One partly written stays; `kept` takes it.
    pub(super) fn rewrite(&mut self, mut kept: impl FnMut(&[u8]), mut each: impl FnMut(&[u8], &mut Vec<u8>)) {
        let mut from = self.written.max(self.committed);
        if self.whole < self.written {
            let end = self.whole + message::len_at(&self.bytes[self.whole..]);
            if end > self.committed && !frame::begins(&self.bytes[self.whole..]) {
                kept(&self.bytes[self.whole..end]);
            }
            from = from.max(end);
        }
        let tail = self.bytes.split_off(from);
        let (mut at, mut batches) = (0, self.batches.iter_mut().peekable());
        loop {
            // A batch ends between two messages.
            while let Some(batch) = batches.next_if(|batch| batch.end <= from + at) {
                // One that ends before what is rewritten stays.
                if batch.end > from || at > 0 {
                    batch.end = self.bytes.len();
                }
            }
            if at == tail.len() {
                break;
            }
            let end = at + message::len_at(&tail[at..]);
            if frame::begins(&tail[at..]) {
                self.bytes.extend_from_slice(&tail[at..end]);
            } else {
                each(&tail[at..end], &mut self.bytes);
            }
            at = end;
        }
        for batch in batches {
            batch.end = self.bytes.len();
        }
        self.batches.retain(|batch| batch.end > self.written);
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops the whole messages of which nothing was written and that are not committed; calls back for each, with
    /// `false`. One partly written stays and is committed; calls back with `true`. Frames that are sent once in the life
    /// of a connection stay.
    pub(super) fn drop_unwritten(&mut self, mut each: impl FnMut(&[u8], bool)) {
        let mut keep = self.written;
        if self.whole < self.written {
            keep = self.whole + message::len_at(&self.bytes[self.whole..]);
            if keep > self.committed && !frame::begins(&self.bytes[self.whole..]) {
                each(&self.bytes[self.whole..keep], true);
            }
        }
        keep = keep.max(self.committed);
        self.each_between(keep, self.bytes.len(), |message| each(message, false));
        keep = self.keep_frames(keep);
        self.committed = keep;
        while self.batches.back().is_some_and(|batch| batch.end > keep) {
            let Some(last) = self.batches.pop_back() else { break };
            if self.batches.back().map_or(self.written, |batch| batch.end) < keep {
                self.batches.push_back(Batch { end: keep, ..last });
                break;
            }
        }
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops all from a position on but frames that are sent only once; where those end.
    fn keep_frames(&mut self, from: usize) -> usize {
        let tail = self.bytes.split_off(from);
        let mut at = 0;
        while at < tail.len() {
            let end = at + message::len_at(&tail[at..]);
            if frame::is_sent_once(&tail[at..end]) {
                self.bytes.extend_from_slice(&tail[at..end]);
            }
            at = end;
        }
        self.bytes.len()
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
            (0u8..128).prop_map(|last| vec![0xF4, 1, 0, 0, 0, last]),
            Just(vec![0xF4, 4, 1, 0, 65]),
        ]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<Vec<u8>>),
        Write(usize),
        Drop,
        Rewrite,
    }

    proptest! {
        /// Whatever the system takes and whatever is dropped in between: what was written is whole messages, in order,
        /// and each message was either sent or dropped.
        #[test]
        fn no_message_is_torn(steps in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(message(), 1..5).prop_map(Step::Push),
                (1usize..30).prop_map(Step::Write),
                Just(Step::Drop),
                Just(Step::Rewrite),
            ], 0..60))
        {
            let mut buffer = SendBuffer::default();
            let (mut wire, mut sent, mut dropped, mut pushed) = (Vec::new(), 0, 0, 0);
            for (time, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(messages) => {
                        pushed += messages.iter().filter(|message| !frame::begins(message)).count();
                        messages.iter().for_each(|message| buffer.push(message));
                        buffer.end_batch(time as u64);
                    }
                    Step::Write(most) => {
                        let count = most.min(buffer.len());
                        wire.extend_from_slice(&buffer.unsent()[..count]);
                        sent += buffer.advance(count, |_| {}) as usize;
                    }
                    Step::Drop => buffer.drop_unwritten(|_, kept| dropped += usize::from(!kept)),
                    Step::Rewrite => buffer.rewrite(|_| {}, |message, bytes| match message[0] & 3 {
                        0 => dropped += 1,
                        1 => {
                            pushed += 1;
                            bytes.extend_from_slice(message);
                            bytes.extend_from_slice(&[0xB0, 1, 2]);
                        }
                        _ => bytes.extend_from_slice(message),
                    }),
                }
                prop_assert_eq!(buffer.is_empty(), buffer.oldest_ns().is_none());
            }
            let rest = buffer.unsent().to_vec();
            wire.extend_from_slice(&rest);
            sent += buffer.advance(rest.len(), |_| {}) as usize;
            let mut at = 0;
            let mut whole = 0;
            while at < wire.len() {
                whole += usize::from(!frame::begins(&wire[at..]));
                at += message::len_at(&wire[at..]);
            }
            prop_assert_eq!((at, whole), (wire.len(), sent));
            prop_assert_eq!(sent + dropped, pushed);
        }
    }

    #[test]
    fn a_frame_that_is_sent_once_is_never_dropped() {
        let mut buffer = SendBuffer::default();
        let (stamp, name) = ([0xF4, 1, 0, 0, 0, 1], [0xF4, 4, 1, 0, 65]);
        for each in [&[0x90, 1, 2][..], &stamp, &name, &[0x90, 3, 4]] {
            buffer.push(each);
        }
        buffer.end_batch(7);
        let mut dropped = 0;
        buffer.drop_unwritten(|_, kept| dropped += usize::from(!kept));
        assert_eq!((dropped, buffer.unsent()), (2, &name[..]));
        assert_eq!(buffer.oldest_ns(), Some(7));
    }

    #[test]
    fn the_oldest_byte_tells_its_age() {
        let mut buffer = SendBuffer::default();
        buffer.push(&[0x90, 1, 2]);
        buffer.end_batch(7);
        buffer.push(&[0x80, 1, 2]);
        buffer.end_batch(9);
        assert_eq!(buffer.oldest_ns(), Some(7));
        buffer.advance(4, |_| {});
        assert_eq!(buffer.oldest_ns(), Some(9));
        buffer.advance(2, |_| {});
        assert_eq!(buffer.oldest_ns(), None);
    }
}
