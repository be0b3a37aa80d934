//! Learns whether messages are answered soon, so that it is worth while to wait for the answer.
//!
//! Two things depend on it. The network thread, and waits, look a little while for the next message before they sleep:
//! where each message answers the one before, nearly all the time goes into waking threads. And an acknowledgement waits
//! a little while for an answer that carries it: mido does not set `TCP_NODELAY` and holds its next message back until
//! the last one is acknowledged, so a packet is sent for that where no answer is expected.

use crate::realtime::waker::BUSY_POLL_NS;

/// An answer that comes later than this, in ns, is none. It is longer than [`BUSY_POLL_NS`]: without looking, two threads have
/// to be woken.
const SOON_NS: u64 = 120_000;
/// From this score on an answer is expected, and the highest.
const EXPECTED: u32 = 16;
const HIGHEST: u32 = 64;
/// What a message without an answer takes off, and what looking in vain does.
const NO_ANSWER: u32 = 4;
const IN_VAIN: u32 = 16;

/// How often answers came soon lately.
#[derive(Default)]
pub(super) struct Score(u32);

impl Score {
    pub(super) fn expects(&self) -> bool {
        self.0 >= EXPECTED
    }

    pub(super) fn answered(&mut self, after_ns: u64) {
        if after_ns <= SOON_NS {
            self.0 = (self.0 + 1).min(HIGHEST);
        } else {
            self.unanswered();
        }
    }

    pub(super) fn unanswered(&mut self) {
        self.0 = self.0.saturating_sub(NO_ANSWER);
    }

    fn waited_in_vain(&mut self) {
        self.0 = self.0.saturating_sub(IN_VAIN);
    }
}

/// Which side sent a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sender {
    Peer,
    Program,
}

/// Whether the network thread looks for the next message before it sleeps. What that costs is bounded: so much for each
/// message of a conversation. Where answers do not come in time it ends after a few of them, and does not begin again
/// before as many have come.
#[derive(Default)]
pub(super) struct Conversation {
    score: Score,
    /// In this turn: something was read, or found pushed.
    pub received: bool,
    pub pushed: bool,
    last: Option<(Sender, u64)>,
    /// Until when to look; 0: not at all.
    until: u64,
}

impl Conversation {
    /// A turn of the network thread has taken what there was. Until when to look for what comes next; 0: not at all.
    pub(super) fn end_turn(&mut self, now: u64) -> u64 {
        let (received, pushed) = (std::mem::take(&mut self.received), std::mem::take(&mut self.pushed));
        if now >= self.until {
            self.give_up();
        }
        if !received && !pushed {
            return self.until;
        }
        let sender = if pushed { Sender::Program } else { Sender::Peer };
        match self.last {
            _ if received && pushed => self.score.answered(0),
            Some((last, at)) if last != sender => self.score.answered(now.saturating_sub(at)),
            _ => self.score.unanswered(),
        }
        self.last = Some((sender, now));
        self.until = if self.score.expects() { now + BUSY_POLL_NS } else { 0 };
        self.until
    }

    /// What `end_turn` gave last, unless it was given up.
    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// The time is over, and nothing came.
    pub(super) fn give_up(&mut self) {
        if self.until != 0 {
            self.until = 0;
            self.score.waited_in_vain();
        }
    }
}

/// When what one peer sent is acknowledged.
#[derive(Default)]
pub(super) struct Acknowledgement {
    score: Score,
    received_ns: u64,
    /// Something was received that no answer has acknowledged yet.
    open: bool,
}

impl Acknowledgement {
    /// Something was received. True: it is the first since the last acknowledgement.
    pub(super) fn received(&mut self, now: u64) -> bool {
        let first = !std::mem::replace(&mut self.open, true);
        if first {
            self.received_ns = now;
        }
        first
    }

    /// Something was sent, which acknowledges what was received.
    pub(super) fn sent(&mut self, now: u64) {
        if std::mem::take(&mut self.open) {
            self.score.answered(now.saturating_sub(self.received_ns));
        }
    }

    /// When an acknowledgement has to be sent; None: an answer has carried it.
    pub(super) fn due_ns(&self) -> Option<u64> {
        let patience = if self.score.expects() { SOON_NS } else { 0 };
        self.open.then_some(self.received_ns + patience)
    }

    /// It was sent by itself.
    pub(super) fn acknowledged(&mut self) {
        if std::mem::take(&mut self.open) {
            self.score.unanswered();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(conversation: &mut Conversation, now: u64, received: bool, pushed: bool) -> u64 {
        (conversation.received, conversation.pushed) = (received, pushed);
        conversation.end_turn(now)
    }

    /// Messages to and fro, each so many ns after the last: the share of the time that is spent looking, and of the
    /// messages that are found by it.
    fn converse(gaps: impl Iterator<Item = u64>) -> (f64, f64) {
        let mut conversation = Conversation::default();
        let (mut now, mut looked, mut found, mut count) = (1_000_000_000, 0, 0, 0);
        let began = now;
        let mut received = false;
        let mut until = 0;
        for gap in gaps {
            count += 1;
            if until != 0 {
                looked += gap.min(until - now);
                if now + gap >= until {
                    until = turn(&mut conversation, until, false, false);
                    assert_eq!(until, 0);
                } else {
                    found += 1;
                }
            }
            now += gap;
            received = !received;
            until = turn(&mut conversation, now, received, !received);
            assert!(until == 0 || until == now + BUSY_POLL_NS);
        }
        (
            looked as f64 / (now - began) as f64,
            f64::from(found) / f64::from(count),
        )
    }

    #[test]
    fn quick_answers_are_looked_for() {
        let (_, found) = converse(std::iter::repeat_n(10_000, 10_000));
        assert!(found > 0.99, "{found}");
    }

    #[test]
    fn answers_that_come_later_than_a_look_cost_next_to_nothing() {
        for gap in [SOON_NS + 1, 200_000, 1_000_000] {
            let (looked, found) = converse(std::iter::repeat_n(gap, 100_000));
            assert_eq!((looked, found), (0.0, 0.0), "{gap}");
        }
        // What would be an answer, but is not found by looking.
        for gap in [BUSY_POLL_NS, 60_000, SOON_NS] {
            let (looked, _) = converse(std::iter::repeat_n(gap, 100_000));
            assert!(looked < 0.07, "{gap}: {looked}");
        }
        // A program that answers at once, and a peer that does not.
        let (looked, _) = converse((0..100_000).map(|at| if at % 2 == 0 { 10_000 } else { 1_000_000 }));
        assert!(looked < 0.001, "{looked}");
    }

    /// It is not always a turn that sees that the time is over.
    #[test]
    fn a_look_in_vain_counts_also_when_the_answer_comes_with_the_next_turn() {
        let mut conversation = Conversation::default();
        let (mut now, mut looked) = (1_000_000_000, 0);
        for at in 0..100_000 {
            now += BUSY_POLL_NS + 10_000;
            looked += u64::from(turn(&mut conversation, now, at % 2 == 0, at % 2 != 0) != 0);
        }
        assert!(looked < 10_000, "{looked}");
    }

    #[test]
    fn a_conversation_ends_after_a_few_looks_in_vain() {
        let quick = std::iter::repeat_n(10_000, 1000);
        let slow = (0..1000).map(|at| if at % 2 == 0 { 10_000 } else { 1_000_000 });
        let (looked, _) = converse(quick.chain(slow));
        // All of the quick half, which is 10 ms of half a second, and a few looks.
        assert!(looked < 0.021, "{looked}");
    }

    #[test]
    fn an_answer_that_is_late_now_and_then_does_not_end_it() {
        let gaps = (0..10_000).map(|at| if at % 30 == 0 { 70_000 } else { 10_000 });
        let (_, found) = converse(gaps);
        assert!(found > 0.9, "{found}");
    }

    #[test]
    fn messages_one_way_are_no_conversation() {
        for received in [true, false] {
            let mut conversation = Conversation::default();
            for at in 0..10_000 {
                assert_eq!(turn(&mut conversation, at * 5_000, received, !received), 0);
            }
        }
    }

    #[test]
    fn an_acknowledgement_waits_only_for_answers_that_come() {
        let mut acknowledgement = Acknowledgement::default();
        for round in 0..100 {
            let now = round * 1_000_000;
            assert!(acknowledgement.received(now));
            assert!(!acknowledgement.received(now + 1));
            acknowledgement.sent(now + 10_000);
            assert_eq!(acknowledgement.due_ns(), None);
        }
        assert!(acknowledgement.received(0));
        assert_eq!(acknowledgement.due_ns(), Some(SOON_NS), "an answer is expected");
        for _ in 0..100 {
            acknowledgement.acknowledged();
            assert!(acknowledgement.received(5));
        }
        assert_eq!(acknowledgement.due_ns(), Some(5), "and is not any more");
    }
}
