//! When a peer is told that what it sent has come.
//!
//! A peer that does not set `TCP_NODELAY` (mido) holds its next message back until the last one is acknowledged, and the
//! kernel takes up to 40 ms for it: so this is asked for after every read. The kernel sends a packet for that, which
//! costs as much as an answer; where answers come at once, they carry the acknowledgement, and the packet is saved.

use super::reactor::Reactor;
use crate::sys::tcp;

/// An answer that comes later than this, in ns, is none; so long an acknowledgement waits for one.
const ANSWER_NS: u64 = 150_000;
/// So many answers in a row, and the next is waited for.
const LEARNED: u8 = 4;

/// Whether what a peer sends is answered at once.
#[derive(Default)]
pub(super) struct Answers {
    /// When it was last heard.
    heard_ns: u64,
    /// Nothing has been sent since.
    open: bool,
    /// In the list of those that are to be acknowledged.
    listed: bool,
    score: u8,
}

impl Answers {
    /// The peer was heard; whether it has to be put into the list.
    pub(super) fn heard(&mut self, now: u64) -> bool {
        if !self.listed {
            if self.open {
                self.score /= 2;
            }
            self.heard_ns = now;
        }
        self.open = true;
        !std::mem::replace(&mut self.listed, true)
    }

    /// Something was sent to the peer.
    pub(super) fn sent(&mut self, now: u64) {
        if std::mem::take(&mut self.open) {
            let soon = now.saturating_sub(self.heard_ns) <= ANSWER_NS;
            self.score = if soon {
                LEARNED.min(self.score + 1)
            } else {
                self.score / 2
            };
        }
    }

    /// Until when an answer is waited for; None: it has gone.
    fn wait_until(&self) -> Option<u64> {
        let patience = if self.score == LEARNED { ANSWER_NS } else { 0 };
        self.open.then_some(self.heard_ns + patience)
    }
}

impl Reactor {
    /// Acknowledges what was read. That may wait until the audio thread and whoever waits have the messages.
    pub(super) fn acknowledge_heard(&mut self, now: u64) {
        let links = &mut self.links;
        self.unacknowledged.retain(|key| {
            let Some(link) = links.get_mut(*key) else { return false };
            let until = link.answers.wait_until();
            if until.is_some_and(|until| now < until) {
                return true;
            }
            if until.is_some() {
                tcp::acknowledge_at_once(&link.socket);
            }
            link.answers.listed = false;
            false
        });
    }

    /// When the next acknowledgement has waited long enough.
    pub(super) fn next_acknowledgement(&self) -> Option<u64> {
        let until = |key: &usize| self.links.get(*key)?.answers.wait_until();
        self.unacknowledged.iter().filter_map(until).min()
    }
}
