//! A link that loses, judged: what it delivers and makes good is received by the independent receiver, which in the end
//! has to have the sender's state. For the property tests and for fuzzing.

use std::collections::{BTreeMap, BTreeSet};

use super::receiver_model::{Make, Receiver};
use super::{ChannelState, next_repair};
use crate::midi::summary::{Given, Summary};

/// No repair is longer than everything there is to tell, several times over.
pub(crate) const ENDLESS: usize = 40_000;

/// Which halves of a bank select a sender sent on each channel, and which of them before it chose its program.
#[derive(Clone, Default)]
pub struct Banks([(u8, u8); 16]);

impl Banks {
    pub fn hear(&mut self, message: &[u8]) {
        let (selected, at_program) = &mut self.0[usize::from(message[0] & 15)];
        match message {
            [0xB0..=0xBF, 0, _] => *selected |= 1,
            [0xB0..=0xBF, 32, _] => *selected |= 2,
            [0xC0..=0xCF, _] => *at_program = *selected,
            [0xFF] => *self = Self::default(),
            _ => {}
        }
    }

    /// The programs that a receiver which was restarted does not get: the sender has selected a bank since it chose them,
    /// or half of one, and had not before.
    pub fn withheld_programs(&self) -> impl Iterator<Item = String> {
        let channels = self.0.iter().enumerate();
        let withheld = channels.filter(|(_, (selected, at_program))| selected != at_program);
        withheld.map(|(channel, _)| format!("{channel} program"))
    }
}

/// A sender and a receiver, in their own words, and the states between them.
pub struct Link {
    make: Make,
    banks: Banks,
    pub sender: Receiver,
    pub receiver: Receiver,
    pub received: ChannelState,
    pub sent: Option<ChannelState>,
    /// How many strikes of a note the receiver may at most still have: those it
    /// got, but never more than the sender held at any time since.
    pub keeps: BTreeMap<(u8, u8), usize>,
    /// How many strikes of a note the receiver must still have: since the loss began, the sender has always held so many
    /// beside those that it held then and the receiver did not.
    floor: BTreeMap<(u8, u8), usize>,
    /// How many strikes of a note the sender held, and the receiver did not, when the loss began.
    missing: BTreeMap<(u8, u8), usize>,
    /// Something was lost and is not repaired yet.
    lossy: bool,
    /// Notes, struck once, that have sounded at both ends ever since.
    pub alive: BTreeSet<(u8, u8)>,
    /// Channels and pedals that were moved since the loss began.
    moved_pedals: BTreeSet<(u8, u8)>,
    /// A Stop was lost that the receiver, whose sequencer ran, has not got yet.
    pub must_stop: bool,
    /// Parameters that increments were lost of, and those that any came to: how
    /// far they moved a value cannot be sent on a new connection.
    pub moved: BTreeSet<String>,
    pub stepped: BTreeSet<String>,
    /// Events lost: as the library counts, and as counted here.
    pub unrepaired: u64,
    pub events: u64,
    /// All Sound Off that were lost and the receiver did not get, by channel.
    pub silences: BTreeSet<u8>,
}

impl Link {
    pub fn new(make: Make) -> Link {
        Link {
            make,
            banks: Banks::default(),
            sender: Receiver::new(make),
            receiver: Receiver::new(make),
            received: ChannelState::new(),
            sent: None,
            keeps: BTreeMap::new(),
            floor: BTreeMap::new(),
            missing: BTreeMap::new(),
            lossy: false,
            alive: BTreeSet::new(),
            moved_pedals: BTreeSet::new(),
            must_stop: false,
            moved: BTreeSet::new(),
            stepped: BTreeSet::new(),
            unrepaired: 0,
            events: 0,
            silences: BTreeSet::new(),
        }
    }

    pub fn deliver(&mut self, message: &[u8]) {
        assert!(self.sent.is_none(), "nothing overtakes the difference");
        self.end_loss();
        self.banks.hear(message);
        let note = (message[0] & 15, *message.get(1).unwrap_or(&0));
        let before = *self.receiver.held.get(&note).unwrap_or(&0);
        let sounded = self.sender.sounds(note);
        self.stepped.extend(stepped(&self.sender, message));
        self.sender.receive(message);
        self.receiver.receive(message);
        self.received.apply(message);
        if self.receiver.held.get(&note).copied().unwrap_or(0) > before {
            *self.keeps.entry(note).or_default() += 1;
            // Of a note struck while it sounds nobody can say which strike a pedal holds.
            if sounded {
                self.alive.remove(&note);
            } else {
                self.alive.insert(note);
            }
        }
        if let [0x80..=0x8F, ..] | [0x90..=0x9F, _, 0] = message {
            let keeps = self.keeps.entry(note).or_default();
            *keeps = keeps.saturating_sub(1);
        }
        self.trim();
    }

    pub fn lose(&mut self, message: &[u8]) {
        self.begin_loss();
        self.banks.hear(message);
        self.events += u64::from(self.is_event(message));
        self.moved.extend(stepped(&self.sender, message));
        let channel = message[0] & 15;
        self.sender.receive(message);
        if let [0xB0..=0xBF, 120, _] = *message {
            self.silences.insert(channel);
        }
        if message == [0xFF] {
            self.silences.clear();
        }
        self.note_lost(message);
        let sent = self.sent.get_or_insert_with(|| {
            let mut sent = ChannelState::new();
            sent.follow(&mut self.received);
            sent
        });
        self.unrepaired += u64::from(sent.lose(message));
        self.trim();
    }

    /// The same, where a summary of what is lost is made.
    pub fn lose_into(&mut self, summary: &mut Summary, message: &[u8]) {
        self.begin_loss();
        self.banks.hear(message);
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
        self.note_lost(message);
        self.sender.receive(message);
        let unrepaired = u64::from(summary.lose(message));
        self.unrepaired += unrepaired;
        self.events += if data_entry && event { unrepaired } else { event.into() };
        self.trim();
    }

    /// Gives a summary to the receiver as it is: `received` is not known to whoever does so.
    pub fn receive_summary(&mut self, summary: &mut Summary) {
        let mut given = Given::new();
        while let Some(message) = summary.next(&mut given) {
            self.received.apply(&message);
            self.receive_repair(&message);
        }
        summary.clear();
        self.check();
    }

    /// Gives the difference between `received` and that and a summary.
    pub fn receive_difference(&mut self, summary: &mut Summary) {
        let mut sent = ChannelState::new();
        sent.follow(&mut self.received);
        let mut given = Given::new();
        while let Some(message) = summary.next(&mut given) {
            sent.lose(&message);
        }
        while let Some(message) = next_repair(&mut self.received, &mut sent) {
            self.receive_repair(&message);
        }
        summary.clear();
        self.check();
    }

    /// The first loss after a repair.
    fn begin_loss(&mut self) {
        if std::mem::replace(&mut self.lossy, true) {
            return;
        }
        self.floor = self.receiver.held.clone();
        let missing = self.sender.held.iter().map(|(note, held)| {
            let received = self.receiver.held.get(note).copied().unwrap_or(0);
            (*note, held.saturating_sub(received))
        });
        self.missing = missing.collect();
    }

    /// The receiver is where the sender is, or on a new connection.
    pub fn end_loss(&mut self) {
        self.lossy = false;
        self.floor.clear();
        let receiver = &self.receiver;
        self.alive.retain(|note| receiver.sounds(*note));
        self.moved_pedals.clear();
    }

    /// Remembers a lost Stop that the receiver needs, and which pedals moved.
    fn note_lost(&mut self, message: &[u8]) {
        match *message {
            [0x90..=0x9F, note, 1..=127] => drop(self.alive.remove(&(message[0] & 15, note))),
            [0xB0..=0xBF, pedal @ (64 | 66 | 69), _] => drop(self.moved_pedals.insert((message[0] & 15, pedal))),
            [0xB0..=0xBF, 121, _] => self.moved_pedals.extend([64, 66].map(|pedal| (message[0] & 15, pedal))),
            [0xFC] if self.receiver.facts.get("runs") == Some(&1) => self.must_stop = true,
            [0xFF] => self.must_stop = false,
            _ => {}
        }
    }

    /// Gives the receiver a message of a repair.
    fn receive_repair(&mut self, message: &[u8]) {
        assert!(!matches!(message[0], 0x90..=0x9F), "{message:?}");
        assert!(!ChannelState::is_event(message), "{message:?}");
        if let [0xB0..=0xBF, 120, _] = *message {
            self.silences.remove(&(message[0] & 15));
        }
        if let [0xFC | 0xFF] = message {
            self.must_stop = false;
        }
        self.receiver.receive(message);
    }

    /// The receiver keeps no more than the sender holds now.
    fn trim(&mut self) {
        for (note, keeps) in &mut self.keeps {
            *keeps = (*keeps).min(self.sender.held.get(note).copied().unwrap_or(0));
        }
        for (note, floor) in &mut self.floor {
            let held = self.sender.held.get(note).copied().unwrap_or(0);
            let missing = self.missing.get(note).copied().unwrap_or(0);
            *floor = (*floor).min(held.saturating_sub(missing));
        }
        let Self {
            keeps,
            floor,
            lossy,
            alive,
            sender,
            receiver,
            ..
        } = self;
        let is_held = |note: &(u8, u8)| match lossy {
            true => floor.get(note).is_some_and(|floor| *floor != 0),
            false => keeps.get(note).is_some_and(|keeps| *keeps != 0),
        };
        alive.retain(|note| is_held(note) || sender.sustained.contains(note) && (*lossy || receiver.sounds(*note)));
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
        let mut modes_over = false;
        for count in 0..room {
            let Some(sent) = &mut self.sent else { return };
            let Some(message) = next_repair(&mut self.received, sent) else {
                self.sent = None;
                return self.check();
            };
            assert!(count < ENDLESS, "the difference does not end: {message:?}");
            match *message {
                [0xB0..=0xBF, 120..=127, _] => assert!(!modes_over, "{message:?} too late"),
                [0xFF] => {}
                // Notes and pedals have their places among the mode messages.
                [0x80..=0x8F, ..] | [0xB0..=0xBF, 64 | 66 | 68 | 69, _] => {}
                // The first may be the second half of an interrupted selection.
                _ => modes_over = count > 0,
            }
            self.receive_repair(&message);
        }
    }

    /// Sends as much of the difference as there is room for, and checks nothing.
    #[cfg(test)]
    pub fn repair_uncounted(&mut self, room: usize) {
        for _ in 0..room {
            let Some(sent) = &mut self.sent else { return };
            match next_repair(&mut self.received, sent) {
                Some(message) => self.receive_repair(&message),
                None => self.sent = None,
            }
        }
    }

    pub fn finish(&mut self) {
        self.repair(usize::MAX);
        self.check();
    }

    /// Checks that the receiver has the sender's state.
    fn check(&mut self) {
        self.check_but(&BTreeSet::new());
    }

    pub fn check_but(&mut self, but: &BTreeSet<String>) {
        self.check_notes();
        let but = but.union(&self.moved).cloned().collect();
        let differences = self.receiver.differences(&self.sender, &but);
        assert!(differences.is_empty(), "{differences:#?}");
        assert_eq!(self.unrepaired, self.events);
        assert!(self.silences.is_empty(), "{:?}", self.silences);
        self.end_loss();
    }

    fn check_notes(&self) {
        for (note, strikes) in &self.receiver.held {
            let keeps = self.keeps.get(note).copied().unwrap_or(0);
            assert!(*strikes <= keeps, "{note:?}: {strikes} of {keeps}");
            let counted = self.received.holds_note(note.0, note.1);
            assert_eq!(usize::from(counted), *strikes, "{note:?}");
        }
        for (note, floor) in &self.floor {
            let strikes = self.receiver.held.get(note).copied().unwrap_or(0);
            assert!(strikes >= *floor, "{note:?} is cut: {strikes} of {floor}");
        }
        for note in &self.receiver.sustained {
            assert!(self.sender.sounds(*note), "{note:?} rings on");
        }
        // A note may end early that the sender's pedals alone hold, where the sostenuto pedal or two pedals were moved
        // among what was lost, or where a pedal is half-way and the receiver knows half-pedalling.
        let on_channel = |channel: u8| self.moved_pedals.iter().filter(move |(on, _)| *on == channel);
        let several = |channel: u8| self.moved_pedals.contains(&(channel, 66)) || on_channel(channel).count() > 1;
        let may_end = |note: &(u8, u8)| self.make.half_pedal || several(note.0);
        for note in self.alive.iter().filter(|note| !may_end(note)) {
            assert!(self.receiver.sounds(*note), "{note:?} is cut short");
        }
        assert!(!self.must_stop, "the sequencer was not stopped");
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

/// The messages that no newcomer gets.
fn sequencer() -> BTreeSet<String> {
    ["runs", "song"].map(String::from).into()
}

/// The receiver at the end of a new connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// One that is greeted: it gets nothing of the sequencer.
    Newcomer,
    /// The receiver of the connection before.
    Same,
    /// That one, which lost all its state.
    Restarted,
}

/// Like [`Link::repair`], on a new connection.
pub fn repair_anew(link: &mut Link, room: usize, peer: Peer) {
    for count in 0..room {
        let Some(sent) = &mut link.sent else { return };
        let Some(message) = next_repair(&mut link.received, sent) else {
            link.sent = None;
            let mut but = BTreeSet::new();
            if peer != Peer::Same {
                but.extend(sequencer());
            }
            if peer == Peer::Restarted {
                but.extend(link.banks.withheld_programs());
            }
            return link.check_but(&but);
        };
        assert!(count < ENDLESS, "the difference does not end: {message:?}");
        link.receive_repair(&message);
    }
}
