//! From the out queue and the schedule of a port to the send buffers of its connections.

use super::connection::{Connection, Phase};
use super::effect::{Keyed, Peer};
use super::output::Flow;
use super::pairs::OffsFor;
use super::port::{BACKED_UP_BYTES, Effects, Port, notification};
use super::reach::{reached, receivers, unended_at};
use super::schedule::Outgoing;
use crate::midi::message;
use crate::midi::reset::RESET;
use crate::realtime::consumer::Record;
use crate::realtime::drain::{OutQueue, Step};
use crate::realtime::notifications::Kind;
use crate::realtime::ring::is_before;
use slab::Slab;
use std::cell::RefCell;

/// Bytes taken from one out queue at one time.
const TURN_BYTES: usize = 256 * 1024;
/// Steps taken at one time.
const TURN_STEPS: usize = 64 * 1024;

/// How far a drain came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drained {
    /// All that is due is with the connections, or waits until a peer has read.
    #[default]
    Done,
    /// There is more: go on when what was asked for is written.
    More,
}

/// A port, and the connections that its messages go to.
pub(super) struct Outbound<'a> {
    pub port: &'a mut Port,
    pub connections: &'a mut Slab<Connection>,
    pub effects: &'a mut Effects,
    pub now: u64,
    /// A buffer is full, and the system may take some of it.
    pub writes_first: bool,
    /// The port forgets messages that are pushed while it has no peer, except releases.
    pub forgets: bool,
    /// A buffer that holds more bytes than this is full.
    limit: usize,
    /// Whether a peer has to read first is to be found out anew.
    backup_unknown: bool,
}

impl<'a> Outbound<'a> {
    pub(super) fn new(
        port: &'a mut Port,
        connections: &'a mut Slab<Connection>,
        effects: &'a mut Effects,
        now: u64,
    ) -> Self {
        let limit = if port.repairs() {
            port.config().delivery.client_buffer_bytes as usize
        } else {
            BACKED_UP_BYTES - 1
        };
        Self {
            port,
            connections,
            effects,
            now,
            writes_first: false,
            forgets: false,
            limit,
            backup_unknown: true,
        }
    }
}

impl Outbound<'_> {
    /// Moves what is due from the out queue and the schedule to the connections.
    pub(super) fn drain(&mut self) -> Drained {
        let Some(mut queue) = self.port.queue.take() else {
            return Drained::Done;
        };
        let drained = self.drain_queue(&mut queue);
        queue.release();
        let waits = self.port.backed_up || drained == Drained::More;
        if self.port.is_ending() && !waits {
            self.finish();
        }
        for peer in &self.port.peers {
            if let Some(connection) = self.connections.at_mut(*peer) {
                connection.output.buffer.end_batch(self.now);
                if self.port.schedule.is_empty() {
                    connection.output.forget_ahead();
                }
            }
        }
        if !waits {
            let next_due = self.port.schedule.next_ns().unwrap_or(u64::MAX);
            let position = queue.position();
            let alone = !self.port.shared.is_up();
            self.port
                .flushes
                .drained(position, next_due, self.connections, &self.port.peers, alone);
        }
        self.forget_forwarded(&queue);
        self.port.queue = Some(queue);
        drained
    }

    fn drain_queue(&mut self, queue: &mut OutQueue) -> Drained {
        let (mut bytes, mut steps) = (TURN_BYTES, TURN_STEPS);
        loop {
            if self.writes_first || bytes == 0 || steps == 0 {
                return Drained::More;
            }
            steps -= 1;
            // Asking every peer before every message would cost more than the message.
            if self.port.backed_up || self.backup_unknown {
                self.backup_unknown = false;
                self.port.backed_up = self.port.is_backed_up(self.connections);
            }
            let position = queue.position();
            let step = if self.port.backed_up {
                queue.next_request()
            } else {
                queue.next()
            };
            let Some(step) = step else { break };
            let taken = self.take_step(step, position);
            // What was asked for drops and adds messages.
            self.backup_unknown |= taken == 0;
            bytes = bytes.saturating_sub(taken);
        }
        if !self.port.backed_up {
            self.deliver_due(self.now);
            self.port.backed_up = self.port.is_backed_up(self.connections);
        }
        if self.writes_first {
            Drained::More
        } else {
            Drained::Done
        }
    }

    /// Takes all that the out queue holds now, whoever has to read first, and what is due until then. It is for where nobody
    /// is there, or one peer alone that leaves: nothing has to be kept for others.
    pub(super) fn take_all(&mut self, until_ns: u64) {
        let Some(mut queue) = self.port.queue.take() else {
            return;
        };
        let end = queue.end();
        // Threads may go on asking for something: what does not lead towards the end is bounded.
        let mut requests = TURN_STEPS;
        while requests != 0 {
            let position = queue.position();
            let Some(step) = queue.next_before(end) else { break };
            let is_message = matches!(step, Step::Message { .. } | Step::Dropped(_) | Step::Excluded(_));
            requests -= usize::from(!is_message || !is_before(position, end));
            self.take_step(step, position);
        }
        self.deliver_due(until_ns);
        queue.release();
        self.forget_forwarded(&queue);
        self.port.queue = Some(queue);
    }

    /// Takes what was pushed for a peer that has gone, or before there was one. `remembers`: what it does to the state is
    /// kept for the next peer. What releases something is kept in any case, or the next peer would hold it for ever.
    pub(super) fn discard(&mut self, remembers: bool) {
        self.forgets = !remembers;
        self.take_all(u64::MAX);
        self.port.backed_up = false;
    }

    /// Takes one step of the out queue, which was at a position; how many bytes of a message that was.
    fn take_step(&mut self, step: Step<'_>, position: usize) -> usize {
        match step {
            Step::Excluded(record) if self.port.was_stopped(&record) => super::channels::exclude(self, &record),
            Step::Dropped(record) | Step::Excluded(record) | Step::Message { record, .. }
                if self.port.was_forwarded(&record, position) =>
            {
                if record.is_scheduled() {
                    self.port.unschedule(record.data.len());
                }
            }
            Step::Dropped(record) => self.drop_for_panic(&record),
            Step::Excluded(record) => super::channels::exclude(self, &record),
            Step::Panic => self.panic(),
            Step::Cancel => self.cancel(),
            Step::Reset { asked_ns } => {
                self.deliver_due(self.time_of_call(asked_ns));
                self.send_all(&RESET);
            }
            Step::Message { record, cancelled } => {
                self.take(&record, cancelled);
                return record.data.len();
            }
            Step::Refused(lost) => self.deliver_refused(lost),
        }
        0
    }

    /// Sends or schedules a message from the out queue. Messages leave in order of time, then of pushing; one for now
    /// counts with the time of its push.
    fn take(&mut self, record: &Record<'_>, cancelled: bool) {
        let (client, bytes) = (record.client, record.data);
        if record.is_scheduled() {
            if cancelled && !self.ends_what_sounds(client, bytes) {
                self.port.unschedule(bytes.len());
                return self.port.count_lost(0);
            }
            let message = Outgoing::pushed(record.time_ns, client, bytes);
            return self.schedule(record.time_ns, message);
        }
        let (pushed_ns, meant_ns) = record.pushed_and_meant(self.now);
        let pushed_ns = self.time_of_call(pushed_ns);
        self.deliver_due(pushed_ns);
        let message = Outgoing::pushed(self.time_of_call(meant_ns), client, bytes);
        if self.port.schedule.is_empty() {
            self.deliver(message);
        } else if self.time_of(pushed_ns, client, bytes) > pushed_ns {
            self.port.count_scheduled(bytes.len());
            self.schedule(pushed_ns, message);
        } else {
            self.deliver(message);
        }
    }

    /// The time of a push or a request. One during this turn may be later than the turn's beginning; one while nothing was
    /// scheduled carries no time.
    pub(super) fn time_of_call(&self, noted_ns: u64) -> u64 {
        if noted_ns == 0 { self.now } else { noted_ns }
    }

    /// When a message has left for all that it is for: a Note Off leaves not before its Note On.
    pub(super) fn time_of(&mut self, time_ns: u64, client: u32, bytes: &[u8]) -> u64 {
        let (at, apart) = self.times_of(time_ns, Outgoing::pushed(time_ns, client, bytes));
        apart.into_iter().fold(at, |last, (_, at)| last.max(at))
    }

    /// When a message may leave, and for which clients at another time.
    fn times_of(&mut self, time_ns: u64, message: Outgoing<'_>) -> (u64, Vec<(u32, u64)>) {
        let schedule = &self.port.schedule;
        if schedule.is_empty() {
            return (time_ns, Vec::new());
        }
        let (peers, connections) = (&self.port.peers, RefCell::new(&mut *self.connections));
        let reached = || receivers(peers, &connections.borrow(), message);
        let unended = |offs: OffsFor<'_>| unended_at(peers, &mut connections.borrow_mut(), message, offs);
        schedule.times_of(time_ns, message.client, message.bytes, reached, unended)
    }

    /// Holds back a message that counts as scheduled already. One for all is held back for each client by itself that must
    /// get it at another time.
    pub(super) fn schedule(&mut self, time_ns: u64, message: Outgoing<'_>) {
        if message.client != 0 && receivers(&self.port.peers, self.connections, message).is_empty() {
            // A client that has gone does not come again.
            self.port.unschedule(message.bytes.len());
            return self.deliver(message);
        }
        let (at, apart) = self.times_of(time_ns, message);
        for (client, at) in &apart {
            self.port.count_scheduled(message.bytes.len());
            let except = &[];
            let client = *client;
            self.hold_back(
                time_ns,
                *at,
                Outgoing {
                    client,
                    except,
                    ..message
                },
            );
        }
        if apart.is_empty() {
            return self.hold_back(time_ns, at, message);
        }
        let except: Vec<u32> = apart
            .iter()
            .map(|(client, _)| *client)
            .chain(message.except.iter().copied())
            .collect();
        self.hold_back(
            time_ns,
            at,
            Outgoing {
                except: &except,
                ..message
            },
        );
    }

    fn hold_back(&mut self, time_ns: u64, at: u64, message: Outgoing<'_>) {
        let (peers, connections) = (&self.port.peers, &mut *self.connections);
        let unended = |offs: OffsFor<'_>| unended_at(peers, connections, message, offs);
        self.port.schedule.add(time_ns, at, message, unended);
    }

    /// Sends what is scheduled up to a time.
    pub(super) fn deliver_due(&mut self, until: u64) {
        while let Some(due) = self.port.schedule.take_due(until) {
            self.port.unschedule(due.bytes.len());
            self.deliver(due.outgoing());
        }
    }

    /// Drops scheduled messages, except those that end something at a peer. Those keep their times.
    fn cancel(&mut self) {
        for waiting in self.port.schedule.take_all() {
            if self.ends_what_sounds(waiting.client, &waiting.bytes) {
                self.schedule(waiting.time_ns, waiting.outgoing());
            } else {
                self.port.unschedule(waiting.bytes.len());
                self.port.count_forgotten(&waiting);
            }
        }
    }

    /// Whether a scheduled message ends something at a peer: a note that no Note Off in the schedule ends, or a pedal,
    /// pressure, a bend or a sequencer that is not at rest; or at the next peer.
    pub(super) fn ends_what_sounds(&mut self, client: u32, bytes: &[u8]) -> bool {
        if client == 0 && self.port.memory.releases(bytes) {
            return true;
        }
        if message::is_note_off(bytes) {
            let schedule = &self.port.schedule;
            return reached(&self.port.peers, client, self.connections, |connection| {
                !connection.ends(bytes, schedule.note_offs(connection.client, bytes))
            });
        }
        reached(&self.port.peers, client, self.connections, |connection| {
            connection.output.ahead().releases(bytes)
        })
    }

    /// Whether somebody gets what is pushed for all.
    pub(super) fn has_receiver(&self) -> bool {
        let takes = |peer: &Peer| {
            self.connections
                .at(*peer)
                .is_some_and(|connection| connection.output.takes())
        };
        self.port.peers.iter().any(takes)
    }

    /// Adds a message to the buffer of one client, or of all.
    fn deliver(&mut self, message: Outgoing<'_>) {
        let mut reached = 0;
        for index in 0..self.port.peers.len() {
            reached += u64::from(self.add(self.port.peers[index], &message));
        }
        let Outgoing {
            client, bytes, made, ..
        } = message;
        if reached != 0 {
            if client == 0 {
                self.port.memory.follow(bytes);
            }
            let made = if made { reached } else { 0 };
            return self.port.shared.counters.network.synthesized.add(made);
        }
        // There is no peer, or it was pushed to a client that has gone.
        let unrepaired = self.lose_without_peer(client, bytes);
        if !made {
            self.port.count_lost(unrepaired);
        }
    }

    /// Forgets the clients of which the out queue holds nothing any more that was given to them.
    fn forget_forwarded(&mut self, queue: &OutQueue) {
        let position = queue.position();
        self.port
            .forwarded
            .retain(|_, forwarded| is_before(position, forwarded.position));
    }

    /// Adds a message, meant at a time, to the buffer of a peer, unless that is congested.
    pub(super) fn offer(&mut self, peer: Peer, bytes: &[u8], meant_ns: u64) {
        self.add(peer, &Outgoing::pushed(meant_ns, 0, bytes));
    }

    /// The same, if the message reaches the peer; whether it does.
    #[inline(always)]
    fn add(&mut self, peer: Peer, message: &Outgoing<'_>) -> bool {
        let Some(connection) = self.connections.at_mut(peer) else {
            return false;
        };
        let output = &mut connection.output;
        if !output.takes() || !message.reaches(connection.client) {
            return false;
        }
        if output.is_congested() {
            let unrepaired = output.lose(message.bytes);
            self.port.count_lost(unrepaired);
            return true;
        }
        let was_empty = output.buffer.is_empty();
        output.push(message.bytes, message.meant_ns);
        if output.buffer.len() > self.limit {
            self.fill(peer, was_empty);
        } else {
            self.effects.write(peer, connection);
        }
        true
    }

    /// The buffer of a peer is full.
    #[cold]
    fn fill(&mut self, peer: Peer, was_empty: bool) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        if !self.port.repairs() {
            self.backup_unknown = true;
        } else if !was_empty {
            if connection.output.blocked || !connection.is_confirmed() {
                connection.output.buffer.end_batch(self.now);
                return self.congest(peer);
            }
            // The system may take some now.
            self.writes_first = true;
        }
        self.effects.write(peer, connection);
    }

    fn send_all(&mut self, messages: &[[u8; 3]]) {
        if !self.has_receiver() {
            // Not counted: a request is no message of the caller's.
            return self.lose_request(messages);
        }
        let open = self.port.channels;
        for message in messages.iter().filter(|message| open.has(&message[..])) {
            self.port.memory.follow(message);
            for index in 0..self.port.peers.len() {
                self.offer(self.port.peers[index], message, self.now);
            }
        }
    }

    /// Ends the output of a port that is being closed. Scheduled messages that end something are sent at once, then the
    /// releases of all that the peers still hold.
    fn finish(&mut self) {
        for waiting in self.port.schedule.take_all() {
            self.port.unschedule(waiting.bytes.len());
            // None is left in the schedule: each that is sent counts at the peer.
            if self.ends_what_sounds(waiting.client, &waiting.bytes) {
                self.deliver(Outgoing {
                    meant_ns: self.now,
                    ..waiting.outgoing()
                });
            } else {
                self.port.count_forgotten(&waiting);
            }
        }
        let release = self.port.config().delivery.release_on_close;
        for index in 0..self.port.peers.len() {
            self.finish_output(self.port.peers[index], release);
        }
    }

    /// A peer gets no more of what is pushed: what sounds at it is released, where that is wanted. Whether there was
    /// something.
    pub(super) fn finish_output(&mut self, peer: Peer, release: bool) -> bool {
        let Some(connection) = self.connections.at_mut(peer) else {
            return false;
        };
        if !connection.output.takes() {
            return false;
        }
        if let Flow::Congested { announced } = connection.output.flow {
            let recovered = notification(Kind::Recovered, self.now)
                .client(connection.client)
                .address(connection.address);
            self.port.end_congestion(announced, recovered);
        }
        connection.output.flow = Flow::Finished;
        let mut made = 0;
        if release {
            made = connection.output.push_releases(self.now);
            self.port.shared.counters.network.synthesized.add(made);
        }
        if matches!(connection.phase, Phase::New { .. } | Phase::Accepting) {
            return false;
        }
        self.effects.write(peer, connection);
        made != 0
    }
}
