//! At each receiver, each Note Off has its own Note On.

use super::driven::Driven;
use crate::realtime::config::{Config, DeliveryConfig};
use crate::realtime::shared::Role;
use crate::session::Peer;
use crate::sys::code::Code;
use std::sync::atomic::Ordering;

const ON: [u8; 3] = [0x90, 60, 1];
const OFF: [u8; 3] = [0x80, 60, 0];

fn server() -> Driven {
    let delivery = DeliveryConfig {
        release_on_close: false,
        release_on_disconnect: false,
        ..DeliveryConfig::default()
    };
    Driven::new(
        Role::Merged,
        &Config {
            delivery,
            ..Config::default()
        },
    )
}

/// What a peer was sent since this was asked last: `+` is a Note On, `-` a Note Off.
fn notes(driven: &mut Driven, peer: Peer) -> String {
    let heard = driven.heard(peer);
    let sign = |message: &Vec<u8>| match message[0] {
        0x90 => '+',
        _ => '-',
    };
    heard.iter().map(sign).collect()
}

fn push(driven: &mut Driven, at_us: u64, client: u32, message: &[u8]) {
    assert_eq!(driven.push(at_us, client, message), Code::Ok);
    driven.settle();
}

fn scheduled_bytes(driven: &Driven) -> usize {
    driven.shared().queues.scheduled_bytes.load(Ordering::Relaxed)
}

#[test]
fn a_note_for_all_is_ended_for_each_client_by_name() {
    let mut driven = server();
    let peers = [driven.client(), driven.client(), driven.client()];
    push(&mut driven, 100, 0, &ON);
    for peer in peers {
        let id = driven.id(peer);
        push(&mut driven, 0, id, &OFF);
    }
    driven.at(200);
    driven.settle();
    for peer in peers {
        assert_eq!(notes(&mut driven, peer), "+-");
    }
    assert_eq!((driven.counts(), scheduled_bytes(&driven)), ((6, 0), 0));
    // A Note Off that ends nothing does not wait.
    push(&mut driven, 300, 0, &ON);
    let (first, second) = (driven.id(peers[0]), driven.id(peers[1]));
    for client in [first, second, first] {
        push(&mut driven, 0, client, &OFF);
    }
    assert_eq!(notes(&mut driven, peers[0]), "-");
    // The third client's Note Off is one for all: it waits there, and leaves at once for the others.
    push(&mut driven, 0, 0, &OFF);
    driven.at(400);
    driven.settle();
    let heard = peers.map(|peer| notes(&mut driven, peer));
    assert_eq!(heard, ["-+-", "-+-", "+-"]);
    assert_eq!(scheduled_bytes(&driven), 0);
}

#[test]
fn notes_by_name_are_ended_by_one_note_off_for_all() {
    for off_us in [0, 150, 200, 250] {
        let mut driven = server();
        let peers = [driven.client(), driven.client(), driven.client()];
        for (at_us, peer) in [(100, peers[0]), (200, peers[1])] {
            let id = driven.id(peer);
            push(&mut driven, at_us, id, &ON);
        }
        push(&mut driven, off_us, 0, &OFF);
        for at_us in [110, 210, 260] {
            driven.at(at_us);
            driven.settle();
        }
        let heard = peers.map(|peer| notes(&mut driven, peer));
        assert_eq!(heard, ["+-", "+-", "-"], "{off_us}");
        assert_eq!((driven.counts(), scheduled_bytes(&driven)), ((5, 0), 0));
    }
}

/// A note sounds at one client, and is still to be struck at another: a Note Off for all ends each in its time.
#[test]
fn a_note_off_for_all_leaves_at_once_where_the_note_sounds() {
    let mut driven = server();
    let peers = [driven.client(), driven.client()];
    let ids = peers.map(|peer| driven.id(peer));
    push(&mut driven, 0, ids[0], &ON);
    push(&mut driven, 100, ids[1], &ON);
    push(&mut driven, 0, 0, &OFF);
    assert_eq!(peers.map(|peer| notes(&mut driven, peer)), ["+-", ""]);
    driven.at(200);
    driven.settle();
    assert_eq!(peers.map(|peer| notes(&mut driven, peer)), ["", "+-"]);
    assert_eq!((driven.counts(), scheduled_bytes(&driven)), ((4, 0), 0));
}

/// A client leaves while Note Offs by name wait: the schedule keeps nothing of it.
#[test]
fn a_client_that_left_leaves_nothing_in_the_schedule() {
    let mut driven = server();
    let peers = [driven.client(), driven.client()];
    let ids = peers.map(|peer| driven.id(peer));
    push(&mut driven, 100, 0, &ON);
    push(&mut driven, 0, ids[0], &OFF);
    push(&mut driven, 300, ids[0], &ON);
    assert!(driven.session.disconnect(driven.key, ids[0], driven.now));
    driven.carry_out();
    push(&mut driven, 0, ids[1], &OFF);
    driven.at(400);
    driven.settle();
    assert_eq!(notes(&mut driven, peers[1]), "+-");
    assert_eq!(scheduled_bytes(&driven), 0);
    assert!(driven.session.core.ports[driven.key.0].schedule.is_bare());
    // Two for the client that stayed; three for the one that left.
    let (sent, dropped) = driven.counts();
    assert_eq!((sent, dropped), (2, 2));
}
