//! Ports of a manual server that wait for `accept`. The port of a client that has left waits too, with its messages. It
//! is closed when a newcomer needs the room.

use super::effect::{Effect, PortKey};
use super::{Session, port};
use crate::realtime::shared::{Role, Shared};
use std::sync::atomic::Ordering;

/// A client leaves. True, once, if it was not accepted: then its port is kept.
pub(super) fn leaves(server: &Shared, accepted: &Shared) -> bool {
    // Added first: a thread that accepts it takes it away again.
    server.clients.left_behind.fetch_add(1, Ordering::AcqRel);
    let unaccepted = accepted.clients.acceptance.leave();
    if !unaccepted {
        server.clients.left_behind.fetch_sub(1, Ordering::AcqRel);
    }
    unaccepted
}

/// As many ports are kept as there may be clients. Where there are more, ports of clients that have left are closed, the
/// oldest first.
pub(super) fn bound(session: &mut Session, server: &Shared, now: u64) {
    let clients = &server.clients;
    let kept = || clients.count.load(Ordering::Relaxed) + clients.left_behind.load(Ordering::Acquire);
    while kept() > server.config.server.max_clients {
        let left = |(_, port): &(usize, &port::Port)| port.shared.clients.acceptance.is_left();
        let ports = session.core.ports.iter().filter(left);
        let Some((key, port)) = ports.min_by_key(|(_, port)| port.shared.id) else {
            return;
        };
        // Else it has been accepted meanwhile.
        if port.shared.clients.acceptance.give_up() {
            clients.left_behind.fetch_sub(1, Ordering::AcqRel);
            server.counters.network.rejected.add(1);
            session.core.effects.push(Effect::Withdraw(PortKey(key)));
            session.release(PortKey(key), now);
        }
    }
}

/// The server is shut down: clients that nobody can accept any more see the end.
pub(super) fn shut_down(session: &mut Session, server: PortKey, now: u64) {
    let Some(shared) = session.core.shared(server).filter(|shared| shared.role == Role::Manual) else {
        return;
    };
    let ports = session.core.ports.iter();
    let accepted = ports.filter(|(_, port)| port.shared.role == Role::Accepted);
    let unaccepted = accepted.filter(|(_, port)| leaves(shared, &port.shared));
    let unaccepted: Vec<PortKey> = unaccepted.map(|(other, _)| PortKey(other)).collect();
    for port in unaccepted {
        session.shut_down(port, now);
    }
}
