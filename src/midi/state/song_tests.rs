//! Random songs over links that lose, at each use of the difference, judged by
//! the independent receiver.

use crate::midi::channels::Channels;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::judge::{ENDLESS, Link, Peer, repair_anew, stepped};
use super::parameters::OTHERS;
use super::receiver_model::Receiver;
use super::songs::{config, songs};
use super::{ChannelState, next_repair};
use crate::midi::summary::Summary;

proptest! {
    #![proptest_config(config())]

    /// An in queue that was full, a peer that was congested, a push refused.
    #[test]
    fn loss_in_the_middle(song in songs(80)) {
        let mut link = Link::new(song.make);
        for step in &song.steps {
            for (index, message) in step.phrase.iter().enumerate() {
                if link.sent.is_some() || step.loses.is_some_and(|loses| loses <= index) {
                    link.lose(message);
                } else {
                    link.deliver(message);
                }
            }
            link.repair(step.room);
        }
        link.finish();
    }

    /// Everything that waits is thrown away; what waits was sent long before.
    #[test]
    fn skip(song in songs(80)) {
        let mut link = Link::new(song.make);
        let mut waiting = std::collections::VecDeque::new();
        for step in &song.steps {
            waiting.extend(step.phrase.iter().cloned());
            for _ in 0..step.room.min(waiting.len()) {
                link.repair(usize::MAX);
                link.deliver(&waiting.pop_front().unwrap());
            }
            if step.cut || step.loses.is_some() {
                for message in waiting.drain(..) {
                    link.lose(&message);
                }
            }
        }
        for message in waiting {
            link.lose(&message);
        }
        link.finish();
    }

    /// The sum of the lost messages leads to the sender's state: sent as it is (a skip), or as the difference to what the
    /// receiver has received (a push that was refused, a pair).
    #[test]
    fn summary(song in songs(80), difference: bool) {
        let mut link = Link::new(song.make);
        let mut summary = Summary::new();
        let mut lossy = false;
        for step in &song.steps {
            for (index, message) in step.phrase.iter().enumerate() {
                lossy |= step.loses.is_some_and(|loses| loses <= index);
                if lossy {
                    link.lose_into(&mut summary, message);
                } else {
                    link.deliver(message);
                }
            }
            if lossy && step.room > 2 {
                lossy = false;
                receive(&mut link, &mut summary, difference);
            }
        }
        receive(&mut link, &mut summary, difference);
    }

    /// A link ends, messages are pushed without one, and a new one begins: to a
    /// receiver that was restarted, or to the same one.
    #[test]
    fn reconnect(song in songs(80), restarted: bool) {
        let mut link = Link::new(song.make);
        let mut offline = false;
        let peer = if restarted { Peer::Restarted } else { Peer::Same };
        let reconnect = |link: &mut Link| {
            link.moved.append(&mut link.stepped);
            if restarted {
                link.receiver = Receiver::new(song.make);
            }
            while let Some(message) = link.received.next_release() {
                link.receiver.receive(&message);
            }
            assert!(link.receiver.held.is_empty());
            assert!(link.receiver.sustained.is_empty());
            link.receiver.ringing.clear();
            link.keeps.clear();
            link.alive.clear();
            link.end_loss();
            link.must_stop = false;
            let sent = link.sent.as_mut().expect("lossy while offline");
            let again = sent.newcomer_after(&link.received, Channels::ALL);
            link.received = again;
        };
        for step in &song.steps {
            for message in &step.phrase {
                if offline || link.sent.is_some() {
                    link.lose(message);
                } else {
                    link.deliver(message);
                }
            }
            if step.cut && !offline {
                offline = true;
                let received = &mut link.received;
                link.sent.get_or_insert_with(|| {
                    let mut sent = ChannelState::new();
                    sent.follow(received);
                    sent
                });
            } else if offline && step.room > 0 {
                offline = false;
                reconnect(&mut link);
            }
            if !offline {
                repair_anew(&mut link, step.room, peer);
            }
        }
        if offline {
            reconnect(&mut link);
        }
        repair_anew(&mut link, usize::MAX, peer);
    }

    /// A newcomer gets all state but notes and the sequencer.
    #[test]
    fn greet(song in songs(80)) {
        let mut all = ChannelState::new();
        let mut newcomers: Vec<Link> = Vec::new();
        let mut sender = Receiver::new(song.make);
        let mut moved = BTreeSet::new();
        for step in &song.steps {
            for message in &step.phrase {
                moved.extend(stepped(&sender, message));
                sender.receive(message);
                all.apply(message);
                for link in &mut newcomers {
                    if link.sent.is_some() {
                        link.lose(message);
                    } else {
                        link.deliver(message);
                    }
                }
            }
            for link in &mut newcomers {
                repair_anew(link, step.room, Peer::Newcomer);
            }
            if step.cut {
                let mut link = Link::new(song.make);
                link.sender = sender.clone();
                let mut sent = all.clone();
                link.received = sent.newcomer();
                link.sent = Some(sent);
                link.moved.clone_from(&moved);
                newcomers.push(link);
            }
        }
        for mut link in newcomers {
            repair_anew(&mut link, usize::MAX, Peer::Newcomer);
        }
    }

    /// A peer that goes away, in the middle or at the end.
    #[test]
    fn release(song in songs(80)) {
        let mut state = ChannelState::new();
        let mut receiver = Receiver::new(song.make);
        for (index, step) in song.steps.iter().enumerate() {
            for message in &step.phrase {
                state.apply(message);
                receiver.receive(message);
            }
            if !step.cut && index + 1 < song.steps.len() {
                continue;
            }
            let strikes: usize = receiver.held.values().sum();
            let neutral = state.is_neutral();
            let (mut offs, mut others) = (0, 0);
            while let Some(message) = state.next_release() {
                if let [0x80..=0x8F, note, 64] = *message {
                    prop_assert!(receiver.held.contains_key(&(message[0] & 15, note)));
                    prop_assert_eq!(others, 0, "notes come first");
                    offs += 1;
                } else {
                    others += 1;
                }
                prop_assert!(offs + others <= ENDLESS);
                let before = receiver.clone();
                receiver.receive(&message);
                prop_assert!(
                    receiver.facts != before.facts || receiver.held != before.held,
                    "{:?} is for nothing", message
                );
            }
            prop_assert_eq!(offs, strikes);
            prop_assert_eq!(neutral, offs + others == 0);
            prop_assert!(state.is_neutral());
            prop_assert!(receiver.held.is_empty() && receiver.sustained.is_empty());
            for (what, value) in &receiver.facts {
                let rest = match what.split_once(' ').map_or(what.as_str(), |(_, what)| what) {
                    "controller 64" | "controller 66" | "controller 68" | "pressure" | "runs" => 0,
                    "bend" => 8192,
                    _ => continue,
                };
                prop_assert_eq!(*value, rest, "{}", what);
            }
        }
    }

    /// More parameters than are kept. What differs in the end was counted, and a receiver that was restarted gets the
    /// 64 that were written last.
    #[test]
    fn many_parameters(
        make in songs(2).prop_map(|song| song.make),
        steps in prop::collection::vec((0u8..2, 0u8..60, 0u8..4, 0u8..8, 0usize..12), 1..400),
    ) {
        let mut link = Link::new(make);
        let mut written: Vec<String> = Vec::new();
        for (channel, number, value, kind, room) in steps {
            let name = format!("{channel} nrpn 1 {number} msb");
            let phrase = [[0xB0 | channel, 99, 1], [0xB0 | channel, 98, number], [0xB0 | channel, 6, value]];
            written.retain(|other| *other != name);
            written.push(name);
            for (index, message) in phrase.iter().enumerate() {
                if link.sent.is_some() || kind == index as u8 {
                    link.lose(message);
                } else {
                    link.deliver(message);
                }
            }
            if link.sent.is_some() && room > 6 {
                link.repair_uncounted(room);
            }
        }
        link.repair_uncounted(usize::MAX);
        let given_up = link.unrepaired - link.events;
        let differs = |receiver: &Receiver, name: &String| receiver.facts.get(name) != link.sender.facts.get(name);
        let differing = written.iter().filter(|name| differs(&link.receiver, name)).count();
        prop_assert!(differing as u64 <= given_up, "{} differ, {} were counted", differing, given_up);

        let mut sent = ChannelState::new();
        sent.follow(&mut link.received);
        let mut received = sent.newcomer_after(&link.received, Channels::ALL);
        let mut receiver = Receiver::new(make);
        while let Some(message) = next_repair(&mut received, &mut sent) {
            receiver.receive(&message);
        }
        for name in written.iter().rev().take(OTHERS) {
            prop_assert!(!differs(&receiver, name), "{} is among the last", name);
        }
    }

    /// Whatever bytes come, in whatever order they are delivered and lost: the
    /// states take them, the difference ends, and leaves no note that the sender
    /// does not hold.
    #[test]
    fn anything(
        bytes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), 0u8..4), 0..200)
    ) {
        let mut received = ChannelState::new();
        let mut sent = ChannelState::new();
        sent.follow(&mut received);
        for (message, fate) in &bytes {
            match fate {
                0 => {
                    received.apply(message);
                    sent.apply(message);
                }
                1 | 2 => {
                    sent.lose(message);
                }
                _ => {
                    next_repair(&mut received, &mut sent);
                }
            }
        }
        let mut steps = 0;
        while next_repair(&mut received, &mut sent).is_some() {
            steps += 1;
            prop_assert!(steps < ENDLESS);
        }
        prop_assert!(!sent.has_marks());
        for channel in 0..16 {
            for note in 0..128 {
                prop_assert!(received.holds_note(channel, note) <= sent.holds_note(channel, note));
            }
        }
    }
}

fn receive(link: &mut Link, summary: &mut Summary, difference: bool) {
    if difference {
        link.receive_difference(summary);
    } else {
        link.receive_summary(summary);
    }
}
