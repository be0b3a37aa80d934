//! What has to be so when nothing more is pushed, and when all is over.

use super::ear::Ear;
use super::network::Socket;
use super::node::Command;
use super::plan::Manner;
use super::trace;
use super::world::{Phase, World};
use crate::midi::naive_model::meaning;
use crate::realtime::notifications::Kind;
use crate::realtime::shared::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

const MS: u64 = 1_000_000;
/// How long it takes until all has settled, beside keep-alive and lingering.
const QUIET_NS: u64 = 1500 * MS;
/// Longer than any message.
const ENDLESS: usize = 1 << 24;

/// What a whole run came to.
pub(super) struct Outcome {
    pub connections: u64,
    pub messages: u64,
}

impl World {
    /// The whole of a run.
    pub(super) fn run(&mut self) -> Outcome {
        let patience = |world: &Self| {
            let slowest = world.plan.clients.iter().chain([&world.plan.server]);
            let slowest =
                slowest.map(|config| u64::from(2 * config.delivery.linger_ms + 4 * config.connection.stall_timeout_ms));
            let dead = if world.plan.faults.silent { 4000 } else { 0 };
            (slowest.max().unwrap_or(0) + dead) * MS
        };
        self.run_until(trace::START_NS + self.plan.active_ns);
        trace!(self.now, "QUIET");
        self.phase = Phase::Quiet;
        self.network.heal();
        for audio in &mut self.audios {
            audio.finish_pushing();
        }
        self.run_until(self.now + QUIET_NS + patience(self));
        self.check_quiet();
        trace!(self.now, "END");
        self.phase = Phase::Ending;
        self.close_all();
        self.run_until(self.now + QUIET_NS + patience(self));
        self.release_all();
        self.run_until(self.now + QUIET_NS + patience(self));
        self.check_over();
        Outcome {
            connections: self.network.len() as u64,
            messages: self
                .audios
                .iter()
                .map(|audio| audio.popped + audio.ledger.taken())
                .sum(),
        }
    }

    fn close_all(&mut self) {
        let mut order: Vec<usize> = (0..self.audios.len()).collect();
        if self.random.chance(500) {
            order.reverse();
        }
        for number in order {
            self.close_port(number, false);
        }
        for raw in 0..self.raws.len() {
            if !self.random.chance(200) {
                continue;
            }
            if let Some(mut one) = self.raws[raw].take() {
                one.close(self);
                self.raws[raw] = Some(one);
            }
        }
    }

    fn release_all(&mut self) {
        for number in 0..self.audios.len() {
            let node = self.audios[number].node;
            if self.audios[number].closed {
                continue;
            }
            if let Some(one) = &mut self.nodes[node] {
                one.commands.push_back(Command::Release { audio: number });
            }
            self.wake_node(node, self.now);
        }
    }

    /// What an end heard, as messages.
    fn heard(&self, socket: Socket, longest: usize) -> Vec<Vec<u8>> {
        meaning(&self.ends[socket.0].heard, longest).messages
    }

    fn check_quiet(&self) {
        for socket in (0..self.ends.len()).map(Socket) {
            if self.ends[socket.0].audio.is_some() {
                self.check_outgoing(socket);
                self.check_incoming(socket);
            }
        }
        for audio in &self.audios {
            assert!(
                audio.flushes.is_empty() || audio.shared.is_closed(),
                "a flush is never done"
            );
            let waits = audio.shared.queues.scheduled_bytes.load(Ordering::Relaxed);
            assert!(
                waits == 0,
                "port {}: {waits} bytes are scheduled for ever",
                audio.number
            );
            if audio.shared.role.has_queues() && !audio.skipped && !audio.unaccepted && !audio.shut {
                let counters = &audio.shared.counters.network;
                assert_eq!(
                    counters.messages_in.get(),
                    audio.popped + counters.dropped_in.get() + audio.shared.filtered() - audio.filtered,
                    "port {}: in is not delivered and dropped",
                    audio.number
                );
            }
        }
    }

    /// Whether an end reads all, on a connection that still stands.
    fn listens(&self, socket: Socket) -> bool {
        let deaf = |raw: usize| self.raws[raw].as_ref().is_some_and(|raw| raw.manner == Manner::Deaf);
        self.network.is_whole(socket.link()) && !self.ends[socket.0].raw().is_some_and(deaf)
    }

    /// Whether a connection was made lately and what was written to it is still on the way: peers that close each time
    /// have clients connect for ever.
    fn is_arriving(&self, socket: Socket) -> bool {
        let is_new = self.now < self.ends[socket.0].confirmed_at + QUIET_NS;
        is_new && self.network.is_under_way(socket)
    }

    /// All sockets of the port of a socket, up to that.
    fn connections_to(&self, socket: Socket) -> Vec<Socket> {
        let end = &self.ends[socket.0];
        let sockets = (0..=socket.0).map(Socket);
        sockets
            .filter(|other| self.ends[other.0].audio == end.audio && self.ends[other.0].client == end.client)
            .collect()
    }

    /// The receiver of a port stands where the port stands.
    fn check_outgoing(&self, socket: Socket) {
        let end = &self.ends[socket.0];
        let audio = &self.audios[end.audio.unwrap_or(0)];
        if !self.listens(socket.other()) || end.disconnected || self.is_arriving(socket) {
            return;
        }
        let mut receiver = Ear::new(self.make);
        let all = self.connections_to(socket);
        for connection in &all {
            let messages = self.heard(connection.other(), ENDLESS);
            messages.iter().for_each(|message| receiver.hear(message));
        }
        let sender = audio.ledger.replay(end.since, end.client, self.make);
        let name = format!("port {} to client {}, socket {}", audio.number, end.client, socket.0);
        let (ledger, config) = (&audio.ledger, &audio.shared.config);
        let repairs = audio.shared.repairs;
        let anew = all.len() > 1;
        if (repairs || ledger.panics == 0) && (!anew || config.delivery.release_on_disconnect) {
            let mut hanging = receiver.hanging(Some(super::music::PAIRED_CHANNEL));
            // A panic forgets pedals that are to go up.
            hanging.retain(|what| ledger.panics == 0 || what.contains("note"));
            assert!(hanging.is_empty(), "{name}: {hanging:?}");
        }
        let closed = audio.shared.queues.filter.open().complement();
        let hanging = receiver.hanging_on(closed);
        let may_hang = !repairs && ledger.panics > 0 || anew && !config.delivery.release_on_disconnect;
        assert!(
            may_hang || hanging.is_empty(),
            "{name}, which has not these channels: {hanging:?}"
        );
        let lossless = audio.shared.dropped_out() == end.dropped_before;
        let orderly = ledger.cancels == 0 && !end.is_fuzzy;
        // What a panic drops is made good, but what is scheduled.
        let orderly = orderly && (ledger.panics == 0 || repairs && ledger.scheduled == 0);
        if orderly && lossless && ledger.panics == 0 {
            assert_eq!(end.marks, ledger.marks(end.marks_since, end.client), "{name}: marks");
        }
        let lossless = lossless && !anew && end.dropped_before == 0;
        if !orderly || !(lossless || repairs && config.delivery.release_on_disconnect) {
            return;
        }
        if anew && (ledger.scheduled > 0 || sender.was_reset || receiver.was_reset) {
            // What was scheduled when a connection broke, or there was none, was remembered at once.
            return;
        }
        let mut but = left_out(&sender, &receiver, anew, end.since > 0);
        if audio.touched.has_system() && (sender.was_reset || receiver.was_reset) {
            return;
        }
        but.extend(sender.facts_of(audio.touched));
        but.extend(receiver.facts_of(audio.touched));
        if !audio.touched.is_empty() {
            but.extend(bend_ranges());
        }
        let differences = receiver.differences(&sender, &but);
        assert!(differences.is_empty(), "{name}: {differences:#?}");
    }

    /// What was popped is what came.
    fn check_incoming(&self, socket: Socket) {
        let end = &self.ends[socket.0];
        let audio = &self.audios[end.audio.unwrap_or(0)];
        let config = &audio.shared.config;
        if audio.unaccepted || audio.shut || audio.shared.role == Role::Manual {
            return;
        }
        let empty = Ear::new(self.make);
        let popped = audio.ears.get(&end.client).unwrap_or(&empty);
        let name = format!("port {} of client {}, socket {}", audio.number, end.client, socket.0);
        let is_over = end.closed_at.is_some();
        if is_over && config.delivery.release_on_disconnect && self.connections_of_client(socket) == 0 {
            let hanging = popped.hanging(None);
            assert!(hanging.is_empty(), "{name} has left: {hanging:?}");
        }
        let raw = self.ends[socket.other().0]
            .raw()
            .and_then(|raw| self.raws[raw].as_ref());
        if raw.is_some_and(|raw| raw.manner == Manner::Foreign) {
            return assert_eq!(popped.messages, 0, "{name} speaks no MIDI");
        }
        if is_over || self.connections_to(socket).len() > 1 || end.disconnected || audio.skipped {
            return;
        }
        let messages = self.heard(socket, config.queues.max_message_bytes as usize);
        let mut came = Ear::new(self.make);
        messages.iter().for_each(|message| came.hear(message));
        let lossy = audio.shared.counters.network.dropped_in.get() != 0;
        let closed = audio.shared.queues.filter.open().complement();
        let hanging = popped.hanging_on(closed);
        assert!(hanging.is_empty(), "{name}, which has not these channels: {hanging:?}");
        if !lossy && audio.touched.is_empty() {
            assert_eq!(popped.messages, came.messages, "{name}: messages");
            assert_eq!(popped.marks, came.marks, "{name}: marks");
        }
        let mut wanted = came.marks.iter();
        assert!(
            popped.marks.iter().all(|mark| wanted.any(|other| other == mark)),
            "{name}: order"
        );
        if lossy && raw.is_some_and(|raw| raw.manner == Manner::Garbage) {
            return;
        }
        let mut but: BTreeSet<String> = BTreeSet::new();
        if lossy {
            but.extend(came.stepped.iter().cloned());
        }
        if came.was_reset && audio.touched.has_system() {
            return;
        }
        if !audio.touched.is_empty() {
            // The receiver was told what stands, not how it came about.
            but.extend(came.stepped.iter().cloned());
            but.extend(left_out(&came, popped, false, true));
            // It may have popped the bank that was selected afterwards, and would choose them from that.
            but.extend(came.banks.withheld_programs());
            but.extend(bend_ranges());
            but.extend(came.facts_of(closed));
            but.extend(popped.facts_of(closed));
        }
        if !lossy || audio.shared.repairs {
            let differences = popped.differences(&came, &but);
            assert!(differences.is_empty(), "{name}: {differences:#?}");
        }
    }

    /// How many connections there are whose messages carry the same client.
    fn connections_of_client(&self, socket: Socket) -> usize {
        let all = (0..self.ends.len()).map(Socket);
        let (audio, client) = (self.ends[socket.0].audio, self.ends[socket.0].client);
        all.filter(|other| {
            let end = &self.ends[other.0];
            end.audio == audio && end.client == client && end.closed_at.is_none()
        })
        .count()
    }

    fn check_over(&mut self) {
        for node in self.nodes.iter().flatten() {
            assert!(node.wires.is_empty(), "node {} keeps {:?}", node.number, node.wires);
            assert!(
                node.session.is_empty(),
                "node {} keeps a port or a connection",
                node.number
            );
            assert!(!node.session.core.has_effects());
        }
        for audio in &mut self.audios {
            audio.take_notifications();
        }
        for audio in &self.audios {
            let name = format!("port {} ({:?})", audio.number, audio.shared.role);
            if audio.closed {
                continue;
            }
            assert_eq!(audio.shared.clients.count.load(Ordering::Relaxed), 0, "{name}: clients");
            assert_eq!(
                audio.shared.clients.left_behind.load(Ordering::Relaxed),
                0,
                "{name}: left behind"
            );
            let waits = audio.shared.queues.scheduled_bytes.load(Ordering::Relaxed);
            assert_eq!(waits, 0, "{name}: scheduled");
            if !audio.unaccepted && !audio.closed && audio.shared.role.has_queues() {
                assert!(audio.over, "{name}: pop does not say that nothing comes any more");
            }
            if audio.over && audio.shared.config.delivery.release_on_disconnect && !audio.unaccepted {
                for (client, ear) in &audio.ears {
                    let hanging = ear.hanging(None);
                    assert!(hanging.is_empty(), "{name}, client {client}: {hanging:?}");
                }
            }
            check_notifications(audio, &name);
            self.check_counts(audio.number, &name);
        }
        for socket in (0..self.ends.len()).map(Socket) {
            self.check_released(socket);
        }
    }

    /// Each message that push took is in a count.
    fn check_counts(&self, number: usize, name: &str) {
        let audio = &self.audios[number];
        if !audio.shared.role.has_queues() {
            return;
        }
        let (sent, dropped, synthesized) = (
            audio.shared.messages_out(),
            audio.shared.dropped_out(),
            audio.shared.synthesized(),
        );
        let taken = audio.ledger.taken();
        let counted = sent + dropped;
        assert!(
            counted >= taken,
            "{name}: {counted} of {taken} messages are in a count: {sent} sent, {dropped} dropped"
        );
        let made = synthesized + 32 * audio.ledger.requests;
        if audio.shared.role != Role::Merged {
            assert!(
                counted <= taken + made,
                "{name}: {counted} counted, {taken} and {made} made: {sent} sent, {dropped} dropped"
            );
        }
    }

    /// A peer that read to the end was released.
    fn check_released(&self, socket: Socket) {
        let (end, other) = (&self.ends[socket.0], &self.ends[socket.other().0]);
        let Some(audio) = end.audio.map(|audio| &self.audios[audio]) else {
            return;
        };
        let config = &audio.shared.config;
        let reads = other.raw().and_then(|raw| self.raws[raw].as_ref());
        let reads = reads.is_some_and(|raw| matches!(raw.manner, Manner::Plays | Manner::Listens | Manner::HalfCloses));
        let half_closed = other.raw().and_then(|raw| self.raws[raw].as_ref());
        let half_closed = half_closed.is_some_and(|raw| raw.manner == Manner::HalfCloses);
        if half_closed && !config.delivery.release_on_disconnect {
            return;
        }
        let slow = end.was_blocked && config.delivery.linger_ms <= 200;
        let cut = self.network.is_severed(socket.link()) || end.was_stalled || slow;
        let room = config.delivery.client_buffer_bytes > 2048;
        if !other.read_to_end
            || !reads
            || cut
            || !config.delivery.release_on_close
            || !room
            || config.connection.stall_timeout_ms != 0
        {
            return;
        }
        let mut receiver = Ear::new(self.make);
        let messages = self.heard(socket.other(), ENDLESS);
        messages.iter().for_each(|message| receiver.hear(message));
        let hanging = receiver.hanging(None);
        assert!(
            hanging.is_empty(),
            "the peer of socket {} of port {}: {hanging:?}",
            socket.0,
            audio.number
        );
    }
}

/// The facts in which a receiver may differ from the sender.
fn left_out(sender: &Ear, receiver: &Ear, anew: bool, joined_later: bool) -> BTreeSet<String> {
    let mut but: BTreeSet<String> = sender.stepped.iter().chain(&receiver.stepped).cloned().collect();
    if anew {
        but.extend(["runs", "song"].map(String::from));
        // They are not chosen again from another bank.
        but.extend(sender.banks.withheld_programs());
    }
    if joined_later {
        // It may know what had been selected before.
        let before = ["controller 6", "controller 38", "data entry", "number"];
        but.extend((0..16).flat_map(|channel| before.map(|what| format!("{channel} {what}"))));
        but.extend(sender.blind.iter().cloned());
    }
    // And it may have been told of what was before.
    let unknown = |what: &&String| !sender.model.facts.contains_key(*what);
    but.extend(receiver.model.facts.keys().filter(unknown).cloned());
    but
}

/// An MPE configuration sets them on many channels, also where it was sent on one that is closed.
fn bend_ranges() -> impl Iterator<Item = String> {
    (0..16).flat_map(|channel| ["msb", "lsb"].map(|half| format!("{channel} rpn 0 0 {half}")))
}

/// Every beginning has its end, in order.
fn check_notifications(audio: &super::audio::Audio, name: &str) {
    let mut open: BTreeMap<(i32, u32), u32> = BTreeMap::new();
    for notification in &audio.notifications {
        let (kind, begins) = match notification.kind {
            Kind::Connected => (1, true),
            Kind::Disconnected if audio.shared.role == Role::Client => (1, false),
            Kind::ClientJoined => (2, true),
            Kind::ClientLeft => (2, false),
            Kind::Congested => (3, true),
            Kind::Recovered => (3, false),
            _ => continue,
        };
        let count = open.entry((kind, notification.client)).or_default();
        // Both the in queue and the only peer may be congested.
        let most = if kind == 3 && audio.shared.role != Role::Merged {
            2
        } else {
            1
        };
        *count = if begins { *count + 1 } else { count.wrapping_sub(1) };
        assert!(*count <= most, "{name}: {notification:?} twice, or without the other");
    }
    open.retain(|_, open| *open != 0);
    assert!(open.is_empty(), "{name}: {open:?} never ended");
}
