//! The order in which an out queue is emptied, beside a plain model of it.

use super::*;
use crate::midi::channels::Channels;
use crate::midi::summary::Given;
use crate::realtime::config::{Config, DeliveryConfig, Overflow};
use crate::realtime::producer::Producer;
use crate::realtime::push::PushSide;
use crate::realtime::refused::refused;
use crate::realtime::ring::queue;
use crate::realtime::shared::Role;
use crate::sys::code::Code;

/// A pushing side and the out queue behind it. The queue takes so many messages.
struct Ends {
    shared: Arc<Shared>,
    push: PushSide,
    out: OutQueue,
}

impl Ends {
    fn new(overflow: Overflow, messages: usize) -> Self {
        let config = Config {
            delivery: DeliveryConfig {
                overflow,
                ..DeliveryConfig::default()
            },
            ..Config::default()
        };
        let (producer, consumer): (Producer, Consumer) = queue(messages * 16).unwrap();
        let shared = Arc::new(Shared::new(Role::Accepted, &config, None, None, Some(consumer.gauge())));
        let (refused_in, refused_out) = if shared.repairs {
            Some(refused(0, 8)).unzip()
        } else {
            (None, None)
        };
        Self {
            push: PushSide::new(producer, refused_in, Arc::clone(&shared)),
            out: OutQueue::new(consumer, refused_out, Arc::clone(&shared)),
            shared,
        }
    }

    fn push(&mut self, value: u8) -> Code {
        self.push.push(0, 0, &[0xB0, 7, value])
    }

    fn at(&mut self, due_ns: u64, value: u8) -> Code {
        self.push.push(due_ns, 0, &[0xB0, 7, value])
    }

    fn ask(&self, ask: impl FnOnce(&Shared, usize)) {
        ask(&self.shared, self.shared.queues.outgoing.as_ref().unwrap().tail());
        self.shared.requests.announce();
    }

    fn panic(&self) {
        self.ask(|shared, position| shared.requests.panic.ask(position));
    }

    fn reset(&self) {
        self.ask(|shared, position| shared.requests.reset.ask(position, 0));
    }

    fn channels(&self, bits: u32) {
        assert!(self.shared.set_channels(Channels::of(bits).unwrap()));
        self.shared.requests.announce();
    }

    /// All steps: P, C, R, a value, one of a channel that was closed (x), one that was dropped (-), one that was cancelled (!), and what was refused in [].
    fn steps(&mut self) -> String {
        let mut said = Vec::new();
        while let Some(step) = self.out.next() {
            said.push(say(step));
        }
        self.out.release();
        said.join(" ")
    }
}

fn say(step: Step<'_>) -> String {
    match step {
        Step::Dropped(record) => format!("-{}", record.data[2]),
        Step::Excluded(record) => format!("x{}", record.data[2]),
        Step::Panic => "P".into(),
        Step::Cancel => "C".into(),
        Step::Reset { .. } => "R".into(),
        Step::Message { record, cancelled } => format!("{}{}", record.data[2], if cancelled { "!" } else { "" }),
        Step::Refused(lost) => {
            let mut values = Vec::new();
            for (_, summary) in lost.summaries() {
                let mut given = Given::new();
                while let Some(message) = summary.next(&mut given) {
                    values.push(match message[1] {
                        7 => message[2].to_string(),
                        _ => "r".into(),
                    });
                }
            }
            values.dedup();
            values.extend(lost.later().map(|later| format!("@{}", later.message()[2])));
            format!("[{}]", values.join(" "))
        }
    }
}

const WITHOUT_THE_FIRST: u32 = 0x1_FFFE;

#[test]
fn what_is_queued_on_a_channel_that_is_closed_is_taken_out() {
    let mut ends = Ends::new(Overflow::Wait, 8);
    assert_eq!(ends.push(1), Code::Ok);
    ends.channels(WITHOUT_THE_FIRST);
    assert_eq!(ends.push(2), Code::Ok);
    assert_eq!(ends.steps(), "x1");
    assert_eq!(ends.shared.counters.push.filtered.get(), 1);
    ends.channels(0x1_FFFF);
    assert_eq!(ends.push(3), Code::Ok);
    assert_eq!(ends.steps(), "3");
}

/// Also where it was open again before anybody looked, and where a panic takes out what is queued.
#[test]
fn what_was_queued_before_a_channel_was_closed_for_a_moment_is_taken_out() {
    for (panics, expected) in [(false, "x1 2"), (true, "x1 -2 P 3")] {
        let mut ends = Ends::new(Overflow::Wait, 8);
        assert_eq!(ends.push(1), Code::Ok);
        ends.channels(WITHOUT_THE_FIRST);
        ends.channels(0x1_FFFF);
        assert_eq!(ends.push(2), Code::Ok);
        if panics {
            ends.panic();
            assert_eq!(ends.push(3), Code::Ok);
        }
        assert_eq!(ends.steps(), expected);
    }
}

#[test]
fn what_was_refused_before_a_channel_was_closed_is_not_brought_back() {
    for again in [false, true] {
        let mut ends = Ends::new(Overflow::Repair, 4);
        for value in 1..5 {
            assert_eq!(ends.push(value), Code::Ok);
        }
        assert_eq!(ends.push(5), Code::Full);
        ends.channels(WITHOUT_THE_FIRST);
        if again {
            ends.channels(0x1_FFFF);
            assert_eq!(ends.steps(), "x1 x2 x3 x4 []");
        } else {
            assert_eq!(ends.push(6), Code::Ok);
            assert_eq!(ends.steps(), "x1 x2 x3 x4 []");
        }
    }
    // A message that is refused after that is given.
    let mut ends = Ends::new(Overflow::Repair, 4);
    for value in 1..5 {
        assert_eq!(ends.push(value), Code::Ok);
    }
    assert_eq!(ends.push(5), Code::Full);
    ends.channels(WITHOUT_THE_FIRST);
    ends.channels(0x1_FFFF);
    assert_eq!(ends.push(6), Code::Full);
    assert_eq!(ends.steps(), "x1 x2 x3 x4 [6]");
}

#[test]
fn a_panic_comes_first_and_takes_out_what_was_before_it() {
    for (overflow, expected) in [(Overflow::Wait, "-1 -2 P R 3"), (Overflow::Repair, "-1 R -2 P 3")] {
        let mut ends = Ends::new(overflow, 8);
        assert_eq!(ends.push(1), Code::Ok);
        ends.reset();
        assert_eq!(ends.push(2), Code::Ok);
        ends.panic();
        assert_eq!(ends.push(3), Code::Ok);
        assert_eq!(ends.steps(), expected);
        assert_eq!(ends.steps(), "");
    }
    let mut ends = Ends::new(Overflow::Wait, 8);
    ends.panic();
    ends.panic();
    assert_eq!(ends.steps(), "P");
    ends.panic();
    assert_eq!(ends.steps(), "P");
}

#[test]
fn a_second_panic_takes_out_more() {
    let mut ends = Ends::new(Overflow::Wait, 8);
    for value in 1..=2 {
        ends.push(value);
    }
    ends.panic();
    assert_eq!(say(ends.out.next().unwrap()), "-1");
    ends.push(3);
    ends.panic();
    ends.push(4);
    assert_eq!(ends.steps(), "-2 -3 P 4");
}

#[test]
fn each_reset_has_its_place() {
    let mut ends = Ends::new(Overflow::Wait, 16);
    ends.reset();
    ends.push(1);
    ends.reset();
    ends.reset();
    ends.push(2);
    ends.push(3);
    ends.reset();
    assert_eq!(ends.steps(), "R 1 R 2 3 R");
    ends.push(4);
    ends.reset();
    assert_eq!(ends.steps(), "4 R");
}

#[test]
fn cancel_marks_what_was_pushed_before_it() {
    let mut ends = Ends::new(Overflow::Wait, 8);
    ends.push(1);
    ends.push.cancel();
    ends.push(2);
    assert!(ends.out.has_work(true) && ends.out.has_work(false));
    let mut scanned = Vec::new();
    ends.out
        .scan(|record, cancelled| scanned.push((record.data[2], cancelled)));
    assert_eq!(scanned, [(1, true), (2, false)]);
    assert_eq!(ends.steps(), "C 1! 2");
    assert!(!ends.out.has_work(true) && !ends.out.has_work(false));
}

#[test]
fn while_peers_are_full_only_requests_come() {
    let mut ends = Ends::new(Overflow::Wait, 8);
    ends.push(1);
    ends.reset();
    assert!(!ends.out.has_work(true) && ends.out.has_work(false) && ends.out.next_request().is_none());
    ends.panic();
    ends.push(2);
    assert!(ends.out.has_work(true));
    assert_eq!(say(ends.out.next_request().unwrap()), "-1");
    assert_eq!(say(ends.out.next_request().unwrap()), "P");
    assert!(ends.out.next_request().is_none() && !ends.out.has_work(true));
    assert_eq!(ends.steps(), "R 2");
}

#[test]
fn what_was_refused_has_the_resets_around_it() {
    for (before, between, after, expected) in [
        (false, false, false, "1 2 3 4 [6]"),
        (true, false, false, "1 2 3 4 R [6]"),
        (false, true, false, "1 2 3 4 [5 r 6]"),
        (false, false, true, "1 2 3 4 [6] R"),
        (true, true, true, "1 2 3 4 R [5 r 6] R"),
    ] {
        let mut ends = Ends::new(Overflow::Repair, 4);
        for value in 1..=4 {
            assert_eq!(ends.push(value), Code::Ok);
        }
        if before {
            ends.reset();
        }
        assert_eq!(ends.push(5), Code::Full);
        if between {
            ends.reset();
        }
        assert_eq!(ends.push(6), Code::Full);
        if after {
            ends.reset();
        }
        let steps = ends.steps();
        // The channel state orders what it has lost in its own way: only that the reset is in there counts.
        let said: Vec<&str> = steps.split(' ').filter(|word| *word != "5" && *word != "[5").collect();
        assert!(steps.contains("r") == between, "{steps}");
        let resets = |text: &str| text.matches('R').count();
        assert_eq!(resets(&steps), resets(expected), "{steps}");
        assert_eq!(said.iter().position(|word| *word == "R") == Some(4), before, "{steps}");
        assert_eq!(steps.ends_with('R'), after, "{steps}");
        assert_eq!(ends.push(7), Code::Ok);
        assert_eq!(ends.steps(), "7");
    }
}

/// A reset before what is in the queue is not given again beside what was refused.
#[test]
fn resets_in_the_queue_are_not_those_beside_what_was_refused() {
    let mut ends = Ends::new(Overflow::Repair, 4);
    ends.push(1);
    ends.reset();
    for value in 2..=4 {
        ends.push(value);
    }
    assert_eq!(ends.push(5), Code::Full);
    ends.reset();
    assert_eq!(ends.steps(), "1 R 2 3 4 [5] R");
}

#[test]
fn nothing_overtakes_what_was_refused() {
    let mut ends = Ends::new(Overflow::Repair, 4);
    for value in 1..=5 {
        ends.push(value);
    }
    assert_eq!(say(ends.out.next().unwrap()), "1");
    ends.out.release();
    // There is room now, but the summary is to come first.
    assert_eq!(ends.push(6), Code::Full);
    for value in 2..=4 {
        assert_eq!(say(ends.out.next().unwrap()), value.to_string());
    }
    ends.out.release();
    assert_eq!(say(ends.out.next().unwrap()), "[6]");
    // It was taken: what is queued now comes after it.
    assert_eq!(ends.push(7), Code::Ok);
    assert!(ends.out.has_work(false));
    assert_eq!(ends.steps(), "7");
    assert!(!ends.out.has_work(false));
}

#[test]
fn refused_messages_for_later_come_with_their_times() {
    let mut ends = Ends::new(Overflow::Repair, 4);
    let soon = crate::sys::clock::now_ns() + 5_000_000_000;
    let scheduled = |ends: &Ends| ends.shared.queues.scheduled_bytes.load(Ordering::Relaxed);
    for value in 1..=4 {
        assert_eq!(ends.at(soon + u64::from(value), value), Code::Ok);
    }
    let queued = scheduled(&ends);
    assert_eq!(ends.at(soon, 5), Code::Full);
    assert_eq!(ends.at(soon + 9, 6), Code::Full);
    assert_eq!(ends.push(7), Code::Full);
    assert_eq!(scheduled(&ends) - queued, queued / 4);
    assert_eq!(ends.steps(), "1 2 3 4 [7 @6]");
    // A panic that came after they were refused takes them out.
    for value in 1..=4 {
        assert_eq!(ends.push(value), Code::Ok);
    }
    assert_eq!(ends.at(soon, 8), Code::Full);
    let before = scheduled(&ends);
    ends.panic();
    assert_eq!(ends.steps(), "-1 -2 -3 -4 P []");
    assert_eq!(before - scheduled(&ends), queued / 4);
}

#[test]
fn a_message_for_now_carries_its_time_where_something_is_scheduled() {
    let mut ends = Ends::new(Overflow::Wait, 8);
    let before = crate::sys::clock::now_ns();
    assert!(ends.push.push_usual(0, 0, &[0xB0, 7, 1]));
    assert_eq!(ends.at(before + 5_000_000_000, 2), Code::Ok);
    assert!(!ends.push.push_usual(0, 0, &[0xB0, 7, 3]), "it is for `push`");
    assert_eq!(ends.push(3), Code::Ok);
    assert_eq!(ends.at(1, 4), Code::Ok);
    let mut seen = Vec::new();
    while let Some(Step::Message { record, .. }) = ends.out.next() {
        seen.push((record.is_scheduled(), record.time_ns));
    }
    assert_eq!(seen[0], (false, 0));
    assert_eq!(seen[1], (true, before + 5_000_000_000));
    for (is_scheduled, time_ns) in &seen[2..] {
        assert!(!is_scheduled);
        assert!(*time_ns >= before && *time_ns <= crate::sys::clock::now_ns());
    }
}
