//! Messages for a client that leaves: all that are due for it, though other clients get them later.

use super::effect::{Keyed, Peer};
use super::outbound::Outbound;
use super::port::Forwarded;
use super::schedule::Scheduled;

/// A message for a client that leaves.
struct Copied {
    /// Its place among the others.
    at_ns: u64,
    meant_ns: u64,
    made: bool,
    bytes: Box<[u8]>,
}

impl Copied {
    fn of(waiting: &Scheduled) -> Self {
        Self {
            at_ns: waiting.time_ns,
            meant_ns: waiting.time_ns,
            made: waiting.made,
            bytes: waiting.bytes.clone(),
        }
    }
}

/// A client leaves: gives it what is due and still in the schedule and the out queue for it, in order of time, then of
/// pushing. Messages that are for other clients too stay for those.
pub(super) fn bring_forward(outbound: &mut Outbound<'_>, peer: Peer) {
    let is_other = |other: &Peer| {
        let connection = outbound.connections.at(*other).filter(|_| *other != peer);
        connection.is_some_and(|connection| connection.output.takes())
    };
    if outbound.port.peers.iter().any(is_other) {
        give_copies(outbound, peer);
    } else {
        outbound.take_all(outbound.now);
    }
}

fn give_copies(outbound: &mut Outbound<'_>, peer: Peer) {
    let Some(mut queue) = outbound.port.queue.take() else {
        return;
    };
    let client = outbound.connections.at(peer).map_or(0, |connection| connection.client);
    let mut due = Vec::new();
    for waiting in outbound.port.schedule.due_for_all(outbound.now, client) {
        due.push(Copied::of(waiting));
    }
    for waiting in outbound.port.schedule.take_named(outbound.now, client) {
        outbound.port.unschedule(waiting.bytes.len());
        due.push(Copied::of(&waiting));
    }
    // One without the time of its push comes after those before it.
    let mut latest = 0;
    let end = queue.scan(|record, cancelled| {
        let scheduled = record.is_scheduled();
        let (pushed_ns, meant_ns) = record.pushed_and_meant(outbound.now);
        if !scheduled {
            latest = pushed_ns.max(latest);
        }
        let is_for_it = record.client == 0 || record.client == client;
        if !is_for_it || scheduled && record.time_ns > outbound.now {
            return;
        }
        if !(scheduled && cancelled) || outbound.ends_what_sounds(client, record.data) {
            due.push(Copied {
                at_ns: if scheduled { record.time_ns } else { latest },
                meant_ns,
                made: false,
                bytes: record.data.into(),
            });
        } else if record.client == client {
            outbound.port.count_lost(0);
        }
    });
    due.sort_by_key(|copied| copied.at_ns);
    for copied in due {
        outbound
            .port
            .shared
            .counters
            .network
            .synthesized
            .add(copied.made.into());
        outbound.offer(peer, &copied.bytes, outbound.time_of_call(copied.meant_ns));
    }
    let forwarded = Forwarded {
        position: end,
        until_ns: outbound.now,
        open: outbound.port.channels,
    };
    outbound.port.forwarded.insert(client, forwarded);
    outbound.port.queue = Some(queue);
}
