//! Messages and requests leave in order of time, then of pushing.

use super::driven::Driven;
use crate::realtime::config::{Config, DeliveryConfig, Overflow, QueueConfig};
use crate::realtime::shared::Role;
use crate::sys::code::Code;

fn volume(value: u8) -> [u8; 3] {
    [0xB0, 7, value]
}

#[test]
fn a_reset_has_its_place_in_time() {
    for overflow in [Overflow::Wait, Overflow::Repair] {
        let delivery = DeliveryConfig {
            overflow,
            ..DeliveryConfig::default()
        };
        let mut driven = Driven::new(
            Role::Client,
            &Config {
                delivery,
                ..Config::default()
            },
        );
        let peer = driven.connect();
        for (at_us, value) in [(100, 1), (300, 3)] {
            assert_eq!(driven.push(at_us, 0, &volume(value)), Code::Ok);
        }
        driven.settle();
        // All of this is before the network thread looks again.
        driven.callers_at(200);
        assert_eq!(driven.endpoint.reset(), Code::Ok);
        driven.callers_at(250);
        assert_eq!(driven.push(0, 0, &volume(2)), Code::Ok);
        driven.at(1000);
        driven.settle();
        assert_eq!(driven.volumes(peer), "1 R 2 3");
    }
}

/// Two resets at different places of the queue, with what fell due before, between and after them.
#[test]
fn each_reset_has_its_own_time() {
    let mut driven = Driven::new(Role::Client, &Config::default());
    let peer = driven.connect();
    for (at_us, value) in [(100, 1), (300, 3), (500, 5)] {
        assert_eq!(driven.push(at_us, 0, &volume(value)), Code::Ok);
    }
    driven.settle();
    driven.callers_at(200);
    assert_eq!(driven.endpoint.reset(), Code::Ok);
    assert_eq!(driven.push(0, 0, &volume(2)), Code::Ok);
    driven.callers_at(400);
    assert_eq!(driven.endpoint.reset(), Code::Ok);
    driven.at(1000);
    driven.settle();
    assert_eq!(driven.volumes(peer), "1 R 2 3 R 5");
}

/// A value that was refused and fell due before a reset: what is refused after the reset does not bring it back.
#[test]
fn a_reset_among_refused_messages_has_its_place_in_time() {
    let delivery = DeliveryConfig {
        overflow: Overflow::Repair,
        ..DeliveryConfig::default()
    };
    let queues = QueueConfig {
        out_queue_bytes: 4096,
        ..QueueConfig::default()
    };
    let config = Config {
        delivery,
        queues,
        ..Config::default()
    };
    let mut driven = Driven::new(Role::Client, &config);
    let peer = driven.connect();
    while driven.push(0, 0, &[0xD0, 1]) == Code::Ok {}
    assert_eq!(driven.push(100, 0, &[0xB0, 1, 99]), Code::Full);
    driven.callers_at(200);
    assert_eq!(driven.endpoint.reset(), Code::Ok);
    driven.callers_at(300);
    assert_eq!(driven.push(0, 0, &[0xC0, 5]), Code::Full);
    driven.at(1000);
    driven.settle();
    driven.at(2000);
    driven.settle();
    let heard = driven.heard(peer);
    assert!(heard.contains(&vec![0xC0, 5]), "{heard:02X?}");
    assert!(!heard.contains(&vec![0xB0, 1, 99]), "{heard:02X?}");
}
