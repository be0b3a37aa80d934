//! `midisock_flush`: when all that was due has been handed to the system.

use super::connection::Connection;
use super::effect::{Keyed, Peer};
use slab::Slab;

/// Flushes that are kept apart; beyond, the last ones wait for one another.
const MOST_PENDING: usize = 16;

/// A flush that was asked for.
struct Pending {
    ticket: u32,
    stage: Stage,
    /// The last ticket up to this one of which some was lost with its connection.
    lost: Option<u32>,
}

enum Stage {
    /// What was pushed up to this position of the out queue, and what is due at this time, is not with the connections
    /// yet.
    Draining { position: usize, due_ns: u64 },
    /// Each of these connections has to write so many bytes in all.
    Writing(Vec<Target>),
}

struct Target {
    peer: Peer,
    serial: u64,
    written: u64,
}

/// The flushes of one port.
#[derive(Default)]
pub(super) struct Flushes {
    pending: Vec<Pending>,
    /// For when the first message was meant that the last connection took with it, where it left no peer; 0: at once. A
    /// flush tells that as long as there is none.
    lost_with_last: Option<u64>,
    /// The same of the connection that is about to end.
    losing: Option<u64>,
}

impl Flushes {
    /// Whether one waits for what the out queue still holds.
    #[inline]
    pub(super) fn is_draining(&self) -> bool {
        self.pending
            .iter()
            .any(|pending| matches!(pending.stage, Stage::Draining { .. }))
    }

    /// A flush was asked for, with the out queue filled up to `position`. `alone`: the port has no peer.
    pub(super) fn ask(&mut self, ticket: u32, position: usize, now: u64, alone: bool) {
        if self.pending.last().is_some_and(|last| last.ticket == ticket) {
            return;
        }
        let is_lost = alone && self.lost_with_last.is_some_and(|at| at <= now);
        let mut lost = is_lost.then_some(ticket);
        if self.pending.len() == MOST_PENDING {
            lost = lost.or(self.pending.pop().and_then(|last| last.lost));
        }
        self.pending.push(Pending {
            ticket,
            stage: Stage::Draining { position, due_ns: now },
            lost,
        });
    }

    /// The out queue has been emptied up to `position`, and nothing is left that was due before `next_due_ns`: what those
    /// who wait for that wait for now is in the buffers of `connections`.
    pub(super) fn drained(
        &mut self,
        position: usize,
        next_due_ns: u64,
        connections: &Slab<Connection>,
        peers: &[Peer],
        alone: bool,
    ) {
        for pending in &mut self.pending {
            if let Stage::Draining {
                position: wanted,
                due_ns,
            } = pending.stage
            {
                let reached = position.wrapping_sub(wanted) as isize >= 0;
                if reached && next_due_ns > due_ns {
                    pending.stage = Stage::Writing(targets(connections, peers, alone));
                }
            }
        }
    }

    /// A connection is about to end. `unsent`: for when the first message was meant that was not written to it.
    pub(super) fn connection_ends(&mut self, unsent: Option<u64>) {
        self.losing = self.losing.into_iter().chain(unsent).min();
    }

    /// A connection has ended after so many bytes. `alone`: the port has no other peer. What it did not write is lost
    /// then, and so is what is not with a connection yet. No flush waits for what is meant for later.
    pub(super) fn connection_ended(&mut self, peer: Peer, serial: u64, written: u64, alone: bool) {
        let losing = self.losing.take();
        self.lost_with_last = losing.filter(|_| alone);
        for pending in &mut self.pending {
            let mut is_lost = false;
            match &mut pending.stage {
                Stage::Draining { due_ns, .. } => is_lost = alone && losing.is_some_and(|at| at <= *due_ns),
                Stage::Writing(targets) => targets.retain(|target| {
                    let is_it = target.peer == peer && target.serial == serial;
                    is_lost |= is_it && alone && written < target.written;
                    !is_it
                }),
            }
            if is_lost {
                pending.lost = Some(pending.ticket);
            }
        }
    }

    /// Takes the next flush that is done: its ticket, and the last one up to it of which some was lost.
    pub(super) fn take_done(&mut self, connections: &Slab<Connection>) -> Option<(u32, Option<u32>)> {
        let first = self.pending.first()?;
        let Stage::Writing(targets) = &first.stage else {
            return None;
        };
        if !targets.iter().all(|target| target.is_reached(connections)) {
            return None;
        }
        let done = self.pending.remove(0);
        Some((done.ticket, done.lost))
    }
}

/// `alone`: no peer is left but those that are being closed, and these are waited for.
fn targets(connections: &Slab<Connection>, peers: &[Peer], alone: bool) -> Vec<Target> {
    let awaited = peers.iter().filter_map(|peer| {
        let connection = connections.at(*peer)?;
        let output = &connection.output;
        // A congested peer gets the difference when it reads again: that may be never.
        let is_awaited = output.takes() || alone && !output.is_broken();
        let awaits = !output.buffer.is_empty() && is_awaited && !output.is_congested();
        awaits.then(|| Target {
            peer: *peer,
            serial: connection.serial,
            written: output.written + output.buffer.len() as u64,
        })
    });
    awaited.collect()
}

impl Target {
    fn is_reached(&self, connections: &Slab<Connection>) -> bool {
        let connection = connections
            .at(self.peer)
            .filter(|connection| connection.serial == self.serial);
        connection.is_none_or(|connection| {
            let output = &connection.output;
            output.is_congested() || output.buffer.is_empty() || output.written >= self.written
        })
    }
}
