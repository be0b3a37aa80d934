//! What one turn of the network thread does, and what it leaves for the next.

use super::driven::Driven;
use crate::realtime::config::{Config, DeliveryConfig, Overflow};
use crate::realtime::flush::Flushed;
use crate::realtime::shared::Role;
use crate::sys::code::Code;

/// A flush is asked for in the middle of a turn: what fell due since the turn began is waited for.
#[test]
fn a_flush_covers_what_was_due_when_it_was_asked_for() {
    let mut driven = Driven::new(Role::Client, &Config::default());
    let peer = driven.connect();
    assert_eq!(driven.push(1500, 0, &[0xB0, 7, 1]), Code::Ok);
    driven.settle();
    driven.at(1000);
    driven.callers_at(2000);
    let ticket = driven.shared().control.flush.ask();
    driven.settle();
    // A flush without a timeout has its answer at once.
    assert!(driven.shared().control.flush.is_seen(ticket));
    assert_eq!(driven.outcome(ticket), Some(Flushed::Handed));
    assert_eq!(driven.volumes(peer), "1");
}

/// More flushes wait than are kept apart, and the connection is lost: each of those that were lost says so.
#[test]
fn the_last_of_many_flushes_that_were_lost_says_so() {
    let delivery = DeliveryConfig {
        overflow: Overflow::Wait,
        ..DeliveryConfig::default()
    };
    let config = Config {
        delivery,
        ..Config::default()
    };
    let mut driven = Driven::new(Role::Client, &config);
    let peer = driven.connect();
    driven.blocked.insert(peer.0);
    // More than a buffer takes: the rest is still in the out queue.
    for _ in 0..30_000 {
        if driven.push(0, 0, &[0xB0, 7, 1]) != Code::Ok {
            driven.settle();
        }
    }
    let mut tickets = Vec::new();
    for _ in 0..16 {
        tickets.push(driven.shared().control.flush.ask());
        driven.settle();
    }
    assert!(tickets.iter().all(|ticket| driven.outcome(*ticket).is_none()));
    driven
        .session
        .handle_failure(peer, driven.now, crate::session::Reason::of(Code::Io));
    let last = driven.shared().control.flush.ask();
    driven.carry_out();
    driven.settle();
    for ticket in tickets {
        assert_eq!(driven.outcome(ticket), Some(Flushed::Lost));
    }
    assert!(driven.outcome(last).is_some());
}

/// A flush is asked for in the turn in which the connection breaks: it says what became of what was pushed before.
#[test]
fn a_flush_in_the_turn_of_a_break_tells_of_the_loss() {
    for (is_taken, is_written, expected) in [
        (false, false, Flushed::Lost),
        (true, false, Flushed::Lost),
        (true, true, Flushed::Handed),
    ] {
        for role in [Role::Client, Role::Merged] {
            let mut driven = Driven::new(role, &Config::default());
            let peer = match role {
                Role::Client => driven.connect(),
                _ => driven.client(),
            };
            driven.settle();
            if !is_written {
                driven.blocked.insert(peer.0);
            }
            assert_eq!(driven.push(0, 0, &[0xB0, 7, 1]), Code::Ok);
            if is_taken {
                driven.settle();
            }
            let ticket = driven.shared().control.flush.ask();
            let broken = crate::session::Reason::of(Code::Io);
            driven.session.handle_failure(peer, driven.now, broken);
            driven.carry_out();
            driven.settle();
            assert!(driven.shared().control.flush.is_seen(ticket));
            assert_eq!(driven.outcome(ticket), Some(expected), "{is_taken} {is_written}");
        }
    }
}

/// A flush does not wait for messages that are scheduled for later, nor does it tell of them before they were due.
#[test]
fn a_flush_after_the_end_of_a_connection_says_nothing_of_what_is_scheduled_for_later() {
    for overflow in [Overflow::Wait, Overflow::Repair] {
        for role in [Role::Client, Role::Merged] {
            for (is_taken, asks_before) in [(false, false), (false, true), (true, false), (true, true)] {
                let delivery = DeliveryConfig {
                    overflow,
                    ..DeliveryConfig::default()
                };
                let config = Config {
                    delivery,
                    ..Config::default()
                };
                let mut driven = Driven::new(role, &config);
                let peer = match role {
                    Role::Client => driven.connect(),
                    _ => driven.client(),
                };
                driven.settle();
                assert_eq!(driven.push(5000, 0, &[0xB0, 7, 1]), Code::Ok);
                if is_taken {
                    driven.settle();
                }
                let ask = |driven: &mut Driven| {
                    let ticket = driven.shared().control.flush.ask();
                    driven.settle();
                    driven.outcome(ticket)
                };
                let before = asks_before.then(|| driven.shared().control.flush.ask());
                let broken = crate::session::Reason::of(Code::Io);
                driven.session.handle_failure(peer, driven.now, broken);
                driven.carry_out();
                let case = format!("{overflow:?} {role:?} {is_taken}");
                assert_eq!(ask(&mut driven), Some(Flushed::Handed), "{case}");
                if let Some(before) = before {
                    assert_eq!(
                        driven.outcome(before),
                        Some(Flushed::Handed),
                        "{case}, asked before the end"
                    );
                }
                driven.at(6000);
                driven.settle();
                assert_eq!(ask(&mut driven), Some(Flushed::Lost), "{case}, later");
            }
        }
    }
}

/// A liveness check wakes the network thread once.
#[test]
fn a_measurement_is_asked_for_once() {
    let mut driven = Driven::new(Role::Client, &Config::default());
    driven.connect();
    driven.settle();
    for round in 1..4 {
        let at = driven.session.core.poll_timeout().unwrap();
        driven.at(at.div_ceil(1000));
        driven.settle();
        assert_eq!(driven.measured, round);
        let next = driven.session.core.poll_timeout().unwrap();
        assert!(next > driven.now + 1_000_000_000, "{next} after {}", driven.now);
    }
}

/// What is scheduled takes one turn when it is due.
#[test]
fn a_deadline_of_a_port_takes_one_turn() {
    let mut driven = Driven::new(Role::Client, &Config::default());
    let peer = driven.connect();
    driven.settle();
    assert_eq!(driven.push(500, 0, &[0xB0, 7, 1]), Code::Ok);
    driven.settle();
    driven.at(600);
    driven.turn();
    assert_eq!(driven.volumes(peer), "1");
    assert!(!driven.session.core.take_again());
}
