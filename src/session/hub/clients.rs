//! The clients of ports that share an address: how they come, what is read and written, and how they go.

use super::mixer;
use super::trunk::{Branch, Trunk};
use super::{Hub, Member};
use crate::session::admission::{enter, give_way, permits};
use crate::session::connection::{Connection, Phase, Reason};
use crate::session::effect::{Effect, Keyed, Peer, PortKey};
use crate::session::frames;
use crate::session::liveness::Liveness;
use crate::session::port::{NOT_ALLOWED, TOO_MANY, turned_away};
use crate::session::sender_time::SenderTime;
use crate::session::sniff::Sniffer;
use crate::sys::address::Address;
use crate::sys::code::Code;
use crate::sys::tcp::Progress;
use crate::timing::peer_clock::Change;

impl Hub {
    /// Whether there is a place for one more client. The port with the most places decides.
    pub(in crate::session) fn has_place(&self) -> bool {
        let most = self.members.iter().filter(|(_, member)| !member.ending);
        let most = most.map(|(_, member)| member.shared.config.server.max_clients).max();
        let is_present = |(_, trunk): &(usize, &Trunk)| {
            let mut connections = mixer::connections(&self.members, trunk);
            connections.any(Connection::is_live)
        };
        self.trunks.iter().filter(is_present).count() < most.unwrap_or(0) as usize
    }

    /// A newcomer; None: it is turned away.
    pub(in crate::session) fn add_client(&mut self, address: Option<Address>, now: u64) -> Option<Peer> {
        let permitted: Vec<usize> = self
            .members
            .iter()
            .filter(|(_, member)| permits_client(member, address))
            .map(|(key, _)| key)
            .collect();
        if !permitted.is_empty() && !self.has_place() {
            self.make_place(now);
        }
        let may_enter = !permitted.is_empty() && self.has_place();
        let Some(client) = may_enter.then(|| self.ids.assign()).flatten() else {
            let why = if permitted.is_empty() { NOT_ALLOWED } else { TOO_MANY };
            for (key, member) in &self.members {
                // A port knows nothing of a client that it does not allow, unless no port allows it.
                if permitted.is_empty() || permitted.contains(&key) {
                    turned_away(&member.shared, address, why);
                }
            }
            return None;
        };
        let trunk = Peer(self.trunks.insert(Trunk::new(client, address)));
        for member in permitted {
            self.add_branch(member, trunk, now);
        }
        self.advance(now);
        Some(trunk)
    }

    /// Clients that have left, and are only kept for an answer, keep nobody out.
    fn make_place(&mut self, now: u64) {
        let left: Vec<usize> = self
            .trunks
            .iter()
            .filter(|(_, trunk)| trunk.ended)
            .map(|(key, _)| key)
            .collect();
        for trunk in left {
            self.each_branch(Peer(trunk), |member, branch| {
                give_way(&mut member.session, branch.peer, now)
            });
            self.advance(now);
            if self.has_place() {
                return;
            }
        }
    }

    /// Gives a port the clients that are there, as far as it allows them and does not have them.
    pub(super) fn give_clients(&mut self, member: usize, now: u64) {
        let Some(port) = self.members.get(member) else { return };
        let is_new = |(_, trunk): &(usize, &Trunk)| {
            let has = trunk.branches.iter().any(|branch| branch.member == member);
            trunk.takes_ports() && !has && permits_client(port, trunk.address)
        };
        let new: Vec<usize> = self.trunks.iter().filter(is_new).map(|(key, _)| key).collect();
        for trunk in new {
            self.add_branch(member, Peer(trunk), now);
        }
    }

    /// What a newcomer has sent that may be MIDI or not.
    fn first_bytes(&self, peer: Peer) -> (Option<Sniffer>, Vec<u8>) {
        let trunk = self.trunks.at(peer);
        let branch = trunk.and_then(|trunk| trunk.branches.first());
        let Some(other) = branch.and_then(|branch| mixer::connection(&self.members, branch)) else {
            return (Some(Sniffer::default()), Vec::new());
        };
        let sniffer = other.input.sniffer;
        let backlog = if sniffer.is_some() {
            other.input.backlog.clone()
        } else {
            Vec::new()
        };
        (sniffer, backlog)
    }

    /// A port gets a client.
    fn add_branch(&mut self, key: usize, peer: Peer, now: u64) {
        let first_bytes = self.first_bytes(peer);
        let (Some(member), Some(trunk)) = (self.members.get_mut(key), self.trunks.at_mut(peer)) else {
            return;
        };
        let session = &mut member.session;
        session.core.change_channels(member.port, now);
        let Some(branch) = enter(session, trunk.client, trunk.address, now) else {
            return;
        };
        let config = &member.shared.config;
        let liveness = Liveness::new(config.connection.keepalive_ms, config.connection.stall_timeout_ms, now);
        if let Some(connection) = session.core.connections.at_mut(branch) {
            connection.liveness = Liveness::new(0, 0, now);
            connection.input.time = SenderTime::follower(&trunk.time, now);
            connection.input.parser = trunk.parser.joined_by(config.queues.max_message_bytes as usize);
            connection.output.is_shared = true;
            connection.input.sniffer = first_bytes.0;
            connection.input.backlog = first_bytes.1;
        }
        trunk.branches.push(Branch::new(key, branch, liveness));
        member.set_trunk(branch, Some(peer));
        if trunk.confirmed {
            member.session.confirm_client(branch, now);
            frames::exchange_times(&mut member.session.core, branch, now);
        }
    }

    /// Calls for each port that has a client.
    fn each_branch(&mut self, peer: Peer, mut call: impl FnMut(&mut Member, &mut Branch)) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        for branch in &mut trunk.branches {
            if let Some(member) = self.members.get_mut(branch.member) {
                call(member, branch);
            }
        }
    }

    /// Bytes came from a client.
    pub(in crate::session) fn handle_bytes(&mut self, peer: Peer, now: u64, bytes: &[u8]) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        trunk.take_frames(bytes, now);
        self.each_branch(peer, |member, branch| {
            member.session.handle_bytes(branch.peer, now, bytes)
        });
        self.exchange(peer, now);
        self.advance(now);
    }

    /// The client has shut down its sending side.
    pub(in crate::session) fn handle_eof(&mut self, peer: Peer, now: u64) {
        self.handle_end(peer, Reason::ORDERLY, now);
    }

    /// The connection broke.
    pub(in crate::session) fn handle_failure(&mut self, peer: Peer, now: u64, reason: Reason) {
        if let Some(trunk) = self.trunks.at_mut(peer) {
            trunk.outgoing.clear();
        }
        self.handle_end(peer, reason, now);
    }

    fn handle_end(&mut self, peer: Peer, reason: Reason, now: u64) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        trunk.ended = true;
        self.each_branch(peer, |member, branch| {
            if reason == Reason::ORDERLY {
                member.session.handle_eof(branch.peer, now);
            } else {
                member.session.handle_failure(branch.peer, now, reason);
            }
        });
        self.advance(now);
    }

    /// The system took so many bytes; fewer than there are: it takes no more now.
    pub(in crate::session) fn handle_sent(&mut self, peer: Peer, now: u64, count: usize) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        trunk.outgoing.sent(count);
        if trunk.outgoing.is_empty() {
            self.go_on(peer, now);
        }
        self.advance(now);
    }

    /// The system takes bytes again.
    pub(in crate::session) fn handle_writable(&mut self, peer: Peer, now: u64) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        trunk.outgoing.blocked = false;
        if trunk.outgoing.is_empty() {
            self.go_on(peer, now);
        } else {
            self.request_write(peer);
        }
        self.exchange(peer, now);
        self.advance(now);
    }

    /// All that was taken from the ports is with the system: they may have more, or have waited to make good what was
    /// lost.
    fn go_on(&mut self, peer: Peer, now: u64) {
        self.each_branch(peer, |member, branch| {
            let connection = member.session.core.connections.at(branch.peer);
            // One that lost something is to make it good now, whatever it has left.
            let waits = |connection: &Connection| connection.output.blocked || connection.output.is_congested();
            if connection.is_some_and(waits) {
                member.session.core.handle_writable(branch.peer, now);
            }
        });
        self.check_end(peer);
    }

    /// The answer to [`Effect::Measure`].
    pub(in crate::session) fn handle_progress(&mut self, peer: Peer, now: u64, progress: Option<Progress>) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        trunk.measure_requested = false;
        let waiting: usize = mixer::connections(&self.members, trunk)
            .map(|connection| connection.output.buffer.len())
            .sum();
        let outgoing = trunk.outgoing.len();
        let (written, waiting) = (trunk.outgoing.written, waiting + outgoing);
        let is_checked = trunk.confirmed && !trunk.ended;
        let mut is_dead = false;
        for branch in &mut trunk.branches {
            is_dead |= is_checked && !branch.liveness.check(progress.as_ref(), written, waiting, now);
        }
        let others_go_on = trunk.branches.iter().any(|branch| !branch.finished);
        self.each_branch(peer, |member, branch| {
            if is_dead {
                member.session.end(branch.peer, Reason::of(Code::Timeout), now);
            } else if std::mem::take(&mut branch.wants_progress) {
                // A port that goes waits for no more than that its last bytes are with the system.
                let is_done = branch.finished && others_go_on;
                let progress = progress.map(|progress| Progress {
                    unacknowledged: if is_done { 0 } else { progress.unacknowledged + outgoing },
                    ..progress
                });
                member.session.handle_progress(branch.peer, now, progress);
            }
        });
        self.advance(now);
    }

    /// The time of `poll_timeout` has come.
    pub(in crate::session) fn handle_timeout(&mut self, now: u64) {
        for (_, member) in &mut self.members {
            if member.session.core.poll_timeout().is_some_and(|at| at <= now) {
                member.session.handle_timeout(now);
            }
        }
        self.now = now;
        let mut measured = Vec::new();
        for (key, trunk) in &mut self.trunks {
            let is_due = |branch: &Branch| branch.liveness.next_check_ns().is_some_and(|at| at <= now);
            if trunk.next_timeout(now).is_some() && trunk.branches.iter().any(is_due) && trunk.request_measure() {
                measured.push(Effect::Measure(Peer(key)));
            }
        }
        self.effects.extend(measured);
        self.exchange_all(now);
        self.advance(now);
    }

    /// Ends a client's connection in good order, for all ports; false when there is none with that id.
    pub(in crate::session) fn disconnect(&mut self, key: PortKey, client: u32, now: u64) -> bool {
        let Some(member) = self.members.get_mut(key.0) else {
            return false;
        };
        let found = member.session.disconnect(member.port, client, now);
        if found {
            for (other, member) in &mut self.members {
                if other != key.0 {
                    member.session.disconnect(member.port, client, now);
                }
            }
        }
        self.advance(now);
        found
    }

    /// Sends the frames of sender time to all clients, as far as it is time for them.
    pub(super) fn exchange_all(&mut self, now: u64) {
        let peers: Vec<usize> = self.trunks.iter().map(|(key, _)| key).collect();
        for peer in peers {
            self.exchange(Peer(peer), now);
        }
    }

    /// A client is told the name of the oldest port that it is a client of.
    fn review_name(&mut self, peer: Peer) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        if !trunk.time.is_active() {
            return;
        }
        let open = trunk
            .branches
            .iter()
            .filter_map(|branch| self.members.get(branch.member));
        let oldest = open.filter(|member| !member.ending).min_by_key(|member| member.serial);
        let name = oldest.and_then(Member::name);
        if let Some(name) = name.filter(|name| **name != trunk.name) {
            trunk.name.clone_from(name);
            trunk.time.name_changed();
        }
    }

    /// Sends what frames of a client ask for, and measures its clock if it is time. Its ports are told what came of it.
    fn exchange(&mut self, peer: Peer, now: u64) {
        self.review_name(peer);
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        if !trunk.time.take_changed(now) {
            return;
        }
        trunk.time.figures(now);
        if !trunk.finished {
            trunk.send_frames(now);
        }
        let change: Change = trunk.time.take_change();
        for branch in &trunk.branches {
            let Some(member) = self.members.get_mut(branch.member) else {
                continue;
            };
            if let Some(connection) = member.session.core.connections.at_mut(branch.peer) {
                connection.input.time.follow(&trunk.time, change);
            }
            frames::exchange_times(&mut member.session.core, branch.peer, now);
        }
        self.request_write(peer);
    }

    fn request_write(&mut self, peer: Peer) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        if !trunk.closed && !trunk.outgoing.is_empty() && !trunk.outgoing.blocked && !trunk.write_requested {
            trunk.write_requested = true;
            self.effects.push_back(Effect::Write(peer));
        }
    }

    /// Carries out what the sessions of the ports ask for, and asks the driver for what is left.
    pub(super) fn advance(&mut self, now: u64) {
        self.now = now;
        loop {
            let mut any = false;
            for key in 0..self.members.capacity() {
                while let Some(effect) = self
                    .members
                    .get_mut(key)
                    .and_then(|member| member.session.core.poll_effect())
                {
                    any = true;
                    self.carry_out(key, effect, now);
                }
            }
            if !any {
                break;
            }
        }
        self.confirm();
    }

    fn carry_out(&mut self, key: usize, effect: Effect, now: u64) {
        match effect {
            Effect::Wake(_) => self.effects.push_back(Effect::Wake(PortKey(key))),
            Effect::Forget(_) => self.effects.push_back(Effect::Forget(PortKey(key))),
            Effect::Write(peer) | Effect::FinishWriting(peer) | Effect::Close(peer) | Effect::Measure(peer) => {
                let trunk = self.members.get(key).and_then(|member| member.trunk_of(peer));
                if let Some(trunk) = trunk {
                    self.carry_out_for(key, trunk, effect, now);
                }
            }
            // Of manual servers and clients, which share no address.
            Effect::Accept(_) | Effect::Withdraw(_) | Effect::Disconnected { .. } => {}
        }
    }

    fn carry_out_for(&mut self, key: usize, peer: Peer, effect: Effect, now: u64) {
        let Some(trunk) = self.trunks.at_mut(peer) else { return };
        let branch = trunk.branches.iter_mut().find(|branch| branch.member == key);
        match effect {
            Effect::Write(_) => {
                mixer::mix(&mut self.members, trunk, now);
                self.request_write(peer);
            }
            Effect::FinishWriting(_) => {
                branch.into_iter().for_each(|branch| branch.finished = true);
                self.check_end(peer);
            }
            Effect::Close(inner) => {
                trunk.branches.retain(|branch| branch.member != key);
                if let Some(member) = self.members.get_mut(key) {
                    member.set_trunk(inner, None);
                }
                let others_live = mixer::connections(&self.members, trunk).any(Connection::is_live);
                if others_live {
                    // It may have been allowed again meanwhile.
                    self.give_clients(key, now);
                }
                self.check_end(peer);
            }
            Effect::Measure(_) => {
                branch.into_iter().for_each(|branch| branch.wants_progress = true);
                if trunk.request_measure() {
                    self.effects.push_back(Effect::Measure(peer));
                }
            }
            _ => {}
        }
    }

    /// A connection ends when its last port has left it, and is shut down when none of them sends any more.
    fn check_end(&mut self, peer: Peer) {
        let Some(trunk) = self.trunks.at_mut(peer).filter(|trunk| !trunk.closed) else {
            return;
        };
        if trunk.branches.is_empty() {
            trunk.closed = true;
            self.ids.release(trunk.client.id);
            self.effects.push_back(Effect::Close(peer));
        } else if !trunk.finished && trunk.outgoing.is_empty() && trunk.branches.iter().all(|branch| branch.finished) {
            trunk.finished = true;
            self.effects.push_back(Effect::FinishWriting(peer));
        }
    }

    /// Clients that turned out to be MIDI peers may be written to.
    fn confirm(&mut self) {
        let is_new = |(_, trunk): &(usize, &Trunk)| {
            let mut connections = mixer::connections(&self.members, trunk);
            !trunk.confirmed
                && connections.any(|connection| !matches!(connection.phase, Phase::New { .. } | Phase::Gone))
        };
        let new: Vec<usize> = self.trunks.iter().filter(is_new).map(|(key, _)| key).collect();
        for trunk in new {
            if let Some(trunk) = self.trunks.get_mut(trunk) {
                trunk.confirmed = true;
            }
            self.request_write(Peer(trunk));
        }
    }
}

/// Whether a port takes a client.
fn permits_client(member: &Member, address: Option<Address>) -> bool {
    let server = member.session.server.as_ref();
    !member.ending && server.is_some_and(|server| permits(server.options.allow.as_ref(), address))
}
