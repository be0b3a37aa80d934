//! What becomes of messages, places and counts when clients leave.

use super::driven::Driven;
use crate::realtime::acceptance::Accepted;
use crate::realtime::config::{Config, DeliveryConfig, Overflow, QueueConfig};
use crate::realtime::shared::Role;
use crate::session::Peer;
use crate::sys::code::Code;

fn config(overflow: Overflow) -> Config {
    let delivery = DeliveryConfig {
        overflow,
        release_on_close: false,
        release_on_disconnect: false,
        ..DeliveryConfig::default()
    };
    Config {
        delivery,
        ..Config::default()
    }
}

const LONG: usize = 1000;

fn sysex() -> Vec<u8> {
    let mut message = vec![1; LONG];
    message[0] = 0xF0;
    message[LONG - 1] = 0xF7;
    message
}

/// The only client takes nothing, and so more waits in the out queue. What it is given of that when it is disconnected
/// counts once.
#[test]
fn what_the_only_client_is_given_when_it_leaves_counts_once() {
    let mut driven = Driven::new(Role::Merged, &config(Overflow::Wait));
    let peer = driven.client();
    driven.blocked.insert(peer.0);
    let mut pushed = 0;
    for _ in 0..100 {
        pushed += u64::from(driven.push(0, 0, &sysex()) == Code::Ok);
        driven.settle();
    }
    let id = driven.id(peer);
    for at_us in [50, 100_000] {
        assert_eq!(driven.push(at_us, 0, &[0xB0, 7, 1]), Code::Ok);
        assert_eq!(driven.push(at_us, id, &[0xB0, 7, 2]), Code::Ok);
        pushed += 2;
    }
    assert!(pushed > 80, "more than the buffer holds");
    driven.at(1000);
    assert!(driven.session.disconnect(driven.key, id, driven.now));
    driven.carry_out();
    driven.settle();
    driven.unblock(peer);
    driven.at(200_000);
    driven.settle();
    let heard = driven.heard(peer).len() as u64;
    let (sent, dropped) = driven.counts();
    assert_eq!((sent, sent + dropped), (heard, pushed));
    // What was scheduled for later.
    assert_eq!(dropped, 2);
}

/// The same where others stay: what was for the leaving client by name counts once for it, what was for all once for each.
#[test]
fn what_a_client_is_given_when_it_leaves_counts_once_for_each() {
    let mut driven = Driven::new(Role::Merged, &config(Overflow::Wait));
    let (peer, other) = (driven.client(), driven.client());
    driven.blocked.extend([peer.0, other.0]);
    let id = driven.id(peer);
    let (mut named, mut all) = (0, 0);
    for _ in 0..50 {
        named += u64::from(driven.push(0, id, &sysex()) == Code::Ok);
        all += u64::from(driven.push(0, 0, &sysex()) == Code::Ok);
        driven.settle();
    }
    // By name and scheduled: due, cancelled while due, and not due.
    for at_us in [50, 60, 100_000] {
        assert_eq!(driven.push(at_us, id, &[0xB0, 7, 2]), Code::Ok);
        named += 1;
    }
    driven.at(1000);
    assert!(driven.session.disconnect(driven.key, id, driven.now));
    driven.carry_out();
    // SAFETY: one thread does everything.
    assert_eq!(unsafe { driven.endpoint.cancel() }, Code::Ok);
    driven.settle();
    driven.unblock(peer);
    driven.unblock(other);
    driven.at(200_000);
    driven.settle();
    let heard = (driven.heard(peer).len() + driven.heard(other).len()) as u64;
    let (sent, dropped) = driven.counts();
    assert_eq!((sent, sent + dropped), (heard, named + 2 * all));
    assert_eq!(dropped, 1);
    assert_eq!(
        driven
            .shared()
            .queues
            .scheduled_bytes
            .load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}

/// The only connection is one that is being closed: a panic drops what is pushed, and counts it.
#[test]
fn what_a_panic_drops_while_the_last_client_is_going_counts() {
    for overflow in [Overflow::Wait, Overflow::Repair] {
        let mut driven = Driven::new(Role::Merged, &config(overflow));
        let peer = driven.client();
        driven.blocked.insert(peer.0);
        assert_eq!(driven.push(0, 0, &[0x90, 60, 1]), Code::Ok);
        driven.settle();
        assert!(driven.session.disconnect(driven.key, driven.id(peer), driven.now));
        driven.carry_out();
        let mut pushed = 1;
        for _ in 0..3 {
            assert_eq!(driven.push(0, 0, &[0xB0, 7, 1]), Code::Offline);
            pushed += 1;
        }
        assert_eq!(driven.endpoint.panic(), Code::Offline);
        driven.settle();
        driven.unblock(peer);
        let (sent, dropped) = driven.counts();
        assert_eq!((sent, dropped), (1, pushed - 1));
    }
}

/// However much is in the queue: what was pushed before the first client comes is not for it.
#[test]
fn a_large_queue_is_discarded_whole() {
    let queues = QueueConfig {
        out_queue_bytes: 4 << 20,
        ..QueueConfig::default()
    };
    let config = Config {
        queues,
        ..config(Overflow::Repair)
    };
    let mut driven = Driven::new(Role::Merged, &config);
    let mut pushed = 0;
    while pushed < 200_000 {
        assert_eq!(driven.push(0, 0, &[0xB0, 7, 1]), Code::Offline);
        pushed += 1;
    }
    let peer = driven.client();
    driven.settle();
    assert!(driven.heard(peer).is_empty());
    assert_eq!(driven.counts(), (0, pushed));
}

/// A cancelled controller is not restored at the next peer; what ends something there is.
#[test]
fn what_was_cancelled_without_a_peer_is_not_remembered() {
    let mut driven = Driven::new(Role::Client, &config(Overflow::Repair));
    let peer = driven.connect();
    assert_eq!(driven.push(0, 0, &[0xB0, 64, 127]), Code::Ok);
    driven.settle();
    assert_eq!(driven.push(100, 0, &[0xB0, 7, 99]), Code::Ok);
    assert_eq!(driven.push(100, 0, &[0xB0, 64, 0]), Code::Ok);
    // SAFETY: one thread does everything.
    assert_eq!(unsafe { driven.endpoint.cancel() }, Code::Ok);
    driven
        .session
        .handle_failure(peer, driven.now, crate::session::Reason::of(Code::Io));
    driven.carry_out();
    driven.heard(peer);
    driven.at(1000);
    let peer = driven.connect();
    driven.settle();
    let heard = driven.heard(peer);
    assert!(!heard.contains(&vec![0xB0, 7, 99]), "{heard:02X?}");
    assert!(heard.contains(&vec![0xB0, 64, 0]), "{heard:02X?}");
}

/// A server tells newcomers that a pedal is down, so what is to lift it survives `cancel`, whether or not somebody is there
/// that holds it.
#[test]
fn a_newcomer_is_not_left_with_a_pedal_whose_release_was_cancelled() {
    for (stays, released) in [(false, false), (true, true)] {
        let mut config = config(Overflow::Repair);
        config.delivery.greet = true;
        let mut driven = Driven::new(Role::Merged, &config);
        let first = driven.client();
        assert_eq!(driven.push(100, 0, &[0xB0, 64, 127]), Code::Ok);
        assert_eq!(driven.push(5000, 0, &[0xB0, 64, 0]), Code::Ok);
        driven.settle();
        if !stays {
            assert!(driven.session.disconnect(driven.key, driven.id(first), driven.now));
            driven.carry_out();
        }
        driven.at(1000);
        driven.settle();
        if released {
            assert_eq!(driven.push(0, driven.id(first), &[0xB0, 64, 0]), Code::Ok);
            driven.settle();
        }
        // SAFETY: one thread does everything.
        assert_eq!(unsafe { driven.endpoint.cancel() }, Code::Ok);
        driven.settle();
        driven.at(2000);
        let newcomer = driven.client();
        driven.settle();
        driven.at(6000);
        driven.settle();
        let heard = driven.heard(newcomer);
        let pedal = heard.iter().rfind(|message| message.starts_with(&[0xB0, 64]));
        assert!(pedal.is_none_or(|message| message[2] == 0), "{heard:02X?}");
    }
}

/// A refused message for all that has to wait, while one client has a summary of its own: that client gets it once.
#[test]
fn a_refused_message_for_all_reaches_a_named_client_once() {
    let queues = QueueConfig {
        out_queue_bytes: 8192,
        ..QueueConfig::default()
    };
    let config = Config {
        queues,
        ..config(Overflow::Repair)
    };
    let mut driven = Driven::new(Role::Merged, &config);
    let (named, other) = (driven.client(), driven.client());
    assert_eq!(driven.push(300, 0, &[0xB1, 7, 1]), Code::Ok);
    driven.settle();
    while driven.push(0, 0, &[0xD0, 1]) == Code::Ok {}
    assert_eq!(driven.push(0, driven.id(named), &[0xB0, 8, 1]), Code::Full);
    // More than keep their times: the first goes into the summary, and waits for what is scheduled before it.
    for later in 0..260 {
        assert_eq!(driven.push(400 + later, 0, &[0xB1, 0, (later % 100) as u8]), Code::Full);
    }
    driven.at(200);
    driven.settle();
    driven.at(350);
    driven.settle();
    let banks = |driven: &mut Driven, peer| {
        let heard = driven.heard(peer);
        heard.iter().filter(|message| message[..2] == [0xB1, 0]).count()
    };
    assert_eq!((banks(&mut driven, named), banks(&mut driven, other)), (1, 1));
}

/// Lets time pass, with a turn each millisecond, while somebody pops so often or nobody does.
fn pass(driven: &mut Driven, from_ms: u64, until_ms: u64, pop_every_ms: Option<u64>) {
    for ms in from_ms..until_ms {
        driven.at(ms * 1000);
        if pop_every_ms.is_some_and(|every| ms % every == 0) {
            driven.pop();
        }
        driven.settle();
    }
}

fn begins(driven: &mut Driven, peer: Peer, bytes: &[u8]) {
    driven.session.handle_bytes(peer, driven.now, bytes);
    driven.carry_out();
}

/// Clients that have left do not count, whether or not anybody pops what they sent.
#[test]
fn a_client_that_left_does_not_count_though_nobody_pops() {
    for messages in [1, 100_000] {
        let mut driven = Driven::new(Role::Merged, &config(Overflow::Wait));
        let peer = driven.client();
        let note = [0x90, 60, 1].repeat(messages);
        begins(&mut driven, peer, &note);
        // A note sounds at the client too.
        assert_eq!(driven.push(0, 0, &[0x91, 1, 1]), Code::Ok);
        driven.settle();
        driven.ends(peer);
        assert_eq!(driven.client_count(), 1, "an answer may come");
        pass(&mut driven, 1, 60, None);
        assert_eq!(driven.client_count(), 0);
        assert!(driven.closed.contains(&peer.0));
        // None of what it sent is lost.
        let mut popped = 0;
        for ms in 60..5000 {
            driven.at(ms * 1000);
            while driven.pop().is_some_and(|message| message == [0x90, 60, 1]) {
                popped += 1;
            }
            driven.settle();
        }
        assert_eq!(popped, messages);
        assert_eq!(driven.shared().counters.network.dropped_in.get(), 0);
    }
}

/// Each client strikes a key of its own as often as is counted, and all leave: the releases cost the same each.
#[test]
fn the_releases_of_many_clients_cost_no_more_each() {
    let mut config = config(Overflow::Wait);
    config.delivery.release_on_disconnect = true;
    config.server.max_clients = 300;
    let mut driven = Driven::new(Role::Merged, &config);
    let started = std::time::Instant::now();
    let peers: Vec<Peer> = (0..300).map(|_| driven.client()).collect();
    let pop_all = |driven: &mut Driven, status: u8| {
        let mut popped = 0;
        loop {
            let before = popped;
            while let Some(message) = driven.pop() {
                popped += usize::from(message[0] & 0xF0 == status);
            }
            driven.at(driven.now / 1000 + 1000);
            driven.settle();
            assert!(started.elapsed().as_secs() < 100);
            if popped == before && driven.session.core.ports[driven.key.0].owed.is_empty() {
                return popped;
            }
        }
    };
    for (index, peer) in peers.iter().enumerate() {
        let note = [0x90 | (index / 128) as u8, (index % 128) as u8, 1];
        begins(&mut driven, *peer, &note.repeat(4000));
        assert_eq!(pop_all(&mut driven, 0x90), 4000);
    }
    for peer in peers {
        let broken = crate::session::Reason::of(Code::Io);
        driven.session.handle_failure(peer, driven.now, broken);
        driven.carry_out();
    }
    assert_eq!(pop_all(&mut driven, 0x80), 300 * 4000);
}

/// As long as somebody pops, the client is kept for an answer to the last that it sent.
#[test]
fn a_client_that_shut_down_its_side_gets_an_answer_to_what_is_popped_late() {
    let mut driven = Driven::new(Role::Merged, &config(Overflow::Wait));
    let peer = driven.client();
    begins(&mut driven, peer, &[0x90, 60, 1].repeat(10));
    driven.ends(peer);
    let mut ms = 1;
    let mut answered = 0;
    while answered < 10 {
        pass(&mut driven, ms, ms + 30, None);
        ms += 30;
        if driven.pop() == Some(vec![0x90, 60, 1]) {
            answered += 1;
            assert_eq!(driven.push(0, driven.id(peer), &[0xC0, answered]), Code::Ok);
        }
    }
    driven.settle();
    assert_eq!(driven.heard(peer).len(), 10);
    pass(&mut driven, ms, ms + 60, None);
    assert_eq!(driven.client_count(), 0);
}

/// Nobody accepts the clients of a manual server: newcomers are let in all the same, and the latest ports are kept.
#[test]
fn ports_of_clients_that_left_unaccepted_give_way() {
    let mut config = config(Overflow::Wait);
    config.server.max_clients = 3;
    let mut driven = Driven::new(Role::Manual, &config);
    let stays = driven.client();
    for _ in 0..20 {
        let peer = driven.client();
        assert_eq!(driven.client_count(), 2);
        driven
            .session
            .handle_failure(peer, driven.now, crate::session::Reason::of(Code::Io));
        driven.carry_out();
        assert_eq!(driven.client_count(), 1);
    }
    assert_eq!(driven.accepted.len(), 3, "the one that stays, and two that left");
    let counters = &driven.shared().counters.network;
    assert_eq!((counters.connections.get(), counters.rejected.get()), (21, 18));
    assert_eq!(
        driven
            .shared()
            .clients
            .left_behind
            .load(std::sync::atomic::Ordering::Relaxed),
        2
    );
    // Those that are there keep their places, and all places can be taken.
    let others = [driven.client(), driven.client()];
    assert_eq!(driven.client_count(), 3);
    assert!(driven.newcomer().is_none());
    assert!(
        ![stays, others[0], others[1]]
            .iter()
            .any(|peer| driven.closed.contains(&peer.0))
    );
    assert_eq!(driven.accepted.len(), 3);
    // One that was accepted gives no way.
    let acceptance = &driven.accepted[1].1.shared().clients.acceptance;
    assert_eq!(acceptance.accept(), Accepted::Present);
}
