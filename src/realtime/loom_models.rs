//! Every protocol between two threads, in all its interleavings and with all that the memory model allows:
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib loom_models`. Each model asserts how many executions were
//! explored: one that explores a single one proves nothing. Here are those of a port and its queues, in
//! `net/loom_models.rs` those of the network thread; `docs/memory-order.md` says which atomics they are about.

use crate::midi::channels::Channels;
use crate::midi::summary::Given;
use crate::realtime::acceptance::{Acceptance, Accepted};
use crate::realtime::bell::Bell;
use crate::realtime::client_table::{ClientTable, Ids};
use crate::realtime::config::{BlockConfig, Config, DeliveryConfig, Overflow, QueueConfig};
use crate::realtime::consumer::Record;
use crate::realtime::drain::{OutQueue, Step};
use crate::realtime::endpoint::Endpoint;
use crate::realtime::event::Event;
use crate::realtime::filter::Direction;
use crate::realtime::flush::{FlushTickets, Flushed};
use crate::realtime::latency::{LatencyView, LatencyWish};
use crate::realtime::lost::Moment;
use crate::realtime::pop::Popped;
use crate::realtime::priority::PriorityWish;
use crate::realtime::producer::Producer;
use crate::realtime::push::PushSide;
use crate::realtime::refused::{RefusedIn, RefusedOut, refused};
use crate::realtime::requests::{Request, Resets};
use crate::realtime::ring::queue;
use crate::realtime::shared::{Role, Shared};
use crate::realtime::wait_handle::WaitHandle;
use crate::sys::code::Code;
use crate::sys::sync::{Arc, AtomicU32, AtomicUsize, Ordering};
use loom::thread;
use std::sync::atomic::AtomicUsize as Counter;

/// Explores a model; fails when fewer than `at_least` executions were looked at.
pub(crate) fn explore(name: &str, at_least: usize, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let executions = std::sync::Arc::new(Counter::new(0));
    let count = std::sync::Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    // The longest model pops two resets, 64 messages.
    builder.max_branches = 4_000;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let explored = executions.load(Ordering::Relaxed);
    println!("{name}: {explored} executions, {preemptions} preemptions at most");
    for place in crate::sys::sync_loom::take_places() {
        println!("place: {place}");
    }
    assert!(explored >= at_least, "{name}: only {explored} executions were explored");
}

/// The same for a model that makes channel states, for which the stack of loom's first thread is too small.
fn explore_roomy(name: &str, at_least: usize, preemptions: usize, model: fn()) {
    explore(name, at_least, preemptions, move || {
        roomy(model).join().unwrap();
    });
}

/// A thread with a stack like a real one's.
fn roomy<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().stack_size(1 << 16).spawn(work).unwrap()
}

/// Whole messages come once, in order and undamaged, across the end of the memory and with a full queue; no byte is
/// written while it may still be read.
#[test]
fn queue_keeps_order_and_bytes() {
    explore("queue", 5_000, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        let pushing = thread::spawn(move || {
            let mut sent = 0u8;
            // Sizes that take 16 and 32 bytes: the end of the memory falls into a record, which goes to the start.
            for size in [3usize, 9, 3, 9] {
                let bytes = [sent + 1; 9];
                let mut tries = 0;
                while !producer.write(u64::from(sent), 7, 1, &bytes[..size]) {
                    tries += 1;
                    if tries > 2 {
                        return sent;
                    }
                    thread::yield_now();
                }
                producer.publish();
                sent += 1;
            }
            sent
        });
        let mut got = 0u8;
        let check = |record: &Record<'_>, got: u8| {
            assert_eq!((record.time_ns, record.client, record.flags), (u64::from(got), 7, 1));
            assert!(record.data.iter().all(|byte| *byte == got + 1));
        };
        for _ in 0..5 {
            match consumer.pop() {
                Some(record) => {
                    check(&record, got);
                    got += 1;
                }
                None => thread::yield_now(),
            }
        }
        let sent = pushing.join().unwrap();
        while let Some(record) = consumer.pop() {
            check(&record, got);
            got += 1;
        }
        assert_eq!(got, sent);
    });
}

/// A message that was published before another thread was told is seen by it; nothing written is seen before.
#[test]
fn queue_publishes_in_batches() {
    explore("queue, batches", 40, 3, || {
        let (mut producer, mut consumer) = queue(128).unwrap();
        let pushing = thread::spawn(move || {
            for round in 0..2u64 {
                assert!(producer.write(2 * round, 0, 0, &[0xF8]));
                assert!(producer.write(2 * round + 1, 0, 0, &[0xFA]));
                producer.publish();
            }
        });
        let mut seen = 0;
        for _ in 0..2 {
            // A batch is seen whole or not at all.
            let before = seen;
            while let Some(record) = consumer.pop() {
                assert_eq!(record.time_ns, seen);
                seen += 1;
            }
            assert!((seen - before) % 2 == 0);
            thread::yield_now();
        }
        pushing.join().unwrap();
        while consumer.pop().is_some() {
            seen += 1;
        }
        assert_eq!(seen, 4);
    });
}

/// Works off what was refused, as the thread that empties the out queue does; whether there was something.
fn work_off(out: &mut RefusedOut, mut heard: impl FnMut(u8)) -> bool {
    let mut given = Given::new();
    let Some(lost) = out.take() else { return false };
    for (client, summary) in lost.summaries() {
        assert_eq!(client, 0);
        while let Some(message) = summary.next(&mut given) {
            assert_eq!((message[0], message[1]), (0xB0, 7));
            heard(message[2]);
        }
    }
    // Here the other thread may queue, or lose, more.
    thread::yield_now();
    out.give_back();
    true
}

fn refuse(refused: &mut RefusedIn, scheduled: &AtomicUsize, value: u8) {
    assert_eq!(refused.refuse(0, &[0xB0, 7, value], &Moment::default(), scheduled), 0);
}

/// What is refused is worked off once, in whole; the last value of a controller arrives after every older one.
#[test]
fn refused_messages_are_handed_over_whole() {
    explore_roomy("refused", 100, 3, || {
        let (mut refused, mut out) = refused(0, 0);
        let scheduled = AtomicUsize::new(0);
        let pushing = roomy(move || {
            for value in 1..=4 {
                if value % 2 == 0 {
                    // As push does before it queues.
                    _ = refused.is_lossy();
                }
                refuse(&mut refused, &scheduled, value);
            }
        });
        let mut last = 0;
        let mut heard = |value: u8| {
            assert!(value > last, "{value} after {last}");
            last = value;
        };
        // Both slots may come round while the other thread goes on. No yield in between: after one loom gives a thread
        // nothing but the newest that it has seen, and so hides what a processor need not.
        for _ in 0..3 {
            work_off(&mut out, &mut heard);
        }
        pushing.join().unwrap();
        while out.has_some() {
            work_off(&mut out, &mut heard);
        }
        assert_eq!(last, 4);
    });
}

/// What is queued after a summary was taken comes after it, and nothing is queued while it waits.
#[test]
fn refused_messages_keep_their_place_beside_the_queue() {
    explore("refused and queue", 300, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        let (mut refused, mut out) = refused(0, 0);
        let scheduled = AtomicUsize::new(0);
        let push = move |value: u8, producer: &mut Producer, refused: &mut RefusedIn, room: bool| {
            if refused.is_lossy() || !room || !producer.write(0, 0, 0, &[0xB0, 7, value]) {
                refuse(refused, &scheduled, value);
            } else {
                producer.publish();
            }
        };
        let pushing = thread::spawn(move || {
            push(1, &mut producer, &mut refused, true);
            push(2, &mut producer, &mut refused, false);
            push(3, &mut producer, &mut refused, true);
        });
        let mut last = 0;
        let mut heard = |value: u8| {
            assert!(value > last, "{value} after {last}");
            last = value;
        };
        // As `Drain` does: it looks whether something was refused before it finds the queue empty. Whether there was
        // something.
        let mut look = || {
            let some_refused = out.has_some();
            if let Some(record) = consumer.pop() {
                heard(record.data[2]);
                return true;
            }
            some_refused && work_off(&mut out, &mut heard)
        };
        for _ in 0..6 {
            if !look() {
                thread::yield_now();
            }
        }
        pushing.join().unwrap();
        while look() {}
        assert_eq!(last, 3);
    });
}

/// A thread that sees a summary also sees all that was queued before it.
///
/// Loom tries another order of two threads only where one of them conflicts with the last access to the same atomic. The
/// pushing thread reads the state of a slot before it writes it, so loom does not see the conflict with `has_some`. The
/// flag makes loom try both orders. It is Relaxed and synchronises nothing.
#[test]
fn a_summary_is_seen_after_the_queue_before_it() {
    explore("summary after queue", 4, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        let (mut refused, out) = refused(0, 0);
        let scheduled = AtomicUsize::new(0);
        let flag = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&flag);
        let pushing = thread::spawn(move || {
            other.store(1, Ordering::Relaxed);
            assert!(producer.write(0, 0, 0, &[0xB0, 7, 1]));
            producer.publish();
            refuse(&mut refused, &scheduled, 2);
        });
        flag.load(Ordering::Relaxed);
        if out.has_some() {
            assert!(consumer.pop().is_some(), "the summary overtakes the queue");
        }
        pushing.join().unwrap();
    });
}

/// A pushing side and the out queue behind it, which takes so many messages.
fn out_queue(messages: usize) -> (std::sync::Arc<Shared>, PushSide, OutQueue) {
    let config = Config {
        delivery: DeliveryConfig {
            overflow: Overflow::Repair,
            ..DeliveryConfig::default()
        },
        ..Config::default()
    };
    let (producer, consumer) = queue(messages * 16).unwrap();
    let gauge = Some(consumer.gauge());
    let shared = std::sync::Arc::new(Shared::new(Role::Accepted, &config, None, None, gauge));
    let (refused_in, refused_out) = refused(0, 4);
    let push = PushSide::new(producer, Some(refused_in), std::sync::Arc::clone(&shared));
    let out = OutQueue::new(consumer, Some(refused_out), std::sync::Arc::clone(&shared));
    (shared, push, out)
}

fn reset(shared: &Shared) {
    shared
        .requests
        .reset
        .ask(shared.queues.outgoing.as_ref().unwrap().tail(), 0);
    shared.requests.announce();
}

/// What is asked for comes after what was pushed before it and before what is pushed after it; each reset in its place.
#[test]
fn a_drain_keeps_the_order() {
    explore_roomy("drain", 500, 2, || {
        let (shared, mut push, mut out) = out_queue(8);
        let pushing = roomy(move || {
            assert_eq!(push.push(0, 0, &[0xB0, 7, 1]), Code::Ok);
            reset(&shared);
            assert_eq!(push.push(0, 0, &[0xB0, 7, 2]), Code::Ok);
            reset(&shared);
            assert_eq!(push.push(0, 0, &[0xB0, 7, 3]), Code::Ok);
        });
        let mut said = Vec::new();
        let mut take = || match out.next() {
            Some(Step::Message { record, cancelled }) => {
                assert!(!cancelled);
                said.push(record.data[2]);
                true
            }
            Some(Step::Reset { .. }) => {
                said.push(0);
                true
            }
            Some(_) => panic!("nothing else was asked for"),
            None => false,
        };
        for _ in 0..3 {
            take();
        }
        pushing.join().unwrap();
        while take() {}
        assert_eq!(said, [1, 0, 2, 0, 3]);
    });
}

/// A channel is closed and opened again while a note is pushed on it: whatever is filtered, dropped or sent, the peer does
/// not hold the note in the end.
#[test]
fn a_note_does_not_outlive_its_channel() {
    explore_roomy("channels", 300, 2, || {
        let (shared, mut push, mut out) = out_queue(8);
        let pushing = roomy(move || {
            assert_eq!(push.push(0, 0, &[0x90, 60, 1]), Code::Ok);
            assert_eq!(push.push(0, 0, &[0x80, 60, 1]), Code::Ok);
        });
        let changed = std::sync::Arc::clone(&shared);
        let changing = roomy(move || {
            // One place changes: each is one more step to interleave.
            for channels in [Channels::of_known(!1), Channels::ALL] {
                changed.set_channels(channels);
                changed.requests.announce();
            }
        });
        let mut held = false;
        let mut look = || {
            let filter = &shared.queues.filter;
            if filter.is_unseen(Direction::Outgoing) {
                let revision = filter.revision();
                let (cut, _) = filter.take_cut(Direction::Outgoing);
                filter.see(Direction::Outgoing, revision);
                out.renew_gates();
                held &= !cut.has_status(0x90);
            }
            while let Some(step) = out.next() {
                match step {
                    Step::Message { record, .. } => held = record.data[0] == 0x90,
                    Step::Excluded(_) => {}
                    _ => panic!("nothing else was asked for"),
                }
            }
        };
        look();
        pushing.join().unwrap();
        changing.join().unwrap();
        look();
        assert!(!held, "the note hangs");
    });
}

/// A block that sees that the latencies were changed sees both.
#[test]
fn latencies_come_with_their_revision() {
    explore("latencies", 3, 3, || {
        let wish = Arc::new(LatencyWish::new(&BlockConfig::default()));
        let asked = Arc::clone(&wish);
        let asking = thread::spawn(move || asked.ask(Some(1), Some(2)));
        let mut view = LatencyView::default();
        let seen = view.renew(&wish);
        assert!(matches!(seen, None | Some((Some(1), Some(2)))), "{seen:?}");
        asking.join().unwrap();
        assert_eq!(seen.or_else(|| view.renew(&wish)), Some((Some(1), Some(2))));
    });
}

/// A reset beside refused messages keeps its place, and none is lost, whichever of the two sides is quicker.
#[test]
fn a_drain_keeps_resets_beside_refused_messages() {
    explore_roomy("drain, refused", 200, 2, || {
        let (shared, mut push, mut out) = out_queue(4);
        for value in 1..=4 {
            assert_eq!(push.push(0, 0, &[0xB0, 7, value]), Code::Ok);
        }
        let pushing = roomy(move || {
            assert_eq!(push.push(0, 0, &[0xB0, 7, 5]), Code::Full);
            reset(&shared);
        });
        let mut said = Vec::new();
        let mut take = || {
            let some = match out.next() {
                Some(Step::Message { record, .. }) => said.push(record.data[2]),
                Some(Step::Reset { .. }) => said.push(0),
                Some(Step::Refused(lost)) => {
                    let mut given = Given::new();
                    for (_, summary) in lost.summaries() {
                        while let Some(message) = summary.next(&mut given) {
                            said.push(message[2]);
                        }
                    }
                }
                Some(_) => panic!("nothing else was asked for"),
                None => return false,
            };
            some == ()
        };
        for _ in 0..6 {
            take();
        }
        pushing.join().unwrap();
        while take() {}
        assert_eq!(said, [1, 2, 3, 4, 5, 0]);
    });
}

/// Refused messages for later: `cancel` marks them or comes after they were taken, and the scheduled bytes are counted
/// before they can be subtracted, and once.
#[test]
fn refused_messages_for_later_are_cancelled_and_counted_once() {
    explore_roomy("drain, later", 100, 3, || {
        let (shared, mut push, mut out) = out_queue(4);
        for value in 1..=4 {
            assert_eq!(push.push(0, 0, &[0xB0, 7, value]), Code::Ok);
        }
        let pushing = roomy(move || {
            let soon = crate::sys::clock::now_ns() + 5_000_000_000;
            assert_eq!(push.push(soon, 0, &[0x80, 60, 0]), Code::Full);
            push.cancel();
        });
        let (mut scheduled, mut cancelled) = (0, 0);
        let mut take = || {
            match out.next() {
                Some(Step::Cancel) => cancelled += std::mem::take(&mut scheduled),
                Some(Step::Refused(lost)) => {
                    for later in lost.later() {
                        let cost = crate::realtime::shared::scheduled_cost(later.message().len());
                        let before = shared.queues.scheduled_bytes.fetch_sub(cost, Ordering::Relaxed);
                        assert!(before >= cost);
                        if later.cancelled {
                            cancelled += 1
                        } else {
                            scheduled += 1
                        }
                    }
                }
                Some(_) => {}
                None => return false,
            }
            true
        };
        for _ in 0..6 {
            take();
        }
        pushing.join().unwrap();
        while take() {}
        assert_eq!((scheduled, cancelled), (0, 1));
        assert_eq!(shared.queues.scheduled_bytes.load(Ordering::Relaxed), 0);
    });
}

/// Two threads ask for resets: none is lost, and each comes at its place or after it.
#[test]
fn resets_are_not_lost() {
    explore("resets", 500, 3, || {
        let resets = Arc::new(Resets::default());
        let other = Arc::clone(&resets);
        let asking = thread::spawn(move || other.ask(16, 0));
        let other = Arc::clone(&resets);
        let pusher = thread::spawn(move || {
            other.ask(0, 0);
            other.ask(32, 0);
        });
        // As `Drain` does: it goes to the place of the first that waits, and forgets the places up to there.
        let (mut done, mut given) = (0, Vec::new());
        let mut look = || {
            if let Some(pending) = resets.pending(done) {
                given.push(pending.first);
                resets.forget_places(pending.first);
                if pending.first == pending.last {
                    done = pending.count;
                }
            }
        };
        look();
        look();
        asking.join().unwrap();
        pusher.join().unwrap();
        for _ in 0..4 {
            look();
        }
        assert_eq!(done, 3);
        assert!(
            given.contains(&32) && given.iter().any(|place| *place <= 16),
            "{given:?}"
        );
    });
}

/// Nobody who waits for something sleeps on after it has happened: loom finds that as a deadlock.
#[test]
fn event_loses_no_wake_up() {
    explore("event", 50, 3, || {
        let shared = Arc::new((Event::default(), AtomicUsize::new(0)));
        let other = Arc::clone(&shared);
        let waiting = thread::spawn(move || {
            let seen = other
                .0
                .wait_for(None, || (other.1.load(Ordering::Relaxed) != 0).then_some(()));
            assert!(seen.is_some());
        });
        shared.1.store(1, Ordering::Relaxed);
        shared.0.signal();
        waiting.join().unwrap();
        assert!(!shared.0.is_awaited());
    });
}

/// The same for one that looks at two things, each changed by a thread of its own.
#[test]
fn event_of_several_loses_no_wake_up() {
    explore("event, any", 50, 2, || {
        let shared = Arc::new(([Event::default(), Event::default()], AtomicUsize::new(0)));
        let other = Arc::clone(&shared);
        let waiting = thread::spawn(move || {
            let both = [&other.0[0], &other.0[1]];
            let seen = crate::realtime::event::wait_for_any(&both, None, None, || {
                (other.1.load(Ordering::Relaxed) == 1).then_some(())
            });
            assert!(seen.is_some());
        });
        shared.0[0].signal();
        shared.1.store(1, Ordering::Relaxed);
        shared.0[1].signal();
        waiting.join().unwrap();
    });
}

/// A panic is never lost, whoever else asks for one at the same time, and drops all that was pushed before it.
#[test]
fn request_covers_what_came_before() {
    explore("request", 800, 3, || {
        let shared = Arc::new((Request::default(), AtomicUsize::new(16)));
        let other = Arc::clone(&shared);
        // Somebody else asks at the same time, having looked at the queue's position earlier.
        let asking = thread::spawn(move || {
            let position = other.1.load(Ordering::Acquire);
            other.0.ask(position);
        });
        let pushing = Arc::clone(&shared);
        let pusher = thread::spawn(move || {
            pushing.1.store(24, Ordering::Release);
            let position = pushing.1.load(Ordering::Acquire);
            pushing.0.ask(position);
        });
        // The other side, once in between and once after.
        let mut done = 0;
        let mut dropped = 0;
        let mut look = || {
            if let Some((count, position)) = shared.0.pending(done) {
                dropped = dropped.max(position);
                done = count;
                shared.0.serve(count);
            }
        };
        look();
        asking.join().unwrap();
        pusher.join().unwrap();
        look();
        assert!(!shared.0.is_unserved());
        assert_eq!(dropped, 24, "what was pushed before the panic is still sent");
    });
}

/// A pair that is shut down by the thread that pushed: the other gets all that was pushed, then what releases it, and
/// only then the end.
#[test]
fn pair_ends_after_its_last_message() {
    explore_roomy("pair, shutdown", 300, 3, || {
        let config = Config {
            queues: QueueConfig {
                in_queue_bytes: 64,
                out_queue_bytes: 64,
                ..QueueConfig::default()
            },
            ..Config::default()
        };
        let (a, b) = Endpoint::pair(&config).unwrap();
        let pushing = roomy(move || {
            // SAFETY: this thread alone pushes.
            assert_eq!(unsafe { a.push(1, 0, &[0x90, 60, 64]) }, Code::Ok);
            a.shut_down();
            a
        });
        let mut got = Vec::new();
        // SAFETY: this thread alone pops.
        let mut take = |b: &Endpoint| match unsafe { b.pop() } {
            Ok(popped) => {
                // SAFETY: valid until the next pop.
                got.push(unsafe { popped.data.as_ref() }.to_vec());
                true
            }
            Err(Code::Empty) => true,
            Err(code) => {
                assert_eq!(code, Code::Closed);
                false
            }
        };
        let mut over = false;
        for _ in 0..3 {
            over = over || !take(&b);
        }
        let a = pushing.join().unwrap();
        while !over {
            over = !take(&b);
        }
        assert_eq!(got, [[0x90, 60, 64], [0x80, 60, 64]]);
        drop(a);
    });
}

/// A pair with the smallest queues.
fn small_pair() -> (Endpoint, Endpoint) {
    let config = Config {
        queues: QueueConfig {
            in_queue_bytes: 128,
            out_queue_bytes: 128,
            ..QueueConfig::default()
        },
        ..Config::default()
    };
    Endpoint::pair(&config).unwrap()
}

/// A panic on a pair, asked for by a third thread: what the pushing thread pushed before is dropped or was popped
/// already, the silence comes once, whole, and what was pushed after it comes last.
#[test]
fn pair_panics_once() {
    explore_roomy("pair, panic", 20, 3, || {
        let (a, b) = small_pair();
        let pushing = roomy(move || {
            // SAFETY: this thread alone pushes.
            assert!(unsafe { a.push_usual(1, 0, &[0x90, 1, 64]) });
            assert_eq!(a.panic(), Code::Ok);
            // SAFETY: this thread alone pushes.
            assert!(unsafe { a.push_usual(2, 0, &[0x90, 2, 64]) });
            a
        });
        let mut got = Vec::new();
        // As `midisock_pop` does, the quick way first.
        let mut take = |b: &Endpoint| {
            // SAFETY: valid until the next pop.
            let mut give = |popped: Popped| got.push(unsafe { popped.data.as_ref() }[..2].to_vec());
            // SAFETY: this thread alone pops.
            unsafe { b.pop_short(&mut give) || b.pop().map(give).is_ok() }
        };
        for _ in 0..3 {
            take(&b);
        }
        let a = pushing.join().unwrap();
        while take(&b) {}
        let silence = (0xB0..=0xBF).map(|status| vec![status, 120]).collect::<Vec<_>>();
        let first = usize::from(got[0] == [0x90, 1]);
        assert_eq!(got[first..first + 16], silence);
        assert_eq!(got[first + 16..], [[0x90, 2]]);
        drop(a);
    });
}

/// A pair never says that nothing is there while a message waits, whatever is asked for meanwhile.
#[test]
fn pair_finds_a_message_that_waits() {
    explore_roomy("pair, resets", 50, 2, || {
        let (a, b) = small_pair();
        let pushing = roomy(move || {
            for value in 1..=2 {
                // SAFETY: this thread alone pushes.
                assert_eq!(unsafe { a.push(1, 0, &[0xC0, value]) }, Code::Ok);
                assert_eq!(a.reset(), Code::Ok);
            }
            a
        });
        let mut got = Vec::new();
        // SAFETY: this thread alone pops; the data is valid until the next pop.
        let mut take = |b: &Endpoint| match unsafe { b.pop() } {
            Ok(popped) => {
                // SAFETY: as above.
                let message = unsafe { popped.data.as_ref() };
                if message[0] == 0xC0 || message[..2] == [0xB0, 123] {
                    got.push(message[0]);
                }
                true
            }
            Err(_) => false,
        };
        for _ in 0..3 {
            let waits = b.shared().queues.incoming.as_ref().unwrap().has_message();
            assert!(take(&b) || !waits, "a message waits, and pop says that none does");
        }
        let a = pushing.join().unwrap();
        while take(&b) {}
        assert_eq!(got, [0xC0, 0xB0, 0xC0, 0xB0]);
        drop(a);
    });
}

/// A panic is asked for again while another thread works off the first: its position may be seen before it counts, and
/// with it all that is in the queue up to there.
#[test]
fn request_position_is_not_ahead_of_the_queue() {
    explore("request and queue", 400, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        let shared = Arc::new(Request::default());
        let gauge = consumer.gauge();
        let other = Arc::clone(&shared);
        let pushing = thread::spawn(move || {
            for value in 0..2 {
                assert!(producer.write(value, 0, 0, &[0xF8]));
                producer.publish();
                other.ask(gauge.tail());
            }
        });
        let mut done = 0;
        let mut look = || {
            if let Some((count, position)) = shared.pending(done) {
                done = count;
                // SAFETY: the queue's end when it was asked.
                unsafe { consumer.skip_to(position) };
            }
            // What is thrown away may not be popped, nor what is not there yet.
            if let Some(record) = consumer.pop() {
                assert!(record.time_ns < 2);
            }
        };
        for _ in 0..2 {
            look();
        }
        pushing.join().unwrap();
        look();
        assert!(consumer.pop().is_none());
    });
}

/// A client leaves while it is accepted, and its port may give way: one of them gives its place back, and nobody gives back
/// another's.
#[test]
fn a_place_left_behind_is_given_back_once() {
    explore("acceptance", 20, 3, || {
        let shared = Arc::new((Acceptance::default(), AtomicU32::new(0)));
        let other = Arc::clone(&shared);
        let network = thread::spawn(move || {
            other.1.fetch_add(1, Ordering::AcqRel);
            if !other.0.leave() || other.0.give_up() {
                other.1.fetch_sub(1, Ordering::AcqRel);
            }
        });
        if shared.0.accept() == Accepted::Left {
            shared.1.fetch_sub(1, Ordering::AcqRel);
        }
        assert!(shared.1.load(Ordering::Relaxed) <= 1);
        network.join().unwrap();
        assert_eq!(shared.1.load(Ordering::Relaxed), 0);
    });
}

/// The address of a client is its own or none, whoever comes into its place meanwhile.
#[test]
fn client_addresses_are_not_mixed_up() {
    explore("client table", 200, 3, || {
        let of = |n: u16| crate::sys::address::Address::Ip(std::net::SocketAddr::new([n as u8; 4].into(), n));
        let table = Arc::new(ClientTable::new(1));
        let mut ids = Ids::new(&table);
        let first = ids.insert(&table, of(1)).unwrap();
        let other = Arc::clone(&table);
        let network = thread::spawn(move || {
            ids.remove(&other, first);
            ids.insert(&other, of(2)).unwrap()
        });
        // Ids count up, so the next one in this place is known before anybody was told of it.
        let next = table.address(first + 1);
        assert!(next.is_none_or(|address| address == of(2)), "{next:?}");
        let seen = table.address(first);
        assert!(seen.is_none_or(|address| address == of(1)), "{seen:?}");
        let second = network.join().unwrap();
        assert_eq!(second, first + 1);
        assert_eq!((table.address(first), table.address(second)), (None, Some(of(2))));
    });
}

/// What a wait handle tells of, and how it is changed by one thread.
struct Told {
    handle: WaitHandle,
    there: AtomicU32,
}

impl Told {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            handle: WaitHandle::new().unwrap(),
            there: AtomicU32::new(0),
        })
    }

    fn update(&self) {
        self.handle.update(|| self.there.load(Ordering::Relaxed) != 0);
    }

    fn bring(&self) {
        self.there.fetch_add(1, Ordering::Relaxed);
        self.update();
    }

    /// Takes one, if there is one; only one thread does.
    fn take(&self) {
        let there = self.there.load(Ordering::Relaxed);
        if there != 0 {
            self.there.fetch_sub(1, Ordering::Relaxed);
        }
        self.update();
    }

    /// Whether the handle is right, when all threads are at rest.
    fn is_right(&self) -> bool {
        (self.handle.handle() != 0) == (self.there.load(Ordering::Relaxed) != 0)
    }
}

/// However the thread that brings messages and the one that takes them meet: at rest the handle is readable if one is
/// there, so that no wake-up is lost, and not readable if none is, so that a loop does not go round for nothing.
#[test]
fn a_wait_handle_is_right_at_rest() {
    explore("wait handle", 200, 3, || {
        let told = Told::new();
        let other = Arc::clone(&told);
        let network = thread::spawn(move || {
            other.bring();
            other.bring();
        });
        told.take();
        told.take();
        network.join().unwrap();
        assert!(told.is_right());
    });
}

/// The same where two threads find that nothing is there, as with notifications.
#[test]
fn a_wait_handle_is_right_for_several_takers() {
    explore("wait handle of several", 200, 2, || {
        let told = Told::new();
        told.bring();
        let (first, second) = (Arc::clone(&told), Arc::clone(&told));
        let network = thread::spawn(move || first.bring());
        let looks = thread::spawn(move || second.update());
        told.take();
        network.join().unwrap();
        looks.join().unwrap();
        assert!(told.is_right());
    });
}

/// Clients are listed in the order in which they came, also while one goes and another takes its place.
#[test]
fn clients_are_listed_in_order() {
    explore("list of clients", 100, 3, || {
        let address = crate::sys::address::Address::Ip(std::net::SocketAddr::new([1; 4].into(), 1));
        let table = Arc::new(ClientTable::new(2));
        let mut ids = Ids::new(&table);
        let first = ids.insert(&table, address).unwrap();
        let second = ids.insert(&table, address).unwrap();
        let other = Arc::clone(&table);
        let network = thread::spawn(move || {
            ids.remove(&other, first);
            ids.insert(&other, address).unwrap()
        });
        let seen = table.in_order();
        let third = network.join().unwrap();
        let possible = [vec![first, second], vec![second], vec![second, third]];
        assert!(possible.contains(&seen), "{seen:?}");
        assert_eq!(table.in_order(), possible[2]);
    });
}

/// A flush covers what its caller pushed before. Its outcome is complete when it is done, and is there when the session
/// says that it knows of the flush.
#[test]
fn a_flush_covers_what_came_before() {
    explore("flush tickets", 10, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        // The flag makes loom try more orders: see above.
        let shared = Arc::new((FlushTickets::default(), AtomicU32::new(0)));
        let other = Arc::clone(&shared);
        let network = thread::spawn(move || {
            let (tickets, flag) = &*other;
            flag.store(1, Ordering::Relaxed);
            if let Some(ticket) = tickets.unseen() {
                assert!(consumer.pop().is_some(), "the flush overtakes the push");
                tickets.finish(ticket, Some(ticket));
                tickets.see(ticket);
            }
        });
        let (tickets, flag) = &*shared;
        assert!(producer.write(0, 0, 0, &[0xF8]));
        producer.publish();
        let ticket = tickets.ask();
        flag.load(Ordering::Relaxed);
        let is_seen = tickets.is_seen(ticket);
        let outcome = tickets.outcome(ticket);
        assert!(
            outcome == Some(Flushed::Lost) || outcome.is_none() && !is_seen,
            "{outcome:?}"
        );
        network.join().unwrap();
    });
}

/// Whoever takes the bell sees all requests that were made before it was rung, by whatever thread.
#[test]
fn a_request_is_seen_by_the_thread_that_takes_the_bell() {
    explore("bell", 10, 3, || {
        let shared = Arc::new((Bell::default(), [AtomicU32::new(0), AtomicU32::new(0)]));
        let threads = [0, 1].map(|index| {
            let other = Arc::clone(&shared);
            thread::spawn(move || {
                other.1[index].store(1, Ordering::Relaxed);
                other.0.ring();
            })
        });
        let mut seen = [false; 2];
        let mut look = || {
            if shared.0.take() {
                for (seen, request) in seen.iter_mut().zip(&shared.1) {
                    *seen |= request.load(Ordering::Relaxed) == 1;
                }
            }
        };
        look();
        for thread in threads {
            thread.join().unwrap();
        }
        look();
        assert_eq!(seen, [true; 2]);
    });
}

/// The network thread finds the priority that belongs to the request, or a later one.
#[test]
fn a_priority_comes_with_its_request() {
    explore("priority", 4, 3, || {
        let wish = Arc::new(PriorityWish::new(0));
        assert!(wish.take_asked());
        let other = Arc::clone(&wish);
        let control = thread::spawn(move || other.ask(5));
        if wish.take_asked() {
            assert_eq!(wish.wanted(), 5);
        }
        control.join().unwrap();
    });
}
