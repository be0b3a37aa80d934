//! Which peers may be clients of a server: newcomers, and clients that are connected when the list changes.

use super::Session;
use super::allow::Allow;
use super::connection::{Connection, Phase, Reason};
use super::effect::{Keyed, Peer, PortKey};
use super::sniff;
use crate::realtime::client_table::NewClient;
use crate::realtime::shared::Role;
use crate::sys::address::Address;
use crate::sys::clock::ms;
use crate::sys::code::Code;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Whether a peer may connect. A peer without a known address may connect only if every peer may.
pub(super) fn permits(allow: Option<&Allow>, address: Option<Address>) -> bool {
    let ip = address.and_then(|address| address.ip());
    allow.is_none_or(|allow| ip.is_some_and(|ip| allow.permits(ip)))
}

/// Changes who may connect to a server. Clients that are no longer allowed leave in good order. Newcomers that were not
/// announced yet leave without a notification. False if the port is not a server, or is ending.
pub(crate) fn set_allow(session: &mut Session, key: PortKey, allow: Option<Allow>, now: u64) -> bool {
    let is_open = session.core.ports.at(key).is_some_and(|port| !port.is_ending());
    let Some(server) = session.server.as_mut().filter(|server| is_open && server.port == key) else {
        return false;
    };
    let connections = &session.core.connections;
    let is_unwelcome = |peer: &Peer| {
        let connection = connections.at(*peer);
        connection.is_some_and(|connection| !permits(allow.as_ref(), connection.address))
    };
    let mut unwelcome: Vec<Peer> = server.by_client.values().copied().filter(is_unwelcome).collect();
    server.options.allow = allow;
    unwelcome.sort_unstable();
    for peer in unwelcome {
        send_away(session, key, peer, now);
    }
    true
}

/// Ends a client's connection, since it is not allowed any more.
fn send_away(session: &mut Session, server: PortKey, peer: Peer, now: u64) {
    let Some(connection) = session.core.connections.at(peer) else {
        return;
    };
    let key = connection.port;
    if !connection.is_confirmed() {
        // It counts like a newcomer that is turned away.
        if let Some(shared) = session.core.shared(server) {
            shared.counters.network.rejected.add(1);
        }
        return session.drop_unannounced(peer, now);
    }
    session.dismiss(key, peer, Reason::of(Code::Permission), now);
    if session
        .core
        .shared(key)
        .is_some_and(|shared| shared.role == Role::Accepted)
    {
        // It was this port's only peer.
        session.after_leaving(key, true, now);
    }
}

/// A newcomer that was let in has an id.
pub(super) fn enter(session: &mut Session, client: NewClient, address: Option<Address>, now: u64) -> Option<Peer> {
    let server = session.server.as_mut()?;
    let key = server.port;
    let port = session.core.ports.at_mut(key)?;
    let shared = Arc::clone(&port.shared);
    shared.clients.table.enter(client, address.unwrap_or(Address::UNKNOWN));
    let phase = Phase::New {
        until: now + ms(sniff::patience_ms(address)),
    };
    session.core.serial += 1;
    let mut connection = Connection::new(session.core.serial, key, address, phase, port.config(), now);
    connection.client = client.id;
    connection.server = Some(key);
    let peer = Peer(session.core.connections.insert(connection));
    server.by_client.insert(client.id, peer);
    let is_first = !port.peers.iter().any(|peer| {
        session
            .core
            .connections
            .at(*peer)
            .is_some_and(|other| other.output.takes())
    });
    session.core.outbound(key, now, |outbound| {
        if is_first {
            // Pushed while there was no client.
            outbound.discard(true);
        }
        outbound.port.peers.push(peer);
        outbound.greet(peer);
    });
    // Before it is counted: a caller that has seen a client pushes to it.
    if shared.role == Role::Merged {
        shared.set_up(true);
    }
    shared.clients.count.fetch_add(1, Ordering::Relaxed);
    session.core.changed(key);
    session.core.rearm(peer, now);
    Some(peer)
}

/// Peers that have left, and are only kept for an answer or until there is room for what they sent, keep nobody out:
/// as when all clients are started anew.
pub(super) fn make_place(session: &mut Session, now: u64) {
    let Some(server) = session.server.as_ref() else { return };
    let mut peers: Vec<Peer> = server.by_client.values().copied().collect();
    peers.sort_unstable();
    for peer in peers {
        give_way(session, peer, now);
        if session.has_place() {
            return;
        }
    }
}

/// A newcomer needs the place of a peer, if that has left.
pub(super) fn give_way(session: &mut Session, peer: Peer, now: u64) {
    let Some(connection) = session.core.connections.at_mut(peer) else {
        return;
    };
    let has_sent_all = connection.waits_for_room() || connection.output.buffer.is_empty();
    match &mut connection.phase {
        Phase::HalfClosed { until, .. } if has_sent_all => {
            *until = now;
            session.check_half_closed(peer, None, now);
        }
        _ => {}
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::realtime::config::Config;
    use crate::realtime::endpoint::Endpoint;
    use crate::realtime::notifications::Kind;
    use crate::realtime::shared::Shared;
    use crate::realtime::waker::Waker;
    use crate::session::options::Options;
    use crate::session::{Effect, Session};

    const START: u64 = 1_000_000_000;

    fn server(role: Role) -> (Endpoint, Session, PortKey, Arc<Shared>) {
        let config = Config::default().normalized().unwrap();
        let waker = Arc::new(Waker::new().unwrap());
        let (endpoint, half) = Endpoint::with_network(role, &config, waker).unwrap();
        let shared = Arc::clone(&half.shared);
        let (session, key) = Session::new(half.shared, half.queues, Options::default());
        (endpoint, session, key, shared)
    }

    fn come(session: &mut Session, address: &str) -> Option<Peer> {
        session.add_client(Some(Address::Ip(address.parse().unwrap())), START)
    }

    fn effects(session: &mut Session) -> Vec<Effect> {
        std::iter::from_fn(|| session.core.poll_effect()).collect()
    }

    fn only(list: &str) -> Option<Allow> {
        Some(list.parse().unwrap())
    }

    #[test]
    fn a_newcomer_that_is_not_announced_goes_without_a_word() {
        for role in [Role::Merged, Role::Manual] {
            let (endpoint, mut session, key, shared) = server(role);
            let stranger = come(&mut session, "10.0.0.1:5").unwrap();
            let friend = come(&mut session, "10.0.0.2:5").unwrap();
            effects(&mut session);
            assert!(set_allow(&mut session, key, only("10.0.0.2"), START));
            let done = effects(&mut session);
            assert!(done.contains(&Effect::Close(stranger)) && !done.contains(&Effect::Close(friend)));
            assert_eq!(
                (endpoint.client_count(), shared.counters.network.rejected.get()),
                (1, 1)
            );
            assert!(endpoint.poll_notification().is_none());
            // Nor may a later newcomer connect, until every address may.
            assert!(come(&mut session, "10.0.0.1:6").is_none());
            assert!(set_allow(&mut session, key, None, START) && come(&mut session, "10.0.0.1:6").is_some());
        }
    }

    #[test]
    fn a_client_leaves_with_the_reason() {
        let (endpoint, mut session, key, _) = server(Role::Merged);
        let stranger = come(&mut session, "10.0.0.1:5").unwrap();
        come(&mut session, "10.0.0.2:5").unwrap();
        // The client holds a note at the server, and the server holds one at the client.
        session.handle_bytes(stranger, START, &[0x90, 60, 1]);
        // SAFETY: this is the only thread.
        assert_eq!(unsafe { endpoint.push(0, 0, &[0x91, 61, 1]) }, Code::Ok);
        assert_eq!(endpoint.poll_notification().unwrap().kind, Kind::ClientJoined);
        effects(&mut session);
        assert!(set_allow(&mut session, key, only("10.0.0.2"), START));
        assert!(effects(&mut session).contains(&Effect::Write(stranger)));
        assert_eq!(session.core.unsent(stranger), [0x91, 61, 1, 0x81, 61, 64]);
        let left = endpoint.poll_notification().unwrap();
        assert_eq!(
            (left.kind, left.reason, left.client),
            (Kind::ClientLeft, Code::Permission, 1)
        );
        // SAFETY: this is the only thread, and each message is looked at before the next is popped.
        let pop = || unsafe { endpoint.pop().map(|popped| popped.data.as_ref().to_vec()) };
        assert_eq!(pop(), Ok(vec![0x90, 60, 1]));
        assert_eq!(pop(), Ok(vec![0x80, 60, 64]));
        assert_eq!(pop(), Err(Code::Empty));
        assert_eq!(endpoint.clients(), Ok(vec![2]));
    }

    #[test]
    fn a_server_that_ends_takes_no_list() {
        let (_endpoint, mut session, key, _) = server(Role::Merged);
        session.shut_down(key, START);
        assert!(!set_allow(&mut session, key, None, START));
    }
}
