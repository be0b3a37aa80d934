//! Connections in a run: who makes them, how they fail, and what is written to them.

use super::audio::Audio;
use super::music::{Mark, whole};
use super::network::{Cut, Socket};
use super::plan::Plan;
use super::trace;
use super::world::{Event, Phase, World};
use crate::realtime::flush::Flushed;

const MS: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Node(usize),
    Raw(usize),
}

/// One end of a connection, and what went over it.
pub(super) struct End {
    pub owner: Owner,
    /// All that was read.
    pub heard: Vec<u8>,
    /// Written by a node: what is not a whole message yet, and the marks.
    partial: Vec<u8>,
    pub marks: Vec<Mark>,
    pub audio: Option<usize>,
    /// The client that it is to its port, and to its server.
    pub client: u32,
    pub id: u32,
    /// From where on it gets what was pushed, and whether that is not quite known.
    pub since: usize,
    /// The same, of what no repair brings back; and what had been lost before.
    pub marks_since: usize,
    pub dropped_before: u64,
    pub is_fuzzy: bool,
    pub linger_ms: u32,
    pub read_to_end: bool,
    pub closed_at: Option<u64>,
    pub was_stalled: bool,
    /// The system took less than was offered.
    pub was_blocked: bool,
    /// From when on what is pushed is written.
    pub confirmed_at: u64,
    pub disconnected: bool,
}

impl End {
    fn new(owner: Owner, linger_ms: u32) -> Self {
        Self {
            owner,
            heard: Vec::new(),
            partial: Vec::new(),
            marks: Vec::new(),
            audio: None,
            client: 0,
            id: 0,
            since: 0,
            marks_since: 0,
            dropped_before: 0,
            is_fuzzy: false,
            linger_ms,
            read_to_end: false,
            closed_at: None,
            was_stalled: false,
            was_blocked: false,
            confirmed_at: 0,
            disconnected: false,
        }
    }

    /// It is a connection of this port.
    pub(super) fn is_of(&mut self, audio: usize, client: u32, since: usize, is_fuzzy: bool) {
        self.audio = Some(audio);
        (self.client, self.id) = (client, client);
        (self.since, self.marks_since, self.is_fuzzy) = (since, since, is_fuzzy);
    }

    /// It is a new connection of a client's port.
    pub(super) fn connects(&mut self, audio: &Audio) {
        self.is_of(audio.number, 0, 0, false);
        self.marks_since = audio.ledger.len();
        self.dropped_before = audio.shared.dropped_out();
    }

    pub(super) fn is_node(&self) -> bool {
        matches!(self.owner, Owner::Node(_))
    }

    pub(super) fn raw(&self) -> Option<usize> {
        match self.owner {
            Owner::Raw(raw) => Some(raw),
            Owner::Node(_) => None,
        }
    }
}

impl World {
    /// Connects to the server's session; None: it is not there.
    pub(super) fn dial(&mut self, owner: Owner) -> Option<Socket> {
        let server = self.nodes.first()?.as_ref()?;
        if !self.plan.serves || !server.works {
            return None;
        }
        let socket = self.link(owner, Owner::Node(0));
        let server = self.nodes[0].as_mut()?;
        server.waiting.push_back(socket.other());
        self.wake_late(0);
        Some(socket)
    }

    pub(super) fn link(&mut self, from: Owner, to: Owner) -> Socket {
        let mut line = self.plan.line(&mut self.random);
        if self.phase > Phase::Active {
            line.window = 1 << 20;
            line.send_room = 1 << 20;
        }
        let socket = self.network.connect(line, self.now);
        let linger = |owner, plan: &Plan| match owner {
            Owner::Node(0) if plan.serves => plan.server.delivery.linger_ms,
            Owner::Node(number) => plan.clients[number - usize::from(plan.serves)].delivery.linger_ms,
            Owner::Raw(_) => 0,
        };
        self.ends.push(End::new(from, linger(from, &self.plan)));
        self.ends.push(End::new(to, linger(to, &self.plan)));
        let faults = self.plan.faults;
        let link = self.network.len() - 1;
        if self.phase == Phase::Active && self.random.chance(faults.cut) {
            let kinds = [Cut::Fin, Cut::Reset { loses: true }, Cut::Reset { loses: false }];
            let kind = if faults.silent && self.random.chance(500) {
                Cut::Silent
            } else {
                self.random.pick(&kinds)
            };
            let end = Socket(socket.0 + self.random.below(2) as usize);
            let bytes = self.random.pick(&[3, 30, 300, 3000]);
            let bytes = self.random.below(bytes);
            trace!(
                self.now,
                "link {link} is to break {kind:?} {bytes} bytes after end {}", end.0
            );
            self.network.cut_after(end, bytes, kind);
        }
        trace!(self.now, "link {link}: {from:?} to {to:?}, {line:?}");
        self.schedule(self.now + 10 * MS, Event::Fault(link));
        socket
    }

    pub(super) fn connect(&mut self, number: usize) {
        let Some(mut node) = self.nodes[number].take() else {
            return;
        };
        if !node.works {
            self.nodes[number] = Some(node);
            return;
        }
        let refused = self.phase == Phase::Active && self.random.chance(self.plan.faults.refuse);
        let own_server = self.raws.iter().flatten().find(|raw| raw.serves == Some(number));
        let own_server = own_server.map(|raw| raw.number);
        let socket = match own_server {
            _ if refused => None,
            Some(raw) => Some(self.link(Owner::Node(number), Owner::Raw(raw))),
            None => self.dial(Owner::Node(number)),
        };
        match socket {
            Some(socket) => {
                if let Some(raw) = own_server.and_then(|raw| self.raws[raw].take()) {
                    let mut raw = raw;
                    raw.close(self);
                    raw.begin(socket.other());
                    let number = raw.number;
                    self.raws[number] = Some(raw);
                }
                node.connected(socket, self);
            }
            None => {
                trace!(self.now, "node {number} is refused");
                let config = self.audios[node.audios[&node.main.0]].shared.config.clone();
                if config.connection.reconnect_max_ms == 0 {
                    node.works = false;
                    node.session.give_up(node.main, self.now);
                    node.carry_out(self);
                } else {
                    let at = self.now + node.pause(config.connection.reconnect_max_ms.into());
                    self.schedule(at, Event::Connect(number));
                }
            }
        }
        self.nodes[number] = Some(node);
        self.wake_node(number, self.now);
    }

    pub(super) fn fault(&mut self, link: usize) {
        if self.phase != Phase::Active {
            return;
        }
        if self.random.chance(self.plan.faults.stall) {
            let until = self.now + self.random.pick(&[5, 30, 100]) * MS;
            trace!(self.now, "link {link} stalls until {}", trace::ms(until));
            self.network.stall(link, until);
            self.ends[2 * link].was_stalled = true;
            self.ends[2 * link + 1].was_stalled = true;
        }
        self.schedule(self.now + 10 * MS, Event::Fault(link));
    }

    /// A node has written bytes: they are whole messages, each at its time.
    pub(super) fn wrote(&mut self, socket: Socket, bytes: &[u8]) {
        let end = &mut self.ends[socket.0];
        end.partial.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = whole(&end.partial[at..]) {
            let message = &end.partial[at..at + length];
            at += length;
            let Some(mark) = Mark::of(message) else { continue };
            let audio = end.audio.expect("a port writes");
            assert_eq!(usize::from(mark.source), audio, "another port's message");
            assert!(
                mark.client == 0 || mark.client == end.client,
                "a message for client {}",
                mark.client
            );
            let is_old = (mark.number as usize) < end.marks_since;
            assert!(!is_old || end.is_fuzzy, "{mark:?} was pushed before the connection");
            let place = self.audios[audio].ledger.place(mark);
            assert!(place.0 <= self.now, "a message for {} leaves early", trace::ms(place.0));
            let expected = place.0.max(end.confirmed_at) + 3 * MS + 2 * self.plan.late_ns;
            let in_time = end.was_blocked || end.is_fuzzy || self.now <= expected || self.audios[audio].blocks();
            assert!(in_time, "a message for {} leaves late", trace::ms(place.0));
            if let Some(last) = end.marks.last() {
                let last = self.audios[audio].ledger.place(*last);
                assert!(last < place, "out of order: {last:?} before {place:?}");
            }
            end.marks.push(mark);
        }
        end.partial.drain(..at);
    }

    /// A flush that is done says the truth.
    pub(super) fn check_flushes(&mut self, node: usize) {
        for number in 0..self.audios.len() {
            if self.audios[number].node != node {
                continue;
            }
            for (asked, outcome) in self.audios[number].take_flushed() {
                trace!(self.now, "flush {} of port {number} is done: {outcome:?}", asked.ticket);
                let audio = &self.audios[number];
                let dropped = audio.shared.dropped_out();
                if outcome != Flushed::Handed || audio.ledger.cancels > 0 {
                    continue;
                }
                let ends = self.ends.iter().enumerate();
                for (socket, end) in ends.filter(|(_, end)| end.audio == Some(number)) {
                    let whole = self.network.is_whole(socket / 2) && !end.is_fuzzy && !end.disconnected;
                    if !whole || audio.shut || dropped != end.dropped_before {
                        continue;
                    }
                    for mark in audio.ledger.marks(end.marks_since, end.client) {
                        let due = audio.ledger.place(mark).0 <= asked.at;
                        if due && (mark.number as usize) < asked.pushes {
                            assert!(
                                end.marks.contains(&mark),
                                "flush {} is done, {mark:?} is not",
                                asked.ticket
                            );
                        }
                    }
                }
            }
        }
    }
}
