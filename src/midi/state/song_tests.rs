//! Random songs over links that lose, at each use of the difference, judged by
//! the independent receiver.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::receiver_model::Receiver;
use super::songs::{Song, config, songs};
use super::{ChannelState, next_repair};

/// No repair is longer than everything there is to tell, several times over.
const ENDLESS: usize = 40_000;

/// A sender and a receiver, in their own words, and the states between them.
struct Link {
    sender: Receiver,
    receiver: Receiver,
    heard: ChannelState,
    wanted: Option<ChannelState>,
    /// How many strikes of a note the receiver may at most still have: those it
    /// got, but never more than the sender held at any time since.
    keeps: BTreeMap<(u8, u8), usize>,
    /// Parameters that increments were lost of, and those that any came to: how
    /// far they moved a value is nothing that a new link could be told.
    moved: BTreeSet<String>,
    stepped: BTreeSet<String>,
    /// Events lost: as the library counts, and as counted here.
    unrepaired: u64,
    events: u64,
    /// All Sound Off that were lost and have not been told, by channel.
    silences: BTreeSet<u8>,
}

impl Link {
    fn new(song: &Song) -> Link {
        Link {
            sender: Receiver::new(song.make),
            receiver: Receiver::new(song.make),
            heard: ChannelState::new(),
            wanted: None,
            keeps: BTreeMap::new(),
            moved: BTreeSet::new(),
            stepped: BTreeSet::new(),
            unrepaired: 0,
            events: 0,
            silences: BTreeSet::new(),
        }
    }

    fn deliver(&mut self, message: &[u8]) {
        assert!(self.wanted.is_none(), "nothing overtakes the difference");
        let note = (message[0] & 15, *message.get(1).unwrap_or(&0));
        let before = *self.receiver.held.get(&note).unwrap_or(&0);
        self.stepped.extend(stepped(&self.sender, message));
        self.sender.hear(message);
        self.receiver.hear(message);
        self.heard.apply(message);
        if self.receiver.held.get(&note).copied().unwrap_or(0) > before {
            *self.keeps.entry(note).or_default() += 1;
        }
        if let (0x80..=0x9F, Some(keeps)) = (message[0], self.keeps.get_mut(&note))
            && (message[0] < 0x90 || message[2] == 0)
        {
            *keeps = keeps.saturating_sub(1);
        }
        self.trim();
    }

    fn lose(&mut self, message: &[u8]) {
        self.events += u64::from(self.is_event(message));
        self.moved.extend(stepped(&self.sender, message));
        let channel = message[0] & 15;
        self.sender.hear(message);
        if let [0xB0..=0xBF, 120, _] = *message {
            self.silences.insert(channel);
        }
        if message == [0xFF] {
            self.silences.clear();
        }
        let wanted = self.wanted.get_or_insert_with(|| {
            let mut wanted = ChannelState::new();
            wanted.follow(&mut self.heard);
            wanted
        });
        self.unrepaired += u64::from(wanted.lose(message));
        self.trim();
    }

    /// The receiver keeps no more than the sender holds now.
    fn trim(&mut self) {
        for (note, keeps) in &mut self.keeps {
            *keeps = (*keeps).min(self.sender.held.get(note).copied().unwrap_or(0));
        }
    }

    /// By the list in the contract; to what data entry goes is the sender's own
    /// knowledge.
    fn is_event(&self, message: &[u8]) -> bool {
        match *message {
            [0x90..=0x9F, _, velocity] => velocity > 0,
            [0xB0..=0xBF, 6 | 38, _] => self.sender.selected(message[0] & 15).as_deref() == Some("?"),
            [0xB0..=0xBF, controller, _] => [84, 88, 96, 97].contains(&controller),
            [0xF2 | 0xF3 | 0xFA | 0xFB | 0xFC | 0xFF, ..] => false,
            [status, ..] => status >= 0xF0,
            [] => unreachable!(),
        }
    }

    /// Sends as much of the difference as there is room for.
    fn repair(&mut self, room: usize) {
        let Some(wanted) = &mut self.wanted else {
            return;
        };
        let mut modes_over = false;
        for sent in 0..room {
            let Some(message) = next_repair(&mut self.heard, wanted) else {
                self.wanted = None;
                return self.check();
            };
            assert!(sent < ENDLESS, "the difference does not end: {message:?}");
            assert!(!matches!(message[0], 0x90..=0x9F), "{message:?}");
            assert!(!ChannelState::is_event(&message), "{message:?}");
            match *message {
                [0xB0..=0xBF, 120..=127, _] => assert!(!modes_over, "{message:?} too late"),
                [0xFF] => {}
                // The first may be the second half of an interrupted selection.
                _ => modes_over = sent > 0,
            }
            if let [0xB0..=0xBF, 120, _] = *message {
                self.silences.remove(&(message[0] & 15));
            }
            self.receiver.hear(&message);
        }
    }

    fn finish(&mut self) {
        self.repair(usize::MAX);
        self.check();
    }

    /// The receiver stands where the sender stands.
    fn check(&self) {
        self.check_but(&BTreeSet::new());
    }

    fn check_but(&self, but: &BTreeSet<String>) {
        self.check_notes();
        let but = but.union(&self.moved).cloned().collect();
        let differences = self.receiver.differences(&self.sender, &but);
        assert!(differences.is_empty(), "{differences:#?}");
        assert_eq!(self.unrepaired, self.events);
        assert!(self.silences.is_empty(), "{:?}", self.silences);
    }

    fn check_notes(&self) {
        for (note, strikes) in &self.receiver.held {
            let keeps = self.keeps.get(note).copied().unwrap_or(0);
            assert!(*strikes <= keeps, "{note:?}: {strikes} of {keeps}");
            let counted = self.heard.holds_note(note.0, note.1);
            assert_eq!(usize::from(counted), *strikes, "{note:?}");
        }
        let still: Vec<_> = self.receiver.ringing.difference(&self.sender.ringing).collect();
        assert!(still.is_empty(), "{still:?} never let go of by the sender");
    }
}

/// The parameter that a message increments or decrements.
fn stepped(sender: &Receiver, message: &[u8]) -> Option<String> {
    match message {
        [0xB0..=0xBF, 96 | 97, _] => Some(format!("{} ", sender.selected(message[0] & 15)?)),
        _ => None,
    }
}

/// What nobody tells a newcomer.
fn sequencer() -> BTreeSet<String> {
    ["runs", "song"].map(String::from).into()
}

proptest! {
    #![proptest_config(config())]

    /// An in queue that was full, a peer that was congested, a push refused.
    #[test]
    fn loss_in_the_middle(song in songs(80)) {
        let mut link = Link::new(&song);
        for step in &song.steps {
            for (index, message) in step.phrase.iter().enumerate() {
                if link.wanted.is_some() || step.loses.is_some_and(|loses| loses <= index) {
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
        let mut link = Link::new(&song);
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

    /// A link ends, messages are pushed without one, and a new one begins: to a
    /// receiver that was restarted, or to the same one.
    #[test]
    fn reconnect(song in songs(80), restarted: bool) {
        let mut link = Link::new(&song);
        let mut offline = false;
        let reconnect = |link: &mut Link| {
            let wanted = link.wanted.as_mut().expect("lossy while offline");
            link.moved.append(&mut link.stepped);
            if restarted {
                link.receiver = Receiver::new(song.make);
            }
            while let Some(message) = link.heard.next_release() {
                link.receiver.hear(&message);
            }
            assert!(link.receiver.held.is_empty());
            link.receiver.ringing.clear();
            link.keeps.clear();
            let again = wanted.newcomer_after(&link.heard);
            link.heard = again;
        };
        for step in &song.steps {
            for message in &step.phrase {
                if offline || link.wanted.is_some() {
                    link.lose(message);
                } else {
                    link.deliver(message);
                }
            }
            if step.cut && !offline {
                offline = true;
                let heard = &mut link.heard;
                link.wanted.get_or_insert_with(|| {
                    let mut wanted = ChannelState::new();
                    wanted.follow(heard);
                    wanted
                });
            } else if offline && step.room > 0 {
                offline = false;
                reconnect(&mut link);
            }
            if !offline {
                repair_anew(&mut link, step.room, restarted);
            }
        }
        if offline {
            reconnect(&mut link);
        }
        repair_anew(&mut link, usize::MAX, restarted);
    }

    /// A newcomer is told where everything stands but notes and sequencer.
    #[test]
    fn greet(song in songs(80)) {
        let mut all = ChannelState::new();
        let mut newcomers: Vec<Link> = Vec::new();
        let mut sender = Receiver::new(song.make);
        let mut moved = BTreeSet::new();
        for step in &song.steps {
            for message in &step.phrase {
                moved.extend(stepped(&sender, message));
                sender.hear(message);
                all.apply(message);
                for link in &mut newcomers {
                    if link.wanted.is_some() {
                        link.lose(message);
                    } else {
                        link.deliver(message);
                    }
                }
            }
            for link in &mut newcomers {
                repair_anew(link, step.room, true);
            }
            if step.cut {
                let mut link = Link::new(&song);
                link.sender = sender.clone();
                let mut wanted = all.clone();
                link.heard = wanted.newcomer();
                link.wanted = Some(wanted);
                link.moved.clone_from(&moved);
                newcomers.push(link);
            }
        }
        for mut link in newcomers {
            repair_anew(&mut link, usize::MAX, true);
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
                receiver.hear(message);
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
                receiver.hear(&message);
                prop_assert!(
                    receiver.facts != before.facts || receiver.held != before.held,
                    "{:?} is for nothing", message
                );
            }
            prop_assert_eq!(offs, strikes);
            prop_assert_eq!(neutral, offs + others == 0);
            prop_assert!(state.is_neutral());
            prop_assert!(receiver.held.is_empty());
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

    /// Whatever bytes come, in whatever order they are delivered and lost: the
    /// states take them, the difference ends, and leaves no note that the sender
    /// does not hold.
    #[test]
    fn anything(
        bytes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), 0u8..4), 0..200)
    ) {
        let mut heard = ChannelState::new();
        let mut wanted = ChannelState::new();
        wanted.follow(&mut heard);
        for (message, fate) in &bytes {
            match fate {
                0 => {
                    heard.apply(message);
                    wanted.apply(message);
                }
                1 | 2 => {
                    wanted.lose(message);
                }
                _ => {
                    next_repair(&mut heard, &mut wanted);
                }
            }
        }
        let mut steps = 0;
        while next_repair(&mut heard, &mut wanted).is_some() {
            steps += 1;
            prop_assert!(steps < ENDLESS);
        }
        prop_assert!(!wanted.has_marks());
        for channel in 0..16 {
            for note in 0..128 {
                prop_assert!(heard.holds_note(channel, note) <= wanted.holds_note(channel, note));
            }
        }
    }
}

/// The banks of programs for which the sender selected none. A receiver that has
/// since selected one takes the program, told again, from there.
fn unknown_banks(sender: &Receiver) -> impl Iterator<Item = String> {
    let banks =
        (0..16).flat_map(|channel| [0, 32].map(|controller| format!("{channel} program's controller {controller}")));
    banks.filter(|what| !sender.facts.contains_key(what))
}

/// Like [`Link::repair`], on a new link; a newcomer is told nothing of the sequencer.
fn repair_anew(link: &mut Link, room: usize, newcomer: bool) {
    let Some(wanted) = &mut link.wanted else {
        return;
    };
    for sent in 0..room {
        let Some(message) = next_repair(&mut link.heard, wanted) else {
            link.wanted = None;
            let mut but = if newcomer { sequencer() } else { BTreeSet::new() };
            but.extend(unknown_banks(&link.sender));
            return link.check_but(&but);
        };
        assert!(sent < ENDLESS, "the difference does not end: {message:?}");
        assert!(!matches!(message[0], 0x90..=0x9F), "{message:?}");
        if let [0xB0..=0xBF, 120, _] = *message {
            link.silences.remove(&(message[0] & 15));
        }
        link.receiver.hear(&message);
    }
}
