//! Every protocol between two threads, in all its interleavings and with all that the memory model allows:
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib loom_models`. Each model asserts how many executions were
//! explored: one that explores a single one proves nothing. Here are those of a port and its queues, in
//! `net/loom_models.rs` those of the network thread; `docs/memory-order.md` says which atomics they are about.

use crate::midi::summary::Given;
use crate::realtime::acceptance::Acceptance;
use crate::realtime::client_table::{ClientTable, Ids};
use crate::realtime::config::Config;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::event::Event;
use crate::realtime::pop::Popped;
use crate::realtime::refused::{Refused, SpillOut, spill};
use crate::realtime::requests::Request;
use crate::realtime::ring::queue;
use crate::sys::code::Code;
use crate::sys::sync::{Arc, AtomicU32, AtomicUsize, Ordering};
use loom::thread;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize as Counter;

/// Explores a model; fails when fewer than `at_least` executions were looked at.
pub(crate) fn explore(name: &str, at_least: usize, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let executions = std::sync::Arc::new(Counter::new(0));
    let count = std::sync::Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
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
        let check = |record: &crate::realtime::ring::Record, got: u8| {
            // SAFETY: the record is valid until the next pop.
            let data = unsafe { record.data.as_ref() };
            assert_eq!((record.time_ns, record.client, record.flags), (u64::from(got), 7, 1));
            assert!(data.iter().all(|byte| *byte == got + 1));
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

/// Works off what was refused, as whoever empties the out queue does; whether there was something.
fn work_off(out: &mut SpillOut, mut heard: impl FnMut(u8)) -> bool {
    let mut given = Given::new();
    let taken = out.take(|lost| {
        for (client, summary) in lost.summaries() {
            assert_eq!(client, 0);
            while let Some(message) = summary.next(&mut given) {
                assert_eq!((message[0], message[1]), (0xB0, 7));
                heard(message[2]);
            }
        }
    });
    if taken.is_some() {
        // Here the other thread may queue, or lose, more.
        thread::yield_now();
        out.give_back();
    }
    taken.is_some()
}

/// What is refused is worked off once, in whole; the last value of a controller arrives after every older one.
#[test]
fn spill_hands_over_whole() {
    explore("spill", 1000, 3, || {
        let (mut spill, mut out) = spill(0);
        let pushing = thread::spawn(move || {
            for value in 1..=4 {
                if value % 2 == 0 {
                    // What push does before it queues.
                    spill.is_lossy();
                }
                assert_eq!(spill.lose(0, &[0xB0, 7, value], Refused::default()), 0);
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
            if out.has_some() {
                work_off(&mut out, &mut heard);
            }
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
fn spill_keeps_its_place_beside_the_queue() {
    explore("spill and queue", 300, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        let (mut spill, mut out) = spill(0);
        let push = move |value: u8,
                         producer: &mut crate::realtime::ring::Producer,
                         spill: &mut crate::realtime::refused::SpillIn,
                         room: bool| {
            let message = [0xB0, 7, value];
            if spill.is_lossy() || !room || !producer.write(0, 0, 0, &message) {
                spill.lose(0, &message, Refused::default());
            } else {
                producer.publish();
            }
        };
        let pushing = thread::spawn(move || {
            push(1, &mut producer, &mut spill, true);
            push(2, &mut producer, &mut spill, false);
            push(3, &mut producer, &mut spill, true);
        });
        let mut last = 0;
        let mut heard = |value: u8| {
            assert!(value > last, "{value} after {last}");
            last = value;
        };
        // As the network thread does: the spill is looked at before the queue is found empty. Whether there was
        // something.
        let mut look = || {
            let spilled = out.has_some();
            if let Some(record) = consumer.pop() {
                // SAFETY: the record is valid until the next pop.
                heard(unsafe { record.data.as_ref() }[2]);
                return true;
            }
            spilled && work_off(&mut out, &mut heard)
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
        assert!(!shared.0.is_unserved() && shared.0.is_served(2));
        assert_eq!(dropped, 24, "what was pushed before the panic is still sent");
    });
}

/// A pair that is shut down by the thread that pushed: the other gets all that was pushed, then what releases it, and
/// only then the end.
#[test]
fn pair_ends_after_its_last_message() {
    explore_roomy("pair, shutdown", 300, 3, || {
        let config = Config {
            in_queue_bytes: 64,
            out_queue_bytes: 64,
            ..Config::default()
        };
        let (a, b) = Endpoint::pair(&config).unwrap();
        let pushing = roomy(move || {
            assert_eq!(a.push(1, 0, &[0x90, 60, 64]), Code::Ok);
            a.shutdown();
            a
        });
        let mut got = Vec::new();
        let mut take = |b: &Port| match b.pop() {
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

/// A panic on a pair, asked for by a third thread: what the pushing thread pushed before is dropped or was popped
/// already, the silence comes once, whole, and what was pushed after it comes last.
#[test]
fn pair_panics_once() {
    explore_roomy("pair, panic", 20, 3, || {
        let config = Config {
            in_queue_bytes: 128,
            out_queue_bytes: 128,
            ..Config::default()
        };
        let (a, b) = Endpoint::pair(&config).unwrap();
        let pushing = roomy(move || {
            assert!(a.push_usual(1, 0, &[0x90, 1, 64]));
            assert_eq!(a.panic(), Code::Ok);
            assert!(a.push_usual(2, 0, &[0x90, 2, 64]));
            a
        });
        let mut got = Vec::new();
        // As `midisock_pop` does, the quick way first.
        let mut take = |b: &Port| {
            // SAFETY: valid until the next pop.
            let mut give = |popped: Popped| got.push(unsafe { popped.data.as_ref() }[..2].to_vec());
            b.pop_short(&mut give) || b.pop().map(give).is_ok()
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
                consumer.skip_to_at_least(position);
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

/// A client leaves while it is accepted: whoever comes second gives its place back, and nobody gives back another's.
#[test]
fn a_place_left_behind_is_given_back_once() {
    explore("acceptance", 20, 3, || {
        let shared = Arc::new((Acceptance::default(), AtomicU32::new(0)));
        let other = Arc::clone(&shared);
        let network = thread::spawn(move || {
            other.1.fetch_add(1, Ordering::AcqRel);
            if !other.0.leave() {
                other.1.fetch_sub(1, Ordering::AcqRel);
            }
        });
        if shared.0.accept() {
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
        let of = |n: u16| SocketAddr::new([n as u8; 4].into(), n);
        let table = Arc::new(ClientTable::new(1));
        let mut ids = Ids::new(&table);
        let first = ids.enter(&table, of(1)).unwrap();
        let other = Arc::clone(&table);
        let network = thread::spawn(move || {
            ids.leave(&other, first);
            ids.enter(&other, of(2)).unwrap()
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
