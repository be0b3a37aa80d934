//! Channels are closed while messages wait.

use super::driven::Driven;
use crate::midi::channels::Channels;
use crate::realtime::config::{Config, DeliveryConfig, Overflow, QueueConfig};
use crate::realtime::shared::Role;
use crate::sys::code::Code;

fn waiting() -> Config {
    let delivery = DeliveryConfig {
        overflow: Overflow::Wait,
        release_on_close: false,
        release_on_disconnect: false,
        ..DeliveryConfig::default()
    };
    let queues = QueueConfig {
        out_queue_bytes: 4 << 20,
        ..QueueConfig::default()
    };
    Config {
        delivery,
        queues,
        ..Config::default()
    }
}

/// A peer reads nothing until all that waits for it is of channels that were closed: the port goes on.
#[test]
fn a_port_goes_on_when_what_held_it_up_is_dropped() {
    let mut driven = Driven::new(Role::Client, &waiting());
    let peer = driven.connect();
    driven.blocked.insert(peer.0);
    for _ in 0..30_000 {
        assert_eq!(driven.push(0, 0, &[0xB1, 7, 1]), Code::Ok);
    }
    driven.settle();
    driven.endpoint.set_channels(Channels::of(1).unwrap());
    // Bytes come before the port is drained.
    driven.session.handle_bytes(peer, driven.now, &[0xF8]);
    driven.blocked.remove(&peer.0);
    driven.carry_out();
    assert_eq!(driven.push(0, 0, &[0xB0, 7, 9]), Code::Ok);
    driven.settle();
    assert_eq!(driven.heard(peer), [vec![0xB0, 7, 9]]);
    assert_eq!(driven.counts(), (1, 30_000));
}

/// A client was given when it left what the out queue held for it by name, and then a channel is closed.
#[test]
fn what_a_client_was_given_when_it_left_counts_once_though_its_channel_is_closed() {
    let mut driven = Driven::new(Role::Merged, &waiting());
    let (peer, other) = (driven.client(), driven.client());
    driven.blocked.insert(other.0);
    for _ in 0..30_000 {
        assert_eq!(driven.push(0, driven.id(other), &[0xB0, 7, 1]), Code::Ok);
    }
    driven.settle();
    let id = driven.id(peer);
    for _ in 0..10 {
        assert_eq!(driven.push(0, id, &[0xB1, 7, 2]), Code::Ok);
    }
    driven.settle();
    assert!(driven.heard(peer).is_empty(), "the other client holds it up");
    assert!(driven.session.disconnect(driven.key, id, driven.now));
    driven.carry_out();
    assert_eq!(driven.heard(peer).len(), 10);
    driven.endpoint.set_channels(Channels::of(1).unwrap());
    driven.settle();
    driven.unblock(other);
    driven.settle();
    assert_eq!(driven.heard(other).len(), 30_000);
    assert_eq!(driven.counts(), (30_010, 0));
}
