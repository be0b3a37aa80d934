//! Whether it is worth while to look for an answer before sleeping.
//!
//! Where each message is an answer to the one before, at once, nearly all the time goes into waking threads: the network
//! thread, the program that waits, and the network thread again. So where answers have come soon, one after the other,
//! the network thread looks for the next one a little while before it sleeps, and so does a wait on any of its ports.
//! What that costs is bounded: so much for each message of such a conversation; where answers are not there in time it
//! ends after a few of them, and does not begin again before as many have come.

use crate::realtime::waker::LOOK_NS;

/// An answer later than this, in ns, is none. Longer than the look: without it two threads have to be woken.
const SOON_NS: u64 = 120_000;
/// Each answer that comes soon adds one to the score, up to the second number; from the first on it is looked for.
const SCORES: (u32, u32) = (16, 64);
/// What a look in vain takes off, and what does, without a look, a message that is no answer.
const IN_VAIN: u32 = 16;
const NO_ANSWER: u32 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// By a peer.
    There,
    /// By the program: a push.
    Here,
}

#[derive(Default)]
pub(super) struct Conversation {
    /// In this turn: something was read, or found pushed.
    pub heard: bool,
    pub pushed: bool,
    /// What was said last, and when.
    last: Option<(Said, u64)>,
    score: u32,
    /// Until when to look; 0: not at all.
    until: u64,
}

impl Conversation {
    /// A turn of the network thread. Until when to look for what comes next; 0: it may sleep.
    pub(super) fn turn(&mut self, now: u64) -> u64 {
        let (heard, pushed) = (std::mem::take(&mut self.heard), std::mem::take(&mut self.pushed));
        if now >= self.until {
            self.give_up();
        }
        if !heard && !pushed {
            return self.until;
        }
        let said = if pushed { Said::Here } else { Said::There };
        let answers = |(last, at): (Said, u64)| last != said && now.saturating_sub(at) <= SOON_NS;
        if heard && pushed || self.last.is_some_and(answers) {
            self.score = (self.score + 1).min(SCORES.1);
        } else {
            self.score = self.score.saturating_sub(NO_ANSWER);
        }
        self.last = Some((said, now));
        self.until = if self.score < SCORES.0 { 0 } else { now + LOOK_NS };
        self.until
    }

    /// What `turn` said last, unless it was given up.
    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// The time is over, and nothing came.
    pub(super) fn give_up(&mut self) {
        if self.until != 0 {
            self.until = 0;
            self.score = self.score.saturating_sub(IN_VAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(conversation: &mut Conversation, now: u64, heard: bool, pushed: bool) -> u64 {
        (conversation.heard, conversation.pushed) = (heard, pushed);
        conversation.turn(now)
    }

    /// Messages to and fro, each so many ns after the last: the share of the time that is spent looking, and of the
    /// messages that are found by it.
    fn converse(gaps: impl Iterator<Item = u64>) -> (f64, f64) {
        let mut conversation = Conversation::default();
        let (mut now, mut looked, mut found, mut count) = (1_000_000_000, 0, 0, 0);
        let began = now;
        let mut heard = false;
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
            heard = !heard;
            until = turn(&mut conversation, now, heard, !heard);
            assert!(until == 0 || until == now + LOOK_NS);
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
    fn those_that_come_later_than_a_look_cost_next_to_nothing() {
        for gap in [SOON_NS + 1, 200_000, 1_000_000] {
            let (looked, found) = converse(std::iter::repeat_n(gap, 100_000));
            assert_eq!((looked, found), (0.0, 0.0), "{gap}");
        }
        // What would be an answer, but is not found by looking.
        for gap in [LOOK_NS, 60_000, SOON_NS] {
            let (looked, _) = converse(std::iter::repeat_n(gap, 100_000));
            assert!(looked < 0.07, "{gap}: {looked}");
        }
        // A program that answers at once, and a peer that does not.
        let (looked, _) = converse((0..100_000).map(|at| if at % 2 == 0 { 10_000 } else { 1_000_000 }));
        assert_eq!(looked, 0.0);
    }

    /// Where it is not a turn that sees that the time is over.
    #[test]
    fn a_look_in_vain_counts_also_when_the_answer_comes_with_the_next_turn() {
        let mut conversation = Conversation::default();
        let (mut now, mut looked) = (1_000_000_000, 0);
        for at in 0..100_000 {
            now += LOOK_NS + 10_000;
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
    fn one_that_is_late_now_and_then_does_not_end_it() {
        let gaps = (0..10_000).map(|at| if at % 30 == 0 { 70_000 } else { 10_000 });
        let (_, found) = converse(gaps);
        assert!(found > 0.9, "{found}");
    }

    #[test]
    fn what_only_comes_or_only_goes_is_no_conversation() {
        for heard in [true, false] {
            let mut conversation = Conversation::default();
            for at in 0..10_000 {
                assert_eq!(turn(&mut conversation, at * 5_000, heard, !heard), 0);
            }
        }
    }
}
