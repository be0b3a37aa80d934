//! A receiver of MIDI, written from the specifications alone (MIDI 1.0, MIDI
//! RP-015, MPE), to judge the channel state by. It shares no code with it and is
//! built differently: it writes down facts about itself as words in a map.

use std::collections::{BTreeMap, BTreeSet};

/// Points on which real receivers differ. A repair has to suit all of them.
#[derive(Clone, Copy, Debug)]
pub struct Make {
    /// An MSB sets the LSB to zero, as the specification says.
    pub zeroes_lsb: bool,
    /// Selecting an NRPN forgets the RPN, and the other way round.
    pub one_number: bool,
    /// An MPE configuration sets the bend ranges of its zone.
    pub mpe: bool,
    /// Data increment and decrement move the value by one.
    pub steps: bool,
    /// A sustain pedal holds notes at any value above 0, not only from 64 on.
    pub half_pedal: bool,
    /// The sostenuto pedal also captures notes that the sustain pedal alone keeps sounding.
    pub captures_sustained: bool,
}

/// A receiver, or the sender's own idea of itself.
#[derive(Clone, Debug)]
pub struct Receiver {
    make: Make,
    /// Strikes of each note by channel and number.
    pub held: BTreeMap<(u8, u8), usize>,
    /// Notes released and not silenced since: their release phase may still sound.
    pub ringing: BTreeSet<(u8, u8)>,
    /// Notes released that a pedal keeps sounding.
    pub sustained: BTreeSet<(u8, u8)>,
    /// Notes that the sostenuto pedal captured when it was pressed.
    captured: BTreeSet<(u8, u8)>,
    /// Everything else: what, and how much.
    pub facts: BTreeMap<String, u16>,
    /// Numbers selected: by channel and whether non-registered.
    numbers: BTreeMap<(u8, bool), BTreeMap<&'static str, u8>>,
    /// MPE zones by their manager.
    zones: BTreeMap<u8, Vec<u8>>,
    /// Bend ranges of channels that left a zone: MPE does not say what they are.
    unspecified: BTreeSet<String>,
    /// Whether data entry goes to non-registered parameters.
    non_registered: BTreeMap<u8, bool>,
}

impl Receiver {
    pub fn new(make: Make) -> Receiver {
        Receiver {
            make,
            held: BTreeMap::new(),
            ringing: BTreeSet::new(),
            sustained: BTreeSet::new(),
            captured: BTreeSet::new(),
            facts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            zones: BTreeMap::new(),
            unspecified: BTreeSet::new(),
            non_registered: BTreeMap::new(),
        }
    }

    pub fn receive(&mut self, message: &[u8]) {
        let channel = message[0] & 15;
        match (message[0] & 0xF0, message) {
            (0x80, &[_, note, _]) | (0x90, &[_, note, 0]) => self.let_go(channel, note),
            (0x90, &[_, note, _]) => *self.held.entry((channel, note)).or_default() += 1,
            (0xA0, &[_, note, 0]) => {
                self.facts.remove(&format!("{channel} key {note} pressure"));
            }
            (0xA0, &[_, note, value]) => {
                self.note_down(format!("{channel} key {note} pressure"), value);
            }
            (0xB0, &[_, controller @ 0..=119, value]) => self.control(channel, controller, value),
            (0xB0, &[_, mode, value]) => self.mode(channel, mode, value),
            (0xC0, &[_, program]) => self.program(channel, program),
            (0xD0, &[_, value]) => self.note_down(format!("{channel} pressure"), value),
            (0xE0, &[_, low, high]) => {
                let bend = u16::from(high) * 128 + u16::from(low);
                self.facts.insert(format!("{channel} bend"), bend);
            }
            (0xF0, _) => self.system(message),
            _ => panic!("not a message: {message:02X?}"),
        }
    }

    fn note_down(&mut self, what: String, value: u8) {
        self.facts.insert(what, u16::from(value));
    }

    fn let_go(&mut self, channel: u8, note: u8) {
        if let Some(strikes) = self.held.get_mut(&(channel, note)) {
            self.ringing.insert((channel, note));
            *strikes -= 1;
            if *strikes == 0 {
                self.held.remove(&(channel, note));
                self.sustain(channel, note);
            }
        }
    }

    /// A note is no longer held: a pedal may keep it sounding.
    fn sustain(&mut self, channel: u8, note: u8) {
        if self.pedals_hold(channel, note) {
            self.sustained.insert((channel, note));
        }
    }

    /// Whether a note sounds, held or sustained.
    pub fn sounds(&self, note: (u8, u8)) -> bool {
        self.held.contains_key(&note) || self.sustained.contains(&note)
    }

    fn pedal(&self, channel: u8, controller: u8) -> u16 {
        let what = format!("{channel} controller {controller}");
        self.facts.get(&what).copied().unwrap_or(0)
    }

    fn pedals_hold(&self, channel: u8, note: u8) -> bool {
        let threshold = if self.make.half_pedal { 1 } else { 64 };
        let captured = self.captured.contains(&(channel, note));
        self.pedal(channel, 64) >= threshold || self.pedal(channel, 66) >= 64 && captured
    }

    /// Moves a pedal that holds notes.
    fn move_pedal(&mut self, channel: u8, controller: u8, value: u8) {
        let was_down = self.pedal(channel, controller) >= 64;
        self.note_down(format!("{channel} controller {controller}"), value);
        if controller == 66 && !was_down && value >= 64 {
            let held = self.held.keys().filter(|note| note.0 == channel);
            self.captured.extend(held.copied());
            if self.make.captures_sustained {
                let sustained = self.sustained.iter().filter(|note| note.0 == channel);
                self.captured.extend(sustained.copied());
            }
        }
        if controller == 66 && value < 64 {
            self.captured.retain(|note| note.0 != channel);
        }
        let released: Vec<_> = self.sustained.iter().copied().collect();
        for (on, note) in released {
            if !self.pedals_hold(on, note) {
                self.sustained.remove(&(on, note));
            }
        }
    }

    fn program(&mut self, channel: u8, program: u8) {
        self.note_down(format!("{channel} program"), program);
        for bank in ["controller 0", "controller 32"] {
            let place = format!("{channel} program's {bank}");
            match self.facts.get(&format!("{channel} {bank}")).copied() {
                Some(value) => self.facts.insert(place, value),
                None => self.facts.remove(&place),
            };
        }
    }

    /// Takes an MSB or an LSB of something with two halves.
    fn half(&mut self, msb: String, lsb: String, coarse: bool, value: u8) {
        if coarse {
            self.unspecified.remove(&msb);
            self.note_down(msb, value);
        }
        if !coarse || self.make.zeroes_lsb {
            self.unspecified.remove(&lsb);
            self.note_down(lsb, if coarse { 0 } else { value });
        }
    }

    fn control(&mut self, channel: u8, controller: u8, value: u8) {
        match controller {
            84 | 88 => {}
            // With no parameter selected it is a slider like any other.
            6 | 38 if self.selected(channel).is_some_and(|name| !name.is_empty()) => {
                self.data_entry(channel, controller == 6, value);
            }
            0..=63 => {
                let pair = controller % 32;
                self.half(
                    format!("{channel} controller {pair}"),
                    format!("{channel} controller {}", pair + 32),
                    controller < 32,
                    value,
                );
            }
            96 | 97 => self.step(channel, controller == 96),
            98..=101 => {
                let non_registered = controller < 100;
                let half = if controller % 2 == 1 { "msb" } else { "lsb" };
                self.non_registered.insert(channel, non_registered);
                self.numbers
                    .entry((channel, non_registered))
                    .or_default()
                    .insert(half, value);
                if self.make.one_number {
                    self.null(channel, !non_registered);
                }
                self.tell_selection(channel);
            }
            64 | 66 => self.move_pedal(channel, controller, value),
            _ => self.note_down(format!("{channel} controller {controller}"), value),
        }
    }

    fn null(&mut self, channel: u8, non_registered: bool) {
        let null = BTreeMap::from([("msb", 127), ("lsb", 127)]);
        self.numbers.insert((channel, non_registered), null);
    }

    fn number(&self, channel: u8, non_registered: bool) -> (Option<u8>, Option<u8>) {
        match self.numbers.get(&(channel, non_registered)) {
            Some(number) => (number.get("msb").copied(), number.get("lsb").copied()),
            None => (None, None),
        }
    }

    /// What is selected is a fact too; null is null in either system.
    fn tell_selection(&mut self, channel: u8) {
        let non_registered = self.non_registered[&channel];
        for system in [false, true] {
            if let (Some(msb), Some(lsb)) = self.number(channel, system) {
                let number = u16::from(msb) * 128 + u16::from(lsb);
                self.facts.insert(format!("{channel} number, nrpn {system}"), number);
            }
        }
        let null = self.number(channel, non_registered) == (Some(127), Some(127));
        let using = if null { 2 } else { u8::from(non_registered) };
        self.note_down(format!("{channel} data entry goes to"), using);
    }

    /// Name of the parameter that data entry reaches: `None` where nothing was
    /// ever selected, "" where it is null, "?" where half the number is missing.
    pub fn selected(&self, channel: u8) -> Option<String> {
        let non_registered = *self.non_registered.get(&channel)?;
        Some(match self.number(channel, non_registered) {
            (Some(127), Some(127)) => String::new(),
            (Some(msb), Some(lsb)) if non_registered => format!("{channel} nrpn {msb} {lsb}"),
            (Some(msb), Some(lsb)) => format!("{channel} rpn {msb} {lsb}"),
            _ => "?".into(),
        })
    }

    fn data_entry(&mut self, channel: u8, coarse: bool, value: u8) {
        let Some(name) = self.selected(channel).filter(|name| name.len() > 1) else {
            return;
        };
        self.half(format!("{name} msb"), format!("{name} lsb"), coarse, value);
        if !(self.make.mpe && coarse && name.ends_with(" rpn 0 6")) {
            return;
        }
        let members = value.min(15);
        let mut zone: Vec<u8> = match channel {
            0 => (0..=members).collect(),
            15 => (15 - members..=15).rev().collect(),
            _ => return,
        };
        if members == 0 {
            zone.clear();
        }
        let left = self.zones.insert(channel, zone.clone()).unwrap_or_default();
        let ranges = left
            .iter()
            .flat_map(|channel| ["msb", "lsb"].map(|half| format!("{channel} rpn 0 0 {half}")));
        self.unspecified.extend(ranges);
        for member in zone {
            self.bend_range(member, if member == channel { 2 } else { 48 });
        }
    }

    fn bend_range(&mut self, channel: u8, semitones: u8) {
        for (half, value) in [("msb", semitones), ("lsb", 0)] {
            let what = format!("{channel} rpn 0 0 {half}");
            self.unspecified.remove(&what);
            self.note_down(what, value);
        }
    }

    fn step(&mut self, channel: u8, up: bool) {
        let Some(name) = self.selected(channel) else {
            return;
        };
        let (msb, lsb) = (format!("{name} msb"), format!("{name} lsb"));
        let old = match (self.facts.get(&msb), self.facts.get(&lsb)) {
            (Some(msb), Some(lsb)) => msb * 128 + lsb,
            _ => return,
        };
        if !self.make.steps || name.ends_with(" rpn 0 6") {
            return;
        }
        let new = if up {
            (old + 1).min(0x3FFF)
        } else {
            old.saturating_sub(1)
        };
        self.facts.insert(msb, new / 128);
        self.facts.insert(lsb, new % 128);
    }

    fn mode(&mut self, channel: u8, mode: u8, value: u8) {
        match mode {
            121 => {
                self.half(
                    format!("{channel} controller 1"),
                    format!("{channel} controller 33"),
                    true,
                    0,
                );
                self.half(
                    format!("{channel} controller 11"),
                    format!("{channel} controller 43"),
                    true,
                    127,
                );
                for pedal in 64..=67 {
                    self.control(channel, pedal, 0);
                }
                self.note_down(format!("{channel} pressure"), 0);
                self.facts.insert(format!("{channel} bend"), 8192);
                let keys = format!("{channel} key ");
                self.facts.retain(|what, _| !what.starts_with(&keys));
                self.null(channel, false);
                self.null(channel, true);
                self.non_registered.insert(channel, false);
                return self.tell_selection(channel);
            }
            122 => return self.note_down(format!("{channel} local"), value),
            124 | 125 => self.note_down(format!("{channel} omni"), mode - 124),
            126 => self.note_down(format!("{channel} mono"), value),
            127 => self.note_down(format!("{channel} mono"), 200),
            _ => {}
        }
        let ended: Vec<_> = self.held.keys().copied().collect();
        for note in ended.into_iter().filter(|note| note.0 == channel) {
            self.held.remove(&note);
            self.ringing.insert(note);
            self.sustain(note.0, note.1);
        }
        if mode == 120 {
            self.ringing.retain(|note| note.0 != channel);
            self.sustained.retain(|note| note.0 != channel);
            self.captured.retain(|note| note.0 != channel);
        }
    }

    fn system(&mut self, message: &[u8]) {
        match *message {
            [0xF2, low, high] => {
                let beats = u16::from(high) * 128 + u16::from(low);
                self.facts.insert("song position".into(), beats);
            }
            [0xF3, song] => self.note_down("song".into(), song),
            [0xFA] => {
                self.note_down("song position".into(), 0);
                self.note_down("runs".into(), 1);
            }
            [0xFB] => self.note_down("runs".into(), 1),
            [0xFC] => self.note_down("runs".into(), 0),
            [0xFF] => *self = Receiver::new(self.make),
            _ => {}
        }
    }

    /// What differs between two receivers beside their notes, in words. Left out
    /// is what begins with one of `but`.
    pub fn differences(&self, other: &Receiver, but: &BTreeSet<String>) -> Vec<String> {
        let all: BTreeSet<&String> = self.facts.keys().chain(other.facts.keys()).collect();
        all.into_iter()
            .filter(|what| {
                let mut left_out = but.iter().chain(&other.unspecified);
                !left_out.any(|prefix| what.starts_with(prefix.as_str()))
            })
            .filter(|what| self.facts.get(*what) != other.facts.get(*what))
            .map(|what| {
                let (have, want) = (self.facts.get(what), other.facts.get(what));
                format!("{what}: {have:?}, not {want:?}")
            })
            .collect()
    }
}
