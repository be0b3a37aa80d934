//! What a client that leaves still gets of what was pushed: all that is due for it, though other clients get it later.

use super::effect::{Keyed, Peer};
use super::outbound::Outbound;
use super::port::Forwarded;

/// A message for a client that leaves.
struct Copied {
    /// Its place among the others.
    at_ns: u64,
    meant_ns: u64,
    made: bool,
    bytes: Box<[u8]>,
}

impl Outbound<'_> {
    /// A client leaves: gives it what is due and still in the schedule and the out queue for it, in order of time, then of
    /// pushing. Messages that are for other clients too stay for those.
    pub(super) fn bring_forward(&mut self, peer: Peer) {
        let is_other = |other: &Peer| {
            let connection = self.connections.at(*other).filter(|_| *other != peer);
            connection.is_some_and(|connection| connection.output.takes())
        };
        if self.port.peers.iter().any(is_other) {
            self.give_copies(peer);
        } else {
            self.take_all(self.now);
        }
    }

    fn give_copies(&mut self, peer: Peer) {
        let Some(mut queue) = self.port.queue.take() else {
            return;
        };
        let client = self.connections.at(peer).map_or(0, |connection| connection.client);
        let mut due = Vec::new();
        for waiting in self.port.schedule.due_for_all(self.now, client) {
            due.push(Copied {
                at_ns: waiting.time_ns,
                meant_ns: waiting.time_ns,
                made: waiting.made,
                bytes: waiting.bytes.clone(),
            });
        }
        for waiting in self.port.schedule.take_named(self.now, client) {
            self.port.unschedule(waiting.bytes.len());
            due.push(Copied {
                at_ns: waiting.time_ns,
                meant_ns: waiting.time_ns,
                made: waiting.made,
                bytes: waiting.bytes,
            });
        }
        // One without the time of its push comes after those before it.
        let mut latest = 0;
        let end = queue.scan(|record, cancelled| {
            let scheduled = record.is_scheduled();
            let (pushed_ns, meant_ns) = record.pushed_and_meant(self.now);
            if !scheduled {
                latest = pushed_ns.max(latest);
            }
            let is_for_it = record.client == 0 || record.client == client;
            if !is_for_it || scheduled && record.time_ns > self.now {
                return;
            }
            if !(scheduled && cancelled) || self.ends_what_sounds(client, record.data) {
                due.push(Copied {
                    at_ns: if scheduled { record.time_ns } else { latest },
                    meant_ns,
                    made: false,
                    bytes: record.data.into(),
                });
            } else if record.client == client {
                self.port.count_lost(0);
            }
        });
        due.sort_by_key(|copied| copied.at_ns);
        for copied in due {
            self.port.shared.counters.network.synthesized.add(copied.made.into());
            self.offer(peer, &copied.bytes, self.time_of_call(copied.meant_ns));
        }
        let forwarded = Forwarded {
            position: end,
            until_ns: self.now,
            open: self.port.channels,
        };
        self.port.forwarded.insert(client, forwarded);
        self.port.queue = Some(queue);
    }
}
