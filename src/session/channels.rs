//! Changes of a port's channels. Unsent messages of closed channels are dropped, and notes that either side has on them
//! are released. For opened channels the popping thread receives their present state.

use super::core::Core;
use super::effect::{Keyed, PortKey};
use super::inbound::Inbound;
use super::outbound::Outbound;
use crate::midi::channels::Channels;
use crate::realtime::consumer::Record;
use crate::realtime::filter::Direction;

impl Core {
    /// Whether the channels of a port were changed.
    pub(super) fn has_new_channels(&self, key: PortKey) -> bool {
        self.shared(key)
            .is_some_and(|shared| shared.queues.filter.is_unseen(Direction::Outgoing))
    }

    /// Carries out the changes.
    pub(super) fn change_channels(&mut self, key: PortKey, now: u64) {
        if !self.has_new_channels(key) {
            return;
        }
        let Some(port) = self.ports.at_mut(key) else { return };
        let filter = &port.shared.queues.filter;
        // Read first: a change after this counts as another change.
        let revision = filter.revision();
        let (cut, open) = filter.take_cut(Direction::Outgoing);
        filter.see(Direction::Outgoing, revision);
        // The thread that changed them may not have announced it yet.
        port.queue.as_mut().into_iter().for_each(|queue| queue.renew_gates());
        let cut = cut.or(port.channels.without(open));
        let opened = open.without(port.channels.without(cut));
        let followed = port.channels;
        port.channels = open;
        if !cut.is_empty() {
            self.outbound(key, now, |outbound| cut_outbound(outbound, cut));
            // The messages that a peer had to read first may have been dropped.
            self.unblock(key, now);
            self.inbound(key, now, |inbound| inbound.cut(cut, followed));
        }
        if !opened.is_empty() {
            self.inbound(key, now, |inbound| inbound.reveal(opened));
        }
        self.settle(key, now);
        self.changed(key);
    }
}

/// Nothing of some channels is sent any more.
fn cut_outbound(outbound: &mut Outbound<'_>, channels: Channels) {
    for waiting in outbound.port.schedule.take_channels(channels) {
        outbound.port.unschedule(waiting.bytes.len());
        outbound.port.count_forgotten(&waiting);
    }
    outbound.port.memory.cut(channels);
    for index in 0..outbound.port.peers.len() {
        let peer = outbound.port.peers[index];
        let Some(connection) = outbound.connections.at_mut(peer) else {
            continue;
        };
        if !connection.output.takes() {
            continue;
        }
        let port = &*outbound.port;
        let made = connection.output.cut(channels, outbound.now, || port.count_lost(0));
        port.shared.counters.network.synthesized.add(made);
        connection.output.buffer.end_batch(outbound.now);
        outbound.effects.write(peer, connection);
    }
}

/// Drops a message of a channel that was closed after the push. A System Reset would have released everything.
pub(super) fn exclude(outbound: &mut Outbound<'_>, record: &Record<'_>) {
    if record.is_scheduled() {
        outbound.port.unschedule(record.data.len());
    }
    outbound.port.count_lost(0);
    if record.data != [0xFF] || record.is_scheduled() {
        return;
    }
    for index in 0..outbound.port.peers.len() {
        let peer = outbound.port.peers[index];
        while let Some(release) = outbound.connections.at_mut(peer).and_then(|connection| {
            let is_meant = record.client == 0 || record.client == connection.client;
            let output = &mut connection.output;
            let takes = is_meant && output.takes();
            takes.then(|| output.ahead().release())?
        }) {
            outbound.port.shared.counters.network.synthesized.add(1);
            outbound.offer(peer, &release, outbound.now);
        }
    }
}

impl Inbound<'_> {
    /// Some channels are not returned any more: notes that the popping thread has on them are released. `followed`: the
    /// channels that were returned until now. For all others `hidden` knows more than the track.
    fn cut(&mut self, channels: Channels, followed: Channels) {
        self.give_merged(u64::MAX);
        let mut holds = false;
        for peer in &self.port.peers {
            let Some(connection) = self.connections.at_mut(*peer) else {
                continue;
            };
            let input = &mut connection.input;
            if let Some(sent) = input.track.sent() {
                input.hidden.get_or_insert_default().copy(sent, channels.and(followed));
            }
            holds |= input.track.cut(channels);
        }
        if holds {
            self.tell_at_once();
        }
    }

    /// Some channels are returned again: the popping thread receives their present state.
    fn reveal(&mut self, channels: Channels) {
        self.give_merged(u64::MAX);
        for peer in &self.port.peers {
            let Some(connection) = self.connections.at_mut(*peer) else {
                continue;
            };
            let input = &mut connection.input;
            if let Some(hidden) = &input.hidden {
                input.track.reveal(hidden, channels);
            }
        }
        self.tell_at_once();
    }

    /// Gives the difference as far as there is room. Until it is complete, messages of other channels have to wait.
    fn tell_at_once(&mut self) {
        self.port.owed.loss.get_or_insert(false);
        self.port.shared.set_needs_release(true);
        self.repair_lost();
    }
}
