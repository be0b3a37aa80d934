//! A link that loses, judged: what it delivers and makes good is heard by the independent receiver, which in the end
//! has to stand where the sender stands. For the property tests and for fuzzing.

use std::collections::{BTreeMap, BTreeSet};

use super::receiver_model::{Make, Receiver};
use super::{ChannelState, next_repair};
use crate::midi::summary::{Given, Summary};

/// No repair is longer than everything there is to tell, several times over.
pub(crate) const ENDLESS: usize = 40_000;

/// A sender and a receiver, in their own words, and the states between them.
pub struct Link {
    pub sender: Receiver,
    pub receiver: Receiver,
    pub heard: ChannelState,
    pub wanted: Option<ChannelState>,
    /// How many strikes of a note the receiver may at most still have: those it
    /// got, but never more than the sender held at any time since.
    pub keeps: BTreeMap<(u8, u8), usize>,
    /// Parameters that increments were lost of, and those that any came to: how
    /// far they moved a value is nothing that a new link could be told.
    pub moved: BTreeSet<String>,
    pub stepped: BTreeSet<String>,
    /// Events lost: as the library counts, and as counted here.
    pub unrepaired: u64,
    pub events: u64,
    /// All Sound Off that were lost and have not been told, by channel.
    pub silences: BTreeSet<u8>,
}

impl Link {
    pub fn new(make: Make) -> Link {
        Link {
            sender: Receiver::new(make),
            receiver: Receiver::new(make),
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

    pub fn deliver(&mut self, message: &[u8]) {
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

    pub fn lose(&mut self, message: &[u8]) {
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

    /// The same, where a summary of what is lost is made.
    pub fn lose_into(&mut self, summary: &mut Summary, message: &[u8]) {
        // Data entry for what was selected in part comes back too, where the receiver may know the rest: unless it was
        // reset.
        let data_entry = matches!(*message, [0xB0..=0xBF, 6 | 38, _]);
        let event = self.is_event(message);
        self.moved.extend(stepped(&self.sender, message));
        if let [0xB0..=0xBF, 120, _] = *message {
            self.silences.insert(message[0] & 15);
        }
        if message == [0xFF] {
            self.silences.clear();
        }
        self.sender.hear(message);
        let unrepaired = u64::from(summary.lose(message));
        self.unrepaired += unrepaired;
        self.events += if data_entry && event { unrepaired } else { event.into() };
        self.trim();
    }

    /// Gives a summary to the receiver as it is: `heard` is not known to whoever does so.
    pub fn hear_summary(&mut self, summary: &mut Summary) {
        let mut given = Given::new();
        while let Some(message) = summary.next(&mut given) {
            self.heard.apply(&message);
            self.hear_made(&message);
        }
        summary.clear();
        self.check();
    }

    /// Gives the difference between `heard` and that and a summary.
    pub fn hear_difference(&mut self, summary: &mut Summary) {
        let mut wanted = ChannelState::new();
        wanted.follow(&mut self.heard);
        let mut given = Given::new();
        while let Some(message) = summary.next(&mut given) {
            wanted.lose(&message);
        }
        while let Some(message) = next_repair(&mut self.heard, &mut wanted) {
            self.hear_made(&message);
        }
        summary.clear();
        self.check();
    }

    /// Takes a message of a repair.
    fn hear_made(&mut self, message: &[u8]) {
        assert!(!ChannelState::is_event(message), "{message:?}");
        if let [0xB0..=0xBF, 120, _] = *message {
            self.silences.remove(&(message[0] & 15));
        }
        self.receiver.hear(message);
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
    pub fn repair(&mut self, room: usize) {
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

    pub fn finish(&mut self) {
        self.repair(usize::MAX);
        self.check();
    }

    /// The receiver stands where the sender stands.
    fn check(&self) {
        self.check_but(&BTreeSet::new());
    }

    pub fn check_but(&self, but: &BTreeSet<String>) {
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
pub fn stepped(sender: &Receiver, message: &[u8]) -> Option<String> {
    match message {
        [0xB0..=0xBF, 96 | 97, _] => Some(format!("{} ", sender.selected(message[0] & 15)?)),
        _ => None,
    }
}

/// What nobody tells a newcomer.
pub fn sequencer() -> BTreeSet<String> {
    ["runs", "song"].map(String::from).into()
}

/// The banks of programs for which the sender selected none. A receiver that has
/// since selected one takes the program, told again, from there.
pub fn unknown_banks(sender: &Receiver) -> impl Iterator<Item = String> {
    let banks =
        (0..16).flat_map(|channel| [0, 32].map(|controller| format!("{channel} program's controller {controller}")));
    banks.filter(|what| !sender.facts.contains_key(what))
}

/// Like [`Link::repair`], on a new link; a newcomer is told nothing of the sequencer.
pub fn repair_anew(link: &mut Link, room: usize, newcomer: bool) {
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
