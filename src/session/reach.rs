//! Whom a message reaches, and where it ends something.

use super::connection::Connection;
use super::effect::{Keyed, Peer};
use super::pairs::OffsFor;
use super::schedule::Outgoing;
use slab::Slab;

/// Whether something holds at one of those that a message for `client` reaches.
pub(super) fn reached(
    peers: &[Peer],
    client: u32,
    connections: &mut Slab<Connection>,
    mut holds: impl FnMut(&mut Connection) -> bool,
) -> bool {
    peers.iter().any(|peer| {
        let connection = connections.at_mut(*peer);
        // One that has left, and is only written empty, holds what it holds.
        let connection = connection.filter(|connection| connection.output.takes());
        let connection = connection.filter(|connection| client == 0 || connection.client == client);
        connection.is_some_and(&mut holds)
    })
}

/// The clients that a message reaches.
pub(super) fn receivers(peers: &[Peer], connections: &Slab<Connection>, message: Outgoing<'_>) -> Vec<u32> {
    let connection = |peer: &Peer| connections.at(*peer);
    let takes = |connection: &&Connection| connection.output.takes() && message.reaches(connection.client);
    let reached = peers.iter().filter_map(connection).filter(takes);
    reached.map(|connection| connection.client).collect()
}

/// At which of those that a Note Off reaches its note sounds more often, after what waits for them, than Note Offs are
/// scheduled for them.
pub(super) fn unended_at(
    peers: &[Peer],
    connections: &mut Slab<Connection>,
    off: Outgoing<'_>,
    offs: OffsFor<'_>,
) -> Vec<u32> {
    let mut unended = Vec::new();
    for peer in peers {
        let connection = connections.at_mut(*peer);
        let connection = connection.filter(|connection| connection.output.takes() && off.reaches(connection.client));
        let Some(connection) = connection else { continue };
        let count = offs(connection.client);
        if !connection.ends(off.bytes, count) {
            unended.push(connection.client);
        }
    }
    unended
}
