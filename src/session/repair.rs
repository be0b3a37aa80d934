//! What goes out where messages were lost: after congestion, a panic, refused pushes, and while there is no peer.

use super::effect::{Keyed, Peer};
use super::outbound::Outbound;
use super::output::Flow;
use super::port::notification;
use super::schedule::{Outgoing, channel_of};
use super::track::Track;
use crate::midi::reset::PANIC;
use crate::midi::short::Short;
use crate::midi::state::{ChannelState, next_repair};
use crate::midi::summary::Given;
use crate::realtime::consumer::Record;
use crate::realtime::lost::Lost;
use crate::realtime::notifications::Kind;

impl Outbound<'_> {
    /// A peer does not read: what waits for it is too late.
    pub(super) fn congest(&mut self, peer: Peer) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        if connection.output.flow != Flow::Open {
            return;
        }
        let port = &*self.port;
        connection.output.drop_waiting(|unrepaired| port.count_lost(unrepaired));
        // Nobody was told of a client that may be a browser.
        let announced = connection.is_confirmed() && {
            let congested = notification(Kind::Congested, self.now);
            let congested = congested.client(connection.client).address(connection.address);
            port.shared.control.notifications.announce_begin(congested)
        };
        connection.output.flow = Flow::Congested { announced };
    }

    /// A congested peer reads again: the difference goes out first.
    pub(super) fn make_good(&mut self, peer: Peer) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let Flow::Congested { announced } = connection.output.flow else {
            return;
        };
        let made = connection.output.push_repairs(self.now);
        self.port.shared.counters.network.synthesized.add(made);
        connection.output.flow = Flow::Open;
        let recovered = notification(Kind::Recovered, self.now)
            .client(connection.client)
            .address(connection.address);
        self.port.end_congestion(announced, recovered);
        self.effects.write(peer, connection);
    }

    /// A message that a panic takes out of the queue. A repairing port makes good what it did to the state.
    pub(super) fn drop_for_panic(&mut self, record: &Record<'_>) {
        let (client, bytes) = (record.client, record.data);
        if record.is_scheduled() {
            self.port.unschedule(bytes.len());
            if record.time_ns > self.now {
                return self.port.count_lost(0);
            }
        }
        let mut found = false;
        for index in 0..self.port.peers.len() {
            let Some(connection) = self.connections.at_mut(self.port.peers[index]) else {
                continue;
            };
            if !connection.output.takes() || client != 0 && client != connection.client {
                continue;
            }
            if client == 0 && !found {
                self.port.memory.follow(bytes);
            }
            found = true;
            let port = &*self.port;
            if port.repairs() {
                // What waits before it has to be lost first.
                connection.output.drop_waiting(|unrepaired| port.count_lost(unrepaired));
                port.count_lost(connection.output.lose(bytes));
            } else {
                port.count_lost(0);
            }
        }
        if !found {
            let unrepaired = self.lose_without_peer(client, bytes);
            self.port.count_lost(unrepaired);
        }
    }

    /// What waits for the peers is dropped, and All Sound Off goes out. Where something was dropped that a repairing port
    /// makes good, the difference begins with it.
    pub(super) fn panic(&mut self) {
        for waiting in self.port.schedule.take_all() {
            self.port.unschedule(waiting.bytes.len());
            self.port.count_forgotten(&waiting);
        }
        if !self.has_receiver() {
            return self.lose_request(&PANIC);
        }
        let open = self.port.channels;
        let panic = PANIC.iter().filter(|message| open.has(&message[..]));
        panic.for_each(|message| self.port.memory.follow(message));
        for index in 0..self.port.peers.len() {
            self.silence(self.port.peers[index]);
        }
    }

    pub(super) fn silence(&mut self, peer: Peer) {
        let port = &*self.port;
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let output = &mut connection.output;
        if !output.takes() {
            return;
        }
        if port.repairs() {
            output.drop_waiting(|unrepaired| port.count_lost(unrepaired));
        } else {
            output.discard_waiting(|| port.count_lost(0));
        }
        let panic = PANIC.iter().filter(|message| port.channels.has(&message[..]));
        if !output.track.is_lossy() {
            panic.for_each(|message| output.push(message, self.now));
            // Releases of channels that were closed were dropped with what waited.
            let made = output.cut(port.channels.complement(), self.now, || {});
            port.shared.counters.network.synthesized.add(made);
            return self.effects.write(peer, connection);
        }
        for message in panic {
            output.lose(message);
        }
        if !output.is_congested() {
            let made = output.push_repairs(self.now);
            port.shared.counters.network.synthesized.add(made);
            self.effects.write(peer, connection);
        }
    }

    /// Makes good what push could not queue: each peer gets the difference between what it has, and will have after what
    /// waits for it, and the state of the pushing side. It is done in one go: a difference is bounded.
    pub(super) fn deliver_refused(&mut self, lost: &mut Lost) {
        self.deliver_due(lost.last_ns());
        let mut given = Given::new();
        let mut lists = Vec::new();
        for (client, summary) in lost.summaries() {
            given.clear();
            let list: Vec<Short> = std::iter::from_fn(|| summary.next(&mut given)).collect();
            lists.push((client, list));
        }
        let named: Vec<u32> = lists
            .iter()
            .map(|(client, _)| *client)
            .filter(|client| *client != 0)
            .collect();
        for (client, mut list) in lists {
            // Those named have all of it in their own lists.
            let except: &[u32] = if client == 0 { &named } else { &[] };
            // What was meant for later, and had no room among what keeps its time, comes after what is scheduled before
            // it, or that would have the last word.
            let last = self.port.schedule.last_of_channels(client, lost.latest_ns());
            list.retain(|message| {
                // A Note Off of a note that is still to begin waits for that, so that the note ends.
                let with_note = self.time_of(self.now, client, message);
                let after = channel_of(message).map_or(0, |channel| last[channel]);
                let waits = with_note.max(after) > self.now;
                if waits {
                    self.port.count_scheduled(message.len());
                    let made = Outgoing {
                        client,
                        except,
                        made: true,
                        meant_ns: self.now,
                        bytes: message,
                    };
                    self.schedule(self.now.max(after), made);
                }
                !waits
            });
            self.refused_to(client, except, &list);
        }
        for later in lost.later() {
            // It counts among what is scheduled already.
            if !later.cancelled || self.ends_what_sounds(later.client, later.message()) {
                let made = Outgoing {
                    made: true,
                    ..Outgoing::pushed(later.due_ns, later.client, later.message())
                };
                self.schedule(later.due_ns, made);
            } else {
                self.port.unschedule(later.message().len());
            }
        }
    }

    fn refused_to(&mut self, client: u32, except: &[u32], list: &[Short]) {
        if client == 0 {
            if !self.has_receiver() {
                // Counted as dropped when they were refused.
                let unrepaired = list.iter().map(|message| self.port.memory.lose(message)).sum();
                return self.port.shared.counters.network.unrepaired.add(unrepaired);
            }
            list.iter().for_each(|message| self.port.memory.follow(message));
        }
        for index in 0..self.port.peers.len() {
            let peer = self.port.peers[index];
            let wanted = self.connections.at(peer).is_some_and(|connection| {
                if client == 0 {
                    !except.contains(&connection.client)
                } else {
                    connection.client == client
                }
            });
            if wanted {
                self.refused_to_peer(peer, list);
            }
        }
    }

    /// Gives one peer the difference that what was refused makes to it.
    fn refused_to_peer(&mut self, peer: Peer, list: &[Short]) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let output = &mut connection.output;
        if !output.takes() {
            return;
        }
        let counters = &self.port.shared.counters.network;
        if output.is_congested() || output.track.is_lossy() {
            let unrepaired = list.iter().map(|message| output.lose(message)).sum();
            return counters.unrepaired.add(unrepaired);
        }
        let mut ahead = Box::new(output.ahead().clone());
        let mut wanted = Box::<ChannelState>::default();
        wanted.follow(&mut ahead);
        let unrepaired = list.iter().map(|message| u64::from(wanted.lose(message))).sum();
        counters.unrepaired.add(unrepaired);
        while let Some(message) = next_repair(&mut ahead, &mut wanted) {
            self.offer(peer, &message, self.now);
            self.port.shared.counters.network.synthesized.add(1);
        }
    }

    /// A newcomer gets the values of controllers, programs and bends of the stream to all.
    pub(super) fn greet(&mut self, peer: Peer) {
        let (Some(stream), Some(connection)) = (self.port.memory.stream(), self.connections.at_mut(peer)) else {
            return;
        };
        let output = &mut connection.output;
        let mut made = 0;
        output.track = Track::greet(stream, |message| {
            output.buffer.push(&message);
            made += 1;
        });
        output.end_made(self.now);
        self.port.shared.counters.network.synthesized.add(made);
    }

    /// A client's port is connected again: the peer is put right first.
    pub(super) fn greet_again(&mut self, peer: Peer) {
        let Some(connection) = self.connections.at_mut(peer) else {
            return;
        };
        let output = &mut connection.output;
        let mut made = 0;
        let (release, repair) = (self.port.config().delivery.release_on_disconnect, self.port.repairs());
        let open = self.port.channels;
        let mut track = self.port.memory.take_peer();
        track.cut(open.complement());
        output.track = track.reconnect(release, repair, open, |message| {
            output.buffer.push(&message);
            made += 1;
        });
        output.resumed = made != 0;
        output.end_made(self.now);
        self.port.shared.counters.network.synthesized.add(made);
        self.effects.write(peer, connection);
    }

    /// A message pushed while there is no peer: what it does to the state is remembered. How many messages no difference
    /// restores.
    pub(super) fn lose_without_peer(&mut self, client: u32, bytes: &[u8]) -> u64 {
        if client == 0 && (!self.forgets || self.port.memory.releases(bytes)) {
            self.port.memory.lose(bytes)
        } else {
            ChannelState::is_event(bytes).into()
        }
    }

    /// A panic or a reset while there is no peer.
    pub(super) fn lose_request(&mut self, messages: &[[u8; 3]]) {
        if !self.forgets {
            let open = self.port.channels;
            for message in messages.iter().filter(|message| open.has(&message[..])) {
                self.port.memory.lose(message);
            }
        }
    }
}
