//! Those who receive, and what they can tell of what they received.

use super::music::Mark;
use crate::midi::channels::Channels;
use crate::midi::state::judge::{Banks, stepped};
use crate::midi::state::receiver_model::{Make, Receiver};
use std::collections::BTreeSet;

/// A receiver, with what is to be left out when it is compared.
#[derive(Clone)]
pub(super) struct Ear {
    pub model: Receiver,
    /// Parameters that were incremented: how far is the receiver's own matter. And those of which the sender selected half
    /// a number only, after one of the other system: then the other half is.
    pub stepped: BTreeSet<String>,
    pub marks: Vec<Mark>,
    pub messages: u64,
    one_number: bool,
    pub was_reset: bool,
    pub banks: Banks,
    /// Bend ranges that data entry may have changed for a receiver that knows what was selected before.
    pub blind: BTreeSet<String>,
}

impl Ear {
    pub(super) fn new(make: Make) -> Self {
        Self {
            model: Receiver::new(make),
            stepped: BTreeSet::new(),
            marks: Vec::new(),
            messages: 0,
            one_number: make.one_number,
            was_reset: false,
            banks: Banks::default(),
            blind: BTreeSet::new(),
        }
    }

    pub(super) fn hear(&mut self, message: &[u8]) {
        self.messages += 1;
        self.stepped.extend(stepped(&self.model, message));
        self.was_reset |= message == [0xFF];
        self.marks.extend(Mark::of(message));
        self.banks.hear(message);
        if let [status @ 0xB0..=0xBF, 6 | 38, _] = *message {
            let channel = status & 15;
            match self.model.selected(channel) {
                Some(name) if name.len() > 1 => {
                    let half_null = name.split(' ').skip(2).any(|half| half == "127");
                    if half_null && self.one_number {
                        self.stepped.insert(name);
                    }
                }
                Some(name) if name.is_empty() => {}
                _ => {
                    // A manager's MPE configuration sets those of its members.
                    let channels = if matches!(channel, 0 | 15) {
                        0..16
                    } else {
                        channel..channel + 1
                    };
                    self.blind.extend(channels.map(|channel| format!("{channel} rpn 0 0")));
                }
            }
        }
        self.model.receive(message);
    }

    /// Whether it holds a note, or a pedal down.
    pub(super) fn holds(&self, release: &[u8]) -> bool {
        match *release {
            [status @ 0x80..=0x9F, note, _] => self.model.held.contains_key(&(status & 15, note)),
            [status @ 0xB0..=0xBF, pedal, _] => {
                let pedal = format!("{} controller {pedal}", status & 15);
                self.model.facts.get(&pedal).is_some_and(|value| *value != 0)
            }
            _ => false,
        }
    }

    /// All that is held on some channels is released.
    pub(super) fn release(&mut self, channels: Channels) {
        for place in channels.places() {
            let channel = place as u8;
            if place == 16 {
                if self.model.facts.get("runs").is_some_and(|runs| *runs != 0) {
                    self.hear(&[0xFC]);
                }
                continue;
            }
            let held = self.model.held.iter().filter(|((of, _), _)| *of == channel);
            let held: Vec<(u8, u32)> = held.map(|((_, note), strikes)| (*note, *strikes as u32)).collect();
            for (note, strikes) in held {
                (0..strikes).for_each(|_| self.hear(&[0x80 | channel, note, 64]));
            }
            for pedal in [64, 66, 68] {
                if self.holds(&[0xB0 | channel, pedal, 0]) {
                    self.hear(&[0xB0 | channel, pedal, 0]);
                }
            }
        }
    }

    /// What still sounds, or would let something sound.
    pub(super) fn hanging(&self, only_channel: Option<u8>) -> Vec<String> {
        let wanted = |channel: u8| only_channel.is_none_or(|only| only == channel);
        let notes = self.model.held.iter().filter(|((channel, _), _)| wanted(*channel));
        let mut hanging: Vec<String> = notes
            .map(|((channel, note), strikes)| format!("{channel} note {note} struck {strikes} times"))
            .collect();
        for (what, value) in &self.model.facts {
            let (channel, name) = what.split_once(' ').unwrap_or(("", what));
            if only_channel.is_some_and(|only| channel != only.to_string()) {
                continue;
            }
            let rests = match name {
                "controller 64" | "controller 66" | "controller 68" | "pressure" => *value == 0,
                "bend" => *value == 8192,
                _ => what != "runs" || *value == 0,
            };
            if !rests {
                hanging.push(format!("{what} is {value}"));
            }
        }
        hanging
    }

    /// What still sounds on some channels.
    pub(super) fn hanging_on(&self, channels: Channels) -> Vec<String> {
        let of_channel = |place| {
            if place == 16 {
                self.running()
            } else {
                self.hanging(Some(place as u8))
            }
        };
        channels.places().flat_map(of_channel).collect()
    }

    fn running(&self) -> Vec<String> {
        let runs = self.model.facts.get("runs").is_some_and(|runs| *runs != 0);
        runs.then(|| "runs".into()).into_iter().collect()
    }

    /// The facts of some channels.
    pub(super) fn facts_of(&self, channels: Channels) -> BTreeSet<String> {
        let place = |what: &str| {
            let number = what.split_once(' ').map(|(channel, _)| channel.parse::<usize>());
            number.and_then(Result::ok).unwrap_or(16)
        };
        let facts = self.model.facts.keys();
        let of_them = facts.filter(|what| channels.places().any(|one| one == place(what)));
        of_them.cloned().collect()
    }

    /// How it differs from where the sender stands, but for some facts.
    pub(super) fn differences(&self, sender: &Self, but: &BTreeSet<String>) -> Vec<String> {
        let mut differences = self.model.differences(&sender.model, but);
        for (note, strikes) in &self.model.held {
            let held = sender.model.held.get(note).copied().unwrap_or(0);
            if *strikes > held {
                differences.push(format!("note {note:?} is held {strikes} times, not {held}"));
            }
        }
        differences
    }
}
