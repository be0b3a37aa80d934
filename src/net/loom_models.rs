//! The protocols between the network thread and others, in all interleavings: see `loom_models.rs` in the folder above.

use super::life::Life;
use super::reply::{Done, Reply};
use crate::port::Port;
use crate::realtime::config::{Config, DeliveryConfig, Overflow};
use crate::realtime::consumer::Consumer;
use crate::realtime::drain::OutQueue;
use crate::realtime::endpoint::Endpoint;
use crate::realtime::loom_models::explore;
use crate::realtime::push::PushSide;
use crate::realtime::refused::{RefusedOut, refused};
use crate::realtime::ring::queue;
use crate::realtime::shared::{Role, Shared};
use crate::realtime::sleeper::Sleeper;
use crate::session::options::Options;
use crate::session::{Effect, PortKey, Session};
use crate::sys::clock::now_ns;
use crate::sys::code::Code;
use crate::sys::notified::Notified;
use crate::sys::sync::{Arc, AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

/// The poller of a model: a count that stays until it is taken, as an eventfd's does, behind what spares writing to it.
#[derive(Default)]
struct Poller {
    notified: Notified,
    count: Mutex<u32>,
    changed: Condvar,
}

impl Poller {
    fn notify(&self) {
        if self.notified.must_be_told() {
            *self.count.lock().unwrap() += 1;
            self.changed.notify_one();
        }
    }

    fn wait(&self, block: bool) {
        let mut count = self.count.lock().unwrap();
        while block && *count == 0 {
            count = self.changed.wait(count).unwrap();
        }
        *count = 0;
        drop(count);
        self.notified.notice();
    }
}

/// A push with `WAKE_SIGNAL` is seen, with no tick to help; with at most one notification a push.
#[test]
fn wake_reaches_the_network_thread() {
    explore("wake", 500, 3, || {
        let (mut producer, mut consumer) = queue(64).unwrap();
        let shared = Arc::new((Sleeper::default(), Poller::default()));
        let other = Arc::clone(&shared);
        let network = thread::spawn(move || {
            let gauge = consumer.gauge();
            let mut got = 0;
            while got < 2 {
                other.0.mark_asleep();
                other.1.wait(!gauge.has_message());
                other.0.mark_awake();
                while consumer.pop().is_some() {
                    got += 1;
                }
            }
        });
        for _ in 0..2 {
            assert!(producer.write(0, 0, 0, &[0xF8]));
            producer.publish();
            if shared.0.claim_wake() {
                shared.1.notify();
            }
        }
        network.join().unwrap();
    });
}

/// Two threads that leave a command each and wake the network thread: neither command lies there unseen, though the
/// second wake may be spared.
#[test]
fn notifications_that_are_spared_are_not_lost() {
    explore("poller", 2000, 3, || {
        let shared = Arc::new((Poller::default(), [AtomicBool::new(false), AtomicBool::new(false)]));
        let asking = [0, 1].map(|which| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1[which].store(true, Ordering::Relaxed);
                shared.0.notify();
            })
        });
        while !shared.1.iter().all(|command| command.load(Ordering::Relaxed)) {
            shared.0.wait(true);
        }
        for thread in asking {
            thread.join().unwrap();
        }
    });
}

/// The last port is closed while another is made: either that one finds the thread and keeps it, or the thread ends and
/// whoever let go of it last knows. Nobody waits for ever.
#[test]
fn the_last_close_and_a_first_open() {
    explore("life", 30_000, 2, || {
        let shared = Arc::new((Life::with_one_user(), Poller::default()));
        let leave = |shared: &(Life, Poller)| {
            if shared.0.leave() {
                shared.1.notify();
                shared.0.wait_over();
            }
        };
        let other = Arc::clone(&shared);
        let network = thread::spawn(move || {
            loop {
                other.1.wait(!other.0.is_unused());
                if other.0.is_unused() && other.0.may_end() {
                    break;
                }
            }
            other.0.tell_over();
        });
        let other = Arc::clone(&shared);
        let opening = thread::spawn(move || {
            if other.0.join() {
                leave(&other);
            }
        });
        leave(&shared);
        opening.join().unwrap();
        network.join().unwrap();
    });
}

/// Who waits for an answer gets it, the one that was given; also when the command was dropped unanswered.
#[test]
fn every_command_is_answered() {
    for dropped in [false, true] {
        explore("reply", 60, 3, move || {
            let done = std::sync::Arc::new(Done::default());
            let reply = Reply::to(&done);
            let carried_out = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&carried_out);
            let network = thread::spawn(move || {
                other.store(true, Ordering::Relaxed);
                if dropped { drop(reply) } else { reply.answer(true) }
            });
            assert_eq!(done.wait(), !dropped);
            assert!(carried_out.load(Ordering::Relaxed));
            network.join().unwrap();
        });
    }
}

fn accepted(config: &Config, outgoing: &Consumer, incoming: Option<&Consumer>) -> std::sync::Arc<Shared> {
    let gauge = Some(outgoing.gauge());
    std::sync::Arc::new(Shared::new(
        Role::Accepted,
        config,
        None,
        incoming.map(Consumer::gauge),
        gauge,
    ))
}

fn session(shared: &std::sync::Arc<Shared>, from_audio: Consumer, refused: Option<RefusedOut>) -> (Session, PortKey) {
    let out_queue = OutQueue::new(from_audio, refused, std::sync::Arc::clone(shared));
    let queues = Some((queue(64).unwrap().0, out_queue));
    Session::new(std::sync::Arc::clone(shared), queues, Options::default())
}

/// What the reactor does with a session that has no connection.
fn drive(session: &mut Session, key: PortKey, shared: &Shared, now: u64) {
    if session.core.has_work(key, now) {
        session.core.drain(key, now);
    }
    while let Some(effect) = session.core.poll_effect() {
        if effect == Effect::Wake(key) {
            shared.control.event.signal();
        }
    }
}

/// A flush returns, with no tick to help, and not before the network thread has taken all that was pushed, what was
/// refused for want of room included.
#[test]
fn flush_waits_for_all_and_not_for_ever() {
    for (pushes, at_least) in [(3, 1_500), (5, 1_500)] {
        flush_after(pushes, at_least);
    }
    // Or what was refused was not looked at.
    assert!(REFUSED.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

/// How often a push was refused in the model below.
static REFUSED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn flush_after(pushes: u8, at_least: usize) {
    explore("flush", at_least, 2, move || {
        let config = Config {
            delivery: DeliveryConfig {
                overflow: Overflow::Repair,
                ..DeliveryConfig::default()
            },
            ..Config::default()
        };
        let (producer, consumer) = queue(64).unwrap();
        let (refused_in, refused_out) = refused(0, 0);
        let (gauge, some_refused) = (producer.gauge(), refused_in.gauge());
        let shared = accepted(&config, &consumer, None);
        let (mut session, key) = session(&shared, consumer, Some(refused_out));
        let mut push = PushSide::new(producer, Some(refused_in), std::sync::Arc::clone(&shared));
        // The poller, and whether it is over.
        let common = Arc::new((Poller::default(), AtomicBool::new(false)));
        let other = Arc::clone(&common);
        let its = std::sync::Arc::clone(&shared);
        let network = thread::spawn(move || {
            while !other.1.load(Ordering::Acquire) {
                other.0.wait(!session.core.has_work(key, 1));
                drive(&mut session, key, &its, 1);
            }
        });
        // The queue takes four.
        for value in 1..=pushes {
            let code = push.push(0, 0, &[0xB0, 7, value]);
            assert!(code == Code::Ok || code == Code::Full && value > 4);
            if code == Code::Full {
                REFUSED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let ticket = shared.control.flush.ask();
        common.0.notify();
        let flushed = crate::port::wait::until_flushed(&shared, ticket, None, |timeout, ready| {
            shared.control.event.wait_for(timeout, ready)
        });
        assert_eq!(flushed, Ok(()));
        assert!(!gauge.has_message() && !some_refused.has_some());
        common.1.store(true, Ordering::Release);
        common.0.notify();
        network.join().unwrap();
    });
}

/// The peer goes for good: who waits and pops gets everything before the end, and the end.
#[test]
fn the_end_comes_after_the_last_message() {
    explore("end", 15_000, 3, || {
        let config = Config::default();
        let (mut to_audio, incoming) = queue(64).unwrap();
        let (outgoing, from_audio) = queue(64).unwrap();
        let shared = accepted(&config, &from_audio, Some(&incoming));
        let port = Port::of_model(Endpoint::of_model(&shared, outgoing, incoming));
        let network = thread::spawn(move || {
            assert!(to_audio.write(1, 0, 0, &[0xF8]));
            to_audio.publish();
            shared.close();
            assert!(to_audio.write(2, 0, 1, &[0xFC]));
            to_audio.publish();
            shared.end();
            shared.control.event.signal();
        });
        let what = crate::port::wait::What {
            message: true,
            room: false,
            notification: false,
            client: false,
        };
        let mut got = Vec::new();
        loop {
            match crate::port::wait::for_any(&[&port], what, None) {
                // SAFETY: this thread alone pops.
                Ok(_) => match unsafe { port.pop() } {
                    Ok(popped) => got.push(popped.time_ns),
                    Err(code) => {
                        assert_eq!(code, Code::Empty);
                        // Only here: after it loom gives nothing older than what was seen before.
                        thread::yield_now();
                    }
                },
                Err(code) => {
                    assert_eq!(code, Code::Closed);
                    break;
                }
            }
        }
        // SAFETY: this thread alone pops.
        assert_eq!(unsafe { port.pop() }.err(), Some(Code::Closed));
        assert_eq!(got, [1, 2]);
        network.join().unwrap();
    });
}

/// A port is shut down while a note arrives: whoever popped it is not told that nothing comes any more before what
/// releases it has come.
#[test]
fn a_shutdown_leaves_no_note_held() {
    explore("holds", 15_000, 3, || {
        let config = Config {
            delivery: DeliveryConfig {
                release_on_disconnect: true,
                ..DeliveryConfig::default()
            },
            ..Config::default()
        };
        let (mut to_audio, incoming) = queue(64).unwrap();
        let (outgoing, from_audio) = queue(64).unwrap();
        let shared = accepted(&config, &from_audio, Some(&incoming));
        let audio = Endpoint::of_model(&shared, outgoing, incoming);
        drop(from_audio);
        let its = std::sync::Arc::clone(&shared);
        let network = thread::spawn(move || {
            // As a session does when it hands a message over, and releases it when the peer has gone.
            its.set_needs_release(true);
            assert!(to_audio.write(1, 0, 0, &[0x90, 60, 64]));
            to_audio.publish();
            its.set_needs_release(true);
            assert!(to_audio.write(2, 0, 1, &[0x80, 60, 64]));
            to_audio.publish();
            its.set_needs_release(false);
        });
        let other = std::sync::Arc::clone(&shared);
        let closing = thread::spawn(move || assert!(other.shut_down()));
        let mut got = Vec::new();
        let mut over = false;
        // SAFETY: this thread alone pops.
        let mut take = |over: &mut bool| match unsafe { audio.pop() } {
            Ok(popped) => {
                assert!(!*over, "something came after the end");
                got.push(popped.time_ns);
            }
            Err(code) => *over = code == Code::Closed,
        };
        for _ in 0..3 {
            if !over {
                take(&mut over);
            }
        }
        // Told that it is over: then all that was popped is released.
        let ended_early = over;
        network.join().unwrap();
        closing.join().unwrap();
        if !ended_early {
            while !over {
                take(&mut over);
            }
        }
        assert!(got != [1], "a note is left held");
    });
}

/// Shut down by one thread while another waits and a third, the network's, hands over a last message: the wait ends, and
/// pushing does.
#[test]
fn shutdown_ends_a_wait() {
    explore("shutdown", 40, 3, || {
        let config = Config::default();
        let (_to_audio, incoming) = queue(64).unwrap();
        let (outgoing, from_audio) = queue(64).unwrap();
        let shared = accepted(&config, &from_audio, Some(&incoming));
        let port = Arc::new(Port::of_model(Endpoint::of_model(&shared, outgoing, incoming)));
        let other = Arc::clone(&port);
        let waiting = thread::spawn(move || {
            let what = crate::port::wait::What {
                message: true,
                room: false,
                notification: true,
                client: false,
            };
            assert_eq!(crate::port::wait::for_any(&[&other], what, None), Err(Code::Closed));
            // SAFETY: this thread alone pushes.
            assert_eq!(unsafe { other.push(0, 0, &[0xF8]) }, Code::Closed);
        });
        port.shutdown();
        // SAFETY: this thread alone pops.
        assert_eq!(unsafe { port.pop() }.err(), Some(Code::Closed));
        waiting.join().unwrap();
    });
}

/// The bytes that are scheduled are counted before the network thread can take them off again.
#[test]
fn scheduled_bytes_do_not_go_below_none() {
    explore("scheduled", 200, 3, || {
        let config = Config::default();
        let (producer, consumer) = queue(64).unwrap();
        let shared = accepted(&config, &consumer, None);
        let (mut session, key) = session(&shared, consumer, None);
        let mut push = PushSide::new(producer, None, std::sync::Arc::clone(&shared));
        let pushing = thread::spawn(move || {
            let soon = now_ns() + 5_000_000_000;
            assert_eq!(push.push(soon, 0, &[0xF8]), Code::Ok);
            assert_eq!(push.push(soon, 0, &[0xF8]), Code::Ok);
        });
        for _ in 0..2 {
            // Some of it is due at once, as when its time has come while it was in the queue.
            drive(&mut session, key, &shared, u64::MAX);
            assert!(shared.queues.scheduled_bytes.load(Ordering::Relaxed) as isize >= 0);
            thread::yield_now();
        }
        pushing.join().unwrap();
        drive(&mut session, key, &shared, u64::MAX);
        assert_eq!(shared.queues.scheduled_bytes.load(Ordering::Relaxed), 0);
    });
}
